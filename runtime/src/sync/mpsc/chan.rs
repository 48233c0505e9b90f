//! What bounded and unbounded channels have in common: the queue, its two kinds of ends, and how they tell each other.
//!
//! # Who wakes the receiver
//!
//! It puts its waker into a slot, then leaves a note at the place of the next value (see `list.rs`), then looks once more at
//! what may have ended the channel. So it is woken by the sender of that value; by the last sender that goes; and by whoever
//! gives back the last permit of a channel that has been closed.
//!
//! Next file to read: `bounded.rs`.
#![forbid(unsafe_code)]

use std::task::{Context, Poll, ready};

use super::block::Position;
use super::error::TryRecvError;
use super::list::{self, Head, Shared};
use crate::base::atomic_waker::AtomicWaker;
use crate::base::coop;
use crate::base::panic::{Panics, swallow};
use crate::base::park::Parker;
use crate::base::prim::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::base::prim::{Arc, hint};
use crate::sync::event::Event;

/// How a channel limits what is on its way.
pub(super) trait Limit: Sized {
    /// So many values have been received.
    fn received(&self, count: usize);

    /// Lets nothing more in but what has a permit. Returns the position of the end, if it is known.
    fn close<T>(chan: &Chan<T, Self>) -> Option<Position>;

    fn is_closed<T>(chan: &Chan<T, Self>) -> bool;

    /// Whether, as far as permits go, nothing is on its way any more.
    fn is_idle(&self) -> bool;
}

/// What a channel has besides its queue.
pub(super) struct Control<L> {
    pub(super) limit: L,
    senders: AtomicUsize,
    weak_senders: AtomicUsize,
    receiver: AtomicWaker,
    /// The channel was closed by the receiver.
    closed: Event,
}

pub(super) type Chan<T, L> = Shared<T, Control<L>>;

pub(super) fn new<T, L: Limit>(limit: L) -> (Tx<T, L>, Rx<T, L>) {
    ends(list::new(control(limit)))
}

/// As [`new`], with the first value at another position.
#[cfg(all(test, not(rt_loom)))]
pub(super) fn new_at<T, L: Limit>(limit: L, origin: Position) -> (Tx<T, L>, Rx<T, L>) {
    ends(list::new_at(control(limit), origin))
}

fn control<L>(limit: L) -> Control<L> {
    Control {
        limit,
        senders: AtomicUsize::new(1),
        weak_senders: AtomicUsize::new(0),
        receiver: AtomicWaker::new(),
        closed: Event::new(),
    }
}

type Queue<T, L> = (Arc<Chan<T, L>>, Head<T, Control<L>>);

fn ends<T, L: Limit>((chan, head): Queue<T, L>) -> (Tx<T, L>, Rx<T, L>) {
    (Tx { chan }, Rx { head, is_closed: false, end: None })
}

/// Senders of a channel, strong ones and weak ones.
pub(super) fn strong_count<T, L>(chan: &Chan<T, L>) -> usize {
    chan.extra.senders.load(Acquire)
}

pub(super) fn weak_count<T, L>(chan: &Chan<T, L>) -> usize {
    chan.extra.weak_senders.load(Relaxed)
}

pub(super) fn wake_receiver<T, L>(chan: &Chan<T, L>) {
    chan.extra.receiver.wake();
}

/// A sender's end.
pub(super) struct Tx<T, L: Limit> {
    chan: Arc<Chan<T, L>>,
}

impl<T, L: Limit> Tx<T, L> {
    pub(super) fn chan(&self) -> &Chan<T, L> {
        &self.chan
    }

    /// Sends what has a permit, or needs none.
    pub(super) fn push(&self, value: T) {
        if self.chan.push(value) {
            wake_receiver(&self.chan);
        }
    }

    /// Sends, unless the channel's queue has been closed.
    pub(super) fn try_push(&self, value: T) -> Result<(), T> {
        if self.chan.try_push(value)? {
            wake_receiver(&self.chan);
        }
        Ok(())
    }

    pub(super) fn is_closed(&self) -> bool {
        L::is_closed(&self.chan)
    }

    pub(super) async fn closed(&self) {
        self.chan.extra.closed.until(|| self.is_closed().then_some(())).await;
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chan, &other.chan)
    }

    pub(super) fn downgrade(&self) -> WeakTx<T, L> {
        self.chan.extra.weak_senders.fetch_add(1, Relaxed);
        WeakTx { chan: self.chan.clone() }
    }
}

impl<T, L: Limit> Clone for Tx<T, L> {
    fn clone(&self) -> Self {
        // This sender is counted, so the count does not come from 0.
        self.chan.extra.senders.fetch_add(1, Relaxed);
        Self { chan: self.chan.clone() }
    }
}

impl<T, L: Limit> Drop for Tx<T, L> {
    fn drop(&mut self) {
        // Release: the values that it has sent. Acquire: those of the others.
        if self.chan.extra.senders.fetch_sub(1, AcqRel) == 1 {
            wake_receiver(&self.chan);
        }
    }
}

/// A sender's end that keeps no channel open.
pub(super) struct WeakTx<T, L: Limit> {
    chan: Arc<Chan<T, L>>,
}

impl<T, L: Limit> WeakTx<T, L> {
    pub(super) fn chan(&self) -> &Chan<T, L> {
        &self.chan
    }

    pub(super) fn upgrade(&self) -> Option<Tx<T, L>> {
        let senders = &self.chan.extra.senders;
        let mut count = senders.load(Acquire);
        while count != 0 {
            match senders.compare_exchange_weak(count, count + 1, AcqRel, Acquire) {
                Ok(_) => return Some(Tx { chan: self.chan.clone() }),
                Err(actual) => count = actual,
            }
        }
        None
    }
}

