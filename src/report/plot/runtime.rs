//! What the runtime told of itself over time: how busy its workers were, what they did, what waited, and for how long.
//! Next: `../hlog.rs`.
#![forbid(unsafe_code)]

use anyhow::Result;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use workloads::wire::{RuntimeCounters, Unit};

use super::axis::{Frame, FromZero, Magnitude};
use super::series::{EDGES, FIRST, GAP, HEADING, frame, heading, line, middles, room_above};
use super::{Anchor, Canvas, Drawn, MUTED, Name, Plot, SERIES, picture};
use crate::report::decode::Measured;
use crate::report::model::Counters;
use crate::report::{insight, units};

/// Height of a panel's frame.
const PANEL: i32 = 110;

/// The runtime's counters over one point of the plot.
struct Point {
    seconds: f64,
    counters: Counters,
}

/// A line: its name, and its value at each point.
type Line = (String, Vec<Option<f64>>);

/// How a panel's values stand.
enum Scale {
    /// From nothing, with ticks like these.
    FromZero(fn(f64) -> String),
    /// By the magnitude of nanoseconds.
    Times,
}

struct Panel {
    heading: &'static str,
    scale: Scale,
    lines: Vec<Line>,
}

/// The plot of one run. `None`: its runtime told nothing.
pub(super) fn of(run: &Measured<'_>) -> Result<Option<Plot>> {
    let points: Vec<_> = run.groups.iter().map(|group| point(run, group)).collect();
    let panels: Vec<_> =
        [workers(&points), rates(&points), queues(&points), times(&points)].into_iter().flatten().collect();
    if panels.is_empty() {
        return Ok(None);
    }
    let title = format!("{}: the runtime over time", run.record.name);
    let height = FIRST + panels.len() as i32 * (HEADING + PANEL + GAP) + 28;
    let svg = picture(height, &title, "as it counted itself", |canvas| draw(canvas, run, &panels))?;
    Ok(Some(Plot {
        file: format!("{}.runtime.svg", run.slug),
        reading: "Why the latency is as it is: a worker that is always awake has no room left, a queue that grows holds \
                  what waits for one, and polls that take long hold up whatever shares their worker.",
        svg,
    }))
}

fn point(run: &Measured<'_>, group: &std::ops::Range<usize>) -> Point {
    let slices = &run.record.intervals[group.clone()];
    let ns: u64 = slices.iter().map(|slice| slice.end_ns.saturating_sub(slice.start_ns)).sum();
    let together: RuntimeCounters = insight::sum(slices.iter().map(|slice| &slice.runtime));
    Point { seconds: ns as f64 / 1e9, counters: insight::counters(&together) }
}

/// A panel, if any of its lines has anything to show.
fn panel(heading: &'static str, scale: Scale, lines: Vec<Line>) -> Option<Panel> {
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|(_, values)| values.iter().any(Option::is_some))
        .take(SERIES.len())
        .collect();
    (!lines.is_empty()).then_some(Panel { heading, scale, lines })
}

fn per_second(points: &[Point], count: impl Fn(&Counters) -> Option<f64>) -> Vec<Option<f64>> {
    let rate =
        |point: &Point| count(&point.counters).filter(|_| point.seconds > 0.0).map(|n| n / point.seconds);
    points.iter().map(rate).collect()
}

fn workers(points: &[Point]) -> Option<Panel> {
    let number = points.iter().map(|point| point.counters.workers.len()).max()?;
    let share = |worker: usize| {
        let busy =
            |counters: &Counters| counters.workers.get(worker)?.get("busy_ns").map(|ns| *ns as f64 / 1e7);
        // A worker that did not sleep within a slice has its time counted in a later one.
        per_second(points, busy).into_iter().map(|value| value.map(|share| share.min(100.0))).collect()
    };
    let lines = (0..number).map(|worker| (format!("worker {worker}"), share(worker)));
    panel(
        "workers \u{2013} per cent of the time that each was awake",
        Scale::FromZero(units::plain_tick),
        lines.collect(),
    )
}

