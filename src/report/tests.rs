//! Tests of whole reports: what is in the files, and what the summary says.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::{Value, json};
use workloads::wire::{PluginId, Unit};

use super::hlog::{Log, Sink};
use super::machine::Machine;
use super::model::{Report, Status, WarningKind};
use super::synthetic::{Made, profile, start, with_samples};
use super::*;
use crate::session::record::{Outcome, Slices as _};

fn report(runs: &[RunRecord]) -> Report {
    let machine = Machine { logical_cores: Some(2), ..Machine::default() };
    assemble::assemble(&profile(), &decode::measure(runs), machine, assemble::timestamp(start()))
}

fn kinds(report: &Report) -> Vec<WarningKind> {
    report.workloads.iter().flat_map(|workload| &workload.warnings).map(|warning| warning.kind).collect()
}

fn made(runs: &[RunRecord]) -> BTreeMap<String, String> {
    let profile = profile();
    let account = Account::at(&profile, runs, Machine::default(), assemble::timestamp(start()));
    let files = account.files().unwrap();
    files.into_iter().map(|(name, content)| (name, String::from_utf8(content).unwrap())).collect()
}

/// A disk that is full after so many bytes.
struct Small(Vec<u8>, usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.len().min(self.1 - self.0.len()) {
            0 => Err(io::ErrorKind::StorageFull.into()),
            some => {
                self.0.extend_from_slice(&bytes[..some]);
                Ok(some)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Small {
    fn cut(&mut self, length: u64) {
        self.0.truncate(length as usize);
    }
}

/// The log that these runs would have left.
fn log(runs: &[RunRecord]) -> String {
    let mut log = Log::new(Small(Vec::new(), usize::MAX));
    for run in runs {
        log.begin(&run.name);
        run.hello.iter().for_each(|hello| log.hello(hello));
        run.intervals.iter().for_each(|slice| log.slice(slice).unwrap());
    }
    String::from_utf8(log.get_ref().0.clone()).unwrap()
}

/// What the terminal is told.
fn summary(profile: &ProfileInfo, runs: &[RunRecord], color: bool) -> String {
    Account::new(profile, runs).summary(color)
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed { message: message.to_owned(), hint: Some("<hint>".to_owned()), is_input: false }
}

/// Runs of every sort: full, interrupted, broken, without a sample, without a word from the child.
fn of_every_sort() -> Vec<RunRecord> {
    let mut interrupted = Made { name: "second", intervals: 3, ..Made::echo() }.record();
    interrupted.outcome = Outcome::Interrupted;
    interrupted.done.as_mut().unwrap().interrupted = true;
    interrupted.warnings.push("<late> & \"slow\"".to_owned());
    let mut broken = with_samples([1234]);
    broken.outcome = failed("</pre><script>alert(1)</script>\u{1b}[31m");
    broken.done = None;
    let mut empty = with_samples([]);
    "empty".clone_into(&mut empty.name);
    let mut silent = with_samples([]);
    "<b>&silent".clone_into(&mut silent.name);
    silent.outcome = failed("no such file");
    (silent.hello, silent.done, silent.intervals) = (None, None, Vec::new());
    let mut counts = with_samples((0..60).map(|bit| 1 << bit));
    "counts".clone_into(&mut counts.name);
    counts.plan.plugin = Some(PluginId {
        path: "/plug-ins/libmade_up.so".to_owned(),
        name: "made-up".to_owned(),
        version: "2.0.0".to_owned(),
        sdk: "0.1.0".to_owned(),
        rustc: "rustc 1.95.0".to_owned(),
        engine_version: "0.1.0".to_owned(),
    });
    counts.hello.as_mut().unwrap().streams[0].unit = Unit::Count;
    vec![Made { intervals: 4, ..Made::echo() }.record(), interrupted, broken, empty, silent, counts]
}

#[test]
fn percentiles_are_those_counted_by_hand_and_unknown_ones_are_null() {
    let mut record = with_samples(1..=1000);
    record.hello.as_mut().unwrap().asked = Some(4000.0);
    let json = serde_json::to_value(report(&[record])).unwrap();
    let workload = &json["workloads"][0];
    let stream = &workload["streams"][0];
    assert_eq!((&stream["count"], &stream["min"], &stream["max"]), (&json!(1000), &json!(1), &json!(1000)));
    assert_eq!(stream["mean"], json!(500.5));
    let stdev = stream["stdev"].as_f64().unwrap();
    assert!((stdev - (999_999.0f64 / 12.0).sqrt()).abs() < 1e-9, "{stdev}");
    let percentiles = stream["percentiles"].as_array().unwrap();
    let told: Vec<_> = percentiles
        .iter()
        .map(|at| {
            (at["percentile"].to_string(), at["value"].as_u64(), at["samples_beyond"].as_u64().unwrap())
        })
        .collect();
    let by_hand = [
        ("50.0", Some(500), 500),
        ("75.0", Some(750), 250),
        ("90.0", Some(900), 100),
        ("95.0", Some(950), 50),
        ("99.0", Some(990), 10),
        ("99.5", None, 5),
        ("99.9", None, 1),
        ("99.95", None, 0),
        ("99.99", None, 0),
        ("99.999", None, 0),
    ];
    assert_eq!(told, by_hand.map(|(at, value, beyond)| (at.to_owned(), value, beyond)));
    let thin: Vec<_> = percentiles.iter().map(|at| at["thin"].as_bool().unwrap()).collect();
    assert_eq!(thin, [false, false, false, true, true, true, true, true, true, true]);
    assert!(percentiles[5]["value"].is_null());
    assert_eq!(
        workload["series"][0]["streams"][0],
        json!({ "count": 1000, "p50": 500, "p99": 990, "max": 1000 })
    );
    let rate = json!({ "asked": 4000.0, "started": 4000.0, "completed": 4000.0, "would_hold": null });
    assert_eq!(workload["rate"], rate);
}

#[test]
fn a_report_survives_the_way_to_json_and_back() {
    for runs in [of_every_sort(), Vec::new()] {
        let report = report(&runs);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    }
}

#[test]
fn costs_are_for_each_completed_operation_and_null_without_one() {
    let report = report(&[Made::echo().record(), with_samples([])]);
    let [echo, empty] = &report.workloads[..] else { panic!("two workloads") };
    let cost = echo.per_operation.as_ref().unwrap();
    assert_eq!(cost.cpu_ns, 23_000.0);
    assert!((cost.context_switches - 1.025).abs() < 1e-12);
    // Divided by the operations of the interval in which they were used, whatever else is counted.
    let mut other = Made::echo().record();
    let done = other.done.as_mut().unwrap();
    done.counts.insert("completed".to_owned(), 3);
    done.account.as_mut().unwrap().completed /= 2;
    let other = assemble::assemble(
        &profile(),
        &decode::measure(&[other]),
        Machine::default(),
        assemble::timestamp(start()),
    );
    assert_eq!(other.workloads[0].per_operation.as_ref().unwrap().cpu_ns, 46_000.0);
    assert_eq!(empty.per_operation, None);
    assert_eq!(echo.runtime.workers.len(), 2);
}

#[test]
fn without_the_childs_account_its_intervals_are_summed() {
    let mut record = Made { intervals: 4, ..Made::echo() }.record();
    record.done = None;
    record.outcome = failed("killed");
    let report = report(&[record]);
    let workload = &report.workloads[0];
    assert_eq!(workload.counts["completed"], 20_000);
    assert_eq!(workload.measured_ns, Some(1_000_000_000));
    assert_eq!(workload.rate.completed, Some(20_000.0));
    assert_eq!(workload.runtime.global["remote_schedules"], 2_000);
    assert_eq!((&workload.usage, &workload.per_operation), (&None, &None));
    assert_eq!(report.status, Status::Failed);
    assert_eq!(kinds(&report), [WarningKind::NoAccount]);
}

#[test]
fn the_worst_run_names_the_status() {
    let status = |runs: &[RunRecord]| report(runs).status;
    let mut runs = of_every_sort();
    assert_eq!(status(&runs), Status::Failed);
    runs.truncate(2);
    assert_eq!(status(&runs), Status::Interrupted);
    runs.truncate(1);
    assert_eq!(status(&runs), Status::Complete);
    assert_eq!(status(&[]), Status::Interrupted);
}

#[test]
fn each_doubt_is_told_and_a_good_run_raises_none() {
    let good = Made { intervals: 4, ..Made::echo() }.record();
    assert_eq!(kinds(&report(std::slice::from_ref(&good))), []);
    let doubt = |change: &dyn Fn(&mut RunRecord)| {
        let mut record = good.clone();
        change(&mut record);
        kinds(&report(&[record]))
    };
    let set = |name: &'static str, number: u64| {
        move |record: &mut RunRecord| {
            record.done.as_mut().unwrap().counts.insert(name.to_owned(), number);
        }
    };
    // The rate is made from what was completed within the window.
    assert_eq!(doubt(&set("completed_in_window", 19_000)), [WarningKind::RateNotReached]);
    assert_eq!(doubt(&set("started", 20_001)), [WarningKind::Unfinished]);
    let saturated = |record: &mut RunRecord| {
        set("completed_in_window", 10_000)(record);
        set("dropped", 5_000)(record);
        for interval in &mut record.intervals {
            interval.counts.insert("completed_in_window".to_owned(), 2_500);
        }
    };
    assert_eq!(doubt(&saturated), [WarningKind::Overloaded]);
    let late = |record: &mut RunRecord| {
        let lag = record.intervals[0].histograms[0].clone();
        record.intervals.iter_mut().for_each(|interval| interval.histograms[2] = lag.clone());
    };
    assert_eq!(doubt(&late), [WarningKind::GeneratorLimited]);
    let stuck = |record: &mut RunRecord| {
        record.done.as_mut().unwrap().runtime.workers[1].insert("stuck_polls".to_owned(), 1);
    };
    assert_eq!(doubt(&stuck), [WarningKind::StuckPolls]);
    assert_eq!(doubt(&set("failed", 1)), [WarningKind::Errors]);
    assert_eq!(doubt(&set("dropped", 1)), [WarningKind::Dropped]);
    assert_eq!(doubt(&|record| record.plan.duration_ns *= 2), [WarningKind::WindowCutShort]);
    assert_eq!(doubt(&|record| record.warnings.push("late".to_owned())), [WarningKind::Workload]);
    assert_eq!(
        doubt(&|record| record.intervals[0].histograms[1] = "?".to_owned()),
        [WarningKind::UnreadableSlices]
    );
    let busy = |record: &mut RunRecord| record.done.as_mut().unwrap().usage.user_us = 1_900_000;
    assert_eq!(doubt(&busy), [WarningKind::CpuSaturated]);
    let pushed = |record: &mut RunRecord| record.done.as_mut().unwrap().usage.involuntary_switches = 5_000;
    assert_eq!(doubt(&pushed), [WarningKind::InvoluntarySwitches]);
    assert_eq!(kinds(&report(&[with_samples(1..=999)])), [WarningKind::FewSamples]);
    assert_eq!(kinds(&report(&[with_samples([])])), [WarningKind::NoSamples]);
}

#[test]
fn the_log_read_back_holds_every_sample() {
    let mut runs = of_every_sort();
    runs[5].intervals[0].start_unix_ms += 60_000;
    let log = log(&runs);
    let mut sums: BTreeMap<Option<String>, Histogram<u64>> = BTreeMap::new();
    let (mut starts, mut headers) = (Vec::new(), 0);
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        match entry.unwrap() {
            LogEntry::StartTime(time) | LogEntry::BaseTime(time) => {
                assert_eq!(time.as_millis(), 1_795_247_102_000);
                headers += 1;
            }
            LogEntry::Interval(slice) => {
                let bytes = STANDARD.decode(slice.encoded_histogram()).unwrap();
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                let tag = slice.tag().map(|tag| tag.as_str().to_owned());
                sums.entry(tag).or_insert_with(|| Histogram::new(3).unwrap()).add(histogram).unwrap();
                starts.push(slice.start_timestamp().as_millis());
            }
        }
    }
    assert_eq!(headers, 2);
    assert_eq!(starts.iter().filter(|&&start| start == 750).count(), 3, "the fourth slice of the first run");
    assert_eq!(starts.last(), Some(&60_000));
    let expected = decode::measure(&runs);
    let expected: BTreeMap<_, _> = expected
        .iter()
        .enumerate()
        .flat_map(|(nth, run)| {
            run.streams.iter().enumerate().map(move |(at, stream)| {
                let tag = (nth > 0 || at > 0).then(|| format!("{}.{}", run.slug, stream.info.name));
                (tag, stream.total.clone())
            })
        })
        .collect();
    assert_eq!(expected.len(), 9);
    assert_eq!(sums, expected);
    assert_eq!(sums[&None].len(), 20_000);
}

#[test]
fn a_log_is_on_the_disk_as_soon_as_a_slice_is_and_ends_between_two_of_them() {
    let run = Made { intervals: 4, ..Made::echo() }.record();
    let whole = log(std::slice::from_ref(&run)).len();
    let mut log = Log::new(Small(Vec::new(), whole * 2 / 3));
    log.begin("echo");
    log.hello(run.hello.as_ref().unwrap());
    assert!(log.get_ref().0.is_empty(), "nothing is measured yet");
    let lines = |log: &Log<Small>| {
        let entries = IntervalLogIterator::new(&log.get_ref().0).map(Result::unwrap);
        entries.filter(|entry| matches!(entry, LogEntry::Interval(_))).count()
    };
    let written: Vec<_> = run.intervals.iter().map(|slice| (log.slice(slice).is_ok(), lines(&log))).collect();
    assert_eq!(written, [(true, 3), (true, 6), (false, 6), (true, 6)], "told once");
}

#[test]
fn plots_are_well_formed_and_say_what_they_show() {
    let files = made(&of_every_sort());
    let svgs: Vec<_> = files.iter().filter(|(name, _)| name.ends_with(".svg")).collect();
    assert_eq!(svgs.len(), 17, "{:?}", files.keys());
    for (name, svg) in &svgs {
        let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(document.root_element().tag_name().name(), "svg", "{name}");
    }
    let texts = |name: &str| {
        let document = roxmltree::Document::parse(&files[name]).unwrap();
        let texts =
            document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text());
        texts.map(|text| text.trim().to_owned()).collect::<BTreeSet<_>>()
    };
    let has = |name: &str, labels: &[&str]| {
        let texts = texts(name);
        labels.iter().for_each(|&label| assert!(texts.contains(label), "{name} lacks {label}: {texts:?}"));
    };
    has(
        "echo.percentiles.svg",
        &["echo: latency by percentile", "50", "90", "99", "99.9", "99.99", "100 us"],
    );
    has("echo.over-time.svg", &["echo: over time", "p50", "p99", "max", "asked", "completed", "20,000"]);
    has(
        "echo.runtime.svg",
        &["echo: the runtime over time", "worker 1", "polls", "global", "poll p99", "tasks stolen"],
    );
    has("few.percentiles.svg", &["latency, max 1.23 us"]);
    has("empty.percentiles.svg", &["no samples"]);
    has("empty.over-time.svg", &["no samples"]);
    has("b--silent.over-time.svg", &["<b>&silent: over time", "nothing was measured", "no samples"]);
    has("counts.percentiles-count.svg", &["counts: values by percentile"]);
}

