//! What people and programs are shown.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::super::blocks::measure;
use super::super::model::{Block, Comparison, Setup};
use super::super::simulated::{MadeUp, QUIET, World, compared, gated, judged, measured, metric, setup};
use super::super::{judge, output};

/// All files of a comparison, as texts.
fn files(comparison: &Comparison, blocks: &[Block]) -> BTreeMap<String, String> {
    let (files, failures) = output::files(comparison, blocks, None);
    assert!(failures.is_empty(), "{failures:?}");
    files.into_iter().map(|(name, content)| (name, String::from_utf8(content).unwrap())).collect()
}

#[test]
fn the_files_are_whole_and_say_the_same() {
    let setup = setup(3, 12, 2);
    let mut blocks = Vec::new();
    let world = World { noise: 0.01, slower: 0.2, ..QUIET };
    measure(&setup, &mut blocks, &mut MadeUp { has_histograms: true, ..MadeUp::new(world, 3) }).unwrap();
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let files = files(&comparison, &blocks);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let expected = [
        "compare.json",
        "echo.forest.svg",
        "echo.latency.curves.svg",
        "echo.latency.shift.svg",
        "echo.order.svg",
        "echo.service.curves.svg",
        "echo.service.shift.svg",
        "index.html",
        "junit.xml",
        "summary.md",
    ];
    assert_eq!(names, expected);
    assert_eq!(serde_json::from_str::<Comparison>(&files["compare.json"]).unwrap(), comparison);
    for svg in expected.iter().filter(|name| name.ends_with(".svg")) {
        let picture = roxmltree::Document::parse(&files[*svg]).unwrap();
        assert!(picture.descendants().filter(roxmltree::Node::is_text).count() > 5, "{svg}");
    }
    let (junit, page, markdown) = (&files["junit.xml"], &files["index.html"], &files["summary.md"]);
    let junit = roxmltree::Document::parse(junit).unwrap();
    let suite = junit.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("4"), Some("4")));
    let failures = junit.descendants().filter(|node| node.has_tag_name("failure"));
    assert!(
        failures.clone().all(|node| node.attribute("message").unwrap().starts_with("REGRESSED: change "))
    );
    assert_eq!(failures.count(), 4);
    for told in [page, markdown] {
        assert!(told.contains("REGRESSED") && told.contains("polls") && !told.contains("<0>"), "{told}");
    }
    assert_eq!(
        page.matches("http://").count(),
        page.matches("http://www.w3.org/2000/svg").count(),
        "nothing is loaded from elsewhere"
    );
    let shown = output::text(&comparison, 80, false);
    assert!(shown.starts_with("made & up: Regression: worse in p50, p99, service.p50, cpu.\n"), "{shown}");
    let p99 = shown.lines().find(|line| line.starts_with("  p99 ")).unwrap();
    assert!(p99.contains('●') && p99.ends_with("REGRESSED"), "{shown}");
    assert!(shown.contains("moved, for each operation: polls"), "{shown}");
}

