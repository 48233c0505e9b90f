//! Where the core of a current-thread runtime is while nobody drives it, and the threads in `block_on` that wait for it.
//!
//! | a thread | under the lock | afterwards |
//! |---|---|---|
//! | wants the core and finds it | takes it, and leaves the list, if it is in it | drives |
//! | has been unparked and does not find it | leaves the list, if it is in it | polls its own future |
//! | is about to park and does not find it | enters the list | parks |
//! | gives the core back | takes the first out of the list | unparks that one: it is *notified* |
//! | ends between its park and its next look for the core | leaves the list; if it had been notified, takes the next one out | unparks that one |
//!
//! So whenever the core is here and a thread waits for it, a notified thread is on its way that will look for the core, or
//! notify the next one. Only threads that park are in the list, so the notified one is never in a poll that may last.
//!
//! Next file to read: `engine/task/mod.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use crate::base::park::{Parker, Unparker};
use crate::base::prim::Mutex;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct CoreSlot<C> {
    state: Mutex<State<C>>,
}

#[derive(Debug)]
struct State<C> {
    core: Option<C>,
    waiting: VecDeque<Unparker>,
}

/// A thread in `block_on` that wants the core. When it is dropped, also by a panic, the thread waits no longer.
#[derive(Debug)]
pub(super) struct Waiter<'a, C> {
    slot: &'a CoreSlot<C>,
    parker: &'a Parker,
    /// Whether the thread has entered the list and has not looked for the core since.
    waits: bool,
}

impl<C> CoreSlot<C> {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { core: None, waiting: VecDeque::new() }) }
    }

    /// Takes the core, if nobody drives.
    pub(super) fn take(&self) -> Option<C> {
        self.state.lock().core.take()
    }

    /// Looks at the core, if nobody drives. Under the lock, so `f` must not be foreign code.
    pub(super) fn look<R>(&self, f: impl FnOnce(&C) -> R) -> Option<R> {
        self.state.lock().core.as_ref().map(f)
    }

    /// Puts the core back, and notifies a thread that waits for it. `None`: it was lost to a panic.
    pub(super) fn put(&self, core: Option<C>) {
        let next = {
            let mut state = self.state.lock();
            state.core = core;
            state.next()
        };
        if let Some(next) = next {
            next.unpark();
        }
    }

    /// A thread that may have to wait for the core, and parks there.
    pub(super) fn waiter<'a>(&'a self, parker: &'a Parker) -> Waiter<'a, C> {
        Waiter { slot: self, parker, waits: false }
    }

    /// Threads that wait for the core.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

impl<C> State<C> {
    /// Whom to notify of the core.
    fn next(&mut self) -> Option<Unparker> {
        if self.core.is_some() { self.waiting.pop_front() } else { None }
    }

    /// Takes a thread out of the list. Returns whether it was in it; else it has been notified.
    fn leave(&mut self, parker: &Parker) -> bool {
        let at = self.waiting.iter().position(|thread| thread.is_of(parker));
        at.and_then(|at| self.waiting.remove(at)).is_some()
    }
}

impl<C> Waiter<'_, C> {
    /// Takes the core, if nobody drives. The thread waits no longer.
    pub(super) fn take(&mut self) -> Option<C> {
        let mut state = self.slot.state.lock();
        if self.waits {
            self.waits = false;
            state.leave(self.parker);
        }
        state.core.take()
    }

    /// As [`take`](Self::take), for a thread that is about to park: if somebody drives, it is unparked when it may try
    /// again.
    pub(super) fn take_or_wait(&mut self) -> Option<C> {
        debug_assert!(!self.waits, "it has not looked for the core since its last park");
        let mut state = self.slot.state.lock();
        let core = state.core.take();
        if core.is_none() {
            state.waiting.push_back(self.parker.unparker());
            self.waits = true;
        }
        core
    }
}

