//! Runtimes: what drives tasks, sockets and timers.
//!
//! A [`Runtime`] is made by a [`Builder`], reached from elsewhere through a [`Handle`], and ends when it is dropped.
//!
//! * `multi_thread` ([`Builder::new_multi_thread`]): worker threads that steal tasks from each other. Tasks run as
//!   soon as they are spawned, whatever the thread that made the runtime does.
//! * `current_thread` ([`Builder::new_current_thread`]): everything runs on the thread that is in
//!   [`Runtime::block_on`], and nothing runs while none is.
//! * [`LocalRuntime`]: as `current_thread`, and stays on the thread that made it, so its tasks need not be `Send`.
//!
//! # How tasks are scheduled
//!
//! Figures of today, none of them a promise. A worker runs the task that was woken last from a slot (three times
//! in a row at most), then its own queue in order, then the global queue, then it steals half of another worker's
//! queue. Every 61 polls (31 on `current_thread`) it takes from the global queue first, and every 61 polls it looks
//! for I/O and timers. Each poll has a budget of 128 operations on sockets, timers and channels; when it is spent,
//! they report `Pending` and the task goes to the back of the queue.
//!
//! Next file to read: `handle.rs`.
#![forbid(unsafe_code)]

pub mod dump;

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::time::Duration;

pub use self::dump::Dump;
pub use crate::builder::{Builder, RngSeed};
pub use crate::config::{
    HistogramConfiguration, HistogramScale, InvalidHistogramConfiguration, LogHistogram, LogHistogramBuilder,
    UnhandledPanic,
};
pub use crate::context::{EnterGuard, TryCurrentError};
pub use crate::engine::hooks::{StuckPoll, TaskMeta};
pub use crate::handle::{Handle, Id};
pub use crate::local_runtime::{LocalOptions, LocalRuntime};
pub use crate::metrics::RuntimeMetrics;
pub use crate::shutdown::{LeftClosure, ShutdownReport};

use crate::base::boxing::box_if_large;
use crate::base::trace::OriginalSize;
use crate::base::{self, enter};
use crate::context::{self, Alone};
use crate::engine::blocking::BlockingPool;
use crate::engine::driver::io as io_driver;
use crate::engine::sched::{self, SchedRef, current::Driven, threads::Workers};
use crate::engine::task::{JoinHandle, Meta, SpawnMeta};
use crate::handle::{expect_thread, trace_root};

/// The number of the worker that this thread is, as [`RuntimeMetrics`] counts workers. `None` on a thread that is no
/// worker now.
///
/// On a `current_thread` runtime it is `Some(0)` on the thread that drives it. A task may move to another worker at each
/// `.await`. The thread in `block_on` of a `multi_thread` runtime is no worker.
///
/// ```
/// let rt = runtime::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// assert_eq!(rt.block_on(rt.spawn(async { runtime::runtime::worker_index() })).unwrap(), Some(0));
/// assert_eq!(rt.block_on(async { runtime::runtime::worker_index() }), None);
/// ```
pub fn worker_index() -> Option<usize> {
    sched::worker_index()
}

/// Whether an error says that the runtime of a socket has been shut down.
///
/// ```
/// use runtime::net::TcpListener;
/// use runtime::runtime::{Runtime, is_rt_shutdown_err};
///
/// let (one, other) = (Runtime::new().unwrap(), Runtime::new().unwrap());
/// let listener = one.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
/// drop(one);
/// let error = other.block_on(listener.accept()).unwrap_err();
/// assert!(is_rt_shutdown_err(&error));
/// ```
pub fn is_rt_shutdown_err(err: &io::Error) -> bool {
    io_driver::is_shut_down_error(err)
}

/// The flavour of a runtime, as [`Handle::runtime_flavor`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// Everything on the thread in `block_on`; a [`LocalRuntime`], too.
    CurrentThread,
    /// Worker threads that steal from each other.
    MultiThread,
}

