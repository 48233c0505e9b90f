//! What a profile means. What is said about a wrong one is tested on the program itself, in `tests/bad_input.rs`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use workloads::rt::config::{Flavor, HistogramConfiguration, LogHistogram, RuntimeConfig};

use super::*;

fn load_text(text: &str, settings: &[&str]) -> Profile {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stem.toml");
    std::fs::write(&path, text).unwrap();
    let settings: Vec<_> = settings.iter().map(|&setting| setting.to_owned()).collect();
    load(&path, &settings, &EngineKind::Embedded.into()).unwrap_or_else(|error| panic!("{error}"))
}

const TWO: &str = r#"
    seed = 7
    duration = "3s"
    [runtime]
    flavor = "current_thread"
    thread_stack_size = "512KiB"
    [[workload]]
    kind = "echo"
    [[workload]]
    kind = "echo"
    name = "second"
    seed = 8
    warmup = "0s"
    duration = "1m"
"#;

#[test]
fn defaults_are_filled_in() {
    let profile = load_text("[[workload]]\nkind = \"echo\"\n", &[]);
    assert_eq!(profile.name, "stem");
    assert_eq!(profile.runtime, RuntimeConfig::default());
    assert_eq!(profile.report.dir, PathBuf::from("reports"));
    let [planned] = plan(&profile).try_into().unwrap();
    assert_eq!(planned.name, "echo");
    assert_eq!(planned.plan.warmup_ns, 2_000_000_000);
    assert_eq!(planned.plan.duration_ns, 8_000_000_000);
    assert_eq!(planned.plan.runtime.worker_threads, Some(RuntimeConfig::default().resolved_workers()));
    assert!(!planned.plan.params.is_empty(), "every parameter's default is in the plan");
}

#[test]
fn a_workload_may_differ_from_the_profile_and_the_command_line_from_both() {
    let profile = load_text(TWO, &[]);
    let of = |profile: &Profile| {
        let times = |planned: &Planned| (planned.plan.seed, planned.plan.warmup_ns, planned.plan.duration_ns);
        plan(profile).iter().map(times).collect::<Vec<_>>()
    };
    let second = 1_000_000_000;
    assert_eq!(of(&profile), [(7, 2 * second, 3 * second), (8, 0, 60 * second)]);
    assert_eq!(profile.runtime.flavor, Flavor::CurrentThread);
    assert_eq!(profile.runtime.thread_stack_size, Some(512 << 10));
    let (one, out) = (Some(Duration::from_secs(1)), Some(PathBuf::from("x")));
    let overrides = Overrides { warmup: one, duration: one, seed: Some(9), out };
    let profile = overridden(profile, &overrides);
    assert_eq!(of(&profile), [(9, second, second); 2]);
    assert_eq!(effective(&profile)["duration"], "1s");
    assert_eq!(effective(&profile)["report"]["dir"], "x");
}

#[test]
fn settings_lie_over_the_file() {
    let settings = [
        "runtime.flavor=multi_thread",
        "runtime.worker_threads=3",
        "runtime.drivers.max_io_events_per_tick=16",
        "workload.second.duration=5s",
        "report.dir=\"else where\"",
        "name=other",
        "runtime.worker_threads = 4",
    ];
    let profile = load_text(TWO, &settings);
    assert_eq!(profile.runtime.flavor, Flavor::MultiThread);
    assert_eq!(profile.runtime.worker_threads, Some(4), "the last one counts");
    assert_eq!(profile.runtime.drivers.max_io_events_per_tick, 16);
    assert_eq!(profile.workloads[0].duration, None);
    assert_eq!(profile.workloads[1].duration, Some(Duration::from_secs(5)));
    assert_eq!(profile.report.dir, PathBuf::from("else where"));
    assert_eq!(profile.name, "other");
    for key in ["name", "runtime.drivers.max_io_events_per_tick", "workload.1.duration", "workload.0.kind"] {
        assert!(profile.written.contains(key), "{key} in {:?}", profile.written);
    }
    assert!(!profile.written.contains("workload.0.duration"));
}

