//! The terminal's view: what came of it in sentences, then a table with a small picture of each interval.
//!
//! Next file to read: `markdown.rs`.
#![forbid(unsafe_code)]

use super::super::model::{Comparison, Judged, Outcome, Pair, Verdict};
use super::labels;
use super::rank::{BY, MARKS, Ranked, mark, ranked};
use super::words::{
    answer, both, effect, engines, figure, interval, limit_interval, moved, note, p, sentence, share, shown,
    unjudged,
};
use crate::report::units;
use crate::term::{table, wrapped};

/// Counters that are shown beside the verdicts.
const COUNTERS: usize = 6;
/// Half the width of a picture, at most and at least.
const HALF: std::ops::RangeInclusive<usize> = 5..=12;
/// Margins from the middle of a picture to its end.
const REACH: f64 = 4.0;
/// What a picture shows.
const LEGEND: &str = "\u{2502} no change, \u{250a} margin, \u{25cf} estimate, \u{2501} 95 % interval, \u{25c2} \u{25b8} beyond 4 margins";
/// From these widths on there is room for more columns.
const WITH_INTERVAL: usize = 108;
const WITH_NOISE: usize = 126;

/// The comparison as text of at most `width` columns, with colours for a terminal or without.
pub(crate) fn text(comparison: &Comparison, width: usize, color: bool) -> String {
    let width = width.clamp(64, 200);
    let setup = &comparison.setup;
    let code = match comparison.outcome {
        Outcome::Pass | Outcome::NotJudged => "32;1",
        Outcome::Inconclusive | Outcome::Interrupted | Outcome::TooNoisy => "33;1",
        Outcome::Regression | Outcome::RunFailed | Outcome::BadInput => "31;1",
    };
    let head = wrapped(&format!("{}: {}", units::printable(&setup.name), sentence(comparison)), width, "");
    let mut text = String::new();
    head.lines().for_each(|line| text.push_str(&format!("{}\n", paint(color, code, line))));
    text.push_str(&answers(comparison, width, color));
    for workload in &setup.workloads {
        let pairs: Vec<_> = comparison.pairs.iter().filter(|pair| pair.workload == *workload).collect();
        match pairs.as_slice() {
            [] => {}
            [pair] => text.push_str(&tell(pair, width, color)),
            pairs => text.push_str(&many(comparison, workload, pairs, width, color)),
        }
    }
    let told = |what: &str, code: &str, said: &str| {
        let lines = wrapped(&format!("{what} {}", units::printable(said)), width, "  ");
        lines.replacen(what, &paint(color, code, what), 1)
    };
    if !comparison.failures.is_empty() || !comparison.warnings.is_empty() {
        text.push('\n');
    }
    comparison.failures.iter().for_each(|failure| text.push_str(&told("failed:", "31", failure)));
    comparison.warnings.iter().for_each(|warning| text.push_str(&told("warning:", "33", warning)));
    text
}

/// The answers to the question, one for each side.
fn answers(comparison: &Comparison, width: usize, color: bool) -> String {
    let setup = &comparison.setup;
    let candidates: Vec<_> = comparison.pairs.iter().map(|pair| pair.candidate.as_str()).collect();
    let is_many = setup.sides.len() > 2;
    let names = if is_many {
        labels::distinct(&candidates, 40)
    } else {
        candidates.iter().map(|name| (*name).to_owned()).collect()
    };
    let mut text = String::new();
    if let Some(pair) = comparison.pairs.first().filter(|_| is_many) {
        text.push_str(&wrapped(&format!("  against {}:", units::printable(&pair.reference)), width, "    "));
    }
    for (pair, name) in comparison.pairs.iter().zip(&names) {
        let on = if setup.workloads.len() > 1 { format!("{}: ", pair.workload) } else { String::new() };
        let against = if is_many { String::new() } else { format!(" against {}", pair.reference) };
        let parts: Vec<_> =
            answer(pair).into_iter().map(|(what, metrics)| format!("{what}: {metrics}")).collect();
        if parts.is_empty() {
            continue;
        }
        let line = units::printable(&format!("{on}{name}{against}: {}", parts.join("; ")));
        let lines = wrapped(&line, width - 2, "  ");
        lines.lines().for_each(|line| text.push_str(&format!("  {}\n", answer_painted(line, color))));
    }
    text
}

/// A line of an answer with colours; `not worse` is none of them.
fn answer_painted(line: &str, color: bool) -> String {
    let codes = [("worse:", "31"), ("exceeded:", "31"), ("better:", "32"), ("undecided:", "33")];
    codes.iter().fold(line.to_owned(), |line, (word, code)| {
        let painted = line.replace(&format!(" {word}"), &format!(" {}", paint(color, code, word)));
        painted.replace(&format!("not {}", paint(color, code, word)), &format!("not {word}"))
    })
}

fn counts(pair: &Pair) -> String {
    let mut text = format!("{} blocks", pair.blocks);
    for (number, what) in [(pair.redone, "redone"), (pair.failed, "failed"), (pair.disturbed, "disturbed")] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    text
}

