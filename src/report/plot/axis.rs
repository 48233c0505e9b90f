//! Axes: where a value stands, and which values get a tick. Next: `percentiles.rs`.
#![forbid(unsafe_code)]

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use workloads::wire::Unit;

use super::units;
use super::{Anchor, Canvas, Drawn, GRID, MUTED, SCALE, stroke};

/// The percentiles that a log-nines axis names.
const NINES: [f64; 7] = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999];

/// Quantiles, each further nine as wide as the one before: a quantile stands at `-log10(1 - q)`.
///
/// HdrHistogram's plots made this axis known; it gives the tail the room that its questions need.
pub(crate) struct LogNines {
    nines: f64,
}

impl LogNines {
    /// An axis that shows what `samples` can tell, from the 99th percentile up to one past 99.9999.
    pub(crate) fn for_samples(samples: u64) -> Self {
        Self { nines: (samples.max(1) as f64 * 2.0).log10().clamp(2.15, 6.3) }
    }

    /// The place of the quantile with `beyond` of `samples` above it.
    pub(crate) fn nines(samples: u64, beyond: f64) -> f64 {
        (samples as f64 / beyond).log10()
    }
}

impl Ranged for LogNines {
    type FormatOption = NoDefaultFormatting;
    /// `-log10(1 - q)`, which keeps its digits where `q` has lost them.
    type ValueType = f64;

    fn map(&self, nines: &f64, (from, to): (i32, i32)) -> i32 {
        linear(nines.clamp(0.0, self.nines) / self.nines, from, to)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        NINES.iter().map(|percent| -(1.0 - percent / 100.0).log10()).filter(|&at| at <= self.nines).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.nines
    }
}

impl ValueFormatter<f64> for LogNines {
    fn format_ext(&self, nines: &f64) -> String {
        let near = |percent: &&f64| (-(1.0 - *percent / 100.0).log10() - nines).abs() < 1e-6;
        NINES.iter().find(near).map(f64::to_string).unwrap_or_default()
    }
}

/// Positive values by their magnitude, in a histogram's unit.
pub(crate) struct Magnitude {
    low: f64,
    high: f64,
    unit: Unit,
}

impl Magnitude {
    /// An axis that holds `low` to `high` and ends on round values. What is below 1 is shown at 1.
    pub(crate) fn holding(low: u64, high: u64, unit: Unit) -> Self {
        let (low, high) = (low.max(1) as f64, high.max(1) as f64);
        let (low, high) = (round_down(low * 0.9), round_up(high * 1.02));
        // A flat line gets room above and below.
        let (low, high) =
            if high / low < 4.0 { (round_down(low / 2.0), round_up(high * 2.0)) } else { (low, high) };
        Self { low: low.max(0.5), high, unit }
    }

    fn decades(&self) -> f64 {
        (self.high / self.low).log10()
    }
}

impl Ranged for Magnitude {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let value = value.clamp(self.low, self.high);
        linear((value / self.low).log10() / self.decades(), from, to)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let inside = |&value: &f64| value >= self.low * 0.999 && value <= self.high * 1.001 && value >= 1.0;
        let steps: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        for (step, every) in steps.into_iter().zip([1; 3]).chain((2..20).map(|every| (steps[2], every))) {
            let decades = (first..=last).filter(|decade| decade.rem_euclid(every) == 0);
            let at = |decade: i32| step.iter().map(move |mantissa| mantissa * 10f64.powi(decade));
            let points: Vec<_> = decades.flat_map(at).filter(inside).collect();
            if points.len() <= hint.max_num_points() {
                return points;
            }
        }
        Vec::new()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Magnitude {
    fn format_ext(&self, value: &f64) -> String {
        match self.unit {
            Unit::Nanoseconds => units::tick(*value),
            Unit::Count => units::integer(value.round() as u64),
        }
    }
}

/// Values from 0 in even steps.
pub(crate) struct FromZero {
    high: f64,
    format: fn(f64) -> String,
}

impl FromZero {
    /// An axis that ends at `high`.
    pub(crate) fn to(high: f64, format: fn(f64) -> String) -> Self {
        Self { high: if high > 0.0 { high } else { 1.0 }, format }
    }
}

impl Ranged for FromZero {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        linear(value.clamp(0.0, self.high) / self.high, from, to)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let step = round_up(self.high / hint.max_num_points() as f64);
        (0..).map(|nth| f64::from(nth) * step).take_while(|&value| value <= self.high * 1.0001).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..self.high
    }
}

impl ValueFormatter<f64> for FromZero {
    fn format_ext(&self, value: &f64) -> String {
        (self.format)(*value)
    }
}

/// Values of either sign in even steps.
pub(crate) struct Even {
    low: f64,
    high: f64,
    format: fn(f64) -> String,
}

impl Even {
    /// An axis that holds these values, and 0.
    pub(crate) fn holding(values: impl IntoIterator<Item = f64>, format: fn(f64) -> String) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold((0.0, 0.0), |(low, high): (f64, f64), v| (low.min(v), high.max(v)));
        let room = 0.06 * (high - low).max(1e-6);
        Self { low: low - room, high: high + room, format }
    }

    /// An axis from `low` to `high`.
    pub(crate) fn between(low: f64, high: f64, format: fn(f64) -> String) -> Self {
        Self { low, high, format }
    }
}

