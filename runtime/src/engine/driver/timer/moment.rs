//! A point in time as the timers keep it.
//!
//! 64 bits of nanoseconds end after 584 years, and a paused clock can be advanced further than that. So a [`Moment`]
//! counts milliseconds, which the wheel sorts by, and the nanoseconds within the millisecond. Its milliseconds end after
//! 584 million years.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// Nanoseconds in a millisecond.
pub(super) const NANOS_PER_MILLI: u32 = 1_000_000;

/// What [`Moment::nanos`] never returns: the published deadline of a wheel that holds no timer.
pub(super) const NEVER: u64 = u64::MAX;

/// Time since the registry was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    millis: u64,
    /// Below [`NANOS_PER_MILLI`].
    sub_nanos: u32,
}

impl Moment {
    pub(super) const ZERO: Self = Self { millis: 0, sub_nanos: 0 };
    pub(super) const MAX: Self = Self { millis: u64::MAX, sub_nanos: NANOS_PER_MILLI - 1 };

    pub(super) const fn new(millis: u64, sub_nanos: u32) -> Self {
        Self { millis, sub_nanos }
    }

    #[inline]
    pub(super) fn from_duration(since: Duration) -> Self {
        let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
        if seconds >= u64::MAX / 1000 {
            return Self::MAX;
        }
        let millis = seconds * 1000 + u64::from(nanos / NANOS_PER_MILLI);
        Self { millis, sub_nanos: nanos % NANOS_PER_MILLI }
    }

    pub(super) const fn millis(self) -> u64 {
        self.millis
    }

    pub(super) const fn sub_nanos(self) -> u32 {
        self.sub_nanos
    }

    /// The bucket of a wheel that a deadline belongs to. A bucket spans from its number in milliseconds, exclusive, to the
    /// next, inclusive: once its end has come all of it is due.
    #[inline]
    pub(super) fn bucket(self) -> u64 {
        if self.sub_nanos == 0 { self.millis.saturating_sub(1) } else { self.millis }
    }

    /// How far into its bucket it is: above zero, and up to the end inclusive.
    #[inline]
    pub(super) fn bucket_offset(self) -> u32 {
        if self.sub_nanos == 0 { NANOS_PER_MILLI } else { self.sub_nanos }
    }

    /// The moment that is so far into a bucket.
    #[inline]
    pub(super) fn in_bucket(bucket: u64, offset: u32) -> Self {
        if offset < NANOS_PER_MILLI { Self::new(bucket, offset) } else { Self::new(bucket + 1, 0) }
    }

    /// In nanoseconds; all that is 584 years off or more is the same, and earlier than it really is.
    #[inline]
    pub(super) fn nanos(self) -> u64 {
        const LAST: u64 = (NEVER - 1) / NANOS_PER_MILLI as u64 - 1;
        if self.millis > LAST {
            return NEVER - 1;
        }
        self.millis * u64::from(NANOS_PER_MILLI) + u64::from(self.sub_nanos)
    }

    /// The instant, if this system has one that far from `start`.
    pub(super) fn after(self, start: Instant) -> Option<Instant> {
        start
            .checked_add(Duration::from_millis(self.millis))?
            .checked_add(Duration::from_nanos(u64::from(self.sub_nanos)))
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_ends_with_its_last_millisecond_inclusive() {
        let bucket = |nanos| Moment::from_duration(Duration::from_nanos(nanos)).bucket();
        assert_eq!([0, 1, 999_999, 1_000_000, 1_000_001].map(bucket), [0, 0, 0, 0, 1]);
        for nanos in [1, 999_999, 1_000_000, 1_000_001, 2_000_000] {
            let moment = Moment::from_duration(Duration::from_nanos(nanos));
            assert_eq!(Moment::in_bucket(moment.bucket(), moment.bucket_offset()), moment);
        }
    }

    #[test]
    fn far_moments_keep_their_order_where_64_bits_of_nanoseconds_do_not() {
        let year = Duration::from_secs(365 * 86_400);
        let [near, far, farther] = [583, 700, 701].map(|years| Moment::from_duration(year * years));
        assert!(near < far && far < farther);
        assert!(near.nanos() < far.nanos());
        assert_eq!(far.nanos(), farther.nanos());
        let start = Instant::now();
        assert_eq!(far.after(start), Some(start + year * 700));
    }

    #[test]
    fn what_is_beyond_the_milliseconds_is_one_moment() {
        assert_eq!(Moment::from_duration(Duration::MAX).millis(), u64::MAX);
        assert_eq!(Moment::MAX.nanos(), NEVER - 1);
    }
}
