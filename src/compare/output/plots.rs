//! The plots of a comparison: forest, quantile curves with bands, quantile shift, run order.
//!
//! Next file to read: `page.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;

use super::super::curves::Curves;
use super::super::model::{Block, Comparison, Judged, Pair, State, Verdict};
use crate::report::plot::axis::{Even, Frame, LogNines, Magnitude};
use crate::report::plot::{
    Anchor, Canvas, Drawn, INK, MUTED, Name, Plot, SCALE, SERIES, faint, picture, shortened, stroke,
};
use crate::report::slug;
use crate::stats::robust;

const REFERENCE: usize = 0;
const CANDIDATE: usize = 1;

/// `+10 %`: a change at an axis.
fn axis_change(relative: f64) -> String {
    let percent = 100.0 * relative;
    let digits = usize::from(percent.fract().abs() > 1e-6 && percent.abs() < 10.0);
    if percent.abs() < 1e-9 { "0 %".to_owned() } else { format!("{percent:+.digits$} %") }
}

/// The end of a label, which is where labels of one axis differ.
fn its_end(label: &str, most: usize) -> String {
    let length = label.chars().count();
    if length <= most {
        return label.to_owned();
    }
    let end: String = label.chars().skip(length - most + 1).collect();
    format!("\u{2026}{end}")
}

/// Effects with their intervals, one row for each metric.
pub(super) fn forest(comparison: &Comparison) -> Result<Plot> {
    const ROW: i32 = 22;
    let rows: Vec<(&Pair, &Judged)> = comparison
        .pairs
        .iter()
        .flat_map(|pair| {
            pair.metrics.iter().filter(|judged| judged.effect.is_some()).map(move |judged| (pair, judged))
        })
        .collect();
    let height = 120 + ROW * rows.len().max(1) as i32;
    let ends = |(_, judged): &(&Pair, &Judged)| {
        let (low, high) =
            judged.interval.unwrap_or((judged.effect.unwrap_or(0.0), judged.effect.unwrap_or(0.0)));
        let margin = judged.margin.unwrap_or(0.0);
        [low, high, margin, -margin].map(|end| end.clamp(-0.9, 3.0))
    };
    let svg =
        picture(height, "Change of each metric", "with its 95 % interval; grey is the margin", |canvas| {
            let frame = Frame {
                x: Even::holding(rows.iter().flat_map(ends), axis_change),
                y: Even::between(0.0, 1.0, |_| String::new()),
                left: 330,
                right: 720,
                top: 66,
                bottom: height - 52,
            };
            frame.draw(canvas, 1, true)?;
            let below = ((frame.left + frame.right) / 2, height - 16);
            canvas.text("change of the candidate", below, 12, MUTED, Anchor::Middle)?;
            if rows.is_empty() {
                return frame.say(canvas, "no effects");
            }
            let (zero, _) = frame.at(0.0, 0.0);
            canvas.path(vec![(zero, frame.top * SCALE), (zero, frame.bottom * SCALE)], stroke(INK, 1.0))?;
            for (nth, (pair, judged)) in rows.iter().enumerate() {
                let y = frame.top + ROW / 2 + ROW * nth as i32 + 1;
                forest_row(canvas, &frame, y, pair, judged)?;
            }
            Ok(())
        })?;
    Ok(Plot {
        file: "forest.svg".to_owned(),
        reading: "A bar clear of the line in the middle is a change; one clear of the grey, a change that matters; one \
                  within the grey, none that does. For throughput, right is better; for the rest, left.",
        svg,
    })
}

fn forest_row(canvas: &Canvas<'_>, frame: &Frame<Even, Even>, y: i32, pair: &Pair, judged: &Judged) -> Drawn {
    let x = |change: f64| frame.at(change, 0.0).0;
    let label =
        format!("{}, {}: {}", shortened(&pair.workload, 14), its_end(&pair.candidate, 24), judged.metric);
    canvas.text(&label, (frame.left - 12, y), 12, INK, Anchor::End)?;
    if let Some(margin) = judged.margin {
        let (low, high) = (x(-margin), x(margin));
        let (top, bottom) = ((y - 8) * SCALE, (y + 8) * SCALE);
        canvas.band(&[(low, top), (high, top)], &[(low, bottom), (high, bottom)], MUTED)?;
    }
    let color = match judged.verdict {
        Some(Verdict::Regressed) => SERIES[1],
        Some(Verdict::Improved) => SERIES[2],
        Some(Verdict::Equivalent) => SERIES[0],
        Some(Verdict::Inconclusive) | None => MUTED,
    };
    if let Some((low, high)) = judged.interval {
        canvas.path(vec![(x(low), y * SCALE), (x(high), y * SCALE)], stroke(color, 2.5))?;
    }
    canvas.dot((x(judged.effect.unwrap_or(0.0)), y * SCALE), 4, color)?;
    let verdict = judged.verdict.map_or("not a gate", Verdict::word);
    canvas.text(verdict, (frame.right + 12, y), 11, color, Anchor::Start)
}

