//! The senders of a bounded channel.
#![forbid(unsafe_code)]

use std::fmt;

use super::bounded::{Bounded, reserve, try_reserve};
use super::chan::{Tx, WeakTx, strong_count, weak_count};
use super::error::{SendError, TrySendError};
use super::{OwnedPermit, Permit, PermitIterator};
use crate::base::block_on::blocking;

/// A sender of a bounded channel. Made by [`channel`](super::channel), and by cloning.
pub struct Sender<T> {
    pub(super) tx: Tx<T, Bounded>,
}

/// A sender that does not keep its channel open. Made by [`Sender::downgrade`].
///
/// # Examples
///
/// ```
/// let (sender, receiver) = runtime::sync::mpsc::channel::<u32>(1);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// # drop(receiver);
/// ```
pub struct WeakSender<T> {
    weak: WeakTx<T, Bounded>,
}

impl<T> Sender<T> {
    /// Sends a value, and waits until there is room for it.
    ///
    /// `Ok` says that the value is in the channel, not that it will be received.
    ///
    /// # Errors
    ///
    /// Gives the value back when the channel is closed, or is closed before this one's turn comes.
    ///
    /// # Cancel safety
    ///
    /// A value that has not been sent yet is dropped with the future, and the place in the queue is lost. Who wants to keep
    /// the value calls [`reserve`](Self::reserve).
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::mpsc::channel(1);
    /// sender.send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// drop(receiver);
    /// assert_eq!(sender.send(2).await.unwrap_err().0, 2);
    /// # });
    /// ```
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        match reserve(&self.tx, 1).await {
            Ok(()) => {
                self.tx.push(value);
                Ok(())
            }
            Err(SendError(())) => Err(SendError(value)),
        }
    }

    /// Waits until the receiver is gone or has closed the channel.
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
    /// let (sender, receiver) = runtime::sync::mpsc::channel::<u32>(1);
    /// runtime::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.tx.closed().await;
    }

    /// Sends a value if there is room for it now.
    ///
    /// # Errors
    ///
    /// Gives the value back when the channel is full, or closed.
    ///
    /// ```
    /// use runtime::sync::mpsc::{self, error::TrySendError};
    ///
    /// let (sender, receiver) = mpsc::channel(1);
    /// sender.try_send(1).unwrap();
    /// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        match try_reserve(&self.tx, 1) {
            Ok(()) => {
                self.tx.push(message);
                Ok(())
            }
            Err(error) => Err(error.map(|()| message)),
        }
    }

    /// As [`send`](Self::send), by blocking this thread.
    ///
    /// # Errors
    ///
    /// Gives the value back when the channel is closed, or is closed before this one's turn comes.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::mpsc::channel(1);
    /// let thread = std::thread::spawn(move || sender.blocking_send(1).unwrap());
    /// assert_eq!(receiver.blocking_recv(), Some(1));
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        blocking(self.send(value))
    }

    /// Whether the receiver is gone or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed()
    }

    /// Waits until there is room for a value, and keeps the room for it.
    ///
    /// # Errors
    ///
    /// When the channel is closed, or is closed before this one's turn comes.
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
    /// let (sender, mut receiver) = runtime::sync::mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// assert!(sender.try_send(2).is_err());
    /// permit.send(1);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        reserve(&self.tx, 1).await?;
        Ok(Permit { tx: &self.tx })
    }

    /// Waits until there is room for `n` values, and keeps the room for them.
    ///
    /// # Errors
    ///
    /// When the channel is closed, or is closed before this one's turn comes; and when `n` is more than it ever has room
    /// for.
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
    /// let (sender, mut receiver) = runtime::sync::mpsc::channel(2);
    /// for (i, permit) in sender.reserve_many(2).await.unwrap().enumerate() {
    ///     permit.send(i);
    /// }
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(0), Some(1)));
    /// assert!(sender.reserve_many(3).await.is_err());
    /// # });
    /// ```
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        reserve(&self.tx, n).await?;
        Ok(PermitIterator { tx: &self.tx, left: n })
    }

    /// As [`reserve`](Self::reserve); the sender goes into the permit, which can go anywhere.
    ///
    /// # Errors
    ///
    /// When the channel is closed, or is closed before this one's turn comes. The sender is gone then.
    ///
    /// # Cancel safety
    ///
    /// The sender is dropped with the future.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::mpsc::channel(1);
    /// let permit = sender.clone().reserve_owned().await.unwrap();
    /// runtime::spawn(async move { permit.send(1) });
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        reserve(&self.tx, 1).await?;
        Ok(OwnedPermit { tx: Some(self.tx) })
    }

    /// Keeps room for a value if there is room now.
    ///
    /// # Errors
    ///
    /// When the channel is full, or closed.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        try_reserve(&self.tx, 1)?;
        Ok(Permit { tx: &self.tx })
    }

    /// Keeps room for `n` values if there is so much now.
    ///
    /// # Errors
    ///
    /// When there is less room, or the channel is closed.
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        try_reserve(&self.tx, n)?;
        Ok(PermitIterator { tx: &self.tx, left: n })
    }

    /// As [`try_reserve`](Self::try_reserve); the sender goes into the permit, which can go anywhere.
    ///
    /// # Errors
    ///
    /// Gives the sender back when the channel is full, or closed.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match try_reserve(&self.tx, 1) {
            Ok(()) => Ok(OwnedPermit { tx: Some(self.tx) }),
            Err(error) => Err(error.map(|()| self)),
        }
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.is_same(&other.tx)
    }

    /// How many values there is room for now.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::mpsc::channel(3);
    /// sender.try_send(1).unwrap();
    /// assert_eq!((sender.capacity(), sender.max_capacity()), (2, 3));
    /// # drop(receiver);
    /// ```
    pub fn capacity(&self) -> usize {
        self.tx.chan().extra.limit.available()
    }

    /// How many values there is room for in all.
    pub fn max_capacity(&self) -> usize {
        self.tx.chan().extra.limit.bound()
    }

    /// Makes a sender that does not keep the channel open.
    #[must_use = "it makes a weak sender, and leaves this one as it is"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender { weak: self.tx.downgrade() }
    }

    /// How many senders keep the channel open.
    pub fn strong_count(&self) -> usize {
        strong_count(self.tx.chan())
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        weak_count(self.tx.chan())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { tx: self.tx.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.capacity())
            .field("max_capacity", &self.max_capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

impl<T> WeakSender<T> {
    /// A sender, if the channel has one still.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        Some(Sender { tx: self.weak.upgrade()? })
    }

    /// How many senders keep the channel open.
    pub fn strong_count(&self) -> usize {
        strong_count(self.weak.chan())
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        weak_count(self.weak.chan())
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self { weak: self.weak.clone() }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}
