//! The engine that comes with rtbench.
//!
//! Next file to read: `tokio.rs`, its twin.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use rt::config::RuntimeConfig;
use rt::runtime::{Builder, Handle, LocalRuntime, Runtime, ShutdownReport};

use super::named;
use crate::wire::{EngineKind, RuntimeCounters};

/// The engine that `rt` is bound to.
pub const KIND: EngineKind = EngineKind::Embedded;
/// Its own name.
pub const NAME: &str = "runtime";
/// Its version: the workspace has one.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The keys of a configuration that this engine cannot obey, each with the reason: none, the configuration is its own.
pub fn refusals(_: &RuntimeConfig) -> Vec<(String, String)> {
    Vec::new()
}

/// Whether this engine has the knob under this key of a configuration.
pub fn obeys(_: &str) -> bool {
    true
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
    let worker = |i| {
        let busy = u64::try_from(metrics.worker_total_busy_duration(i).as_nanos()).unwrap_or(u64::MAX);
        named([
            ("polls", metrics.worker_poll_count(i)),
            ("parks", metrics.worker_park_count(i)),
            ("noop_parks", metrics.worker_noop_count(i)),
            ("stolen_tasks", metrics.worker_steal_count(i)),
            ("steal_operations", metrics.worker_steal_operations(i)),
            ("local_schedules", metrics.worker_local_schedule_count(i)),
            ("wakeups_sent", metrics.worker_wakeups_sent_count(i)),
            ("timers_fired", metrics.worker_timers_fired_count(i)),
            ("busy_ns", busy),
        ])
    };
    RuntimeCounters {
        workers: (0..metrics.num_workers()).map(worker).collect(),
        global: named([
            ("spawned_tasks", metrics.spawned_tasks_count()),
            ("remote_schedules", metrics.remote_schedule_count()),
            ("budget_forced_yields", metrics.budget_forced_yield_count()),
            ("io_events", metrics.io_driver_ready_count()),
        ]),
    }
}
