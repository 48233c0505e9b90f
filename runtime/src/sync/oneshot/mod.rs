//! A channel for one value from one sender to one receiver.
//!
//! [`channel`] makes the two ends. [`Sender::send`] needs no `async`: a value that is sent once never waits for room.
//! The [`Receiver`] is a future of the value, or of a [`RecvError`] when the sender was dropped
//! without sending.
//!
//! ```
//! use runtime::sync::oneshot;
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
//! # rt.block_on(async {
//! let (sender, receiver) = oneshot::channel();
//! runtime::spawn(async move {
//!     if sender.send(6 * 7).is_err() {
//!         println!("nobody waits for the answer");
//!     }
//! });
//! assert_eq!(receiver.await, Ok(42));
//! # });
//! ```
//!
//! A sender that is dropped is noticed, too:
//!
//! ```
//! use runtime::sync::oneshot;
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
//! # rt.block_on(async {
//! let (sender, receiver) = oneshot::channel::<u32>();
//! drop(sender);
//! assert!(receiver.await.is_err());
//! # });
//! ```
//!
//! Next file to read: `channel.rs`.

mod channel;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use self::channel::{ReceiverEnd, SenderEnd};
use self::error::{RecvError, TryRecvError};
use crate::base::block_on::blocking;
use crate::base::coop;
use crate::base::trace::resource::{Kind, OnDrop, Op, Resource, poll_op, state_update};

/// The end that sends. Made by [`channel`].
///
/// Dropping it without sending ends the channel: the receiver gets an error.
pub struct Sender<T> {
    end: SenderEnd<T>,
    told: OnDrop,
}

/// The end that receives: a future of the value. Made by [`channel`].
///
/// Dropping it ends the channel, and with it a value that has been sent and not been received.
///
/// # Cancel safety
///
/// Nothing is lost when `&mut receiver` is awaited as one of several futures and another one finishes first: the value
/// is still there for the next poll.
///
/// # Panics
///
/// When it is polled after it gave the value or an error.
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    /// Gone when a result has been given out.
    end: Option<ReceiverEnd<T>>,
    told: OnDrop,
    receive: Op,
}

/// Makes the two ends of a channel for one value.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = runtime::sync::oneshot::channel();
/// std::thread::spawn(move || sender.send("from a thread").unwrap());
/// assert_eq!(receiver.blocking_recv(), Ok("from a thread"));
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let resource = Resource::new(Kind::Oneshot, Location::caller());
    resource.in_scope(|| state_update!(tx_dropped = false));
    resource.in_scope(|| state_update!(rx_dropped = false));
    resource.in_scope(|| state_update!(value_sent = false));
    resource.in_scope(|| state_update!(value_received = false));
    let (sender, receiver) = channel::new();
    let sender = Sender { end: sender, told: resource.on_drop(|| state_update!(tx_dropped = true)) };
    let told = resource.on_drop(|| state_update!(rx_dropped = true));
    (sender, Receiver { end: Some(receiver), told, receive: resource.op_in_scope("Receiver::await") })
}

impl<T> Sender<T> {
    /// Sends the value, at once.
    ///
    /// `Ok` says that the receiver was there at that moment, not that it will take the value.
    ///
    /// # Errors
    ///
    /// Gives the value back when the receiver was dropped or closed: it will not be received.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::sync::oneshot;
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(2), Err(2));
    /// ```
    pub fn send(self, t: T) -> Result<(), T> {
        let Self { end, mut told } = self;
        let sent = end.send(t);
        told.disarm();
        if sent.is_ok() {
            told.resource().in_scope(|| state_update!(value_sent = true));
        }
        sent
    }

    /// Waits until the receiver is dropped or closed: then nobody needs the value any more.
    ///
    /// # Cancel safety
    ///
    /// Can be dropped and called again at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::sync::oneshot;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (mut sender, receiver) = oneshot::channel::<u32>();
    /// runtime::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// ```
    pub async fn closed(&mut self) {
        let resource = self.told.resource().clone();
        resource.async_op("Sender::closed", "poll_closed", poll_fn(|cx| self.poll_closed(cx))).await;
    }

    /// Whether the receiver was dropped or closed: [`send`](Self::send) would fail. When it is `false`, `send` may
    /// fail nevertheless: the receiver can go away in between.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::oneshot::channel::<u32>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.end.is_closed()
    }

    /// As [`closed`](Self::closed), for use inside of a hand-written future.
    ///
    /// After `Pending`, the waker of the latest call is woken when the receiver goes.
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (mut sender, mut receiver) = runtime::sync::oneshot::channel::<u32>();
    /// runtime::spawn(async move { receiver.close() });
    /// poll_fn(|cx| sender.poll_closed(cx)).await;
    /// # });
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(coop::poll_proceed(cx));
        ready!(self.end.poll_closed(cx.waker()));
        unit.made_progress();
        Poll::Ready(())
    }
}

