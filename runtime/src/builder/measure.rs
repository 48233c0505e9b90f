//! The builder's settings of what is measured besides what is always counted.
//!
//! Next file to read: `runtime.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::Builder;
use crate::config::{HistogramConfiguration, HistogramScale, RuntimeConfig};

/// What was asked for; a shape comes of it when the runtime is built.
#[derive(Clone, Debug, Default)]
pub(super) struct Histograms {
    poll_time: Wanted,
    schedule_latency: Wanted,
    legacy: Option<Legacy>,
}

#[derive(Clone, Debug, Default)]
struct Wanted {
    on: bool,
    shape: Option<HistogramConfiguration>,
}

/// What the three deprecated methods set.
#[derive(Clone, Copy, Debug)]
struct Legacy {
    scale: HistogramScale,
    resolution: Duration,
    buckets: usize,
}

impl Legacy {
    fn shape(self) -> HistogramConfiguration {
        match self.scale {
            HistogramScale::Linear => HistogramConfiguration::linear(self.resolution, self.buckets),
            HistogramScale::Log => HistogramConfiguration::doubling(self.resolution, self.buckets),
        }
    }
}

impl Builder {
    /// Counts how long polls take, in a histogram for each worker. Costs two looks at the clock a poll.
    ///
    /// Unless [configured](Self::metrics_poll_time_histogram_configuration), it has ten buckets of 100 microseconds.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = runtime::runtime::Builder::new_current_thread().enable_metrics_poll_time_histogram().build().unwrap();
    /// rt.block_on(async { runtime::spawn(async {}).await.unwrap() });
    /// let metrics = rt.metrics();
    /// let count = |bucket| metrics.poll_time_histogram_bucket_count(0, bucket);
    /// assert!((0..metrics.poll_time_histogram_num_buckets()).map(count).sum::<u64>() >= 1);
    /// assert_eq!(metrics.poll_time_histogram_bucket_range(0).end, Duration::from_micros(100));
    /// ```
    pub fn enable_metrics_poll_time_histogram(&mut self) -> &mut Self {
        self.histograms.poll_time.on = true;
        self
    }

