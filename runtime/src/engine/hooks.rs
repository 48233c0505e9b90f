//! The users' callbacks, and how the threads of a runtime are made.
//!
//! Next file to read: `engine/counters/mod.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use crate::base::panic::swallow;
use crate::base::prim::{PlainArc, thread};
use crate::base::trace::About;
use crate::engine::task::{Id, Meta};

/// A callback without arguments.
pub(crate) type Callback = PlainArc<dyn Fn() + Send + Sync>;
/// A callback about a task.
pub(crate) type TaskCallback = PlainArc<dyn Fn(&TaskMeta<'_>) + Send + Sync>;
/// A callback about a poll that takes too long.
pub(crate) type StuckCallback = PlainArc<dyn Fn(&StuckPoll) + Send + Sync>;

/// What every thread of a runtime has in common.
#[derive(Clone, Default)]
pub(crate) struct ThreadHooks {
    pub(crate) name: Option<PlainArc<dyn Fn() -> String + Send + Sync>>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) on_start: Option<Callback>,
    pub(crate) on_stop: Option<Callback>,
    pub(crate) on_park: Option<Callback>,
    pub(crate) on_unpark: Option<Callback>,
}

impl ThreadHooks {
    pub(crate) fn thread_builder(&self) -> thread::Builder {
        let mut builder = thread::Builder::new();
        if let Some(name) = &self.name {
            // The operating system's names end at the first NUL, and the standard library panics at one.
            builder = builder.name(name().replace('\0', ""));
        }
        match self.stack_size {
            Some(size) => builder.stack_size(size),
            None => builder,
        }
    }

    pub(crate) fn started(&self) {
        call(&self.on_start);
    }

    pub(crate) fn stopping(&self) {
        call(&self.on_stop);
    }

    pub(crate) fn parking(&self) {
        call(&self.on_park);
    }

    pub(crate) fn unparked(&self) {
        call(&self.on_unpark);
    }
}

/// A hook's panic is reported by the panic hook and ends there: the thread has tasks of others to run.
fn call(callback: &Option<Callback>) {
    if let Some(callback) = callback {
        swallow(|| callback());
    }
}

/// What is called for each task.
#[derive(Clone, Default)]
pub(crate) struct TaskHooks {
    pub(crate) on_spawn: Option<TaskCallback>,
    pub(crate) on_terminate: Option<TaskCallback>,
    pub(crate) before_poll: Option<TaskCallback>,
    pub(crate) after_poll: Option<TaskCallback>,
    pub(crate) on_stuck_poll: Option<StuckCallback>,
}

/// What the callbacks about tasks are told of one.
#[derive(Clone, Copy)]
pub struct TaskMeta<'a> {
    id: Id,
    name: Option<&'a str>,
    spawned_at: &'static Location<'static>,
    pub(crate) schedule_latency: Option<Duration>,
}

impl<'a> TaskMeta<'a> {
    #[inline]
    pub(crate) fn new(meta: &'a Meta) -> Self {
        Self { id: meta.id, name: meta.name(), spawned_at: meta.location, schedule_latency: None }
    }

    /// As told before and after a poll that the task has waited for so long, if that is measured.
    pub(crate) fn after(self, schedule_latency: Option<Duration>) -> Self {
        Self { schedule_latency, ..self }
    }

    /// The task's number.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The task's name, if it was spawned with one. An extension.
    pub fn name(&self) -> Option<&str> {
        self.name
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// How long the task waited from when it became ready to this poll.
    ///
    /// Only in the callbacks before and after a poll, which are told the same, and only if
    /// [`track_task_schedule_latency`](crate::runtime::Builder::track_task_schedule_latency) is set.
    pub fn schedule_latency(&self) -> Option<Duration> {
        self.schedule_latency
    }
}

impl fmt::Debug for TaskMeta<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskMeta")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("spawned_at", &format_args!("{}", self.spawned_at))
            .field("schedule_latency", &self.schedule_latency)
            .finish()
    }
}

/// A poll that has run for longer than it should: what
/// [`on_stuck_poll`](crate::runtime::Builder::on_stuck_poll) is told, and a
/// [`ShutdownReport`](crate::runtime::ShutdownReport) lists.
#[derive(Clone, Debug)]
pub struct StuckPoll {
    worker: usize,
    id: Id,
    name: Option<String>,
    spawned_at: &'static Location<'static>,
    running_for: Duration,
}

impl StuckPoll {
    pub(crate) fn new(worker: usize, meta: &Meta, running_for: Duration) -> Self {
        let name = meta.name().map(str::to_owned);
        Self { worker, id: meta.id, name, spawned_at: meta.location, running_for }
    }

    /// What a subscriber is told of the task.
    pub(crate) fn about(&self) -> About<'_> {
        About { id: self.id.as_u64(), name: self.name(), location: self.spawned_at }
    }

    /// The number of the worker that is in this poll.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The task's number.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The task's name, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// For how long the poll has been seen to run: it has run for at least as long. In a shutdown report, for about how
    /// long it has run.
    pub fn running_for(&self) -> Duration {
        self.running_for
    }
}

impl fmt::Display for StuckPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} is stuck in a poll of task {}", self.worker, self.id)?;
        if let Some(name) = &self.name {
            write!(f, " '{name}'")?;
        }
        write!(f, ", spawned at {}, for {:?}", self.spawned_at, self.running_for)
    }
}

impl fmt::Debug for ThreadHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadHooks").field("stack_size", &self.stack_size).finish_non_exhaustive()
    }
}

impl fmt::Debug for TaskHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHooks").finish_non_exhaustive()
    }
}
