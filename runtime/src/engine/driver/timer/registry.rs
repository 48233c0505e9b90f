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
use super::moment::{Moment, NEVER};
use super::wheel::Wheel;
use crate::base::clock::Clock;
use crate::base::prim::atomic::{AtomicU64, Ordering};
use crate::base::prim::{CachePadded, Mutex};
use crate::base::wake_list::WakeList;

/// The timers of one runtime.
pub(crate) struct TimerRegistry {
    shards: Box<[CachePadded<Shard>]>,
    clock: Clock,
    /// The origin of all [`Moment`]s.
    start: Instant,
    unpark: OnceLock<Unpark>,
}

/// Ends the sleep of the thread that has armed a shard.
type Unpark = Box<dyn Fn(usize) + Send + Sync>;

struct Shard {
    /// What [`Wheel::next`] says of the wheel, in nanoseconds. Stored under the lock, read without.
    next: AtomicU64,
    /// The deadline up to which a thread sleeps that looks after this shard, in nanoseconds; [`AWAKE`] while it is awake.
    /// Read under the lock, and stored under it but for [`AWAKE`].
    armed: AtomicU64,
    guarded: Mutex<Guarded>,
}

/// No deadline is sooner: nobody needs to be told of one.
const AWAKE: u64 = 0;

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
            armed: AtomicU64::new(AWAKE),
            guarded: Mutex::new(Guarded { wheel: Wheel::new(), shut_down: false }),
        };
        let start = clock.now();
        let shards = (0..shards).map(|_| CachePadded::new(shard())).collect();
        Self { shards, clock, start, unpark: OnceLock::new() }
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

    /// Sets what is called when a shard's earliest deadline has become earlier than its sleeper knows. It is given the
    /// shard, and is called without a lock, by any thread. It can be set once.
    pub(crate) fn set_unpark(&self, unpark: Unpark) {
        let first = self.unpark.set(unpark).is_ok();
        debug_assert!(first, "it is set once");
    }

    /// As [`next_deadline`](Self::next_deadline), for a thread that will sleep no longer than until then: it is
    /// unparked when a sooner deadline comes. It calls [`disarm`](Self::disarm) when it is awake again. One thread at a
    /// time looks after a shard.
    pub(crate) fn arm(&self, shard: usize) -> Option<Instant> {
        let exact = self.clock.is_paused();
        let shard = &self.shards[shard];
        let guarded = shard.guarded.lock();
        // All moments that are too far off for nanoseconds are one: to sleep until then is not to know of any of them.
        let armed =
            guarded.wheel.next(false).map(Moment::nanos).filter(|nanos| *nanos != Moment::MAX.nanos());
        // Under the lock: whoever registers after this sees it, and what was registered before is in the wheel.
        shard.armed.store(armed.unwrap_or(NEVER), Ordering::Relaxed);
        let next = guarded.wheel.next(exact);
        drop(guarded);
        next?.after(self.start)
    }

    /// The thread that has armed the shard is awake.
    pub(crate) fn disarm(&self, shard: usize) {
        // Without the lock: who still sees the former value unparks in vain. Who overwrites this with a deadline keeps
        // others from unparking a thread that is awake, and that deadline lasts until the shard is armed again.
        self.shards[shard].armed.store(AWAKE, Ordering::Relaxed);
    }

    /// When [`TimerRegistry::fire`] has something to do in that shard. May be early after a cancel; never late.
    #[inline]
    pub(crate) fn next_deadline(&self, shard: usize) -> Option<Instant> {
        let shard = &self.shards[shard];
        if self.clock.is_paused() {
            // What is stored is reckoned for a running clock, which fires in batches.
            return shard.guarded.lock().wheel.next(true)?.after(self.start);
        }
        // Acquire, with the release in `publish`: who was unparked because of it sees it.
        match shard.next.load(Ordering::Acquire) {
            NEVER => None,
            nanos => self.start.checked_add(Duration::from_nanos(nanos)),
        }
    }

    /// The earliest of all shards.
    pub(crate) fn next_deadline_all(&self) -> Option<Instant> {
        (0..self.shards()).filter_map(|shard| self.next_deadline(shard)).min()
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
        if next > now.nanos() && !exact {
            return 0;
        }
        self.fire_at(shard, now, exact)
    }

    pub(super) fn fire_at(&self, shard: usize, now: Moment, exact: bool) -> usize {
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
    pub(super) fn now(&self) -> Moment {
        self.moment_of(self.clock.now())
    }

    /// An instant in the registry's time; what is before the start is due.
    pub(super) fn moment_of(&self, at: Instant) -> Moment {
        Moment::from_duration(at.saturating_duration_since(self.start))
    }

    /// Registers an entry that is ready in all but this. Returns its waker if there is nothing to wait for.
    pub(super) fn register(&self, shard: usize, entry: Linked, now: Moment) -> Option<Waker> {
        let (finished, unknown) = self.change(shard, |guarded| {
            if guarded.shut_down {
                return Some(entry.finish(State::Shutdown));
            }
            guarded.wheel.insert(entry, now).err().map(|entry| entry.finish(State::Fired))
        });
        self.unpark_if(unknown, shard);
        finished
    }

    /// Moves a registered entry to another time. Does nothing if it is no longer registered; if it is due at once,
    /// returns the waker. `now` is needed only if the time is earlier than the former one: one that is later, and has
    /// passed nevertheless, fires at the next look.
    pub(super) fn reschedule(
        &self,
        shard: usize,
        node: &Node,
        due: Moment,
        now: Option<Moment>,
    ) -> Option<Waker> {
        let (finished, unknown) = self.change(shard, |guarded| {
            if !node.is_registered() {
                return None;
            }
            let entry = guarded.wheel.remove(node);
            if now.is_some_and(|now| due <= now) {
                return Some(entry.finish(State::Fired));
            }
            entry.set_due(due);
            let inserted = guarded.wheel.insert(entry, now.unwrap_or(Moment::ZERO));
            inserted.err().map(|entry| entry.finish(State::Fired))
        });
        self.unpark_if(unknown, shard);
        finished
    }

    /// Takes an entry out, if it is still in; returns its waker, to be dropped.
    pub(super) fn cancel(&self, shard: usize, node: &Node) -> Option<Waker> {
        self.locked(shard, |guarded| {
            node.is_registered().then(|| guarded.wheel.remove(node).finish(State::Idle))
        })
    }

    fn unpark_if(&self, unknown: bool, shard: usize) {
        if unknown && let Some(unpark) = self.unpark.get() {
            unpark(shard);
        }
    }

    /// Runs `f` under the lock of a shard, and publishes the next deadline.
    pub(super) fn locked<R>(&self, shard: usize, f: impl FnOnce(&mut Guarded) -> R) -> R {
        let shard = &self.shards[shard];
        let mut guarded = shard.guarded.lock();
        let result = f(&mut guarded);
        shard.publish(&guarded);
        result
    }

    /// As [`locked`](Self::locked), for what may bring a sooner deadline. Also returns whether the shard's sleeper would
    /// sleep past it, and has to be unparked.
    fn change<R>(&self, shard: usize, f: impl FnOnce(&mut Guarded) -> R) -> (R, bool) {
        let shard = &self.shards[shard];
        let mut guarded = shard.guarded.lock();
        let result = f(&mut guarded);
        let next = shard.publish(&guarded);
        let unknown = next < shard.armed.load(Ordering::Relaxed);
        if unknown {
            // Once is enough: whoever is unparked looks at all of the shard.
            shard.armed.store(next, Ordering::Relaxed);
        }
        (result, unknown)
    }
}

impl Shard {
    #[inline]
    fn publish(&self, guarded: &Guarded) -> u64 {
        let next = guarded.wheel.next(false).map_or(NEVER, Moment::nanos);
        // Relaxed: it is written under this lock only. Most changes leave it alone: then the line stays clean in the
        // caches of those who read it.
        if next != self.next.load(Ordering::Relaxed) {
            self.next.store(next, Ordering::Release);
        }
        next
    }
}

impl fmt::Debug for TimerRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerRegistry").field("shards", &self.shards()).finish_non_exhaustive()
    }
}
