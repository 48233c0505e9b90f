//! The order of runs, and the loop over blocks. What a run is, and where blocks are kept, its caller says.
//!
//! Next file to read: `run.rs`.
#![forbid(unsafe_code)]

use std::time::Instant;

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

/// How many blocks of a workload are in each state. Of each number, the last attempt counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) kept: u64,
    pub(crate) redone: u64,
    pub(crate) failed: u64,
    /// Of the kept ones, those during which the machine was disturbed.
    pub(crate) disturbed: u64,
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

/// Measures the blocks that `blocks` does not have yet, and adds them to it. Those that failed before it began are
/// measured again.
///
/// Workloads take turns, so that all of them have about as many blocks whenever it ends.
///
/// # Errors
///
/// A block that cannot be kept.
pub(crate) fn measure(setup: &Setup, blocks: &mut Vec<Block>, hands: &mut impl Hands) -> Result<End> {
    let per_block = 2 * setup.sides.len() as u64;
    let before = blocks.len();
    // So that already the first block can be told from what is usual here.
    let readings = |hands: &mut _| (0..=per_block).map(|_| Hands::read(hands)).collect();
    let usual: Vec<Vec<Reading>> = (0..sentinel::FEWEST).map(|_| readings(hands)).collect();
    for number in 1..=setup.blocks {
        for workload in 0..setup.workloads.len() {
            while !is_there(blocks, before, workload, number) {
                let attempt = 1 + attempts(blocks, workload, number);
                let open = |&(of, nth): &(usize, u64)| !is_there(blocks, before, of, nth);
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
                if is_input || blocks[before..].iter().filter(failed).count() >= MOST_FAILURES {
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
    usual: &[Vec<Reading>],
    place: Place,
    hands: &mut impl Hands,
) -> Option<Block> {
    let Place { workload, block: number, attempt, left, .. } = place;
    let began = Instant::now();
    let mut block = Block {
        workload,
        number,
        attempt,
        state: State::Kept,
        disturbed: None,
        runs: Vec::new(),
        // What was stolen since the reading before this one was stolen from no run.
        readings: vec![Reading { stolen: None, ..hands.read() }],
        took_ns: 0,
        plan: String::new(),
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
    block.took_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    // The readings alone decide whether it is done again, never the runs.
    let seen = blocks.iter().filter(|block| block.state != State::Failed).map(|block| &block.readings);
    let usual: Vec<&[Reading]> = usual.iter().chain(seen).map(Vec::as_slice).collect();
    block.disturbed = sentinel::disturbance(&usual, &block.readings);
    let redone = |block: &&Block| block.state == State::Redone && block.workload == workload;
    if block.disturbed.is_some() && blocks.iter().filter(redone).count() < redos(setup.blocks) {
        block.state = State::Redone;
    }
    Some(block)
}

/// How many blocks of a workload may be measured again: a fifth of them, rounded up.
pub(crate) fn redos(blocks: u64) -> usize {
    blocks.div_ceil(REDO) as usize
}

/// Whether a block needs no further attempt. Those before `before` are from an earlier session.
fn is_there(blocks: &[Block], before: usize, workload: usize, number: u64) -> bool {
    let is_it = |block: &Block| (block.workload, block.number) == (workload, number);
    blocks.iter().enumerate().any(|(nth, block)| {
        is_it(block)
            && match block.state {
                State::Kept => true,
                State::Failed => nth >= before,
                State::Redone => false,
            }
    })
}

/// How many blocks of all workloads are to be measured, if none has to be measured twice.
pub(crate) fn left(setup: &Setup, blocks: &[Block]) -> u64 {
    let open = |workload: usize| {
        (1..=setup.blocks).filter(move |number| !is_there(blocks, blocks.len(), workload, *number)).count()
    };
    (0..setup.workloads.len()).map(open).sum::<usize>() as u64
}

fn attempts(blocks: &[Block], workload: usize, number: u64) -> u64 {
    blocks.iter().filter(|block| (block.workload, block.number) == (workload, number)).count() as u64
}

/// Whether a block was measured again later.
pub(crate) fn is_superseded(blocks: &[Block], block: &Block) -> bool {
    let of = |block: &Block| (block.workload, block.number);
    blocks.iter().any(|other| of(other) == of(block) && other.attempt > block.attempt)
}

/// How many blocks of a workload are in each state.
pub(crate) fn tally(blocks: &[Block], workload: usize) -> Tally {
    let mut tally = Tally::default();
    for block in blocks.iter().filter(|block| block.workload == workload) {
        match block.state {
            State::Kept => tally.kept += 1,
            State::Redone => tally.redone += 1,
            State::Failed if is_superseded(blocks, block) => {}
            State::Failed => tally.failed += 1,
        }
        tally.disturbed += u64::from(block.state == State::Kept && block.disturbed.is_some());
    }
    tally
}
