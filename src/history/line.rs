//! The file of a history: one line of JSON for each pair of sides of a comparison.
//!
//! Next file to read: `view.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use workloads::wire::{Plan, Unit};

use crate::compare::model::{Comparison, Outcome, Pair, Setup, Verdict};
use crate::profile::Metric;
use crate::session::Fingerprint;

/// The format of a line.
const SCHEMA: &str = "rtbench-history";
/// Its version.
pub(super) const VERSION: u32 = 2;

/// One line: a pair of sides of one comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(super) schema: String,
    pub(super) version: u32,
    /// Which comparison it comes from, so that none is added twice.
    pub(super) id: String,
    /// When it was judged, RFC 3339, UTC.
    pub(super) time: String,
    /// What was measured, such as a commit.
    pub(super) label: Option<String>,
    pub(super) comparison: String,
    pub(super) outcome: Outcome,
    pub(super) reference: String,
    pub(super) candidate: String,
    /// How it was measured: lines of one key make a series.
    pub(super) key: Key,
    pub(super) unit: Unit,
    pub(super) metrics: BTreeMap<Metric, Point>,
}

/// How a line was measured. What differs in one of these cannot be compared over time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(super) workload: String,
    /// Fingerprint of what the candidate's runs were told: load, runtime, times, seed.
    pub(super) plan: String,
    /// Name of the engine, without its version: that is what changes from line to line.
    pub(super) engine: String,
    /// Name of the machine and what it is.
    pub(super) host: String,
    /// What measured: rtbench, optimised or not, and the plug-in. Not their versions.
    pub(super) program: String,
}

/// One metric on a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Median over the candidate's runs.
    pub(crate) value: Option<f64>,
    /// Relative change to the reference.
    pub(crate) effect: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) verdict: Option<Verdict>,
}

/// Appends a comparison. False: it is there already.
///
/// # Errors
///
/// The file cannot be written or is damaged, which it then stays, or the comparison has nothing to add.
pub(crate) fn append(path: &Path, comparison: &Comparison, label: Option<&str>) -> Result<bool> {
    if !matches!(
        comparison.outcome,
        Outcome::Pass | Outcome::NotJudged | Outcome::Regression | Outcome::Inconclusive | Outcome::TooNoisy
    ) {
        bail!("nothing was added to {}: the comparison came to no end", path.display());
    }
    let shown = || format!("cannot write {}", path.display());
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).with_context(shown)?;
    if !file.metadata().with_context(shown)?.is_file() {
        bail!("{} is not a file that a history can be kept in", path.display());
    }
    // So that two at once do not both find that a comparison is not there yet. Some file systems have no locks.
    let _ = flock(&file, FlockOperation::LockExclusive);
    let content = text_of(&mut file, path)?;
    let there = parse(&content, path).context("nothing was added")?;
    let id = id(&comparison.setup)?;
    if there.iter().any(|line| line.id == id) {
        return Ok(false);
    }
    // What an editor left without an end of line.
    let mut text =
        if content.is_empty() || content.ends_with('\n') { String::new() } else { "\n".to_owned() };
    for pair in &comparison.pairs {
        text.push_str(&serde_json::to_string(&line(comparison, pair, id.clone(), label))?);
        text.push('\n');
    }
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // A line that a full disk cut off would make the whole file unreadable.
        let _ = file.set_len(content.len() as u64);
    }
    written.with_context(shown)?;
    Ok(true)
}

/// Tells one comparison from all others, also after it was read from its folder.
fn id(setup: &Setup) -> Result<String> {
    Ok(format!("{} {}", setup.created, Fingerprint::of(&serde_json::to_vec(setup)?)))
}

fn line(comparison: &Comparison, pair: &Pair, id: String, label: Option<&str>) -> Line {
    let of_server = || ["GITHUB_SHA", "CI_COMMIT_SHA"].iter().find_map(|name| std::env::var(name).ok());
    let point = |judged: &crate::compare::model::Judged| {
        let (effect, interval, verdict) = (judged.effect, judged.interval, judged.verdict);
        (judged.metric.clone(), Point { value: judged.candidate, effect, interval, verdict })
    };
    Line {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        id,
        time: comparison.created.clone(),
        label: label.map(str::to_owned).or_else(of_server),
        comparison: comparison.setup.name.clone(),
        outcome: comparison.outcome,
        reference: pair.reference.clone(),
        candidate: pair.candidate.clone(),
        key: key(&comparison.setup, pair),
        unit: pair.metrics.first().map_or(Unit::Nanoseconds, |judged| judged.unit),
        metrics: pair.metrics.iter().filter(|judged| judged.blocks > 0).map(point).collect(),
    }
}

fn key(setup: &Setup, pair: &Pair) -> Key {
    let at = setup.workloads.iter().position(|name| *name == pair.workload);
    let side = setup.sides.iter().find(|side| side.label == pair.candidate).or(setup.sides.last());
    let plan: Option<&Plan> = side.zip(at).and_then(|(side, at)| side.plans.get(at));
    let told = plan.map(|plan| Plan { plugin: None, ..plan.clone() });
    let machine = &setup.machine;
    let unknown = || "unknown".to_owned();
    let cores = machine.logical_cores.map_or_else(unknown, |cores| cores.to_string());
    let built = if setup.tool.release_build { "" } else { ", not optimised" };
    let plugin = plan.and_then(|plan| plan.plugin.as_ref());
    Key {
        workload: pair.workload.clone(),
        plan: Fingerprint::of(&serde_json::to_vec(&told).unwrap_or_default()),
        engine: plan.map_or_else(unknown, |plan| plan.engine.to_string()),
        host: format!(
            "{}: {}, {cores} cores",
            machine.hostname.clone().unwrap_or_else(unknown),
            machine.cpu_model.clone().unwrap_or_else(unknown),
        ),
        program: match plugin {
            Some(plugin) => format!("{}{built}, plug-in {}", setup.tool.name, plugin.name),
            None => format!("{}{built}", setup.tool.name),
        },
    }
}

/// Reads a history.
///
/// # Errors
///
/// The file cannot be read, or one of its lines is damaged: which one.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let content = text_of(&mut file, path)?;
    parse(&content, path)
}

/// The whole file. A device or a pipe, which may have no end, is refused.
fn text_of(file: &mut File, path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = |file: &mut File, text: &mut String| -> io::Result<()> {
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        file.read_to_string(text).map(drop)
    };
    read(file, &mut text).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

fn parse(text: &str, path: &Path) -> Result<Vec<Line>> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
        version: u32,
    }
    let shown = path.display();
    let mut lines = Vec::new();
    for (nth, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let nth = nth + 1;
        let damaged = |error| anyhow!("{shown}:{nth} is damaged: {error}");
        let Head { schema, version } = serde_json::from_str(line).map_err(damaged)?;
        if (schema.as_str(), version) != (SCHEMA, VERSION) {
            bail!(
                "{shown}:{nth} is {schema} version {version}, and this rtbench reads {SCHEMA} version {VERSION}; begin a \
                 new file"
            );
        }
        lines.push(serde_json::from_str(line).map_err(damaged)?);
    }
    Ok(lines)
}
