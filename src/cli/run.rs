//! `rtbench run`: profile, report folder, session, report, summary, in this order.
//!
//! Next file to read: `check.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::time::SystemTime;

use anyhow::Result;

use super::Exit;
use super::args::Run;
use crate::profile::{self, Profile};
use crate::report::{self, ReportDir};
use crate::session::Session;
use crate::session::record::{Outcome, ProfileInfo, RunRecord};
use crate::term::{self, Progress};

/// Runs the command.
///
/// # Errors
///
/// What is wrong with the input, found before anything runs. What goes wrong later is told here, and in the exit code.
pub(super) fn run(args: &Run) -> Result<Exit> {
    let profile = profile::load(&args.source.path, &args.source.settings, &args.subject.subject())?;
    let profile = profile::overridden(profile, &args.source.overrides());
    let dir = ReportDir::prepare(&profile.report.dir, &profile.name, SystemTime::now())?;
    let session = Session::new()?;
    let records = session.measure(&profile::plan(&profile), &mut Progress::new(args.quiet));
    complain(&records);
    let mut exit = match () {
        () if session.interrupted() => Exit::Interrupted,
        () => worst(&records),
    };
    if let Err(error) = tell(&profile, &records, &dir) {
        term::complain(&format!("error: {error:#}"));
        exit = Exit::Failure;
    }
    session.release();
    Ok(exit)
}

/// Writes the report and prints the summary, if anything was measured.
fn tell(profile: &Profile, records: &[RunRecord], dir: &ReportDir) -> Result<()> {
    if records.iter().all(|record| record.intervals.is_empty()) {
        for record in records {
            for warning in &record.warnings {
                term::complain(&format!("warning: {}: {warning}", record.name));
            }
        }
        term::complain("nothing was measured, so there is no report");
        return Ok(());
    }
    let info = ProfileInfo {
        name: profile.name.clone(),
        path: profile.path.clone(),
        effective: profile::effective(profile),
    };
    let written = dir.write(&info, records)?;
    let mut text = report::summary(&info, records, term::color(&io::stdout()));
    text.push_str(&format!("\nreport: {}\n", written.path.join("index.html").display()));
    term::print(&text)?;
    Ok(())
}

/// Tells of each run that failed.
fn complain(records: &[RunRecord]) {
    for record in records {
        if let Outcome::Failed { message, hint, .. } = &record.outcome {
            term::complain(&format!("error: {}: {message}", record.name));
            if let Some(hint) = hint {
                term::complain(&format!("  help: {hint}"));
            }
        }
    }
}

fn worst(records: &[RunRecord]) -> Exit {
    let of = |record: &RunRecord| match record.outcome {
        Outcome::Complete => Exit::Success,
        Outcome::Interrupted => Exit::Interrupted,
        Outcome::Failed { is_input: true, .. } => Exit::BadInput,
        Outcome::Failed { is_input: false, .. } => Exit::Failure,
    };
    // A run that broke says more than one that was never possible.
    const RANK: [Exit; 4] = [Exit::Success, Exit::Interrupted, Exit::BadInput, Exit::Failure];
    let rank = |exit: &Exit| RANK.iter().position(|ranked| ranked == exit);
    records.iter().map(of).max_by_key(rank).unwrap_or(Exit::Success)
}
