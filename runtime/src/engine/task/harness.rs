//! What moves a task through its states: its notification is run, its owner shuts it down.
//!
//! Next file to read: `waker.rs`.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};

use super::cell::{Body, Header, Polled};
use super::state::{Complete, Finish, Phase, Release, Shutdown, Start};
use super::trace::{self, Places};
use super::vtable::TaskRef;
use super::waker::{BorrowedWaker, borrowed_waker, watching_waker};
use super::{Id, Meta, Owner, Schedule};
use crate::base::panic::swallow;

/// A counted reference to a task of the scheduler type `S`: what an owner's list holds.
pub(crate) struct Task<S: 'static> {
    task: TaskRef,
    _scheduler: PhantomData<fn(S)>,
}

/// The one permission to run a task. It has a reference of its own, and is as large as a pointer.
///
/// A task that has been woken has one, until its poll begins. Dropping it unrun strands the task: only an owner that
/// shuts all its tasks down does that.
#[must_use = "a task that is dropped instead of run never ends"]
pub(crate) struct Notified<S: 'static>(Task<S>);

/// Whether the caller of [`schedule`] has a reference besides the notification's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Yes,
    No,
}

/// Hands a notification to the task's scheduler.
///
/// # Safety
/// The task's scheduler is an `S`, and a notification and its reference are the caller's to give. `held` is true.
pub(super) unsafe fn schedule<S: Schedule>(task: NonNull<Header>, held: Held) {
    // SAFETY: given by the caller.
    let notified = unsafe { Notified::<S>::from_raw(task) };
    if held == Held::No {
        // As soon as it is queued, another thread may run and free the task, and the scheduler in it.
        return match S::schedule_here(notified) {
            Ok(()) => {}
            Err(notified) => notified.pass_on(S::schedule),
        };
    }
    // SAFETY: the caller has another reference, which keeps the scheduler in the task through the call.
    let scheduler = &unsafe { task.cast::<Body<S>>().as_ref() }.scheduler;
    scheduler.schedule(notified);
}

impl<S: Schedule> Task<S> {
    /// # Safety
    /// The task's scheduler is an `S`.
    pub(super) unsafe fn new(task: TaskRef) -> Self {
        Self { task, _scheduler: PhantomData }
    }

    pub(super) fn into_raw(self) -> NonNull<Header> {
        self.task.into_raw()
    }

    /// The state word does not count this reference any more.
    fn forget(self) {
        self.task.forget();
    }

    pub(super) fn as_raw(&self) -> NonNull<Header> {
        self.task.as_raw()
    }

    pub(super) fn owner(&self) -> Owner {
        self.task.header().owner
    }

    /// The task's number.
    pub(crate) fn id(&self) -> Id {
        self.task.id()
    }

    /// The task's number, place and name.
    pub(crate) fn meta(&self) -> &Meta {
        self.task.meta()
    }

    /// Notes when the task became ready, or that its poll begins, for reports: 0 is not known.
    #[inline]
    pub(crate) fn set_since(&self, since: u64) {
        self.task.header().since.store(since, Relaxed);
    }

    /// Since when the task has been ready, or else since when it was polled last, as far as that was noted.
    pub(crate) fn since(&self) -> u64 {
        self.task.header().since.load(Relaxed)
    }

    /// What the task is at.
    pub(crate) fn phase(&self) -> Phase {
        self.task.state().load().phase()
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        self.task.wake_by_ref();
    }

    /// Whether a thread polls or ends it right now.
    pub(super) fn is_running(&self) -> bool {
        self.task.state().load().is_running()
    }

    /// Another reference.
    pub(super) fn another(&self) -> Self {
        Self { task: self.task.clone(), _scheduler: PhantomData }
    }

    fn scheduler(&self) -> &S {
        // SAFETY: the scheduler is an `S`, and a counted reference keeps the task.
        &unsafe { self.as_raw().cast::<Body<S>>().as_ref() }.scheduler
    }

    /// Ends the task: its future is dropped here and now, or by the thread that polls it right now, when that
    /// poll is over. Its join handle reports a cancelled task.
    pub(crate) fn shutdown(self) {
        match self.task.state().start_shutdown() {
            Shutdown::Cancel => self.cancel(),
            Shutdown::Gone => self.forget(),
            // SAFETY: as it says.
            Shutdown::Dealloc => unsafe { self.task.dealloc() },
        }
    }

    /// Drops the future and completes the task. The caller runs it, and has not polled its future to the end.
    fn cancel(self) {
        let cancel = self.task.header().vtable.cancel;
        // SAFETY: the task is running by the caller's leave, so its future is there and is the caller's.
        unsafe { cancel(self.as_raw()) };
        self.complete();
    }

