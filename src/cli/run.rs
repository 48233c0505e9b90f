//! `rtbench run`: profile, report folder, session, report, summary, in this order.
//!
//! Next file to read: `check.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::time::SystemTime;

use anyhow::Result;

use super::Exit;
use super::args::Run;
use crate::events;
use crate::profile::{self, Profile};
use crate::report::{self, ReportDir, Trouble, Written, units};
use crate::session::Session;
use crate::session::record::{Heard, Outcome, ProfileInfo, RunRecord};
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
    for path in dir.recovered() {
        let path = path.display();
        term::complain(&format!("note: {path} has the log of an earlier run that was killed"));
    }
    let mut log = dir.log()?;
    if events::asked().is_some() {
        events::keep_in(dir.events()?);
    }
    let session = Session::new()?;
    let plan = profile::plan(&profile);
    let records = session.measure(&plan, &mut log, &mut Progress::new(args.quiet));
    drop(log);
    let lost = events::end_file();
    if lost > 0 {
        let (lost, name) = (units::integer(lost), events::NAME);
        term::complain(&format!("warning: {name} is full: the last {lost} events are not in it"));
    }
    complain(&records);
    let exit = match () {
        () if session.interrupted() => Exit::Interrupted,
        () => worst(&records),
    };
    let told = tell(&profile, &records, &dir);
    session.release();
    Ok(if told { exit } else { Exit::Failure })
}

/// Prints the summary and writes the report, if anything was measured. Whether all of it went well.
fn tell(profile: &Profile, records: &[RunRecord], dir: &ReportDir) -> bool {
    if records.iter().all(|record| record.intervals.is_empty()) {
        for record in records {
            for warning in &record.warnings {
                term::complain(&format!("warning: {}: {warning}", record.name));
            }
        }
        term::complain("nothing was measured, so there is no report");
        return true;
    }
    let info = ProfileInfo {
        name: profile.name.clone(),
        path: profile.path.clone(),
        effective: profile::effective(profile),
    };
    let account = report::Account::new(&info, records);
    // First what needs no room on a disk.
    let summary = account.summary(term::color(&io::stdout())) + &diagnostics(records);
    let printed = term::print(&summary);
    let written = account.files().and_then(|files| dir.write(&files));
    let (place, told) = match written {
        Ok(written) => place(&written),
        Err(error) => {
            term::complain(&format!("error: {error:#}; nothing of the report could be saved"));
            return false;
        }
    };
    let printed = printed.and_then(|()| term::print(&place));
    if let Err(error) = &printed {
        term::complain(&format!("error: cannot print the summary: {error}"));
        term::complain(place.trim());
    }
    printed.is_ok() && told
}

/// Where the report is, and whether it is there as it was to be; if not, says so.
fn place(written: &Written) -> (String, bool) {
    let path = &written.path;
    let page = format!("\nreport: {}\n", path.join("index.html").display());
    let Some(Trouble { error, lost, saved }) = &written.trouble else { return (page, true) };
    term::complain(&format!("error: {error:#}"));
    if lost.is_empty() {
        term::complain("the report is whole, in the folder for temporary files instead");
        return (page, false);
    }
    term::complain(&format!("lost: {}", lost.join(", ")));
    let saved = saved.join(", ");
    (format!("\nsaved: {saved} in {}\n", path.display()), false)
}

/// What diagnostic events cost the runs, where they were asked for.
fn diagnostics(records: &[RunRecord]) -> String {
    let percent = |share: f64| match share * 100.0 {
        tiny if tiny < 0.1 => "less than 0.1 %".to_owned(),
        percent => format!("{percent:.1} %"),
    };
    let line = |record: &RunRecord| {
        let Heard { number, cost_ns } = record.events;
        let cost = number as f64 * cost_ns as f64;
        let used = record.done.as_ref().map(|done| (done.usage.user_us + done.usage.system_us) as f64 * 1e3);
        let share = used.filter(|&used| used > 0.0);
        let share = share.map_or(String::new(), |used| format!(", {} of its CPU time", percent(cost / used)));
        let (number, each) = (units::integer(number), units::duration(cost_ns as f64));
        format!("diagnostics: {number} events of {}, {each} each{share}\n", record.name)
    };
    let lines: String = records.iter().filter(|record| record.events.number > 0).map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
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
