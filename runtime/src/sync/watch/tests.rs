//! The channel's models, and what the documentation promises.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::base::prim::{model, model_within, thread};
use crate::sync::tests::{Task, try_once, wait, without_budget};

#[test]
fn loom_each_receiver_sees_the_last_value() {
    model_within(2, || {
        let (sender, receiver) = channel(0);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let mut receiver = receiver.clone();
                thread::spawn(move || {
                    let mut last = 0;
                    while wait(receiver.changed()).is_ok() {
                        let value = *receiver.borrow_and_update();
                        assert!(value > last || !receiver.has_changed().unwrap_or(false));
                        last = value;
                    }
                    *receiver.borrow()
                })
            })
            .collect();
        drop(receiver);
        sender.send_replace(1);
        sender.send_replace(2);
        drop(sender);
        for other in others {
            assert_eq!(other.join().unwrap(), 2);
        }
    });
}

#[test]
fn loom_a_change_is_not_missed_by_one_that_begins_to_wait() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        // The sender stays, so that nothing but the change wakes the receiver.
        let other = thread::spawn(move || {
            sender.send(1).unwrap();
            sender
        });
        wait(receiver.changed()).unwrap();
        assert_eq!(*receiver.borrow(), 1);
        drop(other.join().unwrap());
        assert!(wait(receiver.changed()).is_err());
    });
}

#[test]
fn loom_the_version_belongs_to_the_value() {
    model(|| {
        let (sender, mut receiver) = channel(0);
        let other = thread::spawn(move || sender.send_replace(1));
        let value = receiver.borrow_and_update();
        let (seen, has_changed) = (*value, value.has_changed());
        drop(value);
        assert_eq!(seen == 1, has_changed);
        other.join().unwrap();
        assert_eq!(try_once(receiver.changed()).is_some_and(|changed| changed.is_ok()), seen == 0);
    });
}

/// The last receiver goes, one subscribes, and the sender waits for there to be none.
#[test]
fn loom_closing_against_subscribing() {
    model(|| {
        let (sender, receiver) = channel(0);
        let sender = Arc::new(sender);
        let going = thread::spawn(move || drop(receiver));
        let coming = {
            let sender = sender.clone();
            thread::spawn(move || drop(sender.subscribe()))
        };
        wait(sender.closed());
        going.join().unwrap();
        coming.join().unwrap();
        assert!(sender.is_closed());
    });
}

#[test]
fn a_wait_for_a_value_ends_with_it_or_with_the_sender() {
    let (sender, mut receiver) = channel(0);
    {
        let mut task = Task::pending(receiver.wait_for(|value| *value >= 2));
        sender.send(1).unwrap();
        assert!(task.poll().is_pending());
        sender.send(2).unwrap();
        assert_eq!(task.wakes(), 2);
        assert_eq!(*task.ready().unwrap(), 2);
    }
    assert!(!receiver.has_changed().unwrap());
    let mut task = Task::pending(receiver.wait_for(|value| *value >= 9));
    sender.send(9).unwrap();
    drop(sender);
    assert_eq!(*task.ready().unwrap(), 9);
    drop(task);
    assert!(try_once(receiver.wait_for(|_| false)).unwrap().is_err());
    assert_eq!(*try_once(receiver.wait_for(|_| true)).unwrap().unwrap(), 9);
}

#[test]
fn a_panic_tells_nobody_and_poisons_nothing() {
    let (sender, mut receiver) = channel(0);
    {
        let mut task = Task::pending(receiver.changed());
        let change = || {
            sender.send_modify(|value| {
                *value = 7;
                panic!("half done");
            });
        };
        catch_unwind(AssertUnwindSafe(change)).unwrap_err();
        assert!(task.poll().is_pending());
        assert_eq!(task.wakes(), 0);
    }
    assert_eq!(*receiver.borrow(), 7);
    let looks = || drop(try_once(receiver.wait_for(|_| panic!("looking"))));
    catch_unwind(AssertUnwindSafe(looks)).unwrap_err();
    sender.send(8).unwrap();
    assert_eq!(*receiver.borrow(), 8);
}

#[test]
fn marks_and_counts() {
    let (sender, mut receiver) = channel(0);
    receiver.mark_changed();
    assert!(receiver.has_changed().unwrap());
    let mut copy = receiver.clone();
    assert!(copy.same_channel(&receiver) && copy.has_changed().unwrap());
    copy.mark_unchanged();
    assert!(!copy.has_changed().unwrap());
    assert!(try_once(receiver.changed()).unwrap().is_ok());
    let second = sender.clone();
    assert_eq!((sender.sender_count(), sender.receiver_count()), (2, 2));
    drop((sender, receiver, copy));
    assert!(second.is_closed() && second.send(1).is_err());
    let late = second.subscribe();
    second.send(2).unwrap();
    assert!(late.has_changed().unwrap() && !late.is_closed());
}

#[test]
fn a_spent_budget_marks_nothing() {
    let (sender, mut receiver) = channel(0);
    sender.send(1).unwrap();
    without_budget(|| assert!(try_once(receiver.changed()).is_none()));
    assert!(receiver.has_changed().unwrap());
}

#[test]
fn many_receivers_are_woken_once_each() {
    let (sender, receiver) = channel(0);
    let mut receivers = vec![receiver; 100];
    let tasks: Vec<_> = receivers.iter_mut().map(|receiver| Task::pending(receiver.changed())).collect();
    sender.send(1).unwrap();
    for mut task in tasks {
        assert_eq!((task.wakes(), task.wakers()), (1, 0));
        task.ready().unwrap();
    }
}
