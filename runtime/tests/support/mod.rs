//! What the behaviour suites share.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime::runtime::{Builder, Runtime};

/// How long a test waits for something before it calls that lost. Nothing waits this long on the good path.
pub(crate) const LOST: Duration = Duration::from_secs(60);

/// Stamps a suite of functions of the form `fn name(new: fn() -> Runtime)` over the flavours.
#[macro_export]
macro_rules! over_flavours {
    ($($name:ident),+ $(,)?) => {
        $crate::over_flavours!(@flavour current_thread, || $crate::support::current(), $($name),+);
        $crate::over_flavours!(@flavour multi_thread_1, || $crate::support::multi(1), $($name),+);
        $crate::over_flavours!(@flavour multi_thread_4, || $crate::support::multi(4), $($name),+);
    };
    (@flavour $flavour:ident, $new:expr, $($name:ident),+) => {
        mod $flavour {
            $(
                #[test]
                fn $name() {
                    super::$name($new);
                }
            )+
        }
    };
}

pub(crate) fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn multi(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

/// Counts how often its clones' drops happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

/// Adds one to its [`Drops`] when it goes.
#[derive(Debug)]
pub(crate) struct Tracked(Drops);

impl Drops {
    pub(crate) fn track(&self) -> Tracked {
        Tracked(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The text of a panic.
pub(crate) fn panic_text(f: impl FnOnce()) -> String {
    let payload =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).expect_err("should have panicked");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().map_or_else(String::new, |&text| text.to_owned()),
    }
}

/// Calls a closure when it goes.
pub(crate) struct OnDrop<F: FnOnce()>(pub(crate) Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}