/// The drawing as a whole, byte for byte. After a change that is meant, look at the picture, then take the new one:
/// the message says where it is.
#[test]
fn a_fixed_run_gives_a_fixed_picture() {
    let files =
        made(&[Made { streams: vec![("latency", 5e4)], rate: 4_000, intervals: 8, ..Made::echo() }.record()]);
    for name in ["echo.percentiles.svg", "echo.over-time.svg"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/golden").join(name);
        if fs::read_to_string(&golden).is_ok_and(|golden| golden == files[name]) {
            continue;
        }
        let new = std::env::temp_dir().join(name);
        fs::write(&new, &files[name]).unwrap();
        panic!("{} differs from what is drawn now, {}", golden.display(), new.display());
    }
}

#[test]
fn the_page_escapes_what_it_is_told_and_needs_nothing_from_outside() {
    let page = &made(&of_every_sort())["index.html"];
    for raw in ["<script>alert", "<b>&silent", "<late>", "<hint>", "\u{1b}"] {
        assert!(!page.contains(raw), "{raw:?} came through");
    }
    for escaped in [
        "&lt;script&gt;alert(1)",
        "&lt;b&gt;&amp;silent",
        "&lt;late&gt; &amp; &quot;slow&quot;",
        "&lt;hint&gt;",
    ] {
        assert!(page.contains(escaped), "{escaped} is missing");
    }
    let addresses = page.split("http").skip(1).filter(|rest| !rest.starts_with("://www.w3.org/2000/svg\""));
    assert_eq!(addresses.collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(!page.contains(" src="));
    for promised in
        ["worker_threads = 2", "52.3 us", "p99.999", "remote_schedules", "Effective profile", "Machine"]
    {
        assert!(page.contains(promised), "{promised} is missing");
    }
    let files = made(&of_every_sort());
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for link in links {
        let known = files.contains_key(link)
            || link == "latency.hlog"
            || link.strip_prefix('#').is_some_and(|slug| page.contains(&format!("section id=\"{slug}\"")));
        assert!(known, "{link} leads nowhere");
    }
}

#[test]
fn the_summary_is_short_and_says_what_is_known() {
    let told = summary(&profile(), &[Made::echo().record()], false);
    let expected = "\
echo  complete, 8 s
  rate   20,000/s of 20,000/s asked
  count  160,000 completed, 0 failed, 0 dropped
  cost   23.0 us of CPU and 1.02 context switches an operation
                         p50       p90       p99     p99.9       max  samples
  latency            52.1 us   69.5 us   91.8 us   3.03 ms   8.37 ms  160,000
  service            44.1 us   58.8 us   77.5 us   2.96 ms   7.01 ms  160,000
  lag                1.90 us   2.54 us   3.34 us    128 us    362 us  160,000
  blocking_latency  ~55.3 us   ~107 us   ~139 us   ~230 us   ~240 us  134,933
  poll_time         ~1.84 us  ~3.55 us  ~4.63 us  ~7.66 us  ~8.00 us  134,933
  work   2 workers awake for 18 %, 1.67 polls and 0.83 parks an operation, mean poll 1.20 us
  queue  global 0.40 (most 3), workers' own 1.70 (most 9)
  steal  3,554 tasks: worker 0 1,777 from 1, worker 1 1,777 from 0
";
    assert!(told.contains(expected), "{told}");
    assert!(told.starts_with("server: complete, runtime 0.1.0"), "{told}");
    assert!(told.lines().count() <= 25, "{told}");

    let all = summary(&profile(), &of_every_sort(), false);
    assert!(!all.contains('\u{1b}'), "{all}");
    assert!(all.contains("  latency        -        -        -        -  1.23 us        1\n"), "{all}");
    assert!(all.contains("warning: latency: too few samples (1) for"), "{all}");
    let from = "  from   made-up 2.0.0, /plug-ins/libmade_up.so, SDK 0.1.0, rustc 1.95.0\n";
    assert!(all.contains(from), "{all}");

    let mut talkative = Made { intervals: 4, ..Made::echo() }.record();
    talkative.warnings.push("word ".repeat(40));
    let wrapped = summary(&profile(), &[talkative], false);
    let line = ["word"; 18].join(" ");
    assert!(
        wrapped.contains(&format!("warning: {line}\n         {line}\n         word word word word\n")),
        "{wrapped}"
    );

    let painted = summary(&profile(), &of_every_sort(), true);
    let mut plain = painted.clone();
    for code in ["0", "1", "2", "32", "33;1", "31;1"] {
        plain = plain.replace(&format!("\u{1b}[{code}m"), "");
    }
    assert_ne!(painted, all);
    assert_eq!(plain, all);
}

/// Every field of `value` as a path; `[]` is any element. What `open` says is named by users and workloads.
fn paths(value: &Value, path: &str, open: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    if !path.is_empty() && !path.ends_with("[]") {
        found.insert(path.to_owned());
    }
    match value {
        _ if open.contains(path) => {}
        // Names that the runtime gives to its counters.
        Value::Object(_) if path.ends_with("runtime.workers[]") => {
            found.insert(format!("{path}.*"));
        }
        Value::Object(map) => {
            let dot = if path.is_empty() { "" } else { "." };
            map.iter().for_each(|(key, value)| paths(value, &format!("{path}{dot}{key}"), open, found));
        }
        Value::Array(list) => list.iter().for_each(|value| paths(value, &format!("{path}[]"), open, found)),
        _ => {}
    }
}

#[test]
fn the_format_page_lists_each_field_and_no_other() {
    let page = include_str!("../../reports/README.md");
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| row.split_once("` | "));
    let rows: BTreeMap<String, &str> = rows.map(|(path, text)| (path.to_owned(), text)).collect();
    let open =
        rows.iter().filter(|(_, text)| text.starts_with("map")).map(|(path, _)| path.clone()).collect();
    let mut found = BTreeSet::new();
    let report: Value = serde_json::from_str(&made(&of_every_sort())["report.json"]).unwrap();
    paths(&report, "", &open, &mut found);
    let listed: BTreeSet<String> = rows.into_keys().collect();
    assert_eq!(listed, found);
    for kind in ["unoptimised_build", "no_account", "window_cut_short", "no_samples", "few_samples"]
        .into_iter()
        .chain(["overloaded", "rate_not_reached", "errors", "dropped", "unfinished", "generator_limited"])
        .chain(["stuck_polls", "cpu_saturated", "involuntary_switches"])
        .chain(["unreadable_slices", "workload"])
    {
        assert!(serde_json::from_value::<WarningKind>(json!(kind)).is_ok(), "{kind} is no kind");
        assert!(page.contains(&format!("- `{kind}`: ")), "{kind} is not explained");
    }
}
