//! A channel for many values, from many senders to one receiver.
//!
//! [`channel`] makes a bounded one: a sender waits while the channel is full. [`unbounded_channel`] makes one without
//! a bound: sending never waits, and a receiver that cannot keep up makes memory grow without end.
//!
//! # The end
//!
//! When the last sender is gone, the receiver gets what is still in the channel, and then `None`. When the receiver is gone,
//! sending fails, and what was in the channel is dropped. [`Receiver::close`] is the orderly way: nothing more gets
//! in, and what is on its way is still received.
//!
//! A [`WeakSender`] does not keep a channel open; it becomes a sender as long as there is another one.
//!
//! # Outside of a runtime
//!
//! The channels wait through the waker of whoever polls them: they work on any executor. For threads there are
//! [`Sender::blocking_send`] and [`Receiver::blocking_recv`]; sending into an unbounded channel needs neither.
//!
//! # Memory
//!
//! Values lie in blocks of up to 32, or as many as fit into a kilobyte, four at least. A channel in which nothing has been
//! sent yet has no block; blocks are given back as they are received, all but the last one.
//!
//! # Examples
//!
//! ```
//! use runtime::sync::mpsc;
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
//! # rt.block_on(async {
//! let (sender, mut receiver) = mpsc::channel(10);
//! for part in ["hello", "world"] {
//!     let sender = sender.clone();
//!     runtime::spawn(async move { sender.send(part).await.unwrap() });
//! }
//! drop(sender);
//! let mut parts = Vec::new();
//! while let Some(part) = receiver.recv().await {
//!     parts.push(part);
//! }
//! parts.sort();
//! assert_eq!(parts, ["hello", "world"]);
//! # });
//! ```
//!
//! Next file to read: `list.rs`.

mod block;
mod bounded;
mod chan;
pub mod error;
mod list;
mod permit;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;
mod unbounded;

pub use self::bounded::channel;
pub use self::permit::{OwnedPermit, Permit, PermitIterator};
pub use self::receiver::{Receiver, UnboundedReceiver};
pub use self::sender::{Sender, WeakSender};
pub use self::unbounded::{UnboundedSender, WeakUnboundedSender, unbounded_channel};
