//! What was still running when a runtime's patience was over.
//!
//! Next file to read: `metrics/mod.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::engine::blocking::RunningJob;
use crate::engine::hooks::StuckPoll;
use crate::engine::task::Id;

/// What [`Runtime::shutdown_timeout_report`](crate::runtime::Runtime::shutdown_timeout_report) had to leave to itself.
///
/// ```
/// use std::time::Duration;
///
/// let rt = runtime::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// let (end, ending) = std::sync::mpsc::channel::<()>();
/// let (begun, begins) = std::sync::mpsc::channel();
/// rt.spawn_blocking(move || {
///     begun.send(()).unwrap();
///     ending.recv().unwrap_err();
/// });
/// begins.recv().unwrap();
/// let report = rt.shutdown_timeout_report(Duration::from_millis(10));
/// assert!(!report.is_complete());
/// assert_eq!(report.blocking().len(), 1);
/// println!("{report}");
/// drop(end);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it says what is still running"]
pub struct ShutdownReport {
    pub(crate) worker_threads: usize,
    pub(crate) polls: Vec<StuckPoll>,
    pub(crate) blocking_threads: usize,
    pub(crate) blocking: Vec<LeftClosure>,
}

/// A closure of the blocking pool that a runtime left to itself.
#[derive(Clone, Debug)]
pub struct LeftClosure {
    job: RunningJob,
    running_for: Duration,
}

impl ShutdownReport {
    /// Whether everything had stopped in time.
    pub fn is_complete(&self) -> bool {
        self.worker_threads == 0 && self.blocking_threads == 0
    }

    /// Worker threads that had not ended. One that is in no poll is in a callback, or drops a future.
    pub fn worker_threads(&self) -> usize {
        self.worker_threads
    }

    /// The polls that the workers were in. A task that is being polled is dropped when its poll is over.
    pub fn polls(&self) -> &[StuckPoll] {
        &self.polls
    }

    /// Threads of the blocking pool that had not ended.
    pub fn blocking_threads(&self) -> usize {
        self.blocking_threads
    }

    /// The closures that threads of the blocking pool were in. They run on, to their ends.
    pub fn blocking(&self) -> &[LeftClosure] {
        &self.blocking
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_complete() {
            return f.write_str("everything has stopped");
        }
        write!(f, "{} worker threads and {} blocking threads", self.worker_threads, self.blocking_threads)?;
        f.write_str(" have not ended")?;
        for poll in &self.polls {
            write!(f, "\n{poll}")?;
        }
        for closure in &self.blocking {
            write!(f, "\n{closure}")?;
        }
        Ok(())
    }
}

impl LeftClosure {
    pub(crate) fn new(job: RunningJob) -> Self {
        let running_for = job.since.elapsed();
        Self { job, running_for }
    }

    /// Its number: closures are numbered as tasks are.
    pub fn id(&self) -> Id {
        self.job.id
    }

    /// Its name, if it was spawned with one.
    pub fn name(&self) -> Option<&str> {
        self.job.name.as_deref()
    }

    /// Where it was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.job.location
    }

    /// For how long it had run.
    pub fn running_for(&self) -> Duration {
        self.running_for
    }
}

impl fmt::Display for LeftClosure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a blocking thread is in closure {}", self.id())?;
        if let Some(name) = self.name() {
            write!(f, " '{name}'")?;
        }
        write!(f, ", spawned at {}, for {:?}", self.spawned_at(), self.running_for)
    }
}
