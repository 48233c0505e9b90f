//! Plug-ins as their authors meet them: made, built, looked at, checked, run.
#![forbid(unsafe_code)]

#[path = "plugins/build.rs"]
mod build;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use build::{Ran, package, report, rtbench, skip};
use serde_json::Value;
use support::{SHORT, measured, with_a_window};
use tempfile::TempDir;

static BUNDLED: LazyLock<PathBuf> = LazyLock::new(|| package("bundled-plugin"));

fn dir() -> TempDir {
    TempDir::new().unwrap()
}

fn ran(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// Cargo on a new plug-in, with this test's own build to share. Another cargo there waits for it, so there is one test that
/// does this.
fn cargo(crate_dir: &Path, command: &str) -> Ran {
    let target = Path::new(env!("CARGO_BIN_EXE_rtbench")).parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(crate_dir).args([command, "--quiet", "--target-dir"]).arg(target);
    ran(&mut cargo)
}

/// A new plug-in builds, passes its test and runs, on the engine that was asked for.
fn made(engine: &str) {
    let dir = dir();
    let name = format!("made-on-{engine}");
    let made = ran(rtbench(&dir).args(["plugin", "new", &name, "--engine", engine]));
    assert_eq!(made.code, Some(0), "{}", made.said);
    assert!(made.printed.contains("It takes the SDK from the checkout"), "{}", made.printed);
    let crate_dir = dir.path().join(&name);
    let tested = cargo(&crate_dir, "test");
    assert_eq!(tested.code, Some(0), "{}{}", tested.printed, tested.said);
    assert!(tested.printed.contains("1 passed"), "{}", tested.printed);
    let built = cargo(&crate_dir, "build");
    assert_eq!(built.code, Some(0), "{}", built.said);
    let library = format!("debug/lib{}.so", name.replace('-', "_"));
    let target = Path::new(env!("CARGO_BIN_EXE_rtbench")).parent().unwrap().parent().unwrap();
    let library = target.join(library);
    // Its own profile names the library of a release build.
    let profile = fs::read_to_string(crate_dir.join("profile.toml")).unwrap();
    let line = profile.lines().find(|line| line.starts_with("plugin = ")).unwrap();
    fs::write(crate_dir.join("profile.toml"), profile.replace(line, &format!("plugin = {library:?}")))
        .unwrap();
    let (ran_in, output) = measured(|dir, window| {
        let mut run = rtbench(dir);
        run.args(["run", "--quiet", "--warmup", "0s", "--duration", window]);
        run.arg(crate_dir.join("profile.toml"));
        run
    });
    let run = Ran::from(output);
    assert_eq!(run.code, Some(0), "{}", run.said);
    assert!(run.printed.contains(&format!("{name} 0.1.0, ")), "{}", run.printed);
    let report = report(&ran_in).unwrap();
    let workload = &report["workloads"][0];
    // At 2,000 a second.
    let planned = workload["plan"]["duration_ns"].as_u64().unwrap() / 500_000;
    assert_eq!(workload["counts"]["planned"], planned, "{workload:#}");
    assert!(workload["counts"]["completed"].as_u64().unwrap() > 0, "{workload:#}");
    assert_eq!(workload["engine"]["name"], if engine == "tokio" { "tokio" } else { "runtime" });
    assert_eq!(workload["plugin"]["name"], name);
    let again = ran(rtbench(&dir).args(["plugin", "new", &name]));
    assert_eq!(again.code, Some(2));
    assert!(again.said.contains("is there already"), "{}", again.said);
}

#[test]
fn a_new_plugin_builds_tests_and_runs_as_it_stands() {
    made("embedded");
    made("tokio");
}

#[test]
fn a_name_that_no_crate_can_have_makes_nothing() {
    let dir = dir();
    for (args, part) in [
        (&["My Load"][..], "cannot name a crate"),
        (&["9lives"], "cannot name a crate"),
        (&["tokio"], "has a meaning for cargo"),
        (&["fine", "--sdk", "."], "no checkout of rtbench"),
    ] {
        let refused = ran(rtbench(&dir).args(["plugin", "new"]).args(args));
        assert_eq!(refused.code, Some(2), "{}", refused.said);
        assert!(refused.said.contains(part), "{}", refused.said);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn check_tries_every_case_on_every_workload() {
    let checked = ran(rtbench(&dir()).args(["plugin", "check"]).arg(&*BUNDLED));
    assert_eq!(checked.code, Some(0), "{}{}", checked.printed, checked.said);
    for workload in ["echo", "timer_storm", "spawn_flood"] {
        let of_workload =
            checked.printed.lines().filter(|line| line.starts_with(&format!("ok    {workload}: "))).count();
        assert_eq!(of_workload, 10, "{}", checked.printed);
    }
    assert!(!checked.printed.contains("FAIL"), "{}", checked.printed);
}

#[test]
fn info_says_what_a_plugin_is() {
    let info = ran(rtbench(&dir()).args(["plugin", "info"]).arg(&*BUNDLED));
    assert_eq!(info.code, Some(0), "{}", info.said);
    for part in
        ["bundled-plugin 0.1.0", "embedded 0.1.0", "rustc 1.", "1.0, table of 152 bytes", "timer_storm"]
    {
        assert!(info.printed.contains(part), "{part:?} is not in: {}", info.printed);
    }
}

/// The bundled workloads by themselves and as a plug-in leave reports of one shape.
#[test]
fn the_way_through_a_plugin_is_the_same_way() {
    let profile =
        "[[workload]]\nkind = \"echo\"\nrate = 500\n[[workload]]\nkind = \"spawn_flood\"\nrate = 1_000\n";
    let shape = |flavor: &str, plugin: Option<&Path>| {
        let (dir, output) = measured(|dir, window| {
            fs::write(dir.path().join("p.toml"), profile).unwrap();
            let mut command = rtbench(dir);
            command.args(["run", "p.toml", "--quiet", "--warmup", "0s", "--duration", window]);
            command.args(["--set", &format!("runtime.flavor={flavor}")]);
            plugin.map(|plugin| command.arg("--plugin").arg(plugin));
            command
        });
        let run = Ran::from(output);
        assert_eq!(run.code, Some(0), "{}", run.said);
        let report = report(&dir).unwrap();
        let of = |workload: &Value| {
            let streams = workload["streams"].as_array().unwrap().iter();
            let streams: Vec<_> = streams.map(|stream| stream["title"].clone()).collect();
            // The windows may differ in length.
            let length = workload["plan"]["duration_ns"].as_u64().unwrap();
            let rate = workload["counts"]["planned"].as_u64().unwrap() * 1_000_000_000 / length;
            let (plan, engine) = (workload["plan"]["params"].clone(), workload["engine"].clone());
            (streams, rate, engine, plan, workload["status"].clone())
        };
        report["workloads"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    for flavor in ["multi_thread", "local"] {
        assert_eq!(shape(flavor, None), shape(flavor, Some(&BUNDLED)), "{flavor}");
    }
}

/// The progress of a plug-in's run is that of any run: lines where there is no terminal, and a bar where there is one.
#[test]
fn the_progress_of_a_plugin_shows_as_that_of_bundled_workloads() {
    let dir = dir();
    fs::write(dir.path().join("p.toml"), "[[workload]]\nkind = \"echo\"\nrate = 500\n").unwrap();
    fn args(window: &str) -> [&str; 8] {
        ["run", "p.toml", "--warmup", "0s", "--duration", window, "--set", "report.interval=100ms"]
    }
    // There is a line a second, if the machine finds the time.
    for plugin in [false, true] {
        let said = with_a_window(10 * SHORT, |window| {
            let mut command = rtbench(&dir);
            command.args(args(window));
            if plugin {
                command.arg("--plugin").arg(&*BUNDLED);
            }
            let run = ran(&mut command);
            let measuring = |line: &str| {
                let parts = ["echo: measuring ", " s  ", "/s  p99 ", " s left"];
                parts.iter().all(|part| line.contains(part))
            };
            (run.code == Some(0) && run.said.lines().any(measuring)).then_some(run.said)
        });
        assert!(said.lines().any(|line| line == "echo: setting up"), "{said}");
    }
    let Ok(script) = Command::new("script").arg("--version").output() else {
        return skip("the bar of a plug-in on a terminal", "`script` is not there");
    };
    assert!(script.status.success());
    let program = env!("CARGO_BIN_EXE_rtbench");
    let run = with_a_window(10 * SHORT, |window| {
        let line = format!("{program} {} --plugin {}", args(window).join(" "), BUNDLED.display());
        let mut command = Command::new("script");
        command.current_dir(dir.path()).env("TERM", "xterm").args(["-qec", &line, "/dev/null"]);
        let run = ran(command.stdin(Stdio::null()));
        (run.code == Some(0) && run.printed.contains("p99")).then_some(run)
    });
    for part in ["echo ", "━", "measuring", "p99", " s left"] {
        assert!(run.printed.contains(part), "{part:?} is not in: {}", run.printed);
    }
}

#[test]
fn a_profile_names_its_plugin_from_where_it_lies() {
    let dir = dir();
    let folder = dir.path().join("deep");
    fs::create_dir(&folder).unwrap();
    fs::copy(&*BUNDLED, folder.join("libcopy.so")).unwrap();
    let write = |text: &str| fs::write(folder.join("p.toml"), text).unwrap();
    let check = |args: &[&str]| ran(rtbench(&dir).args(["check", "deep/p.toml"]).args(args));
    write("plugin = \"libcopy.so\"\n[[workload]]\nkind = \"echo\"\n");
    let checked = check(&[]);
    assert_eq!(checked.code, Some(0), "{}", checked.said);
    assert!(
        checked.printed.contains("on the plug-in bundled-plugin (embedded 0.1.0)"),
        "{}",
        checked.printed
    );
    let refused = |args: &[&str], parts: &[&str]| {
        let refused = check(args);
        assert_eq!(refused.code, Some(2), "{}", refused.said);
        for part in parts {
            assert!(refused.said.contains(part), "{part:?} is not in: {}", refused.said);
        }
    };
    refused(&["--engine", "tokio"], &["the plug-in brings its own engine, embedded"]);
    write("plugin = \"libcopy.so\"\n[[workload]]\nkind = \"blocking_mix\"\n");
    refused(&[], &["unknown workload kind `blocking_mix`", "deep/p.toml:3:8", "kinds: echo, timer_storm"]);
    write("plugin = \"libcopy.so\"\n[[workload]]\nkind = \"echo\"\nconections = 3\nclient_threads = 40\n");
    refused(&[], &["deep/p.toml:4:1", "did you mean `connections`?"]);
    write("plugin = \"libcopy.so\"\n[[workload]]\nkind = \"echo\"\nclient_threads = 40\n");
    refused(&[], &["deep/p.toml:4:18", "more threads than connections (32)"]);
    write("plugin = \"gone.so\"\n[[workload]]\nkind = \"echo\"\n");
    refused(&[], &["this plug-in cannot be used", "deep/p.toml:1:10", "it cannot be opened"]);
    write("plugin = 3\n[[workload]]\nkind = \"echo\"\n");
    refused(&[], &["wrong type for `plugin`", "deep/p.toml:1:10"]);
}
