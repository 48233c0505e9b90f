//! Which worker this thread is.
//!
//! The scheduler's own thread-local: a pointer to the worker that runs on this thread, set by [`enter`] for as long
//! as the worker's loop is on the stack. It has neither lazy initialisation nor a destructor, so a look costs two
//! instructions, at any time of the thread's life.
//!
//! Next file to read: `engine/sched/core.rs`.

use std::cell::Cell;
use std::marker::PhantomData;

use super::defer::{self, WakerId};
use super::worker::Worker;
use super::{current::Current, multi::Multi};
use crate::base::coop::{self, Defer};
use crate::base::prim::thread_local;

/// The worker on this thread.
#[derive(Clone, Copy, Debug)]
enum Slot {
    None,
    Multi(*const Worker<Multi>),
    Current(*const Worker<Current>),
}

thread_local! {
    static SLOT: Cell<Slot> = const { Cell::new(Slot::None) };
}

/// A worker as this thread sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Here<'a> {
    /// No worker.
    Nobody,
    /// A worker of a multi-threaded runtime.
    Multi(&'a Worker<Multi>),
    /// The thread that drives a current-thread runtime.
    Current(&'a Worker<Current>),
}

/// Puts the thread's former worker back.
#[derive(Debug)]
struct Restore {
    former: Slot,
    former_defer: Defer,
    former_polled: WakerId,
    not_send: PhantomData<*const ()>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        SLOT.with(|slot| slot.set(self.former));
        coop::set_defer(self.former_defer);
        defer::resume(self.former_polled);
    }
}

fn enter<R>(slot: Slot, f: impl FnOnce() -> R) -> R {
    let _restore = Restore {
        former: SLOT.with(|now| now.replace(slot)),
        former_defer: coop::set_defer(match slot {
            Slot::None => coop::defer_nothing,
            Slot::Multi(_) | Slot::Current(_) => defer::defer,
        }),
        former_polled: defer::suspend(),
        not_send: PhantomData,
    };
    f()
}

/// Runs `f` as this worker.
pub(crate) fn enter_multi<R>(worker: &Worker<Multi>, f: impl FnOnce() -> R) -> R {
    enter(Slot::Multi(worker), f)
}

/// Runs `f` as this worker.
pub(crate) fn enter_current<R>(worker: &Worker<Current>, f: impl FnOnce() -> R) -> R {
    enter(Slot::Current(worker), f)
}

/// Runs `f` as a thread that is no worker.
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    enter(Slot::None, f)
}

/// Runs `f` with the worker that this thread is.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Here<'_>) -> R) -> R {
    let here = match SLOT.with(Cell::get) {
        Slot::None => Here::Nobody,
        Slot::Multi(worker) => {
            // SAFETY: the pointer was made from a reference by `enter_multi`, which is still on this thread's
            // stack: on its way out, unwinding included, it replaces the slot before that reference ends. The
            // borrow given to `f` cannot leave it, for its lifetime is chosen by this function.
            Here::Multi(unsafe { &*worker })
        }
        Slot::Current(worker) => {
            // SAFETY: as above, by `enter_current`.
            Here::Current(unsafe { &*worker })
        }
    };
    f(here)
}
