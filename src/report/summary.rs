//! The account on the terminal: what a person wants to know first. Next: `dir.rs`.
//!
//! Why a run failed is not told here: whoever ran it says so at once, on the other stream.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use workloads::wire::count;

use super::model::{Durations, Plugin, Report, Status, Stream, Warning, Workload};
use super::units;

/// The percentiles that fit on a line.
const SHOWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// Stands behind a figure that the load generator may have made worse.
const MARK: char = '*';

/// Characters of a warning on one line, after its label.
const WIDTH: usize = 90;

/// How a piece of text stands out.
#[derive(Clone, Copy)]
enum Style {
    Bold,
    Dim,
    Good,
    Warn,
    Bad,
}

/// Writes lines, with ANSI colours or without.
struct Terminal {
    text: String,
    color: bool,
}

impl Terminal {
    fn paint(&self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Warn => "33;1",
            Style::Bad => "31;1",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn warning(&mut self, warning: &Warning) {
        const LABEL: &str = "warning:";
        let mut label = self.paint(Style::Warn, LABEL);
        let texts = [Some(&warning.text), warning.action.as_ref()];
        for line in texts.into_iter().flatten().flat_map(|text| wrapped(&units::printable(text))) {
            self.line(&format!("{label} {line}"));
            label = " ".repeat(LABEL.len());
        }
    }
}

/// Lines of at most [`WIDTH`] characters, broken between words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Tells `report`.
pub(super) fn text(report: &Report, color: bool) -> String {
    let mut out = Terminal { text: String::new(), color };
    let name = out.paint(Style::Bold, &units::printable(&report.profile.name));
    let status = out.paint(status_style(report.status), report.status.word());
    let on =
        report.machine.logical_cores.map_or_else(String::new, |cores| format!(" on {cores} logical cores"));
    let engine = report.workloads.iter().find_map(|workload| workload.engine.as_ref());
    let engine = engine.map_or_else(String::new, |engine| format!(", {engine}"));
    let engine = units::printable(&engine);
    out.line(&format!("{name}: {status}{engine}{on}"));
    for workload in &report.workloads {
        tell(&mut out, workload);
    }
    if !report.warnings.is_empty() {
        out.line("");
        report.warnings.iter().for_each(|warning| out.warning(warning));
    }
    out.text
}

fn tell(out: &mut Terminal, workload: &Workload) {
    out.line("");
    let name = out.paint(Style::Bold, &units::printable(&workload.name));
    let status = out.paint(status_style(workload.status), workload.status.word());
    let window =
        workload.measured_ns.map_or_else(|| "nothing measured".to_owned(), |ns| units::tick(ns as f64));
    out.line(&format!("{name}  {status}, {window}"));
    if let Some(plugin) = &workload.plugin {
        let Plugin { name, version, path, sdk, rustc } = plugin;
        let text = units::printable(&format!("{name} {version}, {path}, SDK {sdk}, {rustc}"));
        out.line(&format!("  {}  {text}", out.paint(Style::Dim, "from ")));
    }
    let rate = rate_line(workload);
    if !rate.is_empty() {
        out.line(&format!("  {}  {rate}", out.paint(Style::Dim, "rate ")));
    }
    let counts = counts_line(workload);
    if !counts.is_empty() {
        out.line(&format!("  {}  {counts}", out.paint(Style::Dim, "count")));
    }
    if let Some(cost) = &workload.per_operation {
        let cpu = units::duration(cost.cpu_ns);
        let switches = units::significant(cost.context_switches);
        let label = out.paint(Style::Dim, "cost ");
        out.line(&format!("  {label}  {cpu} of CPU and {switches} context switches an operation"));
    }
    table(out, workload);
    runtime(out, workload);
    workload.warnings.iter().for_each(|warning| out.warning(warning));
}

fn rate_line(workload: &Workload) -> String {
    let rate = &workload.rate;
    let line = match (rate.completed, rate.asked) {
        (Some(done), Some(asked)) => format!("{} of {} asked", units::rate(done), units::rate(asked)),
        (Some(done), None) => units::rate(done),
        (None, Some(asked)) => format!("{} asked", units::rate(asked)),
        (None, None) => String::new(),
    };
    match rate.would_hold {
        Some(rate) => format!("{line}: overloaded, about {} would hold", units::rate(rate)),
        None => line,
    }
}

/// The well-known counts first, then what the workload counts besides.
fn counts_line(workload: &Workload) -> String {
    // Those that are told in any case, and those that are told only if there are any.
    let known = [count::COMPLETED, count::FAILED, count::DROPPED];
    let some = [count::NOT_STARTED, count::UNFINISHED, count::DRAINED];
    let silent = [count::PLANNED, count::STARTED, count::PAST_END, count::COMPLETED_IN_WINDOW];
    let of = |name: &'static str| Some((name, *workload.counts.get(name)?));
    let of_some = some.into_iter().filter_map(of).filter(|(_, number)| *number > 0);
    let told = known.into_iter().filter_map(of).chain(of_some);
    let others = workload.counts.iter().map(|(name, number)| (name.as_str(), *number));
    let others = others.filter(|(name, _)| ![&known[..], &some, &silent].concat().contains(name));
    let words = |name: &str| match name {
        count::NOT_STARTED => "not started".to_owned(),
        count::DRAINED => "of them after the window".to_owned(),
        name => name.to_owned(),
    };
    let parts =
        told.chain(others).map(|(name, number)| format!("{} {}", units::integer(number), words(name)));
    units::printable(&parts.collect::<Vec<_>>().join(", "))
}

/// The streams, and the runtime's own histograms.
fn table(out: &mut Terminal, workload: &Workload) {
    let mut rows: Vec<Vec<String>> = workload.streams.iter().map(row).collect();
    rows.extend(workload.runtime.histograms.iter().map(|(name, of)| durations(name, of)));
    if rows.is_empty() {
        return;
    }
    let is_marked = rows.iter().flatten().any(|cell| cell.ends_with(MARK));
    if is_marked {
        // So that the digits of marked and unmarked cells stand below each other.
        let cells = rows.iter_mut().flat_map(|row| row.iter_mut().skip(1));
        cells.filter(|cell| !cell.ends_with(MARK)).for_each(|cell| cell.push(' '));
    }
    let mut header = vec![String::new()];
    header.extend(SHOWN.map(units::percentile));
    header.extend(["max".to_owned(), "samples".to_owned()]);
    rows.insert(0, header);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    for (nth, row) in rows.iter().enumerate() {
        let mut line = format!("  {:width$}", row[0], width = widths[0].max(5));
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}", width = (*width).max(7));
        }
        let line = if nth == 0 { out.paint(Style::Dim, &line) } else { line };
        out.line(&line);
    }
    if is_marked {
        out.line(&format!("  {MARK} more than a tenth of it may be the load generator's own lateness"));
    }
}

