//! The users' callbacks, and how the threads of a runtime are made.
#![forbid(unsafe_code)]

use std::fmt;

use crate::base::panic::swallow;
use crate::base::prim::{PlainArc, thread};

/// A callback without arguments.
pub(crate) type Callback = PlainArc<dyn Fn() + Send + Sync>;

/// What every thread of a runtime has in common.
#[derive(Clone)]
pub(crate) struct ThreadHooks {
    pub(crate) name: PlainArc<dyn Fn() -> String + Send + Sync>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<Callback>,
    pub(crate) on_stop: Option<Callback>,
    pub(crate) on_park: Option<Callback>,
    pub(crate) on_unpark: Option<Callback>,
}

impl ThreadHooks {
    pub(crate) fn thread_builder(&self) -> thread::Builder {
        // The operating system's names end at the first NUL, and the standard library panics at one.
        let builder = thread::Builder::new().name((self.name)().replace('\0', ""));
        match self.stack_size {
            Some(size) => builder.stack_size(size),
            None => builder,
        }
    }

    pub(crate) fn started(&self) {
        call(&self.on_start);
    }

    pub(crate) fn stopping(&self) {
        call(&self.on_stop);
    }

    pub(crate) fn parking(&self) {
        call(&self.on_park);
    }

    pub(crate) fn unparked(&self) {
        call(&self.on_unpark);
    }
}

/// A hook's panic is reported by the panic hook and ends there: the thread has tasks of others to run.
fn call(callback: &Option<Callback>) {
    if let Some(callback) = callback {
        swallow(|| callback());
    }
}

impl fmt::Debug for ThreadHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHooks").field("stack_size", &self.stack_size).finish_non_exhaustive()
    }
}
