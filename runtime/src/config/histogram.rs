//! The shapes of histograms: which durations share a bucket.
//!
//! Shapes are plain data with arithmetic; the counts lie in `engine/histogram.rs`. All values are in nanoseconds.
//!
//! Next file to read: `builder/mod.rs`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

const DEFAULT_MIN: Duration = Duration::from_nanos(100);
const DEFAULT_MAX: Duration = Duration::from_secs(60);
/// 2^-2: values in a bucket differ by a quarter at most.
const DEFAULT_PRECISION: u32 = 2;
const MAX_PRECISION: u32 = 10;

/// More buckets than this are surely a mistake: each worker has its own, eight bytes each.
pub(super) const MAX_BUCKETS: usize = 1 << 16;

/// Whether buckets are equally wide, or each twice as wide as the one before. For the methods of
/// [`Builder`](crate::runtime::Builder) that [`HistogramConfiguration`] has replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramScale {
    /// All buckets are equally wide.
    Linear,
    /// Each bucket but the first is twice as wide as the one before.
    Log,
}

/// Which durations share a bucket of a histogram.
///
/// In a profile it is a table with a `scale`: `{ scale = "linear", bucket_width = "100us", buckets = 10 }` or
/// `{ scale = "log", min_value = "100ns", max_value = "1m", precision = 2 }`, where all but the scale may be left out.
///
/// ```
/// use runtime::runtime::{HistogramConfiguration, LogHistogram};
/// use std::time::Duration;
///
/// let linear = HistogramConfiguration::linear(Duration::from_micros(50), 20);
/// assert_eq!(linear.num_buckets(), 20);
/// let log = HistogramConfiguration::log(LogHistogram::default());
/// assert_eq!(log.num_buckets(), 119);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "super::table::Shape", into = "super::table::Shape")
)]
pub struct HistogramConfiguration {
    pub(super) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Linear { width: u64, buckets: usize },
    Doubling { first: u64, buckets: usize },
    Log(LogHistogram),
}

impl Default for HistogramConfiguration {
    /// Ten buckets of 100 microseconds.
    fn default() -> Self {
        Self::linear(Duration::from_micros(100), 10)
    }
}

impl HistogramConfiguration {
    /// So many buckets, equally wide. The last one takes whatever is larger, too.
    ///
    /// A width or a number of zero is refused when the runtime is built.
    pub fn linear(bucket_width: Duration, num_buckets: usize) -> Self {
        Self { shape: Shape::Linear { width: nanos(bucket_width), buckets: num_buckets } }
    }

    /// Buckets whose width grows with the value, so that the error stays below a fraction of it.
    pub fn log(configuration: impl Into<LogHistogram>) -> Self {
        Self { shape: Shape::Log(configuration.into()) }
    }

    /// Each bucket but the first is twice as wide as the one before. The first width is rounded up to a power of two
    /// nanoseconds.
    pub(crate) fn doubling(first: Duration, num_buckets: usize) -> Self {
        let first = nanos(first).checked_next_power_of_two().unwrap_or(1 << 63);
        Self { shape: Shape::Doubling { first, buckets: num_buckets } }
    }

    /// How many buckets there are.
    pub fn num_buckets(&self) -> usize {
        match self.shape {
            Shape::Linear { buckets, .. } | Shape::Doubling { buckets, .. } => buckets,
            Shape::Log(log) => log.buckets,
        }
    }

    /// What is wrong with it, if anything is.
    pub(super) fn problem(&self) -> Option<String> {
        match self.shape {
            Shape::Linear { width: 0, .. } => Some("the buckets must be at least 1 ns wide".to_owned()),
            _ if self.num_buckets() == 0 => Some("there must be at least 1 bucket".to_owned()),
            _ if self.num_buckets() > MAX_BUCKETS => Some(format!(
                "{} buckets are too many: there can be {MAX_BUCKETS}, so ask for less precision",
                self.num_buckets()
            )),
            _ => None,
        }
    }

