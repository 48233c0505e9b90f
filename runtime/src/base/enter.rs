//! Whether this thread is inside a runtime, and may therefore not block.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread drives a runtime.
#[derive(Debug)]
pub(crate) struct Entered {
    not_send: PhantomData<*const ()>,
}

/// Marks this thread as driving a runtime. `None`: it already does.
pub(crate) fn try_enter() -> Option<Entered> {
    (!ENTERED.replace(true)).then_some(Entered { not_send: PhantomData })
}

/// Whether this thread drives a runtime now. False while the thread is torn down.
pub(crate) fn is_entered() -> bool {
    ENTERED.try_with(Cell::get).unwrap_or(false)
}

impl Drop for Entered {
    fn drop(&mut self) {
        ENTERED.set(false);
    }
}
