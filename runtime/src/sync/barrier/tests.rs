//! The barrier's models, and what the documentation promises.

use super::*;
use crate::base::prim::{Arc, model, model_within, thread};
use crate::sync::tests::{Task, Watched, wait, without_budget};

#[test]
fn loom_all_meet_and_one_leads() {
    model_within(3, || {
        let shared = Arc::new((Barrier::new(2), Watched::new()));
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.add_one();
                wait(shared.0.wait()).is_leader()
            })
        };
        let leads = wait(shared.0.wait()).is_leader();
        assert_eq!(shared.1.read(), 1, "what the other one did before is seen");
        assert!(leads != other.join().unwrap());
    });
}

#[test]
fn loom_it_can_be_used_again_at_once() {
    model(|| {
        let barrier = Arc::new(Barrier::new(2));
        let meet = |barrier: &Barrier| (0..2).filter(|_| wait(barrier.wait()).is_leader()).count();
        let other = {
            let barrier = barrier.clone();
            thread::spawn(move || meet(&barrier))
        };
        let leads = meet(&barrier);
        assert_eq!(leads + other.join().unwrap(), 2);
    });
}

#[test]
fn the_last_one_leads_and_the_next_round_is_apart() {
    let barrier = Barrier::new(3);
    let mut early = [Task::pending(barrier.wait()), Task::pending(barrier.wait())];
    assert_eq!(format!("{barrier:?}"), "Barrier { n: 3, arrived: 2 }");
    assert!(Task::new(barrier.wait()).ready().is_leader());
    let mut next = Task::pending(barrier.wait());
    for task in &mut early {
        assert_eq!(task.wakes(), 1);
        assert!(!task.ready().is_leader());
    }
    assert!(next.poll().is_pending());
}

#[test]
fn one_that_was_there_and_gave_up_counts() {
    let barrier = Barrier::new(2);
    drop(Task::pending(barrier.wait()));
    assert!(Task::new(barrier.wait()).ready().is_leader());
}

#[test]
fn nobody_waits_at_a_barrier_for_none() {
    assert!(Task::new(Barrier::new(0).wait()).ready().is_leader());
}

#[test]
fn a_task_without_budget_is_not_there_yet() {
    let barrier = Barrier::new(2);
    let mut task = Task::new(barrier.wait());
    without_budget(|| assert!(task.poll().is_pending()));
    let mut other = Task::pending(barrier.wait());
    assert!(task.ready().is_leader());
    assert!(!other.ready().is_leader());
}
