//! Where else a comparison goes: JUnit, Markdown, the history, files that others write to.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::sandbox::{Sandbox, json, text};

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