#[test]
fn the_answer_stands_first_and_names_what_is_better_worse_and_undecided() {
    let mut setup = gated(setup(3, 12, 2), &[("p50", "3%"), ("cpu", "3%"), ("polls", "-3%"), ("p99", "10%")]);
    setup.sides[1].label = "2 workers".to_owned();
    let world = World { slower: 0.48, noise: 0.01, ..QUIET };
    let mut blocks = measured(&setup, world, 3);
    // The tail strays.
    for (nth, run) in blocks.iter_mut().flat_map(|block| &mut block.runs).enumerate() {
        let p99 = run.figures.as_mut().unwrap().metrics.get_mut(&crate::profile::Metric::P99).unwrap();
        *p99 *= [0.5, 1.0, 2.0][nth % 3];
    }
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let shown = output::text(&comparison, 80, false);
    let second = shown.lines().nth(1).unwrap();
    assert!(second.starts_with("  2 workers against side <0>: worse: p50 +4"), "{shown}");
    assert!(shown.contains("better: polls +4") || shown.contains("better:\n      polls +4"), "{shown}");
    assert!(shown.contains("undecided: p99"), "{shown}");
    let markdown = output::markdown(&comparison);
    assert!(markdown.contains("- **echo: 2 workers** against side &lt;0>: worse: p50 +4"), "{markdown}");
    let page = &files(&comparison, &blocks)["index.html"];
    let answer = page.find("2 workers</strong> against").unwrap();
    assert!(answer < page.find("<table").unwrap() && answer < page.find("<svg").unwrap());
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let worlds = [
        World { noise: 0.01, slower: 0.1, ..QUIET },
        World { noise: 0.15, steals: [0.0, 0.3], ..QUIET },
        World { noise: 0.5, slower: 3.0, ..QUIET },
        World { noise: 1.5, ..QUIET },
    ];
    for world in worlds {
        for sides in [2, 3, 6] {
            let mut setup = setup(3, 12, sides);
            for (name, gate) in
                [("service.p99.9", "20%"), ("p99", "<190us"), ("steals", "5%"), ("lag.p99", "50%")]
            {
                crate::profile::set_gate(&mut setup.gates, name, gate).unwrap();
            }
            for (nth, side) in setup.sides.iter_mut().enumerate() {
                side.label = format!("runtime.drivers.max_io_events_per_busy_tick={}", 1 << nth);
            }
            let comparison = judged(&setup, world, 3);
            for width in [64, 80, 100, 120, 160] {
                let shown = output::text(&comparison, width, false);
                for line in shown.lines() {
                    assert!(line.chars().count() <= width, "{width}, {sides} sides: {line}\n{shown}");
                }
            }
            let colored = output::text(&comparison, 80, true);
            let plain: String = console::strip_ansi_codes(&colored).into_owned();
            assert_eq!(plain, output::text(&comparison, 80, false), "colours change no text");
        }
    }
}

#[test]
fn a_change_beyond_the_picture_is_an_arrow_and_not_a_dot_at_its_edge() {
    let comparison = compared(World { slower: 3.0, noise: 0.01, ..QUIET }, 3, 2);
    let shown = output::text(&comparison, 80, false);
    let cpu = shown.lines().find(|line| line.starts_with("  cpu ") && line.ends_with("REGRESSED")).unwrap();
    assert!(cpu.contains('▸') && !cpu.contains('●'), "{shown}");
}

#[test]
fn many_sides_are_one_ranked_table_and_one_plot() {
    let mut setup = setup(3, 12, 5);
    for (nth, side) in setup.sides.iter_mut().enumerate() {
        side.label = format!("runtime.drivers.max_io_events_per_tick={}", 1 << nth);
    }
    // The second side is better.
    let mut blocks = Vec::new();
    let world = World { noise: 0.01, slower: -0.1, ..QUIET };
    measure(&setup, &mut blocks, &mut MadeUp { has_histograms: true, ..MadeUp::new(world, 3) }).unwrap();
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let files = files(&comparison, &blocks);
    let plots = files.keys().filter(|name| name.ends_with(".svg")).count();
    assert_eq!(plots, 6, "as many as for two sides: {:?}", files.keys());
    let shown = output::text(&comparison, 80, false);
    let ranks: Vec<_> = shown.lines().filter(|line| line.contains("per_tick=")).collect();
    let first = ranks.iter().find(|line| line.starts_with("  1  ")).unwrap();
    assert!(first.contains("per_tick=2 ") && (first.contains("+ -9") || first.contains("+ -10")), "{shown}");
    let reference = ranks.iter().find(|line| line.contains("per_tick=1 ")).unwrap();
    assert!(reference.contains("50.0 us") || reference.contains("50.1 us"), "{shown}");
    let markdown = &files["summary.md"];
    assert!(markdown.contains("| 1 | runtime.drivers.max\\_io\\_events\\_per\\_tick=2 |"), "{markdown}");
    // In the plots every side has a name of its own.
    for svg in ["echo.forest.svg", "echo.latency.curves.svg"] {
        let picture = roxmltree::Document::parse(&files[svg]).unwrap();
        let texts: Vec<_> = picture.descendants().filter_map(|node| node.text()).map(str::trim).collect();
        for side in 1..5 {
            let name = format!("per_tick={}", 1 << side);
            assert!(texts.iter().any(|text| text.ends_with(&name)), "{svg} lacks {name}: {texts:?}");
        }
    }
}

