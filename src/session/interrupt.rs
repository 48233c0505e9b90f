//! Ctrl-C, a request to terminate and a terminal that goes away, as events that a session waits for.
//!
//! Next file to read: `exec.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use super::child::Event;

/// Two signals this close together are one request: `timeout` and some shells send theirs twice.
const ECHO: Duration = Duration::from_millis(200);

/// Counts the requests to stop.
#[derive(Clone, Debug)]
pub(super) struct Interrupts {
    count: Arc<AtomicU32>,
    released: Arc<AtomicBool>,
    events: Sender<(u32, Event)>,
}

impl Interrupts {
    /// No requests yet. Each is counted, then told to `events`.
    pub(super) fn new(events: Sender<(u32, Event)>) -> Self {
        Self { count: Arc::default(), released: Arc::default(), events }
    }

    /// Takes SIGINT, SIGTERM and SIGHUP over: each is a request from now on. A SIGHUP that was ignored when the program
    /// started, as `nohup` has it, stays ignored.
    pub(super) fn listen(&self) -> io::Result<()> {
        let mut requests = vec![SIGINT, SIGTERM];
        if !is_ignored(SIGHUP) {
            requests.push(SIGHUP);
        }
        for &signal in &requests {
            signal_hook::flag::register_conditional_default(signal, self.released.clone())?;
        }
        // With a handler, a write past a limit on the size of files is an error; without one it ends the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        let mut signals = Signals::new(requests)?;
        let interrupts = self.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            let mut last: Option<Instant> = None;
            for _ in signals.forever() {
                if last.replace(Instant::now()).is_none_or(|last| last.elapsed() >= ECHO) {
                    interrupts.request();
                }
            }
        })?;
        Ok(())
    }

    /// One more request to stop.
    pub(super) fn request(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        // Nobody listens any more: the session is over.
        let _ = self.events.send((0, Event::Interrupt));
    }

    /// How many came so far.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Ordering::SeqCst)
    }

    /// Gives the signals back: from now on they end the process as they do by default.
    pub(super) fn release(&self) {
        self.released.store(true, Ordering::SeqCst);
    }
}

/// Whether this process ignores a signal. Where the system does not say: no.
fn is_ignored(signal: i32) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, signal))
}

/// What `/proc/self/status` says of a signal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_mask_of_ignored_signals_is_read_by_bit() {
        let status = "Name:\trtbench\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000001000001\n";
        assert!(ignores(status, SIGHUP) && ignores(status, SIGXFSZ));
        assert!(!ignores(status, SIGINT) && !ignores(status, SIGTERM));
        assert!(!ignores("SigIgn:\tnonsense\n", SIGHUP) && !ignores("", SIGHUP));
    }
}
