//! The I/O driver: the operating system's readiness queue, through mio.
//!
//! | piece | what it is |
//! |---|---|
//! | [`IoDriver`] | the queue itself; owned by the one thread that waits on it |
//! | [`IoRegistry`] | how everybody else reaches it: registers a source, wakes the one that waits |
//! | `slots` | the table from token to slot |
//! | `slot` | one resource: its readiness, and who waits for it |
//! | `readiness` | the word, and its protocol |
//! | [`Registration`] | a resource's hold on its slot; what `net` is made of |
//!
//! The queue is edge-triggered: an event says that something changed, and the readiness stays set until somebody who
//! tried was told that it would block. An event's token is the slot's index with the generation of the
//! registration above it.
//!
//! Next file to read: `readiness.rs`.
#![forbid(unsafe_code)]

mod readiness;
mod registration;
mod slot;
mod slots;

pub(crate) use registration::Registration;

use std::fmt;
use std::io;
use std::time::Duration;

use mio::Token;
use mio::event::{Event, Source};

use self::readiness::GENERATION_BITS;
use self::slot::Slot;
use self::slots::{Slots, Unavailable};
use super::Turn;
use crate::base::SHUT_DOWN;
use crate::base::interest::{Interest, Ready};
use crate::base::prim::Arc;
use crate::base::prim::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::config::DriverConfig;

/// The token of the waker; no slot has it, because indexes stay below 2^27.
const WAKE: Token = Token(usize::MAX);

/// Where the generation begins in a token. On a 32-bit system a token has room for five bits of it, so that
/// a stale event slips through once in 32 reuses of a slot within one batch.
const TOKEN_SHIFT: u32 = if usize::BITS >= 64 { 32 } else { 27 };
const TOKEN_GENERATION: u32 = if usize::BITS >= 64 { (1 << GENERATION_BITS) - 1 } else { (1 << 5) - 1 };

fn token(index: u32, generation: u32) -> Token {
    Token((index as usize) | (((generation & TOKEN_GENERATION) as usize) << TOKEN_SHIFT))
}

/// The side that waits.
#[derive(Debug)]
pub(super) struct IoDriver {
    poll: mio::Poll,
    events: mio::Events,
    /// The list for looks that do not wait, if it is to hold fewer.
    busy_events: Option<mio::Events>,
    registry: Arc<IoRegistry>,
}

/// The side that registers and wakes.
#[derive(Debug)]
pub(crate) struct IoRegistry {
    os: mio::Registry,
    waker: mio::Waker,
    /// Set by the first of several wakes; the others are then spared the system call.
    woken: AtomicBool,
    slots: Slots,
    /// Resources that were ever registered, and that have gone again.
    registered: AtomicU64,
    deregistered: AtomicU64,
}

impl IoDriver {
    pub(super) fn new(config: &DriverConfig) -> io::Result<(Self, Arc<IoRegistry>)> {
        let poll = mio::Poll::new()?;
        let registry = Arc::new(IoRegistry {
            os: poll.registry().try_clone()?,
            waker: mio::Waker::new(poll.registry(), WAKE)?,
            woken: AtomicBool::new(false),
            slots: Slots::new(),
            registered: AtomicU64::new(0),
            deregistered: AtomicU64::new(0),
        });
        let events = mio::Events::with_capacity(config.max_io_events_per_tick);
        let busy_events = config.max_io_events_per_busy_tick.map(mio::Events::with_capacity);
        Ok((Self { poll, events, busy_events, registry: registry.clone() }, registry))
    }

    pub(super) fn turn(&mut self, limit: Option<Duration>) -> Turn {
        let events = match &mut self.busy_events {
            Some(events) if limit == Some(Duration::ZERO) => events,
            _ => &mut self.events,
        };
        // Somebody who has set the flag may not have reached the system call yet: only look.
        let limit = if self.registry.woken.load(Ordering::Acquire) { Some(Duration::ZERO) } else { limit };
        match self.poll.poll(events, limit) {
            // The caller goes round its loop, and comes back with what is left of its limit. A failed call
            // leaves the list as it was last time.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => panic!("unexpected error when polling the I/O driver: {error}"),
            Ok(()) => {}
        }
        // Cleared after the wait, so that a wake during it is not reported twice. One that comes from here on
        // makes its system call, which the next turn sees. The swap acquires what was written before the wake.
        let unparked = self.registry.woken.swap(false, Ordering::AcqRel);
        let mut io_events = 0;
        for event in events.iter().filter(|event| event.token() != WAKE) {
            io_events += 1;
            self.registry.dispatch(event);
        }
        Turn { io_events, unparked }
    }
}

