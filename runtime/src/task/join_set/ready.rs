//! Which of many tasks are over: each has a bell that puts its key into one queue, in the order of their ends.
//!
//! A bell rings once. The set waits for the queue and not for its tasks, so that a completion costs the same however
//! many tasks there are. No foreign code runs under the lock.
//!
//! Next file to read: `task/builder.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::task::{Context, Poll, Wake, Waker};

use crate::base::prim::{Mutex, PlainArc as Arc};

/// The queue. Bells and their set share it.
pub(super) struct Ready {
    inner: Mutex<Inner>,
}

struct Inner {
    keys: VecDeque<usize>,
    /// Who waits for a key.
    waiting: Option<Waker>,
}

/// The waker of one task of the set.
struct Bell {
    key: usize,
    ready: Arc<Ready>,
}

impl Ready {
    pub(super) fn new() -> Arc<Self> {
        let inner = Inner { keys: VecDeque::new(), waiting: None };
        Arc::new(Self { inner: Mutex::new(inner) })
    }

    /// A waker that puts `key` into the queue.
    pub(super) fn bell(self: &Arc<Self>, key: usize) -> Waker {
        Waker::from(Arc::new(Bell { key, ready: self.clone() }))
    }

    pub(super) fn pop(&self) -> Option<usize> {
        self.inner.lock().keys.pop_front()
    }

    /// The next key, or a promise to wake the context's task when there is one.
    pub(super) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<usize> {
        {
            let mut inner = self.inner.lock();
            if let Some(key) = inner.keys.pop_front() {
                return Poll::Ready(key);
            }
            if inner.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(cx.waker())) {
                return Poll::Pending;
            }
        }
        // Cloned, and the former one dropped, outside of the lock.
        let waiting = cx.waker().clone();
        let _former = {
            let mut inner = self.inner.lock();
            if let Some(key) = inner.keys.pop_front() {
                return Poll::Ready(key);
            }
            inner.waiting.replace(waiting)
        };
        Poll::Pending
    }

    /// Nobody waits any more.
    pub(super) fn forget_waiting(&self) {
        let _waiting = self.inner.lock().waiting.take();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let waiting = {
            let mut inner = self.ready.inner.lock();
            inner.keys.push_back(self.key);
            inner.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use super::*;
    use crate::base::park::{Parker, Unparker};
    use crate::base::prim::{model, thread};

    struct Unpark(Unparker);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    /// The next key, waited for on this thread.
    fn next(ready: &Ready) -> usize {
        let parker = Parker::new();
        let waker = Waker::from(Arc::new(Unpark(parker.unparker())));
        let mut cx = Context::from_waker(&waker);
        let mut future = pin!(poll_fn(|cx| ready.poll_pop(cx)));
        loop {
            if let Poll::Ready(key) = future.as_mut().poll(&mut cx) {
                return key;
            }
            parker.park();
        }
    }

    #[test]
    fn loom_each_bell_is_heard_once() {
        model(|| {
            let ready = Ready::new();
            let threads: Vec<_> = (0..2)
                .map(|key| {
                    let bell = ready.bell(key);
                    thread::spawn(move || bell.wake())
                })
                .collect();
            let mut keys = [next(&ready), next(&ready)];
            keys.sort_unstable();
            assert_eq!(keys, [0, 1]);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(ready.pop(), None);
        });
    }

    /// The waiting task is polled by another waker between two bells.
    #[test]
    fn loom_a_bell_wakes_whoever_polled_last() {
        model(|| {
            let ready = Ready::new();
            let bell = ready.bell(7);
            let first = ready.poll_pop(&mut Context::from_waker(Waker::noop()));
            let ringer = thread::spawn(move || bell.wake());
            assert_eq!(first, Poll::Pending);
            assert_eq!(next(&ready), 7);
            ringer.join().unwrap();
        });
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn keys_come_in_the_order_of_the_bells() {
        let ready = Ready::new();
        for key in [3, 1, 2] {
            ready.bell(key).wake();
        }
        assert_eq!([ready.pop(), ready.pop(), ready.pop(), ready.pop()], [Some(3), Some(1), Some(2), None]);
    }

    /// A waker whose clone looks at the queue would hang if it were cloned under the lock; so would one whose wake
    /// rings again.
    #[cfg(not(rt_loom))]
    #[test]
    fn a_waker_may_ring_a_bell_itself() {
        struct Rings(Arc<Ready>);
        impl Wake for Rings {
            fn wake(self: Arc<Self>) {
                self.0.bell(2).wake();
            }
        }
        let ready = Ready::new();
        let waker = Waker::from(Arc::new(Rings(ready.clone())));
        assert!(ready.poll_pop(&mut Context::from_waker(&waker)).is_pending());
        ready.bell(1).wake();
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(1), Some(2), None]);
    }
}
