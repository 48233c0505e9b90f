//! What a user who made a mistake is told, word for word. Nothing runs in any of these, and nothing is written.
#![forbid(unsafe_code)]

use std::fs;
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder to run in.
struct Sandbox(TempDir);

impl Sandbox {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn with(profile: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write("p.toml", profile);
        sandbox
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    fn rtbench(&self, args: &[&str]) -> Output {
        let mut command = Command::cargo_bin("rtbench").unwrap();
        command.current_dir(self.0.path()).args(args).env_remove("RUST_BACKTRACE").output().unwrap()
    }

    /// Runs a command that must be refused with exactly this message.
    fn refused(&self, args: &[&str], expected: &str) {
        let before = self.files();
        let output = self.rtbench(args);
        let said = String::from_utf8(output.stderr).unwrap();
        let (said, expected) = (said.trim_end(), expected.trim_matches('\n').trim_end());
        assert_eq!(said, expected, "\n--- said:\n{said}\n--- expected:\n{expected}\n");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
        assert_eq!(self.files(), before, "a refused command leaves nothing behind");
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// `run` and `check` refuse a profile alike.
fn refused(profile: &str, expected: &str) {
    let sandbox = Sandbox::with(profile);
    sandbox.refused(&["check", "p.toml"], expected);
    sandbox.refused(&["run", "p.toml"], expected);
}

#[test]
fn an_unknown_key_is_shown_with_the_nearest_name() {
    refused(
        r#"
[runtime]
event_intervall = 31

[[workload]]
kind = "echo"
"#,
        r#"
error: unknown key `event_intervall` in [runtime]
 --> p.toml:3:1
  |
3 | event_intervall = 31
  | ^^^^^^^^^^^^^^^ did you mean `event_interval`?
"#,
    );
}

#[test]
fn an_unknown_key_like_no_other_is_shown_with_the_known_ones() {
    refused(
        r#"
[[workload]]
kind = "echo"

[report]
colour = "red"
"#,
        r#"
error: unknown key `colour` in [report]
 --> p.toml:6:1
  |
6 | colour = "red"
  | ^^^^^^ nothing by this name
  |
  = help: known keys: dir, interval
"#,
    );
}

#[test]
fn a_key_in_the_wrong_table_is_sent_to_the_right_one() {
    refused(
        r#"
[runtime]
io = true

[[workload]]
kind = "echo"
"#,
        r#"
error: unknown key `io` in [runtime]
 --> p.toml:3:1
  |
3 | io = true
  | ^^ this key belongs in [runtime.drivers]
"#,
    );
}

#[test]
fn every_problem_is_reported_in_the_order_of_the_file() {
    refused(
        r#"
warmup = 2
[runtime]
flavor = "multithread"
worker_threads = 0
lifo_slot = "no"
thread_keep_alive = 10
[runtime.drivers]
max_io_events_per_tick = -1
[[workload]]
kind = "ecko"
"#,
        r#"
error: wrong type for `warmup`
 --> p.toml:2:10
  |
2 | warmup = 2
  |          ^ expected a duration in quotes, such as "10s" or "250ms", found a whole number

error: wrong value for `flavor`
 --> p.toml:4:10
  |
4 | flavor = "multithread"
  |          ^^^^^^^^^^^^^ did you mean "multi_thread"? Expected one of "multi_thread", "current_thread", "local"

error: wrong value for `worker_threads`
 --> p.toml:5:18
  |
5 | worker_threads = 0
  |                  ^ must be at least 1

error: wrong value for `lifo_slot`
 --> p.toml:6:13
  |
6 | lifo_slot = "no"
  |             ^^^^ expected true or false, found a text

error: wrong value for `thread_keep_alive`
 --> p.toml:7:21
  |
7 | thread_keep_alive = 10
  |                     ^^ expected a duration in quotes, such as "10s" or "250ms", found a whole number

error: wrong value for `max_io_events_per_tick`
 --> p.toml:9:26
  |
9 | max_io_events_per_tick = -1
  |                          ^^ expected a whole number of 0 or more, found integer `-1`

error: unknown workload kind `ecko`
  --> p.toml:11:8
   |
11 | kind = "ecko"
   |        ^^^^^^ did you mean "echo"?
   |
   = help: kinds: echo, timer_storm, spawn_flood, blocking_mix (see `rtbench list`)
"#,
    );
}

#[test]
fn values_out_of_range_are_shown() {
    refused(
        r#"
duration = "1ns"
[runtime]
worker_threads = 40000
event_interval = 0
[runtime.drivers]
max_io_events_per_tick = 0
[[workload]]
kind = "echo"
"#,
        r#"
error: wrong value for `duration`
 --> p.toml:2:12
  |
2 | duration = "1ns"
  |            ^^^^^ expected between 50ms and 7days

error: wrong value for `worker_threads`
 --> p.toml:4:18
  |
4 | worker_threads = 40000
  |                  ^^^^^ must be at most 32767

error: wrong value for `event_interval`
 --> p.toml:5:18
  |
5 | event_interval = 0
  |                  ^ must be at least 1

error: wrong value for `drivers.max_io_events_per_tick`
 --> p.toml:7:26
  |
7 | max_io_events_per_tick = 0
  |                          ^ must be at least 1
"#,
    );
}

#[test]
fn a_current_thread_runtime_has_no_workers() {
    refused(
        r#"
[runtime]
flavor = "current_thread"
worker_threads = 4
[[workload]]
kind = "echo"
"#,
        r#"
error: wrong value for `worker_threads`
 --> p.toml:4:18
  |
4 | worker_threads = 4
  |                  ^ a current_thread runtime has no worker threads; remove the line, or use multi_thread
"#,
    );
}

#[test]
fn nor_has_a_local_one() {
    refused(
        "runtime.flavor = \"local\"\nruntime.worker_threads = 2\n[[workload]]\nkind = \"echo\"\n",
        r#"
error: wrong value for `worker_threads`
 --> p.toml:2:26
  |
2 | runtime.worker_threads = 2
  |                          ^ a local runtime has no worker threads; remove the line, or use multi_thread
"#,
    );
}

#[test]
fn a_workload_that_needs_a_driver_refuses_a_runtime_without() {
    refused(
        "runtime.drivers.io = false\n[[workload]]\nkind = \"echo\"\n",
        r#"
error: runtime.drivers.io does not suit `echo`
 --> p.toml:1:22
  |
1 | runtime.drivers.io = false
  |                      ^^^^^ the workload echo needs the I/O driver; set it to true
"#,
    );
}

#[test]
fn workload_tables_are_checked() {
    refused(
        r#"
[[workload]]
kind = "echo"
[[workload]]
kind = "echo"
[[workload]]
rate = 5
[[workload]]
kind = "echo"
name = "a b"
"#,
        r#"
error: two workloads are named `echo`
 --> p.toml:4:1
  |
4 | [[workload]]
  | ^^^^^^^^^^^^ the second one
  |
  = help: give this one a `name`; without it, a workload is named after its kind

error: a workload without a `kind`
 --> p.toml:6:1
  |
6 | [[workload]]
  | ^^^^^^^^^^^^ this one
  |
  = help: kinds: echo, timer_storm, spawn_flood, blocking_mix (see `rtbench list`)

error: `name` cannot be a part of a file name
  --> p.toml:10:8
   |
10 | name = "a b"
   |        ^^^^^ expected letters, digits, `-` and `_`, at most 64
"#,
    );
}

#[test]
fn one_bracket_too_few_is_noticed() {
    refused(
        "[workload]\nkind = \"echo\"\n",
        r#"
error: `workload` is not a list of tables
 --> p.toml:1:1
  |
1 | [workload]
  | ^^^^^^^^^^ expected [[workload]]
  |
  = help: write it with two brackets, even for a single workload
"#,
    );
}

#[test]
fn broken_toml_is_shown_where_it_breaks() {
    refused(
        "[runtime]\nflavor = \"multi_thread\n[[workload]]\n",
        r#"
error: not valid TOML
 --> p.toml:2:23
  |
2 | flavor = "multi_thread
  |                       ^ invalid basic string, expected `"`
"#,
    );
}

#[test]
fn an_empty_profile_is_no_profile() {
    refused(
        "",
        "
error: the profile has no workload
--> p.toml
 = help: add a [[workload]] table with a `kind`, one of: echo, timer_storm, spawn_flood, blocking_mix
",
    );
}

#[test]
fn a_value_that_json_cannot_hold_is_refused() {
    refused(
        "[[workload]]\nkind = \"echo\"\nrate = inf\n",
        r#"
error: a value that nothing here can use
 --> p.toml:3:8
  |
3 | rate = inf
  |        ^^^ this is a number that is not finite
"#,
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let sandbox = Sandbox::with("");
    sandbox.write("server.toml", "");
    sandbox.write("binary.toml", b"# one\nx = \xff\xfe");
    for command in ["run", "check"] {
        sandbox.refused(
            &[command, "servr.toml"],
            "error: there is no file servr.toml; did you mean server.toml?",
        );
        sandbox.refused(&[command, "banana.toml"], "error: there is no file banana.toml");
        sandbox
            .refused(&[command, "."], "error: . is a folder; give the path of a profile in it, a TOML file");
        sandbox.refused(
            &[command, "binary.toml"],
            "error: binary.toml:2: not UTF-8 text; save the profile as UTF-8",
        );
    }
}

#[test]
fn a_file_without_an_end_is_read_no_further_than_a_profile_can_go() {
    let sandbox = Sandbox::new();
    for command in ["run", "check"] {
        // A program that read on would be stopped by the limit on its memory, in KiB.
        let mut shell = std::process::Command::new("/bin/sh");
        shell.current_dir(sandbox.0.path());
        shell.args(["-c", "ulimit -v 3000000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_rtbench"), command]);
        let output = shell.arg("/dev/zero").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "error: /dev/zero has more than 1048576 bytes; that is no profile\n");
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(sandbox.files(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_file_whose_name_cannot_name_a_report_needs_a_name_inside() {
    let sandbox = Sandbox::new();
    sandbox.write("my profile.toml", "[[workload]]\nkind = \"echo\"\n");
    sandbox.refused(
        &["run", "my profile.toml"],
        "
error: the file's name `my profile` cannot name a report folder
--> my profile.toml
 = help: add a line such as: name = \"my-profile\"
",
    );
}

#[test]
fn a_setting_on_the_command_line_goes_through_the_same_checks() {
    let sandbox = Sandbox::with("[[workload]]\nkind = \"echo\"\n");
    for (setting, expected) in [
        (
            "runtime.event_interval=0",
            r#"
error: wrong value for `event_interval`
 --> --set:1:24
  |
1 | runtime.event_interval=0
  |                        ^ must be at least 1
"#,
        ),
        (
            "runtime.event_intervl=3",
            r#"
error: unknown key `event_intervl` in [runtime]
 --> --set:1:1
  |
1 | runtime.event_intervl=3
  | ^^^^^^^^^^^^^^^^^^^^^ did you mean `event_interval`?
"#,
        ),
        (
            "workload.eco.rate=5",
            r#"
error: --set means a workload that is not there
 --> --set:1:1
  |
1 | workload.eco.rate=5
  | ^^^^^^^^^^^^^^^^^ no workload is named `eco`
  |
  = help: the profile's workloads: echo
"#,
        ),
        (
            "warmup",
            r#"
error: --set needs a key and a value
 --> --set:1:1
  |
1 | warmup
  | ^^^^^^ expected KEY=VALUE
"#,
        ),
        (
            "..=1",
            r#"
error: --set names no key
 --> --set:1:1
  |
1 | ..=1
  | ^^ expected names with dots between them, such as runtime.event_interval
"#,
        ),
    ] {
        sandbox.refused(&["check", "p.toml", "--set", setting], expected);
    }
}

#[test]
fn a_flag_that_is_a_key_of_the_profile_is_sent_there() {
    let sandbox = Sandbox::with("[[workload]]\nkind = \"echo\"\n");
    for (flag, key) in [("--flavor", "runtime.flavor"), ("--connections", "workload.echo.connections")] {
        for command in ["run", "check"] {
            let output = sandbox.rtbench(&[command, "p.toml", flag, "1"]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2));
            assert!(
                said.contains(&format!("tip: a profile's keys are set with '--set {key}=VALUE'")),
                "{said}"
            );
        }
    }
    let said = String::from_utf8(sandbox.rtbench(&["run", "p.toml", "--banana"]).stderr).unwrap();
    assert!(!said.contains("--set"), "{said}");
}

#[test]
fn help_and_readme_name_every_command_and_the_pages_about_them() {
    let sandbox = Sandbox::new();
    let help = String::from_utf8(sandbox.rtbench(&["--help"]).stdout).unwrap();
    let readme = include_str!("../README.md");
    let commands = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    let commands: Vec<_> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(
        ["run", "compare", "history", "plugin"].iter().all(|known| commands.contains(known)),
        "{commands:?}"
    );
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(help.contains(&format!("rtbench {command} ")), "the examples lack {command}:\n{help}");
        assert!(readme.contains(&format!("rtbench {command}")), "README.md lacks {command}");
    }
    for page in ["docs/compare.md", "docs/plugins.md"] {
        assert!(help.contains(page), "{help}");
        assert!(readme.contains(&format!("({page})")), "README.md does not link {page}");
    }
}

#[test]
fn a_wrong_command_line_is_explained() {
    let sandbox = Sandbox::with("[[workload]]\nkind = \"echo\"\n");
    sandbox.refused(
        &["list", "ecko"],
        "
error: no workload is named `ecko`; did you mean `echo`?
workloads: echo, timer_storm, spawn_flood, blocking_mix
",
    );
    sandbox.refused(
        &["run", "p.toml", "--duration", "long"],
        "
error: invalid value 'long' for '--duration <TIME>': expected a duration such as 10s or 250ms

For more information, try '--help'.
",
    );
    for args in
        [&["chek"][..], &[], &["run"], &["run", "p.toml", "--seed", "x"], &["run", "p.toml", "--nope"]]
    {
        let output = sandbox.rtbench(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("--help") && !said.contains("panicked"), "{args:?}: {said}");
    }
}

#[cfg(feature = "tokio")]
#[test]
fn a_knob_that_tokio_does_not_have_is_refused_where_it_stands() {
    let sandbox = Sandbox::with(
        r#"
[runtime]
lifo_slot = false
flavor = "local"
unhandled_panic = "shutdown_runtime"
idle_spin = "20us"

[[workload]]
kind = "echo"
"#,
    );
    let expected = r#"
error: the engine tokio cannot obey `runtime.lifo_slot`
 --> p.toml:3:13
  |
3 | lifo_slot = false
  |             ^^^^^ Tokio has this knob only where rtbench is built with RUSTFLAGS="--cfg tokio_unstable"; leave it out, or at its default, true
  |
  = help: or use the engine embedded, which has every knob

error: the engine tokio cannot obey `runtime.unhandled_panic`
 --> p.toml:5:19
  |
5 | unhandled_panic = "shutdown_runtime"
  |                   ^^^^^^^^^^^^^^^^^^ Tokio has this knob only where rtbench is built with RUSTFLAGS="--cfg tokio_unstable"; leave it out, or at its default, "ignore"
  |
  = help: or use the engine embedded, which has every knob

error: the engine tokio cannot obey `runtime.eager_driver_handoff`
 --> --set:1:30
  |
1 | runtime.eager_driver_handoff=true
  |                              ^^^^ Tokio has this knob only where rtbench is built with RUSTFLAGS="--cfg tokio_unstable"; leave it out, or at its default, false
  |
  = help: or use the engine embedded, which has every knob
"#;
    let set = ["--set", "runtime.eager_driver_handoff=true"];
    for command in ["run", "check"] {
        sandbox.refused(&[command, "p.toml", "--engine", "tokio", set[0], set[1]], expected);
    }
    let output = sandbox.rtbench(&["check", "p.toml", set[0], set[1]]);
    assert_eq!(output.status.code(), Some(0), "the embedded engine obeys it");
}

#[cfg(not(feature = "tokio"))]
#[test]
fn a_build_without_tokio_says_how_to_get_it() {
    let sandbox = Sandbox::with("[[workload]]\nkind = \"echo\"\n");
    sandbox.refused(
        &["run", "p.toml", "--engine", "tokio"],
        "error: this rtbench was built without the engine tokio; build it with the feature of that name, which is on \
         by default: cargo build --release --features tokio",
    );
}

#[test]
fn an_unknown_engine_is_answered_with_the_known_ones() {
    let sandbox = Sandbox::with("[[workload]]\nkind = \"echo\"\n");
    sandbox.refused(
        &["run", "p.toml", "--engine", "tokyo"],
        "error: invalid value 'tokyo' for '--engine <ENGINE>': expected one of: embedded, tokio\n\n\
         For more information, try '--help'.",
    );
}
