//! A history for people: a table on the terminal, and a page with a plot of each series.
//!
//! Next file to read: `../cli/history.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use maud::{PreEscaped, html};
use workloads::wire::Unit;

use super::line::Key;
use super::{Group, Series};
use crate::compare::model::Verdict;
use crate::compare::output::{change, figure};
use crate::profile::Metric;
use crate::report::html::shell;
use crate::report::plot::axis::{Even, Frame};
use crate::report::plot::{Anchor, INK, MUTED, SCALE, SERIES, faint, picture_of, shortened, stroke};
use crate::report::units;
use crate::stats::change::Change;
use crate::term::{indented, table, wrapped};

/// A series as a line of marks, for a terminal.
const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The last so many values are shown there.
const SHOWN: usize = 16;
/// Characters of a label there.
const LABEL: usize = 12;
/// Width of a plot, as shown.
const WIDTH: i32 = 420;
const STYLE: &str = "\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 1.25rem;align-items:start}
.plots figure{margin:.75rem 0;min-width:0}
h2,.key{overflow-wrap:anywhere}
";

/// Every series with its last value and its last change, in at most `width` columns.
pub(crate) fn text(groups: &[Group<'_>], width: usize) -> String {
    if groups.is_empty() {
        return "the history is empty\n".to_owned();
    }
    let mut text = String::new();
    for group in groups {
        text.push_str(&wrapped(&format!("{}; {}", head(group), measured(group.key)), width, "  "));
        let mut rows = vec![["metric", "n", "last", "", "last change of level"].map(str::to_owned).to_vec()];
        rows.extend(group.series.iter().map(row));
        text.push_str(&indented(&table(&rows), "  "));
    }
    text
}

fn head(group: &Group<'_>) -> String {
    one_line(&format!("{}: {}, {}", group.last.comparison, group.key.workload, group.last.candidate))
}

/// How a group was measured.
fn measured(key: &Key) -> String {
    let Key { plan, engine, host, program, .. } = key;
    one_line(&format!("plan {plan} on {engine}, {program}, {host}"))
}

/// A text from the file, without what a terminal would obey or take for an end of line.
fn one_line(text: &str) -> String {
    units::printable(&text.replace(['\n', '\t'], " "))
}

fn row(series: &Series<'_>) -> Vec<String> {
    let values: Vec<f64> = series.points.iter().map(|(.., value)| *value).collect();
    let last = values.last().map_or("-".to_owned(), |value| figure(series.metric, series.unit, *value));
    let changed = series.changes.last().map_or("none".to_owned(), |last| told(series, last, LABEL));
    vec![series.metric.to_string(), values.len().to_string(), last, marks(&values), changed]
}

fn told(series: &Series<'_>, at: &Change, most: usize) -> String {
    let line = series.points[at.at].0;
    let label = line.label.as_ref().map(|label| format!(" ({})", shortened(&one_line(label), most)));
    let day = line.time.get(..10).unwrap_or(&line.time);
    format!("{} on {}{}", change((at.after - at.before).exp_m1()), one_line(day), label.unwrap_or_default())
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
pub(crate) fn page(groups: &[Group<'_>]) -> Result<String> {
    let drawn = |group: &Group<'_>| group.series.iter().map(plot).collect::<Result<Vec<_>>>();
    let plots = groups.iter().map(drawn).collect::<Result<Vec<_>>>()?;
    let body = html! {
        style { (PreEscaped(STYLE)) }
        header {
            h1 { "History" }
            p.muted {
                "Each dot is the candidate's median in one comparison; the line steps where the level changed (Welch's "
                "test, at most one series in twenty wrongly). What was measured with another plan, engine, host or "
                "program is a series of its own. Runs of different times have no partners, so this advises and decides "
                "nothing."
            }
        }
        @if groups.is_empty() { p.muted { "The history is empty." } }
        @for (group, plots) in groups.iter().zip(&plots) {
            section {
                h2 { (head(group)) }
                p.muted.key { (measured(group.key)) }
                div.plots {
                    @for (series, plot) in group.series.iter().zip(plots) {
                        figure {
                            (PreEscaped(plot))
                            figcaption {
                                @if series.changes.is_empty() { "No change of level." } @else {
                                    @for (nth, change) in series.changes.iter().enumerate() {
                                        @if nth > 0 { "; " }
                                        (told(series, change, 60))
                                    }
                                    "."
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(shell("rtbench history", body))
}

fn plot(series: &Series<'_>) -> Result<String> {
    const HEIGHT: i32 = 250;
    let time = |point: Option<&(&super::Line, &super::Point, f64)>| {
        point.map_or(String::new(), |(line, ..)| line.time.get(..10).unwrap_or(&line.time).to_owned())
    };
    let (first, last) = (time(series.points.first()), time(series.points.last()));
    let title = series.metric.to_string();
    picture_of((WIDTH, HEIGHT), &title, &format!("{first} to {last}"), |canvas| {
        let values = || series.points.iter().map(|(.., value)| *value);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        let n = series.points.len();
        let x = Even::between(0.5, n as f64 + 0.5, |nth| format!("{nth:.0}"));
        let is_time = match series.metric {
            Metric::Percentile(..) => series.unit == Unit::Nanoseconds,
            metric => metric.is_time(),
        };
        let format: fn(f64) -> String = if is_time { units::tick } else { units::plain_tick };
        let room = 0.08 * (high - low).max(0.1 * high);
        let y = Even::between((low - room).max(0.0), high + room, format);
        let frame = Frame { x, y, left: 70, right: WIDTH - 12, top: 60, bottom: HEIGHT - 44 };
        frame.draw(canvas, 6, true)?;
        let below = ((frame.left + frame.right) / 2, HEIGHT - 12);
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
        for (nth, (_, point, value)) in series.points.iter().enumerate() {
            let color = match point.verdict {
                Some(Verdict::Regressed) => SERIES[1],
                Some(Verdict::Improved) => SERIES[2],
                _ => SERIES[0],
            };
            let radius = if n > 200 { 2 } else { 3 };
            canvas.dot(frame.at(nth as f64 + 1.0, *value), radius, color)?;
        }
        Ok(())
    })
}
