//! A point in time, by the clock of the current runtime.

#![forbid(unsafe_code)]

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use super::clock;

/// A point in time on a clock that never runs backwards.
///
/// The same as [`std::time::Instant`], and converts to it and from it, but [`now`](Instant::now) goes by the clock of
/// the current runtime, which a test may have [paused](super::pause). Differences are never negative: from a later
/// point to an earlier one it is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    std: std::time::Instant,
}

impl Instant {
    /// The present.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::Instant;
    ///
    /// let start = Instant::now();
    /// assert!(Instant::now() >= start);
    /// ```
    #[inline]
    pub fn now() -> Instant {
        Instant { std: clock::now() }
    }

    /// An instant of the standard library's clock.
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant { std }
    }

    /// The same for the standard library. While the clock is paused, its own `now` has nothing to do with it.
    pub fn into_std(self) -> std::time::Instant {
        self.std
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// How long after `earlier` this is; `None` if it is before.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{Duration, Instant};
    ///
    /// let start = Instant::now();
    /// let later = start + Duration::from_secs(1);
    /// assert_eq!(later.checked_duration_since(start), Some(Duration::from_secs(1)));
    /// assert_eq!(start.checked_duration_since(later), None);
    /// ```
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.std.checked_duration_since(earlier.std)
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// How long ago this was; zero if it is yet to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::time::{Duration, Instant, sleep};
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    /// # rt.block_on(async {
    /// let start = Instant::now();
    /// sleep(Duration::from_secs(3)).await;
    /// assert!(start.elapsed() >= Duration::from_secs(3));
    /// # });
    /// ```
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(*self)
    }

    /// This and a duration; `None` if the system has no such instant.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_add(duration).map(Instant::from_std)
    }

    /// This less a duration; `None` if the system has no such instant.
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_sub(duration).map(Instant::from_std)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Instant {
        Instant::from_std(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.into_std()
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant::from_std(self.std + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.std += duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant::from_std(self.std - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.std -= duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reckons_as_the_one_of_the_standard_library() {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        let std = std::time::Instant::now();
        let instant = Instant::from_std(std);
        assert_eq!(instant.into_std(), std);
        assert_eq!(Instant::from(std), instant);
        assert_eq!(std::time::Instant::from(instant), std);

        let later = instant + second;
        assert_eq!(later.into_std(), std + second);
        assert_eq!(later - second, instant);
        assert_eq!(later - instant, second);
        let mut moved = instant;
        moved += second;
        assert_eq!(moved, later);
        moved -= second;
        assert_eq!(moved, instant);

        assert_eq!(later.duration_since(instant), second);
        assert_eq!(instant.duration_since(later), Duration::ZERO);
        assert_eq!(later.saturating_duration_since(instant), second);
        assert_eq!(instant.saturating_duration_since(later), Duration::ZERO);
        assert_eq!(later.checked_duration_since(instant), Some(second));
        assert_eq!(instant.checked_duration_since(later), None);
        assert_eq!(instant.checked_add(second), Some(later));
        assert_eq!(later.checked_sub(second), Some(instant));
        assert_eq!(instant.checked_add(Duration::MAX), None);
        assert_eq!(instant.checked_sub(Duration::MAX), None);
        assert!((instant - second).elapsed() >= second);
        assert_eq!((instant + hour).elapsed(), Duration::ZERO);
    }
}
