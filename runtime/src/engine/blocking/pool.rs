//! The blocking pool: threads on demand up to a limit, gone again when there is nothing to do.
//!
//! A job is always given to one certain thread, or put in the queue, under one lock: there is no count of idle
//! threads that could disagree with the threads. A free thread sits in the stack of seats; whoever brings a job
//! takes the top seat (the thread that worked last, so that the others grow old and end), lays the job on it and
//! unparks its thread after the lock is released.
//!
//! A thread says that it is about to be free before its job's join handle is told. Whoever brings the next job at once
//! gives that thread a moment to sit down; a pool that only looked for free seats would start one thread after
//! another for jobs that come one at a time. It is a hint and no promise: a foreign `Drop` may still keep the thread.
//!
//! | the thread finds | and does |
//! |---|---|
//! | a job on its seat | runs it, then whatever the queue holds, then sits down again |
//! | no job, its seat still in the stack, time is up or the pool is closed | takes its seat away and ends |
//! | no job and its seat gone from the stack | cannot be: seat and job change hands in one critical section |
//!
//! Next file to read: `engine/sched/mod.rs`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::BlockingSched;
use super::job::end;
use crate::base::park::{Parker, Unparker};
use crate::base::prim::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::base::prim::{Arc, Condvar, Mutex, thread, thread_local};
use crate::base::spin::Spinner;
use crate::config::{HistogramConfiguration, LogHistogram};
use crate::engine::counters::Histogram;
use crate::engine::hooks::ThreadHooks;
use crate::engine::task::{Id, Notified};

type Job = Notified<BlockingSched>;

/// A job that has not begun.
#[derive(Debug)]
struct Waiting {
    job: Job,
    since: Instant,
}

/// A job that a thread is at now, for reports.
#[derive(Clone, Debug)]
pub(crate) struct RunningJob {
    pub(crate) id: Id,
    pub(crate) name: Option<String>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) since: Instant,
}

/// What a thread of the pool does around its whole life: makes its runtime the current one.
pub(crate) type Around = Box<dyn FnOnce(&mut dyn FnMut()) + Send>;

/// How long the bringer of a job waits for a thread that is about to sit down. Starting one takes several times as long.
const SEAT_WAIT: Duration = Duration::from_micros(5);

/// What the pool is made from.
#[derive(Debug)]
pub(crate) struct PoolConfig {
    pub(crate) max_threads: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) idle_spin: Duration,
}

/// The owner's side: closes the pool.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    spawner: BlockingSpawner,
}

/// The users' side: brings jobs.
#[derive(Clone, Debug)]
pub(crate) struct BlockingSpawner {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Notified when the last thread of a closed pool has ended.
    empty: Condvar,
    config: PoolConfig,
    hooks: Arc<ThreadHooks>,
    threads: AtomicUsize,
    idle: AtomicUsize,
    depth: AtomicUsize,
    /// Threads that have run their job and will look into the queue next.
    soon_free: AtomicUsize,
    /// How long jobs waited for their thread.
    latency: Histogram,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Waiting>,
    /// Free threads, the one that worked last on top.
    seats: Vec<Seat>,
    /// Jobs laid on a seat, by thread, until the thread takes them.
    laid: HashMap<usize, Waiting>,
    /// What each thread is at.
    running: HashMap<usize, RunningJob>,
    handles: HashMap<usize, thread::JoinHandle<()>>,
    /// Threads that ended before whoever started them could put their handle down.
    left: HashSet<usize>,
    /// The handle of a thread that ended by itself, joined by the next one that does.
    ended: Option<thread::JoinHandle<()>>,
    /// Threads that have not ended.
    live: usize,
    /// Those of them that will come back to the queue: all but the ones that have given up their seat. Only these count
    /// towards the limit; else a job could wait in the queue for a thread that is on its way out.
    serving: usize,
    next_thread: usize,
    closed: bool,
}

#[derive(Debug)]
struct Seat {
    thread: usize,
    unparker: Unparker,
}