    /// The future is gone. Ends the run, and gives up its reference and, for the owner's list, that one too.
    fn complete(self) {
        let mut released = None;
        swallow(|| released = self.scheduler().release(&self));
        let refs = match released {
            // Two references to one task: given up together below.
            Some(owners) if owners.as_raw() == self.as_raw() => {
                owners.forget();
                2
            }
            _ => 1,
        };
        let task = self.task;
        let mut output = true;
        loop {
            match task.state().complete(refs, output) {
                Complete::DropOutput => {
                    let drop_output = task.header().vtable.drop_output;
                    // SAFETY: running by our leave, without its future, and without a join handle.
                    unsafe { drop_output(task.as_raw()) };
                    output = false;
                }
                Complete::Done => return task.forget(),
                // SAFETY: as it says.
                Complete::Dealloc => return unsafe { task.dealloc() },
                Complete::WakeJoiner => {
                    // SAFETY: who completes a task that has a join waker takes it.
                    let waker = unsafe { task.join_slot().take() };
                    match task.state().take_join_waker() {
                        Release::Shared => task.forget(),
                        // SAFETY: as it says.
                        Release::Dealloc => unsafe { task.dealloc() },
                    }
                    return swallow(|| waker.wake());
                }
            }
        }
    }
}

impl<S: Schedule> Notified<S> {
    /// # Safety
    /// A transition gave this notification, to the caller alone; the task's scheduler is an `S`.
    pub(super) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        // SAFETY: the notification has a reference of its own.
        let task = unsafe { TaskRef::from_raw(task) };
        // SAFETY: the scheduler is an `S`, says the caller.
        Self(unsafe { Task::new(task) })
    }

    /// Gives the notification away as an address, to come back through [`Notified::from_raw`].
    pub(super) fn into_raw(self) -> NonNull<Header> {
        self.0.into_raw()
    }

    /// The task's number, place and name.
    pub(crate) fn meta(&self) -> &Meta {
        self.0.meta()
    }

    /// As [`Task::set_since`].
    #[inline]
    pub(crate) fn set_since(&self, since: u64) {
        self.0.set_since(since);
    }

    /// Another reference to the task, which is not a permission to run it.
    pub(crate) fn task(&self) -> Task<S> {
        self.0.another()
    }

    /// The task's scheduler.
    pub(crate) fn scheduler(&self) -> &S {
        self.0.scheduler()
    }

    /// Polls the task once, and queues it through [`Schedule::yield_now`] if it woke itself.
    ///
    /// A run loop that queues it by itself is quicker with [`Notified::poll`].
    pub(crate) fn run(self) {
        if let Some(again) = self.poll(|_| ()) {
            again.pass_on(S::yield_now);
        }
    }

    /// Polls the task once, and calls `begins` before that with the waker that its future is polled with. It comes back if
    /// it was woken meanwhile, and is then to be queued behind the others.
    #[must_use = "a task that is dropped instead of run never ends"]
    #[inline]
    pub(crate) fn poll(self, begins: impl FnOnce(&Waker)) -> Option<Self> {
        self.poll_with(borrowed_waker, begins)
    }

    /// As [`poll`](Self::poll), and notes where the task waits.
    #[cold]
    pub(crate) fn poll_watched(self, begins: impl FnOnce(&Waker)) -> (Option<Self>, Places) {
        trace::watch(|| self.poll_with(watching_waker, begins))
    }

    #[inline(always)]
    fn poll_with(
        self,
        waker: impl Fn(&TaskRef) -> BorrowedWaker<'_>,
        begins: impl FnOnce(&Waker),
    ) -> Option<Self> {
        let task = self.0;
        match task.task.state().start_poll() {
            Start::Poll => {}
            Start::Cancel => {
                task.cancel();
                return None;
            }
            Start::Gone => {
                task.forget();
                return None;
            }
            Start::Dealloc => {
                // SAFETY: as it says.
                unsafe { task.task.dealloc() };
                return None;
            }
        }
        let polled = {
            let waker = waker(&task.task);
            begins(&waker);
            let poll = task.task.header().vtable.poll;
            // SAFETY: running by our leave; the future is there until a poll says otherwise.
            unsafe { poll(task.as_raw(), &mut Context::from_waker(&waker)) }
        };
        match polled {
            Polled::Pending => return task.finish_poll(),
            Polled::Ready => {}
            Polled::Panicked => swallow(|| task.scheduler().on_panic(task.id())),
        }
        task.complete();
        None
    }

    /// Ends the task instead of running it, see [`Task::shutdown`].
    pub(crate) fn shutdown(self) {
        self.0.shutdown();
    }

    /// Calls a function of the scheduler with the notification, and keeps the task, and so the scheduler, through it.
    fn pass_on(self, to: impl FnOnce(&S, Self)) {
        let keep = self.0.another();
        to(keep.scheduler(), self);
    }
}

impl<S: Schedule> Task<S> {
    // In the one poll that is hot, too: left to itself the compiler shares it with the others.
    #[inline(always)]
    fn finish_poll(self) -> Option<Notified<S>> {
        match self.task.state().finish_poll() {
            Finish::Idle => self.forget(),
            Finish::Again => return Some(Notified(self)),
            Finish::Cancel => self.cancel(),
            // SAFETY: as it says.
            Finish::Dealloc => unsafe { self.task.dealloc() },
        }
        None
    }
}

impl<S> fmt::Debug for Task<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)
    }
}

impl<S> fmt::Debug for Notified<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notified").field(&self.0).finish()
    }
}
