//! Diagnostics as a user asks for them: `-v`, `-vv` and `RUST_LOG`, on the terminal and in the report's folder.
#![forbid(unsafe_code)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{SHORT, is_too_short, with_a_window};
use tempfile::TempDir;

/// The program in a folder of its own, with a run of a profile.
fn run(dir: &TempDir, window: &str, profile: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtbench"));
    command.current_dir(dir.path()).stdin(Stdio::null()).env_remove("RUST_LOG");
    command.arg("run").arg(format!("{}/configs/{profile}.toml", env!("CARGO_MANIFEST_DIR")));
    command.args(["--quiet", "--warmup", "0s", "--duration", window]).args(more);
    command
}

/// Runs what `change` makes of a run of a profile, well and long enough to complete something: what it printed and said,
/// and the file of events, if there is one.
fn told(profile: &str, more: &[&str], change: impl Fn(&mut Command)) -> Told {
    with_a_window(SHORT, |window| {
        let dir = TempDir::new().unwrap();
        let mut command = run(&dir, window, profile, more);
        change(&mut command);
        let output = command.output().unwrap();
        (!is_too_short(&output)).then(|| Told::of(&dir, output))
    })
}

struct Told {
    printed: String,
    said: String,
    events: Option<Vec<Value>>,
}

impl Told {
    fn of(dir: &TempDir, Output { status, stdout, stderr }: Output) -> Self {
        let (printed, said) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(0), "{said}");
        let reports: Vec<PathBuf> =
            fs::read_dir(dir.path().join("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [report] = reports.as_slice() else { panic!("expected one report: {reports:?}") };
        let events = fs::read_to_string(report.join("log.jsonl")).ok();
        let events =
            events.map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect());
        Self { printed, said, events }
    }
}

fn of_process<'e>(events: &'e [Value], process: &'e str) -> impl Iterator<Item = &'e Value> {
    events.iter().filter(move |event| event["process"] == process)
}

#[test]
fn without_being_asked_nothing_is_told() {
    // What an rtbench above this one asked its children for is not meant for ours.
    let Told { said, events, .. } = told("server", &[], |command| {
        command.env("RTBENCH_EVENTS", "trace");
    });
    assert_eq!((said.as_str(), events), ("", None));
}

#[test]
fn one_v_tells_each_phase_and_two_tell_what_the_child_does() {
    for (flag, details) in [("-v", false), ("-vv", true)] {
        let Told { said, events, .. } = told("server", &[flag], |_| ());
        let events = events.unwrap();
        let phases = of_process(&events, "rtbench").filter(|event| event["message"] == "a phase begins");
        let phases: Vec<_> = phases.map(|event| event["fields"]["phase"].as_str().unwrap()).collect();
        assert_eq!(phases, ["setup", "measure", "drain"]);
        assert!(
            said.lines().any(|line| line.contains("INFO rtbench") && line.contains("phase=measure")),
            "{said}"
        );
        let built = of_process(&events, "echo").filter(|event| event["message"] == "runtime built").count();
        assert_eq!(built, usize::from(details), "{events:?}");
        assert_eq!(events.iter().any(|event| event["level"] == "debug"), details);
        assert!(!said.contains('\u{1b}'), "no colours where there is no terminal");
    }
}

#[test]
fn a_poll_that_is_stuck_is_told_with_its_task_and_where_it_was_spawned() {
    let settings = [
        "workload.spawn_flood.rate=3",
        "workload.spawn_flood.work=100ms",
        "runtime.metrics.stuck_poll_threshold=20ms",
    ];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    // The workers look at each other when the system lets them.
    let (said, events, stuck) = with_a_window(3 * SHORT, |window| {
        let dir = TempDir::new().unwrap();
        let mut command = run(&dir, window, "spawn_flood", &settings);
        let output = command.env("RUST_LOG", "runtime::stuck_poll=warn").output().unwrap();
        let Told { said, events, .. } = (!is_too_short(&output)).then(|| Told::of(&dir, output))?;
        let events = events?;
        let stuck = of_process(&events, "spawn_flood").next()?.clone();
        Some((said, events, stuck))
    });
    assert_eq!((&stuck["level"], &stuck["target"]), (&"warn".into(), &"runtime::stuck_poll".into()));
    let fields = &stuck["fields"];
    assert!(fields["loc.file"].as_str().unwrap().ends_with("spawn_flood.rs"), "{stuck}");
    assert!(fields["loc.line"].is_u64() && fields["worker"].is_u64(), "{stuck}");
    assert!(!fields["task.id"].is_null() && !fields["running_for"].is_null(), "{stuck}");
    assert!(said.contains("runtime::stuck_poll"), "{said}");
    assert!(of_process(&events, "rtbench").next().is_none(), "RUST_LOG chose one target");
}

#[cfg(feature = "tokio")]
#[test]
fn a_run_on_tokio_tells_the_same_way() {
    let events = told("server", &["--engine", "tokio", "-vv"], |_| ()).events.unwrap();
    let messages: Vec<_> =
        of_process(&events, "echo").map(|event| event["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["runtime built", "the runtime is shut down"]);
    assert!(of_process(&events, "echo").any(|event| event["fields"]["engine"] == "tokio"));
}

#[test]
fn every_command_takes_the_flag_and_a_wrong_filter_is_refused() {
    let dir = TempDir::new().unwrap();
    let rtbench = |args: &[&str], filter: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtbench"));
        command.current_dir(dir.path()).args(args).env("RUST_LOG", filter).output().unwrap()
    };
    let profile = format!("{}/configs/server.toml", env!("CARGO_MANIFEST_DIR"));
    for args in [&["check", &profile, "-vv"][..], &["-vv", "check", &profile]] {
        let said = String::from_utf8(rtbench(args, "").stderr).unwrap();
        assert!(said.contains("the profile is read"), "{said}");
    }
    assert_eq!(rtbench(&["list", "-v"], "").status.code(), Some(0));
    let refused = rtbench(&["list"], "runtime=loud");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: RUST_LOG is \"runtime=loud\""), "{said}");
}

#[test]
fn what_diagnostics_cost_is_said_with_the_summary() {
    let printed = told("server", &["-vv"], |_| ()).printed;
    let line =
        printed.lines().find(|line| line.starts_with("diagnostics: ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(line.contains(" events of echo, ") && line.ends_with(" % of its CPU time"), "{line}");
}

/// The runtime's own spans, which a build with the feature `tracing` has.
#[cfg(feature = "tracing")]
#[test]
fn each_task_is_a_span_of_the_runtimes_own() {
    let told = told("server", &["--set", "workload.echo.rate=10"], |command| {
        command.env("RUST_LOG", "tokio::task=trace");
    });
    let events = told.events.unwrap();
    let spans: Vec<_> = of_process(&events, "echo").filter(|event| event["message"] == "begins").collect();
    assert!(spans.len() > 10, "{}", spans.len());
    for span in spans {
        let of = &span["spans"][0];
        assert_eq!(of["name"], "runtime.spawn");
        assert!(of["fields"]["kind"].is_string() && of["fields"]["loc.line"].is_u64(), "{span}");
    }
}
