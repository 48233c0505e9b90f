//! The engine that comes with rtbench.
//!
//! Next file to read: `tokio.rs`, its twin.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use rt::config::RuntimeConfig;
use rt::runtime::{Builder, Handle, LocalRuntime, Runtime, ShutdownReport};

use super::{buckets, by_name};
use crate::wire::{EngineKind, RuntimeCounters};

/// The engine that `rt` is bound to.
pub const KIND: EngineKind = EngineKind::Embedded;
/// Its own name.
pub const NAME: &str = "runtime";
/// Its version: the workspace has one.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How it was built: there is one way.
pub const BUILD: Option<&str> = None;

/// The keys of a configuration that this engine cannot obey, each with the reason: none, the configuration is its own.
pub fn refusals(_: &RuntimeConfig) -> Vec<(String, String)> {
    Vec::new()
}

/// Why this engine lacks the knob under this key of a configuration. It has all of them.
pub fn lacks(_: &str) -> Option<&'static str> {
    None
}

pub(super) fn build(config: &RuntimeConfig) -> io::Result<Runtime> {
    builder(config).build()
}

pub(super) fn build_local(config: &RuntimeConfig) -> io::Result<LocalRuntime> {
    builder(config).build_local(Default::default())
}

fn builder(config: &RuntimeConfig) -> Builder {
    let mut builder = Builder::from_config(config);
    // With the feature `tracing` the runtime tells it by itself, in the same words.
    if !cfg!(feature = "tracing") && tracing::enabled!(target: "runtime::stuck_poll", tracing::Level::WARN) {
        builder.on_stuck_poll(|poll| {
            tracing::warn!(
                target: "runtime::stuck_poll",
                worker = poll.worker(),
                task.id = %poll.id(),
                task.name = poll.name().unwrap_or_default(),
                loc.file = poll.spawned_at().file(),
                loc.line = poll.spawned_at().line(),
                loc.col = poll.spawned_at().column(),
                running_for = ?poll.running_for(),
                "a poll runs for too long"
            );
        });
    }
    builder
}

/// Ends the runtime, and tells what was still running when the time was over.
pub(super) fn shut_down(runtime: Runtime, timeout: Duration) {
    tell(&runtime.shutdown_timeout_report(timeout));
}

pub(super) fn shut_down_local(runtime: LocalRuntime, timeout: Duration) {
    tell(&runtime.shutdown_timeout_report(timeout));
}

fn tell(report: &ShutdownReport) {
    if report.is_complete() {
        tracing::debug!("the runtime is shut down; every task was dropped");
    } else {
        tracing::warn!(left = %report, "the runtime was shut down with something still running");
    }
}

pub(super) fn counters(handle: &Handle) -> RuntimeCounters {
    let metrics = handle.metrics();
    let workers = 0..metrics.num_workers();
    let worker = |i| {
        // The poll that runs is not in the sum yet, and may have run for all of a slice.
        let busy = metrics.worker_total_busy_duration(i)
            + metrics.worker_running_poll_duration(i).unwrap_or_default();
        let busy = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        by_name([
            ("polls", metrics.worker_poll_count(i)),
            ("parks", metrics.worker_park_count(i)),
            ("noop_parks", metrics.worker_noop_count(i)),
            ("stolen_tasks", metrics.worker_steal_count(i)),
            ("steal_operations", metrics.worker_steal_operations(i)),
            ("local_schedules", metrics.worker_local_schedule_count(i)),
            ("wakeups_sent", metrics.worker_wakeups_sent_count(i)),
            ("timers_fired", metrics.worker_timers_fired_count(i)),
            ("stuck_polls", metrics.worker_stuck_poll_count(i)),
            ("busy_ns", busy),
        ])
    };
    let stolen_by = |thief| {
        workers.clone().map(|victim| metrics.worker_steal_count_from(thief, victim)).collect::<Vec<_>>()
    };
    let mut histograms = vec![(
        "blocking_latency",
        buckets(
            metrics.blocking_latency_histogram_num_buckets(),
            |bucket| metrics.blocking_latency_histogram_bucket_range(bucket),
            |bucket| metrics.blocking_latency_histogram_bucket_count(bucket),
        ),
    )];
    if metrics.poll_time_histogram_enabled() {
        let of = |worker, bucket| metrics.poll_time_histogram_bucket_count(worker, bucket);
        histograms.push((
            "poll_time",
            buckets(
                metrics.poll_time_histogram_num_buckets(),
                |bucket| metrics.poll_time_histogram_bucket_range(bucket),
                |bucket| workers.clone().map(|worker| of(worker, bucket)).sum(),
            ),
        ));
    }
    if metrics.schedule_latency_histogram_enabled() {
        let of = |worker, bucket| metrics.schedule_latency_histogram_bucket_count(worker, bucket);
        histograms.push((
            "schedule_latency",
            buckets(
                metrics.schedule_latency_histogram_num_buckets(),
                |bucket| metrics.schedule_latency_histogram_bucket_range(bucket),
                |bucket| workers.clone().map(|worker| of(worker, bucket)).sum(),
            ),
        ));
    }
    RuntimeCounters {
        workers: workers.clone().map(worker).collect(),
        global: by_name([
            ("spawned_tasks", metrics.spawned_tasks_count()),
            ("remote_schedules", metrics.remote_schedule_count()),
            ("remote_wakeups_sent", metrics.remote_wakeups_sent_count()),
            ("budget_forced_yields", metrics.budget_forced_yield_count()),
            ("io_events", metrics.io_driver_ready_count()),
        ]),
        steals: workers.clone().map(stolen_by).collect(),
        histograms: by_name(histograms),
        ..RuntimeCounters::default()
    }
}

pub(super) fn levels(handle: &Handle) -> Vec<(&'static str, u64)> {
    let metrics = handle.metrics();
    let workers = 0..metrics.num_workers();
    let local = workers.clone().map(|worker| metrics.worker_local_queue_depth(worker) as u64).sum();
    let mean_polls =
        workers.map(|worker| metrics.worker_mean_poll_time(worker)).filter(|time| !time.is_zero());
    let mean_polls: Vec<_> = mean_polls.collect();
    let mut levels = vec![
        ("global_queue", metrics.global_queue_depth() as u64),
        ("local_queues", local),
        ("blocking_queue", metrics.blocking_queue_depth() as u64),
        ("blocking_threads", metrics.num_blocking_threads() as u64),
        ("alive_tasks", metrics.num_alive_tasks() as u64),
    ];
    if !mean_polls.is_empty() {
        let mean = mean_polls.iter().sum::<Duration>() / mean_polls.len() as u32;
        levels.push(("mean_poll_ns", u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX)));
    }
    levels
}
