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
//! With `sharded_blocking_queue`, jobs for a full pool wait in [`shards`](super::shards) instead of the queue, and a thread
//! that has run one takes its next from there without this lock.
//!
//! Next file to read: `engine/blocking/thread.rs`.
#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::BlockingSched;
use super::job::end;
use super::shards::{Pushed, Shards};
use super::thread::At;
use crate::base::park::Unparker;
use crate::base::prim::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::base::prim::{Arc, Condvar, Mutex, thread};
use crate::base::spin::Spinner;
use crate::config::{HistogramConfiguration, LogHistogram};
use crate::engine::counters::Histogram;
use crate::engine::hooks::ThreadHooks;
use crate::engine::task::{Id, Notified};

pub(super) type Job = Notified<BlockingSched>;

/// A job that has not begun.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) since: Instant,
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
    /// Whether jobs wait for a full pool in several queues.
    pub(crate) sharded: bool,
}

/// The owner's side: closes the pool.
#[derive(Debug)]
pub(crate) struct BlockingPool {
    spawner: BlockingSpawner,
}

/// The users' side: brings jobs.
#[derive(Clone, Debug)]
pub(crate) struct BlockingSpawner {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: Mutex<State>,
    /// Notified when the last thread of a closed pool has ended.
    pub(super) empty: Condvar,
    pub(super) config: PoolConfig,
    pub(super) hooks: Arc<ThreadHooks>,
    pub(super) threads: AtomicUsize,
    pub(super) idle: AtomicUsize,
    pub(super) depth: AtomicUsize,
    /// Threads that have run their job and will look into the queue next.
    pub(super) soon_free: AtomicUsize,
    /// How long jobs waited for their thread.
    pub(super) latency: Histogram,
    /// Where jobs wait instead of in the queue.
    pub(super) shards: Option<Shards<Waiting>>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) queue: VecDeque<Waiting>,
    /// Free threads, the one that worked last on top.
    pub(super) seats: Vec<Seat>,
    /// Jobs laid on a seat, by thread, until the thread takes them.
    pub(super) laid: HashMap<usize, Waiting>,
    /// What each thread is at.
    pub(super) running: HashMap<usize, Arc<At>>,
    pub(super) handles: HashMap<usize, thread::JoinHandle<()>>,
    /// Threads that ended before whoever started them could put their handle down.
    pub(super) left: HashSet<usize>,
    /// The handles of threads that ended by themselves, joined by the next one that does. Nobody else waits for them: a
    /// thread that has signed off still runs its thread-local destructors, which are foreign code.
    pub(super) ended: Vec<thread::JoinHandle<()>>,
    /// Threads that have not ended.
    pub(super) live: usize,
    /// Those of them that will come back to the queue: all but the ones that have given up their seat. Only these count
    /// towards the limit; else a job could wait in the queue for a thread that is on its way out.
    pub(super) serving: usize,
    pub(super) next_thread: usize,
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Seat {
    pub(super) thread: usize,
    pub(super) unparker: Unparker,
}

impl BlockingPool {
    pub(crate) fn new(config: PoolConfig, hooks: Arc<ThreadHooks>) -> Self {
        let shards = config.sharded.then(Shards::new);
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
            shards,
        };
        Self { spawner: BlockingSpawner { inner: Arc::new(inner) } }
    }

    pub(crate) fn spawner(&self) -> &BlockingSpawner {
        &self.spawner
    }

    /// The jobs that are under way.
    pub(crate) fn running(&self) -> Vec<RunningJob> {
        let state = self.spawner.inner.state.lock();
        state.running.values().filter_map(|at| at.lock().clone()).collect()
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
        let ended = std::mem::take(&mut state.ended);
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
    pub(crate) fn spawn(&self, job: Job, around: impl Fn() -> Around) -> io::Result<()> {
        let inner = &self.inner;
        let waiting = Waiting { job, since: Instant::now() };
        let Some(shards) = &inner.shards else {
            inner.wait_for_seat();
            return Inner::bring(inner, waiting, around);
        };
        match shards.push(waiting) {
            Pushed::Left => Ok(()),
            Pushed::Refused(waiting) => {
                inner.wait_for_seat();
                Inner::bring(inner, waiting, around)
            }
            Pushed::Stranded => {
                let stranded = std::iter::from_fn(|| shards.pop(0));
                stranded.map(|waiting| Inner::bring(inner, waiting, &around)).fold(Ok(()), io::Result::and)
            }
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
        self.inner.depth.load(Relaxed) + self.num_in_shards()
    }

    /// Those of them that wait in shards.
    pub(super) fn num_in_shards(&self) -> usize {
        self.inner.shards.as_ref().map_or(0, Shards::len)
    }
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

impl Inner {
    fn close(&self) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.closed = true;
        self.not_full();
        let queue = match &self.shards {
            Some(shards) => shards.take_all(),
            None => std::mem::take(&mut state.queue),
        };
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

    /// Gives a job to a thread, or has it wait for one.
    fn bring(this: &Arc<Self>, waiting: Waiting, around: impl FnOnce() -> Around) -> io::Result<()> {
        let number = match this.place(waiting, this.config.max_threads) {
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
        let unstarted = Unstarted { inner: this, number };
        let started = Self::start_thread(this, number, around());
        std::mem::forget(unstarted);
        match started {
            Ok(handle) => {
                this.keep_handle(number, handle);
                Ok(())
            }
            Err(error) => this.do_without_thread(number, error),
        }
    }

    /// There may be a free thread, or room for another. The pool's lock is held.
    pub(super) fn not_full(&self) {
        if let Some(shards) = &self.shards {
            shards.set_full(false);
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
            if let Some(shards) = &self.shards {
                shards.put(waiting);
                // One that only lacks a thread tries again with the next job.
                shards.set_full(state.serving >= self.config.max_threads);
            } else {
                state.queue.push_back(waiting);
                self.depth.store(state.queue.len(), Relaxed);
            }
            Placed::Done
        }
    }

    pub(super) fn keep_handle(&self, number: usize, handle: thread::JoinHandle<()>) {
        let mut state = self.state.lock();
        if state.left.remove(&number) {
            state.ended.push(handle);
        } else {
            state.handles.insert(number, handle);
        }
    }

    /// The operating system gave no thread: the job goes to those that there are.
    fn do_without_thread(&self, number: usize, error: io::Error) -> io::Result<()> {
        let mut state = self.state.lock();
        state.live -= 1;
        state.serving -= 1;
        self.not_full();
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
