//! From records to the model of the report. Next: `machine.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;
use workloads::wire::{self, Done, Hello, count};

use crate::session::record::{Outcome, ProfileInfo, RunRecord};

use super::decode::{self, Measured, MeasuredStream};
use super::machine::Machine;
use super::model::{
    Account, Counters, Engine, Failure, PerOperation, Percentile, Plan, Plugin, Point, PointStream, Profile,
    Rate, Report, SCHEMA, Status, Stream, Tool, Usage, VERSION, Workload,
};
use super::{insight, lag, overload, quality};

/// The percentiles of a report, in parts of 100,000.
const PERCENTILES: [u32; 10] =
    [50_000, 75_000, 90_000, 95_000, 99_000, 99_500, 99_900, 99_950, 99_990, 99_999];
/// A percentile with fewer samples beyond it is withheld: a handful of samples decides it.
pub(super) const FEWEST_BEYOND: u64 = 10;
/// A percentile with fewer samples beyond it is marked.
pub(super) const THIN_BEYOND: u64 = 100;

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
    let overload = overload::overload(&record.intervals);
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
        engine: record.hello.as_ref().map(engine),
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
            completed: per_second(&counts, in_window(&counts), measured_ns),
            would_hold: overload.map(|overload| overload.would_hold),
        },
        per_operation: per_operation(usage.as_ref(), operations(record, &counts)),
        account: record.done.as_ref().and_then(account),
        counts,
        usage,
        streams: streams(run),
        runtime: counters(record),
        series: series(run),
        warnings: Vec::new(),
    };
    workload.warnings = quality::of_workload(&workload, run, overload, cores);
    workload
}

/// The engine as a child names it.
pub(crate) fn engine(hello: &Hello) -> Engine {
    Engine {
        name: hello.engine.clone(),
        version: hello.engine_version.clone(),
        build: hello.engine_build.clone(),
    }
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

/// The child's sums, or our own where it did not live to give them; and what never ended.
fn counts(record: &RunRecord) -> BTreeMap<String, u64> {
    let Some(done) = &record.done else {
        let mut sums = BTreeMap::new();
        record.intervals.iter().for_each(|interval| wire::add_counts(&mut sums, &interval.counts));
        return sums;
    };
    let mut counts = done.counts.clone();
    if let Some(&started) = counts.get(count::STARTED) {
        let ended = [count::COMPLETED, count::FAILED].map(|name| counts.get(name).copied().unwrap_or(0));
        let unfinished = ended.into_iter().fold(started, u64::saturating_sub);
        counts.insert(count::UNFINISHED.to_owned(), unfinished);
    }
    counts
}

fn counters(record: &RunRecord) -> Counters {
    match &record.done {
        Some(done) => insight::counters(&done.runtime),
        None => insight::counters(&insight::sum(record.intervals.iter().map(|interval| &interval.runtime))),
    }
}

fn account(done: &Done) -> Option<Account> {
    let workloads::wire::Account { start_ns, end_ns, completed } = done.account?;
    Some(Account { start_ns, end_ns, completed })
}

/// The operations that usage and counters are to be divided by: those of the same interval.
pub(super) fn operations(record: &RunRecord, counts: &BTreeMap<String, u64>) -> u64 {
    let counted = || counts.get(in_window(counts)).copied().unwrap_or(0);
    let account = record.done.as_ref().and_then(|done| done.account);
    account.map_or_else(counted, |account| account.completed)
}

/// The count that a rate is made from.
fn in_window(counts: &BTreeMap<String, u64>) -> &'static str {
    let counted = counts.contains_key(count::COMPLETED_IN_WINDOW);
    if counted { count::COMPLETED_IN_WINDOW } else { count::COMPLETED }
}

fn measured_ns(record: &RunRecord) -> Option<u64> {
    let seen = || record.intervals.last().map(|interval| interval.end_ns);
    record.done.as_ref().map(|done| done.measured_ns).or_else(seen)
}

/// The rate that the workload plans.
pub(super) fn asked_rate(record: &RunRecord) -> Option<f64> {
    record.hello.as_ref().and_then(|hello| hello.asked).filter(|&rate| rate > 0.0)
}

fn per_second(counts: &BTreeMap<String, u64>, name: &str, window_ns: Option<u64>) -> Option<f64> {
    let window_ns = window_ns.filter(|&ns| ns > 0)?;
    counts.get(name).map(|&number| number as f64 * 1e9 / window_ns as f64)
}

fn per_operation(usage: Option<&Usage>, operations: u64) -> Option<PerOperation> {
    let usage = usage.filter(|_| operations > 0)?;
    let operations = operations as f64;
    Some(PerOperation {
        cpu_ns: (usage.user_us + usage.system_us) as f64 * 1e3 / operations,
        context_switches: (usage.voluntary_switches + usage.involuntary_switches) as f64 / operations,
    })
}

fn streams(run: &Measured<'_>) -> Vec<Stream> {
    let mut streams: Vec<_> = run.streams.iter().map(stream).collect();
    lag::mark(&mut streams);
    streams
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
            generator_limited: false,
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
        lag: stream.info.lag.clone(),
        max_generator_limited: false,
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
        runtime: insight::counters(&interval.runtime),
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
