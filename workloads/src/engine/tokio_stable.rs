//! What a build of Tokio without `tokio_unstable` has beyond its builder: little.
//!
//! Next file to read: `tokio_unstable.rs`, its twin.
#![forbid(unsafe_code)]

use rt::config::RuntimeConfig;
use rt::runtime::{Builder, Handle};

use crate::engine::by_name;
use crate::wire::RuntimeCounters;

pub(super) const IS_UNSTABLE: bool = false;

/// Shapes that cannot be had; none, for there are no histograms.
pub(super) fn refusals(_: &RuntimeConfig) -> Vec<(String, String)> {
    Vec::new()
}

pub(super) fn configure(_: &mut Builder, _: &RuntimeConfig) {}

/// The stable ones; each means what the embedded engine's counter of this name means.
pub(in crate::engine) fn counters(handle: &Handle) -> RuntimeCounters {
    let metrics = handle.metrics();
    let worker = |i| {
        let busy = u64::try_from(metrics.worker_total_busy_duration(i).as_nanos()).unwrap_or(u64::MAX);
        by_name([("parks", metrics.worker_park_count(i)), ("busy_ns", busy)])
    };
    let workers = (0..metrics.num_workers()).map(worker).collect();
    RuntimeCounters { workers, ..RuntimeCounters::default() }
}

pub(in crate::engine) fn levels(handle: &Handle) -> Vec<(&'static str, u64)> {
    let metrics = handle.metrics();
    vec![
        ("global_queue", metrics.global_queue_depth() as u64),
        ("alive_tasks", metrics.num_alive_tasks() as u64),
    ]
}
