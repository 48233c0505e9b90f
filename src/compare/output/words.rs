//! A comparison in words and figures: what every output says in the same way.
//!
//! Next file to read: `rank.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::time::Duration;

use workloads::wire::Unit;

use super::super::effort;
use super::super::model::{Bounded, Comparison, Judged, Outcome, Pair, Verdict};
use super::labels;
use crate::profile::{BLOCKS, Metric};
use crate::report::units;

/// Names in a sentence; more are counted.
const NAMED: usize = 6;

/// A figure of a metric in its unit.
pub(crate) fn figure(metric: &Metric, unit: Unit, value: f64) -> String {
    match metric {
        Metric::Percentile(..) => units::value(unit, value),
        Metric::Throughput => units::rate(value),
        metric if metric.is_time() => units::duration(value),
        _ => small(value),
    }
}

/// A number for each operation, which is often far below 1: three digits, however small.
pub(super) fn small(number: f64) -> String {
    if number == 0.0 || number.abs() >= 0.995 {
        return units::significant(number);
    }
    let digits = (2 - number.abs().log10().floor() as i32).clamp(0, 6) as usize;
    format!("{number:.digits$}")
}

/// `+3.2 %`.
pub(crate) fn change(relative: f64) -> String {
    let percent = 100.0 * relative;
    if percent.abs() >= 99_950.0 {
        return format!("x{}", units::significant(1.0 + relative));
    }
    let digits = match percent.abs() {
        ..9.95 => 2,
        ..999.5 => 1,
        _ => 0,
    };
    signed(percent, digits)
}

/// A rounded number with its sign; nothing is above nothing, and not below.
fn signed(percent: f64, digits: usize) -> String {
    let text = format!("{percent:+.digits$} %");
    if text.chars().any(|c| ('1'..='9').contains(&c)) { text } else { text.replace('-', "+") }
}

/// The same with no more digits than a sentence needs.
fn roughly(relative: f64) -> String {
    let percent = 100.0 * relative;
    signed(percent, usize::from(percent.abs() < 9.95))
}

/// `3.2 %`.
pub(super) fn share(relative: f64) -> String {
    change(relative).trim_start_matches('+').to_owned()
}

/// `[+1.0 %, +3.2 %]`, or a dash.
pub(super) fn interval(judged: &Judged) -> String {
    judged.interval.map_or("-".to_owned(), |(low, high)| format!("[{}, {}]", change(low), change(high)))
}

pub(super) fn p(judged: Option<f64>) -> String {
    match judged {
        None => "-".to_owned(),
        Some(p) if p < 0.0001 => "<0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
    }
}

/// How much it changed, also from or to nothing.
pub(super) fn effect(judged: &Judged) -> String {
    match judged.effect {
        Some(_) if judged.candidate == Some(0.0) && judged.reference != Some(0.0) => "gone".to_owned(),
        Some(effect) => change(effect),
        None if judged.appeared() => "new".to_owned(),
        None => "-".to_owned(),
    }
}

/// What a metric without a gate is called where others have their verdict.
pub(super) fn unjudged(judged: &Judged) -> &'static str {
    if judged.significant { "moved" } else { "not a gate" }
}

/// The two figures that a change is between: those that are as far apart as the change says.
pub(super) fn both(judged: &Judged) -> (String, String) {
    let shown =
        |value: Option<f64>| value.map_or("-".to_owned(), |value| figure(&judged.metric, judged.unit, value));
    match judged.typical {
        Some((reference, candidate)) => (shown(Some(reference)), shown(Some(candidate))),
        None => (shown(judged.reference), shown(judged.candidate)),
    }
}

/// Where the candidate lies against a limit.
pub(super) fn limit_interval(judged: &Judged, bounded: &Bounded) -> String {
    let shown = |value: f64| figure(&judged.metric, judged.unit, value);
    bounded.interval.map_or("-".to_owned(), |(low, high)| format!("[{}, {}]", shown(low), shown(high)))
}

/// The outcome in two words or three.
pub(super) fn title(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "no regression",
        Outcome::NotJudged => "not judged",
        Outcome::RunFailed => "a run failed",
        Outcome::BadInput => "not as it was asked",
        Outcome::Regression => "regression",
        Outcome::Inconclusive => "inconclusive",
        Outcome::TooNoisy => "too noisy to tell",
        Outcome::Interrupted => "not complete",
    }
}

