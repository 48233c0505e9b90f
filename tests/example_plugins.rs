//! The example plug-ins, built and run as their users do.
#![forbid(unsafe_code)]

#[path = "plugins/build.rs"]
mod build;
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;

use build::{Ran, package, report, rtbench, run, samples, skip};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::{free_port, measured, wait_until};
use tempfile::TempDir;

/// Runs one of an example's own profiles, shortened, on the library that was built with the tests.
fn run_profile(package_name: &str, profile: &str) -> Value {
    let profile = format!("{}/workloads/plugins/{package_name}/{profile}", env!("CARGO_MANIFEST_DIR"));
    let (dir, output) = measured(|dir, window| {
        let mut command = rtbench(dir);
        command.args(["run", &profile, "--quiet", "--warmup", "100ms", "--duration", window, "--plugin"]);
        command.arg(package(package_name)).args(["--set", "report.interval=100ms"]);
        command
    });
    let ran = Ran::from(output);
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let report = report(&dir).unwrap();
    assert_eq!(report["status"], "complete");
    assert!(samples(&report) > 0);
    assert_eq!(report["workloads"][0]["counts"]["failed"], 0);
    report
}

fn streams(report: &Value) -> Vec<&str> {
    let streams = report["workloads"][0]["streams"].as_array().unwrap();
    streams.iter().map(|stream| stream["name"].as_str().unwrap()).collect()
}

#[test]
fn kv_runs_on_the_runtime_that_its_package_chose() {
    let report = run_profile("kv", "kv.toml");
    assert_eq!(streams(&report), ["latency", "service", "lag", "get", "set"]);
    assert_eq!(report["workloads"][0]["engine"]["name"], "runtime");
}

/// Stops what was started, whatever becomes of the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn redis_cli_and_redis_benchmark_talk_to_kv() {
    let found =
        |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|ran| ran.status.success());
    if !found("redis-cli") || !found("redis-benchmark") {
        return skip("redis-cli and redis-benchmark on kv_server", "they are not there: install redis-tools");
    }
    let dir = TempDir::new().unwrap();
    let port = free_port();
    let profile =
        format!("duration = \"1h\"\nwarmup = \"0s\"\n[[workload]]\nkind = \"kv_server\"\nport = {port}\n");
    fs::write(dir.path().join("p.toml"), profile).unwrap();
    let mut command = rtbench(&dir);
    command.args(["run", "p.toml", "--plugin"]).arg(package("kv"));
    let mut server = Server(command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    let lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let (said, heard) = channel();
    let rest = thread::spawn(move || {
        let tell = |line: String| {
            // The rest of the pipe is read to keep it from filling, also when nobody waits for a line any more.
            let _ = said.send(line.clone());
            line
        };
        lines.map_while(Result::ok).map(tell).collect::<Vec<_>>().join("\n")
    });
    let is_measuring = |line: &String| line.starts_with("kv_server: measuring");
    assert!(heard.iter().any(|line| is_measuring(&line)), "the server does not run");
    let tool = |name: &str, args: &[&str]| {
        let output =
            Command::new(name).args(["-h", "127.0.0.1", "-p", &port.to_string()]).args(args).output();
        let ran = Ran::from(output.unwrap());
        assert_eq!(ran.code, Some(0), "{name} {args:?}: {}{}", ran.printed, ran.said);
        ran.printed
    };
    // The server answers a moment before it begins to record; it does once a line has a percentile.
    wait_until("the server records nothing", || {
        tool("redis-cli", &["ping"]);
        heard.try_iter().any(|line| is_measuring(&line) && line.contains(" p99 "))
    });
    assert_eq!(tool("redis-cli", &["set", "greeting", "hello"]).trim(), "OK");
    assert_eq!(tool("redis-cli", &["get", "greeting"]).trim(), "hello");
    assert_eq!(tool("redis-cli", &["incrby", "n", "41"]).trim(), "41");
    let tests = "ping,set,get,incr,mset";
    let printed = tool("redis-benchmark", &["-t", tests, "-n", "2000", "-P", "16", "-c", "8", "--csv"]);
    for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
        let row = printed.lines().find(|line| line.starts_with(&format!("\"{test}\",")));
        let rate = row.and_then(|row| row.split('"').nth(3)?.parse::<f64>().ok());
        assert!(rate.is_some_and(|rate| rate > 0.0), "{test}: {printed}");
    }
    kill_process(Pid::from_child(&server.0), Signal::INT).unwrap();
    assert_eq!(server.0.wait().unwrap().code(), Some(130), "{}", rest.join().unwrap());
    let counts = &report(&dir).unwrap()["workloads"][0]["counts"];
    let completed = counts["completed"].as_u64().unwrap();
    // Each of the six has 2000 commands, and redis-cli had three after the server had begun to record.
    assert!(completed >= 12_003, "{counts}");
    assert_eq!(counts["failed"], 0);
}

