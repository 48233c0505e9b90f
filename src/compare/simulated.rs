//! Whole comparisons on a machine that is made up: it drifts, it has heavy tails, it is disturbed, and runs fail.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use fastrand::Rng;
use hdrhistogram::Histogram;
use serde_json::json;
use workloads::wire::{PROTOCOL, Unit};

use super::blocks::{End, Hands, Place, measure, order};
use super::model::{
    Block, Comparison, Failure, Figures, Outcome, PLAN_SCHEMA, Run, Setup, Side, State, VERSION, Verdict,
};
use super::sentinel::Reading;
use super::{curves, judge, output};
use crate::profile::{CompareEntry, Metric};
use crate::report::{Machine, Tool};
use crate::stats::{rank_sum, signed_rank};

pub(super) fn setup(seed: u64, blocks: u64, sides: usize) -> Setup {
    let plan = serde_json::from_value(json!({
        "protocol": PROTOCOL, "engine": "embedded", "runtime": {}, "workload": "echo", "params": { "rate": 20_000 },
        "warmup_ns": 1, "duration_ns": 1, "interval_ns": 1, "seed": 1,
    }))
    .unwrap();
    let side = |nth: usize| Side {
        label: format!("side <{nth}>"),
        profile: "p.toml".to_owned(),
        program: None,
        plans: vec![serde_json::Value::clone(&plan)]
            .into_iter()
            .map(|plan| serde_json::from_value(plan).unwrap())
            .collect(),
    };
    Setup {
        schema: PLAN_SCHEMA.to_owned(),
        version: VERSION,
        created: "2026-11-21T07:45:00Z".to_owned(),
        tool: Tool { release_build: true, ..Tool::this() },
        machine: Machine::default(),
        name: "made & up".to_owned(),
        seed,
        quick: false,
        blocks,
        gates: CompareEntry::default().gates,
        noise_limit: 8,
        inconclusive_fails: false,
        sides: (0..sides).map(side).collect(),
        workloads: vec!["echo".to_owned()],
        baseline: None,
        allowed: BTreeSet::new(),
    }
}

/// What a made-up machine does.
#[derive(Clone, Copy)]
struct World {
    /// Change of each run's level against the one before: a straight drift.
    trend: f64,
    /// Standard deviation of the steps of a level that wanders.
    wander: f64,
    /// Standard deviation of a run.
    noise: f64,
    /// The chance of a run that is much slower.
    tail: f64,
    /// How much slower the second side is.
    slower: f64,
}

const QUIET: World = World { trend: 0.0, wander: 0.0, noise: 0.02, tail: 0.0, slower: 0.0 };
/// 2-core virtual machines of hosting companies look like this on a bad day.
const ROUGH: World = World { trend: 0.004, wander: 0.02, noise: 0.03, tail: 0.05, slower: 0.0 };

struct MadeUp {
    world: World,
    random: Rng,
    level: f64,
    blocks: Vec<Block>,
    /// Called before each run, which it may fail, end (`None`) or disturb.
    event: Box<dyn FnMut(Place, usize) -> Event>,
    disturbed: bool,
    fails_to_keep: bool,
    /// Whether runs have histograms, which take their time.
    has_histograms: bool,
}

#[derive(Clone, PartialEq)]
enum Event {
    None,
    Fail { is_input: bool },
    Stop,
    Disturb,
}

impl MadeUp {
    fn new(world: World, seed: u64) -> Self {
        let event = Box::new(|_, _| Event::None);
        let random = Rng::with_seed(seed ^ 0x5eed);
        Self {
            world,
            random,
            level: 0.0,
            blocks: Vec::new(),
            event,
            disturbed: false,
            fails_to_keep: false,
            has_histograms: false,
        }
    }