/// What came of it, in a sentence.
pub(super) fn sentence(comparison: &Comparison) -> String {
    let of = |is: &dyn Fn(&Judged) -> bool| list(comparison, is);
    let gates = gates(comparison).map(Judged::verdicts).map(Iterator::count).sum::<usize>();
    match comparison.outcome {
        Outcome::Pass if gates == 1 => "No regression: the gate was shown not to be worse.".to_owned(),
        Outcome::Pass => format!("No regression: all {gates} gates were shown not to be worse."),
        Outcome::NotJudged => "Not judged: no metric decides.".to_owned(),
        Outcome::RunFailed => {
            "A run failed: what was measured is shown, and the failed blocks are measured again with --resume.".to_owned()
        }
        Outcome::BadInput => "A run could not be made as it was asked.".to_owned(),
        Outcome::Regression => {
            format!("Regression: worse in {}.", of(&|judged| judged.verdicts().any(Verdict::is_worse)))
        }
        Outcome::Inconclusive if gates == 0 => {
            "Inconclusive: no gate could be judged, so nothing was shown.".to_owned()
        }
        Outcome::Inconclusive => {
            let undecided = of(&|judged| judged.verdicts().any(|verdict| verdict == Verdict::Inconclusive));
            format!("Inconclusive: these blocks cannot tell about {undecided}. Nothing else regressed.")
        }
        Outcome::TooNoisy => {
            format!("Too noisy to tell: equal runs differ too much in {}.", of(&|judged| judged.too_noisy))
        }
        Outcome::Interrupted => {
            let done = comparison.pairs.iter().map(|pair| pair.blocks).min().unwrap_or(0);
            format!("Not complete: {done} of {} blocks were measured.", comparison.setup.blocks)
        }
    }
}

fn gates(comparison: &Comparison) -> impl Iterator<Item = &Judged> {
    comparison.pairs.iter().flat_map(|pair| &pair.metrics).filter(|judged| judged.is_gate())
}

