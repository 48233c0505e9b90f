//! Latency and rate over time: a panel for each stream, and one for the rate. Next: `runtime.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use plotters::prelude::*;
use workloads::wire::count;

use super::axis::{Frame, FromZero, Magnitude, round_up};
use super::{Anchor, Canvas, Drawn, INK, MUTED, Name, Plot, SERIES, Undrawn, picture, shortened, stroke};
use crate::report::assemble::asked_rate;
use crate::report::decode::{Measured, MeasuredStream, Slice};
use crate::report::units;

/// Left and right edge of every panel.
pub(super) const EDGES: (i32, i32) = (80, 712);
/// Where the first panel begins.
pub(super) const FIRST: i32 = 58;
/// Height of a panel's heading, of its frame for latency and for the rate, and the gap below.
pub(super) const HEADING: i32 = 26;
const LATENCY: i32 = 150;
const RATE: i32 = 110;
pub(super) const GAP: i32 = 18;

/// The plot of one run.
pub(super) fn of(run: &Measured<'_>) -> Result<Plot> {
    let title = format!("{}: over time", run.record.name);
    let panels = run.streams.len() as i32;
    let height = FIRST + panels * (HEADING + LATENCY + GAP) + HEADING + RATE + 46;
    let width_ns = run.groups.first().map(|group| {
        let (first, last) = (&run.record.intervals[group.start], &run.record.intervals[group.end - 1]);
        last.end_ns.saturating_sub(first.start_ns)
    });
    let subtitle = match width_ns {
        None => "nothing was measured".to_owned(),
        Some(ns) => format!("each point stands for {}", units::tick(ns as f64)),
    };
    let svg = picture(height, &title, &subtitle, |canvas| draw(canvas, run))?;
    Ok(Plot {
        file: format!("{}.over-time.svg", run.slug),
        reading: "Level lines mean a steady run. A step or a slope says that the run had not settled; a lone peak \
                  of the maximum is a stall. The rate should lie on the dashed line, which is what was asked.",
        svg,
    })
}

fn draw(canvas: &Canvas<'_>, run: &Measured<'_>) -> Drawn {
    let ends = run.record.intervals.iter().map(|interval| interval.end_ns);
    let end = ends.max().unwrap_or(run.record.plan.duration_ns) as f64;
    let mut top = FIRST;
    for stream in &run.streams {
        let name = format!("{} \u{2013} {}", stream.info.name, stream.info.title);
        heading(canvas, top, &shortened(&name, 100))?;
        latency(canvas, run, stream, top + HEADING, end)?;
        top += HEADING + LATENCY + GAP;
    }
    heading(canvas, top, "rate \u{2013} operations a second")?;
    rate(canvas, run, top + HEADING, end)
}

pub(super) fn heading(canvas: &Canvas<'_>, top: i32, text: &str) -> Drawn {
    canvas.text(text, (EDGES.0, top + HEADING / 2), 12, INK, Anchor::Start)
}

pub(super) fn frame<Y>(y: Y, top: i32, height: i32, end: f64) -> Frame<FromZero, Y> {
    Frame { x: FromZero::to(end, units::tick), y, left: EDGES.0, right: EDGES.1, top, bottom: top + height }
}

/// The middle of each group of intervals, in nanoseconds.
pub(super) fn middles(run: &Measured<'_>) -> Vec<f64> {
    let middle = |group: &std::ops::Range<usize>| {
        let (first, last) = (&run.record.intervals[group.start], &run.record.intervals[group.end - 1]);
        (first.start_ns as f64 + last.end_ns as f64) / 2.0
    };
    run.groups.iter().map(middle).collect()
}

