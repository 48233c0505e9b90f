//! Waking tasks without a value. See [`Notify`].
//!
//! # The protocol
//!
//! One word: what the primitive is about, and how often [`Notify::notify_waiters`] was called.
//!
//! | state | says | left |
//! |---|---|---|
//! | `EMPTY` | nobody waits, and no permit is stored | to `NOTIFIED` without the lock; to `WAITING` under it |
//! | `NOTIFIED` | nobody waits, and one permit is stored | to `EMPTY`, without the lock |
//! | `WAITING` | somebody waits | to `EMPTY`, under the lock, when the last one has gone |
//!
//! The count changes under the lock only. A future notes it when it is made: a later count tells it that it was notified,
//! although it may not be in the queue yet, or may still be in it because its batch has not come.
//!
//! Transitions are AcqRel, also one from `NOTIFIED` to itself: who takes a permit sees what was written before each
//! call that stored it.
//!
//! Next file to read: `notified.rs`.
#![forbid(unsafe_code)]

mod notified;
#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

pub use self::notified::{Notified, OwnedNotified};
use crate::base::prim::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use crate::base::prim::{PlainArc as Arc, const_unless_model};
use crate::base::wait_queue::WaitQueue;

const EMPTY: usize = 0;
const WAITING: usize = 1;
const NOTIFIED: usize = 2;
const STATE: usize = 0b11;
const ONE_CALL: usize = 0b100;

type Queue = WaitQueue<(), Kind>;

/// How a waiter was notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Not yet.
    None,
    /// By [`Notify::notify_one`].
    First,
    /// By [`Notify::notify_last`].
    Last,
    /// By [`Notify::notify_waiters`].
    All,
}

#[derive(Clone, Copy)]
struct Word(usize);

impl Word {
    fn state(self) -> usize {
        self.0 & STATE
    }

    fn with(self, state: usize) -> Self {
        Self(self.0 & !STATE | state)
    }

    fn calls(self) -> usize {
        self.0 & !STATE
    }
}

/// Wakes one task or all that wait, without a value to go with it.
///
/// It is best thought of as a [`Semaphore`](super::Semaphore) that starts with 0 permits: [`notified().await`] waits for a
/// permit, and [`notify_one`](Self::notify_one) makes one available if there is none yet. It does not hold any
/// data; what it tells about is somewhere else.
///
/// One permit is stored at most. So if `notify_one` is called before anybody waits, the next one to wait does not; but many
/// calls before that count as one. [`notify_waiters`](Self::notify_waiters) stores nothing.
///
/// [`notified().await`]: Self::notified
///
/// # Examples
///
/// ```
/// use runtime::sync::Notify;
/// use std::sync::Arc;
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let notify = Arc::new(Notify::new());
/// let task = {
///     let notify = notify.clone();
///     runtime::spawn(async move { notify.notified().await })
/// };
/// notify.notify_one();
/// task.await.unwrap();
/// # });
/// ```
///
/// A queue for many who put in and one who takes out. A permit stays until the queue has been looked through:
///
/// ```
/// use runtime::sync::Notify;
/// use std::collections::VecDeque;
/// use std::sync::Mutex;
///
/// struct Channel<T> {
///     values: Mutex<VecDeque<T>>,
///     notify: Notify,
/// }
///
/// impl<T> Channel<T> {
///     fn send(&self, value: T) {
///         self.values.lock().unwrap().push_back(value);
///         self.notify.notify_one();
///     }
///
///     async fn receive(&self) -> T {
///         loop {
///             if let Some(value) = self.values.lock().unwrap().pop_front() {
///                 return value;
///             }
///             self.notify.notified().await;
///         }
///     }
/// }
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// # let channel = Channel { values: Mutex::default(), notify: Notify::new() };
/// # channel.send(1);
/// # channel.send(2);
/// # assert_eq!((channel.receive().await, channel.receive().await), (1, 2));
/// # });
/// ```
pub struct Notify {
    word: AtomicUsize,
    queue: Queue,
}

impl Notify {
    /// Makes one with nothing stored.
    pub fn new() -> Notify {
        Self::make()
    }

    /// Makes one with nothing stored, also for a `static`.
    ///
    /// ```
    /// use runtime::sync::Notify;
    ///
    /// static NOTIFY: Notify = Notify::const_new();
    /// # NOTIFY.notify_one();
    /// ```
    #[cfg(not(rt_loom))]
    pub const fn const_new() -> Notify {
        Self::make()
    }

