//! The channel's models.

use crate::base::prim::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::base::prim::{Arc, model, model_within, thread};
use crate::sync::broadcast::error::{RecvError, TryRecvError};
use crate::sync::broadcast::{Receiver, channel};
use crate::sync::tests::{Watched, poll, try_once, wait};

/// Receives until the channel is closed. Values count up by one, but for those that were missed.
fn receive_all(receiver: &mut Receiver<u64>, mut expected: u64) -> u64 {
    loop {
        match wait(receiver.recv()) {
            Ok(value) => {
                assert_eq!(value, expected);
                expected += 1;
            }
            Err(RecvError::Lagged(missed)) => expected += missed,
            Err(RecvError::Closed) => return expected,
        }
    }
}

#[test]
fn loom_a_slow_receiver_counts_what_it_misses() {
    model_within(3, || {
        let (sender, mut receiver) = channel(1);
        let other = thread::spawn(move || {
            for value in 0..3 {
                sender.send(value).unwrap();
            }
        });
        assert_eq!(receive_all(&mut receiver, 0), 3);
        other.join().unwrap();
    });
}

/// The sender stays, so that nothing but the value wakes the receiver.
#[test]
fn loom_a_value_is_not_missed_by_one_that_begins_to_wait() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let other = thread::spawn(move || {
            sender.send(1).unwrap();
            sender
        });
        assert_eq!(wait(receiver.recv()), Ok(1));
        drop(other.join().unwrap());
    });
}

#[test]
fn loom_the_last_value_and_the_end_are_not_missed() {
    model(|| {
        let (sender, mut receiver) = channel(2);
        let second = sender.clone();
        let other = thread::spawn(move || second.send(1).is_ok());
        drop(sender);
        assert_eq!(wait(receiver.recv()), Ok(1));
        assert_eq!(wait(receiver.recv()), Err(RecvError::Closed));
        assert!(other.join().unwrap());
    });
}

#[test]
fn loom_a_new_receiver_gets_all_that_is_sent_from_then_on() {
    model_within(3, || {
        let (sender, first) = channel(4);
        let sender = Arc::new(sender);
        let other = {
            let sender = sender.clone();
            thread::spawn(move || sender.subscribe())
        };
        let counts = [sender.send(0_u64).unwrap(), sender.send(1).unwrap()];
        let mut late = other.join().unwrap();
        drop((first, sender));
        // It was counted by those sends whose values it gets.
        let seen = counts.iter().filter(|count| **count == 2).count() as u64;
        assert_eq!(late.len() as u64, seen);
        assert_eq!(receive_all(&mut late, 2 - seen), 2);
    });
}

