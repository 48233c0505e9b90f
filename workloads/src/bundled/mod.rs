//! The workloads that come with rtbench.
//!
//! Next file to read: `bundled/echo.rs`.
#![forbid(unsafe_code)]

mod blocking_mix;
mod echo;
mod feed;
mod spawn_flood;
mod timer_storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::load::DRAIN;

pub(crate) use blocking_mix::BlockingMix;
pub(crate) use echo::Echo;
pub(crate) use spawn_flood::SpawnFlood;
pub(crate) use timer_storm::TimerStorm;

/// How many operations are under way, for a bound on them and for the wait at the end.
#[derive(Clone, Debug)]
struct Pending(Arc<PendingInner>);

#[derive(Debug)]
struct PendingInner {
    bound: u64,
    /// Apart from each other: one side starts operations and the other ends them.
    started: CachePadded<AtomicU64>,
    ended: CachePadded<AtomicU64>,
}

impl Pending {
    fn new(bound: u64) -> Self {
        Self(Arc::new(PendingInner { bound, started: CachePadded::default(), ended: CachePadded::default() }))
    }

    /// Whether one more may start; if so, it must be [`end`](Self::end)ed.
    fn start(&self) -> bool {
        let started = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
        let fits = started.saturating_sub(self.0.ended.load(Ordering::Relaxed)) <= self.0.bound;
        if !fits {
            self.0.started.fetch_sub(1, Ordering::Relaxed);
        }
        fits
    }

    /// Counts one as started, whatever the bound.
    fn force_start(&self) {
        self.0.started.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn is_empty(&self) -> bool {
        self.0.started.load(Ordering::Relaxed) == self.0.ended.load(Ordering::Relaxed)
    }

    /// Waits on a plain thread until all have ended, a second at most. What has not ended by then counts as
    /// unfinished: started, and neither completed nor failed.
    fn settle(&self) {
        let until = Instant::now() + DRAIN;
        while !self.is_empty() && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
    }
}
