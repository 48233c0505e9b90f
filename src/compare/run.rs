//! A comparison as it happens: runs in fresh processes, the machine's state between them, and the progress of it all.
//!
//! Next file to read: `files.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::blocks::{self, End, Hands, Place};
use super::curves;
use super::effort;
use super::files::Files;
use super::folder::{Folder, Stored};
use super::judge;
use super::known::Known;
use super::model::{Allowed, Block, Failure, Figures, Run, Setup, State};
use super::sentinel::{Reading, Sentinel};
use super::series::told;
use crate::profile::{Metric, Of, Planned, Rank};
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
    (session, files): (&Session, &Files),
    progress: &mut Progress,
    baseline: Option<&Stored>,
) -> Result<End> {
    let mut known = Known::nothing(setup);
    for block in measured.iter() {
        block
            .runs
            .iter()
            .filter_map(|run| run.figures.as_ref())
            .for_each(|run| known.learn(block.workload, run));
    }
    let started = Instant::now();
    let sentinel = Sentinel::default();
    let versions = versions(setup, measured, baseline);
    let mut real = Real {
        setup,
        folder,
        session,
        files,
        progress,
        sentinel,
        started,
        runs: 0,
        last: None,
        versions,
        known,
    };
    blocks::measure(setup, measured, &mut real)
}

struct Real<'a> {
    setup: &'a Setup,
    folder: &'a Folder,
    session: &'a Session,
    files: &'a Files,
    progress: &'a mut Progress,
    sentinel: Sentinel,
    started: Instant,
    /// How many runs there were.
    runs: u64,
    /// Where the last one stood.
    last: Option<Place>,
    /// For each workload, the version that its runs had so far, and whose they were.
    versions: Vec<Option<(u32, String)>>,
    /// What the workloads turned out to have.
    known: Known,
}

/// The versions of the workloads in what was measured before.
fn versions(setup: &Setup, measured: &[Block], baseline: Option<&Stored>) -> Vec<Option<(u32, String)>> {
    let first = |blocks: &[Block], workload, side| {
        told(blocks, workload, side, |run| run.workload_version).pop_first()
    };
    let of = |(at, name): (usize, &String)| {
        let stored = baseline.and_then(|stored| {
            let (from, side) = stored.runs_of(name, &setup.sides[0].plans[at]);
            Some((first(&stored.blocks, from, side)?, "the baseline".to_owned()))
        });
        let mut sides = setup.sides.iter().enumerate();
        stored.or_else(|| sides.find_map(|(nth, side)| Some((first(measured, at, nth)?, side.label.clone()))))
    };
    setup.workloads.iter().enumerate().map(of).collect()
}

impl Real<'_> {
    /// The time that so many runs take: by those that are over, and by the plan as long as there are few.
    fn left(&self, workload: usize, runs: u64) -> String {
        let in_block = u32::try_from(2 * self.setup.sides.len()).unwrap_or(u32::MAX);
        let each = match self.runs {
            0..4 => effort::planned(self.setup, workload) / in_block,
            runs => self.started.elapsed() / u32::try_from(runs).unwrap_or(u32::MAX),
        };
        effort::told(each * u32::try_from(runs).unwrap_or(u32::MAX))
    }

    /// Refuses a run of another version of the workload than the runs before it, and one that shows that a gate asks for
    /// what is nowhere.
    fn checked(&mut self, workload: usize, mut run: Run) -> Run {
        if let Some(figures) = &run.figures {
            self.known.learn(workload, figures);
            if let Some(message) = self.known.objection(self.setup) {
                run.failure = Some(Failure { message, hint: None, is_input: true });
                run.figures = None;
                return run;
            }
        }
        let label = &self.setup.sides[run.side].label;
        let (Some(version), Some(known)) = (run.workload_version, self.versions.get_mut(workload)) else {
            return run;
        };
        let (first, whose) = known.get_or_insert_with(|| (version, label.clone()));
        if *first != version && run.failure.is_none() && !self.setup.allowed.contains(&Allowed::Version) {
            let name = &self.setup.workloads[workload];
            run.failure = Some(Failure {
                message: format!("`{name}` is version {version} here, and version {first} in `{whose}`"),
                hint: Some("say --allow version to compare in spite of it".to_owned()),
                is_input: true,
            });
            run.figures = None;
        }
        run
    }
}

