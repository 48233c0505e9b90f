//! Where a series changed: the places that split it best, each kept if a t test says that its two sides differ.
//!
//! Splits by energy distance after D. S. Matteson and N. A. James (JASA 109, 2014), with Welch's t test in place of
//! random permutations, as the tools Hunter and Otava have it: equal series then have equal change points.
//!
//! Next file to read: `../compare/mod.rs`.
#![forbid(unsafe_code)]

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A change is kept below this p.
const ALPHA: f64 = 0.001;
/// No side of a change is shorter.
const SHORTEST: usize = 3;

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// The first value after it.
    pub(crate) at: usize,
    /// The mean of the stretch before it.
    pub(crate) before: f64,
    /// The mean of the stretch after it.
    pub(crate) after: f64,
    /// Of Welch's test.
    pub(crate) p: f64,
}

/// The changes of `values`, in order.
pub(crate) fn points(values: &[f64]) -> Vec<Change> {
    let mut found = Vec::new();
    split(values, 0, &mut found);
    found.sort_unstable();
    let mut bounds = vec![0];
    bounds.extend(&found);
    bounds.push(values.len());
    let change = |ends: &[usize]| {
        let (before, after) = (&values[ends[0]..ends[1]], &values[ends[1]..ends[2]]);
        Change { at: ends[1], before: mean(before), after: mean(after), p: welch(before, after) }
    };
    // A change that its final neighbours do not bear out goes.
    bounds.windows(3).map(change).filter(|change| change.p <= ALPHA).collect()
}

fn split(values: &[f64], offset: usize, found: &mut Vec<usize>) {
    let places = SHORTEST..(values.len() + 1).saturating_sub(SHORTEST);
    let scored = places.map(|at| (at, energy(&values[..at], &values[at..])));
    let Some((at, _)) = scored.max_by(|a, b| a.1.total_cmp(&b.1)) else { return };
    if welch(&values[..at], &values[at..]) <= ALPHA {
        found.push(offset + at);
        split(&values[..at], offset, found);
        split(&values[at..], offset + at, found);
    }
}

/// The energy distance between two samples, weighted by their sizes.
fn energy(a: &[f64], b: &[f64]) -> f64 {
    let between = |a: &[f64], b: &[f64]| {
        let sum: f64 = a.iter().flat_map(|a| b.iter().map(move |b| (a - b).abs())).sum();
        sum / (a.len() * b.len()) as f64
    };
    let (n, m) = (a.len() as f64, b.len() as f64);
    n * m / (n + m) * (2.0 * between(a, b) - between(a, a) - between(b, b))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The two-sided p of B. L. Welch's test (Biometrika 34, 1947).
pub(super) fn welch(a: &[f64], b: &[f64]) -> f64 {
    let of = |values: &[f64]| {
        let mean = mean(values);
        let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let n = values.len() as f64;
        (mean, square / (n - 1.0).max(1.0) / n, n)
    };
    let ((mean_a, error_a, n_a), (mean_b, error_b, n_b)) = (of(a), of(b));
    let error = error_a + error_b;
    if error <= 0.0 {
        return if mean_a == mean_b { 1.0 } else { 0.0 };
    }
    let freedom =
        error.powi(2) / (error_a.powi(2) / (n_a - 1.0).max(1.0) + error_b.powi(2) / (n_b - 1.0).max(1.0));
    let t = (mean_a - mean_b).abs() / error.sqrt();
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| 2.0 * student.sf(t))
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    fn noise(random: &mut Rng) -> f64 {
        (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    #[test]
    fn steps_are_found_where_they_are_and_nothing_in_noise() {
        let mut random = Rng::with_seed(4);
        let mut series = |levels: &[(usize, f64)]| {
            let stretch = |(length, level): &(usize, f64)| vec![*level; *length];
            let levels: Vec<f64> = levels.iter().flat_map(stretch).collect();
            levels.into_iter().map(|level| level + noise(&mut random)).collect::<Vec<_>>()
        };
        let steps = points(&series(&[(20, 100.0), (20, 110.0), (15, 105.0)]));
        assert_eq!(steps.iter().map(|change| change.at).collect::<Vec<_>>(), [20, 40]);
        assert!((steps[0].before - 100.0).abs() < 1.0 && (steps[0].after - 110.0).abs() < 1.0);
        let wrong: usize = (0..50).map(|_| points(&series(&[(40, 100.0)])).len()).sum();
        assert!(wrong <= 5, "{wrong} changes found in 50 series without one");
    }

    #[test]
    fn short_and_flat_series_have_no_change() {
        assert_eq!(points(&[]), []);
        assert_eq!(points(&[1.0, 5.0, 9.0]), []);
        assert_eq!(points(&[3.0; 30]), []);
        assert_eq!(points(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]).len(), 1);
    }
}
