//! A meeting point for a number of tasks. See [`Barrier`].
#![forbid(unsafe_code)]

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::base::coop::cooperative;
use crate::base::wait_queue::{WaitQueue, Waiter};

/// A meeting point: a number of tasks wait for each other, and then all go on.
///
/// It can be used again and again.
///
/// # Examples
///
/// ```
/// use runtime::sync::Barrier;
/// use std::sync::Arc;
///
/// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// # rt.block_on(async {
/// let barrier = Arc::new(Barrier::new(3));
/// let mut tasks = Vec::new();
/// for _ in 0..3 {
///     let barrier = barrier.clone();
///     tasks.push(runtime::spawn(async move { barrier.wait().await }));
/// }
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += task.await.unwrap().is_leader() as u32;
/// }
/// assert_eq!(leaders, 1);
/// # });
/// ```
pub struct Barrier {
    n: usize,
    /// Those who have arrived since the last time that all were there are counted; all but the last one are queued, or
    /// were and have been dropped.
    queue: WaitQueue<usize, ()>,
}

impl Barrier {
    /// Makes one for `n` tasks. 0 is taken as 1.
    #[track_caller]
    pub fn new(n: usize) -> Barrier {
        Barrier { n: n.max(1), queue: WaitQueue::new(0) }
    }

    /// Waits until as many tasks are there as the barrier is for. One of them, the last, is told that it is the leader.
    ///
    /// A task is there from the first poll on.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped after it has been polled still counts as one that is there.
    pub async fn wait(&self) -> BarrierWaitResult {
        let mut waiter = pin!(Waiter::new(&self.queue, ()));
        let mut is_there = false;
        let waiting = poll_fn(|cx| {
            if is_there {
                let released =
                    waiter.as_mut().poll_wait(cx.waker(), |waiter| waiter.is_released().then_some(()));
                return released.map(|()| false);
            }
            let waker = cx.waker().clone();
            let mut locked = waiter.as_mut().lock();
            is_there = true;
            let there = locked.queue().state();
            *there += 1;
            if *there < self.n {
                locked.enqueue(Some(waker));
                return Poll::Pending;
            }
            *there = 0;
            locked.into_queue().wake_all(|_, ()| ());
            Poll::Ready(true)
        });
        BarrierWaitResult(cooperative(waiting).await)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrived = *self.queue.lock().state();
        f.debug_struct("Barrier").field("n", &self.n).field("arrived", &arrived).finish()
    }
}

/// How waiting at a [`Barrier`] ended.
#[derive(Clone, Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// Whether this is the one of all tasks that is told so.
    pub fn is_leader(&self) -> bool {
        self.0
    }
}
