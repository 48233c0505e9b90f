//! From blocks to numbers that a test takes: log ratios, and how much equal runs differ.
//!
//! Next file to read: `curves.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::model::{Block, Figures, Run, State};
use crate::stats::{Estimate, rank_sum, robust, signed_rank};

/// Runs of one workload on one side: two for each block.
pub(crate) type Runs<'a> = Vec<[&'a Figures; 2]>;

/// The runs of both sides of a pair.
#[derive(Clone, Debug)]
pub(crate) struct Both<'a> {
    pub(crate) reference: Runs<'a>,
    pub(crate) candidate: Runs<'a>,
    /// Whether each entry of one stands in the same block as that of the other.
    pub(crate) paired: bool,
}

/// The runs of `side` in each block of `workload` that counts, in order.
pub(crate) fn runs(blocks: &[Block], workload: usize, side: usize) -> Runs<'_> {
    let mut kept: Vec<_> =
        blocks.iter().filter(|block| block.workload == workload && block.state == State::Kept).collect();
    kept.sort_by_key(|block| block.number);
    kept.into_iter()
        .filter_map(|block| {
            let mut of_side = block.runs.iter().filter(|run| run.side == side);
            let mut next = || of_side.next()?.figures.as_ref();
            Some([next()?, next()?])
        })
        .collect()
}

/// What the runs of `side` in `workload` say of themselves, each word once.
pub(crate) fn told<T: Ord>(
    blocks: &[Block],
    workload: usize,
    side: usize,
    of: impl Fn(&Run) -> Option<T>,
) -> BTreeSet<T> {
    let runs = blocks.iter().filter(|block| block.workload == workload).flat_map(|block| &block.runs);
    runs.filter(|run| run.side == side).filter_map(of).collect()
}

/// One figure of both sides, as logarithms, in the blocks that have it.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    reference: Vec<[f64; 2]>,
    candidate: Vec<[f64; 2]>,
    paired: bool,
}

impl Series {
    /// What `figure` says of the runs; those that are not above 0 have no logarithm and are not there, and whoever
    /// judges asks [`missing`](Self::missing) how many.
    pub(crate) fn of(both: &Both<'_>, figure: impl Fn(&Figures) -> Option<f64>) -> Self {
        let log = |run: &Figures| figure(run).filter(|value| *value > 0.0 && value.is_finite()).map(f64::ln);
        let logs = |[first, second]: &[&Figures; 2]| Some([log(first)?, log(second)?]);
        let (reference, candidate) = if both.paired {
            let blocks = both.reference.iter().zip(&both.candidate);
            blocks.filter_map(|(a, b)| Some((logs(a)?, logs(b)?))).unzip()
        } else {
            (
                both.reference.iter().filter_map(logs).collect(),
                both.candidate.iter().filter_map(logs).collect(),
            )
        };
        Self { reference, candidate, paired: both.paired }
    }

    /// How many blocks of `both` lack it on one side or the other.
    pub(crate) fn missing(&self, both: &Both<'_>) -> usize {
        let lack = |all: &Runs<'_>, has: &Vec<_>| all.len().saturating_sub(has.len());
        let (a, b) = (lack(&both.reference, &self.reference), lack(&both.candidate, &self.candidate));
        if self.paired { a.max(b) } else { a + b }
    }

    /// How many blocks have it; without pairs, of the side that has fewer.
    pub(crate) fn blocks(&self) -> usize {
        self.reference.len().min(self.candidate.len())
    }

    /// Medians over the runs of each side.
    pub(crate) fn medians(&self) -> (Option<f64>, Option<f64>) {
        let of = |runs: &Vec<[f64; 2]>| robust::median(runs.as_flattened()).map(f64::exp);
        (of(&self.reference), of(&self.candidate))
    }

    /// The log ratio of each block; empty without pairs.
    pub(crate) fn effects(&self) -> Vec<f64> {
        if !self.paired {
            return Vec::new();
        }
        let (a, b) = (means(&self.reference), means(&self.candidate));
        b.iter().zip(&a).map(|(b, a)| b - a).collect()
    }

    /// Where the log ratio lies.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        match self.paired {
            true => signed_rank::paired(&self.effects()),
            false => rank_sum::unpaired(&means(&self.reference), &means(&self.candidate)),
        }
    }

    /// The standard deviation of one block's log ratio.
    pub(crate) fn spread(&self) -> Option<f64> {
        match self.paired {
            true => robust::spread(&self.effects()),
            false => {
                let of = |runs| robust::spread(&means(runs));
                Some(of(&self.reference)?.hypot(of(&self.candidate)?))
            }
        }
    }

    /// The standard deviation of one run, from runs that are equal and stand in the same block.
    pub(crate) fn noise_floor(&self) -> Option<f64> {
        let both = self.reference.iter().chain(&self.candidate);
        let differences: Vec<_> = both.map(|[first, second]| first - second).collect();
        robust::spread(&differences).map(|spread| spread / 2f64.sqrt())
    }

    /// The correlation of each block's log ratio with the next one's.
    pub(crate) fn serial_correlation(&self) -> Option<f64> {
        robust::lag_one(&self.effects())
    }
}

fn means(runs: &[[f64; 2]]) -> Vec<f64> {
    runs.iter().map(|[first, second]| (first + second) / 2.0).collect()
}
