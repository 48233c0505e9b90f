//! The semaphore's models, and what the documentation promises.

use std::pin::pin;

use super::*;
use crate::base::prim::{Arc, model, model_within, thread};
use crate::sync::tests::{Task, poll, try_once, wait, without_budget};

/// Two that want a permit of one.
#[test]
fn loom_a_permit_goes_round() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let other = {
            let semaphore = semaphore.clone();
            thread::spawn(move || drop(wait(semaphore.acquire()).unwrap()))
        };
        drop(wait(semaphore.acquire()).unwrap());
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// Two permits come one by one, to one that wants both and one that wants one.
#[test]
fn loom_permits_come_in_pieces() {
    model_within(2, || {
        let semaphore = Arc::new(Semaphore::new(0));
        let both = {
            let semaphore = semaphore.clone();
            thread::spawn(move || wait(semaphore.acquire_many(2)).unwrap().forget())
        };
        let one = {
            let semaphore = semaphore.clone();
            thread::spawn(move || wait(semaphore.acquire()).unwrap().forget())
        };
        semaphore.add_permits(1);
        semaphore.add_permits(2);
        both.join().unwrap();
        one.join().unwrap();
        assert_eq!(semaphore.available_permits(), 0);
    });
}

/// The waiter at the head gives up while permits are given to it: they are not lost, and the next one is woken.
#[test]
fn loom_cancelling_against_a_release() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let held = semaphore.try_acquire().unwrap();
        let first = {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                let mut future = Box::pin(semaphore.acquire_many(1));
                let got = poll(future.as_mut()).is_ready();
                drop(future);
                got
            })
        };
        let second = {
            let semaphore = semaphore.clone();
            thread::spawn(move || drop(wait(semaphore.acquire()).unwrap()))
        };
        drop(held);
        first.join().unwrap();
        second.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// One that has got a part of what it wants gives up, while the rest arrives.
#[test]
fn loom_cancelling_with_a_part() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let mut two = Box::pin(semaphore.acquire_many(2));
        assert!(poll(two.as_mut()).is_pending());
        assert_eq!(semaphore.available_permits(), 0, "it has taken what there was");
        let other = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.add_permits(1))
        };
        drop(two);
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// One waits, one adds a permit, one closes.
#[test]
fn loom_closing_against_waiting_and_a_release() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(1));
        let adding = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.add_permits(1))
        };
        let closing = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.close())
        };
        match wait(semaphore.acquire_many(2)) {
            Ok(permit) => assert_eq!(permit.num_permits(), 2),
            Err(_) => assert!(semaphore.is_closed()),
        }
        adding.join().unwrap();
        closing.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
        assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::Closed));
    });
}

#[test]
fn loom_forgetting_against_waiting() {
    model(|| {
        let semaphore = Arc::new(Semaphore::new(2));
        let other = {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.forget_permits(1))
        };
        let got = try_once(semaphore.acquire_many(2)).is_some_and(|permit| permit.is_ok());
        let forgotten = other.join().unwrap();
        assert!(got || forgotten == 1, "one of the two got a permit at least");
        assert_eq!(semaphore.available_permits(), 2 - forgotten);
    });
}