#[test]
fn axum_hello_runs_on_tokio() {
    let report = run_profile("axum-hello", "hello.toml");
    assert_eq!(report["workloads"][0]["engine"]["name"], "tokio");
}

#[test]
fn a_plugins_parameters_are_checked_like_bundled_ones() {
    let dir = TempDir::new().unwrap();
    let plugin = package("kv");
    for (line, parts) in [
        ("get_shar = 0.5", &["profile.toml:3:1", "get_shar", "did you mean `get_share`"][..]),
        ("get_share = 1.5", &["profile.toml:3:13", "1.5 is out of range", "0 to 1"]),
        ("keys = 1_000_000\nvalue_size = \"2KiB\"", &["profile.toml:4:14", "do not fit in max_memory"]),
        ("connections = 2\nclient_threads = 3", &["profile.toml:4:18", "more threads than connections"]),
    ] {
        let ran = run(&dir, &plugin, "kv", line);
        assert_eq!(ran.code, Some(2), "{}", ran.said);
        for part in parts {
            assert!(ran.said.contains(part), "{part:?} is not in: {}", ran.said);
        }
        assert!(report(&dir).is_none());
    }
}

#[test]
fn the_tools_know_a_good_plugin() {
    let dir = TempDir::new().unwrap();
    let ran = Ran::from(rtbench(&dir).args(["plugin", "info"]).arg(package("kv")).output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert!(ran.printed.contains("kv_server"), "{}", ran.printed);
    let ran = Ran::from(rtbench(&dir).args(["plugin", "check"]).arg(package("axum-hello")).output().unwrap());
    assert_eq!(ran.code, Some(0), "{}{}", ran.printed, ran.said);
}

#[test]
fn a_plugin_is_listed_with_its_parameters() {
    let dir = TempDir::new().unwrap();
    let plugin = package("kv");
    let mut list = rtbench(&dir);
    let ran = Ran::from(list.args(["list", "kv", "--plugin"]).arg(&plugin).output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    for name in ["get_share", "value_size", "max_memory"] {
        assert!(ran.printed.contains(name), "{name}: {}", ran.printed);
    }
}

#[test]
fn the_profiles_name_the_library_that_a_release_build_makes() {
    for (package, profile) in [("kv", "kv"), ("kv", "serve"), ("axum-hello", "hello")] {
        let path = format!("{}/workloads/plugins/{package}/{profile}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).unwrap();
        let named =
            text.lines().find_map(|line| line.strip_prefix("plugin = \"")?.strip_suffix('"')).unwrap();
        let folder = Path::new(&path).parent().unwrap();
        let expected = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("target/release/lib{}.so", package.replace('-', "_")));
        assert_eq!(
            folder.join(named).components().collect::<std::path::PathBuf>().file_name(),
            expected.file_name()
        );
        let up = named.split('/').take_while(|part| *part == "..").count();
        assert_eq!(folder.ancestors().nth(up).unwrap().join("target/release"), expected.parent().unwrap());
    }
}
