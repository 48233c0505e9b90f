//! `rtbench compare` and `rtbench history` as a user has them: real runs, refusals, interruptions, damage.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No wait comes near this, unless what is tested is broken.
const LONG: Duration = Duration::from_secs(120);

/// Small enough for a moment, and enough samples for a 99th percentile. The window is long enough for a process that
/// shares two cores with many others.
const PROFILE: &str = r#"
name = "small"
[[workload]]
kind = "spawn_flood"
[compare]
blocks = 2
warmup = "0s"
duration = "200ms"
noise_limit = 1000
[report]
interval = "50ms"
"#;

struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("p.toml"), PROFILE).unwrap();
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtbench"));
        command.current_dir(self.0.path()).args(args).stdin(Stdio::null());
        for name in ["RUST_BACKTRACE", "GITHUB_STEP_SUMMARY", "GITHUB_SHA", "CI_COMMIT_SHA"] {
            command.env_remove(name);
        }
        command
    }

    fn rtbench(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// The command is refused, nothing is made, and it says this.
    fn refused(&self, args: &[&str], said: &[&str]) {
        let output = self.rtbench(args);
        let text = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        for said in said {
            assert!(text.contains(said), "{args:?} does not say `{said}`: {text}");
        }
    }

    /// The only comparison in `reports`.
    fn folder(&self) -> PathBuf {
        let entries: Vec<_> =
            fs::read_dir(self.path("reports")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [folder] = entries.as_slice() else { panic!("expected one folder, found {entries:?}") };
        folder.clone()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_comparison_leaves_its_files_and_its_line() {
    let sandbox = Sandbox::new();
    let args = [
        "compare",
        "p.toml",
        "--set",
        "runtime.event_interval=61,31",
        "--junit",
        "j.xml",
        "--markdown",
        "m.md",
    ];
    let mut command = sandbox.command(&args);
    command
        .args(["--history", "h.jsonl", "--label", "abc"])
        .env("GITHUB_STEP_SUMMARY", sandbox.path("step.md"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let folder = sandbox.folder();
    let compared = json(&folder.join("compare.json"));
    assert_eq!(compared["outcome"], "pass");
    assert_eq!(compared["complete"], true);
    assert_eq!(compared["pairs"][0]["reference"], "runtime.event_interval=61");
    assert_eq!(compared["pairs"][0]["candidate"], "runtime.event_interval=31");
    // Two blocks cannot show anything, and it says so.
    let p50 = &compared["pairs"][0]["metrics"][0];
    assert_eq!(p50["verdict"], "INCONCLUSIVE");
    assert!(p50["reason"].as_str().unwrap().starts_with("2 blocks"));
    assert!(p50["reference"].as_f64().unwrap() > 0.0);
    // A busy machine may have had one measured again.
    let blocks = fs::read_dir(folder.join("blocks")).unwrap().map(|entry| json(&entry.unwrap().path()));
    assert_eq!(blocks.filter(|block| block["state"] == "kept").count(), 2);
    let runs = json(&folder.join("blocks/0001-0-1.json"))["runs"].as_array().unwrap().len();
    assert_eq!(runs, 4);
    for file in ["index.html", "forest.svg", "plan.json", "spawn_flood-0.curves.svg"] {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 0, "{file}");
    }
    for markdown in ["m.md", "step.md"] {
        assert!(fs::read_to_string(sandbox.path(markdown)).unwrap().contains("| p50 |"), "{markdown}");
    }
    let junit = fs::read_to_string(sandbox.path("j.xml")).unwrap();
    assert_eq!(roxmltree::Document::parse(&junit).unwrap().root_element().tag_name().name(), "testsuites");
    let said = text(&output.stderr);
    // Without a terminal, the notes say how long it will take.
    let of =
        |number: u32| said.lines().find(|line| line.contains(&format!("block {number}/2 done"))).unwrap();
    assert!(of(1).ends_with("s left)") && of(2).ends_with(", 0s left)"), "{said}");
    let engine = compared["pairs"][0]["candidate_engines"][0].as_str().unwrap();
    assert!(engine.starts_with("runtime "), "{engine}");

    let shown =
        sandbox.rtbench(&["history", "h.jsonl", "--add", folder.to_str().unwrap(), "--page", "h.html"]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert_eq!(fs::read_to_string(sandbox.path("h.jsonl")).unwrap().lines().count(), 2);
    assert!(text(&shown.stdout).contains("spawn_flood"));
    assert!(fs::read_to_string(sandbox.path("h.html")).unwrap().contains("<svg"));
    // A field that an older rtbench did not write, and one that a newer one writes, do no harm; another version does.
    let add = ["history", "h.jsonl", "--add", folder.to_str().unwrap()];
    let mut other = compared;
    other["pairs"][0].as_object_mut().unwrap().remove("candidate_engines").unwrap();
    other["from_the_future"] = 1.into();
    fs::write(folder.join("compare.json"), other.to_string()).unwrap();
    assert_eq!(sandbox.rtbench(&add).status.code(), Some(0));
    other["version"] = 2.into();
    fs::write(folder.join("compare.json"), other.to_string()).unwrap();
    sandbox.refused(
        &add,
        &["nothing was added", "rtbench-compare version 2", "reads rtbench-compare version 1"],
    );
    fs::write(sandbox.path("h.jsonl"), "{\"schema\":").unwrap();
    sandbox.refused(&["history", "h.jsonl"], &["h.jsonl:1 is damaged"]);
}

#[test]
fn every_axis_runs() {
    for axis in [
        &["--flavors", "multi_thread,current_thread,local"][..],
        &["--engine", "embedded,tokio"],
        &["--baseline-program", env!("CARGO_BIN_EXE_rtbench")],
        &[],
    ] {
        let sandbox = Sandbox::new();
        let output = sandbox.rtbench(&[&["compare", "p.toml", "--blocks", "2"], axis].concat());
        assert_eq!(output.status.code(), Some(0), "{axis:?}: {}", text(&output.stderr));
        let runs = json(&sandbox.folder().join("blocks/0001-0-1.json"));
        let engines: Vec<_> =
            runs["runs"].as_array().unwrap().iter().map(|run| run["engine"].as_str().unwrap()).collect();
        let of_tokio = engines.iter().filter(|engine| engine.starts_with("tokio ")).count();
        assert_eq!(of_tokio, if axis.contains(&"embedded,tokio") { 2 } else { 0 }, "{engines:?}");
    }
}

#[test]
fn a_killed_comparison_goes_on() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["compare", "p.toml", "--blocks", "6", "--duration", "300ms"]);
    let mut child = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + LONG;
    let blocks = || {
        let reports = fs::read_dir(sandbox.path("reports")).ok()?;
        let folder = reports.flatten().next()?.path().join("blocks");
        Some(
            fs::read_dir(folder)
                .ok()?
                .flatten()
                .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
                .count(),
        )
    };
    while blocks().unwrap_or(0) < 2 {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no block was kept");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    let folder = sandbox.folder();
    let first = fs::read(folder.join("blocks/0001-0-1.json")).unwrap();
    assert!(!folder.join("compare.json").exists());
    let output = sandbox.rtbench(&["compare", "--resume", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let compared = json(&folder.join("compare.json"));
    assert_eq!(compared["complete"], true);
    assert_eq!(compared["setup"]["blocks"], 6);
    assert_eq!(
        fs::read(folder.join("blocks/0001-0-1.json")).unwrap(),
        first,
        "what was there is not touched"
    );
    // Elsewhere, or with another program, it does not go on.
    let resume = ["compare", "--resume", folder.to_str().unwrap()];
    let (plan, block) = (folder.join("plan.json"), folder.join("blocks/0001-0-1.json"));
    let changed = |path: &Path, place: &str, value: &str, said: &[&str]| {
        let before = fs::read(path).unwrap();
        let mut content: Value = serde_json::from_slice(&before).unwrap();
        *content.pointer_mut(place).unwrap() = value.into();
        fs::write(path, content.to_string()).unwrap();
        sandbox.refused(&resume, said);
        fs::write(path, before).unwrap();
    };
    changed(
        &plan,
        "/machine/cpu_model",
        "Slide Rule 2000",
        &["begun on another machine", "Slide Rule 2000 there"],
    );
    changed(&plan, "/tool/version", "0.0.1", &["was begun by rtbench 0.0.1", "and this is rtbench "]);
    changed(&block, "/runs/0/engine", "runtime 0.0.1", &["was begun on runtime 0.0.1", "has runtime "]);
    // A damaged block is named, and so is a damaged plan.
    fs::write(folder.join("blocks/0002-0-1.json"), "{\"workload\": 0,").unwrap();
    sandbox.refused(&resume, &["0002-0-1.json is damaged"]);
    let baseline = ["compare", "p.toml", "--baseline", folder.to_str().unwrap()];
    sandbox.refused(&baseline, &["the baseline cannot be used", "0002-0-1.json is damaged"]);
}

#[test]
fn an_interrupted_comparison_says_how_to_go_on() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["compare", "p.toml", "--blocks", "100", "--duration", "100ms"]);
    let child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + LONG;
    while !sandbox.path("reports").exists()
        || fs::read_dir(sandbox.folder().join("blocks")).map_or(0, Iterator::count) == 0
    {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stderr).contains("go on with: rtbench compare --resume reports/compare-small-"));
    assert_eq!(json(&sandbox.folder().join("compare.json"))["outcome"], "interrupted");
}

#[test]
fn a_stored_baseline_is_checked_and_used() {
    let sandbox = Sandbox::new();
    let made = sandbox.rtbench(&["compare", "p.toml", "--out", "base"]);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let base = fs::read_dir(sandbox.path("base")).unwrap().next().unwrap().unwrap().path();
    let base_name = base.to_str().unwrap();
    let compare =
        |more: &[&str]| sandbox.rtbench(&[&["compare", "p.toml", "--baseline", base_name], more].concat());
    let output = compare(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!(compared["pairs"][0]["paired"], false);
    assert_eq!(compared["pairs"][0]["reference"], "baseline first");
    assert!(compared["warnings"][0].as_str().is_some() && text(&output.stdout).contains("another time"));

    let refused = |more: &[&str], said: &[&str]| {
        sandbox.refused(&[&["compare", "p.toml", "--baseline", base_name], more].concat(), said);
    };
    refused(
        &["--duration", "70ms"],
        &["another load on `spawn_flood`", "60000000", "70000000", "--allow plan"],
    );
    let on_tokio = ["--engine", "tokio"];
    refused(&on_tokio, &["`spawn_flood` on another engine: runtime ", " there, tokio ", "--allow engine"]);
    let allowed = compare(&[&on_tokio[..], &["--allow", "engine"]].concat());
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    assert!(text(&allowed.stdout).contains("on tokio "), "{}", text(&allowed.stdout));
    for path in fs::read_dir(base.join("blocks")).unwrap().map(|entry| entry.unwrap().path()) {
        let mut block = json(&path);
        block["runs"].as_array_mut().unwrap().iter_mut().for_each(|run| run["workload_version"] = 7.into());
        fs::write(path, block.to_string()).unwrap();
    }
    refused(&[], &["another version of `spawn_flood`: version 7 there, version 1 here", "--allow version"]);
    assert_eq!(compare(&["--allow", "version"]).status.code(), Some(0));
    let plan = fs::read_to_string(base.join("plan.json")).unwrap();
    let mut other: Value = serde_json::from_str(&plan).unwrap();
    other["machine"]["cpu_model"] = "Slide Rule 2000".into();
    fs::write(base.join("plan.json"), other.to_string()).unwrap();
    refused(&[], &["another machine", "processor: Slide Rule 2000 there", "--allow machine"]);
    assert_eq!(compare(&["--allow", "machine,version"]).status.code(), Some(0));
    let mut other: Value = serde_json::from_str(&plan).unwrap();
    other["tool"]["version"] = "0.0.1".into();
    fs::write(base.join("plan.json"), other.to_string()).unwrap();
    refused(&[], &["another rtbench", "version 0.0.1", "--allow version"]);
    fs::write(base.join("plan.json"), &plan[..plan.len() / 2]).unwrap();
    refused(&[], &["plan.json is damaged"]);
    sandbox.refused(&["compare", "p.toml", "--baseline", "nowhere"], &["cannot find nowhere"]);
}

#[test]
fn a_program_that_crashes_fails_its_blocks_and_one_that_is_none_too() {
    let sandbox = Sandbox::new();
    let program = sandbox.path("old");
    fs::write(&program, "#!/bin/sh\necho it broke >&2\nexit 7\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let output = sandbox.rtbench(&["compare", "p.toml", "--baseline-program", "old"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!(compared["outcome"], "run_failed");
    assert_eq!(compared["pairs"][0]["failed"], 2);
    let failure = compared["failures"][0].as_str().unwrap();
    assert!(failure.contains("exit code 7") && failure.contains("it broke"), "{failure}");
}

#[test]
fn a_run_that_records_nothing_fails() {
    let sandbox = Sandbox::new();
    // Its one operation a second falls into the warm-up.
    let profile =
        PROFILE.replace("spawn_flood\"", "echo\"\nconnections = 1\nrate = 1").replace("0s", "100ms");
    fs::write(sandbox.path("p.toml"), profile).unwrap();
    let output = sandbox.rtbench(&["compare", "p.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!((&compared["outcome"], &compared["pairs"][0]["failed"]), (&"run_failed".into(), &2.into()));
    assert!(text(&output.stdout).contains("recorded nothing in the measured window"));
}

#[test]
fn the_gate_speaks_through_the_exit_code() {
    let sandbox = Sandbox::new();
    let code = |args: &[&str]| {
        let output = sandbox.rtbench(&[&["compare", "p.toml", "--quiet"], args].concat());
        (output.status.code(), text(&output.stdout))
    };
    let (inconclusive, said) = code(&["--fail-on-inconclusive"]);
    assert_eq!(inconclusive, Some(4), "{said}");
    // Equal runs differ by more than a thousandth.
    let (too_noisy, said) = code(&["--noise-limit", "1", "--gate", "p50=0.1%"]);
    assert_eq!(too_noisy, Some(5), "{said}");
    // Its tasks do nothing, and then something, so that fewer of them get done. Batches are small: some are done in each
    // window, also where others take most of the processor.
    let closed = PROFILE.replace("kind", "mode = \"closed\"\nbatch = 8\nkind");
    fs::write(sandbox.path("p.toml"), &closed).unwrap();
    fs::write(sandbox.path("slow.toml"), closed.replace("kind", "work = \"100us\"\nkind")).unwrap();
    let gates = ["throughput=10%", "p50=off", "p99=off", "cpu=off"].map(|gate| ["--gate", gate]).concat();
    let (regression, said) = code(&[&["slow.toml", "--allow", "plan", "--blocks", "8"], &gates[..]].concat());
    assert_eq!(regression, Some(3), "{said}");
    assert!(said.contains("REGRESSED"), "{said}");
}

#[test]
fn what_makes_no_comparison_is_refused_before_anything_runs() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("q.toml"), PROFILE.replace("kind", "rate = 500\nkind")).unwrap();
    fs::write(sandbox.path("r.toml"), PROFILE.replace("kind", "name = \"other\"\nkind")).unwrap();
    let refused = |args: &[&str], said: &[&str]| sandbox.refused(&[&["compare"], args].concat(), said);
    refused(
        &["p.toml", "q.toml"],
        &["different loads on `spawn_flood`", "rate is", "p.toml", "q.toml", "--allow plan"],
    );
    refused(&["p.toml", "r.toml"], &["has the workloads spawn_flood", "other"]);
    refused(&["p.toml", "p.toml"], &["named twice"]);
    refused(
        &["p.toml", "--flavors", "multi_thread,local", "--engine", "embedded,tokio"],
        &["one axis", "--flavors", "--engine"],
    );
    refused(
        &["p.toml", "--set", "runtime.event_interval=1,2", "--set", "runtime.lifo_slot=true,false"],
        &["one axis"],
    );
    refused(&["p.toml", "--flavors", "multi_thread,curent_thread"], &["curent_thread"]);
    refused(
        &["p.toml", "--gate", "thruput=3%"],
        &["no metric is named `thruput`", "did you mean `throughput`?"],
    );
    refused(&["p.toml", "--gate", "p99=much"], &["3%"]);
    refused(&["p.toml", "--blocks", "1"], &["between 2 and 200"]);
    let all_off = ["p50=off", "p99=off", "throughput=off", "cpu=off"].map(|gate| ["--gate", gate]).concat();
    refused(&[&["p.toml"], all_off.as_slice()].concat(), &["no metric decides"]);
    refused(
        &["p.toml", "--set", "runtime.lifo_slott=true,false"],
        &["unknown key `lifo_slott`", "did you mean"],
    );
    refused(
        &["p.toml", "--engine", "embedded,tokio", "--set", "runtime.lifo_slot=false"],
        &["tokio", "lifo_slot"],
    );
    refused(&["p.toml", "--junit", "no/such/folder.xml"], &["cannot write no/such/folder.xml"]);
    refused(&["--resume", "nowhere"], &["there is no folder nowhere"]);
    refused(&[], &["PROFILE"]);
    fs::write(sandbox.path("s.toml"), PROFILE.replace("[report]", "[compare.gate]\np98 = \"3%\"\n[report]"))
        .unwrap();
    refused(&["s.toml"], &["unknown key `p98` in [compare.gate]", "s.toml:"]);
    assert!(!sandbox.path("reports").exists());
}