impl<C> Drop for Waiter<'_, C> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        let next = {
            let mut state = self.slot.state.lock();
            let notified = !state.leave(self.parker);
            if notified { state.next() } else { None }
        };
        if let Some(next) = next {
            next.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::atomic::{AtomicBool, Ordering::*};
    use crate::base::prim::{Arc, model, thread};

    /// What threads in `block_on` share: the core, and whether the futures of some of them are ready.
    struct Shared {
        slot: CoreSlot<()>,
        ready: AtomicBool,
    }

    /// When the future of a `block_on` is ready.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Ready {
        /// When its thread drives.
        Driving,
        /// When the flag says so.
        Flagged,
        /// As that, but its thread does not even look for the core before it leaves, as after a panic.
        FlaggedInHaste,
    }

    impl Shared {
        fn driven() -> Arc<Self> {
            Arc::new(Self { slot: CoreSlot::new(), ready: AtomicBool::new(false) })
        }

        /// What `block_on` does. Returns whether the thread has driven.
        fn block_on(&self, parker: &Parker, ready: Ready) -> bool {
            let is_ready = || ready != Ready::Driving && self.ready.load(Acquire);
            let mut waiter = self.slot.waiter(parker);
            loop {
                if ready == Ready::FlaggedInHaste && is_ready() {
                    return false;
                }
                let mut core = waiter.take();
                if core.is_none() {
                    if is_ready() {
                        return false;
                    }
                    core = waiter.take_or_wait();
                }
                if core.is_some() {
                    self.slot.put(core);
                    return true;
                }
                parker.park();
            }
        }
    }

    /// Two threads wait for one that drives, and their futures are ready only when they drive: else this never ends.
    #[test]
    fn loom_each_thread_that_waits_gets_to_drive() {
        model(|| {
            let shared = Shared::driven();
            let others = [(); 2].map(|()| {
                let shared = shared.clone();
                thread::spawn(move || shared.block_on(&Parker::new(), Ready::Driving))
            });
            shared.slot.put(Some(()));
            for other in others {
                assert!(other.join().unwrap());
            }
            assert_eq!((shared.slot.waiting(), shared.slot.take()), (0, Some(())));
        });
    }

    /// A thread is notified of the core just when its own future is ready: the next one hears of the core, or this never
    /// ends.
    fn a_notified_thread_leaves(ready: Ready) {
        model(move || {
            let shared = Shared::driven();
            let parker = Parker::new();
            let unparker = parker.unparker();
            let theirs = shared.clone();
            let leaves = thread::spawn(move || theirs.block_on(&parker, ready));
            let theirs = shared.clone();
            let drives = thread::spawn(move || theirs.block_on(&Parker::new(), Ready::Driving));
            shared.ready.store(true, Release);
            unparker.unpark();
            shared.slot.put(Some(()));
            leaves.join().unwrap();
            assert!(drives.join().unwrap());
            assert_eq!((shared.slot.waiting(), shared.slot.take()), (0, Some(())));
        });
    }

    #[test]
    fn loom_a_notified_thread_whose_future_is_ready_does_not_keep_the_core_from_the_next() {
        a_notified_thread_leaves(Ready::Flagged);
    }

    #[test]
    fn loom_a_notified_thread_that_leaves_without_a_look_notifies_the_next() {
        a_notified_thread_leaves(Ready::FlaggedInHaste);
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn a_thread_is_in_the_list_from_its_park_to_its_next_look() {
        let slot = CoreSlot::<()>::new();
        let (parker, other) = (Parker::new(), Parker::new());
        let notified = |parker: &Parker| parker.park_timeout(Some(std::time::Duration::ZERO));
        let mut first = slot.waiter(&parker);
        assert_eq!((first.take(), slot.waiting()), (None, 0));
        assert_eq!((first.take_or_wait(), slot.waiting()), (None, 1));
        assert_eq!((first.take(), slot.waiting()), (None, 0));
        assert_eq!(first.take_or_wait(), None);
        let mut second = slot.waiter(&other);
        assert_eq!((second.take_or_wait(), slot.waiting()), (None, 2));
        drop(first);
        assert_eq!(slot.waiting(), 1);
        slot.put(Some(()));
        assert!(!notified(&parker) && notified(&other));
        assert_eq!((second.take(), slot.waiting()), (Some(()), 0));
        drop(second);
        slot.put(Some(()));
        assert_eq!(slot.waiter(&parker).take_or_wait(), Some(()));
    }
}
