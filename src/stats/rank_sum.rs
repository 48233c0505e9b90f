//! Mann and Whitney's test (Annals of Mathematical Statistics 18, 1947), exact, with the shift between two samples:
//! for runs that have no partners, such as those of a stored baseline.
//!
//! Next file to read: `power.rs`.
#![forbid(unsafe_code)]

use super::robust::sorted;
use super::{Estimate, estimate, ranks};

/// How far `b` lies above `a`. `None`: one of them is empty.
pub(crate) fn unpaired(a: &[f64], b: &[f64]) -> Option<Estimate> {
    let shifts: Vec<_> = b.iter().flat_map(|b| a.iter().map(move |a| b - a)).collect();
    let untied: Vec<_> = (1..=a.len() + b.len()).collect();
    // The smallest rank sum of `b` is 1 + 2 + ... + |b|; U counts from there.
    let least = b.len() * (b.len() + 1) / 2;
    let of_sum = ranks::chosen_sums(&untied, b.len());
    let of_u = &of_sum[least.min(of_sum.len() - 1)..];
    estimate(a.len().min(b.len()), &sorted(&shifts), p(a, b), |alpha| ranks::critical(of_u, alpha))
}

fn p(a: &[f64], b: &[f64]) -> f64 {
    let together: Vec<_> = b.iter().chain(a).copied().collect();
    let ranks = ranks::doubled(&together);
    let observed = ranks[..b.len()].iter().sum();
    ranks::two_sided(&ranks::chosen_sums(&ranks, b.len()), observed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two-sided critical values of U at 5 %, from the table of D. Auble (Indiana University, 1953) that textbooks
    /// repeat.
    #[test]
    fn critical_values_are_those_of_the_published_table() {
        let table = [
            (4, 4, 0),
            (5, 5, 2),
            (6, 6, 5),
            (8, 8, 13),
            (10, 10, 23),
            (12, 12, 37),
            (20, 20, 127),
            (5, 8, 6),
        ];
        for (a, b, critical) in table {
            let of_sum = ranks::chosen_sums(&(1..=a + b).collect::<Vec<_>>(), b);
            assert_eq!(ranks::critical(&of_sum[b * (b + 1) / 2..], 0.05), Some(critical), "{a} and {b}");
        }
    }

    #[test]
    fn a_shift_is_found_and_its_absence_too() {
        let a: Vec<f64> = (0..8).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|a| a + 100.0).collect();
        let estimate = unpaired(&a, &b).unwrap();
        assert_eq!(estimate.center, 100.0);
        // Two of the 12,870 ways to choose 8 of 16.
        assert!((estimate.p - 2.0 / 12_870.0).abs() < 1e-12);
        assert!(estimate.wide.unwrap().0 > 90.0);
        assert_eq!(unpaired(&a, &a).unwrap().p, 1.0);
        assert_eq!(unpaired(&a, &[]), None);
    }
}
