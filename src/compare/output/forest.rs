//! The plot of all changes with their intervals: a row for each metric, or for each side under each metric.
//!
//! Narrow on purpose: it can be read on a telephone, and two of them stand side by side on a screen.
//!
//! Next file to read: `plots.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use plotters::style::RGBColor;

use super::super::model::{Comparison, Judged, Pair, Verdict};
use super::labels;
use super::plots::{Picture, WIDTH};
use super::rank::{Ranked, ranked};
use super::words::{effect, shown, unjudged};
use crate::report::plot::{Anchor, Canvas, Drawn, GRID, INK, MUTED, Plot, SCALE, SERIES, picture_of, stroke};
use crate::report::slug;

/// Height of a row: a line of text, and the bar below it.
const ROW: i32 = 34;
/// Height of a heading above rows.
const HEAD: i32 = 26;
const LEFT: i32 = 14;
const RIGHT: i32 = WIDTH - 14;
const TOP: i32 = 58;
/// Changes that axes name, to the right and about as far to the left.
const NAMED: [(f64, f64); 12] = [
    (0.005, -0.005),
    (0.01, -0.01),
    (0.02, -0.02),
    (0.05, -0.05),
    (0.1, -0.1),
    (0.2, -0.2),
    (0.5, -0.3),
    (1.0, -0.5),
    (2.0, -0.65),
    (4.0, -0.8),
    (9.0, -0.9),
    (19.0, -0.95),
];
/// No axis reaches farther: twenty times as much.
const FARTHEST: f64 = 3.0;

/// One row, or the heading of some.
enum Row<'a> {
    Head(String),
    Change { label: String, judged: &'a Judged },
}

/// The changes of all metrics of a workload.
pub(super) fn forest(comparison: &Comparison, workload: usize) -> Result<Picture> {
    let name = &comparison.setup.workloads[workload];
    let pairs: Vec<_> = comparison.pairs.iter().filter(|pair| pair.workload == *name).collect();
    let rows = rows(comparison, name, &pairs);
    let height = TOP + 34 + rows.iter().map(height_of).sum::<i32>().max(ROW);
    let reach = reach(&rows);
    let title = format!("{name}: change of each metric");
    let subtitle = "bar: 95 % interval; grey: margin; arrow: goes on";
    let svg = picture_of((WIDTH, height), &title, subtitle, |canvas| {
        let bottom = height - 30;
        let x = |log: f64| place(log, reach);
        for named in ticks(reach) {
            let at = x(named.ln_1p());
            let style = if named == 0.0 { stroke(MUTED, 1.0) } else { stroke(GRID, 1.0) };
            canvas.path(vec![(at, TOP * SCALE), (at, bottom * SCALE)], style)?;
            canvas.text(&tick(named), (at / SCALE, bottom + 13), 11, MUTED, Anchor::Middle)?;
        }
        if rows.is_empty() {
            return canvas.text("no changes", (WIDTH / 2, TOP + ROW / 2), 13, MUTED, Anchor::Middle);
        }
        let mut top = TOP;
        for row in &rows {
            match row {
                Row::Head(text) => canvas.text(text, (LEFT, top + HEAD / 2 + 2), 13, INK, Anchor::Start)?,
                Row::Change { label, judged } => change(canvas, label, judged, top, &x)?,
            }
            top += height_of(row);
        }
        Ok(())
    })?;
    let reading = "A bar clear of the line in the middle is a change; one clear of the grey, a change that matters; one \
                   within the grey, none that does. For throughput, right is better; for the rest, left.";
    let plot = Plot { file: format!("{}.forest.svg", slug(name)), reading, svg };
    Ok(Picture { plot, workload, is_folded: false })
}

fn rows<'a>(comparison: &Comparison, workload: &str, pairs: &[&'a Pair]) -> Vec<Row<'a>> {
    let has_change = |judged: &&Judged| judged.effect.is_some() || judged.appeared();
    if let [pair] = pairs {
        let all = pair.metrics.iter().filter(|judged| shown(judged)).filter(has_change);
        return all.map(|judged| Row::Change { label: judged.metric.to_string(), judged }).collect();
    }
    // The same pairs, the best first.
    let order: Vec<&Pair> = ranked(comparison, workload)
        .into_iter()
        .filter_map(|ranked| match ranked {
            Ranked::Candidate(pair) => pairs.iter().find(|other| other.candidate == pair.candidate).copied(),
            Ranked::Reference => None,
        })
        .collect();
    let names: Vec<_> = order.iter().map(|pair| pair.candidate.as_str()).collect();
    let names = labels::distinct(&names, 30);
    let mut rows = Vec::new();
    let Some(first) = order.first() else { return rows };
    for judged in first.metrics.iter().filter(|judged| judged.is_gate()) {
        rows.push(Row::Head(judged.metric.to_string()));
        for (pair, label) in order.iter().zip(&names) {
            let of_pair = pair.metrics.iter().find(|other| other.metric == judged.metric).filter(has_change);
            rows.extend(of_pair.map(|judged| Row::Change { label: label.clone(), judged }));
        }
    }
    rows
}

fn height_of(row: &Row<'_>) -> i32 {
    match row {
        Row::Head(_) => HEAD,
        Row::Change { .. } => ROW,
    }
}

