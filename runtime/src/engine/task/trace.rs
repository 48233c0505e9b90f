//! Where a poll waits: a backtrace of each place that keeps the task's waker.
//!
//! A future that returns `Pending` has seen to it that somebody keeps a waker, and to keep one is to clone it. So a poll
//! that is *watched* is lent a waker with a table of its own. It takes a backtrace when it is cloned, or used, and what
//! it hands out is the task's ordinary waker. A place that keeps one from an earlier poll clones nevertheless: by
//! `will_wake` the two differ. Nothing else differs in such a poll, and other polls know nothing of all this.
//!
//! Tokio's dumps poll tasks in a mode in which its own leaf futures do nothing but report. What other leaves do is not
//! seen there, and what a leaf did not do has to be done again.
//!
//! Next file to read: `waker.rs`.
#![forbid(unsafe_code)]

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::sync::Arc;

/// Places in one poll that are noted. A task may wait for thousands of things at once.
const MAX_PLACES: usize = 32;

/// The backtraces of a poll, in the order in which they were taken.
pub(crate) type Places = Arc<[Backtrace]>;

thread_local! {
    /// Those of the watched poll on this thread.
    static PLACES: RefCell<Option<Vec<Backtrace>>> = const { RefCell::new(None) };
}

/// Whether this thread is in a watched poll.
pub(crate) fn is_watched() -> bool {
    PLACES.try_with(|places| places.borrow().is_some()).unwrap_or(false)
}

/// Runs a poll with a [watching waker](super::waker::watching_waker). The poll of a task does not panic.
pub(super) fn watch<R>(poll: impl FnOnce() -> R) -> (R, Places) {
    let former = PLACES.replace(Some(Vec::new()));
    let result = poll();
    (result, PLACES.replace(former).unwrap_or_default().into())
}

/// A watching waker is cloned or used. Its name is where the backtrace begins.
#[inline(never)]
pub(super) fn note_place() {
    let wanted =
        || PLACES.with_borrow(|places| places.as_ref().is_some_and(|places| places.len() < MAX_PLACES));
    if !wanted() {
        return;
    }
    let place = Backtrace::force_capture();
    PLACES.with_borrow_mut(|places| {
        if let Some(places) = places {
            places.push(place);
        }
    });
}
