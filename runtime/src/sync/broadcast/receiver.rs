//! The receivers.
#![forbid(unsafe_code)]

use std::fmt;

use super::error::{RecvError, TryRecvError};
use super::shared::{Found, Shared};
use crate::base::block_on::blocking;
use crate::base::coop::cooperative;
use crate::base::prim::Arc;
use crate::base::prim::atomic::Ordering::Acquire;

/// A receiver of a broadcast channel. Made by [`channel`](super::channel), [`Sender::subscribe`](super::Sender::subscribe)
/// and [`resubscribe`](Self::resubscribe).
pub struct Receiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// The position of its next value.
    pub(super) next: u64,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: &Arc<Shared<T>>) -> Self {
        let next = shared.subscribe();
        Self { shared: shared.clone(), next }
    }

    /// How many values have been sent that it has not received, those that it has missed included.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::broadcast::channel(4);
    /// sender.send(1).unwrap();
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.len(), 2);
    /// receiver.try_recv().unwrap();
    /// assert_eq!(receiver.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.shared.end().wrapping_sub(self.next) as usize
    }

    /// Whether there is nothing for it now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// How many senders keep the channel open.
    pub fn sender_strong_count(&self) -> usize {
        self.shared.senders.load(Acquire)
    }

    /// How many weak senders there are.
    pub fn sender_weak_count(&self) -> usize {
        self.shared.weak_senders.load(Acquire)
    }

    /// Whether all senders are gone. There may be values for it still.
    pub fn is_closed(&self) -> bool {
        self.sender_strong_count() == 0
    }
}

impl<T: Clone> Receiver<T> {
    /// Makes a receiver that gets what is sent from now on, and not what this one has not got yet.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::broadcast::channel(4);
    /// sender.send(1).unwrap();
    /// let mut fresh = receiver.resubscribe();
    /// sender.send(2).unwrap();
    /// assert_eq!((receiver.try_recv(), fresh.try_recv()), (Ok(1), Ok(2)));
    /// ```
    pub fn resubscribe(&self) -> Self {
        Self::new(&self.shared)
    }

    /// Receives the next value, and waits until there is one.
    ///
    /// # Errors
    ///
    /// [`Lagged`](RecvError::Lagged) when values were lost, as this receiver was too slow; the next call gives the oldest one
    /// that is there. [`Closed`](RecvError::Closed) when there are no senders, and nothing is left.
    ///
    /// # Panics
    ///
    /// When the value's `clone` does, or its drop if this receiver was the last one to read it. The value counts as received.
    ///
    /// # Cancel safety
    ///
    /// No value is lost: one that has arrived stays until a call returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::sync::broadcast::{self, error::RecvError};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let (sender, mut receiver) = broadcast::channel(4);
    /// runtime::spawn(async move { sender.send("hello").unwrap() });
    /// assert_eq!(receiver.recv().await, Ok("hello"));
    /// assert_eq!(receiver.recv().await, Err(RecvError::Closed));
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        let (shared, next) = (&*self.shared, &mut self.next);
        cooperative(async {
            loop {
                match shared.next(next).await {
                    Found::Borrowed(value) => return Ok(shared.clone_value(*next, value, false)),
                    Found::Last(value) => return Ok(shared.clone_value(*next, value, true)),
                    Found::Lagged(missed) => return Err(RecvError::Lagged(missed)),
                    Found::Closed => return Err(RecvError::Closed),
                    Found::Busy => {}
                }
                shared.returned(*next).await;
            }
        })
        .await
    }

    /// Receives the next value if it is there.
    ///
    /// A value that another receiver is cloning counts as there: the thread waits for it.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) when there is none now, and else as [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// As [`recv`](Self::recv).
    ///
    /// ```
    /// use runtime::sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(4);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        loop {
            match self.shared.look(&mut self.next) {
                Some(Found::Borrowed(value)) => return Ok(self.shared.clone_value(self.next, value, false)),
                Some(Found::Last(value)) => return Ok(self.shared.clone_value(self.next, value, true)),
                Some(Found::Lagged(missed)) => return Err(TryRecvError::Lagged(missed)),
                Some(Found::Closed) => return Err(TryRecvError::Closed),
                Some(Found::Busy) => self.shared.blocking_returned(self.next),
                None => return Err(TryRecvError::Empty),
            }
        }
    }

    /// As [`recv`](Self::recv), by blocking this thread.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::broadcast::channel(4);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(1).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(1));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        blocking(self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.unsubscribe(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broadcast::Receiver")
    }
}
