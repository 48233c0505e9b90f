//! The timers of one runtime: a wheel for each worker, and one for everybody else.
//!
//! Next file to read: `time/sleep.rs`.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::State;
use super::entry::{Linked, Node};
use super::wheel::{NEVER, Wheel};
use crate::base::clock::Clock;
use crate::base::prim::atomic::{AtomicU64, Ordering};
use crate::base::prim::{CachePadded, Mutex};
use crate::base::wake_list::WakeList;

/// The timers of one runtime.
pub(crate) struct TimerRegistry {
    shards: Box<[CachePadded<Shard>]>,
    clock: Clock,
    /// The origin of all times below: nanoseconds since then.
    start: Instant,
    nudge: OnceLock<Nudge>,
}

type Nudge = Box<dyn Fn() + Send + Sync>;

struct Shard {
    /// What [`Wheel::next`] says of the wheel. Stored under the lock, read without.
    next: AtomicU64,
    guarded: Mutex<Guarded>,
}

/// What the lock of a shard guards, besides the entries linked into the wheel.
pub(super) struct Guarded {
    wheel: Wheel,
    shut_down: bool,
}

impl TimerRegistry {
    /// `shards` counts the one for everybody who is not a worker, which is the last: one shard alone is that one.
    ///
    /// # Panics
    /// With no shards.
    pub(crate) fn new(shards: usize, clock: Clock) -> Self {
        assert!(shards > 0, "there is always the shard for everybody");
        let shard = || Shard {
            next: AtomicU64::new(NEVER),
            guarded: Mutex::new(Guarded { wheel: Wheel::new(), shut_down: false }),
        };
        let start = clock.now();
        let shards = (0..shards).map(|_| CachePadded::new(shard())).collect();
        Self { shards, clock, start, nudge: OnceLock::new() }
    }

    /// How many shards there are, the shared one included.
    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The shard of all who have none of their own: the last.
    pub(crate) fn shared_shard(&self) -> usize {
        self.shards.len() - 1
    }

    /// The clock that the timers go by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Sets what is called when the earliest deadline of the shared shard has become earlier: whoever sleeps until the
    /// old one must be woken. It is called without a lock, by any thread. It can be set once.
    pub(crate) fn set_nudge(&self, nudge: Nudge) {
        let first = self.nudge.set(nudge).is_ok();
        debug_assert!(first, "the nudge is set once");
    }

    /// When [`TimerRegistry::fire`] has something to do in that shard. May be early after a cancel; never late.
    #[inline]
    pub(crate) fn next_deadline(&self, shard: usize) -> Option<Instant> {
        self.instant_of(self.next(shard))
    }

    /// The earliest of all shards.
    pub(crate) fn next_deadline_all(&self) -> Option<Instant> {
        let next = (0..self.shards()).map(|shard| self.next(shard)).min();
        self.instant_of(next.unwrap_or(NEVER))
    }

    fn next(&self, shard: usize) -> u64 {
        let shard = &self.shards[shard];
        if self.clock.is_paused() {
            // What is stored is reckoned for a running clock, which fires in batches.
            return shard.guarded.lock().wheel.next(true);
        }
        // Acquire, with the release in `change`: who was woken because of it sees it.
        shard.next.load(Ordering::Acquire)
    }

    /// Fires what is due in that shard and wakes, in batches, without a lock. Returns how many.
    pub(crate) fn fire(&self, shard: usize) -> usize {
        let exact = self.clock.is_paused();
        let next = self.shards[shard].next.load(Ordering::Acquire);
        // Mostly there is nothing to do, and often that can be told without reading the clock.
        if next == NEVER {
            return 0;
        }
        let now = self.now();
        if next > now && !exact {
            return 0;
        }
        self.fire_at(shard, now, exact)
    }

    pub(super) fn fire_at(&self, shard: usize, now: u64, exact: bool) -> usize {
        self.locked(shard, |guarded| guarded.wheel.advance(now, exact));
        self.finish_all(shard, Wheel::pop_due, State::Fired)
    }

    /// Ends all timers: those registered are woken, and they and all later ones report it.
    pub(crate) fn shutdown(&self) {
        for shard in 0..self.shards() {
            self.locked(shard, |guarded| guarded.shut_down = true);
            self.finish_all(shard, Wheel::pop_any, State::Shutdown);
        }
    }

