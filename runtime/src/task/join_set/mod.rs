//! A set of tasks whose results are taken in the order in which they end.
//!
//! The set owns the join handles, in a slab; each task's waker puts its key into a queue (`ready.rs`).
//!
//! Next file to read: `task/join_set/ready.rs`.
#![forbid(unsafe_code)]

mod builder;
mod ready;

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic;
use std::task::{Context, Poll, ready};

use slab::Slab;

pub use self::builder::Builder;
use self::ready::Ready;
use super::LocalSet;
use super::coop;
use super::local;
use crate::base::boxing::box_if_large;
use crate::base::prim::PlainArc as Arc;
use crate::context;
use crate::engine::task::{AbortHandle, Id, JoinError, JoinHandle, Meta, SpawnMeta};
use crate::handle::{Handle, expect_thread};

/// Tasks of one output type, whose results are taken in the order in which they end.
///
/// A task in a set runs like any other. Dropping the set aborts all its tasks; taking a result, or having it taken,
/// costs the same however many tasks there are.
///
/// ```
/// use runtime::task::JoinSet;
///
/// # runtime::runtime::Runtime::new().unwrap().block_on(async {
/// let mut set: JoinSet<u32> = (1..=4).map(|n| async move { n * n }).collect();
/// let mut sum = 0;
/// while let Some(square) = set.join_next().await {
///     sum += square.unwrap();
/// }
/// assert_eq!(sum, 30);
/// # });
/// ```
pub struct JoinSet<T> {
    tasks: Slab<JoinHandle<T>>,
    /// The keys of those that are over.
    ready: Arc<Ready>,
}

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        Self { tasks: Slab::new(), ready: Ready::new() }
    }

    /// How many tasks have not been taken out yet, ended ones included.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is no task left to wait for.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    fn abort(&self) {
        for (_, task) in &self.tasks {
            task.abort();
        }
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns into this set with settings, such as a name.
    ///
    /// ```
    /// # runtime::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = runtime::task::JoinSet::new();
    /// set.build_task().name("adder").spawn(async { 1 + 1 }).unwrap();
    /// assert_eq!(set.join_next().await.unwrap().unwrap(), 2);
    /// # });
    /// ```
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder::new(self)
    }

    /// Spawns a task on the current runtime.
    ///
    /// # Panics
    ///
    /// When this thread has no current runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let task = box_if_large!(future task: F => context::spawn(task, SpawnMeta::of::<F>()));
        self.insert(task)
    }

    /// Spawns a task on the runtime of a handle.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let task = box_if_large!(future task: F => handle.spawn_as(task, SpawnMeta::of::<F>()));
        self.insert(task)
    }

    /// Spawns a task, which need not be `Send`, on the current `LocalRuntime` or [`LocalSet`].
    ///
    /// # Panics
    ///
    /// As [`spawn_local`](crate::task::spawn_local).
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let task = box_if_large!(future task: F => local::spawn_local_as(task, SpawnMeta::of::<F>()));
        self.insert(task)
    }

    /// Spawns a task, which need not be `Send`, into a [`LocalSet`]. It begins to run when that is driven.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let task = box_if_large!(future task: F => local_set.spawn_as(task, SpawnMeta::of::<F>()));
        self.insert(task)
    }

    /// Runs a closure that blocks, on the current runtime's threads for that.
    ///
    /// Once it has begun, neither an abort nor the drop of the set stops it.
    ///
    /// ```
    /// # runtime::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut set = runtime::task::JoinSet::new();
    /// for n in 0..10 {
    ///     set.spawn_blocking(move || n);
    /// }
    /// assert_eq!(set.join_all().await.into_iter().sum::<i32>(), 45);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// When this thread has no current runtime, or the operating system gives no thread.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let meta = Meta::here();
        let spawned = box_if_large!(closure f: F => context::spawn_blocking::<F, _, _>(f, meta));
        self.insert(expect_thread(spawned))
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), on the runtime of a handle.
    ///
    /// # Panics
    ///
    /// When the operating system gives no thread.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let meta = Meta::here();
        let spawned = box_if_large!(closure f: F => handle.spawn_blocking_as::<F, _, _>(f, meta));
        self.insert(expect_thread(spawned))
    }

    fn insert(&mut self, task: JoinHandle<T>) -> AbortHandle {
        let abort = task.abort_handle();
        let place = self.tasks.vacant_entry();
        let bell = self.ready.bell(place.key());
        place.insert(task).notify(bell);
        abort
    }

    /// Waits for the next task to end and takes it out: its output, or why it has none. `None` if the set is empty.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when another branch of a `select!` completes first, no task has left the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the task's [`Id`]; that of a task without output is in its error.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as [`join_next`](Self::join_next).
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes out a task that has ended, without waiting. `None` if there is none, or the set is empty.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        Some(self.try_join_next_with_id()?.map(|(_, output)| output))
    }

    /// As [`try_join_next`](Self::try_join_next), with the task's [`Id`].
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        let key = self.ready.pop()?;
        Some(self.take(key))
    }

    /// Aborts all tasks, and waits until all have ended. Their outputs and panics are dropped.
    ///
    /// # Cancel safety
    ///
    /// When it is dropped, all tasks have been aborted, and those that have not ended are still in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks. The outputs are in the order in which the tasks ended.
    ///
    /// ```
    /// # runtime::runtime::Runtime::new().unwrap().block_on(async {
    /// let set: runtime::task::JoinSet<_> = (0..3).map(|n| async move { n }).collect();
    /// let mut outputs = set.join_all().await;
    /// outputs.sort_unstable();
    /// assert_eq!(outputs, [0, 1, 2]);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// When a task panicked, with that panic, or was cancelled. The others are aborted then.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: outputs that were taken are dropped with it, and all other tasks are aborted.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(result) = self.join_next().await {
            match result {
                Ok(output) => outputs.push(output),
                Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
                Err(error) => panic!("{error}"),
            }
        }
        outputs
    }

    /// Asks all tasks to end at their next `.await`. They stay in the set until they are taken out.
    pub fn abort_all(&mut self) {
        self.abort();
    }

    /// Takes all tasks out and lets them go on by themselves.
    pub fn detach_all(&mut self) {
        // Bells of detached tasks may still ring: not in the queue of those that follow under the same keys.
        self.ready.forget_waiting();
        self.ready = Ready::new();
        self.tasks = Slab::new();
    }

    /// Takes out the next task that has ended. `None` if the set is empty.
    ///
    /// `Pending`: the context's task will be woken when a task ends; only the context of the last call counts.
    /// It is also `Pending` when the calling task's [budget](crate::task::coop) is spent.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        let next = ready!(self.poll_join_next_with_id(cx));
        Poll::Ready(next.map(|result| result.map(|(_, output)| output)))
    }

    /// As [`poll_join_next`](Self::poll_join_next), with the task's [`Id`].
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let unit = ready!(coop::poll_proceed(cx));
        let key = ready!(self.ready.poll_pop(cx));
        unit.made_progress();
        Poll::Ready(Some(self.take(key)))
    }

    /// Takes out the task whose bell has rung.
    fn take(&mut self, key: usize) -> Result<(Id, T), JoinError> {
        let mut task = self.tasks.remove(key);
        let output = task.take_output().expect("a task's bell rings when it is over");
        output.map(|output| (task.id(), output))
    }
}

/// Aborts all tasks.
impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort();
        // The tasks' wakers lead to the queue and may outlive this set for a while; its waker must not.
        self.ready.forget_waiting();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

/// Spawns all futures of an iterator on the current runtime.
///
/// # Panics
///
/// When this thread has no current runtime.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns all futures of an iterator on the current runtime.
///
/// # Panics
///
/// When this thread has no current runtime.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}
