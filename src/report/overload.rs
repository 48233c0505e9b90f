//! Whether work came in faster than it was done, from the counts over time. Next: `lag.rs`.
#![forbid(unsafe_code)]

use workloads::wire::{Interval, count};

/// The part of the operations that may be missing at the end.
const MISSING: f64 = 0.02;
/// So many may always be missing: some are under way at any time.
const FEW: f64 = 10.0;
/// The part of what was reached that holds: at all of it, whatever waits is never worked off.
const HOLDS: f64 = 0.9;

/// What an overloaded run reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Overload {
    /// Operations a second that were completed while the load lasted.
    pub(super) reached: f64,
    /// Operations a second that would hold.
    pub(super) would_hold: f64,
}

/// Looks at the second half of the window: by then a load that can be carried has as many operations completed as come
/// in, whenever they were planned. Those that were not to be started before the end do not count.
pub(super) fn overload(intervals: &[Interval]) -> Option<Overload> {
    let end = intervals.last()?.end_ns;
    let half = intervals.iter().filter(|interval| interval.start_ns >= end / 2);
    let (mut asked, mut ended, mut completed, mut ns) = (0, 0, 0, 0);
    for interval in half {
        let of = |name| interval.counts.get(name).copied().unwrap_or(0);
        let in_window = *interval.counts.get(count::COMPLETED_IN_WINDOW)?;
        asked += of(count::PLANNED).saturating_sub(of(count::PAST_END));
        ended += in_window + of(count::FAILED);
        completed += in_window;
        ns += interval.end_ns - interval.start_ns;
    }
    let missing = asked as f64 - ended as f64;
    if ns == 0 || missing <= FEW || missing <= asked as f64 * MISSING {
        return None;
    }
    let reached = completed as f64 * 1e9 / ns as f64;
    Some(Overload { reached, would_hold: rounded_down(reached * HOLDS) })
}

/// Two digits are enough for a rate to ask for next.
fn rounded_down(rate: f64) -> f64 {
    if rate <= 0.0 {
        return 0.0;
    }
    let step = 10f64.powf(rate.log10().floor() - 1.0);
    (rate / step).floor() * step
}

#[cfg(test)]
mod tests {
    use workloads::wire::{Phase, RuntimeCounters};

    use super::*;

    /// Slices of a quarter of a second: planned, completed within, and past the end.
    fn slices(of: &[(u64, u64, u64)]) -> Vec<Interval> {
        let slice = |(nth, &(planned, completed, past_end)): (usize, &(u64, u64, u64))| Interval {
            phase: Phase::Measure,
            start_ns: nth as u64 * 250_000_000,
            end_ns: (nth as u64 + 1) * 250_000_000,
            start_unix_ms: 0,
            counts: [
                (count::PLANNED, planned),
                (count::COMPLETED_IN_WINDOW, completed),
                (count::PAST_END, past_end),
            ]
            .map(|(name, number)| (name.to_owned(), number))
            .into(),
            histograms: Vec::new(),
            runtime: RuntimeCounters::default(),
        };
        of.iter().enumerate().map(slice).collect()
    }

    #[test]
    fn a_load_that_is_not_carried_is_found_with_the_rate_that_would_hold() {
        let found = overload(&slices(&[(1000, 400, 0); 8])).unwrap();
        assert_eq!((found.reached, found.would_hold), (1600.0, 1400.0));
        assert_eq!(overload(&slices(&[(1000, 1000, 0); 8])), None);
        assert_eq!(overload(&slices(&[(1000, 985, 0); 8])), None, "less than 2 % short");
        assert_eq!(overload(&slices(&[(10, 8, 0); 8])), None, "a few are under way");
        assert_eq!(overload(&slices(&[(1000, 0, 0); 8])).unwrap().would_hold, 0.0);
        assert_eq!(overload(&[]), None);
    }

    #[test]
    fn operations_that_take_their_time_are_no_overload() {
        // Each takes a second of two.
        let mut late = [(1000, 0, 0); 8];
        late[4..].fill((1000, 1000, 0));
        assert_eq!(overload(&slices(&late)), None);
        // Sleeps that would end after the window are not started.
        let mut sleeps = [(1000, 800, 0); 8];
        sleeps[4..].fill((1000, 500, 500));
        assert_eq!(overload(&slices(&sleeps)), None);
    }

    #[test]
    fn a_rate_to_ask_for_has_two_digits() {
        let rounded = [0.0, 7.77, 123.0, 98_765.0, 1e6].map(rounded_down);
        assert_eq!(rounded.map(|rate| format!("{rate:.1}")), ["0.0", "7.7", "120.0", "98000.0", "1000000.0"]);
    }
}
