//! The order of runs, and the loop over blocks. What a run is, and where blocks are kept, its caller says.
//!
//! Next file to read: `run.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use anyhow::Result;
use fastrand::Rng;

use super::model::{Block, Run, Setup, State};
use super::sentinel::{self, Reading};

/// One in so many blocks may be measured again.
const REDO: u64 = 5;
/// After so many failed blocks of one workload the rest would fail, too.
const MOST_FAILURES: usize = 3;

/// Where the loop stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) workload: usize,
    /// From 1.
    pub(crate) block: u64,
    /// From 1.
    pub(crate) attempt: u64,
    /// Within the block, from 0.
    pub(crate) run: usize,
    /// Runs that are left, this one included, if nothing is disturbed.
    pub(crate) left: u64,
}

/// What the loop needs done.
pub(crate) trait Hands {
    /// Measures one side. `None`: the user wants to stop.
    fn run(&mut self, place: Place, side: usize) -> Option<Run>;

    /// Looks at the machine.
    fn read(&mut self) -> Reading;

    /// Keeps a block that is over, for good.
    ///
    /// # Errors
    ///
    /// It cannot be kept, so there is no point in going on.
    fn keep(&mut self, block: &Block) -> Result<()>;
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All blocks are there.
    Complete,
    /// The user stopped it.
    Interrupted,
    /// Too many runs failed.
    GaveUp,
}

/// The sides in the order of one block: all of them as a seeded coin has them, then all of them in reverse.
pub(crate) fn order(seed: u64, workload: usize, block: u64, sides: usize) -> Vec<usize> {
    // Far apart for near blocks: SplitMix64's increment.
    let seed = seed ^ (block << 8 | workload as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut order: Vec<usize> = (0..sides).collect();
    let mut coin = Rng::with_seed(seed);
    coin.u64(..);
    coin.shuffle(&mut order);
    let back: Vec<_> = order.iter().rev().copied().collect();
    [order, back].concat()
}

/// Measures the blocks that `blocks` does not have yet, and adds them to it.
///
/// Workloads take turns, so that all of them have about as many blocks whenever it ends.
///
/// # Errors
///
/// A block that cannot be kept.
pub(crate) fn measure(setup: &Setup, blocks: &mut Vec<Block>, hands: &mut impl Hands) -> Result<End> {
    let per_block = 2 * setup.sides.len() as u64;
    // So that already the first block can be told from what is usual here.
    let usual: Vec<Reading> = (0..sentinel::FEWEST).map(|_| hands.read()).collect();
    for number in 1..=setup.blocks {
        for workload in 0..setup.workloads.len() {
            while !is_there(blocks, workload, number) {
                let attempt = 1 + attempts(blocks, workload, number);
                let open = |&(of, nth): &(usize, u64)| !is_there(blocks, of, nth);
                let all =
                    (1..=setup.blocks).flat_map(|nth| (0..setup.workloads.len()).map(move |of| (of, nth)));
                let left = per_block * all.filter(open).count() as u64;
                let place = Place { workload, block: number, attempt, run: 0, left };
                let Some(block) = one(setup, blocks, &usual, place, hands) else {
                    return Ok(End::Interrupted);
                };
                hands.keep(&block)?;
                let is_input = block.runs.iter().flat_map(|run| &run.failure).any(|failure| failure.is_input);
                blocks.push(block);
                let failed = |block: &&Block| block.state == State::Failed && block.workload == workload;
                if is_input || blocks.iter().filter(failed).count() >= MOST_FAILURES {
                    return Ok(End::GaveUp);
                }
            }
        }
    }
    Ok(End::Complete)
}

/// One block, or `None` if the user interrupts it.
fn one(
    setup: &Setup,
    blocks: &[Block],
    usual: &[Reading],
    place: Place,
    hands: &mut impl Hands,
) -> Option<Block> {
    let Place { workload, block: number, attempt, left, .. } = place;
    let mut block = Block {
        workload,
        number,
        attempt,
        state: State::Kept,
        disturbed: None,
        runs: Vec::new(),
        // What was stolen since the reading before this one was stolen from no run.
        readings: vec![Reading { stolen: None, ..hands.read() }],
    };
    for (nth, side) in order(setup.seed, workload, number, setup.sides.len()).into_iter().enumerate() {
        let run = hands.run(Place { run: nth, left: left - nth as u64, ..place }, side)?;
        let failed = run.failure.is_some();
        block.runs.push(run);
        block.readings.push(hands.read());
        if failed {
            block.state = State::Failed;
            return Some(block);
        }
    }
    // The readings alone decide whether it is done again, never the runs.
    let seen = blocks.iter().chain([&block]).flat_map(|block| &block.readings);
    let usual: Vec<Reading> = usual.iter().chain(seen).copied().collect();
    block.disturbed = sentinel::disturbance(&usual, &block.readings);
    let redone = |block: &&Block| block.state == State::Redone && block.workload == workload;
    if block.disturbed.is_some() && blocks.iter().filter(redone).count() < redos(setup.blocks) {
        block.state = State::Redone;
    }
    Some(block)
}

/// How many blocks of a workload may be measured again: a fifth of them, and one in any case.
pub(crate) fn redos(blocks: u64) -> usize {
    (blocks / REDO).max(1) as usize
}

fn is_there(blocks: &[Block], workload: usize, number: u64) -> bool {
    blocks
        .iter()
        .any(|block| (block.workload, block.number) == (workload, number) && block.state != State::Redone)
}

fn attempts(blocks: &[Block], workload: usize, number: u64) -> u64 {
    blocks.iter().filter(|block| (block.workload, block.number) == (workload, number)).count() as u64
}

/// How many blocks of a workload are in each state.
pub(crate) fn tally(blocks: &[Block], workload: usize) -> BTreeMap<&'static str, u64> {
    let mut tally = BTreeMap::new();
    for block in blocks.iter().filter(|block| block.workload == workload) {
        let state = match block.state {
            State::Kept => "kept",
            State::Redone => "redone",
            State::Failed => "failed",
        };
        *tally.entry(state).or_default() += 1;
        if block.state == State::Kept && block.disturbed.is_some() {
            *tally.entry("disturbed").or_default() += 1;
        }
    }
    tally
}
