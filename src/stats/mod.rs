//! Statistics: numbers in, numbers out. Nothing here knows what was measured, reads a clock or draws a random number
//! that its caller did not seed.
//!
//! Next file to read: `signed_rank.rs`.
#![forbid(unsafe_code)]

pub(crate) mod bootstrap;
pub(crate) mod change;
pub(crate) mod multiple;
pub(crate) mod power;
pub(crate) mod rank_sum;
mod ranks;
pub(crate) mod robust;
#[cfg(test)]
mod scipy;
pub(crate) mod signed_rank;

/// The centre of a difference, with exact intervals and an exact test of "there is none".
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// How many differences, or of the smaller sample, it rests on.
    pub(crate) n: usize,
    /// Hodges and Lehmann's estimate (Annals of Mathematical Statistics 34, 1963).
    pub(crate) center: f64,
    /// The 95 % interval. `None`: too few observations for one.
    pub(crate) wide: Option<(f64, f64)>,
    /// The 90 % interval, which two one-sided tests at 5 % need. `None`: too few observations for one.
    pub(crate) narrow: Option<(f64, f64)>,
    /// Two-sided.
    pub(crate) p: f64,
}

/// The estimate from a sorted list of pairwise values and the place of the interval's ends in it.
fn estimate(n: usize, sorted: &[f64], p: f64, critical: impl Fn(f64) -> Option<usize>) -> Option<Estimate> {
    let center = robust::median_of_sorted(sorted)?;
    let ends = |alpha| {
        let at = critical(alpha)?;
        Some((sorted[at], sorted[sorted.len() - 1 - at]))
    };
    Some(Estimate { n, center, wide: ends(0.05), narrow: ends(0.10), p })
}