impl BlockingPool {
    pub(crate) fn new(config: PoolConfig, hooks: Arc<ThreadHooks>) -> Self {
        let inner = Inner {
            state: Mutex::new(State::default()),
            empty: Condvar::new(),
            config,
            hooks,
            threads: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
            soon_free: AtomicUsize::new(0),
            latency: Histogram::new(HistogramConfiguration::log(LogHistogram::default())),
        };
        Self { spawner: BlockingSpawner { inner: Arc::new(inner) } }
    }

    pub(crate) fn spawner(&self) -> &BlockingSpawner {
        &self.spawner
    }

    /// The jobs that are under way.
    pub(crate) fn running(&self) -> Vec<RunningJob> {
        self.spawner.inner.state.lock().running.values().cloned().collect()
    }

    /// Refuses new jobs, drops those that have not begun, and waits until the running ones are over, for `limit`
    /// at most. Returns whether all threads have ended.
    pub(crate) fn shutdown(&self, limit: Option<Duration>) -> bool {
        let inner = &*self.spawner.inner;
        inner.close();
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = inner.state.lock();
        while state.live > 0 {
            state = match deadline {
                None => inner.empty.wait(state),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    inner.empty.wait_timeout(state, left).0
                }
            };
        }
        let handles = std::mem::take(&mut state.handles);
        let ended = state.ended.take();
        drop(state);
        for handle in handles.into_values().chain(ended) {
            // A panic in a thread hook ends a thread early; the process has heard of it by the panic hook.
            let _ = handle.join();
        }
        true
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        self.spawner.inner.close();
    }
}

impl BlockingSpawner {
    /// Brings a job. A closed pool drops it, and its join handle reports a cancelled task.
    ///
    /// # Errors
    ///
    /// When the job needs the first thread and the operating system gives none.
    pub(crate) fn spawn(&self, job: Job, around: impl FnOnce() -> Around) -> io::Result<()> {
        let inner = &self.inner;
        let limit = inner.config.max_threads;
        let waiting = Waiting { job, since: Instant::now() };
        inner.wait_for_seat();
        let number = match inner.place(waiting, limit) {
            Placed::Done => return Ok(()),
            Placed::Wake(thread) => {
                thread.unpark();
                return Ok(());
            }
            Placed::Closed(waiting) => {
                end(waiting.job, Job::shutdown);
                return Ok(());
            }
            Placed::NeedsThread(number) => number,
        };
        // Out of the lock: the thread's name comes from the user's code, which may panic.
        let unstarted = Unstarted { inner, number };
        let started = Inner::start_thread(inner, number, around());
        std::mem::forget(unstarted);
        match started {
            Ok(handle) => {
                inner.keep_handle(number, handle);
                Ok(())
            }
            Err(error) => inner.do_without_thread(number, error),
        }
    }

    /// How long jobs waited for their thread.
    pub(crate) fn latency(&self) -> &Histogram {
        &self.inner.latency
    }

    /// Threads of the pool now.
    pub(crate) fn num_threads(&self) -> usize {
        self.inner.threads.load(Relaxed)
    }

    /// Threads that wait for a job now.
    pub(crate) fn num_idle_threads(&self) -> usize {
        self.inner.idle.load(Relaxed)
    }

    /// Jobs that wait for a thread now.
    pub(crate) fn queue_depth(&self) -> usize {
        self.inner.depth.load(Relaxed)
    }
}

