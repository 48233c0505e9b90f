//! `rtbench compare` and `rtbench history` as a user has them: real runs, refusals, interruptions, damage.
//!
//! Where figures matter, and wherever it does not matter what runs, runs are those of a plug-in that makes its figures up, so
//! that nothing depends on the machine's speed.
#![forbid(unsafe_code)]

mod baseline;
#[path = "../plugins/build.rs"]
mod build;
mod files;
mod gates;
mod outputs;
mod refusals;
mod resume;
mod sandbox;
mod sides;
#[path = "../support/mod.rs"]
mod support;