    /// Standard normal, by Irwin and Hall.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0
    }

    /// One run's cost, as a factor.
    fn cost(&mut self, side: usize) -> f64 {
        let World { noise, tail, slower, .. } = self.world;
        let stray = if self.random.f64() < tail { 0.1 / self.random.f64().max(0.02) } else { 0.0 };
        let log = self.level + noise * self.normal() + stray;
        log.exp() * if side == 1 { 1.0 + slower } else { 1.0 }
    }

    fn figures(&mut self, side: usize) -> Figures {
        let scales =
            [(Metric::P50, 50e3), (Metric::P99, 200e3), (Metric::Cpu, 12e3), (Metric::Switches, 0.8)];
        let mut metrics: BTreeMap<_, _> =
            scales.map(|(metric, scale)| (metric, scale * self.cost(side))).into();
        metrics.insert(Metric::Throughput, 20e3 / self.cost(side));
        let histogram = self.has_histograms.then(|| {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            let middle = metrics[&Metric::P50];
            (1..=1000)
                .for_each(|nth| histogram.record((middle * (1.0 + f64::from(nth) / 500.0)) as u64).unwrap());
            curves::kept("latency", Unit::Nanoseconds, &histogram).unwrap()
        });
        let counters = [("polls".to_owned(), 2.0 * self.cost(side)), ("never".to_owned(), 0.0)];
        Figures { metrics, operations: 60_000, counters: counters.into(), histogram, ..Figures::default() }
    }
}

impl Hands for MadeUp {
    fn run(&mut self, place: Place, side: usize) -> Option<Run> {
        self.level += self.world.trend + self.world.wander * self.normal();
        let event = (self.event)(place, side);
        self.disturbed = event == Event::Disturb;
        let failure = match event {
            Event::Stop => return None,
            Event::Fail { is_input } => {
                Some(Failure { message: "it crashed".to_owned(), hint: None, is_input })
            }
            Event::None | Event::Disturb => None,
        };
        let figures = failure.is_none().then(|| self.figures(side));
        let (started, engine) = (String::new(), Some("runtime 0".to_owned()));
        let (workload_version, warnings) = (Some(1), Vec::new());
        Some(Run { side, started, engine, workload_version, failure, figures, warnings })
    }

    fn read(&mut self) -> Reading {
        let spin_ns = if self.disturbed { 20_000_000 } else { 5_000_000 + self.random.u64(..50_000) };
        Reading { spin_ns, ping_pong_ns: 2_000_000, ..Reading::default() }
    }

    fn keep(&mut self, block: &Block) -> Result<()> {
        if self.fails_to_keep {
            bail!("no space is left");
        }
        self.blocks.push(block.clone());
        Ok(())
    }
}

fn compared(world: World, seed: u64, sides: usize) -> Comparison {
    let setup = setup(seed, 12, sides);
    let mut blocks = Vec::new();
    let end = measure(&setup, &mut blocks, &mut MadeUp::new(world, seed)).unwrap();
    assert_eq!(end, End::Complete);
    judge::judge(&setup, &blocks, None, String::new())
}

fn verdict(comparison: &Comparison, metric: Metric) -> Option<Verdict> {
    comparison.pairs[0].metrics.iter().find(|judged| judged.metric == metric).unwrap().verdict
}

#[test]
fn a_profile_is_no_different_from_itself_on_a_rough_machine() {
    let (mut changes, mut significant) = (0, 0);
    for seed in 0..200 {
        let comparison = compared(ROUGH, seed, 2);
        let gated = || comparison.pairs[0].metrics.iter().filter(|judged| judged.margin.is_some());
        let changed = |verdict| matches!(verdict, Some(Verdict::Regressed | Verdict::Improved));
        changes += usize::from(gated().any(|judged| changed(judged.verdict)));
        significant += usize::from(gated().any(|judged| judged.significant));
    }
    assert!(changes <= 10, "{changes} of 200 comparisons found a change where there is none");
    // The test alone, without the margins: 5 % of 200.
    assert!(significant <= 10, "{significant} of 200");
}

