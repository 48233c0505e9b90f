//! Those who change the value.
#![forbid(unsafe_code)]

use std::fmt;
use std::mem;

use super::error::SendError;
use super::{CLOSED, Receiver, Ref, Shared};
use crate::base::prim::Arc;
use crate::base::prim::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// A sender of a watch channel. Made by [`channel`](super::channel), [`Sender::new`], and by cloning.
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Makes a channel that has no receiver yet.
    ///
    /// ```
    /// let sender = runtime::sync::watch::Sender::new(1);
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(*sender.subscribe().borrow(), 1);
    /// ```
    pub fn new(init: T) -> Self {
        Self { shared: Arc::new(Shared::new(init, 0)) }
    }

    /// Puts another value in place, and tells all receivers.
    ///
    /// # Errors
    ///
    /// Gives the value back, and changes nothing, when there is no receiver. Where a receiver may come later,
    /// [`send_replace`](Self::send_replace) is the one to use.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.send_replace(value);
        Ok(())
    }

    /// Changes the value in its place, and tells all receivers, whether there are any or not.
    ///
    /// # Panics
    ///
    /// When `modify` does; nobody is told then, and the value is as `modify` has left it.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::watch::channel(vec![1]);
    /// sender.send_modify(|values| values.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    pub fn send_modify<F>(&self, modify: F)
    where
        F: FnOnce(&mut T),
    {
        self.shared.modify(|value| {
            modify(value);
            true
        });
    }

    /// Changes the value in its place, and tells all receivers if `modify` says that it has changed it. Returns whether
    /// it has.
    ///
    /// # Panics
    ///
    /// When `modify` does; nobody is told then, and the value is as `modify` has left it.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::watch::channel(5);
    /// let at_least = |least| sender.send_if_modified(|value| *value < least && { *value = least; true });
    /// assert!(!at_least(3));
    /// assert!(!receiver.has_changed().unwrap());
    /// assert!(at_least(7));
    /// assert_eq!(*receiver.borrow(), 7);
    /// ```
    pub fn send_if_modified<F>(&self, modify: F) -> bool
    where
        F: FnOnce(&mut T) -> bool,
    {
        self.shared.modify(modify)
    }

    /// Puts another value in place, tells all receivers, whether there are any or not, and returns the former one.
    ///
    /// ```
    /// let sender = runtime::sync::watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    pub fn send_replace(&self, mut value: T) -> T {
        self.send_modify(|current| mem::swap(current, &mut value));
        value
    }

    /// Looks at the value. See [`Receiver::borrow`] for what to take care of.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(None).0
    }

    /// Whether there is no receiver now.
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, receiver) = runtime::sync::watch::channel(1);
    /// runtime::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.shared.abandoned.until(|| self.is_closed().then_some(())).await;
    }

    /// Makes a receiver that counts the current value as seen.
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared, self.shared.state().version())
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers.load(Acquire)
    }

    /// How many senders there are.
    pub fn sender_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Relaxed);
        Self { shared: self.shared.clone() }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, AcqRel) == 1 {
            self.shared.state.fetch_or(CLOSED, AcqRel);
            self.shared.changed.wake_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("shared", &self.shared).finish()
    }
}
