//! Plug-ins that break every promise there is: rtbench lives, says which one did what, and keeps what was measured.
#![forbid(unsafe_code)]

#[path = "plugins/build.rs"]
mod build;
mod support;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;

use build::{Ran, faulty, package, raw, report, rtbench, run, run_for, run_with, samples};
use support::{SHORT, says_too_short, wait_until_gone, with_a_window};
use tempfile::TempDir;

/// The values in one slice of `raw.c`.
const SLICE: u64 = 10;

static RUDE: LazyLock<PathBuf> = LazyLock::new(|| package("rude"));

fn dir() -> TempDir {
    TempDir::new().unwrap()
}

/// The plug-in was refused: it cannot be used, nothing ran, and there is no report.
fn assert_refused(dir: &TempDir, ran: &Ran, plugin: &Path, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.said);
    assert_said(ran, plugin, parts);
    assert!(report(dir).is_none(), "nothing was measured");
}

/// The run failed, and the report has so many values, or more.
fn assert_failed(dir: &TempDir, ran: &Ran, plugin: &Path, at_least: u64, parts: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    assert_said(ran, plugin, parts);
    let report = report(dir).unwrap_or_else(|| panic!("no report: {}", ran.said));
    assert_eq!(report["status"], "failed", "{}", ran.said);
    assert!(samples(&report) >= at_least, "{} of {at_least}: {}", samples(&report), ran.said);
}

fn assert_said(ran: &Ran, plugin: &Path, parts: &[&str]) {
    let name = plugin.file_name().unwrap().to_str().unwrap();
    assert!(ran.said.contains(name), "{name} is not named: {}", ran.said);
    for part in parts {
        assert!(ran.said.contains(part), "{part:?} is not in: {}", ran.said);
    }
    assert!(!ran.said.contains("panicked at src"), "rtbench itself panicked: {}", ran.said);
}

/// The run is as good as any, whatever the plug-in did beside it.
fn assert_complete(dir: &TempDir, ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let report = report(dir).unwrap();
    assert_eq!(report["status"], "complete", "{report:#}");
    assert!(samples(&report) > 0);
}

#[test]
fn a_plugin_in_another_language_that_keeps_its_promises_is_a_good_one() {
    let dir = dir();
    let plugin = raw(&dir, "good", &[]);
    let ran = run(&dir, &plugin, "raw", "");
    assert_complete(&dir, &ran);
    assert_eq!(samples(&report(&dir).unwrap()), 2 * SLICE);
}

#[test]
fn what_is_no_plugin_is_refused_by_what_it_is() {
    let dir = dir();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let whole = fs::read(raw(&dir, "whole", &[])).unwrap();
    for (plugin, part) in [
        (file("empty.so", b""), "cannot be loaded"),
        (file("text.so", b"this is a text"), "cannot be loaded"),
        (file("head.so", &whole[..64]), "cannot be loaded"),
    ] {
        let ran = run(&dir, &plugin, "raw", "");
        assert_refused(&dir, &ran, &plugin, 1, &[part, "help: "]);
    }
    // Here it is the command line that is wrong.
    for (plugin, part) in
        [(dir.path().join("missing.so"), "cannot be opened"), (dir.path().to_owned(), "not a file")]
    {
        let ran = run(&dir, &plugin, "raw", "");
        assert_refused(&dir, &ran, &plugin, 2, &[part, "help: "]);
    }
    // A plan could not say where this one is.
    let unnameable = dir.path().join(std::ffi::OsStr::from_bytes(b"\xff.so"));
    fs::copy(raw(&dir, "fine", &[]), &unnameable).unwrap();
    let ran = run(&dir, &unnameable, "raw", "");
    assert_eq!(ran.code, Some(2), "{}", ran.said);
    assert!(ran.said.contains("its path is not UTF-8 text") && ran.said.contains("help: "), "{}", ran.said);
    let mut check = rtbench(&dir);
    check.args(["check", "profile.toml", "--plugin"]).arg(&unnameable);
    assert_eq!(check.output().unwrap().status.code(), Some(2), "check says what run would");
    assert!(report(&dir).is_none());
    // The system's loader may die of this one; then that is told.
    let half = file("half.so", &whole[..whole.len() / 2]);
    let ran = run(&dir, &half, "raw", "");
    assert_refused(&dir, &ran, &half, 1, &["loaded"]);
}

