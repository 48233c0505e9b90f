//! `report.json`, version 1: the types that are written, apart from those that measure. Next: `decode.rs`.
//!
//! `reports/README.md` documents each field for its readers, and a test holds that page to these types. A field that
//! is not known is `null`, never 0. Adding a field keeps the version; a changed meaning or a removed field raises it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use workloads::wire::Unit;

use super::machine::Machine;

/// The name of the format.
pub(super) const SCHEMA: &str = "rtbench-report";
/// Its version.
pub(super) const VERSION: u32 = 1;

/// A whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) schema: String,
    pub(super) version: u32,
    /// RFC 3339, UTC.
    pub(super) created: String,
    pub(super) tool: Tool,
    pub(super) status: Status,
    pub(super) profile: Profile,
    pub(super) machine: Machine,
    /// What concerns all workloads.
    pub(super) warnings: Vec<Warning>,
    pub(super) workloads: Vec<Workload>,
}

/// The program that measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Whether it was compiled without debug assertions.
    pub(crate) release_build: bool,
}

impl Tool {
    /// This program.
    pub(crate) fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            release_build: !cfg!(debug_assertions),
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Complete,
    Interrupted,
    Failed,
}

impl Status {
    /// The word for it, as in the file.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// Where the runs come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) path: String,
    /// The profile with every default filled in.
    pub(super) effective: Value,
}

/// One workload's run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Workload {
    pub(super) name: String,
    /// The name in file names and tags.
    pub(super) slug: String,
    pub(super) kind: String,
    pub(super) status: Status,
    pub(super) failure: Option<Failure>,
    /// RFC 3339, UTC.
    pub(super) started: String,
    /// From then until its process had read its plan.
    pub(super) start_up_ns: Option<u64>,
    pub(super) engine: Option<Engine>,
    /// The plug-in that the workload is in.
    pub(super) plugin: Option<Plugin>,
    pub(super) plan: Plan,
    pub(super) measured_ns: Option<u64>,
    pub(super) rate: Rate,
    pub(super) counts: BTreeMap<String, u64>,
    pub(super) usage: Option<Usage>,
    pub(super) account: Option<Account>,
    pub(super) per_operation: Option<PerOperation>,
    pub(super) streams: Vec<Stream>,
    pub(super) runtime: Counters,
    pub(super) series: Vec<Point>,
    pub(super) warnings: Vec<Warning>,
}

/// Why a run broke.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) is_input: bool,
}

/// The runtime under test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(super) name: String,
    pub(super) version: String,
    /// How it was built, where there is more than one way.
    pub(super) build: Option<String>,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, build } = self;
        write!(f, "{name} {version}")?;
        build.as_ref().map_or(Ok(()), |build| write!(f, " ({build})"))
    }
}

/// Where a foreign workload comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plugin {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) sdk: String,
    pub(super) rustc: String,
}

/// What was asked of the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) runtime: Value,
    pub(super) params: Map<String, Value>,
    pub(super) warmup_ns: u64,
    pub(super) duration_ns: u64,
    pub(super) interval_ns: u64,
    pub(super) seed: u64,
}

/// Operations a second over the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rate {
    /// What the workload plans. `None`: it starts an operation when another one has ended, or does not say.
    pub(super) asked: Option<f64>,
    /// Of those that were planned in the window.
    pub(super) started: Option<f64>,
    /// Within the window, whenever they were planned.
    pub(super) completed: Option<f64>,
    /// Where the run was overloaded: a rate that would hold.
    pub(super) would_hold: Option<f64>,
}

/// What the operating system counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Usage {
    pub(super) user_us: u64,
    pub(super) system_us: u64,
    pub(super) voluntary_switches: u64,
    pub(super) involuntary_switches: u64,
    pub(super) max_rss_bytes: u64,
}

/// The interval of [`Usage`] and [`Counters`]: that between the readings at the start and at the end of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    /// Since the window began; below 0 if it was read before.
    pub(super) start_ns: i64,
    /// Since the window began.
    pub(super) end_ns: i64,
    /// Operations that ended well between the two.
    pub(super) completed: u64,
}

/// [`Usage`] over the completed operations of its [`Account`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PerOperation {
    pub(super) cpu_ns: f64,
    pub(super) context_switches: f64,
}

/// One histogram's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) unit: Unit,
    pub(super) count: u64,
    pub(super) min: Option<u64>,
    pub(super) mean: Option<f64>,
    pub(super) stdev: Option<f64>,
    pub(super) max: Option<u64>,
    /// The stream that holds the load generator's part in these values.
    pub(super) lag: Option<String>,
    /// Whether more than a tenth of `max` may be the load generator's own lateness.
    pub(super) max_generator_limited: bool,
    pub(super) percentiles: Vec<Percentile>,
}

/// One percentile of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Percentile {
    pub(super) percentile: f64,
    /// `None` where fewer than 10 samples lie beyond.
    pub(super) value: Option<u64>,
    pub(super) samples_beyond: u64,
    /// Whether fewer than 100 samples lie beyond.
    pub(super) thin: bool,
    /// Whether more than a tenth of the value may be the load generator's own lateness.
    pub(super) generator_limited: bool,
}

/// The runtime's counters over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) workers: Vec<BTreeMap<String, u64>>,
    pub(super) global: BTreeMap<String, u64>,
    /// Tasks stolen, by thief and then by victim. Empty where the runtime does not count them so.
    pub(super) steals: Vec<Vec<u64>>,
    /// The runtime's own histograms, by name.
    pub(super) histograms: BTreeMap<String, Durations>,
    /// Depths of queues and other things that rise and fall, by name.
    pub(super) levels: BTreeMap<String, Level>,
}

/// One of the runtime's own histograms, in nanoseconds. It knows its values no better than its buckets are wide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Durations {
    pub(super) count: u64,
    pub(super) mean: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// Something that rises and falls, as it was seen about ten times a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Level {
    pub(super) mean: f64,
    pub(super) max: u64,
}

/// One interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) counts: BTreeMap<String, u64>,
    /// In the order of [`Workload::streams`].
    pub(super) streams: Vec<PointStream>,
    /// The runtime's counters in this interval.
    pub(super) runtime: Counters,
}

/// One stream in one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PointStream {
    pub(super) count: u64,
    pub(super) p50: Option<u64>,
    pub(super) p99: Option<u64>,
    pub(super) max: Option<u64>,
}

/// Something that limits what a report can be trusted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Warning {
    pub(super) kind: WarningKind,
    /// What is wrong.
    pub(super) text: String,
    /// What to do about it.
    pub(super) action: Option<String>,
}

/// The kinds of [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WarningKind {
    /// Compiled without optimisation.
    UnoptimisedBuild,
    /// The child died without its account.
    NoAccount,
    /// The window ended early.
    WindowCutShort,
    /// A stream has no sample.
    NoSamples,
    /// Too few samples for the 99th percentile.
    FewSamples,
    /// Work came in faster than it was done.
    Overloaded,
    /// Fewer operations a second than asked.
    RateNotReached,
    /// Operations that had not ended when the drain was over.
    Unfinished,
    /// The load generator's own lateness is in the figures.
    GeneratorLimited,
    /// Polls that ran for too long.
    StuckPolls,
    /// Operations that ended in an error.
    Errors,
    /// Planned operations that were never started.
    Dropped,
    /// All processors busy.
    CpuSaturated,
    /// Others wanted the processors.
    InvoluntarySwitches,
    /// Histograms missing or broken.
    UnreadableSlices,
    /// The workload's own words.
    Workload,
}
