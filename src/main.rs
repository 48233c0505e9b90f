//! `rtbench`: measures asynchronous runtimes from TOML profiles.
//!
//! A command line (`cli`) names a profile (`profile`), which becomes runs; each is measured in a process of its own
//! (`session`) while the terminal shows it (`term`), and what came out becomes files (`report`).
//!
//! Next file to read: `cli/mod.rs`.
#![forbid(unsafe_code)]

mod cli;
mod profile;
mod report;
mod session;
mod term;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
