//! Nobody's events wait for somebody's long poll.
//!
//! A worker that leaves the driver with work may poll one task for a long time, and the timers of its shard wait for
//! it. To wake another worker each time, so that it takes the driver over, would cost more than most polls. So some
//! of the sleepers *watch*: they sleep for [`TICK`] at a time, and when they wake they fire whatever timers are
//! overdue, anybody's, take the task out of the slot of a worker that has not begun a new poll since the last tick, and
//! lie down in the driver if it is free.
//!
//! * At most [`MAX_WATCHING`] sleepers watch. Two and not one, so that one may be woken for work and the
//!   other still watches.
//! * A watcher for whom nothing at all has happened in [`QUIET_TICKS`] ticks sleeps on without watching: an idle
//!   runtime does not wake up.
//! * A worker that leaves its sleep with work while nobody watches wakes one sleeper, which then does. After a quiet
//!   time that is one wake-up more than needed; while there is work all the time it never happens.
//!
//! The count may be wrong for a moment in either direction: one watcher too many costs a wake-up, one too few is
//! made up for at the next sleep that ends with work.
//!
//! Next file to read: `engine/sched/tls.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use crate::base::prim::atomic::{AtomicUsize, Ordering::*};

/// How late an event can be because of another task's poll. Go's runtime retakes its poller after as long.
pub(crate) const TICK: Duration = Duration::from_millis(10);
const MAX_WATCHING: usize = 2;
const QUIET_TICKS: u32 = 10;

/// Who watches, and whether there is anything to watch over.
#[derive(Debug)]
pub(crate) struct Watch {
    watching: AtomicUsize,
    /// Sleeps that ended with work, wrapping.
    activity: AtomicUsize,
}

/// One worker's part in it, for one rest.
#[derive(Debug, Default)]
pub(crate) struct Shift {
    quiet_ticks: u32,
    seen: usize,
    /// Each worker's polls at the last look.
    polls: Vec<u64>,
}

impl Shift {
    /// Whether a worker has begun no poll since the last look at it. An idle one has not either.
    pub(crate) fn is_stuck(&mut self, worker: usize, polls: u64) -> bool {
        if self.polls.len() <= worker {
            self.polls.resize(worker + 1, u64::MAX);
        }
        std::mem::replace(&mut self.polls[worker], polls) == polls
    }
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { watching: AtomicUsize::new(0), activity: AtomicUsize::new(0) }
    }

    /// Begins a rest.
    pub(crate) fn begin(&self) -> Shift {
        Shift { seen: self.activity.load(Relaxed), ..Shift::default() }
    }

    /// Before each sleep of a rest: whether to watch during it.
    pub(crate) fn lie_down(&self, shift: &Shift) -> bool {
        shift.quiet_ticks < QUIET_TICKS
            && self
                .watching
                .fetch_update(SeqCst, Relaxed, |count| (count < MAX_WATCHING).then_some(count + 1))
                .is_ok()
    }

    /// After a sleep during which this worker watched.
    pub(crate) fn get_up(&self, shift: &mut Shift) {
        self.watching.fetch_sub(1, SeqCst);
        let activity = self.activity.load(Relaxed);
        if activity == shift.seen {
            shift.quiet_ticks += 1;
        } else {
            shift.quiet_ticks = 0;
            shift.seen = activity;
        }
    }

    /// A rest ends with work. Returns whether a sleeper has to be woken to watch.
    #[must_use = "somebody has to watch"]
    pub(crate) fn leave_with_work(&self) -> bool {
        self.activity.fetch_add(1, Relaxed);
        self.watching.load(SeqCst) == 0
    }
}
