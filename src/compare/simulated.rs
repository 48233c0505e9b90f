//! A machine that is made up: it drifts, it has heavy tails, it is disturbed, and its runs fail.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use fastrand::Rng;
use hdrhistogram::Histogram;
use serde_json::json;
use workloads::wire::{PROTOCOL, Plan, Stream};

use super::blocks::{End, Hands, Place, measure};
use super::model::{
    Block, Comparison, Failure, Figures, Judged, PLAN_SCHEMA, Run, Setup, Side, VERSION, Verdict,
};
use super::sentinel::Reading;
use super::{curves, judge, model};
use crate::profile::{CompareEntry, Metric, set_gate};
use crate::report::{Machine, Tool};

/// A comparison of so many sides of `echo`, with the gates that a profile has by itself.
pub(crate) fn setup(seed: u64, blocks: u64, sides: usize) -> Setup {
    let plan: Plan = serde_json::from_value(json!({
        "protocol": PROTOCOL, "engine": "embedded", "runtime": {}, "workload": "echo", "params": { "rate": 20_000 },
        "warmup_ns": 1, "duration_ns": 1, "interval_ns": 1, "seed": 1,
    }))
    .unwrap();
    let side = |nth: usize| Side {
        label: format!("side <{nth}>"),
        profile: "p.toml".to_owned(),
        program: None,
        plans: vec![plan.clone()],
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
        inconclusive_fails: true,
        sides: (0..sides).map(side).collect(),
        workloads: vec!["echo".to_owned()],
        baseline: None,
        allowed: BTreeSet::new(),
        files: BTreeMap::new(),
    }
}

/// The same with these gates and no others, such as `p99` and `<2ms`.
pub(crate) fn gated(setup: Setup, gates: &[(&str, &str)]) -> Setup {
    let mut setup = setup;
    setup.gates.clear();
    gates.iter().for_each(|(name, text)| set_gate(&mut setup.gates, name, text).unwrap());
    setup
}

/// What a made-up machine does.
#[derive(Clone, Copy)]
pub(crate) struct World {
    /// Change of each run's level against the one before: a straight drift.
    pub(crate) trend: f64,
    /// Standard deviation of the steps of a level that wanders.
    pub(crate) wander: f64,
    /// Standard deviation of a run.
    pub(crate) noise: f64,
    /// The chance of a run that is much slower.
    pub(crate) tail: f64,
    /// How much slower the second side is.
    pub(crate) slower: f64,
    /// In what alone; empty: in everything.
    pub(crate) only: &'static str,
    /// Which share of the operations that are due each side completes.
    pub(crate) reached: [f64; 2],
    /// How often for each operation each side counts `steals`.
    pub(crate) steals: [f64; 2],
}

pub(crate) const QUIET: World = World {
    trend: 0.0,
    wander: 0.0,
    noise: 0.02,
    tail: 0.0,
    slower: 0.0,
    only: "",
    reached: [1.0; 2],
    steals: [0.0; 2],
};
/// 2-core virtual machines of hosting companies look like this on a bad day.
pub(crate) const ROUGH: World = World { trend: 0.004, wander: 0.02, noise: 0.03, tail: 0.05, ..QUIET };

/// The streams of `echo` that a run has here, with the scale of their medians.
const STREAMS: [(&str, f64); 3] = [("latency", 50e3), ("service", 30e3), ("lag", 1e3)];

pub(crate) struct MadeUp {
    pub(crate) world: World,
    pub(crate) random: Rng,
    pub(crate) level: f64,
    pub(crate) blocks: Vec<Block>,
    /// Called before each run, which it may fail, end (`None`) or disturb.
    pub(crate) event: Box<dyn FnMut(Place, usize) -> Event>,
    pub(crate) disturbed: bool,
    pub(crate) fails_to_keep: bool,
    /// Whether runs have histograms, which take their time.
    pub(crate) has_histograms: bool,
}

#[derive(Clone, PartialEq)]
pub(crate) enum Event {
    None,
    Fail { is_input: bool },
    Stop,
    Disturb,
}

