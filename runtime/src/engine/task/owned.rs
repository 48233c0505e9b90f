//! The list of a runtime's tasks: so that a shutdown finds each of them, and each is dropped by its owner.
//!
//! The list is cut into shards, each with its own lock: one a worker, and one for everybody else, so that threads that
//! spawn seldom meet. A task remembers its shard. No foreign code runs under a lock.
//!
//! Next file to read: `id.rs`.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};
// Not through the doorway: a counter that hands out numbers orders nothing, and a model of it would be a static.
use std::sync::atomic::AtomicU64 as Numbers;

use super::Schedule;
use super::cell::{Header, allocate};
use super::harness::{Notified, Task};
use super::join::JoinHandle;
use super::meta::Meta;
use super::vtable::TaskRef;
use crate::base::home::Home;
use crate::base::list::List;
use crate::base::prim::CachePadded;
use crate::base::prim::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::base::short_lock::ShortLock;

/// Which list a task is in, and in which shard: in 48 and 16 bits. Lists are numbered from 1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(u64);

const SHARD_BITS: u32 = 16;

/// Shards for each spawner. A spawner goes round them, so that who ends its tasks meanwhile on another thread seldom
/// wants the lock that it holds. Only one in a model: tasks choose by their number, which differs from one execution
/// to the next.
const SPREAD: usize = if cfg!(rt_loom) { 1 } else { 8 };

/// How many tasks are shown at once: so long the lock is held, some microseconds.
const MAX_ROTATED: usize = 64;

impl Owner {
    const NONE: Self = Self(0);

    fn new(list: u64, shard: usize) -> Self {
        Self(list << SHARD_BITS | shard as u64)
    }

    pub(super) fn is_some(self) -> bool {
        self != Self::NONE
    }

    fn list(self) -> u64 {
        self.0 >> SHARD_BITS
    }

    fn shard(self) -> usize {
        (self.0 & ((1 << SHARD_BITS) - 1)) as usize
    }
}

/// All tasks of one runtime that are not complete.
pub(crate) struct OwnedTasks<S: 'static> {
    number: u64,
    closed: AtomicBool,
    /// Shards for each spawner.
    spread: usize,
    shards: Box<[CachePadded<Shard>]>,
    _scheduler: PhantomData<fn(S)>,
}

struct Shard {
    members: ShortLock<Members>,
    /// Written under the lock, read without it.
    live: AtomicUsize,
    /// As above.
    spawned: AtomicU64,
}

struct Members {
    /// Each linked task's reference in the name of the list has been forgotten, and is given back when it leaves.
    tasks: List<Header>,
    closed: bool,
}

impl<S: Schedule> OwnedTasks<S> {
    /// A list for so many spawners that do not meet: the workers, and everybody else.
    ///
    /// # Panics
    /// With none, or more than 65,536.
    pub(crate) fn new(spawners: usize) -> Self {
        static NEXT: Numbers = Numbers::new(1);
        assert!(
            (1..=1 << SHARD_BITS).contains(&spawners),
            "an owner has 1 to 65536 spawners, not {spawners}"
        );
        let spread = if spawners * SPREAD <= 1 << SHARD_BITS { SPREAD } else { 1 };
        let shard = || {
            let members = ShortLock::new(Members { tasks: List::new(), closed: false });
            CachePadded::new(Shard { members, live: AtomicUsize::new(0), spawned: AtomicU64::new(0) })
        };
        Self {
            number: NEXT.fetch_add(1, Relaxed),
            closed: AtomicBool::new(false),
            spread,
            shards: (0..spawners * spread).map(|_| shard()).collect(),
            _scheduler: PhantomData,
        }
    }

    /// Makes a task of a future. `spawner` is the index of the spawning worker, or else the last.
    ///
    /// The notification is to be queued. There is none when the list is closed: then the future has been dropped, and
    /// the join handle reports a cancelled task.
    pub(crate) fn bind<F>(
        &self,
        future: F,
        scheduler: S,
        meta: Meta,
        spawner: usize,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // SAFETY: a future that is `Send` may be polled and dropped anywhere.
        unsafe { self.bind_any(future, scheduler, meta, spawner) }
    }

    /// As [`OwnedTasks::bind`], for a future that is not `Send`: the task is polled and dropped on this thread or not at
    /// all. So the owner must run its notifications, and be closed, on this thread.
    pub(crate) fn bind_here<F>(
        &self,
        future: F,
        scheduler: S,
        meta: Meta,
        spawner: usize,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: a future that stays at home, with its output, is as good as one that is `Send`.
        unsafe { self.bind_any(AtHome::new(future), scheduler, meta, spawner) }
    }

