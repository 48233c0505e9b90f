//! The program as a user has it: real runs in real processes, interrupted and killed in every way.
#![forbid(unsafe_code)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{SHORT, is_too_short, measured, wait_until_gone, with_a_window};
use tempfile::TempDir;

fn configs() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.iter().any(|path| path.ends_with("server.toml")));
    paths
}

/// The engines of this build, and how a report names each.
const ENGINES: &[(&str, &str)] = match cfg!(feature = "tokio") {
    true => &[("embedded", "runtime"), ("tokio", "tokio")],
    false => &[("embedded", "runtime")],
};

fn config(name: &str) -> String {
    format!("{}/configs/{name}.toml", env!("CARGO_MANIFEST_DIR"))
}

/// The program in a folder of its own.
fn rtbench(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtbench"));
    command.current_dir(dir.path()).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// A run of the server's profile.
fn run(dir: &TempDir, window: &str) -> Command {
    let mut command = rtbench(dir);
    command.args(["run", &config("server"), "--warmup", "0s", "--duration", window]);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_owned()).unwrap()
}

/// The report folders in `dir/reports`, and nothing else may be there.
fn reports(dir: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path().join("reports")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The only report in `dir/reports`, read.
fn report(dir: &TempDir) -> Value {
    let reports = reports(dir);
    let [report] = reports.as_slice() else { panic!("expected one report, found {reports:?}") };
    for file in ["index.html", "latency.hlog"] {
        assert!(fs::metadata(report.join(file)).unwrap().len() > 0, "{file}");
    }
    serde_json::from_slice(&fs::read(report.join("report.json")).unwrap()).unwrap()
}

fn completed(report: &Value) -> u64 {
    let workloads = report["workloads"].as_array().unwrap();
    workloads.iter().map(|workload| workload["counts"]["completed"].as_u64().unwrap_or(0)).sum()
}

/// What the summary and the page of a run on Tokio say, and that its counters are Tokio's own.
#[cfg(feature = "tokio")]
#[test]
fn a_run_on_tokio_says_so_with_the_version_that_was_compiled_in() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let tokio =
        lock.split("name = \"tokio\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let (dir, output) = measured(|dir, window| {
        let mut command = run(dir, window);
        command.args(["--quiet", "--engine", "tokio", "--set", "runtime.worker_threads=3"]);
        command
    });
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let named = format!("tokio {tokio}");
    assert!(text(&output.stdout).contains(&named), "{}", text(&output.stdout));
    let page = fs::read_to_string(reports(&dir)[0].join("index.html")).unwrap();
    assert!(page.contains(&named));
    let report = report(&dir);
    assert_eq!(report["workloads"][0]["engine"]["version"], tokio);
    let runtime = &report["profile"]["effective"]["runtime"];
    assert_eq!((&runtime["worker_threads"], &runtime["idle_spin"]), (&3.into(), &Value::Null), "{runtime}");
    let output = rtbench(&dir).args(["check", &config("server"), "--engine", "tokio"]).output().unwrap();
    let said = text(&output.stdout);
    assert!(said.lines().next().unwrap().contains(&named), "{said}");
    let note =
        |key: &str| said.lines().find(|line| line.starts_with(&format!("# {key} "))).map(str::to_owned);
    assert!(note("idle_spin").is_some_and(|line| line.ends_with("Tokio has no such knob")), "{said}");
    // One that it has in another build.
    let lifo = note("lifo_slot").unwrap();
    assert!(lifo.ends_with("only where rtbench is built with RUSTFLAGS=\"--cfg tokio_unstable\""), "{lifo}");
    assert!(note("event_interval").is_none() && said.contains("\nevent_interval = 61"), "{said}");
    let output = rtbench(&dir).arg("list").output().unwrap();
    assert!(text(&output.stdout).contains(&named), "{}", text(&output.stdout));
}

/// A run in progress.
struct Running {
    dir: TempDir,
    child: Child,
    said: std::thread::JoinHandle<String>,
    measuring: PathBuf,
}

/// Starts a run that would take an hour, and waits until it has measured something.
fn start() -> Running {
    let dir = TempDir::new().unwrap();
    let command = rtbench(&dir);
    start_as(dir, command)
}

