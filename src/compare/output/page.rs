//! `index.html`: the whole comparison on one page that needs nothing else.
//!
//! What is asked first stands first and to the left: on a narrow screen the rest of a table scrolls.
//!
//! Next file to read: `../../history/mod.rs`.
#![forbid(unsafe_code)]

use maud::{Markup, PreEscaped, html};

use super::super::model::{Comparison, Judged, Outcome, Pair, Verdict};
use super::plots::Picture;
use super::rank::{BY, Ranked, ranked};
use super::words::{
    answer, both, effect, engines, figure, interval, limit_interval, note, p, sentence, share, shown, title,
    unjudged,
};
use crate::profile::percent_text;
use crate::report::html::{machine, shell};

const STYLE: &str = "\
.answer{font-size:1.15rem;margin:.75rem 0}
.answers{margin:.5rem 0;padding-left:1.2rem}
.answers li{margin:.25rem 0;overflow-wrap:anywhere}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 1.25rem;align-items:start}
.plots figure{margin:.75rem 0;min-width:0}
.name{white-space:normal;overflow-wrap:anywhere;min-width:7rem}
.ranks td:nth-child(2),.ranks th:nth-child(2){position:sticky;left:0;background:var(--paper)}
.good{color:var(--good)}.bad{color:var(--bad)}.open{color:var(--warn)}
@media (max-width:30rem){body{padding:1rem .75rem 3rem}th,td{padding:.3rem .4rem}}
";

pub(super) fn page(comparison: &Comparison, plots: &[Picture]) -> String {
    let setup = &comparison.setup;
    let head = format!("{} \u{2013} rtbench comparison", setup.name);
    let class = match comparison.outcome {
        Outcome::Pass | Outcome::NotJudged => "badge complete",
        Outcome::Inconclusive | Outcome::TooNoisy | Outcome::Interrupted => "badge interrupted",
        Outcome::Regression | Outcome::RunFailed | Outcome::BadInput => "badge failed",
    };
    let body = html! {
        style { (PreEscaped(STYLE)) }
        header {
            h1 { (setup.name) " " span class=(class) { (title(comparison.outcome)) } }
            p.answer { strong { (sentence(comparison)) } }
            ul.answers { @for pair in &comparison.pairs { (answered(comparison, pair)) } }
            p.muted {
                "Compared with " (setup.tool.name) " " (setup.tool.version) ", begun "
                time datetime=(setup.created) { (setup.created) }
                ". The same for programs: " a href="compare.json" { "compare.json" }
                ", " a href="junit.xml" { "junit.xml" } "; for a pull request: " a href="summary.md" { "summary.md" } "."
            }
        }
        @for failure in &comparison.failures { div.failure role="note" { strong { "Failed: " } (failure) } }
        @for warning in &comparison.warnings { div.warning role="note" { (warning) } }
        @for (at, workload) in setup.workloads.iter().enumerate() { (section(comparison, at, workload, plots)) }
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
    shell(&head, body)
}

fn answered(comparison: &Comparison, pair: &Pair) -> Markup {
    let class = |what: &str| match what {
        "worse" | "exceeded" => "bad",
        "undecided" => "open",
        _ => "good",
    };
    let parts = answer(pair);
    html! {
        @if !parts.is_empty() {
            li {
                @if comparison.setup.workloads.len() > 1 { (pair.workload) ": " }
                strong { (pair.candidate) } " against " (pair.reference) ": "
                @for (nth, (what, metrics)) in parts.iter().enumerate() {
                    @if nth > 0 { "; " }
                    span class=(class(what)) { (what) } ": " (metrics)
                }
            }
        }
    }
}

fn section(comparison: &Comparison, at: usize, workload: &str, plots: &[Picture]) -> Markup {
    let pairs: Vec<_> = comparison.pairs.iter().filter(|pair| pair.workload == workload).collect();
    let (folded, open): (Vec<_>, Vec<_>) =
        plots.iter().filter(|picture| picture.workload == at).partition(|picture| picture.is_folded);
    html! {
        section {
            h2 { (workload) }
            @if let Some(first) = pairs.first() {
                p.muted {
                    (first.blocks) " blocks; " (first.redone) " measured again because the machine was disturbed, "
                    (first.disturbed) " kept though it was, " (first.failed) " failed."
                }
            }
            @if pairs.len() > 1 { (ranks(comparison, workload, &pairs)) }
            @else { @for pair in &pairs { (details(pair)) } }
            div.plots { @for picture in open { (figure_of(picture)) } }
            @if !folded.is_empty() {
                details {
                    summary { "Plots of the other streams" }
                    div.plots { @for picture in folded { (figure_of(picture)) } }
                }
            }
            @if pairs.len() > 1 {
                @for pair in &pairs {
                    details {
                        summary { (pair.candidate) " against " (pair.reference) ", in full" }
                        (details(pair))
                    }
                }
            }
        }
    }
}

fn figure_of(picture: &Picture) -> Markup {
    let plot = &picture.plot;
    html! {
        figure {
            (PreEscaped(&plot.svg))
            figcaption { (plot.reading) " " a href=(plot.file) { (plot.file) } }
        }
    }
}

/// All sides, the best first.
fn ranks(comparison: &Comparison, workload: &str, pairs: &[&Pair]) -> Markup {
    let gates: Vec<_> = pairs[0].metrics.iter().filter(|judged| judged.is_gate()).collect();
    let gates = if gates.is_empty() {
        pairs[0].metrics.iter().filter(|judged| shown(judged)).collect()
    } else {
        gates
    };
    html! {
        div.wide {
            table.ranks {
                thead { tr { th.n {} th { "side" } @for gate in &gates { th.n { (gate.metric) } } } }
                tbody {
                    @for (nth, ranked) in ranked(comparison, workload).into_iter().enumerate() {
                        tr {
                            td.n { (nth + 1) }
                            @match ranked {
                                Ranked::Reference => {
                                    td.name { (pairs[0].reference) " " span.muted { "(reference)" } }
                                    @for gate in &gates { td.n.muted { (both(gate).0) } }
                                },
                                Ranked::Candidate(pair) => {
                                    td.name { (pair.candidate) }
                                    @for gate in &gates { (ranked_cell(pair, gate)) }
                                },
                            }
                        }
                    }
                }
            }
        }
        p.muted {
            (BY) ". " span.good { "Green" } ": better, or shown not to be worse; " span.bad { "red" } ": worse; "
            span.open { "amber" } ": undecided."
        }
    }
}

fn ranked_cell(pair: &Pair, gate: &Judged) -> Markup {
    let found = pair.metrics.iter().find(|judged| judged.metric == gate.metric);
    html! {
        @match found {
            Some(judged) => {
                td.n title=[judged.verdict.map(Verdict::word)] {
                    span class=(judged.verdict.map_or("muted", color)) { (effect(judged)) }
                }
            },
            None => td.n { "\u{2013}" },
        }
    }
}

fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed | Verdict::Exceeded => "bad",
        Verdict::Inconclusive => "open",
        Verdict::Improved | Verdict::Equivalent | Verdict::NotWorse | Verdict::Within => "good",
    }
}

