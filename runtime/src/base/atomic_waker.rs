//! One slot for a waker, between one that waits and any number that wake.
//!
//! The slot is guarded by two bits, and nobody ever waits for them:
//!
//! | state | who may touch the slot |
//! |---|---|
//! | `0` (idle) | nobody: take one of the bits first |
//! | `REGISTERING` | the thread that registers |
//! | `WAKING` | the thread that wakes |
//! | both | the thread that registers; it finds out when it is done, and wakes on the other's behalf |
//!
//! Foreign code (a waker's clone, drop and wake) runs with neither bit held, so a panic in it leaves the slot whole.
//!
//! A waker that sets its flag and then calls [`AtomicWaker::wake`], and a waiter that calls
//! [`AtomicWaker::register`] and then looks at the flag, cannot miss each other: both go through a
//! read-modify-write of the state, and whichever comes second sees what the first wrote before.
//!
//! Next file to read: `../engine/task/mod.rs`.

use std::fmt;
use std::task::Waker;

use super::panic::swallow;
use super::prim::atomic::{
    AtomicU8,
    Ordering::{AcqRel, Acquire},
};
use super::prim::{UnsafeCell, hint};

const REGISTERING: u8 = 1;
const WAKING: u8 = 2;

/// See the [module](self).
pub(crate) struct AtomicWaker {
    state: AtomicU8,
    slot: UnsafeCell<Option<Waker>>,
}

// SAFETY: the slot is touched under the state's bits only, and a `Waker` may be used and dropped on any thread.
unsafe impl Send for AtomicWaker {}
// SAFETY: as above.
unsafe impl Sync for AtomicWaker {}

impl AtomicWaker {
    /// An empty slot.
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(0), slot: UnsafeCell::new(None) }
    }

    /// Makes `waker` the one that the next [`wake`](Self::wake) wakes, in place of an earlier one.
    ///
    /// The waker is woken at once if a wake-up is under way: a spurious one at worst. Meant to be called by one
    /// thread at a time; of two at once, one is woken at once instead of being stored.
    pub(crate) fn register(&self, waker: &Waker) {
        // The waker from the last poll is nearly always the one of this poll: nothing to clone or drop then.
        match self.with_slot(|slot| slot.as_ref().is_some_and(|stored| stored.will_wake(waker))) {
            Some((true, None)) => return,
            Some((false, None)) => {}
            // A wake-up came in between: it has been handed to us.
            Some((_, Some(missed))) => return wake_both(missed, waker),
            None => {
                // Who wakes is about to be done. A model is told that it has to let it.
                hint::spin_loop();
                return waker.wake_by_ref();
            }
        }
        let mut incoming = Some(waker.clone());
        let missed = match self.with_slot(|slot| std::mem::swap(slot, &mut incoming)) {
            // `incoming` is now what was stored before; it is dropped here, outside.
            Some(((), missed)) => {
                // The former waker is another task's: its panic must not end this one, which may have a wake-up to come.
                swallow(|| drop(incoming));
                missed
            }
            None => {
                hint::spin_loop();
                incoming
            }
        };
        if let Some(missed) = missed {
            missed.wake();
        }
    }

    /// Wakes the registered waker, if there is one, and forgets it.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Takes the registered waker. `None` also when one is being registered or taken right now: then it is woken by
    /// the thread that does so.
    pub(crate) fn take(&self) -> Option<Waker> {
        // AcqRel: see the waker that was registered, and publish what the caller wrote before.
        if self.state.fetch_or(WAKING, AcqRel) != 0 {
            return None;
        }
        // SAFETY: the state was idle and `WAKING` is ours.
        let waker = self.slot.with_mut(|slot| unsafe { (*slot).take() });
        // AcqRel: hand the slot on. No `REGISTERING` can have come in between, it only starts from idle.
        self.state.fetch_and(!WAKING, AcqRel);
        waker
    }

    /// Runs `f`, which must not be foreign code, with the slot, and returns also the waker that a wake-up in the
    /// meantime was for. `None` when somebody else has the slot.
    fn with_slot<R>(&self, f: impl FnOnce(&mut Option<Waker>) -> R) -> Option<(R, Option<Waker>)> {
        // Acquire: see what the last holder left in the slot. On failure: what a wake-up published.
        self.state.compare_exchange(0, REGISTERING, Acquire, Acquire).ok()?;
        // SAFETY: the state was idle and `REGISTERING` is ours; `f` does not get hold of the slot again.
        let result = self.slot.with_mut(|slot| f(unsafe { &mut *slot }));
        // AcqRel: hand the slot on; see what a wake-up in between published.
        if self.state.compare_exchange(REGISTERING, 0, AcqRel, Acquire).is_ok() {
            return Some((result, None));
        }
        // `WAKING` came: its thread has left the slot, and the duty, to us.
        // SAFETY: `REGISTERING` is still ours.
        let waker = self.slot.with_mut(|slot| unsafe { (*slot).take() });
        self.state.swap(0, AcqRel);
        Some((result, waker))
    }
}

