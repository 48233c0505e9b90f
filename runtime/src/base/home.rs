//! Which thread this is, by a number that no other thread of this process has had or will have.
//!
//! The standard library's own can be asked for only while the thread lives, and costs a count of references.
//!
//! Next file to read: `engine/task/owned.rs`.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::num::NonZeroU64;
// Not through the doorway: a counter that hands out numbers orders nothing, and a model of it would be a static.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static NEXT: AtomicU64 = AtomicU64::new(1);

// Const and without a destructor: it can be read while the thread's other locals are torn down.
thread_local! {
    static HERE: Cell<Option<Home>> = const { Cell::new(None) };
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(NonZeroU64);

impl Home {
    /// This thread.
    #[inline]
    pub(crate) fn here() -> Self {
        HERE.get().unwrap_or_else(Self::first)
    }

    /// Whether this is that thread.
    #[inline]
    pub(crate) fn is_here(self) -> bool {
        HERE.get() == Some(self)
    }

    #[cold]
    fn first() -> Self {
        let number = NonZeroU64::new(NEXT.fetch_add(1, Relaxed)).expect("threads are numbered from 1");
        HERE.set(Some(Self(number)));
        Self(number)
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn threads_tell_themselves_apart() {
        let here = Home::here();
        assert_eq!(here, Home::here());
        assert!(here.is_here());
        // One after the other: such threads share their addresses.
        let first = std::thread::spawn(Home::here).join().unwrap();
        let second =
            std::thread::spawn(move || (Home::here(), first.is_here(), here.is_here())).join().unwrap();
        assert!(first != here && second.0 != here && second.0 != first);
        assert_eq!((second.1, second.2), (false, false));
    }
}