    const_unless_model! {
        fn make() -> Self {
            Self { word: AtomicUsize::new(EMPTY), queue: WaitQueue::new(()) }
        }
    }

    fn load(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// The one way to change the word. `Err` is what `step` says of a word that stays as it is.
    #[inline]
    fn transition<R, E>(&self, step: impl Fn(Word) -> Result<(Word, R), E>) -> Result<R, E> {
        let mut now = self.load();
        loop {
            let (next, result) = step(now)?;
            match self.word.compare_exchange_weak(now.0, next.0, AcqRel, Acquire) {
                Ok(_) => return Ok(result),
                Err(actual) => now = Word(actual),
            }
        }
    }

    /// Waits for a notification.
    ///
    /// `async fn notified(&self)`, in effect; only that the call itself already does something: what
    /// [`notify_waiters`](Self::notify_waiters) is called after it, even before the future is polled for the first time,
    /// notifies it. For [`notify_one`](Self::notify_one) a future counts from its first poll on, or from
    /// [`Notified::enable`].
    ///
    /// # Fairness
    ///
    /// `notify_one` wakes those who wait in the order in which they were first polled.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the queue: a notification that it has got and not yet taken goes to another one.
    ///
    /// # Examples
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let notify = runtime::sync::Notify::new();
    /// let notified = notify.notified();
    /// notify.notify_waiters();
    /// notified.await;
    /// # });
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified::new(self)
    }

    /// As [`notified`](Self::notified); the future keeps the `Notify` alive and can go anywhere.
    ///
    /// # Cancel safety
    ///
    /// As [`notified`](Self::notified).
    ///
    /// ```
    /// use runtime::sync::Notify;
    /// use std::sync::Arc;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let notify = Arc::new(Notify::new());
    /// let task = runtime::spawn(notify.clone().notified_owned());
    /// notify.notify_one();
    /// task.await.unwrap();
    /// # });
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified::new(self)
    }

    /// Wakes the task that has waited longest, or stores a permit for the next one if nobody waits.
    ///
    /// What was done before the call is seen by the task that it wakes, or that takes the permit.
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let notify = runtime::sync::Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// notify.notified().await;
    /// let second = runtime::task::unconstrained(notify.notified());
    /// # let second = std::pin::pin!(second);
    /// # assert!(second.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    /// // ... waits, as one permit is stored at most.
    /// # });
    /// ```
    pub fn notify_one(&self) {
        self.notify(Kind::First);
    }

    /// As [`notify_one`](Self::notify_one), but wakes the task that has waited for the shortest time.
    pub fn notify_last(&self) {
        self.notify(Kind::Last);
    }

    fn notify(&self, kind: Kind) {
        let store = |now: Word| if now.state() == WAITING { Err(()) } else { Ok((now.with(NOTIFIED), ())) };
        if self.transition(store).is_ok() {
            return;
        }
        let mut queue = self.queue.lock();
        // The last of those who waited may have gone; nobody comes now, as the lock is held.
        if self.transition(store).is_ok() {
            return;
        }
        let waker = match kind {
            Kind::Last => queue.release_newest(|slot| *slot = kind),
            _ => queue.release_oldest(|slot| *slot = kind),
        };
        self.settle(queue.is_empty());
        drop(queue);
        if let Some(waker) = waker.flatten() {
            waker.wake();
        }
    }

    /// Notes, under the lock, that the last of those who waited has gone, if that is so.
    fn settle(&self, is_empty: bool) {
        if is_empty {
            let _ = self
                .transition(|now| if now.state() == WAITING { Ok((now.with(EMPTY), ())) } else { Err(()) });
        }
    }

    /// Wakes all who wait. Nothing is stored: who comes after it is not notified by it. Futures that exist count as
    /// waiting, even those that have not been polled yet.
    ///
    /// ```
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let notify = runtime::sync::Notify::new();
    /// let (one, other) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// one.await;
    /// other.await;
    /// # });
    /// ```
    pub fn notify_waiters(&self) {
        let queue = self.queue.lock();
        // Those who wait are taken out of the queue before the lock is given up for the first time.
        let _: Result<(), ()> = self.transition(|now| {
            let next = Word(now.0.wrapping_add(ONE_CALL));
            Ok((if now.state() == WAITING { next.with(EMPTY) } else { next }, ()))
        });
        queue.wake_all(|(), slot| *slot = Kind::All);
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.load().state() {
            EMPTY => "empty",
            WAITING => "waiting",
            _ => "notified",
        };
        f.debug_struct("Notify").field("state", &state).finish_non_exhaustive()
    }
}