    /// # Safety
    /// The future may be polled and dropped on any thread. So may its output, unless its join handle stays on the thread
    /// that polls it.
    unsafe fn bind_any<F>(
        &self,
        future: F,
        scheduler: S,
        meta: Meta,
        spawner: usize,
    ) -> (JoinHandle<F::Output>, Option<Notified<S>>)
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let shard = spawner * self.spread + meta.id.spread(self.spread);
        let owner = Owner::new(self.number, shard);
        let shard = &self.shards[shard];
        let (task, notified, handle) = create(future, scheduler, meta, owner);
        // SAFETY: an owned task has a third reference.
        let task = unsafe { adopt::<S>(task) };
        let refused = shard.members.with(|members| {
            if members.closed {
                return Some(task);
            }
            // SAFETY: new, so in no list. It stays alive while linked by the reference that is forgotten here, it
            // is on the heap, and only this shard's lock leads to its links.
            unsafe { members.tasks.push_front(task.into_raw()) };
            add(&shard.live, 1);
            shard.spawned.store(shard.spawned.load(Relaxed) + 1, Relaxed);
            None
        });
        let Some(task) = refused else { return (handle, Some(notified)) };
        drop(notified);
        task.shutdown();
        (handle, None)
    }

    /// What tells this list from every other of the process.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Takes a task out of the list: the list's reference, if it was linked.
    pub(crate) fn remove(&self, task: &Task<S>) -> Option<Task<S>> {
        let owner = task.owner();
        if !owner.is_some() {
            return None;
        }
        assert_eq!(owner.list(), self.number, "a task was released to another runtime's list");
        let shard = &self.shards[owner.shard()];
        let linked = shard.members.with(|members| {
            // SAFETY: alive by the reference at hand, and bound to this list, so linked in this shard or nowhere.
            let linked = unsafe { members.tasks.remove(task.as_raw()) };
            if linked {
                add(&shard.live, -1);
            }
            linked
        });
        // SAFETY: this is the reference that was forgotten when the task was linked.
        linked.then(|| unsafe { adopt(task.as_raw()) })
    }

    /// Lets no more tasks in, and ends all there are, each outside of any lock. Several workers may do it at
    /// once, each beginning with another shard.
    ///
    /// When it returns, every task has had its future dropped, except those that are being polled, or ended, on
    /// another thread right now: these end with that poll.
    pub(crate) fn close_and_shutdown_all(&self, start_spawner: usize) {
        self.closed.store(true, Release);
        for shard in &self.shards {
            shard.members.with(|members| members.closed = true);
        }
        let count = self.shards.len();
        for at in 0..count {
            let shard = &self.shards[(start_spawner * self.spread + at) % count];
            // Nobody comes any more; at least this many turns of the list show each task to somebody who ends it.
            let mut left = shard.live.load(Relaxed);
            while left > 0
                && let Some(task) = shard.take::<S>()
            {
                task.shutdown();
                left -= 1;
            }
        }
    }

    /// Shows every task that is alive all the while to `f`, outside of any lock, until that breaks it off. A task that
    /// comes or goes meanwhile may be shown or not, and some may be shown twice.
    pub(crate) fn visit<B>(&self, mut f: impl FnMut(Task<S>) -> ControlFlow<B>) -> Option<B> {
        for shard in &self.shards {
            let mut left = shard.live.load(Relaxed);
            while left > 0 {
                let (some, all) = shard.rotate(left.min(MAX_ROTATED));
                left = if all || some.is_empty() { 0 } else { left - some.len() };
                for task in some {
                    if let ControlFlow::Break(value) = f(task) {
                        return Some(value);
                    }
                }
            }
        }
        None
    }

    /// Some task that is alive and is the one.
    pub(crate) fn find(&self, is_it: impl Fn(&Task<S>) -> bool) -> Option<Task<S>> {
        self.visit(|task| if is_it(&task) { ControlFlow::Break(task) } else { ControlFlow::Continue(()) })
    }

    /// How many tasks are alive.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.live.load(Relaxed)).sum()
    }

    /// Whether the list lets nobody in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// How many tasks there have ever been.
    pub(crate) fn spawned_count(&self) -> u64 {
        self.shards.iter().map(|shard| shard.spawned.load(Relaxed)).sum()
    }
}