    /// The bucket of a value in nanoseconds.
    #[inline]
    pub(crate) fn bucket_of(&self, value: u64) -> usize {
        let bucket = match self.shape {
            Shape::Linear { width, .. } => value / width,
            Shape::Doubling { first, .. } => {
                (value / first).checked_ilog2().map_or(0, |log| u64::from(log) + 1)
            }
            Shape::Log(log) => log_index(value, log.precision).saturating_sub(log.skipped as u64),
        };
        usize::try_from(bucket).unwrap_or(usize::MAX).min(self.num_buckets() - 1)
    }

    /// The values in nanoseconds that a bucket takes. The last one has no end: it is the largest there is.
    ///
    /// # Panics
    ///
    /// When there is no such bucket.
    #[track_caller]
    pub(crate) fn range(&self, bucket: usize) -> Range<u64> {
        let last = self.num_buckets() - 1;
        assert!(bucket <= last, "there is no bucket {bucket}: this histogram has {}", last + 1);
        let start = if bucket == 0 { 0 } else { self.start(bucket) };
        let end = if bucket == last { u64::MAX } else { self.start(bucket + 1) };
        start..end
    }

    fn start(&self, bucket: usize) -> u64 {
        match self.shape {
            Shape::Linear { width, .. } => width.saturating_mul(bucket as u64),
            Shape::Doubling { first, .. } => {
                1u64.checked_shl(bucket as u32 - 1).map_or(u64::MAX, |by| first.saturating_mul(by))
            }
            Shape::Log(log) => log_start(bucket + log.skipped, log.precision),
        }
    }
}

/// A histogram whose error is a fraction of the value: an H2 histogram.
///
/// Between two powers of two all buckets are equally wide, and there are `2^precision` of them, so that values in
/// one bucket differ by less than `2^-precision` of themselves. The first bucket takes all that is too small to matter,
/// the last one all that is too large. Source: "H2 Histogram", <https://h2histogram.org>.
///
/// [`LogHistogram::builder`] chooses the figures; the default goes from 100 nanoseconds to 60 seconds with an error of
/// a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHistogram {
    buckets: usize,
    precision: u32,
    /// Buckets below the smallest value of interest, which are one with the first.
    skipped: usize,
    // What it was made from, so that it can be written down.
    min: u64,
    max: u64,
}

/// The bucket of a value, when none is skipped.
#[inline]
fn log_index(value: u64, precision: u32) -> u64 {
    let width_log = value.checked_ilog2().unwrap_or(0).saturating_sub(precision);
    (u64::from(width_log) << precision) + (value >> width_log)
}

/// The first value of a bucket, when none is skipped.
fn log_start(index: usize, precision: u32) -> u64 {
    let width_log = (index >> precision).saturating_sub(1);
    let steps = index - (width_log << precision);
    u64::try_from((steps as u128) << width_log.min(64)).unwrap_or(u64::MAX)
}

impl Default for LogHistogram {
    fn default() -> Self {
        LogHistogramBuilder::default().build()
    }
}

impl LogHistogram {
    /// A way to choose its figures.
    ///
    /// ```
    /// use runtime::runtime::LogHistogram;
    /// use std::time::Duration;
    ///
    /// let histogram = LogHistogram::builder().max_error(0.1).max_value(Duration::from_secs(1)).build();
    /// assert!(histogram.max_value() >= 1_000_000_000);
    /// ```
    pub fn builder() -> LogHistogramBuilder {
        LogHistogramBuilder::default()
    }

    /// The smallest value, in nanoseconds, that goes into the last bucket, which has no end.
    pub fn max_value(&self) -> u64 {
        log_start(self.buckets - 1 + self.skipped, self.precision)
    }

    #[cfg(feature = "serde")]
    pub(super) fn figures(&self) -> (Duration, Duration, u32) {
        (Duration::from_nanos(self.min), Duration::from_nanos(self.max), self.precision)
    }
}

