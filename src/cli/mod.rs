//! The command line: what it takes, what each command does, and how the program ends.
//!
//! Next file to read: `run.rs`, then `../profile/mod.rs`.
#![forbid(unsafe_code)]

mod args;
mod check;
mod compare;
mod compare_args;
mod history;
mod list;
mod plugin;
mod run;
mod sides;

use std::io;
use std::process::ExitCode;

use clap::Parser;

use crate::plugin::Fault;
use crate::profile::Invalid;
use crate::{session, term};
use args::{Args, Command};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All went well.
    Success = 0,
    /// A run failed.
    Failure = 1,
    /// What was asked cannot be done as it was asked.
    BadInput = 2,
    /// A metric regressed.
    Regression = 3,
    /// A metric is inconclusive, and that was to be a failure.
    Inconclusive = 4,
    /// Equal runs differ too much.
    TooNoisy = 5,
    /// The user stopped it: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The program.
pub(crate) fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Run(args) => run::run(&args).map(Into::into),
        Command::Check(args) => check::check(&args).map(Into::into),
        Command::Compare(args) => compare::compare(&args).map(Into::into),
        Command::History(args) => history::history(&args).map(Into::into),
        Command::List(args) => list::list(&args).map(Into::into),
        Command::Plugin(args) => plugin::plugin(&args).map(Into::into),
        Command::Exec(args) => session::exec(args.engine, args.plugin.as_deref()),
        Command::Answer(args) => session::answer(&args.plugin),
    };
    result.unwrap_or_else(|error| complain(&error).into())
}

/// Tells the user, and how the program ends then.
fn complain(error: &anyhow::Error) -> Exit {
    let is_broken_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_broken_pipe)) {
        return Exit::Success;
    }
    match error.downcast_ref::<Invalid>() {
        Some(invalid) => term::complain(&invalid.render(term::color(&io::stderr()))),
        None => term::complain(&format!("error: {error:#}")),
    }
    match error.downcast_ref::<Fault>() {
        Some(fault) if !fault.failure.is_input => Exit::Failure,
        _ => Exit::BadInput,
    }
}
