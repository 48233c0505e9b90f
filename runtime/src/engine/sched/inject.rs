//! The way into the scheduler from outside of its workers, and how that way is closed.
//!
//! Closing must leave no task behind in a queue that nobody will look at again. Two parties each do two things,
//! with a sequentially consistent fence between them:
//!
//! * who pushes: puts the task in, *then* looks whether the queue is closed; if so, empties it.
//! * who closes: marks it closed, *then* (when the workers have stopped) empties it.
//!
//! At least one of them sees the other's first step, so at least one empties the queue after the push.
//!
//! Next file to read: `engine/sched/idle.rs`.
#![forbid(unsafe_code)]

use super::queue::{GlobalQueue, StealQueue};
use crate::base::prim::atomic::{AtomicBool, Ordering::*, fence};

/// The queue of tasks that were made ready by a thread that is no worker, or that overflowed.
#[derive(Debug)]
pub(crate) struct Inject<T> {
    queue: GlobalQueue<T>,
    closed: AtomicBool,
}

impl<T> Inject<T> {
    pub(crate) fn new() -> Self {
        Self { queue: GlobalQueue::new(), closed: AtomicBool::new(false) }
    }

    /// Puts an item in. Returns whether somebody will come for it; if not, it has been dropped.
    pub(crate) fn push(&self, item: T) -> bool {
        self.queue.push(item);
        fence(SeqCst);
        let open = !self.closed.load(Relaxed);
        if !open {
            self.clear();
        }
        open
    }

    pub(crate) fn pop(&self) -> Option<T> {
        // Most looks find nothing: they should cost a load.
        if self.queue.is_empty() { None } else { self.queue.pop() }
    }

    pub(crate) fn pop_batch(&self, mine: &mut StealQueue<T>, limit: usize) -> Option<T> {
        if self.queue.is_empty() { None } else { self.queue.pop_batch(mine, limit) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Marks it closed. Returns whether this call did.
    pub(crate) fn close(&self) -> bool {
        let first = !self.closed.swap(true, SeqCst);
        fence(SeqCst);
        first
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    /// Drops what is in it.
    pub(crate) fn clear(&self) {
        while let Some(item) = self.queue.pop() {
            drop(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{Arc, model, thread};

    #[test]
    fn loom_nothing_stays_in_a_closed_queue() {
        model(|| {
            let inject = Arc::new(Inject::new());
            let witness = Arc::new(());
            let pushers: Vec<_> = (0..2)
                .map(|_| {
                    let (inject, item) = (inject.clone(), witness.clone());
                    thread::spawn(move || inject.push(item))
                })
                .collect();
            inject.close();
            inject.clear();
            for pusher in pushers {
                pusher.join().unwrap();
            }
            assert_eq!(Arc::strong_count(&witness), 1, "an item was left in the queue");
            assert!(inject.is_empty());
        });
    }
}
