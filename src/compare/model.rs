//! What is compared and what came of it: the content of a comparison's folder.
//!
//! `plan.json` is a [`Setup`], written before anything runs; each file in `blocks/` is a [`Block`]; `compare.json` is
//! the [`Comparison`], made from both. A field that is not known is `null`. `docs/compare.md` documents each of them.
//!
//! Next file to read: `blocks.rs`.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use workloads::wire::{Plan, Unit};

use super::sentinel::Reading;
use crate::profile::{Gates, Limit, Metric};
use crate::report::{Machine, Tool};

/// The format of `plan.json` and of the blocks.
pub(crate) const PLAN_SCHEMA: &str = "rtbench-comparison-plan";
/// The format of `compare.json`.
pub(crate) const SCHEMA: &str = "rtbench-compare";
/// Version of both.
pub(crate) const VERSION: u32 = 2;
/// The chance to call a difference where there is none, over all gated metrics together.
pub(crate) const ALPHA: f64 = 0.05;

/// A comparison that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) schema: String,
    pub(crate) version: u32,
    /// RFC 3339, UTC.
    pub(crate) created: String,
    pub(crate) tool: Tool,
    pub(crate) machine: Machine,
    /// The first half of the folder's name.
    pub(crate) name: String,
    /// Where the coins start.
    pub(crate) seed: u64,
    /// Whether it was asked to be short.
    pub(crate) quick: bool,
    /// For each workload.
    pub(crate) blocks: u64,
    /// The metrics that decide.
    pub(crate) gates: Gates,
    /// The noise above which only a regression is told, in margins of each metric.
    pub(crate) noise_limit: u64,
    pub(crate) inconclusive_fails: bool,
    /// What is measured. The first is the reference, unless there is a baseline.
    pub(crate) sides: Vec<Side>,
    /// Names of the workloads, the same on all sides.
    pub(crate) workloads: Vec<String>,
    /// The folder of an earlier comparison whose runs are the reference.
    pub(crate) baseline: Option<PathBuf>,
    /// Differences that the user allowed.
    pub(crate) allowed: BTreeSet<Allowed>,
    /// What tells the programs and plug-ins of the sides from other builds, by path; this program is `rtbench`.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
}

/// A difference between sides that is refused unless it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Allowed {
    /// Different engines, or versions of one, where engines are not what is compared.
    Engine,
    /// Runs of different machines.
    Machine,
    /// Different loads: kinds of workload, their parameters, seeds, lengths of the window.
    Plan,
    /// Different versions of rtbench, of a workload, or of the plug-in that it is in.
    Version,
}

/// One of the things that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    /// What tells it from the others.
    pub(crate) label: String,
    /// The profile's path, as given.
    pub(crate) profile: String,
    /// The program that runs it. `None`: the one that compares.
    pub(crate) program: Option<PathBuf>,
    /// For each workload.
    pub(crate) plans: Vec<Plan>,
}

/// One block of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Block {
    /// Index into the workloads.
    pub(crate) workload: usize,
    /// From 1.
    pub(crate) number: u64,
    /// From 1; more than one where the machine was disturbed.
    pub(crate) attempt: u64,
    pub(crate) state: State,
    /// What disturbed the machine during it.
    pub(crate) disturbed: Option<String>,
    /// In the order in which they ran.
    pub(crate) runs: Vec<Run>,
    /// Before the first run, and after each.
    pub(crate) readings: Vec<Reading>,
    /// How long it took, in nanoseconds.
    #[serde(default)]
    pub(crate) took_ns: u64,
    /// Fingerprint of the `plan.json` that it was measured for.
    #[serde(default)]
    pub(crate) plan: String,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It counts.
    Kept,
    /// The machine was disturbed, so it was measured again, whatever it said.
    Redone,
    /// A run of it failed.
    Failed,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Index into the sides.
    pub(crate) side: usize,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    /// The engine and its version. `None`: the process never said.
    pub(crate) engine: Option<String>,
    /// The workload's version. `None`: the process never said, or an earlier rtbench did not ask.
    #[serde(default)]
    pub(crate) workload_version: Option<u32>,
    /// Why it failed.
    pub(crate) failure: Option<Failure>,
    /// What was measured. `None`: it failed.
    pub(crate) figures: Option<Figures>,
    /// What the run warned of.
    pub(crate) warnings: Vec<String>,
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Whether the profile or its surroundings are to blame.
    pub(crate) is_input: bool,
}

