//! The schedulers.
//!
//! One engine ([`drive`]) runs both flavours ([`multi`], [`current`]) through [`policy`]. [`SchedRef`] is how the
//! rest of the crate names a scheduler, and the only place that asks which flavour it is.
//!
//! Next file to read: `engine/sched/drive.rs`.

mod core;
mod core_slot;
pub(crate) mod current;
mod defer;
mod drive;
pub(crate) mod dump;
mod handoff;
mod idle;
mod inject;
mod inspect;
mod monitor;
mod multi;
mod pace;
mod policy;
mod poll;
pub(crate) mod pollers;
mod queue;
pub(crate) mod set;
mod shared;
mod sleep;
#[cfg(test)]
mod tests;
pub(crate) mod threads;
mod tls;
mod watchdog;
mod worker;

use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;
use std::time::Duration;

use self::current::Current;
use self::dump::{Requests, Sighting};
use self::multi::Multi;
use self::policy::Policy;
use self::shared::Shared;
use self::tls::Here;
use self::worker::Worker;
use crate::base::prim::Arc;
use crate::config::{RuntimeConfig, UnhandledPanic};
use crate::engine::counters::Counters;
use crate::engine::driver::timer::TimerRegistry;
use crate::engine::hooks::StuckPoll;
use crate::engine::services::Services;
use crate::engine::task::{self, Id, JoinHandle, Meta, Schedule};

/// A task of a scheduler.
pub(crate) type Task = task::Task<SchedRef>;
/// The right to run such a task once.
pub(crate) type Notified = task::Notified<SchedRef>;

/// A scheduler, of whichever flavour.
#[derive(Clone, Debug)]
pub(crate) enum SchedRef {
    Multi(Arc<Shared<Multi>>),
    Current(Arc<Shared<Current>>),
}

// Foreign code runs under no lock, and its panics end where it was called.
impl UnwindSafe for SchedRef {}
impl RefUnwindSafe for SchedRef {}

/// Whether a scheduler takes futures that are not `Send`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Locality {
    /// It does not.
    None,
    /// It does, on another thread.
    Elsewhere,
    /// It does, on this thread.
    Here,
}

/// Does the same for either flavour.
macro_rules! either {
    ($sched:expr, $shared:ident => $body:expr) => {
        match $sched {
            SchedRef::Multi($shared) => $body,
            SchedRef::Current($shared) => $body,
        }
    };
}

impl SchedRef {
    pub(crate) fn spawn<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        either!(self, shared => Shared::spawn(shared, future, self.clone(), meta))
    }

    /// Whether a future that is not `Send` can be spawned here and now.
    pub(crate) fn locality(&self) -> Locality {
        match self {
            Self::Current(shared) => shared.policy.locality(),
            Self::Multi(_) => Locality::None,
        }
    }

    /// Makes a task of a future that stays on this thread, where [`locality`](Self::locality) allows it.
    pub(crate) fn spawn_local<F>(&self, future: F, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        match self {
            Self::Current(shared) if shared.policy.locality() == Locality::Here => {
                Shared::spawn_local(shared, future, self.clone(), meta)
            }
            _ => unreachable!("whoever spawns a local task has asked whether it can be"),
        }
    }

    pub(crate) fn services(&self) -> &Services {
        either!(self, shared => &shared.services)
    }

    pub(crate) fn config(&self) -> &RuntimeConfig {
        either!(self, shared => &shared.config)
    }

    pub(crate) fn counters(&self) -> &Counters {
        either!(self, shared => &shared.counters)
    }

    /// What tells this scheduler from every other one.
    pub(crate) fn number(&self) -> u64 {
        either!(self, shared => shared.owned.number())
    }

    /// Tasks that have not ended.
    pub(crate) fn alive_tasks(&self) -> usize {
        either!(self, shared => shared.owned.len())
    }

    /// Tasks spawned since the runtime began.
    pub(crate) fn spawned_tasks(&self) -> u64 {
        either!(self, shared => shared.owned.spawned_count())
    }

    /// Tasks in the global queue.
    pub(crate) fn global_queue_len(&self) -> usize {
        either!(self, shared => shared.inject.len())
    }

    /// Tasks in one worker's own queue.
    pub(crate) fn local_queue_len(&self, worker: usize) -> usize {
        match self {
            Self::Multi(shared) => shared.queue_len(worker),
            Self::Current(shared) => shared.queue_len(worker),
        }
    }

    /// For how long the poll that a worker is in has been seen to run.
    pub(crate) fn running_poll(&self, worker: usize) -> Option<Duration> {
        either!(self, shared => shared.running_poll(worker))
    }

    /// The polls that the workers are in.
    pub(crate) fn running_polls(&self) -> Vec<StuckPoll> {
        either!(self, shared => shared.running_polls())
    }

    /// The tasks that have not ended.
    pub(crate) fn sight(&self) -> Vec<(Sighting, Task)> {
        either!(self, shared => shared.sight())
    }

    fn requests(&self) -> &Requests {
        either!(self, shared => &shared.requests)
    }

    /// Ends the thread that looks out for stuck polls. Waits until it has, if asked to.
    pub(crate) fn stop_monitor(&self, wait: bool) {
        either!(self, shared => shared.monitor.stop(wait));
    }

    /// Wakes the thread that may wait with a paused clock for a job of the blocking pool.
    pub(crate) fn wake_all(&self) {
        either!(self, shared => shared.wake_all());
    }
}

