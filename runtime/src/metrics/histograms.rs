//! The metrics that are histograms.
//!
//! Next file to read: `metrics/deprecated.rs`.
#![forbid(unsafe_code)]

use std::ops::Range;
use std::time::Duration;

use super::RuntimeMetrics;
use crate::engine::counters::Histogram;

/// How long polls take and tasks wait, by worker and bucket; how long closures wait for the blocking pool, by bucket.
///
/// Bucket numbers count from zero. The last bucket of a histogram takes whatever is larger than the others can, and
/// the end of its range is the largest duration that a count of nanoseconds can be. While a histogram is not enabled, it has
/// no buckets, and whichever is asked for is empty.
impl RuntimeMetrics {
    /// Whether the times of polls are counted in a histogram, see
    /// [`enable_metrics_poll_time_histogram`](crate::runtime::Builder::enable_metrics_poll_time_histogram).
    pub fn poll_time_histogram_enabled(&self) -> bool {
        self.any_worker().poll_time.is_some()
    }

    /// Buckets of the histogram of poll times; 0 if there is none.
    pub fn poll_time_histogram_num_buckets(&self) -> usize {
        self.any_worker().poll_time.as_ref().map_or(0, Histogram::buckets)
    }

    /// The times that one bucket of the histogram of poll times takes.
    ///
    /// # Panics
    ///
    /// Without such a bucket, if the histogram is enabled.
    #[track_caller]
    pub fn poll_time_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        match &self.any_worker().poll_time {
            Some(histogram) => histogram.range(bucket),
            None => Range::default(),
        }
    }

    /// Polls by one worker that took a time in this bucket's range.
    ///
    /// # Panics
    ///
    /// Without such a worker, and without such a bucket if the histogram is enabled.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .enable_metrics_poll_time_histogram()
    ///     .build()
    ///     .unwrap();
    /// let metrics = rt.metrics();
    /// for bucket in 0..metrics.poll_time_histogram_num_buckets() {
    ///     let range = metrics.poll_time_histogram_bucket_range(bucket);
    ///     let polls: u64 =
    ///         (0..metrics.num_workers()).map(|worker| metrics.poll_time_histogram_bucket_count(worker, bucket)).sum();
    ///     println!("{range:?}: {polls}");
    /// }
    /// ```
    #[track_caller]
    pub fn poll_time_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        match &self.worker(worker).poll_time {
            Some(histogram) => histogram.count(bucket),
            None => 0,
        }
    }

    /// Whether the times that tasks wait for their polls are counted in a histogram, see
    /// [`enable_metrics_schedule_latency_histogram`](crate::runtime::Builder::enable_metrics_schedule_latency_histogram).
    pub fn schedule_latency_histogram_enabled(&self) -> bool {
        self.any_worker().schedule_latency.is_some()
    }

    /// Buckets of the histogram of waits for a poll; 0 if there is none.
    pub fn schedule_latency_histogram_num_buckets(&self) -> usize {
        self.any_worker().schedule_latency.as_ref().map_or(0, Histogram::buckets)
    }

    /// The times that one bucket of the histogram of waits for a poll takes.
    ///
    /// # Panics
    ///
    /// Without such a bucket, if the histogram is enabled.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        match &self.any_worker().schedule_latency {
            Some(histogram) => histogram.range(bucket),
            None => Range::default(),
        }
    }

    /// Polls by one worker whose task had waited for a time in this bucket's range.
    ///
    /// # Panics
    ///
    /// Without such a worker, and without such a bucket if the histogram is enabled.
    #[track_caller]
    pub fn schedule_latency_histogram_bucket_count(&self, worker: usize, bucket: usize) -> u64 {
        match &self.worker(worker).schedule_latency {
            Some(histogram) => histogram.count(bucket),
            None => 0,
        }
    }

    /// Buckets of the histogram of waits for a thread of the blocking pool. It is always there. An extension.
    pub fn blocking_latency_histogram_num_buckets(&self) -> usize {
        self.sched.services().blocking.latency().buckets()
    }

    /// The times that one bucket of the histogram of waits for a thread of the blocking pool takes. An extension.
    ///
    /// # Panics
    ///
    /// Without such a bucket.
    #[track_caller]
    pub fn blocking_latency_histogram_bucket_range(&self, bucket: usize) -> Range<Duration> {
        self.sched.services().blocking.latency().range(bucket)
    }

    /// Closures that waited for a thread of the blocking pool for a time in this bucket's range, from their spawning to
    /// their beginning. An extension.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// rt.block_on(rt.spawn_blocking(|| ())).unwrap();
    /// let metrics = rt.metrics();
    /// let count = |bucket| metrics.blocking_latency_histogram_bucket_count(bucket);
    /// assert_eq!((0..metrics.blocking_latency_histogram_num_buckets()).map(count).sum::<u64>(), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// Without such a bucket.
    #[track_caller]
    pub fn blocking_latency_histogram_bucket_count(&self, bucket: usize) -> u64 {
        self.sched.services().blocking.latency().count(bucket)
    }
}