/// What one run measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// Those that are known, but for counters.
    pub(crate) metrics: BTreeMap<Metric, f64>,
    /// Those that rest on too few samples to decide anything.
    pub(crate) thin: BTreeSet<Metric>,
    /// Completed operations.
    pub(crate) operations: u64,
    /// Which share of the operations that were due was completed. `None`: the load waits for the runtime.
    pub(crate) reached: Option<f64>,
    /// What the workload, the runtime and the system counted for each of them.
    pub(crate) counters: BTreeMap<String, f64>,
    /// Whether work came in faster than it was done.
    #[serde(default)]
    pub(crate) overloaded: bool,
    /// What else the runtime tells of itself, such as `poll_time.p99`; times in nanoseconds.
    #[serde(default)]
    pub(crate) insights: BTreeMap<String, f64>,
    /// The workload's histograms, in its order.
    pub(crate) streams: Vec<Histogram>,
}

impl Figures {
    /// The figure of a metric, if it has one.
    pub(crate) fn of(&self, metric: &Metric) -> Option<f64> {
        match metric {
            Metric::Counter(name) => self.counters.get(name).copied(),
            metric => self.metrics.get(metric).copied(),
        }
    }
}

/// A histogram with its meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Histogram {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    /// HdrHistogram's V2 format with DEFLATE, in base64.
    pub(crate) data: String,
}

/// A comparison that was made: `compare.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Comparison {
    pub(crate) schema: String,
    pub(crate) version: u32,
    /// RFC 3339, UTC.
    pub(crate) created: String,
    /// Whether all blocks are there.
    pub(crate) complete: bool,
    /// What the gate says of it.
    pub(crate) outcome: Outcome,
    pub(crate) setup: Setup,
    /// The machine of the baseline's runs.
    pub(crate) baseline: Option<Baseline>,
    /// For each workload and side against the reference.
    pub(crate) pairs: Vec<Pair>,
    /// Runs that failed, each as a sentence.
    pub(crate) failures: Vec<String>,
    /// What limits the trust in it.
    pub(crate) warnings: Vec<String>,
}

/// Where a stored reference comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    pub(crate) folder: PathBuf,
    pub(crate) created: String,
    pub(crate) tool: Tool,
    pub(crate) machine: Machine,
}

/// What the gate says; the exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was shown that nothing regressed.
    Pass,
    /// No metric decides.
    NotJudged,
    RunFailed,
    BadInput,
    Regression,
    Inconclusive,
    TooNoisy,
    Interrupted,
}

/// One side against the reference, on one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pair {
    pub(crate) workload: String,
    pub(crate) reference: String,
    pub(crate) candidate: String,
    /// Names and versions of the engines that the reference's runs were on; more than one is warned of.
    #[serde(default)]
    pub(crate) reference_engines: BTreeSet<String>,
    #[serde(default)]
    pub(crate) candidate_engines: BTreeSet<String>,
    /// Whether the runs of both stand in the same blocks.
    pub(crate) paired: bool,
    /// Blocks that count.
    pub(crate) blocks: u64,
    pub(crate) redone: u64,
    pub(crate) failed: u64,
    /// Blocks that count although the machine was disturbed, because enough had been redone.
    pub(crate) disturbed: u64,
    /// Percentiles of all streams, throughput and cost, and counters that decide.
    pub(crate) metrics: Vec<Judged>,
    /// The other counters, for each operation; those that moved most first.
    pub(crate) counters: Vec<Judged>,
}

