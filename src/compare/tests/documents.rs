//! What `docs/compare.md` says of the files.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::super::judge;
use super::super::model::{Baseline, Comparison};
use super::super::simulated::{QUIET, World, gated, judged, measured, setup};
use crate::report::{Machine, Tool};

/// A comparison in which every field has something below it.
fn with_a_limit() -> Comparison {
    judged(&gated(setup(3, 12, 2), &[("p50", "3%, <1ms")]), World { noise: 0.01, ..QUIET }, 3)
}

/// `docs/compare.md` documents each field of `compare.json`, and no other.
#[test]
fn the_documentation_knows_every_field() {
    let mut comparison = with_a_limit();
    comparison.baseline = Some(Baseline {
        folder: "x".into(),
        created: String::new(),
        tool: Tool::this(),
        machine: Machine::default(),
    });
    let text = include_str!("../../../docs/compare.md");
    let rows = text.split("## compare.json").nth(1).unwrap().split("\n## ").next().unwrap().lines();
    let documented = rows.filter_map(|row| row.strip_prefix("| `")?.split_once("` |"));
    let (names, maps): (BTreeSet<_>, BTreeSet<_>) = {
        let rows: Vec<_> = documented.collect();
        let maps =
            rows.iter().filter(|(_, text)| text.trim_start().starts_with("map:")).map(|(name, _)| *name);
        (rows.iter().map(|(name, _)| (*name).to_owned()).collect(), maps.map(str::to_owned).collect())
    };
    let mut found = BTreeSet::new();
    fields(&serde_json::to_value(&comparison).unwrap(), "", &maps, &mut found);
    assert_eq!(found, names);
}

/// ... and each field of the plan, of a block, and of a line of a history.
#[test]
fn the_documentation_knows_the_other_files_too() {
    let text = include_str!("../../../docs/compare.md");
    let table = |after: &str| -> BTreeSet<String> {
        let lines = text.split(after).nth(1).unwrap().lines().skip_while(|line| !line.starts_with("| `"));
        let rows = lines.take_while(|line| line.starts_with("| `"));
        let names = rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2));
        names.map(str::to_owned).collect()
    };
    let keys = |value: serde_json::Value, under: &str| -> BTreeSet<String> {
        value.as_object().unwrap().keys().map(|key| format!("{under}{key}")).collect()
    };
    let setup = setup(3, 8, 2);
    assert_eq!(keys(serde_json::to_value(&setup).unwrap(), ""), table("format `rtbench-comparison-plan`"));
    let blocks = measured(&setup, QUIET, 3);
    let documented = table("Each file in `blocks/`");
    let mut block = serde_json::to_value(&blocks[0]).unwrap();
    let expected =
        keys(block.clone(), "").into_iter().chain(["runs[].failure", "runs[].figures"].map(str::to_owned));
    assert_eq!(expected.collect::<BTreeSet<_>>(), documented);
    let row = text.lines().find(|line| line.starts_with("| `runs` |")).unwrap();
    for key in keys(block["runs"][0].take(), "") {
        assert!(row.contains(&format!("`{key}`")), "{key}");
    }
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("h.jsonl");
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    crate::history::append(&path, &comparison, None).unwrap();
    let line = std::fs::read_to_string(path).unwrap();
    assert_eq!(keys(serde_json::from_str(line.trim()).unwrap(), ""), table("format `rtbench-history`"));
}

fn fields(value: &serde_json::Value, path: &str, maps: &BTreeSet<String>, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                found.insert(inner.clone());
                if !maps.contains(&inner) {
                    fields(value, &inner, maps, found);
                }
            }
        }
        serde_json::Value::Array(values) => {
            values
                .iter()
                .filter(|value| value.is_object())
                .for_each(|value| fields(value, &format!("{path}[]"), maps, found));
        }
        _ => {}
    }
}