fn rates(points: &[Point]) -> Option<Panel> {
    let summed = |name: &'static str| {
        move |counters: &Counters| {
            let mut found = counters.workers.iter().filter_map(|worker| worker.get(name)).peekable();
            found.peek()?;
            Some(found.map(|count| *count as f64).sum())
        }
    };
    let lines = [("polls", "polls"), ("parks", "parks"), ("tasks stolen", "stolen_tasks")];
    let lines = lines.map(|(label, name)| (label.to_owned(), per_second(points, summed(name))));
    let some = |line: &Line| line.1.iter().flatten().any(|rate| *rate > 0.0);
    panel(
        "workers \u{2013} events a second, all together",
        Scale::FromZero(units::plain_tick),
        lines.into_iter().filter(some).collect(),
    )
}

fn queues(points: &[Point]) -> Option<Panel> {
    let most = |name: &str| {
        points.iter().map(|point| point.counters.levels.get(name).map(|level| level.max as f64)).collect()
    };
    let lines =
        [("global", "global_queue"), ("workers' own", "local_queues"), ("blocking", "blocking_queue")];
    let lines: Vec<Line> = lines.map(|(label, name)| (label.to_owned(), most(name))).into();
    panel("queues \u{2013} most that was seen waiting", Scale::FromZero(units::plain_tick), lines)
}

fn times(points: &[Point]) -> Option<Panel> {
    let p99 = |name: &str| {
        points.iter().map(|point| point.counters.histograms.get(name).map(|of| of.p99)).collect()
    };
    let mean = points
        .iter()
        .map(|point| point.counters.levels.get("mean_poll_ns").map(|level| level.mean))
        .collect();
    let lines = vec![
        ("mean poll".to_owned(), mean),
        ("poll p99".to_owned(), p99("poll_time")),
        ("schedule p99".to_owned(), p99("schedule_latency")),
        ("blocking p99".to_owned(), p99("blocking_latency")),
    ];
    panel("times \u{2013} of polls, and of the wait for a poll or for a blocking thread", Scale::Times, lines)
}

fn draw(canvas: &Canvas<'_>, run: &Measured<'_>, panels: &[Panel]) -> Drawn {
    let end = run.record.intervals.iter().map(|interval| interval.end_ns).max().unwrap_or(0) as f64;
    let middles = middles(run);
    let mut top = FIRST;
    for (nth, panel) in panels.iter().enumerate() {
        heading(canvas, top, panel.heading)?;
        let values = || panel.lines.iter().flat_map(|(_, values)| values).flatten().copied();
        let is_last = nth + 1 == panels.len();
        let high = values().fold(0.0, f64::max);
        match panel.scale {
            Scale::FromZero(format) => {
                let axis = FromZero::to(room_above(high), format);
                lines(canvas, &frame(axis, top + HEADING, PANEL, end), &middles, panel, is_last)?;
            }
            Scale::Times => {
                let low = values().fold(f64::INFINITY, f64::min);
                let axis = Magnitude::holding(low as u64, high as u64, Unit::Nanoseconds);
                lines(canvas, &frame(axis, top + HEADING, PANEL, end), &middles, panel, is_last)?;
            }
        }
        top += HEADING + PANEL + GAP;
    }
    let below = ((EDGES.0 + EDGES.1) / 2, top - GAP + 34);
    canvas.text("time since the window began", below, 12, MUTED, Anchor::Middle)
}

fn lines<Y>(
    canvas: &Canvas<'_>,
    frame: &Frame<FromZero, Y>,
    middles: &[f64],
    panel: &Panel,
    label_x: bool,
) -> Drawn
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    frame.draw(canvas, 4, label_x)?;
    let mut names = Vec::new();
    for ((name, values), color) in panel.lines.iter().zip(SERIES) {
        let points = middles.iter().zip(values).map(|(x, y)| y.map(|y| frame.at(*x, y)));
        let ends = line(canvas, points, color, 1.75)?;
        names.extend(ends.map(|y| Name::of_line(y, color, name)));
    }
    canvas.names(frame, names)
}
