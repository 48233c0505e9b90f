//! `index.html`: the whole comparison on one page that needs nothing else.
//!
//! Next file to read: `../../history/mod.rs`.
#![forbid(unsafe_code)]

use maud::{Markup, PreEscaped, html};

use super::super::model::{Comparison, Judged, Outcome, Pair, Verdict};
use super::text::{engines, note, small};
use super::{change, figure, interval, p, sentence, share};
use crate::profile::percent_text;
use crate::report::html::{machine, shell};
use crate::report::plot::Plot;

pub(super) fn page(comparison: &Comparison, plots: &[Plot]) -> String {
    let setup = &comparison.setup;
    let title = format!("{} \u{2013} rtbench comparison", setup.name);
    let class = match comparison.outcome {
        Outcome::Pass => "badge complete",
        Outcome::Inconclusive | Outcome::TooNoisy | Outcome::Interrupted => "badge interrupted",
        Outcome::Regression | Outcome::RunFailed | Outcome::BadInput => "badge failed",
    };
    let body = html! {
        header {
            h1 { (setup.name) " " span class=(class) { (sentence(comparison.outcome)) } }
            p.muted {
                "Compared with " (setup.tool.name) " " (setup.tool.version) ", begun "
                time datetime=(setup.created) { (setup.created) }
                ". The same for programs: " a href="compare.json" { "compare.json" }
                ", " a href="junit.xml" { "junit.xml" } "; for a pull request: " a href="summary.md" { "summary.md" } "."
            }
        }
        @for failure in &comparison.failures { div.failure role="note" { strong { "Failed: " } (failure) } }
        @for warning in &comparison.warnings { div.warning role="note" { (warning) } }
        @for pair in &comparison.pairs { (section(pair)) }
        section {
            h2 { "Plots" }
            @for plot in plots {
                figure {
                    (PreEscaped(&plot.svg))
                    figcaption { (plot.reading) " " a href=(plot.file) { (plot.file) } }
                }
            }
        }
        section {
            h2 { "Machine" }
            (machine(&setup.machine))
            @if let Some(baseline) = &comparison.baseline {
                h3 { "Machine of the baseline, " (baseline.created) }
                (machine(&baseline.machine))
            }
        }
        section {
            h2 { "Plans" }
            @for side in &setup.sides {
                details {
                    summary { (side.label) }
                    @for plan in &side.plans {
                        pre { (serde_json::to_string_pretty(plan).unwrap_or_default()) }
                    }
                }
            }
        }
    };
    shell(&title, body)
}

fn section(pair: &Pair) -> Markup {
    html! {
        section {
            h2 { (pair.workload) ": " (pair.candidate) " against " (pair.reference) }
            p.muted {
                (pair.blocks) " blocks; " (pair.redone) " measured again because the machine was disturbed, "
                (pair.disturbed) " kept though it was, " (pair.failed) " failed; " (engines(pair)) "."
            }
            div.wide {
                table {
                    thead {
                        tr {
                            th { "metric" } th.n { "margin" } th.n { "reference" } th.n { "candidate" } th.n { "change" }
                            th { "95 % interval" } th.n { "p" } th.n { "noise" } th.n { "detectable" } th { "verdict" }
                        }
                    }
                    tbody { @for judged in &pair.metrics { (row(pair, judged)) } }
                }
            }
            @for judged in &pair.metrics {
                @if let Some(note) = note(judged) { p.muted { (judged.metric) ": " (note) "." } }
            }
            @if !pair.counters.is_empty() {
                details open[pair.counters.iter().any(|moved| moved.significant)] {
                    summary { "Runtime counters, for each operation" }
                    table {
                        thead { tr { th { "counter" } th.n { "reference" } th.n { "candidate" } th.n { "change" } th.n { "p" } th {} } }
                        tbody {
                            @for moved in &pair.counters {
                                tr {
                                    td { (moved.name) }
                                    td.n { (small(moved.reference)) }
                                    td.n { (small(moved.candidate)) }
                                    td.n { (moved.effect.map_or("\u{2013}".to_owned(), change)) }
                                    td.n { (p(moved.p)) }
                                    td { @if moved.significant { "moved" } }
                                }
                            }
                        }
                    }
                    p.muted {
                        "Exploratory: of the counters called moved, one in ten may not have (Benjamini and Hochberg). They "
                        "decide nothing and hint at the reason of what was decided."
                    }
                }
            }
        }
    }
}

fn row(pair: &Pair, judged: &Judged) -> Markup {
    let dash = || "\u{2013}".to_owned();
    let value = |value: Option<f64>| value.map_or_else(dash, |value| figure(judged.metric, pair.unit, value));
    let class = match judged.verdict {
        Some(Verdict::Regressed) => "badge failed",
        Some(Verdict::Improved | Verdict::Equivalent) => "badge complete",
        Some(Verdict::Inconclusive) => "badge interrupted",
        None => "muted",
    };
    html! {
        tr {
            td { (judged.metric) }
            td.n { (judged.margin.map_or_else(dash, percent_text)) }
            td.n { (value(judged.reference)) }
            td.n { (value(judged.candidate)) }
            td.n { (judged.effect.map_or_else(dash, change)) }
            td { (interval(judged)) }
            td.n { (p(judged.p)) }
            td.n { (judged.noise_floor.map_or_else(dash, share)) }
            td.n { (judged.detectable.map_or_else(dash, share)) }
            td { span class=(class) { (judged.verdict.map_or("not a gate", Verdict::word)) } }
        }
    }
}
