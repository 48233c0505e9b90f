//! From a [`Profile`] to the runs that it asks for.
//!
//! Next file to read: `../session/mod.rs`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use humantime::format_duration;
use serde_json::{Map, Value, json};
use workloads::rt::config::{Flavor, RuntimeConfig};
use workloads::wire::{PROTOCOL, Plan};

use super::gate::gate_text;
use super::{CompareEntry, Gate, Metric, Profile, WorkloadEntry};
use crate::engines::{self, Engine};

/// What the command line says instead of the profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// For every workload.
    pub(crate) warmup: Option<Duration>,
    /// For every workload.
    pub(crate) duration: Option<Duration>,
    /// For every workload.
    pub(crate) seed: Option<u64>,
    /// The folder for reports.
    pub(crate) out: Option<PathBuf>,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// The workload's name, unique in its profile.
    pub(crate) name: String,
    /// What the measuring process is told.
    pub(crate) plan: Plan,
}

/// The profile as it would be if it said what the command line says.
pub(crate) fn overridden(mut profile: Profile, overrides: &Overrides) -> Profile {
    let mut written = |key: &str| profile.written.insert(key.to_owned());
    if let Some(out) = &overrides.out {
        profile.report.dir = out.clone();
        written("report.dir");
    }
    if let Some(warmup) = overrides.warmup {
        profile.warmup = warmup;
        written("warmup");
    }
    if let Some(duration) = overrides.duration {
        profile.duration = duration;
        written("duration");
    }
    if let Some(seed) = overrides.seed {
        profile.seed = seed;
        written("seed");
    }
    for workload in &mut profile.workloads {
        workload.warmup = workload.warmup.filter(|_| overrides.warmup.is_none());
        workload.duration = workload.duration.filter(|_| overrides.duration.is_none());
        workload.seed = workload.seed.filter(|_| overrides.seed.is_none());
    }
    profile
}

/// The runs, in the order of the profile.
pub(crate) fn plan(profile: &Profile) -> Vec<Planned> {
    let runtime = resolved(&profile.runtime);
    let planned = |entry: &WorkloadEntry| Planned {
        name: entry.name.clone(),
        plan: Plan {
            protocol: PROTOCOL,
            engine: profile.engine,
            plugin: profile.plugin.clone(),
            runtime: runtime.clone(),
            workload: entry.kind.clone(),
            params: entry.params.clone(),
            warmup_ns: nanos(entry.warmup.unwrap_or(profile.warmup)),
            duration_ns: nanos(entry.duration.unwrap_or(profile.duration)),
            interval_ns: nanos(profile.report.interval),
            seed: entry.seed.unwrap_or(profile.seed),
        },
    };
    profile.workloads.iter().map(planned).collect()
}

/// The configuration with what depends on the machine filled in.
fn resolved(config: &RuntimeConfig) -> RuntimeConfig {
    let mut config = config.clone();
    if config.flavor == Flavor::MultiThread {
        config.worker_threads = Some(config.resolved_workers());
    }
    config
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The profile with every default filled in. Written as TOML, it is a profile that plans the same runs; a `null` is
/// what the runtime chooses by itself, or a knob that its engine does not have. A path that is not UTF-8 text, which
/// only the command line can give, is written with replacement characters.
pub(crate) fn effective(profile: &Profile) -> Value {
    let mut runtime = json!(resolved(&profile.runtime));
    if let Ok(engine) = engines::find(profile.engine) {
        clear_unknown("", &mut runtime, &engine);
    }
    let human = |duration: Duration| Value::from(format_duration(duration).to_string());
    let workload = |entry: &WorkloadEntry| {
        let mut map = Map::new();
        map.insert("kind".to_owned(), json!(entry.kind));
        map.insert("name".to_owned(), json!(entry.name));
        map.insert("seed".to_owned(), json!(entry.seed.unwrap_or(profile.seed)));
        map.insert("warmup".to_owned(), human(entry.warmup.unwrap_or(profile.warmup)));
        map.insert("duration".to_owned(), human(entry.duration.unwrap_or(profile.duration)));
        map.extend(entry.params.clone());
        Value::Object(map)
    };
    let compare = &profile.compare;
    let gate = |(metric, gate): (&Metric, &Gate)| (metric.to_string(), Value::from(gate_text(metric, gate)));
    // Those that are left out are what the defaults say, so what is off is written.
    let off = CompareEntry::default().gates.into_keys().filter(|metric| !compare.gates.contains_key(metric));
    let off = off.map(|metric| (metric.to_string(), Value::from("off")));
    let gates: Map<_, _> = compare.gates.iter().map(gate).chain(off).collect();
    let mut effective = json!({
        "name": profile.name,
        "seed": profile.seed,
        "warmup": human(profile.warmup),
        "duration": human(profile.duration),
        "runtime": runtime,
        "workload": profile.workloads.iter().map(workload).collect::<Vec<_>>(),
        "report": { "dir": profile.report.dir.to_string_lossy(), "interval": human(profile.report.interval) },
        "compare": {
            "blocks": compare.blocks.map_or(Value::from("auto"), Value::from),
            "warmup": human(compare.warmup),
            "duration": human(compare.duration),
            "noise_limit": compare.noise_limit,
            "inconclusive": if compare.inconclusive_fails { "fail" } else { "pass" },
            "gate": gates,
        },
    });
    if let (Some(plugin), Value::Object(keys)) = (&profile.plugin, &mut effective) {
        keys.shift_insert(1, "plugin".to_owned(), json!(plugin.path));
    }
    effective
}

/// Puts `null` where a knob stands that the engine does not have.
fn clear_unknown(path: &str, value: &mut Value, engine: &Engine) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                let dot = if path.is_empty() { "" } else { "." };
                clear_unknown(&format!("{path}{dot}{key}"), value, engine);
            }
        }
        knob if (engine.lacks)(path).is_some() => *knob = Value::Null,
        _ => {}
    }
}
