//! Putting a thread to sleep, and the token that wakes it.
//!
//! A [`Parker`] holds at most one token. [`Unparker::unpark`] puts the token there; [`Parker::park`] takes it, and
//! sleeps until there is one. An unpark that comes first is therefore never lost, and many unparks count as one.
//!
//! | state | meaning | who leaves it |
//! |---|---|---|
//! | `EMPTY` | no token, nobody sleeps | the parker, to `PARKED`; an unparker, to `TOKEN` |
//! | `PARKED` | no token, the parker sleeps or is about to | an unparker, to `TOKEN`; the parker after a time-out |
//! | `TOKEN` | there is a token | the parker, to `EMPTY` |
//!
//! An unparker that finds `PARKED` takes the lock before it notifies: the parker holds that lock from the moment
//! it announces `PARKED` until it waits, so the notification cannot fall between the two.
//!
//! Next file to read: `engine/mod.rs`.
#![forbid(unsafe_code)]

use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::prim::atomic::{AtomicUsize, Ordering::*};
use super::prim::{Arc, Condvar, Mutex, PlainArc};
use super::spin::Spinner;

const EMPTY: usize = 0;
const PARKED: usize = 1;
const TOKEN: usize = 2;

#[derive(Debug)]
struct Inner {
    state: AtomicUsize,
    lock: Mutex<()>,
    condvar: Condvar,
}

/// The sleeping side; one thread at a time uses it.
#[derive(Debug)]
pub(crate) struct Parker {
    inner: Arc<Inner>,
}

/// The waking side; any number of threads use it.
#[derive(Clone, Debug)]
pub(crate) struct Unparker {
    inner: Arc<Inner>,
}

impl Parker {
    pub(crate) fn new() -> Self {
        let inner = Inner { state: AtomicUsize::new(EMPTY), lock: Mutex::new(()), condvar: Condvar::new() };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn unparker(&self) -> Unparker {
        Unparker { inner: self.inner.clone() }
    }

    /// Puts the token there, as an [`Unparker`] would.
    pub(crate) fn unpark(&self) {
        self.inner.unpark();
    }

    /// Takes the token, after a sleep if there is none yet.
    pub(crate) fn park(&self) {
        self.park_timeout(None);
    }

    /// As [`park_timeout`](Self::park_timeout), after a spin if that has been worth it lately.
    pub(crate) fn spin_then_park(&self, spinner: &mut Spinner, limit: Option<Duration>) -> bool {
        if let Some(spin) = spinner.begin() {
            let token = || self.inner.state.load(Relaxed) == TOKEN;
            let paid = std::iter::repeat_with(|| spin.look(token)).find_map(|end| end);
            spinner.ended(paid == Some(true));
        }
        self.park_timeout(limit)
    }

    /// As [`park`](Self::park), for no longer than `limit` if there is one. Returns whether there was a token.
    pub(crate) fn park_timeout(&self, limit: Option<Duration>) -> bool {
        if self.take_token() {
            return true;
        }
        if limit == Some(Duration::ZERO) {
            return false;
        }
        // A deadline past what the clock can tell is no deadline.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut guard = self.inner.lock.lock();
        if self.inner.state.compare_exchange(EMPTY, PARKED, Relaxed, Relaxed).is_err() {
            // Only a token can have come between.
            self.inner.state.swap(EMPTY, Acquire);
            return true;
        }
        loop {
            let timed_out = match deadline {
                None => {
                    guard = self.inner.condvar.wait(guard);
                    false
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let (again, timed_out) = self.inner.condvar.wait_timeout(guard, left);
                    guard = again;
                    timed_out
                }
            };
            if self.take_token() {
                return true;
            }
            if timed_out {
                // A token may still arrive at this very moment, and must then be taken and not left behind.
                return self.inner.state.swap(EMPTY, Acquire) == TOKEN;
            }
        }
    }

    fn take_token(&self) -> bool {
        // Acquire pairs with the Release half of `unpark`: what was written before it is visible now.
        self.inner.state.compare_exchange(TOKEN, EMPTY, Acquire, Relaxed).is_ok()
    }
}

impl Unparker {
    /// Puts the token there, and wakes the parker if it sleeps.
    pub(crate) fn unpark(&self) {
        self.inner.unpark();
    }

    /// Whether it wakes that parker.
    pub(crate) fn is_of(&self, parker: &Parker) -> bool {
        Arc::ptr_eq(&self.inner, &parker.inner)
    }

    /// A waker that unparks.
    pub(crate) fn into_waker(self) -> Waker {
        Waker::from(PlainArc::new(self))
    }
}

impl Inner {
    fn unpark(&self) {
        // Release: what this thread wrote is visible to the one that takes the token.
        if self.state.swap(TOKEN, Release) == PARKED {
            drop(self.lock.lock());
            self.condvar.notify_one();
        }
    }
}

impl Wake for Unparker {
    fn wake(self: PlainArc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &PlainArc<Self>) {
        self.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{model, thread};

    #[test]
    fn loom_an_unpark_is_never_lost() {
        model(|| {
            let parker = Parker::new();
            let unparker = parker.unparker();
            let flag = Arc::new(AtomicUsize::new(0));
            let theirs = flag.clone();
            let other = thread::spawn(move || {
                theirs.store(1, Relaxed);
                unparker.unpark();
            });
            parker.park();
            assert_eq!(flag.load(Relaxed), 1, "the token carries what was written before it");
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_two_unparkers_wake_at_least_once() {
        model(|| {
            let parker = Parker::new();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let unparker = parker.unparker();
                    thread::spawn(move || unparker.unpark())
                })
                .collect();
            parker.park();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn a_token_is_taken_once() {
        let parker = Parker::new();
        parker.unparker().unpark();
        parker.unparker().unpark();
        assert!(parker.park_timeout(Some(Duration::ZERO)));
        assert!(!parker.park_timeout(Some(Duration::ZERO)));
        assert!(!parker.park_timeout(Some(Duration::from_millis(1))));
    }
}
