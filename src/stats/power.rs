//! What a comparison can see: the smallest effect it would find, and how many blocks another one would take.
//!
//! Next file to read: `multiple.rs`.
#![forbid(unsafe_code)]

use statrs::distribution::{ContinuousCDF, Normal};

/// The chance with which an effect of the stated size is found.
const POWER: f64 = 0.80;
/// How many more observations the signed-rank test needs than the t test on normal values: pi/3, its asymptotic
/// relative efficiency (E. J. G. Pitman's lectures of 1949).
const RANK_COST: f64 = std::f64::consts::PI / 3.0;

/// The distance between "no effect" and one that is found: 2.8 standard errors, at 5 % and a power of 80 %.
fn distance() -> f64 {
    let standard = Normal::standard();
    standard.inverse_cdf(1.0 - 0.05 / 2.0) + standard.inverse_cdf(POWER)
}

/// The smallest effect, as a log ratio, that `n` blocks with this spread find with a chance of 80 %.
pub(crate) fn detectable(spread: f64, n: f64) -> f64 {
    distance() * spread / n.sqrt()
}

/// The spread of normal effects whose 95 % interval from `n` blocks would reach so far to either side.
pub(crate) fn spread_for(half_width: f64, n: usize) -> f64 {
    half_width * (n as f64).sqrt() / Normal::standard().inverse_cdf(1.0 - 0.05 / 2.0)
}

/// How many blocks with this spread find an effect of `margin`, a log ratio, with a chance of 80 %.
pub(crate) fn blocks_for(spread: f64, margin: f64) -> f64 {
    (RANK_COST * (distance() * spread / margin).powi(2)).ceil()
}

/// How many blocks at least, for any of `family` tests to be able to fall at `alpha`: the smallest p of `n` blocks is
/// `2^(1-n)`.
pub(crate) fn fewest_blocks(family: usize, alpha: f64) -> usize {
    (1.0 + (family.max(1) as f64 / alpha).log2()).ceil() as usize
}

/// The same for a rank-sum test with `there` blocks on one side: how many the other side needs. Its smallest p is twice
/// one in the ways to choose them. `None`: more than `most`.
pub(crate) fn fewest_unpaired(there: usize, family: usize, alpha: f64, most: usize) -> Option<usize> {
    let enough = alpha / family.max(1) as f64;
    let mut p = 2.0;
    (1..=most).find(|&here| {
        p *= here as f64 / (there + here) as f64;
        p <= enough
    })
}

/// How many independent observations `n` with this serial correlation are worth.
pub(crate) fn independent(n: usize, correlation: f64) -> f64 {
    let n = n as f64;
    if correlation.abs() > 2.0 / n.sqrt() { n * (1.0 - correlation) / (1.0 + correlation) } else { n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_detectable_effects() {
        let percent = |spread, n| ((detectable(spread, n).exp() - 1.0) * 1000.0).round() / 10.0;
        let table =
            [(0.03, [3.0, 2.5, 1.9, 1.5]), (0.05, [5.1, 4.1, 3.2, 2.6]), (0.08, [8.2, 6.7, 5.1, 4.2])];
        for (spread, expected) in table {
            assert_eq!([8.0, 12.0, 20.0, 30.0].map(|n| percent(spread, n)), expected, "spread {spread}");
        }
    }

    #[test]
    fn blocks_that_would_decide() {
        assert_eq!(blocks_for(0.03, 0.03), 9.0);
        assert_eq!(blocks_for(0.06, 0.03), 33.0);
        assert!((spread_for(0.0196, 100) - 0.1).abs() < 1e-4);
        assert_eq!([1, 4, 8].map(|family| fewest_blocks(family, 0.05)), [6, 8, 9]);
        // 2 of the 252 ways to choose 5 of 10, and of the 12,870 to choose 8 of 16.
        assert_eq!(fewest_unpaired(5, 1, 2.0 / 252.0, 200), Some(5));
        assert_eq!(fewest_unpaired(8, 4, 8.0 / 12_870.0, 200), Some(8));
        assert_eq!(fewest_unpaired(1, 4, 0.05, 100), None);
        assert_eq!(independent(16, 0.4), 16.0);
        assert!((independent(16, 0.6) - 4.0).abs() < 1e-12);
    }
}
