//! A batch of wakers: collected under a lock, woken after it has been given up.
//!
//! The usual round: lock, [`push`](WakeList::push) while [`can_push`](WakeList::can_push), unlock,
//! [`wake_all`](WakeList::wake_all), and again if there are more.
//!
//! Next file to read: `atomic_waker.rs`.

use std::fmt;
use std::mem::MaybeUninit;
use std::task::Waker;

use super::panic::swallow;

/// How many wakers are woken with one trip through the lock. Few in a model, so that a second trip is within its reach.
const CAPACITY: usize = if cfg!(rt_loom) { 2 } else { 32 };

/// Up to 32 wakers, without an allocation.
pub(crate) struct WakeList {
    /// Those from `start` to `end` are initialised.
    wakers: [MaybeUninit<Waker>; CAPACITY],
    start: usize,
    end: usize,
}

impl WakeList {
    /// An empty batch.
    pub(crate) const fn new() -> Self {
        Self { wakers: [const { MaybeUninit::uninit() }; CAPACITY], start: 0, end: 0 }
    }

    /// Whether there is room for one more.
    pub(crate) fn can_push(&self) -> bool {
        self.end < CAPACITY
    }

    /// Adds a waker.
    ///
    /// # Panics
    /// When the batch is full.
    pub(crate) fn push(&mut self, waker: Waker) {
        self.wakers[self.end].write(waker);
        self.end += 1;
    }

    /// Adds a waker if there is one. The batch must not be full.
    pub(crate) fn extend(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.push(waker);
        }
    }

    /// Wakes in the order of pushing, and leaves the batch empty. A waker that panics is a bug of whoever made it: it
    /// takes neither the others' wake-ups with it nor the thread, which is a driver's more often than not.
    pub(crate) fn wake_all(&mut self) {
        while let Some(waker) = self.take() {
            swallow(|| waker.wake());
        }
    }

    /// Takes the oldest out. An empty batch starts anew.
    fn take(&mut self) -> Option<Waker> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            return None;
        }
        let at = self.start;
        self.start += 1;
        // SAFETY: `at` was inside the initialised range, and is now outside: this read is the only one.
        Some(unsafe { self.wakers[at].assume_init_read() })
    }
}

impl Drop for WakeList {
    fn drop(&mut self) {
        while let Some(waker) = self.take() {
            swallow(|| drop(waker));
        }
    }
}

impl fmt::Debug for WakeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeList").field("len", &(self.end - self.start)).finish()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    struct Named {
        name: usize,
        panics: bool,
        woken: Arc<Mutex<Vec<usize>>>,
        dropped: Arc<AtomicUsize>,
    }

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.woken.lock().unwrap().push(self.name);
            assert!(!self.panics, "waker {}", self.name);
        }
    }

    impl Drop for Named {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, SeqCst);
        }
    }

    #[derive(Default)]
    struct Log {
        woken: Arc<Mutex<Vec<usize>>>,
        dropped: Arc<AtomicUsize>,
    }

    impl Log {
        fn waker(&self, name: usize, panics: bool) -> Waker {
            let (woken, dropped) = (self.woken.clone(), self.dropped.clone());
            Waker::from(Arc::new(Named { name, panics, woken, dropped }))
        }
    }

    #[test]
    fn a_full_batch_wakes_in_order_and_can_be_used_again() {
        let log = Log::default();
        let mut list = WakeList::new();
        for round in 0..2 {
            for name in 0..CAPACITY {
                assert!(list.can_push(), "round {round}");
                list.push(log.waker(name, false));
            }
            assert!(!list.can_push());
            list.wake_all();
        }
        let twice: Vec<usize> = (0..CAPACITY).chain(0..CAPACITY).collect();
        assert_eq!(*log.woken.lock().unwrap(), twice);
        assert_eq!(log.dropped.load(SeqCst), 2 * CAPACITY);
    }

    #[test]
    fn a_panicking_waker_costs_the_others_nothing() {
        let log = Log::default();
        let mut list = WakeList::new();
        for name in 0..5 {
            list.push(log.waker(name, name == 1 || name == 3));
        }
        list.wake_all();
        assert_eq!(*log.woken.lock().unwrap(), [0, 1, 2, 3, 4]);
        drop(list);
        assert_eq!(log.dropped.load(SeqCst), 5);
    }

    #[test]
    fn a_dropped_batch_drops_its_wakers_and_wakes_none() {
        let log = Log::default();
        let mut list = WakeList::new();
        list.push(log.waker(0, false));
        list.push(log.waker(1, false));
        drop(list);
        assert_eq!(log.dropped.load(SeqCst), 2);
        assert!(log.woken.lock().unwrap().is_empty());
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn one_too_many() {
        let log = Log::default();
        let mut list = WakeList::new();
        for name in 0..=CAPACITY {
            list.push(log.waker(name, false));
        }
    }
}
