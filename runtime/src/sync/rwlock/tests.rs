//! The lock's models, and what the documentation promises.

use std::cell::Cell;

use super::*;
use crate::base::prim::{Arc as ModelArc, model, model_within, thread};
use crate::sync::tests::{Task, Watched, try_once, wait};

fn watched() -> ModelArc<RwLock<Watched>> {
    ModelArc::new(RwLock::new(Watched::new()))
}

#[test]
fn loom_writers_are_alone() {
    model_within(3, || {
        let lock = watched();
        let writer = {
            let lock = lock.clone();
            thread::spawn(move || wait(lock.write()).add_one())
        };
        let reader = {
            let lock = lock.clone();
            thread::spawn(move || assert!(wait(lock.read()).read() <= 2))
        };
        wait(lock.write()).add_one();
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(lock.try_read().unwrap().read(), 2);
    });
}

#[test]
fn loom_nobody_writes_between_writing_and_reading() {
    model(|| {
        let lock = watched();
        let writer = {
            let lock = lock.clone();
            thread::spawn(move || wait(lock.write()).add_one())
        };
        let mine = wait(lock.write());
        let before = mine.read();
        mine.add_one();
        let mine = mine.downgrade();
        assert_eq!(mine.read(), before + 1);
        drop(mine);
        writer.join().unwrap();
    });
}

#[test]
fn loom_a_writer_that_gives_up_lets_readers_in() {
    model(|| {
        let lock = watched();
        let reading = lock.try_read().unwrap();
        let writer = {
            let lock = lock.clone();
            thread::spawn(move || assert!(try_once(lock.write()).is_none_or(|guard| guard.read() == 0)))
        };
        let reader = {
            let lock = lock.clone();
            thread::spawn(move || wait(lock.read()).read())
        };
        drop(reading);
        writer.join().unwrap();
        reader.join().unwrap();
        drop(lock.try_write().unwrap());
    });
}

#[test]
fn a_waiting_writer_is_not_overtaken() {
    let lock = RwLock::new(0);
    let reader = lock.try_read().unwrap();
    let mut writer = Task::pending(lock.write());
    let mut late = Task::pending(lock.read());
    assert!(lock.try_read().is_err());
    drop(reader);
    assert_eq!((writer.wakes(), late.wakes()), (1, 0));
    let writing = writer.ready();
    drop(writing);
    assert_eq!(late.wakes(), 1);
    drop(late.ready());
}

#[test]
fn downgrading_lets_the_readers_in_up_to_the_next_writer() {
    let lock = RwLock::new(0);
    let writing = lock.try_write().unwrap();
    let mut readers: Vec<_> = (0..40).map(|_| Task::pending(lock.read())).collect();
    let mut next = Task::pending(lock.write());
    let reading = writing.downgrade();
    assert!(readers.iter().all(|task| task.wakes() == 1));
    let guards: Vec<_> = readers.iter_mut().map(Task::ready).collect();
    drop(guards);
    assert_eq!(next.wakes(), 0);
    drop(reading);
    drop(next.ready());
}

#[test]
fn guards_of_parts_hold_the_lock_and_give_it_back_once() {
    let lock = Arc::new(RwLock::new((1, [2, 3])));
    let part = RwLockWriteGuard::try_map(lock.try_write().unwrap(), |pair| pair.1.get_mut(5)).unwrap_err();
    let part = RwLockWriteGuard::map(part, |pair| &mut pair.1);
    let part = RwLockMappedWriteGuard::try_map(part, |array| array.get_mut(5)).unwrap_err();
    let mut part = RwLockMappedWriteGuard::map(part, |array| &mut array[0]);
    *part = 20;
    assert!(lock.try_read().is_err());
    drop(part);
    let whole = OwnedRwLockWriteGuard::into_mapped(lock.clone().try_write_owned().unwrap());
    assert!(Arc::ptr_eq(OwnedRwLockMappedWriteGuard::rwlock(&whole), &lock));
    let part = OwnedRwLockMappedWriteGuard::map(whole, |pair| &mut pair.1);
    drop(OwnedRwLockMappedWriteGuard::try_map(part, |array| array.get_mut(5)).unwrap_err());
    let writer = lock.clone().try_write_owned().unwrap();
    let writer = OwnedRwLockWriteGuard::try_downgrade_map(writer, |pair| pair.1.get(5)).unwrap_err();
    let reader = OwnedRwLockWriteGuard::downgrade_map(writer, |pair| &pair.1);
    let reader = OwnedRwLockReadGuard::try_map(reader, |array| array.get(5)).unwrap_err();
    let reader = OwnedRwLockReadGuard::map(reader, |array| &array[0]);
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&reader), &lock));
    assert_eq!(*reader, 20);
    assert!(lock.try_write().is_err() && lock.try_read().is_ok());
    drop(reader);
    assert_eq!(Arc::strong_count(&lock), 1);
    let writer = lock.try_write().unwrap();
    let writer = RwLockWriteGuard::try_downgrade_map(writer, |pair| pair.1.get(5)).unwrap_err();
    let reader = RwLockWriteGuard::downgrade_map(writer, |pair| &pair.0);
    assert_eq!(*reader, 1);
    drop(reader);
    assert!(lock.try_write().is_ok());
}

#[test]
fn no_more_readers_than_said() {
    let lock = RwLock::with_max_readers((), 2);
    let readers = (lock.try_read().unwrap(), lock.try_read().unwrap());
    let mut third = Task::pending(lock.read());
    drop(readers.0);
    drop(third.ready());
    drop(readers.1);
    assert!(lock.try_write().is_ok());
}

#[test]
#[should_panic(expected = "with 0 readers")]
fn no_readers_at_all_are_refused() {
    let _ = RwLock::with_max_readers((), 0);
}

/// Bounds as the documentation of auto traits shows them.
#[test]
fn auto_traits() {
    fn all<T: Send + Sync + Unpin>() {}
    fn send<T: Send>() {}
    all::<RwLock<u8>>();
    send::<RwLock<Cell<u8>>>();
    all::<RwLockReadGuard<'static, u8>>();
    all::<RwLockWriteGuard<'static, u8>>();
    all::<RwLockMappedWriteGuard<'static, u8>>();
    all::<OwnedRwLockReadGuard<u16, u8>>();
    all::<OwnedRwLockWriteGuard<u8>>();
    all::<OwnedRwLockMappedWriteGuard<u16, u8>>();
    /// A reader's guard may live as long as the shorter of two values.
    fn covariant<'a, 'b>(guard: RwLockReadGuard<'b, &'static str>) -> RwLockReadGuard<'b, &'a str>
    where
        'a: 'b,
    {
        guard
    }
    let lock = RwLock::new("static");
    assert_eq!(*covariant(lock.try_read().unwrap()), "static");
}
