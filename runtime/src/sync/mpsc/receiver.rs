//! The receivers of bounded and unbounded channels, which do the same.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::bounded::Bounded;
use super::chan::{Rx, strong_count, weak_count};
use super::error::TryRecvError;
use super::unbounded::Unbounded;
use crate::base::block_on::blocking;

/// The receiver of a bounded channel. Made by [`channel`](super::channel).
pub struct Receiver<T> {
    pub(super) rx: Rx<T, Bounded>,
}

/// The receiver of an unbounded channel. Made by [`unbounded_channel`](super::unbounded_channel).
pub struct UnboundedReceiver<T> {
    pub(super) rx: Rx<T, Unbounded>,
}

/// What both can do. The literals are for the documentation: how a channel is made, how a value is sent without waiting,
/// and what else a closed channel lets in.
macro_rules! receiver {
    ($Receiver:ident, $channel:literal, $send:literal, $permits:literal) => {
        impl<T> $Receiver<T> {
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
            #[doc = concat!("let (sender, mut receiver) = runtime::sync::mpsc::", $channel, ";")]
            #[doc = concat!("sender.", $send, "(1).unwrap();")]
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
            #[doc = concat!("let (sender, mut receiver) = runtime::sync::mpsc::", $channel, ";")]
            /// for i in 0..4 {
            #[doc = concat!("    sender.", $send, "(i).unwrap();")]
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
            #[doc = concat!("let (sender, mut receiver) = mpsc::", $channel, ";")]
            /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            #[doc = concat!("sender.", $send, "(1).unwrap();")]
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
            #[doc = concat!("let (sender, mut receiver) = runtime::sync::mpsc::", $channel, ";")]
            /// let thread = std::thread::spawn(move || receiver.blocking_recv());
            #[doc = concat!("sender.", $send, "(1).unwrap();")]
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

            #[doc = concat!("Lets nothing more in. What is in the channel", $permits, " is still received; after that")]
            /// [`recv`](Self::recv) returns `None`.
            ///
            /// ```
            /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
            /// # rt.block_on(async {
            #[doc = concat!("let (sender, mut receiver) = runtime::sync::mpsc::", $channel, ";")]
            #[doc = concat!("sender.", $send, "(1).unwrap();")]
            /// receiver.close();
            #[doc = concat!("assert!(sender.", $send, "(2).is_err());")]
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
            #[doc = concat!("let (sender, receiver) = runtime::sync::mpsc::", $channel, ";")]
            /// assert!(receiver.is_empty());
            #[doc = concat!("sender.", $send, "(1).unwrap();")]
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

        impl<T> fmt::Debug for $Receiver<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Receiver))
                    .field("len", &self.len())
                    .field("is_closed", &self.is_closed())
                    .finish_non_exhaustive()
            }
        }
    };
}

receiver!(Receiver, "channel(4)", "try_send", ", and what there are permits for,");
receiver!(UnboundedReceiver, "unbounded_channel()", "send", "");

impl<T> Receiver<T> {
    /// How many values there is room for now.
    pub fn capacity(&self) -> usize {
        self.rx.chan().extra.limit.available()
    }

    /// How many values there is room for in all.
    pub fn max_capacity(&self) -> usize {
        self.rx.chan().extra.limit.bound()
    }
}
