//! Waiting for a point in time.
//!
//! Next file to read: `engine/driver/timer/mod.rs`.

#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::{Instant, LONGEST};
use crate::base::SHUT_DOWN;
use crate::base::coop;
use crate::base::trace::resource::{Kind, Op, Resource, poll_op, state_update};
use crate::context;
use crate::engine::driver::timer::TimerEntry;
use crate::engine::sched::timer_shard;

/// Waits until `deadline`. A deadline that has passed completes at the first poll.
///
/// Timers are meant for milliseconds: see [precision](super#precision). To do something at regular intervals, use
/// [`interval`](super::interval()), which does not drift.
///
/// # Panics
///
/// When there is no current runtime, or its time driver is off: also in `rt.block_on(sleep_until(at))`, whose argument is
/// made outside of the runtime, unlike in `rt.block_on(async { sleep_until(at).await })`. Polling panics when the runtime
/// has been shut down.
///
/// # Cancel safety
///
/// Cancel safe: dropping it is all it takes to cancel it.
///
/// # Examples
///
/// ```
/// use runtime::time::{Duration, Instant, sleep_until};
///
/// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
/// # rt.block_on(async {
/// let deadline = Instant::now() + Duration::from_millis(100);
/// sleep_until(deadline).await;
/// assert_eq!(Instant::now(), deadline);
/// # });
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    let entry = TimerEntry::new(context::timer_registry());
    let resource = Resource::new(Kind::Sleep, Location::caller());
    Sleep { deadline, entry, op: resource.op("Sleep::new_timeout"), resource }
}

/// Waits for a duration. One of zero completes at the first poll; more than thirty years count as thirty years.
///
/// Timers are meant for milliseconds: see [precision](super#precision). To do something at regular intervals, use
/// [`interval`](super::interval()), which does not drift.
///
/// # Panics
///
/// When there is no current runtime, or its time driver is off: also in `rt.block_on(sleep(duration))`, whose argument is
/// made outside of the runtime, unlike in `rt.block_on(async { sleep(duration).await })`. Polling panics when the runtime
/// has been shut down.
///
/// # Cancel safety
///
/// Cancel safe: dropping it is all it takes to cancel it.
///
/// # Examples
///
/// ```
/// use runtime::time::{Duration, sleep};
///
/// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
/// # rt.block_on(async {
/// sleep(Duration::from_millis(100)).await;
/// println!("100 ms have passed");
/// # });
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration.min(LONGEST))
}

pin_project! {
    /// A future that waits for a point in time. Made by [`sleep`] and [`sleep_until`].
    ///
    /// It has a place in its runtime's timers while it waits, so it must be pinned to be polled, and is not `Unpin`. To
    /// keep one in a struct, keep a `Pin<Box<Sleep>>`, or project the pin. It belongs to the runtime
    /// that was current when it was made, wherever it is polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let start = Instant::now();
    /// let mut nap = pin!(sleep(Duration::from_millis(10)));
    /// nap.as_mut().await;
    /// assert!(nap.is_elapsed());
    ///
    /// nap.as_mut().reset(start + Duration::from_millis(50));
    /// nap.as_mut().await;
    /// assert_eq!(start.elapsed(), Duration::from_millis(50));
    /// # });
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Sleep {
        deadline: Instant,
        #[pin]
        entry: TimerEntry,
        op: Op,
        resource: Resource,
    }
}

impl Sleep {
    /// When it will complete, or was to.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the runtime, a poll, or a [`reset`](Self::reset) has found its time to have come.
    ///
    /// One that has been polled or reset, and is elapsed, is ready at its next poll.
    pub fn is_elapsed(&self) -> bool {
        self.entry.is_elapsed()
    }

    /// Moves it to another deadline, whether it has completed or not.
    ///
    /// A task that waits for it is woken at the new time, without having to poll it again before; at once if that has
    /// passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let mut nap = pin!(sleep(Duration::from_millis(10)));
    /// nap.as_mut().reset(Instant::now() + Duration::from_millis(20));
    /// # });
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        *this.op = this.resource.op_in_scope("Sleep::reset");
        this.op.in_poll(this.resource, || state_update!(duration = millis_until(deadline), unit: "ms"));
        this.entry.reset(deadline.into_std());
    }

    /// As [`Sleep::reset`], but nobody is woken for it before it is polled again: a place in the timers that
    /// may never be asked for is not taken.
    pub(super) fn reset_unregistered(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        this.entry.cancel();
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (entry, deadline) = (this.entry, *this.deadline);
        let elapsed = this.op.in_poll(this.resource, || {
            let unit = ready!(poll_op("poll_elapsed", coop::poll_proceed(cx)));
            state_update!(duration = millis_until(deadline), unit: "ms", if entry.is_idle());
            let elapsed = ready!(poll_op("poll_elapsed", entry.poll(cx, deadline.into_std(), timer_shard)));
            unit.made_progress();
            Poll::Ready(elapsed)
        });
        match ready!(elapsed) {
            Ok(()) => Poll::Ready(()),
            Err(_) => {
                panic!("{SHUT_DOWN} A timer fires only as long as the runtime runs that it was made in")
            }
        }
    }
}

/// For what is told of a timer.
fn millis_until(deadline: Instant) -> u64 {
    deadline.saturating_duration_since(Instant::now()).as_millis().try_into().unwrap_or(u64::MAX)
}