/// Chooses the figures of a [`LogHistogram`].
///
/// ```
/// use runtime::runtime::LogHistogramBuilder;
/// use std::time::Duration;
///
/// let histogram = LogHistogramBuilder::default()
///     .min_value(Duration::from_micros(1))
///     .max_value(Duration::from_secs(1))
///     .precision_exact(0)
///     .max_buckets(30)
///     .unwrap();
/// # let _ = histogram;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LogHistogramBuilder {
    max: Option<Duration>,
    min: Option<Duration>,
    precision: Option<u32>,
}

impl LogHistogramBuilder {
    /// Sets how much the values in one bucket may differ, as a fraction: the next smaller power of two counts, down
    /// to 2^-10, and a quarter at the most. Default: a quarter.
    ///
    /// # Panics
    ///
    /// Unless it is above 0 and below 1.
    #[track_caller]
    pub fn max_error(mut self, max_error: f64) -> Self {
        assert!(max_error > 0.0, "max_error must be greater than 0; unless it is set, it is 0.25");
        assert!(max_error < 1.0, "max_error must be less than 1; unless it is set, it is 0.25");
        let fits = |&precision: &u32| 0.5f64.powi(precision as i32) <= max_error;
        self.precision = Some((DEFAULT_PRECISION..MAX_PRECISION).find(fits).unwrap_or(MAX_PRECISION));
        self
    }

    /// Sets the number of buckets from one power of two to the next, as a power of two itself: the error is
    /// `2^-p`. With 0 each bucket is twice as wide as the one before.
    ///
    /// # Panics
    ///
    /// Above 10.
    #[track_caller]
    pub fn precision_exact(mut self, p: u32) -> Self {
        assert!(
            p <= MAX_PRECISION,
            "precision must be <= {MAX_PRECISION}: no error is smaller than 2^-{MAX_PRECISION}"
        );
        self.precision = Some(p);
        self
    }

    /// Sets the smallest duration of interest: the first bucket is no wider than this. Default: 100 nanoseconds.
    pub fn min_value(mut self, duration: Duration) -> Self {
        self.min = Some(duration);
        self
    }

    /// Sets the largest duration of interest: all larger ones are in the last bucket. Default: 60 seconds.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn max_value(mut self, duration: Duration) -> Self {
        assert!(!duration.is_zero(), "max value must be greater than 0; unless it is set, it is 60 seconds");
        self.max = Some(duration);
        self
    }

    /// The histogram, if it needs no more than so many buckets.
    ///
    /// # Errors
    ///
    /// When it needs more. The error says how many.
    pub fn max_buckets(&mut self, max_buckets: usize) -> Result<LogHistogram, InvalidHistogramConfiguration> {
        let histogram = self.build();
        if histogram.buckets > max_buckets {
            let required_bucket_count = histogram.buckets;
            return Err(InvalidHistogramConfiguration::TooManyBuckets { required_bucket_count });
        }
        Ok(histogram)
    }

    /// The histogram.
    pub fn build(&self) -> LogHistogram {
        let precision = self.precision.unwrap_or(DEFAULT_PRECISION);
        let min = nanos(self.min.unwrap_or(DEFAULT_MIN));
        let max = nanos(self.max.unwrap_or(DEFAULT_MAX)).max(1);
        // One less than the bucket of the smallest value: the first bucket ends at or before it.
        let skipped = log_index(min, precision).saturating_sub(1) as usize;
        // The last bucket is the first one that begins above the largest value; there is always one before it.
        let mut last = log_index(max, precision) as usize;
        if log_start(last, precision) <= max {
            last += 1;
        }
        let buckets = last.saturating_sub(skipped).max(1) + 1;
        LogHistogram { buckets, precision, skipped, min, max }
    }
}

impl From<LogHistogramBuilder> for LogHistogram {
    fn from(builder: LogHistogramBuilder) -> Self {
        builder.build()
    }
}

/// No histogram can be made as asked for.
#[derive(Debug)]
pub enum InvalidHistogramConfiguration {
    /// It would need more buckets than are allowed.
    TooManyBuckets {
        /// How many it would need.
        required_bucket_count: usize,
    },
}