impl Hands for Real<'_> {
    fn run(&mut self, place: Place, side: usize) -> Option<Run> {
        let plan = &self.setup.sides[side].plans[place.workload];
        let Place { block, attempt, .. } = place;
        let workload = &self.setup.workloads[place.workload];
        let again = if attempt > 1 { ", again" } else { "" };
        let left = self.left(place.workload, place.left);
        let name = format!("block {block}/{}{again}, {left} left: {workload}", self.setup.blocks);
        let planned = Planned { name, plan: plan.clone() };
        let source = self.files.source(&self.setup.sides[side], plan);
        let record = self.session.run(source, &planned, self.progress);
        self.runs += 1;
        self.last = Some(place);
        (record.outcome != Outcome::Interrupted)
            .then(|| self.checked(place.workload, digested(side, &record, &judge::ranks(&self.setup.gates))))
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
        let so_far = effort::told(Duration::from_secs(self.started.elapsed().as_secs()));
        let left = self.last.map_or(0, |place| after(block, place, self.setup.sides.len()));
        let left = self.left(block.workload, left);
        let (number, blocks) = (block.number, self.setup.blocks);
        self.progress.note(&format!("{workload}: block {number}/{blocks} {what} ({so_far}, {left} left)"));
        for failure in block.runs.iter().filter_map(|run| run.failure.as_ref()) {
            self.progress.note(&format!("  {}", failure.message));
        }
        Ok(())
    }
}

/// How many runs are left after a block whose last run stood at `place`.
fn after(block: &Block, place: Place, sides: usize) -> u64 {
    let at_its_start = place.left + place.run as u64;
    match block.state {
        State::Redone => at_its_start,
        State::Kept | State::Failed => at_its_start.saturating_sub(2 * sides as u64),
    }
}

/// What is kept of a run.
fn digested(side: usize, record: &RunRecord, ranks: &BTreeSet<Rank>) -> Run {
    let digest = report::digest(record);
    let samples: u64 = digest.streams.iter().map(|(_, total)| total.len()).sum();
    let failure = match &record.outcome {
        Outcome::Failed { message, hint, is_input } => {
            Some(Failure { message: message.clone(), hint: hint.clone(), is_input: *is_input })
        }
        _ if digest.operations == 0 && samples == 0 => Some(Failure {
            message: "it ended well, and recorded nothing in the measured window".to_owned(),
            hint: Some("take a longer window, or a higher rate".to_owned()),
            is_input: false,
        }),
        _ => None,
    };
    Run {
        side,
        started: report::rfc3339(record.started),
        engine: record.hello.as_ref().map(|hello| report::engine(hello).to_string()),
        workload_version: record.hello.as_ref().map(|hello| hello.workload_version),
        warnings: digest.warnings.clone(),
        figures: failure.is_none().then(|| figures(digest, ranks)),
        failure,
    }
}

