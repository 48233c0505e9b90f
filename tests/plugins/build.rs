//! Real plug-ins for the tests, built with them or out of `raw.c`, and runs of them.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::env::{
    self,
    consts::{DLL_PREFIX, DLL_SUFFIX},
};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::Value;
use tempfile::TempDir;

/// The library of a plug-in among the packages of the workspace. It is a dev-dependency, so cargo has built it already, and
/// has put it beside the test program.
pub(crate) fn package(name: &str) -> PathBuf {
    let folder = env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = folder.join(format!("{DLL_PREFIX}{}{DLL_SUFFIX}", name.replace('-', "_")));
    assert!(library.is_file(), "{name} is no dev-dependency of rtbench: there is no {}", library.display());
    library
}

/// Compiles `raw.c` as a library of this name, with these macros.
pub(crate) fn raw(dir: &TempDir, name: &str, macros: &[(&str, &str)]) -> PathBuf {
    let file = dir.path().join(format!("lib{name}.so"));
    let mut command = Command::new(env::var_os("CC").unwrap_or("cc".into()));
    // A stack that overflows must not be optimised away.
    command.args(["-shared", "-fPIC", "-O0", "-w", "-o"]).arg(&file);
    command.args(macros.iter().map(|(name, value)| format!("-D{name}={value}")));
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plugins/raw.c"));
    let Output { status, stderr, .. } = command.output().unwrap();
    assert!(status.success(), "{name} cannot be compiled: {}", String::from_utf8_lossy(&stderr));
    file
}

/// `raw.c` with one fault.
pub(crate) fn faulty(dir: &TempDir, fault: &str) -> PathBuf {
    raw(dir, &fault.replace(' ', "_"), &[("FAULT", &format!("{fault:?}"))])
}

/// A histogram as it crosses the border, with ten values in it.
pub(crate) fn encoded(mut histogram: Histogram<u64>) -> String {
    histogram.record_n(100, 10).unwrap();
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).unwrap();
    STANDARD.encode(bytes)
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) printed: String,
    pub(crate) said: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), printed: text(output.stdout), said: text(output.stderr) }
    }
}

/// The program in a folder of its own, with all that `raw.c` takes from the environment.
pub(crate) fn rtbench(dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtbench"));
    command.current_dir(dir.path()).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    // Whole in its head, and cut off behind.
    let mut rich = workloads::record::histogram();
    (0..1000).for_each(|i| rich.saturating_record(i * i));
    let mut cut = STANDARD.decode(encoded(rich)).unwrap();
    cut.truncate(cut.len() / 2);
    command.env("RAW_HISTOGRAM", encoded(workloads::record::histogram()));
    command.env("RAW_CUT_HISTOGRAM", STANDARD.encode(cut));
    command.env("RAW_OTHER_HISTOGRAM", encoded(Histogram::new_with_bounds(1, 1_000_000, 2).unwrap()));
    command.env("RAW_PID", dir.path().join("pid"));
    command
}

/// Runs a workload of a plug-in, with a line of parameters, for a moment: so for one that does what it does at any speed.
pub(crate) fn run(dir: &TempDir, plugin: &Path, kind: &str, line: &str) -> Ran {
    run_with(dir, plugin, kind, line, &[])
}

/// The same with an environment.
pub(crate) fn run_with(
    dir: &TempDir,
    plugin: &Path,
    kind: &str,
    line: &str,
    environment: &[(&str, &str)],
) -> Ran {
    run_for("400ms", dir, plugin, kind, line, environment)
}

/// The same with a window of this length.
pub(crate) fn run_for(
    window: &str,
    dir: &TempDir,
    plugin: &Path,
    kind: &str,
    line: &str,
    environment: &[(&str, &str)],
) -> Ran {
    let profile = format!("[[workload]]\nkind = \"{kind}\"\n{line}\n\n[report]\ninterval = \"50ms\"\n");
    fs::write(dir.path().join("profile.toml"), profile).unwrap();
    let mut command = rtbench(dir);
    command.args(["run", "profile.toml", "--quiet", "--warmup", "0s", "--duration", window, "--plugin"]);
    command.arg(plugin).envs(environment.iter().copied()).output().unwrap().into()
}

/// The only report, if there is one.
pub(crate) fn report(dir: &TempDir) -> Option<Value> {
    let entries: Vec<_> = fs::read_dir(dir.path().join("reports")).into_iter().flatten().collect();
    assert!(entries.len() < 2, "{entries:?}");
    let report = entries.into_iter().next()?.unwrap().path();
    for file in ["index.html", "latency.hlog"] {
        assert!(fs::metadata(report.join(file)).unwrap().len() > 0, "{file}");
    }
    Some(serde_json::from_slice(&fs::read(report.join("report.json")).unwrap()).unwrap())
}

/// Says that a part of a test is left out, where the test program's own output does not hide it.
pub(crate) fn skip(what: &str, why: &str) {
    let _ = writeln!(io::stderr(), "SKIPPED {what}: {why}");
}

/// How many values the window's first stream has in a report.
pub(crate) fn samples(report: &Value) -> u64 {
    report["workloads"][0]["streams"][0]["count"].as_u64().unwrap_or(0)
}
