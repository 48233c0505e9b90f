//! Quantile curves with bands, quantile shift, run order: each for all sides of a workload at once.
//!
//! Next file to read: `page.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use plotters::style::RGBColor;

use super::super::curves::Curves;
use super::super::model::{Block, Comparison, Pair, State};
use super::labels;
use super::rank::{Ranked, ranked};
use crate::report::plot::axis::{Even, Frame, LogNines, Magnitude};
use crate::report::plot::{
    Anchor, Canvas, Drawn, INK, MUTED, Plot, SCALE, SERIES, faint, picture_of, shortened, stroke,
};
use crate::report::slug;
use crate::stats::robust;

/// Width of every picture, as shown: that of a telephone.
pub(super) const WIDTH: i32 = 420;
const LEFT: i32 = 62;
const RIGHT: i32 = WIDTH - 12;
/// Where the names of the lines begin, and the height of each.
const NAMES: i32 = 62;
const NAME: i32 = 17;
/// Characters of a name, and of a title.
const NAME_LENGTH: usize = 56;
const TITLE_LENGTH: usize = 52;
/// Changes that are shown at most.
const HELD: std::ops::RangeInclusive<f64> = -0.9..=3.0;

/// A picture, and where it belongs on the page.
pub(super) struct Picture {
    pub(super) plot: Plot,
    pub(super) workload: usize,
    /// Whether it stands behind a heading that has to be opened.
    pub(super) is_folded: bool,
}

/// `+10 %`: a change at an axis.
fn axis_change(relative: f64) -> String {
    let percent = 100.0 * relative;
    let digits = usize::from(percent.fract().abs() > 1e-6 && percent.abs() < 10.0);
    if percent.abs() < 1e-9 { "0 %".to_owned() } else { format!("{percent:+.digits$} %") }
}

/// The sides of a workload: the place of each among the sides, its name and its colour. As many as there are colours, the
/// reference and the best of the others.
fn sides(comparison: &Comparison, workload: usize) -> Vec<(usize, String, RGBColor)> {
    let name = &comparison.setup.workloads[workload];
    let pairs: Vec<_> = comparison.pairs.iter().filter(|pair| pair.workload == *name).collect();
    let mut best: Vec<(usize, String)> = ranked(comparison, name)
        .into_iter()
        .filter_map(|ranked| match ranked {
            Ranked::Candidate(pair) => {
                let at = pairs.iter().position(|other| other.candidate == pair.candidate)?;
                Some((at + 1, pair.candidate.clone()))
            }
            Ranked::Reference => None,
        })
        .take(SERIES.len() - 1)
        .collect();
    best.sort_unstable();
    let reference = pairs.first().map_or("reference", |pair| &pair.reference).to_owned();
    best.insert(0, (0, reference));
    let names: Vec<_> = best.iter().map(|(_, name)| name.as_str()).collect();
    let names = labels::distinct(&names, NAME_LENGTH);
    best.into_iter().zip(names).zip(SERIES).map(|(((at, _), name), color)| (at, name, color)).collect()
}

/// Writes the names of lines above a frame, and says where it may begin.
fn names(canvas: &Canvas<'_>, lines: &[(String, RGBColor)]) -> Result<i32, crate::report::plot::Undrawn> {
    for (nth, (name, color)) in lines.iter().enumerate() {
        let y = NAMES + NAME * nth as i32;
        canvas
            .path(vec![(LEFT * SCALE, y * SCALE), ((LEFT + 16) * SCALE, y * SCALE)], stroke(*color, 3.0))?;
        canvas.text(name, (LEFT + 22, y), 12, INK, Anchor::Start)?;
    }
    Ok(top_below(lines.len()))
}

fn top_below(lines: usize) -> i32 {
    NAMES + NAME * lines as i32
}

