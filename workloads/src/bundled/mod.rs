//! The workloads that come with rtbench.
//!
//! Next file to read: `bundled/echo/mod.rs`.
#![forbid(unsafe_code)]

mod blocking_mix;
mod echo;
mod spawn_flood;
mod timer_storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::exec::panic_text;
use crate::load::DRAIN;
use crate::wire::Failure;

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

/// Starts a thread of a load.
fn start_thread<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() -> Result<(), Failure> + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, Result<(), Failure>>, Failure> {
    let started = thread::Builder::new().name(format!("rtbench-{name}")).spawn_scoped(scope, body);
    started.map_err(|error| Failure::broken(format!("a thread of the load could not be started: {error}")))
}

/// Waits for a load's threads. Their first failure, or a panic as one.
fn join_threads<'scope>(
    threads: impl IntoIterator<Item = thread::ScopedJoinHandle<'scope, Result<(), Failure>>>,
) -> Result<(), Failure> {
    let mut result = Ok(());
    for thread in threads {
        let ended = thread.join().unwrap_or_else(|payload| {
            Err(Failure::broken(format!("a thread of the load panicked: {}", panic_text(&*payload))))
        });
        result = result.and(ended);
    }
    result
}
