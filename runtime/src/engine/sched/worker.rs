//! A worker: the thread's hold on its core.
//!
//! Next file to read: `engine/sched/drive.rs`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};

use super::Notified;
use super::core::Core;
use super::defer::Defer;
use super::policy::Policy;
use super::shared::Shared;
use crate::base::prim::Arc;

/// What a thread holds while it is a worker. The thread-local in [`tls`](super::tls) points here.
#[derive(Debug)]
pub(crate) struct Worker<P: Policy> {
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) index: usize,
    /// Here while foreign code runs, so that what it wakes and spawns finds the queue; on the worker's stack while
    /// the worker looks for work.
    pub(crate) core: RefCell<Option<Box<Core<P>>>>,
    pub(crate) defer: Defer,
    /// The time when the worker last looked at the clock, see [`pace`](super::pace).
    pub(super) now: Cell<u64>,
}

impl<P: Policy> Worker<P> {
    pub(crate) fn new(shared: Arc<Shared<P>>, index: usize) -> Self {
        Self { shared, index, core: RefCell::new(None), defer: Defer::default(), now: Cell::new(0) }
    }

    /// The worker's index, for foreign code. A thread that has handed its core on is no worker any more: another one has
    /// that index.
    pub(crate) fn index_here(&self) -> Option<usize> {
        self.core.borrow().is_some().then_some(self.index)
    }

    /// Runs foreign code with the core where it can be found.
    pub(crate) fn lend<R>(&self, core: Box<Core<P>>, f: impl FnOnce() -> R) -> (Option<Box<Core<P>>>, R) {
        *self.core.borrow_mut() = Some(core);
        let result = f();
        (self.core.borrow_mut().take(), result)
    }

    /// Queues a task of this worker's scheduler on its own queue. `Err`: the core is not here to take it.
    #[inline]
    pub(crate) fn push(&self, task: Notified, to_the_back: bool) -> Result<(), Notified> {
        let mut core = self.core.borrow_mut();
        let Some(core) = core.as_mut() else { return Err(task) };
        self.shared.counters.workers[self.index].local_schedules.add(1);
        task.set_since(self.moment());
        let others_could = core.push(task, to_the_back);
        // In its sleep the worker counts what the driver brings first, and calls for help once.
        if others_could && !core.asleep {
            P::pushed_locally(&self.shared, core);
        }
        Ok(())
    }
}
