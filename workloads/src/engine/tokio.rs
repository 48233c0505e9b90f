//! The real Tokio: what its stable API offers, and a refusal by name of what it does not.
//!
//! Next file to read: `../exec/mod.rs`.
#![forbid(unsafe_code)]

use std::io;

use rt::config::{Flavor, RuntimeConfig};
use rt::runtime::{Builder, Handle, Runtime};
use serde_json::{Value, json};

use super::named;
use crate::wire::{EngineKind, RuntimeCounters};

/// The engine that `rt` is bound to.
pub const KIND: EngineKind = EngineKind::Tokio;
/// Its own name.
pub const NAME: &str = "tokio";
/// The version that was compiled in.
pub const VERSION: &str = env!("ENGINE_VERSION");

/// The keys of a configuration that [`build`] obeys. Whatever else a configuration has, or comes to have, must stand
/// at its default.
const OBEYED: [&str; 11] = [
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
];

/// The keys of a configuration that this engine cannot obey, each with the reason.
///
/// A knob that Tokio's stable API does not have is refused unless it stands at its default.
pub fn refusals(config: &RuntimeConfig) -> Vec<(String, String)> {
    let mut refused = Vec::new();
    if !matches!(config.flavor, Flavor::MultiThread | Flavor::CurrentThread) {
        let problem = format!(
            "tokio runs the workloads as multi_thread and as current_thread, not as {}",
            config.flavor
        );
        refused.push(("flavor".to_owned(), problem));
    }
    compare(&mut String::new(), &json!(config), &json!(RuntimeConfig::default()), &mut refused);
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
    } else if given != default && !obeys(path) {
        let cure = match default {
            Value::Null => "leave it out".to_owned(),
            default => format!("leave it out, or at its default, {default}"),
        };
        refused.push((path.clone(), format!("Tokio's stable API has no such knob; {cure}")));
    }
}

/// Whether this engine has the knob under this key of a configuration.
pub fn obeys(key: &str) -> bool {
    OBEYED.contains(&key)
}

pub(super) fn build(config: &RuntimeConfig) -> io::Result<Runtime> {
    let invalid = |error: &dyn ToString| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
    config.validate().map_err(|error| invalid(&error))?;
    let mut builder = match config.flavor {
        Flavor::MultiThread => Builder::new_multi_thread(),
        Flavor::CurrentThread => Builder::new_current_thread(),
        other => return Err(invalid(&format!("flavor: tokio does not run {other} here"))),
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
    if let Some(size) = config.thread_stack_size {
        builder.thread_stack_size(size);
    }
    if config.drivers.io {
        builder.enable_io();
    }
    if config.drivers.time {
        builder.enable_time();
    }
    builder.build()
}

/// The stable ones; each means what the embedded engine's counter of this name means.
pub(super) fn counters(handle: &Handle) -> RuntimeCounters {
    let metrics = handle.metrics();
    let worker = |i| {
        let busy = u64::try_from(metrics.worker_total_busy_duration(i).as_nanos()).unwrap_or(u64::MAX);
        named([("parks", metrics.worker_park_count(i)), ("busy_ns", busy)])
    };
    RuntimeCounters { workers: (0..metrics.num_workers()).map(worker).collect(), global: named([]) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        for key in OBEYED {
            assert!(known.iter().any(|known| known == key), "{key} is no knob");
        }
    }

    #[test]
    fn a_knob_is_refused_by_name_unless_it_stands_at_its_default() {
        let mut config = RuntimeConfig { event_interval: 7, ..RuntimeConfig::default() };
        config.drivers.max_io_events_per_tick = 3;
        assert_eq!(refusals(&config), []);
        config.lifo_slot = false;
        config.idle_spin = Duration::ZERO;
        let keys: Vec<_> = refusals(&config).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["lifo_slot", "idle_spin"]);
        assert!(refusals(&config)[1].1.contains("20us"), "{:?}", refusals(&config));
        let error = super::super::Engine::build(&config).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("lifo_slot"), "{error}");
    }

    #[test]
    fn the_runtime_is_as_the_configuration_says() {
        let config = RuntimeConfig {
            worker_threads: Some(3),
            thread_name: "asked-for".to_owned(),
            thread_stack_size: Some(1 << 20),
            global_queue_interval: Some(5),
            ..RuntimeConfig::default()
        };
        let runtime = build(&config).unwrap();
        assert_eq!(counters(runtime.handle()).workers.len(), 3);
        let name =
            runtime.block_on(runtime.spawn(async { std::thread::current().name().map(str::to_owned) }));
        assert_eq!(name.unwrap().as_deref(), Some("asked-for"));
        let no_time =
            RuntimeConfig { drivers: rt::config::DriverConfig { time: false, ..config.drivers }, ..config };
        let runtime = build(&no_time).unwrap();
        let sleep = runtime.block_on(runtime.spawn(async { rt::time::sleep(Duration::ZERO).await }));
        assert!(sleep.unwrap_err().is_panic(), "there is no time driver");
        let zero = RuntimeConfig { event_interval: 0, ..RuntimeConfig::default() };
        assert_eq!(build(&zero).unwrap_err().kind(), io::ErrorKind::InvalidInput);
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
