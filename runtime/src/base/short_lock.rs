//! A lock for a few instructions, that costs one atomic operation instead of two.
//!
//! An ordinary mutex learns only from the word that it frees whether somebody sleeps for it, so it frees it with a
//! read-modify-write. Here nobody is woken, and a plain store will do: whoever finds the lock taken tries again for a
//! moment, and then naps. The holder does little, calls nobody and waits for nothing, so only a thread that the system
//! has put aside in the middle of it is ever waited for, and a nap lets that one run.
//!
//! | who | does | ordering |
//! |---|---|---|
//! | who takes it | swap with true | acquire: sees what the holders before wrote |
//! | who frees it | store false | release |
//!
//! A model of somebody who tries again and again has no end. So there the waiting is loom's, in a mutex, and the table is
//! checked by those who try once.
//!
//! Next file to read: `base/list.rs`.

use std::fmt;

use super::prim::UnsafeCell;
use super::prim::atomic::{AtomicBool, Ordering::*};

/// Something that is used for a few instructions at a time.
pub(crate) struct ShortLock<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
    #[cfg(rt_loom)]
    queue: super::prim::Mutex<()>,
}

// SAFETY: the value goes from one thread to another, one at a time, as it would by being sent.
unsafe impl<T: Send> Sync for ShortLock<T> {}

/// Frees the lock, also when the holder panics.
struct Taken<'a>(&'a AtomicBool);

impl<T> ShortLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
            #[cfg(rt_loom)]
            queue: super::prim::Mutex::new(()),
        }
    }

    /// Runs `f` with the value, alone. Foreign code must not run in it, nor anything that waits.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _taken = self.take();
        self.value.with_mut(|value| {
            // SAFETY: the lock is held until after this, so nobody else has the value.
            f(unsafe { &mut *value })
        })
    }

    fn try_take(&self) -> Option<Taken<'_>> {
        (!self.taken.swap(true, Acquire)).then(|| Taken(&self.taken))
    }

    #[cfg(rt_loom)]
    fn take(&self) -> super::prim::MutexGuard<'_, ()> {
        self.queue.lock()
    }

    #[cfg(not(rt_loom))]
    #[inline]
    fn take(&self) -> Taken<'_> {
        self.try_take().unwrap_or_else(|| self.wait())
    }

    #[cfg(not(rt_loom))]
    #[cold]
    fn wait(&self) -> Taken<'_> {
        use super::prim::{hint, thread};
        /// Some hundred nanoseconds.
        const LOOKS: u32 = 64;
        loop {
            for _ in 0..LOOKS {
                if !self.taken.load(Relaxed)
                    && let Some(taken) = self.try_take()
                {
                    return taken;
                }
                hint::spin_loop();
            }
            // Not a mere offer of the processor: a thread of higher priority than the holder would get it back at once.
            thread::sleep(std::time::Duration::from_micros(50));
        }
    }
}

impl Drop for Taken<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.store(false, Release);
    }
}

impl<T> fmt::Debug for ShortLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShortLock").field("taken", &self.taken.load(Relaxed)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{Arc, model, thread};

    #[test]
    fn loom_two_that_try_are_never_in_at_once_and_see_each_others_work() {
        model(|| {
            let count = Arc::new(ShortLock::new(0));
            let other = count.clone();
            let add = |count: &ShortLock<u32>| {
                let taken = count.try_take();
                if taken.is_some() {
                    // SAFETY: the lock is held; a model checks that nobody else is here.
                    count.value.with_mut(|count| unsafe { *count += 1 });
                }
                u32::from(taken.is_some())
            };
            let thread = thread::spawn(move || add(&other) + add(&other));
            let added = add(&count) + thread.join().unwrap();
            assert_eq!(count.with(|count| *count), added);
        });
    }

    #[test]
    fn a_holder_that_is_put_aside_is_waited_for_and_one_that_panics_is_not() {
        let lock = std::sync::Arc::new(ShortLock::new(1));
        let (held, is_held) = std::sync::mpsc::channel();
        let other = lock.clone();
        let holder = std::thread::spawn(move || {
            other.with(|value| {
                held.send(()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
                *value = 2;
                panic!("with the lock held");
            })
        });
        is_held.recv().unwrap();
        assert_eq!(lock.with(|value| *value), 2);
        holder.join().unwrap_err();
    }
}
