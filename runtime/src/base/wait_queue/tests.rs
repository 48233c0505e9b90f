//! The queue's models, and what it promises to the primitives.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::base::block_on::block_on;
use crate::base::prim::atomic::{AtomicBool, AtomicUsize};
use crate::base::prim::{Arc, model, model_within, thread};

/// A flag that can be waited for.
struct Flag {
    set: AtomicBool,
    queue: WaitQueue<(), u32>,
}

impl Flag {
    fn new() -> Self {
        Self { set: AtomicBool::new(false), queue: WaitQueue::new(()) }
    }

    fn set(&self) {
        self.set.store(true, Release);
        self.queue.wake_all();
    }

    fn poll(&self, waiter: Pin<&mut Waiter<&WaitQueue<(), u32>>>, waker: &Waker) -> Poll<()> {
        waiter.poll_wait(waker, |_| self.set.load(Acquire).then_some(()))
    }

    fn wait(&self) -> impl Future<Output = ()> {
        let mut waiter = Box::pin(Waiter::new(&self.queue, 0));
        poll_fn(move |cx| self.poll(waiter.as_mut(), cx.waker()))
    }
}

/// Waits in the model, too: a wake-up that is lost is a deadlock.
fn wait<F: Future>(future: F) -> F::Output {
    block_on(future, Duration::ZERO)
}

#[test]
fn loom_a_registration_and_a_wake_up_do_not_miss_each_other() {
    model(|| {
        let flag = Arc::new(Flag::new());
        let other = {
            let flag = flag.clone();
            thread::spawn(move || flag.set())
        };
        wait(flag.wait());
        other.join().unwrap();
        assert!(flag.queue.lock().is_empty());
    });
}

/// A waiter that is dropped while it is being released, with the memory checked by the model.
#[test]
fn loom_leaving_against_a_release() {
    model(|| {
        let flag = Arc::new(Flag::new());
        let mut waiter = Box::pin(Waiter::new(&flag.queue, 0));
        assert!(flag.poll(waiter.as_mut(), Waker::noop()).is_pending());
        let other = {
            let flag = flag.clone();
            thread::spawn(move || flag.queue.lock().release_oldest(|data| *data = 7).is_some())
        };
        let seen = waiter.as_mut().take_release();
        drop(waiter);
        let released = other.join().unwrap();
        assert!(seen.is_none_or(|data| released && data == 7));
        assert!(flag.queue.lock().is_empty());
    });
}

/// Three waiters are two batches in a model: one of them leaves between the two, another one comes.
#[test]
fn loom_a_second_batch_against_one_that_leaves_and_one_that_comes() {
    model_within(2, || {
        let flag = Arc::new(Flag::new());
        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(Waiter::new(&flag.queue, 0))).collect();
        for waiter in &mut waiters {
            assert!(flag.poll(waiter.as_mut(), Waker::noop()).is_pending());
        }
        let other = {
            let flag = flag.clone();
            thread::spawn(move || flag.queue.lock().wake_all(|(), data| *data += 1))
        };
        let third = waiters.pop();
        drop(third);
        let mut late = Box::pin(Waiter::new(&flag.queue, 0));
        assert!(flag.poll(late.as_mut(), Waker::noop()).is_pending());
        other.join().unwrap();
        for mut waiter in waiters {
            assert_eq!(waiter.as_mut().take_release(), Some(1), "released once");
        }
        let late_released = late.as_mut().take_release().is_some();
        assert_eq!(flag.queue.lock().is_empty(), late_released);
    });
}

/// Two tasks poll the same future in turn: the second one's waker counts.
#[test]
fn loom_a_change_of_wakers_against_a_wake_up() {
    model(|| {
        let flag = Arc::new(Flag::new());
        let mut future = Box::pin(flag.wait());
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let other = {
            let flag = flag.clone();
            thread::spawn(move || flag.set())
        };
        wait(future.as_mut());
        other.join().unwrap();
    });
}

#[test]
fn loom_two_that_release_take_a_waiter_each() {
    model(|| {
        let flag = Arc::new(Flag::new());
        let woken = Arc::new(AtomicUsize::new(0));
        let mut first = pin!(Waiter::new(&flag.queue, 0));
        let mut second = pin!(Waiter::new(&flag.queue, 0));
        assert!(flag.poll(first.as_mut(), Waker::noop()).is_pending());
        assert!(flag.poll(second.as_mut(), Waker::noop()).is_pending());
        let release = {
            let (flag, woken) = (flag.clone(), woken.clone());
            move || {
                if let Some(Some(waker)) = flag.queue.lock().release_oldest(|_| ()) {
                    waker.wake();
                    woken.fetch_add(1, Relaxed);
                }
            }
        };
        let other = thread::spawn(release.clone());
        release();
        other.join().unwrap();
        assert_eq!(woken.load(Relaxed), 2);
        assert!(first.take_release().is_some() && second.take_release().is_some());
    });
}

#[cfg(not(rt_loom))]
mod plain {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::sync::atomic::Ordering::SeqCst;
    use std::task::{RawWaker, RawWakerVTable, Wake};

    struct Named(usize, PlainArc<Mutex<Vec<usize>>>);

    impl Wake for Named {
        fn wake(self: PlainArc<Self>) {
            self.1.lock().unwrap().push(self.0);
            assert!(self.0 % 5 != 2, "waker {}", self.0);
        }
    }

