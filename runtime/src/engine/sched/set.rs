//! A set of tasks that one thread runs wherever it likes: what a `LocalSet` is made of.
//!
//! It is a scheduler without driver and threads: its turn is taken from a poll, and what a worker would sleep for is
//! the [wakers of those who poll it](super::pollers). The tasks' queue is of two parts, as a worker's is: the thread's own, for what is made
//! ready during a turn, and the one for everybody else.
//!
//! Nothing here is `Send` but what wakers hold, [`Shared`]; so only the thread that made the set runs and drops its
//! tasks.
//!
//! Next file to read: `engine/sched/pollers.rs`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::defer::Nested;
use super::inject::Inject;
use super::pollers::{Poller, Pollers};
use crate::base::coop;
use crate::base::enter;
use crate::base::prim::{Arc, thread_local};
use crate::config::UnhandledPanic;
use crate::engine::task::{self, Id, JoinHandle, Meta, OwnedTasks, Schedule};

type Task = task::Task<SetRef>;
type Notified = task::Notified<SetRef>;

/// Polls in one turn, so that whoever polls the set gets round to other things too. As for a worker.
const POLLS: usize = 61;
/// After so many polls the other threads' queue comes first. As for the one worker of a runtime.
const GLOBAL_INTERVAL: u32 = 31;

/// The set, for the thread that made it.
#[derive(Clone)]
pub(crate) struct Set(Rc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: RefCell<VecDeque<Notified>>,
    /// Polls so far, wrapping.
    tick: Cell<u32>,
    /// Whether it takes a turn right now, and will see what is queued.
    in_turn: Cell<bool>,
    unhandled_panic: Cell<UnhandledPanic>,
    /// Whether a task has panicked, in a set that ends by that.
    panicked: Cell<bool>,
}

/// The part that tasks and their wakers know.
struct Shared {
    inject: Inject<Notified>,
    owned: OwnedTasks<SetRef>,
    pollers: Pollers,
}

/// The scheduler as its tasks see it.
#[derive(Clone)]
struct SetRef(Arc<Shared>);

thread_local! {
    /// The set that spawns on this thread go to.
    static ENTERED: RefCell<Option<Set>> = const { RefCell::new(None) };
}

/// Puts the thread's former set back.
pub(crate) struct Leave {
    former: Option<Set>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let former = self.former.take();
        // Dropped outside of the borrow. A thread that is being torn down has no set to go back to.
        let _left = ENTERED.try_with(|entered| entered.replace(former));
    }
}

/// What `f` says of the set that this thread has entered. It runs no foreign code.
fn of_entered<R>(f: impl FnOnce(&Set) -> R) -> Option<R> {
    ENTERED.try_with(|entered| entered.borrow().as_ref().map(f)).ok().flatten()
}

/// The set that this thread has entered.
pub(crate) fn current() -> Option<Set> {
    of_entered(Set::clone)
}

/// The set of these tasks, if this thread takes a turn of it right now.
fn in_turn(shared: &Arc<Shared>) -> Option<Set> {
    of_entered(|set| (set.0.in_turn.get() && Arc::ptr_eq(&set.0.shared, shared)).then(|| set.clone()))
        .flatten()
}

/// While it lives, the set takes a turn.
struct Turn<'a> {
    set: &'a Set,
    /// Whether it is inside of another turn of the set.
    nested: bool,
    _leave: Leave,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let set = &self.set.0;
        set.in_turn.set(self.nested);
        // What was made ready in the turn and not polled. Whoever took this turn may be over.
        if !self.nested && set.has_work() {
            set.shared.pollers.wake_all();
        }
    }
}

impl Inner {
    fn has_work(&self) -> bool {
        !self.queue.borrow().is_empty() || !self.shared.inject.is_empty()
    }
}

impl Set {
    pub(crate) fn new() -> Self {
        let shared = Shared { inject: Inject::new(), owned: OwnedTasks::new(1), pollers: Pollers::new() };
        let queue = RefCell::new(VecDeque::new());
        let (tick, in_turn) = (Cell::new(0), Cell::new(false));
        let (unhandled_panic, panicked) = (Cell::new(UnhandledPanic::Ignore), Cell::new(false));
        Self(Rc::new(Inner { shared: Arc::new(shared), queue, tick, in_turn, unhandled_panic, panicked }))
    }

    /// What tells it from every other set and runtime.
    pub(crate) fn number(&self) -> u64 {
        self.0.shared.owned.number()
    }

    /// Says what becomes of the set when one of its tasks panics.
    pub(crate) fn set_unhandled_panic(&self, behavior: UnhandledPanic) {
        self.0.unhandled_panic.set(behavior);
    }

