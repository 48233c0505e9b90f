//! How one worker sleeps: in the driver if that is free, else on its own parker.
//!
//! | state | meaning | who leaves it |
//! |---|---|---|
//! | `AWAKE` | runs, no token | the worker, to sleep; a waker, to `TOKEN` |
//! | `IN_DRIVER` | waits for the operating system's events | a waker, to `TOKEN`, and unparks the driver; the worker |
//! | `ON_PARKER` | waits on its parker | a waker, to `TOKEN`, and unparks the parker; the worker |
//! | `TOKEN` | was woken | the worker, to `AWAKE` |
//!
//! Only the worker itself moves to `IN_DRIVER` and `ON_PARKER`, by a compare-and-swap from `AWAKE` that fails if a
//! token has come; a waker swaps `TOKEN` in and learns from the old state how to end the sleep.
//!
//! Next file to read: `engine/sched/watchdog.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::base::park::Parker;
use crate::base::prim::TryLock;
use crate::base::prim::atomic::{AtomicUsize, Ordering::*};
use crate::engine::driver::{Driver, Turn};

const AWAKE: usize = 0;
const IN_DRIVER: usize = 1;
const ON_PARKER: usize = 2;
const TOKEN: usize = 3;

/// The side of a worker's sleep that others see.
#[derive(Debug)]
pub(crate) struct Bed {
    state: AtomicUsize,
    parker: Parker,
}

/// What a worker can wait on besides its parker. A trait so that a model can stand in for the operating system.
pub(crate) trait Events {
    /// Waits for events, an unpark, or the limit, and lets the events in.
    fn turn(&mut self, limit: Option<Duration>) -> Turn;
}

impl Events for Driver {
    fn turn(&mut self, limit: Option<Duration>) -> Turn {
        Self::turn(self, limit)
    }
}

/// Where a worker waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Driver,
    Parker,
}

/// Until when a worker may sleep, and who tells it of a sooner deadline.
pub(crate) trait Deadlines {
    /// The worker is about to wait. Returns for how long at most. From now on it is woken for a sooner deadline of the
    /// timers that it looks after: in the driver its own and those of nobody's, on its parker its own.
    fn arm(&self, place: Place) -> Option<Duration>;

