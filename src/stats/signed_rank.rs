//! Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945), exact, with the Hodges-Lehmann estimate and the exact
//! interval that belong to it.
//!
//! The null hypothesis is that each difference is as likely to be as large below zero as above. A coin that decides
//! the order of every block makes that true where the two sides are alike, whatever the noise looks like.
//!
//! Zeros are ranked and then left out (J. W. Pratt, JASA 54, 1959); ties get the mean of their ranks, and the
//! distribution is that of those ranks. The interval takes the untied distribution, which makes it no narrower.
//!
//! Next file to read: `ranks.rs`.
#![forbid(unsafe_code)]

use super::robust::{median_of_sorted, sorted};
use super::{Estimate, estimate, ranks};

/// Below this many differences no result can be significant at 5 %: the smallest two-sided p is `2^(1-n)`.
pub(crate) const FEWEST: usize = 6;

/// Where the centre of `differences` lies. `None`: there are none.
pub(crate) fn paired(differences: &[f64]) -> Option<Estimate> {
    let n = differences.len();
    let untied = ranks::signed_sums(&(1..=n).collect::<Vec<_>>());
    estimate(n, &walsh(differences), p(differences), |alpha| ranks::critical(&untied, alpha))
}

/// The estimate of the centre alone.
pub(crate) fn center(values: &[f64]) -> Option<f64> {
    median_of_sorted(&walsh(values))
}

/// The mean of each pair of differences, each with itself included, in ascending order (J. E. Walsh, 1949).
fn walsh(differences: &[f64]) -> Vec<f64> {
    let from = |at: usize| differences[at..].iter().map(move |other| (differences[at] + other) / 2.0);
    sorted(&(0..differences.len()).flat_map(from).collect::<Vec<_>>())
}

fn p(differences: &[f64]) -> f64 {
    let sizes: Vec<_> = differences.iter().map(|difference| difference.abs()).collect();
    let ranked = ranks::doubled(&sizes).into_iter().zip(differences).filter(|(_, d)| **d != 0.0);
    let (ranks, observed) = ranked.fold((Vec::new(), 0), |(mut ranks, sum), (rank, d)| {
        ranks.push(rank);
        (ranks, sum + if *d > 0.0 { rank } else { 0 })
    });
    ranks::two_sided(&ranks::signed_sums(&ranks), observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untied(n: usize) -> Vec<f64> {
        ranks::signed_sums(&(1..=n).collect::<Vec<_>>())
    }

    /// Two-sided critical values at 5 %, from the table in F. Wilcoxon and R. A. Wilcox, "Some Rapid Approximate
    /// Statistical Procedures" (1964), which textbooks repeat: T is significant if it is at most this.
    #[test]
    fn critical_values_are_those_of_the_published_table() {
        let table = [
            (6, 0),
            (7, 2),
            (8, 3),
            (9, 5),
            (10, 8),
            (11, 10),
            (12, 13),
            (13, 17),
            (14, 21),
            (15, 25),
            (16, 29),
            (17, 34),
            (18, 40),
            (19, 46),
            (20, 52),
            (21, 58),
            (22, 65),
            (23, 73),
            (24, 81),
            (25, 89),
        ];
        for (n, critical) in table {
            assert_eq!(ranks::critical(&untied(n), 0.05), Some(critical), "n = {n}");
        }
        assert_eq!(ranks::critical(&untied(5), 0.05), None, "no interval from five");
        assert_eq!(ranks::critical(&untied(5), 0.10), Some(0));
    }

    /// Against every pattern of signs, one by one.
    #[test]
    fn the_distribution_is_that_of_all_sign_patterns() {
        for n in 1..=12 {
            let of_sum = untied(n);
            let mut counted = vec![0.0; of_sum.len()];
            for signs in 0_u32..1 << n {
                let sum: usize = (0..n).filter(|bit| signs >> bit & 1 == 1).map(|bit| bit + 1).sum();
                counted[sum] += 1.0 / f64::from(1_u32 << n);
            }
            assert!(of_sum.iter().zip(&counted).all(|(a, b)| (a - b).abs() < 1e-12), "n = {n}");
        }
    }

    #[test]
    fn signs_alone_decide_the_smallest_p() {
        let all_up: Vec<f64> = (1..=8).map(f64::from).collect();
        let estimate = paired(&all_up).unwrap();
        assert_eq!(estimate.p, 2.0 / 256.0);
        assert_eq!(estimate.center, 4.5);
        assert_eq!(paired(&[0.0; 8]).unwrap().p, 1.0);
        assert_eq!(paired(&[1.0; 8]).unwrap().p, 2.0 / 256.0, "ties are no harm");
        assert!(paired(&[1.0; 5]).unwrap().wide.is_none());
        assert_eq!(paired(&[]), None);
    }

    #[test]
    fn the_interval_turns_with_the_sign() {
        let values = [0.03, -0.01, 0.02, 0.05, 0.04, 0.01, 0.06, -0.02, 0.07, 0.035];
        let (up, down) = (paired(&values).unwrap(), paired(&values.map(|v| -v)).unwrap());
        let (low, high) = up.wide.unwrap();
        assert_eq!(down.wide, Some((-high, -low)));
        assert_eq!(down.center, -up.center);
        assert!((down.p - up.p).abs() < 1e-12);
        let narrow = up.narrow.unwrap();
        assert!(low <= narrow.0 && narrow.0 <= up.center && up.center <= narrow.1 && narrow.1 <= high);
    }
}
