//! The `[compare]` table: how a comparison is made, and which metrics decide it.
//!
//! Next file to read: `plan.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::gate::{ALL, Gates, defaults, set_gate};
use super::problem::Problem;
use super::section::Section;
use super::tree::{Entry, Table, Value};
use super::{DURATION, WARMUP};

/// What `[compare]` says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CompareEntry {
    /// Blocks of each workload. `None`: as many as the gates need.
    pub(crate) blocks: Option<u64>,
    /// Load before the window of each run.
    pub(crate) warmup: Duration,
    /// Window of each run.
    pub(crate) duration: Duration,
    /// The metrics that decide.
    pub(crate) gates: Gates,
    /// The noise between equal runs, in margins of the metric, above which nothing is decided.
    pub(crate) noise_limit: u64,
    /// Whether a comparison that cannot tell fails.
    pub(crate) inconclusive_fails: bool,
}

/// The blocks that a comparison can have.
pub(crate) const BLOCKS: std::ops::RangeInclusive<u64> = 2..=200;

impl Default for CompareEntry {
    fn default() -> Self {
        Self {
            blocks: None,
            warmup: Duration::from_millis(500),
            duration: Duration::from_secs(3),
            gates: defaults(),
            noise_limit: 8,
            inconclusive_fails: true,
        }
    }
}

/// Reads the table.
pub(super) fn read(table: &Table, problems: &mut Vec<Problem>) -> CompareEntry {
    let mut entry = CompareEntry::default();
    let mut section = Section::new("[compare]", table, problems);
    let is_auto = section.entry("blocks").is_some_and(|entry| entry.node.is_text("auto"));
    if let Some(blocks) = if is_auto { None } else { section.whole("blocks") } {
        match blocks_in_range(blocks) {
            Ok(blocks) => entry.blocks = Some(blocks),
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

/// Reads `p99 = "5%"` and, as TOML has dots, `foreign.p99 = "5%"`.
fn read_gates(table: &Table, gates: &mut Gates, problems: &mut Vec<Problem>) {
    let mut flat = Vec::new();
    flatten(table, "", &mut flat);
    // What turns all of them off comes first, wherever it is written.
    flat.sort_by_key(|(name, _)| name != ALL);
    for (name, entry) in flat {
        let wrong = |label: String| Problem::at(&entry.node.at, format!("wrong gate for `{name}`"), label);
        match &entry.node.value {
            Value::Plain(serde_json::Value::String(text)) => {
                if let Err(label) = set_gate(gates, &name, text) {
                    problems.push(wrong(label));
                }
            }
            _ => problems.push(wrong(format!("expected a text in quotes, found {}", entry.node.type_name()))),
        }
    }
}

fn flatten<'t>(table: &'t Table, prefix: &str, flat: &mut Vec<(String, &'t Entry)>) {
    for entry in table.entries() {
        let name = format!("{prefix}{}", entry.key);
        match &entry.node.value {
            Value::Table(inner) => flatten(inner, &format!("{name}."), flat),
            _ => flat.push((name, entry)),
        }
    }
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