impl IoRegistry {
    /// Ends the present or next wait. Cheap when one is already asked for.
    pub(super) fn unpark(&self) {
        if !self.woken.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            // Nobody would ever wake the waiting thread: better loud than stuck.
            panic!("failed to wake I/O driver: {error}");
        }
    }

    /// Ends every wait for a resource of this driver with an error, now and later.
    pub(super) fn shut_down(&self) {
        self.slots.close();
    }

    /// How many resources are registered.
    #[cfg(test)]
    pub(crate) fn registered(&self) -> usize {
        self.slots.len()
    }

    fn dispatch(&self, event: &Event) {
        let Token(token) = event.token();
        let index = token & ((1 << TOKEN_SHIFT) - 1);
        let generation = (token >> TOKEN_SHIFT) as u32;
        let Some(slot) = u32::try_from(index).ok().and_then(|index| self.slots.get(index)) else { return };
        let current = slot.generation();
        // The word compares again, in the same step in which it is written.
        if current & TOKEN_GENERATION == generation {
            slot.deliver(current, ready_of(event));
        }
    }

    fn register(&self, source: &mut impl Source, interest: Interest) -> io::Result<u32> {
        let index = self.slots.acquire().map_err(|why| match why {
            Unavailable::Closed => shut_down_error(),
            Unavailable::Full => io::Error::other("the I/O driver has no room for another resource"),
        })?;
        let generation = self.slot(index).generation();
        let registered = self.os.register(source, token(index, generation), to_mio(interest));
        if let Err(error) = registered {
            self.slots.release(index);
            return Err(error);
        }
        self.registered.fetch_add(1, Ordering::Relaxed);
        Ok(index)
    }

    fn release(&self, index: u32) {
        self.slots.release(index);
        self.deregistered.fetch_add(1, Ordering::Relaxed);
    }

    /// How many resources have ever been registered.
    pub(crate) fn registered_count(&self) -> u64 {
        self.registered.load(Ordering::Relaxed)
    }

    /// How many of them have gone again.
    pub(crate) fn deregistered_count(&self) -> u64 {
        self.deregistered.load(Ordering::Relaxed)
    }

    /// The slot behind an index that [`register`](Self::register) returned.
    #[inline]
    fn slot(&self, index: u32) -> &Slot {
        self.slots.get(index).expect("a registration's index comes from the table, whose pages stay")
    }
}

/// What a resource says whose runtime is gone.
#[derive(Debug)]
struct ShutDown;

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl std::error::Error for ShutDown {}

fn shut_down_error() -> io::Error {
    io::Error::other(ShutDown)
}

/// Whether that is what it said.
pub(crate) fn is_shut_down_error(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<ShutDown>()).is_some()
}

fn to_mio(interest: Interest) -> mio::Interest {
    let mut wanted = None;
    let mut add = |more: mio::Interest| {
        wanted = Some(wanted.map_or(more, |wanted: mio::Interest| wanted | more));
    };
    if interest.is_readable() {
        add(mio::Interest::READABLE);
    }
    if interest.is_writable() {
        add(mio::Interest::WRITABLE);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if interest.is_priority() {
        add(mio::Interest::PRIORITY);
    }
    // Errors come unasked, but the system wants to be asked for something.
    wanted.unwrap_or(mio::Interest::READABLE)
}

fn ready_of(event: &Event) -> Ready {
    let mut ready = Ready::EMPTY;
    for (is_so, bit) in [
        (event.is_readable(), Ready::READABLE),
        (event.is_writable(), Ready::WRITABLE),
        (event.is_read_closed(), Ready::READ_CLOSED),
        (event.is_write_closed(), Ready::WRITE_CLOSED),
        (event.is_error(), Ready::ERROR),
    ] {
        if is_so {
            ready |= bit;
        }
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if event.is_priority() {
        ready |= Ready::PRIORITY;
    }
    ready
}

#[cfg(all(test, not(rt_loom)))]
mod tests;
