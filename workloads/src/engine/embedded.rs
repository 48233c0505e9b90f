//! The engine that comes with rtbench.
//!
//! Next file to read: `tokio.rs`, its twin.
#![forbid(unsafe_code)]

use std::io;

use rt::config::RuntimeConfig;
use rt::runtime::{Builder, Handle, LocalRuntime, Runtime};

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
    Builder::from_config(config).build()
}

pub(super) fn build_local(config: &RuntimeConfig) -> io::Result<LocalRuntime> {
    Builder::from_config(config).build_local(Default::default())
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