#[test]
fn a_table_that_is_not_ours_is_refused_by_what_is_wrong_with_it() {
    let dir = dir();
    for (name, macros, parts) in [
        ("no_symbol", &[("SYMBOL", "another_symbol")][..], &["no symbol `rtbench_plugin_v1`"][..]),
        ("magic", &[("MAGIC", "\"rtbench!\"")], &["magic"]),
        ("older", &[("ABI_MAJOR", "0"), ("ABI_MINOR", "9")], &["older", "0.9", "1.0"]),
        ("newer", &[("ABI_MAJOR", "2")], &["newer", "2.0", "1.0"]),
        ("short", &[("TABLE_SIZE", "100")], &["100 bytes"]),
        ("short_by_one", &[("TABLE_SIZE", "sizeof(struct table) - 1")], &["151 bytes of at least 152"]),
        ("no_run", &[("NO_RUN", "1")], &["lacks an entry"]),
    ] {
        let plugin = raw(&dir, name, macros);
        let ran = run(&dir, &plugin, "raw", "");
        assert_refused(&dir, &ran, &plugin, 1, parts);
    }
}

/// The compiler is a text in the table, and the only trace of another one that a border without Rust types has: so a
/// made-up text stands for the compiler, and `raw.c` itself was built by no rustc at all.
#[test]
fn a_newer_minor_version_and_another_compiler_are_served() {
    let dir = dir();
    let plugin = raw(&dir, "minor", &[("ABI_MINOR", "7"), ("TABLE_SIZE", "4096")]);
    assert_complete(&dir, &run(&dir, &plugin, "raw", ""));
    let dir = self::dir();
    let plugin = raw(&dir, "compiler", &[("RUSTC", "\"rustc 1.2.3 (0badcafe 2015-08-03)\"")]);
    assert_complete(&dir, &run(&dir, &plugin, "raw", ""));
    let report = serde_json::to_string(&report(&dir).unwrap()).unwrap();
    assert!(report.contains("rustc 1.2.3 (0badcafe 2015-08-03)"), "the report says what built it");
}

#[test]
fn a_plugin_that_fails_before_its_run_is_told_with_the_entry() {
    let dir = dir();
    for (fault, parts) in [
        ("abort while loaded", &["SIGABRT", "while it was loaded"][..]),
        ("abort in describe", &["SIGABRT", "`describe`"]),
        ("overflow in describe", &["SIG", "overflowed its stack", "`describe`"]),
        ("garbage in describe", &["`describe`"]),
        ("nothing in describe", &["`describe`", "nothing"]),
        ("twice in describe", &["`describe`", "more than one"]),
        ("huge in describe", &["`describe`", "67108864 bytes"]),
        ("abort in validate", &["SIGABRT", "`validate`"]),
        ("garbage in validate", &["`validate`"]),
        ("late in describe", &["after the entry `describe` had returned", "refused"]),
    ] {
        let plugin = faulty(&dir, fault);
        let ran = run(&dir, &plugin, "raw", "");
        assert_refused(&dir, &ran, &plugin, 1, parts);
    }
}

#[test]
fn a_plugin_that_hangs_before_its_run_is_killed() {
    thread::scope(|scope| {
        for (fault, part) in [
            ("hang while loaded", "while it was loaded"),
            ("hang in describe", "`describe`"),
            ("hang in validate", "`validate`"),
        ] {
            scope.spawn(move || {
                let dir = dir();
                let plugin = faulty(&dir, fault);
                let ran = run(&dir, &plugin, "raw", "");
                assert_refused(&dir, &ran, &plugin, 1, &[part, "killed"]);
            });
        }
    });
}

#[test]
fn a_run_that_dies_or_sends_what_it_must_not_keeps_the_slices_before() {
    for (fault, parts) in [
        ("abort in run", &["SIGABRT", "measured window"][..]),
        ("overflow in run", &["SIG", "overflowed its stack", "measured window"]),
        ("exit in run", &["measured window"]),
        ("return in run", &["measured window"]),
        ("bounds in run", &["histogram `latency`", "from 1 to 1000000 with 2 digits"]),
        ("lying header in run", &["histogram `latency`"]),
        ("garbage in run", &[]),
        ("huge in run", &["67108864 bytes"]),
        ("ten thousand slices in run", &["slices"]),
        ("ten thousand warnings in run", &["warnings"]),
    ] {
        let dir = dir();
        let plugin = faulty(&dir, fault);
        let ran = run(&dir, &plugin, "raw", "");
        assert_failed(&dir, &ran, &plugin, 2 * SLICE, parts);
    }
}

