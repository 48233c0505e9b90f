//! The permission to wait for a task, and to have its output.
//!
//! Next file to read: `owned.rs`.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::state::{Join, Leave};
use super::vtable::TaskRef;
use super::{AbortHandle, Id, JoinError};
use crate::base::coop;
use crate::base::panic::swallow;

/// The permission to wait for a task and to have its output.
///
/// A task runs whether or not somebody waits for it. Dropping the handle *detaches* the task: it goes on, and its
/// output is dropped.
///
/// Awaiting the handle gives `Ok` with the task's output, or a [`JoinError`] if the task panicked or was cancelled.
/// When that is so, or [`is_finished`](Self::is_finished) says so, the task's future has been dropped.
///
/// # Cancel safety
///
/// Awaiting `&mut handle` is cancel safe: when another branch of a `select!` completes first, the output is not lost
/// and the handle can be awaited again.
///
/// # Panics
///
/// When it is polled again after it has given the output.
///
/// # Examples
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// rt.block_on(async {
///     let task = runtime::spawn(async { 5 + 3 });
///     assert_eq!(task.await.unwrap(), 8);
/// });
/// ```
///
/// A panic in the task ends there, and the task alone:
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// let task = rt.spawn(async { panic!("boom") });
/// let error = rt.block_on(task).unwrap_err();
/// assert!(error.is_panic());
/// ```
pub struct JoinHandle<T> {
    /// Given up by `leave` and not by the field's own drop.
    task: ManuallyDrop<TaskRef>,
    _output: PhantomData<*const T>,
}

// SAFETY: what a handle gives access to is the output.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives access to nothing of type `T`.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// # Safety
    /// The task's output is a `T`, and this is its only join handle.
    pub(super) unsafe fn new(task: TaskRef) -> Self {
        Self { task: ManuallyDrop::new(task), _output: PhantomData }
    }

    /// Asks the task to end at its next `.await`; it is dropped on a thread of its runtime, not here.
    ///
    /// Awaiting the handle then gives a [cancelled](JoinError::is_cancelled) error in most cases, but the output when
    /// the task was already complete, or completes with the poll that is running now. A job of `spawn_blocking`
    /// that has started goes on.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// rt.block_on(async {
    ///     let task = runtime::spawn(std::future::pending::<()>());
    ///     task.abort();
    ///     assert!(task.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether the task has ended, its future dropped. Can be `false` for some time after [`abort`](Self::abort).
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// rt.block_on(async {
    ///     let task = runtime::spawn(async {});
    ///     assert!(!task.is_finished(), "there is one thread, and it is here");
    ///     runtime::task::yield_now().await;
    ///     assert!(task.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.task.state().load().is_complete()
    }

    /// A handle that can cancel the task and cannot await it.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// rt.block_on(async {
    ///     let tasks: Vec<_> = (0..3).map(|_| runtime::spawn(std::future::pending::<()>())).collect();
    ///     let aborts: Vec<_> = tasks.iter().map(|task| task.abort_handle()).collect();
    ///     for abort in aborts {
    ///         abort.abort();
    ///     }
    ///     for task in tasks {
    ///         assert!(task.await.unwrap_err().is_cancelled());
    ///     }
    /// });
    /// ```
    #[must_use = "an abort handle does nothing unless `abort` is called on it"]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(TaskRef::clone(&self.task))
    }

    /// The [`Id`] of the task.
    pub fn id(&self) -> Id {
        self.task.id()
    }

    /// Whether the output is there. If not, `waker` will be woken when it is.
    fn wait(&self, waker: &Waker) -> Join {
        let now = self.task.state().load();
        if now.is_complete() {
            return Join::Complete;
        }
        if !now.has_join_waker() {
            return match self.offer(waker.clone()) {
                Ok(()) => Join::Waiting,
                Err(_) => Join::Complete,
            };
        }
        // SAFETY: it was full when the state was read, and only this handle writes to the slot.
        if unsafe { self.task.join_slot().compare(waker) } {
            return Join::Waiting;
        }
        // Cloned and dropped while the slot is in order, as both may panic.
        let new = waker.clone();
        match self.task.state().recall_join_waker() {
            Join::Complete => Join::Complete,
            Join::Waiting => {
                // SAFETY: full, and ours again.
                let old = unsafe { self.task.join_slot().take() };
                let joined = match self.offer(new) {
                    Ok(()) => Join::Waiting,
                    Err(late) => {
                        // Not the caller's panic, for there may be one more from the next line.
                        swallow(|| drop(late));
                        Join::Complete
                    }
                };
                drop(old);
                joined
            }
        }
    }

    /// Puts a waker into the slot, which is empty and ours. Gives it back if it comes too late.
    fn offer(&self, waker: Waker) -> Result<(), Waker> {
        // SAFETY: so says the state word, as it shows no join waker.
        unsafe { self.task.join_slot().put(waker) };
        match self.task.state().offer_join_waker() {
            Join::Waiting => Ok(()),
            // SAFETY: the offer came too late to be seen: the slot is still ours, with what we put there.
            Join::Complete => Err(unsafe { self.task.join_slot().take() }),
        }
    }

    /// Wakes `waker` once, when the task is over; now, if it is. For a handle that has not been polled.
    pub(crate) fn notify(&self, waker: Waker) {
        debug_assert!(!self.task.state().load().has_join_waker());
        if let Err(late) = self.offer(waker) {
            late.wake();
        }
    }

    /// The output, if the task is over.
    ///
    /// # Panics
    /// When it has been given before.
    pub(crate) fn take_output(&mut self) -> Option<Result<T, JoinError>> {
        if !self.is_finished() {
            return None;
        }
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        let take_output = self.task.header().vtable.take_output;
        // SAFETY: the task is complete, its output is a `T`, and this is its join handle.
        unsafe { take_output(self.task.as_raw(), output.as_mut_ptr().cast()) };
        // SAFETY: written by the call, or else it has panicked.
        Some(unsafe { output.assume_init() })
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let unit = ready!(coop::poll_proceed(cx));
        match self.wait(cx.waker()) {
            Join::Waiting => Poll::Pending,
            Join::Complete => {
                unit.made_progress();
                Poll::Ready(self.take_output().expect("a complete task is finished"))
            }
        }
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: this is the field's last use.
        let task = unsafe { ManuallyDrop::take(&mut self.task) };
        match task.state().leave() {
            Leave::Done => task.forget(),
            // SAFETY: as it says.
            Leave::Dealloc => unsafe { task.dealloc() },
            Leave::DropOutput => {
                let drop_output = task.header().vtable.drop_output;
                // SAFETY: the task is complete, and this is its join handle.
                unsafe { drop_output(task.as_raw()) };
            }
            Leave::DropWaker => {
                // SAFETY: full, and ours again.
                let waker = unsafe { task.join_slot().take() };
                swallow(|| drop(waker));
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

/// What a task panicked with, to be carried to whoever joins it.
pub(super) struct Payload(Box<dyn Any + Send>);

// SAFETY: through a shared reference, only a `String` or a `&'static str` in it can be reached, and those are `Sync`.
unsafe impl Sync for Payload {}

impl Payload {
    pub(super) fn new(payload: Box<dyn Any + Send>) -> Self {
        Self(payload)
    }

    pub(super) fn into_inner(self) -> Box<dyn Any + Send> {
        self.0
    }

    /// The message, if `panic!` made the payload.
    pub(super) fn message(&self) -> Option<&str> {
        let text = self.0.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| self.0.downcast_ref::<&'static str>().copied())
    }
}
