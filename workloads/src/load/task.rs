//! Waiting for planned instants in a task of the runtime under test, with its timers.
//!
//! Next file to read: `load/thread.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use rt::task::yield_now;
use rt::time::{Instant, sleep_until};

use crate::load::{Arrivals, LOOK_UP};
use crate::record::Counter;
use crate::workload::Run;

/// The most operations that one poll starts; then other tasks have their turn.
const BURST: usize = 64;

/// Calls `start` with each planned instant when it has come, until the window is over.
///
/// The runtime's timers are as fine as a millisecond, so at high rates operations start in bursts; `lag` streams
/// show how late that is. An instant that is missed is not skipped, as long as the window lasts; `start` counts each
/// operation as started or as dropped. All are counted as planned, and those that were due and not started when the
/// window ended as such, here.
pub async fn drive(run: &Run, mut arrivals: Arrivals, mut start: impl FnMut(u64)) {
    let window = &run.window;
    let mut burst = 0;
    loop {
        let (now, end) = (window.now(), window.end());
        if now >= end {
            return arrivals.end(end, &mut run.recorder.pen());
        }
        let due = arrivals.peek();
        if due <= now {
            arrivals.next();
            run.recorder.count(due, Counter::PLANNED);
            start(due);
            burst += 1;
            if burst % BURST == 0 {
                yield_now().await;
            }
            continue;
        }
        let wake = due.min(end).min(now + LOOK_UP.as_nanos() as u64);
        sleep_until(Instant::from_std(window.instant(wake))).await;
    }
}

/// Lets time pass until `done` or until `limit` is over, looking every few milliseconds. Whether it was done.
///
/// # Panics
///
/// As [`drive`].
pub async fn settle(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !done() {
        let now = Instant::now();
        if now >= until {
            return false;
        }
        sleep_until((now + Duration::from_millis(2)).min(until)).await;
    }
    true
}