/// One pair as a table.
fn tell(pair: &Pair, width: usize, color: bool) -> String {
    let head = format!(
        "{}, {}, {}",
        units::printable(&pair.workload),
        counts(pair),
        units::printable(&engines(pair))
    );
    let head = wrapped(&head, width, "  ");
    let mut text = format!("\n{}\n", paint(color, "1", head.trim_end()));
    text.push_str(&rows(pair, width, color));
    for judged in pair.metrics.iter().filter(|judged| shown(judged)) {
        text.push_str(&notes(judged, width));
    }
    text.push_str(&why(pair, width));
    text
}

/// A table of all metrics that are shown.
fn rows(pair: &Pair, width: usize, color: bool) -> String {
    let (with_interval, with_noise) = (width >= WITH_INTERVAL, width >= WITH_NOISE);
    let labels = labels::distinct(&[pair.reference.as_str(), pair.candidate.as_str()], 10);
    let mut heads =
        vec!["".to_owned(), units::printable(&labels[0]), units::printable(&labels[1]), "change".to_owned()];
    heads.extend(with_interval.then(|| "95 % interval".to_owned()));
    heads.push(String::new());
    heads.extend(with_noise.then(|| ["p".to_owned(), "noise".to_owned()]).into_iter().flatten());
    heads.push("verdict".to_owned());
    let picture_at = if with_interval { 5 } else { 4 };
    let mut rows = vec![heads];
    for judged in pair.metrics.iter().filter(|judged| shown(judged)) {
        let ((reference, candidate), verdict) =
            (both(judged), judged.verdict.map_or(unjudged(judged), Verdict::word));
        if judged.margin.is_some() || judged.limit.is_none() {
            let mut row = vec![judged.metric.to_string(), reference, candidate, effect(judged)];
            row.extend(with_interval.then(|| interval(judged)));
            row.push(String::new());
            row.extend(
                with_noise
                    .then(|| [p(judged.p), judged.noise_floor.map_or("-".to_owned(), share)])
                    .into_iter()
                    .flatten(),
            );
            row.push(verdict.to_owned());
            rows.push(row);
        }
        if let Some(bounded) = &judged.limit {
            let typical =
                bounded.typical.map_or("-".to_owned(), |value| figure(&judged.metric, judged.unit, value));
            let mut row = vec![judged.metric.to_string(), bounded.limit.to_string(), typical, String::new()];
            row.extend(with_interval.then(|| limit_interval(judged, bounded)));
            row.push(String::new());
            row.extend(with_noise.then(|| [p(bounded.p), String::new()]).into_iter().flatten());
            row.push(bounded.verdict.word().to_owned());
            rows.push(row);
        }
    }
    // The picture takes what the others leave.
    let columns = rows[0].len();
    let cell = |column: usize| rows.iter().map(move |row| row[column].chars().count()).max().unwrap_or(0);
    let others: usize = (0..columns).map(|column| cell(column) + 2).sum();
    // Where nothing fits that can be read, there is none.
    let half = (width.saturating_sub(others + 1) / 2).min(*HALF.end());
    let half = if half < *HALF.start() { 0 } else { half };
    let mut judged = pair.metrics.iter().filter(|judged| shown(judged)).flat_map(|judged| {
        let change = (judged.margin.is_some() || judged.limit.is_none()).then_some(Some(judged));
        change.into_iter().chain(judged.limit.as_ref().map(|_| None))
    });
    for row in &mut rows[1..] {
        row[picture_at] = judged.next().flatten().map_or(String::new(), |judged| picture(judged, half));
    }
    if half == 0 {
        rows.iter_mut().for_each(|row| drop(row.remove(picture_at)));
    }
    let mut text = String::new();
    for line in table(&rows).lines() {
        text.push_str(&format!("  {}\n", colored(line, color)));
    }
    if half > 0 {
        let legend = wrapped(&format!("  {LEGEND}"), width, "  ");
        legend.lines().for_each(|line| text.push_str(&format!("{}\n", paint(color, "2", line))));
    }
    text
}

fn notes(judged: &Judged, width: usize) -> String {
    let mut text = String::new();
    if let Some(note) = note(judged) {
        text.push_str(&wrapped(&format!("  {}: {note}", judged.metric), width, "    "));
    }
    if let Some(bounded) = &judged.limit
        && let Some(reason) = &bounded.reason
    {
        text.push_str(&wrapped(&format!("  {} {}: {reason}", judged.metric, bounded.limit), width, "    "));
    }
    text
}

/// The counters that moved.
fn why(pair: &Pair, width: usize) -> String {
    let all: Vec<_> = pair.counters.iter().filter(|judged| judged.significant).map(moved).collect();
    if all.is_empty() {
        return String::new();
    }
    let more = match all.len().saturating_sub(COUNTERS) {
        0 => String::new(),
        more => format!("; {more} more on the page"),
    };
    let said = all.into_iter().take(COUNTERS).collect::<Vec<_>>().join("; ");
    wrapped(&units::printable(&format!("  moved, for each operation: {said}{more}")), width, "    ")
}

