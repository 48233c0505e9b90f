//! Wakers that wait until the worker has looked at the driver: how `yield_now` lets others go first.
//!
//! Next file to read: `engine/sched/worker.rs`.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::task::Waker;

use crate::base::panic::swallow;

/// The wakers that one worker has put off.
#[derive(Debug, Default)]
pub(crate) struct Defer {
    wakers: RefCell<Vec<Waker>>,
}

impl Defer {
    pub(crate) fn push(&self, waker: &Waker) {
        // A task that yields through several layers asks once for each of them.
        if self.wakers.borrow().last().is_some_and(|last| last.will_wake(waker)) {
            return;
        }
        // Cloned before the borrow: it is foreign code.
        let waker = waker.clone();
        self.wakers.borrow_mut().push(waker);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.borrow().is_empty()
    }

    /// Wakes those that are here now. One that is put off meanwhile waits for the next time.
    pub(crate) fn wake(&self) {
        let mut batch = self.wakers.take();
        for waker in batch.drain(..) {
            swallow(|| waker.wake());
        }
        // Keep the memory, unless somebody has used the list in the meantime.
        let mut wakers = self.wakers.borrow_mut();
        if wakers.is_empty() {
            *wakers = batch;
        }
    }
}
