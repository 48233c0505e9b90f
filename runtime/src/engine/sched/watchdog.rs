//! Keeps timers, I/O and ready tasks moving while a worker is in a long poll.
//!
//! # Contract
//!
//! *For the driver and for each shard of timers there is, at every moment, a thread that will look at it in time.*
//!
//! | what | who looks | when |
//! |---|---|---|
//! | the driver | the worker that sleeps in it | at once |
//! | | no worker sleeps in it: one that is awake | after its turn: `event_interval` polls, or fewer if it then sleeps |
//! | | and that is in a long poll: a watcher | at its next tick, when it goes to sleep in the driver |
//! | the shared shard | whoever looks at the driver | as for the driver; at its deadlines while it sleeps there |
//! | a worker's shard | the worker, asleep | at its deadlines |
//! | | the worker, awake | after its turn |
//! | | another worker, if it is in a long poll | at the next inspection |
//! | its LIFO slot | the same | at the second inspection that finds it in the same poll |
//! | its queue | a watcher, which wakes a worker to take the tasks | at its next tick, unless a worker searches already |
//!
//! A worker that is asleep has *armed* the shards that it looks after, and is woken when a sooner deadline comes (see
//! [`TimerRegistry::arm`](crate::engine::driver::timer::TimerRegistry::arm)). What is left are workers that are awake,
//! but do not come to their next look, because a poll takes long. They are *inspected* about every [`TICK`]: their due
//! timers are fired, and what has lain in the LIFO slot during two inspections in one poll is taken out of it.
//!
//! # Who inspects
//!
//! * A worker that is awake and comes to the end of its turn, if another one is awake and the last inspection is long
//!   enough ago. A turn goes on when the worker finds work again without having slept or looked at the driver, and when
//!   its core changes threads: else it might never end.
//! * *Watchers*: up to [`MAX_WATCHERS`] of the workers that are asleep. They sleep for [`TICK`] at a time, and each time
//!   they also go to sleep in the driver if that is free. Two and not one, so that one may be woken for work while the
//!   other still watches. If a worker has been found in a long poll, they also wake at the deadlines of its timers.
//!
//! So there is a watcher whenever a worker is asleep and another one is awake, by these rules:
//!
//! * A worker that falls asleep watches, unless there are watchers enough.
//! * A watcher stops only if at the end of each of [`QUIET_TICKS`] ticks in a row no worker was awake, and none had left its
//!   sleep with work. An idle runtime does not wake up.
//! * A worker that leaves its sleep with work first counts that as activity, then reads the number of watchers, and wakes
//!   a sleeper if that is zero. A watcher that stops first takes itself off that number, then reads the activity, and
//!   watches on if it has changed. One of the two sees the other.
//! * A sleeper that is woken while others are awake, without work for itself, watches.
#![forbid(unsafe_code)]

// Not through the doorway: what is noted of an inspection only decides what the next one does, and it makes no
// difference to a model whether a poll is taken for a long one.
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use crate::base::prim::CachePadded;
use crate::base::prim::atomic::{AtomicUsize, Ordering::*};

/// How long a watcher sleeps: about so late can an event be because of another task's poll. Go's runtime retakes its
/// poller after as long.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Watchers and workers that are awake need not inspect more often than this.
const INSPECTION_INTERVAL: Duration = Duration::from_millis(5);
const MAX_WATCHERS: usize = 2;
const QUIET_TICKS: u32 = 10;

/// Who watches, and what the last inspection has found.
#[derive(Debug)]
pub(crate) struct Watchdog {
    watchers: AtomicUsize,
    /// Sleeps that ended with work, wrapping.
    activity: AtomicUsize,
    /// When the last inspection began, in nanoseconds since the runtime began.
    inspected_at: CachePadded<AtomicU64>,
    workers: Box<[Inspected]>,
}

/// What an inspection has found of a worker.
#[derive(Debug)]
struct Inspected {
    /// The number of its polls.
    polls: AtomicU64,
    /// Whether it was in the same poll as at the inspection before.
    is_stuck: AtomicBool,
}

