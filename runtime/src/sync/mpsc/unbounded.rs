//! The unbounded channel: what closes it is a flag in the queue itself.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::block::Position;
use super::chan::{self, Chan, Limit, Rx, Tx, WeakTx, strong_count, weak_count};
use super::error::{SendError, TryRecvError};
use crate::base::block_on::blocking;

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

/// The receiver of an unbounded channel. Made by [`unbounded_channel`](super::unbounded_channel).
pub struct UnboundedReceiver<T> {
    pub(super) rx: Rx<T, Unbounded>,
}

impl<T> UnboundedReceiver<T> {
    /// Receives the next value, and waits until there is one. `None`: there is none, and there will be none, as all senders
    /// are gone or the channel was [closed](Self::close).
    ///
    /// # Cancel safety
    ///
    /// No value is lost: one that has arrived stays in the channel until a call returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.recv().await, Some(1));
    /// assert_eq!(receiver.recv().await, None);
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.rx.poll_recv(cx)).await
    }

    /// Receives what is there, up to `limit` values, and waits until there is one at least. They are added to `buffer`.
    /// Returns how many they are: 0 if there will be none, or if `limit` is 0.
    ///
    /// # Cancel safety
    ///
    /// No value is lost: what has arrived stays in the channel until a call returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::mpsc::unbounded_channel();
    /// for i in 0..4 {
    ///     sender.send(i).unwrap();
    /// }
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut buffer, 3).await, 3);
    /// assert_eq!(receiver.recv_many(&mut buffer, 3).await, 1);
    /// assert_eq!(buffer, [0, 1, 2, 3]);
    /// # });
    /// ```
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|cx| self.rx.poll_recv_many(cx, buffer, limit)).await
    }

    /// Receives the next value if it is there.
    ///
    /// A value whose sender is just putting it into the channel counts as there: the thread waits for it for the moment
    /// that this takes.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) when there is none now, [`Disconnected`](TryRecvError::Disconnected) when
    /// there will be none.
    ///
    /// ```
    /// use runtime::sync::mpsc::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.rx.try_recv()
    }

    /// As [`recv`](Self::recv), by blocking this thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::mpsc::unbounded_channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        blocking(self.recv())
    }

    /// As [`recv_many`](Self::recv_many), by blocking this thread.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        blocking(self.recv_many(buffer, limit))
    }

    /// Lets nothing more in. What is in the channel is still received; after that [`recv`](Self::recv) returns
    /// `None`.
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = runtime::sync::mpsc::unbounded_channel();
    /// sender.send(1).unwrap();
    /// receiver.close();
    /// assert!(sender.send(2).is_err());
    /// assert_eq!(receiver.recv().await, Some(1));
    /// assert_eq!(receiver.recv().await, None);
    /// # });
    /// ```
    pub fn close(&mut self) {
        self.rx.close();
    }

    /// Whether it was closed, or all senders are gone. There may be values in it still.
    pub fn is_closed(&self) -> bool {
        self.rx.is_closed()
    }

    /// Whether there is no value to receive now.
    pub fn is_empty(&self) -> bool {
        self.rx.is_empty()
    }

    /// How many values are in the channel.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::mpsc::unbounded_channel();
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.rx.len()
    }

    /// Receives the next value, for those who write futures by hand. Only the waker of the last call is woken.
    ///
    /// `Ready(None)`: there will be none. `Pending`: there is none now, or the budget of the task is spent.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.rx.poll_recv(cx)
    }

    /// Receives what is there, for those who write futures by hand. See [`recv_many`](Self::recv_many) and
    /// [`poll_recv`](Self::poll_recv).
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        self.rx.poll_recv_many(cx, buffer, limit)
    }

    /// How many senders keep the channel open.
    pub fn sender_strong_count(&self) -> usize {
        strong_count(self.rx.chan())
    }

    /// How many weak senders there are.
    pub fn sender_weak_count(&self) -> usize {
        weak_count(self.rx.chan())
    }
}

impl<T> fmt::Debug for UnboundedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedReceiver")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
