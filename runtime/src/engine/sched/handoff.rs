//! Cores whose threads are about to block, and the threads that take them over.
//!
//! A worker that blocks offers its core here. Whichever comes first has it: a *free* thread, that is one that waits
//! here because it has lost its own core, or one that was started for an offer; or the worker itself, when it has
//! done with blocking. A worker that comes too late ends its task without a core, and is then free itself.
//!
//! There is a free thread for every offer, or one is started: so says the one count, which changes together with the
//! offers under one lock.
//!
//! Next file to read: `engine/sched/tls.rs`.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use crate::base::prim::{Condvar, Mutex};

/// The exchange of one runtime.
#[derive(Debug)]
pub(crate) struct Handoff<C> {
    state: Mutex<State<C>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<C> {
    /// By the index of the worker.
    offered: Vec<(usize, C)>,
    /// Threads that wait, or are on their way here.
    free: usize,
    closed: bool,
}

/// Counts as free while it lives.
#[derive(Debug)]
pub(crate) struct Seat<'a, C> {
    handoff: &'a Handoff<C>,
    counted: bool,
}

impl<C> Handoff<C> {
    pub(crate) fn new() -> Self {
        let state = State { offered: Vec::new(), free: 0, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Offers a core. Returns whether a free thread will take it; if not, the caller starts one, which
    /// counts as free from now on.
    #[must_use = "a thread may have to be started"]
    pub(crate) fn offer(&self, index: usize, core: C) -> bool {
        let mut state = self.state.lock();
        state.offered.push((index, core));
        if state.free >= state.offered.len() {
            self.changed.notify_one();
            return true;
        }
        state.free += 1;
        false
    }

    /// Takes an offered core back, if nobody has taken it yet.
    pub(crate) fn take_back(&self, index: usize) -> Option<C> {
        let mut state = self.state.lock();
        let place = state.offered.iter().position(|offer| offer.0 == index)?;
        Some(state.offered.swap_remove(place).1)
    }

    /// The seat of a thread that was started for an offer, or of one that could not be.
    pub(crate) fn seat_of_started(&self) -> Seat<'_, C> {
        Seat { handoff: self, counted: true }
    }

    /// A seat for a thread that has lost its core.
    pub(crate) fn sit_down(&self) -> Seat<'_, C> {
        self.state.lock().free += 1;
        self.seat_of_started()
    }

    /// Lets nobody wait any more.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

impl<C> Seat<'_, C> {
    /// Takes a core, after a wait of at most so long. `None`: there is none, and this thread may end.
    pub(crate) fn claim(mut self, patience: Duration) -> Option<C> {
        let deadline = Instant::now().checked_add(patience);
        let mut state = self.handoff.state.lock();
        loop {
            let core = state.offered.pop();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if core.is_some() || state.closed || left == Some(Duration::ZERO) {
                // Together with the look at the offers: whoever offers next sees one thread less.
                state.free -= 1;
                self.counted = false;
                return core.map(|(_, core)| core);
            }
            state = match left {
                Some(left) => self.handoff.changed.wait_timeout(state, left).0,
                None => self.handoff.changed.wait(state),
            };
        }
    }
}

impl<C> Drop for Seat<'_, C> {
    fn drop(&mut self) {
        if self.counted {
            self.handoff.state.lock().free -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::atomic::{AtomicUsize, Ordering::*};
    use crate::base::prim::{Arc, model, thread};

    const LONG: Duration = Duration::from_secs(3600);

    /// A worker blocks while another thread is started for its core: exactly one of them has it then.
    #[test]
    fn loom_a_core_has_one_owner() {
        model(|| {
            let handoff = Arc::new(Handoff::new());
            let owners = Arc::new(AtomicUsize::new(0));
            assert!(!handoff.offer(0, "core"), "nobody is free yet");
            let started = {
                let (handoff, owners) = (handoff.clone(), owners.clone());
                thread::spawn(move || {
                    if handoff.seat_of_started().claim(LONG).is_some() {
                        owners.fetch_add(1, Relaxed);
                    }
                })
            };
            if handoff.take_back(0).is_some() {
                owners.fetch_add(1, Relaxed);
                handoff.close();
            }
            started.join().unwrap();
            assert_eq!(owners.load(Relaxed), 1);
        });
    }

    /// A thread that was started for one offer serves the next one too: what `offer` counts on comes true.
    #[test]
    fn loom_a_free_thread_takes_each_offer_it_was_counted_for() {
        model(|| {
            let handoff = Arc::new(Handoff::new());
            let free = handoff.clone();
            let waiting = thread::spawn(move || {
                let mut claimed = 0;
                let mut seat = free.seat_of_started();
                while seat.claim(LONG).is_some() {
                    claimed += 1;
                    seat = free.sit_down();
                }
                claimed
            });
            assert!(!handoff.offer(0, "core"));
            let mut mine = usize::from(handoff.take_back(0).is_some());
            if handoff.offer(1, "core") {
                // Somebody is free and will come.
                while handoff.state.lock().offered.len() == 1 {
                    thread::yield_now();
                }
            } else {
                // The free thread was on its way with the first core.
                handoff.seat_of_started();
                mine += usize::from(handoff.take_back(1).is_some());
            }
            handoff.close();
            assert_eq!(waiting.join().unwrap() + mine, 2);
            assert_eq!(handoff.state.lock().free, 0);
        });
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn an_impatient_thread_leaves_and_is_not_counted_on() {
        let handoff = Handoff::new();
        assert_eq!(handoff.sit_down().claim(Duration::ZERO), None);
        assert!(!handoff.offer(0, "core"));
        drop(handoff.seat_of_started());
        assert!(!handoff.offer(1, "other core"));
        handoff.close();
        // Also after the close: a core that was offered is run to its end.
        assert!(handoff.seat_of_started().claim(LONG).is_some());
        assert!(handoff.sit_down().claim(LONG).is_some());
        assert_eq!(handoff.sit_down().claim(LONG), None);
    }
}