fn figures(digest: Digest, ranks: &BTreeSet<Rank>) -> Figures {
    let mut figures = Figures {
        operations: digest.operations,
        reached: digest.reached,
        overloaded: digest.overloaded,
        insights: digest.insights.clone(),
        ..Figures::default()
    };
    for (nth, (stream, samples)) in digest.streams.iter().enumerate() {
        for rank in ranks {
            let Some(quantile) = report::quantile(samples, rank.parts()) else { continue };
            let of = if nth == 0 { Of::First } else { Of::Stream(stream.name.clone()) };
            let metric = Metric::Percentile(of, *rank);
            if quantile.thin {
                figures.thin.insert(metric.clone());
            }
            figures.metrics.insert(metric, quantile.value);
        }
        figures.streams.extend(curves::kept(stream, samples));
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
    figures
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;
    use crate::compare::simulated;

    fn place(left: u64, run: usize) -> Place {
        Place { workload: 0, block: 1, attempt: 1, run, left }
    }

    fn run(side: usize, workload_version: u32) -> Run {
        Run {
            side,
            started: String::new(),
            engine: Some("runtime 0".to_owned()),
            workload_version: Some(workload_version),
            failure: None,
            figures: Some(Figures::default()),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn what_is_left_is_counted_down_and_grows_by_what_is_done_again() {
        let block = |state| Block {
            workload: 0,
            number: 1,
            attempt: 1,
            state,
            disturbed: None,
            runs: Vec::new(),
            readings: Vec::new(),
            took_ns: 0,
            plan: String::new(),
        };
        // The last of four runs of the first of three blocks.
        assert_eq!(after(&block(State::Kept), place(9, 3), 2), 8);
        assert_eq!(after(&block(State::Redone), place(9, 3), 2), 12);
        // The second run failed; the other two are not made.
        assert_eq!(after(&block(State::Failed), place(11, 1), 2), 8);
        assert_eq!(after(&block(State::Kept), place(1, 3), 2), 0);
    }

    #[test]
    fn a_run_that_hangs_fails_its_block_and_is_told() {
        let dir = tempfile::TempDir::new().unwrap();
        let setup = simulated::setup(1, 8, 2);
        let folder = Folder::create(dir.path(), &setup, SystemTime::now()).unwrap();
        let session = Session::scripted("exec sleep 1000", Duration::from_millis(50));
        let mut measured = Vec::new();
        let mut progress = Progress::of_many(true);
        let files = Files::open(&setup.sides).unwrap();
        let end = measure(&setup, &mut measured, &folder, (&session, &files), &mut progress, None).unwrap();
        assert_eq!(end, End::GaveUp);
        let states: Vec<_> = measured.iter().map(|block| (block.state, block.runs.len())).collect();
        assert_eq!(states, [(State::Failed, 1); 3]);
        assert_eq!(fs::read_dir(folder.path().join("blocks")).unwrap().count(), 3);
        let comparison = judge::judge(&setup, &measured, None, String::new());
        assert_eq!(comparison.outcome, super::super::model::Outcome::RunFailed);
        let failure = &comparison.failures[0];
        assert!(
            failure.contains("block 1") && failure.contains("did not get through its set-up"),
            "{failure}"
        );
    }

    #[test]
    fn another_version_of_the_workload_is_refused_and_both_are_named() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut setup = simulated::setup(1, 8, 2);
        let folder = Folder::create(dir.path(), &setup, SystemTime::now()).unwrap();
        let session = Session::scripted("exit 0", Duration::from_secs(60));
        let files = Files::open(&setup.sides).unwrap();
        let checked = |setup: &Setup, before: &[Block], runs: [Run; 2]| {
            let versions = versions(setup, before, None);
            let mut progress = Progress::of_many(true);
            let (progress, sentinel, started) = (&mut progress, Sentinel::default(), Instant::now());
            let (folder, session, files) = (&folder, &session, &files);
            let mut real = Real {
                setup,
                folder,
                session,
                files,
                progress,
                sentinel,
                started,
                runs: 0,
                last: None,
                versions,
                known: Known::nothing(setup),
            };
            runs.map(|run| real.checked(0, run))
        };
        let [first, second] = checked(&setup, &[], [run(0, 1), run(1, 2)]);
        assert_eq!((&first, &second.figures), (&run(0, 1), &None));
        let failure = second.failure.unwrap();
        assert!(failure.is_input);
        assert_eq!(failure.message, "`echo` is version 2 here, and version 1 in `side <0>`");
        // The same where the other version stands in a block that is there already.
        let block = Block {
            workload: 0,
            number: 1,
            attempt: 1,
            state: State::Kept,
            disturbed: None,
            runs: vec![run(0, 3)],
            readings: Vec::new(),
            took_ns: 0,
            plan: String::new(),
        };
        let [first, _] = checked(&setup, &[block], [run(0, 1), run(1, 1)]);
        assert!(first.failure.unwrap().message.ends_with("version 3 in `side <0>`"));
        setup.allowed.insert(Allowed::Version);
        assert_eq!(checked(&setup, &[], [run(0, 1), run(1, 2)]), [run(0, 1), run(1, 2)]);
    }
}