impl MadeUp {
    pub(crate) fn new(world: World, seed: u64) -> Self {
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

    /// One run's cost in something, as a factor.
    fn cost(&mut self, side: usize, what: &str) -> f64 {
        let World { noise, tail, slower, only, .. } = self.world;
        let stray = if self.random.f64() < tail { 0.1 / self.random.f64().max(0.02) } else { 0.0 };
        let log = self.level + noise * self.normal() + stray;
        let is_slower = side == 1 && (only.is_empty() || only == what);
        log.exp() * if is_slower { 1.0 + slower } else { 1.0 }
    }

    fn figures(&mut self, side: usize) -> Figures {
        let mut metrics = BTreeMap::new();
        for (nth, (stream, scale)) in STREAMS.into_iter().enumerate() {
            for (rank, times) in [("p50", 1.0), ("p99", 4.0)] {
                let name = if nth == 0 { rank.to_owned() } else { format!("{stream}.{rank}") };
                metrics.insert(name.parse().unwrap(), scale * times * self.cost(side, &name));
            }
        }
        metrics.insert(Metric::Cpu, 12e3 * self.cost(side, "cpu"));
        metrics.insert(Metric::Switches, 0.8 * self.cost(side, "switches"));
        let reached = self.world.reached[side.min(1)];
        // A load that is given its rate has it.
        let rate = if reached < 0.99 { 20e3 * reached / self.cost(side, "throughput") } else { 20e3 };
        metrics.insert(Metric::Throughput, rate);
        let streams = STREAMS.iter().filter_map(|(name, scale)| {
            let Stream { name, title, unit, lag } =
                Stream::nanoseconds(name, &format!("{name} of an operation"));
            if !self.has_histograms {
                return Some(model::Histogram { name, title, unit, data: String::new() });
            }
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            let middle = metrics[&Metric::P50] / 50e3 * scale;
            let values = (1..=1000).map(|nth| middle * (1.0 + f64::from(nth) / 500.0));
            values.for_each(|value| histogram.record(value as u64).unwrap());
            curves::kept(&Stream { name, title, unit, lag }, &histogram)
        });
        let streams = streams.collect();
        let steals = self.world.steals[side.min(1)] * self.cost(side, "steals");
        let counters = [("polls", 2.0 * self.cost(side, "polls")), ("never", 0.0), ("steals", steals)];
        Figures {
            metrics,
            thin: BTreeSet::new(),
            operations: 60_000,
            reached: Some(reached),
            counters: counters.map(|(name, number)| (name.to_owned(), number)).into(),
            streams,
            ..Figures::default()
        }
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

/// Measures a whole comparison.
pub(crate) fn measured(setup: &Setup, world: World, seed: u64) -> Vec<Block> {
    let mut blocks = Vec::new();
    assert_eq!(measure(setup, &mut blocks, &mut MadeUp::new(world, seed)).unwrap(), End::Complete);
    blocks
}

/// Measures and judges.
pub(crate) fn judged(setup: &Setup, world: World, seed: u64) -> Comparison {
    judge::judge(setup, &measured(setup, world, seed), None, String::new())
}

/// Twelve blocks of so many sides.
pub(crate) fn compared(world: World, seed: u64, sides: usize) -> Comparison {
    judged(&setup(seed, 12, sides), world, seed)
}

/// A comparison like any other.
pub(crate) fn some() -> Comparison {
    compared(World { noise: 0.005, ..QUIET }, 3, 2)
}

/// One metric of the first pair.
pub(crate) fn metric<'a>(comparison: &'a Comparison, name: &str) -> &'a Judged {
    let pair = &comparison.pairs[0];
    let mut all = pair.metrics.iter().chain(&pair.counters);
    all.find(|judged| judged.metric.to_string() == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// Its verdict.
pub(crate) fn verdict(comparison: &Comparison, name: &str) -> Option<Verdict> {
    metric(comparison, name).verdict
}
