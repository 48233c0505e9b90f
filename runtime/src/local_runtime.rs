//! A runtime that stays on its thread.
//!
//! It is a [`Runtime`] whose scheduler knows its thread, behind a type that cannot leave it.
//!
//! Next file to read: `handle.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use crate::base::boxing::box_if_large;
use crate::base::trace::OriginalSize;
use crate::builder::Builder;
use crate::context::EnterGuard;
use crate::engine::task::{JoinHandle, Meta, SpawnMeta};
use crate::handle::{Handle, expect_thread};
use crate::metrics::RuntimeMetrics;
use crate::runtime::{Runtime, ShutdownReport};

/// Settings of a [`LocalRuntime`] besides those of its [`Builder`]: none yet.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Settings to come may be callbacks that stay on this thread.
    not_send: PhantomData<*mut ()>,
}

/// A runtime that stays on the thread that made it, and whose tasks therefore need not be `Send`.
///
/// Everything runs on that thread, inside of [`block_on`](Self::block_on), as on a `current_thread` runtime. Inside of
/// it, [`task::spawn_local`](crate::task::spawn_local) takes futures that are not `Send`, without a
/// [`LocalSet`](crate::task::LocalSet). Its [`Handle`] may go to other threads, and spawns what is `Send` from there.
///
/// Dropping it ends it, as for [`Runtime`]; its tasks are dropped on its thread.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use runtime::runtime::LocalRuntime;
///
/// let rt = LocalRuntime::new().unwrap();
/// let count = Rc::new(Cell::new(0));
/// rt.block_on(async {
///     let tasks = [(); 3].map(|()| {
///         let count = count.clone();
///         runtime::task::spawn_local(async move { count.set(count.get() + 1) })
///     });
///     for task in tasks {
///         task.await.unwrap();
///     }
/// });
/// assert_eq!(count.get(), 3);
/// ```
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// let rt = runtime::runtime::LocalRuntime::new().unwrap();
/// std::thread::spawn(move || rt.block_on(async {}));
/// ```
///
/// # Panics
///
/// Dropping it where blocking is forbidden, that is in a task or in `block_on`, panics.
pub struct LocalRuntime {
    runtime: Runtime,
    not_send: PhantomData<*mut ()>,
}

impl LocalRuntime {
    /// The scheduler of this runtime has been made on this thread, and knows it.
    pub(crate) fn new_in(runtime: Runtime) -> Self {
        Self { runtime, not_send: PhantomData }
    }

    /// A runtime with both drivers on.
    ///
    /// # Errors
    ///
    /// When the operating system gives no event queue.
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    }

    /// The way to reach this runtime from elsewhere.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Runs a future as a task of this runtime. It makes progress while this thread is in
    /// [`block_on`](Self::block_on).
    ///
    /// ```
    /// let rt = runtime::runtime::LocalRuntime::new().unwrap();
    /// let text = std::rc::Rc::new("not Send");
    /// let task = rt.spawn_local(async move { text });
    /// assert_eq!(*rt.block_on(task).unwrap(), "not Send");
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        box_if_large!(future future: F => self.handle().spawn_local_as(future, SpawnMeta::of::<F>()))
    }

    /// As [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (handle, meta) = (self.handle(), Meta::here());
        expect_thread(box_if_large!(closure func: F => handle.spawn_blocking_as::<F, _, _>(func, meta)))
    }

    /// Runs a future to its end, and all tasks of this runtime meanwhile. See [`Runtime::block_on`].
    ///
    /// # Panics
    ///
    /// When this thread is driving tasks already, and when the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        box_if_large!(future future: F => self.runtime.block_on_as(future, OriginalSize::of::<F>()))
    }

    /// Makes this runtime the current one of this thread. See [`Handle::enter`].
    ///
    /// ```
    /// let rt = runtime::runtime::LocalRuntime::new().unwrap();
    /// let guard = rt.enter();
    /// let task = runtime::task::spawn_local(async { "spawned from plain code" });
    /// drop(guard);
    /// assert_eq!(rt.block_on(task).unwrap(), "spawned from plain code");
    /// ```
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// What this runtime counts.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.runtime.metrics()
    }

    /// Ends the runtime, and waits no longer than this for its blocking threads. See
    /// [`Runtime::shutdown_timeout`].
    #[track_caller]
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.shutdown_timeout(duration);
    }

    /// As [`shutdown_timeout`](Self::shutdown_timeout), and says what was still running when the time was up. See
    /// [`Runtime::shutdown_timeout_report`].
    #[track_caller]
    pub fn shutdown_timeout_report(self, duration: Duration) -> ShutdownReport {
        self.runtime.shutdown_timeout_report(duration)
    }

    /// Ends the runtime without waiting for its blocking threads; allowed inside of a task. See
    /// [`Runtime::shutdown_background`].
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

impl UnwindSafe for LocalRuntime {}
impl RefUnwindSafe for LocalRuntime {}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime").field("handle", self.handle()).finish_non_exhaustive()
    }
}
