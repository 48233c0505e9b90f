//! What the workers count, always.
//!
//! Each worker writes its own counters and nobody else does, so a count is a load and a store without a lock
//! prefix; readers may come at any time and stop nothing. A worker's counters fill cache lines of their own.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::base::prim::CachePadded;
use crate::base::prim::atomic::{AtomicU64, Ordering::Relaxed};

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
    /// Tasks stolen, by whom they were stolen from.
    pub(crate) steals_from: Box<[Counter]>,
}

impl WorkerCounters {
    fn new(workers: usize) -> Self {
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
            steals_from: (0..workers).map(|_| Counter::new()).collect(),
        }
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
}

impl Counters {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| CachePadded::new(WorkerCounters::new(workers))).collect(),
            remote_schedules: CachePadded::new(Counter::new()),
        }
    }
}
