//! The multi-threaded flavour: worker threads with queues of their own that steal from each other.
//!
//! Next file to read: `engine/sched/inspect.rs`.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::Notified;
use super::core::{Core, LifoSlot};
use super::drive::TurnEnd;
use super::handoff::Handoff;
use super::idle::Idle;
use super::policy::Policy;
use super::queue::{StealQueue, Stealer};
use super::shared::Shared;
use super::threads::{Threads, start_thread};
use super::tls::Here;
use super::watchdog::Watchdog;
use super::worker::Worker;
use crate::base::prim::{Arc, Mutex};
use crate::engine::driver::timer::TimerRegistry;

/// The most tasks that one visit to the global queue brings, so that a worker leaves some to the others.
const MAX_GLOBAL_BATCH: usize = 32;

/// What the workers share besides [`Shared`].
#[derive(Debug)]
pub(crate) struct Multi {
    stealers: Box<[Stealer<Notified>]>,
    pub(super) slots: Box<[Arc<LifoSlot>]>,
    pub(super) idle: Idle,
    pub(super) watchdog: Watchdog,
    stopped: Mutex<Stopped>,
    pub(super) handoff: Handoff<Box<Core<Multi>>>,
    pub(super) threads: Threads,
}

/// The workers that have stopped; the last one to stop cleans up.
#[derive(Debug, Default)]
struct Stopped {
    #[expect(
        clippy::vec_box,
        reason = "a core lives in its box; a move out of it would copy its queues' ends"
    )]
    cores: Vec<Box<Core<Multi>>>,
    cleaned_up: bool,
}

impl Multi {
    /// What workers with these queues share.
    pub(super) fn new(queues: &[StealQueue<Notified>], threads: Threads) -> Self {
        let count = queues.len();
        Self {
            stealers: queues.iter().map(StealQueue::stealer).collect(),
            slots: (0..count).map(|_| Arc::default()).collect(),
            idle: Idle::new(count),
            watchdog: Watchdog::new(count),
            stopped: Mutex::new(Stopped::default()),
            handoff: Handoff::new(),
            threads,
        }
    }

    /// The slot of one worker.
    pub(super) fn slot(&self, worker: usize) -> Arc<LifoSlot> {
        self.slots[worker].clone()
    }
}

/// Takes an offer back for which no thread could be started, also if the function that names threads has panicked.
struct NobodyComes<'a>(&'a Worker<Multi>);

impl Drop for NobodyComes<'_> {
    fn drop(&mut self) {
        self.0.take_back();
    }
}

impl Worker<Multi> {
    /// Lets another thread have this one's core, which is about to block. Returns whether it may.
    pub(crate) fn hand_on(&self) -> bool {
        let shared = &self.shared;
        let handoff = &shared.policy.handoff;
        // In its sleep it holds the driver, and the others believe it asleep.
        if self.is_attending() {
            return false;
        }
        // While what they wake finds the core.
        self.defer.wake();
        let Some(mut core) = self.core.borrow_mut().take() else { return false };
        self.awake_until(&mut core, Instant::now());
        core.flush_lifo();
        if core.has_tasks() {
            // Somebody who is awake sooner than a new thread.
            wake_one(shared, self.index);
        }
        let nobody_comes = NobodyComes(self);
        if handoff.offer(self.index, core, || start_thread(shared, None)).is_ok() {
            std::mem::forget(nobody_comes);
            return true;
        }
        // It blocks with its core, then, as it would without all this.
        drop(nobody_comes);
        self.core.borrow().is_none()
    }

    /// Whether it lets events in.
    pub(crate) fn is_attending(&self) -> bool {
        self.core.borrow().as_ref().is_some_and(|core| core.asleep)
    }

    /// Takes the core back, if nobody has it yet.
    pub(crate) fn take_back(&self) {
        if let Some(core) = self.shared.policy.handoff.take_back(self.index) {
            *self.core.borrow_mut() = Some(core);
        }
    }

