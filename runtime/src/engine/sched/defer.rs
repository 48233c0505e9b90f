//! Wakers that wait until the worker has looked at the driver: how a task that yields lets others go first, in `yield_now`
//! and where its budget is spent.
//!
//! Only the waker of the task that is being polled may be deferred: its poll returns to the worker, which then looks at
//! the driver and wakes it. Who waits for any other waker is unknown. It may be a combinator in the task, which passes the
//! wake-up on to the task; or another executor whose `block_on` was called inside of the poll, and then the poll does not
//! return before that waker is woken. So such a waker is woken at once, and the worker is asked to look at the driver
//! before it polls anything else.
//!
//! [`POLLED`] tells which waker it is. Each worker sets it with each poll. It is not reset when the poll is over: until the
//! next poll nothing compares equal to it but that task's own waker, and that may be deferred at any time.
//!
//! Next file to read: `engine/sched/worker.rs`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use super::policy::Policy;
use super::tls::{self, Here};
use super::worker::Worker;
use crate::base::panic::swallow;
use crate::base::prim::thread_local;

/// What tells one waker from another. Two that are equal wake the same task; the reverse need not be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WakerId {
    data: *const (),
    vtable: *const RawWakerVTable,
}

impl WakerId {
    /// Equal to no waker's.
    const NONE: WakerId = WakerId { data: ptr::null(), vtable: ptr::null() };

    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { data: waker.data(), vtable: waker.vtable() }
    }
}

thread_local! {
    /// The waker of the task or root future that a scheduler on this thread has polled last.
    static POLLED: Cell<WakerId> = const { Cell::new(WakerId::NONE) };
    /// Whether a waker that could not be deferred has asked for a look at the driver.
    static LOOK_WANTED: Cell<bool> = const { Cell::new(false) };
}

/// A scheduler on this thread begins to poll a future, with this waker.
#[inline]
pub(super) fn poll_begins(waker: &Waker) {
    POLLED.with(|polled| polled.set(WakerId::of(waker)));
}

/// Another scheduler, or none, begins to run on this thread. Returns what [`resume`] takes when it ends.
pub(super) fn suspend() -> WakerId {
    POLLED.with(|polled| polled.replace(WakerId::NONE))
}

/// The scheduler runs again that did before [`suspend`].
pub(super) fn resume(former: WakerId) {
    POLLED.with(|polled| polled.set(former));
}

/// Takes the waker of the running task, to wake it after the worker has looked at the driver. `false`: it is another
/// waker, and the caller wakes it at once. See the [module](self).
pub(super) fn defer(waker: &Waker) -> bool {
    let is_own = POLLED.with(Cell::get) == WakerId::of(waker);
    tls::with(|here| match here {
        Here::Nobody => false,
        Here::Multi(worker) => worker.defer_if(is_own, waker),
        Here::Current(worker) => worker.defer_if(is_own, waker),
    })
}

impl<P: Policy> Worker<P> {
    fn defer_if(&self, is_own: bool, waker: &Waker) -> bool {
        if is_own {
            self.defer.push(waker);
            return true;
        }
        if let Some(core) = self.core.borrow_mut().as_mut()
            // In the middle of a look nothing is polled, and the next turn is to have its polls.
            && !core.asleep
        {
            core.polls_left = 0;
            LOOK_WANTED.with(|wanted| wanted.set(true));
        }
        false
    }
}

/// A scheduler without driver polls its tasks inside of a poll, for somebody who gave it a waker: what a
/// [set](super::set) does. Its tasks' wakers may be deferred if that one may: then it returns to the worker.
pub(super) struct Nested {
    outer: WakerId,
    may_defer: bool,
    look_was_wanted: bool,
}

impl Nested {
    pub(super) fn begin(waker: &Waker) -> Self {
        let outer = POLLED.with(Cell::get);
        let look_was_wanted = LOOK_WANTED.with(|wanted| wanted.replace(false));
        Self { outer, may_defer: outer == WakerId::of(waker), look_was_wanted }
    }

    /// As the function [`poll_begins`].
    pub(super) fn poll_begins(&self, waker: &Waker) {
        let id = if self.may_defer { WakerId::of(waker) } else { WakerId::NONE };
        POLLED.with(|polled| polled.set(id));
    }

    /// Whether the worker is to look at the driver before anything else is polled.
    pub(super) fn is_look_wanted(&self) -> bool {
        LOOK_WANTED.with(Cell::get)
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        POLLED.with(|polled| polled.set(self.outer));
        LOOK_WANTED.with(|wanted| wanted.set(wanted.get() || self.look_was_wanted));
    }
}

/// The wakers that one worker has deferred.
#[derive(Debug, Default)]
pub(crate) struct Defer {
    wakers: RefCell<Vec<Waker>>,
}

impl Defer {
    fn push(&self, waker: &Waker) {
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

    /// Wakes those that are here now. One that is deferred meanwhile waits for the next time.
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
