//! JUnit XML: a suite for each pair, a case for each gated metric.
//!
//! Next file to read: `plots.rs`.
#![forbid(unsafe_code)]

use maud::{Markup, PreEscaped, html};

use super::super::model::{Comparison, Judged, Pair, Verdict};
use super::text::note;
use super::{change, interval, p};
use crate::report::units;

/// The comparison as a JUnit report.
///
/// A regression is a failure; a run that failed, or noise above the limit, an error. What cannot be told is skipped,
/// or a failure where the profile says so.
pub(super) fn junit(comparison: &Comparison) -> String {
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

fn case(judged: &Judged, inconclusive_fails: bool) -> Case {
    match judged.verdict {
        Some(Verdict::Regressed) => Case::Failure,
        _ if judged.too_noisy => Case::Error,
        Some(Verdict::Inconclusive) if inconclusive_fails => Case::Failure,
        Some(Verdict::Inconclusive) => Case::Skipped,
        _ => Case::Passed,
    }
}

fn suite(pair: &Pair, fails: bool) -> Markup {
    let gated: Vec<_> = pair.metrics.iter().filter(|judged| judged.margin.is_some()).collect();
    let count = |kind| gated.iter().filter(|judged| case(judged, fails) == kind).count();
    let name = format!("{}: {} against {}", pair.workload, pair.candidate, pair.reference);
    html! {
        testsuite name=(name) tests=(gated.len()) failures=(count(Case::Failure))
            errors=(count(Case::Error)) skipped=(count(Case::Skipped)) {
            @for judged in &gated {
                @let message = message(judged);
                testcase classname=(name) name=(judged.metric) {
                    @match case(judged, fails) {
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

fn message(judged: &Judged) -> String {
    let verdict = judged.verdict.map_or("", Verdict::word);
    let effect = judged.effect.map_or("unknown".to_owned(), change);
    let note = note(judged).map_or(String::new(), |note| format!("; {note}"));
    format!("{verdict}: change {effect}, 95 % interval {}, p {}{note}", interval(judged), p(judged.p))
}