fn nines(curves: &Curves) -> LogNines {
    let last = curves.nines.last().copied().unwrap_or(1.0);
    // Half of 10^nines samples make an axis that ends there.
    LogNines::for_samples((10f64.powf(last) / 2.0) as u64)
}

fn percentile<X, Y>(canvas: &Canvas<'_>, frame: &Frame<X, Y>) -> Drawn {
    let below = ((frame.left + frame.right) / 2, frame.bottom + 32);
    canvas.text("percentile", below, 12, MUTED, Anchor::Middle)
}

/// The quantiles of all sides.
pub(super) fn quantiles(
    comparison: &Comparison,
    workload: usize,
    stream: &str,
    curves: &Curves,
) -> Result<Picture> {
    let name = &comparison.setup.workloads[workload];
    let sides = sides(comparison, workload);
    let height = top_below(sides.len()) + 290;
    let title = shortened(&format!("{name}, {stream}"), TITLE_LENGTH);
    let subtitle = shortened(&curves.title, NAME_LENGTH + 6);
    let svg = picture_of((WIDTH, height), &title, &subtitle, |canvas| {
        let lines: Vec<_> = sides.iter().map(|(_, name, color)| (name.clone(), *color)).collect();
        let top = names(canvas, &lines)?;
        let bands: Vec<_> =
            sides.iter().filter_map(|(at, _, color)| Some((curves.sides.get(*at)?, *color))).collect();
        let ends = || bands.iter().flat_map(|(band, _)| band.low.iter().chain(&band.high)).copied();
        let (low, high) = (ends().fold(f64::MAX, f64::min), ends().fold(0.0, f64::max));
        let y = Magnitude::holding(low as u64, high as u64, curves.unit);
        let frame = Frame { x: nines(curves), y, left: LEFT, right: RIGHT, top, bottom: height - 44 };
        frame.draw(canvas, 8, true)?;
        percentile(canvas, &frame)?;
        let place = |values: &[f64]| -> Vec<_> {
            curves.nines.iter().zip(values).map(|(x, y)| frame.at(*x, *y)).collect()
        };
        for (band, color) in &bands {
            canvas.band(&place(&band.low), &place(&band.high), *color)?;
        }
        bands.iter().try_for_each(|(band, color)| canvas.path(place(&band.center), stroke(*color, 2.0)))
    })?;
    let reading = "Bands: 95 %, from whole blocks drawn again and again. Where they do not meet, the sides differ at that \
                   percentile. Lower is better.";
    picture(comparison, workload, stream, "curves", reading, svg)
}

/// How far each side's quantiles lie from the reference's.
pub(super) fn shift(
    comparison: &Comparison,
    workload: usize,
    stream: &str,
    curves: &Curves,
) -> Result<Picture> {
    let name = &comparison.setup.workloads[workload];
    let sides = sides(comparison, workload);
    let height = top_below(sides.len() - 1) + 290;
    let title = shortened(&format!("{name}, {stream}: quantile shift"), TITLE_LENGTH);
    let svg = picture_of((WIDTH, height), &title, "change of each quantile; bands: 95 %", |canvas| {
        let lines: Vec<_> = sides[1..].iter().map(|(_, name, color)| (name.clone(), *color)).collect();
        let top = names(canvas, &lines)?;
        let relative = |values: &[f64]| values.iter().map(|log| log.exp_m1()).collect::<Vec<_>>();
        let bands: Vec<_> = sides[1..]
            .iter()
            .filter_map(|(at, _, color)| {
                let band = curves.shifts.get(at - 1)?;
                Some(([&band.low, &band.center, &band.high].map(|values| relative(values)), *color))
            })
            .collect();
        let held = bands.iter().flat_map(|([low, _, high], _)| low.iter().chain(high));
        let held = held.map(|value| value.clamp(*HELD.start(), *HELD.end()));
        let y = Even::holding(held, axis_change);
        let frame = Frame { x: nines(curves), y, left: LEFT, right: RIGHT, top, bottom: height - 44 };
        frame.draw(canvas, 8, true)?;
        percentile(canvas, &frame)?;
        let (_, zero) = frame.at(0.0, 0.0);
        canvas.path(vec![(frame.left * SCALE, zero), (frame.right * SCALE, zero)], stroke(INK, 1.0))?;
        let place = |values: &[f64]| -> Vec<_> {
            curves.nines.iter().zip(values).map(|(x, y)| frame.at(*x, *y)).collect()
        };
        for ([low, center, high], color) in &bands {
            canvas.band(&place(low), &place(high), *color)?;
            canvas.path(place(center), stroke(*color, 2.0))?;
        }
        Ok(())
    })?;
    let reading = "Above the line, a side's quantile is higher than the reference's. A level band is a change that all \
                   operations share; one that opens to the right, a change of the tail.";
    picture(comparison, workload, stream, "shift", reading, svg)
}