/// A thread's own view of its pool.
struct Here {
    pool: Arc<Inner>,
    /// Whether it counts as soon free.
    soon_free: bool,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// The job on this thread has run, and its join handle will know in a moment.
pub(super) fn soon_free() {
    HERE.with(|here| {
        if let Some(here) = here.borrow_mut().as_mut()
            && !std::mem::replace(&mut here.soon_free, true)
        {
            here.pool.soon_free.fetch_add(1, Relaxed);
        }
    });
}

/// Where a job went.
enum Placed {
    /// Into the queue.
    Done,
    /// On the seat of this sleeping thread.
    Wake(Unparker),
    /// Laid for a thread that the caller must start; it is counted already.
    NeedsThread(usize),
    /// Nowhere.
    Closed(Waiting),
}

/// What a thread of the pool does next.
enum Next {
    Run(Job),
    Sit,
    End,
}

impl Inner {
    fn close(&self) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.closed = true;
        let queue = std::mem::take(&mut state.queue);
        let seats: Vec<Unparker> = state.seats.iter().map(|seat| seat.unparker.clone()).collect();
        drop(state);
        self.depth.store(0, Relaxed);
        for seat in seats {
            seat.unpark();
        }
        for waiting in queue {
            end(waiting.job, Job::shutdown);
        }
    }

    /// Where no seat is free but a thread is about to sit down, waits for that a little: a new thread takes longer.
    fn wait_for_seat(&self) {
        let worth_it = || self.soon_free.load(Relaxed) > 0 && self.idle.load(Relaxed) == 0;
        if worth_it()
            && let Some(spin) = Spinner::new(SEAT_WAIT).begin()
        {
            while spin.look(|| !worth_it()).is_none() {}
        }
    }

    fn place(&self, waiting: Waiting, limit: usize) -> Placed {
        let mut state = self.state.lock();
        if state.closed {
            Placed::Closed(waiting)
        } else if let Some(seat) = state.seats.pop() {
            state.laid.insert(seat.thread, waiting);
            self.idle.fetch_sub(1, Relaxed);
            Placed::Wake(seat.unparker)
        } else if state.serving < limit {
            let number = state.next_thread;
            state.next_thread += 1;
            state.live += 1;
            state.serving += 1;
            state.laid.insert(number, waiting);
            self.threads.store(state.live, Relaxed);
            Placed::NeedsThread(number)
        } else {
            state.queue.push_back(waiting);
            self.depth.store(state.queue.len(), Relaxed);
            Placed::Done
        }
    }

    fn keep_handle(&self, number: usize, handle: thread::JoinHandle<()>) {
        let mut state = self.state.lock();
        if state.left.remove(&number) {
            drop(state);
            // It has signed off already: this does not wait for work.
            let _ = handle.join();
        } else {
            state.handles.insert(number, handle);
        }
    }

    /// The operating system gave no thread: the job goes to those that there are.
    fn do_without_thread(&self, number: usize, error: io::Error) -> io::Result<()> {
        let mut state = self.state.lock();
        state.live -= 1;
        state.serving -= 1;
        self.threads.store(state.live, Relaxed);
        let others = state.serving;
        if state.live == 0 && state.closed {
            self.empty.notify_all();
        }
        let waiting = state.laid.remove(&number);
        drop(state);
        let Some(waiting) = waiting else { return Ok(()) };
        if others == 0 {
            end(waiting.job, Job::shutdown);
            return Err(error);
        }
        match self.place(waiting, others) {
            Placed::Wake(thread) => thread.unpark(),
            Placed::Closed(waiting) => end(waiting.job, Job::shutdown),
            // The others have ended in the meantime.
            Placed::NeedsThread(number) => return self.do_without_thread(number, error),
            Placed::Done => {}
        }
        Ok(())
    }

    fn start_thread(this: &Arc<Self>, number: usize, around: Around) -> io::Result<thread::JoinHandle<()>> {
        let inner = this.clone();
        this.hooks.thread_builder().spawn(move || {
            // Also when a hook panics: a thread that has gone must not be waited for.
            let leave = Leave { inner: &inner, number, retired: Cell::new(false) };
            around(&mut || {
                inner.hooks.started();
                leave.retired.set(Inner::work(&inner, number));
                inner.hooks.stopping();
            });
            drop(leave);
        })
    }