/// Tables and notes of one pair.
fn details(pair: &Pair) -> Markup {
    html! {
        p.muted { (engines(pair)) "." }
        div.wide {
            table {
                thead {
                    tr {
                        th { "metric" } th.n { "change" } th { "verdict" } th { "95 % interval" }
                        th.n { (pair.reference) } th.n { (pair.candidate) } th.n { "margin" } th.n { "p" }
                        th.n { "noise" } th.n { "detectable" }
                    }
                }
                tbody { @for judged in &pair.metrics { (rows(judged)) } }
            }
        }
        @for judged in pair.metrics.iter().filter(|judged| shown(judged)) {
            @if let Some(note) = note(judged) { p.muted { (judged.metric) ": " (note) "." } }
        }
        @if !pair.counters.is_empty() { (counters(pair)) }
    }
}

fn rows(judged: &Judged) -> Markup {
    let dash = || "\u{2013}".to_owned();
    let (reference, candidate) = both(judged);
    html! {
        @if judged.margin.is_some() || judged.limit.is_none() {
            tr {
                td { (judged.metric) }
                td.n { (effect(judged)) }
                td { (badge(judged.verdict, unjudged(judged))) }
                td { (interval(judged)) }
                td.n { (reference) }
                td.n { (candidate) }
                td.n { (judged.margin.map_or_else(dash, percent_text)) }
                td.n { (p(judged.p)) }
                td.n { (judged.noise_floor.map_or_else(dash, share)) }
                td.n { (judged.detectable.map_or_else(dash, share)) }
            }
        }
        @if let Some(bounded) = &judged.limit {
            tr {
                td { (judged.metric) }
                td.n { (bounded.limit) }
                td { (badge(Some(bounded.verdict), "")) }
                td { (limit_interval(judged, bounded)) }
                td.n { (dash()) }
                td.n { (bounded.typical.map_or_else(dash, |value| figure(&judged.metric, judged.unit, value))) }
                td.n { (dash()) }
                td.n { (p(bounded.p)) }
                td {} td {}
            }
        }
    }
}

fn badge(verdict: Option<Verdict>, none: &str) -> Markup {
    let class = match verdict.map(color) {
        Some("bad") => "badge failed",
        Some("open") => "badge interrupted",
        Some(_) => "badge complete",
        None => "muted",
    };
    html! { span class=(class) { @if let Some(verdict) = verdict { (verdict.word()) } @else { (none) } } }
}

fn counters(pair: &Pair) -> Markup {
    html! {
        details open[pair.counters.iter().any(|counter| counter.significant)] {
            summary { "Counters, for each operation" }
            div.wide {
                table {
                    thead { tr { th { "counter" } th.n { "change" } th {} th.n { "reference" } th.n { "candidate" } th.n { "p" } } }
                    tbody {
                        @for counter in &pair.counters {
                            @let (reference, candidate) = both(counter);
                            tr {
                                td { (counter.metric) }
                                td.n { (effect(counter)) }
                                td { @if counter.significant { "moved" } }
                                td.n { (reference) }
                                td.n { (candidate) }
                                td.n { (p(counter.p)) }
                            }
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
