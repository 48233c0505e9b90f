//! What the documentation promises.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use crate::sync::mpsc::block::Position;
use crate::sync::mpsc::bounded::Bounded;
use crate::sync::mpsc::error::{TryRecvError, TrySendError};
use crate::sync::mpsc::unbounded::Unbounded;
use crate::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, chan, channel, unbounded_channel,
};
use crate::sync::tests::{Task, try_once, without_budget};

#[test]
fn a_receiver_is_woken_once_by_the_value_that_it_waits_for() {
    let (sender, mut receiver) = unbounded_channel();
    let mut task = Task::pending(async move {
        let first = receiver.recv().await;
        (first, receiver)
    });
    for i in 0..100 {
        sender.send(i).unwrap();
    }
    assert_eq!(task.wakes(), 1);
    let (first, mut receiver) = task.ready();
    assert_eq!(first, Some(0));
    assert_eq!(receiver.len(), 99);
    assert_eq!(
        std::iter::from_fn(|| receiver.try_recv().ok()).collect::<Vec<_>>(),
        (1..100).collect::<Vec<_>>()
    );
}

#[test]
fn room_is_given_in_the_order_in_which_it_was_asked_for() {
    let (sender, mut receiver) = channel(2);
    sender.try_send(0).unwrap();
    let mut many = Task::pending(sender.reserve_many(2));
    let mut one = Task::pending(sender.send(9));
    assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((many.wakes(), one.wakes()), (1, 0));
    let mut permits = many.ready().unwrap();
    assert_eq!(permits.len(), 2);
    permits.next().unwrap().send(1);
    drop(permits);
    one.ready().unwrap();
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(9)));
    assert_eq!(sender.capacity(), 2);
    assert!(try_once(sender.reserve_many(3)).unwrap().is_err(), "there is never so much room");
}

#[test]
fn closing_wakes_those_who_wait_for_room_and_lets_permits_be_used() {
    let (sender, mut receiver) = channel(1);
    let permit = sender.try_reserve().unwrap();
    let mut waiting = Task::pending(sender.send(1));
    let mut closed = Task::pending(sender.closed());
    receiver.close();
    assert_eq!((waiting.wakes(), closed.wakes()), (1, 1));
    assert_eq!(waiting.ready().unwrap_err().0, 1);
    closed.ready();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty), "a permit is out");
    {
        let mut end = Task::pending(receiver.recv());
        permit.send(7);
        assert_eq!(end.ready(), Some(7));
    }
    assert_eq!(try_once(receiver.recv()), Some(None));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_reservation_that_is_dropped_after_the_channel_was_closed_ends_the_receivers_wait() {
    let (sender, mut receiver) = channel::<u32>(1);
    let held = sender.try_reserve().unwrap();
    let granted = Task::pending(sender.reserve());
    drop(held);
    assert_eq!(granted.wakes(), 1, "it has the permit, and has not been polled since");
    receiver.close();
    let mut end = Task::pending(receiver.recv());
    drop(granted);
    assert_eq!(end.wakes(), 1);
    assert_eq!(end.ready(), None);
}

#[test]
fn many_values_at_once() {
    let (sender, mut receiver) = channel(100);
    for i in 0..100 {
        sender.try_send(i).unwrap();
    }
    let mut buffer = vec![-1];
    assert_eq!(try_once(receiver.recv_many(&mut buffer, 0)), Some(0));
    assert_eq!(try_once(receiver.recv_many(&mut buffer, 70)), Some(70));
    assert_eq!(sender.capacity(), 70);
    assert_eq!(try_once(receiver.recv_many(&mut buffer, usize::MAX)), Some(30));
    assert_eq!(buffer, (-1..100).collect::<Vec<_>>());
    assert_eq!(try_once(receiver.recv_many(&mut buffer, 1)), None);
    drop(sender);
    assert_eq!(try_once(receiver.recv_many(&mut buffer, 1)), Some(0));
}