#[test]
fn drift_fools_a_then_b_and_not_blocks() {
    let (mut fooled, mut blocks_fooled) = (0, 0);
    for seed in 0..200 {
        let mut machine = MadeUp::new(ROUGH, seed);
        // As many runs, one side after the other.
        let mut side = || -> Vec<f64> {
            let run = |machine: &mut MadeUp| {
                let place = Place { workload: 0, block: 1, attempt: 1, run: 0, left: 1 };
                machine.run(place, 0).unwrap().figures.unwrap().metrics[&Metric::P50].ln()
            };
            (0..24).map(|_| run(&mut machine)).collect()
        };
        let (a, b) = (side(), side());
        fooled += usize::from(rank_sum::unpaired(&a, &b).unwrap().p < 0.05);
        let comparison = compared(ROUGH, seed, 2);
        let p50 = comparison.pairs[0].metrics[0].p.unwrap();
        blocks_fooled += usize::from(p50 < 0.05);
    }
    assert!(fooled > 80, "A then B finds a difference in {fooled} of 200");
    assert!(blocks_fooled <= 19, "blocks find one in {blocks_fooled} of 200");
}

#[test]
fn ten_per_cent_are_found() {
    let rough_enough = World { wander: 0.01, noise: 0.03, tail: 0.02, slower: 0.10, ..QUIET };
    let found = (0..200)
        .filter(|&seed| verdict(&compared(rough_enough, seed, 2), Metric::P50) == Some(Verdict::Regressed));
    let found = found.count();
    assert!(found >= 180, "{found} of 200");
    let comparison = compared(rough_enough, 1, 2);
    assert_eq!(comparison.outcome, Outcome::Regression);
    let better = compared(World { slower: -0.10, ..QUIET }, 1, 2);
    let all = better.pairs[0].metrics.iter().filter(|judged| judged.margin == Some(0.03));
    assert!(all.clone().all(|judged| judged.verdict == Some(Verdict::Improved)), "{all:?}");
    assert_eq!(better.outcome, Outcome::Pass);
}

#[test]
fn alike_is_equivalent_and_a_wide_scatter_inconclusive_with_the_blocks_it_takes() {
    let comparison = compared(World { noise: 0.005, ..QUIET }, 3, 2);
    assert_eq!(verdict(&comparison, Metric::P50), Some(Verdict::Equivalent));
    assert_eq!(verdict(&comparison, Metric::Switches), None, "no gate");
    let comparison = compared(World { noise: 0.15, ..QUIET }, 3, 2);
    let p50 = &comparison.pairs[0].metrics[0];
    assert_eq!(p50.verdict, Some(Verdict::Inconclusive));
    assert!(p50.blocks_needed.unwrap() > 12 && p50.detectable.unwrap() > 0.03 && p50.reason.is_some());
    assert_eq!(comparison.outcome, Outcome::Pass, "by policy");
    let too_much = compared(World { noise: 0.5, ..QUIET }, 3, 2);
    assert_eq!(too_much.outcome, Outcome::TooNoisy);
    let p50 = &too_much.pairs[0].metrics[0];
    assert!(p50.too_noisy && p50.blocks_needed.unwrap() > 12, "{p50:?}");
    let shown = output::text(&too_much, false);
    assert!(shown.contains("blocks would decide it, were it not for that limit"), "{shown}");
}

