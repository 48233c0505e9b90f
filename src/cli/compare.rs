//! `rtbench compare`: sides, folder, blocks, verdicts, files, in this order.
//!
//! Next file to read: `publish.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::Exit;
use super::compare_args::Compare;
use super::sides::{self, Prepared};
use super::{baseline, differences, publish};
use crate::compare::blocks::End;
use crate::compare::files::Files;
use crate::compare::folder::{Folder, Stored};
use crate::compare::known::Known;
use crate::compare::model::{Block, Outcome, Setup};
use crate::compare::series::told;
use crate::compare::{blocks, effort, judge, output, run};
use crate::report::{self, Machine, Tool};
use crate::session::Session;
use crate::term::{self, Progress};

/// How the program ends, where a comparison that cannot tell fails or not.
pub(super) fn exit(outcome: Outcome, inconclusive_fails: bool) -> Exit {
    match outcome {
        Outcome::Pass | Outcome::NotJudged => Exit::Success,
        Outcome::RunFailed => Exit::Failure,
        Outcome::BadInput => Exit::BadInput,
        Outcome::Regression => Exit::Regression,
        Outcome::Inconclusive if inconclusive_fails => Exit::Inconclusive,
        Outcome::Inconclusive => Exit::Success,
        Outcome::TooNoisy => Exit::TooNoisy,
        Outcome::Interrupted => Exit::Interrupted,
    }
}

/// Runs the command.
///
/// # Errors
///
/// What is wrong with the input, found before anything runs. What goes wrong later is told here, and in the exit code.
pub(super) fn compare(args: &Compare) -> Result<Exit> {
    for path in [&args.markdown, &args.junit, &args.history].into_iter().flatten() {
        publish::check(path)?;
    }
    let (folder, files, setup, mut blocks) = match &args.resume {
        Some(path) => {
            let (folder, Stored { setup, blocks, .. }) = Folder::resume(path)?;
            fits(&setup, &blocks, path)?;
            let files = Files::open(&setup.sides)?;
            files.check(&setup.files)?;
            (folder, files, setup, blocks)
        }
        None => {
            let Prepared { mut setup, out, asked, notes } = sides::prepare(args)?;
            let baseline = baseline(&setup)?;
            if let Some(baseline) = &baseline {
                baseline::check(&setup, baseline)?;
            }
            if let Some(objection) = Known::before(&setup).objection(&setup) {
                bail!(objection);
            }
            setup.blocks = effort::blocks(&setup, baseline.as_ref(), asked)?;
            notes.iter().for_each(|note| term::complain(&format!("note: {note}")));
            let files = Files::open(&setup.sides)?;
            setup.files = files.fingerprints()?;
            (Folder::create(&out, &setup, SystemTime::now())?, files, setup, Vec::new())
        }
    };
    let baseline = baseline(&setup)?;
    let session = Session::new()?;
    let mut progress = Progress::of_many(args.quiet);
    effort::plan(&setup, blocks::left(&setup, &blocks)).iter().for_each(|said| progress.note(said));
    progress.note(&format!("results are kept in {}", folder.path().display()));
    let from = (&session, &files);
    let measured = run::measure(&setup, &mut blocks, &folder, from, &mut progress, baseline.as_ref());
    let told = measured.and_then(|end| tell(args, &setup, &blocks, baseline.as_ref(), &folder, end));
    session.release();
    Ok(told.unwrap_or_else(|error| {
        term::complain(&format!("error: {error:#}"));
        Exit::Failure
    }))
}

fn baseline(setup: &Setup) -> Result<Option<Stored>> {
    setup
        .baseline
        .as_deref()
        .map(|folder| Stored::read(folder).context("the baseline cannot be used"))
        .transpose()
}

/// Whether a comparison can go on here and now.
fn fits(setup: &Setup, blocks: &[Block], path: &Path) -> Result<()> {
    let shown = path.display();
    let (machine, tool) = (Machine::this(), Tool::this());
    if let Some(difference) = differences::machine_difference(&setup.machine, &machine) {
        bail!(
            "{shown} was begun on another machine ({difference}); its blocks and new ones cannot be compared"
        );
    }
    if setup.tool != tool {
        let named = |tool: &Tool| {
            format!(
                "{} {}{}",
                tool.name,
                tool.version,
                if tool.release_build { "" } else { " without optimisation" }
            )
        };
        bail!("{shown} was begun by {}, and this is {}", named(&setup.tool), named(&tool));
    }
    for (nth, side) in setup.sides.iter().enumerate().filter(|(_, side)| side.program.is_none()) {
        for (workload, plan) in side.plans.iter().enumerate() {
            let Some(now) = differences::engine_here(plan) else { continue };
            let then = told(blocks, workload, nth, |run| run.engine.clone());
            if let Some(then) = then.iter().find(|then| **then != now) {
                bail!("{shown} was begun on {then}, and this rtbench has {now}");
            }
        }
    }
    Ok(())
}

/// Judges, prints and writes.
///
/// The verdict is printed whatever else fails, and a file that cannot be written does not hide it: the exit code is the
/// verdict's, or 1 where that would be 0.
fn tell(
    args: &Compare,
    setup: &Setup,
    blocks: &[Block],
    baseline: Option<&Stored>,
    folder: &Folder,
    end: End,
) -> Result<Exit> {
    let comparison = judge::judge(setup, blocks, baseline, report::rfc3339(SystemTime::now()));
    let (files, mut failures) = output::files(&comparison, blocks, baseline);
    failures.extend(files.iter().filter_map(|(name, content)| folder.write(name, content).err()));
    let mut text = output::text(&comparison, term::columns(), term::color(&io::stdout()));
    text.push_str(&format!("report: {}\n", folder.path().join("index.html").display()));
    if let Err(error) = term::print(&text) {
        failures.push(anyhow::Error::new(error).context("cannot write to standard output"));
    }
    let code = match end {
        End::Interrupted => {
            let path = folder.path().display();
            term::complain(&format!("interrupted; go on with: rtbench compare --resume {path}"));
            Exit::Interrupted
        }
        End::Complete | End::GaveUp => {
            failures.extend(publish::publish(args, &comparison));
            exit(comparison.outcome, setup.inconclusive_fails)
        }
    };
    let failed = blocks.iter().flat_map(|block| &block.runs).filter_map(|run| run.failure.as_ref());
    if let Some(hint) = failed.filter_map(|failure| failure.hint.as_ref()).next() {
        term::complain(&format!("  help: {hint}"));
    }
    for failure in &failures {
        term::complain(&format!("error: {failure:#}"));
    }
    Ok(if failures.is_empty() || code != Exit::Success { code } else { Exit::Failure })
}