impl Schedule for SchedRef {
    #[inline]
    fn schedule(&self, task: Notified) {
        either!(self, shared => Shared::schedule(shared, task, false));
    }

    #[inline]
    fn schedule_here(task: Notified) -> Result<(), Notified> {
        tls::with(|here| match (here, task.scheduler()) {
            (Here::Multi(worker), Self::Multi(shared)) if Arc::ptr_eq(&worker.shared, shared) => {
                worker.push(task, false)
            }
            (Here::Current(worker), Self::Current(shared)) if Arc::ptr_eq(&worker.shared, shared) => {
                worker.push(task, false)
            }
            _ => Err(task),
        })
    }

    #[inline]
    fn yield_now(&self, task: Notified) {
        either!(self, shared => Shared::schedule(shared, task, true));
    }

    fn on_panic(&self, _id: Id) {
        if let Self::Current(shared) = self
            && shared.config.unhandled_panic == UnhandledPanic::ShutdownRuntime
        {
            shared.task_panicked();
        }
    }

    #[inline]
    fn release(&self, task: &Task) -> Option<Task> {
        either!(self, shared => shared.release(task))
    }
}

/// Whether this thread is a worker that lets events in, in the middle of its sleep or of a look, so that it cannot leave
/// its core to others: what runs then are wakers.
pub(crate) fn is_attending() -> bool {
    tls::with(|here| matches!(here, Here::Multi(worker) if worker.is_attending()))
}

/// Runs `f`, which may block, as a thread that is no worker: if it is one, others have its core meanwhile, and perhaps
/// for good.
pub(crate) fn aside<R>(f: impl FnOnce() -> R) -> R {
    /// Takes the core back when `f` is over, by a panic too.
    struct TakeBack;
    impl Drop for TakeBack {
        fn drop(&mut self) {
            tls::with(|here| {
                if let Here::Multi(worker) = here {
                    worker.take_back();
                }
            });
        }
    }
    let handed_on = tls::with(|here| matches!(here, Here::Multi(worker) if worker.hand_on()));
    // Made only then: one that is made and dropped takes the place of the core that is still there.
    let _take_back = handed_on.then(|| TakeBack);
    tls::outside(f)
}

/// The index of the worker that this thread is, of whichever runtime.
pub(crate) fn worker_index() -> Option<usize> {
    tls::with(|here| match here {
        Here::Nobody => None,
        Here::Multi(worker) => worker.index_here(),
        Here::Current(worker) => worker.index_here(),
    })
}

/// The shard of these timers that this thread should use: its worker's own, if it is one of their runtime.
#[inline]
pub(crate) fn timer_shard(timers: &TimerRegistry) -> usize {
    fn of<P: Policy>(worker: &Worker<P>, timers: &TimerRegistry) -> Option<usize> {
        let own = worker.shared.services.registries.timers.as_ref()?;
        std::ptr::eq(&**own, timers).then(|| worker.index_here()).flatten()
    }
    let own = tls::with(|here| match here {
        Here::Nobody => None,
        Here::Multi(worker) => of(worker, timers),
        Here::Current(worker) => of(worker, timers),
    });
    own.unwrap_or_else(|| timers.shared_shard())
}

/// Wakes the running task after this worker's next look at the events. Any other waker is woken at once, and so is the
/// running task's where there is no worker.
pub(crate) fn wake_after_look(waker: &Waker) {
    if !defer::defer(waker) {
        waker.wake_by_ref();
    }
}
