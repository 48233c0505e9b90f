//! The `[compare]` table: how a comparison is made, and which metrics decide it.
//!
//! Next file to read: `plan.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::{Place, Problem, nearest};
use super::section::Section;
use super::tree::Table;
use super::{DURATION, WARMUP};

/// What a comparison can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// Median of the workload's first histogram.
    P50,
    /// Its 99th percentile.
    P99,
    /// Completed operations a second. The only one of which more is better.
    Throughput,
    /// Processor time of the whole measuring process for each completed operation.
    Cpu,
    /// Context switches of the whole measuring process for each completed operation.
    Switches,
}

impl Metric {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 5] = [Self::P50, Self::P99, Self::Throughput, Self::Cpu, Self::Switches];

    /// The name in profiles, flags and files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Throughput => "throughput",
            Self::Cpu => "cpu",
            Self::Switches => "switches",
        }
    }

    /// The metric of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Whether a higher figure is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        self == Self::Throughput
    }

    /// The margin where nobody says one. `None`: not a gate by default.
    fn default_margin(self) -> Option<f64> {
        match self {
            Self::P50 | Self::Throughput | Self::Cpu => Some(0.03),
            Self::P99 => Some(0.10),
            Self::Switches => None,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What `[compare]` says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompareEntry {
    /// Blocks of each workload.
    pub(crate) blocks: u64,
    /// Load before the window of each run.
    pub(crate) warmup: Duration,
    /// Window of each run.
    pub(crate) duration: Duration,
    /// The metrics that decide, each with the relative change that does not matter yet.
    pub(crate) gates: BTreeMap<Metric, f64>,
    /// The noise between equal runs, in margins of the metric, above which nothing is decided.
    pub(crate) noise_limit: u64,
    /// Whether a comparison that cannot tell fails.
    pub(crate) inconclusive_fails: bool,
}

/// The blocks that a comparison can have.
const BLOCKS: std::ops::RangeInclusive<u64> = 2..=200;

impl Default for CompareEntry {
    fn default() -> Self {
        let default = |metric: Metric| Some((metric, metric.default_margin()?));
        Self {
            blocks: 12,
            warmup: Duration::from_millis(500),
            duration: Duration::from_secs(3),
            gates: Metric::ALL.into_iter().filter_map(default).collect(),
            noise_limit: 8,
            inconclusive_fails: false,
        }
    }
}

/// Reads the table.
pub(super) fn read(table: &Table, problems: &mut Vec<Problem>) -> CompareEntry {
    let mut entry = CompareEntry::default();
    let mut section = Section::new("[compare]", table, problems);
    if let Some(blocks) = section.whole("blocks") {
        match blocks_in_range(blocks) {
            Ok(blocks) => entry.blocks = blocks,
            Err(label) => section.wrong_value("blocks", label),
        }
    }
    if let Some(warmup) = section.duration("warmup", WARMUP) {
        entry.warmup = warmup;
    }
    if let Some(duration) = section.duration("duration", DURATION) {
        entry.duration = duration;
    }
    if let Some(limit) = section.whole("noise_limit") {
        match noise_limit_in_range(limit) {
            Ok(limit) => entry.noise_limit = limit,
            Err(label) => section.wrong_value("noise_limit", label),
        }
    }
    match section.text("inconclusive") {
        Some(("pass", _)) => entry.inconclusive_fails = false,
        Some(("fail", _)) => entry.inconclusive_fails = true,
        Some((_, at)) => {
            let label = "expected \"pass\" or \"fail\"";
            section.problem(Problem::at(at, "wrong value for `inconclusive`", label));
        }
        None => {}
    }
    let gates = section.table("gate");
    section.finish();
    if let Some((gates, _)) = gates {
        read_gates(gates, &mut entry.gates, problems);
    }
    entry
}

fn read_gates(table: &Table, gates: &mut BTreeMap<Metric, f64>, problems: &mut Vec<Problem>) {
    let mut section = Section::new("[compare.gate]", table, problems);
    let mut seen: Vec<(&'static str, &str, &Place)> = Vec::new();
    for metric in Metric::ALL {
        seen.extend(section.text(metric.name()).map(|(text, at)| (metric.name(), text, at)));
    }
    for (name, text, at) in seen {
        if let Err(label) = set_gate(gates, name, text) {
            section.problem(Problem::at(at, format!("wrong value for `{name}`"), label));
        }
    }
    section.finish();
}

/// Sets one gate as `p99=5%` does, or takes it away as `p99=off` does.
pub(crate) fn set_gate(gates: &mut BTreeMap<Metric, f64>, name: &str, margin: &str) -> Result<(), String> {
    let names = Metric::ALL.map(Metric::name);
    let Some(metric) = Metric::named(name) else {
        let near = nearest(name, names).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(format!("no metric is named `{name}`{near} (metrics: {})", names.join(", ")));
    };
    if margin == "off" {
        gates.remove(&metric);
    } else {
        gates.insert(metric, percent(margin)?);
    }
    Ok(())
}

/// Checks a number of blocks. The error says what was expected.
pub(crate) fn blocks_in_range(blocks: u64) -> Result<u64, String> {
    if BLOCKS.contains(&blocks) {
        return Ok(blocks);
    }
    Err(format!("expected between {} and {}", BLOCKS.start(), BLOCKS.end()))
}

/// Checks a limit of noise, in margins. The error says what was expected.
pub(crate) fn noise_limit_in_range(limit: u64) -> Result<u64, String> {
    if (1..=1000).contains(&limit) {
        return Ok(limit);
    }
    Err("expected between 1 and 1000 margins".to_owned())
}

/// Reads `3%` as 0.03. The error says what was expected.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(number) if (0.01..=1000.0).contains(&number) => Ok(number / 100.0),
        _ => Err("expected a share such as 3%, from 0.01% to 1000%, or for a gate off".to_owned()),
    }
}

/// Writes 0.03 as `3%`.
pub(crate) fn percent_text(share: f64) -> String {
    format!("{}%", (share * 1e6).round() / 1e4)
}
