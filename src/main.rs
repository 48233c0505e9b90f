//! `rtbench`: measures asynchronous runtimes from TOML profiles.
//!
//! A command line (`cli`) names a profile (`profile`) and an engine (`engines`), which become runs; each is measured in a
//! process of its own (`session`), which may load somebody else's workloads (`plugin`), while the terminal shows it
//! (`term`), and what came out becomes files (`report`). Runs of several sides become verdicts (`compare`, by `stats`),
//! and those of many days a `history`.
//!
//! Next file to read: `cli/mod.rs`.

mod cli;
mod compare;
mod engines;
mod events;
mod history;
mod plugin;
mod profile;
mod report;
mod session;
mod stats;
mod term;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
