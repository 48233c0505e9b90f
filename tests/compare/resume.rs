//! Comparisons that are cut short, and go on; and what changes meanwhile.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::sandbox::{MADE_UP, Sandbox, edit_plan, json, text};

#[test]
fn a_killed_comparison_goes_on() {
    let sandbox = Sandbox::held(2);
    let mut child = sandbox.start(sandbox.command(&["compare", "p.toml", "--blocks", "3"]), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    sandbox.release();
    let folder = sandbox.folder();
    let first = fs::read(folder.join("blocks/0001-0-1.json")).unwrap();
    assert!(!folder.join("compare.json").exists());
    sandbox.ends_with(0, &["compare", "--resume", folder.to_str().unwrap()]);
    let compared = json(&folder.join("compare.json"));
    assert_eq!(compared["complete"], true);
    assert_eq!(compared["setup"]["blocks"], 3);
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
}

#[test]
fn failed_blocks_are_measured_again_when_a_comparison_goes_on() {
    let sandbox = Sandbox::unjudged("fails = \"fails\"");
    let fails = sandbox.path("fails");
    File::create(&fails).unwrap();
    let said = sandbox.ends_with(1, &["compare", "p.toml", "--blocks", "4"]);
    assert!(said.contains("A run failed") && said.contains("--resume"), "{said}");
    let folder = sandbox.folder();
    assert_eq!(json(&folder.join("compare.json"))["pairs"][0]["failed"], 3);
    fs::remove_file(&fails).unwrap();
    sandbox.ends_with(0, &["compare", "--resume", folder.to_str().unwrap()]);
    let compared = json(&folder.join("compare.json"));
    assert_eq!((&compared["pairs"][0]["blocks"], &compared["pairs"][0]["failed"]), (&4.into(), &0.into()));
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
    let sandbox = Sandbox::held(1);
    let [this, old, plugin] = ["this-rtbench", "old-rtbench", "libmade_up.so"].map(|name| sandbox.path(name));
    for program in [&this, &old] {
        fs::copy(env!("CARGO_BIN_EXE_rtbench"), program).unwrap();
    }
    fs::copy(MADE_UP.as_path(), &plugin).unwrap();
    let profile = fs::read_to_string(sandbox.path("p.toml")).unwrap();
    let there = format!("{:?}", MADE_UP.as_path());
    fs::write(sandbox.path("p.toml"), profile.replace(&there, &format!("{plugin:?}"))).unwrap();
    let command = sandbox.program(&this, &["compare", "p.toml", "--baseline-program", "old-rtbench"]);
    let child = sandbox.start(command, 1);
    [&this, &old, &plugin].into_iter().for_each(|path| rebuilt(path));
    sandbox.release();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!((&compared["pairs"][0]["blocks"], &compared["pairs"][0]["failed"]), (&2.into(), &0.into()));
    let warnings = compared["warnings"].to_string();
    assert!(warnings.contains("the same build"), "{warnings}");
    // To go on with what is there now would mix two builds.
    let resume = ["compare", "--resume", sandbox.folder().to_str().unwrap()].map(str::to_owned);
    let resume: Vec<_> = resume.iter().map(String::as_str).collect();
    sandbox.refused(&resume, &["is another build than the one that the comparison was begun with"]);
}

#[test]
fn an_interrupted_comparison_says_how_to_go_on() {
    let sandbox = Sandbox::held(1);
    let child = sandbox.start(sandbox.command(&["compare", "p.toml"]), 1);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stderr).contains("go on with: rtbench compare --resume reports/compare-small-"));
    assert_eq!(json(&sandbox.folder().join("compare.json"))["outcome"], "interrupted");
}
