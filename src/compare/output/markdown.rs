//! Markdown for a pull request and for a CI server's summary page.
//!
//! Next file to read: `junit.rs`.
#![forbid(unsafe_code)]

use super::super::model::{Comparison, Judged, Pair, Verdict};
use super::rank::{BY, Ranked, ranked};
use super::words::{
    answer, both, effect, engines, figure, interval, limit_interval, moved, note, p, sentence, share, shown,
    title, unjudged,
};
use crate::report::units;

/// Counters in the list.
const COUNTERS: usize = 8;

/// The comparison as Markdown. It ends with a newline.
pub(crate) fn markdown(comparison: &Comparison) -> String {
    let setup = &comparison.setup;
    let mut text =
        format!("### rtbench: {} \u{2013} {}\n\n", escaped(&setup.name), title(comparison.outcome));
    text.push_str(&format!("{}\n\n", escaped(&sentence(comparison))));
    for pair in &comparison.pairs {
        let parts: Vec<_> = answer(pair)
            .into_iter()
            .map(|(what, metrics)| format!("{what}: {}", escaped(&metrics)))
            .collect();
        let on = format!("{}: {}", escaped(&pair.workload), escaped(&pair.candidate));
        text.push_str(&format!("- **{on}** against {}: {}\n", escaped(&pair.reference), parts.join("; ")));
    }
    for workload in &setup.workloads {
        let pairs: Vec<_> = comparison.pairs.iter().filter(|pair| pair.workload == *workload).collect();
        if pairs.len() > 1 {
            text.push_str(&many(comparison, workload, &pairs));
        }
        for pair in &pairs {
            let details = tell(pair);
            match pairs.len() {
                1 => text.push_str(&details),
                _ => text.push_str(&format!(
                    "\n<details><summary>{}</summary>\n{details}\n</details>\n",
                    escaped(&pair.candidate)
                )),
            }
        }
    }
    if !comparison.failures.is_empty() {
        text.push_str("\nFailed runs:\n\n");
        comparison.failures.iter().for_each(|failure| text.push_str(&format!("- {}\n", escaped(failure))));
    }
    for warning in &comparison.warnings {
        text.push_str(&format!("\n> {}\n", escaped(warning)));
    }
    let machine = &setup.machine;
    let cpu = machine.cpu_model.as_deref().unwrap_or("unknown processor");
    let cores = machine.logical_cores.map_or("?".to_owned(), |cores| cores.to_string());
    text.push_str(&format!(
        "\n<sub>{} {}, {} cores of {}; change is that of the candidate, and both figures are as far apart; noise is how \
         much equal runs differ</sub>\n",
        setup.tool.name,
        setup.tool.version,
        cores,
        escaped(cpu)
    ));
    text
}

/// All sides of a workload, the best first, with a column for each gate.
fn many(comparison: &Comparison, workload: &str, pairs: &[&Pair]) -> String {
    let gates: Vec<_> = pairs[0].metrics.iter().filter(|judged| judged.is_gate()).collect();
    let mut text = format!("\n**{}**, {BY}\n\n| | side |", escaped(workload));
    gates.iter().for_each(|judged| text.push_str(&format!(" {} |", escaped(&judged.metric.to_string()))));
    text.push_str(&format!("\n|---:|---|{}\n", "---:|".repeat(gates.len())));
    for (nth, ranked) in ranked(comparison, workload).into_iter().enumerate() {
        let name = match ranked {
            Ranked::Reference => &pairs[0].reference,
            Ranked::Candidate(pair) => &pair.candidate,
        };
        text.push_str(&format!("| {} | {} |", nth + 1, escaped(name)));
        for gate in &gates {
            let cell = match ranked {
                Ranked::Reference => both(gate).0,
                Ranked::Candidate(pair) => {
                    let found = pair.metrics.iter().find(|judged| judged.metric == gate.metric);
                    found.map_or("-".to_owned(), |judged| {
                        let sign = judged.verdict.map_or("", sign);
                        format!("{} {sign}", effect(judged))
                    })
                }
            };
            text.push_str(&format!(" {} |", cell.trim_end()));
        }
        text.push('\n');
    }
    text
}

fn tell(pair: &Pair) -> String {
    let mut text = format!(
        "\n**{}**: {} against {}, {} blocks, {}\n\n\
         | metric | reference | candidate | change | 95 % interval | p | noise | verdict |\n\
         |---|---:|---:|---:|---|---:|---:|---|\n",
        escaped(&pair.workload),
        escaped(&pair.candidate),
        escaped(&pair.reference),
        pair.blocks,
        escaped(&engines(pair))
    );
    for judged in pair.metrics.iter().filter(|judged| shown(judged)) {
        text.push_str(&rows(judged));
    }
    for judged in pair.metrics.iter().filter(|judged| shown(judged)) {
        if let Some(note) = note(judged) {
            text.push_str(&format!("\n- {}: {}\n", escaped(&judged.metric.to_string()), escaped(&note)));
        }
    }
    let moved: Vec<_> =
        pair.counters.iter().filter(|counter| counter.significant).take(COUNTERS).map(moved).collect();
    if !moved.is_empty() {
        text.push_str(&format!("\nMoved, for each operation: {}\n", escaped(&moved.join("; "))));
    }
    text
}

fn rows(judged: &Judged) -> String {
    let name = escaped(&judged.metric.to_string());
    let told = |verdict: Verdict| format!("{} {}", sign(verdict), verdict.word());
    let mut text = String::new();
    if judged.margin.is_some() || judged.limit.is_none() {
        let (reference, candidate) = both(judged);
        text.push_str(&format!(
            "| {name} | {reference} | {candidate} | {} | {} | {} | {} | {} |\n",
            effect(judged),
            interval(judged),
            p(judged.p),
            judged.noise_floor.map_or("\u{2013}".to_owned(), share),
            judged.verdict.map_or(unjudged(judged).to_owned(), told),
        ));
    }
    if let Some(bounded) = &judged.limit {
        let typical =
            bounded.typical.map_or("\u{2013}".to_owned(), |value| figure(&judged.metric, judged.unit, value));
        text.push_str(&format!(
            "| {name} | {} | {typical} | | {} | {} | | {} |\n",
            escaped(&bounded.limit.to_string()),
            limit_interval(judged, bounded),
            p(bounded.p),
            told(bounded.verdict),
        ));
    }
    text
}

fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed | Verdict::Exceeded => "\u{1f534}",
        Verdict::Improved | Verdict::Within => "\u{1f7e2}",
        Verdict::Equivalent | Verdict::NotWorse => "\u{26aa}",
        Verdict::Inconclusive => "\u{1f7e1}",
    }
}

/// A text that Markdown takes as text.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in units::printable(text).chars() {
        match c {
            '\n' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