/// What a worker knows that is asleep and may watch.
#[derive(Debug)]
pub(crate) struct WatchState {
    quiet_ticks: u32,
    seen_activity: usize,
}

impl Watchdog {
    pub(crate) fn new(workers: usize) -> Self {
        let inspected = || Inspected { polls: AtomicU64::new(u64::MAX), is_stuck: AtomicBool::new(false) };
        Self {
            watchers: AtomicUsize::new(0),
            activity: AtomicUsize::new(0),
            inspected_at: CachePadded::new(AtomicU64::new(0)),
            workers: (0..workers).map(|_| inspected()).collect(),
        }
    }

    /// For a worker that falls asleep.
    pub(crate) fn begin(&self) -> WatchState {
        WatchState { quiet_ticks: 0, seen_activity: self.activity.load(SeqCst) }
    }

    /// Before each sleep: whether the worker is to watch during it.
    pub(crate) fn start_watching(&self, state: &WatchState) -> bool {
        state.quiet_ticks < QUIET_TICKS
            && self
                .watchers
                .fetch_update(SeqCst, Relaxed, |count| (count < MAX_WATCHERS).then_some(count + 1))
                .is_ok()
    }

    /// After each sleep, for a worker that did watch during it or not. `is_any_awake` is asked when it does not count
    /// any more.
    pub(crate) fn stop_watching(
        &self,
        state: &mut WatchState,
        has_watched: bool,
        is_any_awake: impl FnOnce() -> bool,
    ) {
        if has_watched {
            self.watchers.fetch_sub(1, SeqCst);
        }
        let activity = self.activity.load(SeqCst);
        if activity != state.seen_activity || is_any_awake() {
            *state = WatchState { quiet_ticks: 0, seen_activity: activity };
        } else if has_watched {
            state.quiet_ticks += 1;
        }
    }

    /// A worker leaves its sleep with work. Returns whether a sleeper has to be woken to watch.
    #[must_use = "somebody has to watch"]
    pub(crate) fn leave_with_work(&self) -> bool {
        self.activity.fetch_add(1, SeqCst);
        self.watchers.load(SeqCst) == 0
    }

