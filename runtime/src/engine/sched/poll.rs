//! One poll of a task by a worker, and what is told and measured of it.
//!
//! Always: that there was a poll, and in whose poll the worker is, for [`monitor`](super::monitor). Hooks and
//! histograms only if there are any: then each poll takes the longer way.
//!
//! Next file to read: `engine/sched/monitor.rs`.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::core::Core;
use super::policy::Policy;
use super::queue::LocalQueue;
use super::worker::Worker;
use super::{Notified, Task, defer};
use crate::base::panic::swallow;
use crate::engine::counters::WorkerCounters;
use crate::engine::hooks::{TaskCallback, TaskMeta};

impl<P: Policy> Worker<P> {
    pub(super) fn counters(&self) -> &WorkerCounters {
        &self.shared.counters.workers[self.index]
    }

    /// Polls a task once. One that woke itself goes behind the others.
    #[inline]
    pub(super) fn poll(&self, core: Box<Core<P>>, task: Notified) -> Option<Box<Core<P>>> {
        self.counters().poll_begins(task.meta().id);
        let (core, again) = self.lend(core, || {
            if self.shared.probed || self.shared.requests.some() {
                return self.poll_probed(task);
            }
            task.set_since(self.now.get());
            task.poll(defer::poll_begins)
        });
        if let Some(again) = &again {
            again.set_since(self.moment());
        }
        let Some(mut core) = core else {
            // The core went elsewhere during the poll.
            if let Some(again) = again {
                self.shared.inject_task(again);
            }
            return None;
        };
        if let Some(again) = again {
            // Where another worker may take it up, too.
            core.queue.push(again);
            P::pushed_locally(&self.shared, &core);
        }
        Some(core)
    }

    /// A poll that is measured, watched or has hooks, or may be.
    #[cold]
    fn poll_probed(&self, task: Notified) -> Option<Notified> {
        let probe = self.probe(&task);
        let requests = self.shared.requests.that_name(probe.task.id());
        if requests.is_empty() {
            let again = task.poll(defer::poll_begins);
            self.end_of(&probe);
            return again;
        }
        let (again, places) = task.poll_watched(defer::poll_begins);
        self.end_of(&probe);
        for request in requests {
            request.answer(probe.task.id(), places.clone());
        }
        again
    }

    fn probe(&self, task: &Notified) -> Probe {
        let task = task.task();
        let now = Instant::now();
        let latency = self.shared.tracks_latency.then(|| {
            let ready_since = self.shared.began + Duration::from_nanos(task.since());
            now.saturating_duration_since(ready_since)
        });
        task.set_since(self.shared.stamp(now));
        if let (Some(latencies), Some(latency)) = (&self.counters().schedule_latency, latency) {
            latencies.record(as_nanos(latency));
        }
        let mut probe = Probe { task, latency, began: now };
        if let Some(hook) = &self.shared.services.task_hooks.before_poll {
            probe.call(hook);
            probe.began = Instant::now();
        }
        probe
    }

    fn end_of(&self, probe: &Probe) {
        let took = probe.began.elapsed();
        // Without the core, another thread writes to these counters now.
        if let Some(times) = &self.counters().poll_time
            && self.core.borrow().is_some()
        {
            times.record(as_nanos(took));
        }
        if let Some(hook) = &self.shared.services.task_hooks.after_poll {
            probe.call(hook);
        }
    }
}

/// A poll that is measured, or has hooks.
struct Probe {
    /// The poll may be the task's last use, but for this.
    task: Task,
    latency: Option<Duration>,
    began: Instant,
}

impl Probe {
    fn call(&self, hook: &TaskCallback) {
        let meta = TaskMeta::new(self.task.meta()).after(self.latency);
        swallow(|| hook(&meta));
    }
}

fn as_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