#[test]
fn the_policy_decides_over_what_cannot_be_told() {
    let mut setup = setup(3, 12, 2);
    let mut blocks = Vec::new();
    measure(&setup, &mut blocks, &mut MadeUp::new(World { noise: 0.15, ..QUIET }, 3)).unwrap();
    setup.inconclusive_fails = true;
    assert_eq!(judge::judge(&setup, &blocks, None, String::new()).outcome, Outcome::Inconclusive);
    // Too few samples decide nothing, whatever they say.
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs) {
        run.figures.as_mut().unwrap().thin.insert(Metric::P99);
    }
    let judged = judge::judge(&setup, &blocks, None, String::new());
    let p99 = &judged.pairs[0].metrics[1];
    assert_eq!(p99.verdict, Some(Verdict::Inconclusive));
    assert!(p99.reason.as_ref().unwrap().contains("100 samples"), "{p99:?}");
    let few = judge::judge(&setup, &blocks[..5], None, String::new());
    assert_eq!(few.outcome, Outcome::Interrupted);
    let p50 = &few.pairs[0].metrics[0];
    assert!(p50.reason.as_ref().unwrap().starts_with("5 blocks"));
    // Three metrics that can be judged need 7 blocks however quiet they are.
    assert_eq!(p50.blocks_needed, Some(7), "{p50:?}");
}

#[test]
fn the_order_mirrors_and_the_coin_is_fair() {
    let firsts = (1..=1000).filter(|&block| order(9, 0, block, 2)[0] == 0).count();
    assert!((430..570).contains(&firsts), "{firsts} of 1000 begin with the first side");
    for block in 1..50 {
        let order = order(9, 1, block, 3);
        assert_eq!(order.iter().rev().collect::<Vec<_>>(), order.iter().collect::<Vec<_>>());
        assert_eq!(order[..3].iter().collect::<BTreeSet<_>>().len(), 3);
    }
    assert_eq!(order(9, 0, 5, 2), order(9, 0, 5, 2));
    let many = |seed| (1..=20).map(|block| order(seed, 0, block, 2)).collect::<Vec<_>>();
    assert_ne!(many(1), many(2));
}

#[test]
fn three_sides_are_compared_with_the_first() {
    let comparison = compared(World { noise: 0.005, slower: 0.2, ..QUIET }, 3, 3);
    let pairs: Vec<_> =
        comparison.pairs.iter().map(|pair| (pair.reference.as_str(), pair.candidate.as_str())).collect();
    assert_eq!(pairs, [("side <0>", "side <1>"), ("side <0>", "side <2>")]);
    let p50 = |nth: usize| comparison.pairs[nth].metrics[0].verdict;
    assert_eq!((p50(0), p50(1)), (Some(Verdict::Regressed), Some(Verdict::Equivalent)));
}

#[test]
fn a_failed_run_fails_its_block_and_is_told() {
    let setup = setup(1, 8, 2);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event = Box::new(|place, _| match (place.block, place.run) {
        (3, 2) => Event::Fail { is_input: false },
        _ => Event::None,
    });
    let mut blocks = Vec::new();
    assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::Complete);
    assert_eq!(blocks.len(), 8);
    assert_eq!((blocks[2].state, blocks[2].runs.len()), (State::Failed, 3));
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    assert_eq!((comparison.pairs[0].blocks, comparison.pairs[0].failed), (7, 1));
    assert_eq!(comparison.outcome, Outcome::RunFailed);
    assert!(comparison.failures[0].contains("block 3") && comparison.failures[0].contains("it crashed"));
}

#[test]
fn what_always_fails_is_given_up_and_bad_input_at_once() {
    for (is_input, expected, outcome) in [(false, 3, Outcome::RunFailed), (true, 1, Outcome::BadInput)] {
        let setup = setup(1, 8, 2);
        let mut machine = MadeUp::new(QUIET, 1);
        machine.event = Box::new(move |_, _| Event::Fail { is_input });
        let mut blocks = Vec::new();
        assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::GaveUp);
        assert_eq!(blocks.len(), expected);
        assert_eq!(judge::judge(&setup, &blocks, None, String::new()).outcome, outcome);
    }
}

