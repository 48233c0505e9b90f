//! `rtbench compare`: sides, folder, blocks, verdicts, files, in this order.
//!
//! Next file to read: `sides.rs`.
#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use super::Exit;
use super::compare_args::Compare;
use super::sides;
use crate::compare::blocks::End;
use crate::compare::folder::{Folder, Stored};
use crate::compare::model::{Block, Comparison, Outcome, Setup};
use crate::compare::series::told;
use crate::compare::{judge, output, run};
use crate::history;
use crate::report::{self, Machine, Tool};
use crate::session::Session;
use crate::term::{self, Progress};

/// A CI server shows no more of a summary than this.
const SUMMARY_BYTES: usize = 1 << 20;

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Success,
            Outcome::RunFailed => Self::Failure,
            Outcome::BadInput => Self::BadInput,
            Outcome::Regression => Self::Regression,
            Outcome::Inconclusive => Self::Inconclusive,
            Outcome::TooNoisy => Self::TooNoisy,
            Outcome::Interrupted => Self::Interrupted,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// What is wrong with the input, found before anything runs. What goes wrong later is told here, and in the exit code.
pub(super) fn compare(args: &Compare) -> Result<Exit> {
    for path in [&args.markdown, &args.junit, &args.history].into_iter().flatten() {
        appendable(path)?;
    }
    let (folder, setup, mut blocks) = match &args.resume {
        Some(path) => {
            let (folder, Stored { setup, blocks, .. }) = Folder::resume(path)?;
            fits(&setup, &blocks, path)?;
            (folder, setup, blocks)
        }
        None => {
            let (setup, out) = sides::setup(args)?;
            let baseline = baseline(&setup)?;
            if let Some(baseline) = &baseline {
                sides::check_baseline(&setup, baseline)?;
            }
            (Folder::create(&out, &setup, SystemTime::now())?, setup, Vec::new())
        }
    };
    let baseline = baseline(&setup)?;
    let session = Session::new()?;
    let mut progress = Progress::of_many(args.quiet);
    progress.note(&format!("results are kept in {}", folder.path().display()));
    let measured = run::measure(&setup, &mut blocks, &folder, &session, &mut progress, baseline.as_ref());
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
    if let Some(difference) = sides::machine_difference(&setup.machine, &machine) {
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
            let Some(now) = sides::engine_here(plan) else { continue };
            let then = told(blocks, workload, nth, |run| run.engine.clone());
            if let Some(then) = then.iter().find(|then| **then != now) {
                bail!("{shown} was begun on {then}, and this rtbench has {now}");
            }
        }
    }
    Ok(())
}

/// Judges, prints and writes.
fn tell(
    args: &Compare,
    setup: &Setup,
    blocks: &[Block],
    baseline: Option<&Stored>,
    folder: &Folder,
    end: End,
) -> Result<Exit> {
    let now = SystemTime::now();
    let comparison = judge::judge(setup, blocks, baseline, report::rfc3339(now));
    for (name, content) in output::files(&comparison, blocks, baseline)? {
        folder.write(&name, &content)?;
    }
    let mut text = output::text(&comparison, term::color(&io::stdout()));
    text.push_str(&format!("report: {}\n", folder.path().join("index.html").display()));
    term::print(&text)?;
    if end == End::Interrupted {
        let path = folder.path().display();
        term::complain(&format!("interrupted; go on with: rtbench compare --resume {path}"));
        return Ok(Exit::Interrupted);
    }
    publish(args, &comparison)?;
    for failure in blocks.iter().flat_map(|block| &block.runs).filter_map(|run| run.failure.as_ref()) {
        if let Some(hint) = &failure.hint {
            term::complain(&format!("  help: {hint}"));
            break;
        }
    }
    Ok(comparison.outcome.into())
}

/// Writes what is wanted outside of the folder.
fn publish(args: &Compare, comparison: &Comparison) -> Result<()> {
    let markdown = output::markdown(comparison);
    let summary = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    if let Some(path) = summary
        && markdown.len() <= SUMMARY_BYTES
    {
        let path = Path::new(&path);
        let append =
            || OpenOptions::new().append(true).create(true).open(path)?.write_all(markdown.as_bytes());
        append().with_context(|| format!("cannot write {} (GITHUB_STEP_SUMMARY)", path.display()))?;
    }
    let replace = |path: &Path, text: &str| {
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    args.markdown.as_deref().map_or(Ok(()), |path| replace(path, &markdown))?;
    args.junit.as_deref().map_or(Ok(()), |path| replace(path, &output::junit(comparison)))?;
    args.history.as_deref().map_or(Ok(()), |path| history::append(path, comparison, args.label.as_deref()))
}

/// Finds out before anything runs whether a file can be written.
fn appendable(path: &Path) -> Result<()> {
    let existed = path.exists();
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    if !existed {
        // It was made for the question alone.
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}
