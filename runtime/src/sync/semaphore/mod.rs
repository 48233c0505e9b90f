//! A count of permits, for limiting how many do something at once. See [`Semaphore`].
//!
//! Next file to read: `permits.rs`.
#![forbid(unsafe_code)]

mod permit;
pub(super) mod permits;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

pub use self::permit::{OwnedSemaphorePermit, SemaphorePermit};
use self::permits::Permits;
use crate::base::block_on::blocking;
use crate::base::prim::{PlainArc as Arc, const_unless_model};

/// A count of permits, for limiting how many do something at once.
///
/// A permit is taken by [`acquire`](Self::acquire), which waits until there is one, and is given back when it is
/// dropped. The count may grow ([`add_permits`](Self::add_permits)), and shrink when permits are forgotten.
///
/// # Fairness
///
/// Permits are given out in the order in which they were asked for. This holds for
/// [`acquire_many`](Self::acquire_many), too: while the one at the head of the queue waits for many permits, others that
/// want few wait behind it. `try_acquire` and its kin do not overtake either: while somebody waits, no permit is
/// available to them.
///
/// To reserve a place in the queue a future has to be polled.
///
/// # Memory ordering
///
/// Whoever takes a permit sees everything that was done before it was given back, or added.
///
/// # Examples
///
/// At most three requests at a time:
///
/// ```
/// use runtime::sync::Semaphore;
/// use std::sync::Arc;
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let limit = Arc::new(Semaphore::new(3));
/// let mut requests = Vec::new();
/// for request in 0..10 {
///     let permit = limit.clone().acquire_owned().await.unwrap();
///     requests.push(runtime::spawn(async move {
///         let answer = request * 2;
///         drop(permit);
///         answer
///     }));
/// }
/// for (request, answer) in requests.into_iter().enumerate() {
///     assert_eq!(answer.await.unwrap(), request * 2);
/// }
/// # });
/// ```
///
/// In a `static`:
///
/// ```
/// use runtime::sync::Semaphore;
///
/// static LIMIT: Semaphore = Semaphore::const_new(2);
///
/// let first = LIMIT.try_acquire().unwrap();
/// let second = LIMIT.try_acquire().unwrap();
/// assert!(LIMIT.try_acquire().is_err());
/// drop(first);
/// assert!(LIMIT.try_acquire().is_ok());
/// # drop(second);
/// ```
pub struct Semaphore {
    permits: Permits,
}

impl Semaphore {
    /// The most permits that a semaphore can have: `usize::MAX >> 3`.
    pub const MAX_PERMITS: usize = Permits::MAX;

    /// Makes a semaphore with that many permits.
    ///
    /// # Panics
    ///
    /// When there are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        Self { permits: Permits::new(permits) }
    }

    /// Makes a semaphore with that many permits, also for a `static`.
    ///
    /// # Panics
    ///
    /// When there are more than [`MAX_PERMITS`](Self::MAX_PERMITS); in a `static` that is an error of the compiler.
    #[cfg(not(rt_loom))]
    pub const fn const_new(permits: usize) -> Self {
        Self { permits: Permits::new(permits) }
    }

    const_unless_model! {
        /// Closed from the start.
        pub(super) fn new_closed() -> Self {
            Self { permits: Permits::new_closed() }
        }
    }

    /// How many permits are available now. Zero while somebody waits.
    pub fn available_permits(&self) -> usize {
        self.permits.available()
    }

    /// Adds new permits, and gives them to those who wait.
    ///
    /// # Panics
    ///
    /// When there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.release(n);
    }

    /// Takes up to `n` of the available permits away for good, and returns how many it took.
    ///
    /// ```
    /// let semaphore = runtime::sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(2), 2);
    /// assert_eq!(semaphore.forget_permits(2), 1);
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Takes a permit, and waits until there is one.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
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
    /// let semaphore = runtime::sync::Semaphore::new(2);
    /// let permit = semaphore.acquire().await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// drop(permit);
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # });
    /// ```
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1).await
    }

    /// Takes `n` permits, all of them or none, and waits until there are so many.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue: permits that it had got go to the others.
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        let permits = n as usize;
        self.permits.acquire(permits).await?;
        Ok(SemaphorePermit::new(self, permits))
    }

    /// Takes a permit if there is one now.
    ///
    /// # Errors
    ///
    /// [`NoPermits`](TryAcquireError::NoPermits) when there is none, [`Closed`](TryAcquireError::Closed) when the
    /// semaphore is closed.
    ///
    /// ```
    /// use runtime::sync::{Semaphore, TryAcquireError};
    ///
    /// let semaphore = Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::NoPermits));
    /// drop(permit);
    /// semaphore.close();
    /// assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::Closed));
    /// ```
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if there are so many now.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let permits = n as usize;
        self.permits.try_acquire(permits)?;
        Ok(SemaphorePermit::new(self, permits))
    }

    /// As [`acquire`](Self::acquire), by blocking this thread.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let semaphore = runtime::sync::Semaphore::new(1);
    /// let permit = semaphore.blocking_acquire().unwrap();
    /// assert_eq!(permit.num_permits(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking(self.acquire())
    }

    /// As [`acquire_many`](Self::acquire_many), by blocking this thread.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime, and when `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking(self.acquire_many(n))
    }

    /// As [`acquire`](Self::acquire); the permit keeps the semaphore alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue.
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.acquire_many_owned(1).await
    }

    /// As [`acquire_many`](Self::acquire_many); the permit keeps the semaphore alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue.
    pub async fn acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, AcquireError> {
        let permits = n as usize;
        self.permits.acquire(permits).await?;
        Ok(OwnedSemaphorePermit::new(self, permits))
    }

    /// As [`try_acquire`](Self::try_acquire); the permit keeps the semaphore alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many); the permit keeps the semaphore alive and can go anywhere.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_many_owned(self: Arc<Self>, n: u32) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let permits = n as usize;
        self.permits.try_acquire(permits)?;
        Ok(OwnedSemaphorePermit::new(self, permits))
    }

    /// As [`acquire_owned`](Self::acquire_owned), by blocking this thread.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking(self.acquire_owned())
    }

    /// As [`acquire_many_owned`](Self::acquire_many_owned), by blocking this thread.
    ///
    /// # Errors
    ///
    /// When the semaphore is closed, or is closed while this one waits.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime, and when `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking(self.acquire_many_owned(n))
    }

    /// Closes the semaphore for good: who waits, and whoever asks from now on, gets an error. Permits that are out stay
    /// valid.
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let semaphore = std::sync::Arc::new(runtime::sync::Semaphore::new(0));
    /// let waiting = {
    ///     let semaphore = semaphore.clone();
    ///     runtime::spawn(async move { semaphore.acquire().await.is_err() })
    /// };
    /// runtime::task::yield_now().await;
    /// semaphore.close();
    /// assert!(waiting.await.unwrap());
    /// # });
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// The semaphore is closed. Given by [`Semaphore::acquire`] and its kin.
#[derive(Debug)]
pub struct AcquireError(pub(super) ());

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("semaphore closed")
    }
}

impl Error for AcquireError {}

/// There are no permits to be had. Given by [`Semaphore::try_acquire`] and its kin.
#[derive(Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// There are not enough permits now.
    NoPermits,
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "semaphore closed",
            Self::NoPermits => "no permits available",
        })
    }
}

impl Error for TryAcquireError {}
