//! Tells the source which compiler builds it.
#![forbid(unsafe_code)]

mod rustc;

fn main() {
    rustc::tell_version();
    println!("cargo::rerun-if-changed=build");
}
