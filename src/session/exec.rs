//! The child's side of a session: `rtbench __exec`.
//!
//! The workload runs in this process, and what it prints must not end up between the frames. So the pipes to the
//! parent move to descriptors that nobody else knows, standard output becomes standard error, and standard input the
//! null device, before anything else happens.
//!
//! Next file to read: `record.rs`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use workloads::wire::EngineKind;

use crate::{engines, plugin};

/// Runs the plan that comes down standard input: on this engine, or on the plug-in in this file.
///
/// # Errors
///
/// When this build does not have the engine, or the pipes cannot be set up; what happens after that goes up the pipe.
pub(crate) fn exec(engine: EngineKind, plugin: Option<&Path>) -> Result<ExitCode> {
    // A program that is started through a link has the link's name until it takes its own.
    let _ = std::fs::write("/proc/self/comm", "rtbench");
    let run: Box<dyn FnOnce(File, File) -> ExitCode> = match plugin {
        Some(path) => Box::new(move |plan, frames| plugin::exec(path, plan, frames)),
        None => Box::new(engines::find(engine)?.exec),
    };
    let (plan, frames) =
        quiet_pipes("__exec is what rtbench starts by itself to measure; use `rtbench run`")?;
    Ok(run(plan, frames))
}

/// Answers the questions that come down standard input about the plug-in in this file.
///
/// # Errors
///
/// When the pipes cannot be set up.
pub(crate) fn answer(path: &Path) -> Result<ExitCode> {
    let (questions, answers) =
        quiet_pipes("__plugin is what rtbench starts by itself; use `rtbench plugin`")?;
    plugin::answer(path, questions, answers)
}

/// The pipes from and to the parent, out of the reach of whatever prints.
fn quiet_pipes(refusal: &str) -> Result<(File, File)> {
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        bail!("{refusal}");
    }
    let setup = || -> io::Result<(File, File)> {
        let plan = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdin(), 3)?);
        let frames = File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
        dup2_stdin(File::open("/dev/null")?)?;
        dup2_stdout(io::stderr())?;
        Ok((plan, frames))
    };
    setup().context("cannot set up the pipes to the parent")
}