/// A receiver goes while a value is sent: the value is dropped by whoever comes last, once.
#[test]
fn loom_a_receiver_that_goes_against_a_send() {
    model(|| {
        let witness = Arc::new(());
        let (sender, receiver) = channel(1);
        let mut other_receiver = sender.subscribe();
        let other = thread::spawn(move || drop(receiver));
        sender.send(witness.clone()).unwrap();
        assert!(try_once(other_receiver.recv()).is_some_and(|value| value.is_ok()));
        other.join().unwrap();
        assert_eq!(sender.len(), 0);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

/// The last receiver goes, one subscribes, and the sender waits for there to be none.
#[test]
fn loom_closed_against_subscribing() {
    model(|| {
        let (sender, receiver) = channel::<u32>(1);
        let sender = Arc::new(sender);
        let going = thread::spawn(move || drop(receiver));
        let coming = {
            let sender = sender.clone();
            thread::spawn(move || drop(sender.subscribe()))
        };
        wait(sender.closed());
        going.join().unwrap();
        coming.join().unwrap();
        assert_eq!(sender.receiver_count(), 0);
    });
}

/// Three parties: the last sender goes, a weak one becomes a sender, and a receiver waits.
#[test]
fn loom_the_last_sender_against_an_upgrade_and_a_receiver() {
    model_within(3, || {
        let (sender, mut receiver) = channel(1);
        let weak = sender.downgrade();
        let going = thread::spawn(move || drop(sender));
        let upgrading = thread::spawn(move || weak.upgrade().is_some_and(|sender| sender.send(1).is_ok()));
        let received = wait(receiver.recv());
        let sent = upgrading.join().unwrap();
        going.join().unwrap();
        assert_eq!(received, if sent { Ok(1) } else { Err(RecvError::Closed) });
        assert!(receiver.is_closed());
    });
}

/// A value whose clone writes to it: the model fails if two clone it at once, or one while it is dropped.
struct Exclusive {
    cell: Watched,
    clones: Arc<AtomicUsize>,
}

impl Clone for Exclusive {
    fn clone(&self) -> Self {
        self.cell.add_one();
        // Others get a chance to run here.
        self.clones.fetch_add(1, SeqCst);
        self.cell.add_one();
        Self { cell: Watched::new(), clones: self.clones.clone() }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.cell.add_one();
    }
}

#[test]
fn loom_receivers_of_one_value_clone_it_in_turn_and_all_get_it() {
    model_within(2, || {
        let (sender, first) = channel(1);
        let mut receivers = vec![first, sender.subscribe(), sender.subscribe()];
        let clones = Arc::new(AtomicUsize::new(0));
        sender.send(Exclusive { cell: Watched::new(), clones: clones.clone() }).ok().unwrap();
        let mut last = receivers.pop().unwrap();
        let others: Vec<_> = receivers
            .into_iter()
            .map(|mut receiver| thread::spawn(move || drop(wait(receiver.recv()).ok().unwrap())))
            .collect();
        drop(wait(last.recv()).ok().unwrap());
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(clones.load(SeqCst), 3);
        assert_eq!(Arc::strong_count(&clones), 1);
    });
}

/// While one clones, a second one and a third one wait. The second one is woken, and gives up: the third one is woken then.
#[test]
fn loom_one_that_gives_up_its_turn_passes_it_on() {
    model_within(2, || {
        let (sender, mut first) = channel(1);
        let (mut second, mut third) = (sender.subscribe(), sender.subscribe());
        let clones = Arc::new(AtomicUsize::new(0));
        sender.send(Exclusive { cell: Watched::new(), clones: clones.clone() }).ok().unwrap();
        let cloning = thread::spawn(move || drop(wait(first.recv()).ok().unwrap()));
        let mut giving_up = Box::pin(second.recv());
        let early = poll(giving_up.as_mut());
        let waiting = thread::spawn(move || drop(wait(third.recv()).ok().unwrap()));
        // Waits here, so that the others come so far without a preemption.
        cloning.join().unwrap();
        drop((giving_up, early));
        waiting.join().unwrap();
        drop((sender, second));
        assert_eq!(Arc::strong_count(&clones), 1);
    });
}

/// The value that one receiver clones and another one waits for is evicted.
#[test]
fn loom_an_eviction_against_one_that_clones_and_one_that_waits() {
    model_within(2, || {
        let (sender, mut first) = channel(1);
        let mut second = sender.subscribe();
        let clones = Arc::new(AtomicUsize::new(0));
        let value = || Exclusive { cell: Watched::new(), clones: clones.clone() };
        sender.send(value()).ok().unwrap();
        let cloning = thread::spawn(move || drop(wait(first.recv())));
        let next = value();
        let sending = thread::spawn(move || drop(sender.send(next)));
        let received = wait(second.recv());
        assert!(matches!(received, Ok(_) | Err(RecvError::Lagged(1))));
        drop(received);
        cloning.join().unwrap();
        sending.join().unwrap();
        drop(second);
        assert_eq!(Arc::strong_count(&clones), 1);
    });
}

/// A poll that registers and is given up, against a send.
#[test]
fn loom_a_receiver_that_stops_waiting_loses_nothing() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let other = thread::spawn(move || sender.send(1).unwrap());
        let early = {
            let mut receiving = Box::pin(receiver.recv());
            match poll(receiving.as_mut()) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            }
        };
        other.join().unwrap();
        match early {
            Some(value) => assert_eq!(value, Ok(1)),
            None => assert_eq!(receiver.try_recv(), Ok(1)),
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    });
}