/// The same with a command that ends up as the program.
fn start_as(dir: TempDir, mut command: Command) -> Running {
    command.args(["run", &config("server"), "--warmup", "100ms", "--duration", "1h"]);
    command.args(["--set", "report.interval=50ms", "--set", "workload.echo.rate=500"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.lines().any(|line| line.contains("measuring") && line.contains("p99")) {
        assert!(lines.read_line(&mut said).unwrap() > 0, "the run ended early: {said}");
    }
    let said = std::thread::spawn(move || {
        lines.read_to_string(&mut said).unwrap();
        said
    });
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let measuring = fs::read_to_string(children).unwrap();
    let measuring = Path::new("/proc").join(measuring.trim());
    assert!(measuring.exists(), "the measuring process runs: {measuring:?}");
    Running { dir, child, said, measuring }
}

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: its exit code, what it printed and what it said.
    fn end(mut self) -> (TempDir, Option<i32>, String, String) {
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let status = self.child.wait().unwrap();
        wait_until_gone(&self.measuring, "the measuring process outlives its parent");
        (self.dir, status.code(), printed, self.said.join().unwrap())
    }
}

#[test]
fn each_profile_in_configs_runs_and_leaves_a_report() {
    let sides = ENGINES.iter().flat_map(|engine| ["multi_thread", "local"].map(|flavor| (engine, flavor)));
    for (path, (engine, flavor)) in
        configs().into_iter().flat_map(|path| sides.clone().map(move |side| (path.clone(), side)))
    {
        let (dir, Output { status, stdout, stderr }) = measured(|dir, window| {
            let mut command = rtbench(dir);
            command.arg("run").arg(&path).args(["--engine", engine.0, "--quiet"]);
            command.args(["--warmup", "100ms", "--duration", window]);
            command.args(["--set", &format!("runtime.flavor={flavor}")]);
            command
        });
        assert_eq!(text(&stderr), "", "{path:?}: --quiet");
        assert_eq!(status.code(), Some(0), "{path:?}");
        let report = report(&dir);
        assert_eq!(report["status"], "complete", "{path:?}");
        assert!(completed(&report) > 0, "{path:?}");
        assert_eq!(report["profile"]["effective"]["runtime"]["flavor"], flavor);
        let is_single = report["profile"]["effective"]["runtime"]["worker_threads"].is_null();
        assert_eq!(is_single, flavor == "local", "{path:?}");
        for workload in report["workloads"].as_array().unwrap() {
            assert_eq!(workload["engine"]["name"], engine.1, "{path:?}");
        }
        assert!(text(&stdout).contains("index.html"), "{path:?}: {}", text(&stdout));
    }
}

#[test]
fn progress_is_plain_lines_where_there_is_no_terminal() {
    // There is a line a second, if the machine finds the time.
    let said = with_a_window(10 * SHORT, |window| {
        let dir = TempDir::new().unwrap();
        let output = run(&dir, window).output().unwrap();
        let said = text(&output.stderr);
        let has_progress =
            said.lines().any(|line| line.starts_with("echo: measuring ") && line.contains("/s  p99 "));
        (has_progress && output.status.success()).then_some(said)
    });
    assert!(said.lines().next().is_some_and(|line| line == "echo: setting up"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\r'), "no control characters: {said:?}");
}

#[test]
fn check_says_what_would_run_and_its_output_is_the_same_profile() {
    for path in configs() {
        let dir = TempDir::new().unwrap();
        let check = |path: &Path, more: &[&str]| {
            let output = rtbench(&dir).arg("check").arg(path).args(more).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stdout)
        };
        let bare = |text: &str| {
            let line = |line: &str| line.split(" # ").next().unwrap_or_default().trim().to_owned();
            text.lines().filter(|line| !line.starts_with('#')).map(line).collect::<Vec<_>>()
        };
        for flavor in ["multi_thread", "current_thread", "local"] {
            let first = check(&path, &["--set", &format!("runtime.flavor={flavor}")]);
            assert!(first.contains(&format!("\nflavor = \"{flavor}\"")), "{first}");
            let copy = dir.path().join("copy.toml");
            fs::write(&copy, &first).unwrap();
            assert_eq!(bare(&first), bare(&check(&copy, &[])), "{path:?}");
        }
        assert!(reports(&dir).is_empty(), "check writes nothing");
    }
}

#[test]
fn flags_override_the_profile() {
    let dir = TempDir::new().unwrap();
    let mut command = rtbench(&dir);
    command.args([
        "check",
        &config("server"),
        "--duration",
        "3s",
        "--warmup",
        "1s",
        "--seed",
        "9",
        "--out",
        "x",
    ]);
    command.args(["--set", "workload.echo.rate=123", "--set", "runtime.lifo_slot=false"]);
    let printed = text(&command.output().unwrap().stdout);
    for line in
        ["duration = \"3s\"", "warmup = \"1s\"", "seed = 9", "dir = \"x\"", "rate = 123", "lifo_slot = false"]
    {
        let found = printed.lines().any(|found| found.starts_with(line) && !found.contains("# default"));
        assert!(found, "{line} is not in:\n{printed}");
    }
}

#[test]
fn list_shows_every_workload_and_each_parameter() {
    let dir = TempDir::new().unwrap();
    let list = |args: &[&str]| text(&rtbench(&dir).arg("list").args(args).output().unwrap().stdout);
    let overview = list(&[]);
    for kind in ["echo", "timer_storm", "spawn_flood", "blocking_mix"] {
        assert!(overview.lines().any(|line| line.starts_with(kind)), "{overview}");
        assert!(list(&[kind]).starts_with(kind));
    }
    assert!(list(&["echo"]).contains("connections"));
}

#[test]
fn ctrl_c_keeps_what_was_measured() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let running = start();
        running.signal(signal);
        let (dir, code, printed, said) = running.end();
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("stopping"), "{said}");
        let report = report(&dir);
        assert_eq!(report["status"], "interrupted");
        assert!(completed(&report) > 0);
        assert!(printed.contains("interrupted") && printed.contains("index.html"), "{printed}");
    }
}

