//! Tasks that stay on their thread, so that they need not be `Send`.
//!
//! Next file to read: `task/task_local.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::base::boxing::box_if_large;
use crate::base::trace::OriginalSize;
use crate::context;
use crate::engine::sched::Locality;
use crate::engine::sched::pollers::Poller;
use crate::engine::sched::set::{self, Leave, Set};
use crate::engine::task::{JoinHandle, SpawnMeta};
use crate::handle::Id;
use crate::runtime::{Runtime, UnhandledPanic};

/// Runs a future, which need not be `Send`, as a task of the current [`LocalRuntime`] or [`LocalSet`].
///
/// It runs on this thread, at once and whether or not the handle is awaited, for as long as the runtime or the set is
/// driven.
///
/// ```
/// use std::rc::Rc;
///
/// let rt = runtime::runtime::LocalRuntime::new().unwrap();
/// rt.block_on(async {
///     let text = Rc::new("not Send");
///     let task = runtime::task::spawn_local(async move { text.len() });
///     assert_eq!(task.await.unwrap(), 8);
/// });
/// ```
///
/// # Panics
///
/// When the current runtime is no `LocalRuntime` and this is not inside of a `LocalSet`; and when the current runtime
/// is a `LocalRuntime` of another thread.
///
/// [`LocalRuntime`]: crate::runtime::LocalRuntime
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    box_if_large!(future future: F => spawn_local_as(future, SpawnMeta::of::<F>()))
}

#[track_caller]
pub(super) fn spawn_local_as<F>(future: F, meta: SpawnMeta) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let runtime = context::with_current(|handle| (handle.sched().locality(), handle.clone())).ok();
    match runtime {
        Some((Locality::Here, handle)) => handle.spawn_local_as(future, meta),
        Some((Locality::Elsewhere, _)) => panic!(
            "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on: use `spawn` \
             for a future that is `Send`, or send what the future is made from to that thread"
        ),
        Some((Locality::None, _)) | None => match set::current() {
            Some(set) => spawn_in(&set, future, meta),
            None => panic!(
                "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`: build the runtime \
                 with `Builder::build_local`, or run this inside of `LocalSet::run_until`"
            ),
        },
    }
}

fn spawn_in<F>(set: &Set, future: F, meta: SpawnMeta) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let (future, meta) = meta.trace(future, "local");
    set.spawn(future, meta)
}

/// A set of tasks that stay on this thread, so that they need not be `Send`, on any runtime.
///
/// The tasks run only while the set is driven: inside of [`run_until`](Self::run_until) or
/// [`block_on`](Self::block_on), or while the set itself is awaited, which goes on until all its tasks have ended. A
/// set cannot leave its thread, so on a `multi_thread` runtime it belongs into `block_on` and not into a spawned task.
///
/// Several futures may drive it at once, in one task or in several of the thread. When there is something to do, each of
/// them is woken, so it is done also if some of them have ended, were dropped or are not polled.
///
/// Where a whole thread is free for such tasks, a [`LocalRuntime`] is simpler and quicker.
///
/// Dropping the set drops its tasks, here and now.
///
/// ```
/// use std::rc::Rc;
/// use runtime::task::{self, LocalSet};
///
/// let rt = runtime::runtime::Runtime::new().unwrap();
/// let set = LocalSet::new();
/// let length = set.block_on(&rt, async {
///     let text = Rc::new("not Send");
///     task::spawn_local(async move { text.len() }).await.unwrap()
/// });
/// assert_eq!(length, 8);
/// ```
///
/// It cannot be sent to another thread:
///
/// ```compile_fail,E0277
/// let set = runtime::task::LocalSet::new();
/// std::thread::spawn(move || drop(set));
/// ```
///
/// [`LocalRuntime`]: crate::runtime::LocalRuntime
pub struct LocalSet {
    set: Set,
    /// This as a future.
    poller: Poller,
}

/// Makes a [`LocalSet`] the one that [`spawn_local`] spawns into, until it is dropped. See [`LocalSet::enter`].
#[must_use = "the set is the current one only while this guard lives"]
pub struct LocalEnterGuard {
    _leave: Leave,
}

impl LocalSet {
    /// A set without tasks.
    pub fn new() -> Self {
        Self { set: Set::new(), poller: Poller::default() }
    }

