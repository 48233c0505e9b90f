//! Sides of every kind, also such as crash, or measure nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::{PROFILE, Sandbox, edit_json, json, text, unwrapped};
use crate::support::{SHORT, is_too_short, with_a_window};

/// The engines of the runs of the first block.
fn engines(sandbox: &Sandbox) -> Vec<String> {
    let block = json(&sandbox.folder().join("blocks/0001-0-1.json"));
    let runs = block["runs"].as_array().unwrap().iter();
    runs.map(|run| run["engine"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_axis_runs() {
    for axis in [
        &["--flavors", "multi_thread,current_thread,local"][..],
        &["--baseline-program", env!("CARGO_BIN_EXE_rtbench")],
        &[],
    ] {
        let sandbox = Sandbox::unjudged("");
        sandbox.ends_with(0, &[&["compare", "p.toml"], axis].concat());
        let engines = engines(&sandbox);
        assert_eq!(engines.len(), if axis.contains(&"--flavors") { 6 } else { 4 });
        assert!(engines.iter().all(|engine| engine.starts_with("runtime ")), "{engines:?}");
    }
}

#[cfg(feature = "tokio")]
#[test]
fn engines_are_compared_on_the_same_workload() {
    let (sandbox, output) = with_a_window(SHORT, |window| {
        let sandbox = Sandbox::new();
        let output =
            sandbox.rtbench(&["compare", "p.toml", "--engine", "embedded,tokio", "--duration", window]);
        (!is_too_short(&output)).then_some((sandbox, output))
    });
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let engines = engines(&sandbox);
    let of = |name: &str| engines.iter().filter(|engine| engine.starts_with(name)).count();
    assert_eq!((of("runtime "), of("tokio ")), (2, 2), "{engines:?}");
    // With another version of an engine it does not go on.
    let copy = sandbox.copy(&sandbox.folder());
    edit_json(&copy.join("blocks/0001-0-1.json"), &|block| {
        let runs = block["runs"].as_array_mut().unwrap().iter_mut();
        let ours = runs.filter(|run| run["engine"].as_str().unwrap().starts_with("runtime "));
        ours.for_each(|run| run["engine"] = "runtime 0.0.1".into());
    });
    let resume = ["compare", "--resume", copy.to_str().unwrap()];
    sandbox.refused(&resume, &["was begun on runtime 0.0.1", "has runtime "]);
}

#[test]
fn a_program_that_crashes_fails_its_blocks_and_one_that_is_none_too() {
    let sandbox = Sandbox::unjudged("");
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
    let profile = PROFILE.replace("spawn_flood\"\nrate = 2_000", "echo\"\nconnections = 1\nrate = 1");
    let profile = profile.replace("0s", "100ms");
    fs::write(sandbox.path("p.toml"), profile).unwrap();
    let output = sandbox.rtbench(&["compare", "p.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let compared = json(&sandbox.folder().join("compare.json"));
    assert_eq!((&compared["outcome"], &compared["pairs"][0]["failed"]), (&"run_failed".into(), &2.into()));
    let said = unwrapped(&text(&output.stdout));
    assert!(said.contains("no operation was counted in the window"), "{said}");
}
