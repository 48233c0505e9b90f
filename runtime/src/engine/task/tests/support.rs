//! A scheduler that is a queue, futures and wakers that count.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use crate::base::prim::{Arc, Mutex, UnsafeCell};
use crate::engine::task::{Id, JoinError, JoinHandle, Meta, Notified, OwnedTasks, Schedule, Task};

/// The scheduler. Its `Arc` is the doorway's, so under loom a leaked task is a leaked `Arc`, and found.
pub(super) struct Sched(Arc<Inner>, Arc<Alive>);

/// Written to at the end of one scheduler value, read at the end of each call on it: a call that its scheduler does
/// not outlive is a race, and found.
struct Alive(UnsafeCell<()>);

// SAFETY: there is nothing in it.
unsafe impl Sync for Alive {}

impl Clone for Sched {
    fn clone(&self) -> Self {
        Self(self.0.clone(), Arc::new(Alive(UnsafeCell::new(()))))
    }
}

impl Drop for Sched {
    fn drop(&mut self) {
        self.1.0.with_mut(|_| ());
    }
}

struct Inner {
    queue: Mutex<VecDeque<Notified<Sched>>>,
    owned: OwnedTasks<Sched>,
    count: StdArc<Counts>,
}

/// What the scheduler's hooks were called for.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) scheduled: AtomicUsize,
    pub(super) yielded: AtomicUsize,
    pub(super) panicked: AtomicUsize,
    pub(super) released: AtomicUsize,
    /// Hooks panic too, if this is not zero.
    pub(super) hooks_panic: AtomicUsize,
}

impl Schedule for Sched {
    fn schedule(&self, task: Notified<Self>) {
        self.0.count.scheduled.fetch_add(1, SeqCst);
        self.push(task);
    }

    fn yield_now(&self, task: Notified<Self>) {
        self.0.count.yielded.fetch_add(1, SeqCst);
        self.push(task);
    }

    fn release(&self, task: &Task<Self>) -> Option<Task<Self>> {
        self.0.count.released.fetch_add(1, SeqCst);
        assert_eq!(self.0.count.hooks_panic.load(SeqCst), 0, "release");
        self.0.owned.remove(task)
    }

    fn on_panic(&self, _id: Id) {
        self.0.count.panicked.fetch_add(1, SeqCst);
        assert_eq!(self.0.count.hooks_panic.load(SeqCst), 0, "on_panic");
    }
}

impl Sched {
    pub(super) fn new() -> Self {
        let inner =
            Inner { queue: Mutex::new(VecDeque::new()), owned: OwnedTasks::new(2), count: StdArc::default() };
        Self(Arc::new(inner), Arc::new(Alive(UnsafeCell::new(()))))
    }

    #[track_caller]
    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, task) = self.0.owned.bind(future, self.clone(), Meta::here(), 0);
        if let Some(task) = task {
            self.0.queue.lock().push_back(task);
        }
        handle
    }

    #[track_caller]
    pub(super) fn spawn_local<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        let (handle, task) = self.0.owned.bind_here(future, self.clone(), Meta::here(), 1);
        if let Some(task) = task {
            self.0.queue.lock().push_back(task);
        }
        handle
    }

    fn push(&self, task: Notified<Self>) {
        let (inner, alive) = (self.0.clone(), self.1.clone());
        inner.queue.lock().push_back(task);
        // Here a scheduler would look whom to wake.
        drop(inner.queue.lock());
        alive.0.with(|_| ());
    }

    /// Runs tasks until the queue is empty.
    pub(super) fn run(&self) {
        while let Some(task) = self.pop() {
            task.run();
        }
    }

    pub(super) fn pop(&self) -> Option<Notified<Self>> {
        self.0.queue.lock().pop_front()
    }

    pub(super) fn owned(&self) -> &OwnedTasks<Self> {
        &self.0.owned
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.0.count
    }

    /// What the end of a runtime does: nothing is left, neither a task nor a notification.
    pub(super) fn finish(&self) {
        self.0.owned.close_and_shutdown_all(0);
        while let Some(task) = self.pop() {
            drop(task);
        }
        assert_eq!(self.0.owned.len(), 0);
    }
}

/// Counts its drops.
#[derive(Clone, Default)]
pub(super) struct Drops(StdArc<AtomicUsize>);

impl Drops {
    pub(super) fn token(&self) -> Token {
        Token(self.clone())
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Has been dropped when [`Drops::count`] says so.
#[derive(Debug)]
pub(super) struct Token(Drops);

impl std::fmt::Debug for Drops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.count().fmt(f)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, SeqCst);
    }
}

/// A waker that counts.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &StdArc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    pub(super) fn new() -> StdArc<Self> {
        StdArc::default()
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Looks once whether the task is over.
pub(super) fn poll_join<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    pin!(handle).poll(&mut Context::from_waker(waker))
}

/// The result of a task that has to be over.
#[track_caller]
pub(super) fn finished<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match poll_join(&mut handle, Waker::noop()) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task is not over: a lost wake-up"),
    }
}

/// A future that gives its waker to the test, and is pending for ever.
pub(super) fn pending(waker: StdArc<std::sync::Mutex<Option<Waker>>>) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        let old = waker.lock().unwrap().replace(cx.waker().clone());
        drop(old);
        Poll::Pending
    })
}
