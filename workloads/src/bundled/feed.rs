//! Handing planned operations from the thread that waits for their instants to futures that start them.
//!
//! Next file to read: `bundled/blocking_mix.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// One such future's queue.
#[derive(Debug, Default)]
pub(super) struct Feed(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    planned: VecDeque<u64>,
    closed: bool,
    waker: Option<Waker>,
}

impl Feed {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over an operation that was planned at `planned`.
    pub(super) fn push(&self, planned: u64) {
        let waker = {
            let mut state = self.state();
            state.planned.push_back(planned);
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn close(&self) {
        let waker = {
            let mut state = self.state();
            state.closed = true;
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// The next operation, in the order in which they were handed over. `None`: there will be no more.
    pub(super) async fn next(&self) -> Option<u64> {
        poll_fn(|cx| {
            let mine = cx.waker().clone();
            let (next, old) = {
                let mut state = self.state();
                match state.planned.pop_front() {
                    Some(planned) => (Poll::Ready(Some(planned)), Some(mine)),
                    None if state.closed => (Poll::Ready(None), Some(mine)),
                    None => (Poll::Pending, state.waker.replace(mine)),
                }
            };
            drop(old);
            next
        })
        .await
    }
}

/// The queues of all such futures.
#[derive(Debug)]
pub(super) struct Feeds(Vec<Arc<Feed>>);

impl Feeds {
    pub(super) fn new(number: usize) -> Self {
        Self((0..number).map(|_| Arc::default()).collect())
    }

    pub(super) fn of(&self, number: usize) -> Arc<Feed> {
        self.0[number].clone()
    }

    /// When the answer is dropped, nothing more will be handed over.
    pub(super) fn close_on_drop(&self) -> CloseOnDrop<'_> {
        CloseOnDrop(self)
    }
}

pub(super) struct CloseOnDrop<'a>(&'a Feeds);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.0.iter().for_each(|feed| feed.close());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn everything_is_handed_over_in_order_and_the_end_comes_last() {
        const MANY: u64 = 20_000;
        let feeds = Feeds::new(1);
        let feed = feeds.of(0);
        let taker = thread::spawn(move || {
            let runtime = rt::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut taken = Vec::new();
                while let Some(planned) = feed.next().await {
                    taken.push(planned);
                }
                taken
            })
        });
        let closed = feeds.close_on_drop();
        (0..MANY).for_each(|planned| feeds.of(0).push(planned));
        drop(closed);
        assert_eq!(taker.join().unwrap(), (0..MANY).collect::<Vec<_>>());
    }
}
