//! Something at regular intervals.

#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Instant, LONGEST, Sleep, sleep_until};
use crate::base::trace::resource::{Kind, Resource};

/// How far behind a tick may be without having been missed: no runtime is more precise under load.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks every `period`, the first time at once.
///
/// Unlike a loop with a [`sleep`](super::sleep()), an interval counts the time that the work between two ticks takes, and so
/// does not drift. What happens when that is longer than the period is its [`MissedTickBehavior`]. It ticks until
/// it is dropped. A period beyond thirty years counts as thirty years.
///
/// # Panics
///
/// When `period` is zero, when there is no current runtime, and when its time driver is off.
///
/// # Examples
///
/// ```
/// use runtime::time::{self, Duration, Instant};
///
/// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
/// # rt.block_on(async {
/// let start = Instant::now();
/// let mut interval = time::interval(Duration::from_secs(2));
/// for _ in 0..3 {
///     interval.tick().await;
///     // Work that takes a second.
///     time::sleep(Duration::from_secs(1)).await;
/// }
/// assert_eq!(start.elapsed(), Duration::from_secs(5));
/// # });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, the first time at `start`.
///
/// # Panics
///
/// As [`interval`].
///
/// # Examples
///
/// ```
/// use runtime::time::{Duration, Instant, interval_at};
///
/// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
/// # rt.block_on(async {
/// let start = Instant::now() + Duration::from_millis(50);
/// let mut interval = interval_at(start, Duration::from_millis(10));
/// assert_eq!(interval.tick().await, start);
/// assert_eq!(interval.tick().await, start + Duration::from_millis(10));
/// # });
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "`period` must be non-zero. To let others run, and no time pass, use `yield_now`"
    );
    let resource = Resource::new(Kind::Interval, Location::caller());
    Interval {
        delay: Box::pin(sleep_until(start)),
        period: period.min(LONGEST),
        missed_tick_behavior: MissedTickBehavior::default(),
        resource,
    }
}

/// What an [`Interval`] does about ticks that nobody was there to take.
///
/// A tick is missed when it is taken more than five milliseconds after it was due. In the pictures `w` is work that
/// fits between two ticks, `WWWW` work that takes longer, and the numbers are the times, in periods, at which ticks
/// are due that were not missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// Makes up for all of them, as fast as they are taken, and is then back at the times that it would have ticked at.
    /// The default.
    ///
    /// ```text
    /// due    |1      |2      |3      |4      |5      |6
    /// taken  |w      |WWWWWWWWWWWWWWWWWWWW|w|w|w     |w
    /// ```
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant, interval};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = interval(ms(50));
    /// interval.tick().await;
    /// time::sleep(ms(120)).await;
    /// assert_eq!(interval.tick().await, start + ms(50));
    /// assert_eq!(interval.tick().await, start + ms(100));
    /// assert_eq!(interval.tick().await, start + ms(150));
    /// assert_eq!(start.elapsed(), ms(150));
    /// # });
    /// ```
    #[default]
    Burst,

    /// Takes one of them, late, and counts on from then: no two ticks are less than a period apart.
    ///
    /// ```text
    /// due    |1      |2      |3      |4      |5      |6
    /// taken  |w      |WWWWWWWWWWWWWWWWWWWW|w      |w      |w
    /// ```
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant, MissedTickBehavior, interval};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = interval(ms(50));
    /// interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    /// interval.tick().await;
    /// time::sleep(ms(120)).await;
    /// assert_eq!(interval.tick().await, start + ms(50));
    /// assert_eq!(interval.tick().await, start + ms(170));
    /// # });
    /// ```
    Delay,

    /// Takes one of them, late, leaves out the others, and goes on at the times that it would have ticked at.
    ///
    /// ```text
    /// due    |1      |2      |3      |4      |5      |6
    /// taken  |w      |WWWWWWWWWWWWWWWWWWWW|w |w      |w
    /// ```
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant, MissedTickBehavior, interval};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = interval(ms(50));
    /// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    /// interval.tick().await;
    /// time::sleep(ms(120)).await;
    /// assert_eq!(interval.tick().await, start + ms(50));
    /// assert_eq!(interval.tick().await, start + ms(150));
    /// # });
    /// ```
    Skip,
}

