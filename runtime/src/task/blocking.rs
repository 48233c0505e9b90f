//! Code that blocks its thread.
//!
//! Next file to read: `task/builder.rs`.
#![forbid(unsafe_code)]

use crate::base::boxing::box_if_large;
use crate::context;
use crate::engine::task::{JoinHandle, Meta};
use crate::handle::expect_thread;

/// Runs a closure that blocks on a thread of its own. See [`Handle::spawn_blocking`].
///
/// ```
/// # runtime::runtime::Runtime::new().unwrap().block_on(async {
/// let text = runtime::task::spawn_blocking(|| "read from a slow disk").await.unwrap();
/// assert_eq!(text, "read from a slow disk");
/// # });
/// ```
///
/// # Panics
///
/// When this thread has no current runtime, or the operating system gives no thread.
///
/// [`Handle::spawn_blocking`]: crate::runtime::Handle::spawn_blocking
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let meta = Meta::here();
    expect_thread(box_if_large!(closure f: F => context::spawn_blocking::<F, _, _>(f, meta)))
}

/// Runs a closure that blocks on this thread, and lets another thread go on with the worker's other tasks.
///
/// Only what is in *this* task waits: futures that it polls by `join!` or `select!` stand still. The closure may block
/// in any way, also in `Handle::block_on`. It cannot be cancelled; a runtime that is dropped waits for it.
///
/// Each call may cost a change of threads, so for many short ones [`spawn_blocking`] is better. If the operating system
/// gives no thread that could take over, the closure runs all the same, and the worker's tasks are left to the other
/// workers.
///
/// Outside of a runtime, and on a thread of `spawn_blocking`, it just calls the closure. So it does inside of a waker that
/// a worker wakes or drops because of a timer or a socket: the worker cannot be left there, waits for the closure, and
/// lets no other event in meanwhile. A `block_on` in such a closure panics.
///
/// ```
/// let rt = runtime::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// let (send, receive) = std::sync::mpsc::channel();
/// let waits = rt.spawn(async move { runtime::task::block_in_place(|| receive.recv().unwrap()) });
/// // The only worker is not blocked by it.
/// rt.spawn(async move { send.send("done").unwrap() });
/// assert_eq!(rt.block_on(waits).unwrap(), "done");
/// ```
///
/// # Panics
///
/// In a task or the `block_on` of a `current_thread` runtime, and in a task of a `LocalSet`: their one thread cannot go
/// on elsewhere. And when the closure panics.
#[track_caller]
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    box_if_large!(closure f: F => context::block_in_place(f))
}
