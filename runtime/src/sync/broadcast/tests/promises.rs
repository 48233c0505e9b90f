//! What the documentation promises.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::sync::broadcast::error::{RecvError, TryRecvError};
use crate::sync::broadcast::{Receiver, Sender, channel};
use crate::sync::tests::{Task, try_once, without_budget};

/// A value whose clones tell when they begin, and end when they are told to.
struct Slow {
    began: mpsc::Sender<()>,
    goes_on: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl Clone for Slow {
    fn clone(&self) -> Self {
        self.began.send(()).unwrap();
        // Ends with an error when the test is over.
        let _ = self.goes_on.lock().unwrap().recv();
        Self { began: self.began.clone(), goes_on: self.goes_on.clone() }
    }
}

fn slow() -> (Slow, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (began, has_begun) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    (Slow { began, goes_on: Arc::new(Mutex::new(goes_on)) }, has_begun, go_on)
}

/// Plain values, and one that is slow to clone.
#[derive(Clone)]
enum Value {
    Plain(u32),
    Slow(#[allow(dead_code, reason = "it is there to be cloned")] Slow),
}

#[track_caller]
fn plain(received: Result<Value, TryRecvError>) -> u32 {
    match received {
        Ok(Value::Plain(value)) => value,
        Ok(Value::Slow(_)) => panic!("the slow one"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_slow_clone_delays_neither_the_sender_nor_receivers_of_other_values() {
    let (sender, mut cloning) = channel(4);
    let mut ahead = sender.subscribe();
    let mut waiting = sender.subscribe();
    let (value, has_begun, go_on) = slow();
    sender.send(Value::Slow(value)).ok().unwrap();
    go_on.send(()).unwrap();
    assert!(matches!(ahead.try_recv(), Ok(Value::Slow(_))));
    has_begun.recv().unwrap();

    let thread = thread::spawn(move || (matches!(cloning.try_recv(), Ok(Value::Slow(_))), cloning));
    has_begun.recv().unwrap();
    for value in 0..3 {
        sender.send(Value::Plain(value)).ok().unwrap();
        assert_eq!(plain(ahead.try_recv()), value);
    }
    assert_eq!((sender.len(), waiting.len()), (4, 4));
    let mut late = sender.subscribe();
    drop(sender.subscribe());
    {
        // It waits for its turn, and not for the next value.
        let mut task = Task::pending(waiting.recv());
        drop(Task::pending(late.recv()));
        go_on.send(()).unwrap();
        let (received, mut cloning) = thread.join().unwrap();
        assert!(received);
        assert_eq!(task.wakes(), 1);
        go_on.send(()).unwrap();
        assert!(matches!(task.ready(), Ok(Value::Slow(_))));
        assert_eq!(plain(cloning.try_recv()), 0);
    }
    assert_eq!(plain(waiting.try_recv()), 0);
}

#[test]
fn a_value_that_is_evicted_while_it_is_cloned_is_received_by_that_receiver_and_missed_by_the_others() {
    let (sender, mut cloning) = channel(1);
    let mut waiting = sender.subscribe();
    let (value, has_begun, go_on) = slow();
    sender.send(Value::Slow(value)).ok().unwrap();
    let thread = thread::spawn(move || cloning.try_recv().is_ok());
    has_begun.recv().unwrap();
    {
        let mut task = Task::pending(waiting.recv());
        sender.send(Value::Plain(1)).ok().unwrap();
        assert_eq!(task.wakes(), 1);
        assert!(matches!(task.ready(), Err(RecvError::Lagged(1))));
    }
    assert_eq!(plain(waiting.try_recv()), 1);
    go_on.send(()).unwrap();
    assert!(thread.join().unwrap());
}

#[test]
fn try_recv_blocks_while_another_receiver_clones_the_value() {
    let (sender, mut cloning) = channel(1);
    let mut waiting = sender.subscribe();
    let (value, has_begun, go_on) = slow();
    sender.send(Value::Slow(value)).ok().unwrap();
    let first = thread::spawn(move || cloning.try_recv().is_ok());
    has_begun.recv().unwrap();
    let second = thread::spawn(move || waiting.try_recv().is_ok());
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert!(first.join().unwrap() && second.join().unwrap());
    assert_eq!(sender.len(), 0);
}

/// A clone and a drop that use the channel.
struct Reentrant(Sender<Option<Reentrant>>, Arc<Mutex<Vec<usize>>>);

impl Reentrant {
    fn use_channel(&self) {
        let mut receiver = self.0.subscribe();
        self.0.send(None).ok().unwrap();
        // Missed, if drops in between have sent more.
        assert!(!matches!(receiver.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)));
        self.1.lock().unwrap().push(self.0.len());
    }
}

impl Clone for Reentrant {
    fn clone(&self) -> Self {
        self.use_channel();
        Self(self.0.clone(), self.1.clone())
    }
}

impl Drop for Reentrant {
    fn drop(&mut self) {
        self.use_channel();
    }
}

#[test]
fn clone_and_drop_of_a_value_may_use_the_channel() {
    let (sender, mut receiver) = channel(2);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let value = || Some(Reentrant(sender.clone(), seen.clone()));
    sender.send(value()).ok().unwrap();
    drop(receiver.try_recv().ok().unwrap());
    // Read last by a receiver, dropped by a sender, and by a receiver that goes.
    assert_eq!(seen.lock().unwrap().len(), 3);
    for _ in 0..3 {
        sender.send(value()).ok().unwrap();
    }
    drop(receiver);
    assert_eq!(sender.len(), 0);
    assert!(seen.lock().unwrap().len() > 3);
}

#[test]
fn a_value_is_dropped_with_its_last_read() {
    let (sender, mut first) = channel(8);
    let mut second = sender.subscribe();
    let witness = Arc::new(());
    let left = || Arc::strong_count(&witness) - 1;
    for _ in 0..3 {
        sender.send(witness.clone()).unwrap();
    }
    for _ in 0..2 {
        drop(first.try_recv().unwrap());
    }
    assert_eq!(left(), 3);
    drop(second.try_recv().unwrap());
    assert_eq!(left(), 2);
    drop(second);
    assert_eq!(left(), 1);
    drop(first);
    assert_eq!(left(), 0);
}

#[test]
fn memory_follows_the_values_that_are_kept() {
    let (sender, mut receiver) = channel(1 << 62);
    for value in 0..10_000_u32 {
        sender.send(value).unwrap();
    }
    assert_eq!(receiver.len(), 10_000);
    for value in 0..10_000 {
        assert_eq!(receiver.try_recv(), Ok(value));
    }
    assert!(sender.is_empty() && receiver.is_empty());
}

#[test]
fn the_end_comes_after_what_was_sent_and_a_channel_without_receivers_can_get_one() {
    let (sender, receiver) = channel(2);
    {
        let mut task = Task::pending(sender.closed());
        drop(receiver);
        assert_eq!(task.wakes(), 1);
        task.ready();
    }
    assert_eq!(sender.send(1).unwrap_err().0, 1);
    let mut receiver = sender.subscribe();
    assert!(try_once(sender.closed()).is_none());
    sender.send(2).unwrap();
    {
        let mut copy = receiver.resubscribe();
        let mut task = Task::pending(copy.recv());
        drop(sender);
        assert_eq!((task.wakes(), task.ready()), (1, Err(RecvError::Closed)));
    }
    assert!(receiver.is_closed());
    assert_eq!(try_once(receiver.recv()), Some(Ok(2)));
    assert_eq!(try_once(receiver.recv()), Some(Err(RecvError::Closed)));
    assert_eq!(receiver.resubscribe().try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn counts_and_weak_senders() {
    let (sender, receiver) = channel::<u32>(2);
    let weak = sender.downgrade();
    let (second, third) = (weak.upgrade().unwrap(), weak.clone());
    assert_eq!((sender.strong_count(), weak.strong_count(), receiver.sender_strong_count()), (2, 2, 2));
    assert_eq!((sender.weak_count(), weak.weak_count(), receiver.sender_weak_count()), (2, 2, 2));
    let copy = receiver.resubscribe();
    assert_eq!(sender.receiver_count(), 2);
    assert!(copy.same_channel(&receiver) && second.same_channel(&sender));
    assert!(!Sender::new(1).same_channel(&sender));
    drop((sender, second));
    assert!(third.upgrade().is_none() && receiver.is_closed());
    drop(third);
    assert_eq!(receiver.sender_weak_count(), 1);
    let shown = (format!("{weak:?}"), format!("{receiver:?}"));
    assert_eq!(shown, ("broadcast::WeakSender".to_owned(), "broadcast::Receiver".to_owned()));
}

#[test]
fn a_spent_budget_loses_no_value() {
    let (sender, mut receiver) = channel(1);
    sender.send(1).unwrap();
    without_budget(|| assert!(try_once(receiver.recv()).is_none()));
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn many_receivers_are_woken_once_each_and_no_waker_is_left() {
    let (sender, receiver) = channel(1);
    let mut receivers: Vec<Receiver<u32>> = (0..100).map(|_| receiver.resubscribe()).collect();
    let tasks: Vec<_> = receivers.iter_mut().map(|receiver| Task::pending(receiver.recv())).collect();
    assert_eq!(sender.send(7).unwrap(), 101);
    for mut task in tasks {
        assert_eq!((task.wakes(), task.wakers()), (1, 0));
        assert_eq!(task.ready(), Ok(7));
    }
}

#[test]
fn what_cannot_be_a_capacity_is_refused() {
    for (capacity, message) in [
        (0, "broadcast channel capacity cannot be zero"),
        (1 + (usize::MAX >> 1), "broadcast channel capacity exceeded `usize::MAX / 2`"),
    ] {
        let made = std::panic::catch_unwind(|| channel::<u32>(capacity));
        assert_eq!(made.unwrap_err().downcast_ref::<&str>(), Some(&message));
    }
}
