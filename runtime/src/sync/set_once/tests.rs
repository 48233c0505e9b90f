//! The cell's models, and what the documentation promises.

use std::rc::Rc;

use super::*;
use crate::base::prim::{Arc, model, thread};
use crate::sync::tests::{Task, try_once, wait, without_budget};

#[test]
fn loom_the_value_is_waited_for() {
    model(|| {
        let cell = Arc::new(SetOnce::new());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || *wait(cell.wait()))
        };
        cell.set(5).unwrap();
        assert_eq!(other.join().unwrap(), 5);
    });
}

#[test]
fn loom_one_of_two_sets_it_and_the_other_one_sees_that() {
    model(|| {
        let cell = Arc::new(SetOnce::new());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || {
                let set = cell.set(1).is_ok();
                assert!(cell.get().is_some());
                set
            })
        };
        let mine = cell.set(2).is_ok();
        assert_eq!(cell.get(), Some(if mine { &2 } else { &1 }));
        assert!(other.join().unwrap() != mine);
    });
}

#[test]
fn loom_giving_up_against_setting() {
    model(|| {
        let cell = Arc::new(SetOnce::new());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || try_once(cell.wait()).is_none_or(|value| *value == 3))
        };
        cell.set(3).unwrap();
        assert!(other.join().unwrap());
    });
}

#[test]
fn all_are_woken() {
    let cell = SetOnce::new();
    let mut tasks: Vec<_> = (0..40).map(|_| Task::pending(cell.wait())).collect();
    cell.set(1).unwrap();
    assert_eq!(cell.set(2), Err(SetOnceError(2)));
    for task in &mut tasks {
        assert_eq!((task.wakes(), *task.ready()), (1, 1));
    }
    let mut late = Task::new(cell.wait());
    without_budget(|| assert!(late.poll().is_pending()));
    assert_eq!(*late.ready(), 1);
}

#[test]
fn the_value_is_dropped_once() {
    let value = Rc::new(());
    let cell = SetOnce::from(value.clone());
    assert!(cell == cell.clone() && cell.initialized());
    assert_eq!(Rc::strong_count(&value), 2);
    drop(cell);
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(SetOnce::new_with(Some(value)).into_inner().is_some());
    assert_eq!(SetOnce::<u8>::new_with(None), SetOnce::default());
}
