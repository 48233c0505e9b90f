//! Which compiler builds; for the build scripts of both packages that compile the workloads.
#![forbid(unsafe_code)]

use std::env;
use std::process::Command;

/// Puts the first line of `rustc --version` into `RUSTC_VERSION`.
pub(crate) fn tell_version() {
    let rustc = env::var_os("RUSTC").expect("cargo names the compiler");
    let output = Command::new(rustc).arg("--version").output().expect("the compiler says its version");
    let version = String::from_utf8_lossy(&output.stdout);
    println!("cargo::rustc-env=RUSTC_VERSION={}", version.lines().next().unwrap_or("rustc unknown").trim());
}
