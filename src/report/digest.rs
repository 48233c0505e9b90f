//! One run in a few figures and one histogram: what a comparison keeps of it. Next: `dir.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use workloads::wire::Stream;

use crate::session::record::RunRecord;

use super::model::{self, Percentile, Warning, WarningKind};
use super::{assemble, decode};

/// A run's figures. What is not known is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    /// The median of the first stream.
    pub(crate) p50: Option<Quantile>,
    /// Its 99th percentile.
    pub(crate) p99: Option<Quantile>,
    /// Completed operations a second.
    pub(crate) throughput: Option<f64>,
    /// Processor time for each of them, in nanoseconds.
    pub(crate) cpu_ns: Option<f64>,
    /// Context switches for each of them.
    pub(crate) switches: Option<f64>,
    /// Whether work came in faster than it was done.
    pub(crate) overloaded: bool,
    /// The completed operations that the counters are to be divided by.
    pub(crate) operations: u64,
    /// The runtime's counters, summed over its workers.
    pub(crate) counters: BTreeMap<String, u64>,
    /// What else the runtime tells of itself: `poll_time.p99`, `global_queue.mean`, `stolen_tasks.0.from.1` and the like.
    /// Times are in nanoseconds.
    pub(crate) insights: BTreeMap<String, f64>,
    /// What limits the trust in the run, a sentence or two each.
    pub(crate) warnings: Vec<String>,
    /// The first stream, with all its samples.
    pub(crate) stream: Option<(Stream, Histogram<u64>)>,
}

/// A quantile of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantile {
    pub(crate) value: f64,
    /// Whether so few samples lie beyond that it should decide nothing.
    pub(crate) thin: bool,
}

/// Digests one run.
pub(crate) fn digest(record: &RunRecord) -> Digest {
    let mut measured = decode::measure(std::slice::from_ref(record));
    let run = assemble::workload(&measured[0], None);
    let quantile = |wanted: f64| {
        let found = run.streams.first()?.percentiles.iter().find(|at| at.percentile == wanted)?;
        let &Percentile { value, thin, .. } = found;
        value.map(|value| Quantile { value: value as f64, thin })
    };
    let (p50, p99) = (quantile(50.0), quantile(99.0));
    let cost = run.per_operation.as_ref();
    let stream = (!measured[0].streams.is_empty()).then(|| measured[0].streams.swap_remove(0));
    Digest {
        p50,
        p99,
        throughput: run.rate.completed,
        overloaded: run.rate.would_hold.is_some(),
        cpu_ns: cost.map(|cost| cost.cpu_ns),
        switches: cost.map(|cost| cost.context_switches),
        operations: assemble::operations(record, &run.counts),
        counters: summed(&run.runtime),
        insights: insights(&run.runtime),
        warnings: run.warnings.iter().filter(|warning| TOLD.contains(&warning.kind)).map(sentence).collect(),
        stream: stream.map(|stream| (stream.info, stream.total)),
    }
}

/// The warnings that concern what was measured, and not how a comparison measures.
const TOLD: [WarningKind; 6] = [
    WarningKind::Overloaded,
    WarningKind::Unfinished,
    WarningKind::Errors,
    WarningKind::GeneratorLimited,
    WarningKind::StuckPolls,
    WarningKind::Workload,
];

fn sentence(warning: &Warning) -> String {
    let Warning { text, action, .. } = warning;
    action.as_ref().map_or_else(|| text.clone(), |action| format!("{text} {action}"))
}

fn insights(counters: &model::Counters) -> BTreeMap<String, f64> {
    let mut insights = BTreeMap::new();
    for (name, of) in &counters.histograms {
        let figures =
            [("mean", of.mean), ("p50", of.p50), ("p90", of.p90), ("p99", of.p99), ("p99.9", of.p999)];
        insights.extend(figures.map(|(figure, value)| (format!("{name}.{figure}"), value)));
    }
    for (name, level) in &counters.levels {
        insights.insert(format!("{name}.mean"), level.mean);
        insights.insert(format!("{name}.max"), level.max as f64);
    }
    for (thief, row) in counters.steals.iter().enumerate() {
        for (victim, &tasks) in row.iter().enumerate().filter(|(victim, _)| *victim != thief) {
            insights.insert(format!("stolen_tasks.{thief}.from.{victim}"), tasks as f64);
        }
    }
    insights
}

fn summed(counters: &model::Counters) -> BTreeMap<String, u64> {
    let mut sums = counters.global.clone();
    for (name, number) in counters.workers.iter().flatten() {
        let sum = sums.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*number);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{Made, with_samples};
    use super::*;

    #[test]
    fn a_digest_is_the_report_in_short() {
        let record = Made::echo().record();
        let digest = digest(&record);
        let done = record.done.as_ref().unwrap();
        assert_eq!(digest.operations, done.account.unwrap().completed);
        assert!(!digest.overloaded);
        assert_eq!(digest.warnings, Vec::<String>::new());
        for insight in ["poll_time.p99", "blocking_latency.p50", "global_queue.mean", "stolen_tasks.0.from.1"]
        {
            assert!(digest.insights.contains_key(insight), "{insight}: {:?}", digest.insights);
        }
        let (stream, total) = digest.stream.as_ref().unwrap();
        assert_eq!(stream.name, "latency");
        let p99 = digest.p99.unwrap();
        assert!(!p99.thin && p99.value > digest.p50.unwrap().value);
        let beyond = total.len() - total.count_between(0, p99.value as u64);
        assert!(beyond * 100 <= total.len());
        assert!(digest.cpu_ns.unwrap() > 0.0 && digest.switches.is_some());
    }

    #[test]
    fn few_samples_are_withheld_or_marked() {
        let of = |samples: u64| digest(&with_samples(1..=samples));
        assert_eq!(of(500).p99, None);
        assert!(of(1000).p99.unwrap().thin);
        assert!(!of(10_000).p99.unwrap().thin);
        assert_eq!(of(0).p50, None);
    }
}
