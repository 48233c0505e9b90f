//! Room in a bounded channel that is kept for a value.
#![forbid(unsafe_code)]

use std::fmt;
use std::iter::FusedIterator;
use std::mem;

use super::Sender;
use super::bounded::{Bounded, give_back};
use super::chan::Tx;

/// Room for one value, which is given back when this is dropped. Made by [`Sender::reserve`] and
/// [`Sender::try_reserve`].
pub struct Permit<'a, T> {
    pub(super) tx: &'a Tx<T, Bounded>,
}

/// Room for a number of values, as an iterator of permits. What is left is given back when this is dropped. Made by
/// [`Sender::reserve_many`] and [`Sender::try_reserve_many`].
pub struct PermitIterator<'a, T> {
    pub(super) tx: &'a Tx<T, Bounded>,
    pub(super) left: usize,
}

/// Room for one value, with a sender of its own; it is given back when this is dropped. Made by
/// [`Sender::reserve_owned`] and [`Sender::try_reserve_owned`].
pub struct OwnedPermit<T> {
    /// Taken when it is used up.
    pub(super) tx: Option<Tx<T, Bounded>>,
}

impl<T> Permit<'_, T> {
    /// Sends a value, at once; also when the channel has been closed meanwhile.
    pub fn send(self, value: T) {
        let tx = self.tx;
        mem::forget(self);
        tx.push(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        give_back(self.tx, 1);
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = self.left.checked_sub(1)?;
        Some(Permit { tx: self.tx })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.left > 0 {
            give_back(self.tx, self.left);
        }
    }
}

impl<T> OwnedPermit<T> {
    fn take(&mut self) -> Tx<T, Bounded> {
        self.tx.take().expect("only what ends a permit takes its sender")
    }

    /// Sends a value, at once; also when the channel has been closed meanwhile. Gives the sender back.
    ///
    /// ```
    /// let (sender, mut receiver) = runtime::sync::mpsc::channel(2);
    /// let sender = sender.try_reserve_owned().unwrap().send(1);
    /// sender.try_send(2).unwrap();
    /// assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
    /// ```
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = Sender { tx: self.take() };
        sender.tx.push(value);
        sender
    }

    /// Gives the room back, and the sender.
    ///
    /// ```
    /// let (sender, receiver) = runtime::sync::mpsc::channel::<u32>(1);
    /// let sender = sender.try_reserve_owned().unwrap().release();
    /// assert_eq!(sender.capacity(), 1);
    /// # drop(receiver);
    /// ```
    pub fn release(mut self) -> Sender<T> {
        let sender = Sender { tx: self.take() };
        give_back(&sender.tx, 1);
        sender
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.tx.as_ref().zip(other.tx.as_ref()).is_some_and(|(one, other)| one.is_same(other))
    }

    /// Whether it is of the sender's channel.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.tx.as_ref().is_some_and(|tx| tx.is_same(&sender.tx))
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(tx) = self.tx.take() {
            give_back(&tx, 1);
        }
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator").field("capacity", &self.left).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
