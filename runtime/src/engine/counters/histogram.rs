//! Counts by bucket, under the rules of the other counters.
//!
//! Next file to read: `engine/sched/mod.rs`.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::time::Duration;

use super::Counter;
use crate::config::HistogramConfiguration;

/// How often durations fell into each bucket of a shape.
#[derive(Debug)]
pub(crate) struct Histogram {
    shape: HistogramConfiguration,
    counts: Box<[Counter]>,
}

impl Histogram {
    pub(crate) fn new(shape: HistogramConfiguration) -> Self {
        let counts = (0..shape.num_buckets()).map(|_| Counter::new()).collect();
        Self { shape, counts }
    }

    /// For the one writer.
    #[inline]
    pub(crate) fn record(&self, nanos: u64) {
        self.counts[self.shape.bucket_of(nanos)].add(1);
    }

    /// For writers that may meet.
    pub(crate) fn record_shared(&self, nanos: u64) {
        self.counts[self.shape.bucket_of(nanos)].add_shared(1);
    }

    pub(crate) fn buckets(&self) -> usize {
        self.counts.len()
    }

    /// # Panics
    ///
    /// When there is no such bucket.
    #[track_caller]
    pub(crate) fn range(&self, bucket: usize) -> Range<Duration> {
        let Range { start, end } = self.shape.range(bucket);
        Duration::from_nanos(start)..Duration::from_nanos(end)
    }

    /// # Panics
    ///
    /// When there is no such bucket.
    #[track_caller]
    pub(crate) fn count(&self, bucket: usize) -> u64 {
        match self.counts.get(bucket) {
            Some(count) => count.get(),
            None => panic!("there is no bucket {bucket}: this histogram has {}", self.counts.len()),
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_where_it_belongs() {
        let width = Duration::from_nanos(10);
        let histogram = Histogram::new(HistogramConfiguration::linear(width, 3));
        for value in [0, 9, 10, 29, 30, u64::MAX] {
            histogram.record(value);
            histogram.record_shared(value);
        }
        let counts: Vec<_> = (0..histogram.buckets()).map(|bucket| histogram.count(bucket)).collect();
        assert_eq!(counts, [4, 2, 6]);
        assert_eq!(histogram.range(1), width..2 * width);
        assert_eq!(histogram.range(2).end, Duration::from_nanos(u64::MAX));
    }
}
