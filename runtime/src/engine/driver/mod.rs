//! The driver: what the threads of a runtime wait on when there is nothing to run.
//!
//! A [`Driver`] is flat. It has one owner at a time, whoever is about to park, and its one operation is a
//! [`turn`](Driver::turn): wait until something happens, and hand out what happened. The caller decides how long to
//! wait from the timers' next deadline, and fires the timers that are due itself: the driver knows nothing of
//! schedulers. Everybody else reaches it through the [`Registries`].
//!
//! Next file to read: `io/mod.rs`.

pub(crate) mod io;
pub(crate) mod timer;

use std::time::Duration;

use self::io::{IoDriver, IoRegistry};
use self::timer::TimerRegistry;
use crate::base::clock::Clock;
use crate::base::prim::{Arc, Condvar, Mutex};
use crate::config::DriverConfig;

/// What a thread of the runtime waits on.
#[derive(Debug)]
pub(crate) struct Driver {
    source: Source,
    registries: Registries,
}

#[derive(Debug)]
enum Source {
    Io(IoDriver),
    /// Without I/O only an unpark, or the limit, ends a wait.
    Bell(Arc<Bell>),
}

/// What others than the driver's owner hold: where to register, and how to wake the owner.
#[derive(Clone, Debug)]
pub(crate) struct Registries {
    /// Descriptors; `None` when the I/O driver is off.
    pub(crate) io: Option<Arc<IoRegistry>>,
    /// Timers; `None` when the time driver is off.
    pub(crate) timers: Option<Arc<TimerRegistry>>,
    unpark: Unpark,
}

#[derive(Clone, Debug)]
enum Unpark {
    Io(Arc<IoRegistry>),
    Bell(Arc<Bell>),
}

/// What one turn of the driver brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    /// How many readiness events.
    pub(crate) io_events: usize,
    /// Whether somebody had asked for the wait to end.
    pub(crate) unparked: bool,
}

impl Driver {
    /// Makes the sources that `config` asks for. The timers run by `clock`, in as many shards as are asked for.
    ///
    /// # Errors
    ///
    /// When the operating system has no descriptors left for them.
    pub(crate) fn new(
        config: &DriverConfig,
        timer_shards: usize,
        clock: Clock,
    ) -> std::io::Result<(Driver, Registries)> {
        let (source, io, unpark) = if config.io {
            let (driver, registry) = IoDriver::new(config.max_io_events_per_tick)?;
            (Source::Io(driver), Some(registry.clone()), Unpark::Io(registry))
        } else {
            let bell = Arc::new(Bell::default());
            (Source::Bell(bell.clone()), None, Unpark::Bell(bell))
        };
        let timers = config.time.then(|| Arc::new(TimerRegistry::new(timer_shards, clock)));
        let registries = Registries { io, timers, unpark };
        Ok((Driver { source, registries: registries.clone() }, registries))
    }

    /// Waits for readiness, for an unpark, or until `limit` has passed (`None`: without a bound; zero: only
    /// looks), and then wakes those who waited for what came. It may return early, with nothing.
    pub(crate) fn turn(&mut self, limit: Option<Duration>) -> Turn {
        match &mut self.source {
            Source::Io(driver) => driver.turn(limit),
            Source::Bell(bell) => Turn { io_events: 0, unparked: bell.wait(limit) },
        }
    }

    /// Ends every wait for a descriptor or a timer, now and later: with an error, or as the timer's own module says.
    pub(crate) fn shutdown(&mut self) {
        if let Some(io) = &self.registries.io {
            io.shut_down();
        }
        // Last, because it passes a waker's panic on.
        if let Some(timers) = &self.registries.timers {
            timers.shutdown();
        }
    }
}

impl Registries {
    /// Makes the running turn return, or the next one if none runs. Several count as one.
    pub(crate) fn unpark(&self) {
        match &self.unpark {
            Unpark::Io(registry) => registry.unpark(),
            Unpark::Bell(bell) => bell.ring(),
        }
    }
}

/// What the driver waits on where there is no readiness queue. Rings that nobody heard yet count as one.
#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock() = true;
        self.changed.notify_one();
    }

    /// Returns whether it was rung.
    fn wait(&self, limit: Option<Duration>) -> bool {
        let mut rung = self.rung.lock();
        if !*rung && limit != Some(Duration::ZERO) {
            // A wait that ends for no reason is a turn with nothing: the caller comes back.
            rung = match limit {
                None => self.changed.wait(rung),
                Some(limit) => self.changed.wait_timeout(rung, limit).0,
            };
        }
        std::mem::take(&mut *rung)
    }
}
