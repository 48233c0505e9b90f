//! Comparisons with a stored baseline.

use std::fs;
use std::process::Output;

use crate::sandbox::{PROFILE, Sandbox, edit_json, edit_plan, json, text};
use crate::support::{SHORT, is_too_short, with_a_window};

#[test]
fn a_stored_baseline_is_checked_and_used() {
    // All of it with windows of one length: the load must be that of the baseline.
    with_a_window(SHORT, checked_and_used);
}

/// `None`: in one of the runs nothing was completed.
fn checked_and_used(window: &str) -> Option<()> {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("p.toml"), PROFILE.replace("200ms", window)).unwrap();
    let measured = |args: &[&str]| -> Option<Output> {
        let output = sandbox.rtbench(&[&["compare", "p.toml"], args].concat());
        if is_too_short(&output) {
            return None;
        }
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        Some(output)
    };
    measured(&["--out", "base"])?;
    let base = fs::read_dir(sandbox.path("base")).unwrap().next().unwrap().unwrap().path();
    let base_name = base.to_str().unwrap();
    let compare = |more: &[&str]| measured(&[&["--baseline", base_name], more].concat());
    let output = compare(&[])?;
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!(compared["pairs"][0]["paired"], false);
    assert_eq!(compared["pairs"][0]["reference"], "baseline first");
    assert!(compared["warnings"][0].as_str().is_some() && text(&output.stdout).contains("another time"));

    let refused = |more: &[&str], said: &[&str]| {
        sandbox.refused(&[&["compare", "p.toml", "--baseline", base_name], more].concat(), said);
    };
    let [there, here] = [window, "70ms"].map(|window| window.replace("ms", "000000"));
    refused(&["--duration", "70ms"], &["another load on `spawn_flood`", &there, &here, "--allow plan"]);
    let on_tokio = ["--engine", "tokio"];
    refused(&on_tokio, &["`spawn_flood` on another engine: runtime ", " there, tokio ", "--allow engine"]);
    let allowed = compare(&[&on_tokio[..], &["--allow", "engine"]].concat())?;
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
    compare(&["--allow", "version"])?;
    edit_plan(&base, &|plan| plan["machine"]["cpu_model"] = "Slide Rule 2000".into());
    refused(&[], &["another machine", "processor: Slide Rule 2000 there", "--allow machine"]);
    compare(&["--allow", "machine,version"])?;
    edit_plan(&base, &|plan| plan["tool"]["version"] = "0.0.1".into());
    refused(&["--allow", "machine"], &["another rtbench", "version 0.0.1", "--allow version"]);
    sandbox.refused(&["compare", "p.toml", "--baseline", "nowhere"], &["cannot find nowhere"]);
    Some(())
}
