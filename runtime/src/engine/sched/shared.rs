//! What all threads share of one runtime's scheduler.
//!
//! Next file to read: `engine/sched/drive.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::time::Instant;

use super::dump::Requests;
use super::inject::Inject;
use super::monitor::Monitor;
use super::policy::Policy;
use super::sleep::Bed;
use super::{Notified, SchedRef, Task, tls};
use crate::base::panic::swallow;
use crate::base::prim::{Arc, CachePadded, PlainArc, TryLock};
use crate::config::RuntimeConfig;
use crate::engine::counters::Counters;
use crate::engine::driver::Driver;
use crate::engine::hooks::{TaskCallback, TaskMeta};
use crate::engine::services::Services;
use crate::engine::task::{JoinHandle, Meta, OwnedTasks, Places};

#[derive(Debug)]
pub(crate) struct Shared<P: Policy> {
    pub(crate) config: RuntimeConfig,
    pub(crate) global_queue_interval: u32,
    pub(crate) inject: Inject<Notified>,
    pub(crate) owned: OwnedTasks<SchedRef>,
    /// Owned by whichever worker waits for events now.
    pub(crate) driver: TryLock<Driver>,
    pub(crate) beds: PlainArc<[CachePadded<Bed>]>,
    pub(crate) services: Services,
    pub(crate) counters: Counters,
    pub(crate) monitor: Monitor,
    pub(crate) requests: Requests,
    /// Since when all times are counted.
    pub(crate) began: Instant,
    /// Whether it is measured how long tasks wait for their polls.
    pub(crate) tracks_latency: bool,
    /// Whether polls are measured, or hooks called for them.
    pub(crate) probed: bool,
    pub(crate) policy: P,
}

impl<P: Policy> Shared<P> {
    pub(crate) fn new(config: RuntimeConfig, driver: Driver, services: Services, policy: P) -> Arc<Self> {
        let workers = config.resolved_workers();
        let hooks = &services.task_hooks;
        let tracks_latency = config.metrics.tracks_schedule_latency();
        let probed = hooks.before_poll.is_some()
            || hooks.after_poll.is_some()
            || config.metrics.poll_time_histogram.is_some()
            || tracks_latency;
        let beds: PlainArc<[CachePadded<Bed>]> = (0..workers).map(|_| CachePadded::new(Bed::new())).collect();
        if let Some(timers) = &services.registries.timers {
            // Holds no more than it needs: the timers are a part of what this becomes a part of.
            let (beds, driver) = (beds.clone(), services.registries.unparker());
            timers.set_unpark(Box::new(move |shard| match beds.get(shard) {
                Some(bed) => drop(bed.wake(|| driver.unpark())),
                None => driver.unpark(),
            }));
        }
        Arc::new(Self {
            global_queue_interval: config.resolved_global_queue_interval(),
            counters: Counters::new(workers, &config.metrics),
            monitor: Monitor::new(config.resolved_stuck_poll_threshold()),
            requests: Requests::new(),
            began: Instant::now(),
            tracks_latency,
            probed,
            config,
            inject: Inject::new(),
            owned: OwnedTasks::new(workers + 1),
            driver: TryLock::new(driver),
            beds,
            services,
            policy,
        })
    }

    /// Makes a task of a future and queues it. A runtime that shuts down drops the future at once, and the join
    /// handle reports a cancelled task.
    pub(crate) fn spawn<F>(this: &Arc<Self>, future: F, sched: SchedRef, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Not a call of the hook: what lives across one costs the others.
        if this.services.task_hooks.on_spawn.is_some() {
            return Self::tell_and_spawn(this, future, sched, meta);
        }
        Self::spawn_untold(this, future, sched, meta)
    }

    #[cold]
    fn tell_and_spawn<F>(this: &Arc<Self>, future: F, sched: SchedRef, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if let Some(hook) = &this.services.task_hooks.on_spawn {
            hook(&TaskMeta::new(&meta));
        }
        Self::spawn_untold(this, future, sched, meta)
    }

