//! Markdown for a pull request and for a CI server's summary page.
//!
//! Next file to read: `junit.rs`.
#![forbid(unsafe_code)]

use super::super::model::{Comparison, Pair, Verdict};
use super::text::{engines, note, shown, small};
use super::{change, figure, interval, p, sentence, share};
use crate::report::units;

/// Counters in the list.
const COUNTERS: usize = 8;

/// The comparison as Markdown. It ends with a newline.
pub(crate) fn markdown(comparison: &Comparison) -> String {
    let setup = &comparison.setup;
    let mut text = format!("### rtbench: {} – {}\n", escaped(&setup.name), sentence(comparison.outcome));
    for pair in &comparison.pairs {
        text.push_str(&tell(pair));
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
        "\n<sub>{} {}, {} cores of {}; change is that of the candidate; noise is how much equal runs differ</sub>\n",
        setup.tool.name,
        setup.tool.version,
        cores,
        escaped(cpu)
    ));
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
        let value = |value: Option<f64>| {
            value.map_or("–".to_owned(), |value| figure(judged.metric, pair.unit, value))
        };
        let verdict = match judged.verdict {
            None => "not a gate".to_owned(),
            Some(verdict) => format!("{} {}", sign(verdict), verdict.word()),
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {verdict} |\n",
            judged.metric,
            value(judged.reference),
            value(judged.candidate),
            judged.effect.map_or("–".to_owned(), change),
            interval(judged),
            p(judged.p),
            judged.noise_floor.map_or("–".to_owned(), share),
        ));
    }
    for judged in &pair.metrics {
        if let Some(note) = note(judged) {
            text.push_str(&format!("\n- {}: {}\n", judged.metric, escaped(&note)));
        }
    }
    let moved: Vec<_> = pair.counters.iter().filter(|moved| moved.significant).take(COUNTERS).collect();
    if !moved.is_empty() {
        text.push_str("\nCounters of the runtime that moved, for each operation: ");
        let one = |moved: &&super::super::model::Moved| {
            let effect = moved.effect.map_or(String::new(), |effect| format!(" ({})", change(effect)));
            format!(
                "{} {} → {}{effect}",
                escaped(&moved.name),
                small(moved.reference),
                small(moved.candidate)
            )
        };
        text.push_str(&moved.iter().map(one).collect::<Vec<_>>().join(", "));
        text.push('\n');
    }
    text
}

fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed => "🔴",
        Verdict::Improved => "🟢",
        Verdict::Equivalent => "⚪",
        Verdict::Inconclusive => "🟡",
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
