//! How the knobs that are not numbers, switches or names stand in a profile.
#![forbid(unsafe_code)]

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::histogram::{self, HistogramConfiguration, LogHistogram};
use super::human;

/// A histogram's shape as a table.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(tag = "scale", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Shape {
    Linear {
        #[serde(default = "default_width", with = "human::duration")]
        bucket_width: Duration,
        #[serde(default = "default_buckets")]
        buckets: usize,
    },
    Doubling {
        #[serde(default = "default_width", with = "human::duration")]
        first_bucket: Duration,
        #[serde(default = "default_buckets")]
        buckets: usize,
    },
    Log {
        #[serde(default = "default_min", with = "human::duration")]
        min_value: Duration,
        #[serde(default = "default_max", with = "human::duration")]
        max_value: Duration,
        #[serde(default = "default_precision")]
        precision: u32,
    },
}

fn default_width() -> Duration {
    Duration::from_micros(100)
}

fn default_buckets() -> usize {
    10
}

fn default_min() -> Duration {
    LogHistogram::default().figures().0
}

fn default_max() -> Duration {
    LogHistogram::default().figures().1
}

fn default_precision() -> u32 {
    LogHistogram::default().figures().2
}

impl TryFrom<Shape> for HistogramConfiguration {
    type Error = &'static str;

    fn try_from(shape: Shape) -> Result<Self, Self::Error> {
        Ok(match shape {
            Shape::Linear { bucket_width, buckets } => Self::linear(bucket_width, buckets),
            Shape::Doubling { first_bucket, buckets } => Self::doubling(first_bucket, buckets),
            Shape::Log { precision, .. } if precision > 10 => return Err("`precision` must be at most 10"),
            Shape::Log { max_value: Duration::ZERO, .. } => return Err("`max_value` must be more than zero"),
            Shape::Log { min_value, max_value, precision } => {
                let builder = LogHistogram::builder().min_value(min_value).max_value(max_value);
                Self::log(builder.precision_exact(precision))
            }
        })
    }
}

impl From<HistogramConfiguration> for Shape {
    fn from(configuration: HistogramConfiguration) -> Self {
        match configuration.shape {
            histogram::Shape::Linear { width, buckets } => {
                Self::Linear { bucket_width: Duration::from_nanos(width), buckets }
            }
            histogram::Shape::Doubling { first, buckets } => {
                Self::Doubling { first_bucket: Duration::from_nanos(first), buckets }
            }
            histogram::Shape::Log(log) => {
                let (min_value, max_value, precision) = log.figures();
                Self::Log { min_value, max_value, precision }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::RuntimeConfig;
    use super::*;

    fn read(text: &str) -> Result<RuntimeConfig, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn every_shape_comes_back_as_it_was_written() {
        for text in [
            "{ scale = \"linear\", bucket_width = \"50us\", buckets = 3 }",
            "{ scale = \"linear\" }",
            "{ scale = \"doubling\", first_bucket = \"64ns\", buckets = 5 }",
            "{ scale = \"log\" }",
            "{ scale = \"log\", min_value = \"1us\", max_value = \"1s\", precision = 4 }",
        ] {
            let config = read(&format!("[metrics]\npoll_time_histogram = {text}")).unwrap();
            assert!(config.metrics.poll_time_histogram.is_some());
            assert_eq!(config.metrics.schedule_latency_histogram, None);
            let again = read(&toml::to_string(&config).unwrap()).unwrap();
            assert_eq!(again, config);
        }
        let config = read("[metrics]\npoll_time_histogram = { scale = \"linear\" }").unwrap();
        assert_eq!(config.metrics.poll_time_histogram, Some(HistogramConfiguration::default()));
        let config = read("[metrics]\npoll_time_histogram = { scale = \"log\" }").unwrap();
        let log = HistogramConfiguration::log(LogHistogram::default());
        assert_eq!(config.metrics.poll_time_histogram, Some(log));
    }

    #[test]
    fn a_shape_that_cannot_be_is_refused() {
        for (text, says) in [
            ("{ scale = \"log\", precision = 11 }", "precision"),
            ("{ scale = \"log\", max_value = \"0s\" }", "max_value"),
            ("{ scale = \"linear\", wide = 1 }", "wide"),
            ("{ scale = \"cubic\" }", "cubic"),
        ] {
            let error = read(&format!("[metrics]\npoll_time_histogram = {text}")).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn the_new_knobs_are_keys() {
        let config = read(
            "name = \"front\"\nrng_seed = 7\nflavor = \"current_thread\"\nunhandled_panic = \"shutdown_runtime\"\n\
             [drivers]\nmax_io_events_per_busy_tick = 9\n[metrics]\nstuck_poll_threshold = \"250ms\"",
        )
        .unwrap();
        assert_eq!(config.name.as_deref(), Some("front"));
        assert_eq!(config.rng_seed, Some(7));
        assert_eq!(config.unhandled_panic, super::super::UnhandledPanic::ShutdownRuntime);
        assert_eq!(config.drivers.max_io_events_per_busy_tick, Some(9));
        assert_eq!(config.metrics.stuck_poll_threshold, Some(Duration::from_millis(250)));
        assert!(config.validate().is_ok());
    }
}