/// A runtime. Dropping it ends it.
///
/// When it is dropped, no task is polled any more, every task that has not ended is dropped, and the drop waits for
/// the worker threads and for blocking closures that have begun, as long as they take. See
/// [`shutdown_timeout`](Self::shutdown_timeout) and [`shutdown_background`](Self::shutdown_background) for less
/// patience. Where one of its own threads drops it, in `spawn_blocking` or `block_in_place`, nobody waits: that thread
/// would wait for itself.
///
/// ```
/// use runtime::runtime::Runtime;
///
/// let rt = Runtime::new().unwrap();
/// let answer = rt.block_on(async {
///     let task = runtime::spawn(async { 6 * 7 });
///     task.await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
///
/// # Panics
///
/// Dropping it where blocking is forbidden, that is in a task or in `block_on`, panics.
pub struct Runtime {
    handle: Handle,
    scheduler: Scheduler,
    blocking: BlockingPool,
    /// Whether a method has ended it already, with a patience of its own.
    ended: bool,
}

/// What the owner of a runtime holds of its scheduler.
#[derive(Debug)]
pub(crate) enum Scheduler {
    Multi(Workers),
    Current(Driven),
}

impl Runtime {
    pub(crate) fn from_parts(handle: Handle, scheduler: Scheduler, blocking: BlockingPool) -> Self {
        Self { handle, scheduler, blocking, ended: false }
    }

