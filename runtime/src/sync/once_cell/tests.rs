//! The cell's models, and what the documentation promises.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::*;
use crate::base::prim::{Arc, model, model_within, thread};
use crate::sync::tests::{Task, try_once, wait};

#[test]
fn loom_one_of_two_makes_the_value() {
    model_within(3, || {
        let cell = Arc::new(OnceCell::new());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || *wait(cell.get_or_init(|| ready(1))))
        };
        let mine = *wait(cell.get_or_init(|| ready(2)));
        assert_eq!(other.join().unwrap(), mine);
        assert_eq!(cell.get(), Some(&mine));
    });
}

#[test]
fn loom_who_gives_up_leaves_it_to_the_next() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || try_once(cell.get_or_init(pending)).copied())
        };
        assert_eq!(*wait(cell.get_or_init(|| ready(2))), 2);
        assert!(matches!(other.join().unwrap(), None | Some(2)));
    });
}

#[test]
fn loom_setting_against_making_and_looking() {
    model(|| {
        let cell = Arc::new(OnceCell::new());
        let setting = {
            let cell = cell.clone();
            thread::spawn(move || cell.set(1).is_ok())
        };
        let looking = {
            let cell = cell.clone();
            thread::spawn(move || assert!(matches!(cell.get(), None | Some(1 | 2))))
        };
        let made = *wait(cell.get_or_init(|| ready(2)));
        assert_eq!(setting.join().unwrap(), made == 1);
        looking.join().unwrap();
    });
}

#[test]
fn a_value_is_not_set_while_one_is_made() {
    let cell = OnceCell::new();
    let making = Task::pending(cell.get_or_init(pending));
    let mut next = Task::pending(cell.get_or_init(|| ready(2)));
    assert_eq!(cell.set(1), Err(SetError::InitializingError(1)));
    drop(making);
    assert_eq!(next.wakes(), 1);
    assert_eq!(*next.ready(), 2);
    assert_eq!(cell.set(1), Err(SetError::AlreadyInitializedError(1)));
}

#[test]
fn a_failure_or_a_panic_leaves_the_cell_empty() {
    let cell = OnceCell::<u32>::new();
    assert_eq!(try_once(cell.get_or_try_init(|| ready(Err("failed")))), Some(Err("failed")));
    let panics = || try_once(cell.get_or_init(|| async { panic!("made nothing") })).copied();
    catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    assert_eq!(cell.get(), None);
    assert_eq!(try_once(cell.get_or_try_init(|| ready(Ok::<_, ()>(3)))), Some(Ok(&3)));
}

#[test]
fn the_value_is_dropped_once() {
    let value = Rc::new(());
    let mut cell = OnceCell::from(value.clone());
    assert_eq!(cell.clone(), cell);
    assert_eq!(Rc::strong_count(&value), 2);
    assert!(cell.take().is_some() && cell.take().is_none());
    cell.set(value.clone()).unwrap();
    assert_eq!(Rc::strong_count(&value), 2);
    drop(cell);
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(OnceCell::new_with(Some(value)).into_inner().is_some());
    assert_eq!(OnceCell::<u8>::new_with(None), OnceCell::default());
}
