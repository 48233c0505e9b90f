//! Latency by percentile on a log-nines axis, all streams of a workload. Next: `series.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use hdrhistogram::Histogram;
use workloads::wire::Unit;

use super::axis::{Frame, LogNines, Magnitude};
use super::{Anchor, Canvas, Drawn, MUTED, Name, Plot, SERIES, faint, picture, shortened, stroke};
use crate::report::decode::{Measured, MeasuredStream};
use crate::report::units;

const HEIGHT: i32 = 430;
/// With fewer samples beyond, the curve is drawn faint.
const SURE_BEYOND: f64 = 10.0;

/// One plot for each unit that the streams have.
pub(super) fn of(run: &Measured<'_>) -> Result<Vec<Plot>> {
    let of_unit =
        |unit: Unit| run.streams.iter().filter(move |stream| stream.info.unit == unit).collect::<Vec<_>>();
    let (times, counts) = (of_unit(Unit::Nanoseconds), of_unit(Unit::Count));
    let mut plots = Vec::new();
    if !times.is_empty() || counts.is_empty() {
        plots.push(plot(run, &times, Unit::Nanoseconds)?);
    }
    if !counts.is_empty() {
        plots.push(plot(run, &counts, Unit::Count)?);
    }
    Ok(plots)
}

fn plot(run: &Measured<'_>, streams: &[&MeasuredStream], unit: Unit) -> Result<Plot> {
    let (what, file) = match unit {
        Unit::Nanoseconds => ("latency by percentile", "percentiles"),
        Unit::Count => ("values by percentile", "percentiles-count"),
    };
    let title = format!("{}: {what}", run.record.name);
    let subtitle = "faint where fewer than 10 samples lie beyond";
    let svg = picture(HEIGHT, &title, subtitle, |canvas| draw(canvas, streams, unit))?;
    Ok(Plot {
        file: format!("{}.{file}.svg", run.slug),
        reading: "Read up from a percentile: that share of the operations took no longer than the curve says. \
                  Each step to the right is ten times rarer. Lower and flatter is better.",
        svg,
    })
}

fn draw(canvas: &Canvas<'_>, streams: &[&MeasuredStream], unit: Unit) -> Drawn {
    let filled = || streams.iter().enumerate().filter(|(_, stream)| !stream.total.is_empty());
    let most = filled().map(|(_, stream)| stream.total.len()).max();
    let low = filled().map(|(_, stream)| stream.total.min()).min().unwrap_or(1_000);
    let high = filled().map(|(_, stream)| stream.total.max()).max().unwrap_or(1_000_000);
    let frame = Frame {
        x: LogNines::for_samples(most.unwrap_or(1)),
        y: Magnitude::holding(low, high, unit),
        left: 80,
        right: 648,
        top: 66,
        bottom: HEIGHT - 52,
    };
    frame.draw(canvas, 11, true)?;
    canvas.text("percentile", ((frame.left + frame.right) / 2, HEIGHT - 16), 12, MUTED, Anchor::Middle)?;
    if most.is_none() {
        return frame.say(canvas, "no samples");
    }
    let mut names = Vec::new();
    for (nth, stream) in filled() {
        let color = SERIES[nth % SERIES.len()];
        let (sure, unsure) = curve(&stream.total);
        let place = |points: Curve| thinned(points.into_iter().map(|(x, y)| frame.at(x, y)).collect());
        let (sure, unsure) = (place(sure), place(unsure));
        let end = unsure.last().or(sure.last()).copied().unwrap_or_default();
        canvas.path(unsure, faint(color, 0.45, 2.0))?;
        canvas.path(sure, stroke(color, 2.0))?;
        canvas.dot(end, 3, color)?;
        let max = units::value(unit, stream.total.max() as f64);
        let name = format!("{}, max {max}", shortened(&stream.info.name, 12));
        names.push(Name::of_line(end.1, color, &name));
    }
    canvas.names(&frame, names)
}

/// Places on the axis and values.
type Curve = Vec<(f64, f64)>;

/// The curve as places on the axis and values: up to where enough samples lie beyond, and from there on. The largest
/// sample has no share beyond it, so it stands in the middle of the last sample's share.
fn curve(total: &Histogram<u64>) -> (Curve, Curve) {
    let samples = total.len();
    let (mut sure, mut unsure) = (vec![(0.0, total.min() as f64)], Vec::new());
    let mut seen = 0;
    for step in total.iter_recorded() {
        seen += step.count_at_value();
        let beyond = ((samples - seen) as f64).max(0.5);
        let point = (LogNines::nines(samples, beyond), step.value_iterated_to() as f64);
        if beyond >= SURE_BEYOND {
            sure.push(point);
        } else {
            if unsure.is_empty() {
                unsure.extend(sure.last().copied());
            }
            unsure.push(point);
        }
    }
    (sure, unsure)
}

/// Leaves out the points that fall on the one before.
fn thinned(mut points: Vec<(i32, i32)>) -> Vec<(i32, i32)> {
    points.dedup();
    points
}
