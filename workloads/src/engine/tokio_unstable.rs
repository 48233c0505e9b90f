//! What a build of Tokio with `--cfg tokio_unstable` has beyond its stable API: knobs, counters, histograms.
//!
//! Next file to read: `home.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use rt::config::{Flavor, RuntimeConfig, UnhandledPanic};
use rt::runtime::{self, Builder, Handle, HistogramConfiguration, LogHistogram, RngSeed};
use serde::Deserialize;
use serde_json::json;

use crate::engine::{buckets, by_name};
use crate::wire::RuntimeCounters;

pub(super) const IS_UNSTABLE: bool = true;

/// A histogram's shape as a profile has it.
#[derive(Deserialize)]
#[serde(tag = "scale", rename_all = "snake_case")]
enum Shape {
    Linear { bucket_width: String, buckets: usize },
    Log { min_value: String, max_value: String, precision: u32 },
}

/// The same shape for Tokio. `None`: Tokio has none like it.
fn shape(of: &rt::config::HistogramConfiguration) -> Option<HistogramConfiguration> {
    let time = |text: &str| humantime::parse_duration(text).ok();
    Some(match serde_json::from_value(json!(of)).ok()? {
        Shape::Linear { bucket_width, buckets } => {
            HistogramConfiguration::linear(time(&bucket_width)?, buckets)
        }
        Shape::Log { min_value, max_value, precision } => HistogramConfiguration::log(
            LogHistogram::builder()
                .min_value(time(&min_value)?)
                .max_value(time(&max_value)?)
                .precision_exact(precision),
        ),
    })
}

/// Shapes that Tokio does not have.
pub(super) fn refusals(config: &RuntimeConfig) -> Vec<(String, String)> {
    let metrics = &config.metrics;
    let asked = [
        ("metrics.poll_time_histogram", &metrics.poll_time_histogram),
        ("metrics.schedule_latency_histogram", &metrics.schedule_latency_histogram),
    ];
    let lacking = asked.into_iter().filter(|(_, of)| of.as_ref().is_some_and(|of| shape(of).is_none()));
    let refused = |(key, _): (&str, _)| {
        let problem =
            "Tokio has histograms of the scales linear and log; take log with precision = 0 instead";
        (key.to_owned(), problem.to_owned())
    };
    lacking.map(refused).collect()
}

pub(super) fn configure(builder: &mut Builder, config: &RuntimeConfig) {
    let multi_thread = config.flavor == Flavor::MultiThread;
    if !config.lifo_slot {
        builder.disable_lifo_slot();
    }
    if config.unhandled_panic == UnhandledPanic::ShutdownRuntime {
        builder.unhandled_panic(runtime::UnhandledPanic::ShutdownRuntime);
    }
    if let Some(seed) = config.rng_seed {
        builder.rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()));
    }
    if config.eager_driver_handoff && multi_thread {
        builder.enable_eager_driver_handoff();
    }
    if config.sharded_blocking_queue {
        builder.enable_sharded_blocking_queue();
    }
    if config.metrics.track_schedule_latency {
        builder.track_task_schedule_latency();
    }
    if let Some(shape) = config.metrics.poll_time_histogram.as_ref().and_then(shape) {
        builder.enable_metrics_poll_time_histogram().metrics_poll_time_histogram_configuration(shape);
    }
    if let Some(shape) = config.metrics.schedule_latency_histogram.as_ref().and_then(shape) {
        builder.enable_metrics_schedule_latency_histogram();
        builder.metrics_schedule_latency_histogram_configuration(shape);
    }
}