#[test]
fn the_effective_profile_is_a_profile_that_plans_the_same() {
    let profile = load_text(TWO, &["runtime.event_interval=5"]);
    let mut table = effective(&profile);
    assert_eq!(table["runtime"]["event_interval"], json!(5));
    drop_nulls(&mut table["runtime"]);
    let again = load_text(&toml::to_string(&table).unwrap(), &[]);
    let plans = |profile| plan(profile).into_iter().map(|planned| planned.plan).collect::<Vec<_>>();
    assert_eq!(plans(&again), plans(&profile));
    assert_eq!(effective(&again), effective(&profile));
}

/// Leaves out what the runtime chooses by itself, as TOML has to.
fn drop_nulls(table: &mut Value) {
    if let Value::Object(map) = table {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}

#[test]
fn every_field_of_the_runtime_is_a_key() {
    let mut config = RuntimeConfig {
        worker_threads: Some(2),
        global_queue_interval: Some(7),
        thread_stack_size: Some(1 << 20),
        name: Some("front".to_owned()),
        rng_seed: Some(7),
        ..RuntimeConfig::default()
    };
    config.drivers.max_io_events_per_busy_tick = Some(8);
    config.metrics.poll_time_histogram = Some(HistogramConfiguration::default());
    config.metrics.schedule_latency_histogram = Some(HistogramConfiguration::log(LogHistogram::default()));
    config.metrics.stuck_poll_threshold = Some(Duration::ZERO);
    let written = toml::to_string(&json!({ "runtime": config })).unwrap();
    let (all, toml) = (json!(config), written.parse::<toml::Table>().unwrap());
    let sorted = |table: &Value| {
        let mut keys = keys(table, "");
        keys.sort();
        keys
    };
    assert_eq!(sorted(&json!(toml["runtime"])), sorted(&all));
    assert!(keys(&all, "").contains(&"metrics.poll_time_histogram.bucket_width".to_owned()));
    let profile = load_text(&format!("{written}\n[[workload]]\nkind = \"echo\"\n"), &[]);
    assert_eq!(profile.runtime, config);
}

#[test]
fn no_parameter_hides_behind_a_key_of_the_profile() {
    for workload in descriptions() {
        for param in &workload.params {
            let name = param.name.as_str();
            assert!(!RESERVED.contains(&name), "{}.{name} could never be set", workload.name);
        }
    }
}

/// Each key of a table and, under its dotted path, of the tables in it.
fn keys(table: &Value, prefix: &str) -> Vec<String> {
    let entries = table.as_object().into_iter().flatten();
    let inner = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => keys(value, &format!("{prefix}{key}.")),
        _ => vec![format!("{prefix}{key}")],
    };
    entries.flat_map(inner).collect()
}

/// `configs/server.toml` promises to explain every key, and to write the default where it does not say otherwise.
#[test]
fn the_first_profile_explains_every_key() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/server.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    // With the keys that are commented out, too.
    let shown: Vec<_> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        .collect();
    let all = load_text(&shown.join("\n"), &[]);
    let written = load(&path, &[], &EngineKind::Embedded.into()).unwrap();
    for key in keys(&effective(&all)["runtime"], "runtime.") {
        assert!(all.written.contains(&key), "{key} is not explained");
    }
    for key in keys(&effective(&all)["compare"], "compare.") {
        assert!(all.written.contains(&key), "{key} is not explained");
    }
    assert_eq!(written.compare, CompareEntry::default());
    for key in keys(&effective(&all)["workload"][0], "workload.0.") {
        let of_the_profile = RESERVED.iter().any(|reserved| key == format!("workload.0.{reserved}"));
        assert!(of_the_profile || all.written.contains(&key), "{key} is not explained");
    }
    assert_eq!(written.runtime, RuntimeConfig::default());
    let differs = written.workloads[0].params.iter().filter(|(key, value)| {
        let echo = descriptions().into_iter().find(|workload| workload.name == "echo").unwrap();
        echo.params.iter().any(|param| param.name == **key && param.default != **value)
    });
    assert_eq!(differs.map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["rate", "arrival"]);
}

fn is_key(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}
