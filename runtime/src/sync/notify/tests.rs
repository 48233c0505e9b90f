//! The models of `Notify`, and what the documentation promises.

use std::pin::pin;

use super::*;
use crate::base::prim::atomic::AtomicUsize;
use crate::base::prim::{Arc as ModelArc, model, model_within, thread};
use crate::sync::tests::{Task, Watched, poll, try_once, wait, without_budget};

#[test]
fn loom_one_notification_wakes_one_and_shows_what_came_before() {
    model(|| {
        let shared = ModelArc::new((Notify::new(), Watched::new()));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                wait(shared.0.notified());
                assert_eq!(shared.1.read(), 1);
            })
        };
        shared.1.add_one();
        shared.0.notify_one();
        other.join().unwrap();
        assert!(try_once(shared.0.notified()).is_none(), "nothing is left");
    });
}

/// Two notifications that come before one waits are one permit, and both of their pasts are seen.
#[test]
fn loom_two_notify_one_waits() {
    model(|| {
        let shared = ModelArc::new((Notify::new(), AtomicUsize::new(0)));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.fetch_add(1, crate::base::prim::atomic::Ordering::Relaxed);
                    shared.0.notify_one();
                })
            })
            .collect();
        while shared.1.load(crate::base::prim::atomic::Ordering::Relaxed) < 2 {
            wait(shared.0.notified());
        }
        for other in others {
            other.join().unwrap();
        }
    });
}

#[test]
fn loom_a_notification_that_is_not_taken_goes_on() {
    model(|| {
        let notify = ModelArc::new(Notify::new());
        let giving_up = {
            let notify = notify.clone();
            thread::spawn(move || try_once(notify.notified()).is_some())
        };
        let notifying = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        let taken = giving_up.join().unwrap();
        notifying.join().unwrap();
        assert_eq!(try_once(notify.notified()).is_some(), !taken, "it is lost, or there are two");
    });
}

#[test]
fn loom_notify_one_against_notify_waiters() {
    model_within(3, || {
        let notify = ModelArc::new(Notify::new());
        let notified = notify.notified();
        let all = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_waiters())
        };
        let one = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        wait(notified);
        all.join().unwrap();
        one.join().unwrap();
        // It was woken by one of the two; if by all, the permit is there still.
        let left = try_once(notify.notified()).is_some();
        assert!(try_once(notify.notified()).is_none(), "{left}");
    });
}

/// It counts from when it was made, though it is polled for the first time after that.
#[test]
fn loom_a_future_that_exists_is_notified_by_notify_waiters() {
    model(|| {
        let notify = ModelArc::new(Notify::new());
        let notified = notify.notified();
        let other = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_waiters())
        };
        wait(notified);
        other.join().unwrap();
        assert!(try_once(notify.notified()).is_none(), "nothing is stored");
    });
}

/// All who wait are three here, which are two batches in a model. One gives up in the middle, and one comes late.
#[test]
fn loom_notify_waiters_against_one_that_gives_up_and_one_that_is_late() {
    model_within(2, || {
        let notify = ModelArc::new(Notify::new());
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(notify.notified())).collect();
        for notified in &mut waiting {
            assert!(poll(notified.as_mut()).is_pending());
        }
        let all = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_waiters())
        };
        drop(waiting.pop());
        let mut late = Box::pin(notify.notified());
        // Ready if it was made in time to be among all of them.
        let _ = poll(late.as_mut());
        all.join().unwrap();
        for mut notified in waiting {
            assert!(poll(notified.as_mut()).is_ready());
        }
        drop(late);
        notify.notify_one();
        assert!(try_once(notify.notified()).is_some());
    });
}

#[test]
fn loom_an_enabled_future_is_not_missed() {
    model(|| {
        let notify = ModelArc::new(Notify::new());
        let mut first = Box::pin(notify.notified());
        assert!(!first.as_mut().enable());
        let other = {
            let notify = notify.clone();
            thread::spawn(move || notify.notify_one())
        };
        wait(first);
        other.join().unwrap();
        assert!(try_once(notify.notified()).is_none());
    });
}

#[test]
fn first_in_first_out_and_last_in_first_out() {
    let notify = Notify::new();
    let mut tasks: Vec<_> = (0..4).map(|_| Task::pending(notify.notified())).collect();
    notify.notify_one();
    notify.notify_last();
    let wakes: Vec<_> = tasks.iter().map(Task::wakes).collect();
    assert_eq!(wakes, [1, 0, 0, 1]);
    // Each is passed on in its own way when it is not taken.
    drop(tasks.remove(0));
    assert_eq!(tasks.iter().map(Task::wakes).collect::<Vec<_>>(), [1, 0, 1]);
    drop(tasks.pop());
    assert_eq!(tasks.iter().map(Task::wakes).collect::<Vec<_>>(), [1, 1]);
    tasks.iter_mut().for_each(Task::ready);
}

#[test]
fn futures_that_exist_are_notified_by_notify_waiters_and_leave_a_permit_alone() {
    let notify = Notify::new();
    let mut before = Task::new(notify.notified());
    notify.notify_one();
    notify.notify_waiters();
    let mut after = Task::new(notify.notified());
    before.ready();
    after.ready();
    let mut last = Task::pending(notify.notified());
    notify.notify_waiters();
    assert_eq!(last.wakes(), 1);
    last.ready();
    assert_eq!(format!("{notify:?}"), r#"Notify { state: "empty", .. }"#);
}

#[test]
fn many_are_woken_in_batches_and_none_twice() {
    let notify = Arc::new(Notify::new());
    let mut tasks: Vec<_> = (0..100).map(|_| Task::pending(notify.clone().notified_owned())).collect();
    notify.notify_waiters();
    assert!(tasks.iter().all(|task| task.wakes() == 1 && task.wakers() == 0));
    tasks.iter_mut().for_each(Task::ready);
    drop(tasks);
    assert_eq!(Arc::strong_count(&notify), 1);
}

#[test]
fn the_owned_future_counts_once() {
    let notify = Arc::new(Notify::new());
    let mut task = Task::pending(notify.clone().notified_owned());
    assert_eq!(Arc::strong_count(&notify), 2);
    notify.notify_one();
    task.ready();
}

#[test]
fn a_spent_budget_costs_no_notification() {
    let notify = Notify::new();
    let mut first = Task::pending(notify.notified());
    notify.notify_one();
    without_budget(|| assert!(first.poll().is_pending()));
    let mut second = Task::pending(notify.notified());
    drop(first);
    second.ready();
}

#[test]
fn enabling_joins_the_queue_and_a_later_poll_brings_the_waker() {
    macro_rules! enables {
        ($notify:expr, $future:expr) => {
            let mut future = pin!($future);
            assert!(!future.as_mut().enable());
            assert!(!future.as_mut().enable());
            let mut task = Task::pending(future.as_mut());
            $notify.notify_one();
            assert_eq!(task.wakes(), 1);
            task.ready();
            assert!(future.enable());
        };
    }
    let notify = Arc::new(Notify::new());
    enables!(notify, notify.notified());
    enables!(notify, notify.clone().notified_owned());
}

#[test]
fn the_last_one_to_leave_leaves_nothing_behind() {
    let notify = Notify::new();
    drop(Task::pending(notify.notified()));
    notify.notify_one();
    assert_eq!(format!("{notify:?}"), r#"Notify { state: "notified", .. }"#);
    Task::new(notify.notified()).ready();
}
