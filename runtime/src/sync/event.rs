//! Those who wait for something to become true, and are all woken when it may have.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use crate::base::coop::cooperative;
use crate::base::prim::const_unless_model;
use crate::base::wait_queue::{WaitQueue, Waiter};

/// Those who wait.
pub(super) struct Event {
    queue: WaitQueue<(), ()>,
}

impl Event {
    const_unless_model! {
        pub(super) fn new() -> Self {
            Self { queue: WaitQueue::new(()) }
        }
    }

    /// Wakes all who wait. What they look for has been written before.
    pub(super) fn wake_all(&self) {
        self.queue.wake_all();
    }

    /// Runs `f` while nobody can begin to wait, then wakes all who wait.
    pub(super) fn wake_all_after<R, E>(&self, f: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let queue = self.queue.lock();
        let result = f()?;
        queue.wake_all(|(), ()| ());
        Ok(result)
    }

    /// Waits until `look` finds something. It is called under a lock, too: it must not run foreign code.
    ///
    /// A poll that the budget does not allow looks at nothing, so nothing that `look` has done is lost when the future is
    /// dropped.
    pub(super) async fn until<R>(&self, mut look: impl FnMut() -> Option<R>) -> R {
        let mut waiter = pin!(Waiter::new(&self.queue, ()));
        let looking = poll_fn(|cx| {
            waiter.as_mut().take_release();
            match look() {
                Some(found) => Poll::Ready(found),
                None => waiter.as_mut().poll_wait(cx.waker(), |_| look()),
            }
        });
        cooperative(looking).await
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event")
    }
}
