//! Bands around curves: whole blocks are drawn again and again, with replacement, and each drawing has its own curve.
//!
//! Next file to read: `change.rs`.
#![forbid(unsafe_code)]

use fastrand::Rng;

use super::robust::sorted;

/// Values of histograms, and how often each block has them: what a drawing needs of a side, small and quick to add.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pile {
    /// In ascending order.
    values: Vec<u64>,
    /// For each block, how often it has each value.
    counts: Vec<Vec<u64>>,
}

impl Pile {
    /// From each block's samples as (value, how often), in any order.
    pub(crate) fn new(blocks: &[Vec<(u64, u64)>]) -> Self {
        let mut values: Vec<u64> = blocks.iter().flatten().map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let spread_out = |block: &Vec<(u64, u64)>| {
            let mut counts = vec![0; values.len()];
            for (value, count) in block {
                if let Ok(at) = values.binary_search(value) {
                    counts[at] += count;
                }
            }
            counts
        };
        let counts = blocks.iter().map(spread_out).collect();
        Self { values, counts }
    }

    /// How many blocks it holds.
    pub(crate) fn blocks(&self) -> usize {
        self.counts.len()
    }

    /// All samples of all blocks.
    pub(crate) fn samples(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// The values at `quantiles`, which ascend, of the blocks with these weights merged.
    pub(crate) fn quantiles(&self, weights: &[u64], quantiles: &[f64]) -> Vec<f64> {
        let mut merged = vec![0; self.values.len()];
        for (counts, &weight) in self.counts.iter().zip(weights).filter(|(_, weight)| **weight > 0) {
            merged.iter_mut().zip(counts).for_each(|(sum, count)| *sum += weight * count);
        }
        let total: u64 = merged.iter().sum();
        let (mut at, mut seen) = (0, merged.first().copied().unwrap_or(0));
        let value_at = |quantile: &f64| {
            let rank = ((quantile * total as f64).ceil() as u64).clamp(1, total.max(1));
            while seen < rank && at + 1 < merged.len() {
                at += 1;
                seen += merged[at];
            }
            self.values.get(at).map_or(f64::NAN, |value| *value as f64)
        };
        quantiles.iter().map(value_at).collect()
    }
}

/// A curve and its 95 % band.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Band {
    pub(crate) center: Vec<f64>,
    pub(crate) low: Vec<f64>,
    pub(crate) high: Vec<f64>,
}

/// The band of `curve`, which takes how often each of `blocks` blocks was drawn.
///
/// Percentile intervals after B. Efron (Annals of Statistics 7, 1979), point by point. Equal seeds give equal bands.
pub(crate) fn band(
    blocks: usize,
    draws: usize,
    seed: u64,
    mut curve: impl FnMut(&[u64]) -> Vec<f64>,
) -> Band {
    let center = curve(&vec![1; blocks]);
    let mut random = Rng::with_seed(seed);
    let mut seen = vec![Vec::with_capacity(draws); center.len()];
    for _ in 0..draws {
        let mut weights = vec![0; blocks];
        (0..blocks).for_each(|_| weights[random.usize(..blocks)] += 1);
        seen.iter_mut().zip(curve(&weights)).for_each(|(seen, value)| seen.push(value));
    }
    let seen: Vec<_> = seen.iter().map(|seen| sorted(seen)).collect();
    let at = |share: f64| {
        let nth = |seen: &Vec<f64>| seen[(share * (seen.len() - 1) as f64).round() as usize];
        if draws == 0 { center.clone() } else { seen.iter().map(nth).collect() }
    };
    let (low, high) = (at(0.025), at(0.975));
    Band { center, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_merged_blocks_are_those_of_all_samples() {
        let pile = Pile::new(&[vec![(10, 3), (5, 1)], vec![(7, 4), (100, 2)]]);
        assert_eq!(pile.samples(), 10);
        // 5 7 7 7 7 10 10 10 100 100
        assert_eq!(pile.quantiles(&[1, 1], &[0.1, 0.5, 0.8, 0.81, 1.0]), [5.0, 7.0, 10.0, 100.0, 100.0]);
        assert_eq!(pile.quantiles(&[2, 0], &[0.25, 0.26]), [5.0, 10.0]);
        assert!(Pile::new(&[]).quantiles(&[], &[0.5])[0].is_nan());
    }

    #[test]
    fn the_band_holds_the_mean_it_should_and_repeats_itself() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let mean = |weights: &[u64]| {
            let sum: f64 = weights.iter().zip(&values).map(|(weight, value)| *weight as f64 * value).sum();
            vec![sum / 40.0]
        };
        let band = super::band(40, 2000, 7, mean);
        assert_eq!(band.center, [19.5]);
        // The standard error of this mean is 1.825.
        assert!((band.low[0] - (19.5 - 1.96 * 1.825)).abs() < 0.4, "{band:?}");
        assert!((band.high[0] - (19.5 + 1.96 * 1.825)).abs() < 0.4, "{band:?}");
        assert_eq!(super::band(40, 2000, 7, mean), band);
    }
}