#[test]
fn a_run_that_was_started_with_nohup_outlives_its_terminal() {
    let dir = TempDir::new().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.current_dir(dir.path()).stdin(Stdio::null());
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_rtbench")]);
    let running = start_as(dir, shell);
    let status = fs::read_to_string(format!("/proc/{}/status", running.child.id())).unwrap();
    let hangup = |mask: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(mask)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() & 1 == 1
    };
    assert!(hangup("SigIgn:") && !hangup("SigCgt:"), "{status}");
    running.signal(Signal::TERM);
    let (dir, code, _, said) = running.end();
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(report(&dir)["status"], "interrupted");
}

#[test]
fn a_measuring_process_that_is_killed_costs_the_run_but_not_the_report() {
    let running = start();
    let pid: i32 = running.measuring.file_name().unwrap().to_str().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let (dir, code, _, said) = running.end();
    assert_eq!(code, Some(1), "{said}");
    let message =
        "error: echo: the measuring process was killed by signal 9 (SIGKILL) in the measured window";
    assert!(said.contains(message), "{said}");
    let report = report(&dir);
    assert_eq!(report["status"], "failed");
    assert!(!report["workloads"][0]["streams"].as_array().unwrap().is_empty(), "{report}");
}

#[test]
fn a_killed_run_takes_its_measuring_process_along_and_leaves_its_log_to_the_next_run() {
    let mut running = start();
    running.signal(Signal::KILL);
    let status = running.child.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    wait_until_gone(&running.measuring, "the measuring process outlives its parent");
    let visible = |path: &PathBuf| !path.file_name().unwrap().to_str().unwrap().starts_with('.');
    assert!(!reports(&running.dir).iter().any(visible), "no half report");
    // The next one, whatever becomes of it.
    let output = run(&running.dir, "200ms").arg("--quiet").output().unwrap();
    let kept = reports(&running.dir).into_iter().find(|path| path.to_str().unwrap().ends_with("-incomplete"));
    let kept = kept.unwrap();
    assert!(text(&output.stderr).contains(kept.file_name().unwrap().to_str().unwrap()));
    let log = fs::read_to_string(kept.join("latency.hlog")).unwrap();
    assert!(log.starts_with("#[Logged with rtbench") && log.lines().count() > 6, "{log}");
}

