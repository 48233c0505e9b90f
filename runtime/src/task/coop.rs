//! Cooperative scheduling: how tasks take turns.
//!
//! A runtime cannot take a worker thread away from a task that never waits. Consider a loop over a stream that
//! always has an item: it is written with `.await`, yet never gives anybody else a turn. So each poll of a task
//! comes with a budget, the leaf operations of this crate (channels, sockets, timers) each spend a unit of it,
//! and when it is spent they return `Pending` once, whether they could have gone on or not. The task is polled again
//! after its worker has looked for I/O and timers.
//!
//! The budget belongs to the poll of the task, whatever polls the operations inside of it. A combinator that gives its
//! futures wakers of their own shares the task's budget among them. An executor that blocks the thread inside of a task,
//! such as another crate's `block_on`, does not return to the runtime between its polls; so that it can go on,
//! the budget is full again when 32 operations in one poll of the task have been refused.
//!
//! - [`unconstrained`] switches this off for one future.
//! - [`consume_budget`] is a yield point for long computations, which yields only when it is time to.
//! - [`cooperative`] and [`poll_proceed`] let futures from elsewhere take part.
//! - [`has_budget_remaining`] tells a `Pending` that comes from the budget from others.

#![forbid(unsafe_code)]

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::base::coop;
pub use crate::base::coop::{Coop, RestoreOnPending, cooperative, has_budget_remaining, poll_proceed};

/// Spends one unit of the task's budget, and yields if none was left.
///
/// A point in a long computation where others may have a turn. Unlike `yield_now` it nearly always returns at
/// once.
///
/// # Cancel safety
///
/// Cancel safe. Dropped before completion, nothing was spent.
///
/// # Examples
///
/// ```
/// use runtime::task::coop;
///
/// async fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     for number in numbers {
///         sum += number;
///         coop::consume_budget().await;
///     }
///     sum
/// }
/// ```
pub async fn consume_budget() {
    poll_fn(|cx| poll_proceed(cx).map(|unit| unit.made_progress())).await;
}

pin_project! {
    /// A future that the budget does not limit. Made by [`unconstrained`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let inner = self.project().inner;
        coop::with_unconstrained(|| inner.poll(cx))
    }
}

impl<F> fmt::Debug for Unconstrained<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unconstrained").finish_non_exhaustive()
    }
}

/// Lifts the budget for one future: its operations never yield only because the task has done much already.
///
/// It can then keep its worker for as long as it is ready. Use it around a future that is known to wait often
/// enough by itself.
///
/// # Cancel safety
///
/// As cancel safe as the inner future.
///
/// # Examples
///
/// ```
/// use runtime::task::coop;
///
/// async fn never_interrupted(work: impl Future<Output = u32>) -> u32 {
///     coop::unconstrained(work).await
/// }
/// ```
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::Waker;

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    async fn consume(times: usize) -> usize {
        for _ in 0..times {
            consume_budget().await;
        }
        times
    }

    #[test]
    fn consuming_yields_when_the_budget_is_spent_and_goes_on_after() {
        let mut work = pin!(consume(1000));
        let mut polls = 1;
        while coop::budget(|| poll(work.as_mut())).is_pending() {
            polls += 1;
        }
        assert_eq!(polls, 1000usize.div_ceil(128));
    }

    #[test]
    fn an_unconstrained_future_runs_to_its_end_and_spends_nothing_outside() {
        coop::budget(|| {
            assert_eq!(poll(unconstrained(consume(1000))), Poll::Ready(1000));
            assert_eq!(poll(consume(128)), Poll::Ready(128));
            assert!(!has_budget_remaining());
            assert!(poll(consume(1)).is_pending());
        });
    }
}
