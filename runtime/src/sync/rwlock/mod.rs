//! A lock for many readers or one writer. See [`RwLock`].
//!
//! A reader holds one permit, a writer holds all of them. So those who wait are served in the order in which they came, and
//! a writer that waits has what was given back since, and stops the readers behind it.
//!
//! Next file to read: `read.rs`.
#![forbid(unsafe_code)]

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use self::read::{OwnedRwLockReadGuard, RwLockReadGuard};
pub use self::write::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLockMappedWriteGuard, RwLockWriteGuard,
};
use super::access::{self, Guarded, lock_traits};
use super::mutex::TryLockError;
use crate::base::block_on::blocking;
use crate::base::prim::{PlainArc as Arc, const_unless_model};

/// The most readers at once, unless a lock is told otherwise. Few in a model, whose permits are counted one by one.
const MAX_READERS: u32 = if cfg!(rt_loom) { 10 } else { u32::MAX >> 3 };

/// A lock for many readers or one writer, that waits without blocking the thread.
///
/// Its guards may be held across an `.await`.
///
/// # Fairness
///
/// Locks are given out in the order in which they were asked for. A writer that waits is not overtaken by readers. So a
/// task that holds a read lock and asks for another one waits for ever if a writer came in between.
///
/// There is no poisoning: a panic while the lock is held gives it back.
///
/// # Examples
///
/// ```
/// use runtime::sync::RwLock;
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let lock = RwLock::new(5);
/// {
///     let one = lock.read().await;
///     let other = lock.read().await;
///     assert_eq!(*one + *other, 10);
/// }
/// *lock.write().await += 1;
/// assert_eq!(*lock.read().await, 6);
/// # });
/// ```
pub struct RwLock<T: ?Sized> {
    pub(super) guarded: Guarded<T>,
}

impl<T> RwLock<T> {
    const_unless_model! {
        #[track_caller]
        fn with(value: T, max_readers: u32) -> Self {
            assert!(max_readers != 0, "a RwLock may not be created with 0 readers");
            assert!(max_readers <= MAX_READERS, "a RwLock may not be created with more than u32::MAX >> 3 readers");
            Self { guarded: Guarded::new(value, max_readers) }
        }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Makes a lock that nobody holds.
    ///
    /// ```
    /// let lock = runtime::sync::RwLock::new(5);
    /// ```
    #[track_caller]
    pub fn new(value: T) -> RwLock<T>
    where
        T: Sized,
    {
        Self::with(value, MAX_READERS)
    }

    /// Makes a lock that nobody holds, for no more than `max_reads` readers at once.
    ///
    /// # Panics
    ///
    /// When `max_reads` is 0, or more than `u32::MAX >> 3`.
    ///
    /// ```
    /// let lock = runtime::sync::RwLock::with_max_readers(5, 2);
    /// let readers = (lock.try_read().unwrap(), lock.try_read().unwrap());
    /// assert!(lock.try_read().is_err());
    /// # drop(readers);
    /// ```
    #[track_caller]
    pub fn with_max_readers(value: T, max_reads: u32) -> RwLock<T>
    where
        T: Sized,
    {
        Self::with(value, max_reads)
    }

    /// Makes a lock that nobody holds, also for a `static`.
    ///
    /// ```
    /// use runtime::sync::RwLock;
    ///
    /// static LOCK: RwLock<i32> = RwLock::const_new(5);
    /// assert_eq!(*LOCK.try_read().unwrap(), 5);
    /// ```
    #[cfg(not(rt_loom))]
    pub const fn const_new(value: T) -> RwLock<T>
    where
        T: Sized,
    {
        Self::with(value, MAX_READERS)
    }

    /// As [`with_max_readers`](Self::with_max_readers), also for a `static`.
    ///
    /// # Panics
    ///
    /// When `max_reads` is 0, or more than `u32::MAX >> 3`; in a `static` that is an error of the compiler.
    #[cfg(not(rt_loom))]
    pub const fn const_with_max_readers(value: T, max_reads: u32) -> RwLock<T>
    where
        T: Sized,
    {
        Self::with(value, max_reads)
    }

    /// Locks for reading, and waits for its turn. The guard unlocks when it is dropped.
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
    /// let lock = runtime::sync::RwLock::new(5);
    /// let reader = lock.read().await;
    /// assert_eq!(*reader, 5);
    /// assert!(lock.try_write().is_err());
    /// # });
    /// ```
    pub async fn read(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard::new(access::shared(self).await.detach())
    }

    /// As [`read`](Self::read), by blocking this thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let lock = runtime::sync::RwLock::new(5);
    /// assert_eq!(*lock.blocking_read(), 5);
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        blocking(self.read())
    }

    /// As [`read`](Self::read); the guard keeps the lock alive and can go anywhere.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue.
    pub async fn read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        OwnedRwLockReadGuard { access: access::shared(self).await }
    }

    /// Locks for reading if that is possible now.
    ///
    /// # Errors
    ///
    /// When a writer has the lock or waits for it, or there are as many readers as there may be.
    ///
    /// ```
    /// let lock = runtime::sync::RwLock::new(5);
    /// let writer = lock.try_write().unwrap();
    /// assert!(lock.try_read().is_err());
    /// drop(writer);
    /// assert!(lock.try_read().is_ok());
    /// ```
    pub fn try_read(&self) -> Result<RwLockReadGuard<'_, T>, TryLockError> {
        Ok(RwLockReadGuard::new(access::try_shared(self)?.detach()))
    }

    /// As [`try_read`](Self::try_read); the guard keeps the lock alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_read`](Self::try_read).
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwLockReadGuard<T>, TryLockError> {
        Ok(OwnedRwLockReadGuard { access: access::try_shared(self)? })
    }

    /// Locks for writing, and waits for its turn. The guard unlocks when it is dropped.
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
    /// let lock = runtime::sync::RwLock::new(5);
    /// *lock.write().await = 6;
    /// assert_eq!(lock.into_inner(), 6);
    /// # });
    /// ```
    pub async fn write(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard { access: access::exclusive(self).await }
    }

    /// As [`write`](Self::write), by blocking this thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let lock = runtime::sync::RwLock::new(5);
    /// *lock.blocking_write() += 1;
    /// assert_eq!(*lock.blocking_read(), 6);
    /// ```
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        blocking(self.write())
    }

    /// As [`write`](Self::write); the guard keeps the lock alive and can go anywhere.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue.
    pub async fn write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        OwnedRwLockWriteGuard { access: access::exclusive(self).await }
    }

    /// Locks for writing if that is possible now.
    ///
    /// # Errors
    ///
    /// When somebody has the lock.
    pub fn try_write(&self) -> Result<RwLockWriteGuard<'_, T>, TryLockError> {
        Ok(RwLockWriteGuard { access: access::try_exclusive(self)? })
    }

    /// As [`try_write`](Self::try_write); the guard keeps the lock alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// When somebody has the lock.
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwLockWriteGuard<T>, TryLockError> {
        Ok(OwnedRwLockWriteGuard { access: access::try_exclusive(self)? })
    }
}

lock_traits!(RwLock, "RwLock", try_read);