#[test]
fn permits_are_given_out_in_order_and_cannot_be_overtaken() {
    let semaphore = Semaphore::new(2);
    let mut many = Task::pending(semaphore.acquire_many(3));
    let mut one = Task::pending(semaphore.acquire());
    assert_eq!(semaphore.try_acquire().err(), Some(TryAcquireError::NoPermits));
    semaphore.add_permits(1);
    assert_eq!((many.wakes(), one.wakes()), (1, 0));
    let permit = many.ready().unwrap();
    assert_eq!(permit.num_permits(), 3);
    drop(permit);
    assert_eq!(one.wakes(), 1);
    assert!(one.ready().is_ok());
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn who_gives_up_hands_what_it_has_to_the_next() {
    let semaphore = Semaphore::new(2);
    let many = Task::pending(semaphore.acquire_many(5));
    let mut two = Task::pending(semaphore.acquire_many(2));
    let last = Task::pending(semaphore.acquire());
    drop(many);
    assert_eq!(two.wakes(), 1);
    drop(last);
    let permit = two.ready().unwrap();
    assert_eq!(semaphore.available_permits(), 0);
    drop(permit);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn a_permit_that_was_granted_and_not_taken_goes_on() {
    let semaphore = Semaphore::new(0);
    let first = Task::pending(semaphore.acquire());
    let mut second = Task::pending(semaphore.acquire());
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 0);
    drop(first);
    assert!(second.ready().is_ok());
}

#[test]
fn many_are_served_in_one_release() {
    let semaphore = Semaphore::new(0);
    let mut waiting: Vec<_> = (0..100).map(|_| Task::pending(semaphore.acquire())).collect();
    semaphore.add_permits(101);
    assert_eq!(semaphore.available_permits(), 1);
    assert!(waiting.iter().all(|task| task.wakes() == 1 && task.wakers() == 0));
    for task in &mut waiting {
        task.ready().unwrap().forget();
    }
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn closing_refuses_those_who_wait_and_returns_what_they_had() {
    let semaphore = Semaphore::new(2);
    let mut waiting: Vec<_> = (0..70).map(|_| Task::pending(semaphore.acquire_many(3))).collect();
    let mut granted = Task::new(semaphore.acquire_many(0));
    assert!(granted.ready().is_ok(), "no permits are always there");
    semaphore.close();
    for task in &mut waiting {
        assert_eq!(task.wakes(), 1);
        assert!(task.ready().is_err());
    }
    assert_eq!(semaphore.available_permits(), 2);
    semaphore.add_permits(1);
    assert_eq!(semaphore.available_permits(), 3);
    assert!(try_once(semaphore.acquire_many(0)).is_some_and(|result| result.is_err()));
    semaphore.close();
}

#[test]
fn a_waiter_that_was_refused_and_never_polled_holds_nothing() {
    let semaphore = Semaphore::new(1);
    let task = Task::pending(semaphore.acquire_many(2));
    semaphore.close();
    drop(task);
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_permit_that_was_granted_before_closing_and_not_taken_is_refused() {
    let semaphore = Semaphore::new(0);
    let mut task = Task::pending(semaphore.acquire());
    semaphore.add_permits(1);
    semaphore.close();
    assert!(task.ready().is_err());
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn each_acquisition_spends_a_unit_of_budget() {
    let semaphore = Semaphore::new(1);
    let acquired = crate::base::coop::budget(|| {
        (0..1000).take_while(|_| try_once(semaphore.acquire()).is_some_and(|permit| permit.is_ok())).count()
    });
    assert_eq!(acquired, 128);
    assert_eq!(semaphore.available_permits(), 1, "it had the permit, and gave it back");
}

#[test]
fn a_spent_budget_costs_no_turn() {
    let semaphore = Semaphore::new(1);
    let mut first = Task::new(semaphore.acquire());
    without_budget(|| assert!(first.poll().is_pending()));
    assert_eq!(first.wakes(), 1, "it asked to be polled again");
    assert_eq!(semaphore.available_permits(), 0, "the permit is its own already");
    let mut second = Task::pending(semaphore.acquire());
    drop(first);
    assert!(second.ready().is_ok());
}

#[test]
fn a_future_that_changes_its_task_wakes_the_new_one() {
    let semaphore = Semaphore::new(0);
    let mut future = pin!(semaphore.acquire());
    assert!(poll(future.as_mut()).is_pending());
    let mut task = Task::pending(future.as_mut());
    semaphore.add_permits(1);
    assert_eq!(task.wakes(), 1);
    assert!(task.ready().is_ok());
}

#[test]
#[should_panic(expected = "would overflow MAX_PERMITS")]
fn too_many_permits_are_refused() {
    let semaphore = Semaphore::new(Semaphore::MAX_PERMITS);
    semaphore.add_permits(1);
}

#[test]
fn it_is_small() {
    if cfg!(not(rt_loom)) {
        assert_eq!(size_of::<Semaphore>(), 32);
    }
}