/// Positions wrap around in the middle of it, in both kinds of channel.
#[test]
fn positions_wrap_around() {
    let origin = Position(0_usize.wrapping_sub(64 * Position::STEP));
    let (tx, rx) = chan::new_at(Bounded::new(40), origin);
    let (sender, mut receiver) = (Sender { tx }, Receiver { rx });
    for round in 0..10 {
        for i in 0..40 {
            sender.try_send(40 * round + i).unwrap();
        }
        assert_eq!(receiver.len(), 40);
        for i in 0..40 {
            assert_eq!(receiver.try_recv(), Ok(40 * round + i));
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
    let (tx, rx) = chan::new_at(Unbounded, origin);
    let (sender, mut receiver) = (UnboundedSender { tx }, UnboundedReceiver { rx });
    for i in 0..200 {
        sender.send(i).unwrap();
    }
    receiver.close();
    assert!(sender.send(200).is_err());
    assert_eq!(receiver.len(), 200);
    for i in 0..200 {
        assert_eq!(receiver.try_recv(), Ok(i));
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_spent_budget_makes_the_receiver_yield() {
    let (sender, mut receiver) = unbounded_channel();
    sender.send(1).unwrap();
    let mut buffer = Vec::new();
    without_budget(|| {
        assert!(try_once(receiver.recv()).is_none());
        assert!(try_once(receiver.recv_many(&mut buffer, 1)).is_none());
    });
    assert_eq!(try_once(receiver.recv()), Some(Some(1)));
    let (sender, _receiver) = channel(1);
    without_budget(|| assert!(try_once(sender.send(1)).is_none()));
    assert_eq!(sender.capacity(), 1, "it had the room, and gave it back");
}

#[test]
fn values_are_dropped_once_though_drops_panic() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    struct Loud(usize);
    impl Drop for Loud {
        fn drop(&mut self) {
            DROPS.fetch_add(1, SeqCst);
            assert!(self.0 % 50 != 3, "drop");
        }
    }
    // Dropped by the receiver.
    let (sender, receiver) = unbounded_channel();
    for i in 0..100 {
        assert!(sender.send(Loud(i)).is_ok());
    }
    catch_unwind(AssertUnwindSafe(|| drop(receiver))).unwrap_err();
    assert_eq!(DROPS.load(SeqCst), 100);
    // Dropped with the channel, as they were sent when the receiver was gone.
    let (sender, mut receiver) = channel(100);
    assert!(sender.try_send(Loud(100)).is_ok());
    assert!(receiver.try_recv().is_ok());
    let permits: Vec<_> = sender.try_reserve_many(100).unwrap().collect();
    drop(receiver);
    for (i, permit) in permits.into_iter().enumerate() {
        permit.send(Loud(i));
    }
    assert_eq!(DROPS.load(SeqCst), 101);
    catch_unwind(AssertUnwindSafe(|| drop(sender))).unwrap_err();
    assert_eq!(DROPS.load(SeqCst), 201);
}

#[test]
fn the_last_sender_wakes_the_receiver_and_weak_ones_do_not_count() {
    let (sender, mut receiver) = channel::<u32>(1);
    let weak = sender.downgrade();
    assert_eq!((sender.strong_count(), weak.weak_count()), (1, 1));
    let second = weak.upgrade().unwrap();
    assert!(second.same_channel(&sender));
    {
        let mut task = Task::pending(receiver.recv());
        drop(sender);
        assert_eq!(task.wakes(), 0);
        drop(second);
        assert_eq!(task.wakes(), 1);
        assert_eq!(task.ready(), None);
    }
    assert!(weak.upgrade().is_none() && receiver.is_closed());
    assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (0, 1));
}

#[test]
fn owned_permits_are_senders() {
    let (sender, mut receiver) = channel(1);
    let permit = sender.clone().try_reserve_owned().unwrap();
    assert!(permit.same_channel_as_sender(&sender) && permit.same_channel(&permit));
    let refused = sender.try_reserve_owned().unwrap_err();
    assert!(matches!(refused, TrySendError::Full(_)));
    drop(refused);
    assert!(!receiver.is_closed(), "the permit is a sender");
    drop(permit.send(1));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn only_the_last_waker_is_woken_and_none_is_kept() {
    let (sender, mut receiver) = unbounded_channel();
    let first = {
        let mut task = Task::new(std::future::poll_fn(|cx| receiver.poll_recv(cx)));
        assert!(task.poll().is_pending());
        (task.wakers(), task.wakes())
    };
    assert_eq!(first, (1, 0));
    let mut task = Task::pending(std::future::poll_fn(|cx| receiver.poll_recv(cx)));
    sender.send(1).unwrap();
    assert_eq!((task.wakes(), task.wakers()), (1, 0));
    assert_eq!(task.poll(), Poll::Ready(Some(1)));
}

#[test]
fn threads_send_and_receive_by_blocking() {
    let (sender, mut receiver) = channel(3);
    let total = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (sender, total) = (sender.clone(), total.clone());
            std::thread::spawn(move || {
                for i in 0..1000 {
                    sender.blocking_send(i).unwrap();
                    total.fetch_add(i, SeqCst);
                }
            })
        })
        .collect();
    drop(sender);
    let (mut sum, mut buffer) = (0, Vec::new());
    while receiver.blocking_recv_many(&mut buffer, 7) > 0 {
        sum += buffer.drain(..).sum::<usize>();
        sum += receiver.blocking_recv().unwrap_or(0);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(sum, total.load(SeqCst));
}
