//! The channel's models, and what the documentation promises.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::error::TryRecvError;
use super::{Receiver, Sender, channel};
use crate::base::block_on::block_on;
use crate::base::prim::{Arc, PlainArc, model, thread};

/// Waits in the model, too: a wake-up that is lost is a deadlock.
fn wait<F: Future>(future: F) -> F::Output {
    block_on(future, Duration::ZERO)
}

fn poll<T>(receiver: &mut Receiver<T>, waker: &Waker) -> Poll<Option<T>> {
    Pin::new(receiver).poll(&mut Context::from_waker(waker)).map(Result::ok)
}

#[test]
fn loom_a_sent_value_arrives_once() {
    model(|| {
        let witness = Arc::new(());
        let (sender, receiver) = channel();
        let value = witness.clone();
        let other = thread::spawn(move || sender.send(value).unwrap());
        assert!(wait(receiver).is_ok());
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn loom_a_dropped_sender_is_noticed() {
    model(|| {
        let (sender, receiver) = channel::<()>();
        let other = thread::spawn(move || drop(sender));
        assert!(wait(receiver).is_err());
        other.join().unwrap();
    });
}

#[test]
fn loom_a_dropped_receiver_is_noticed() {
    model(|| {
        let (mut sender, receiver) = channel::<()>();
        let other = thread::spawn(move || drop(receiver));
        wait(sender.closed());
        assert!(sender.is_closed());
        assert!(sender.send(()).is_err());
        other.join().unwrap();
    });
}

#[test]
fn loom_a_closed_receiver_is_noticed() {
    model(|| {
        let (mut sender, mut receiver) = channel::<()>();
        let other = thread::spawn(move || {
            receiver.close();
            assert!(wait(receiver).is_err());
        });
        wait(sender.closed());
        drop(sender);
        other.join().unwrap();
    });
}

/// A receiver that waits, then closes while the sender sends: once a way to memory that was freed twice
/// (RUSTSEC-2021-0124).
#[test]
fn loom_close_after_a_poll_against_send() {
    model(|| {
        let witness = Arc::new(());
        let (sender, mut receiver) = channel();
        let value = witness.clone();
        let other = thread::spawn(move || sender.send(value).is_ok());
        let waker = Waker::noop();
        let early = poll(&mut receiver, waker);
        let received = match early {
            Poll::Ready(value) => value.is_some(),
            Poll::Pending => {
                receiver.close();
                match poll(&mut receiver, waker) {
                    Poll::Ready(value) => value.is_some(),
                    Poll::Pending => panic!("a closed channel is never pending"),
                }
            }
        };
        assert_eq!(other.join().unwrap(), received, "what was sent was received");
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn loom_drop_against_send() {
    model(|| {
        let witness = Arc::new(());
        let (sender, mut receiver) = channel();
        assert!(poll(&mut receiver, Waker::noop()).is_pending());
        let value = witness.clone();
        let other = thread::spawn(move || drop(sender.send(value)));
        drop(receiver);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

/// Both ends have a waker in their slot when both go at once: each waker is dropped once.
#[test]
fn loom_drop_against_drop_with_wakers() {
    model(|| {
        let (rx_probe, tx_probe) = (PlainArc::new(Probe), PlainArc::new(Probe));
        let (mut sender, mut receiver) = channel::<()>();
        assert!(poll(&mut receiver, &Waker::from(rx_probe.clone())).is_pending());
        let waker = Waker::from(tx_probe.clone());
        assert!(sender.poll_closed(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let other = thread::spawn(move || drop(sender));
        drop(receiver);
        other.join().unwrap();
        assert_eq!(PlainArc::strong_count(&rx_probe), 1);
        assert_eq!(PlainArc::strong_count(&tx_probe), 1);
    });
}

#[test]
fn loom_a_change_of_wakers_loses_no_wake_up() {
    model(|| {
        let former = PlainArc::new(Probe);
        let (sender, mut receiver) = channel();
        assert!(poll(&mut receiver, &Waker::from(former.clone())).is_pending());
        let other = thread::spawn(move || sender.send(1).unwrap());
        assert_eq!(wait(&mut receiver), Ok(1));
        other.join().unwrap();
        assert_eq!(PlainArc::strong_count(&former), 1);
    });
}

#[test]
fn loom_try_recv_against_send() {
    model(|| {
        let (sender, mut receiver) = channel();
        let other = thread::spawn(move || sender.send(1).unwrap());
        loop {
            match receiver.try_recv() {
                Ok(value) => break assert_eq!(value, 1),
                Err(TryRecvError::Empty) => thread::yield_now(),
                Err(TryRecvError::Closed) => panic!("a value was sent"),
            }
        }
        other.join().unwrap();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}

struct Probe;

impl Wake for Probe {
    fn wake(self: PlainArc<Self>) {}
}

#[cfg(not(rt_loom))]
mod plain {
    use super::*;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::{RawWaker, RawWakerVTable};

    #[test]
    fn a_receiver_that_changes_its_task_wakes_the_new_one_only() {
        let (first, second) = (PlainArc::new(Count::default()), PlainArc::new(Count::default()));
        let (sender, mut receiver) = channel();
        assert!(poll(&mut receiver, &first.clone().into()).is_pending());
        assert_eq!(PlainArc::strong_count(&first), 2);
        assert!(poll(&mut receiver, &second.clone().into()).is_pending());
        assert_eq!((PlainArc::strong_count(&first), PlainArc::strong_count(&second)), (1, 2));
        sender.send(1).unwrap();
        assert_eq!((first.0.load(SeqCst), second.0.load(SeqCst)), (0, 1));
        assert_eq!(PlainArc::strong_count(&second), 1, "the channel keeps no waker that it has woken");
        assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(Some(1)));
    }

    #[test]
    fn close_wakes_the_sender_and_lets_the_receivers_waker_go() {
        let (rx, tx) = (PlainArc::new(Count::default()), PlainArc::new(Count::default()));
        let (mut sender, mut receiver) = channel::<u32>();
        assert!(poll(&mut receiver, &rx.clone().into()).is_pending());
        assert!(sender.poll_closed(&mut Context::from_waker(&tx.clone().into())).is_pending());
        receiver.close();
        receiver.close();
        assert_eq!((rx.0.load(SeqCst), tx.0.load(SeqCst)), (0, 1));
        assert_eq!(PlainArc::strong_count(&rx), 1);
        assert!(sender.poll_closed(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(sender.send(1), Err(1));
        assert!(!receiver.is_terminated());
        assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(None));
        assert!(receiver.is_terminated());
    }

    #[test]
    #[should_panic(expected = "called after complete")]
    fn polling_a_finished_receiver_panics() {
        let (sender, mut receiver) = channel::<u32>();
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        let _ = poll(&mut receiver, Waker::noop());
    }

    #[test]
    fn an_unreceived_value_is_dropped_with_the_receiver() {
        struct OnDrop(Rc<Cell<u32>>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let drops = Rc::new(Cell::new(0));
        let (sender, receiver) = channel();
        assert!(sender.send(OnDrop(drops.clone())).is_ok());
        assert_eq!(drops.get(), 0);
        drop(receiver);
        assert_eq!(drops.get(), 1);
        let (sender, receiver) = channel();
        drop(receiver);
        drop(sender.send(OnDrop(drops.clone())));
        assert_eq!(drops.get(), 2);
    }

    #[test]
    fn a_future_of_closed_can_be_dropped_and_made_again() {
        let (mut sender, receiver) = channel::<u32>();
        let count = PlainArc::new(Count::default());
        let waker = Waker::from(count.clone());
        for _ in 0..3 {
            let closed = pin!(sender.closed());
            assert!(closed.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        drop(receiver);
        assert_eq!(count.0.load(SeqCst), 1);
    }

    #[test]
    fn a_spent_budget_makes_both_ends_yield() {
        let (mut sender, mut receiver) = channel::<u32>();
        crate::base::coop::budget(|| {
            let count = PlainArc::new(Count::default());
            let waker = Waker::from(count.clone());
            let cx = &mut Context::from_waker(&waker);
            while let Poll::Ready(unit) = crate::base::coop::poll_proceed(cx) {
                unit.made_progress();
            }
            let before = count.0.load(SeqCst);
            assert!(sender.poll_closed(cx).is_pending());
            assert!(Pin::new(&mut receiver).poll(cx).is_pending());
            assert_eq!(count.0.load(SeqCst) - before, 2, "each asked to be polled again");
        });
        drop(sender);
        assert_eq!(poll(&mut receiver, Waker::noop()), Poll::Ready(None));
    }

    /// Clone, wake and drop that panic: the value arrives nevertheless, and nothing is freed twice.
    #[test]
    fn wakers_that_panic_leave_the_channel_whole() {
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
        let waker = |which: usize| {
            LIVE.fetch_add(1, SeqCst);
            // SAFETY: the table's functions only look at the address.
            unsafe { Waker::new(std::ptr::without_provenance(which), &TABLE) }
        };
        let quietly = |f: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(f)).is_err();
        for which in 1..=3 {
            for replaced in [false, true] {
                let (sender, mut receiver) = channel();
                let mut sender = Some(sender);
                let bad = waker(which);
                let cloned = quietly(&mut || assert!(poll(&mut receiver, &bad).is_pending()));
                assert_eq!(cloned, which == 1);
                if replaced {
                    // The former waker is dropped, and its panic is not this task's.
                    assert!(poll(&mut receiver, Waker::noop()).is_pending());
                }
                let panicked = quietly(&mut || sender.take().unwrap().send(5).unwrap());
                assert_eq!(panicked, which == 2 && !replaced);
                assert_eq!(receiver.try_recv(), Ok(5));
                assert_eq!(catch_unwind(AssertUnwindSafe(|| drop(bad))).is_err(), which == 3);
                assert_eq!(LIVE.load(SeqCst), 0, "waker {which}, replaced {replaced}");
            }
        }
    }

    /// A waker that panics when it is woken, and one that does when it is dropped.
    enum Bomb {
        Wake,
        Drop,
    }

    impl Wake for Bomb {
        fn wake(self: PlainArc<Self>) {
            assert!(!matches!(*self, Self::Wake), "wake");
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!matches!(self, Self::Drop), "drop");
        }
    }

    /// Both ends wait: the sender with one waker, the receiver with the other.
    fn both_wait(
        tx: PlainArc<impl Wake + Send + Sync + 'static>,
        rx: PlainArc<impl Wake + Send + Sync + 'static>,
    ) -> (Sender<u32>, Receiver<u32>) {
        let (mut sender, mut receiver) = channel();
        assert!(poll(&mut receiver, &Waker::from(rx)).is_pending());
        assert!(sender.poll_closed(&mut Context::from_waker(&Waker::from(tx))).is_pending());
        (sender, receiver)
    }

    type EndOf = fn(Sender<u32>, Receiver<u32>);
    const ENDS_OF_THE_SENDER: [EndOf; 2] = [
        |sender, rx| {
            let _alive = rx;
            let _ = sender.send(1);
        },
        |sender, rx| {
            let _alive = rx;
            drop(sender);
        },
    ];
    const ENDS_OF_THE_RECEIVER: [EndOf; 2] = [
        |tx, mut receiver| {
            let _alive = tx;
            receiver.close();
        },
        |tx, receiver| {
            let _alive = tx;
            drop(receiver);
        },
    ];

    #[test]
    fn a_waker_whose_drop_panics_at_one_end_costs_the_other_end_no_wake_up() {
        let bomb = || PlainArc::new(Bomb::Drop);
        for end in ENDS_OF_THE_SENDER {
            let count = PlainArc::new(Count::default());
            let (sender, receiver) = both_wait(bomb(), count.clone());
            catch_unwind(AssertUnwindSafe(|| end(sender, receiver))).unwrap_err();
            assert_eq!(count.0.load(SeqCst), 1);
        }
        for end in ENDS_OF_THE_RECEIVER {
            let count = PlainArc::new(Count::default());
            let (sender, receiver) = both_wait(count.clone(), bomb());
            catch_unwind(AssertUnwindSafe(|| end(sender, receiver))).unwrap_err();
            assert_eq!(count.0.load(SeqCst), 1);
        }
    }

    /// A second panic during the unwinding of the first would end the process.
    #[test]
    fn a_wake_and_a_drop_that_both_panic_are_one_panic_of_the_caller() {
        let expect_wake = |end: EndOf, tx: Bomb, rx: Bomb| {
            let (sender, receiver) = both_wait(PlainArc::new(tx), PlainArc::new(rx));
            let payload = catch_unwind(AssertUnwindSafe(|| end(sender, receiver))).unwrap_err();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"wake"));
        };
        for end in ENDS_OF_THE_SENDER {
            expect_wake(end, Bomb::Drop, Bomb::Wake);
        }
        for end in ENDS_OF_THE_RECEIVER {
            expect_wake(end, Bomb::Wake, Bomb::Drop);
        }
    }

    #[test]
    fn one_small_allocation() {
        let traced = cfg!(feature = "tracing");
        assert!(traced || std::mem::size_of::<super::super::Receiver<u64>>() == 8);
        assert!(super::super::channel::size::<u64>() <= 48);
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: PlainArc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
}
