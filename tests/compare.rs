//! `rtbench compare` and `rtbench history` as a user has them: real runs, refusals, interruptions, damage.
//!
//! Where figures matter, runs are those of a plug-in that makes them up, so that nothing depends on the machine's speed.
#![forbid(unsafe_code)]

#[path = "plugins/build.rs"]
mod build;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No wait comes near this, unless what is tested is broken.
const LONG: Duration = Duration::from_secs(120);

/// Its figures are what its parameters say.
static MADE_UP: LazyLock<PathBuf> = LazyLock::new(|| build::package("made-up"));

/// Small enough for a moment, and judged by nothing.
const PROFILE: &str = r#"
name = "small"
[[workload]]
kind = "spawn_flood"
[compare]
blocks = 2
warmup = "0s"
duration = "200ms"
noise_limit = 1000
[compare.gate]
all = "off"
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

    /// One in which `p.toml` runs the plug-in that makes its figures up, with these lines in its workload, and is judged
    /// by its median.
    fn made_up(lines: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write_made_up("p.toml", lines);
        sandbox
    }

    fn write_made_up(&self, name: &str, lines: &str) {
        let profile = PROFILE
            .replacen("name", &format!("plugin = {:?}\nname", MADE_UP.as_path()), 1)
            .replace("kind = \"spawn_flood\"", &format!("kind = \"made_up\"\n{lines}"))
            .replace("blocks = 2", "blocks = 7")
            .replace("all = \"off\"", "all = \"off\"\np50 = \"5%\"");
        fs::write(self.path(name), profile).unwrap();
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

    /// A copy of a folder, under another name each time.
    fn copy(&self, folder: &Path) -> PathBuf {
        let number = fs::read_dir(self.0.path()).unwrap().count();
        let copy = self.path(&format!("copy-{number}"));
        fs::create_dir_all(copy.join("blocks")).unwrap();
        for entry in fs::read_dir(folder.join("blocks")).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), copy.join("blocks").join(entry.file_name())).unwrap();
        }
        fs::copy(folder.join("plan.json"), copy.join("plan.json")).unwrap();
        copy
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

