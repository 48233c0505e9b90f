//! A closure as a task: polled once, never woken.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::thread::soon_free;
use crate::base::coop;
use crate::base::prim::Mutex;
use crate::engine::task::{self, JoinHandle, Meta, Notified, Schedule, Task};

/// The scheduler of blocking jobs: there is nothing to schedule after the first run.
pub(crate) struct BlockingSched {
    finished: Mutex<Option<Finished>>,
}

/// Called once, when a job is over and its join handle knows.
pub(crate) type Finished = Box<dyn FnOnce() + Send>;

impl fmt::Debug for BlockingSched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingSched")
    }
}

impl Schedule for BlockingSched {
    fn schedule(&self, _task: Notified<Self>) {
        unreachable!("a blocking job is run once and has no waker");
    }

    fn release(&self, _task: &Task<Self>) -> Option<Task<Self>> {
        None
    }
}

/// Runs a job, or shuts it down unrun, and tells afterwards, when its join handle knows.
pub(super) fn end(job: Notified<BlockingSched>, how: fn(Notified<BlockingSched>)) {
    let finished = job.scheduler().finished.lock().take();
    how(job);
    if let Some(finished) = finished {
        finished();
    }
}

struct Job<F> {
    run: Option<F>,
}

impl<F> Unpin for Job<F> {}

impl<F: FnOnce() -> T, T> Future for Job<F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        let run = self.run.take().expect("a blocking job is polled once");
        // A blocking thread has nobody to yield to.
        let output = coop::with_unconstrained(run);
        soon_free();
        Poll::Ready(output)
    }
}

/// Makes a job of a closure, which was given as a `Function`; it is in no list of owned tasks.
pub(crate) fn unowned<Function, F, T>(
    run: F,
    meta: Meta,
    finished: Option<Finished>,
) -> (Notified<BlockingSched>, JoinHandle<T>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (job, meta) = meta.trace_blocking::<Function, _>(Job { run: Some(run) }, size_of::<F>());
    task::unowned(job, BlockingSched { finished: Mutex::new(finished) }, meta)
}
