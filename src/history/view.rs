//! A history for people: a table on the terminal, and a page with a plot of each series.
//!
//! Next file to read: `../cli/history.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use maud::{PreEscaped, html};
use workloads::wire::Unit;

use super::Series;
use crate::compare::model::Verdict;
use crate::compare::output::{change, figure};
use crate::profile::Metric;
use crate::report::html::shell;
use crate::report::plot::axis::{Even, Frame};
use crate::report::plot::{Anchor, INK, MUTED, SCALE, SERIES, faint, picture, stroke};
use crate::report::units;
use crate::term::table;

/// A series as a line of marks, for a terminal.
const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The last so many values are shown there.
const SHOWN: usize = 40;

/// Every series with its last value and its last change.
pub(crate) fn text(all: &[Series<'_>]) -> String {
    let heads = ["comparison", "workload", "side", "metric", "n", "last", "", "last change of level"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(all.iter().map(row));
    table(&rows)
}

fn row(series: &Series<'_>) -> Vec<String> {
    let values: Vec<f64> = series.points.iter().map(|(.., value)| *value).collect();
    let last = values.last().map_or("-".to_owned(), |value| figure(series.metric, series.unit, *value));
    vec![
        units::printable(series.comparison),
        units::printable(series.workload),
        units::printable(series.candidate),
        series.metric.to_string(),
        values.len().to_string(),
        last,
        marks(&values),
        series.changes.last().map_or("none".to_owned(), |last| told(series, last)),
    ]
}

fn told(series: &Series<'_>, at: &crate::stats::change::Change) -> String {
    let (time, label, ..) = series.points[at.at];
    let label = label.map(|label| format!(" ({})", units::printable(label))).unwrap_or_default();
    format!("{} at {time}{label}", change((at.after - at.before).exp_m1()))
}

fn marks(values: &[f64]) -> String {
    let shown = &values[values.len().saturating_sub(SHOWN)..];
    let low = shown.iter().copied().fold(f64::MAX, f64::min);
    let high = shown.iter().copied().fold(f64::MIN, f64::max);
    let mark = |value: &f64| {
        let height = if high > low { (value - low) / (high - low) } else { 0.5 };
        MARKS[(height * (MARKS.len() - 1) as f64).round() as usize]
    };
    shown.iter().map(mark).collect()
}

/// The page.
///
/// # Errors
///
/// A plot that cannot be drawn.
pub(crate) fn page(all: &[Series<'_>]) -> Result<String> {
    let plots = all.iter().map(plot).collect::<Result<Vec<_>>>()?;
    let body = html! {
        header {
            h1 { "History" }
            p.muted {
                "Each dot is the candidate's median in one comparison; the line steps where the level changed (p < 0.001). "
                "Runs of different times have no partners, so this advises and decides nothing."
            }
        }
        @if all.is_empty() { p.muted { "The history is empty." } }
        @for (series, plot) in all.iter().zip(&plots) {
            section {
                h2 { (series.comparison) ": " (series.workload) ", " (series.candidate) ", " (series.metric) }
                figure { (PreEscaped(plot)) }
                @if series.changes.is_empty() { p.muted { "No change of level." } } @else {
                    ul {
                        @for change in &series.changes { li { (told(series, change)) } }
                    }
                }
            }
        }
    };
    Ok(shell("rtbench history", body))
}

fn plot(series: &Series<'_>) -> Result<String> {
    const HEIGHT: i32 = 280;
    let first = series.points.first().map_or("", |(time, ..)| time);
    let last = series.points.last().map_or("", |(time, ..)| time);
    let title = format!("{}: {}", series.workload, series.metric);
    picture(HEIGHT, &title, &format!("{first} to {last}"), |canvas| {
        let values = || series.points.iter().map(|(.., value)| *value);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let n = series.points.len();
        let x = Even::between(0.5, n as f64 + 0.5, |nth| format!("{nth:.0}"));
        let format: fn(f64) -> String = match (series.metric, series.unit) {
            (Metric::Cpu, _) | (Metric::P50 | Metric::P99, Unit::Nanoseconds) => units::tick,
            _ => units::plain_tick,
        };
        let room = 0.08 * (high - low).max(0.1 * high);
        let y = Even::between((low - room).max(0.0), high + room, format);
        let frame = Frame { x, y, left: 90, right: 830, top: 66, bottom: HEIGHT - 52 };
        frame.draw(canvas, 6, true)?;
        let below = ((frame.left + frame.right) / 2, HEIGHT - 16);
        canvas.text("comparison", below, 12, MUTED, Anchor::Middle)?;
        let mut ends = vec![0];
        ends.extend(series.changes.iter().map(|change| change.at));
        ends.push(n);
        for stretch in ends.windows(2) {
            let (from, to) = (stretch[0], stretch[1]);
            let mean = values().skip(from).take(to - from).map(f64::ln).sum::<f64>() / (to - from) as f64;
            let at = |x: f64| frame.at(x, mean.exp());
            canvas.path(vec![at(from as f64 + 0.5), at(to as f64 + 0.5)], stroke(INK, 1.5))?;
        }
        for change in &series.changes {
            let (x, _) = frame.at(change.at as f64 + 0.5, 1.0);
            canvas
                .path(vec![(x, frame.top * SCALE), (x, frame.bottom * SCALE)], faint(SERIES[1], 0.8, 1.25))?;
        }
        for (nth, (.., point, value)) in series.points.iter().enumerate() {
            let color = match point.verdict {
                Some(Verdict::Regressed) => SERIES[1],
                Some(Verdict::Improved) => SERIES[2],
                _ => SERIES[0],
            };
            canvas.dot(frame.at(nth as f64 + 1.0, *value), 3, color)?;
        }
        Ok(())
    })
}