/// What was printed, in one line.
fn unwrapped(printed: &str) -> String {
    printed.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn edit_json(path: &Path, edit: &dyn Fn(&mut Value)) {
    let mut content = json(path);
    edit(&mut content);
    fs::write(path, content.to_string()).unwrap();
}

/// Changes a plan, and has the blocks belong to it all the same.
fn edit_plan(folder: &Path, edit: &dyn Fn(&mut Value)) {
    let plan = folder.join("plan.json");
    edit_json(&plan, edit);
    let mut crc = flate2::Crc::new();
    crc.update(&fs::read(&plan).unwrap());
    let fingerprint = format!("{:x}-{:08x}", crc.amount(), crc.sum());
    for entry in fs::read_dir(folder.join("blocks")).unwrap().map(Result::unwrap) {
        edit_json(&entry.path(), &|block| block["plan"] = fingerprint.clone().into());
    }
}

#[test]
fn a_comparison_leaves_its_files() {
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
    command.env("GITHUB_STEP_SUMMARY", sandbox.path("step.md"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let folder = sandbox.folder();
    let compared = json(&folder.join("compare.json"));
    assert_eq!(compared["outcome"], "not_judged");
    assert_eq!(compared["complete"], true);
    assert_eq!(compared["pairs"][0]["reference"], "runtime.event_interval=61");
    assert_eq!(compared["pairs"][0]["candidate"], "runtime.event_interval=31");
    // All streams are compared, and without a gate nothing is judged.
    let metrics = compared["pairs"][0]["metrics"].as_array().unwrap();
    let names: Vec<_> = metrics.iter().map(|metric| metric["metric"].as_str().unwrap()).collect();
    for name in ["p50", "block_on.p50", "foreign.p50", "lag.p50", "throughput", "cpu", "switches"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(metrics.iter().all(|metric| metric["verdict"].is_null()));
    assert!(metrics[0]["reference"].as_f64().unwrap() > 0.0);
    assert!(text(&output.stdout).starts_with("small: Not judged: no metric decides.\n"));
    // A busy machine may have had one measured again.
    let blocks = fs::read_dir(folder.join("blocks")).unwrap().map(|entry| json(&entry.unwrap().path()));
    assert_eq!(blocks.filter(|block| block["state"] == "kept").count(), 2);
    let runs = json(&folder.join("blocks/0001-0-1.json"))["runs"].as_array().unwrap().len();
    assert_eq!(runs, 4);
    for file in ["index.html", "plan.json", "spawn_flood.forest.svg", "spawn_flood.worker.curves.svg"] {
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
    assert!(of(1).ends_with(" left)") && of(2).ends_with(", 0 s left)"), "{said}");
    // ... and what it is going to do, before it does it.
    let plan = said.lines().next().unwrap();
    assert!(plan.starts_with("comparing 2 sides on spawn_flood: 2 blocks of 4 runs each, about "), "{said}");
    let engine = compared["pairs"][0]["candidate_engines"][0].as_str().unwrap();
    assert!(engine.starts_with("runtime "), "{engine}");
}

#[test]
fn a_history_takes_a_comparison_once_and_shows_it() {
    let sandbox = Sandbox::made_up("");
    let output = sandbox.rtbench(&["compare", "p.toml", "--history", "h.jsonl", "--label", "abc"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let folder = sandbox.folder();
    let once = fs::read(sandbox.path("h.jsonl")).unwrap();
    let add = ["history", "h.jsonl", "--add", folder.to_str().unwrap()];
    let shown = sandbox.rtbench(&[&add[..], &["--page", "h.html"]].concat());
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    assert!(text(&shown.stderr).contains("has this comparison already"), "{}", text(&shown.stderr));
    assert_eq!(fs::read(sandbox.path("h.jsonl")).unwrap(), once);
    assert!(text(&shown.stdout).contains("made_up"), "{}", text(&shown.stdout));
    assert!(fs::read_to_string(sandbox.path("h.html")).unwrap().contains("<svg"));
    // A field that an older rtbench did not write, and one that a newer one writes, do no harm; another version does.
    let mut other = json(&folder.join("compare.json"));
    other["pairs"][0].as_object_mut().unwrap().remove("candidate_engines").unwrap();
    other["from_the_future"] = 1.into();
    other["setup"]["seed"] = 2.into();
    fs::write(folder.join("compare.json"), other.to_string()).unwrap();
    assert_eq!(sandbox.rtbench(&add).status.code(), Some(0));
    assert_eq!(fs::read_to_string(sandbox.path("h.jsonl")).unwrap().lines().count(), 2);
    other["version"] = 9.into();
    fs::write(folder.join("compare.json"), other.to_string()).unwrap();
    sandbox.refused(
        &add,
        &["nothing was added", "rtbench-compare version 9", "reads rtbench-compare version 2"],
    );
    // A damaged history is neither read nor added to.
    other["version"] = 2.into();
    fs::write(folder.join("compare.json"), other.to_string()).unwrap();
    fs::write(sandbox.path("h.jsonl"), "{\"schema\":").unwrap();
    sandbox.refused(&["history", "h.jsonl"], &["h.jsonl:1 is damaged"]);
    sandbox.refused(&add, &["nothing was added", "h.jsonl:1 is damaged"]);
    assert_eq!(fs::read_to_string(sandbox.path("h.jsonl")).unwrap(), "{\"schema\":");
    sandbox.refused(&["history", "/dev/zero"], &["/dev/zero", "not a regular file"]);
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
    let refused = |edit: &dyn Fn(&Path), said: &[&str]| {
        let copy = sandbox.copy(&folder);
        edit(&copy);
        sandbox.refused(&["compare", "--resume", copy.to_str().unwrap()], said);
    };
    let planned = |place: &'static str, value: &'static str, said: &[&str]| {
        let edit = |plan: &mut Value| *plan.pointer_mut(place).unwrap() = value.into();
        refused(&|copy| edit_plan(copy, &edit), said);
    };
    planned("/machine/cpu_model", "Slide Rule 2000", &["begun on another machine", "Slide Rule 2000 there"]);
    planned("/tool/version", "0.0.1", &["was begun by rtbench 0.0.1", "and this is rtbench "]);
    planned("/files/rtbench", "1-00000000", &["rtbench is another build", "go on with that build"]);
    let block = "blocks/0001-0-1.json";
    let edit = |block: &mut Value| block["runs"][0]["engine"] = "runtime 0.0.1".into();
    refused(&|copy| edit_json(&copy.join(block), &edit), &["was begun on runtime 0.0.1", "has runtime "]);
}

#[test]
fn a_folder_that_was_edited_or_damaged_is_refused_and_what_is_not_ours_is_not_looked_at() {
    let sandbox = Sandbox::made_up("");
    assert_eq!(sandbox.rtbench(&["compare", "p.toml"]).status.code(), Some(0));
    let folder = sandbox.folder();
    let block = "blocks/0002-0-1.json";
    let refused = |edit: &dyn Fn(&Path), said: &[&str]| {
        let copy = sandbox.copy(&folder);
        edit(&copy);
        let copy = copy.to_str().unwrap();
        sandbox.refused(&["compare", "--resume", copy], said);
        sandbox.refused(&["compare", "p.toml", "--baseline", copy], said);
    };
    let planned = |edit: fn(&mut Value), said: &[&str]| refused(&|copy| edit_plan(copy, &edit), said);
    let edited =
        |edit: fn(&mut Value), said: &[&str]| refused(&|copy| edit_json(&copy.join(block), &edit), said);
    // A plan that says something else than when its blocks were measured.
    refused(
        &|copy| {
            edit_json(&copy.join("plan.json"), &|plan| plan["gates"]["p50"]["change"]["margin"] = 0.5.into());
        },
        &["plan.json was changed after blocks/0001-0-1.json"],
    );
    // ... and one that no plan can be.
    planned(|plan| plan["sides"] = Value::Array(Vec::new()), &["plan.json is damaged: it has 0 sides"]);
    planned(|plan| plan["workloads"] = Value::Array(Vec::new()), &["it has no workloads"]);
    planned(|plan| plan["sides"][1]["plans"] = Value::Array(Vec::new()), &["0 plans for 1 workloads"]);
    planned(|plan| plan["blocks"] = 0.into(), &["blocks is 0, expected between 2 and 200"]);
    planned(|plan| plan["seed"] = 2.into(), &["its runs are of the sides"]);
    planned(
        |plan| plan["version"] = 1.into(),
        &["version 1, and this rtbench reads rtbench-comparison-plan version 2"],
    );
    planned(|plan| plan["gates"]["p50"]["change"]["margin"] = 0.into(), &["the gate of p50"]);
    refused(&|copy| fs::write(copy.join("plan.json"), "{").unwrap(), &["plan.json is damaged"]);
    // A block that is none of this plan.
    refused(&|copy| fs::write(copy.join(block), "{\"workload\": 0,").unwrap(), &["0002-0-1.json is damaged"]);
    edited(|block| block["runs"] = Value::Array(Vec::new()), &["0002-0-1.json is damaged"]);
    edited(|block| block["runs"][0]["side"] = 7.into(), &["its runs are of the sides"]);
    edited(|block| drop(block["runs"].as_array_mut().unwrap().pop()), &["readings for 3 runs"]);
    edited(|block| block["runs"][0]["figures"] = Value::Null, &["not those of a block that is Kept"]);
    edited(|block| block["number"] = 3.into(), &["it is block 0003-0-1.json"]);
    refused(
        &|copy| fs::rename(copy.join(block), copy.join("blocks/0002-3-1.json")).unwrap(),
        &["it is block 0002-0-1.json"],
    );
    // What an editor, a system or a killed process leaves there counts for nothing.
    let copy = sandbox.copy(&folder);
    let blocks = copy.join("blocks");
    for name in
        ["0002-0-1.json~", ".0002-0-1.json.swp", "copy of 0002-0-1.json", "2-0-1.json", "0009-0-1.txt"]
    {
        fs::copy(copy.join(block), blocks.join(name)).unwrap();
    }
    let output = sandbox.rtbench(&["compare", "--resume", copy.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(json(&copy.join("compare.json"))["pairs"][0]["blocks"], 7);
}

#[test]
fn failed_blocks_are_measured_again_when_a_comparison_goes_on() {
    let sandbox = Sandbox::new();
    let fails = sandbox.path("fails");
    sandbox.write_made_up("p.toml", &format!("fails = {fails:?}"));
    File::create(&fails).unwrap();
    let output = sandbox.rtbench(&["compare", "p.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("A run failed") && said.contains("--resume"), "{said}");
    let folder = sandbox.folder();
    assert_eq!(json(&folder.join("compare.json"))["pairs"][0]["failed"], 3);
    fs::remove_file(&fails).unwrap();
    let output = sandbox.rtbench(&["compare", "--resume", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let compared = json(&folder.join("compare.json"));
    assert_eq!((&compared["pairs"][0]["blocks"], &compared["pairs"][0]["failed"]), (&7.into(), &0.into()));
    assert_eq!(compared["failures"].as_array().unwrap().len(), 0);
    // Others may have disturbed it, and it was measured once more.
    let state = json(&folder.join("blocks/0001-0-2.json"))["state"].clone();
    assert!(state == "kept" || state == "redone", "{state}");
}

/// Puts another program in place of `path`, as a build does: by renaming.
fn rebuilt(path: &Path) {
    let next = path.with_extension("next");
    fs::write(&next, "#!/bin/sh\nexit 9\n").unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&next, path).unwrap();
}

#[test]
fn programs_and_plug_ins_that_are_built_anew_meanwhile_change_nothing() {
    let sandbox = Sandbox::new();
    let [this, old, plugin] = ["this-rtbench", "old-rtbench", "libmade_up.so"].map(|name| sandbox.path(name));
    for program in [&this, &old] {
        fs::copy(env!("CARGO_BIN_EXE_rtbench"), program).unwrap();
    }
    fs::copy(MADE_UP.as_path(), &plugin).unwrap();
    sandbox.write_made_up("p.toml", "");
    let profile = fs::read_to_string(sandbox.path("p.toml")).unwrap();
    let there = format!("{:?}", MADE_UP.as_path());
    fs::write(sandbox.path("p.toml"), profile.replace(&there, &format!("{plugin:?}"))).unwrap();
    let mut command = Command::new(&this);
    command.current_dir(sandbox.0.path()).args(["compare", "p.toml", "--baseline-program", "old-rtbench"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + LONG;
    while !sandbox.path("reports").exists()
        || fs::read_dir(sandbox.folder().join("blocks")).map_or(0, Iterator::count) == 0
    {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    [&this, &old, &plugin].into_iter().for_each(|path| rebuilt(path));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!((&compared["pairs"][0]["blocks"], &compared["pairs"][0]["failed"]), (&7.into(), &0.into()));
    let warnings = compared["warnings"].to_string();
    assert!(warnings.contains("the same build"), "{warnings}");
    // To go on with what is there now would mix two builds.
    let resume = ["compare", "--resume", sandbox.folder().to_str().unwrap()].map(str::to_owned);
    let resume: Vec<_> = resume.iter().map(String::as_str).collect();
    sandbox.refused(&resume, &["is another build than the one that the comparison was begun with"]);
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
        &["another load on `spawn_flood`", "200000000", "70000000", "--allow plan"],
    );
    let on_tokio = ["--engine", "tokio"];
    refused(&on_tokio, &["`spawn_flood` on another engine: runtime ", " there, tokio ", "--allow engine"]);
    let allowed = compare(&[&on_tokio[..], &["--allow", "engine"]].concat());
    assert_eq!(allowed.status.code(), Some(0), "{}", text(&allowed.stderr));
    assert!(text(&allowed.stdout).contains("on tokio "), "{}", text(&allowed.stdout));
    for entry in fs::read_dir(base.join("blocks")).unwrap().map(Result::unwrap) {
        edit_json(&entry.path(), &|block| {
            block["runs"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .for_each(|run| run["workload_version"] = 7.into());
        });
    }
    refused(&[], &["another version of `spawn_flood`: version 7 there, version 2 here", "--allow version"]);
    assert_eq!(compare(&["--allow", "version"]).status.code(), Some(0));
    edit_plan(&base, &|plan| plan["machine"]["cpu_model"] = "Slide Rule 2000".into());
    refused(&[], &["another machine", "processor: Slide Rule 2000 there", "--allow machine"]);
    assert_eq!(compare(&["--allow", "machine,version"]).status.code(), Some(0));
    edit_plan(&base, &|plan| plan["tool"]["version"] = "0.0.1".into());
    refused(&["--allow", "machine"], &["another rtbench", "version 0.0.1", "--allow version"]);
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
    let said = unwrapped(&text(&output.stdout));
    assert!(said.contains("no operation was counted in the window"), "{said}");
}

/// The outcome of a comparison that is quiet, and what it printed.
fn judged(sandbox: &Sandbox, args: &[&str]) -> (Option<i32>, String) {
    let output = sandbox.rtbench(&[&["compare", "p.toml", "--quiet", "--out", "judged"], args].concat());
    (output.status.code(), text(&output.stdout))
}

#[test]
fn the_gate_speaks_through_the_exit_code() {
    let sandbox = Sandbox::made_up("");
    let (code, said) = judged(&sandbox, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("small: No regression: the gate was shown not to be worse.\n"), "{said}");
    let axis = |setting| ["--allow", "plan", "--set", setting];
    let slower = axis("workload.made_up.level=100us,120us");
    let (code, said) = judged(&sandbox, &slower);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.starts_with("small: Regression: worse in p50.\n") && said.contains("REGRESSED"), "{said}");
    let (code, said) = judged(&sandbox, &axis("workload.made_up.level=120us,100us"));
    assert_eq!((code, said.contains("IMPROVED")), (Some(0), true), "{said}");
    // The second stream alone, a counter, a limit.
    let other = axis("workload.made_up.other=100us,120us");
    assert_eq!(judged(&sandbox, &other).0, Some(0), "only p50 is a gate");
    for gate in ["other.p99=5%", "*.p50=5%", "other.p50<110us", "other.p99=5%, <1s"] {
        let (code, said) = judged(&sandbox, &[&other[..], &["--gate", gate]].concat());
        assert_eq!(code, Some(3), "{gate}: {said}");
    }
    let hashed = axis("workload.made_up.hashed=5,6");
    assert_eq!(judged(&sandbox, &[&hashed[..], &["--gate", "kib_hashed=5%"]].concat()).0, Some(3));
    assert_eq!(judged(&sandbox, &[&hashed[..], &["--gate", "kib_hashed=-5%"]].concat()).0, Some(0));
    let from_nothing = axis("workload.made_up.hashed=0,1");
    let (code, said) = judged(&sandbox, &[&from_nothing[..], &["--gate", "kib_hashed=5%"]].concat());
    assert_eq!((code, said.contains("new")), (Some(3), true), "{said}");
    let (code, said) = judged(&sandbox, &["--gate", "p50<110us"]);
    assert_eq!((code, said.contains("WITHIN")), (Some(0), true), "{said}");
}

#[test]
fn what_cannot_be_told_has_an_exit_code_and_a_sentence_of_its_own() {
    let sandbox = Sandbox::new();
    let noisy = |differ: &str| {
        let lines = format!("noise = 0.5\ndiffer = {differ:?}\nruns = {:?}", sandbox.path("runs"));
        sandbox.write_made_up("p.toml", &lines);
        // Runs are counted from 0 in each comparison.
        let _ = fs::remove_file(sandbox.path("runs"));
    };
    // The side that happens to be first is slower; with this seed that is now one and now the other.
    noisy("between");
    let (code, said) = judged(&sandbox, &["--seed", "3"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.starts_with("small: Inconclusive: these blocks cannot tell about p50."), "{said}");
    assert!(!said.to_lowercase().contains("no regression"), "{said}");
    noisy("between");
    let (code, said) = judged(&sandbox, &["--seed", "3", "--inconclusive", "pass"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("small: Inconclusive: ") && !said.to_lowercase().contains("no regression"),
        "{said}"
    );
    noisy("within");
    let (code, said) = judged(&sandbox, &["--noise-limit", "1"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.starts_with("small: Too noisy to tell: equal runs differ too much in p50.\n"), "{said}");
}

#[test]
fn a_gate_on_what_no_run_has_ends_the_comparison_at_its_first_run() {
    let sandbox = Sandbox::made_up("");
    for (gate, said) in [
        ("kib_hashd=5%", "no workload has a counter of that name; did you mean `kib_hashed`?"),
        ("othr.p50=5%", "no workload has a stream of that name; did you mean `other`?"),
        ("other.p50<2", "other.p50 is a time"),
    ] {
        let (code, printed) = judged(&sandbox, &["--gate", gate]);
        assert_eq!(code, Some(2), "{gate}: {printed}");
        let printed = unwrapped(&printed);
        assert!(printed.contains(said), "{gate}: {printed}");
    }
    let blocks: usize = fs::read_dir(sandbox.path("judged"))
        .unwrap()
        .map(|entry| fs::read_dir(entry.unwrap().path().join("blocks")).unwrap().count())
        .sum();
    assert_eq!(blocks, 3, "one for each");
}

#[test]
fn outputs_are_written_each_on_its_own_and_leave_the_verdict_its_exit_code() {
    let sandbox = Sandbox::made_up("");
    fs::create_dir(sandbox.path("a-folder")).unwrap();
    let full = ["--junit", "/dev/full", "--markdown", "m.md", "--history", "h.jsonl"];
    let run = |args: &[&str], summary: &str| {
        let mut command = sandbox.command(&[&["compare", "p.toml", "--quiet", "--out", "o"], args].concat());
        command.env("GITHUB_STEP_SUMMARY", sandbox.path(summary)).output().unwrap()
    };
    let slower = ["--allow", "plan", "--set", "workload.made_up.level=100us,120us"];
    let output = run(&[&full[..], &slower].concat(), "a-folder");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("error: cannot write /dev/full") && said.contains("(GITHUB_STEP_SUMMARY)"),
        "{said}"
    );
    assert!(fs::read_to_string(sandbox.path("m.md")).unwrap().contains("REGRESSED"));
    assert_eq!(fs::read_to_string(sandbox.path("h.jsonl")).unwrap().lines().count(), 1);
    // All is well, but for a file that was asked for.
    let output = run(&full, "step.md");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("No regression"));
    assert!(fs::read_to_string(sandbox.path("step.md")).unwrap().contains("EQUIVALENT"));
    // A summary for which nobody asked.
    let output = run(&[], "a-folder");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn links_stay_and_nothing_is_emptied_that_others_write_to() {
    let sandbox = Sandbox::made_up("");
    for (link, target) in [("j.xml", "j-target"), ("m.md", "m-target"), ("h.jsonl", "h-target")] {
        symlink(target, sandbox.path(link)).unwrap();
    }
    let outputs = ["--junit", "j.xml", "--markdown", "m.md", "--history", "h.jsonl"];
    sandbox.refused(
        &[&["compare", "p.toml", "--blocks", "3"], &outputs[..]].concat(),
        &["3 blocks cannot decide"],
    );
    let is_link = |name: &&str| sandbox.path(name).is_symlink() && !sandbox.path(name).exists();
    assert!(["j.xml", "m.md", "h.jsonl"].iter().all(is_link), "a refusal touched a link");
    let output = sandbox.rtbench(&[&["compare", "p.toml"], &outputs[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for (link, target) in [("j.xml", "j-target"), ("m.md", "m-target"), ("h.jsonl", "h-target")] {
        assert!(sandbox.path(link).is_symlink() && fs::metadata(sandbox.path(target)).unwrap().len() > 0);
    }
    // A log that this command's output goes to, and its Markdown, too.
    for name in ["/dev/stdout", "-"] {
        let log = sandbox.path("log");
        fs::write(&log, "before\n").unwrap();
        let file = File::options().append(true).open(&log).unwrap();
        let mut command = sandbox.command(&["compare", "p.toml", "--quiet", "--markdown", name]);
        assert!(command.stdout(file).status().unwrap().success());
        let log = fs::read_to_string(log).unwrap();
        assert!(log.starts_with("before\nsmall: No regression") && log.contains("### rtbench"), "{log}");
    }
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
    // Sides that would run the same, and why.
    fs::copy(sandbox.path("p.toml"), sandbox.path("copy.toml")).unwrap();
    refused(&["p.toml", "copy.toml"], &["`p.toml` and `copy.toml` run the same plan", "name one profile"]);
    for (setting, why) in [
        ("duration=1s,5s", "as long as [compare] or --warmup and --duration say"),
        ("workload.spawn_flood.warmup=1s,5s", "as long as [compare]"),
        ("compare.noise_limit=3,50", "[compare] says how sides are compared"),
        ("report.dir=\"a\",\"b\"", "[report] says where reports go"),
        ("name=\"a\",\"b\"", "nothing to compare"),
        ("runtime.event_interval=61,0x3d", "nothing to compare"),
    ] {
        refused(&["p.toml", "--set", setting], &["run the same plan", why]);
    }
    refused(
        &["p.toml", "--gate", "p50=5%", "--blocks", "5"],
        &["5 blocks cannot decide", "need 6 blocks or more"],
    );
    refused(
        &["p.toml", "--gate", "p50=5%", "--time", "1s"],
        &["which fit into 1 s", "need 6 blocks or more"],
    );
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
    refused(
        &["p.toml", "--gate", "foreing.p99=5%"],
        &["no workload has a stream of that name", "`foreign`?"],
    );
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
    fs::write(sandbox.path("s.toml"), PROFILE.replace("[report]", "thruput = \"3%\"\n[report]")).unwrap();
    refused(&["s.toml"], &["wrong gate for `thruput`", "did you mean `throughput`?", "s.toml:"]);
    assert!(!sandbox.path("reports").exists());
}
