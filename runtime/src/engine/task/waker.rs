//! The waker of a task: a counted reference, and one for the time of a poll that is not counted.
//!
//! Next file to read: `join.rs`.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::cell::Header;
use super::trace;
use super::vtable::TaskRef;

/// One table for tasks of all types: what differs is behind the task's own table.
static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// For polls that are [watched](super::trace): clones of these wakers are ordinary ones.
static WATCHING: RawWakerVTable = RawWakerVTable::new(watched_clone, wake, watched_wake_by_ref, drop_waker);

/// A waker that borrows the reference of the running task.
pub(super) struct BorrowedWaker<'a> {
    waker: ManuallyDrop<Waker>,
    _task: PhantomData<&'a TaskRef>,
}

#[inline]
pub(super) fn borrowed_waker(task: &TaskRef) -> BorrowedWaker<'_> {
    // SAFETY: the functions of the table do what a waker's must. This waker's count is never given up, see below.
    let waker = unsafe { Waker::from_raw(raw(task.as_raw(), &TABLE)) };
    BorrowedWaker { waker: ManuallyDrop::new(waker), _task: PhantomData }
}

pub(super) fn watching_waker(task: &TaskRef) -> BorrowedWaker<'_> {
    // SAFETY: as above.
    let waker = unsafe { Waker::from_raw(raw(task.as_raw(), &WATCHING)) };
    BorrowedWaker { waker: ManuallyDrop::new(waker), _task: PhantomData }
}

impl Deref for BorrowedWaker<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

fn raw(task: NonNull<Header>, table: &'static RawWakerVTable) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), table)
}

/// # Safety
/// `data` is a waker's, which stays alive for `'a` of the caller.
unsafe fn borrow(data: *const ()) -> ManuallyDrop<TaskRef> {
    // SAFETY: the data of a waker is the address of its task.
    let task = unsafe { NonNull::new_unchecked(data.cast_mut().cast()) };
    // SAFETY: the waker's reference; `ManuallyDrop` leaves it counted.
    ManuallyDrop::new(unsafe { TaskRef::from_raw(task) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker is borrowed through the call.
    let task = unsafe { borrow(data) };
    task.meta().span.waker("waker.clone");
    raw(TaskRef::clone(&task).into_raw(), &TABLE)
}

unsafe fn watched_clone(data: *const ()) -> RawWaker {
    trace::note_place();
    // SAFETY: under the same conditions.
    unsafe { clone(data) }
}

unsafe fn watched_wake_by_ref(data: *const ()) {
    trace::note_place();
    // SAFETY: under the same conditions.
    unsafe { wake_by_ref(data) };
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker is given up with the call, and its reference used.
    let task = unsafe { borrow(data) };
    task.meta().span.waker("waker.wake");
    ManuallyDrop::into_inner(task).wake();
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker is borrowed through the call.
    let task = unsafe { borrow(data) };
    task.meta().span.waker("waker.wake_by_ref");
    task.wake_by_ref();
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker is given up with the call, and its reference with it.
    let task = unsafe { borrow(data) };
    task.meta().span.waker("waker.drop");
    drop(ManuallyDrop::into_inner(task));
}