/// Both sides' quantiles, and how far the candidate's lie from the reference's.
pub(super) fn curves(pair: &Pair, nth: usize, curves: &Curves) -> Result<[Plot; 2]> {
    const HEIGHT: i32 = 400;
    let stem = format!("{}-{nth}", slug(&pair.workload));
    let last = curves.nines.last().copied().unwrap_or(1.0);
    // Half of 10^nines samples make an axis that ends there.
    let axis = || LogNines::for_samples((10f64.powf(last) / 2.0) as u64);
    let sides =
        [(&curves.reference, &pair.reference, REFERENCE), (&curves.candidate, &pair.candidate, CANDIDATE)];
    let title = format!("{}: {}", pair.workload, curves.title);
    let quantiles = picture(HEIGHT, &title, "bands: 95 %, from whole blocks drawn again", |canvas| {
        let ends = || sides.iter().flat_map(|(band, ..)| band.low.iter().chain(&band.high)).copied();
        let (low, high) = (ends().fold(f64::MAX, f64::min), ends().fold(0.0, f64::max));
        let y = Magnitude::holding(low as u64, high as u64, curves.unit);
        let frame = Frame { x: axis(), y, left: 80, right: 648, top: 66, bottom: HEIGHT - 52 };
        frame.draw(canvas, 10, true)?;
        let below = ((frame.left + frame.right) / 2, HEIGHT - 16);
        canvas.text("percentile", below, 12, MUTED, Anchor::Middle)?;
        let mut names = Vec::new();
        for (band, label, color) in sides {
            let place = |values: &[f64]| -> Vec<_> {
                curves.nines.iter().zip(values).map(|(x, y)| frame.at(*x, *y)).collect()
            };
            canvas.band(&place(&band.low), &place(&band.high), SERIES[color])?;
            let line = place(&band.center);
            let end = line.last().map_or(0, |(_, y)| *y);
            canvas.path(line, stroke(SERIES[color], 2.0))?;
            names.push(Name::of_line(end, SERIES[color], label));
        }
        canvas.names(&frame, names)
    })?;
    let title = format!("{}: quantile shift", pair.workload);
    let shift = picture(HEIGHT, &title, "change of each quantile; band: 95 %", |canvas| {
        let band = &curves.shift;
        let relative = |values: &[f64]| values.iter().map(|log| log.exp_m1()).collect::<Vec<_>>();
        let (low, center, high) = (relative(&band.low), relative(&band.center), relative(&band.high));
        let held = low.iter().chain(&high).map(|value| value.clamp(-0.9, 3.0));
        let y = Even::holding(held, axis_change);
        let frame = Frame { x: axis(), y, left: 80, right: 820, top: 66, bottom: HEIGHT - 52 };
        frame.draw(canvas, 10, true)?;
        let below = ((frame.left + frame.right) / 2, HEIGHT - 16);
        canvas.text("percentile", below, 12, MUTED, Anchor::Middle)?;
        let (_, zero) = frame.at(0.0, 0.0);
        canvas.path(vec![(frame.left * SCALE, zero), (frame.right * SCALE, zero)], stroke(INK, 1.0))?;
        let place = |values: &[f64]| -> Vec<_> {
            curves.nines.iter().zip(values).map(|(x, y)| frame.at(*x, *y)).collect()
        };
        canvas.band(&place(&low), &place(&high), SERIES[CANDIDATE])?;
        canvas.path(place(&center), stroke(SERIES[CANDIDATE], 2.0))
    })?;
    Ok([
        Plot {
            file: format!("{stem}.curves.svg"),
            reading: "Where the bands do not meet, the sides differ at that percentile. Lower is better.",
            svg: quantiles,
        },
        Plot {
            file: format!("{stem}.shift.svg"),
            reading: "Above the line, the candidate's quantile is the higher one. A level band is a change that all \
                      operations share; one that opens to the right, a change of the tail.",
            svg: shift,
        },
    ])
}

