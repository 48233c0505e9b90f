//! Ctrl-C and a request to terminate, as events that a session waits for.
//!
//! Next file to read: `exec.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
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

    /// Takes SIGINT and SIGTERM over: each is a request from now on.
    pub(super) fn listen(&self) -> io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_default(signal, self.released.clone())?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
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