    /// A `multi_thread` runtime with both drivers on and a worker for each core.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread or no event queue.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// rt.block_on(async {});
    /// ```
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    /// The way to reach this runtime from elsewhere.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// rt.handle().spawn(async {});
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// As [`Handle::spawn`].
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// let task = rt.spawn(async { "done" });
    /// assert_eq!(rt.block_on(task).unwrap(), "done");
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        box_if_large!(future future: F => self.handle.spawn_as(future, SpawnMeta::of::<F>()))
    }

    /// As [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let meta = Meta::here();
        let spawned = box_if_large!(closure func: F => self.handle.spawn_blocking_as::<F, _, _>(func, meta));
        expect_thread(spawned)
    }

    /// Runs a future to its end on this thread, and on a `current_thread` runtime everything else meanwhile.
    ///
    /// Tasks that have not ended when this returns stay where they are. Several threads may call this at once; on
    /// a `current_thread` runtime one of them drives tasks and events for all, and another takes over when
    /// it returns.
    ///
    /// # Panics
    ///
    /// When this thread is driving tasks already, when the future panics, and when a task has panicked in a runtime that
    /// [shuts down](crate::runtime::UnhandledPanic::ShutdownRuntime) by that.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// assert_eq!(rt.block_on(async { 1 + 1 }), 2);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        box_if_large!(future future: F => self.block_on_as(future, OriginalSize::of::<F>()))
    }

    #[track_caller]
    pub(crate) fn block_on_as<F: Future>(&self, future: F, original_size: OriginalSize) -> F::Output {
        let future = trace_root(future, original_size, Location::caller());
        let alone = match &self.scheduler {
            Scheduler::Multi(_) => Alone::No,
            Scheduler::Current(_) => Alone::Yes,
        };
        let output = context::block_on(&self.handle, alone, || match &self.scheduler {
            Scheduler::Multi(_) => {
                Ok(base::block_on::block_on(future, self.handle.sched().config().idle_spin))
            }
            Scheduler::Current(driven) => driven.block_on(future),
        });
        match output {
            Ok(output) => output,
            // Here, and not in the closure: that would be the caller that the panic names.
            Err(ended) => panic!("{ended}"),
        }
    }

    /// Makes this runtime the current one of this thread. See [`Handle::enter`].
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// What this runtime counts.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Ends the runtime, and waits no longer than this for its threads.
    ///
    /// Tasks are dropped at their next `.await`. A thread that is still busy when the time is up is left to itself.
    ///
    /// # Panics
    ///
    /// In asynchronous code, which must not wait, unless the time is zero. The runtime ends nevertheless.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// rt.spawn_blocking(|| std::thread::sleep(Duration::from_millis(50)));
    /// rt.shutdown_timeout(Duration::from_millis(1));
    /// ```
    #[track_caller]
    pub fn shutdown_timeout(mut self, duration: Duration) {
        self.end(duration);
    }

    /// As [`shutdown_timeout`](Self::shutdown_timeout), and tells what was still running. An extension.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// rt.spawn(std::future::pending::<()>());
    /// let report = rt.shutdown_timeout_report(Duration::from_secs(60));
    /// assert!(report.is_complete(), "{report}");
    /// ```
    #[track_caller]
    pub fn shutdown_timeout_report(mut self, duration: Duration) -> ShutdownReport {
        if self.end(duration) {
            return ShutdownReport::default();
        }
        let worker_threads = match &self.scheduler {
            Scheduler::Multi(workers) => workers.live(),
            Scheduler::Current(_) => 0,
        };
        let polls = if worker_threads == 0 { Vec::new() } else { self.handle.sched().running_polls() };
        let blocking = self.blocking.running().into_iter().map(LeftClosure::new).collect();
        let blocking_threads = self.blocking.spawner().num_threads();
        ShutdownReport { worker_threads, polls, blocking_threads, blocking }
    }

    #[track_caller]
    fn end(&mut self, limit: Duration) -> bool {
        self.ended = true;
        self.close();
        // Who has no time waits for nothing, and may be anywhere.
        (limit.is_zero() || self.may_wait()) && self.wait(Some(limit))
    }

    /// Whether this thread may wait for the runtime's end. Where it must not, only a panic that is under way is spared
    /// another one.
    #[track_caller]
    fn may_wait(&self) -> bool {
        if !enter::is_entered() {
            return true;
        }
        self.handle.sched().stop_monitor(false);
        if !std::thread::panicking() {
            panic!(
                "Cannot drop a runtime in a context where blocking is not allowed. This happens when a runtime is \
                 dropped from within an asynchronous context. Use `Runtime::shutdown_background`, or drop it inside \
                 `spawn_blocking`."
            );
        }
        false
    }

    /// Ends the runtime without waiting for its threads; allowed inside of a task.
    ///
    /// ```
    /// let outer = runtime::runtime::Runtime::new().unwrap();
    /// outer.block_on(async {
    ///     let inner = runtime::runtime::Runtime::new().unwrap();
    ///     inner.shutdown_background();
    /// });
    /// ```
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }

    /// Asks everything to stop.
    fn close(&self) {
        match &self.scheduler {
            Scheduler::Multi(workers) => workers.close(),
            Scheduler::Current(driven) => {
                // Futures that are dropped here may look for their runtime.
                let _current = context::try_set_current(&self.handle);
                driven.close();
            }
        }
    }

    /// Waits until everything has stopped. Returns whether it has.
    fn wait(&self, limit: Option<Duration>) -> bool {
        let since = std::time::Instant::now();
        // It reports what is stuck in the meantime. Nobody who has no time waits for it.
        let _stop = StopMonitor { sched: self.handle.sched(), wait: limit != Some(Duration::ZERO) };
        if let Scheduler::Multi(workers) = &self.scheduler
            && !workers.wait(limit)
        {
            return false;
        }
        self.blocking.shutdown(limit.map(|limit| limit.saturating_sub(since.elapsed())))
    }
}

/// Ends the thread that looks out for stuck polls.
struct StopMonitor<'a> {
    sched: &'a SchedRef,
    wait: bool,
}

impl Drop for StopMonitor<'_> {
    fn drop(&mut self) {
        self.sched.stop_monitor(self.wait);
    }
}

impl Drop for Runtime {
    #[track_caller]
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.close();
        if self.may_wait() {
            let waits_for_itself = context::is_thread_of(self.handle.sched());
            self.wait(if waits_for_itself { Some(Duration::ZERO) } else { None });
        }
    }
}

impl UnwindSafe for Runtime {}
impl RefUnwindSafe for Runtime {}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("handle", &self.handle).finish_non_exhaustive()
    }
}
