//! The mutex's models, and what the documentation promises.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::base::prim::{Arc as ModelArc, model, model_within, thread};
use crate::sync::tests::{Task, Watched, try_once, wait};

fn watched() -> ModelArc<Mutex<Watched>> {
    ModelArc::new(Mutex::new(Watched::new()))
}

#[test]
fn loom_one_at_a_time() {
    model_within(3, || {
        let lock = watched();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || wait(lock.lock()).add_one())
            })
            .collect();
        wait(lock.lock()).add_one();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(lock.try_lock().unwrap().read(), 3);
    });
}

#[test]
fn loom_one_gives_up_and_one_tries() {
    model(|| {
        let lock = watched();
        let giving_up = {
            let lock = lock.clone();
            thread::spawn(move || {
                if let Some(guard) = try_once(lock.lock()) {
                    guard.add_one();
                }
            })
        };
        let trying = {
            let lock = lock.clone();
            thread::spawn(move || {
                if let Ok(guard) = lock.try_lock() {
                    guard.add_one();
                }
            })
        };
        wait(lock.lock()).add_one();
        giving_up.join().unwrap();
        trying.join().unwrap();
        assert!((1..=3).contains(&lock.try_lock().unwrap().read()));
    });
}

#[test]
fn the_lock_goes_to_who_asked_first() {
    let lock = Mutex::new(0);
    let guard = lock.try_lock().unwrap();
    let mut first = Task::pending(lock.lock());
    let mut second = Task::pending(lock.lock());
    drop(guard);
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    assert!(lock.try_lock().is_err(), "it has been given to the first");
    drop(first.ready());
    assert_eq!(second.wakes(), 1);
    drop(second.ready());
}

#[test]
fn a_panic_unlocks_and_does_not_poison() {
    let lock = Mutex::new(1);
    catch_unwind(AssertUnwindSafe(|| {
        let _guard = lock.try_lock().unwrap();
        panic!("while locked");
    }))
    .unwrap_err();
    catch_unwind(AssertUnwindSafe(|| {
        MutexGuard::map(lock.try_lock().unwrap(), |_| -> &mut i32 { panic!("while mapping") })
    }))
    .unwrap_err();
    assert_eq!(*lock.try_lock().unwrap(), 1);
}

#[test]
fn mapped_guards_hold_the_lock_and_give_it_back_once() {
    let lock = Arc::new(Mutex::new((1, [2, 3])));
    let mapped = MutexGuard::map(lock.try_lock().unwrap(), |pair| &mut pair.1);
    let mapped = MappedMutexGuard::try_map(mapped, |array| array.get_mut(5)).unwrap_err();
    let mapped = MappedMutexGuard::map(mapped, |array| &mut array[1]);
    assert!(lock.try_lock().is_err());
    assert_eq!(*mapped, 3);
    drop(mapped);
    let owned = OwnedMutexGuard::map(lock.clone().try_lock_owned().unwrap(), |pair| &mut pair.1);
    let owned = OwnedMappedMutexGuard::try_map(owned, |array| array.get_mut(5)).unwrap_err();
    let mut owned = OwnedMappedMutexGuard::map(owned, |array| &mut array[0]);
    *owned += 10;
    assert_eq!(Arc::strong_count(&lock), 2);
    assert!(lock.try_lock().is_err());
    drop(owned);
    assert_eq!(Arc::strong_count(&lock), 1);
    assert_eq!(*lock.try_lock().unwrap(), (1, [12, 3]));
}

#[test]
fn a_value_without_a_size() {
    let lock: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    lock.try_lock().unwrap()[1] = 7;
    assert_eq!(format!("{lock:?}"), "Mutex { data: [1, 7, 3] }");
    let guard = lock.clone().try_lock_owned().unwrap();
    assert_eq!(format!("{lock:?} {guard:?}"), "Mutex { data: <locked> } [1, 7, 3]");
}

/// Bounds as the documentation of auto traits shows them.
#[test]
fn auto_traits() {
    fn all<T: Send + Sync + Unpin>() {}
    fn send<T: Send>() {}
    all::<Mutex<u8>>();
    all::<Mutex<std::cell::Cell<u8>>>();
    all::<MutexGuard<'static, u8>>();
    send::<MutexGuard<'static, std::cell::Cell<u8>>>();
    all::<OwnedMutexGuard<u8>>();
    all::<MappedMutexGuard<'static, u8>>();
    all::<OwnedMappedMutexGuard<u16, u8>>();
}
