//! What the tests of this folder share.
#![allow(dead_code, reason = "a model uses only some of it")]

#[cfg(not(rt_loom))]
mod counts;
#[cfg(not(rt_loom))]
mod errors;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::base::block_on::block_on;
use crate::base::prim::{PlainArc as Arc, UnsafeCell};

/// Waits in a model, too: a wake-up that is lost is a deadlock there.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    block_on(future, Duration::ZERO)
}

/// Polls once, and with a waker that does nothing.
pub(super) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a new future once, and drops it.
pub(super) fn try_once<F: Future>(future: F) -> Option<F::Output> {
    match poll(std::pin::pin!(future)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A future that counts how often it was woken.
pub(super) struct Task<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Count>,
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl<F: Future> Task<F> {
    pub(super) fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::new(Count::default()) }
    }

    pub(super) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// One that has been polled and waits.
    pub(super) fn pending(future: F) -> Self {
        let mut task = Self::new(future);
        assert!(task.poll().is_pending());
        task
    }

    pub(super) fn wakes(&self) -> usize {
        self.wakes.0.load(SeqCst)
    }

    /// How many have a waker of this task.
    pub(super) fn wakers(&self) -> usize {
        Arc::strong_count(&self.wakes) - 1
    }

    #[track_caller]
    pub(super) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("not ready"),
        }
    }
}

/// Spends this thread's budget, then runs `f` as a part of the same poll.
pub(super) fn without_budget<R>(f: impl FnOnce() -> R) -> R {
    use crate::base::coop;
    coop::budget(|| {
        let cx = &mut Context::from_waker(Waker::noop());
        while let Poll::Ready(unit) = coop::poll_proceed(cx) {
            unit.made_progress();
        }
        f()
    })
}

/// A number that a model watches: one that writes while somebody else is at it is a failure.
pub(super) struct Watched(UnsafeCell<u32>);

// SAFETY: what is tested has to see to it that nobody writes while others are at it; a model checks that it does.
unsafe impl Sync for Watched {}

impl Watched {
    pub(super) fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    pub(super) fn add_one(&self) {
        // SAFETY: as above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }

    pub(super) fn read(&self) -> u32 {
        // SAFETY: as above.
        self.0.with(|value| unsafe { *value })
    }
}