impl Ranged for Even {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        linear((value.clamp(self.low, self.high) - self.low) / (self.high - self.low), from, to)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let step = round_up((self.high - self.low) / hint.max_num_points() as f64);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|nth| nth as f64 * step).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Even {
    fn format_ext(&self, value: &f64) -> String {
        (self.format)(*value)
    }
}

/// A frame in the picture with its two axes. Its edges are in pixels as shown.
pub(crate) struct Frame<X, Y> {
    pub(crate) x: X,
    pub(crate) y: Y,
    pub(crate) left: i32,
    pub(crate) right: i32,
    pub(crate) top: i32,
    pub(crate) bottom: i32,
}

impl<X, Y> Frame<X, Y>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    /// The drawn pixel of a point.
    pub(crate) fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let x = self.x.map(&x, (self.left * SCALE, self.right * SCALE));
        (x, self.y.map(&y, (self.bottom * SCALE, self.top * SCALE)))
    }

    /// Grid and labels, at most `ticks` on the upright axis.
    pub(crate) fn draw(&self, canvas: &Canvas<'_>, ticks: usize, label_x: bool) -> Drawn {
        for value in self.y.key_points(ticks) {
            let (_, y) = self.at(0.0, value);
            canvas.path(vec![(self.left * SCALE, y), (self.right * SCALE, y)], stroke(GRID, 1.0))?;
            canvas.text(&self.y.format_ext(&value), (self.left - 8, y / SCALE), 11, MUTED, Anchor::End)?;
        }
        for value in self.x.key_points(10) {
            let (x, _) = self.at(value, self.y.range().start);
            canvas.path(vec![(x, self.top * SCALE), (x, self.bottom * SCALE)], stroke(GRID, 1.0))?;
            if label_x {
                let label = self.x.format_ext(&value);
                canvas.text(&label, (x / SCALE, self.bottom + 14), 11, MUTED, Anchor::Middle)?;
            }
        }
        Ok(())
    }

    /// Says that there is nothing to see.
    pub(crate) fn say(&self, canvas: &Canvas<'_>, text: &str) -> Drawn {
        let middle = ((self.left + self.right) / 2, (self.top + self.bottom) / 2);
        canvas.text(text, middle, 14, MUTED, Anchor::Middle)
    }
}

fn linear(share: f64, from: i32, to: i32) -> i32 {
    from + (share * f64::from(to - from)).round() as i32
}

/// The largest 1, 2 or 5 times a power of ten that is not above `value`.
pub(crate) fn round_down(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let fits = |mantissa: &&f64| **mantissa * decade <= value * 1.000_001;
    [5.0, 2.0, 1.0].iter().find(fits).map_or(decade, |mantissa| mantissa * decade)
}

/// The smallest 1, 2 or 5 times a power of ten that is not below `value`.
pub(crate) fn round_up(value: f64) -> f64 {
    let decade = 10f64.powf(value.log10().floor());
    let fits = |mantissa: &&f64| **mantissa * decade >= value * 0.999_999;
    [1.0, 2.0, 5.0, 10.0].iter().find(fits).map_or(decade * 10.0, |mantissa| mantissa * decade)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nine_is_as_wide_as_the_one_before() {
        let axis = LogNines::for_samples(1_000_000);
        let places: Vec<_> = axis.key_points(10).iter().map(|at| axis.map(at, (0, 6301))).collect();
        let labels: Vec<_> = axis.key_points(10).iter().map(|at| axis.format_ext(at)).collect();
        assert_eq!(labels, ["50", "90", "99", "99.9", "99.99", "99.999", "99.9999"]);
        let widths: Vec<_> = places[1..].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(widths.iter().all(|&width| (width - 1000).abs() <= 1), "{widths:?}");
        assert_eq!(axis.map(&f64::INFINITY, (0, 100)), 100);
    }

    #[test]
    fn magnitudes_end_on_round_values_and_keep_the_ticks_few() {
        for (low, high) in [(0, 0), (1, 1), (48_000, 52_000), (1, u64::MAX), (900, 4_000_000)] {
            let axis = Magnitude::holding(low, high, Unit::Nanoseconds);
            let points = axis.key_points(7);
            assert!((1..=7).contains(&points.len()), "{low} to {high}: {points:?}");
            assert!(axis.map(&(low as f64), (0, 1000)) >= 0);
            assert!(axis.map(&(high as f64), (0, 1000)) <= 1000);
            assert!(axis.low < axis.high);
        }
    }

    #[test]
    fn even_steps_are_round() {
        assert_eq!(
            FromZero::to(8.0, units::significant).key_points(10),
            [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        );
        assert_eq!(FromZero::to(22_000.0, units::significant).key_points(4), [0.0, 10_000.0, 20_000.0]);
        assert_eq!(FromZero::to(0.0, units::significant).key_points(2), [0.0, 0.5, 1.0]);
        assert_eq!(round_up(3.0), 5.0);
        assert_eq!(round_down(0.3), 0.2);
    }
}
