//! A channel that keeps the last value only, and tells all receivers when it changes.
//!
//! A value is there from the start: [`channel`] takes it. A [`Sender`] puts another one in its place, and each
//! [`Receiver`] is told by [`changed`](Receiver::changed) that there is one that it has not seen. What came in between is
//! lost: it is a channel for what is valid now, such as a configuration or a state.
//!
//! # Seen and unseen
//!
//! Each receiver has its own mark of what it has seen. The first value counts as seen, and so does the value that is there
//! when a receiver is made by [`Sender::subscribe`]. [`changed`](Receiver::changed) and
//! [`borrow_and_update`](Receiver::borrow_and_update) move the mark; [`borrow`](Receiver::borrow) does not. In a loop with
//! `changed`, `borrow_and_update` is the one to use: with `borrow` a value that comes between the two is seen twice.
//!
//! # The end
//!
//! When the last sender is gone, `changed` still tells of a value that is unseen, and then fails. When the last receiver is
//! gone, [`Sender::send`] fails, and [`Sender::closed`] ends.
//!
//! # Borrowing
//!
//! A value is looked at in its place, under a lock for readers, so a [`Ref`] should be held for a moment only: a sender
//! that wants to change the value waits for it, by blocking its thread; and with it, on some systems, others that want to
//! read.
//!
//! # Examples
//!
//! ```
//! use runtime::sync::watch;
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
//! # rt.block_on(async {
//! let (sender, mut receiver) = watch::channel("starting");
//! let watching = runtime::spawn(async move {
//!     loop {
//!         let state = *receiver.borrow_and_update();
//!         if receiver.changed().await.is_err() {
//!             return state;
//!         }
//!     }
//! });
//! sender.send("running").unwrap();
//! sender.send("stopped").unwrap();
//! drop(sender);
//! assert_eq!(watching.await.unwrap(), "stopped");
//! # });
//! ```
#![forbid(unsafe_code)]

mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Deref;

pub use self::receiver::Receiver;
pub use self::sender::Sender;
use crate::base::prim::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use crate::base::prim::{Arc, RwLock, RwLockReadGuard};
use crate::sync::event::Event;

/// In the state: all senders are gone.
const CLOSED: usize = 1;
const ONE_VERSION: usize = 2;

/// Makes a channel with that value, and its two ends.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = runtime::sync::watch::channel(1);
/// sender.send(2).unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared::new(init, 1));
    (Sender { shared: shared.clone() }, Receiver { shared, version: Version(0) })
}

/// A version of the value. It is known to the receivers that have seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version(usize);

impl Version {
    /// One that the current one is not.
    fn before(self) -> Self {
        Self(self.0.wrapping_sub(ONE_VERSION))
    }
}

#[derive(Clone, Copy)]
struct State(usize);

impl State {
    fn version(self) -> Version {
        Version(self.0 & !CLOSED)
    }

    fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }
}

struct Shared<T> {
    value: RwLock<T>,
    /// The version, which changes with the value, under its lock; and `CLOSED`.
    state: AtomicUsize,
    receivers: AtomicUsize,
    senders: AtomicUsize,
    /// The state has changed.
    changed: Event,
    /// The last receiver has gone.
    abandoned: Event,
}

impl<T> Shared<T> {
    fn new(value: T, receivers: usize) -> Self {
        Self {
            value: RwLock::new(value),
            state: AtomicUsize::new(0),
            receivers: AtomicUsize::new(receivers),
            senders: AtomicUsize::new(1),
            changed: Event::new(),
            abandoned: Event::new(),
        }
    }

    fn state(&self) -> State {
        State(self.state.load(Acquire))
    }

    /// Looks at the value; `seen` is the version that the caller knows, if it has one.
    fn borrow(&self, seen: Option<Version>) -> (Ref<'_, T>, Version) {
        let value = self.value.read();
        // Nobody changes the value now, so this is its version.
        let version = self.state().version();
        (Ref { value, has_changed: seen.is_some_and(|seen| seen != version) }, version)
    }

    /// Changes the value, if `modify` says so, and tells the receivers. If it panics, nobody is told.
    fn modify(&self, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.value.write();
        if !modify(&mut value) {
            return false;
        }
        // Under the lock, so that who reads knows which version it is.
        self.state.fetch_add(ONE_VERSION, AcqRel);
        drop(value);
        self.changed.wake_all();
        true
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Shared")
            .field("value", &self.value)
            .field("version", &state.version().0)
            .field("is_closed", &state.is_closed())
            .finish_non_exhaustive()
    }
}

/// The value, looked at in its place. While it exists, the value does not change: hold it for a moment only.
///
/// Made by [`Receiver::borrow`] and its kin.
#[derive(Debug)]
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// Whether the receiver that this came from had not seen the value before.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::watch::channel(1);
    /// assert!(!receiver.borrow().has_changed());
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

pub mod error {
    //! What can go wrong on a watch channel.

    use std::error::Error;
    use std::fmt;

    /// There is no receiver. Holds what was not sent. Given by [`Sender::send`](super::Sender::send).
    #[derive(PartialEq, Eq, Clone, Copy)]
    pub struct SendError<T>(pub T);

    impl<T> fmt::Debug for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("SendError").finish_non_exhaustive()
        }
    }

    impl<T> fmt::Display for SendError<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("channel closed")
        }
    }

    impl<T> Error for SendError<T> {}

    /// There is no sender. Given by [`Receiver::changed`](super::Receiver::changed) and its kin.
    #[derive(Debug, Clone)]
    pub struct RecvError(pub(super) ());

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("channel closed")
        }
    }

    impl Error for RecvError {}
}
