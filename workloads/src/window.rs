//! The clock of a run: when the load begins, when it counts, when it ends.
//!
//! Instants are nanoseconds since the load began. An operation belongs to the phase in which it was *planned*,
//! however late it came home.
//!
//! Next file to read: `record.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a load goes on after the request to stop.
const CLOSING: Duration = Duration::from_millis(10);

/// When one run warms up and measures. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Window(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Instant,
    origin_unix_ms: u64,
    warmup_ns: u64,
    end_ns: AtomicU64,
}

/// Which records an operation goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bank {
    Warmup = 0,
    Measure = 1,
}

impl Window {
    /// A load that begins at `origin`, warms up for `warmup_ns` and is measured for `duration_ns` after that.
    pub fn new(origin: Instant, warmup_ns: u64, duration_ns: u64) -> Self {
        let lead = origin.saturating_duration_since(Instant::now());
        let wall = (SystemTime::now() + lead).duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Inner {
            origin,
            origin_unix_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            warmup_ns,
            end_ns: AtomicU64::new(warmup_ns.saturating_add(duration_ns)),
        }))
    }

    /// Nanoseconds since the load began; 0 before that.
    pub fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// The same for another instant.
    pub fn at(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.0.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant that lies `ns` after the beginning.
    pub fn instant(&self, ns: u64) -> Instant {
        self.0.origin + Duration::from_nanos(ns)
    }

    /// When the measured part begins, in nanoseconds.
    pub fn measure_start(&self) -> u64 {
        self.0.warmup_ns
    }

    /// When the load ends, in nanoseconds: nothing is planned from there on. A request to stop moves it nearer.
    pub fn end(&self) -> u64 {
        self.0.end_ns.load(Ordering::Relaxed)
    }

    /// Whether the load has ended.
    pub fn is_over(&self) -> bool {
        self.now() >= self.end()
    }

    /// Milliseconds since 1970 at `ns`.
    pub(crate) fn unix_ms(&self, ns: u64) -> u64 {
        self.0.origin_unix_ms + ns / 1_000_000
    }

    /// Ends the load at `ns`, if it would end later. Nothing may have been planned for an instant from there on.
    pub(crate) fn close(&self, ns: u64) {
        self.0.end_ns.fetch_min(ns, Ordering::Relaxed);
    }

    /// Ends the load a moment from now, if it would end later. Not at once: a thread may be about to count an operation
    /// whose planned instant has just come, and its counts must all find the same phase.
    pub(crate) fn close_soon(&self) {
        self.close(self.now().saturating_add(CLOSING.as_nanos() as u64));
    }

    /// Where an operation planned at `planned` is recorded. `None`: nowhere, it was planned past the end.
    pub(crate) fn bank(&self, planned: u64) -> Option<Bank> {
        match planned {
            ns if ns < self.0.warmup_ns => Some(Bank::Warmup),
            ns if ns < self.end() => Some(Bank::Measure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_belongs_to_the_phase_in_which_it_was_planned() {
        let window = Window::new(Instant::now(), 100, 1000);
        assert_eq!(window.bank(99), Some(Bank::Warmup));
        assert_eq!(window.bank(100), Some(Bank::Measure));
        assert_eq!(window.bank(1099), Some(Bank::Measure));
        assert_eq!(window.bank(1100), None);
        window.close(500);
        assert_eq!(window.bank(499), Some(Bank::Measure));
        assert_eq!(window.bank(500), None);
        window.close(700);
        assert_eq!(window.end(), 500, "the end never moves away");
    }

    #[test]
    fn a_window_that_closes_soon_keeps_what_was_planned_until_now() {
        let window = Window::new(Instant::now(), 0, u64::MAX / 4);
        let planned = window.now();
        window.close_soon();
        assert_eq!(window.bank(planned), Some(Bank::Measure));
        assert!(window.end() < u64::MAX / 4);
    }

    #[test]
    fn instants_before_the_beginning_are_zero() {
        let window = Window::new(Instant::now() + Duration::from_secs(3600), 0, 1);
        assert_eq!(window.now(), 0);
        assert_eq!(window.at(window.instant(77)), 77);
    }
}
