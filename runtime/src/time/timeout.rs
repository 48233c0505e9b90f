//! A limit on how long a future may take.

#![forbid(unsafe_code)]

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::error::Elapsed;
use super::{Instant, Sleep, sleep_until};
use crate::base::coop;

/// Gives a future a limit of time, from now.
///
/// Completes with the future's output, or with [`Elapsed`] when the limit is reached before; then the future
/// is dropped with the `Timeout`. The future is polled first: one that is ready at once always wins, and one that never
/// yields is never interrupted. No timer is registered before the future has had to wait once.
///
/// A limit so long that the system has no such instant is none.
///
/// # Panics
///
/// When there is no current runtime, or its time driver is off: also in `rt.block_on(timeout(limit, future))`, whose
/// argument is made outside of the runtime. Polling panics when the runtime has been shut down.
///
/// # Cancel safety
///
/// Dropping it drops the future, so it is as cancel safe as that is. [`Timeout::into_inner`] gives the future back.
///
/// # Examples
///
/// ```
/// use runtime::time::{Duration, timeout};
///
/// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
/// # rt.block_on(async {
/// let limit = Duration::from_millis(10);
/// assert_eq!(timeout(limit, std::future::ready(1)).await, Ok(1));
/// assert!(timeout(limit, std::future::pending::<()>()).await.is_err());
/// # });
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    #[allow(clippy::manual_map, reason = "a panic would blame this line, and not the caller")]
    let delay = match Instant::now().checked_add(duration) {
        Some(deadline) => Some(sleep_until(deadline)),
        None => None,
    };
    Timeout { value: future.into_future(), delay }
}

/// Gives a future until `deadline`.
///
/// As [`timeout`], with the limit as a point in time. If that has passed, a future that is ready at once still
/// wins.
///
/// # Panics
///
/// As [`timeout`].
///
/// # Cancel safety
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// use runtime::time::{Duration, Instant, timeout_at};
///
/// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
/// # rt.block_on(async {
/// // One limit for both.
/// let deadline = Instant::now() + Duration::from_secs(1);
/// assert_eq!(timeout_at(deadline, async { 1 }).await, Ok(1));
/// assert_eq!(timeout_at(deadline, async { 2 }).await, Ok(2));
/// # });
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { value: future.into_future(), delay: Some(sleep_until(deadline)) }
}

pin_project! {
    /// A future with a limit of time. Made by [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Timeout<T> {
        #[pin]
        value: T,
        #[pin]
        delay: Option<Sleep>,
    }
}

impl<T> Timeout<T> {
    /// The future inside.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The future inside.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The future inside, without its limit.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = coop::has_budget_remaining();
        if let Poll::Ready(output) = this.value.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match this.delay.as_pin_mut() {
            Some(delay) => poll_delay(delay, had_budget, cx).map(|()| Err(Elapsed::new())),
            None => Poll::Pending,
        }
    }
}

/// The part that does not depend on the future's type.
fn poll_delay(delay: Pin<&mut Sleep>, had_budget: bool, cx: &mut Context<'_>) -> Poll<()> {
    if had_budget && !coop::has_budget_remaining() {
        // The future has spent it. One that does so each time would otherwise never be seen to take too long.
        coop::with_unconstrained(|| delay.poll(cx))
    } else {
        delay.poll(cx)
    }
}
