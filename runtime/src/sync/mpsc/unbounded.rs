//! The unbounded channel: what closes it is a flag in the queue itself.
#![forbid(unsafe_code)]

use std::fmt;

use super::UnboundedReceiver;
use super::block::Position;
use super::chan::{self, Chan, Limit, Tx, WeakTx, strong_count, weak_count};
use super::error::SendError;

/// Makes a channel without a bound, and its two ends.
///
/// Sending never waits. A receiver that cannot keep up makes memory grow until there is none.
///
/// # Examples
///
/// ```
/// let (sender, mut receiver) = runtime::sync::mpsc::unbounded_channel();
/// for i in 0..100 {
///     sender.send(i).unwrap();
/// }
/// drop(sender);
/// let mut received = Vec::new();
/// while let Some(i) = receiver.blocking_recv() {
///     received.push(i);
/// }
/// assert_eq!(received.len(), 100);
/// ```
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let (tx, rx) = chan::new(Unbounded);
    (UnboundedSender { tx }, UnboundedReceiver { rx })
}

/// No limit.
pub(super) struct Unbounded;

impl Limit for Unbounded {
    fn received(&self, _count: usize) {}

    fn close<T>(chan: &Chan<T, Self>) -> Option<Position> {
        Some(chan.close())
    }

    fn is_closed<T>(chan: &Chan<T, Self>) -> bool {
        chan.is_closed()
    }

    fn is_idle(&self) -> bool {
        true
    }
}

/// A sender of an unbounded channel. Made by [`unbounded_channel`], and by cloning.
pub struct UnboundedSender<T> {
    pub(super) tx: Tx<T, Unbounded>,
}

/// A sender that does not keep its channel open. Made by [`UnboundedSender::downgrade`].
///
/// # Examples
///
/// ```
/// let (sender, receiver) = runtime::sync::mpsc::unbounded_channel::<u32>();
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// # drop(receiver);
/// ```
pub struct WeakUnboundedSender<T> {
    weak: WeakTx<T, Unbounded>,
}

impl<T> UnboundedSender<T> {
    /// Sends a value, at once.
    ///
    /// `Ok` says that the value is in the channel, not that it will be received.
    ///
    /// # Errors
    ///
    /// Gives the value back when the channel is closed.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// drop(receiver);
    /// assert_eq!(sender.send(2).unwrap_err().0, 2);
    /// ```
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.tx.try_push(message).map_err(SendError)
    }

    /// Waits until the receiver is gone or has closed the channel.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again at any time.
    pub async fn closed(&self) {
        self.tx.closed().await;
    }

    /// Whether the receiver is gone or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.tx.is_closed()
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.is_same(&other.tx)
    }

    /// Makes a sender that does not keep the channel open.
    #[must_use = "it makes a weak sender, and leaves this one as it is"]
    pub fn downgrade(&self) -> WeakUnboundedSender<T> {
        WeakUnboundedSender { weak: self.tx.downgrade() }
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

impl<T> Clone for UnboundedSender<T> {
    fn clone(&self) -> Self {
        Self { tx: self.tx.clone() }
    }
}

impl<T> fmt::Debug for UnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> WeakUnboundedSender<T> {
    /// A sender, if the channel has one still.
    pub fn upgrade(&self) -> Option<UnboundedSender<T>> {
        Some(UnboundedSender { tx: self.weak.upgrade()? })
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

impl<T> Clone for WeakUnboundedSender<T> {
    fn clone(&self) -> Self {
        Self { weak: self.weak.clone() }
    }
}

impl<T> fmt::Debug for WeakUnboundedSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakUnboundedSender").finish_non_exhaustive()
    }
}
