//! The real Tokio: what its API offers, and a refusal by name of what it does not.
//!
//! Tokio has more to offer, and counts more, where everything is compiled with `--cfg tokio_unstable`. So there are two
//! files with the same functions for that part.
//!
//! Next file to read: `tokio_stable.rs`, then `tokio_unstable.rs`.
#![forbid(unsafe_code)]

#[cfg(not(tokio_unstable))]
#[path = "tokio_stable.rs"]
mod api;
#[cfg(tokio_unstable)]
#[path = "tokio_unstable.rs"]
mod api;

use std::io;
use std::time::Duration;

use rt::config::{Flavor, RuntimeConfig};
use rt::runtime::{Builder, LocalRuntime, Runtime};
use serde_json::{Value, json};

use crate::wire::EngineKind;
pub(super) use api::{counters, levels};

/// The engine that `rt` is bound to.
pub const KIND: EngineKind = EngineKind::Tokio;
/// Its own name.
pub const NAME: &str = "tokio";
/// The version that was compiled in.
pub const VERSION: &str = env!("ENGINE_VERSION");
/// How it was built: `stable`, or `tokio_unstable` with that `--cfg`.
pub const BUILD: Option<&str> = Some(if api::IS_UNSTABLE { "tokio_unstable" } else { "stable" });

/// The keys of a configuration that [`build`] obeys. Whatever else a configuration has, or comes to have, must stand
/// at its default.
const OBEYED: [&str; 13] = [
    "name",
    "flavor",
    "worker_threads",
    "global_queue_interval",
    "event_interval",
    "max_blocking_threads",
    "thread_keep_alive",
    "thread_stack_size",
    "thread_name",
    "drivers.io",
    "drivers.time",
    "drivers.max_io_events_per_tick",
    "drivers.max_io_events_per_busy_tick",
];

/// Those that it obeys as well in a build with `--cfg tokio_unstable`.
const UNSTABLE: [&str; 8] = [
    "lifo_slot",
    "unhandled_panic",
    "rng_seed",
    "eager_driver_handoff",
    "sharded_blocking_queue",
    "metrics.poll_time_histogram",
    "metrics.schedule_latency_histogram",
    "metrics.track_schedule_latency",
];

/// The keys of a configuration that this engine cannot obey, each with the reason.
///
/// A knob that this build of Tokio does not have is refused unless it stands at its default.
pub fn refusals(config: &RuntimeConfig) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    if !matches!(config.flavor, Flavor::MultiThread | Flavor::CurrentThread | Flavor::Local) {
        let problem = format!("tokio has no runtime of the flavor {}", config.flavor);
        refused.push(("flavor".to_owned(), problem));
    }
    compare(&mut String::new(), &json!(config), &json!(RuntimeConfig::default()), &mut refused);
    refused.extend(api::refusals(config));
    refused
}

/// Refuses every leaf of `given` that differs from `default` and is not obeyed.
fn compare(path: &mut String, given: &Value, default: &Value, refused: &mut Vec<(String, String)>) {
    if let (Value::Object(given), Value::Object(default)) = (given, default) {
        for (key, given) in given {
            let outer = path.len();
            if outer > 0 {
                path.push('.');
            }
            path.push_str(key);
            compare(path, given, &default[key], refused);
            path.truncate(outer);
        }
    } else if given != default
        && let Some(problem) = lacks(path)
    {
        let cure = match default {
            Value::Null => "leave it out".to_owned(),
            default => format!("leave it out, or at its default, {default}"),
        };
        refused.push((path.clone(), format!("{problem}; {cure}")));
    }
}

/// Why this engine lacks the knob under this key of a configuration. `None`: it has it.
pub fn lacks(key: &str) -> Option<&'static str> {
    if OBEYED.contains(&key) || (api::IS_UNSTABLE && UNSTABLE.contains(&key)) {
        None
    } else if UNSTABLE.contains(&key) {
        Some("Tokio has this knob only where rtbench is built with RUSTFLAGS=\"--cfg tokio_unstable\"")
    } else {
        Some("Tokio has no such knob")
    }
}

pub(super) fn build(config: &RuntimeConfig) -> io::Result<Runtime> {
    builder(config)?.build()
}

pub(super) fn build_local(config: &RuntimeConfig) -> io::Result<LocalRuntime> {
    builder(config)?.build_local(Default::default())
}

