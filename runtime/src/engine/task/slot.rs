//! A place for one notification, which its owner fills and anybody may empty.
//!
//! The owner puts in with a plain store when the place is free, which only the owner can tell for good: others only
//! empty it. Taking out is a swap, so each notification leaves once.
//!
//! | who | does | ordering |
//! |---|---|---|
//! | owner | load, and store if null, else swap | release: the notification's task is visible to who takes it |
//! | anybody | load, and swap with null if not null | acquire |
//!
//! Next file to read: `engine/driver/mod.rs`.

use std::fmt;
use std::marker::PhantomData;
use std::ptr::{NonNull, null_mut};

use super::Schedule;
use super::cell::Header;
use super::harness::Notified;
use crate::base::prim::atomic::{AtomicPtr, Ordering::*};

/// See the module.
pub(crate) struct Slot<S: Schedule> {
    task: AtomicPtr<Header>,
    _notified: PhantomData<Notified<S>>,
}

impl<S: Schedule> Default for Slot<S> {
    fn default() -> Self {
        Self { task: AtomicPtr::new(null_mut()), _notified: PhantomData }
    }
}

impl<S: Schedule> Slot<S> {
    /// Puts a notification in. For the owner alone: two that put in at once could strand a task. Returns what was in.
    #[inline]
    pub(crate) fn replace(&self, task: Notified<S>) -> Option<Notified<S>> {
        let task = task.into_raw().as_ptr();
        if self.task.load(Relaxed).is_null() {
            self.task.store(task, Release);
            return None;
        }
        self.adopt(self.task.swap(task, AcqRel))
    }

    /// Takes the notification out, if there is one.
    #[inline]
    pub(crate) fn take(&self) -> Option<Notified<S>> {
        if self.is_empty() {
            return None;
        }
        self.adopt(self.task.swap(null_mut(), Acquire))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.task.load(Relaxed).is_null()
    }

    fn adopt(&self, task: *mut Header) -> Option<Notified<S>> {
        let task = NonNull::new(task)?;
        // SAFETY: only `replace` puts addresses in, each of a notification that it was given, and a swap took this one
        // out, so it is this caller's alone.
        Some(unsafe { Notified::from_raw(task) })
    }
}

impl<S: Schedule> Drop for Slot<S> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

impl<S: Schedule> fmt::Debug for Slot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("is_empty", &self.is_empty()).finish()
    }
}
