//! JUnit XML: a suite for each pair, a case for each gated metric.
//!
//! Next file to read: `plots.rs`.
#![forbid(unsafe_code)]

use maud::{Markup, PreEscaped, html};

use super::super::model::{Comparison, Judged, Pair, Verdict};
use super::words::{effect, figure, interval, limit_interval, note, p};
use crate::report::units;

/// The comparison as a JUnit report.
///
/// A regression and a limit that is exceeded are failures; a run that failed, or noise above the limit, an error. What
/// cannot be told is a failure, or skipped where the profile says that it passes.
pub(crate) fn junit(comparison: &Comparison) -> String {
    let fails = comparison.setup.inconclusive_fails;
    let broken = comparison.failures.len();
    let suites = html! {
        testsuites name=(comparison.setup.name) {
            @for pair in &comparison.pairs { (suite(pair, fails)) }
            @if broken > 0 {
                testsuite name="runs" tests=(broken) failures="0" errors=(broken) skipped="0" {
                    @for (nth, failure) in comparison.failures.iter().enumerate() {
                        testcase classname="runs" name={ "run failure " (nth + 1) } {
                            error message=(failure) {}
                        }
                    }
                }
            }
        }
    };
    let head = PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    units::printable(&html! { (head) (suites) "\n" }.into_string())
}

/// What a CI server makes of a metric.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Passed,
    Failure,
    Error,
    Skipped,
}

fn case(verdict: Verdict, too_noisy: bool, inconclusive_fails: bool) -> Case {
    match verdict {
        verdict if verdict.is_worse() => Case::Failure,
        _ if too_noisy => Case::Error,
        Verdict::Inconclusive if inconclusive_fails => Case::Failure,
        Verdict::Inconclusive => Case::Skipped,
        _ => Case::Passed,
    }
}

/// The gates of a pair: name, case and message of each.
fn cases(pair: &Pair, fails: bool) -> Vec<(String, Case, String)> {
    let mut cases = Vec::new();
    for judged in &pair.metrics {
        if let Some(verdict) = judged.verdict {
            let case = case(verdict, judged.too_noisy, fails);
            cases.push((judged.metric.to_string(), case, message(judged, verdict)));
        }
        if let Some(bounded) = &judged.limit {
            let typical = bounded
                .typical
                .map_or("unknown".to_owned(), |value| figure(&judged.metric, judged.unit, value));
            let reason = bounded.reason.as_ref().map_or(String::new(), |reason| format!("; {reason}"));
            let message = format!(
                "{}: {typical}, 95 % interval {}, p {}{reason}",
                bounded.verdict.word(),
                limit_interval(judged, bounded),
                p(bounded.p)
            );
            let name = format!("{} {}", judged.metric, bounded.limit);
            cases.push((name, case(bounded.verdict, false, fails), message));
        }
    }
    cases
}

fn suite(pair: &Pair, fails: bool) -> Markup {
    let cases = cases(pair, fails);
    let count = |kind| cases.iter().filter(|(_, case, _)| *case == kind).count();
    let name = format!("{}: {} against {}", pair.workload, pair.candidate, pair.reference);
    html! {
        testsuite name=(name) tests=(cases.len()) failures=(count(Case::Failure))
            errors=(count(Case::Error)) skipped=(count(Case::Skipped)) {
            @for (metric, case, message) in &cases {
                testcase classname=(name) name=(metric) {
                    @match case {
                        Case::Passed => system-out { (message) },
                        Case::Failure => failure message=(message) {},
                        Case::Error => error message=(message) {},
                        Case::Skipped => skipped message=(message) {},
                    }
                }
            }
        }
    }
}

fn message(judged: &Judged, verdict: Verdict) -> String {
    let note = note(judged).map_or(String::new(), |note| format!("; {note}"));
    format!(
        "{}: change {}, 95 % interval {}, p {}{note}",
        verdict.word(),
        effect(judged),
        interval(judged),
        p(judged.p)
    )
}