/// Each block's effect in the order of time, and what the sentinel said.
pub(super) fn run_order(comparison: &Comparison, nth: usize, blocks: &[Block]) -> Result<Plot> {
    const HEIGHT: i32 = 420;
    let pair = &comparison.pairs[nth];
    let workload = comparison.setup.workloads.iter().position(|name| *name == pair.workload);
    let of_workload: Vec<_> = blocks.iter().filter(|block| Some(block.workload) == workload).collect();
    let spins =
        |block: &Block| block.readings.iter().map(|reading| reading.spin_ns as f64).collect::<Vec<_>>();
    let usual =
        robust::median(&of_workload.iter().flat_map(|block| spins(block)).collect::<Vec<_>>()).unwrap_or(1.0);
    let title = format!("{}: blocks in the order of time", pair.workload);
    let svg = picture(HEIGHT, &title, "above: change in each block; below: the sentinel", |canvas| {
        let shown =
            || pair.metrics.iter().filter(|judged| judged.margin.is_some() && !judged.by_block.is_empty());
        let last = comparison.setup.blocks as f64;
        let x = || Even::between(0.5, last + 0.5, |block| format!("{block:.0}"));
        let held = shown().flat_map(|judged| &judged.by_block).map(|log| log.exp_m1().clamp(-0.9, 3.0));
        let frame =
            Frame { x: x(), y: Even::holding(held, axis_change), left: 80, right: 648, top: 66, bottom: 250 };
        frame.draw(canvas, 7, false)?;
        if shown().next().is_none() {
            frame.say(canvas, "the sides have no blocks in common")?;
        }
        let mut names = Vec::new();
        for (color, judged) in shown().enumerate() {
            let color = SERIES[color % SERIES.len()];
            let at = |(nth, log): (usize, &f64)| frame.at(nth as f64 + 1.0, log.exp_m1());
            let points: Vec<_> = judged.by_block.iter().enumerate().map(at).collect();
            let end = points.last().map_or(0, |(_, y)| *y);
            points.iter().try_for_each(|point| canvas.dot(*point, 3, color))?;
            canvas.path(points, faint(color, 0.6, 1.25))?;
            names.push(Name::of_line(end, color, judged.metric.name()));
        }
        canvas.names(&frame, names)?;
        let relative = |spin: f64| spin / usual - 1.0;
        let held =
            of_workload.iter().flat_map(|block| spins(block)).map(relative).map(|off| off.clamp(-0.9, 3.0));
        let below = Frame {
            x: x(),
            y: Even::holding(held, axis_change),
            left: 80,
            right: 648,
            top: 276,
            bottom: HEIGHT - 52,
        };
        below.draw(canvas, 4, true)?;
        canvas.text("block", ((below.left + below.right) / 2, HEIGHT - 16), 12, MUTED, Anchor::Middle)?;
        for block in &of_workload {
            let color = match block.state {
                State::Kept if block.disturbed.is_none() => SERIES[2],
                State::Kept => SERIES[4],
                State::Redone => SERIES[3],
                State::Failed => SERIES[1],
            };
            let readings = spins(block);
            for (nth, spin) in readings.iter().enumerate() {
                let within = (nth as f64 + 0.5) / readings.len() as f64 - 0.5;
                canvas.dot(below.at(block.number as f64 + 0.8 * within, relative(*spin)), 2, color)?;
            }
        }
        let name = |place: i32, color: usize, text: &str| {
            Name::of_line((290 + 18 * place) * SCALE, SERIES[color], text)
        };
        canvas.names(
            &below,
            vec![
                name(0, 2, "quiet"),
                name(1, 4, "disturbed"),
                name(2, 3, "measured again"),
                name(3, 1, "failed"),
            ],
        )
    })?;
    Ok(Plot {
        file: format!("{}-{nth}.order.svg", slug(&pair.workload)),
        reading: "Effects should scatter around one level: a slope or a step says that the machine changed while it was \
                  measured. Each dot below is a fixed piece of work beside a run; higher is slower.",
        svg,
    })
}
