//! The one allocation of a task, and what is done to the part of it that only the task's own type can touch.
//!
//! ```text
//!            Header          JoinSlot    scheduler   Stage
//!  +-----------------------+-----------+-----------+------------------------------+
//!  | state, table, since,  | waker of  | S         | the future, or its output,   |
//!  | meta, owner, links    | the join  |           | or nothing                   |
//!  +-----------------------+-----------+-----------+------------------------------+
//!   known to all references (Front)     known to    known to the functions of
//!                                       the queues  the table
//! ```
//!
//! Next file to read: `vtable.rs`.

use std::any::Any;
use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use super::error::JoinError;
use super::id::Current;
use super::meta::Meta;
use super::state::State;
use super::vtable::{Vtable, table};
use super::{Owner, Schedule};
use crate::base::list::{Link, Links};
use crate::base::panic::swallow;
use crate::base::prim::UnsafeCell;

/// What every reference to a task knows of it. What each poll touches comes first.
#[repr(C)]
pub(super) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    /// Since when the task has been ready, or else since when it was polled last, in nanoseconds of its scheduler's
    /// time; 0 is not known. For reports: it orders nothing, and so it is not the doorway's.
    pub(super) since: AtomicU64,
    pub(super) meta: Meta,
    pub(super) owner: Owner,
    /// Guarded by the lock of the owner's shard.
    links: Links,
}

// SAFETY: the offset is that of the field.
unsafe impl Link for Header {
    type Node = Header;
    const OFFSET: usize = std::mem::offset_of!(Header, links);
}

/// The part whose layout does not depend on the task's types.
#[repr(C)]
pub(super) struct Front {
    pub(super) header: Header,
    pub(super) join: JoinSlot,
}

/// The part that a queue of tasks of one scheduler type knows.
#[repr(C)]
pub(super) struct Body<S> {
    front: Front,
    pub(super) scheduler: S,
}

/// All of it.
#[repr(C)]
pub(super) struct Cell<F: Future, S> {
    body: Body<S>,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Future(F),
    Output(Result<F::Output, JoinError>),
    Gone,
}

/// Where the join handle leaves its waker. Holds one exactly when the state word says `JOIN_WAKER`.
pub(super) struct JoinSlot(UnsafeCell<MaybeUninit<Waker>>);

impl JoinSlot {
    /// # Safety
    /// The slot is the caller's, and empty.
    pub(super) unsafe fn put(&self, waker: Waker) {
        // SAFETY: nobody else looks at it, says the caller.
        self.0.with_mut(|slot| unsafe { (*slot).write(waker) });
    }

    /// Copies the waker out. The slot counts as empty from then on.
    ///
    /// # Safety
    /// The slot is full, and the waker in it is the caller's to take. Others may [`compare`](Self::compare) meanwhile.
    pub(super) unsafe fn take(&self) -> Waker {
        // SAFETY: full, says the caller.
        let slot = self.0.with(|slot| unsafe { slot.read() });
        // SAFETY: as above.
        unsafe { slot.assume_init() }
    }

    /// Whether the waker in the slot does what `waker` does.
    ///
    /// # Safety
    /// The slot has been filled and has not been written to since. What was in it may have been taken, even used up,
    /// meanwhile: two addresses are compared, and neither is followed.
    pub(super) unsafe fn compare(&self, waker: &Waker) -> bool {
        // SAFETY: filled, says the caller.
        self.0.with(|slot| unsafe { &*slot.cast::<Waker>() }.will_wake(waker))
    }
}

/// What a poll came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Polled {
    /// The future is to be polled again.
    Pending,
    /// The future has been dropped and its output is in its place.
    Ready,
    /// The future panicked in its poll or its drop; the error is in its place.
    Panicked,
}

/// Allocates a task, with the references that [`State::new`] counts. They are the caller's.
#[inline]
pub(super) fn allocate<F: Future + 'static, S: Schedule>(
    future: F,
    scheduler: S,
    meta: Meta,
    owner: Owner,
) -> NonNull<Header> {
    let header = Header {
        state: State::new(owner.is_some()),
        vtable: table::<F, S>(),
        links: Links::new(),
        owner,
        meta,
        since: AtomicU64::new(0),
    };
    let join = JoinSlot(UnsafeCell::new(MaybeUninit::uninit()));
    let body = Body { front: Front { header, join }, scheduler };
    // In this order the task is built where it stays, and not built elsewhere and copied.
    let place = Box::new_uninit();
    let cell = Box::write(place, Cell { body, stage: UnsafeCell::new(Stage::Future(future)) });
    NonNull::from(Box::leak(cell)).cast()
}

