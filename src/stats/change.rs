//! Where a series changed its level, in a time that grows with its length and not with its square.
//!
//! Candidates are the places that split a stretch best, found by binary segmentation (L. J. Vostrikova, Soviet
//! Mathematics Doklady 24, 1981) of the whole series and of overlapping windows of it, so that a short stretch between
//! two changes is not lost in a long series. Those that a test between their neighbours does not bear out are taken
//! away, the weakest first. Nothing is drawn at random: equal series have equal changes.
//!
//! Next file to read: `../compare/mod.rs`.
#![forbid(unsafe_code)]

use std::ops::Range;

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The chance of a change found in a series without one, shared among all places of the series.
const ALPHA: f64 = 0.05;
/// No side of a change is shorter.
const SHORTEST: usize = 3;
/// Lengths of the windows that are searched besides the whole.
const WINDOWS: [usize; 2] = [48, 384];

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// The first value after it.
    pub(crate) at: usize,
    /// The mean of the stretch before it.
    pub(crate) before: f64,
    /// The mean of the stretch after it.
    pub(crate) after: f64,
    /// Of a t test that its two sides differ.
    pub(crate) p: f64,
}

/// The changes of `values`, in order.
pub(crate) fn points(values: &[f64]) -> Vec<Change> {
    search(&Sums::of(values))
}

fn search(sums: &Sums) -> Vec<Change> {
    let length = sums.len();
    let enough = ALPHA / length.max(1) as f64;
    let mut found = Vec::new();
    sums.split(0..length, enough, &mut found);
    for window in WINDOWS.into_iter().filter(|window| *window < length) {
        let starts = (0..length).step_by(window / 2);
        starts.for_each(|from| sums.split(from..(from + window).min(length), enough, &mut found));
    }
    found.sort_unstable();
    found.dedup();
    prune(sums, &mut found, enough);
    // With their final neighbours, the places may lie better a little aside.
    for nth in 0..found.len() {
        let around = around(sums, &found, nth);
        found[nth] = sums.best(around).unwrap_or(found[nth]);
    }
    prune(sums, &mut found, enough);
    let change = |nth| {
        let (around, at) = (around(sums, &found, nth), found[nth]);
        let (before, after) = (sums.mean(around.start..at), sums.mean(at..around.end));
        Change { at, before, after, p: sums.test(around, at) }
    };
    (0..found.len()).map(change).collect()
}

/// From the change before this one to the one after it.
fn around(sums: &Sums, found: &[usize], nth: usize) -> Range<usize> {
    let from = nth.checked_sub(1).map_or(0, |before| found[before]);
    from..found.get(nth + 1).copied().unwrap_or(sums.len())
}

/// Takes the weakest change away until all that are left are strong enough.
fn prune(sums: &Sums, found: &mut Vec<usize>, enough: f64) {
    let p = |found: &[usize], nth: usize| {
        let around = around(sums, found, nth);
        let short = found[nth] - around.start < SHORTEST || around.end - found[nth] < SHORTEST;
        if short { 2.0 } else { sums.test(around, found[nth]) }
    };
    let mut all: Vec<f64> = (0..found.len()).map(|nth| p(found, nth)).collect();
    while let Some((weakest, worst)) = all.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) {
        if worst <= enough {
            return;
        }
        found.remove(weakest);
        all.remove(weakest);
        let neighbours = [weakest.checked_sub(1), Some(weakest)];
        for nth in neighbours.into_iter().flatten().filter(|nth| *nth < found.len()) {
            all[nth] = p(found, nth);
        }
    }
}

/// Sums of the values, and of their squares, up to each place: mean and variance of any stretch in one step.
struct Sums {
    values: Vec<f64>,
    squares: Vec<f64>,
    /// The level around which they are taken, so that no digits are lost.
    level: f64,
    /// How many sums of stretches were asked for: the steps that everything here is made of.
    #[cfg(test)]
    steps: std::cell::Cell<u64>,
}

impl Sums {
    fn of(values: &[f64]) -> Self {
        let level = mean(values);
        let running = |of: fn(f64) -> f64| {
            let mut sum = 0.0;
            let next = values.iter().map(move |value| {
                sum += of(value - level);
                sum
            });
            std::iter::once(0.0).chain(next).collect()
        };
        Self {
            values: running(|value| value),
            squares: running(|value| value * value),
            level,
            #[cfg(test)]
            steps: std::cell::Cell::new(0),
        }
    }

    fn len(&self) -> usize {
        self.values.len() - 1
    }

    fn sum(&self, of: &Range<usize>) -> f64 {
        #[cfg(test)]
        self.steps.set(self.steps.get() + 1);
        self.values[of.end] - self.values[of.start]
    }

    fn mean(&self, of: Range<usize>) -> f64 {
        self.level + self.sum(&of) / of.len() as f64
    }

    fn moments(&self, of: Range<usize>) -> Moments {
        let (n, sum) = (of.len() as f64, self.sum(&of));
        let squares = self.squares[of.end] - self.squares[of.start];
        Moments { n, mean: sum / n, square: (squares - sum * sum / n).max(0.0) }
    }

    /// The p of a difference between the two sides of a place.
    fn test(&self, around: Range<usize>, at: usize) -> f64 {
        self.moments(around.start..at).test(&self.moments(at..around.end))
    }

