//! What a worker knows of the time, for reports, and what it knows of the pace of its polls.
//!
//! A look at the clock costs as much as a short poll. So a worker looks when it goes to sleep, when it wakes, and once
//! in [`MIN_POLLS`] polls at the least; in between, *now* is when it last looked. Only where somebody has asked for
//! times of single polls is each one measured.
//!
//! Next file to read: `engine/sched/poll.rs`.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::core::Core;
use super::policy::Policy;
use super::shared::Shared;
use super::worker::Worker;

/// Polls from one look at the clock to the next.
const MIN_POLLS: u64 = 32;

/// The polls since the last look at the clock.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    /// The number of polls then.
    polls: u64,
    /// Whether there was nothing but polls since then.
    busy: bool,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), polls: 0, busy: false }
    }

    /// The worker waits: the time until the next look is not that of polls.
    pub(crate) fn interrupt(&mut self) {
        self.busy = false;
    }
}

impl<P: Policy> Shared<P> {
    /// A time as tasks keep it.
    pub(super) fn stamp(&self, time: Instant) -> u64 {
        let nanos = time.saturating_duration_since(self.began).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX).max(1)
    }
}

impl<P: Policy> Worker<P> {
    /// The time, exactly where waits for polls are measured, else as of the last look.
    #[inline]
    pub(super) fn moment(&self) -> u64 {
        if self.shared.tracks_latency { self.shared.stamp(Instant::now()) } else { self.now.get() }
    }

    /// Takes note of a look at the clock.
    pub(super) fn looked_at_clock(&self, core: &mut Core<P>, now: Instant) {
        let counters = self.counters();
        let polls = counters.polls.get();
        let done = polls.wrapping_sub(core.pace.polls);
        if core.pace.busy && done > 0 {
            let sample = now.saturating_duration_since(core.pace.since).as_nanos() as u64 / done;
            let mean = counters.mean_poll_ns.get();
            // An eighth of what is new: turns differ.
            counters.mean_poll_ns.set(if mean == 0 { sample } else { mean - mean / 8 + sample / 8 });
        }
        core.pace = Pace { since: now, polls, busy: true };
        self.now.set(self.shared.stamp(now));
        counters.clock_ns.set(self.now.get());
    }

    /// Looks at the clock if there were many polls since the last look.
    #[inline]
    pub(super) fn keep_time(&self, core: &mut Core<P>) {
        if self.counters().polls.get().wrapping_sub(core.pace.polls) >= MIN_POLLS {
            let now = Instant::now();
            // Here as well as before a sleep: a worker that always has work does not sleep.
            self.awake_until(core, now);
            self.looked_at_clock(core, now);
        }
    }
}