/// A wake-up that was meant for `stored` came while `current` was about to take its place: both hear of it, once if
/// they are the same.
fn wake_both(stored: Waker, current: &Waker) {
    if stored.will_wake(current) {
        return stored.wake();
    }
    // Not the caller's panic: the other wake-up is still to come.
    swallow(|| stored.wake());
    current.wake_by_ref();
}

impl fmt::Debug for AtomicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtomicWaker")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
    use crate::base::prim::{self, thread};
    use std::sync::Arc;
    use std::task::{RawWaker, RawWakerVTable};

    /// What a test waker counts, and which of its functions panics.
    #[derive(Default)]
    struct Probe {
        clones: AtomicUsize,
        drops: AtomicUsize,
        wakes: AtomicUsize,
        clone_panics: AtomicBool,
        wake_panics: AtomicBool,
        drop_panics: AtomicBool,
    }

    impl Probe {
        fn waker(self: &Arc<Self>) -> Waker {
            self.clones.fetch_add(1, SeqCst);
            // SAFETY: the table below treats the pointer as the leaked `Arc` that it is.
            unsafe { Waker::from_raw(raw(self.clone())) }
        }

        fn assert_balanced(&self) {
            assert_eq!(self.clones.load(SeqCst), self.drops.load(SeqCst), "wakers made and dropped");
        }
    }

    fn raw(probe: Arc<Probe>) -> RawWaker {
        fn with(data: *const ()) -> std::mem::ManuallyDrop<Arc<Probe>> {
            // SAFETY: made by `raw`; the count is given back by `drop` alone.
            std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(data.cast()) })
        }
        fn clone(data: *const ()) -> RawWaker {
            let probe = with(data);
            assert!(!probe.clone_panics.load(SeqCst), "clone");
            probe.clones.fetch_add(1, SeqCst);
            raw(Arc::clone(&probe))
        }
        fn wake(data: *const ()) {
            let probe = std::mem::ManuallyDrop::into_inner(with(data));
            probe.drops.fetch_add(1, SeqCst);
            wake_by_ref(Arc::as_ptr(&probe).cast());
        }
        fn wake_by_ref(data: *const ()) {
            let probe = with(data);
            probe.wakes.fetch_add(1, SeqCst);
            assert!(!probe.wake_panics.load(SeqCst), "wake");
        }
        fn drop(data: *const ()) {
            let probe = std::mem::ManuallyDrop::into_inner(with(data));
            probe.drops.fetch_add(1, SeqCst);
            assert!(!probe.drop_panics.load(SeqCst), "drop");
        }
        static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);
        RawWaker::new(Arc::into_raw(probe).cast(), &TABLE)
    }

    #[test]
    fn loom_a_flag_and_a_registration_do_not_miss_each_other() {
        prim::model(|| {
            let shared = prim::Arc::new((AtomicWaker::new(), AtomicBool::new(false)));
            let probe = Arc::new(Probe::default());
            let waking = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.store(true, Relaxed);
                    shared.0.wake();
                })
            };
            let waker = probe.waker();
            shared.0.register(&waker);
            let seen = shared.1.load(Relaxed);
            waking.join().unwrap();
            assert!(seen || probe.wakes.load(SeqCst) > 0, "a lost wake-up");
            drop((shared, waker));
            probe.assert_balanced();
        });
    }

    #[test]
    fn loom_a_second_registration_replaces_the_first() {
        prim::model(|| {
            let shared = prim::Arc::new((AtomicWaker::new(), AtomicBool::new(false)));
            let (old, new) = (Arc::new(Probe::default()), Arc::new(Probe::default()));
            shared.0.register(&old.waker());
            let waking = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.store(true, Relaxed);
                    shared.0.wake();
                })
            };
            shared.0.register(&new.waker());
            let seen = shared.1.load(Relaxed);
            waking.join().unwrap();
            assert!(seen || new.wakes.load(SeqCst) > 0, "a lost wake-up");
            drop(shared);
            old.assert_balanced();
            new.assert_balanced();
        });
    }

    #[test]
    fn loom_two_that_wake_take_the_waker_once() {
        prim::model(|| {
            let slot = prim::Arc::new(AtomicWaker::new());
            let probe = Arc::new(Probe::default());
            slot.register(&probe.waker());
            let other = {
                let slot = slot.clone();
                thread::spawn(move || slot.wake())
            };
            slot.wake();
            other.join().unwrap();
            assert_eq!(probe.wakes.load(SeqCst), 1);
            probe.assert_balanced();
        });
    }

    #[cfg(not(rt_loom))]
    mod panics {
        use super::*;
        use std::panic::{AssertUnwindSafe, catch_unwind};

        #[test]
        fn a_panic_in_clone_leaves_the_old_waker() {
            let slot = AtomicWaker::new();
            let (old, new) = (Arc::new(Probe::default()), Arc::new(Probe::default()));
            slot.register(&old.waker());
            let waker = new.waker();
            new.clone_panics.store(true, SeqCst);
            catch_unwind(AssertUnwindSafe(|| slot.register(&waker))).unwrap_err();
            slot.wake();
            assert_eq!(old.wakes.load(SeqCst), 1);
            new.clone_panics.store(false, SeqCst);
            slot.register(&waker);
            slot.wake();
            assert_eq!(new.wakes.load(SeqCst), 1);
            drop(waker);
            old.assert_balanced();
            new.assert_balanced();
        }

        #[test]
        fn a_panic_in_drop_leaves_the_new_waker_and_its_task() {
            let slot = AtomicWaker::new();
            let (old, new) = (Arc::new(Probe::default()), Arc::new(Probe::default()));
            slot.register(&old.waker());
            old.drop_panics.store(true, SeqCst);
            let waker = new.waker();
            slot.register(&waker);
            slot.wake();
            assert_eq!((old.wakes.load(SeqCst), new.wakes.load(SeqCst)), (0, 1));
            drop(waker);
            old.assert_balanced();
            new.assert_balanced();
        }

        #[test]
        fn a_panic_in_one_of_two_wakes_costs_the_other_nothing() {
            for stored_panics in [true, false] {
                let (stored, current) = (Arc::new(Probe::default()), Arc::new(Probe::default()));
                let panics = if stored_panics { &stored } else { &current };
                panics.wake_panics.store(true, SeqCst);
                let waker = current.waker();
                let result = catch_unwind(AssertUnwindSafe(|| wake_both(stored.waker(), &waker)));
                assert_eq!(result.is_err(), !stored_panics, "the caller's own");
                assert_eq!((stored.wakes.load(SeqCst), current.wakes.load(SeqCst)), (1, 1));
                drop(waker);
                stored.assert_balanced();
                current.assert_balanced();
            }
        }

        #[test]
        fn the_same_waker_is_not_cloned_again() {
            let slot = AtomicWaker::new();
            let probe = Arc::new(Probe::default());
            let waker = probe.waker();
            slot.register(&waker);
            slot.register(&waker);
            assert_eq!(probe.clones.load(SeqCst), 2);
            assert!(slot.take().is_some_and(|taken| taken.will_wake(&waker)));
            assert!(slot.take().is_none());
        }
    }
}
