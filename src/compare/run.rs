//! A comparison as it happens: runs in fresh processes, the machine's state between them, and the progress of it all.
//!
//! Next file to read: `folder.rs`.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use anyhow::Result;
use humantime::format_duration;

use super::blocks::{self, End, Hands, Place};
use super::curves;
use super::folder::Folder;
use super::model::{Block, Failure, Figures, Run, Setup, State};
use super::sentinel::{Reading, Sentinel};
use crate::profile::{Metric, Planned};
use crate::report::{self, Digest};
use crate::session::Session;
use crate::session::record::{Outcome, RunRecord};
use crate::term::Progress;

/// Measures what is missing in `measured`, keeping each block in `folder`.
///
/// # Errors
///
/// A block that cannot be written.
pub(crate) fn measure(
    setup: &Setup,
    measured: &mut Vec<Block>,
    folder: &Folder,
    session: &Session,
    progress: &mut Progress,
) -> Result<End> {
    let started = Instant::now();
    let mut real = Real { setup, folder, session, progress, sentinel: Sentinel::default(), started, runs: 0 };
    blocks::measure(setup, measured, &mut real)
}

struct Real<'a> {
    setup: &'a Setup,
    folder: &'a Folder,
    session: &'a Session,
    progress: &'a mut Progress,
    sentinel: Sentinel,
    started: Instant,
    /// How many runs there were.
    runs: u64,
}

impl Real<'_> {
    /// The time that so many runs take: by those that are over, and by the plan as long as there are few.
    fn left(&self, place: Place) -> Duration {
        const START: Duration = Duration::from_millis(250);
        let plan = &self.setup.sides[0].plans[place.workload];
        let planned = Duration::from_nanos(plan.warmup_ns + plan.duration_ns) + START;
        let each = match self.runs {
            0..4 => planned,
            runs => self.started.elapsed() / u32::try_from(runs).unwrap_or(u32::MAX),
        };
        Duration::from_secs((each * u32::try_from(place.left).unwrap_or(u32::MAX)).as_secs())
    }
}

impl Hands for Real<'_> {
    fn run(&mut self, place: Place, side: usize) -> Option<Run> {
        let plan = &self.setup.sides[side].plans[place.workload];
        let Place { block, attempt, .. } = place;
        let workload = &self.setup.workloads[place.workload];
        let again = if attempt > 1 { ", again" } else { "" };
        let left = format_duration(self.left(place));
        let name = format!("block {block}/{}{again}, {left} left: {workload}", self.setup.blocks);
        let planned = Planned { name, plan: plan.clone() };
        let record = self.session.run(self.setup.sides[side].program.as_deref(), &planned, self.progress);
        self.runs += 1;
        (record.outcome != Outcome::Interrupted).then(|| digested(side, &record))
    }

    fn read(&mut self) -> Reading {
        self.sentinel.read()
    }

    fn keep(&mut self, block: &Block) -> Result<()> {
        self.folder.keep(block)?;
        let workload = &self.setup.workloads[block.workload];
        let what = match (block.state, &block.disturbed) {
            (State::Failed, _) => "failed".to_owned(),
            (State::Redone, Some(why)) => format!("will be measured again: {why}"),
            (_, Some(why)) => format!("done, though disturbed: {why}"),
            (_, None) => "done".to_owned(),
        };
        let so_far = format_duration(Duration::from_secs(self.started.elapsed().as_secs()));
        self.progress
            .note(&format!("{workload}: block {}/{} {what} ({so_far})", block.number, self.setup.blocks));
        for failure in block.runs.iter().filter_map(|run| run.failure.as_ref()) {
            self.progress.note(&format!("  {}", failure.message));
        }
        Ok(())
    }
}

/// What is kept of a run.
fn digested(side: usize, record: &RunRecord) -> Run {
    let failure = match &record.outcome {
        Outcome::Failed { message, hint, is_input } => {
            Some(Failure { message: message.clone(), hint: hint.clone(), is_input: *is_input })
        }
        _ => None,
    };
    Run {
        side,
        started: report::rfc3339(record.started),
        engine: record.hello.as_ref().map(|hello| format!("{} {}", hello.engine, hello.engine_version)),
        figures: failure.is_none().then(|| figures(report::digest(record))),
        failure,
        warnings: record.warnings.clone(),
    }
}

fn figures(digest: Digest) -> Figures {
    let mut figures = Figures { operations: digest.operations, ..Figures::default() };
    for (metric, quantile) in [(Metric::P50, digest.p50), (Metric::P99, digest.p99)] {
        if let Some(quantile) = quantile {
            figures.metrics.insert(metric, quantile.value);
            if quantile.thin {
                figures.thin.insert(metric);
            }
        }
    }
    let rates = [
        (Metric::Throughput, digest.throughput),
        (Metric::Cpu, digest.cpu_ns),
        (Metric::Switches, digest.switches),
    ];
    figures.metrics.extend(rates.into_iter().filter_map(|(metric, value)| Some((metric, value?))));
    if digest.operations > 0 {
        let each = |(name, number): (String, u64)| (name, number as f64 / digest.operations as f64);
        figures.counters = digest.counters.into_iter().map(each).collect();
    }
    figures.histogram =
        digest.stream.and_then(|(stream, total)| curves::kept(&stream.title, stream.unit, &total));
    figures
}
