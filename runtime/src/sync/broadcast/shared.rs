//! What the ends of a channel share: the values, and those who wait.
//!
//! # The protocol
//!
//! One lock guards the values, the count of receivers, and the receivers that wait for the next value. No foreign code
//! runs under it: a receiver takes the value out, gives up the lock, clones the value, and puts it back. Meanwhile
//! the sender and the receivers of other values go on as usual. If the value is evicted while it is out, the receiver that
//! has it drops it.
//!
//! A receiver that wants a value while it is out marks it as contended, and waits in a queue of its own (`returned`).
//! Whoever puts back a contended value wakes one of those who want it, who will put it back in turn. One that was woken and
//! goes away instead wakes the next one. When a contended value is evicted, all are woken.
//!
//! Locks are taken in this order: `returned`, then `state`.
//!
//! `end` repeats the position of the next value. It is written under the lock, and read without it by receivers that
//! would find nothing.
//!
//! Next file to read: `receiver.rs`.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::queue::{Lookup, PutBack, Queue};
use crate::base::block_on::block_on;
use crate::base::panic::{Panics, swallow};
use crate::base::prim::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Release},
};
use crate::base::prim::hint;
use crate::base::wait_queue::{Locked, WaitQueue, Waiter};
use crate::sync::event::Event;

/// The most receivers that there may be.
const MAX_RECEIVERS: usize = usize::MAX >> 2;

/// How often a receiver looks again at a value that is being cloned, with pauses of doubling length, before it waits. A
/// model waits at once.
const LOOKS: u32 = if cfg!(rt_loom) { 0 } else { 6 };

/// How many values of a receiver that is gone are counted as read with one trip through the lock.
const SKIPPED_AT_ONCE: usize = 256;

pub(super) struct Shared<T> {
    /// With those who wait for the next value.
    state: WaitQueue<State<T>, ()>,
    /// Those who wait for a value that another receiver is cloning, by its position.
    returned: WaitQueue<(), u64>,
    end: AtomicU64,
    pub(super) senders: AtomicUsize,
    pub(super) weak_senders: AtomicUsize,
    /// The last receiver has gone.
    abandoned: Event,
}

struct State<T> {
    queue: Queue<T>,
    receivers: usize,
    /// The last sender has gone.
    is_closed: bool,
}

/// What there is for a receiver. Two words, so that it is passed in registers.
pub(super) enum Found<T> {
    /// To be put back: see [`Lease`].
    Borrowed(Box<T>),
    /// All other receivers have read it.
    Last(Box<T>),
    /// Another receiver is cloning the value.
    Busy,
    /// So many values were missed.
    Lagged(u64),
    Closed,
}

/// A value that is being read. When this is dropped, this receiver has read it.
pub(super) struct Lease<'a, T> {
    shared: &'a Shared<T>,
    position: u64,
    /// Taken when this is dropped.
    value: Option<Box<T>>,
    /// The value does not go back.
    is_last: bool,
}

impl<T> Lease<'_, T> {
    #[inline]
    fn clone_value(self) -> T
    where
        T: Clone,
    {
        let Some(value) = &self.value else { unreachable!("a lease has its value until it is dropped") };
        let clone = T::clone(value);
        // Not at the end of the scope: a panic there would leak what is returned.
        drop(self);
        clone
    }
}

impl<T> Drop for Lease<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let unneeded = if self.is_last { Some(value) } else { self.shared.put_back(self.position, value) };
        if let Some(unneeded) = unneeded {
            let mut panics = Panics::new();
            panics.run(|| drop(unneeded));
            panics.resume();
        }
    }
}

impl<T> State<T> {
    /// `None`: there is nothing now.
    #[inline]
    fn look(&mut self, next: &mut u64) -> Option<Found<T>> {
        Some(match self.queue.read(next) {
            Lookup::Borrowed(value) => Found::Borrowed(value),
            Lookup::Last(value) => Found::Last(value),
            Lookup::Busy => Found::Busy,
            Lookup::Lagged(missed) => Found::Lagged(missed),
            Lookup::Empty if self.is_closed => Found::Closed,
            Lookup::Empty => return None,
        })
    }
}

impl<T> Shared<T> {
    #[track_caller]
    pub(super) fn new(capacity: usize, receivers: usize) -> Self {
        assert!(capacity > 0, "broadcast channel capacity cannot be zero");
        assert!(capacity <= usize::MAX >> 1, "broadcast channel capacity exceeded `usize::MAX / 2`");
        let queue = Queue::new(capacity.next_power_of_two());
        Self {
            state: WaitQueue::new(State { queue, receivers, is_closed: false }),
            returned: WaitQueue::new(()),
            end: AtomicU64::new(0),
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
            abandoned: Event::new(),
        }
    }

