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
use crate::base::park::{Parker, Unparker};
use crate::base::prim::Arc;
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
    Parker(Parker),
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

/// Ends the driver's wait.
#[derive(Clone, Debug)]
pub(crate) enum Unpark {
    Io(Arc<IoRegistry>),
    Thread(Unparker),
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
            let (driver, registry) = IoDriver::new(config)?;
            (Source::Io(driver), Some(registry.clone()), Unpark::Io(registry))
        } else {
            let parker = Parker::new();
            let unpark = Unpark::Thread(parker.unparker());
            (Source::Parker(parker), None, unpark)
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
            Source::Parker(parker) => Turn { io_events: 0, unparked: parker.park_timeout(limit) },
        }
    }

    /// Ends every wait for a descriptor or a timer, now and later: with an error, or as the timer's own module says.
    pub(crate) fn shutdown(&mut self) {
        if let Some(io) = &self.registries.io {
            io.shut_down();
        }
        if let Some(timers) = &self.registries.timers {
            timers.shutdown();
        }
    }
}

impl Registries {
    /// Makes the running turn return, or the next one if none runs. Several count as one.
    pub(crate) fn unpark(&self) {
        self.unpark.unpark();
    }

    /// What does that without holding the registries.
    pub(crate) fn unparker(&self) -> Unpark {
        self.unpark.clone()
    }
}

impl Unpark {
    pub(crate) fn unpark(&self) {
        match self {
            Self::Io(registry) => registry.unpark(),
            Self::Thread(unparker) => unparker.unpark(),
        }
    }
}