    /// Returns whether the thread ends because it has grown old.
    fn work(this: &Arc<Self>, number: usize) -> bool {
        HERE.with(|here| *here.borrow_mut() = Some(Here { pool: this.clone(), soon_free: false }));
        let retired = this.serve(number);
        HERE.with(|here| here.borrow_mut().take());
        retired
    }

    fn serve(&self, number: usize) -> bool {
        let parker = Parker::new();
        let mut spinner = Spinner::new(self.config.idle_spin);
        loop {
            match self.next(number, &parker) {
                Next::Run(job) => end(job, Job::run),
                Next::End => return false,
                Next::Sit => {
                    let woken = parker.spin_then_park(&mut spinner, Some(self.config.keep_alive));
                    if !woken && self.grow_old(number) {
                        return true;
                    }
                }
            }
        }
    }

    fn next(&self, number: usize, parker: &Parker) -> Next {
        let mut state = self.state.lock();
        if HERE
            .with(|here| here.borrow_mut().as_mut().is_some_and(|here| std::mem::take(&mut here.soon_free)))
        {
            self.soon_free.fetch_sub(1, Relaxed);
        }
        state.running.remove(&number);
        let laid = state.laid.remove(&number);
        let waiting = laid.or_else(|| {
            let waiting = state.queue.pop_front()?;
            self.depth.store(state.queue.len(), Relaxed);
            Some(waiting)
        });
        if let Some(Waiting { job, since }) = waiting {
            let now = Instant::now();
            let meta = job.meta();
            let name = meta.name().map(str::to_owned);
            let running = RunningJob { id: meta.id, name, location: meta.location, since: now };
            state.running.insert(number, running);
            drop(state);
            let waited = now.saturating_duration_since(since).as_nanos();
            self.latency.record_shared(u64::try_from(waited).unwrap_or(u64::MAX));
            return Next::Run(job);
        }
        let seat = state.seats.iter().position(|seat| seat.thread == number);
        if state.closed {
            if let Some(seat) = seat {
                state.seats.remove(seat);
                self.idle.fetch_sub(1, Relaxed);
            }
            return Next::End;
        }
        if seat.is_none() {
            state.seats.push(Seat { thread: number, unparker: parker.unparker() });
            self.idle.fetch_add(1, Relaxed);
        }
        Next::Sit
    }

    /// Time is up: takes the seat away, unless a job was laid on it in the meantime.
    fn grow_old(&self, number: usize) -> bool {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.iter().position(|seat| seat.thread == number) else { return false };
        state.seats.remove(seat);
        state.serving -= 1;
        self.idle.fetch_sub(1, Relaxed);
        true
    }
}

/// Takes back the count of a thread that was not started because of a panic.
struct Unstarted<'a> {
    inner: &'a Inner,
    number: usize,
}

impl Drop for Unstarted<'_> {
    fn drop(&mut self) {
        // The panic tells more than this error would.
        let _ = self.inner.do_without_thread(self.number, io::ErrorKind::Other.into());
    }
}

/// Signs a thread off.
struct Leave<'a> {
    inner: &'a Inner,
    number: usize,
    /// Whether it has been taken off those that serve.
    retired: Cell<bool>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let inner = self.inner;
        let mut state = inner.state.lock();
        state.live -= 1;
        if !self.retired.get() {
            state.serving -= 1;
        }
        inner.threads.store(state.live, Relaxed);
        // Only after a panic in a hook: a job was meant for this thread.
        let orphan = state.laid.remove(&self.number);
        state.running.remove(&self.number);
        // While the pool is open nobody else joins this thread; closed, `shutdown` does.
        let mine = state.handles.remove(&self.number);
        if mine.is_none() {
            state.left.insert(self.number);
        }
        let earlier = std::mem::replace(&mut state.ended, mine);
        if state.live == 0 && state.closed {
            inner.empty.notify_all();
        }
        drop(state);
        if let Some(waiting) = orphan {
            end(waiting.job, Job::shutdown);
        }
        if let Some(handle) = earlier {
            let _ = handle.join();
        }
    }
}
