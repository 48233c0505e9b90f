//! Cores whose threads are about to block, and the threads that take them over.
//!
//! A worker that blocks offers its core here. Whichever comes first has it: a *free* thread, that is one that waits
//! here because it has lost its own core, or one that was started for an offer; or the worker itself, when it has
//! done with blocking. A worker that comes too late ends its task without a core, and is then free itself.
//!
//! There is a free thread for every offer, or one is started: so says the one count, which changes together with the
//! offers under one lock. Only where the operating system gives no thread, an offer may be left without: its worker takes
//! it back, a thread that becomes free takes it, or the next offer starts a thread for it, too.
//!
//! Next file to read: `engine/sched/tls.rs`.
#![forbid(unsafe_code)]

use std::io;
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

    /// Offers a core, and calls `start` once for each thread that is missing: one that it starts counts as free from the
    /// beginning.
    ///
    /// # Errors
    ///
    /// When `start` fails. The core is offered nevertheless, until it is [taken back](Self::take_back).
    pub(crate) fn offer(
        &self,
        index: usize,
        core: C,
        mut start: impl FnMut() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut missing = Missing { handoff: self, threads: 0 };
        {
            let mut state = self.state.lock();
            state.offered.push((index, core));
            // One, unless an earlier start has failed.
            missing.threads = state.offered.len().saturating_sub(state.free);
            state.free += missing.threads;
        }
        if missing.threads == 0 {
            self.changed.notify_one();
        }
        while missing.threads > 0 {
            start()?;
            missing.threads -= 1;
        }
        Ok(())
    }

    /// Takes an offered core back, if nobody has taken it yet.
    pub(crate) fn take_back(&self, index: usize) -> Option<C> {
        let mut state = self.state.lock();
        let place = state.offered.iter().position(|offer| offer.0 == index)?;
        Some(state.offered.swap_remove(place).1)
    }

    /// The seat of a thread that was started for an offer.
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

/// Threads that count as free and have not been started. When they go, also by a panic, they count no more.
struct Missing<'a, C> {
    handoff: &'a Handoff<C>,
    threads: usize,
}

impl<C> Drop for Missing<'_, C> {
    fn drop(&mut self) {
        if self.threads > 0 {
            self.handoff.state.lock().free -= self.threads;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::atomic::{AtomicUsize, Ordering::*};
    use crate::base::prim::{Arc, model, thread};

    const LONG: Duration = Duration::from_secs(3600);

    fn nobody_starts() -> io::Result<()> {
        panic!("somebody is free")
    }

    fn cannot_start() -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// A worker blocks while another thread is started for its core: exactly one of them has it then.
    #[test]
    fn loom_a_core_has_one_owner() {
        model(|| {
            let handoff = Arc::new(Handoff::new());
            let owners = Arc::new(AtomicUsize::new(0));
            let mut started = None;
            let start = || {
                let (handoff, owners) = (handoff.clone(), owners.clone());
                started = Some(thread::spawn(move || {
                    if handoff.seat_of_started().claim(LONG).is_some() {
                        owners.fetch_add(1, Relaxed);
                    }
                }));
                Ok(())
            };
            handoff.offer(0, "core", start).unwrap();
            if handoff.take_back(0).is_some() {
                owners.fetch_add(1, Relaxed);
                handoff.close();
            }
            started.expect("nobody was free").join().unwrap();
            assert_eq!(owners.load(Relaxed), 1);
        });
    }

    /// A thread that was started for one offer serves the next one too: what `offer` counts on comes true.
    #[test]
    fn loom_a_free_thread_takes_each_offer_it_was_counted_for() {
        model(|| {
            let handoff = Arc::new(Handoff::new());
            let mut waiting = None;
            let start = || {
                let free = handoff.clone();
                waiting = Some(thread::spawn(move || {
                    let mut claimed = 0;
                    let mut seat = free.seat_of_started();
                    while seat.claim(LONG).is_some() {
                        claimed += 1;
                        seat = free.sit_down();
                    }
                    claimed
                }));
                Ok(())
            };
            handoff.offer(0, "core", start).unwrap();
            let mut mine = usize::from(handoff.take_back(0).is_some());
            if handoff.offer(1, "core", cannot_start).is_ok() {
                // Somebody is free and will come.
                while handoff.state.lock().offered.len() == 1 {
                    thread::yield_now();
                }
            } else {
                // The free thread was on its way with the first core.
                mine += usize::from(handoff.take_back(1).is_some());
            }
            handoff.close();
            assert_eq!(waiting.expect("nobody was free").join().unwrap() + mine, 2);
            assert_eq!(handoff.state.lock().free, 0);
        });
    }

    /// The thread that was to take one core takes another one, for which none could be started: the next offer brings a
    /// thread for the one that is left.
    #[test]
    fn loom_an_offer_that_was_left_without_a_thread_gets_one_with_the_next() {
        model(|| {
            let handoff = Arc::new(Handoff::new());
            let mut started = Vec::new();
            let mut start = || {
                let handoff = handoff.clone();
                started.push(thread::spawn(move || handoff.seat_of_started().claim(LONG).is_some()));
                Ok(())
            };
            handoff.offer(0, "core", &mut start).unwrap();
            let taken_back = match handoff.offer(1, "core", cannot_start) {
                Ok(()) => panic!("only one was started"),
                Err(_) => handoff.take_back(1).is_some(),
            };
            handoff.offer(2, "core", &mut start).unwrap();
            // In a model this ends only when each core has its thread.
            while !handoff.state.lock().offered.is_empty() {
                thread::yield_now();
            }
            handoff.close();
            let claimed =
                started.into_iter().filter_map(|thread| thread.join().unwrap().then_some(())).count();
            assert_eq!(claimed + usize::from(taken_back), 3);
            assert_eq!(handoff.state.lock().free, 0);
        });
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn an_impatient_thread_leaves_and_is_not_counted_on() {
        let handoff = Handoff::new();
        assert_eq!(handoff.sit_down().claim(Duration::ZERO), None);
        assert!(handoff.offer(0, "core", cannot_start).is_err(), "nobody is free");
        let mut starts = 0;
        let mut start = || {
            starts += 1;
            Ok(())
        };
        handoff.offer(1, "other core", &mut start).unwrap();
        handoff.offer(2, "third core", &mut start).unwrap();
        assert_eq!(starts, 3, "one for each offer");
        handoff.close();
        // Also after the close: a core that was offered is run to its end.
        for _ in 0..3 {
            assert!(handoff.seat_of_started().claim(LONG).is_some());
        }
        assert_eq!(handoff.sit_down().claim(LONG), None);
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn a_start_that_panics_leaves_the_count_in_order() {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        let handoff = Handoff::new();
        let panics = || -> io::Result<()> { panic!("start") };
        catch_unwind(AssertUnwindSafe(|| handoff.offer(0, "core", panics))).unwrap_err();
        assert_eq!(handoff.state.lock().free, 0);
        assert_eq!(handoff.take_back(0), Some("core"));
        let _seat = handoff.sit_down();
        handoff.offer(0, "core", nobody_starts).unwrap();
    }
}
