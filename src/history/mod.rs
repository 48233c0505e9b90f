//! What comparisons said over time: a file of JSON lines, its change points, and a page with a plot of each series.
//!
//! Next file to read: `view.rs`.
#![forbid(unsafe_code)]

mod view;

pub(crate) use view::{page, text};

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use workloads::wire::Unit;

use crate::compare::model::{Comparison, Outcome, Verdict};
use crate::profile::Metric;
use crate::stats::change::{self, Change};

/// The format of a line.
const SCHEMA: &str = "rtbench-history";
/// Its version.
const VERSION: u32 = 1;

/// One line: a pair of sides of one comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    schema: String,
    version: u32,
    /// When it was judged, RFC 3339, UTC.
    time: String,
    /// What was measured, such as a commit.
    label: Option<String>,
    comparison: String,
    outcome: Outcome,
    workload: String,
    reference: String,
    candidate: String,
    /// Network name of the machine.
    host: Option<String>,
    unit: Unit,
    metrics: BTreeMap<Metric, Point>,
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

/// Appends a comparison.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn append(path: &Path, comparison: &Comparison, label: Option<&str>) -> Result<()> {
    let of_server = || ["GITHUB_SHA", "CI_COMMIT_SHA"].iter().find_map(|name| std::env::var(name).ok());
    let label = label.map(str::to_owned).or_else(of_server);
    let mut text = String::new();
    for pair in &comparison.pairs {
        let point = |judged: &crate::compare::model::Judged| {
            let (effect, interval, verdict) = (judged.effect, judged.interval, judged.verdict);
            (judged.metric, Point { value: judged.candidate, effect, interval, verdict })
        };
        let line = Line {
            schema: SCHEMA.to_owned(),
            version: VERSION,
            time: comparison.created.clone(),
            label: label.clone(),
            comparison: comparison.setup.name.clone(),
            outcome: comparison.outcome,
            workload: pair.workload.clone(),
            reference: pair.reference.clone(),
            candidate: pair.candidate.clone(),
            host: comparison.setup.machine.hostname.clone(),
            unit: pair.unit,
            metrics: pair.metrics.iter().filter(|judged| judged.blocks > 0).map(point).collect(),
        };
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        // A line that somebody's editor or a full disk left without its end stays one line.
        if !ends_with_newline(path)? {
            file.write_all(b"\n")?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn ends_with_newline(path: &Path) -> std::io::Result<bool> {
    let bytes = fs::read(path)?;
    Ok(bytes.last().is_none_or(|last| *last == b'\n'))
}

/// Reads a history.
///
/// # Errors
///
/// The file cannot be read, or one of its lines is damaged: which one.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let mut lines = Vec::new();
    for (nth, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let nth = nth + 1;
        let line: Line =
            serde_json::from_str(line).map_err(|error| anyhow!("{shown}:{nth} is damaged: {error}"))?;
        if (line.schema.as_str(), line.version) != (SCHEMA, VERSION) {
            let (schema, version) = (&line.schema, line.version);
            return Err(anyhow!(
                "{shown}:{nth} is {schema} version {version}, and this rtbench reads {SCHEMA} version {VERSION}"
            ));
        }
        lines.push(line);
    }
    Ok(lines)
}

/// One metric over time.
#[derive(Clone, Debug)]
pub(crate) struct Series<'a> {
    pub(crate) comparison: &'a str,
    pub(crate) workload: &'a str,
    pub(crate) candidate: &'a str,
    pub(crate) metric: Metric,
    pub(crate) unit: Unit,
    /// Time, label, and figures; only those with a value.
    pub(crate) points: Vec<(&'a str, Option<&'a str>, &'a Point, f64)>,
    pub(crate) changes: Vec<Change>,
}

/// The series in a history, in the order in which they first appear.
pub(crate) fn series(lines: &[Line]) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    for line in lines {
        for (metric, point) in &line.metrics {
            let Some(value) = point.value.filter(|value| *value > 0.0) else { continue };
            let key = (line.comparison.as_str(), line.workload.as_str(), line.candidate.as_str(), *metric);
            let found =
                all.iter().position(|of| (of.comparison, of.workload, of.candidate, of.metric) == key);
            let at = found.unwrap_or_else(|| {
                let (comparison, workload, candidate, metric) = key;
                let (points, changes) = (Vec::new(), Vec::new());
                all.push(Series {
                    comparison,
                    workload,
                    candidate,
                    metric,
                    unit: line.unit,
                    points,
                    changes,
                });
                all.len() - 1
            });
            all[at].points.push((&line.time, line.label.as_deref(), point, value));
        }
    }
    for series in &mut all {
        // Levels change by factors, so logarithms are compared.
        let logs: Vec<f64> = series.points.iter().map(|(.., value)| value.ln()).collect();
        series.changes = change::points(&logs);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: usize, candidate: &str, p50: f64) -> Line {
        let point =
            Point { value: Some(p50), effect: Some(0.0), interval: None, verdict: Some(Verdict::Equivalent) };
        let unknown = Point { value: None, ..point.clone() };
        Line {
            schema: SCHEMA.to_owned(),
            version: VERSION,
            time: format!("2026-11-{:02}T00:00:00Z", time + 1),
            label: Some(format!("commit <{time}>")),
            comparison: "server".to_owned(),
            outcome: Outcome::Pass,
            workload: "echo".to_owned(),
            reference: "first".to_owned(),
            candidate: candidate.to_owned(),
            host: None,
            unit: Unit::Nanoseconds,
            metrics: [(Metric::P50, point), (Metric::P99, unknown)].into(),
        }
    }

    #[test]
    fn each_metric_of_each_side_is_a_series_with_its_changes() {
        let level = |time: usize| if time < 10 { 50_000.0 } else { 60_000.0 };
        let lines: Vec<_> = (0..20)
            .flat_map(|time| {
                let wobble = 1.0 + 0.002 * (time % 3) as f64;
                [line(time, "a", level(time) * wobble), line(time, "b", 70_000.0 * wobble)]
            })
            .collect();
        let all = series(&lines);
        assert_eq!(
            all.iter().map(|series| series.candidate).collect::<Vec<_>>(),
            ["a", "b"],
            "no p99 without a value"
        );
        assert_eq!(all[0].changes.iter().map(|change| change.at).collect::<Vec<_>>(), [10]);
        assert!(all[1].changes.is_empty());
        let shown = text(&all);
        let first = shown.lines().nth(1).unwrap();
        assert!(first.contains("+20.0 % at 2026-11-11T00:00:00Z (commit <10>)"), "{shown}");
        assert!(first.contains("60.1 us") && first.contains('▁') && first.contains('█'), "{shown}");
        assert!(shown.lines().nth(2).unwrap().ends_with("none"), "{shown}");
        let page = page(&all).unwrap();
        assert_eq!(page.matches("<svg").count(), 2);
        assert!(page.contains("commit &lt;10&gt;") && !page.contains("commit <"));
    }

    #[test]
    fn a_line_survives_the_file_and_a_damaged_one_is_named() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("h.jsonl");
        let lines = [line(1, "a", 1.5), line(2, "a", 2.5)];
        let text: Vec<_> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        fs::write(&path, text.join("\n\n")).unwrap();
        assert_eq!(read(&path).unwrap(), lines);
        fs::write(&path, format!("{}\n{}", text[0], &text[1][..30])).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("h.jsonl:2 is damaged"));
        fs::write(&path, text[0].replace("\"version\":1", "\"version\":7")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("version 7"));
        fs::write(&path, "").unwrap();
        assert!(series(&read(&path).unwrap()).is_empty());
    }
}
