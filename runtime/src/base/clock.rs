//! What time it is: the machine's monotonic clock, or one that a test has paused.
//!
//! A [`Clock`] follows the machine until it is paused. Then it stands still and moves only when told:
//! by `time::advance`, or by the scheduler, which moves a paused clock to the next timer when there is nothing
//! else to do. Resumed, it runs on from where it stood. Only runtimes with a single thread may pause theirs:
//! with several, 'nothing else to do' could not be told.
//!
//! A clock that was never paused costs one relaxed load more than the machine's.
//!
//! Next file to read: `base/park.rs`.

#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::prim::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::prim::{Arc, Mutex};

/// Set when any clock of this process is paused for the first time: until then, who asks for the time need not
/// look up which clock is his.
static EVER_PAUSED: OnceLock<()> = OnceLock::new();

/// Whether any clock of this process has ever been paused.
#[inline]
pub(crate) fn ever_paused() -> bool {
    EVER_PAUSED.get().is_some()
}

/// A source of time. Clones are the same clock.
#[derive(Clone, Debug)]
pub(crate) struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    can_pause: bool,
    /// Whether this clock has left the machine's time; it never comes back to it.
    own_time: AtomicBool,
    /// Whether it stands still. Changed under the lock of `face`.
    paused: AtomicBool,
    /// How many forbid that a paused clock is moved for want of work.
    holds: AtomicUsize,
    face: Mutex<Face>,
}

#[derive(Debug)]
struct Face {
    shows: Instant,
    /// The machine's time when it showed that, unless it stands still.
    running_since: Option<Instant>,
}

impl Face {
    fn now(&self) -> Instant {
        self.shows + self.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Clock {
    /// A clock that shows the machine's time. `can_pause` allows [`Clock::pause`].
    pub(crate) fn new(can_pause: bool) -> Self {
        let now = Instant::now();
        Self(Arc::new(Inner {
            can_pause,
            own_time: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
            face: Mutex::new(Face { shows: now, running_since: Some(now) }),
        }))
    }

    /// The time.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        // Relaxed: who paused the clock and who asks agree through whatever made the asker know of it; to all
        // others, 'just before' is as good as 'just after'.
        if self.0.own_time.load(Ordering::Relaxed) { self.own_now() } else { Instant::now() }
    }

    #[cold]
    fn own_now(&self) -> Instant {
        self.0.face.lock().now()
    }

    /// Stops the clock.
    pub(crate) fn pause(&self) -> Result<(), &'static str> {
        if !self.0.can_pause {
            return Err(
                "`time::pause()` requires the `current_thread` Tokio runtime. With several workers there is no \
                        telling when the runtime has nothing else to do",
            );
        }
        let mut face = self.0.face.lock();
        if face.running_since.is_none() {
            return Err("time is already frozen");
        }
        EVER_PAUSED.get_or_init(|| ());
        face.shows = face.now();
        face.running_since = None;
        self.0.own_time.store(true, Ordering::Relaxed);
        self.0.paused.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Lets a paused clock run on from where it stands.
    pub(crate) fn resume(&self) -> Result<(), &'static str> {
        let mut face = self.0.face.lock();
        if face.running_since.is_some() {
            return Err("time is not frozen: there was no `time::pause()` before");
        }
        face.running_since = Some(Instant::now());
        self.0.paused.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Moves a paused clock.
    pub(crate) fn advance(&self, by: Duration) -> Result<(), &'static str> {
        let mut face = self.0.face.lock();
        if face.running_since.is_some() {
            return Err("time is not frozen: it can be advanced only after `time::pause()`");
        }
        face.shows = face.shows.checked_add(by).ok_or("the time to advance by is too long for this clock")?;
        Ok(())
    }

    /// Whether the clock stands still.
    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Relaxed)
    }

    /// Whether a scheduler that has nothing else to do may move the clock to the next timer.
    #[inline]
    pub(crate) fn can_auto_advance(&self) -> bool {
        // Acquire: with a hold's release, so that what was done under it is seen.
        self.is_paused() && self.0.holds.load(Ordering::Acquire) == 0
    }

    /// Forbids that the clock is moved for want of work while the returned value lives: there is work,
    /// on a thread that the scheduler does not see. Who drops the last one must wake the scheduler, which may be
    /// parked without a limit because of it.
    pub(crate) fn hold(&self) -> Hold {
        // A clock that cannot be paused needs no holding, and its many threads no counter to meet on.
        Hold(self.0.can_pause.then(|| {
            self.0.holds.fetch_add(1, Ordering::Relaxed);
            self.clone()
        }))
    }
}

/// Made by [`Clock::hold`].
#[derive(Debug)]
pub(crate) struct Hold(Option<Clock>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(clock) = &self.0 {
            clock.0.holds.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_running_clock_is_the_machines() {
        let clock = Clock::new(true);
        let before = Instant::now();
        let shown = clock.now();
        assert!(before <= shown && shown <= Instant::now());
        assert!(clock.resume().is_err());
        assert!(clock.advance(SECOND).is_err());
        assert!(!clock.can_auto_advance());
    }

    #[test]
    fn a_paused_clock_moves_only_when_told() {
        let clock = Clock::new(true);
        clock.pause().unwrap();
        assert!(ever_paused());
        assert!(clock.pause().is_err());
        let start = clock.now();
        assert_eq!(clock.clone().now(), start);
        clock.advance(SECOND).unwrap();
        assert_eq!(clock.now(), start + SECOND);
        assert!(clock.advance(Duration::MAX).is_err());
        assert_eq!(clock.now(), start + SECOND, "a refused advance moves nothing");
    }

    #[test]
    fn a_resumed_clock_keeps_what_it_gained() {
        let clock = Clock::new(true);
        clock.pause().unwrap();
        let start = clock.now();
        clock.advance(3600 * SECOND).unwrap();
        clock.resume().unwrap();
        assert!(!clock.is_paused());
        assert!(clock.now() >= start + 3600 * SECOND);
        clock.pause().unwrap();
        assert!(clock.now() >= start + 3600 * SECOND);
    }

    #[test]
    fn a_hold_forbids_moving_it_for_want_of_work() {
        let clock = Clock::new(true);
        clock.pause().unwrap();
        assert!(clock.can_auto_advance());
        let (one, two) = (clock.hold(), clock.hold());
        assert!(!clock.can_auto_advance());
        drop(one);
        assert!(!clock.can_auto_advance());
        drop(two);
        assert!(clock.can_auto_advance());
    }

    #[test]
    fn a_clock_of_many_threads_cannot_be_paused() {
        let clock = Clock::new(false);
        assert!(clock.pause().unwrap_err().contains("current_thread"));
        drop(clock.hold());
        assert_eq!(clock.0.holds.load(Ordering::Relaxed), 0);
    }
}
