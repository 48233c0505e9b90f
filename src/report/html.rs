//! `index.html`: the whole report on one page that needs nothing else. Next: `summary.rs`.
//!
//! `maud` escapes every text by itself; only our own style sheet and the plots go in as they are.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use workloads::wire::count;

use super::machine::Machine;
use super::model::{Counters, Plugin, Report, Status, Stream, Warning, Workload};
use super::plot::Plot;
use super::units;

/// Stands for what is not known.
const DASH: &str = "\u{2013}";
/// Stands behind a figure that the load generator may have made worse.
const MARK: &str = "*";
const STYLE: &str = include_str!("page.css");

/// The page; `plots` are those of each workload.
pub(super) fn page(report: &Report, plots: &[Vec<Plot>]) -> String {
    let title = format!("{} \u{2013} rtbench report", report.profile.name);
    let body = html! {
        header {
            h1 { (report.profile.name) " " (badge(report.status)) }
            p.muted {
                "Measured with " (report.tool.name) " " (report.tool.version) ", written "
                time datetime=(report.created) { (report.created) }
                ". The same figures for programs: " a href="report.json" { "report.json" }
                ", " a href="latency.hlog" { "latency.hlog" } "."
            }
        }
        (warnings(&report.warnings))
        @if report.workloads.is_empty() { p.muted { "No workload was run." } }
        @if report.workloads.len() > 1 { (contents(&report.workloads)) }
        @for (workload, plots) in report.workloads.iter().zip(plots) { (section(workload, plots)) }
        section {
            h2 { "Machine" }
            (machine(&report.machine))
        }
        section {
            h2 { "Effective profile" }
            p.muted { "From " code { (report.profile.path) } ", with every default filled in." }
            pre { (toml(&report.profile.effective)) }
        }
    };
    shell(&title, body)
}

/// A page of its own around `body`.
pub(crate) fn shell(title: &str, body: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    // XML's forbidden characters are no better in HTML.
    units::printable(&page.into_string())
}

fn badge(status: Status) -> Markup {
    html! { span class={ "badge " (status.word()) } { (status.word()) } }
}

fn warnings(warnings: &[Warning]) -> Markup {
    html! {
        @for warning in warnings {
            div.warning role="note" {
                strong { (warning.text) }
                @if let Some(action) = &warning.action { " " (action) }
            }
        }
    }
}

fn contents(workloads: &[Workload]) -> Markup {
    html! {
        nav { @for workload in workloads { a href={ "#" (workload.slug) } { (workload.name) } " " } }
    }
}

fn section(workload: &Workload, plots: &[Plot]) -> Markup {
    html! {
        section id=(workload.slug) {
            h2 { (workload.name) " " (badge(workload.status)) }
            p.muted { (what_ran(workload)) }
            @if let Some(failure) = &workload.failure {
                div.failure role="alert" {
                    strong { "The run failed." }
                    pre { (failure.message) }
                    @if let Some(hint) = &failure.hint { p { (hint) } }
                }
            }
            (warnings(&workload.warnings))
            (headline(workload))
            @for plot in plots {
                figure {
                    (PreEscaped(&plot.svg))
                    figcaption { (plot.reading) " " a href=(plot.file) { (plot.file) } }
                }
            }
            div.columns {
                div { h3 { "Percentiles" } (percentiles(&workload.streams)) }
                div { h3 { "Counts" } (counts(workload)) }
            }
            (legend(&workload.streams))
            (inside(&workload.runtime))
            h3 { "Runtime counters" }
            (counters(&workload.runtime))
            details {
                summary { "Parameters" }
                table.plain {
                    @for (name, value) in &workload.plan.params { tr { th { (name) } td { (plain(value)) } } }
                    tr { th { "seed" } td { (workload.plan.seed) } }
                }
            }
        }
    }
}

fn what_ran(workload: &Workload) -> String {
    let engine = workload
        .engine
        .as_ref()
        .map_or_else(|| "an engine that did not give its name".to_owned(), ToString::to_string);
    let plugin = workload.plugin.as_ref().map_or_else(String::new, |plugin| {
        let Plugin { name, version, path, sdk, rustc } = plugin;
        format!(" Plug-in {name} {version}, {path}, with SDK {sdk}, built by {rustc}.")
    });
    let measured = workload.measured_ns.map_or_else(|| "nothing".to_owned(), |ns| units::tick(ns as f64));
    let warmup = units::tick(workload.plan.warmup_ns as f64);
    format!(
        "{} on {engine}; started {}; {measured} measured after a warm-up of {warmup}.{plugin}",
        workload.kind, workload.started
    )
}

