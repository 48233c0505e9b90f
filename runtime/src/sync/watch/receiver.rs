//! Those who look.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::RecvError;
use super::{Ref, Shared, Version};
use crate::base::coop::cooperative;
use crate::base::prim::Arc;
use crate::base::prim::atomic::Ordering::{AcqRel, Relaxed};

/// A receiver of a watch channel. Made by [`channel`](super::channel), [`Sender::subscribe`](super::Sender::subscribe),
/// and by cloning, which copies the mark of what has been seen.
pub struct Receiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    pub(super) version: Version,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: &Arc<Shared<T>>, version: Version) -> Self {
        shared.receivers.fetch_add(1, Relaxed);
        Self { shared: shared.clone(), version }
    }

    /// Looks at the value, and does not mark it as seen.
    ///
    /// Blocks the thread while a sender changes the value. A task that holds the [`Ref`] of one receiver and asks for another
    /// one waits for ever if a sender came in between.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(Some(self.version)).0
    }

    /// Looks at the value, and marks it as seen. See [`borrow`](Self::borrow) for what to take care of.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let (value, version) = self.shared.borrow(Some(self.version));
        self.version = version;
        value
    }

    /// Whether there is a value that this receiver has not seen. It is not marked as seen.
    ///
    /// # Errors
    ///
    /// When all senders are gone, even if there is a value that has not been seen.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::watch::channel(1);
    /// assert!(!receiver.has_changed().unwrap());
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed().unwrap());
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        let state = self.shared.state();
        if state.is_closed() { Err(RecvError(())) } else { Ok(state.version() != self.version) }
    }

    /// Whether all senders are gone.
    pub fn is_closed(&self) -> bool {
        self.shared.state().is_closed()
    }

    /// Marks the value as unseen: the next [`changed`](Self::changed) is ready at once.
    pub fn mark_changed(&mut self) {
        self.version = self.version.before();
    }

    /// Marks the value as seen, without looking at it.
    pub fn mark_unchanged(&mut self) {
        self.version = self.shared.state().version();
    }

    /// Waits until there is a value that this receiver has not seen, and marks it as seen.
    ///
    /// # Errors
    ///
    /// When all senders are gone and the last value has been seen.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a future that is dropped before it is ready has marked nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.changed().await.unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// drop(sender);
    /// assert!(receiver.changed().await.is_err());
    /// # });
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        changed(&self.shared, &mut self.version).await
    }

    /// Waits until there is a value of which `f` says so; the one that is there counts. All values that `f` has been shown
    /// are marked as seen.
    ///
    /// `f` runs under the lock of the value: it should be short.
    ///
    /// # Errors
    ///
    /// When all senders are gone and `f` has said no to the last value.
    ///
    /// # Panics
    ///
    /// When `f` does.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again: the last value that `f` has seen is then shown to it again.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::watch::channel(1);
    /// runtime::spawn(async move {
    ///     for i in 2..10 {
    ///         sender.send(i).unwrap();
    ///     }
    /// });
    /// assert!(*receiver.wait_for(|value| *value > 5).await.unwrap() > 5);
    /// # });
    /// ```
    pub async fn wait_for(&mut self, f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        cooperative(self.look_for(f)).await
    }

    async fn look_for(&mut self, mut f: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        let mut is_closed = false;
        loop {
            {
                let (value, version) = self.shared.borrow(Some(self.version));
                self.version = version;
                // At the end, only a value that it has not been shown yet.
                if (!is_closed || value.has_changed) && f(&value) {
                    return Ok(value);
                }
            }
            if is_closed {
                return Err(RecvError(()));
            }
            is_closed = changed(&self.shared, &mut self.version).await.is_err();
        }
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

async fn changed<T>(shared: &Shared<T>, version: &mut Version) -> Result<(), RecvError> {
    let look = || {
        let state = shared.state();
        if state.version() != *version {
            *version = state.version();
            return Some(Ok(()));
        }
        state.is_closed().then_some(Err(RecvError(())))
    };
    shared.changed.until(look).await
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(&self.shared, self.version)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.shared.receivers.fetch_sub(1, AcqRel) == 1 {
            self.shared.abandoned.wake_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("shared", &self.shared).field("version", &self.version.0).finish()
    }
}