fn picture(
    comparison: &Comparison,
    workload: usize,
    stream: &str,
    kind: &str,
    reading: &'static str,
    svg: String,
) -> Result<Picture> {
    let name = &comparison.setup.workloads[workload];
    let file = format!("{}.{}.{kind}.svg", slug(name), slug(stream));
    let first = comparison.pairs.iter().find(|pair| pair.workload == *name);
    // The first stream matters most; what the others show is looked for.
    let is_folded = first.is_some_and(|pair| {
        pair.metrics.iter().any(|judged| judged.metric.to_string().starts_with(&format!("{stream}.p")))
    });
    Ok(Picture { plot: Plot { file, reading, svg }, workload, is_folded })
}

/// A name, a colour, and the effect in each block.
type Line<'a> = (String, RGBColor, &'a [f64]);

/// The effects in the order of time: of all gates where there are two sides, else of one gate on each side.
fn lines(comparison: &Comparison, workload: usize) -> (Vec<Line<'_>>, String) {
    let name = &comparison.setup.workloads[workload];
    let pairs: Vec<&Pair> = comparison.pairs.iter().filter(|pair| pair.workload == *name).collect();
    let has = |judged: &&super::super::model::Judged| judged.is_gate() && !judged.by_block.is_empty();
    if let [pair] = pairs.as_slice() {
        let gates = pair.metrics.iter().filter(has).zip(SERIES);
        let lines =
            gates.map(|(judged, color)| (judged.metric.to_string(), color, judged.by_block.as_slice()));
        return (lines.collect(), "each gate".to_owned());
    }
    let Some(metric) =
        pairs.iter().flat_map(|pair| &pair.metrics).find(has).map(|judged| judged.metric.clone())
    else {
        return (Vec::new(), String::new());
    };
    let sides = sides(comparison, workload);
    let lines = sides[1..].iter().filter_map(|(at, name, color)| {
        let mut all = pairs.get(at - 1)?.metrics.iter();
        let judged = all.find(|judged| judged.metric == metric)?;
        Some((name.clone(), *color, judged.by_block.as_slice()))
    });
    (lines.collect(), metric.to_string())
}

