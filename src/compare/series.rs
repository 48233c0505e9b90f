//! From blocks to numbers that a test takes: log ratios, or differences where there may be nothing at all.
//!
//! Next file to read: `curves.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::model::{Block, Figures, Run, State, relative};
use crate::profile::Metric;
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

impl<'a> Both<'a> {
    /// All runs of both sides.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'a Figures> {
        self.reference.iter().chain(&self.candidate).flatten().copied()
    }
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

/// How figures are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// By their logarithms: noise is a share of the figure.
    Log,
    /// As they are, for some are 0; changes are relative to this mean of the reference.
    Linear { base: f64 },
}

/// One figure of both sides on its scale, in the blocks that have it.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    reference: Vec<[f64; 2]>,
    candidate: Vec<[f64; 2]>,
    paired: bool,
    scale: Scale,
}

impl Series {
    /// What the runs say of `metric`. Those without a figure that can be compared are not there, and whoever judges asks
    /// [`missing`](Self::missing) how many.
    pub(crate) fn of(both: &Both<'_>, metric: &Metric) -> Self {
        let is_linear =
            metric.may_be_zero() && both.all().filter_map(|run| run.of(metric)).any(|value| value <= 0.0);
        let value = |run: &Figures| {
            let value = run.of(metric).filter(|value| value.is_finite())?;
            if is_linear { Some(value) } else { (value > 0.0).then(|| value.ln()) }
        };
        let values = |[first, second]: &[&Figures; 2]| Some([value(first)?, value(second)?]);
        let (reference, candidate): (Vec<_>, Vec<_>) = if both.paired {
            let blocks = both.reference.iter().zip(&both.candidate);
            blocks.filter_map(|(a, b)| Some((values(a)?, values(b)?))).unzip()
        } else {
            (
                both.reference.iter().filter_map(values).collect(),
                both.candidate.iter().filter_map(values).collect(),
            )
        };
        let all = reference.as_flattened();
        let base = all.iter().sum::<f64>() / all.len().max(1) as f64;
        let scale = if is_linear { Scale::Linear { base } } else { Scale::Log };
        Self { reference, candidate, paired: both.paired, scale }
    }

    /// How many blocks of `both` lack it: on the reference, and on the candidate.
    pub(crate) fn missing(both: &Both<'_>, metric: &Metric) -> (usize, usize) {
        let fits = |value: f64| value.is_finite() && (value > 0.0 || metric.may_be_zero());
        let lacks = |run: &&&Figures| !run.of(metric).is_some_and(fits);
        let lack = |runs: &Runs<'_>| runs.iter().filter(|block| block.iter().any(|run| lacks(&run))).count();
        (lack(&both.reference), lack(&both.candidate))
    }

    /// How many blocks have it; without pairs, of the side that has fewer.
    pub(crate) fn blocks(&self) -> usize {
        self.reference.len().min(self.candidate.len())
    }

    /// A value of the scale as the figure that it stands for.
    fn figure(&self, value: f64) -> f64 {
        if self.scale == Scale::Log { value.exp() } else { value }
    }

    /// A difference on the scale as a relative change. `None`: the reference has nothing to be relative to.
    pub(crate) fn change(&self, difference: f64) -> Option<f64> {
        match self.scale {
            Scale::Log => Some(relative(difference)),
            Scale::Linear { .. } if difference == 0.0 => Some(0.0),
            Scale::Linear { base } => (base > 0.0).then(|| difference / base),
        }
    }

    /// Medians over the runs of each side.
    pub(crate) fn medians(&self) -> (Option<f64>, Option<f64>) {
        let of = |runs: &Vec<[f64; 2]>| robust::median(runs.as_flattened()).map(|value| self.figure(value));
        (of(&self.reference), of(&self.candidate))
    }

    /// What is typical of the reference's blocks, and the same so far away as the estimate says.
    pub(crate) fn typical(&self, estimate: &Estimate) -> Option<(f64, f64)> {
        let reference = signed_rank::center(&means(&self.reference))?;
        Some((self.figure(reference), self.figure(reference + estimate.center)))
    }

    /// The difference in each block; empty without pairs.
    pub(crate) fn effects(&self) -> Vec<f64> {
        if !self.paired {
            return Vec::new();
        }
        let (a, b) = (means(&self.reference), means(&self.candidate));
        b.iter().zip(&a).map(|(b, a)| b - a).collect()
    }

    /// The difference in each block as a log ratio, for plots.
    pub(crate) fn by_block(&self) -> Vec<f64> {
        let log = |difference: f64| match self.scale {
            Scale::Log => Some(difference),
            Scale::Linear { .. } => Some(self.change(difference)?.max(-0.999).ln_1p()),
        };
        self.effects().into_iter().filter_map(log).collect()
    }

    /// Where the difference lies.
    pub(crate) fn estimate(&self) -> Option<Estimate> {
        match self.paired {
            true => signed_rank::paired(&self.effects()),
            false => rank_sum::unpaired(&means(&self.reference), &means(&self.candidate)),
        }
    }

    /// Where the candidate lies against a limit, above 0 if above it; and what takes such a distance to a figure.
    pub(crate) fn against(&self, limit: f64) -> (Option<Estimate>, impl Fn(f64) -> f64 + use<>) {
        let at = if self.scale == Scale::Log { limit.ln() } else { limit };
        let distances: Vec<_> = means(&self.candidate).into_iter().map(|value| value - at).collect();
        let is_log = self.scale == Scale::Log;
        let figure = move |distance: f64| if is_log { (distance + at).exp() } else { distance + at };
        (signed_rank::paired(&distances), figure)
    }

    /// The standard deviation of one block's difference.
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

    /// The correlation of each block's difference with the next one's.
    pub(crate) fn serial_correlation(&self) -> Option<f64> {
        robust::lag_one(&self.effects())
    }
}

fn means(runs: &[[f64; 2]]) -> Vec<f64> {
    runs.iter().map(|[first, second]| (first + second) / 2.0).collect()
}
