//! A value that is made once, by a future. See [`OnceCell`].
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;

use super::semaphore::{Semaphore, SemaphorePermit, TryAcquireError};
use super::write_once::WriteOnce;

/// A value that is set once, or made once, when it is first asked for, by a future.
///
/// Of those who ask for it at the same time one runs its future, and the others wait. If that future fails, panics or is
/// dropped, the next one runs its own.
///
/// # Examples
///
/// ```
/// use runtime::sync::OnceCell;
///
/// static CONFIG: OnceCell<u32> = OnceCell::const_new();
///
/// async fn config() -> &'static u32 {
///     CONFIG.get_or_init(async || 40 + 2).await
/// }
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// assert_eq!(*config().await, 42);
/// assert_eq!(CONFIG.get(), Some(&42));
/// # });
/// ```
pub struct OnceCell<T> {
    value: WriteOnce<T>,
    /// One permit, for who makes the value. Closed when there is a value.
    making: Semaphore,
}

impl<T> OnceCell<T> {
    /// Makes an empty cell.
    pub fn new() -> Self {
        Self { value: WriteOnce::new(), making: Semaphore::new(1) }
    }

    /// Makes an empty cell, also for a `static`.
    #[cfg(not(rt_loom))]
    pub const fn const_new() -> Self {
        Self { value: WriteOnce::new(), making: Semaphore::const_new(1) }
    }

    /// Makes a cell with that value, or an empty one.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    /// Makes a cell with that value, also for a `static`.
    ///
    /// ```
    /// use runtime::sync::OnceCell;
    ///
    /// static ONE: OnceCell<u32> = OnceCell::const_new_with(1);
    /// assert_eq!(ONE.get(), Some(&1));
    /// ```
    #[cfg(not(rt_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self { value: WriteOnce::with(value), making: Semaphore::new_closed() }
    }

    /// Whether there is a value.
    pub fn initialized(&self) -> bool {
        self.value.is_set()
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if there is one.
    ///
    /// ```
    /// let mut cell = runtime::sync::OnceCell::from(1);
    /// *cell.get_mut().unwrap() += 1;
    /// assert_eq!(cell.take(), Some(2));
    /// assert_eq!(cell.get_mut(), None);
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// Gives the value back when there is one already, or when a future is making one right now.
    ///
    /// ```
    /// let cell = runtime::sync::OnceCell::new();
    /// cell.set(1).unwrap();
    /// assert!(cell.set(2).unwrap_err().is_already_init_err());
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.initialized() {
            return Err(SetError::AlreadyInitializedError(value));
        }
        match self.making.try_acquire() {
            Ok(permit) => {
                self.put(value, permit);
                Ok(())
            }
            Err(TryAcquireError::NoPermits) => Err(SetError::InitializingError(value)),
            Err(TryAcquireError::Closed) => Err(SetError::AlreadyInitializedError(value)),
        }
    }

    fn put(&self, value: T, permit: SemaphorePermit<'_>) -> &T {
        let Ok(value) = self.value.set(value) else {
            unreachable!("only who has the permit sets the value, and it is not given back after that");
        };
        permit.forget();
        self.making.close();
        value
    }

    /// The value; if there is none, `f` makes it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but what `f`'s future has done so far: if it is dropped, the next one that waits runs its own.
    ///
    /// # Panics
    ///
    /// When `f` does; the cell stays empty.
    ///
    /// It waits for ever if `f`'s future asks for the value of the same cell.
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        if let Some(value) = self.get() {
            return value;
        }
        match self.making.acquire().await {
            Ok(permit) => self.put(f().await, permit),
            Err(_) => self.made(),
        }
    }

    /// The value; if there is none, `f` makes it, or fails.
    ///
    /// # Errors
    ///
    /// When `f`'s future does. The cell stays empty, and the next one that waits runs its own.
    ///
    /// # Cancel safety
    ///
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// # Panics
    ///
    /// When `f` does; the cell stays empty.
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let cell = runtime::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(async || "x".parse::<u32>()).await.ok(), None);
    /// assert_eq!(cell.get_or_try_init(async || "5".parse::<u32>()).await, Ok(&5));
    /// # });
    /// ```
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        match self.making.acquire().await {
            Ok(permit) => Ok(self.put(f().await?, permit)),
            Err(_) => Ok(self.made()),
        }
    }

    fn made(&self) -> &T {
        self.get().expect("it is closed when there is a value")
    }

    /// Ends the cell, and gives the value out, if there is one.
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Takes the value out, and leaves an empty cell.
    pub fn take(&mut self) -> Option<T> {
        mem::take(self).into_inner()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        Self { value: WriteOnce::with(value), making: Semaphore::new_closed() }
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell").field("value", &self.get()).finish()
    }
}

/// Why [`OnceCell::set`] gives a value back.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value already.
    AlreadyInitializedError(T),
    /// A future is making one right now.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// Whether there is a value already.
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// Whether a future is making a value right now.
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "AlreadyInitializedError",
            Self::InitializingError(_) => "InitializingError",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}
