//! What a runtime's tasks are at, and where they wait.
//!
//! [`Handle::dump`](crate::runtime::Handle::dump) makes a [`Dump`], and [`Handle::snapshot`](crate::runtime::Handle::snapshot)
//! one without traces. Both are text by `Display`, and can be looked through.
//!
//! Tokio's names are here, except those that take or read a trace while it is being taken: `Trace::capture`, `Trace::root`,
//! `trace_with` and its types need leaves that report, and here wakers do; and except the addresses of frames and the raw
//! names of symbols, which the standard library's backtraces do not tell. What Tokio's dumps do not tell is the tasks' names, places and states.
//!
//! Next file to read: `runtime/dump/backtrace.rs`.
#![forbid(unsafe_code)]

mod backtrace;

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

pub use self::backtrace::{Backtrace, BacktraceFrame, BacktraceSymbol};
use crate::engine::sched::dump::Sighting;
use crate::engine::task::{Id, Phase, Places};

/// The tasks of a runtime, as they were seen one after another. See
/// [`Handle::dump`](crate::runtime::Handle::dump).
#[derive(Debug)]
pub struct Dump {
    tasks: Tasks,
}

/// The tasks of a [`Dump`], in the order of their numbers.
#[derive(Debug)]
pub struct Tasks {
    tasks: Vec<Task>,
}

/// A task of a [`Dump`].
#[derive(Debug)]
pub struct Task {
    sighting: Sighting,
    trace: Trace,
}

/// What a task was at. See [`Task::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It waited to be woken. Its [trace](Task::trace) says where.
    Idle,
    /// It was ready, and waited for a worker.
    Queued,
    /// A worker was polling it, or dropping its future.
    Running,
}

/// The places where a task waits: one backtrace for each waker that it left somewhere in a poll.
///
/// So a `join!` of three futures has three, and futures of other crates are seen as well as those of this one. More than
/// 32 are not kept. There is none for a task that was not polled in time, or that ended instead of waiting.
///
/// Names and places of functions are looked up when the trace is shown or [resolved](Self::resolve_backtraces), and that
/// may take tens of milliseconds: better not in a task. Names need the program's symbols; places, and functions that were
/// inlined, its debug information, of which `debug = "line-tables-only"` in the profile is enough.
#[derive(Debug, Default)]
pub struct Trace {
    places: Places,
}

impl Dump {
    pub(crate) fn new(sightings: Vec<Sighting>, mut answers: HashMap<Id, Places>) -> Self {
        let task = |sighting: Sighting| {
            let places = answers.remove(&sighting.id).unwrap_or_default();
            Task { sighting, trace: Trace { places } }
        };
        Self { tasks: Tasks { tasks: sightings.into_iter().map(task).collect() } }
    }

    /// The tasks.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks
    }
}

impl Tasks {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter()
    }
}

impl Task {
    /// The task's number.
    pub fn id(&self) -> Id {
        self.sighting.id
    }

    /// The task's name, if it was spawned with one. An extension.
    pub fn name(&self) -> Option<&str> {
        self.sighting.name.as_deref()
    }

    /// Where it was spawned. An extension.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.sighting.location
    }

    /// What it was at. An extension.
    pub fn state(&self) -> TaskState {
        match self.sighting.phase {
            Phase::Idle => TaskState::Idle,
            Phase::Queued => TaskState::Queued,
            // One that ended meanwhile is not listed.
            Phase::Running | Phase::Ended => TaskState::Running,
        }
    }

    /// The worker that was polling it, if that was known at that moment. An extension.
    pub fn worker(&self) -> Option<usize> {
        self.sighting.worker
    }

    /// About how long it had been in that state. An extension.
    ///
    /// A worker looks at the clock once in some polls, so the figure is off by what these took. An idle task counts
    /// from the beginning of its last poll. For a task that was made ready by another thread than a worker it is `None`,
    /// unless [`track_task_schedule_latency`](crate::runtime::Builder::track_task_schedule_latency) is set.
    pub fn time_in_state(&self) -> Option<Duration> {
        self.sighting.since
    }

    /// Where it waits.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

impl Trace {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The backtraces, from the poll of the task to the place that kept its waker, innermost first.
    pub fn resolve_backtraces(&self) -> Vec<Backtrace> {
        self.places.iter().map(Backtrace::resolve).collect()
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Queued => "queued",
            Self::Running => "running",
        })
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, backtrace) in self.resolve_backtraces().iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            backtrace.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id())?;
        if let Some(name) = self.name() {
            write!(f, " '{name}'")?;
        }
        write!(f, ", spawned at {}: {}", self.spawned_at(), self.state())?;
        if let Some(worker) = self.worker() {
            write!(f, " on worker {worker}")?;
        }
        if let Some(time) = self.time_in_state() {
            write!(f, " for {time:?}")?;
        }
        if !self.trace.is_empty() {
            write!(f, "\n{}", self.trace)?;
        }
        Ok(())
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, task) in self.tasks.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            task.fmt(f)?;
        }
        Ok(())
    }
}
