//! Waking an event loop at an instant, to the microsecond: a timer that is a descriptor.
//!
//! Next file to read: `load/tcp/threads.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// A timer in a readiness queue, which counts in milliseconds itself.
#[derive(Debug)]
pub(crate) struct Alarm(TimerFd);

impl Alarm {
    /// An alarm that shows as an event of `token`, which the event loop ignores.
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let timer =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// The timeout for the next look at the readiness queue, so that it lasts for `wait` at most.
    pub(crate) fn arm(&mut self, wait: Duration) -> io::Result<Option<Duration>> {
        if wait.is_zero() {
            return Ok(Some(wait));
        }
        // Setting it anew forgets an expiration that nobody read, and the next one is a new edge.
        self.0.set(Expiration::OneShot(TimeSpec::from_duration(wait)), TimerSetTimeFlags::empty())?;
        Ok(None)
    }
}
