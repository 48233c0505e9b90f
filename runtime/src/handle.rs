//! A counted reference to a runtime.
//!
//! Next file to read: `engine/sched/mod.rs`.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::num::NonZeroU64;
use std::panic::Location;

use crate::base;
use crate::base::boxing::box_if_large;
use crate::base::trace::{self, About, OriginalSize, Traced};
use crate::context::{self, Alone, EnterGuard, TryCurrentError};
use crate::engine::blocking::{self, Finished};
use crate::engine::sched::SchedRef;
use crate::engine::services::Services;
use crate::engine::task::{self, JoinHandle, Meta, SpawnMeta};
use crate::metrics::RuntimeMetrics;
use crate::runtime::{Dump, RuntimeFlavor};

/// A reference to a runtime, to spawn on it from anywhere.
///
/// Cheap to clone. A handle does not keep its runtime running: once the [`Runtime`](crate::runtime::Runtime) is
/// dropped, what is spawned through a handle is dropped at once and its [`JoinHandle`] reports a cancelled task.
///
/// ```
/// use runtime::runtime::Runtime;
///
/// let rt = Runtime::new().unwrap();
/// let handle = rt.handle().clone();
/// let thread = std::thread::spawn(move || handle.spawn(async { 6 * 7 }));
/// let task = thread.join().unwrap();
/// assert_eq!(rt.block_on(task).unwrap(), 42);
/// ```
#[derive(Clone)]
pub struct Handle {
    sched: SchedRef,
}

impl Handle {
    pub(crate) fn new(sched: SchedRef) -> Self {
        Self { sched }
    }

    pub(crate) fn sched(&self) -> &SchedRef {
        &self.sched
    }

    pub(crate) fn services(&self) -> &Services {
        self.sched.services()
    }

    /// The current runtime of this thread.
    ///
    /// # Panics
    ///
    /// When there is none: outside of tasks, `block_on` and [`enter`](Self::enter).
    ///
    /// ```
    /// # runtime::runtime::Runtime::new().unwrap().block_on(async {
    /// let handle = runtime::runtime::Handle::current();
    /// assert_eq!(handle.spawn(async { 1 }).await.unwrap(), 1);
    /// # });
    /// ```
    #[track_caller]
    pub fn current() -> Self {
        context::expect_current(Self::clone)
    }

