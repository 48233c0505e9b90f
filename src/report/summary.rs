//! The account on the terminal: what a person wants to know first. Next: `dir.rs`.
//!
//! Why a run failed is not told here: whoever ran it says so at once, on the other stream.
#![forbid(unsafe_code)]

use std::fmt::Write as _;

use workloads::wire::count;

use super::model::{Plugin, Report, Status, Stream, Warning, Workload};
use super::units;

/// The percentiles that fit on a line.
const SHOWN: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

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
    let engine = engine.map_or_else(String::new, |engine| format!(", {} {}", engine.name, engine.version));
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
    table(out, &workload.streams);
    workload.warnings.iter().for_each(|warning| out.warning(warning));
}

fn rate_line(workload: &Workload) -> String {
    let rate = &workload.rate;
    match (rate.completed, rate.asked) {
        (Some(done), Some(asked)) => format!("{} of {} asked", units::rate(done), units::rate(asked)),
        (Some(done), None) => units::rate(done),
        (None, Some(asked)) => format!("{} asked", units::rate(asked)),
        (None, None) => String::new(),
    }
}

/// The well-known counts first, then what the workload counts besides.
fn counts_line(workload: &Workload) -> String {
    let known = [count::COMPLETED, count::FAILED, count::DROPPED];
    let silent = [count::PLANNED, count::STARTED];
    let of_known = known.iter().filter_map(|&name| Some((name, *workload.counts.get(name)?)));
    let others = workload.counts.iter().map(|(name, number)| (name.as_str(), *number));
    let others = others.filter(|(name, _)| !known.contains(name) && !silent.contains(name));
    let parts = of_known.chain(others).map(|(name, number)| format!("{} {name}", units::integer(number)));
    units::printable(&parts.collect::<Vec<_>>().join(", "))
}

fn table(out: &mut Terminal, streams: &[Stream]) {
    if streams.is_empty() {
        return;
    }
    let mut header = vec![String::new()];
    header.extend(SHOWN.map(units::percentile));
    header.extend(["max".to_owned(), "samples".to_owned()]);
    let rows: Vec<Vec<String>> = std::iter::once(header).chain(streams.iter().map(row)).collect();
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
}

fn row(stream: &Stream) -> Vec<String> {
    let show =
        |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |v| units::value(stream.unit, v as f64));
    let at = |shown: f64| stream.percentiles.iter().find(|at| at.percentile == shown).and_then(|at| at.value);
    let mut row = vec![units::printable(&stream.name)];
    row.extend(SHOWN.map(|shown| show(at(shown))));
    row.extend([show(stream.max), units::integer(stream.count)]);
    row
}

fn status_style(status: Status) -> Style {
    match status {
        Status::Complete => Style::Good,
        Status::Interrupted => Style::Warn,
        Status::Failed => Style::Bad,
    }
}
