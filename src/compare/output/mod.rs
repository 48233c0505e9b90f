//! What a comparison looks like: on the terminal, in a pull request, for a CI server, and on a page with plots.
//!
//! Each file here turns a [`Comparison`] into bytes; nobody here measures, judges or writes a file.
//!
//! Next file to read: `text.rs`.
#![forbid(unsafe_code)]

mod junit;
mod markdown;
mod page;
mod plots;
mod text;

pub(crate) use markdown::markdown;
pub(crate) use text::text;

use anyhow::Result;
use workloads::wire::Unit;

use super::curves::{self, Curves};
use super::folder::Stored;
use super::model::{Block, Comparison, Judged, Outcome};
use super::series::{Both, runs};
use crate::profile::Metric;
use crate::report::units;

/// The files of a comparison, each with its name.
///
/// # Errors
///
/// A plot that cannot be drawn.
pub(crate) fn files(
    comparison: &Comparison,
    blocks: &[Block],
    baseline: Option<&Stored>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut json = serde_json::to_vec_pretty(comparison)?;
    json.push(b'\n');
    let mut plots = vec![plots::forest(comparison)?];
    for (nth, pair) in comparison.pairs.iter().enumerate() {
        if let Some(curves) = curves_of(comparison, blocks, baseline, nth) {
            plots.extend(plots::curves(pair, nth, &curves)?);
        }
        plots.push(plots::run_order(comparison, nth, blocks)?);
    }
    let mut files = vec![
        ("compare.json".to_owned(), json),
        ("summary.md".to_owned(), markdown(comparison).into_bytes()),
        ("junit.xml".to_owned(), junit::junit(comparison).into_bytes()),
        ("index.html".to_owned(), page::page(comparison, &plots).into_bytes()),
    ];
    files.extend(plots.into_iter().map(|plot| (plot.file, plot.svg.into_bytes())));
    Ok(files)
}

/// The JUnit file alone, for a place of its own.
pub(crate) fn junit(comparison: &Comparison) -> String {
    junit::junit(comparison)
}

fn curves_of(
    comparison: &Comparison,
    blocks: &[Block],
    baseline: Option<&Stored>,
    nth: usize,
) -> Option<Curves> {
    let setup = &comparison.setup;
    let pair = &comparison.pairs[nth];
    let workload = setup.workloads.iter().position(|name| *name == pair.workload)?;
    let both = match baseline {
        Some(stored) => {
            let (from, side) = stored.runs_of(&pair.workload, &setup.sides[0].plans[workload]);
            let reference = runs(&stored.blocks, from, side);
            Both { reference, candidate: runs(blocks, workload, 0), paired: false }
        }
        None => {
            let side = 1 + nth % (setup.sides.len() - 1);
            Both {
                reference: runs(blocks, workload, 0),
                candidate: runs(blocks, workload, side),
                paired: true,
            }
        }
    };
    curves::of(&both, setup.seed)
}

/// A figure of a metric in its unit.
pub(crate) fn figure(metric: Metric, unit: Unit, value: f64) -> String {
    match metric {
        Metric::P50 | Metric::P99 => units::value(unit, value),
        Metric::Throughput => units::rate(value),
        Metric::Cpu => units::duration(value),
        Metric::Switches => units::significant(value),
    }
}

/// `+3.2 %`.
pub(crate) fn change(relative: f64) -> String {
    let percent = 100.0 * relative;
    let digits = if percent.abs() < 9.95 { 2 } else { 1 };
    format!("{percent:+.digits$} %")
}

/// `3.2 %`.
fn share(relative: f64) -> String {
    change(relative).trim_start_matches('+').to_owned()
}

/// `[+1.0 %, +3.2 %]`, or a dash.
fn interval(judged: &Judged) -> String {
    judged.interval.map_or("-".to_owned(), |(low, high)| format!("[{}, {}]", change(low), change(high)))
}

fn p(judged: Option<f64>) -> String {
    match judged {
        None => "-".to_owned(),
        Some(p) if p < 0.0001 => "<0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
    }
}

/// What the gate says, in a sentence.
fn sentence(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "no regression",
        Outcome::RunFailed => "a run failed",
        Outcome::BadInput => "a run could not be made as it was asked",
        Outcome::Regression => "regression",
        Outcome::Inconclusive => "inconclusive",
        Outcome::TooNoisy => "too noisy to tell",
        Outcome::Interrupted => "not complete",
    }
}
