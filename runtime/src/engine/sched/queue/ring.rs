//! Stand-ins for the queues that loom can look into: locked rings with the same contracts.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::LocalQueue;
use crate::base::prim::{Arc, Mutex};

#[derive(Debug)]
pub(crate) struct StealQueue<T>(Arc<Mutex<VecDeque<T>>>);

#[derive(Clone, Debug)]
pub(crate) struct Stealer<T>(Arc<Mutex<VecDeque<T>>>);

#[derive(Debug)]
pub(crate) struct GlobalQueue<T>(Mutex<VecDeque<T>>);

impl<T> StealQueue<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(VecDeque::new())))
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.clone())
    }
}

impl<T> LocalQueue<T> for StealQueue<T> {
    fn push(&mut self, item: T) {
        self.0.lock().push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.0.lock().pop_front()
    }

    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> Stealer<T> {
    pub(crate) fn steal_into(&self, mine: &mut StealQueue<T>) -> Option<(T, usize)> {
        let mut taken = {
            let mut theirs = self.0.lock();
            let half = theirs.len().div_ceil(2);
            theirs.drain(..half).collect::<VecDeque<T>>()
        };
        let count = taken.len();
        let first = taken.pop_front()?;
        mine.0.lock().append(&mut taken);
        Some((first, count))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl<T> GlobalQueue<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    pub(crate) fn push(&self, item: T) {
        self.0.lock().push_back(item);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.0.lock().pop_front()
    }

    pub(crate) fn pop_batch(&self, mine: &mut StealQueue<T>, limit: usize) -> Option<T> {
        let first = self.pop()?;
        for item in std::iter::from_fn(|| self.pop()).take(limit.saturating_sub(1)) {
            mine.push(item);
        }
        Some(first)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}
