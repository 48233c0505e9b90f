//! Waiting a little before sleeping, where that has paid off lately.
//!
//! Waking a sleeping thread takes tens of microseconds; a thread that looks again and again notices at once, but
//! burns its processor meanwhile. A [`Spinner`] looks for a bounded time, and asks of itself that it pays: each
//! spin in vain doubles the number of waits that go without one, up to [`MAX_SKIPPED`]; one that was worth it starts
//! over.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::prim::hint;

/// The most waits in a row that do not spin: what is left costs an idle thread next to nothing.
const MAX_SKIPPED: u32 = 255;

/// Looks between two readings of the clock.
const LOOKS: u32 = 16;

/// Decides when to spin.
#[derive(Clone, Debug)]
pub(crate) struct Spinner {
    limit: Duration,
    /// Waits to go before the next spin.
    skip: u32,
    /// How many to skip after the next spin in vain.
    penalty: u32,
}

impl Spinner {
    /// Spins for no longer than `limit`; zero is never.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, skip: 0, penalty: 1 }
    }

    /// Whether this wait should begin with a spin. Ask once a wait.
    pub(crate) fn begin(&mut self) -> Option<Spin> {
        // A model has no clock to look at.
        if self.limit.is_zero() || cfg!(rt_loom) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        // A checked end: a limit beyond the clock's reach would be no bound.
        let end = Instant::now().checked_add(self.limit)?;
        Some(Spin { end })
    }

    /// Tells how a spin that [`begin`](Self::begin) allowed ended.
    pub(crate) fn ended(&mut self, paid: bool) {
        if paid {
            self.penalty = 1;
        } else {
            self.skip = self.penalty;
            self.penalty = (2 * self.penalty + 1).min(MAX_SKIPPED);
        }
    }
}

/// One spin that is under way.
#[derive(Debug)]
pub(crate) struct Spin {
    end: Instant,
}

impl Spin {
    /// Looks a number of times. `Some(true)`: it was seen; `Some(false)`: time is up; `None`: go on.
    pub(crate) fn look(&self, mut seen: impl FnMut() -> bool) -> Option<bool> {
        for _ in 0..LOOKS {
            if seen() {
                return Some(true);
            }
            hint::spin_loop();
        }
        (Instant::now() >= self.end).then_some(false)
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_spin_in_vain_doubles_the_pause_and_one_that_paid_ends_it() {
        let mut spinner = Spinner::new(Duration::from_nanos(1));
        let mut pauses = Vec::new();
        for _ in 0..10 {
            spinner.begin().expect("the pause is over");
            spinner.ended(false);
            pauses.push(std::iter::from_fn(|| spinner.begin().is_none().then_some(())).count());
        }
        assert_eq!(pauses[..4], [1, 3, 7, 15]);
        assert_eq!(pauses[9], 255);
        spinner.ended(true);
        assert!(spinner.begin().is_some());
        spinner.ended(false);
        assert!(spinner.begin().is_none());
        assert!(spinner.begin().is_some(), "a short pause again");
    }

    #[test]
    fn a_spin_ends_when_it_sees_or_when_its_time_is_up() {
        let mut spinner = Spinner::new(Duration::from_micros(10));
        let spin = spinner.begin().unwrap();
        assert_eq!(spin.look(|| true), Some(true));
        let ended = std::iter::repeat_with(|| spin.look(|| false)).find_map(|end| end);
        assert_eq!(ended, Some(false));
        assert!(Spinner::new(Duration::ZERO).begin().is_none(), "switched off");
    }
}
