//! Waiting for planned instants on a plain thread, outside of the runtime under test.
//!
//! Next file to read: `load/task.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;
use std::{hint, thread};

use crate::load::{Arrivals, LOOK_UP};
use crate::record::Counter;
use crate::workload::Run;

/// How long before a planned instant a thread gives up sleeping and watches the clock, at most.
///
/// A sleep ends 20 to 45 us late on the 2-core virtual machine that this was measured on.
pub const MAX_MARGIN: Duration = Duration::from_micros(60);
/// The part of a core, one in so many, that watching the clock may take.
const SPIN_SHARE: u64 = 4;
/// The part of the sleeps that should end in time.
const IN_TIME: f64 = 0.95;
/// How far one sleep moves the estimate, in nanoseconds.
const STEP: f64 = 1000.0;

/// Ends sleeps early by as much as they use to be late, so that little time is spent watching the clock.
///
/// The margin follows the 95th percentile of the lateness by stochastic approximation (H. Robbins and S. Monro,
/// 1951): up by 0.95 of a step when a sleep was later than the margin, down by 0.05 of one when it was not. Where
/// watching the clock has taken more than a quarter of the time so far, the margin is 0.
#[derive(Debug)]
pub struct Foresight {
    margin_ns: f64,
    spun_ns: u64,
}

impl Default for Foresight {
    fn default() -> Self {
        Self { margin_ns: MAX_MARGIN.as_nanos() as f64, spun_ns: 0 }
    }
}

impl Foresight {
    /// How long before a planned instant to end a sleep that begins `now`, in nanoseconds since the load began.
    pub fn margin(&self, now: u64) -> u64 {
        if self.spun_ns > now / SPIN_SHARE { 0 } else { self.margin_ns as u64 }
    }

    /// A sleep that was to end at `target` ended at `now`.
    pub fn woke(&mut self, target: u64, now: u64) {
        let late = now.saturating_sub(target) as f64;
        let step = if late > self.margin_ns { IN_TIME } else { IN_TIME - 1.0 };
        self.margin_ns = (self.margin_ns + step * STEP).clamp(0.0, MAX_MARGIN.as_nanos() as f64);
    }

    /// So long was spent watching the clock.
    pub fn spun(&mut self, ns: u64) {
        self.spun_ns += ns;
    }
}

/// Lets the calling thread's sleeps end when they are due, and not up to 50 us later, where the system can.
pub fn sharpen_sleep() {
    #[cfg(target_os = "linux")]
    {
        // Refused at worst: then sleeps are a little late, and the lag shows it.
        let _ = nix::sys::prctl::set_timerslack(1);
    }
}

/// Calls `start` with each planned instant when it has come, until the window is over.
///
/// What is due at once is started at once, in order; `start` must not block, and counts each operation as started or as
/// dropped. An instant that is missed is not skipped, as long as the window lasts: what is due and not started at its
/// end never is. All are counted as planned, and those as not started, here.
pub fn drive(run: &Run, arrivals: Arrivals, mut start: impl FnMut(u64)) {
    drive_all(run, vec![arrivals], |_, planned| start(planned));
}

/// As [`drive`], for several sources of load; `start` learns the number of the source as well.
pub fn drive_all(run: &Run, mut sources: Vec<Arrivals>, mut start: impl FnMut(usize, u64)) {
    sharpen_sleep();
    let window = &run.window;
    let mut foresight = Foresight::default();
    loop {
        let (now, end) = (window.now(), window.end());
        if now >= end {
            let mut pen = run.recorder.pen();
            return sources.iter_mut().for_each(|arrivals| arrivals.end(end, &mut pen));
        }
        let Some((source, due)) = next_of(&sources) else { return };
        if due <= now {
            sources[source].next();
            run.recorder.count(due, Counter::PLANNED);
            start(source, due);
            continue;
        }
        let until = due.min(end);
        let target = until.saturating_sub(foresight.margin(now)).min(now + LOOK_UP.as_nanos() as u64);
        if target > now {
            thread::sleep(Duration::from_nanos(target - now));
            foresight.woke(target, window.now());
        } else {
            while window.now() < until {
                hint::spin_loop();
            }
            foresight.spun(until - now);
        }
    }
}

/// The source whose next operation is due first, and when that is.
fn next_of(sources: &[Arrivals]) -> Option<(usize, u64)> {
    sources.iter().map(Arrivals::peek).enumerate().min_by_key(|(_, due)| *due)
}

/// Keeps the calling thread busy for so long by the clock.
pub fn burn(time: Duration) {
    let start = std::time::Instant::now();
    while start.elapsed() < time {
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::load::Process;
    use crate::record::{Recorder, Records};
    use crate::window::{Bank, Window};

    const MS: u64 = 1_000_000;

    fn run(duration_ns: u64) -> Run {
        let window = Window::new(Instant::now(), 0, duration_ns);
        Run { recorder: Recorder::new(window.clone(), 0), window }
    }

    /// Planned, and not started.
    fn counted(run: &Run) -> [u64; 2] {
        let (mut spare, mut all) = (Records::new(0), Records::new(0));
        run.recorder.collect(Bank::Measure, &mut spare, &mut all);
        [Counter::PLANNED, Counter::NOT_STARTED].map(|counter| all.count(counter))
    }

    #[test]
    fn each_planned_instant_is_started_once_in_order_and_never_early() {
        // Longer than any machine stops for: the test ends it.
        let run = run(3_600_000 * MS);
        let mut started = Vec::new();
        let sources: Vec<_> =
            (0..2).map(|source| Arrivals::new(Process::Poisson, 5_000.0, (source, 2), 3)).collect();
        drive_all(&run, sources.clone(), |source, planned| {
            assert!(run.window.now() >= planned);
            started.push((planned, source));
            if started.len() == 150 {
                run.window.close(planned + 1);
            }
        });
        let of = |source: usize| sources[source].clone().take(300).map(move |planned| (planned, source));
        let mut planned: Vec<_> = of(0).chain(of(1)).collect();
        planned.sort_unstable();
        assert_eq!(started, planned[..150]);
        assert_eq!(counted(&run), [150, 0]);
    }

    #[test]
    fn nothing_is_started_after_the_window_and_what_was_due_is_counted() {
        let run = run(3_600_000 * MS);
        let mut started = 0;
        drive(&run, Arrivals::new(Process::Constant, 1_000_000.0, (0, 1), 0), |planned| {
            started += 1;
            if started == 10 {
                // A start that takes so long that 5,000 more come due, and meanwhile the window ends.
                let due = planned + 5 * MS;
                while run.window.now() <= due {
                    hint::spin_loop();
                }
                run.window.close(due);
            }
        });
        assert_eq!(started, 10);
        assert_eq!(counted(&run), [5_009, 4_999]);
    }

    #[test]
    fn the_margin_follows_the_lateness_of_sleeps() {
        let mut foresight = Foresight::default();
        for sleep in 0..20_000 {
            // One sleep in fifty is much too late: nothing to prepare for.
            let late = if sleep % 50 == 0 { 500_000 } else { 20_000 + sleep % 1000 };
            foresight.woke(0, late);
        }
        let margin = foresight.margin(u64::MAX);
        assert!((20_000..23_000).contains(&margin), "{margin}");
    }

    #[test]
    fn watching_the_clock_is_bounded_to_a_quarter_of_a_core() {
        let mut foresight = Foresight::default();
        foresight.spun(1001);
        assert_eq!(foresight.margin(4000), 0);
        assert_eq!(Duration::from_nanos(foresight.margin(4004)), MAX_MARGIN);
    }
}
