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

fn setup(seed: u64, blocks: u64, sides: usize) -> Setup {
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
        Figures { metrics, thin: BTreeSet::new(), operations: 60_000, counters: counters.into(), histogram }
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
        Some(Run { side, started, engine, failure, figures, warnings: Vec::new() })
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
    // The test alone, without the margins. Its level is 5 % of 200; three standard deviations above that is 19.
    assert!(significant <= 19, "{significant} of 200");
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
    assert!(few.pairs[0].metrics[0].reason.as_ref().unwrap().starts_with("5 blocks"));
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
    assert_eq!((suite.attribute("tests"), suite.attribute("failures")), (Some("4"), Some("3")));
    let failures = junit.descendants().filter(|node| node.has_tag_name("failure"));
    assert!(
        failures.clone().all(|node| node.attribute("message").unwrap().starts_with("REGRESSED: change "))
    );
    assert_eq!(failures.count(), 3);
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
