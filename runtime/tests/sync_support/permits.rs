//! The model of a semaphore: what waits is served first in, first out, and has what was given back since it came.

use std::collections::{BTreeSet, VecDeque};
use std::task::Poll;

pub(crate) struct Permits {
    pub(crate) available: usize,
    pub(crate) is_closed: bool,
    queue: VecDeque<Waiting>,
    /// They have got all that they wanted, and have not been polled since.
    served: BTreeSet<usize>,
}

struct Waiting {
    name: usize,
    missing: usize,
}

impl Permits {
    pub(crate) fn new(available: usize) -> Self {
        Self { available, is_closed: false, queue: VecDeque::new(), served: BTreeSet::new() }
    }

    pub(crate) fn try_acquire(&mut self, count: usize) -> bool {
        let is_there = !self.is_closed && self.available >= count;
        if is_there {
            self.available -= count;
        }
        is_there
    }

    /// What a poll of the future answers: whether it has got its permits, or the semaphore is closed.
    pub(crate) fn poll(&mut self, name: usize, count: usize) -> Poll<bool> {
        if self.is_closed {
            // What it has got it gives back, even if that is all that it wanted.
            self.cancel(name, count);
            return Poll::Ready(false);
        }
        if self.served.remove(&name) {
            return Poll::Ready(true);
        }
        if self.queue.iter().any(|waiting| waiting.name == name) {
            return Poll::Pending;
        }
        let taken = self.available.min(count);
        self.available -= taken;
        if taken == count {
            return Poll::Ready(true);
        }
        self.queue.push_back(Waiting { name, missing: count - taken });
        Poll::Pending
    }

    /// Whether the next poll of a future that waits is ready.
    pub(crate) fn is_ready(&self, name: usize) -> bool {
        self.is_closed || self.served.contains(&name)
    }

    pub(crate) fn cancel(&mut self, name: usize, count: usize) {
        if self.served.remove(&name) {
            return self.release(count);
        }
        if let Some(at) = self.queue.iter().position(|waiting| waiting.name == name) {
            let missing = self.queue.remove(at).map_or(0, |waiting| waiting.missing);
            self.release(count - missing);
        }
    }

    pub(crate) fn release(&mut self, count: usize) {
        self.available += count;
        while !self.is_closed
            && let Some(first) = self.queue.front_mut()
        {
            let given = self.available.min(first.missing);
            self.available -= given;
            first.missing -= given;
            if first.missing > 0 {
                return;
            }
            self.served.insert(first.name);
            self.queue.pop_front();
        }
    }
}
