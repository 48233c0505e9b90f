//! What comparisons said over time: a file of JSON lines, its change points, and a page with a plot of each series.
//!
//! Only what was measured in the same way makes a series: the same plan, on the same engine, host and program.
//!
//! Next file to read: `line.rs`.
#![forbid(unsafe_code)]

mod line;
mod view;

pub(crate) use line::{Line, Point, append, read};
pub(crate) use view::{page, text};

use std::collections::HashMap;

use workloads::wire::Unit;

use crate::profile::Metric;
use crate::stats::change::{self, Change};
use line::Key;

/// Metrics over time of what was measured in the same way.
#[derive(Clone, Debug)]
pub(crate) struct Group<'a> {
    /// How it was measured.
    pub(crate) key: &'a Key,
    /// The line that names it: the last one.
    pub(crate) last: &'a Line,
    pub(crate) series: Vec<Series<'a>>,
}

/// One metric over time.
#[derive(Clone, Debug)]
pub(crate) struct Series<'a> {
    pub(crate) metric: &'a Metric,
    pub(crate) unit: Unit,
    /// The line that each comes from, the figures, and their value, above 0.
    pub(crate) points: Vec<(&'a Line, &'a Point, f64)>,
    pub(crate) changes: Vec<Change>,
}

/// The groups of series in a history, in the order in which they first appear.
pub(crate) fn groups(lines: &[Line]) -> Vec<Group<'_>> {
    let mut all: Vec<Group<'_>> = Vec::new();
    let (mut groups, mut places) = (HashMap::new(), HashMap::new());
    for line in lines {
        let at = *groups.entry(&line.key).or_insert(all.len());
        if at == all.len() {
            all.push(Group { key: &line.key, last: line, series: Vec::new() });
        }
        let group = &mut all[at];
        group.last = line;
        for (metric, point) in &line.metrics {
            let Some(value) = point.value.filter(|value| *value > 0.0 && value.is_finite()) else { continue };
            let at = *places.entry((at, metric)).or_insert(group.series.len());
            if at == group.series.len() {
                let (points, changes) = (Vec::new(), Vec::new());
                group.series.push(Series { metric, unit: line.unit, points, changes });
            }
            group.series[at].points.push((line, point, value));
        }
    }
    for series in all.iter_mut().flat_map(|group| &mut group.series) {
        // Levels change by factors, so logarithms are compared.
        let logs: Vec<f64> = series.points.iter().map(|(.., value)| value.ln()).collect();
        series.changes = change::points(&logs);
    }
    all
}

#[cfg(test)]
mod tests;
