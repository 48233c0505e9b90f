//! The end of the road for panics of foreign code that nobody could be given.
//!
//! Next file to read: `list.rs`.
#![forbid(unsafe_code)]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs foreign code whose panic has nowhere to go: the panic hook has reported it, and it ends here.
pub(crate) fn swallow(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        // What was thrown may throw when it is dropped. That one is not given another chance.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(again);
        }
    }
}