/// The interval and the change as log ratios: of what appeared, beyond any axis.
fn logs(judged: &Judged) -> (f64, f64, f64) {
    let log = |change: f64| if change > -1.0 { change.ln_1p() } else { f64::NEG_INFINITY };
    let center = judged.effect.map_or(f64::INFINITY, log);
    let (low, high) = judged.interval.map_or((center, center), |(low, high)| (log(low), log(high)));
    (low, center, high)
}

/// How far the axis reaches to either side: so far that three rows in four fit, and their margins.
fn reach(rows: &[Row<'_>]) -> f64 {
    let judged = || {
        rows.iter().filter_map(|row| match row {
            Row::Change { judged, .. } => Some(*judged),
            Row::Head(_) => None,
        })
    };
    let mut far: Vec<f64> = judged()
        .map(|judged| {
            let (low, center, high) = logs(judged);
            low.abs().max(center.abs()).max(high.abs())
        })
        .collect();
    far.sort_by(f64::total_cmp);
    let margin = judged().filter_map(|judged| judged.margin).fold(0.02, f64::max).ln_1p();
    let most = far.last().copied().unwrap_or(0.0);
    let three_in_four = far.get((3 * far.len()).div_ceil(4).saturating_sub(1)).copied().unwrap_or(0.0);
    let fits = if most <= 2.0 * three_in_four { most } else { three_in_four };
    (1.1 * fits).max(2.0 * margin).min(FARTHEST)
}

/// Drawn pixel of a log ratio.
fn place(log: f64, reach: f64) -> i32 {
    let share = (log.clamp(-reach, reach) / reach + 1.0) / 2.0;
    LEFT * SCALE + (share * f64::from((RIGHT - LEFT) * SCALE)).round() as i32
}

/// The changes that the axis names: none, two to the right and those to the left.
fn ticks(reach: f64) -> Vec<f64> {
    let fits: Vec<_> = NAMED.into_iter().filter(|(right, _)| right.ln_1p() <= 0.94 * reach).collect();
    let two = fits.iter().rev().take(2).flat_map(|(right, left)| [*right, *left]);
    let inside = |change: &f64| change.ln_1p().abs() <= 0.97 * reach;
    std::iter::once(0.0).chain(two.filter(inside)).collect()
}

fn tick(change: f64) -> String {
    let percent = 100.0 * change;
    let digits = usize::from(percent.fract().abs() > 1e-6);
    if change == 0.0 { "0".to_owned() } else { format!("{percent:+.digits$} %") }
}

fn change(canvas: &Canvas<'_>, label: &str, judged: &Judged, top: i32, x: &dyn Fn(f64) -> i32) -> Drawn {
    let (text, bar) = (top + 10, (top + 23) * SCALE);
    let color = color_of(judged);
    let verdict = judged.verdict.map_or(unjudged(judged), Verdict::word);
    canvas.text(label, (LEFT, text), 12, INK, Anchor::Start)?;
    let said = format!("{}  {verdict}", effect(judged));
    canvas.text(&said, (RIGHT, text), 12, color, Anchor::End)?;
    if let Some(margin) = judged.margin {
        let (low, high) = (x(-margin.ln_1p()), x(margin.ln_1p()));
        let (top, bottom) = (bar - 6 * SCALE, bar + 6 * SCALE);
        canvas.band(&[(low, top), (high, top)], &[(low, bottom), (high, bottom)], MUTED)?;
    }
    let (low, center, high) = logs(judged);
    let (left, right) = (LEFT * SCALE, RIGHT * SCALE);
    let (from, to) = (x(low), x(high));
    let (goes_left, goes_right) = (from <= left && low < -1e-9, to >= right && high > 1e-9);
    let inner = 7 * SCALE;
    let (from, to) = (
        if goes_left { left + inner } else { from.min(right - inner) },
        if goes_right { right - inner } else { to.max(left + inner) },
    );
    canvas.path(vec![(from, bar), (to, bar)], stroke(color, 3.0))?;
    let arrow = |tip: i32, back: i32| {
        canvas.shape(vec![(tip, bar), (back, bar - 5 * SCALE), (back, bar + 5 * SCALE)], color)
    };
    if goes_left {
        arrow(left, left + inner)?;
    }
    if goes_right {
        arrow(right, right - inner)?;
    }
    let is_inside = x(center) > left && x(center) < right;
    if is_inside { canvas.dot((x(center), bar), 4, color) } else { Ok(()) }
}

fn color_of(judged: &Judged) -> RGBColor {
    match judged.verdict {
        Some(Verdict::Regressed | Verdict::Exceeded) => SERIES[1],
        Some(Verdict::Improved | Verdict::Within) => SERIES[2],
        Some(Verdict::Equivalent | Verdict::NotWorse) => SERIES[0],
        Some(Verdict::Inconclusive) | None => MUTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_name_no_change_and_some_to_both_sides() {
        for reach in [0.02, 0.06, 0.1, 0.3, 0.7, 1.1, 3.0] {
            let ticks = ticks(reach);
            assert!((3..=5).contains(&ticks.len()), "{reach}: {ticks:?}");
            let mut places: Vec<_> = ticks.iter().map(|change| place(change.ln_1p(), reach)).collect();
            places.sort_unstable();
            assert!(
                places.windows(2).all(|pair| pair[1] - pair[0] >= 36 * SCALE),
                "{reach}: {ticks:?} at {places:?}"
            );
        }
    }
}
