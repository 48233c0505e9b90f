//! The folder of a comparison: what is in it, and what may not be.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::sandbox::{Sandbox, edit_json, edit_plan, json, text};
use crate::support::{SHORT, is_too_short, with_a_window};

#[test]
fn a_comparison_leaves_its_files() {
    let (sandbox, output) = with_a_window(SHORT, |window| {
        let sandbox = Sandbox::new();
        let sides = ["compare", "p.toml", "--set", "runtime.event_interval=61,31", "--duration", window];
        let mut command =
            sandbox.command(&[&sides[..], &["--junit", "j.xml", "--markdown", "m.md"]].concat());
        let output = command.env("GITHUB_STEP_SUMMARY", sandbox.path("step.md")).output().unwrap();
        (!is_too_short(&output)).then_some((sandbox, output))
    });
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let folder = sandbox.folder();
    let compared = json(&folder.join("compare.json"));
    assert_eq!(compared["outcome"], "not_judged");
    assert_eq!(compared["complete"], true);
    assert_eq!(compared["pairs"][0]["reference"], "runtime.event_interval=61");
    assert_eq!(compared["pairs"][0]["candidate"], "runtime.event_interval=31");
    // All streams are compared, and without a gate nothing is judged.
    let metrics = compared["pairs"][0]["metrics"].as_array().unwrap();
    let names: Vec<_> = metrics.iter().map(|metric| metric["metric"].as_str().unwrap()).collect();
    for name in ["p50", "block_on.p50", "foreign.p50", "lag.p50", "throughput", "cpu", "switches"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(metrics.iter().all(|metric| metric["verdict"].is_null()));
    assert!(metrics[0]["reference"].as_f64().unwrap() > 0.0);
    assert!(text(&output.stdout).starts_with("small: Not judged: no metric decides.\n"));
    // A busy machine may have had one measured again.
    let blocks = fs::read_dir(folder.join("blocks")).unwrap().map(|entry| json(&entry.unwrap().path()));
    assert_eq!(blocks.filter(|block| block["state"] == "kept").count(), 2);
    let runs = json(&folder.join("blocks/0001-0-1.json"))["runs"].as_array().unwrap().len();
    assert_eq!(runs, 4);
    for file in ["index.html", "plan.json", "spawn_flood.forest.svg", "spawn_flood.worker.curves.svg"] {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > 0, "{file}");
    }
    for markdown in ["m.md", "step.md"] {
        assert!(fs::read_to_string(sandbox.path(markdown)).unwrap().contains("| p50 |"), "{markdown}");
    }
    let junit = fs::read_to_string(sandbox.path("j.xml")).unwrap();
    assert_eq!(roxmltree::Document::parse(&junit).unwrap().root_element().tag_name().name(), "testsuites");
    let said = text(&output.stderr);
    // Without a terminal, the notes say how long it will take.
    let of =
        |number: u32| said.lines().find(|line| line.contains(&format!("block {number}/2 done"))).unwrap();
    assert!(of(1).ends_with(" left)") && of(2).ends_with(", 0 s left)"), "{said}");
    // ... and what it is going to do, before it does it.
    let plan = said.lines().next().unwrap();
    assert!(plan.starts_with("comparing 2 sides on spawn_flood: 2 blocks of 4 runs each, about "), "{said}");
    let engine = compared["pairs"][0]["candidate_engines"][0].as_str().unwrap();
    assert!(engine.starts_with("runtime "), "{engine}");
}

#[test]
fn a_folder_that_was_edited_or_damaged_is_refused_and_what_is_not_ours_is_not_looked_at() {
    let sandbox = Sandbox::made_up("");
    sandbox.ends_with(0, &["compare", "p.toml"]);
    let folder = sandbox.folder();
    let block = "blocks/0002-0-1.json";
    let refused = |edit: &dyn Fn(&Path), said: &[&str]| {
        let copy = sandbox.copy(&folder);
        edit(&copy);
        let copy = copy.to_str().unwrap();
        sandbox.refused(&["compare", "--resume", copy], said);
        sandbox.refused(&["compare", "p.toml", "--baseline", copy], said);
    };
    let planned = |edit: fn(&mut Value), said: &[&str]| refused(&|copy| edit_plan(copy, &edit), said);
    let edited =
        |edit: fn(&mut Value), said: &[&str]| refused(&|copy| edit_json(&copy.join(block), &edit), said);
    // A plan that says something else than when its blocks were measured.
    refused(
        &|copy| {
            edit_json(&copy.join("plan.json"), &|plan| plan["gates"]["p50"]["change"]["margin"] = 0.5.into());
        },
        &["plan.json was changed after blocks/0001-0-1.json"],
    );
    // ... and one that no plan can be.
    planned(|plan| plan["sides"] = Value::Array(Vec::new()), &["plan.json is damaged: it has 0 sides"]);
    planned(|plan| plan["workloads"] = Value::Array(Vec::new()), &["it has no workloads"]);
    planned(|plan| plan["sides"][1]["plans"] = Value::Array(Vec::new()), &["0 plans for 1 workloads"]);
    planned(|plan| plan["blocks"] = 0.into(), &["blocks is 0, expected between 2 and 200"]);
    planned(|plan| plan["seed"] = 2.into(), &["its runs are of the sides"]);
    planned(
        |plan| plan["version"] = 1.into(),
        &["version 1, and this rtbench reads rtbench-comparison-plan version 2"],
    );
    planned(|plan| plan["gates"]["p50"]["change"]["margin"] = 0.into(), &["the gate of p50"]);
    refused(&|copy| fs::write(copy.join("plan.json"), "{").unwrap(), &["plan.json is damaged"]);
    // A block that is none of this plan.
    refused(&|copy| fs::write(copy.join(block), "{\"workload\": 0,").unwrap(), &["0002-0-1.json is damaged"]);
    edited(|block| block["runs"] = Value::Array(Vec::new()), &["0002-0-1.json is damaged"]);
    edited(|block| block["runs"][0]["side"] = 7.into(), &["its runs are of the sides"]);
    edited(|block| drop(block["runs"].as_array_mut().unwrap().pop()), &["readings for 3 runs"]);
    edited(|block| block["runs"][0]["figures"] = Value::Null, &["not those of a block that is "]);
    edited(|block| block["number"] = 3.into(), &["it is block 0003-0-1.json"]);
    refused(
        &|copy| fs::rename(copy.join(block), copy.join("blocks/0002-3-1.json")).unwrap(),
        &["it is block 0002-0-1.json"],
    );
    // What an editor, a system or a killed process leaves there counts for nothing.
    let copy = sandbox.copy(&folder);
    let blocks = copy.join("blocks");
    for name in
        ["0002-0-1.json~", ".0002-0-1.json.swp", "copy of 0002-0-1.json", "2-0-1.json", "0009-0-1.txt"]
    {
        fs::copy(copy.join(block), blocks.join(name)).unwrap();
    }
    sandbox.ends_with(0, &["compare", "--resume", copy.to_str().unwrap()]);
    assert_eq!(json(&copy.join("compare.json"))["pairs"][0]["blocks"], 7);
}
