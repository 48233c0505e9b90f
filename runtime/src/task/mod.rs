//! Tasks: the unit that the runtime schedules.
//!
//! A task is a future that the runtime polls by itself. It is light: one allocation, and no thread. It must not
//! block its thread; what blocks belongs into [`spawn_blocking`].
//!
//! Next file to read: `task/blocking.rs`.
#![forbid(unsafe_code)]

mod blocking;
mod builder;
pub mod coop;
pub mod join_set;
mod local;
mod task_local;
mod yield_now;

use std::future::Future;

pub use blocking::{block_in_place, spawn_blocking};
pub use builder::Builder;
pub use coop::{Unconstrained, consume_budget, unconstrained};
pub use join_set::JoinSet;
pub use local::{LocalEnterGuard, LocalSet, spawn_local};
pub use task_local::{AccessError, LocalKey};
pub use yield_now::yield_now;

pub use crate::engine::task::{AbortHandle, Id, JoinError, JoinHandle, id, try_id};

use crate::base::boxing::box_if_large;
use crate::context;
use crate::engine::task::SpawnMeta;

/// Futures of this module that are named seldom.
pub mod futures {
    pub use super::task_local::TaskLocalFuture;
}

/// Runs a future as a task of the current runtime, at once and whether or not the handle is awaited.
///
/// Dropping the [`JoinHandle`] lets the task go on. There is no promise that a task runs to its end: the runtime
/// drops it when it ends itself.
///
/// ```
/// # runtime::runtime::Runtime::new().unwrap().block_on(async {
/// let task = runtime::spawn(async { 6 * 7 });
/// assert_eq!(task.await.unwrap(), 42);
/// # });
/// ```
///
/// # Panics
///
/// When this thread has no current runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    box_if_large!(future future: F => context::spawn(future, SpawnMeta::of::<F>()))
}
