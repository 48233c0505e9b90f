//! Queues of tasks that are ready.
//!
//! The scheduler is written against [`LocalQueue`] and the three types that the back end provides: `StealQueue`,
//! `Stealer` and `GlobalQueue`. The real ones are crossbeam's; a plain locked ring stands in for them under loom,
//! which cannot look into crossbeam.
//!
//! Next file to read: `engine/sched/inject.rs`.
#![forbid(unsafe_code)]

#[cfg(not(rt_loom))]
mod crossbeam;
#[cfg(not(rt_loom))]
pub(crate) use self::crossbeam::{GlobalQueue, StealQueue, Stealer};

#[cfg(rt_loom)]
mod ring;
#[cfg(rt_loom)]
pub(crate) use self::ring::{GlobalQueue, StealQueue, Stealer};

use std::collections::VecDeque;

/// A worker's own queue: first in, first out.
pub(crate) trait LocalQueue<T> {
    fn push(&mut self, item: T);
    fn pop(&mut self) -> Option<T>;
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> LocalQueue<T> for VecDeque<T> {
    #[inline]
    fn push(&mut self, item: T) {
        self.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{Arc, model, thread};

    /// Each item comes out once, whoever takes it.
    #[test]
    fn loom_owner_and_thief_share_the_items_out() {
        model(|| {
            let mut queue = StealQueue::new();
            let stealer = queue.stealer();
            for item in 0..3 {
                queue.push(item);
            }
            let thief = thread::spawn(move || {
                let mut mine = StealQueue::new();
                let mut taken: Vec<u32> = Vec::new();
                if let Some((item, _)) = stealer.steal_into(&mut mine) {
                    taken.push(item);
                }
                while let Some(item) = mine.pop() {
                    taken.push(item);
                }
                taken
            });
            let mut all: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
            all.extend(thief.join().unwrap());
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2]);
        });
    }

    #[test]
    fn loom_two_pushers_and_a_taker_lose_nothing() {
        model(|| {
            let global = Arc::new(GlobalQueue::new());
            let theirs = global.clone();
            let other = thread::spawn(move || theirs.push(1));
            global.push(2);
            let early = global.pop();
            other.join().unwrap();
            let mut all: Vec<u32> = early.into_iter().chain(std::iter::from_fn(|| global.pop())).collect();
            all.sort_unstable();
            assert_eq!(all, [1, 2]);
        });
    }
}
