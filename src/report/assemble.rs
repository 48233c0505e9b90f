//! From records to the model of the report. Next: `machine.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use workloads::wire::{RuntimeCounters, count};

use crate::session::record::{Outcome, ProfileInfo, RunRecord};

use super::decode::{self, Measured, MeasuredStream};
use super::machine::Machine;
use super::model::{
    Counters, Engine, Failure, PerOperation, Percentile, Plan, Plugin, Point, PointStream, Profile, Rate,
    Report, SCHEMA, Status, Stream, Tool, Usage, VERSION, Workload,
};
use super::quality;

/// The percentiles of a report, in parts of 100,000.
const PERCENTILES: [u32; 10] =
    [50_000, 75_000, 90_000, 95_000, 99_000, 99_500, 99_900, 99_950, 99_990, 99_999];
/// A percentile with fewer samples beyond it is withheld: a handful of samples decides it.
const FEWEST_BEYOND: u64 = 10;
/// A percentile with fewer samples beyond it is marked.
const THIN_BEYOND: u64 = 100;

/// Makes the model from what was measured.
pub(super) fn assemble(
    profile: &ProfileInfo,
    runs: &[Measured<'_>],
    machine: Machine,
    created: Timestamp,
) -> Report {
    let release_build = !cfg!(debug_assertions);
    let workloads: Vec<_> = runs.iter().map(|run| workload(run, machine.logical_cores)).collect();
    Report {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        created: rfc3339_of(created),
        tool: Tool::this(),
        status: quality::overall(workloads.iter().map(|workload| workload.status)),
        profile: Profile {
            name: profile.name.clone(),
            path: profile.path.clone(),
            effective: profile.effective.clone(),
        },
        machine,
        warnings: quality::of_report(release_build),
        workloads,
    }
}

pub(super) fn workload(run: &Measured<'_>, cores: Option<u64>) -> Workload {
    let record = run.record;
    let (status, failure) = ending(&record.outcome);
    let counts = counts(record);
    let measured_ns = measured_ns(record);
    let usage = record.done.as_ref().map(|done| Usage {
        user_us: done.usage.user_us,
        system_us: done.usage.system_us,
        voluntary_switches: done.usage.voluntary_switches,
        involuntary_switches: done.usage.involuntary_switches,
        max_rss_bytes: done.usage.max_rss_bytes,
    });
    let mut workload = Workload {
        name: record.name.clone(),
        slug: run.slug.clone(),
        kind: record.plan.workload.clone(),
        status,
        failure,
        started: rfc3339(record.started),
        start_up_ns: record.start_up.map(|time| time.as_nanos() as u64),
        engine: record
            .hello
            .as_ref()
            .map(|hello| Engine { name: hello.engine.clone(), version: hello.engine_version.clone() }),
        plugin: record.plan.plugin.as_ref().map(|plugin| Plugin {
            path: plugin.path.clone(),
            name: plugin.name.clone(),
            version: plugin.version.clone(),
            sdk: plugin.sdk.clone(),
            rustc: plugin.rustc.clone(),
        }),
        plan: Plan {
            runtime: serde_json::to_value(&record.plan.runtime).unwrap_or_default(),
            params: record.plan.params.clone(),
            warmup_ns: record.plan.warmup_ns,
            duration_ns: record.plan.duration_ns,
            interval_ns: record.plan.interval_ns,
            seed: record.plan.seed,
        },
        measured_ns,
        rate: Rate {
            asked: asked_rate(record),
            started: per_second(&counts, count::STARTED, measured_ns),
            completed: per_second(&counts, count::COMPLETED, measured_ns),
        },
        per_operation: per_operation(usage.as_ref(), &counts),
        counts,
        usage,
        streams: run.streams.iter().map(stream).collect(),
        runtime: counters(record),
        series: series(run),
        warnings: Vec::new(),
    };
    workload.warnings = quality::of_workload(&workload, run, cores);
    workload
}

fn ending(outcome: &Outcome) -> (Status, Option<Failure>) {
    match outcome {
        Outcome::Complete => (Status::Complete, None),
        Outcome::Interrupted => (Status::Interrupted, None),
        Outcome::Failed { message, hint, is_input } => {
            let failure = Failure { message: message.clone(), hint: hint.clone(), is_input: *is_input };
            (Status::Failed, Some(failure))
        }
    }
}

/// The child's sums, or our own where it did not live to give them.
fn counts(record: &RunRecord) -> BTreeMap<String, u64> {
    if let Some(done) = &record.done {
        return done.counts.clone();
    }
    let mut sums = BTreeMap::new();
    for interval in &record.intervals {
        add(&mut sums, &interval.counts);
    }
    sums
}

fn counters(record: &RunRecord) -> Counters {
    let mut sums = Counters::default();
    let mut take = |part: &RuntimeCounters| {
        let workers = sums.workers.len().max(part.workers.len());
        sums.workers.resize_with(workers, BTreeMap::new);
        sums.workers.iter_mut().zip(&part.workers).for_each(|(sum, worker)| add(sum, worker));
        add(&mut sums.global, &part.global);
    };
    match &record.done {
        Some(done) => take(&done.runtime),
        None => record.intervals.iter().for_each(|interval| take(&interval.runtime)),
    }
    sums
}

fn add(to: &mut BTreeMap<String, u64>, from: &BTreeMap<String, u64>) {
    for (name, number) in from {
        let sum = to.entry(name.clone()).or_default();
        *sum = sum.saturating_add(*number);
    }
}

fn measured_ns(record: &RunRecord) -> Option<u64> {
    let seen = || record.intervals.last().map(|interval| interval.end_ns);
    record.done.as_ref().map(|done| done.measured_ns).or_else(seen)
}

/// The rate that the workload's parameters ask for.
pub(super) fn asked_rate(record: &RunRecord) -> Option<f64> {
    record.plan.params.get("rate").and_then(serde_json::Value::as_f64).filter(|&rate| rate > 0.0)
}

fn per_second(counts: &BTreeMap<String, u64>, name: &str, window_ns: Option<u64>) -> Option<f64> {
    let window_ns = window_ns.filter(|&ns| ns > 0)?;
    counts.get(name).map(|&number| number as f64 * 1e9 / window_ns as f64)
}

fn per_operation(usage: Option<&Usage>, counts: &BTreeMap<String, u64>) -> Option<PerOperation> {
    let operations = counts.get(count::COMPLETED).copied().filter(|&completed| completed > 0)? as f64;
    let usage = usage?;
    Some(PerOperation {
        cpu_ns: (usage.user_us + usage.system_us) as f64 * 1e3 / operations,
        context_switches: (usage.voluntary_switches + usage.involuntary_switches) as f64 / operations,
    })
}

fn stream(stream: &MeasuredStream) -> Stream {
    let total = &stream.total;
    let count = total.len();
    let any = count > 0;
    let ranks = PERCENTILES.map(|parts| decode::rank(count, parts));
    let values = decode::values_at_ranks(total, ranks.map(|(rank, _)| rank));
    let percentile = |nth: usize| {
        let (_, samples_beyond) = ranks[nth];
        Percentile {
            percentile: f64::from(PERCENTILES[nth]) / 1000.0,
            value: (samples_beyond >= FEWEST_BEYOND).then_some(values[nth]),
            samples_beyond,
            thin: samples_beyond < THIN_BEYOND,
        }
    };
    Stream {
        name: stream.info.name.clone(),
        title: stream.info.title.clone(),
        unit: stream.info.unit,
        count,
        min: any.then(|| total.min()),
        mean: any.then(|| total.mean()),
        stdev: (count > 1).then(|| total.stdev()),
        max: any.then(|| total.max()),
        percentiles: (0..PERCENTILES.len()).map(percentile).collect(),
    }
}

fn series(run: &Measured<'_>) -> Vec<Point> {
    let streams = |at: usize| {
        let slice = |stream: &MeasuredStream| {
            let slice = stream.slices[at];
            PointStream { count: slice.count, p50: slice.p50, p99: slice.p99, max: slice.max }
        };
        run.streams.iter().map(slice).collect()
    };
    let point = |(at, interval): (usize, &workloads::wire::Interval)| Point {
        start_ns: interval.start_ns,
        end_ns: interval.end_ns,
        counts: interval.counts.clone(),
        streams: streams(at),
    };
    run.record.intervals.iter().enumerate().map(point).collect()
}

/// A clock outside of the years that RFC 3339 can write is shown as 1970.
pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A wall clock's time as RFC 3339 has it, in UTC.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    rfc3339_of(timestamp(time))
}

fn rfc3339_of(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