/// All that Tokio counts; each means what the embedded engine's counter of this name means.
pub(in crate::engine) fn counters(handle: &Handle) -> RuntimeCounters {
    let metrics = handle.metrics();
    let workers = 0..metrics.num_workers();
    let worker = |i| {
        let busy = u64::try_from(metrics.worker_total_busy_duration(i).as_nanos()).unwrap_or(u64::MAX);
        by_name([
            ("polls", metrics.worker_poll_count(i)),
            ("parks", metrics.worker_park_count(i)),
            ("noop_parks", metrics.worker_noop_count(i)),
            ("stolen_tasks", metrics.worker_steal_count(i)),
            ("steal_operations", metrics.worker_steal_operations(i)),
            ("local_schedules", metrics.worker_local_schedule_count(i)),
            ("overflows", metrics.worker_overflow_count(i)),
            ("busy_ns", busy),
        ])
    };
    let mut histograms = Vec::new();
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
            ("budget_forced_yields", metrics.budget_forced_yield_count()),
            ("io_events", metrics.io_driver_ready_count()),
        ]),
        histograms: by_name(histograms),
        ..RuntimeCounters::default()
    }
}

pub(in crate::engine) fn levels(handle: &Handle) -> Vec<(&'static str, u64)> {
    let metrics = handle.metrics();
    let workers = 0..metrics.num_workers();
    let local = workers.clone().map(|worker| metrics.worker_local_queue_depth(worker) as u64).sum();
    let mut levels = vec![
        ("global_queue", metrics.global_queue_depth() as u64),
        ("local_queues", local),
        ("blocking_queue", metrics.blocking_queue_depth() as u64),
        ("blocking_threads", metrics.num_blocking_threads() as u64),
        ("alive_tasks", metrics.num_alive_tasks() as u64),
    ];
    let mean_polls: Vec<_> =
        workers.map(|worker| metrics.worker_mean_poll_time(worker)).filter(|time| !time.is_zero()).collect();
    if !mean_polls.is_empty() {
        let mean = mean_polls.iter().sum::<Duration>() / mean_polls.len() as u32;
        levels.push(("mean_poll_ns", u64::try_from(mean.as_nanos()).unwrap_or(u64::MAX)));
    }
    levels
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use super::super::build;
    use super::*;

    /// The order in which two tasks run that a task of the only worker spawned, one after the other.
    fn order(config: RuntimeConfig) -> (Vec<u32>, runtime::Runtime) {
        let runtime = build(&RuntimeConfig { worker_threads: Some(1), ..config }).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let ran = order.clone();
        let spawner = runtime.spawn(async move {
            let task = |number| {
                let ran = ran.clone();
                async move { ran.lock().unwrap().push(number) }
            };
            let tasks = [1, 2].map(|number| rt::spawn(task(number)));
            for task in tasks {
                task.await.unwrap();
            }
        });
        runtime.block_on(spawner).unwrap();
        let order = order.lock().unwrap().clone();
        (order, runtime)
    }

    #[test]
    fn without_the_lifo_slot_tasks_run_in_the_order_in_which_they_were_spawned() {
        assert_eq!(order(RuntimeConfig::default()).0, [2, 1]);
        assert_eq!(order(RuntimeConfig { lifo_slot: false, ..RuntimeConfig::default() }).0, [1, 2]);
    }

    #[test]
    fn histograms_that_are_asked_for_hold_every_poll() {
        let shape = Some(rt::config::HistogramConfiguration::default());
        let mut config = RuntimeConfig::default();
        let (_, plain) = order(config.clone());
        assert_eq!(counters(plain.handle()).histograms.len(), 0);
        config.metrics.poll_time_histogram = shape.clone();
        config.metrics.schedule_latency_histogram = shape;
        // Tokio takes a poll and those from the slot that follow it for one.
        config.lifo_slot = false;
        let (_, runtime) = order(config);
        // A worker tells what it has counted when it parks.
        let deadline = Instant::now() + Duration::from_secs(60);
        for name in ["poll_time", "schedule_latency"] {
            let counted = || -> u64 {
                counters(runtime.handle()).histograms[name].iter().map(|bucket| bucket.count).sum()
            };
            // The spawner, and the two tasks; the spawner may be polled again.
            while counted() < 3 {
                assert!(Instant::now() < deadline, "{name}: {} polls", counted());
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}
