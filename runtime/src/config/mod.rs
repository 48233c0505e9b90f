//! What a runtime is made from, as plain data.
//!
//! [`RuntimeConfig`] is declared here once. [`Builder`](crate::runtime::Builder) writes into it, the engine reads
//! it, and with the feature `serde` a profile's `[runtime]` table deserialises into it: adding a knob is adding
//! a field here, a setter there, and the code that obeys it.
//!
//! Next file to read: `config/histogram.rs`.
#![forbid(unsafe_code)]

mod histogram;
#[cfg(feature = "serde")]
mod human;
#[cfg(feature = "serde")]
mod table;

use std::fmt;
use std::time::Duration;

pub use histogram::{
    HistogramConfiguration, HistogramScale, InvalidHistogramConfiguration, LogHistogram, LogHistogramBuilder,
};

/// Which scheduler runs the tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Flavor {
    /// Worker threads that steal from each other.
    #[default]
    MultiThread,
    /// Everything on the thread that calls `block_on`.
    CurrentThread,
    /// As `CurrentThread`, for futures that are not `Send`; tied to one thread by its type.
    Local,
}

impl Flavor {
    /// The name that a profile uses: `multi_thread`, `current_thread` or `local`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MultiThread => "multi_thread",
            Self::CurrentThread => "current_thread",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What becomes of a runtime when one of its tasks panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// Nothing: the panic is the task's result, and its join handle has it.
    #[default]
    Ignore,
    /// It shuts down: all its tasks are dropped, and the running `block_on`, and each later one, panics. For runtimes
    /// of one thread only, and for a [`LocalSet`](crate::task::LocalSet::unhandled_panic) on any.
    ShutdownRuntime,
}

/// Every knob of a runtime.
///
/// ```
/// use runtime::config::RuntimeConfig;
///
/// let config = RuntimeConfig { worker_threads: Some(2), ..RuntimeConfig::default() };
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct RuntimeConfig {
    /// What the runtime is called in reports. It has no effect.
    pub name: Option<String>,
    /// Which scheduler runs the tasks.
    pub flavor: Flavor,
    /// How many worker threads a `multi_thread` runtime has. `None`: as the environment variable `TOKIO_WORKER_THREADS`
    /// says, or else one a core that this process may use.
    pub worker_threads: Option<usize>,
    /// A worker looks at the global queue first once in so many polls. `None`: 61 on `multi_thread`, 31 otherwise.
    pub global_queue_interval: Option<u32>,
    /// A busy worker looks for I/O and timer events once in so many polls.
    pub event_interval: u32,
    /// Whether the task that a poll woke last runs next on the same worker, ahead of its queue.
    pub lifo_slot: bool,
    /// How long a worker without work, or a thread in `block_on`, looks around before it sleeps, when that has
    /// been worth it lately. Zero: it sleeps at once.
    #[cfg_attr(feature = "serde", serde(with = "human::duration"))]
    pub idle_spin: Duration,
    /// Whether a worker that goes to work from its wait for events wakes another one to wait in its place, each time.
    /// Otherwise another looks after the events at the latest 10 ms into a long poll.
    pub eager_driver_handoff: bool,
    /// How many threads `spawn_blocking` may have at once.
    pub max_blocking_threads: usize,
    /// Whether jobs that wait for a blocking thread do so in several queues, so that threads that bring many jobs to a pool
    /// that is full seldom meet. The jobs of different threads are then in no order.
    pub sharded_blocking_queue: bool,
    /// How long an idle blocking thread waits for work before it ends.
    #[cfg_attr(feature = "serde", serde(with = "human::duration"))]
    pub thread_keep_alive: Duration,
    /// Stack size of the threads that the runtime starts, in bytes. `None`: the standard library's default.
    #[cfg_attr(feature = "serde", serde(with = "human::optional_size"))]
    pub thread_stack_size: Option<usize>,
    /// The name of the threads that the runtime starts.
    pub thread_name: String,
    /// What becomes of the runtime when one of its tasks panics.
    pub unhandled_panic: UnhandledPanic,
    /// Where the scheduler's random choices start, such as from whom to steal first. `None`: somewhere else each time.
    pub rng_seed: Option<u64>,
    /// What the threads of the runtime wait on besides tasks.
    pub drivers: DriverConfig,
    /// What is measured besides what is always counted.
    pub metrics: MetricsConfig,
}