/// Ends the runtime. Tokio does not say what was still running.
pub(super) fn shut_down(runtime: Runtime, timeout: Duration) {
    runtime.shutdown_timeout(timeout);
    tracing::debug!("the runtime is shut down");
}

pub(super) fn shut_down_local(runtime: LocalRuntime, timeout: Duration) {
    runtime.shutdown_timeout(timeout);
    tracing::debug!("the runtime is shut down");
}

fn builder(config: &RuntimeConfig) -> io::Result<Builder> {
    let invalid = |error: &dyn ToString| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
    config.validate().map_err(|error| invalid(&error))?;
    let mut builder = match config.flavor {
        Flavor::MultiThread => Builder::new_multi_thread(),
        Flavor::CurrentThread | Flavor::Local => Builder::new_current_thread(),
        other => return Err(invalid(&format!("flavor: tokio has no runtime of the flavor {other}"))),
    };
    builder
        .event_interval(config.event_interval)
        .max_blocking_threads(config.max_blocking_threads)
        .thread_keep_alive(config.thread_keep_alive)
        .thread_name(config.thread_name.clone())
        .max_io_events_per_tick(config.drivers.max_io_events_per_tick);
    // What is left open here is left to Tokio.
    if let Some(workers) = config.worker_threads {
        builder.worker_threads(workers);
    }
    if let Some(interval) = config.global_queue_interval {
        builder.global_queue_interval(interval);
    }
    if let Some(events) = config.drivers.max_io_events_per_busy_tick {
        builder.max_io_events_per_busy_tick(events);
    }
    if let Some(size) = config.thread_stack_size {
        builder.thread_stack_size(size);
    }
    if let Some(name) = &config.name {
        builder.name(name.clone());
    }
    if config.drivers.io {
        builder.enable_io();
    }
    if config.drivers.time {
        builder.enable_time();
    }
    api::configure(&mut builder, config);
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::atomic::{AtomicBool, AtomicUsize};
    use std::task::Poll;
    use std::time::Duration;

    use rt::config::DriverConfig;

    use super::*;

    /// Paths of all leaves.
    fn leaves(path: &str, value: &Value, to: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let dot = if path.is_empty() { "" } else { "." };
                    leaves(&format!("{path}{dot}{key}"), value, to);
                }
            }
            _ => to.push(path.to_owned()),
        }
    }

    #[test]
    fn what_is_obeyed_exists() {
        let mut known = Vec::new();
        leaves("", &json!(RuntimeConfig::default()), &mut known);
        for key in OBEYED.into_iter().chain(UNSTABLE) {
            assert!(known.iter().any(|known| known == key), "{key} is no knob");
        }
    }

    #[test]
    fn a_knob_is_refused_by_name_unless_it_stands_at_its_default() {
        let mut config = RuntimeConfig { event_interval: 7, ..RuntimeConfig::default() };
        config.drivers.max_io_events_per_tick = 3;
        assert_eq!(refusals(&config), []);
        config.idle_spin = Duration::ZERO;
        config.metrics.stuck_poll_threshold = Some(Duration::from_secs(9));
        let keys: Vec<_> = refusals(&config).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["idle_spin", "metrics.stuck_poll_threshold"]);
        assert!(refusals(&config)[0].1.contains("20us"), "{:?}", refusals(&config));
        let error = super::super::Engine::build(&config).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("idle_spin"), "{error}");
    }

    #[test]
    fn an_unstable_knob_is_obeyed_or_refused_with_the_build_that_has_it() {
        let config = RuntimeConfig { lifo_slot: false, rng_seed: Some(7), ..RuntimeConfig::default() };
        assert_eq!(lacks("lifo_slot").is_none(), api::IS_UNSTABLE);
        let refused = refusals(&config);
        if api::IS_UNSTABLE {
            assert_eq!(refused, []);
        } else {
            assert_eq!(
                refused.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
                ["lifo_slot", "rng_seed"]
            );
            assert!(
                refused.iter().all(|(_, problem)| problem.contains("--cfg tokio_unstable")),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn threads_are_as_the_configuration_says() {
        let config = RuntimeConfig {
            worker_threads: Some(3),
            max_blocking_threads: 1,
            thread_name: "asked-for".to_owned(),
            thread_stack_size: Some(64 << 20),
            ..RuntimeConfig::default()
        };
        let runtime = build(&config).unwrap();
        assert_eq!(counters(runtime.handle()).workers.len(), 3);
        let name =
            runtime.block_on(runtime.spawn(async { std::thread::current().name().map(str::to_owned) }));
        assert_eq!(name.unwrap().as_deref(), Some("asked-for"));
        // The default would overflow, which ends the process.
        assert_eq!(runtime.block_on(runtime.spawn(async { deep(4 << 10) })).unwrap(), 4 << 10);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs: Vec<_> = (0..64)
            .map(|_| {
                let (running, most) = (running.clone(), most.clone());
                runtime.spawn_blocking(move || {
                    most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, SeqCst);
                })
            })
            .collect();
        jobs.into_iter().for_each(|job| runtime.block_on(job).unwrap());
        assert_eq!(most.load(SeqCst), 1);
        let zero = RuntimeConfig { event_interval: 0, ..RuntimeConfig::default() };
        assert_eq!(build(&zero).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    /// Uses a kibibyte of stack and more for each of `levels`.
    fn deep(levels: usize) -> usize {
        let page = std::hint::black_box([1_u8; 1024]);
        if levels == 0 {
            0
        } else {
            deep(levels - 1) + usize::from(std::hint::black_box(page)[levels % 1024])
        }
    }

    #[test]
    fn a_driver_that_is_off_is_not_there() {
        let on = || DriverConfig::default();
        for drivers in [DriverConfig { time: false, ..on() }, DriverConfig { io: false, ..on() }] {
            let config = RuntimeConfig { drivers: drivers.clone(), ..RuntimeConfig::default() };
            let runtime = build(&config).unwrap();
            let slept = runtime.block_on(runtime.spawn(async { rt::time::sleep(Duration::ZERO).await }));
            assert_eq!(slept.is_ok(), drivers.time);
            let bound = runtime.block_on(runtime.spawn(rt::net::TcpListener::bind(("127.0.0.1", 0))));
            assert_eq!(bound.is_ok(), drivers.io);
        }
    }

    /// How often a task that always wakes itself is polled until `ended`, on a runtime of one thread.
    fn polls_until(config: RuntimeConfig, start: impl FnOnce(&Runtime) -> rt::task::JoinHandle<()>) -> usize {
        let runtime = build(&RuntimeConfig { flavor: Flavor::CurrentThread, ..config }).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let seen = ended.clone();
        let mut polls = 0;
        let counting = poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if seen.load(SeqCst) { Poll::Ready(polls) } else { Poll::Pending }
        });
        let counting = runtime.spawn(counting);
        let work = start(&runtime);
        runtime.spawn(async move {
            work.await.unwrap();
            ended.store(true, SeqCst);
        });
        runtime.block_on(counting).unwrap()
    }

    #[test]
    fn the_global_queue_is_looked_at_as_often_as_asked() {
        let polls = |interval| {
            let config = RuntimeConfig { global_queue_interval: Some(interval), ..RuntimeConfig::default() };
            polls_until(config, |runtime| {
                let handle = runtime.handle().clone();
                // From inside of the runtime, tasks go to the thread's own queue; from another thread, to the global one.
                runtime.spawn(async move {
                    std::thread::spawn(move || handle.spawn(async {})).join().unwrap().await.unwrap();
                })
            })
        };
        let (seldom, often) = (polls(1000), polls(2));
        assert!(seldom > 500, "{seldom}");
        assert!(often < 50, "{often}");
    }

    #[test]
    fn events_are_looked_at_as_often_as_asked() {
        const INTERVAL: u32 = 100_000;
        let config = RuntimeConfig { event_interval: INTERVAL, ..RuntimeConfig::default() };
        let polls = polls_until(config, |runtime| {
            runtime.spawn(async { rt::time::sleep(Duration::from_millis(1)).await })
        });
        assert!(polls > INTERVAL as usize / 2, "{polls}");
    }

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let lock = std::fs::read_to_string(lock).unwrap();
        assert!(lock.contains(&format!("name = \"tokio\"\nversion = \"{VERSION}\"\n")), "{VERSION}");
    }

    #[test]
    fn both_packages_depend_on_the_same_crates() {
        let dependencies = |manifest: &str| -> Vec<String> {
            let path = format!("{}/{manifest}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let section = text.split("[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
            let lines = section.lines().filter(|line| !line.starts_with('#') && !line.starts_with("rt "));
            lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
        };
        assert_eq!(dependencies("Cargo.toml"), dependencies("../Cargo.toml"));
    }
}
