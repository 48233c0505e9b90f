//! The bounded channel: each value on its way has a permit.
#![forbid(unsafe_code)]

use super::block::Position;
use super::chan::{self, Chan, Limit, Tx, wake_receiver};
use super::error::{SendError, TrySendError};
use super::{Receiver, Sender};
use crate::sync::semaphore::TryAcquireError;
use crate::sync::semaphore::permits::Permits;

/// Makes a channel for up to `buffer` values at a time, and its two ends.
///
/// # Panics
///
/// When `buffer` is 0, or more than [`Semaphore::MAX_PERMITS`](crate::sync::Semaphore::MAX_PERMITS).
///
/// # Examples
///
/// ```
/// use runtime::sync::mpsc;
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let (sender, mut receiver) = mpsc::channel(4);
/// runtime::spawn(async move {
///     for i in 0..10 {
///         if sender.send(i).await.is_err() {
///             return;
///         }
///     }
/// });
/// let mut sum = 0;
/// while let Some(i) = receiver.recv().await {
///     sum += i;
/// }
/// assert_eq!(sum, 45);
/// # });
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "mpsc bounded channel requires buffer > 0");
    let (tx, rx) = chan::new(Bounded::new(buffer));
    (Sender { tx }, Receiver { rx })
}

/// A permit for each value that may be on its way.
pub(super) struct Bounded {
    permits: Permits,
    bound: usize,
}

impl Bounded {
    #[track_caller]
    pub(super) fn new(bound: usize) -> Self {
        Self { permits: Permits::new(bound), bound }
    }

    pub(super) fn available(&self) -> usize {
        self.permits.available()
    }

    pub(super) fn bound(&self) -> usize {
        self.bound
    }
}

impl Limit for Bounded {
    fn received(&self, count: usize) {
        self.permits.release(count);
    }

    fn close<T>(chan: &Chan<T, Self>) -> Option<Position> {
        chan.extra.limit.permits.close();
        // Permits that are out may still be used.
        None
    }

    fn is_closed<T>(chan: &Chan<T, Self>) -> bool {
        chan.extra.limit.permits.is_closed()
    }

    fn is_idle(&self) -> bool {
        self.permits.available() == self.bound
    }
}

/// Takes permits, and waits for them.
pub(super) async fn reserve<T>(tx: &Tx<T, Bounded>, count: usize) -> Result<(), SendError<()>> {
    /// Permits that are given up on the way: the receiver may be waiting for them.
    struct GivenUp<'a, T>(&'a Tx<T, Bounded>);
    impl<T> Drop for GivenUp<'_, T> {
        fn drop(&mut self) {
            wake_if_over(self.0);
        }
    }
    let limit = &tx.chan().extra.limit;
    if count > limit.bound {
        return Err(SendError(()));
    }
    let given_up = GivenUp(tx);
    // Dropped before the guard, if this is dropped while it waits.
    let acquired = limit.permits.acquire(count).await;
    if acquired.is_ok() {
        std::mem::forget(given_up);
    }
    acquired.map_err(|_| SendError(()))
}

/// Takes permits if they are there.
pub(super) fn try_reserve<T>(tx: &Tx<T, Bounded>, count: usize) -> Result<(), TrySendError<()>> {
    let limit = &tx.chan().extra.limit;
    if count > limit.bound {
        return Err(TrySendError::Full(()));
    }
    limit.permits.try_acquire(count).map_err(|error| match error {
        TryAcquireError::Closed => TrySendError::Closed(()),
        TryAcquireError::NoPermits => TrySendError::Full(()),
    })
}

/// Gives permits back that were not used.
pub(super) fn give_back<T>(tx: &Tx<T, Bounded>, count: usize) {
    tx.chan().extra.limit.permits.release(count);
    wake_if_over(tx);
}

/// The receiver of a closed channel waits until all permits are back.
fn wake_if_over<T>(tx: &Tx<T, Bounded>) {
    if tx.is_closed() && tx.chan().extra.limit.is_idle() {
        wake_receiver(tx.chan());
    }
}