/// The event sources of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct DriverConfig {
    /// Sockets and other descriptors, through the operating system's readiness queue.
    pub io: bool,
    /// Sleeps, intervals and timeouts.
    pub time: bool,
    /// How many readiness events one look at the operating system takes at most.
    pub max_io_events_per_tick: usize,
    /// As above, for looks that do not wait, because there are tasks to run. `None`: as many.
    pub max_io_events_per_busy_tick: Option<usize>,
}

/// The measurements that cost time, and are therefore off unless asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct MetricsConfig {
    /// The shape of the histogram of how long polls take. `None`: there is none. It costs two looks at the clock
    /// a poll.
    pub poll_time_histogram: Option<HistogramConfiguration>,
    /// The shape of the histogram of how long tasks that are ready wait for their poll. `None`: there is none. It
    /// costs two looks at the clock a poll.
    pub schedule_latency_histogram: Option<HistogramConfiguration>,
    /// Whether the poll hooks are told how long the task has waited for its poll; the histogram implies it.
    pub track_schedule_latency: bool,
    /// A poll that runs for longer than this is reported, by a thread that looks out for them. Zero: none is. `None`: 1
    /// second on `multi_thread`; otherwise none, so that a program of one thread stays one.
    #[cfg_attr(feature = "serde", serde(with = "human::optional_duration"))]
    pub stuck_poll_threshold: Option<Duration>,
}

impl Default for RuntimeConfig {
    /// Tokio's defaults, with both drivers on.
    fn default() -> Self {
        Self {
            name: None,
            flavor: Flavor::MultiThread,
            worker_threads: None,
            global_queue_interval: None,
            event_interval: 61,
            lifo_slot: true,
            idle_spin: Duration::from_micros(20),
            eager_driver_handoff: false,
            max_blocking_threads: 512,
            sharded_blocking_queue: false,
            thread_keep_alive: Duration::from_secs(10),
            thread_stack_size: None,
            thread_name: "runtime-worker".to_owned(),
            unhandled_panic: UnhandledPanic::Ignore,
            rng_seed: None,
            drivers: DriverConfig::default(),
            metrics: MetricsConfig::default(),
        }
    }
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self { io: true, time: true, max_io_events_per_tick: 1024, max_io_events_per_busy_tick: None }
    }
}

/// A value that no runtime can be made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    key: &'static str,
    problem: String,
}

impl ConfigError {
    fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }

    /// The path of the field, dots between its parts: `drivers.max_io_events_per_tick`.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// What is wrong with it, and what would be right.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}

impl std::error::Error for ConfigError {}

/// The most worker threads a runtime can have: the idle accounting packs counts into 16 bits.
pub const MAX_WORKER_THREADS: usize = 0x7fff;

/// The longest spin that makes any sense: waking a thread takes tens of microseconds.
const MAX_IDLE_SPIN: Duration = Duration::from_millis(1);

/// Below this, the thread that watches would burn a noticeable part of a processor.
const MIN_STUCK_POLL_THRESHOLD: Duration = Duration::from_millis(1);