    fn lock(&self) -> Locked<'_, State<T>, ()> {
        self.state.lock()
    }

    /// The position of the next value to be sent.
    pub(super) fn end(&self) -> u64 {
        self.end.load(Acquire)
    }

    pub(super) fn receivers(&self) -> usize {
        self.lock().state().receivers
    }

    /// How many values some receiver has not read yet.
    pub(super) fn len(&self) -> usize {
        self.lock().state().queue.len()
    }

    /// Sends a value to all receivers, and returns how many they are.
    pub(super) fn send(&self, value: T) -> Result<usize, T> {
        let value = Box::new(value);
        let mut locked = self.lock();
        let state = locked.state();
        let receivers = state.receivers;
        if receivers == 0 {
            drop(locked);
            return Err(*value);
        }
        let evicted = state.queue.push(value, receivers);
        self.end.store(state.queue.end(), Release);
        locked.wake_all(|_, ()| ());
        if let Some(evicted) = evicted {
            if evicted.is_contended {
                self.returned.wake_all();
            }
            drop(evicted.value);
        }
        Ok(receivers)
    }

    /// Looks once for the value at `next`, but for a while at one that is being cloned. `None`: there is nothing now.
    #[inline]
    pub(super) fn look(&self, next: &mut u64) -> Option<Found<T>> {
        let found = self.lock().state().look(next);
        if matches!(found, Some(Found::Busy)) { self.look_again(next) } else { found }
    }

    #[cold]
    fn look_again(&self, next: &mut u64) -> Option<Found<T>> {
        for pause in 0..LOOKS {
            for _ in 0..1 << pause {
                hint::spin_loop();
            }
            let found = self.lock().state().look(next);
            if !matches!(found, Some(Found::Busy)) {
                return found;
            }
        }
        Some(Found::Busy)
    }

    /// Clones a value that was found right before `next`, and counts it as read.
    #[inline]
    pub(super) fn clone_value(&self, next: u64, value: Box<T>, is_last: bool) -> T
    where
        T: Clone,
    {
        Lease { shared: self, position: next.wrapping_sub(1), value: Some(value), is_last }.clone_value()
    }

    /// Waits until there is something at `next`.
    pub(super) async fn next(&self, next: &mut u64) -> Found<T> {
        let mut waiter = pin!(Waiter::new(&self.state, ()));
        let waiting = poll_fn(|cx| {
            waiter.as_mut().take_release();
            if self.end() != *next
                && let Some(found) = self.look(next)
            {
                return Poll::Ready(found);
            }
            waiter.as_mut().poll_wait(cx.waker(), |waiter| waiter.queue().state().look(next))
        });
        waiting.await
    }

    /// Waits until the value at this position may be there again.
    pub(super) fn returned(&self, position: u64) -> Returned<'_, T> {
        Returned { shared: self, waiter: Waiter::new(&self.returned, position) }
    }

    /// As [`returned`](Self::returned), by blocking this thread.
    pub(super) fn blocking_returned(&self, position: u64) {
        block_on(self.returned(position), Duration::ZERO);
    }

    /// Returns the value if nobody will read it any more.
    fn put_back(&self, position: u64, value: Box<T>) -> Option<Box<T>> {
        let PutBack { unneeded, is_contended } = self.lock().state().queue.put_back(position, value);
        if is_contended {
            self.wake_one_for(position);
        }
        unneeded
    }

    /// Wakes one that waits for the value at this position, if there is one.
    fn wake_one_for(&self, position: u64) {
        let mut returned = self.returned.lock();
        match returned.with_oldest(|wanted| *wanted) {
            None => {}
            Some(wanted) if wanted == position => {
                let waker = returned.release_oldest(|_| ());
                drop(returned);
                if let Some(Some(waker)) = waker {
                    swallow(|| waker.wake());
                }
            }
            // Those who wait for another value will see that it is not there yet, and wait again.
            Some(_) => returned.wake_all(|(), _| ()),
        }
    }

    /// Counts one more receiver, and returns the position of the first value that it will get.
    pub(super) fn subscribe(&self) -> u64 {
        let mut locked = self.lock();
        let state = locked.state();
        assert!(state.receivers != MAX_RECEIVERS, "max receivers");
        state.receivers += 1;
        state.queue.end()
    }

    /// A receiver has gone whose next value was that at `next`. All that there was for it counts as read.
    pub(super) fn unsubscribe(&self, mut next: u64) {
        let mut locked = self.lock();
        let state = locked.state();
        state.receivers -= 1;
        let is_last = state.receivers == 0;
        let until = state.queue.end();
        drop(locked);
        let mut panics = Panics::new();
        while next != until {
            let unneeded = self.lock().state().queue.skip(&mut next, until, SKIPPED_AT_ONCE);
            panics.run(|| drop(unneeded));
        }
        if is_last {
            self.abandoned.wake_all();
        }
        panics.resume();
    }

    /// Waits until there is no receiver.
    pub(super) async fn abandoned(&self) {
        self.abandoned.until(|| (self.receivers() == 0).then_some(())).await;
    }

    /// The last sender has gone.
    pub(super) fn close(&self) {
        let mut locked = self.lock();
        locked.state().is_closed = true;
        locked.wake_all(|_, ()| ());
    }
}

pin_project! {
    /// See [`Shared::returned`].
    pub(super) struct Returned<'a, T> {
        shared: &'a Shared<T>,
        #[pin]
        waiter: Waiter<&'a WaitQueue<(), u64>>,
    }

    impl<T> PinnedDrop for Returned<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let mut waiter = this.waiter;
            if waiter.is_queued() {
                let mut locked = waiter.as_mut().lock();
                if locked.is_queued() {
                    let waker = locked.leave();
                    drop(locked);
                    return swallow(|| drop(waker));
                }
            }
            // It was woken, and will not take the value: another one may.
            if let Some(position) = waiter.take_release() {
                this.shared.wake_one_for(position);
            }
        }
    }
}

impl<T> Future for Returned<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (shared, mut waiter) = (*this.shared, this.waiter);
        if waiter.as_mut().take_release().is_some() {
            return Poll::Ready(());
        }
        let wait = waiter.as_mut().poll_wait(cx.waker(), |waiter| {
            if waiter.is_released() {
                return Some(());
            }
            let position = waiter.with_data(|position| *position);
            (!shared.lock().state().queue.is_busy(position)).then_some(())
        });
        ready!(wait);
        waiter.take_release();
        Poll::Ready(())
    }
}
