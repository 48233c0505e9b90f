//! What a runtime's tasks are at, and where they wait.
//!
//! The list of tasks is only read: a task is looked at for its state word and its notes, and nobody is stopped.
//!
//! Where a task waits, only its future knows, and only by being polled. So who asks leaves a [`Request`] that names the
//! tasks, and wakes them. Workers poll them as ever, when their turn comes; while there are requests, a poll of a task
//! that is named is [watched](crate::engine::task::Places). To a future that is one wake-up too many, which each has to
//! bear with anyway. A worker that is stuck in a poll, or a runtime that nobody drives, gives no answer: the request is
//! over when none has come for [`PATIENCE`].
//!
//! Next file to read: `engine/sched/threads.rs`.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::policy::Policy;
use super::shared::Shared;
use super::{SchedRef, Task};
use crate::base::panic::swallow;
use crate::base::prim::atomic::{AtomicBool, Ordering::*};
use crate::base::prim::{Arc, Condvar, Mutex, thread};
use crate::engine::task::{Id, Phase, Places};

/// How long a request waits for the next answer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(250);

/// A task as it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) id: Id,
    pub(crate) name: Option<String>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) phase: Phase,
    /// The worker that polls it.
    pub(crate) worker: Option<usize>,
    /// For how long it has been in that phase.
    pub(crate) since: Option<Duration>,
}

/// All requests to one runtime.
#[derive(Debug)]
pub(crate) struct Requests {
    /// Whether there are any.
    some: AtomicBool,
    list: Mutex<Vec<Arc<Request>>>,
}

/// Somebody wants to know where some tasks wait.
#[derive(Debug)]
pub(crate) struct Request {
    state: Mutex<State>,
    /// Notified when it is over.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    /// Those that have not answered.
    left: HashSet<Id>,
    answers: HashMap<Id, Places>,
    over: bool,
    waker: Option<Waker>,
}

impl Requests {
    pub(crate) fn new() -> Self {
        Self { some: AtomicBool::new(false), list: Mutex::new(Vec::new()) }
    }

    /// Whether there may be any. A poll that misses one is followed by another, for which the request asks.
    #[inline]
    pub(crate) fn some(&self) -> bool {
        self.some.load(Relaxed)
    }

    /// Those that name this task.
    pub(crate) fn that_name(&self, task: Id) -> Vec<Arc<Request>> {
        if !self.some() {
            return Vec::new();
        }
        self.list.lock().iter().filter(|request| request.names(task)).cloned().collect()
    }

    fn add(&self, request: Arc<Request>) {
        let mut list = self.list.lock();
        list.push(request);
        self.some.store(true, Relaxed);
    }

    fn remove(&self, request: &Arc<Request>) {
        let mut list = self.list.lock();
        list.retain(|other| !Arc::ptr_eq(other, request));
        self.some.store(!list.is_empty(), Relaxed);
    }
}

impl Request {
    fn new(tasks: HashSet<Id>) -> Self {
        let over = tasks.is_empty();
        let state = State { left: tasks, answers: HashMap::new(), over, waker: None };
        Self { state: Mutex::new(state), ended: Condvar::new() }
    }

    fn names(&self, task: Id) -> bool {
        self.state.lock().left.contains(&task)
    }

    /// A task answers, or has ended.
    pub(crate) fn answer(&self, task: Id, places: Places) {
        let mut state = self.state.lock();
        if !state.left.remove(&task) {
            return;
        }
        state.answers.insert(task, places);
        if state.left.is_empty() {
            drop(state);
            self.end();
        }
    }

    fn end(&self) {
        let mut state = self.state.lock();
        state.over = true;
        let waker = state.waker.take();
        drop(state);
        self.ended.notify_all();
        if let Some(waker) = waker {
            swallow(|| waker.wake());
        }
    }

    /// Ends it when it has waited for too long.
    fn wait_out(&self) {
        let mut state = self.state.lock();
        while !state.over {
            let left = state.left.len();
            let timed_out;
            (state, timed_out) = self.ended.wait_timeout(state, PATIENCE);
            if timed_out && state.left.len() == left {
                drop(state);
                return self.end();
            }
        }
    }
}

/// Waits for the answers to a request, and takes it back when it goes.
#[derive(Debug)]
pub(crate) struct Answers {
    sched: SchedRef,
    request: Arc<Request>,
}

impl Answers {
    /// Asks these tasks.
    fn ask(sched: SchedRef, tasks: Vec<Task>) -> Self {
        let request = Arc::new(Request::new(tasks.iter().map(Task::id).collect()));
        let answers = Self { sched, request };
        if tasks.is_empty() {
            return answers;
        }
        answers.sched.requests().add(answers.request.clone());
        for task in tasks {
            task.wake();
            if task.phase() == Phase::Ended {
                answers.request.answer(task.id(), Places::default());
            }
        }
        let request = answers.request.clone();
        let patient = thread::Builder::new().name("runtime-dump".to_owned());
        if patient.spawn(move || request.wait_out()).is_err() {
            // Without an end to the wait there must be none.
            answers.request.end();
        }
        answers
    }
}

impl Future for Answers {
    type Output = HashMap<Id, Places>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Cloned out of the lock, because that is foreign code.
        let waker = cx.waker().clone();
        let mut state = self.request.state.lock();
        if state.over {
            return Poll::Ready(mem::take(&mut state.answers));
        }
        let former = state.waker.replace(waker);
        drop(state);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.sched.requests().remove(&self.request);
        // Its thread need not wait for anything any more. Nobody is to be woken.
        let former = {
            let mut state = self.request.state.lock();
            state.over = true;
            state.waker.take()
        };
        drop(former);
        self.request.ended.notify_all();
    }
}

impl SchedRef {
    /// Lists the tasks, and asks where they wait.
    pub(crate) fn sight_and_ask(&self) -> (Vec<Sighting>, Answers) {
        let (sightings, tasks) = self.sight().into_iter().unzip();
        (sightings, Answers::ask(self.clone(), tasks))
    }
}

impl<P: Policy> Shared<P> {
    /// The tasks that have not ended, in the order of their numbers.
    pub(crate) fn sight(&self) -> Vec<(Sighting, Task)> {
        let pairs = self.counters.workers.iter().enumerate();
        let workers: HashMap<u64, usize> =
            pairs.map(|(worker, counters)| (counters.running_poll().0, worker)).collect();
        let mut seen = HashMap::new();
        self.owned.visit(|task| {
            if task.phase() != Phase::Ended {
                seen.entry(task.id()).or_insert_with(|| (self.sighting(&task, &workers), task));
            }
            std::ops::ControlFlow::<()>::Continue(())
        });
        let mut seen: Vec<_> = seen.into_values().collect();
        seen.sort_by_key(|(sighting, _)| sighting.id);
        seen
    }

    fn sighting(&self, task: &Task, workers: &HashMap<u64, usize>) -> Sighting {
        let (phase, since, meta) = (task.phase(), task.since(), task.meta());
        let since = (since != 0).then(|| self.began.elapsed().saturating_sub(Duration::from_nanos(since)));
        let worker = workers.get(&meta.id.as_u64()).copied().filter(|_| phase == Phase::Running);
        let name = meta.name().map(str::to_owned);
        Sighting { id: meta.id, name, location: meta.location, phase, worker, since }
    }
}