#[test]
fn disturbed_blocks_are_measured_again_but_not_for_ever() {
    let setup = setup(1, 10, 2);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event =
        Box::new(|place, _| if place.block >= 5 && place.run == 1 { Event::Disturb } else { Event::None });
    let mut blocks = Vec::new();
    assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::Complete);
    let redone = blocks.iter().filter(|block| block.state == State::Redone).count();
    assert_eq!((redone, blocks.len()), (2, 12), "a fifth of ten");
    assert_eq!(blocks, machine.blocks, "all of them are kept, also those that do not count");
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let pair = &comparison.pairs[0];
    assert_eq!((pair.blocks, pair.redone), (10, 2));
    assert!(pair.disturbed > 0 && comparison.warnings.iter().any(|text| text.contains("disturbed")));
}

#[test]
fn an_interrupted_comparison_goes_on_where_it_was() {
    let setup = setup(4, 8, 2);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event =
        Box::new(|place, _| if (place.block, place.run) == (5, 3) { Event::Stop } else { Event::None });
    let mut blocks = Vec::new();
    assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::Interrupted);
    assert_eq!((blocks.len(), machine.blocks.len()), (4, 4), "the block that was cut is not there");
    let before = blocks.clone();
    assert_eq!(measure(&setup, &mut blocks, &mut MadeUp::new(QUIET, 2)).unwrap(), End::Complete);
    assert_eq!(blocks[..4], before[..]);
    assert_eq!(blocks.iter().map(|block| block.number).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    for block in &blocks {
        let sides: Vec<_> = block.runs.iter().map(|run| run.side).collect();
        assert_eq!(sides, order(4, 0, block.number, 2));
    }
}

#[test]
fn a_block_that_cannot_be_kept_ends_it() {
    let mut machine = MadeUp { fails_to_keep: true, ..MadeUp::new(QUIET, 1) };
    let error = measure(&setup(1, 8, 2), &mut Vec::new(), &mut machine).unwrap_err();
    assert_eq!(error.to_string(), "no space is left");
}

#[test]
fn the_files_are_whole_and_say_the_same() {
    let setup = setup(3, 12, 2);
    let mut blocks = Vec::new();
    let world = World { noise: 0.01, slower: 0.1, ..QUIET };
    measure(&setup, &mut blocks, &mut MadeUp { has_histograms: true, ..MadeUp::new(world, 3) }).unwrap();
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let files: BTreeMap<_, _> = output::files(&comparison, &blocks, None).unwrap().into_iter().collect();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    let expected = [
        "compare.json",
        "echo-0.curves.svg",
        "echo-0.order.svg",
        "echo-0.shift.svg",
        "forest.svg",
        "index.html",
        "junit.xml",
        "summary.md",
    ];
    assert_eq!(names, expected);
    let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    assert_eq!(serde_json::from_str::<Comparison>(&text("compare.json")).unwrap(), comparison);
    for svg in expected.iter().filter(|name| name.ends_with(".svg")) {
        let text = text(svg);
        let picture = roxmltree::Document::parse(&text).unwrap();
        assert!(picture.descendants().filter(roxmltree::Node::is_text).count() > 5, "{svg}");
    }
    let (junit, page, markdown) = (text("junit.xml"), text("index.html"), text("summary.md"));
    let junit = roxmltree::Document::parse(&junit).unwrap();
    let suite = junit.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("4"), Some("4")));
    let failures = junit.descendants().filter(|node| node.has_tag_name("failure"));
    assert!(
        failures.clone().all(|node| node.attribute("message").unwrap().starts_with("REGRESSED: change "))
    );
    assert_eq!(failures.count(), 4);
    for told in [&page, &markdown] {
        assert!(told.contains("REGRESSED") && told.contains("polls") && !told.contains("<0>"), "{told}");
    }
    assert!(
        !page.contains("http://")
            || page.matches("http://").count() == page.matches("http://www.w3.org/2000/svg").count()
    );
    let shown = output::text(&comparison, false);
    let p50 = shown.lines().find(|line| line.trim_start().starts_with("p50")).unwrap();
    assert!(p50.contains('●') && p50.ends_with("REGRESSED"), "{shown}");
    assert!(shown.contains("counter polls"), "{shown}");
    assert!(shown.ends_with("made & up: regression\n"), "{shown}");
}