/// One metric of a [`Pair`]. Effects are relative changes of the candidate: 0.05 is 5 % more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) metric: Metric,
    /// Of the values that percentiles are of.
    pub(crate) unit: Unit,
    pub(crate) more_is_better: bool,
    /// `None`: its change decides nothing.
    pub(crate) margin: Option<f64>,
    pub(crate) verdict: Option<Verdict>,
    /// Why there is no clearer verdict, or none at all.
    pub(crate) reason: Option<String>,
    /// The limit that it must keep, if there is one.
    pub(crate) limit: Option<Bounded>,
    /// Medians over the runs.
    pub(crate) reference: Option<f64>,
    pub(crate) candidate: Option<f64>,
    /// Figures of both sides that are as far apart as the effect says: what is typical of the reference's blocks, and
    /// that with the effect added.
    pub(crate) typical: Option<(f64, f64)>,
    /// `None`: not known, or from nothing to something.
    pub(crate) effect: Option<f64>,
    /// At 95 %.
    pub(crate) interval: Option<(f64, f64)>,
    /// At 90 %, which an equivalence within 5 % needs.
    pub(crate) interval_90: Option<(f64, f64)>,
    pub(crate) p: Option<f64>,
    /// Whether it is significant among the gates (Holm), or for the others among those (Benjamini-Hochberg).
    pub(crate) significant: bool,
    /// How much equal runs within a block differ, relative.
    pub(crate) noise_floor: Option<f64>,
    /// How much the blocks' effects differ, relative.
    pub(crate) spread: Option<f64>,
    /// The smallest change that this comparison finds four times in five.
    pub(crate) detectable: Option<f64>,
    /// Blocks with this metric.
    pub(crate) blocks: u64,
    /// How many blocks would decide it, where these do not.
    pub(crate) blocks_needed: Option<u64>,
    /// How long those would take.
    pub(crate) seconds_needed: Option<f64>,
    /// Correlation of each block's effect with the next one's.
    pub(crate) serial_correlation: Option<f64>,
    pub(crate) too_noisy: bool,
    /// The change in each block, as log ratios in the order of the blocks; empty without pairs.
    pub(crate) by_block: Vec<f64>,
}

/// A limit, and whether the candidate keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bounded {
    pub(crate) limit: Limit,
    /// `WITHIN`, `EXCEEDED` or `INCONCLUSIVE`.
    pub(crate) verdict: Verdict,
    /// Why it is not clearer.
    pub(crate) reason: Option<String>,
    /// What is typical of the candidate's blocks.
    pub(crate) typical: Option<f64>,
    /// Its 95 % interval.
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) p: Option<f64>,
}

/// What is said of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Verdict {
    Improved,
    Regressed,
    /// No change beyond the margin, neither way.
    Equivalent,
    /// None for the worse beyond the margin; perhaps one for the better.
    NotWorse,
    Inconclusive,
    /// A limit is kept.
    Within,
    /// ... or not.
    Exceeded,
}

impl Verdict {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Improved => "IMPROVED",
            Self::Regressed => "REGRESSED",
            Self::Equivalent => "EQUIVALENT",
            Self::NotWorse => "NOT WORSE",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Within => "WITHIN",
            Self::Exceeded => "EXCEEDED",
        }
    }

    /// Whether it fails a comparison.
    pub(crate) fn is_worse(self) -> bool {
        matches!(self, Self::Regressed | Self::Exceeded)
    }
}

impl Judged {
    /// What was said of it: of its change, and of its limit.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.verdict.into_iter().chain(self.limit.as_ref().map(|bounded| bounded.verdict))
    }

    /// Whether it decides.
    pub(crate) fn is_gate(&self) -> bool {
        self.margin.is_some() || self.limit.is_some()
    }

    /// Whether the reference has nothing of it, and the candidate something.
    pub(crate) fn appeared(&self) -> bool {
        self.effect.is_none() && self.reference == Some(0.0) && self.p.is_some()
    }
}

/// A log ratio as a relative change.
pub(crate) fn relative(log_ratio: f64) -> f64 {
    log_ratio.exp_m1()
}
