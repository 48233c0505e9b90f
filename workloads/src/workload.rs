//! What a workload is: a description that is plain data, and three steps.
//!
//! The description crosses process and plug-in borders as bytes. The steps run in the measuring child, on a plain
//! thread outside of the runtime under test: [`Workload::setup`] before the clock starts, [`Load::run`] until the
//! window is over and what was in flight is home, [`Load::teardown`] at the end.
//!
//! Next file to read: `window.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use rt::config::RuntimeConfig;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::params::{Param, ParamError, Params};
use crate::record::Recorder;
use crate::window::Window;
use crate::wire::{Failure, Stream, Unit};

/// What a workload says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its kind in a profile.
    pub name: String,
    /// One sentence for people.
    pub summary: String,
    /// What it takes.
    pub params: Vec<Param>,
    /// What it counts beside the well-known names of [`wire::count`](crate::wire::count).
    pub counters: Vec<CounterDoc>,
    /// Whether its runtime needs the I/O driver.
    pub needs_io: bool,
    /// Whether its runtime needs the time driver.
    pub needs_time: bool,
}

/// A number that a workload counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterDoc {
    /// Its name in an interval's counts.
    pub name: String,
    /// One line for people.
    pub doc: String,
}

impl CounterDoc {
    /// A counter of this name.
    pub fn new(name: &str, doc: &str) -> Self {
        Self { name: name.to_owned(), doc: doc.to_owned() }
    }
}

impl Description {
    /// A workload of this name that takes nothing, counts nothing of its own, and needs both drivers.
    pub fn new(name: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            summary: summary.to_owned(),
            params: Vec::new(),
            counters: Vec::new(),
            needs_io: true,
            needs_time: true,
        }
    }

    /// Whether a runtime made from `config` has what this workload needs.
    ///
    /// # Errors
    ///
    /// The key of the `[runtime]` table that must change, and a sentence that says so.
    pub fn check_runtime(&self, config: &RuntimeConfig) -> Result<(), (&'static str, String)> {
        let needs = [
            (self.needs_io && !config.drivers.io, "drivers.io", "I/O"),
            (self.needs_time && !config.drivers.time, "drivers.time", "time"),
        ];
        match needs.into_iter().find(|(lacking, ..)| *lacking) {
            Some((_, key, driver)) => {
                Err((key, format!("the workload {} needs the {driver} driver; set it to true", self.name)))
            }
            None => Ok(()),
        }
    }
}

/// A kind of load that can be put on a runtime.
///
/// One value serves any number of runs, one after another. A plug-in implements the same trait and names it in
/// [`export_plugin!`](crate::export_plugin): plan and frames are all that crosses the border.
pub trait Workload: Send + Sync {
    /// What it is called, takes and counts.
    fn describe(&self) -> Description;

    /// The version of what it measures: 1, and one more with each change after which its figures mean something else,
    /// or come out differently on the same runtime. Figures of different versions are not compared.
    fn version(&self) -> u32 {
        1
    }

    /// Checks the parameters against each other; each by itself is in its range already.
    ///
    /// # Errors
    ///
    /// The parameter that must change.
    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        let _ = params;
        Ok(())
    }

    /// The histograms that it fills with these parameters; the first is the one that matters most.
    fn streams(&self, params: &Params) -> Vec<Stream>;

    /// Operations a second that it plans with these parameters. `None`: it starts an operation when another one has
    /// ended. The default is the parameter `rate`, where there is one.
    fn asked(&self, params: &Params) -> Option<f64> {
        params.as_map().get("rate").and_then(serde_json::Value::as_f64)
    }

    /// Starts servers, opens connections: everything that must not be measured.
    ///
    /// # Errors
    ///
    /// What could not be had.
    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure>;
}

/// So that a workload of the registry can be exported like one of the caller's own.
impl<W: Workload + ?Sized> Workload for Arc<W> {
    fn describe(&self) -> Description {
        (**self).describe()
    }

    fn version(&self) -> u32 {
        (**self).version()
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        (**self).validate(params)
    }

    fn streams(&self, params: &Params) -> Vec<Stream> {
        (**self).streams(params)
    }

    fn asked(&self, params: &Params) -> Option<f64> {
        (**self).asked(params)
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        (**self).setup(site)
    }
}

/// A workload that is set up.
pub trait Load {
    /// Makes the load until `run.window` is over, waits a little for what is still in flight, and returns.
    ///
    /// # Errors
    ///
    /// Why the load cannot go on.
    fn run(&mut self, run: &Run) -> Result<(), Failure>;

    /// Ends what [`Workload::setup`] started.
    fn teardown(self: Box<Self>) {}
}

/// Where a workload is set up.
#[derive(Debug)]
pub struct Site {
    /// The runtime under test.
    pub engine: Arc<Engine>,
    /// The checked parameters.
    pub params: Params,
    /// Where random choices start.
    pub seed: u64,
}

/// What a running workload measures with. Clones are cheap and mean the same run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The plan's clock.
    pub window: Window,
    /// Where measurements go.
    pub recorder: Recorder,
}

impl Stream {
    /// A histogram of nanoseconds.
    pub fn nanoseconds(name: &str, title: &str) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), unit: Unit::Nanoseconds, lag: None }
    }

    /// The same, counted from planned instants: what the stream `lag` holds is part of its values.
    #[must_use]
    pub fn with_lag(self, lag: &str) -> Self {
        Self { lag: Some(lag.to_owned()), ..self }
    }
}

impl Failure {
    /// The plan or its surroundings are wrong.
    pub fn input(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { is_input: true, message: message.into(), hint: Some(hint.into()) }
    }

    /// The run itself broke.
    pub fn broken(message: impl Into<String>) -> Self {
        Self { is_input: false, message: message.into(), hint: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Failure {}