    /// As [`current`](Self::current), without the panic.
    ///
    /// # Errors
    ///
    /// When this thread has no current runtime, or is being torn down.
    ///
    /// ```
    /// assert!(runtime::runtime::Handle::try_current().unwrap_err().is_missing_context());
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        context::with_current(Self::clone)
    }

    /// Makes this runtime the current one of this thread until the guard is dropped, so that `spawn`, sockets and
    /// timers find it. It does not drive anything.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// let guard = rt.handle().enter();
    /// let task = runtime::spawn(async { "spawned from plain code" });
    /// drop(guard);
    /// assert_eq!(rt.block_on(task).unwrap(), "spawned from plain code");
    /// ```
    ///
    /// # Panics
    ///
    /// When guards are dropped in another order than the reverse of their making.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        context::set_current(self)
    }

    /// Runs a future as a task of this runtime, at once and whether or not the handle is awaited.
    ///
    /// On a `current_thread` runtime the task makes progress only while some thread is in `Runtime::block_on`.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// let task = rt.handle().spawn(async { 1 + 1 });
    /// assert_eq!(rt.block_on(task).unwrap(), 2);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        box_if_large!(future future: F => self.spawn_as(future, SpawnMeta::of::<F>()))
    }

    pub(crate) fn spawn_as<F>(&self, future: F, meta: SpawnMeta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (future, meta) = meta.trace(future, "task");
        self.sched.spawn(future, meta)
    }

    /// Runs a future that stays on this thread, on a runtime that takes such here.
    pub(crate) fn spawn_local_as<F>(&self, future: F, meta: SpawnMeta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (future, meta) = meta.trace(future, "local");
        self.sched.spawn_local(future, meta)
    }

    /// Runs a closure that blocks on a thread of its own, from the runtime's pool of such threads.
    ///
    /// The pool has up to `max_blocking_threads`; past that, closures wait in a queue. A closure that has begun
    /// cannot be aborted.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// let sum = rt.handle().spawn_blocking(|| (1..=10).sum::<u32>());
    /// assert_eq!(rt.block_on(sum).unwrap(), 55);
    /// ```
    ///
    /// # Panics
    ///
    /// When the pool has no thread and the operating system gives none.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, func: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let meta = Meta::here();
        expect_thread(box_if_large!(closure func: F => self.spawn_blocking_as::<F, _, _>(func, meta)))
    }

    /// The closure was given as a `Function`, and may be in a box since.
    pub(crate) fn spawn_blocking_as<Function, F, R>(&self, func: F, meta: Meta) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (job, handle) = blocking::unowned::<Function, _, _>(func, meta, self.blocking_finished());
        self.services().blocking.spawn(job, || {
            let sched = self.sched.clone();
            Box::new(move |f| context::around_blocking(&sched, f))
        })?;
        Ok(handle)
    }

    /// A clock that may be paused must not jump to the next timer while a blocking job is under way.
    fn blocking_finished(&self) -> Option<Finished> {
        if self.runtime_flavor() == RuntimeFlavor::MultiThread {
            return None;
        }
        let hold = self.services().clock.hold();
        let sched = self.sched.clone();
        Some(Box::new(move || {
            drop(hold);
            sched.wake_all();
        }))
    }

    /// Runs a future on this thread until it is done, with this runtime as the current one.
    ///
    /// On a `multi_thread` runtime the workers go on as ever. On a `current_thread` runtime this call drives
    /// neither tasks nor events: some other thread must be in `Runtime::block_on` for timers, sockets and tasks
    /// that the future waits for.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// let handle = rt.handle().clone();
    /// let thread = std::thread::spawn(move || handle.block_on(async { 5 }));
    /// assert_eq!(thread.join().unwrap(), 5);
    /// ```
    ///
    /// # Panics
    ///
    /// On a thread that is driving tasks, and when the future panics.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        box_if_large!(future future: F => self.block_on_as(future, OriginalSize::of::<F>()))
    }

    #[track_caller]
    fn block_on_as<F: Future>(&self, future: F, original_size: OriginalSize) -> F::Output {
        let spin = self.sched.config().idle_spin;
        let future = trace_root(future, original_size, Location::caller());
        context::block_on(self, Alone::No, || base::block_on::block_on(future, spin))
    }

    /// The flavour of this runtime.
    ///
    /// ```
    /// use runtime::runtime::{Builder, RuntimeFlavor};
    ///
    /// let rt = Builder::new_current_thread().build().unwrap();
    /// assert_eq!(rt.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    /// ```
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match &self.sched {
            SchedRef::Multi(_) => RuntimeFlavor::MultiThread,
            SchedRef::Current(_) => RuntimeFlavor::CurrentThread,
        }
    }

    /// What tells this runtime from every other one of the process, ended ones included.
    ///
    /// ```
    /// use runtime::runtime::Runtime;
    ///
    /// let (one, other) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    /// assert_ne!(one.handle().id(), other.handle().id());
    /// assert_eq!(one.handle().id(), one.handle().clone().id());
    /// ```
    pub fn id(&self) -> Id {
        Id::new(self.sched.number())
    }

    /// What this runtime is called, if its builder called it something.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().name("front").build().unwrap();
    /// assert_eq!(rt.handle().name(), Some("front"));
    /// ```
    pub fn name(&self) -> Option<&str> {
        self.sched.config().name.as_deref()
    }

    /// What this runtime counts.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// assert!(rt.handle().metrics().num_workers() >= 1);
    /// ```
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.sched.clone())
    }

    /// Lists the tasks of this runtime that have not ended, with what they are at and where they wait.
    ///
    /// The list is that of [`snapshot`](Self::snapshot). To learn where they wait, each task is woken once and polled by
    /// its runtime when its turn comes; the poll takes a backtrace of each place that keeps the task's waker. Futures
    /// have to bear with a wake-up for nothing, so nothing else changes for them: no worker is stopped, and no future is
    /// polled in another way than ever. The polls count as polls, and hooks are called for them.
    ///
    /// It always ends. Tasks that have no answer are listed without a trace: a task whose worker is blocked by another
    /// one, or by itself; and every task of a runtime that nobody drives. For these it waits as long as other answers
    /// come, and 250 milliseconds after the last one. It can be awaited anywhere, also on another runtime, and by
    /// [`block_on`](Self::block_on) of a handle from a thread outside. A thread keeps the time for it.
    ///
    /// It costs 5 to 10 microseconds for each task that waits, and about 2.5 kilobytes until the dump is dropped.
    ///
    /// Tasks of a [`LocalSet`](crate::task::LocalSet) belong to no runtime and are not listed; the task that drives the set
    /// is. So is it with futures inside of a `FuturesUnordered`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing: tasks may have been polled once more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use runtime::runtime::dump::TaskState;
    ///
    /// async fn rest() {
    ///     runtime::time::sleep(Duration::from_secs(3600)).await;
    /// }
    ///
    /// let rt = runtime::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// rt.block_on(async {
    ///     runtime::spawn(rest());
    ///     runtime::task::yield_now().await;
    ///     let dump = runtime::runtime::Handle::current().dump().await;
    ///     let task = dump.tasks().iter().next().unwrap();
    ///     assert_eq!(task.state(), TaskState::Idle);
    ///     assert!(task.trace().to_string().contains("rest"), "{dump}");
    /// });
    /// ```
    pub async fn dump(&self) -> Dump {
        let (sightings, answers) = self.sched.sight_and_ask();
        Dump::new(sightings, answers.await)
    }

    /// Whether the poll that this thread is in is one that a [dump](Self::dump) watches, to learn where the task waits.
    ///
    /// Such a poll is like any other, so a future has no need to ask; tests of dumps do.
    ///
    /// ```
    /// assert!(!runtime::runtime::Handle::is_tracing());
    /// ```
    pub fn is_tracing() -> bool {
        task::is_watched()
    }

    /// Lists the tasks of this runtime that have not ended, with what they are at, and without where they wait.
    /// An extension.
    ///
    /// It only reads, and can be called from anywhere. It does not stop anything, and so it is not of one moment: tasks
    /// that come or go meanwhile may be listed or not.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// let task = rt.spawn(async {});
    /// let dump = rt.handle().snapshot();
    /// assert_eq!(dump.tasks().iter().next().unwrap().id(), task.id());
    /// ```
    pub fn snapshot(&self) -> Dump {
        let sightings = self.sched.sight().into_iter().map(|(sighting, _)| sighting).collect();
        Dump::new(sightings, HashMap::new())
    }
}

/// Puts the future of a `block_on` into a span.
#[inline(always)]
pub(crate) fn trace_root<F>(
    future: F,
    original_size: OriginalSize,
    location: &'static Location<'static>,
) -> Traced<F> {
    let about = || About { id: task::Id::next().as_u64(), name: None, location };
    trace::task(future, "block_on", original_size, about).0
}

#[track_caller]
pub(crate) fn expect_thread<R>(spawned: io::Result<JoinHandle<R>>) -> JoinHandle<R> {
    match spawned {
        Ok(handle) => handle,
        Err(error) => panic!("OS can't spawn worker thread: no thread for `spawn_blocking`: {error}"),
    }
}

/// What tells a runtime, or a [`LocalSet`](crate::task::LocalSet), from every other one of the process.
///
/// Given by [`Handle::id`]. Nothing follows from the number itself.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Id(NonZeroU64);

impl Id {
    pub(crate) fn new(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("lists of tasks are numbered from 1"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("flavor", &self.runtime_flavor()).finish_non_exhaustive()
    }
}