impl MissedTickBehavior {
    /// When to tick after a tick that was due at `due` and is taken at `now`. `None` is too far off
    /// for an instant.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Option<Instant> {
        match self {
            Self::Burst => due.checked_add(period),
            Self::Delay => now.checked_add(period),
            Self::Skip => {
                let into_period = (now - due).as_nanos() % period.as_nanos();
                // It is less than a period, which is at most thirty years; 64 bits hold 584.
                let into_period = Duration::from_nanos(into_period as u64);
                now.checked_add(period - into_period)
            }
        }
    }
}

/// Ticks at regular intervals. Made by [`interval`] and [`interval_at`].
#[derive(Debug)]
pub struct Interval {
    /// Until the next tick. Boxed, so that an interval can be moved between ticks.
    delay: Pin<Box<Sleep>>,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
    resource: Resource,
}

impl Interval {
    /// Waits for the next tick. Returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropped before it completes, no tick is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let start = Instant::now();
    /// let mut interval = time::interval(Duration::from_millis(10));
    /// assert_eq!(interval.tick().await, start);
    /// assert_eq!(interval.tick().await, start + Duration::from_millis(10));
    /// # });
    /// ```
    pub async fn tick(&mut self) -> Instant {
        let resource = self.resource.clone();
        resource.async_op("Interval::tick", "poll_tick", poll_fn(|cx| self.poll_tick(cx))).await
    }

    /// Polls for the next tick: ready with when it was due, or pending, with the task that polled last to be woken when
    /// it is due.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(self.delay.as_mut().poll(cx));
        let due = self.delay.deadline();
        let now = Instant::now();
        let next = if now.duration_since(due) > TOLERANCE {
            self.missed_tick_behavior.next(due, now, self.period)
        } else {
            due.checked_add(self.period)
        };
        self.delay.as_mut().reset_unregistered(next.unwrap_or_else(|| now + LONGEST));
        Poll::Ready(due)
    }

    /// The next tick is a period from now, whatever was missed before.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = time::interval(ms(100));
    /// interval.tick().await;
    /// time::sleep(ms(50)).await;
    /// interval.reset();
    /// assert_eq!(interval.tick().await, start + ms(150));
    /// # });
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// The next tick is now, whatever was missed before.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = time::interval(ms(100));
    /// interval.tick().await;
    /// time::sleep(ms(50)).await;
    /// interval.reset_immediately();
    /// assert_eq!(interval.tick().await, start + ms(50));
    /// assert_eq!(interval.tick().await, start + ms(150));
    /// # });
    /// ```
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick is `after` that time from now, whatever was missed before. More than thirty years count as thirty
    /// years.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = time::interval(ms(100));
    /// interval.tick().await;
    /// interval.reset_after(ms(20));
    /// assert_eq!(interval.tick().await, start + ms(20));
    /// assert_eq!(interval.tick().await, start + ms(120));
    /// # });
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now() + after.min(LONGEST));
    }

    /// The next tick is at `deadline`, and what was missed before is forgotten. If `deadline` is in the past, the
    /// [`MissedTickBehavior`] applies from there.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{self, Duration, Instant};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let (start, ms) = (Instant::now(), Duration::from_millis);
    /// let mut interval = time::interval(ms(100));
    /// interval.tick().await;
    /// interval.reset_at(start + ms(30));
    /// assert_eq!(interval.tick().await, start + ms(30));
    /// assert_eq!(interval.tick().await, start + ms(130));
    /// # });
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        self.delay.as_mut().reset(deadline);
    }

    /// What is done about missed ticks.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Says what is to be done about missed ticks.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}
