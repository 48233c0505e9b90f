//! What a `tracing` subscriber is told, where the feature `tracing` is on. Else this is nothing at all.
//!
//! Each task has a span, entered while it is polled or dropped, with the name, the target and the fields by which
//! tokio-console knows tasks; and each use of its waker is an event that names the span:
//!
//! | what | target | fields |
//! |---|---|---|
//! | span `runtime.spawn` of a task | `tokio::task` | `kind`, `task.name`, `task.id`, `size.bytes`, `original_size.bytes`, `loc.*` |
//! | the same of a closure that blocks | `tokio::task::blocking` | these, and `fn` |
//! | event: a waker is used | `tokio::task::waker` | `op`, `task.id` (of the span) |
//! | event, a warning: a poll runs for too long | `runtime::stuck_poll` | `worker`, `task.*`, `loc.*`, `running_for` |
//!
//! `kind` is `task`, `local` (whatever `spawn_local` spawned), `block_on` or `blocking`. The names are those that
//! console-subscriber looks for in its `TaskVisitor` and `WakerVisitor`, and that Tokio gives.
//!
//! Two files with the same functions stand behind it. What is told of channels and timers is in [`resource`].
//!
//! Next file to read: `engine/task/mod.rs`.

pub(crate) mod resource;

#[cfg(feature = "tracing")]
mod on;
#[cfg(feature = "tracing")]
pub(crate) use on::{OriginalSize, SpanId, Traced, blocking, stuck_poll, task};

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(not(feature = "tracing"))]
pub(crate) use off::{OriginalSize, SpanId, Traced, blocking, stuck_poll, task};

use std::panic::Location;

/// What is told of a task.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "without the feature nobody is told")]
pub(crate) struct About<'a> {
    pub(crate) id: u64,
    pub(crate) name: Option<&'a str>,
    pub(crate) location: &'static Location<'static>,
}