    pub(super) fn run_until_closed(&self, mut core: Box<Core<Multi>>) {
        let shared = &*self.shared;
        self.begins(&mut core);
        while !shared.inject.is_closed() {
            let Some((next, end)) = self.turn(core) else { return };
            let next = match end {
                TurnEnd::Spent => self.look_around(next),
                TurnEnd::Idle => self.rest(next),
            };
            let Some(next) = next else { return };
            core = next;
        }
        self.stop(core);
    }

    /// Sleeps as an idle worker: others may wake it for new work.
    fn rest(&self, core: Box<Core<Multi>>) -> Option<Box<Core<Multi>>> {
        let shared = &*self.shared;
        let policy = &shared.policy;
        if !self.defer.is_empty() {
            return self.look_around(core);
        }
        let (core, found) = self.spin(core)?;
        if found {
            return Some(core);
        }
        let (core, ()) = self.lend(core, || shared.services.hooks.parking());
        let mut core = core?;
        if core.has_tasks() {
            return self.lend(core, || shared.services.hooks.unparked()).0;
        }
        let nobody_searches = policy.idle.fall_asleep(self.index, core.searching);
        core.searching = false;
        if nobody_searches && has_stealable(shared) {
            wake_one(shared, self.index);
        }
        let mut watch = policy.watchdog.begin();
        loop {
            let is_watcher = policy.watchdog.start_watching(&watch);
            core = self.sleep(core, is_watcher)?;
            policy.watchdog.stop_watching(&mut watch, is_watcher, || policy.idle.is_any_awake());
            if is_watcher {
                core = self.fire_timers_of_others(core)?;
                if self.is_inspection_due() {
                    self.take_stuck_tasks(&mut core);
                }
            }
            if shared.inject.is_closed() {
                break;
            }
            if core.has_tasks() {
                // The driver brought them. If a waker has chosen this worker meanwhile, it counts as searching.
                core.searching = !policy.idle.wake_up(self.index);
                self.ensure_a_watcher();
                break;
            }
            if !policy.idle.is_asleep(self.index) {
                core.searching = true;
                self.ensure_a_watcher();
                break;
            }
            if is_watcher && has_stealable(shared) {
                // Perhaps in the queue of a worker that took them together, and polls the first of them for long.
                wake_one(shared, self.index);
            }
        }
        self.lend(core, || shared.services.hooks.unparked()).0
    }

    /// Looks around for a little while before it sleeps, if that has been worth it lately. Returns whether there is
    /// something to do.
    fn spin(&self, mut core: Box<Core<Multi>>) -> Option<(Box<Core<Multi>>, bool)> {
        let shared = &*self.shared;
        // One that may not search would look at what others look at already.
        let Some(spin) = core.searching.then(|| core.spinner.begin()).flatten() else {
            return Some((core, false));
        };
        core.pace.interrupt();
        let paid = loop {
            if let Some(end) = spin.look(|| has_stealable(shared) || shared.inject.is_closed()) {
                break end;
            }
            core = self.look(core)?;
            if core.has_tasks() {
                self.end_search_with_events(&mut core);
                break true;
            }
        };
        core.spinner.ended(paid);
        Some((core, paid))
    }

    /// A look at the events brought tasks to this worker, which was searching.
    pub(super) fn end_search_with_events(&self, core: &mut Core<Multi>) {
        let shared = &*self.shared;
        core.searching = false;
        // The events' tasks are this worker's own: nobody needs to be woken for a single one.
        if shared.policy.idle.found_work()
            && (core.has_spare_tasks() || has_stealable_from_others(shared, self.index))
        {
            wake_one(shared, self.index);
        }
    }

    /// Closes this worker. The last one to come here cleans up for all.
    fn stop(&self, mut core: Box<Core<Multi>>) {
        let shared = &*self.shared;
        self.awake_until(&mut core, Instant::now());
        shared.owned.close_and_shutdown_all(self.index);
        let last = {
            let mut stopped = shared.policy.stopped.lock();
            stopped.cores.push(core);
            stopped.cores.len() == shared.beds.len()
        };
        if last {
            shared.clean_up();
        }
    }
}

