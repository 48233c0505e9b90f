//! One run in a few figures and one histogram: what a comparison keeps of it. Next: `dir.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use workloads::wire::{Plan, Stream, count};

use crate::session::record::RunRecord;

use super::model::{self, Warning, WarningKind};
use super::{assemble, decode};

/// A run's figures. What is not known is `None`.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
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
    /// The share of the operations due in the window that was completed. `None`: the load waits for the runtime.
    pub(crate) reached: Option<f64>,
    /// What the workload, the runtime (summed over its workers) and the system counted.
    pub(crate) counters: BTreeMap<String, u64>,
    /// What else the runtime tells of itself: `poll_time.p99`, `global_queue.mean`, `stolen_tasks.0.from.1` and the like.
    /// Times are in nanoseconds.
    pub(crate) insights: BTreeMap<String, f64>,
    /// What limits the trust in the run, a sentence or two each.
    pub(crate) warnings: Vec<String>,
    /// The workload's streams, with all their samples.
    pub(crate) streams: Vec<(Stream, Histogram<u64>)>,
}

/// A quantile of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantile {
    pub(crate) value: f64,
    /// Whether so few samples lie beyond that it should decide nothing.
    pub(crate) thin: bool,
}

/// The percentile in parts of 100,000. `None`: too few samples lie beyond it to tell.
pub(crate) fn quantile(samples: &Histogram<u64>, parts: u32) -> Option<Quantile> {
    let (rank, beyond) = decode::rank(samples.len(), parts);
    let [value] = decode::values_at_ranks(samples, [rank]);
    let thin = beyond < assemble::THIN_BEYOND;
    (beyond >= assemble::FEWEST_BEYOND).then_some(Quantile { value: value as f64, thin })
}

/// Digests one run.
pub(crate) fn digest(record: &RunRecord) -> Digest {
    let mut measured = decode::measure(std::slice::from_ref(record));
    let run = assemble::workload(&measured[0], None);
    let cost = run.per_operation.as_ref();
    let counted = |name: &str| run.counts.get(name).copied().unwrap_or(0);
    let planned = Some(counted(count::PLANNED)).filter(|&planned| planned > 0 && is_open(&record.plan));
    Digest {
        throughput: run.rate.completed,
        overloaded: run.rate.would_hold.is_some(),
        cpu_ns: cost.map(|cost| cost.cpu_ns),
        switches: cost.map(|cost| cost.context_switches),
        operations: assemble::operations(record, &run.counts),
        reached: planned.map(|planned| counted(count::COMPLETED) as f64 / planned as f64),
        counters: counters(&run),
        insights: insights(&run.runtime),
        warnings: run.warnings.iter().filter(|warning| TOLD.contains(&warning.kind)).map(sentence).collect(),
        streams: std::mem::take(&mut measured[0].streams)
            .into_iter()
            .map(|stream| (stream.info, stream.total))
            .collect(),
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

/// Whether the load starts its operations when they are due, however far the runtime is.
fn is_open(plan: &Plan) -> bool {
    let is_closed = plan.params.get("mode").is_some_and(|mode| mode == "closed");
    let is_rate = |name: &String| name == "rate" || name.ends_with("_rate");
    !is_closed && plan.params.keys().any(is_rate)
}

/// All that a run counts, under one name each.
fn counters(run: &model::Workload) -> BTreeMap<String, u64> {
    let mut sums = run.runtime.global.clone();
    for (name, number) in run.runtime.workers.iter().flatten() {
        let sum = sums.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*number);
    }
    // These are the same on all sides, or figures of their own.
    let known = [count::PLANNED, count::STARTED, count::COMPLETED];
    let own = run.counts.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    sums.extend(own.map(|(name, number)| (name.clone(), *number)));
    if let Some(usage) = &run.usage {
        let of_system = [
            ("cpu_user_ns", usage.user_us.saturating_mul(1000)),
            ("cpu_kernel_ns", usage.system_us.saturating_mul(1000)),
            ("switches_voluntary", usage.voluntary_switches),
            ("switches_involuntary", usage.involuntary_switches),
        ];
        sums.extend(of_system.map(|(name, number)| (name.to_owned(), number)));
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
        let streams = &record.hello.as_ref().unwrap().streams;
        assert_eq!(
            digest.streams.iter().map(|(stream, _)| stream).collect::<Vec<_>>(),
            streams.iter().collect::<Vec<_>>()
        );
        let (_, total) = &digest.streams[0];
        let [p50, p99] = [50_000, 99_000].map(|parts| quantile(total, parts).unwrap());
        assert!(!p99.thin && p99.value > p50.value);
        let beyond = total.len() - total.count_between(0, p99.value as u64);
        assert!(beyond * 100 <= total.len());
        assert!(digest.cpu_ns.unwrap() > 0.0 && digest.switches.is_some());
        assert_eq!(digest.counters["cpu_user_ns"], done.usage.user_us * 1000);
        assert!(!digest.counters.contains_key(count::COMPLETED));
        for name in done.runtime.workers.iter().flat_map(BTreeMap::keys) {
            let sum: u64 = done.runtime.workers.iter().filter_map(|worker| worker.get(name)).sum();
            assert_eq!(digest.counters[name], sum, "{name}");
        }
    }

    #[test]
    fn a_load_that_waits_for_the_runtime_has_no_share_that_it_reached() {
        let mut record = Made::echo().record();
        assert!(digest(&record).reached.is_some());
        record.plan.params.insert("mode".to_owned(), "closed".into());
        assert_eq!(digest(&record).reached, None);
    }

    #[test]
    fn few_samples_are_withheld_or_marked() {
        let of = |samples: u64, parts: u32| {
            let digest = digest(&with_samples(1..=samples));
            quantile(&digest.streams[0].1, parts)
        };
        assert_eq!(of(500, 99_000), None);
        assert!(of(1000, 99_000).unwrap().thin);
        assert!(!of(10_000, 99_000).unwrap().thin);
        assert_eq!(of(0, 50_000), None);
    }
}
