//! The channels' models. A block has two slots in them, so a handful of values crosses blocks.

use crate::base::prim::{Arc, model, model_within, thread};
use crate::sync::mpsc::error::TryRecvError;
use crate::sync::mpsc::{channel, unbounded_channel};
use crate::sync::tests::{poll, try_once, wait};

#[test]
fn loom_values_of_two_senders_arrive_once_and_in_their_order() {
    model_within(1, || {
        let (sender, mut receiver) = unbounded_channel();
        let others: Vec<_> = (0..2)
            .map(|name| {
                let sender = sender.clone();
                thread::spawn(move || {
                    sender.send((name, 0)).unwrap();
                    sender.send((name, 1)).unwrap();
                })
            })
            .collect();
        drop(sender);
        let mut seen = [0, 0];
        while let Some((name, count)) = wait(receiver.recv()) {
            assert_eq!(std::mem::replace(&mut seen[name], count + 1), count);
        }
        assert_eq!(seen, [2, 2]);
        for other in others {
            other.join().unwrap();
        }
    });
}

/// Five values from one sender go through three blocks: appended, left behind, moved past, freed.
#[test]
fn loom_blocks_are_handed_over_and_freed() {
    model_within(2, || {
        let witness = Arc::new(());
        let (sender, mut receiver) = unbounded_channel();
        let other = {
            let witness = witness.clone();
            thread::spawn(move || {
                for _ in 0..5 {
                    sender.send(witness.clone()).unwrap();
                }
            })
        };
        for _ in 0..5 {
            assert!(wait(receiver.recv()).is_some());
        }
        other.join().unwrap();
        assert!(wait(receiver.recv()).is_none());
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

/// One sender is still on its way over a block that is complete but for its value's, while another one has gone on.
#[test]
fn loom_a_slow_sender_and_a_fast_one_in_the_next_block() {
    model_within(1, || {
        let (sender, mut receiver) = unbounded_channel();
        sender.send(0).unwrap();
        let slow = {
            let sender = sender.clone();
            thread::spawn(move || sender.send(1).unwrap())
        };
        let fast = thread::spawn(move || {
            sender.send(2).unwrap();
            sender.send(3).unwrap();
            sender.send(4).unwrap();
        });
        let mut received = Vec::new();
        while let Some(value) = wait(receiver.recv()) {
            received.push(value);
        }
        assert_eq!(received.iter().filter(|value| **value != 1).copied().collect::<Vec<_>>(), [0, 2, 3, 4]);
        assert_eq!(received.len(), 5);
        slow.join().unwrap();
        fast.join().unwrap();
    });
}

/// One sends, one clone goes, and the receiver closes.
#[test]
fn loom_closing_against_sending_and_the_last_sender_going() {
    model_within(2, || {
        let witness = Arc::new(());
        let (sender, mut receiver) = unbounded_channel();
        let sending = {
            let (sender, witness) = (sender.clone(), witness.clone());
            thread::spawn(move || sender.send(witness).is_ok())
        };
        let going = thread::spawn(move || drop(sender));
        receiver.close();
        let received = wait(receiver.recv()).is_some();
        assert!(!received || wait(receiver.recv()).is_none());
        assert_eq!(sending.join().unwrap(), received, "what was let in was received");
        going.join().unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn loom_the_receiver_goes_while_values_arrive() {
    model_within(2, || {
        let witness = Arc::new(());
        let (sender, receiver) = unbounded_channel();
        sender.send(witness.clone()).unwrap();
        let other = {
            let witness = witness.clone();
            thread::spawn(move || {
                for _ in 0..3 {
                    let _ = sender.send(witness.clone());
                }
            })
        };
        drop(receiver);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn loom_a_full_channel_makes_the_sender_wait() {
    model_within(2, || {
        let (sender, mut receiver) = channel(1);
        let other = thread::spawn(move || {
            for i in 0..3 {
                wait(sender.send(i)).unwrap();
            }
        });
        for i in 0..3 {
            assert_eq!(wait(receiver.recv()), Some(i));
        }
        assert_eq!(wait(receiver.recv()), None);
        other.join().unwrap();
    });
}

/// The receiver has closed the channel and waits; the permit that is out is used, or given back.
#[test]
fn loom_a_closed_channel_waits_for_permits() {
    for used in [false, true] {
        model_within(2, move || {
            let (sender, mut receiver) = channel(2);
            // The sender stays, so that nothing but the permits wakes the receiver.
            let first = sender.clone().try_reserve_owned().unwrap();
            let second = sender.clone().try_reserve_owned().unwrap();
            let others = [first, second].map(|permit| {
                thread::spawn(move || {
                    if used {
                        permit.send(1);
                    }
                })
            });
            receiver.close();
            let mut received = 0;
            while wait(receiver.recv()).is_some() {
                received += 1;
            }
            assert_eq!(received, if used { 2 } else { 0 });
            for other in others {
                other.join().unwrap();
            }
            drop(sender);
        });
    }
}

/// A sender waits for room when the channel is closed, and has got a part of what it wants. It keeps nothing.
#[test]
fn loom_closing_against_one_that_waits_for_room() {
    model_within(2, || {
        let (sender, mut receiver) = channel::<u32>(2);
        let sender = Arc::new(sender);
        let held = sender.try_reserve().unwrap();
        let other = {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut future = Box::pin(sender.reserve_many(2));
                let early = poll(future.as_mut()).is_ready();
                drop(future);
                early
            })
        };
        receiver.close();
        drop(held);
        assert_eq!(wait(receiver.recv()), None);
        other.join().unwrap();
        assert_eq!(sender.capacity(), 2);
    });
}

#[test]
fn loom_trying_to_receive_against_two_that_send() {
    model_within(2, || {
        let (sender, mut receiver) = unbounded_channel();
        let other = {
            let sender = sender.clone();
            thread::spawn(move || sender.send(1).unwrap())
        };
        sender.send(2).unwrap();
        // It has been sent, whatever the other one does.
        let first = receiver.try_recv().expect("the second value was sent before");
        other.join().unwrap();
        let second = receiver.try_recv().unwrap();
        assert_eq!(first + second, 3);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn loom_a_receiver_that_gives_up_loses_nothing() {
    model_within(2, || {
        let (sender, mut receiver) = channel(1);
        let other = thread::spawn(move || wait(sender.send(1)).unwrap());
        let early = try_once(receiver.recv());
        if early.is_none() {
            assert_eq!(wait(receiver.recv()), Some(1));
        }
        assert_eq!(wait(receiver.recv()), None);
        other.join().unwrap();
    });
}

#[test]
fn loom_upgrading_against_the_last_sender_going() {
    model(|| {
        let (sender, mut receiver) = channel(1);
        let weak = sender.downgrade();
        let other = thread::spawn(move || match weak.upgrade() {
            Some(sender) => sender.try_send(1).is_ok(),
            None => false,
        });
        drop(sender);
        let received = wait(receiver.recv()).is_some();
        assert_eq!(other.join().unwrap(), received);
        assert_eq!(wait(receiver.recv()), None);
    });
}

#[test]
fn loom_waiting_for_the_receiver_to_go() {
    model(|| {
        let (sender, receiver) = channel::<u32>(1);
        let other = thread::spawn(move || drop(receiver));
        wait(sender.closed());
        assert!(sender.is_closed());
        other.join().unwrap();
    });
}