    /// Whether it is time for an inspection, which is then the caller's. `now` is in nanoseconds since the runtime began.
    pub(crate) fn begin_inspection(&self, now: u64) -> bool {
        if cfg!(rt_loom) {
            // A model has no clock to look at, and may inspect at any time.
            return true;
        }
        let last = self.inspected_at.load(Relaxed);
        now.saturating_sub(last) >= INSPECTION_INTERVAL.as_nanos() as u64
            && self.inspected_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    /// Notes how many polls a worker has begun. Returns whether it is awake and has begun none since the last inspection.
    pub(crate) fn inspect(&self, worker: usize, polls: u64, is_awake: bool) -> bool {
        let inspected = &self.workers[worker];
        let is_stuck = inspected.polls.swap(polls, Relaxed) == polls && is_awake;
        inspected.is_stuck.store(is_stuck, Relaxed);
        is_stuck
    }

    /// The workers that the last inspection has found in a long poll.
    pub(crate) fn stuck(&self) -> impl Iterator<Item = usize> {
        let is_stuck = |worker: &usize| self.workers[*worker].is_stuck.load(Relaxed);
        (0..self.workers.len()).filter(is_stuck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::park::Parker;
    use crate::base::prim::{Arc, model, thread};
    use crate::engine::sched::idle::Idle;

    #[cfg(not(rt_loom))]
    fn quiet(watchdog: &Watchdog, state: &mut WatchState) -> u32 {
        let mut ticks = 0;
        while watchdog.start_watching(state) {
            watchdog.stop_watching(state, true, || false);
            ticks += 1;
            assert!(ticks < 1000, "it never stops");
        }
        ticks
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn a_watcher_stops_after_quiet_ticks_and_starts_again_when_it_wakes_beside_others() {
        let watchdog = Watchdog::new(2);
        let mut state = watchdog.begin();
        assert_eq!(quiet(&watchdog, &mut state), QUIET_TICKS);
        // A sleep without watching that ended while nobody was awake changes nothing.
        watchdog.stop_watching(&mut state, false, || false);
        assert!(!watchdog.start_watching(&state));
        watchdog.stop_watching(&mut state, false, || true);
        assert_eq!(quiet(&watchdog, &mut state), QUIET_TICKS);
        assert!(watchdog.leave_with_work(), "nobody watches");
        watchdog.stop_watching(&mut state, false, || false);
        assert_eq!(quiet(&watchdog, &mut state), QUIET_TICKS);
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn a_watcher_goes_on_while_a_worker_is_awake() {
        let watchdog = Watchdog::new(2);
        let mut state = watchdog.begin();
        for _ in 0..10 * QUIET_TICKS {
            assert!(watchdog.start_watching(&state));
            assert!(!watchdog.leave_with_work(), "somebody watches");
            watchdog.stop_watching(&mut state, true, || true);
        }
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn two_workers_watch_and_a_third_does_not() {
        let watchdog = Watchdog::new(3);
        let state = watchdog.begin();
        assert_eq!([(); 3].map(|()| watchdog.start_watching(&state)), [true, true, false]);
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn a_worker_is_stuck_that_is_awake_and_in_the_same_poll_at_two_inspections() {
        let watchdog = Watchdog::new(3);
        let interval = INSPECTION_INTERVAL.as_nanos() as u64;
        assert!(watchdog.begin_inspection(interval));
        assert!(!watchdog.begin_inspection(2 * interval - 1), "too early");
        assert!(!watchdog.inspect(1, 7, true));
        assert!(watchdog.begin_inspection(2 * interval));
        assert!(!watchdog.inspect(1, 8, true), "another poll");
        assert!(watchdog.inspect(1, 8, true));
        assert_eq!(watchdog.stuck().collect::<Vec<_>>(), [1]);
        assert!(!watchdog.inspect(1, 8, false), "asleep");
        assert_eq!(watchdog.stuck().count(), 0);
    }

    /// One worker leaves its sleep with work at the moment at which the last watcher stops. The first is then in a long
    /// poll, which ends only when the other watches: if it does not, both wait for ever.
    #[test]
    fn loom_a_worker_that_leaves_with_work_is_watched() {
        model(|| {
            let shared = Arc::new((Idle::new(2), Watchdog::new(2)));
            let (idle, watchdog) = &*shared;
            for worker in 0..2 {
                let _ = idle.fall_asleep(worker, false);
            }
            let mut state = watchdog.begin();
            state.quiet_ticks = QUIET_TICKS - 1;
            assert!(watchdog.start_watching(&state));
            let (sleeper, poll) = (Parker::new(), Parker::new());
            let (wakes_sleeper, ends_poll) = (sleeper.unparker(), poll.unparker());
            let theirs = shared.clone();
            let leaving = thread::spawn(move || {
                let (idle, watchdog) = &*theirs;
                assert!(idle.wake_up(0));
                if watchdog.leave_with_work()
                    && let Some(sleeper) = idle.some_sleeper()
                {
                    assert_eq!(sleeper, 1);
                    wakes_sleeper.unpark();
                }
                poll.park();
            });
            // The tick is over.
            let mut has_watched = true;
            loop {
                watchdog.stop_watching(&mut state, has_watched, || idle.is_any_awake());
                // A long poll is one that lasts until the inspection after the next tick.
                has_watched = watchdog.start_watching(&state);
                if has_watched && idle.is_any_awake() {
                    break;
                }
                if !has_watched {
                    sleeper.park();
                } else {
                    // A tick in which nothing is seen of the other.
                    thread::yield_now();
                }
            }
            ends_poll.unpark();
            leaving.join().unwrap();
        });
    }
}