#[test]
fn the_counter_that_moved_stands_first_and_one_that_never_counted_last() {
    let comparison = compared(World { noise: 0.01, slower: 0.1, ..QUIET }, 3, 2);
    let counters = &comparison.pairs[0].counters;
    assert_eq!((counters[0].name.as_str(), counters[0].significant), ("polls", true));
    assert_eq!((counters[1].name.as_str(), counters[1].effect), ("never", None));
    assert_eq!(signed_rank::FEWEST, 6);
}

/// A side that collapses must not be judged by the blocks in which it did not.
#[test]
fn a_figure_that_some_runs_lack_decides_nothing() {
    let setup = setup(3, 12, 2);
    let mut blocks = Vec::new();
    measure(&setup, &mut blocks, &mut MadeUp::new(World { noise: 0.005, ..QUIET }, 3)).unwrap();
    let judged = |blocks: &[Block]| judge::judge(&setup, blocks, None, String::new());
    assert_eq!(judged(&blocks).pairs[0].metrics[1].verdict, Some(Verdict::Equivalent));
    for block in &mut blocks[..4] {
        let run = block.runs.iter_mut().find(|run| run.side == 1).unwrap();
        run.figures.as_mut().unwrap().metrics.remove(&Metric::P99);
    }
    let some = judged(&blocks);
    let p99 = &some.pairs[0].metrics[1];
    assert_eq!((p99.verdict, p99.blocks, p99.blocks_needed), (Some(Verdict::Inconclusive), 8, None));
    assert!(p99.reason.as_ref().unwrap().starts_with("4 of 12 blocks have a run without it"), "{p99:?}");
    assert_eq!(some.pairs[0].metrics[0].verdict, Some(Verdict::Equivalent), "the others are judged");
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs) {
        run.figures.as_mut().unwrap().metrics.insert(Metric::P99, 0.0);
    }
    let none = judged(&blocks);
    assert_eq!(none.pairs[0].metrics[1].verdict, Some(Verdict::Inconclusive));
    for told in [output::text(&none, false), output::markdown(&none)] {
        assert!(told.lines().any(|line| line.contains("p99") && line.contains("INCONCLUSIVE")), "{told}");
        assert!(told.contains("no block has this metric"), "{told}");
    }
}

#[test]
fn the_first_block_can_be_measured_again_and_no_more_than_a_fifth_of_all() {
    for (blocks, most) in [(2, 1), (8, 1), (12, 2), (15, 3)] {
        let mut machine = MadeUp::new(QUIET, 1);
        machine.event = Box::new(|place, _| match (place.attempt, place.run) {
            (1, 1) => Event::Disturb,
            _ => Event::None,
        });
        let mut measured = Vec::new();
        measure(&setup(1, blocks, 2), &mut measured, &mut machine).unwrap();
        assert_eq!((measured[0].number, measured[0].state), (1, State::Redone));
        let redone = measured.iter().filter(|block| block.state == State::Redone).count();
        assert_eq!(redone, most, "of {blocks}");
    }
}