    /// The place that splits a stretch into the two whose means lie farthest apart, for their lengths.
    fn best(&self, within: Range<usize>) -> Option<usize> {
        let (n, sum) = (within.len() as f64, self.sum(&within));
        let apart = |at: &usize| {
            let left = (*at - within.start) as f64;
            let deviation = self.sum(&(within.start..*at)) - sum * left / n;
            deviation * deviation * n / (left * (n - left))
        };
        let places = within.start + SHORTEST..(within.end + 1).saturating_sub(SHORTEST);
        places.max_by(|a, b| apart(a).total_cmp(&apart(b)).then(b.cmp(a)))
    }

    fn split(&self, within: Range<usize>, enough: f64, found: &mut Vec<usize>) {
        let mut open = vec![within];
        while let Some(within) = open.pop() {
            let Some(at) = self.best(within.clone()) else { continue };
            if self.test(within.clone(), at) <= enough {
                found.push(at);
                open.extend([within.start..at, at..within.end]);
            }
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// What a t test needs of a sample.
struct Moments {
    n: f64,
    mean: f64,
    /// Sum of the squared deviations from the mean.
    square: f64,
}

impl Moments {
    /// The larger p of Student's test, which takes both samples to scatter alike, and of Welch's. Three values that lie
    /// close together by chance would satisfy Welch's alone, and a wide stretch beside a narrow one Student's.
    fn test(&self, other: &Self) -> f64 {
        self.student(other).max(self.welch(other))
    }

    /// The two-sided p of Student's test (Biometrika 6, 1908).
    fn student(&self, other: &Self) -> f64 {
        let freedom = self.n + other.n - 2.0;
        let variance = (self.square + other.square) / freedom;
        self.p(other, variance / self.n + variance / other.n, freedom)
    }

    /// The two-sided p of B. L. Welch's test (Biometrika 34, 1947).
    fn welch(&self, other: &Self) -> f64 {
        let error = |of: &Self| of.square / (of.n - 1.0).max(1.0) / of.n;
        let (a, b) = (error(self), error(other));
        let freedom =
            (a + b).powi(2) / (a.powi(2) / (self.n - 1.0).max(1.0) + b.powi(2) / (other.n - 1.0).max(1.0));
        self.p(other, a + b, freedom)
    }

    /// From the squared error of the difference, and its degrees of freedom.
    fn p(&self, other: &Self, error: f64, freedom: f64) -> f64 {
        // What is left of equal values is rounding.
        let rounding = 1e-24 * (self.mean.powi(2) + other.mean.powi(2));
        if error <= rounding {
            return if (self.mean - other.mean).powi(2) <= rounding { 1.0 } else { 0.0 };
        }
        let t = (self.mean - other.mean).abs() / error.sqrt();
        StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| 2.0 * student.sf(t))
    }
}

/// Welch's test of two samples.
#[cfg(test)]
pub(super) fn welch(a: &[f64], b: &[f64]) -> f64 {
    let of = |values: &[f64]| Sums::of(values).moments(0..values.len());
    let shifted = |moments: Moments, values: &[f64]| Moments { mean: mean(values), ..moments };
    shifted(of(a), a).welch(&shifted(of(b), b))
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    fn noise(random: &mut Rng) -> f64 {
        (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
    }

    /// Stretches of these lengths and levels, with noise.
    fn series(random: &mut Rng, levels: &[(usize, f64)]) -> Vec<f64> {
        let stretch = |(length, level): &(usize, f64)| vec![*level; *length];
        let levels: Vec<f64> = levels.iter().flat_map(stretch).collect();
        levels.into_iter().map(|level| level + noise(random)).collect()
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let mut random = Rng::with_seed(4);
        let steps = points(&series(&mut random, &[(20, 100.0), (20, 110.0), (15, 105.0)]));
        assert_eq!(steps.iter().map(|change| change.at).collect::<Vec<_>>(), [20, 40]);
        assert!((steps[0].before - 100.0).abs() < 1.0 && (steps[0].after - 110.0).abs() < 1.0);
    }

    #[test]
    fn at_most_one_series_in_twenty_without_a_change_has_one() {
        let mut random = Rng::with_seed(5);
        for length in [12, 40, 200, 1000] {
            let mut wrong = |_: &usize| !points(&series(&mut random, &[(length, 100.0)])).is_empty();
            let wrong = (0..100).filter(&mut wrong).count();
            assert!(wrong <= 5, "in {wrong} of 100 series of {length} values");
        }
    }

    #[test]
    fn a_short_stretch_in_a_long_series_is_found() {
        let mut random = Rng::with_seed(6);
        let steps = points(&series(&mut random, &[(700, 100.0), (16, 106.0), (700, 100.0)]));
        assert_eq!(steps.iter().map(|change| change.at).collect::<Vec<_>>(), [700, 716]);
    }

    #[test]
    fn twice_the_length_is_not_four_times_the_work() {
        // Counted and not timed. The depth of the search grows with the logarithm of the number of steps.
        let steps = |stretches: usize| {
            let levels: Vec<_> = (0..stretches).map(|nth| (20, [100.0, 140.0][nth % 2])).collect();
            let sums = Sums::of(&series(&mut Rng::with_seed(7), &levels));
            assert_eq!(search(&sums).len(), stretches - 1);
            sums.steps.get()
        };
        let (once, twice) = (steps(100), steps(200));
        assert!(twice < 3 * once, "{once} steps for a length, and {twice} for twice of it");
    }

    #[test]
    fn short_and_flat_series_have_no_change() {
        assert_eq!(points(&[]), []);
        assert_eq!(points(&[1.0, 5.0, 9.0]), []);
        assert_eq!(points(&[3.0; 30]), []);
        assert_eq!(points(&[0.1; 30]), []);
        assert_eq!(points(&[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]).len(), 1);
    }
}