    /// For whoever polls the set.
    ///
    /// # Panics
    ///
    /// When a task has panicked, and the set ends by that.
    pub(crate) fn expect_no_panic(&self) {
        assert!(
            !self.0.panicked.get(),
            "a spawned task panicked and the LocalSet is configured to shutdown on unhandled panic: see \
             `LocalSet::unhandled_panic`"
        );
    }

    /// Makes it the one that spawns on this thread go to.
    pub(crate) fn enter(&self) -> Leave {
        let this = self.clone();
        Leave { former: ENTERED.try_with(|current| current.replace(Some(this))).ok().flatten() }
    }

    fn begin_turn(&self) -> Turn<'_> {
        Turn { _leave: self.enter(), nested: self.0.in_turn.replace(true), set: self }
    }

    /// Makes a task of a future, and queues it.
    pub(crate) fn spawn<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let shared = &self.0.shared;
        let (handle, task) = shared.owned.bind_here(future, SetRef(shared.clone()), meta, 0);
        if let Some(task) = task {
            self.push(task);
            if in_turn(shared).is_none() {
                shared.pollers.wake_all();
            }
        }
        handle
    }

    fn push(&self, task: Notified) {
        self.0.queue.borrow_mut().push_back(task);
    }

    /// Takes a turn for one that polls the set, with this waker: it is woken when a task becomes ready. `f` says whether
    /// the poller is over. What is left of the tasks that are ready then is for the next poll of any poller.
    pub(crate) fn take_turn<R>(
        &self,
        poller: &mut Poller,
        waker: &Waker,
        f: impl FnOnce() -> Poll<R>,
    ) -> Poll<R> {
        let _stay = enter::stay_in();
        let _turn = self.begin_turn();
        self.0.shared.pollers.register(poller, waker);
        let poll = f();
        if poll.is_ready() {
            self.0.shared.pollers.leave(poller);
        }
        poll
    }

    /// A poller will poll no more.
    pub(crate) fn leave(&self, poller: &mut Poller) {
        self.0.shared.pollers.leave(poller);
    }

    /// Polls tasks until none is ready or it is time for something else. `waker` is the one that the set is polled with.
    pub(crate) fn run(&self, waker: &Waker) {
        let nested = Nested::begin(waker);
        for _ in 0..POLLS {
            let Some(task) = self.next_task() else { return };
            if let Some(again) = coop::budget(|| task.poll(|waker| nested.poll_begins(waker))) {
                self.push(again);
            }
            if self.0.panicked.get() {
                self.drop_tasks();
                // They wait for what does not come any more.
                self.0.shared.pollers.wake_all();
                self.expect_no_panic();
            }
            if nested.is_look_wanted() {
                return;
            }
        }
    }

    fn next_task(&self) -> Option<Notified> {
        let inner = &self.0;
        let tick = inner.tick.get();
        inner.tick.set(tick.wrapping_add(1));
        let own = || inner.queue.borrow_mut().pop_front();
        let global = || inner.shared.inject.pop();
        if tick.is_multiple_of(GLOBAL_INTERVAL) { global().or_else(own) } else { own().or_else(global) }
    }

    /// Whether no task is alive.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.shared.owned.len() == 0
    }

    /// Drops every task, and lets no more in. Whoever polled it is not woken by it any more.
    pub(crate) fn close(&self) {
        self.drop_tasks();
        self.0.shared.pollers.clear();
    }

    fn drop_tasks(&self) {
        let shared = &self.0.shared;
        let _stay = enter::stay_in();
        let _turn = self.begin_turn();
        shared.owned.close_and_shutdown_all(0);
        shared.inject.close();
        shared.inject.clear();
        let rest = self.0.queue.take();
        drop(rest);
    }
}

impl Schedule for SetRef {
    fn schedule(&self, task: Notified) {
        match in_turn(&self.0) {
            Some(set) => set.push(task),
            None => {
                if self.0.inject.push(task) {
                    self.0.pollers.wake_all();
                }
            }
        }
    }

    fn schedule_here(task: Notified) -> Result<(), Notified> {
        match in_turn(&task.scheduler().0) {
            Some(set) => {
                set.push(task);
                Ok(())
            }
            None => Err(task),
        }
    }

    fn on_panic(&self, _id: Id) {
        // A task of a set is polled in a turn of the set.
        if let Some(set) = in_turn(&self.0)
            && set.0.unhandled_panic.get() == UnhandledPanic::ShutdownRuntime
        {
            set.0.panicked.set(true);
        }
    }

    fn release(&self, task: &Task) -> Option<Task> {
        self.0.owned.remove(task)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set").field("tasks", &self.0.shared.owned.len()).finish_non_exhaustive()
    }
}