#[test]
fn each_side_names_its_engine_and_a_program_that_was_built_anew_is_warned_of() {
    let setup = setup(3, 8, 2);
    let mut blocks = measured(&setup, QUIET, 3);
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs).filter(|run| run.side == 1) {
        run.engine = Some("tokio 1.0".to_owned());
    }
    let told = |blocks: &[Block]| {
        let comparison = judge::judge(&setup, blocks, None, String::new());
        let page = files(&comparison, blocks).remove("index.html").unwrap();
        (page, output::markdown(&comparison), output::text(&comparison, 80, false), comparison)
    };
    let (page, markdown, text, comparison) = told(&blocks);
    for told in [page, markdown, text] {
        assert!(told.contains("on tokio 1.0 against runtime 0"), "{told}");
    }
    assert_eq!(comparison.pairs[0].candidate_engines, ["tokio 1.0".to_owned()].into());
    assert!(!comparison.warnings.iter().any(|text| text.contains("built anew")));
    blocks[5].runs.iter_mut().find(|run| run.side == 1).unwrap().engine = Some("tokio 1.1".to_owned());
    let (_, markdown, _, comparison) = told(&blocks);
    assert!(markdown.contains("tokio 1.0 and tokio 1.1"), "{markdown}");
    let warned = comparison.warnings.iter().find(|text| text.contains("built anew")).unwrap();
    assert!(warned.contains("`side <1>`") && warned.contains("tokio 1.0 and tokio 1.1"), "{warned}");
}

#[test]
fn two_names_of_the_same_build_are_warned_of() {
    let mut setup = setup(3, 8, 2);
    setup.sides[0].program = Some("old/rtbench".into());
    let warned = |setup: &Setup| {
        let comparison = judged(setup, QUIET, 3);
        comparison.warnings.iter().any(|text| text.contains("the same build"))
    };
    setup.files = [("rtbench", "a"), ("old/rtbench", "b")].map(|(name, is)| (name.into(), is.into())).into();
    assert!(!warned(&setup));
    setup.files.insert("old/rtbench".to_owned(), "a".to_owned());
    assert!(warned(&setup));
}

#[test]
fn a_ci_server_is_told_of_noise_as_an_error_and_of_doubt_by_policy() {
    let cases = |noise: f64, fails: bool, kind: &str| {
        let mut setup = setup(3, 12, 2);
        setup.inconclusive_fails = fails;
        let comparison = judged(&setup, World { noise, ..QUIET }, 3);
        let junit = output::junit(&comparison);
        let junit = roxmltree::Document::parse(&junit).unwrap();
        let suite = junit.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        let counted = ["failures", "errors", "skipped"].map(|name| suite.attribute(name).unwrap().to_owned());
        let found: Vec<_> = junit.descendants().filter(|node| node.has_tag_name(kind)).collect();
        assert!(found.iter().all(|node| node.attribute("message").unwrap().starts_with("INCONCLUSIVE: ")));
        (counted.map(|count| count.parse().unwrap()), found.len())
    };
    let (counted, errors) = cases(0.5, false, "error");
    assert!(counted[0] == 0 && counted[1] == errors && errors > 0, "{counted:?}");
    let (counted, skipped) = cases(0.15, false, "skipped");
    assert_eq!(counted, [0, 0, skipped]);
    assert!(skipped > 0);
    assert_eq!(cases(0.15, true, "failure"), ([skipped, 0, 0], skipped));
}

#[test]
fn a_quick_comparison_says_what_it_cannot_see() {
    let setup = Setup { quick: true, ..setup(3, 8, 2) };
    let comparison = judged(&setup, World { noise: 0.05, ..QUIET }, 3);
    let warned: Vec<_> = comparison.warnings.iter().filter(|text| text.starts_with("--quick")).collect();
    let [warned] = warned.as_slice() else { panic!("{warned:?}") };
    let gates = comparison.pairs[0].metrics.iter().filter(|judged| judged.margin.is_some());
    for judged in gates {
        let missed = format!("{} {:.1} %", judged.metric, 100.0 * judged.detectable.unwrap());
        assert!(warned.contains(&missed), "{warned} lacks {missed}");
    }
    let doubtful = comparison.pairs[0].metrics.iter().find(|judged| judged.blocks_needed.is_some()).unwrap();
    assert!(doubtful.reason.as_ref().unwrap().ends_with("--quick sees only large changes"), "{doubtful:?}");
    assert!(metric(&comparison, "p50").is_gate());
}
