//! What a worker owns while it runs, and hands on when it has to block.
//!
//! Next file to read: `engine/sched/policy.rs`.
#![forbid(unsafe_code)]

use std::time::Instant;

use super::pace::Pace;
use super::policy::Policy;
use super::queue::LocalQueue;
use super::{Notified, SchedRef};
use crate::base::prim::{Arc, CachePadded};
use crate::base::rand::FastRand;
use crate::base::spin::Spinner;
use crate::config::{Flavor, RuntimeConfig};
use crate::engine::task::Slot;

/// Polls of the slot's tasks before the queue gets its turn: two tasks that wake each other would keep the
/// worker to themselves. Tokio's figure.
const MAX_LIFO_POLLS: u32 = 3;

/// Where the task lies that a worker runs next. Others may take it from a worker whose poll goes on for long.
pub(crate) type LifoSlot = CachePadded<Slot<SchedRef>>;

/// One worker's own state.
#[derive(Debug)]
pub(crate) struct Core<P: Policy> {
    pub(crate) index: usize,
    /// Polls so far, wrapping.
    pub(crate) tick: u32,
    /// Polls that are left until it is time to look at the events. A core that changes its thread, or rests without a look,
    /// has no more of them afterwards.
    pub(crate) polls_left: u32,
    pub(crate) queue: P::Queue,
    /// The task that was woken last, to run next.
    lifo: Arc<LifoSlot>,
    lifo_allowed: bool,
    /// Polls of tasks from the slot since the queue had its turn.
    lifo_polls: u32,
    /// Whether the task that [`pop`](Self::pop) returned last came from the slot.
    slot_had_its_turn: bool,
    /// Whether this worker is counted as searching.
    pub(crate) searching: bool,
    /// Whether the worker is in its sleep: what is pushed meanwhile comes from the driver.
    pub(crate) asleep: bool,
    pub(crate) rand: FastRand,
    pub(crate) spinner: Spinner,
    pub(super) pace: Pace,
    /// Since when it is awake.
    pub(crate) awake_since: Instant,
    /// The number of its polls when it was woken last, if it has done nothing else since then.
    pub(crate) polls_at_wake: Option<u64>,
}

impl<P: Policy> Core<P> {
    pub(crate) fn new(
        index: usize,
        queue: P::Queue,
        lifo: Arc<LifoSlot>,
        config: &RuntimeConfig,
        seed: u64,
    ) -> Self {
        Self {
            index,
            tick: 0,
            polls_left: config.event_interval,
            queue,
            lifo,
            // Tasks of one thread run in the order in which they became ready.
            lifo_allowed: config.lifo_slot && config.flavor == Flavor::MultiThread,
            lifo_polls: 0,
            slot_had_its_turn: false,
            searching: false,
            asleep: false,
            rand: FastRand::new(seed),
            spinner: Spinner::new(config.idle_spin),
            pace: Pace::new(),
            awake_since: Instant::now(),
            polls_at_wake: None,
        }
    }

    /// Takes a task in that was made ready. Returns whether another worker could find something to steal now.
    pub(crate) fn push(&mut self, task: Notified, to_the_back: bool) -> bool {
        if to_the_back || !self.lifo_allowed {
            self.queue.push(task);
            return true;
        }
        match self.lifo.replace(task) {
            Some(former) => {
                self.queue.push(former);
                true
            }
            None => false,
        }
    }

    /// The task of the slot, while its turns last; past that it goes to the back of the queue.
    pub(crate) fn pop_lifo(&mut self) -> Option<Notified> {
        let task = self.lifo.take()?;
        if self.lifo_polls < MAX_LIFO_POLLS {
            self.lifo_polls += 1;
            return Some(task);
        }
        self.queue.push(task);
        None
    }

    /// Puts the slot's task into the queue, where others can see it.
    pub(crate) fn flush_lifo(&mut self) {
        if let Some(task) = self.lifo.take() {
            self.queue.push(task);
        }
    }

    /// The next task of this worker's own: the slot's, but not twice in a row. What fills it here is a look at the
    /// events, and when there is one after each poll a single task could keep the queue waiting for ever.
    pub(crate) fn pop(&mut self) -> Option<Notified> {
        if !std::mem::replace(&mut self.slot_had_its_turn, false)
            && let Some(task) = self.lifo.take()
        {
            self.slot_had_its_turn = true;
            return Some(task);
        }
        self.queue.pop().or_else(|| self.lifo.take())
    }

    /// A task from the queue runs: the slot has its turns back.
    pub(crate) fn renew_lifo(&mut self) {
        self.lifo_polls = 0;
    }

    pub(crate) fn has_tasks(&self) -> bool {
        !self.lifo.is_empty() || !self.queue.is_empty()
    }

    /// Whether there is more than this worker will take up next.
    pub(crate) fn has_spare_tasks(&self) -> bool {
        self.queue.len() + usize::from(!self.lifo.is_empty()) > 1
    }
}
