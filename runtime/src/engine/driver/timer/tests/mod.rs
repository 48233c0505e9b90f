//! The timers without a runtime: case by case, against a sorted list, and in every interleaving.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::moment::Moment;
use super::*;
use crate::base::clock::Clock;
use crate::base::prim::Arc;

#[cfg(not(rt_loom))]
mod cases;
#[cfg(not(rt_loom))]
mod model;
mod races;

const MS: u64 = 1_000_000;

/// A time since the registry was made.
fn at(ns: u64) -> Moment {
    Moment::from_duration(Duration::from_nanos(ns))
}

fn ns(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

/// A registry whose clock moves only when told.
fn registry(shards: usize) -> Arc<TimerRegistry> {
    let clock = Clock::new(true);
    clock.pause().unwrap();
    Arc::new(TimerRegistry::new(shards, clock))
}

fn advance(registry: &TimerRegistry, by: u64) {
    registry.clock().advance(ns(by)).unwrap();
}

/// A timer with its deadline, as a `Sleep` holds it.
struct Timer {
    entry: Pin<Box<TimerEntry>>,
    deadline: Instant,
}

impl Timer {
    fn after(registry: &Arc<TimerRegistry>, after: u64) -> Self {
        let deadline = registry.clock().now() + ns(after);
        Self { entry: Box::pin(TimerEntry::new(registry.clone())), deadline }
    }

    fn poll_in(&mut self, shard: usize, waker: &Waker) -> Poll<Result<(), Shutdown>> {
        self.entry.as_mut().poll(&mut Context::from_waker(waker), self.deadline, |_| shard)
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Result<(), Shutdown>> {
        self.poll_in(0, waker)
    }

    fn reset_after(&mut self, registry: &TimerRegistry, after: u64) {
        self.deadline = registry.clock().now() + ns(after);
        self.entry.as_mut().reset(self.deadline);
    }
}

/// Counts its wake-ups; its own references tell whether a waker of it is still stored.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (std::sync::Arc<Count>, Waker) {
    let count = std::sync::Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// How many wakers of this task are about, the test's own apart.
fn stored(count: &std::sync::Arc<Count>) -> usize {
    std::sync::Arc::strong_count(count) - 2
}