    #[test]
    fn all_are_woken_in_order_across_batches_though_some_panic() {
        let woken = PlainArc::new(Mutex::new(Vec::new()));
        let flag = Flag::new();
        let mut waiters: Vec<_> = (0..100).map(|_| Box::pin(Waiter::new(&flag.queue, 0))).collect();
        for (name, waiter) in waiters.iter_mut().enumerate() {
            let waker = Waker::from(PlainArc::new(Named(name, woken.clone())));
            assert!(flag.poll(waiter.as_mut(), &waker).is_pending());
        }
        flag.set();
        assert_eq!(*woken.lock().unwrap(), (0..100).collect::<Vec<_>>());
        assert!(waiters.iter_mut().all(|waiter| waiter.as_mut().take_release().is_some()));
    }

    #[test]
    fn a_waker_may_use_the_queue_that_wakes_it() {
        struct Again(PlainArc<Flag>);
        impl Wake for Again {
            fn wake(self: PlainArc<Self>) {
                let mut waiter = pin!(Waiter::new(&self.0.queue, 0));
                assert!(waiter.as_mut().lock().queue().release_oldest(|_| ()).is_some());
            }
        }
        impl Drop for Again {
            fn drop(&mut self) {
                drop(self.0.queue.lock());
            }
        }
        let flag = PlainArc::new(Flag::new());
        let mut waiters: Vec<_> = (0..80).map(|_| Box::pin(Waiter::new(&flag.queue, 0))).collect();
        for (name, waiter) in waiters.iter_mut().enumerate() {
            // Those of the first batch each release one of the others.
            let waker = if name < 32 {
                Waker::from(PlainArc::new(Again(flag.clone())))
            } else {
                Waker::noop().clone()
            };
            assert!(flag.poll(waiter.as_mut(), &waker).is_pending());
        }
        // Not through `wake_all`, which sets the others apart.
        let mut wakers = Vec::new();
        while wakers.len() < 32 {
            wakers.extend(flag.queue.lock().release_oldest(|_| ()).flatten());
        }
        for waker in wakers {
            waker.wake();
        }
        let left = waiters.iter().filter(|waiter| waiter.is_queued()).count();
        assert_eq!(left, 80 - 64);
        flag.queue.wake_all();
        assert!(flag.queue.lock().is_empty());
    }

    #[test]
    fn the_newest_can_be_released_and_the_oldest_looked_at() {
        let flag = Flag::new();
        let mut waiters: Vec<_> = (0..3).map(|name| Box::pin(Waiter::new(&flag.queue, name))).collect();
        for waiter in &mut waiters {
            assert!(flag.poll(waiter.as_mut(), Waker::noop()).is_pending());
        }
        let mut locked = flag.queue.lock();
        assert_eq!(locked.with_oldest(|data| *data), Some(0));
        assert!(locked.release_newest(|data| *data += 10).is_some());
        assert!(locked.release_oldest(|data| *data += 20).is_some());
        drop(locked);
        let data: Vec<_> = waiters.iter_mut().map(|waiter| waiter.as_mut().take_release()).collect();
        assert_eq!(data, [Some(20), None, Some(12)]);
    }

    /// A waker's clone, wake and drop all panic: the others are woken, and each waker is dropped once.
    #[test]
    fn wakers_that_panic_leave_the_queue_whole() {
        static LIVE: AtomicUsize = AtomicUsize::new(0);
        const TABLE: RawWakerVTable = RawWakerVTable::new(
            |which| {
                assert!(which.addr() != 1, "clone");
                LIVE.fetch_add(1, SeqCst);
                RawWaker::new(which, &TABLE)
            },
            |which| {
                LIVE.fetch_sub(1, SeqCst);
                assert!(which.addr() != 2, "wake");
            },
            |_| {},
            |which| {
                LIVE.fetch_sub(1, SeqCst);
                assert!(which.addr() != 3, "drop");
            },
        );
        for which in 1..=3_usize {
            for replaced in [false, true] {
                let flag = Flag::new();
                let (mut bad, mut good) =
                    (Box::pin(Waiter::new(&flag.queue, 0)), Box::pin(Waiter::new(&flag.queue, 0)));
                LIVE.fetch_add(1, SeqCst);
                // SAFETY: the table's functions only look at the address.
                let waker = unsafe { Waker::new(std::ptr::without_provenance(which), &TABLE) };
                let polled = catch_unwind(AssertUnwindSafe(|| flag.poll(bad.as_mut(), &waker)));
                assert_eq!(polled.is_err(), which == 1);
                if replaced {
                    assert!(flag.poll(bad.as_mut(), Waker::noop()).is_pending());
                }
                let woken = PlainArc::new(Mutex::new(Vec::new()));
                let named = Waker::from(PlainArc::new(Named(0, woken.clone())));
                assert!(flag.poll(good.as_mut(), &named).is_pending());
                flag.set();
                assert_eq!(*woken.lock().unwrap(), [0]);
                assert_eq!(bad.as_mut().take_release().is_some(), which != 1 || replaced);
                drop((bad, good));
                assert_eq!(catch_unwind(AssertUnwindSafe(|| drop(waker))).is_err(), which == 3);
                assert_eq!(LIVE.load(SeqCst), 0, "waker {which}, replaced {replaced}");
            }
        }
    }

    #[test]
    fn a_queue_that_is_a_part_of_something_counted_keeps_it_alive() {
        let flag = PlainArc::new(Flag::new());
        let queue = PartOf::new(flag.clone(), |flag| &flag.queue);
        let mut waiter = Box::pin(Waiter::new(queue, 3));
        assert!(waiter.as_mut().poll_wait(Waker::noop(), |_| None::<()>).is_pending());
        assert_eq!(PlainArc::strong_count(&flag), 2);
        assert_eq!(PlainArc::strong_count(waiter.queue().owner()), 2);
        let weak = PlainArc::downgrade(&flag);
        drop(flag);
        assert!(weak.upgrade().is_some_and(|flag| !flag.queue.lock().is_empty()));
        drop(waiter);
        assert!(weak.upgrade().is_none());
    }
}