fn has_stealable(shared: &Shared<Multi>) -> bool {
    !shared.inject.is_empty() || shared.policy.stealers.iter().any(|stealer| !stealer.is_empty())
}

/// As [`has_stealable`], but for what one worker has itself.
fn has_stealable_from_others(shared: &Shared<Multi>, worker: usize) -> bool {
    let stealers = shared.policy.stealers.iter().enumerate();
    !shared.inject.is_empty()
        || stealers.filter(|(of, _)| *of != worker).any(|(_, stealer)| !stealer.is_empty())
}

fn wake_one(shared: &Shared<Multi>, by: usize) {
    if let Some(sleeper) = shared.policy.idle.worker_to_wake() {
        shared.wake(sleeper, Some(by));
    }
}

impl Policy for Multi {
    type Queue = StealQueue<Notified>;

    #[inline]
    fn here(here: Here<'_>) -> Option<&Worker<Self>> {
        match here {
            Here::Multi(worker) => Some(worker),
            _ => None,
        }
    }

    fn take_global(shared: &Shared<Self>, core: &mut Core<Self>) -> Option<Notified> {
        let fair_share = shared.inject.len() / shared.beds.len() + 1;
        shared.inject.pop_batch(&mut core.queue, fair_share.min(MAX_GLOBAL_BATCH))
    }

    fn search(shared: &Shared<Self>, core: &mut Core<Self>) -> Option<Notified> {
        let count = shared.policy.stealers.len();
        if !core.searching {
            core.searching = shared.policy.idle.try_search();
            if !core.searching {
                return None;
            }
        }
        let start = core.rand.below(count as u32) as usize;
        for victim in (start..count).chain(0..start).filter(|&victim| victim != core.index) {
            if let Some((task, stolen)) = shared.policy.stealers[victim].steal_into(&mut core.queue) {
                let counters = &shared.counters.workers[core.index];
                counters.steals.add(stolen as u64);
                counters.steal_operations.add(1);
                counters.steals_from[victim].add(stolen as u64);
                return Some(task);
            }
        }
        Self::take_global(shared, core)
    }

    #[inline]
    fn found_work(shared: &Shared<Self>, core: &mut Core<Self>) {
        if core.searching {
            core.searching = false;
            if shared.policy.idle.found_work() && has_stealable(shared) {
                wake_one(shared, core.index);
            }
        }
    }

    #[inline]
    fn pushed_locally(shared: &Shared<Self>, core: &Core<Self>) {
        wake_one(shared, core.index);
    }

    fn pushed_globally(shared: &Shared<Self>) {
        if let Some(sleeper) = shared.policy.idle.worker_to_wake() {
            shared.wake(sleeper, None);
        }
    }

    fn has_other_work(shared: &Shared<Self>) -> bool {
        has_stealable(shared)
    }

    fn overdue_soon(shared: &Shared<Self>, timers: &TimerRegistry) -> Option<Instant> {
        shared.policy.watchdog.stuck().filter_map(|worker| timers.next_deadline(worker)).min()
    }
}

impl Shared<Multi> {
    /// Drops whatever is left, once. All tasks have been shut down, and no worker polls any more.
    pub(super) fn clean_up(&self) {
        let cores = {
            let mut stopped = self.policy.stopped.lock();
            if std::mem::replace(&mut stopped.cleaned_up, true) {
                return;
            }
            std::mem::take(&mut stopped.cores)
        };
        for mut core in cores {
            while let Some(task) = core.pop() {
                drop(task);
            }
        }
        self.finish();
    }

    /// Tasks in one worker's queue now.
    pub(crate) fn queue_len(&self, worker: usize) -> usize {
        self.policy.stealers[worker].len()
    }
}
