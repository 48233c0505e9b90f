//! Histories that are made up, in memory and in files.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use workloads::wire::Unit;

use super::line::VERSION;
use super::*;
use crate::compare::model::{Comparison, Outcome, Verdict};
use crate::compare::simulated;

fn line(time: usize, candidate: &str, p50: f64) -> Line {
    let point =
        Point { value: Some(p50), effect: Some(0.0), interval: None, verdict: Some(Verdict::Equivalent) };
    let unknown = Point { value: None, ..point.clone() };
    Line {
        schema: "rtbench-history".to_owned(),
        version: VERSION,
        id: time.to_string(),
        time: format!("2026-11-{:02}T00:00:00Z", time % 28 + 1),
        label: Some(format!("commit <{time}>")),
        comparison: "server".to_owned(),
        outcome: Outcome::Pass,
        reference: "first".to_owned(),
        candidate: candidate.to_owned(),
        key: Key {
            workload: "echo".to_owned(),
            plan: candidate.to_owned(),
            engine: "embedded".to_owned(),
            host: "a machine".to_owned(),
            program: "rtbench".to_owned(),
        },
        unit: Unit::Nanoseconds,
        metrics: [(Metric::P50, point), (Metric::P99, unknown)].into(),
    }
}

#[test]
fn each_metric_of_each_plan_is_a_series_with_its_changes() {
    let level = |time: usize| if time < 10 { 50_000.0 } else { 60_000.0 };
    let lines: Vec<_> = (0..20)
        .flat_map(|time| {
            let wobble = 1.0 + 0.002 * (time % 3) as f64;
            [line(time, "a", level(time) * wobble), line(time, "b", 70_000.0 * wobble)]
        })
        .collect();
    let all = groups(&lines);
    assert_eq!(all.iter().map(|group| group.last.candidate.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let [a, b] = [0, 1].map(|nth: usize| &all[nth].series);
    assert_eq!((a.len(), b.len()), (1, 1), "no p99 without a value");
    assert_eq!(a[0].changes.iter().map(|change| change.at).collect::<Vec<_>>(), [10]);
    assert!(b[0].changes.is_empty());
    let shown = text(&all, 80);
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    let first = shown.lines().find(|line| line.trim_start().starts_with("p50")).unwrap();
    assert!(first.contains("+20.0 % on 2026-11-11 (commit <10>)"), "{shown}");
    assert!(first.contains("60.1 us") && first.contains('▁') && first.contains('█'), "{shown}");
    assert!(shown.lines().last().unwrap().ends_with("none"), "{shown}");
    let page = page(&all).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("commit &lt;10&gt;") && !page.contains("commit <"));
}

/// What looked like a change of the program was one of the rate, or of the machine.
#[test]
fn what_was_measured_in_another_way_makes_a_series_of_its_own() {
    type Change = fn(&mut Key);
    let changes: [Change; 5] = [
        |key| key.plan = "another".to_owned(),
        |key| key.engine = "tokio".to_owned(),
        |key| key.host = "another machine".to_owned(),
        |key| key.program = "rtbench, not optimised".to_owned(),
        |key| key.workload = "another".to_owned(),
    ];
    for change in changes {
        let mut lines: Vec<_> = (0..10).map(|time| line(time, "a", 200_000.0)).collect();
        lines.extend((10..20).map(|time| {
            let mut line = line(time, "a", 50_000.0);
            change(&mut line.key);
            line
        }));
        let all = groups(&lines);
        assert_eq!(all.len(), 2);
        assert!(all.iter().flat_map(|group| &group.series).all(|series| series.changes.is_empty()));
    }
}

/// By counting work and not time: a search that grows with the square of the length would not end.
#[test]
fn a_long_history_is_read_and_searched() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("h.jsonl");
    let one = |time: usize| {
        let mut line = line(time, "a", 50_000.0 * (1.0 + 0.01 * (time % 7) as f64));
        let point = line.metrics[&Metric::P50].clone();
        line.metrics = ["p50", "p99", "cpu", "throughput", "switches"]
            .map(|name| (name.parse().unwrap(), point.clone()))
            .into();
        serde_json::to_string(&line).unwrap() + "\n"
    };
    fs::write(&path, (0..6_000).map(one).collect::<String>()).unwrap();
    let lines = read(&path).unwrap();
    let all = groups(&lines);
    assert_eq!((all.len(), all[0].series.len()), (1, 5));
    assert!(all[0].series.iter().all(|series| series.points.len() == 6_000));
}

