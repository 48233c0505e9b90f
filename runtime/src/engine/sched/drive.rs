//! The run loop, once for all flavours: a turn of polls, a look at the events, a sleep.
//!
//! ```text
//!        +------------------ turn: up to event_interval polls -----------------+
//!        |  every global_queue_interval-th poll: global queue, then own queue  |
//!        |  else: slot, own queue, global queue, then search with the others   |
//!        +----------+------------------------------------------+---------------+
//!        Spent      |                                          | Idle
//!                   v                                          v
//!        look: driver without waiting,              sleep: driver or parker, until
//!        due timers, deferred wakers                woken, an event, or a deadline
//! ```
//!
//! A turn ends early when a task yields with a waker that cannot be [deferred](super::defer).
//!
//! Each step takes the core and gives it back; `None` means that the running task has taken the core away.
//!
//! Next file to read: `engine/sched/multi.rs`.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use super::Notified;
use super::core::Core;
use super::policy::Policy;
use super::queue::LocalQueue;
use super::sleep::{Deadlines, Place};
use super::watchdog::TICK;
use super::worker::Worker;
use crate::base::coop;
use crate::base::prim::atomic::Ordering::Relaxed;
use crate::engine::driver::Turn as DriverTurn;

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    /// Its polls are used up: time to look at the events.
    Spent,
    /// There is nothing to run.
    Idle,
}

impl<P: Policy> Worker<P> {
    /// Polls tasks until there are none or it is time to look at the events.
    pub(crate) fn turn(&self, mut core: Box<Core<P>>) -> Option<(Box<Core<P>>, TurnEnd)> {
        while core.polls_left > 0 {
            core.polls_left -= 1;
            core.tick = core.tick.wrapping_add(1);
            let task = self.next_task(&mut core).or_else(|| P::search(&self.shared, &mut core));
            let Some(task) = task else {
                self.counters().polls_ended();
                return Some((core, TurnEnd::Idle));
            };
            core = self.run(core, task)?;
        }
        self.counters().polls_ended();
        Some((core, TurnEnd::Spent))
    }

    fn next_task(&self, core: &mut Core<P>) -> Option<Notified> {
        if core.tick.is_multiple_of(self.shared.global_queue_interval) {
            P::take_global(&self.shared, core).or_else(|| core.pop())
        } else {
            core.pop().or_else(|| P::take_global(&self.shared, core))
        }
    }

    /// Polls one task, and then those that it wakes through the slot, all on one budget.
    fn run(&self, mut core: Box<Core<P>>, task: Notified) -> Option<Box<Core<P>>> {
        P::found_work(&self.shared, &mut core);
        core.renew_lifo();
        coop::budget(|| {
            let mut core = self.poll(core, task)?;
            loop {
                if !coop::has_budget_remaining() {
                    core.flush_lifo();
                    return Some(core);
                }
                let Some(task) = core.pop_lifo() else { return Some(core) };
                core = self.poll(core, task)?;
            }
        })
    }

    /// Looks at the events without waiting for any.
    pub(crate) fn look(&self, mut core: Box<Core<P>>) -> Option<Box<Core<P>>> {
        self.keep_time(&mut core);
        core.polls_left = self.shared.config.event_interval;
        self.attend(core, || match self.shared.driver.try_lock() {
            Some(mut driver) => driver.turn(Some(Duration::ZERO)),
            None => DriverTurn::default(),
        })
    }

    /// Sleeps until there may be something to do. A watcher sleeps for a tick at most.
    pub(crate) fn sleep(&self, mut core: Box<Core<P>>, is_watcher: bool) -> Option<Box<Core<P>>> {
        let counters = self.counters();
        let now = Instant::now();
        counters.parks.add(1);
        counters.park_unparks.add(1);
        if !is_watcher && core.polls_at_wake == Some(counters.polls.get()) {
            counters.noop_parks.add(1);
        }
        self.awake_until(&mut core, now);
        self.looked_at_clock(&mut core, now);
        counters.awake.store(false, Relaxed);
        core.polls_left = self.shared.config.event_interval;
        let bed = &self.shared.beds[self.index];
        let mut core = self.attend(core, || {
            let turn = bed.sleep(&self.shared.driver, &SleepLimits { worker: self, is_watcher });
            self.auto_advance();
            turn
        })?;
        let now = Instant::now();
        core.awake_since = now;
        // Who wakes by itself, to look after others, is not woken for nothing.
        core.polls_at_wake = (!is_watcher).then(|| counters.polls.get());
        self.looked_at_clock(&mut core, now);
        counters.park_unparks.add(1);
        self.woke();
        Some(core)
    }