fn row(stream: &Stream) -> Vec<String> {
    let show = |value: Option<u64>, limited: bool| {
        let value = value.map_or_else(|| "-".to_owned(), |v| units::value(stream.unit, v as f64));
        if limited { format!("{value}{MARK}") } else { value }
    };
    let mut row = vec![units::printable(&stream.name)];
    row.extend(SHOWN.map(|shown| {
        let at = stream.percentiles.iter().find(|at| at.percentile == shown);
        at.map_or_else(|| show(None, false), |at| show(at.value, at.generator_limited))
    }));
    row.extend([show(stream.max, stream.max_generator_limited), units::integer(stream.count)]);
    row
}

/// A histogram of the runtime's own, which knows its values by buckets.
fn durations(name: &str, of: &Durations) -> Vec<String> {
    let about = |ns: f64| format!("~{}", units::duration(ns));
    let figures = [of.p50, of.p90, of.p99, of.p999, of.max].map(about);
    [vec![units::printable(name)], figures.into(), vec![units::integer(of.count)]].concat()
}

/// What the runtime told of itself: how busy its workers were, what waited, who stole from whom.
fn runtime(out: &mut Terminal, workload: &Workload) {
    for (label, text) in [
        ("work ", work(workload)),
        ("queue", queues(workload)),
        ("steal", steals(workload)),
        ("stuck", stuck(workload)),
    ] {
        if let Some(text) = text {
            out.line(&format!("  {}  {}", out.paint(Style::Dim, label), units::printable(&text)));
        }
    }
}

fn work(workload: &Workload) -> Option<String> {
    let workers = &workload.runtime.workers;
    let sum = |name: &str| {
        let mut found = workers.iter().filter_map(|worker| worker.get(name)).peekable();
        found.peek()?;
        Some(found.sum::<u64>() as f64)
    };
    let account = workload.account.as_ref()?;
    let busy = sum("busy_ns")? / workers.len() as f64 / (account.end_ns - account.start_ns) as f64;
    let number = workers.len();
    let mut text = format!(
        "{number} worker{} awake for {:.0} %",
        if number == 1 { "" } else { "s" },
        (busy * 100.0).min(100.0)
    );
    let each = |name| {
        let count = sum(name).filter(|_| account.completed > 0)?;
        Some(format!("{} {name}", units::significant(count / account.completed as f64)))
    };
    let counted: Vec<_> = ["polls", "parks"].into_iter().filter_map(each).collect();
    if !counted.is_empty() {
        let _ = write!(text, ", {} an operation", counted.join(" and "));
    }
    if let Some(mean) = workload.runtime.levels.get("mean_poll_ns") {
        let _ = write!(text, ", mean poll {}", units::duration(mean.mean));
    }
    Some(text)
}

fn queues(workload: &Workload) -> Option<String> {
    let shown =
        [("global", "global_queue"), ("workers' own", "local_queues"), ("blocking", "blocking_queue")];
    let shown = shown.into_iter().filter_map(|(words, name)| {
        let level = workload.runtime.levels.get(name)?;
        Some(format!("{words} {} (most {})", units::significant(level.mean), units::integer(level.max)))
    });
    let shown: Vec<_> = shown.collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// Up to four workers by thief and victim, more of them in one sum: the page has the whole table.
fn steals(workload: &Workload) -> Option<String> {
    let rows = &workload.runtime.steals;
    let all: u64 = rows.iter().flatten().sum();
    if all == 0 {
        return None;
    }
    let mut text = format!("{} tasks", units::integer(all));
    if rows.len() <= 4 {
        let pairs = rows.iter().enumerate().flat_map(|(thief, row)| {
            let some = row.iter().enumerate().filter(|(_, count)| **count > 0);
            some.map(move |(victim, count)| {
                format!("worker {thief} {} from {victim}", units::integer(*count))
            })
        });
        let _ = write!(text, ": {}", pairs.collect::<Vec<_>>().join(", "));
    }
    Some(text)
}

fn stuck(workload: &Workload) -> Option<String> {
    let counters = workload.runtime.workers.iter().filter_map(|worker| worker.get("stuck_polls"));
    let stuck: u64 = counters.sum();
    (stuck > 0).then(|| format!("{} polls ran for longer than the threshold", units::integer(stuck)))
}

fn status_style(status: Status) -> Style {
    match status {
        Status::Complete => Style::Good,
        Status::Interrupted => Style::Warn,
        Status::Failed => Style::Bad,
    }
}
