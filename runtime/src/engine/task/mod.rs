//! Tasks: a future, its state word and its references, in one allocation.
//!
//! This module knows no scheduler. What it needs of one is [`Schedule`]; what a scheduler needs of it is
//! [`OwnedTasks`], which makes tasks, and [`Notified`], which runs them.
//!
//! # The protocol
//!
//! Everything that threads have to agree on is in one word, [`state::State`]:
//!
//! | flag | bit | says |
//! |---|---|---|
//! | `RUNNING` | 0 | one thread polls or cancels the task |
//! | `COMPLETE` | 1 | the future has been dropped, for ever |
//! | `NOTIFIED` | 2 | a [`Notified`] exists, or `RUNNING` and one is to come of this run |
//! | `CANCELLED` | 3 | the task shall end without an output: the next to have the future drops it |
//! | `JOIN_INTEREST` | 4 | the [`JoinHandle`] exists |
//! | `JOIN_WAKER` | 5 | the join slot holds a waker |
//!
//! The count of references is in the bits from 6 up. References are had by: the owner's list while the task is
//! linked, the notification (which becomes the running task), the join handle, each abort handle and each waker.
//! Neither `RUNNING` nor `COMPLETE` is called *idle*.
//!
//! ```text
//!                 start_poll                    complete
//!      +------+ ------------> +---------+ --------------------> +----------+
//!      | idle |               | RUNNING |                       | COMPLETE |
//!      +------+ <------------ +---------+ <-- start_shutdown -- +----------+
//!                 finish_poll                  (from idle, no way back from COMPLETE)
//! ```
//!
//! ## Who may touch what
//!
//! | field | in which state | who |
//! |---|---|---|
//! | future | `RUNNING` | the thread that set it. Nobody else ever, so no other thread drops it |
//! | output | `RUNNING`, future gone | the thread that set `RUNNING` |
//! | output | `COMPLETE` | the join handle. A task without one completes without an output |
//! | join slot | `JOIN_WAKER` not set | the join handle, to write |
//! | join slot | `JOIN_WAKER` set, not `COMPLETE` | the join handle, to compare addresses |
//! | join slot | `JOIN_WAKER` set and `COMPLETE` | the thread that set `COMPLETE`, to copy the waker out, once |
//! | links | the task is in the owner's list, or enters it | who holds the lock of the task's shard |
//! | table, owner, meta, scheduler | always | anybody with a reference, to read |
//! | since | always | anybody with a reference: a relaxed number, for reports |
//!
//! ## Transitions
//!
//! Each is one compare-and-swap (AcqRel; Acquire when it fails or changes nothing), except the two that only count,
//! and returns what the caller has to do next:
//!
//! | transition | by | returns | hands over |
//! |---|---|---|---|
//! | `start_poll` | the bearer of a notification | `Start`: `Poll`, `Cancel`, `Gone`, `Dealloc` | gets what the last poll and the wakers wrote |
//! | `finish_poll` | the running thread | `Finish`: `Idle`, `Again`, `Cancel`, `Dealloc` | gives what the poll wrote |
//! | `complete` | the running thread | `Complete`: `DropOutput`, `Done`, `Dealloc`, `WakeJoiner` | gives the output, gets the join waker |
//! | `take_join_waker` | the thread that completed | `Release`: `Shared`, `Dealloc` | (AcqRel) |
//! | `wake_by_value` | a waker | `Wake`: `Submit`, `Nothing`, `Dealloc` | gives what the waking thread wrote |
//! | `wake_by_ref` | a waker | `Notify`: `Submit`, `Nothing` | gives what the waking thread wrote |
//! | `abort` | a join or abort handle | `Notify`: `Submit`, `Nothing` | nothing |
//! | `start_shutdown` | the owner | `Shutdown`: `Cancel`, `Gone`, `Dealloc` | gets what the last poll wrote |
//! | `offer_join_waker` | the join handle | `Join`: `Waiting`, `Complete` | gives the waker, or gets the output |
//! | `recall_join_waker` | the join handle | `Join`: `Waiting`, `Complete` | gets the output |
//! | `leave` | the join handle | `Leave`: `DropOutput`, `DropWaker`, `Done`, `Dealloc` | gets the output |
//! | `drop_ref` | whoever has a reference | `Release`: `Shared`, `Dealloc` | (AcqRel) gives all to the last one |
//!
//! `add_ref` alone is Relaxed: who makes a reference has one.
//!
//! ## Rules
//!
//! 1. A wake-up always writes to the word of a task that is not complete, also when it changes nothing there: a load
//!    would not make visible to the poll to come what the waking thread wrote before.
//! 2. A task's future is dropped where it runs. An abort from elsewhere makes a notification. So a future that is not
//!    `Send` never leaves its thread, if the thread's scheduler keeps its notifications there.
//! 3. The owner's list has a reference until the task is complete, so the last reference of an owned task never frees
//!    a future. A task in no list can be freed with its future in it: its future must be `Send`.
//! 4. Foreign code runs with the word and the fields in order, so that it can panic: a waker is cloned before and
//!    dropped after its slot changes, and the join waker is woken after the last use of the task.
//! 5. The future is dropped before `COMPLETE` is set, and the task leaves the owner's list before that, too: who has
//!    seen a task end will not find it in the count of those alive.
//! 6. Panics: from a poll or the drop of a future they become the task's [`JoinError`]. From the drop of an output that
//!    nobody wants, a join waker, or a scheduler's hook they have been reported by the panic hook, and end here. So do
//!    those from the drop of a future whose poll has panicked, which is part of that panic's unwinding.
//!
//! Next file to read: `state.rs`.

mod abort;
mod cell;
mod error;
mod harness;
mod id;
mod join;
mod meta;
mod owned;
mod slot;
mod state;
mod trace;
mod vtable;
mod waker;

#[cfg(test)]
mod tests;

pub use abort::AbortHandle;
pub use error::JoinError;
pub(crate) use harness::{Notified, Task};
pub use id::{Id, id, try_id};
pub use join::JoinHandle;
pub(crate) use meta::{Meta, SpawnMeta};
use owned::Owner;
pub(crate) use owned::{OwnedTasks, unowned};
pub(crate) use slot::Slot;
pub(crate) use state::Phase;
pub(crate) use trace::{Places, is_watched};

/// What a task needs of its scheduler. A value of this type is in each task.
pub(crate) trait Schedule: Sized + Send + Sync + 'static {
    /// The task is ready: put it in a queue. The task, and `self` with it, is kept through the call.
    fn schedule(&self, task: Notified<Self>);

    /// As [`schedule`](Self::schedule), for a thread that already holds on to the scheduler, as its workers do; `Err`
    /// gives the notification back on any other thread. It saves two changes of the count of references, because no
    /// use is made of the scheduler in the task.
    fn schedule_here(task: Notified<Self>) -> Result<(), Notified<Self>> {
        Err(task)
    }

    /// The task woke itself while it ran: put it behind the others.
    fn yield_now(&self, task: Notified<Self>) {
        self.schedule(task);
    }

    /// The task is over, its future dropped. Gives up the reference of the owner's list, if the task is in it.
    /// Called once, before anybody can see that the task is complete.
    fn release(&self, task: &Task<Self>) -> Option<Task<Self>>;

    /// The task has panicked. Called before [`release`](Self::release).
    fn on_panic(&self, _id: Id) {}
}