/// Each block's effects in the order of time, and what the sentinel said.
pub(super) fn order(comparison: &Comparison, workload: usize, blocks: &[Block]) -> Result<Picture> {
    let name = &comparison.setup.workloads[workload];
    let of_workload: Vec<_> = blocks.iter().filter(|block| block.workload == workload).collect();
    let spins =
        |block: &Block| block.readings.iter().map(|reading| reading.spin_ns as f64).collect::<Vec<_>>();
    let usual =
        robust::median(&of_workload.iter().flat_map(|block| spins(block)).collect::<Vec<_>>()).unwrap_or(1.0);
    let (lines, what) = lines(comparison, workload);
    let top = top_below(lines.len());
    let middle = top + 170;
    let height = middle + 172;
    let title = shortened(&format!("{name}: blocks in the order of time"), TITLE_LENGTH);
    let subtitle = format!("above: change of {what}; below: the sentinel");
    let svg = picture_of((WIDTH, height), &title, &subtitle, |canvas| {
        let named: Vec<_> = lines.iter().map(|(name, color, _)| (name.clone(), *color)).collect();
        names(canvas, &named)?;
        let last = comparison.setup.blocks as f64;
        let x = || Even::between(0.5, last + 0.5, |block| format!("{block:.0}"));
        let held = |change: f64| change.clamp(*HELD.start(), *HELD.end());
        let effects = lines.iter().flat_map(|(.., logs)| logs.iter()).map(|log| held(log.exp_m1()));
        let y = Even::holding(effects, axis_change);
        let frame = Frame { x: x(), y, left: LEFT, right: RIGHT, top, bottom: middle };
        frame.draw(canvas, 6, false)?;
        if lines.is_empty() {
            frame.say(canvas, "the sides have no blocks in common")?;
        }
        for (_, color, logs) in &lines {
            let at = |(nth, log): (usize, &f64)| frame.at(nth as f64 + 1.0, held(log.exp_m1()));
            let points: Vec<_> = logs.iter().enumerate().map(at).collect();
            points.iter().try_for_each(|point| canvas.dot(*point, 3, *color))?;
            canvas.path(points, faint(*color, 0.6, 1.25))?;
        }
        sentinel(canvas, &of_workload, usual, x(), (middle + 42, height - 44))
    })?;
    let plot = Plot {
        file: format!("{}.order.svg", slug(name)),
        reading: "Effects should scatter around one level: a slope or a step says that the machine changed while it was \
                  measured. Each dot below is a fixed piece of work beside a run; higher is slower.",
        svg,
    };
    Ok(Picture { plot, workload, is_folded: false })
}

/// The sentinel's readings, by block.
fn sentinel(canvas: &Canvas<'_>, blocks: &[&Block], usual: f64, x: Even, (top, bottom): (i32, i32)) -> Drawn {
    let relative = |reading: u64| reading as f64 / usual - 1.0;
    let readings =
        |block: &Block| block.readings.iter().map(|reading| relative(reading.spin_ns)).collect::<Vec<_>>();
    let held =
        blocks.iter().flat_map(|block| readings(block)).map(|off| off.clamp(*HELD.start(), *HELD.end()));
    let frame = Frame { x, y: Even::holding(held, axis_change), left: LEFT, right: RIGHT, top, bottom };
    frame.draw(canvas, 4, true)?;
    canvas.text("block", ((LEFT + RIGHT) / 2, bottom + 32), 12, MUTED, Anchor::Middle)?;
    type Kind = (&'static str, RGBColor, fn(&Block) -> bool);
    let kinds: [Kind; 4] = [
        ("quiet", SERIES[2], |block| block.state == State::Kept && block.disturbed.is_none()),
        ("disturbed", SERIES[4], |block| block.state == State::Kept && block.disturbed.is_some()),
        ("redone", SERIES[3], |block| block.state == State::Redone),
        ("failed", SERIES[1], |block| block.state == State::Failed),
    ];
    let mut left = LEFT;
    for (name, color, is) in kinds.iter().filter(|(.., is)| blocks.iter().any(|block| is(block))) {
        canvas.dot(((left + 4) * SCALE, (top - 14) * SCALE), 4, *color)?;
        canvas.text(name, (left + 14, top - 14), 12, INK, Anchor::Start)?;
        left += 88;
        for block in blocks.iter().filter(|block| is(block)) {
            let readings = readings(block);
            for (nth, off) in readings.iter().enumerate() {
                let within = (nth as f64 + 0.5) / readings.len() as f64 - 0.5;
                let off = off.clamp(*HELD.start(), *HELD.end());
                canvas.dot(frame.at(block.number as f64 + 0.8 * within, off), 2, *color)?;
            }
        }
    }
    Ok(())
}
