//! The table of a task's own functions, and the counted reference that calls through it.
//!
//! Next file to read: `harness.rs`.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::task::Context;

use super::cell::{self, Front, Header, JoinSlot, Polled};
use super::harness;
use super::meta::Meta;
use super::state::{Notify, Release, State, Wake};
use super::{Id, Schedule};

/// What can be done to a task whose types are not known. The contracts are those of the functions in [`cell`] and of
/// [`harness::schedule`].
pub(super) struct Vtable {
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    pub(super) cancel: unsafe fn(NonNull<Header>),
    pub(super) take_output: unsafe fn(NonNull<Header>, *mut ()),
    pub(super) drop_output: unsafe fn(NonNull<Header>),
    pub(super) dealloc: unsafe fn(NonNull<Header>),
    pub(super) schedule: unsafe fn(NonNull<Header>, harness::Held),
}

/// The table for tasks of one type.
pub(super) fn table<F: Future, S: Schedule>() -> &'static Vtable {
    struct Of<F, S>(F, S);
    impl<F: Future, S: Schedule> Of<F, S> {
        const TABLE: Vtable = Vtable {
            poll: cell::poll::<F, S>,
            cancel: cell::cancel::<F, S>,
            take_output: cell::take_output::<F, S>,
            drop_output: cell::drop_output::<F, S>,
            dealloc: cell::dealloc::<F, S>,
            schedule: harness::schedule::<S>,
        };
    }
    &Of::<F, S>::TABLE
}

/// A counted reference to a task of any type. The last one that goes frees the task.
pub(super) struct TaskRef(NonNull<Header>);

// SAFETY: the state word decides which thread may touch what. What is freed with the last reference, wherever that is,
// is a scheduler, which is `Send + Sync`, and a future only if that is `Send`: one that is not is dropped by its owner.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// # Safety
    /// There is such a task, and one of its counted references is given to this.
    pub(super) unsafe fn from_raw(task: NonNull<Header>) -> Self {
        Self(task)
    }

    /// Gives the reference away.
    pub(super) fn into_raw(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// The state word does not count this reference any more.
    pub(super) fn forget(self) {
        let _uncounted = self.into_raw();
    }

    pub(super) fn as_raw(&self) -> NonNull<Header> {
        self.0
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: a counted reference keeps the task.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn state(&self) -> &State {
        &self.header().state
    }

    pub(super) fn join_slot(&self) -> &JoinSlot {
        // SAFETY: every task begins with a `Front`, and a counted reference keeps it.
        &unsafe { self.0.cast::<Front>().as_ref() }.join
    }

    pub(super) fn id(&self) -> Id {
        self.header().meta.id
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.header().meta
    }

    /// The end of a reference that the state word does not count any more, and that was the last one.
    ///
    /// # Safety
    /// A transition has just said `Dealloc`.
    pub(super) unsafe fn dealloc(self) {
        let task = self.into_raw();
        // SAFETY: the table is for this task; the rest is the caller's promise.
        let dealloc = unsafe { task.as_ref() }.vtable.dealloc;
        // SAFETY: nobody else has a reference.
        unsafe { dealloc(task) };
    }

    /// Wakes the task and gives the reference up.
    #[inline]
    pub(super) fn wake(self) {
        match self.state().wake_by_value() {
            Wake::Submit => {
                let schedule = self.header().vtable.schedule;
                // SAFETY: this reference has become the notification's.
                unsafe { schedule(self.into_raw(), harness::Held::No) };
            }
            Wake::Nothing => self.forget(),
            // SAFETY: as it says.
            Wake::Dealloc => unsafe { self.dealloc() },
        }
    }

    /// Wakes the task.
    #[inline]
    pub(super) fn wake_by_ref(&self) {
        self.submit(self.state().wake_by_ref());
    }

    /// Asks for the task to be cancelled.
    pub(super) fn abort(&self) {
        self.submit(self.state().abort());
    }

    #[inline]
    fn submit(&self, notify: Notify) {
        if notify == Notify::Submit {
            let schedule = self.header().vtable.schedule;
            // SAFETY: the transition made a notification with a reference; `self` is another one.
            unsafe { schedule(self.0, harness::Held::Yes) };
        }
    }
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> Self {
        self.state().add_ref();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        if self.state().drop_ref() == Release::Dealloc {
            // SAFETY: the last reference was given up here, so this copy of it stands for nothing else.
            unsafe { Self(self.0).dealloc() };
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id())
            .field("state", self.state())
            .field("location", &format_args!("{}", self.meta().location))
            .field("name", &self.meta().name())
            .finish()
    }
}