#[test]
fn a_run_without_samples_is_a_failure() {
    let dir = dir();
    let plugin = faulty(&dir, "no samples in run");
    let ran = run(&dir, &plugin, "raw", "");
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    assert_said(&ran, &plugin, &["nothing"]);
    assert!(says_too_short(&ran.said), "tests that measure again know it by its words: {}", ran.said);
    let dir = self::dir();
    let ran = run(&dir, &RUDE, "rude", "how = \"end at once\"");
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    assert_said(&ran, &RUDE, &["nothing"]);
    assert!(says_too_short(&ran.said), "tests that measure again know it by its words: {}", ran.said);
}

#[test]
fn a_run_whose_counts_do_not_balance_is_a_failure_and_its_report_has_them() {
    for (fault, part, completed) in [
        ("unbalanced in run", "20 operations were planned; 18 started, 0 dropped and 0 not started", 20),
        (
            "nothing completed in run",
            "no operation that was planned in the window completed: 20 were planned",
            0,
        ),
    ] {
        let dir = dir();
        let plugin = faulty(&dir, fault);
        let ran = run(&dir, &plugin, "raw", "");
        assert_eq!(ran.code, Some(1), "{}", ran.said);
        assert_said(&ran, &plugin, &[part]);
        assert_eq!(says_too_short(&ran.said), completed == 0, "{}", ran.said);
        assert!(ran.printed.contains("raw  failed"), "{}", ran.printed);
        let report = report(&dir).unwrap();
        let workload = &report["workloads"][0];
        assert_eq!(report["status"], "failed");
        assert!(workload["failure"]["message"].as_str().unwrap().contains(part), "{}", workload["failure"]);
        assert_eq!(workload["counts"]["completed"], completed);
        let folder = fs::read_dir(dir.path().join("reports")).unwrap().next().unwrap().unwrap().path();
        let page = fs::read_to_string(folder.join("index.html")).unwrap();
        assert!(page.contains("The run failed.") && page.contains(&part[..20]), "{page}");
    }
}

#[test]
fn a_run_that_never_ends_is_killed_with_its_group_and_keeps_its_slices() {
    thread::scope(|scope| {
        scope.spawn(|| {
            let dir = dir();
            let plugin = faulty(&dir, "hang in run");
            let ran = run(&dir, &plugin, "raw", "");
            assert_failed(&dir, &ran, &plugin, 2 * SLICE, &["measured window within"]);
            let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
            wait_until_gone(&Path::new("/proc").join(pid), "a process of the plug-in's group is left");
        });
        scope.spawn(|| {
            let dir = dir();
            let ran = run(&dir, &RUDE, "rude", "how = \"never end\"");
            assert_failed(&dir, &ran, &RUDE, 1, &["did not end after its window"]);
        });
    });
}

