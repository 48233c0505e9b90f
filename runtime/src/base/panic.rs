//! The end of the road for panics of foreign code that nobody could be given.
//!
//! Next file to read: `list.rs`.
#![forbid(unsafe_code)]

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs foreign code whose panic has nowhere to go: the panic hook has reported it, and it ends here.
pub(crate) fn swallow(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// What was thrown may throw when it is dropped. That one is not given another chance.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

/// Runs several pieces of foreign code, each even if others panic. The first panic goes on when all have run.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    first: Option<Box<dyn Any + Send>>,
}

impl Panics {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            match self.first {
                None => self.first = Some(payload),
                Some(_) => discard(payload),
            }
        }
    }

    /// Panics if one of them did. A thread that is panicking already is spared a second panic, which would end the process.
    pub(crate) fn resume(self) {
        match self.first {
            Some(payload) if std::thread::panicking() => discard(payload),
            Some(payload) => resume_unwind(payload),
            None => {}
        }
    }
}