fn latency(canvas: &Canvas<'_>, run: &Measured<'_>, stream: &MeasuredStream, top: i32, end: f64) -> Drawn {
    type Line = (&'static str, fn(&Slice) -> Option<u64>, usize, f64);
    let lines: [Line; 3] = [
        ("max", |slice| slice.max, 3, 1.0),
        ("p99", |slice| slice.p99, 1, 1.75),
        ("p50", |slice| slice.p50, 0, 1.75),
    ];
    let shown = || stream.grouped.iter().flat_map(|slice| [slice.p50, slice.p99, slice.max]).flatten();
    let Some((low, high)) = shown().min().zip(shown().max()) else {
        let frame = frame(Magnitude::holding(1_000, 1_000_000, stream.info.unit), top, LATENCY, end);
        frame.draw(canvas, 5, false)?;
        return frame.say(canvas, "no samples");
    };
    let frame = frame(Magnitude::holding(low, high, stream.info.unit), top, LATENCY, end);
    frame.draw(canvas, 6, false)?;
    let mut names = Vec::new();
    for (name, value, color, width) in lines {
        let values = stream.grouped.iter().map(|slice| value(slice).map(|value| value as f64));
        let points = middles(run).into_iter().zip(values);
        let points = points.map(|(x, y)| y.map(|y| frame.at(x, y)));
        names.extend(
            line(canvas, points, SERIES[color], width)?.map(|y| Name::of_line(y, SERIES[color], name)),
        );
    }
    canvas.names(&frame, names)
}

fn rate(canvas: &Canvas<'_>, run: &Measured<'_>, top: i32, end: f64) -> Drawn {
    let per_second = |name: &'static str| {
        let of_group = move |group: &std::ops::Range<usize>| {
            let intervals = &run.record.intervals[group.clone()];
            let number: u64 = intervals.iter().filter_map(|interval| interval.counts.get(name)).sum();
            let ns: u64 =
                intervals.iter().map(|interval| interval.end_ns.saturating_sub(interval.start_ns)).sum();
            (ns > 0).then(|| number as f64 * 1e9 / ns as f64)
        };
        run.groups.iter().map(of_group).collect::<Vec<_>>()
    };
    let asked = asked_rate(run.record);
    let by_time =
        run.record.intervals.iter().any(|interval| interval.counts.contains_key(count::COMPLETED_IN_WINDOW));
    let of_completed = if by_time { count::COMPLETED_IN_WINDOW } else { count::COMPLETED };
    let completed = per_second(of_completed);
    let high = completed.iter().flatten().copied().chain(asked).fold(0.0, f64::max);
    let frame = frame(FromZero::to(room_above(high), units::plain_tick), top, RATE, end);
    frame.draw(canvas, 4, true)?;
    let below = ((frame.left + frame.right) / 2, frame.bottom + 34);
    canvas.text("time since the window began", below, 12, MUTED, Anchor::Middle)?;
    if completed.is_empty() {
        return frame.say(canvas, "no samples");
    }
    let mut names = Vec::new();
    let lines =
        [("completed", of_completed, 2), ("failed", count::FAILED, 1), ("dropped", count::DROPPED, 4)];
    for (name, counted, color) in lines {
        let values = per_second(counted);
        let nothing = values.iter().flatten().all(|&rate| rate == 0.0);
        if counted != of_completed && nothing {
            continue;
        }
        let points = middles(run).into_iter().zip(values);
        let points = points.map(|(x, y)| y.map(|y| frame.at(x, y)));
        names.extend(
            line(canvas, points, SERIES[color], 1.75)?.map(|y| Name::of_line(y, SERIES[color], name)),
        );
    }
    // Last, so that it shows on a rate that is as asked.
    if let Some(asked) = asked {
        let (_, y) = frame.at(0.0, asked);
        canvas.dashed(y, (frame.left, frame.right), stroke(INK, 1.25))?;
        names.push(Name { dashed: true, ..Name::of_line(y, INK, "asked") });
    }
    canvas.names(&frame, names)
}

/// The end of an axis that leaves some room above `high`.
pub(super) fn room_above(high: f64) -> f64 {
    let high = if high > 0.0 { high } else { 1.0 };
    let step = round_up(high / 5.0);
    (high * 1.08 / step).ceil() * step
}

/// Draws a line with gaps where points are missing, and says at which height it ends.
pub(super) fn line(
    canvas: &Canvas<'_>,
    points: impl Iterator<Item = Option<(i32, i32)>>,
    color: RGBColor,
    width: f64,
) -> Result<Option<i32>, Undrawn> {
    let points: Vec<_> = points.collect();
    for unbroken in points.split(Option::is_none) {
        let unbroken: Vec<_> = unbroken.iter().flatten().copied().collect();
        // A line needs two points; one alone would not be seen.
        if let [point] = unbroken[..] {
            canvas.dot(point, 3, color)?;
        }
        canvas.path(unbroken, stroke(color, width))?;
    }
    Ok(points.into_iter().flatten().next_back().map(|(_, y)| y))
}