impl RuntimeConfig {
    /// Checks each field's range, and the fields against each other.
    ///
    /// # Errors
    ///
    /// Names the first field that cannot be obeyed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let positive = |key, value: usize| match value {
            0 => Err(ConfigError::new(key, "must be at least 1")),
            _ => Ok(()),
        };
        if self.worker_threads.is_none() && self.flavor == Flavor::MultiThread {
            workers_of_environment()?;
        }
        if let Some(workers) = self.worker_threads {
            positive("worker_threads", workers)?;
            if workers > MAX_WORKER_THREADS {
                return Err(ConfigError::new(
                    "worker_threads",
                    format!("must be at most {MAX_WORKER_THREADS}"),
                ));
            }
            if self.flavor != Flavor::MultiThread {
                return Err(ConfigError::new(
                    "worker_threads",
                    format!(
                        "a {} runtime has no worker threads; remove the line, or use multi_thread",
                        self.flavor
                    ),
                ));
            }
        }
        if let Some(interval) = self.global_queue_interval {
            positive("global_queue_interval", interval as usize)?;
        }
        positive("event_interval", self.event_interval as usize)?;
        if self.idle_spin > MAX_IDLE_SPIN {
            return Err(ConfigError::new(
                "idle_spin",
                "must be at most 1 ms: a spinning thread burns its processor",
            ));
        }
        positive("max_blocking_threads", self.max_blocking_threads)?;
        if let Some(size) = self.thread_stack_size {
            positive("thread_stack_size", size)?;
        }
        if self.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(ConfigError::new(
                "name",
                "must not be empty: leave it out for a runtime without one",
            ));
        }
        if self.thread_name.contains('\0') {
            return Err(ConfigError::new("thread_name", "must not hold a NUL character"));
        }
        if self.unhandled_panic == UnhandledPanic::ShutdownRuntime && self.flavor == Flavor::MultiThread {
            return Err(ConfigError::new(
                "unhandled_panic",
                "`shutdown_runtime` needs a runtime of one thread; use current_thread",
            ));
        }
        positive("drivers.max_io_events_per_tick", self.drivers.max_io_events_per_tick)?;
        if let Some(events) = self.drivers.max_io_events_per_busy_tick {
            positive("drivers.max_io_events_per_busy_tick", events)?;
        }
        self.metrics.validate()
    }

    /// The number of worker threads that this configuration leads to on this machine.
    pub fn resolved_workers(&self) -> usize {
        match self.flavor {
            Flavor::MultiThread => {
                let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
                self.worker_threads.or_else(|| workers_of_environment().ok()?).unwrap_or_else(cores)
            }
            Flavor::CurrentThread | Flavor::Local => 1,
        }
    }

    /// The interval of looks at the global queue that this configuration leads to.
    pub fn resolved_global_queue_interval(&self) -> u32 {
        self.global_queue_interval.unwrap_or(match self.flavor {
            Flavor::MultiThread => 61,
            Flavor::CurrentThread | Flavor::Local => 31,
        })
    }

    /// For how long a poll may run before it is reported, as this configuration leads to; zero: it never is.
    pub fn resolved_stuck_poll_threshold(&self) -> Duration {
        self.metrics.stuck_poll_threshold.unwrap_or(match self.flavor {
            Flavor::MultiThread => Duration::from_secs(1),
            Flavor::CurrentThread | Flavor::Local => Duration::ZERO,
        })
    }
}

/// What the environment says for programs that say nothing themselves.
const WORKERS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

fn workers_of_environment() -> Result<Option<usize>, ConfigError> {
    let Some(value) = std::env::var_os(WORKERS_VARIABLE) else { return Ok(None) };
    match value.to_str().and_then(|value| value.parse().ok()) {
        Some(workers @ 1..=MAX_WORKER_THREADS) => Ok(Some(workers)),
        _ => Err(ConfigError::new(
            "worker_threads",
            format!(
                "the environment variable {WORKERS_VARIABLE} must be a number from 1 to {MAX_WORKER_THREADS}, and is {value:?}"
            ),
        )),
    }
}

impl MetricsConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let histograms = [
            ("metrics.poll_time_histogram", &self.poll_time_histogram),
            ("metrics.schedule_latency_histogram", &self.schedule_latency_histogram),
        ];
        for (key, histogram) in histograms {
            if let Some(problem) = histogram.as_ref().and_then(HistogramConfiguration::problem) {
                return Err(ConfigError::new(key, problem));
            }
        }
        if let Some(threshold) = self.stuck_poll_threshold
            && !threshold.is_zero()
            && threshold < MIN_STUCK_POLL_THRESHOLD
        {
            return Err(ConfigError::new(
                "metrics.stuck_poll_threshold",
                "must be at least 1 ms, or zero for no reports",
            ));
        }
        Ok(())
    }

    /// Whether each task has to note when it became ready.
    pub(crate) fn tracks_schedule_latency(&self) -> bool {
        self.track_schedule_latency || self.schedule_latency_histogram.is_some()
    }
}
