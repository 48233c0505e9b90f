//! The terminal's table, with a small picture of each interval.
//!
//! Next file to read: `markdown.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::super::model::{Comparison, Judged, Outcome, Pair, Verdict};
use super::{change, figure, interval, p, sentence, share};
use crate::report::units;
use crate::term::table;

/// Counters that are shown beside the verdicts.
const COUNTERS: usize = 4;
/// Half the width of a picture.
const HALF: i32 = 12;
/// Margins from the middle of a picture to its end.
const REACH: f64 = 4.0;

/// The comparison as text, with colours for a terminal or without.
pub(crate) fn text(comparison: &Comparison, color: bool) -> String {
    let setup = &comparison.setup;
    let mut text = String::new();
    for pair in &comparison.pairs {
        text.push_str(&tell(pair, color));
        text.push('\n');
    }
    for failure in &comparison.failures {
        text.push_str(&format!("failed: {}\n", units::printable(failure)));
    }
    for warning in &comparison.warnings {
        text.push_str(&format!("{} {}\n", paint(color, "33", "warning:"), units::printable(warning)));
    }
    let code = match comparison.outcome {
        Outcome::Pass => "32;1",
        Outcome::Inconclusive | Outcome::Interrupted | Outcome::TooNoisy => "33;1",
        Outcome::Regression | Outcome::RunFailed | Outcome::BadInput => "31;1",
    };
    text.push_str(&format!(
        "{}: {}\n",
        units::printable(&setup.name),
        paint(color, code, sentence(comparison.outcome))
    ));
    text
}

fn tell(pair: &Pair, color: bool) -> String {
    let mut head = format!(
        "{}: {} against {}, {} blocks",
        units::printable(&pair.workload),
        units::printable(&pair.candidate),
        units::printable(&pair.reference),
        pair.blocks
    );
    for (number, what) in [(pair.redone, "redone"), (pair.failed, "failed"), (pair.disturbed, "disturbed")] {
        if number > 0 {
            head.push_str(&format!(", {number} {what}"));
        }
    }
    let mut rows = vec![
        ["", "reference", "candidate", "change", "95 % interval", "", "p", "noise", "verdict"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(pair.metrics.iter().filter(|judged| shown(judged)).map(|judged| row(pair, judged)));
    let mut text = format!("{}\n", paint(color, "1", &head));
    text.push_str(&format!("  {}\n", units::printable(&engines(pair))));
    for line in table(&rows).lines() {
        text.push_str(&format!("  {}\n", colored(line, color)));
    }
    for judged in pair.metrics.iter().filter(|judged| judged.margin.is_some()) {
        if let Some(note) = note(judged) {
            text.push_str(&format!("  {}: {note}\n", judged.metric));
        }
    }
    let moved: Vec<_> = pair.counters.iter().filter(|moved| moved.significant).collect();
    for moved in moved.iter().take(COUNTERS) {
        text.push_str(&format!(
            "  counter {}: {} for each operation, {} before ({})\n",
            units::printable(&moved.name),
            small(moved.candidate),
            small(moved.reference),
            moved.effect.map_or("-".to_owned(), change),
        ));
    }
    text
}

/// Whether a metric has a row: one that decides has one even without a figure.
pub(super) fn shown(judged: &Judged) -> bool {
    judged.blocks > 0 || judged.margin.is_some()
}

/// On which engines the runs of both sides were.
pub(super) fn engines(pair: &Pair) -> String {
    let of = |engines: &BTreeSet<String>| match engines.is_empty() {
        true => "an unknown engine".to_owned(),
        false => engines.iter().map(String::as_str).collect::<Vec<_>>().join(" and "),
    };
    let (reference, candidate) = (of(&pair.reference_engines), of(&pair.candidate_engines));
    match reference == candidate {
        true => format!("both on {reference}"),
        false => format!("on {candidate} against {reference}"),
    }
}

/// A figure for each operation, which is often far below 1.
pub(super) fn small(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.1 { format!("{number:.2e}") } else { units::significant(number) }
}

/// What stands below the table of a metric without a clear verdict.
pub(super) fn note(judged: &Judged) -> Option<String> {
    let mut note = judged.reason.clone()?;
    if let Some(blocks) = judged.blocks_needed {
        let limit = if judged.too_noisy { ", were it not for that limit" } else { "" };
        note.push_str(&format!("; about {blocks} blocks would decide it{limit}"));
    }
    if let Some(detectable) = judged.detectable {
        note.push_str(&format!(" (these see changes of {} or more)", share(detectable)));
    }
    Some(note)
}

fn row(pair: &Pair, judged: &Judged) -> Vec<String> {
    let value =
        |value: Option<f64>| value.map_or("-".to_owned(), |value| figure(judged.metric, pair.unit, value));
    vec![
        judged.metric.to_string(),
        value(judged.reference),
        value(judged.candidate),
        judged.effect.map_or("-".to_owned(), change),
        interval(judged),
        picture(judged),
        p(judged.p),
        judged.noise_floor.map_or("-".to_owned(), share),
        judged.verdict.map_or("(not a gate)".to_owned(), |verdict| verdict.word().to_owned()),
    ]
}

/// The interval between four margins to either side: `│` is no change, `┊` the margin, `●` the estimate.
fn picture(judged: &Judged) -> String {
    let (Some((low, high)), Some(effect)) = (judged.interval, judged.effect) else { return String::new() };
    let margin = judged.margin.unwrap_or(0.05).ln_1p();
    let place = |change: f64| (change.ln_1p() / margin / REACH * f64::from(HALF)).round() as i32;
    let at_margin = (f64::from(HALF) / REACH).round() as i32;
    let (low, high, effect) = (place(low), place(high), place(effect));
    let cell = |at: i32| match at {
        at if at == effect.clamp(-HALF, HALF) => '●',
        at if at == -HALF && low < -HALF => '◂',
        at if at == HALF && high > HALF => '▸',
        at if (low..=high).contains(&at) => '━',
        0 => '│',
        at if at.abs() == at_margin => '┊',
        _ => ' ',
    };
    (-HALF..=HALF).map(cell).collect()
}

fn colored(line: &str, color: bool) -> String {
    let words = [
        (Verdict::Regressed, "31;1"),
        (Verdict::Improved, "32;1"),
        (Verdict::Equivalent, "32"),
        (Verdict::Inconclusive, "33"),
    ];
    match words.iter().find(|(verdict, _)| line.ends_with(verdict.word())) {
        Some((verdict, code)) => {
            let at = line.len() - verdict.word().len();
            format!("{}{}", &line[..at], paint(color, code, verdict.word()))
        }
        None => line.to_owned(),
    }
}

fn paint(color: bool, code: &str, text: &str) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