impl<T, L: Limit> Clone for WeakTx<T, L> {
    fn clone(&self) -> Self {
        self.chan.extra.weak_senders.fetch_add(1, Relaxed);
        Self { chan: self.chan.clone() }
    }
}

impl<T, L: Limit> Drop for WeakTx<T, L> {
    fn drop(&mut self) {
        self.chan.extra.weak_senders.fetch_sub(1, Relaxed);
    }
}

/// The receiver's end.
pub(super) struct Rx<T, L: Limit> {
    head: Head<T, Control<L>>,
    is_closed: bool,
    /// The position after the last value, if that is known: what has a later position was not let in.
    end: Option<Position>,
}

impl<T, L: Limit> Rx<T, L> {
    pub(super) fn chan(&self) -> &Chan<T, L> {
        self.head.shared()
    }

    fn control(&self) -> &Control<L> {
        &self.head.shared().extra
    }

    pub(super) fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.end = L::close(self.head.shared());
            self.control().closed.wake_all();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed || strong_count(self.chan()) == 0
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.head.is_ready()
    }

    /// How many values have a position and have not been received.
    pub(super) fn len(&self) -> usize {
        let end = self.end.unwrap_or_else(|| self.chan().end());
        usize::try_from(end.minus(self.head.at())).unwrap_or(0)
    }

    fn pop(&mut self) -> Option<T> {
        let value = self.head.pop()?;
        self.control().limit.received(1);
        Some(value)
    }

    /// Whether nothing will ever come again. The queue was empty right before.
    fn is_over(&self) -> Over {
        let at_end = self.end.is_none_or(|end| self.head.at() == end);
        if self.is_closed && at_end && self.control().limit.is_idle() {
            return Over::Yes;
        }
        // Acquire: with the last sender gone, all that was sent can be seen.
        if strong_count(self.chan()) == 0 { Over::LookAgain } else { Over::No }
    }

    /// Takes the next value, or tells that there will be none.
    fn take(&mut self) -> Option<Option<T>> {
        if let Some(value) = self.pop() {
            return Some(Some(value));
        }
        match self.is_over() {
            Over::No => None,
            Over::Yes => Some(None),
            Over::LookAgain => Some(self.pop()),
        }
    }

    /// Waits until there may be something to take.
    fn wait(&mut self, cx: &Context<'_>) -> Poll<()> {
        self.control().receiver.register(cx.waker());
        if self.head.wait_for_next() || !matches!(self.is_over(), Over::No) {
            return Poll::Ready(());
        }
        self.head.reclaim();
        Poll::Pending
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            if let Some(taken) = self.take() {
                unit.made_progress();
                return Poll::Ready(taken);
            }
            ready!(self.wait(cx));
        }
    }

    pub(super) fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            let taken = self.take_many(buffer, limit);
            if taken != 0 || limit == 0 {
                unit.made_progress();
                return Poll::Ready(taken);
            }
            match self.is_over() {
                Over::Yes => {
                    unit.made_progress();
                    return Poll::Ready(0);
                }
                Over::LookAgain => {
                    unit.made_progress();
                    return Poll::Ready(self.take_many(buffer, limit));
                }
                Over::No => ready!(self.wait(cx)),
            }
        }
    }

    /// Takes what is there now, up to the limit.
    fn take_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let most = limit.min(self.len());
        // All at once, and before anything is taken.
        buffer.reserve(most);
        let mut taken = 0;
        while taken < most
            && let Some(value) = self.head.pop()
        {
            taken += 1;
            buffer.push(value);
        }
        self.control().limit.received(taken);
        taken
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        /// Looks at a sender that is about to have sent, before the thread sleeps for it.
        const LOOKS: u32 = if cfg!(rt_loom) { 0 } else { 64 };
        for _ in 0..=LOOKS {
            if let Some(result) = self.try_recv_now() {
                return result;
            }
            hint::spin_loop();
        }
        // A task that waits is woken by what is about to arrive; its waker makes room for this thread's.
        wake_receiver(self.chan());
        let parker = Parker::new();
        let waker = parker.unparker().into_waker();
        loop {
            self.control().receiver.register(&waker);
            if !self.head.wait_for_next() {
                if let Some(result) = self.try_recv_now() {
                    return result;
                }
                parker.park();
            }
            if let Some(result) = self.try_recv_now() {
                return result;
            }
        }
    }

    /// `None`: the next position has been handed out, and its value is just being put in.
    fn try_recv_now(&mut self) -> Option<Result<T, TryRecvError>> {
        let end = self.end.unwrap_or_else(|| self.chan().end());
        match self.take() {
            Some(Some(value)) => Some(Ok(value)),
            Some(None) => Some(Err(TryRecvError::Disconnected)),
            None if self.head.at() == end => Some(Err(TryRecvError::Empty)),
            None => None,
        }
    }
}

/// See [`Rx::is_over`].
enum Over {
    No,
    Yes,
    /// It is, once the queue has been looked at again.
    LookAgain,
}

impl<T, L: Limit> Drop for Rx<T, L> {
    fn drop(&mut self) {
        self.close();
        // Nobody is there to be woken. What a waker keeps alive ends here, and not with the last sender.
        let waker = self.control().receiver.take();
        swallow(|| drop(waker));
        let mut panics = Panics::new();
        while let Some(value) = self.pop() {
            panics.run(|| drop(value));
        }
        panics.resume();
    }
}