/// A limit on the size of files, which fails a write as a full disk does.
#[test]
fn a_disk_that_is_full_at_the_end_costs_files_and_not_the_summary() {
    let (dir, Output { status, stdout, stderr }) = measured(|dir, window| {
        let mut shell = Command::new("/bin/sh");
        shell.current_dir(dir.path()).env("TMPDIR", dir.path()).stdin(Stdio::null());
        // Room for a log of a few slices, and for nothing else. The shell's unit is 512 bytes.
        shell.args(["-c", "ulimit -f 32; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_rtbench")]);
        shell.args(["run", &config("server"), "--quiet", "--warmup", "0s", "--duration", window]);
        shell.args(["--set", &format!("report.interval={window}"), "--set", "workload.echo.rate=300"]);
        shell
    });
    let (printed, said) = (text(&stdout), text(&stderr));
    assert_eq!(status.code(), Some(1), "{printed}{said}");
    assert!(printed.contains("latency ") && printed.contains(" completed"), "{printed}");
    let lost = said.lines().find_map(|line| line.strip_prefix("lost: ")).unwrap_or_else(|| panic!("{said}"));
    assert!(said.contains("cannot write ") && lost.contains("index.html"), "{said}");
    let kept = reports(&dir).pop().unwrap();
    assert!(kept.to_str().unwrap().ends_with("-incomplete"), "{kept:?}");
    assert!(printed.contains("saved: latency.hlog") && printed.contains("-incomplete"), "{printed}");
    assert!(fs::metadata(kept.join("latency.hlog")).unwrap().len() > 0);
}

#[test]
fn a_report_goes_where_it_is_told_to_whatever_bytes_the_path_has() {
    use std::os::unix::ffi::OsStrExt;

    let dir = TempDir::new().unwrap();
    let out = dir.path().join(std::ffi::OsStr::from_bytes(b"out-\xff"));
    let output = rtbench(&dir).arg("check").arg(config("server")).arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).lines().any(|line| line.starts_with("# dir") && line.contains("--out")));
    let output = run(&dir, "200ms").args(["--quiet", "--out"]).arg(&out).output().unwrap();
    // A run in which nothing was completed leaves a report, too.
    assert!(output.status.success() || is_too_short(&output), "{}", text(&output.stderr));
    let report = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
    assert!(report.join("index.html").exists());
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let dir = TempDir::new().unwrap();
    let mut command = rtbench(&dir);
    command.args(["run", &config("server"), "--set", &format!("workload.echo.port={port}")]);
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = text(&stderr);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains(&port.to_string()) && said.contains("help: "), "{said}");
    assert!(reports(&dir).is_empty(), "nothing was measured, so there is no report");
}

#[test]
fn too_few_descriptors_are_named_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let program = env!("CARGO_BIN_EXE_rtbench");
    let script = format!(
        "ulimit -Hn 64; ulimit -n 64; exec '{program}' run \"$0\" --set workload.echo.connections=500"
    );
    let mut command = Command::new("/bin/sh");
    command.current_dir(dir.path()).arg("-c").arg(script).arg(config("server"));
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = text(&stderr);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("64") && said.contains("ulimit"), "{said}");
}

#[test]
fn a_report_folder_that_cannot_be_made_is_found_before_the_run() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let mut command = rtbench(&dir);
    command.args(["run", &config("server"), "--out", "file/reports"]);
    let Output { status, stderr, .. } = command.output().unwrap();
    let said = text(&stderr);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: ") && said.contains("file/reports"), "{said}");
    assert!(!said.contains("setting up"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let unread = |mut command: Command| {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait_with_output().unwrap()
    };
    let dir = TempDir::new().unwrap();
    for args in [&["list"][..], &["check", &config("server")]] {
        let mut command = rtbench(&dir);
        command.args(args);
        let output = unread(command);
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)), "{args:?}");
    }
    let (dir, output) = with_a_window(SHORT, |window| {
        let dir = TempDir::new().unwrap();
        let mut command = run(&dir, window);
        command.arg("--quiet");
        let output = unread(command);
        (!is_too_short(&output)).then_some((dir, output))
    });
    assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    assert_eq!(report(&dir)["status"], "complete");
}

#[test]
fn the_hidden_subcommand_explains_itself() {
    let dir = TempDir::new().unwrap();
    let help = text(&rtbench(&dir).arg("--help").output().unwrap().stdout);
    assert!(help.contains("Exit codes:") && help.contains("Examples:"), "{help}");
    assert!(!help.contains("__exec"), "{help}");
}
