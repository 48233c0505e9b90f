//! A value that is set once and can be waited for. See [`SetOnce`].
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

use super::event::Event;
use super::write_once::WriteOnce;

/// A value that is set once, and that others can wait for.
///
/// It is the cell for a value that comes from elsewhere; one that is made by the first who asks for it is a
/// [`OnceCell`](super::OnceCell).
///
/// # Examples
///
/// ```
/// use runtime::sync::SetOnce;
///
/// static ANSWER: SetOnce<u32> = SetOnce::const_new();
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let waiting = runtime::spawn(async { *ANSWER.wait().await });
/// ANSWER.set(42).unwrap();
/// assert_eq!(waiting.await.unwrap(), 42);
/// # });
/// ```
pub struct SetOnce<T> {
    value: WriteOnce<T>,
    set: Event,
}

impl<T> SetOnce<T> {
    /// Makes an empty cell.
    pub fn new() -> Self {
        Self { value: WriteOnce::new(), set: Event::new() }
    }

    /// Makes an empty cell, also for a `static`.
    #[cfg(not(rt_loom))]
    pub const fn const_new() -> Self {
        Self { value: WriteOnce::new(), set: Event::new() }
    }

    /// Makes a cell with that value, or an empty one.
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    /// Makes a cell with that value, also for a `static`.
    ///
    /// ```
    /// use runtime::sync::SetOnce;
    ///
    /// static ONE: SetOnce<u32> = SetOnce::const_new_with(1);
    /// assert_eq!(ONE.get(), Some(&1));
    /// ```
    #[cfg(not(rt_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self { value: WriteOnce::with(value), set: Event::new() }
    }

    /// Whether there is a value.
    pub fn initialized(&self) -> bool {
        self.value.is_set()
    }

    /// The value, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value, and wakes all who wait for it.
    ///
    /// # Errors
    ///
    /// Gives the value back when there is one already.
    ///
    /// ```
    /// use runtime::sync::SetOnce;
    ///
    /// let cell = SetOnce::new();
    /// cell.set(1).unwrap();
    /// assert_eq!(cell.set(2).unwrap_err().0, 2);
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        if self.initialized() {
            return Err(SetOnceError(value));
        }
        // One after the other: who is refused finds the value set.
        let set = self.set.wake_all_after(|| self.value.set(value).map(|_| ()));
        set.map_err(SetOnceError)
    }

    /// Ends the cell, and gives the value out, if there is one.
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Waits until there is a value.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again at any time.
    pub async fn wait(&self) -> &T {
        self.set.until(|| self.get()).await
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        Self { value: WriteOnce::with(value), set: Event::new() }
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce").field("value", &self.get()).finish()
    }
}

/// There is a value already. Given by [`SetOnce::set`], with the value that it did not take.
#[derive(Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOnceError")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}