    /// Ends the registration of what `pop` yields, a batch at a time.
    fn finish_all(&self, shard: usize, pop: fn(&mut Wheel) -> Option<Linked>, outcome: State) -> usize {
        let mut count = 0;
        let mut batch = WakeList::new();
        loop {
            self.locked(shard, |guarded| {
                while batch.can_push() {
                    let Some(entry) = pop(&mut guarded.wheel) else { break };
                    batch.push(entry.finish(outcome));
                    count += 1;
                }
            });
            let done = batch.can_push();
            batch.wake_all();
            if done {
                return count;
            }
        }
    }

    /// Whether no timer is registered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.guarded.lock().wheel.is_empty())
    }

    /// What a scheduler with a running clock goes by.
    #[cfg(test)]
    pub(super) fn published(&self, shard: usize) -> u64 {
        self.shards[shard].next.load(Ordering::Acquire)
    }

    /// The time now.
    pub(super) fn now(&self) -> u64 {
        self.due_of(self.clock.now())
    }

    /// An instant in the registry's time. All that is further off than the 584 years of 64 bits of nanoseconds is the
    /// same; what is before the start is due.
    pub(super) fn due_of(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(NEVER).min(NEVER - 1)
    }

    fn instant_of(&self, due: u64) -> Option<Instant> {
        if due == NEVER { None } else { self.start.checked_add(Duration::from_nanos(due)) }
    }

    /// Registers an entry that is ready in all but this. Returns its waker if there is nothing to wait for.
    pub(super) fn register(&self, shard: usize, entry: Linked, now: u64) -> Option<Waker> {
        let (finished, sooner) = self.change(shard, |guarded| {
            if guarded.shut_down {
                return Some(entry.finish(State::Shutdown));
            }
            guarded.wheel.insert(entry, now).err().map(|entry| entry.finish(State::Fired))
        });
        self.nudge(shard, sooner);
        finished
    }

    /// Moves a registered entry to another time. Does nothing if it is no longer registered; if it is due at once,
    /// returns the waker.
    pub(super) fn reschedule(&self, shard: usize, node: &Node, due: u64) -> Option<Waker> {
        let now = self.now();
        let (finished, sooner) = self.change(shard, |guarded| {
            if !node.is_registered() {
                return None;
            }
            let entry = guarded.wheel.remove(node);
            if due <= now {
                return Some(entry.finish(State::Fired));
            }
            entry.set_due(due);
            guarded.wheel.insert(entry, now).err().map(|entry| entry.finish(State::Fired))
        });
        self.nudge(shard, sooner);
        finished
    }

    /// Takes an entry out, if it is still in; returns its waker, to be dropped.
    pub(super) fn cancel(&self, shard: usize, node: &Node) -> Option<Waker> {
        self.locked(shard, |guarded| {
            node.is_registered().then(|| guarded.wheel.remove(node).finish(State::Idle))
        })
    }

    fn nudge(&self, shard: usize, sooner: bool) {
        if sooner
            && shard == self.shared_shard()
            && let Some(nudge) = self.nudge.get()
        {
            nudge();
        }
    }

    /// Runs `f` under the lock of a shard.
    pub(super) fn locked<R>(&self, shard: usize, f: impl FnOnce(&mut Guarded) -> R) -> R {
        self.change(shard, f).0
    }

    /// Runs `f` under the lock of a shard, and publishes the next deadline. Also returns whether that is sooner now.
    fn change<R>(&self, shard: usize, f: impl FnOnce(&mut Guarded) -> R) -> (R, bool) {
        let shard = &self.shards[shard];
        let mut guarded = shard.guarded.lock();
        let result = f(&mut guarded);
        let next = guarded.wheel.next(false);
        // Relaxed: it is written under this lock only.
        let before = shard.next.load(Ordering::Relaxed);
        // Most changes leave it alone: then the line stays clean in the caches of those who read it.
        if next != before {
            shard.next.store(next, Ordering::Release);
        }
        (result, next < before)
    }
}

impl fmt::Debug for TimerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerRegistry").field("shards", &self.shards()).finish_non_exhaustive()
    }
}
