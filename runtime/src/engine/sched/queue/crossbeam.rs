//! The queues on crossbeam-deque: the Chase-Lev deque (SPAA 2005) and its injector.
#![forbid(unsafe_code)]

use crossbeam_deque::{Injector, Steal, Worker};

use super::LocalQueue;

/// A queue that others may steal from.
#[derive(Debug)]
pub(crate) struct StealQueue<T>(Worker<T>);

/// The thieves' end of a [`StealQueue`].
#[derive(Clone, Debug)]
pub(crate) struct Stealer<T>(crossbeam_deque::Stealer<T>);

/// The queue that everybody pushes to and takes from.
#[derive(Debug)]
pub(crate) struct GlobalQueue<T>(Injector<T>);

impl<T> StealQueue<T> {
    pub(crate) fn new() -> Self {
        Self(Worker::new_fifo())
    }

    pub(crate) fn stealer(&self) -> Stealer<T> {
        Stealer(self.0.stealer())
    }
}

impl<T> LocalQueue<T> for StealQueue<T> {
    #[inline]
    fn push(&mut self, item: T) {
        self.0.push(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Stealer<T> {
    /// Moves up to half of the items into `mine`, and returns one more to run now and how many came in all.
    pub(crate) fn steal_into(&self, mine: &mut StealQueue<T>) -> Option<(T, usize)> {
        let before = mine.len();
        let item = insist(|| self.0.steal_batch_and_pop(&mine.0))?;
        Some((item, 1 + mine.len().saturating_sub(before)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> GlobalQueue<T> {
    pub(crate) fn new() -> Self {
        Self(Injector::new())
    }

    pub(crate) fn push(&self, item: T) {
        self.0.push(item);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        insist(|| self.0.steal())
    }

    /// Moves a batch of the oldest items into `mine`, and returns the very oldest.
    pub(crate) fn pop_batch(&self, mine: &mut StealQueue<T>, limit: usize) -> Option<T> {
        insist(|| self.0.steal_batch_with_limit_and_pop(&mine.0, limit))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// `Retry` means that another thread got on with its work in the meantime: so can we.
fn insist<T>(mut attempt: impl FnMut() -> Steal<T>) -> Option<T> {
    loop {
        match attempt() {
            Steal::Success(item) => return Some(item),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}