#[test]
fn what_a_history_says_is_shown_without_what_a_terminal_would_obey() {
    let mut evil = line(1, "a\x1b[2J\nb", 1.0);
    evil.label = Some("\x1b]0;title\x07".to_owned());
    evil.comparison = "c\rd".to_owned();
    evil.key.host = "\x1b[31m".to_owned();
    let lines: Vec<_> = (0..12)
        .map(|time| {
            let mut line = evil.clone();
            let value = if time < 6 { 1000.0 } else { 2000.0 };
            line.metrics.get_mut(&Metric::P50).unwrap().value = Some(value + f64::from(time));
            line
        })
        .collect();
    let shown = text(&groups(&lines), 80);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.contains("a\u{fffd}[2J b"), "{shown:?}");
    assert_eq!(shown.lines().filter(|line| line.contains("p50")).count(), 1);
}

#[test]
fn a_line_survives_the_file_and_a_damaged_one_is_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("h.jsonl");
    let lines = [line(1, "a", 1.5), line(2, "a", 2.5)];
    let text: Vec<_> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    fs::write(&path, text.join("\n\n")).unwrap();
    assert_eq!(read(&path).unwrap(), lines);
    fs::write(&path, format!("{}\n{}", text[0], &text[1][..30])).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("h.jsonl:2 is damaged"));
    fs::write(&path, text[0].replace(&format!("\"version\":{VERSION}"), "\"version\":7")).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("version 7"));
    fs::write(&path, "").unwrap();
    assert!(groups(&read(&path).unwrap()).is_empty());
}

/// A comparison that came to an end, and a file to add it to.
fn added() -> (TempDir, PathBuf, Comparison) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("h.jsonl");
    (dir, path, simulated::some())
}

#[test]
fn a_comparison_is_added_once() {
    let (_dir, path, comparison) = added();
    assert!(append(&path, &comparison, Some("first")).unwrap());
    let once = fs::read(&path).unwrap();
    // Judged again, at another time.
    let again = Comparison { created: "2026-12-01T00:00:00Z".to_owned(), ..comparison.clone() };
    assert!(!append(&path, &again, Some("second")).unwrap());
    assert_eq!(fs::read(&path).unwrap(), once);
    let mut other = comparison;
    other.setup.created = "2026-12-02T00:00:00Z".to_owned();
    assert!(append(&path, &other, None).unwrap());
    assert_eq!(read(&path).unwrap().len(), 2);
}

#[test]
fn nothing_is_added_to_a_damaged_file_or_from_a_comparison_without_an_end() {
    let (_dir, path, comparison) = added();
    let damaged = b"{\"schema\":\"rtbench-history\",\"vers";
    fs::write(&path, damaged).unwrap();
    let said = format!("{:#}", append(&path, &comparison, None).unwrap_err());
    assert!(said.contains("nothing was added") && said.contains("h.jsonl:1 is damaged"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), damaged);
    fs::remove_file(&path).unwrap();
    let failed = Comparison { outcome: Outcome::RunFailed, ..comparison };
    assert!(append(&path, &failed, None).is_err());
    assert!(!path.exists());
}

#[test]
fn a_line_that_an_editor_left_without_its_end_stays_a_line() {
    let (_dir, path, comparison) = added();
    append(&path, &comparison, None).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.trim_end()).unwrap();
    let mut other = comparison;
    other.setup.seed += 1;
    append(&path, &other, None).unwrap();
    assert_eq!(read(&path).unwrap().len(), 2);
}

#[test]
fn a_device_is_no_history() {
    for device in ["/dev/zero", "/dev/full"] {
        let said = format!("{:#}", read(device.as_ref()).unwrap_err());
        assert!(said.contains("not a regular file"), "{said}");
    }
}
