//! A worker looks after the others: what the contract of [`watchdog`](super::watchdog) asks of one that is awake and of one
//! that leaves its sleep.
//!
//! Next file to read: `engine/sched/current.rs`.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::core::Core;
use super::multi::Multi;
use super::queue::LocalQueue;
use super::worker::Worker;
use crate::base::prim::atomic::Ordering::Relaxed;
use crate::engine::driver::Turn as DriverTurn;

impl Worker<Multi> {
    /// Looks at the events, and after workers in long polls if nobody has done so lately.
    pub(super) fn look_around(&self, mut core: Box<Core<Multi>>) -> Option<Box<Core<Multi>>> {
        let is_another_awake = self.shared.policy.idle.is_another_awake();
        if is_another_awake {
            // A few polls can take long: when it looked at the clock last does not tell whether an inspection is due.
            self.looked_at_clock(&mut core, Instant::now());
        }
        let core = self.look(core)?;
        if !is_another_awake || !self.is_inspection_due() {
            return Some(core);
        }
        let mut core = self.fire_timers_of_others(core)?;
        self.take_stuck_tasks(&mut core);
        Some(core)
    }

    pub(super) fn is_inspection_due(&self) -> bool {
        self.shared.policy.watchdog.begin_inspection(self.now.get())
    }

    /// Takes the tasks that lie in the slots of workers whose poll has gone on since the last inspection.
    pub(super) fn take_stuck_tasks(&self, core: &mut Core<Multi>) {
        let shared = &*self.shared;
        for (worker, slot) in shared.policy.slots.iter().enumerate() {
            let theirs = &shared.counters.workers[worker];
            let is_awake = theirs.awake.load(Relaxed);
            if worker != self.index
                && shared.policy.watchdog.inspect(worker, theirs.polls.get(), is_awake)
                && let Some(task) = slot.take()
            {
                let counters = self.counters();
                counters.steals.add(1);
                counters.steal_operations.add(1);
                counters.steals_from[worker].add(1);
                core.queue.push(task);
            }
        }
    }

    /// Fires what is due in the shards of the other workers.
    pub(super) fn fire_timers_of_others(&self, core: Box<Core<Multi>>) -> Option<Box<Core<Multi>>> {
        let Some(timers) = &self.shared.services.registries.timers else { return Some(core) };
        self.attend(core, || {
            let others = (0..timers.shared_shard()).filter(|&shard| shard != self.index);
            let fired: usize = others.map(|shard| timers.fire(shard)).sum();
            self.counters().timers_fired.add(fired as u64);
            DriverTurn::default()
        })
    }

    /// This worker leaves its sleep with work, perhaps for long: another one has to watch, or to take the driver over.
    pub(super) fn ensure_a_watcher(&self) {
        let shared = &*self.shared;
        let is_unwatched = shared.policy.watchdog.leave_with_work();
        if (is_unwatched || shared.config.eager_driver_handoff)
            && let Some(sleeper) = shared.policy.idle.some_sleeper()
        {
            shared.wake(sleeper, Some(self.index));
        }
    }
}