    /// Sets the shape of the histogram of how long polls take, if it is
    /// [enabled](Self::enable_metrics_poll_time_histogram).
    ///
    /// ```
    /// use std::time::Duration;
    /// use runtime::runtime::{Builder, HistogramConfiguration, LogHistogram};
    ///
    /// let shape = LogHistogram::builder().max_value(Duration::from_secs(10)).max_error(0.1);
    /// let rt = Builder::new_multi_thread()
    ///     .enable_metrics_poll_time_histogram()
    ///     .metrics_poll_time_histogram_configuration(HistogramConfiguration::log(shape))
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn metrics_poll_time_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.histograms.poll_time.shape = Some(configuration);
        self
    }

    /// The former name of [`enable_metrics_poll_time_histogram`](Self::enable_metrics_poll_time_histogram).
    #[deprecated(note = "renamed to `enable_metrics_poll_time_histogram`")]
    pub fn enable_metrics_poll_count_histogram(&mut self) -> &mut Self {
        self.enable_metrics_poll_time_histogram()
    }

    /// Sets whether the buckets of the histogram of poll times are equally wide, or double.
    #[deprecated(note = "use `metrics_poll_time_histogram_configuration`")]
    pub fn metrics_poll_count_histogram_scale(&mut self, histogram_scale: HistogramScale) -> &mut Self {
        self.legacy().scale = histogram_scale;
        self
    }

    /// Sets the width of the first bucket of the histogram of poll times. Default: 100 microseconds.
    ///
    /// # Panics
    ///
    /// If it is zero, or more than a second.
    #[deprecated(note = "use `metrics_poll_time_histogram_configuration`")]
    #[track_caller]
    pub fn metrics_poll_count_histogram_resolution(&mut self, resolution: Duration) -> &mut Self {
        assert!(!resolution.is_zero(), "the resolution must be more than zero");
        assert!(resolution <= Duration::from_secs(1), "the resolution must be at most a second");
        self.legacy().resolution = resolution;
        self
    }

    /// Sets how many buckets the histogram of poll times has. Default: 10.
    #[deprecated(note = "use `metrics_poll_time_histogram_configuration`")]
    pub fn metrics_poll_count_histogram_buckets(&mut self, buckets: usize) -> &mut Self {
        self.legacy().buckets = buckets;
        self
    }

    fn legacy(&mut self) -> &mut Legacy {
        let default =
            Legacy { scale: HistogramScale::Linear, resolution: Duration::from_micros(100), buckets: 10 };
        self.histograms.legacy.get_or_insert(default)
    }

    /// Measures how long each task waits from when it became ready to its poll, and tells the hooks before and after
    /// polls, through [`TaskMeta::schedule_latency`](crate::runtime::TaskMeta::schedule_latency).
    ///
    /// Costs two looks at the clock a poll.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread()
    ///     .track_task_schedule_latency()
    ///     .on_before_task_poll(|meta| println!("waited for {:?}", meta.schedule_latency().unwrap()))
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(rt.spawn(async {})).unwrap();
    /// ```
    pub fn track_task_schedule_latency(&mut self) -> &mut Self {
        self.config.metrics.track_schedule_latency = true;
        self
    }

    /// Counts how long tasks wait from when they became ready to their poll, in a histogram for each worker, and
    /// [tracks](Self::track_task_schedule_latency) it.
    ///
    /// Unless [configured](Self::metrics_schedule_latency_histogram_configuration), it has ten buckets of 100
    /// microseconds.
    ///
    /// ```
    /// let rt =
    ///     runtime::runtime::Builder::new_current_thread().enable_metrics_schedule_latency_histogram().build().unwrap();
    /// rt.block_on(async { runtime::spawn(async {}).await.unwrap() });
    /// let metrics = rt.metrics();
    /// let count = |bucket| metrics.schedule_latency_histogram_bucket_count(0, bucket);
    /// assert!((0..metrics.schedule_latency_histogram_num_buckets()).map(count).sum::<u64>() >= 1);
    /// ```
    pub fn enable_metrics_schedule_latency_histogram(&mut self) -> &mut Self {
        self.histograms.schedule_latency.on = true;
        self
    }

    /// Sets the shape of the histogram of how long tasks wait for their polls, if it is
    /// [enabled](Self::enable_metrics_schedule_latency_histogram).
    pub fn metrics_schedule_latency_histogram_configuration(
        &mut self,
        configuration: HistogramConfiguration,
    ) -> &mut Self {
        self.histograms.schedule_latency.shape = Some(configuration);
        self
    }

    /// Sets for how long a poll may run before it is reported. Zero: none is. An extension.
    ///
    /// Default: one second on a `multi_thread` runtime. On others none is: a program of one thread is to stay one. The
    /// least is 1 millisecond.
    ///
    /// Each such poll is counted by
    /// [`worker_stuck_poll_count`](crate::runtime::RuntimeMetrics::worker_stuck_poll_count), told to
    /// [`on_stuck_poll`](Self::on_stuck_poll) and, with the feature `tracing`, logged as a warning. It is noticed when
    /// it has run for one to one and a half times this long, by a thread that looks at the workers four times in that
    /// span while there is something to do, and sleeps while there is not.
    pub fn stuck_poll_threshold(&mut self, threshold: Duration) -> &mut Self {
        self.config.metrics.stuck_poll_threshold = Some(threshold);
        self
    }

    /// The configuration that the settings lead to.
    pub(super) fn resolved_config(&self) -> RuntimeConfig {
        let mut config = self.config.clone();
        let Histograms { poll_time, schedule_latency, legacy } = &self.histograms;
        if poll_time.on {
            let shape = legacy.map(Legacy::shape).or_else(|| poll_time.shape.clone());
            config.metrics.poll_time_histogram = Some(shape.unwrap_or_default());
        }
        if schedule_latency.on {
            config.metrics.schedule_latency_histogram =
                Some(schedule_latency.shape.clone().unwrap_or_default());
        }
        config
    }
}