    /// The worker is awake.
    fn disarm(&self, place: Place);
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self { state: AtomicUsize::new(AWAKE), parker: Parker::new() }
    }

    /// Sleeps until woken, until the driver has something, or for the time allowed. Returns what the driver
    /// brought, if it was free for this worker.
    pub(crate) fn sleep(&self, driver: &TryLock<impl Events>, deadlines: &impl Deadlines) -> Turn {
        let turn = match driver.try_lock() {
            Some(mut driver) if self.lie_down(IN_DRIVER) => {
                let turn = driver.turn(deadlines.arm(Place::Driver));
                // Before the driver is given up: the next one who waits in it arms the same timers.
                deadlines.disarm(Place::Driver);
                turn
            }
            // Woken already: the driver is at hand, so look what it has.
            Some(mut driver) => driver.turn(Some(Duration::ZERO)),
            None => {
                if self.lie_down(ON_PARKER) {
                    self.parker.park_timeout(deadlines.arm(Place::Parker));
                    deadlines.disarm(Place::Parker);
                }
                Turn::default()
            }
        };
        // Acquire: what the waker wrote before it woke us.
        self.state.swap(AWAKE, Acquire);
        turn
    }

    fn lie_down(&self, state: usize) -> bool {
        self.state.compare_exchange(AWAKE, state, Relaxed, Relaxed).is_ok()
    }

    /// Ends the worker's sleep, or keeps it from the next one. Returns whether it slept.
    pub(crate) fn wake(&self, unpark_driver: impl FnOnce()) -> bool {
        match self.state.swap(TOKEN, Release) {
            IN_DRIVER => unpark_driver(),
            ON_PARKER => self.parker.unpark(),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};
    use std::time::Instant;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::park::Unparker;
    use crate::base::prim::atomic::AtomicBool;
    use crate::base::prim::{Arc, model, model_within, thread};
    use crate::engine::driver::timer::{TimerEntry, TimerRegistry};

    /// Events that are unparks only.
    struct Quiet(Parker);

    impl Events for Quiet {
        fn turn(&mut self, limit: Option<Duration>) -> Turn {
            self.0.park_timeout(limit);
            Turn::default()
        }
    }

    /// No timers: sleeps end when somebody is woken.
    struct NoDeadlines;

    impl Deadlines for NoDeadlines {
        fn arm(&self, _place: Place) -> Option<Duration> {
            None
        }

        fn disarm(&self, _place: Place) {}
    }

    struct House {
        beds: [Bed; 2],
        driver: TryLock<Quiet>,
        unparker: Unparker,
        /// Set before the wake of each bed.
        called: [AtomicUsize; 2],
    }

    impl House {
        fn new() -> Arc<Self> {
            let parker = Parker::new();
            let unparker = parker.unparker();
            let called = [AtomicUsize::new(0), AtomicUsize::new(0)];
            Arc::new(Self {
                beds: [Bed::new(), Bed::new()],
                driver: TryLock::new(Quiet(parker)),
                unparker,
                called,
            })
        }

        fn call(&self, who: usize) {
            self.called[who].store(1, Release);
            self.beds[who].wake(|| self.unparker.unpark());
        }

        fn sleep_until_called(&self, who: usize) {
            while self.called[who].load(Acquire) == 0 {
                self.beds[who].sleep(&self.driver, &NoDeadlines);
            }
        }
    }

    #[test]
    fn loom_a_sleeper_is_woken_wherever_it_lies() {
        model(|| {
            let house = House::new();
            let sleepers = house.clone();
            let other = thread::spawn(move || sleepers.sleep_until_called(1));
            house.call(1);
            other.join().unwrap();
        });
    }

    /// One lies in the driver, the other on its parker, and the driver changes hands between them.
    #[test]
    fn loom_the_driver_changes_hands_and_both_are_woken() {
        model(|| {
            let house = House::new();
            let theirs = house.clone();
            let other = thread::spawn(move || {
                theirs.sleep_until_called(1);
                theirs.call(0);
            });
            house.call(1);
            house.sleep_until_called(0);
            other.join().unwrap();
        });
    }

    /// Two workers, their shards and the shared one, as the scheduler connects them.
    struct Timed {
        house: Arc<House>,
        timers: Arc<TimerRegistry>,
        /// The deadline that somebody has to sleep for, or to see while awake.
        limit: Instant,
        is_seen: AtomicBool,
    }

    impl Timed {
        fn new() -> Arc<Self> {
            let clock = Clock::new(true);
            clock.pause().unwrap();
            let limit = clock.now() + Duration::from_millis(1);
            let house = House::new();
            let timers = Arc::new(TimerRegistry::new(3, clock));
            let theirs = house.clone();
            timers.set_unpark(Box::new(move |shard| match theirs.beds.get(shard) {
                Some(bed) => drop(bed.wake(|| theirs.unparker.unpark())),
                None => theirs.unparker.unpark(),
            }));
            Arc::new(Self { house, timers, limit, is_seen: AtomicBool::new(false) })
        }

        fn is_soon(&self, deadline: Option<Instant>) -> bool {
            let is_soon = deadline.is_some_and(|deadline| deadline <= self.limit);
            if is_soon {
                self.is_seen.store(true, SeqCst);
                for bed in &self.house.beds {
                    bed.wake(|| self.house.unparker.unpark());
                }
            }
            is_soon
        }

        /// A worker that has nothing to do but to look after timers, until one of the two has seen the deadline. It sleeps
        /// for ever if its sleep has another limit: the model has no clock.
        fn work(&self, index: usize) {
            while !self.is_seen.load(SeqCst) {
                self.house.beds[index].sleep(&self.house.driver, &Shards { timed: self, index });
                // As after each sleep of a worker's: it fires its own timers and those of nobody's.
                self.is_soon(self.timers.next_deadline(index));
                self.is_soon(self.timers.next_deadline(self.timers.shared_shard()));
            }
        }
    }

    struct Shards<'a> {
        timed: &'a Timed,
        index: usize,
    }

    impl Deadlines for Shards<'_> {
        fn arm(&self, place: Place) -> Option<Duration> {
            let Timed { timers, .. } = self.timed;
            let own = timers.arm(self.index);
            let shared = if place == Place::Driver { timers.arm(timers.shared_shard()) } else { None };
            let is_soon = self.timed.is_soon(own.into_iter().chain(shared).min());
            (is_soon || self.timed.is_seen.load(SeqCst)).then_some(Duration::ZERO)
        }

        fn disarm(&self, place: Place) {
            self.timed.timers.disarm(self.index);
            if place == Place::Driver {
                self.timed.timers.disarm(self.timed.timers.shared_shard());
            }
        }
    }

    /// A deadline is set by a thread that is no worker, while the driver may pass from one worker to the other.
    fn a_deadline_is_seen(shard: usize) {
        model_within(4, move || {
            let timed = Timed::new();
            let theirs = timed.clone();
            let foreign = thread::spawn(move || {
                // For other work than the timer's: whoever sleeps in the driver leaves it.
                theirs.house.beds[0].wake(|| theirs.house.unparker.unpark());
                let mut timer = Box::pin(TimerEntry::new(theirs.timers.clone()));
                let mut cx = Context::from_waker(Waker::noop());
                assert!(timer.as_mut().poll(&mut cx, theirs.limit, |_| shard).is_pending());
                timer
            });
            let theirs = timed.clone();
            let other = thread::spawn(move || theirs.work(1));
            timed.work(0);
            other.join().unwrap();
            drop(foreign.join().unwrap());
        });
    }

    #[test]
    fn loom_a_deadline_of_the_shared_shard_is_seen_while_the_driver_changes_hands() {
        a_deadline_is_seen(2);
    }

    #[test]
    fn loom_a_deadline_of_a_worker_is_seen_wherever_it_lies() {
        a_deadline_is_seen(0);
    }
}