#[test]
fn a_panic_in_any_entry_is_told_with_its_place_and_its_words() {
    for (how, code, words) in [
        ("panic in validate", 1, "panicked in `validate`: rude: as told"),
        ("panic in streams", 1, "panicked in `streams`: rude: as told"),
        ("panic in setup", 1, "the workload panicked in `setup`: rude: as told"),
        ("fail in setup", 1, "rude: no set-up today"),
    ] {
        let dir = dir();
        let ran = run(&dir, &RUDE, "rude", &format!("how = {how:?}"));
        assert_eq!(ran.code, Some(code), "{how}: {}", ran.said);
        assert_said(&ran, &RUDE, &[words]);
    }
    for (how, words) in [
        ("panic in run", "the workload panicked in `run`: rude: as told"),
        ("panic in teardown", "the workload panicked in `teardown`: rude: as told"),
        ("panic with a bomb", "the workload panicked in `run`: a value that is no text"),
        ("fail in run", "rude: enough"),
    ] {
        let dir = dir();
        let ran = run(&dir, &RUDE, "rude", &format!("how = {how:?}"));
        assert_failed(&dir, &ran, &RUDE, 1, &[words]);
    }
    // Nothing is sent after this one: the slices that were cut before, in half of the window, are what is left.
    let (dir, ran) = with_a_window(2 * SHORT, |window| {
        let dir = dir();
        let ran = run_for(window, &dir, &RUDE, "rude", "how = \"overflow in a task\"", &[]);
        let has_slices = report(&dir).is_some_and(|report| samples(&report) > 0);
        has_slices.then_some((dir, ran))
    });
    assert_failed(&dir, &ran, &RUDE, 1, &["SIG"]);
    let dir = self::dir();
    let ran = run_with(&dir, &RUDE, "rude", "", &[("RUDE", "panic in describe")]);
    assert_refused(&dir, &ran, &RUDE, 1, &["panicked in its entry `describe`", "rude: as told"]);
    let ran = run_with(&dir, &RUDE, "rude", "", &[("RUDE", "lie about a default")]);
    assert_refused(&dir, &ran, &RUDE, 1, &["default"]);
}

#[test]
fn bad_manners_do_not_harm_a_run() {
    for how in ["well", "panic in a task", "print", "leak threads", "install a subscriber"] {
        let dir = dir();
        let ran = run(&dir, &RUDE, "rude", &format!("how = {how:?}"));
        assert_complete(&dir, &ran);
        if how == "install a subscriber" {
            let warnings = serde_json::to_string(&report(&dir).unwrap()).unwrap();
            assert!(warnings.contains("the subscriber is installed"), "{warnings}");
            assert!(!warnings.contains("rude: 0 allocations"), "its allocator is in use");
        }
    }
    for fault in ["print while loaded", "print in run"] {
        let dir = dir();
        let plugin = faulty(&dir, fault);
        let ran = run(&dir, &plugin, "raw", "");
        assert_complete(&dir, &ran);
        assert!(ran.printed.contains("says the plug-in"), "a warning tells it: {}", ran.printed);
    }
}

#[test]
fn every_command_that_takes_a_plugin_refuses_a_bad_one() {
    let dir = dir();
    let plugin = raw(&dir, "magic", &[("MAGIC", "\"rtbench!\"")]);
    fs::write(dir.path().join("profile.toml"), "plugin = \"libmagic.so\"\n[[workload]]\nkind = \"raw\"\n")
        .unwrap();
    let all_refuse = |code, part| {
        for args in [
            &["list", "--plugin", "libmagic.so"][..],
            &["plugin", "info", "libmagic.so"],
            &["plugin", "check", "libmagic.so"],
            &["check", "profile.toml"],
            &["run", "profile.toml"],
            &["compare", "profile.toml"],
        ] {
            let ran = Ran::from(rtbench(&dir).args(args).output().unwrap());
            assert_eq!(ran.code, Some(code), "{args:?}: {}", ran.said);
            assert_said(&ran, &plugin, &[part]);
        }
    };
    all_refuse(1, "magic");
    // The profile's own line is shown all the same.
    let ran = Ran::from(rtbench(&dir).args(["run", "profile.toml"]).output().unwrap());
    assert_said(&ran, &plugin, &["this plug-in cannot be used", "profile.toml:1:10"]);
    fs::remove_file(&plugin).unwrap();
    all_refuse(2, "cannot be opened");
}

#[test]
fn check_says_what_a_plugin_does_not_stand_and_exits_1() {
    thread::scope(|scope| {
        for (fault, window) in [
            ("none", "ok    raw: stops in its window when asked to"),
            ("abort in stop", "FAIL  raw: stops in its window when asked to"),
            ("hang in stop", "FAIL  raw: stops in its window when asked to"),
        ] {
            scope.spawn(move || {
                let dir = dir();
                let plugin = faulty(&dir, fault);
                let ran = Ran::from(rtbench(&dir).args(["plugin", "check"]).arg(&plugin).output().unwrap());
                // What no fault is needed for: it looks at no plan and at no parameter.
                assert_eq!(ran.code, Some(1), "{}{}", ran.printed, ran.said);
                for line in [
                    "ok    raw: runs for a second",
                    "FAIL  raw: refuses a parameter that it has not declared: it has no objection",
                    "FAIL  raw: refuses a plan of another protocol: it ran",
                    window,
                ] {
                    assert!(ran.printed.contains(line), "{fault}: {line:?} is not in: {}", ran.printed);
                }
                let told = match fault {
                    "abort in stop" => "SIGABRT",
                    "hang in stop" => "did not stop within",
                    _ => return,
                };
                let line = ran.printed.lines().find(|line| line.starts_with(window)).unwrap();
                assert!(line.contains(told), "{line}");
            });
        }
    });
}