impl<T> Receiver<T> {
    /// Lets nothing more in. A value that was sent before can still be received.
    ///
    /// ```
    /// use runtime::sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// receiver.close();
    /// assert!(sender.send(1).is_err());
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// sender.send(2).unwrap();
    /// receiver.close();
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    pub fn close(&mut self) {
        if let Some(end) = &mut self.end {
            end.close();
            self.told.resource().in_scope(|| state_update!(rx_dropped = true));
        }
    }

    /// Whether a result, value or error, has been given out: polling now would panic.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::oneshot::channel();
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_terminated());
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert!(receiver.is_terminated());
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.end.is_none()
    }

    /// Whether there is no value here to be received now. That says nothing about the sender: it may be about to send,
    /// or have been dropped.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::oneshot::channel();
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_none_or(|end| !end.has_value())
    }

    /// Takes the value if it is there.
    ///
    /// No waker is registered: who wants to wait, awaits the receiver.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] when the sender has not sent yet. [`TryRecvError::Closed`] when no value will come: the
    /// sender was dropped, the channel was closed, or a result has been given out before.
    ///
    /// ```
    /// use runtime::sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send("here").unwrap();
    /// assert_eq!(receiver.try_recv(), Ok("here"));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let Some(end) = self.end.take_if(|end| end.is_over()) else {
            return Err(if self.end.is_some() { TryRecvError::Empty } else { TryRecvError::Closed });
        };
        self.told.disarm();
        let value = end.finish().ok_or(TryRecvError::Closed)?;
        self.told.resource().in_scope(|| state_update!(value_received = true));
        Ok(value)
    }

    /// Waits for the value by blocking this thread: for code that is in no runtime.
    ///
    /// # Errors
    ///
    /// When the sender was dropped without sending.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime. Use `.await` there.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(7).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(7));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        blocking(self)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { end: Some(end), receive, told } = &mut *self else {
            panic!("called after complete: a oneshot `Receiver` gives its result once");
        };
        ready!(receive.in_poll(told.resource(), || poll_op("poll_recv", poll_over(end, cx))));
        told.disarm();
        let value = self.end.take().and_then(ReceiverEnd::finish);
        Poll::Ready(value.ok_or(RecvError(())))
    }
}

fn poll_over<T>(end: &mut ReceiverEnd<T>, cx: &mut Context<'_>) -> Poll<()> {
    let unit = ready!(coop::poll_proceed(cx));
    ready!(end.poll_over(cx.waker()));
    unit.made_progress();
    Poll::Ready(())
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("is_terminated", &self.is_terminated())
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}

pub mod error {
    //! What can go wrong on a oneshot channel.

    use std::error::Error;
    use std::fmt;

    /// The sender was dropped without sending. Given by a [`Receiver`](super::Receiver).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RecvError(pub(super) ());

    /// There is no value. Given by [`Receiver::try_recv`](super::Receiver::try_recv).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum TryRecvError {
        /// Not yet.
        Empty,
        /// And there will be none.
        Closed,
    }

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("channel closed")
        }
    }

    impl Error for RecvError {}

    impl fmt::Display for TryRecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Self::Empty => "channel empty",
                Self::Closed => "channel closed",
            })
        }
    }

    impl Error for TryRecvError {}
}