    /// Makes this set the one that [`spawn_local`] spawns into, until the guard is dropped. It drives nothing.
    ///
    /// ```
    /// use runtime::task::{self, LocalSet};
    ///
    /// let set = LocalSet::new();
    /// let guard = set.enter();
    /// let task = task::spawn_local(async { "spawned from plain code" });
    /// drop(guard);
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// assert_eq!(set.block_on(&rt, task).unwrap(), "spawned from plain code");
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard { _leave: self.set.enter() }
    }

    /// Runs a future as a task of this set, as soon as the set is driven.
    ///
    /// ```
    /// let rt = runtime::runtime::Runtime::new().unwrap();
    /// let set = runtime::task::LocalSet::new();
    /// let task = set.spawn_local(async { 6 * 7 });
    /// rt.block_on(set);
    /// assert_eq!(rt.block_on(task).unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        box_if_large!(future future: F => self.spawn_as(future, SpawnMeta::of::<F>()))
    }

    pub(super) fn spawn_as<F>(&self, future: F, meta: SpawnMeta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_in(&self.set, future, meta)
    }

    /// Runs a future to its end on a runtime, and the tasks of this set meanwhile.
    ///
    /// # Panics
    ///
    /// When this thread is driving tasks already, when the future panics, and when a task has panicked in a set that
    /// [ends by that](Self::unhandled_panic).
    #[track_caller]
    pub fn block_on<F: Future>(&self, rt: &Runtime, future: F) -> F::Output {
        let original_size = OriginalSize::of::<RunUntil<'_, F>>();
        box_if_large!(future future: F => rt.block_on_as(self.run_until(future), original_size))
    }

    /// Runs a future to its end, and the tasks of this set meanwhile. Those that have not ended stay in the set.
    ///
    /// [`block_in_place`](crate::task::block_in_place) panics inside.
    ///
    /// # Panics
    ///
    /// When it is polled after it was ready, and when a task has panicked in a set that
    /// [ends by that](Self::unhandled_panic).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the future, and leaves the set as it is.
    pub fn run_until<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        RunUntil { set: &self.set, poller: Poller::default(), future: Some(future), pinned: PhantomPinned }
    }

    /// Sets what becomes of the set when one of its tasks panics. Default: nothing, the panic is the task's result.
    ///
    /// With [`UnhandledPanic::ShutdownRuntime`] the set ends by it: all its tasks are dropped, it takes no more, and each
    /// call that drives it ([`run_until`](Self::run_until), [`block_on`](Self::block_on), or to await it), whether it is
    /// under way or comes later, panics. The runtime that it is driven on goes on.
    ///
    /// ```should_panic
    /// use runtime::runtime::{Runtime, UnhandledPanic};
    /// use runtime::task::{self, LocalSet};
    ///
    /// let rt = Runtime::new().unwrap();
    /// let mut set = LocalSet::new();
    /// set.unhandled_panic(UnhandledPanic::ShutdownRuntime).block_on(&rt, async {
    ///     task::spawn_local(async { panic!("boom") });
    ///     std::future::pending::<()>().await;
    /// });
    /// ```
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        self.set.set_unhandled_panic(behavior);
        self
    }

    /// What tells this set from every other set and runtime of the process.
    pub fn id(&self) -> Id {
        Id::new(self.set.number())
    }
}

pin_project! {
    struct RunUntil<'a, F> {
        set: &'a Set,
        poller: Poller,
        // None: it was ready.
        #[pin]
        future: Option<F>,
        #[pin]
        pinned: PhantomPinned,
    }

    impl<F> PinnedDrop for RunUntil<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.set.leave(this.poller);
        }
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let poll = this.set.take_turn(this.poller, cx.waker(), || {
            this.set.expect_no_panic();
            let future = this.future.as_mut().as_pin_mut();
            let poll = future.expect("`LocalSet::run_until` polled after completion").poll(cx);
            if poll.is_pending() {
                this.set.run(cx.waker());
            }
            poll
        });
        if poll.is_ready() {
            this.future.set(None);
        }
        poll
    }
}

/// Drives the set until all its tasks have ended.
impl Future for LocalSet {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { set, poller } = &mut *self;
        set.take_turn(poller, cx.waker(), || {
            set.expect_no_panic();
            set.run(cx.waker());
            if set.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        self.set.close();
    }
}

impl Default for LocalSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").field("set", &self.set).finish()
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEnterGuard").finish_non_exhaustive()
    }
}
