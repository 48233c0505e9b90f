//! Waking an event loop at an instant where the system has no timers that are descriptors.
//!
//! The queue's own timeout is rounded to milliseconds, so this one is rounded down and the rest is spent looking.
//!
//! Next file to read: `load/tcp/threads.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use mio::{Registry, Token};

/// The readiness queue's own timeout.
#[derive(Debug)]
pub(crate) struct Alarm(());

impl Alarm {
    /// An alarm; it needs no event of its own.
    pub(crate) fn new(_: &Registry, _: Token) -> io::Result<Self> {
        Ok(Self(()))
    }

    /// The timeout for the next look at the readiness queue, so that it lasts for `wait` at most.
    pub(crate) fn arm(&mut self, wait: Duration) -> io::Result<Option<Duration>> {
        Ok(Some(Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))))
    }
}
