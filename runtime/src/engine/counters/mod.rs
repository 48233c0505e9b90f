//! What the workers count, always.
//!
//! Each worker writes its own counters and nobody else does, so a count is a load and a store without a lock
//! prefix; readers may come at any time and stop nothing. A worker's counters fill cache lines of their own.
//!
//! Next file to read: `engine/counters/histogram.rs`.
#![forbid(unsafe_code)]

mod histogram;

use std::thread::ThreadId;
use std::time::Duration;

// Not through the doorway: counts are for reports, and a model that followed each of them would have no end.
use std::sync::atomic::AtomicU64;

pub(crate) use self::histogram::Histogram;
use crate::base::prim::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::base::prim::{CachePadded, Mutex};
use crate::config::MetricsConfig;
use crate::engine::task::Id;

/// A number with one writer.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// For the one writer.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// For writers that may meet.
    #[inline]
    pub(crate) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// For the one writer: the value is a level and not a sum.
    #[inline]
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker has done since the runtime began.
#[derive(Debug)]
pub(crate) struct WorkerCounters {
    /// Polls of tasks.
    pub(crate) polls: Counter,
    /// Times that it went to sleep.
    pub(crate) parks: Counter,
    /// Parks and unparks together: odd while it sleeps.
    pub(crate) park_unparks: Counter,
    /// Times that it woke and found nothing to do.
    pub(crate) noop_parks: Counter,
    /// Tasks stolen from others.
    pub(crate) steals: Counter,
    /// Raids on others that brought something.
    pub(crate) steal_operations: Counter,
    /// Tasks that it scheduled on its own queue.
    pub(crate) local_schedules: Counter,
    /// Times that it woke another worker.
    pub(crate) wakeups_sent: Counter,
    /// Tasks that yielded because their budget was spent.
    pub(crate) budget_yields: Counter,
    /// Readiness events that it took from the operating system.
    pub(crate) io_events: Counter,
    /// Timers that it fired.
    pub(crate) timers_fired: Counter,
    /// Time awake, in nanoseconds.
    pub(crate) busy_ns: Counter,
    /// Tasks in its own queue when it last looked.
    pub(crate) queue_depth: Counter,
    /// Mean time of a poll, in nanoseconds, the latest ones counting most.
    pub(crate) mean_poll_ns: Counter,
    /// When it last looked at the clock, in nanoseconds since the runtime began.
    pub(crate) clock_ns: Counter,
    /// The number of the task in whose poll it is, or which it has just polled; 0 where it looks for more.
    pub(crate) running: Counter,
    /// Whether it is awake: what the monitor goes by.
    pub(crate) awake: AtomicBool,
    /// Tasks stolen, by whom they were stolen from.
    pub(crate) steals_from: Box<[Counter]>,
    /// How long polls took, if that is measured.
    pub(crate) poll_time: Option<Histogram>,
    /// How long tasks waited for their polls, if that is measured.
    pub(crate) schedule_latency: Option<Histogram>,
    /// The thread that is this worker now.
    pub(crate) thread: Mutex<Option<ThreadId>>,
    /// Polls that have run for too long. The monitor's, and off the lines that the worker writes.
    pub(crate) stuck_polls: CachePadded<Counter>,
}

impl WorkerCounters {
    fn new(workers: usize, config: &MetricsConfig) -> Self {
        Self {
            polls: Counter::new(),
            parks: Counter::new(),
            park_unparks: Counter::new(),
            noop_parks: Counter::new(),
            steals: Counter::new(),
            steal_operations: Counter::new(),
            local_schedules: Counter::new(),
            wakeups_sent: Counter::new(),
            budget_yields: Counter::new(),
            io_events: Counter::new(),
            timers_fired: Counter::new(),
            busy_ns: Counter::new(),
            queue_depth: Counter::new(),
            mean_poll_ns: Counter::new(),
            clock_ns: Counter::new(),
            running: Counter::new(),
            awake: AtomicBool::new(false),
            steals_from: (0..workers).map(|_| Counter::new()).collect(),
            poll_time: config.poll_time_histogram.clone().map(Histogram::new),
            schedule_latency: config.schedule_latency_histogram.clone().map(Histogram::new),
            thread: Mutex::new(None),
            stuck_polls: CachePadded::new(Counter::new()),
        }
    }

    /// The worker begins a poll of this task.
    #[inline]
    pub(crate) fn poll_begins(&self, task: Id) {
        self.polls.add(1);
        // Release: who sees the task sees the number of this poll, too.
        self.running.0.store(task.as_u64(), Release);
    }

    /// The worker has no more to poll for now.
    #[inline]
    pub(crate) fn polls_ended(&self) {
        self.running.0.store(0, Relaxed);
    }

    /// The number of the task in whose poll the worker is, or 0, and that of the poll: once the second is read twice
    /// with a task, it has been the same poll all the time.
    pub(crate) fn running_poll(&self) -> (u64, u64) {
        let running = self.running.0.load(Acquire);
        (running, self.polls.get())
    }

    pub(crate) fn add_busy(&self, time: Duration) {
        self.busy_ns.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The counters of a whole runtime.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) workers: Box<[CachePadded<WorkerCounters>]>,
    /// Tasks scheduled from outside of the workers; many writers.
    pub(crate) remote_schedules: CachePadded<Counter>,
    /// Workers woken by threads that are none; many writers.
    pub(crate) remote_wakeups: CachePadded<Counter>,
}

impl Counters {
    pub(crate) fn new(workers: usize, config: &MetricsConfig) -> Self {
        let worker = || CachePadded::new(WorkerCounters::new(workers, config));
        Self {
            workers: (0..workers).map(|_| worker()).collect(),
            remote_schedules: CachePadded::new(Counter::new()),
            remote_wakeups: CachePadded::new(Counter::new()),
        }
    }
}