    /// Counts the time that this thread has had the core and was awake.
    pub(crate) fn awake_until(&self, core: &mut Core<P>, now: Instant) {
        self.counters().add_busy(now.saturating_duration_since(core.awake_since));
        core.awake_since = now;
    }

    /// This thread is the worker, and awake.
    pub(crate) fn woke(&self) {
        self.counters().awake.store(true, Relaxed);
        self.shared.monitor.worker_woke();
    }

    /// This thread begins to be the worker.
    pub(crate) fn begins(&self, core: &mut Core<P>) {
        let now = Instant::now();
        core.awake_since = now;
        self.looked_at_clock(core, now);
        *self.counters().thread.lock() = Some(std::thread::current().id());
        self.counters().polls_ended();
        self.woke();
    }

    /// Lets events in: readiness through `f`, then due timers, then the wakers that were put off.
    pub(super) fn attend(
        &self,
        mut core: Box<Core<P>>,
        f: impl FnOnce() -> DriverTurn,
    ) -> Option<Box<Core<P>>> {
        core.asleep = true;
        // Before `f`, which may be a long sleep: nothing stays uncounted meanwhile.
        self.count_turn(&core);
        let shared = &*self.shared;
        let (core, (turn, fired)) = self.lend(core, || {
            let turn = f();
            let fired = shared.services.registries.timers.as_ref().map_or(0, |timers| {
                // Whoever looks at the events also looks after the timers that belong to no worker.
                timers.fire(self.index) + timers.fire(timers.shared_shard())
            });
            self.defer.wake();
            (turn, fired)
        });
        let mut core = core?;
        core.asleep = false;
        let counters = self.counters();
        counters.io_events.add(turn.io_events as u64);
        counters.timers_fired.add(fired as u64);
        counters.queue_depth.set(core.queue.len() as u64);
        if core.has_spare_tasks() {
            P::pushed_locally(shared, &core);
        }
        Some(core)
    }

    /// Counts what the turns since the last time have done and left.
    pub(super) fn count_turn(&self, core: &Core<P>) {
        let counters = self.counters();
        counters.budget_yields.add(u64::from(coop::take_forced_yields()));
        counters.queue_depth.set(core.queue.len() as u64);
    }

    /// Moves a paused clock to the next timer, if there is nothing else to do.
    fn auto_advance(&self) {
        let Some(timers) = &self.shared.services.registries.timers else { return };
        let clock = timers.clock();
        if !clock.can_auto_advance() || !self.defer.is_empty() || P::has_other_work(&self.shared) {
            return;
        }
        if self.core.borrow().as_ref().is_none_or(|core| core.has_tasks()) {
            return;
        }
        if let Some(deadline) = timers.next_deadline_all() {
            // Only a clock that was resumed at this very moment refuses, and then the time comes by itself.
            let _ = clock.advance(deadline.saturating_duration_since(clock.now()));
        }
    }
}

/// For how long a worker sleeps: until the timers are due that it looks after, and no longer than a tick as a watcher.
struct SleepLimits<'a, P: Policy> {
    worker: &'a Worker<P>,
    is_watcher: bool,
}

impl<P: Policy> Deadlines for SleepLimits<'_, P> {
    fn arm(&self, place: Place) -> Option<Duration> {
        let worker = self.worker;
        if !worker.defer.is_empty() {
            // Their tasks wait for a look at the driver, and for nothing else.
            return Some(Duration::ZERO);
        }
        let tick = self.is_watcher.then_some(TICK);
        let Some(timers) = &worker.shared.services.registries.timers else { return tick };
        let own = timers.arm(worker.index);
        let shared = if place == Place::Driver { timers.arm(timers.shared_shard()) } else { None };
        let of_others = if self.is_watcher { P::overdue_soon(&worker.shared, timers) } else { None };
        let deadline = [own, shared, of_others].into_iter().flatten().min();
        let clock = timers.clock();
        let left = match deadline {
            Some(_) if clock.can_auto_advance() => Some(Duration::ZERO),
            // It moves only when somebody moves it, who then looks for himself.
            Some(_) if clock.is_paused() => None,
            Some(deadline) => Some(deadline.saturating_duration_since(clock.now())),
            None => None,
        };
        left.into_iter().chain(tick).min()
    }

    fn disarm(&self, place: Place) {
        let Some(timers) = &self.worker.shared.services.registries.timers else { return };
        timers.disarm(self.worker.index);
        if place == Place::Driver {
            timers.disarm(timers.shared_shard());
        }
    }
}