#[test]
fn check_measures_for_longer_where_nothing_is_completed_in_a_short_window() {
    let lines = |fault: &str| {
        let dir = dir();
        let plugin = faulty(&dir, fault);
        let ran = Ran::from(rtbench(&dir).args(["plugin", "check"]).arg(&plugin).output().unwrap());
        let lines = ran.printed.lines().filter(|line| line.contains(" raw: runs ")).map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    let slow = lines("nothing completed in a short run");
    assert!(slow.len() == 3 && slow.iter().all(|line| line.ends_with(": 20 completed")), "{slow:?}");
    let idle = lines("nothing completed in run");
    let is_told = |line: &String| line.starts_with("FAIL") && line.contains("no operation that was planned");
    assert!(idle.len() == 3 && idle.iter().all(is_told), "{idle:?}");
}

/// The exit codes of `docs/plugins.md`, each of them met, and the same in the help.
#[test]
fn the_documented_exit_codes_are_the_real_ones() {
    let meet = |what: &str| {
        let dir = dir();
        match what {
            "there is no such file, or the profile does not suit the plug-in" => {
                let gone = run(&dir, &dir.path().join("gone.so"), "raw", "");
                let wrong = run(&dir, &raw(&dir, "wrong", &[]), "raw", "colour = 3");
                assert_eq!(gone.code, wrong.code);
                wrong.code
            }
            "the file is there and no plug-in: not a library, no symbol, another magic, another ABI" => {
                run(&dir, &raw(&dir, "newer", &[("ABI_MAJOR", "2")]), "raw", "").code
            }
            "it crashed, panicked, hung or lied before a run" => {
                run(&dir, &faulty(&dir, "abort in describe"), "raw", "").code
            }
            "it crashed, panicked, hung or lied in a run" => {
                run(&dir, &faulty(&dir, "abort in run"), "raw", "").code
            }
            "it ended well without a single sample in the window" => {
                run(&dir, &faulty(&dir, "no samples in run"), "raw", "").code
            }
            "its counts do not balance, or it completed nothing" => {
                let unbalanced = run(&dir, &faulty(&dir, "unbalanced in run"), "raw", "");
                let idle = run(&dir, &faulty(&dir, "nothing completed in run"), "raw", "");
                assert_eq!(unbalanced.code, idle.code);
                idle.code
            }
            "bad manners: it prints, leaves threads, has its own subscriber, allocator or compiler" => {
                run(&dir, &faulty(&dir, "print in run"), "raw", "").code
            }
            other => panic!("nothing tries this: {other}"),
        }
    };
    let text = include_str!("../docs/plugins.md");
    let table = text.split("| what happened | exit code |\n|---|---|\n").nth(1).unwrap();
    let rows: Vec<_> = table.lines().map_while(|line| line.strip_prefix("| ")?.split_once(" | ")).collect();
    assert_eq!(rows.len(), 7);
    for (what, code) in rows {
        let documented: i32 = code.split([',', ' ']).next().unwrap().parse().unwrap();
        assert_eq!(meet(what), Some(documented), "{what}");
    }
    let dir = dir();
    for (args, lines) in [
        (
            &["--help"][..],
            &["  1    a run failed", "a file that is there is no plug-in", "  2    bad input"][..],
        ),
        (
            &["plugin", "--help"],
            &["  1    the file is no plug-in", "  2    bad input: command line, no such"],
        ),
        (&["compare", "--help"], &["  1    a run failed, a plug-in cannot be used", "  2    bad input"]),
    ] {
        let ran = Ran::from(rtbench(&dir).args(args).output().unwrap());
        for line in lines {
            assert!(ran.printed.contains(line), "{line:?} is not in: {}", ran.printed);
        }
    }
}
