//! A lock that waits without blocking the thread. See [`Mutex`].
//!
//! Next file to read: `guard.rs`.
#![forbid(unsafe_code)]

mod guard;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

pub use self::guard::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
use super::access::{self, Guarded, lock_traits};
use crate::base::block_on::blocking;
use crate::base::prim::PlainArc as Arc;

/// A lock that waits without blocking the thread, and whose guard may be held across an `.await`.
///
/// # Which mutex
///
/// A value that is only looked at or changed, with no `.await` while the lock is held, is better off in a
/// [`std::sync::Mutex`], in asynchronous code, too: that one is cheaper. This one is for what is used across `.await`s, such
/// as a connection; and even there a task of its own, to which others send messages, is often the simpler way.
///
/// # Fairness
///
/// The lock is given out in the order in which it was asked for. `try_lock` does not overtake those who wait.
///
/// There is no poisoning: a panic while the lock is held gives it back.
///
/// # Examples
///
/// ```
/// use runtime::sync::Mutex;
/// use std::sync::Arc;
///
/// # let rt = runtime::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
/// # rt.block_on(async {
/// let sum = Arc::new(Mutex::new(0));
/// let mut tasks = Vec::new();
/// for i in 1..=10 {
///     let sum = sum.clone();
///     tasks.push(runtime::spawn(async move {
///         let mut sum = sum.lock().await;
///         let before = *sum;
///         runtime::task::yield_now().await;
///         *sum = before + i;
///     }));
/// }
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(*sum.lock().await, 55);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    pub(super) guarded: Guarded<T>,
}

impl<T: ?Sized> Mutex<T> {
    /// Makes a mutex that is not locked.
    ///
    /// ```
    /// let lock = runtime::sync::Mutex::new(5);
    /// ```
    #[track_caller]
    pub fn new(t: T) -> Self
    where
        T: Sized,
    {
        Self { guarded: Guarded::new(t, 1) }
    }

    /// Makes a mutex that is not locked, also for a `static`.
    ///
    /// ```
    /// use runtime::sync::Mutex;
    ///
    /// static LOCK: Mutex<i32> = Mutex::const_new(5);
    /// assert_eq!(*LOCK.try_lock().unwrap(), 5);
    /// ```
    #[cfg(not(rt_loom))]
    pub const fn const_new(t: T) -> Self
    where
        T: Sized,
    {
        Self { guarded: Guarded::new(t, 1) }
    }

    /// Locks, and waits for its turn. The guard unlocks when it is dropped.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let lock = runtime::sync::Mutex::new(1);
    /// *lock.lock().await += 1;
    /// assert_eq!(*lock.lock().await, 2);
    /// # });
    /// ```
    pub async fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { access: access::exclusive(self).await }
    }

    /// As [`lock`](Self::lock), by blocking this thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let lock = runtime::sync::Mutex::new(1);
    /// *lock.blocking_lock() += 1;
    /// assert_eq!(*lock.blocking_lock(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        blocking(self.lock())
    }

    /// As [`lock_owned`](Self::lock_owned), by blocking this thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        blocking(self.lock_owned())
    }

    /// As [`lock`](Self::lock); the guard keeps the mutex alive and can go anywhere.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let lock = Arc::new(Mutex::new(1));
    /// let guard = lock.clone().lock_owned().await;
    /// let task = runtime::spawn(async move { *guard });
    /// assert_eq!(task.await.unwrap(), 1);
    /// # });
    /// ```
    pub async fn lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        OwnedMutexGuard { access: access::exclusive(self).await }
    }

    /// Locks if that is possible now.
    ///
    /// # Errors
    ///
    /// When it is locked.
    ///
    /// ```
    /// let lock = runtime::sync::Mutex::new(1);
    /// let guard = lock.try_lock().unwrap();
    /// assert!(lock.try_lock().is_err());
    /// # drop(guard);
    /// ```
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        Ok(MutexGuard { access: access::try_exclusive(self)? })
    }

    /// As [`try_lock`](Self::try_lock); the guard keeps the mutex alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// When it is locked.
    pub fn try_lock_owned(self: Arc<Self>) -> Result<OwnedMutexGuard<T>, TryLockError> {
        Ok(OwnedMutexGuard { access: access::try_exclusive(self)? })
    }
}

lock_traits!(Mutex, "Mutex", try_lock);

/// It is locked. Given by the `try_` methods of [`Mutex`] and [`RwLock`](super::RwLock).
#[derive(Debug)]
pub struct TryLockError(pub(super) ());

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("operation would block")
    }
}

impl Error for TryLockError {}