/// Three sides or more: one table, the best first, with a column for each gate.
fn many(comparison: &Comparison, workload: &str, pairs: &[&Pair], width: usize, color: bool) -> String {
    let head = format!("{}, {}; {BY}", units::printable(workload), counts(pairs[0]));
    let head = wrapped(&head, width, "  ");
    let mut text = format!("\n{}\n", paint(color, "1", head.trim_end()));
    let order = ranked(comparison, workload);
    let names: Vec<String> = order
        .iter()
        .map(|ranked| match ranked {
            Ranked::Reference => pairs[0].reference.clone(),
            Ranked::Candidate(pair) => pair.candidate.clone(),
        })
        .map(|name| units::printable(&name))
        .collect();
    let names = labels::distinct(&names, 24);
    let name_width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let columns: Vec<_> = pairs[0].metrics.iter().filter(|judged| judged.is_gate()).collect();
    let columns = if columns.is_empty() {
        pairs[0].metrics.iter().filter(|judged| shown(judged)).collect()
    } else {
        columns
    };
    let cells: Vec<Vec<String>> = columns.iter().map(|column| column_of(column, &order)).collect();
    let wide = |cells: &Vec<String>| 2 + cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let room = width.saturating_sub(2 + 4 + name_width);
    let mut from = 0;
    while from < cells.len() {
        // As many columns as fit beside the names, and one in any case.
        let mut to = from + 1;
        while to < cells.len() && cells[from..=to].iter().map(wide).sum::<usize>() <= room {
            to += 1;
        }
        let row = |nth: usize| {
            let (place, name) = match nth.checked_sub(1) {
                None => (String::new(), String::new()),
                Some(side) => (nth.to_string(), names[side].clone()),
            };
            let of_columns = cells[from..to].iter().map(|cells| cells[nth].clone());
            [place, name].into_iter().chain(of_columns).collect::<Vec<_>>()
        };
        let rows: Vec<_> = (0..=names.len()).map(row).collect();
        table(&rows).lines().for_each(|line| text.push_str(&format!("  {}\n", marked(line, color))));
        from = to;
    }
    let legend = wrapped(&format!("  {MARKS}"), width, "  ");
    legend.lines().for_each(|line| text.push_str(&format!("{}\n", paint(color, "2", line))));
    for pair in pairs {
        let said: String = pair
            .metrics
            .iter()
            .filter(|judged| judged.is_gate())
            .map(|judged| notes(judged, width - 2))
            .collect();
        let said = said + &why(pair, width - 2);
        if !said.is_empty() {
            let name = wrapped(
                &format!("  {} ({})", units::printable(&pair.candidate), units::printable(&engines(pair))),
                width,
                "    ",
            );
            text.push_str(&name);
            said.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
        }
    }
    text
}

/// A column of the ranked table: its name, then a cell for each side.
fn column_of(column: &Judged, order: &[Ranked<'_>]) -> Vec<String> {
    let cell = |ranked: &Ranked<'_>| match ranked {
        Ranked::Reference => both(column).0,
        Ranked::Candidate(pair) => {
            let found = pair.metrics.iter().find(|judged| judged.metric == column.metric);
            found.map_or("-".to_owned(), |judged| format!("{} {}", mark(judged), effect(judged)))
        }
    };
    std::iter::once(column.metric.to_string()).chain(order.iter().map(cell)).collect()
}

/// The interval between four margins to either side.
fn picture(judged: &Judged, half: usize) -> String {
    let (Some((low, high)), Some(effect)) = (judged.interval, judged.effect) else { return String::new() };
    if half == 0 {
        return String::new();
    }
    let half = i32::try_from(half).unwrap_or(6);
    let margin = judged.margin.unwrap_or(0.05).ln_1p();
    let place =
        |change: f64| (change.max(-0.999_999).ln_1p() / margin / REACH * f64::from(half)).round() as i32;
    let at_margin = (f64::from(half) / REACH).round() as i32;
    let (low, high, effect) = (place(low), place(high), place(effect));
    let cell = |at: i32| match at {
        at if at == -half && low < -half => '\u{25c2}',
        at if at == half && high > half => '\u{25b8}',
        at if at == effect => '\u{25cf}',
        at if (low..=high).contains(&at) => '\u{2501}',
        0 => '\u{2502}',
        at if at.abs() == at_margin => '\u{250a}',
        _ => ' ',
    };
    (-half..=half).map(cell).collect()
}

fn colored(line: &str, color: bool) -> String {
    let words = [
        (Verdict::Regressed, "31;1"),
        (Verdict::Exceeded, "31;1"),
        (Verdict::Improved, "32;1"),
        (Verdict::Within, "32"),
        (Verdict::Equivalent, "32"),
        (Verdict::NotWorse, "32"),
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

/// A row of marks, with colours.
fn marked(line: &str, color: bool) -> String {
    let marks = [("! ", "31;1"), ("+ ", "32;1"), ("? ", "33")];
    marks.iter().fold(line.to_owned(), |line, (mark, code)| {
        line.replace(&format!("  {mark}"), &format!("  {} ", paint(color, code, mark.trim_end())))
    })
}

fn paint(color: bool, code: &str, text: &str) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