/// The figures that people look for first.
fn headline(workload: &Workload) -> Markup {
    let mut cards: Vec<(String, String, String)> = Vec::new();
    if let Some(done) = workload.rate.completed {
        let mut asked =
            workload.rate.asked.map_or_else(String::new, |asked| format!("of {} asked", units::rate(asked)));
        if let Some(rate) = workload.rate.would_hold {
            asked.push_str(&format!(", overloaded: about {} would hold", units::rate(rate)));
        }
        cards.push(("rate".to_owned(), units::rate(done), asked));
    }
    if let Some(stream) = workload.streams.first() {
        for shown in [50.0, 99.0, 99.9] {
            let value = stream.percentiles.iter().find(|at| at.percentile == shown).and_then(|at| at.value);
            cards.push((units::percentile(shown), figure(stream, value), stream.name.clone()));
        }
        cards.push(("max".to_owned(), figure(stream, stream.max), stream.name.clone()));
    }
    if let Some(failed) = workload.counts.get(count::FAILED) {
        cards.push(("failed".to_owned(), units::integer(*failed), "operations".to_owned()));
    }
    if let Some(cost) = &workload.per_operation {
        cards.push(("CPU".to_owned(), units::duration(cost.cpu_ns), "an operation".to_owned()));
    }
    html! {
        div.cards {
            @for (label, value, note) in &cards {
                div.card { div.label { (label) } div.value { (value) } div.note { (note) } }
            }
        }
    }
}

fn figure(stream: &Stream, value: Option<u64>) -> String {
    value.map_or_else(|| DASH.to_owned(), |value| units::value(stream.unit, value as f64))
}

/// One row for each figure, one column for each stream.
fn percentiles(streams: &[Stream]) -> Markup {
    let Some(first) = streams.first() else { return html! { p.muted { "No stream was recorded." } } };
    let row = |name: &str, cell: &dyn Fn(&Stream) -> String| {
        html! { tr { th { (name) } @for stream in streams { td.n { (cell(stream)) } } } }
    };
    let float = |stream: &Stream, value: Option<f64>| {
        value.map_or_else(|| DASH.to_owned(), |value| units::value(stream.unit, value))
    };
    html! {
        div.wide { table {
            thead { tr { th {} @for stream in streams { th.n title=(stream.title) { (stream.name) } } } }
            tbody {
                (row("samples", &|stream| units::integer(stream.count)))
                (row("mean", &|stream| float(stream, stream.mean)))
                (row("stdev", &|stream| float(stream, stream.stdev)))
                (row("min", &|stream| figure(stream, stream.min)))
                @for (nth, at) in first.percentiles.iter().enumerate() { tr {
                    th { (units::percentile(at.percentile)) }
                    @for stream in streams {
                        @let at = &stream.percentiles[nth];
                        @let note = format!("{} samples beyond", units::integer(at.samples_beyond));
                        td.n.thin[at.thin] title=(note) {
                            (figure(stream, at.value)) @if at.generator_limited { (MARK) }
                        }
                    }
                } }
                (row("max", &|stream| {
                    let mark = if stream.max_generator_limited { MARK } else { "" };
                    figure(stream, stream.max) + mark
                }))
            }
        } }
    }
}

fn legend(streams: &[Stream]) -> Markup {
    html! {
        ul.muted {
            @for stream in streams { li { code { (stream.name) } ": " (stream.title) } }
            li { "A dash: fewer than 10 samples lie beyond, too few to tell. Italics: fewer than 100." }
            @if streams.iter().any(is_marked) {
                li { (MARK) ": more than a tenth of it may be the load generator's own lateness." }
            }
        }
    }
}

fn is_marked(stream: &Stream) -> bool {
    stream.max_generator_limited || stream.percentiles.iter().any(|at| at.generator_limited)
}

fn counts(workload: &Workload) -> Markup {
    let mut rows: Vec<(String, String)> =
        workload.counts.iter().map(|(name, number)| (name.clone(), units::integer(*number))).collect();
    if let Some(usage) = &workload.usage {
        let micros = |us: u64| units::duration(us as f64 * 1e3);
        rows.extend([
            ("CPU time, user".to_owned(), micros(usage.user_us)),
            ("CPU time, kernel".to_owned(), micros(usage.system_us)),
            ("context switches, voluntary".to_owned(), units::integer(usage.voluntary_switches)),
            ("context switches, involuntary".to_owned(), units::integer(usage.involuntary_switches)),
            ("most memory resident".to_owned(), units::bytes(usage.max_rss_bytes)),
        ]);
    }
    if let Some(cost) = &workload.per_operation {
        let switches = units::significant(cost.context_switches);
        rows.push(("context switches an operation".to_owned(), switches));
    }
    table_of(&rows)
}

