//! A channel in which each receiver gets a clone of each value.
//!
//! A value that is sent reaches all receivers that there are at that moment. It is kept until all of them have read it, or
//! until a newer one takes its place because the channel is full.
//!
//! # Lagging
//!
//! A sender never waits. When the channel is full, the oldest value is dropped. A receiver that had not read it is told so
//! by [`RecvError::Lagged`](error::RecvError::Lagged), with the number of values that it has missed, and goes on
//! with the oldest value that is kept. The capacity is rounded up to a power of two.
//!
//! # Cloning
//!
//! Each receiver clones the value that it reads. As `T` need not be [`Sync`], only one receiver at a time clones the same
//! value: others that want it wait, [`recv`](Receiver::recv) as a future and [`try_recv`](Receiver::try_recv) by blocking
//! the thread. A slow clone delays neither the senders nor receivers of other values, and a `clone` may use the channel; only
//! that it must not receive the value that is being cloned: it would wait for itself.
//!
//! # Memory
//!
//! Memory is used for values that are kept, not for the capacity. A value is dropped, and its memory given back, by the
//! receiver that reads it last, or by the sender that needs its place.
//!
//! # The end
//!
//! When the last sender is gone, receivers get what is left for them, and then
//! [`RecvError::Closed`](error::RecvError::Closed). When there is no receiver, sending fails; there may be one again.
//!
//! # Examples
//!
//! ```
//! use runtime::sync::broadcast;
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
//! # rt.block_on(async {
//! let (sender, mut first) = broadcast::channel(16);
//! let mut second = sender.subscribe();
//! sender.send("to all").unwrap();
//! assert_eq!(first.recv().await, Ok("to all"));
//! assert_eq!(second.recv().await, Ok("to all"));
//! # });
//! ```
//!
//! A receiver that is too slow:
//!
//! ```
//! use runtime::sync::broadcast::{self, error::RecvError};
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
//! # rt.block_on(async {
//! let (sender, mut receiver) = broadcast::channel(2);
//! for i in 1..=3 {
//!     sender.send(i).unwrap();
//! }
//! assert_eq!(receiver.recv().await, Err(RecvError::Lagged(1)));
//! assert_eq!(receiver.recv().await, Ok(2));
//! assert_eq!(receiver.recv().await, Ok(3));
//! # });
//! ```
//!
//! Next file to read: `queue.rs`.
#![forbid(unsafe_code)]

mod queue;
mod receiver;
mod sender;
mod shared;
#[cfg(test)]
mod tests;

pub use self::receiver::Receiver;
pub use self::sender::{Sender, WeakSender};
use self::shared::Shared;
use crate::base::prim::Arc;

/// Makes a channel that keeps up to `capacity` values (rounded up to a power of two), and its two ends.
///
/// # Panics
///
/// When `capacity` is 0, or more than `usize::MAX / 2`.
///
/// # Examples
///
/// ```
/// let (sender, mut receiver) = runtime::sync::broadcast::channel(4);
/// sender.send(1).unwrap();
/// assert_eq!(receiver.try_recv(), Ok(1));
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(capacity, 1));
    (Sender { shared: shared.clone() }, Receiver { shared, next: 0 })
}

pub mod error {
    //! The errors of broadcast channels.

    use std::error::Error;
    use std::fmt;

    /// There is no receiver. Holds what was not sent. Given by [`Sender::send`](super::Sender::send).
    #[derive(Debug)]
    pub struct SendError<T>(pub T);

    impl<T> fmt::Display for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("channel closed")
        }
    }

    impl<T: fmt::Debug> Error for SendError<T> {}

    /// Why [`Receiver::recv`](super::Receiver::recv) has no value.
    #[derive(Debug, PartialEq, Eq, Clone)]
    pub enum RecvError {
        /// There are no senders, and nothing is left.
        Closed,
        /// So many values were lost, as the receiver was too slow. The next call gives the oldest one that is there.
        Lagged(u64),
    }

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Closed => f.write_str("channel closed"),
                Self::Lagged(missed) => write!(f, "channel lagged by {missed}"),
            }
        }
    }

    impl Error for RecvError {}

    /// Why [`Receiver::try_recv`](super::Receiver::try_recv) has no value.
    #[derive(Debug, PartialEq, Eq, Clone)]
    pub enum TryRecvError {
        /// There is none now.
        Empty,
        /// There are no senders, and nothing is left.
        Closed,
        /// So many values were lost, as the receiver was too slow. The next call gives the oldest one that is there.
        Lagged(u64),
    }

    impl fmt::Display for TryRecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::Empty => f.write_str("channel empty"),
                Self::Closed => f.write_str("channel closed"),
                Self::Lagged(missed) => write!(f, "channel lagged by {missed}"),
            }
        }
    }

    impl Error for TryRecvError {}
}
