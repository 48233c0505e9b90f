//! The senders, strong and weak.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::SendError;
use super::{Receiver, Shared};
use crate::base::prim::Arc;
use crate::base::prim::atomic::Ordering::{AcqRel, Acquire, Relaxed};

/// A sender of a broadcast channel. Made by [`channel`](super::channel), [`Sender::new`], and by cloning.
pub struct Sender<T> {
    pub(super) shared: Arc<Shared<T>>,
}

/// A sender that does not keep its channel open. Made by [`Sender::downgrade`].
///
/// # Examples
///
/// ```
/// let (sender, receiver) = runtime::sync::broadcast::channel::<u32>(1);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none() && receiver.is_closed());
/// ```
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Makes a channel that has no receiver yet.
    ///
    /// # Panics
    ///
    /// As [`channel`](super::channel).
    ///
    /// ```
    /// let sender = runtime::sync::broadcast::Sender::new(4);
    /// assert!(sender.send(1).is_err());
    /// let mut receiver = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self { shared: Arc::new(Shared::new(capacity, 0)) }
    }

    /// Sends a value to all receivers, and returns how many they are. It never waits: if the channel is full, the oldest value
    /// is dropped, and receivers that had not read it will get [`RecvError::Lagged`](super::error::RecvError::Lagged).
    ///
    /// # Errors
    ///
    /// Gives the value back when there is no receiver.
    ///
    /// # Panics
    ///
    /// When the drop of the oldest value does. The new value has been sent then.
    ///
    /// ```
    /// let (sender, first) = runtime::sync::broadcast::channel(1);
    /// let second = sender.subscribe();
    /// assert_eq!(sender.send("to both").unwrap(), 2);
    /// drop((first, second));
    /// assert_eq!(sender.send("to none").unwrap_err().0, "to none");
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.shared.send(value).map_err(SendError)
    }

    /// Makes a receiver that gets what is sent from now on.
    ///
    /// ```
    /// let (sender, _receiver) = runtime::sync::broadcast::channel(2);
    /// sender.send(1).unwrap();
    /// let mut late = sender.subscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!(late.try_recv(), Ok(2));
    /// ```
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(&self.shared)
    }

    /// Makes a sender that does not keep the channel open.
    #[must_use = "it makes a weak sender, and leaves this one as it is"]
    pub fn downgrade(&self) -> WeakSender<T> {
        self.shared.weak_senders.fetch_add(1, Relaxed);
        WeakSender { shared: self.shared.clone() }
    }

    /// How many values are kept because some receiver has not read them.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::broadcast::channel(4);
    /// let slow = sender.subscribe();
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// receiver.try_recv().unwrap();
    /// assert_eq!(sender.len(), 2);
    /// drop(slow);
    /// assert_eq!(sender.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Whether all receivers have read all that was sent, or missed it.
    pub fn is_empty(&self) -> bool {
        self.shared.len() == 0
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
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
    /// let (sender, receiver) = runtime::sync::broadcast::channel::<u32>(4);
    /// runtime::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// # });
    /// ```
    pub async fn closed(&self) {
        self.shared.abandoned().await;
    }

    /// How many senders keep the channel open.
    pub fn strong_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.load(Acquire)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.senders.fetch_add(1, Relaxed);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, AcqRel) == 1 {
            self.shared.close();
        }
    }
}

impl<T> WeakSender<T> {
    /// A sender, if the channel has one still.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let senders = &self.shared.senders;
        let mut count = senders.load(Acquire);
        while count != 0 {
            match senders.compare_exchange_weak(count, count + 1, AcqRel, Acquire) {
                Ok(_) => return Some(Sender { shared: self.shared.clone() }),
                Err(actual) => count = actual,
            }
        }
        None
    }

    /// How many senders keep the channel open.
    pub fn strong_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// How many weak senders there are.
    pub fn weak_count(&self) -> usize {
        self.shared.weak_senders.load(Acquire)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        self.shared.weak_senders.fetch_add(1, Relaxed);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.weak_senders.fetch_sub(1, AcqRel);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Sender")
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::WeakSender")
    }
}