impl fmt::Display for InvalidHistogramConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyBuckets { required_bucket_count } => {
                write!(f, "this histogram would need {required_bucket_count} buckets, more than are allowed")
            }
        }
    }
}

impl Error for InvalidHistogramConfiguration {}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> Vec<HistogramConfiguration> {
        let mut shapes = vec![HistogramConfiguration::default()];
        for buckets in [1, 2, 10, 70] {
            for width in [1, 3, 100, 1 << 40] {
                shapes.push(HistogramConfiguration::linear(Duration::from_nanos(width), buckets));
                shapes.push(HistogramConfiguration::doubling(Duration::from_nanos(width), buckets));
            }
        }
        for precision in 0..=MAX_PRECISION {
            for min in [0, 1, 7, 100, 4096] {
                for max in [1, 5, 1000, 1 << 30, 60_000_000_000, u64::MAX] {
                    let (min, max) = (Duration::from_nanos(min), Duration::from_nanos(max));
                    let builder = LogHistogram::builder().precision_exact(precision);
                    shapes.push(HistogramConfiguration::log(builder.min_value(min).max_value(max)));
                }
            }
        }
        shapes
    }

    #[test]
    fn buckets_join_without_gaps_and_hold_what_they_say() {
        for shape in shapes() {
            let mut end = 0;
            for bucket in 0..shape.num_buckets() {
                let range = shape.range(bucket);
                assert_eq!(range.start, end, "{shape:?} {bucket}");
                end = range.end;
                if range.is_empty() {
                    // Beyond what a number can hold.
                    assert_eq!(range.start, u64::MAX, "{shape:?} {bucket}");
                    continue;
                }
                assert_eq!(shape.bucket_of(range.start), bucket, "{shape:?}");
                assert_eq!(shape.bucket_of(range.end - 1), bucket, "{shape:?}");
            }
            assert_eq!(end, u64::MAX, "{shape:?}");
        }
    }

    #[test]
    fn a_log_histogram_keeps_its_promises() {
        for shape in shapes() {
            let Shape::Log(log) = shape.shape else { continue };
            assert!(shape.range(0).end <= log.min.max(1), "{log:?}");
            if log.max < 1 << 60 {
                assert!(log.max_value() > log.max, "{log:?}");
                let last_but_one = shape.range(shape.num_buckets() - 2);
                assert!(last_but_one.start <= log.max || log.max < log.min, "{log:?}");
            }
            for bucket in 1..shape.num_buckets() - 1 {
                let range = shape.range(bucket);
                let (error, start) = (u128::from(range.end - range.start - 1), u128::from(range.start));
                assert!(error << log.precision < start, "{log:?} {range:?}");
            }
        }
    }

    #[test]
    fn sizes_are_those_of_tokio() {
        assert_eq!(LogHistogram::default().buckets, 119);
        let too_many = LogHistogram::builder().max_error(0.001).max_buckets(5).unwrap_err();
        let InvalidHistogramConfiguration::TooManyBuckets { required_bucket_count } = too_many;
        assert_eq!(required_bucket_count, 27_291);
        assert_eq!(LogHistogram::builder().max_error(0.0001).build().precision, MAX_PRECISION);
        assert_eq!(log_index(2052, 9), 1537);
    }

    #[test]
    fn doubling_buckets_double() {
        let shape = HistogramConfiguration::doubling(Duration::from_nanos(3), 4);
        let ranges: Vec<_> = (0..4).map(|bucket| shape.range(bucket)).collect();
        assert_eq!(ranges, [0..4, 4..8, 8..16, 16..u64::MAX]);
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let second = Duration::from_secs(1);
        assert!(HistogramConfiguration::linear(Duration::ZERO, 1).problem().is_some());
        assert!(HistogramConfiguration::linear(second, 0).problem().is_some());
        assert!(HistogramConfiguration::linear(second, MAX_BUCKETS + 1).problem().is_some());
        assert_eq!(HistogramConfiguration::default().problem(), None);
    }
}
