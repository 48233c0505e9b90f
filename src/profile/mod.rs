//! From a profile's text to what is run: [`Profile`] is what was written, checked and with defaults; [`Planned`] is
//! one run, resolved. Nothing here has side effects but reading the file.
//!
//! Reading goes text -> `tree` (values with places) -> `section`/`runtime` (types, ranges, names) -> [`Profile`].
//!
//! Next file to read: `problem.rs`.
#![forbid(unsafe_code)]

mod catalog;
mod compare;
mod gate;
mod metric;
mod plan;
mod problem;
mod read;
mod runtime;
mod section;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use catalog::descriptions;
pub(crate) use compare::{BLOCKS, CompareEntry, blocks_in_range, noise_limit_in_range};
pub(crate) use gate::{Bound, Gate, Gates, Limit, cut_gate, gate_text, percent_text, resolved, set_gate};
pub(crate) use metric::{Metric, Of, Rank};
pub(crate) use plan::{Overrides, Planned, effective, overridden, plan};
pub(crate) use problem::{Invalid, nearest};
pub(crate) use read::Subject;
pub(crate) use read::load;
pub(crate) use section::is_name;
pub(crate) use section::parse_duration;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use workloads::rt::config::RuntimeConfig;
use workloads::wire::{EngineKind, PluginId};

/// What a profile says.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Its own name, or the file's stem.
    pub(crate) name: String,
    /// The path as the user gave it.
    pub(crate) path: String,
    /// Where random choices start.
    pub(crate) seed: u64,
    /// Load before the window.
    pub(crate) warmup: Duration,
    /// Length of the window.
    pub(crate) duration: Duration,
    /// The engine under test; not a key, so that one profile serves all of them.
    pub(crate) engine: EngineKind,
    /// The plug-in that its workloads are in.
    pub(crate) plugin: Option<PluginId>,
    /// What it is built from.
    pub(crate) runtime: RuntimeConfig,
    /// What runs on it, one after the other, each on a fresh runtime in a fresh process.
    pub(crate) workloads: Vec<WorkloadEntry>,
    /// What is kept.
    pub(crate) report: ReportEntry,
    /// How it is compared with others.
    pub(crate) compare: CompareEntry,
    /// The keys that the profile says, dotted, `[[workload]]` tables numbered from 0: `workload.0.rate`.
    pub(crate) written: BTreeSet<String>,
}

/// One `[[workload]]`.
#[derive(Clone, Debug)]
pub(crate) struct WorkloadEntry {
    /// Its own name, or its kind's.
    pub(crate) name: String,
    /// What `rtbench list` names it.
    pub(crate) kind: String,
    /// Instead of the profile's.
    pub(crate) seed: Option<u64>,
    /// Instead of the profile's.
    pub(crate) warmup: Option<Duration>,
    /// Instead of the profile's.
    pub(crate) duration: Option<Duration>,
    /// The workload's parameters, checked, every default filled in.
    pub(crate) params: Map<String, Value>,
}

/// The `[report]` table.
#[derive(Clone, Debug)]
pub(crate) struct ReportEntry {
    /// Reports are folders in this one.
    pub(crate) dir: PathBuf,
    /// Length of one slice of the series over time.
    pub(crate) interval: Duration,
}

/// The warm-ups that a run can have.
pub(crate) const WARMUP: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);
/// The windows that a run can have.
pub(crate) const DURATION: RangeInclusive<Duration> =
    Duration::from_millis(50)..=Duration::from_secs(7 * 24 * 3600);
/// The slices that a run can be cut into.
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_secs(60);

/// Keys of a `[[workload]]` that are not the workload's parameters.
pub(crate) const RESERVED: [&str; 5] = ["kind", "name", "seed", "warmup", "duration"];
