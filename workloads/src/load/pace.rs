//! Waiting for planned instants on a plain thread, outside of the runtime under test.
//!
//! Next file to read: `load/task.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;
use std::{hint, thread};

use crate::load::{Arrivals, LOOK_UP};
use crate::window::Window;

/// How long before a planned instant a thread gives up sleeping and watches the clock.
///
/// A thread that sleeps comes back some 20 to 45 us late on the 2-core virtual machine that this was measured on.
pub const SPIN: Duration = Duration::from_micros(50);

/// The part of a core, one in so many, that watching the clock may take.
const SPIN_SHARE: f64 = 4.0;

/// How long to watch the clock before each of `rate` planned instants a second: [`SPIN`], or nothing where that
/// would burn more than a quarter of a core.
pub fn spin_for(rate: f64) -> Duration {
    if SPIN.as_secs_f64() * SPIN_SHARE * rate <= 1.0 { SPIN } else { Duration::ZERO }
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
/// What is due at once is started at once, in order; `start` must not block. An instant that is missed is not
/// skipped.
pub fn drive(window: &Window, mut arrivals: Arrivals, rate: f64, mut start: impl FnMut(u64)) {
    sharpen_sleep();
    let spin = spin_for(rate).as_nanos() as u64;
    loop {
        let (now, end) = (window.now(), window.end());
        let due = arrivals.peek();
        if due >= end && now >= end {
            return;
        }
        if due <= now && due < end {
            arrivals.next();
            start(due);
            continue;
        }
        let gap = due.min(end).saturating_sub(now);
        if gap > spin {
            thread::sleep(Duration::from_nanos(gap - spin).min(LOOK_UP));
        } else {
            hint::spin_loop();
        }
    }
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

    #[test]
    fn each_planned_instant_is_started_once_and_never_early() {
        let window = Window::new(Instant::now(), 0, 30_000_000);
        let mut started = Vec::new();
        let arrivals = Arrivals::new(Process::Poisson, 5_000.0, (0, 1), 3);
        drive(&window, arrivals.clone(), 5_000.0, |planned| {
            assert!(window.now() >= planned);
            started.push(planned);
        });
        let planned: Vec<u64> = arrivals.take_while(|at| *at < window.end()).collect();
        assert_eq!(started, planned);
    }

    #[test]
    fn watching_the_clock_is_bounded_to_a_quarter_of_a_core() {
        for rate in [1.0, 1e3, 5e3, 2e4, 2e5] {
            assert!(spin_for(rate).as_secs_f64() * rate <= 0.25 + 1e-9, "at {rate} a second");
        }
        assert_eq!(spin_for(1000.0), SPIN);
    }
}
