//! The verdicts: what the blocks say of each metric, and what the gates make of that.
//!
//! `measure.rs` has the figures of one metric, `decide.rs` the verdicts over all of them, `warnings.rs` what limits the
//! trust in them.
//!
//! Next file to read: `measure.rs`.
#![forbid(unsafe_code)]

mod decide;
mod measure;
mod warnings;

use std::collections::BTreeSet;

use workloads::wire::Unit;

use super::blocks;
use super::folder::Stored;
use super::model::{
    Baseline, Block, Comparison, Failure, Judged, Outcome, Pair, SCHEMA, Setup, State, VERSION, Verdict,
};
use super::series::{Both, runs, told};
use crate::profile::{Gate, Gates, Metric, Of, Rank, resolved};

/// Judges what was measured so far.
pub(crate) fn judge(
    setup: &Setup,
    measured: &[Block],
    baseline: Option<&Stored>,
    created: String,
) -> Comparison {
    let mut pairs = Vec::new();
    for workload in 0..setup.workloads.len() {
        pairs.extend(pairs_of(setup, measured, baseline, workload));
    }
    decide::decide(setup, measured, &mut pairs);
    decide::explore(&mut pairs);
    let complete = pairs.iter().all(|pair| pair.blocks + pair.failed >= setup.blocks);
    let mut comparison = Comparison {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        created,
        complete,
        outcome: Outcome::Pass,
        setup: setup.clone(),
        baseline: baseline.map(|stored| Baseline {
            folder: stored.folder.clone(),
            created: stored.setup.created.clone(),
            tool: stored.setup.tool.clone(),
            machine: stored.setup.machine.clone(),
        }),
        pairs,
        failures: failures(setup, measured),
        warnings: Vec::new(),
    };
    comparison.outcome = outcome(&comparison, measured);
    comparison.warnings = warnings::of(&comparison, measured);
    comparison
}

/// The sides of one workload that are compared, not judged yet.
fn pairs_of(setup: &Setup, measured: &[Block], baseline: Option<&Stored>, workload: usize) -> Vec<Pair> {
    let tally = blocks::tally(measured, workload);
    let engines = |blocks: &[Block], workload, side| told(blocks, workload, side, |run| run.engine.clone());
    let pair = |both: &Both<'_>, reference: (&str, BTreeSet<String>), candidate: usize| {
        let (metrics, counters) = judged(setup, both);
        Pair {
            workload: setup.workloads[workload].clone(),
            reference: reference.0.to_owned(),
            candidate: setup.sides[candidate].label.clone(),
            reference_engines: reference.1,
            candidate_engines: engines(measured, workload, candidate),
            paired: both.paired,
            blocks: tally.kept,
            redone: tally.redone,
            failed: tally.failed,
            disturbed: tally.disturbed,
            metrics,
            counters,
        }
    };
    if let Some(stored) = baseline {
        let (from, side) = stored.runs_of(&setup.workloads[workload], &setup.sides[0].plans[workload]);
        let both = Both {
            reference: runs(&stored.blocks, from, side),
            candidate: runs(measured, workload, 0),
            paired: false,
        };
        let label = format!("baseline {}", stored.setup.sides[side].label);
        return vec![pair(&both, (&label, engines(&stored.blocks, from, side)), 0)];
    }
    let against = |candidate: usize| {
        let [reference, other] = [0, candidate].map(|side| runs(measured, workload, side));
        let both = Both { reference, candidate: other, paired: true };
        pair(&both, (&setup.sides[0].label, engines(measured, workload, 0)), candidate)
    };
    (1..setup.sides.len()).map(against).collect()
}

/// The names and units of the streams that runs have, in the workload's order.
pub(super) fn streams(both: &Both<'_>) -> Vec<(String, Unit)> {
    let mut streams: Vec<(String, Unit)> = Vec::new();
    for stream in both.all().flat_map(|run| &run.streams) {
        if !streams.iter().any(|(name, _)| *name == stream.name) {
            streams.push((stream.name.clone(), stream.unit));
        }
    }
    streams
}

