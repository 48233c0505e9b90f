//! A place for a value that is written once, and read by any number of threads after that.
//!
//! | state | who may touch the value | left |
//! |---|---|---|
//! | `EMPTY` | nobody | to `WRITING`, by whoever wants to write |
//! | `WRITING` | the one that left `EMPTY`, to write | to `SET`, by that one |
//! | `SET` | everybody, to read | never, but by who has the place for himself |
//!
//! Who writes stores `SET` with release, and who reads loads it with acquire.
//!
//! Next file to read: `once_cell/mod.rs`.

use std::mem::MaybeUninit;

use crate::base::prim::atomic::{
    AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::base::prim::{UnsafeCell, const_unless_model};

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const SET: u8 = 2;

/// See the [module](self).
pub(super) struct WriteOnce<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is shared between those who read it, and may be taken out by another thread than wrote it.
unsafe impl<T: Send + Sync> Sync for WriteOnce<T> {}
// SAFETY: the value goes where its place goes.
unsafe impl<T: Send> Send for WriteOnce<T> {}

impl<T> WriteOnce<T> {
    const_unless_model! {
        pub(super) fn new() -> Self {
            Self { state: AtomicU8::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
        }
    }

    const_unless_model! {
        pub(super) fn with(value: T) -> Self {
            Self { state: AtomicU8::new(SET), value: UnsafeCell::new(MaybeUninit::new(value)) }
        }
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.state.load(Acquire) == SET
    }

    /// Writes the value, and gives it back if there is one already or another thread is about to write one.
    pub(super) fn set(&self, value: T) -> Result<&T, T> {
        if self.state.compare_exchange(EMPTY, WRITING, Relaxed, Relaxed).is_err() {
            return Err(value);
        }
        self.value.with_mut(|place| {
            // SAFETY: `WRITING` is this thread's, so nobody else looks at the place.
            let place = unsafe { &mut *place };
            place.write(value);
        });
        self.state.store(SET, Release);
        Ok(self.read())
    }

    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.is_set().then(|| self.read())
    }

    /// The value, which is set.
    fn read(&self) -> &T {
        self.value.with(|place| {
            // SAFETY: set, so nobody writes to it as long as it is borrowed.
            let place = unsafe { &*place };
            // SAFETY: set, so it is there.
            unsafe { place.assume_init_ref() }
        })
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut T> {
        if !self.is_set() {
            return None;
        }
        self.value.with_mut(|place| {
            // SAFETY: borrowed mutably, as the whole is.
            let place = unsafe { &mut *place };
            // SAFETY: set, so it is there.
            Some(unsafe { place.assume_init_mut() })
        })
    }

    /// Takes the value out: the place is empty after that.
    pub(super) fn take(&mut self) -> Option<T> {
        if !self.is_set() {
            return None;
        }
        self.state.store(EMPTY, Relaxed);
        self.value.with_mut(|place| {
            // SAFETY: borrowed mutably, as the whole is.
            let place = unsafe { &*place };
            // SAFETY: it was set, and is not any more: nobody reads it again.
            Some(unsafe { place.assume_init_read() })
        })
    }
}

impl<T> Drop for WriteOnce<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}
