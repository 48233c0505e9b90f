//! A waker that panics when it is cloned.

use std::task::{RawWaker, RawWakerVTable, Waker};

pub(super) fn waker() -> Waker {
    fn clone(_: *const ()) -> RawWaker {
        panic!("clone")
    }
    fn nothing(_: *const ()) {}
    static TABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);
    // SAFETY: the data is not used.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}