#[test]
fn each_side_names_its_engine_and_a_program_that_was_built_anew_is_warned_of() {
    let setup = setup(3, 8, 2);
    let mut blocks = Vec::new();
    measure(&setup, &mut blocks, &mut MadeUp::new(QUIET, 3)).unwrap();
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs).filter(|run| run.side == 1) {
        run.engine = Some("tokio 1.0".to_owned());
    }
    let told = |blocks: &[Block]| {
        let comparison = judge::judge(&setup, blocks, None, String::new());
        let files = output::files(&comparison, blocks, None).unwrap();
        let page = files.into_iter().find(|(name, _)| name == "index.html").unwrap().1;
        let page = String::from_utf8(page).unwrap();
        (page, output::markdown(&comparison), output::text(&comparison, false), comparison)
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
fn a_ci_server_is_told_of_noise_as_an_error_and_of_doubt_as_skipped() {
    let cases = |noise: f64, fails: bool, kind: &str| {
        let mut setup = setup(3, 12, 2);
        setup.inconclusive_fails = fails;
        let mut blocks = Vec::new();
        measure(&setup, &mut blocks, &mut MadeUp::new(World { noise, ..QUIET }, 3)).unwrap();
        let comparison = judge::judge(&setup, &blocks, None, String::new());
        let junit = output::junit(&comparison);
        let junit = roxmltree::Document::parse(&junit).unwrap();
        let suite = junit.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        let counted = ["failures", "errors", "skipped"].map(|name| suite.attribute(name).unwrap().to_owned());
        let found: Vec<_> = junit.descendants().filter(|node| node.has_tag_name(kind)).collect();
        assert!(found.iter().all(|node| node.attribute("message").unwrap().starts_with("INCONCLUSIVE: ")));
        (counted.map(|count| count.parse().unwrap()), found.len())
    };
    let (counted, errors) = cases(0.5, false, "error");
    assert!(counted[..2] == [0, errors] && errors > 0, "{counted:?}");
    let (counted, skipped) = cases(0.15, false, "skipped");
    assert_eq!(counted, [0, 0, skipped]);
    assert!(skipped > 0);
    assert_eq!(cases(0.15, true, "failure"), ([skipped, 0, 0], skipped));
}

#[test]
fn a_quick_comparison_says_what_it_cannot_see() {
    let setup = Setup { quick: true, ..setup(3, 8, 2) };
    let mut blocks = Vec::new();
    measure(&setup, &mut blocks, &mut MadeUp::new(World { noise: 0.05, ..QUIET }, 3)).unwrap();
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let warned = comparison.warnings.iter().find(|text| text.starts_with("--quick")).unwrap();
    for judged in comparison.pairs[0].metrics.iter().filter(|judged| judged.margin.is_some()) {
        let missed = format!("{} {:.1} %", judged.metric, 100.0 * judged.detectable.unwrap());
        assert!(warned.contains(&missed), "{warned} lacks {missed}");
    }
    let doubtful = comparison.pairs[0].metrics.iter().find(|judged| judged.blocks_needed.is_some()).unwrap();
    assert!(doubtful.reason.as_ref().unwrap().ends_with("--quick sees only large changes"), "{doubtful:?}");
}

/// `docs/compare.md` documents each field of `compare.json`, and no other.
#[test]
fn the_documentation_knows_every_field() {
    let mut comparison = compared(World { noise: 0.01, ..QUIET }, 3, 2);
    comparison.baseline = Some(super::model::Baseline {
        folder: "x".into(),
        created: String::new(),
        tool: Tool::this(),
        machine: Machine::default(),
    });
    let text = include_str!("../../docs/compare.md");
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
    let text = include_str!("../../docs/compare.md");
    let table = |after: &str| -> BTreeSet<String> {
        let lines = text.split(after).nth(1).unwrap().lines().skip_while(|line| !line.starts_with("| `"));
        let rows = lines.take_while(|line| line.starts_with("| `"));
        let names = rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2));
        names.map(str::to_owned).collect()
    };
    let keys = |value: serde_json::Value, under: &str| -> BTreeSet<String> {
        value.as_object().unwrap().keys().map(|key| format!("{under}{key}")).collect()
    };
    let setup = setup(3, 2, 2);
    assert_eq!(keys(serde_json::to_value(&setup).unwrap(), ""), table("format `rtbench-comparison-plan`"));
    let mut blocks = Vec::new();
    measure(&setup, &mut blocks, &mut MadeUp::new(QUIET, 3)).unwrap();
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