/// Every metric of a pair, and the counters that decide nothing; without verdicts.
fn judged(setup: &Setup, both: &Both<'_>) -> (Vec<Judged>, Vec<Judged>) {
    let streams = streams(both);
    let names: Vec<_> = streams.iter().map(|(name, _)| name.as_str()).collect();
    let gates = resolved(&setup.gates, &names);
    let known: BTreeSet<_> = both.all().flat_map(|run| run.metrics.keys().cloned()).collect();
    let counters: BTreeSet<_> =
        both.all().flat_map(|run| run.counters.keys().cloned()).map(Metric::Counter).collect();
    // Another workload may have the stream or the counter of a gate that is not there.
    let is_there = |metric: &&Metric| match metric {
        Metric::Percentile(Of::Stream(name), _) => names.contains(&name.as_str()),
        Metric::Counter(_) => counters.contains(metric),
        _ => true,
    };
    let mut metrics: Vec<Metric> = known
        .iter()
        .chain(gates.keys().filter(is_there))
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let place = |metric: &Metric| match metric {
        Metric::Percentile(Of::Stream(name), _) => names.iter().position(|stream| stream == name),
        _ => None,
    };
    metrics.sort_by_key(|metric| match metric {
        Metric::Percentile(..) => (0, place(metric)),
        _ => (1, None),
    });
    let unit = |metric: &Metric| {
        let at = place(metric).unwrap_or(0);
        streams.get(at).map_or(Unit::Nanoseconds, |(_, unit)| *unit)
    };
    let one = |metric: Metric, gate: Option<&Gate>| measure::measure(setup, both, metric, gate, &unit);
    let others: Vec<_> = counters.into_iter().filter(|counter| !gates.contains_key(counter)).collect();
    (
        metrics.into_iter().map(|metric| one(metric.clone(), gates.get(&metric))).collect(),
        others.into_iter().map(|metric| one(metric, None)).collect(),
    )
}

/// Percentiles that every comparison has of each stream, and those that gates ask for.
pub(super) fn ranks(gates: &Gates) -> BTreeSet<Rank> {
    let asked = gates.keys().filter_map(|metric| match metric {
        Metric::Percentile(_, rank) => Some(*rank),
        _ => None,
    });
    asked.chain(Rank::SHOWN).collect()
}

/// Failed runs of blocks that were not measured again, with their block.
fn failed(measured: &[Block]) -> impl Iterator<Item = (&Block, usize, &Failure)> {
    let stands = |block: &&Block| block.state == State::Failed && !blocks::is_superseded(measured, block);
    measured.iter().filter(stands).flat_map(|block| {
        block.runs.iter().filter_map(move |run| Some((block, run.side, run.failure.as_ref()?)))
    })
}

fn failures(setup: &Setup, measured: &[Block]) -> Vec<String> {
    let tell = |(block, side, failure): (&Block, usize, &Failure)| {
        let (workload, label) = (&setup.workloads[block.workload], &setup.sides[side].label);
        format!("{workload}, block {}, {label}: {}", block.number, failure.message)
    };
    failed(measured).map(tell).collect()
}

fn outcome(comparison: &Comparison, measured: &[Block]) -> Outcome {
    let failed: Vec<_> = failed(measured).map(|(_, _, failure)| failure.is_input).collect();
    let gated = || comparison.pairs.iter().flat_map(|pair| &pair.metrics).filter(|judged| judged.is_gate());
    let any = |is: fn(Verdict) -> bool| gated().flat_map(Judged::verdicts).any(is);
    match () {
        () if failed.contains(&true) => Outcome::BadInput,
        () if !failed.is_empty() => Outcome::RunFailed,
        () if !comparison.complete => Outcome::Interrupted,
        () if any(Verdict::is_worse) => Outcome::Regression,
        () if gated().any(|judged| judged.too_noisy) => Outcome::TooNoisy,
        () if comparison.setup.gates.is_empty() => Outcome::NotJudged,
        // Where no gate could be judged at all, nothing was shown.
        () if gated().next().is_none() || any(|verdict| verdict == Verdict::Inconclusive) => {
            Outcome::Inconclusive
        }
        () => Outcome::Pass,
    }
}