    #[inline]
    fn spawn_untold<F>(this: &Arc<Self>, future: F, sched: SchedRef, meta: Meta) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shard = Self::worker_here(this).unwrap_or(this.beds.len());
        let (handle, task) = this.owned.bind(future, sched, meta, shard);
        if let Some(task) = task {
            Self::schedule(this, task, false);
        }
        handle
    }

    /// As [`spawn`](Self::spawn), for a future that stays on this thread.
    pub(crate) fn spawn_local<F>(
        this: &Arc<Self>,
        future: F,
        sched: SchedRef,
        meta: Meta,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if let Some(hook) = &this.services.task_hooks.on_spawn {
            hook(&TaskMeta::new(&meta));
        }
        let spawner = Self::worker_here(this).unwrap_or(this.beds.len());
        let (handle, task) = this.owned.bind_here(future, sched, meta, spawner);
        if let Some(task) = task {
            Self::schedule(this, task, false);
        }
        handle
    }

    /// The index of this runtime's worker on this thread.
    pub(crate) fn worker_here(this: &Arc<Self>) -> Option<usize> {
        tls::with(|here| P::here(here).filter(|worker| Arc::ptr_eq(&worker.shared, this))?.index_here())
    }

    /// Queues a task that has become ready: on the worker's own queue if this is one, else on the global one.
    pub(crate) fn schedule(this: &Arc<Self>, task: Notified, to_the_back: bool) {
        let remote = tls::with(|here| match P::here(here) {
            Some(worker) if Arc::ptr_eq(&worker.shared, this) => worker.push(task, to_the_back).err(),
            _ => Some(task),
        });
        if let Some(task) = remote {
            task.set_since(if this.tracks_latency { this.stamp(Instant::now()) } else { 0 });
            this.inject_task(task);
        }
    }

    /// Queues a task on the global queue.
    pub(crate) fn inject_task(&self, task: Notified) {
        self.counters.remote_schedules.add_shared(1);
        if self.inject.push(task) {
            P::pushed_globally(self);
        }
    }

    /// Gives up the owner's reference of a task that is over.
    #[inline]
    pub(crate) fn release(&self, task: &Task) -> Option<Task> {
        let owners = self.owned.remove(task);
        if let Some(hook) = &self.services.task_hooks.on_terminate {
            tell_end(hook, task);
        }
        if self.requests.some() {
            self.answer_for(task);
        }
        owners
    }

    /// Whoever waits to hear of this task has waited long enough.
    #[cold]
    fn answer_for(&self, task: &Task) {
        for request in self.requests.that_name(task.id()) {
            request.answer(task.id(), Places::default());
        }
    }

    /// Ends a worker's sleep, or keeps it from the next one. `by` is the worker that this is, if it is one.
    pub(crate) fn wake(&self, worker: usize, by: Option<usize>) {
        let slept = self.beds[worker].wake(|| self.services.registries.unpark());
        match by {
            Some(by) => self.counters.workers[by].wakeups_sent.add(u64::from(slept)),
            None if slept => self.counters.remote_wakeups.add_shared(1),
            None => {}
        }
    }

    /// Wakes every worker, to see that the runtime closes.
    pub(crate) fn wake_all(&self) {
        for bed in self.beds.iter() {
            bed.wake(|| self.services.registries.unpark());
        }
    }

    /// The last thing that happens: nothing runs any more, and nothing may be left.
    pub(crate) fn finish(&self) {
        self.inject.clear();
        // Nobody polls any more, so nobody holds it.
        if let Some(mut driver) = self.driver.try_lock() {
            driver.shutdown();
        }
    }
}

#[cold]
fn tell_end(hook: &TaskCallback, task: &Task) {
    swallow(|| hook(&TaskMeta::new(task.meta())));
}