/// Polls the future. Afterwards it is there, or its output or error is.
///
/// # Safety
/// The task is a `Cell<F, S>`, running by the caller's leave, and still has its future.
pub(super) unsafe fn poll<F: Future, S>(task: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
    // SAFETY: of this type and alive, says the caller.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    let id = cell.body.front.header.meta.id;
    let _current = Current::set(id);
    cell.stage.with_mut(|stage| {
        // SAFETY: who runs the task has its stage alone.
        let stage = unsafe { &mut *stage };
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let unwinding = DropFuture(stage);
            let Stage::Future(future) = &mut *unwinding.0 else {
                unreachable!("a running task has its future")
            };
            // SAFETY: the cell is on the heap until the future has been dropped in it.
            let poll = unsafe { Pin::new_unchecked(future) }.poll(cx);
            std::mem::forget(unwinding);
            poll
        }));
        match polled {
            Ok(Poll::Pending) => Polled::Pending,
            Ok(Poll::Ready(output)) => match drop_future(stage) {
                Ok(()) => {
                    *stage = Stage::Output(Ok(output));
                    Polled::Ready
                }
                Err(payload) => {
                    *stage = Stage::Output(Err(JoinError::panic(id, payload)));
                    swallow(|| drop(output));
                    Polled::Panicked
                }
            },
            Err(payload) => {
                *stage = Stage::Output(Err(JoinError::panic(id, payload)));
                Polled::Panicked
            }
        }
    })
}

/// Drops the future when its poll unwinds. That is part of the unwinding, as for the values of any function that panics:
/// a lock that the future holds is poisoned, and whatever asks `thread::panicking` in its drop is told so.
struct DropFuture<'a, F: Future>(&'a mut Stage<F>);

impl<F: Future> Drop for DropFuture<'_, F> {
    fn drop(&mut self) {
        // The poll's panic is the task's error. A second one would end the process if it left this.
        swallow(|| *self.0 = Stage::Gone);
    }
}

/// Drops the future and leaves an error in its place.
///
/// # Safety
/// As [`poll`].
pub(super) unsafe fn cancel<F: Future, S>(task: NonNull<Header>) {
    // SAFETY: of this type and alive, says the caller.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    let id = cell.body.front.header.meta.id;
    let _current = Current::set(id);
    cell.stage.with_mut(|stage| {
        // SAFETY: who runs the task has its stage alone.
        let stage = unsafe { &mut *stage };
        *stage = Stage::Output(Err(match drop_future(stage) {
            Ok(()) => JoinError::cancelled(id),
            Err(payload) => JoinError::panic(id, payload),
        }));
    });
}

/// Drops what is in the stage where it is. It counts as gone also when its drop panics.
fn drop_future<F: Future>(stage: &mut Stage<F>) -> Result<(), Box<dyn Any + Send>> {
    // An assignment whose drop of the old value unwinds has nevertheless written the new one.
    catch_unwind(AssertUnwindSafe(|| *stage = Stage::Gone))
}

/// Moves the output to `*output`, a `MaybeUninit<Result<F::Output, JoinError>>`.
///
/// # Safety
/// The task is a `Cell<F, S>` and complete, the caller is its join handle, and `output` points to such a place.
pub(super) unsafe fn take_output<F: Future, S>(task: NonNull<Header>, output: *mut ()) {
    // SAFETY: of this type and alive, says the caller.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    // SAFETY: a complete task's stage is its join handle's alone.
    let stage = cell.stage.with_mut(|stage| std::mem::replace(unsafe { &mut *stage }, Stage::Gone));
    let Stage::Output(taken) = stage else {
        panic!("JoinHandle polled after completion: it gives the task's output once")
    };
    // SAFETY: such a place, says the caller.
    unsafe { output.cast::<Result<F::Output, JoinError>>().write(taken) };
}

/// Drops the output, if it is still there.
///
/// # Safety
/// The task is a `Cell<F, S>` without a future, and the caller either runs it, and nobody can join it, or is the join
/// handle of the complete task.
pub(super) unsafe fn drop_output<F: Future, S>(task: NonNull<Header>) {
    // SAFETY: of this type and alive, says the caller.
    let cell = unsafe { task.cast::<Cell<F, S>>().as_ref() };
    let _current = Current::set(cell.body.front.header.meta.id);
    // SAFETY: the caller has the stage alone.
    let stage = cell.stage.with_mut(|stage| std::mem::replace(unsafe { &mut *stage }, Stage::Gone));
    swallow(|| drop(stage));
}

/// Frees the task, with all that is left in it.
///
/// # Safety
/// The task is a `Cell<F, S>`, and the caller has had its last reference.
pub(super) unsafe fn dealloc<F: Future, S>(task: NonNull<Header>) {
    // SAFETY: made by `allocate` from a box of this type; nobody else knows it any more.
    let cell = unsafe { Box::from_raw(task.cast::<Cell<F, S>>().as_ptr()) };
    let _current = Current::set(cell.body.front.header.meta.id);
    // Emptied first, and through the doorway, so that a model sees that whoever had the stage is done with it.
    cell.stage.with_mut(|stage| {
        // SAFETY: as above.
        let stage = unsafe { &mut *stage };
        swallow(|| *stage = Stage::Gone);
    });
    swallow(|| drop(cell));
}
