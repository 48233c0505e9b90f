//! The life of a thread of the pool: it runs jobs, sits down, grows old, and signs off.
//!
//! Next file to read: `engine/blocking/shards.rs`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Instant;

use super::job::end;
use super::pool::{Around, Inner, Job, RunningJob, Seat, State, Waiting};
use crate::base::park::Parker;
use crate::base::prim::atomic::Ordering::Relaxed;
use crate::base::prim::{Arc, Mutex, thread, thread_local};
use crate::base::spin::Spinner;

/// What a thread is at.
pub(super) type At = Mutex<Option<RunningJob>>;

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

/// What a thread of the pool does next.
enum Next {
    Run(Waiting),
    Sit,
    End,
}

impl Inner {
    pub(super) fn start_thread(
        this: &Arc<Self>,
        number: usize,
        around: Around,
    ) -> io::Result<thread::JoinHandle<()>> {
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
        let at = Arc::new(At::new(None));
        self.state.lock().running.insert(number, at.clone());
        let mut next = self.next(number, &parker);
        loop {
            next = match next {
                Next::Run(waiting) => {
                    self.run(waiting, &at);
                    self.next_after_job(number, &parker)
                }
                Next::End => return false,
                Next::Sit => {
                    let woken = parker.spin_then_park(&mut spinner, Some(self.config.keep_alive));
                    if !woken && self.grow_old(number) {
                        return true;
                    }
                    self.next(number, &parker)
                }
            }
        }
    }

    fn run(&self, Waiting { job, since }: Waiting, at: &At) {
        let now = Instant::now();
        let meta = job.meta();
        let name = meta.name().map(str::to_owned);
        *at.lock() = Some(RunningJob { id: meta.id, name, location: meta.location, since: now });
        let waited = now.saturating_duration_since(since).as_nanos();
        self.latency.record_shared(u64::try_from(waited).unwrap_or(u64::MAX));
        end(job, Job::run);
        *at.lock() = None;
    }

    /// What a thread does that has run a job, and so has no seat: without the pool's lock, where it can.
    fn next_after_job(&self, number: usize, parker: &Parker) -> Next {
        if let Some(shards) = &self.shards
            && let Some(waiting) = shards.pop(number)
        {
            self.is_not_free();
            return Next::Run(waiting);
        }
        self.next(number, parker)
    }

    /// The thread is through with its job, and has found another or is about to sit down.
    fn is_not_free(&self) {
        let was = |here: &mut Here| std::mem::take(&mut here.soon_free);
        if HERE.with(|here| here.borrow_mut().as_mut().is_some_and(was)) {
            self.soon_free.fetch_sub(1, Relaxed);
        }
    }

    fn next(&self, number: usize, parker: &Parker) -> Next {
        let mut state = self.state.lock();
        self.is_not_free();
        if let Some(waiting) = state.laid.remove(&number) {
            return Next::Run(waiting);
        }
        let seat = state.seats.iter().position(|seat| seat.thread == number);
        // What waits while somebody sits is on its way to a seat, and not for one that has one.
        if seat.is_none()
            && let Some(waiting) = self.pop(&mut state, number)
        {
            return Next::Run(waiting);
        }
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

    /// A job that waits for a thread.
    fn pop(&self, state: &mut State, number: usize) -> Option<Waiting> {
        let Some(shards) = &self.shards else {
            let waiting = state.queue.pop_front()?;
            self.depth.store(state.queue.len(), Relaxed);
            return Some(waiting);
        };
        shards.set_full(false);
        let waiting = shards.pop(number)?;
        shards.set_full(!state.closed && state.seats.is_empty() && state.serving >= self.config.max_threads);
        Some(waiting)
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
            inner.not_full();
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
        let earlier = std::mem::take(&mut state.ended);
        state.ended.extend(mine);
        if state.live == 0 && state.closed {
            inner.empty.notify_all();
        }
        drop(state);
        if let Some(waiting) = orphan {
            end(waiting.job, Job::shutdown);
        }
        for handle in earlier {
            let _ = handle.join();
        }
    }
}
