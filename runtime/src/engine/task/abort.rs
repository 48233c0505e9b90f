//! The permission to cancel a task.
//!
//! Next file to read: `../sched/mod.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use super::Id;
use super::vtable::TaskRef;

/// The permission to cancel a task, without that to await it.
///
/// Comes from [`JoinHandle::abort_handle`]. Dropping it does nothing to the task.
///
/// A job of `spawn_blocking` that has started cannot be cancelled: a thread cannot be stopped from outside. One that
/// still waits for a thread will not start.
///
/// # Examples
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// rt.block_on(async {
///     let task = runtime::spawn(std::future::pending::<()>());
///     let handle = task.abort_handle();
///     handle.abort();
///     assert!(task.await.unwrap_err().is_cancelled());
///     assert!(handle.is_finished());
/// });
/// ```
///
/// [`JoinHandle::abort_handle`]: crate::task::JoinHandle::abort_handle
#[derive(Clone)]
pub struct AbortHandle {
    task: TaskRef,
}

impl AbortHandle {
    pub(super) fn new(task: TaskRef) -> Self {
        Self { task }
    }

    /// Asks the task to end at its next `.await`; it is dropped on a thread of its runtime, not here.
    ///
    /// Awaiting it then gives a [cancelled] error in most cases, but its output when it was already complete, or
    /// completes with the poll that is running now. Asking twice does no more than asking once.
    ///
    /// [cancelled]: crate::task::JoinError::is_cancelled
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether the task has ended, its future dropped. Can be `false` for some time after
    /// [`abort`](Self::abort).
    pub fn is_finished(&self) -> bool {
        self.task.state().load().is_complete()
    }

    /// The [`Id`] of the task.
    pub fn id(&self) -> Id {
        self.task.id()
    }
}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}