fn table_of(rows: &[(String, String)]) -> Markup {
    html! {
        @if rows.is_empty() { p.muted { "Nothing was counted." } } @else {
            table.plain { @for (name, value) in rows { tr { th { (name) } td.n { (value) } } } }
        }
    }
}

/// The runtime's histograms, levels and steals.
fn inside(counters: &Counters) -> Markup {
    let level = |name: &str, value: f64| {
        if name.ends_with("_ns") { units::duration(value) } else { units::significant(value) }
    };
    html! {
        @if !counters.histograms.is_empty() {
            h3 { "Inside the runtime: times" }
            div.wide { table {
                thead { tr {
                    th {}
                    @for name in ["count", "mean", "p50", "p90", "p99", "p99.9", "max"] { th.n { (name) } }
                } }
                tbody { @for (name, of) in &counters.histograms { tr {
                    th { (name) }
                    td.n { (units::integer(of.count)) }
                    @for value in [of.mean, of.p50, of.p90, of.p99, of.p999, of.max] { td.n { (units::duration(value)) } }
                } } }
            } }
            p.muted { "From the runtime's own histograms, which know a value by its bucket: these lie within it." }
        }
        @if !counters.levels.is_empty() {
            h3 { "Inside the runtime: levels" }
            table.plain {
                thead { tr { th {} th.n { "mean" } th.n { "most" } } }
                tbody { @for (name, of) in &counters.levels { tr {
                    th { (name) } td.n { (level(name, of.mean)) } td.n { (level(name, of.max as f64)) }
                } } }
            }
            p.muted { "Looked at about ten times a second." }
        }
        @if counters.steals.len() > 1 {
            h3 { "Inside the runtime: tasks stolen" }
            div.wide { table {
                thead { tr {
                    th { "thief" }
                    @for victim in 0..counters.steals.len() { th.n { "from " (victim) } }
                } }
                tbody { @for (thief, row) in counters.steals.iter().enumerate() { tr {
                    th { (thief) }
                    @for (victim, count) in row.iter().enumerate() {
                        td.n { @if victim == thief { (DASH) } @else { (units::integer(*count)) } }
                    }
                } } }
            } }
        }
    }
}

fn counters(counters: &Counters) -> Markup {
    let names: BTreeSet<&String> = counters.workers.iter().flat_map(BTreeMap::keys).collect();
    let sum = |name: &String| counters.workers.iter().filter_map(|worker| worker.get(name)).sum();
    let globals: Vec<_> =
        counters.global.iter().map(|(name, number)| (name.clone(), counter(name, *number))).collect();
    html! {
        @if names.is_empty() { p.muted { "The runtime gave no counters for its workers." } } @else {
            div.wide { table {
                thead { tr { th { "worker" } @for name in &names { th.n { (name) } } } }
                tbody {
                    @for (nth, worker) in counters.workers.iter().enumerate() { tr {
                        th { (nth) }
                        @for &name in &names {
                            td.n { (worker.get(name).map_or_else(String::new, |number| counter(name, *number))) }
                        }
                    } }
                }
                tfoot { tr { th { "all" } @for &name in &names { td.n { (counter(name, sum(name))) } } } }
            } }
        }
        @if !globals.is_empty() { br; (table_of(&globals)) }
    }
}

/// A counter; its name says whether it counts time.
fn counter(name: &str, number: u64) -> String {
    if name.ends_with("_ns") { units::duration(number as f64) } else { units::integer(number) }
}

pub(crate) fn machine(machine: &Machine) -> Markup {
    let unknown = || "unknown".to_owned();
    let rows = [
        ("operating system", machine.os.clone()),
        ("kernel", machine.kernel.clone().unwrap_or_else(unknown)),
        ("processor", machine.cpu_model.clone().unwrap_or_else(unknown)),
        ("architecture", machine.architecture.clone()),
        ("logical cores", machine.logical_cores.map_or_else(unknown, units::integer)),
        ("memory", machine.memory_bytes.map_or_else(unknown, units::bytes)),
        ("host", machine.hostname.clone().unwrap_or_else(unknown)),
    ];
    html! { table.plain { @for (name, value) in &rows { tr { th { (name) } td { (value) } } } } }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The profile in the notation that it was written in.
fn toml(value: &Value) -> String {
    let json = || serde_json::to_string_pretty(value).unwrap_or_default();
    toml::to_string_pretty(&without_nulls(value)).unwrap_or_else(|_| json())
}

/// TOML cannot say "nothing": what is not there is left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let some = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(some.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        Value::Array(list) => list.iter().filter(|value| !value.is_null()).map(without_nulls).collect(),
        other => other.clone(),
    }
}