/// The metrics that `is` picks, each with the sides that it is of where there are several.
fn list(comparison: &Comparison, is: &dyn Fn(&Judged) -> bool) -> String {
    let setup = &comparison.setup;
    let labels: Vec<_> = comparison
        .pairs
        .iter()
        .map(|pair| pair.candidate.as_str())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let short = labels::distinct(&labels, 28);
    let name = |pair: &Pair| {
        let at = labels.iter().position(|label| *label == pair.candidate);
        at.map_or(pair.candidate.clone(), |at| short[at].clone())
    };
    let mut found: Vec<String> = Vec::new();
    for pair in &comparison.pairs {
        let metrics: Vec<_> =
            pair.metrics.iter().filter(|judged| is(judged)).map(|judged| judged.metric.to_string()).collect();
        if metrics.is_empty() {
            continue;
        }
        let on = if setup.workloads.len() > 1 { format!("{}: ", pair.workload) } else { String::new() };
        let of = if labels.len() > 1 { format!(" of {}", name(pair)) } else { String::new() };
        found.push(format!("{on}{}{of}", metrics.join(", ")));
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    units::printable(&found.join("; "))
}

/// What the candidate of a pair is against its reference: better here, worse there, undecided elsewhere.
pub(super) fn answer(pair: &Pair) -> Vec<(&'static str, String)> {
    let with_change = |judged: &Judged| match judged.effect {
        Some(effect) => format!("{} {}", judged.metric, roughly(effect)),
        None => format!("{} {}", judged.metric, effect(judged)),
    };
    let name = |judged: &Judged| judged.metric.to_string();
    let of = |verdict: Verdict, tell: &dyn Fn(&Judged) -> String| {
        pair.metrics.iter().filter(|judged| judged.verdict == Some(verdict)).map(tell).collect::<Vec<_>>()
    };
    let limits = |verdict: Verdict| {
        let bounded = |judged: &Judged| {
            let limit = judged.limit.as_ref().filter(|bounded| bounded.verdict == verdict)?;
            Some(format!("{} {}", judged.metric, limit.limit))
        };
        pair.metrics.iter().filter_map(bounded).collect::<Vec<_>>()
    };
    let parts = [
        ("worse", of(Verdict::Regressed, &with_change)),
        ("exceeded", limits(Verdict::Exceeded)),
        ("better", of(Verdict::Improved, &with_change)),
        ("no different", of(Verdict::Equivalent, &name)),
        ("not worse", of(Verdict::NotWorse, &name)),
        ("kept", limits(Verdict::Within)),
        ("undecided", [of(Verdict::Inconclusive, &name), limits(Verdict::Inconclusive)].concat()),
    ];
    parts
        .into_iter()
        .filter(|(_, metrics)| !metrics.is_empty())
        .map(|(what, metrics)| (what, units::printable(&metrics.join(", "))))
        .collect()
}

/// What is said of a metric without a clear verdict.
pub(super) fn note(judged: &Judged) -> Option<String> {
    let mut note = judged.reason.clone()?;
    if let Some(needed) = needed(judged.blocks_needed, judged.seconds_needed) {
        let limit = if judged.too_noisy { ", were it not for that limit" } else { "" };
        note.push_str(&format!("; {needed}{limit}"));
    }
    if let Some(seen) = judged.detectable.filter(|_| judged.is_gate()) {
        note.push_str(&match seen {
            ..1.0 => format!(" (these see changes of {} or more)", share(seen)),
            ..9.0 => format!(" (these see nothing below {:.1} times as much)", 1.0 + seen),
            _ => " (blocks differ too much for these to see anything)".to_owned(),
        });
    }
    Some(note)
}

/// What it would take to decide.
pub(super) fn needed(blocks: Option<u64>, seconds: Option<f64>) -> Option<String> {
    let blocks = blocks?;
    let time = seconds.map(|seconds| effort::told(Duration::from_secs_f64(seconds.clamp(0.0, 1e12))));
    Some(match (blocks <= *BLOCKS.end(), time) {
        (true, Some(time)) => format!("about {blocks} blocks would decide it, {time}"),
        (true, None) => format!("about {blocks} blocks would decide it"),
        (false, Some(time)) => format!("not to be decided on this machine: it would take about {time}"),
        (false, None) => "not to be decided on this machine".to_owned(),
    })
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

/// A counter that moved, for each operation.
pub(super) fn moved(judged: &Judged) -> String {
    let (reference, candidate) = both(judged);
    format!("{} {reference} \u{2192} {candidate} ({})", judged.metric, effect(judged))
}

/// Whether a metric is among those that stand in a table: gates, what every run has, and what moved.
pub(super) fn shown(judged: &Judged) -> bool {
    use crate::profile::{Of, Rank};
    let usual = match &judged.metric {
        Metric::Percentile(Of::First, rank) => *rank == Rank::MEDIAN || *rank == Rank::P99,
        Metric::Percentile(Of::Stream(name), _) => judged.significant && name != workloads::wire::stream::LAG,
        Metric::Percentile(Of::Others, _) => false,
        Metric::Throughput | Metric::Cpu | Metric::Switches => true,
        Metric::Counter(_) => judged.significant,
    };
    judged.is_gate() || judged.reason.is_some() || (usual && judged.blocks > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_keep_three_digits_and_no_exponent() {
        let shown = [0.0, 2.0, 0.31, 0.0217, 0.000_123_4, 1e-9, 12_345.0].map(small);
        assert_eq!(shown, ["0", "2.00", "0.310", "0.0217", "0.000123", "0.000000", "12,345"]);
    }

    #[test]
    fn changes_are_told_as_shares_and_huge_ones_as_factors() {
        let shown = [0.0321, -0.45, 1.73, 15.0, 12_565.0, -1e-9].map(change);
        assert_eq!(shown, ["+3.21 %", "-45.0 %", "+173.0 %", "+1500 %", "x12,566", "+0.00 %"]);
    }

    #[test]
    fn what_it_would_take_is_told_as_time_or_as_not_possible() {
        let told = |blocks, seconds| needed(Some(blocks), Some(seconds)).unwrap();
        assert_eq!(told(40, 660.0), "about 40 blocks would decide it, 11 min");
        assert_eq!(
            told(158_071, 2_500_000.0),
            "not to be decided on this machine: it would take about 29 days"
        );
        assert_eq!(needed(None, Some(1.0)), None);
    }
}
