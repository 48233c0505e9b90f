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
//! Next file to read: `engine/sched/watch.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::base::park::Parker;
use crate::base::prim::Mutex;
use crate::base::prim::atomic::{AtomicUsize, Ordering::*};
use crate::engine::driver::{Driver, Registries, Turn};

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

/// How long to sleep at most: in the driver this worker looks after everybody's timers, on its parker after its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) in_driver: Option<Duration>,
    pub(crate) on_parker: Option<Duration>,
}

impl Limits {
    /// No longer than this either, if it is given.
    pub(crate) fn at_most(self, limit: Option<Duration>) -> Self {
        let sooner = |other: Option<Duration>| other.into_iter().chain(limit).min();
        Self { in_driver: sooner(self.in_driver), on_parker: sooner(self.on_parker) }
    }
}

impl Bed {
    pub(crate) fn new() -> Self {
        Self { state: AtomicUsize::new(AWAKE), parker: Parker::new() }
    }

    /// Sleeps until woken, until the driver has something, or for the time allowed. Returns what the driver
    /// brought, if it was free for this worker.
    pub(crate) fn sleep(&self, driver: &Mutex<Driver>, limits: Limits) -> Turn {
        let turn = match driver.try_lock() {
            Some(mut driver) if self.lie_down(IN_DRIVER) => driver.turn(limits.in_driver),
            // Woken already: the driver is at hand, so look what it has.
            Some(mut driver) => driver.turn(Some(Duration::ZERO)),
            None => {
                if self.lie_down(ON_PARKER) {
                    self.parker.park_timeout(limits.on_parker);
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

    /// Ends the worker's sleep, or keeps it from the next one.
    pub(crate) fn wake(&self, registries: &Registries) {
        match self.state.swap(TOKEN, Release) {
            IN_DRIVER => registries.unpark(),
            ON_PARKER => self.parker.unpark(),
            _ => {}
        }
    }
}