impl Shard {
    /// References to so many tasks from the back of the list, which go to its front: the next call goes on with those
    /// before them. New tasks are put in front, too, and are met last.
    ///
    /// Of a closed list it returns all there are, and true: whoever shuts them down counts on the list's order, which only
    /// a whole turn leaves as it is.
    fn rotate<S: Schedule>(&self, count: usize) -> (Vec<Task<S>>, bool) {
        let mut some = Vec::with_capacity(count);
        let all = self.members.with(|members| {
            let count = if members.closed { self.live.load(Relaxed) } else { count };
            while some.len() < count
                && let Some(task) = members.tasks.pop_back()
            {
                // SAFETY: it has just left the list, whose reference still keeps it; all else is as in `bind_any`.
                unsafe { members.tasks.push_front(task) };
                // SAFETY: a linked task is alive by the list's reference; all tasks here have an `S`.
                let linked = ManuallyDrop::new(unsafe { adopt::<S>(task) });
                some.push(linked.another());
            }
            members.closed
        });
        (some, all)
    }

    /// A reference to a task, to end it. It leaves the list, unless it is being polled: then it does when it has ended,
    /// and can be found until then.
    fn take<S: Schedule>(&self) -> Option<Task<S>> {
        self.members.with(|members| {
            let task = members.tasks.pop_back()?;
            // SAFETY: this is the reference that was forgotten when the task was linked, and all tasks here have an `S`.
            let linked = unsafe { adopt::<S>(task) };
            if !linked.is_running() {
                add(&self.live, -1);
                return Some(linked);
            }
            let another = linked.another();
            // SAFETY: as in `rotate`, by the reference that is forgotten again.
            unsafe { members.tasks.push_front(linked.into_raw()) };
            Some(another)
        })
    }
}

/// A future that is polled and dropped on the thread where it was made, and nowhere else.
///
/// Whoever owns such tasks sees to it that this is where they run. Should that go wrong, the future panics instead of
/// being polled, and is leaked instead of being dropped.
struct AtHome<F> {
    future: ManuallyDrop<F>,
    home: Home,
}

impl<F> AtHome<F> {
    fn new(future: F) -> Self {
        Self { future: ManuallyDrop::new(future), home: Home::here() }
    }
}

impl<F: Future> Future for AtHome<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        assert!(self.home.is_here(), "a task that is not `Send` was polled by another thread than its own");
        // SAFETY: the future is pinned with the rest: it is moved by nobody, and dropped in its place.
        let future = unsafe { self.map_unchecked_mut(|this| &mut *this.future) };
        future.poll(cx)
    }
}

impl<F> Drop for AtHome<F> {
    fn drop(&mut self) {
        debug_assert!(
            self.home.is_here(),
            "a task that is not `Send` was dropped by another thread than its own"
        );
        if self.home.is_here() {
            // SAFETY: this is the field's last use.
            unsafe { ManuallyDrop::drop(&mut self.future) };
        }
    }
}

/// Makes a task that is in no list: one that is run to its end at once, or shut down, by whoever has its notification.
pub(crate) fn unowned<F, S>(future: F, scheduler: S, meta: Meta) -> (Notified<S>, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let (_, notified, handle) = create(future, scheduler, meta, Owner::NONE);
    (notified, handle)
}

/// Allocates a task, and deals out two of its references.
fn create<F: Future + 'static, S: Schedule>(
    future: F,
    scheduler: S,
    meta: Meta,
    owner: Owner,
) -> (NonNull<Header>, Notified<S>, JoinHandle<F::Output>) {
    let task = allocate(future, scheduler, meta, owner);
    // SAFETY: a new task is notified and has a reference for that; its scheduler is an `S`.
    let notified = unsafe { Notified::from_raw(task) };
    // SAFETY: a new task has a reference for its join handle.
    let joined = unsafe { TaskRef::from_raw(task) };
    // SAFETY: this is the first and only handle, and the output is the future's.
    (task, notified, unsafe { JoinHandle::new(joined) })
}

/// Changes a count that only the holder of its shard's lock writes.
fn add(count: &AtomicUsize, by: isize) {
    count.store(count.load(Relaxed).wrapping_add_signed(by), Relaxed);
}

/// # Safety
/// The task's scheduler is an `S`, and one of its counted references is the caller's to give.
unsafe fn adopt<S: Schedule>(task: NonNull<Header>) -> Task<S> {
    // SAFETY: given by the caller.
    let task = unsafe { TaskRef::from_raw(task) };
    // SAFETY: an `S`, says the caller.
    unsafe { Task::new(task) }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("list", &self.list()).field("shard", &self.shard()).finish()
    }
}

impl<S: Schedule> fmt::Debug for OwnedTasks<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedTasks")
            .field("live", &self.len())
            .field("spawned", &self.spawned_count())
            .field("closed", &self.is_closed())
            .finish()
    }
}
