//! Tells the workloads' source that `rt` is Tokio, and which version of it was locked.
#![forbid(unsafe_code)]

#[path = "../build/rustc.rs"]
mod rustc;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is"));
    let lock = here.ancestors().map(|dir| dir.join("Cargo.lock")).find(|lock| lock.is_file());
    let lock = lock.expect("a build leaves a Cargo.lock in the folder of the workspace");
    rustc::tell_version();
    println!("cargo::rustc-cfg=engine_tokio");
    println!("cargo::rustc-env=ENGINE_VERSION={}", tokio_version(&lock));
    println!("cargo::rerun-if-changed={}", lock.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../build");
}

/// The version of Tokio 1 in the lock file; cargo never locks two versions of one that are compatible.
fn tokio_version(lock: &Path) -> String {
    let text = fs::read_to_string(lock).expect("the lock file can be read");
    let mut packages = text.split("[[package]]").map(|package| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.and_then(|rest| rest.strip_suffix('"')).unwrap_or_default()
        };
        (value("name"), value("version"))
    });
    let found = packages.find(|(name, version)| *name == "tokio" && version.starts_with("1."));
    found.unwrap_or_else(|| panic!("no Tokio 1 in {}", lock.display())).1.to_owned()
}
