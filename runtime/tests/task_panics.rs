//! What a task that panics leaves behind: its values are dropped by the unwinding, so that they can tell.

mod support;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;

use runtime::task::{JoinError, JoinSet, LocalSet, spawn_blocking, spawn_local};

use support::Rt;

over_flavours!(
    values_of_a_task_that_panics_are_dropped_while_its_thread_unwinds,
    a_lock_that_a_future_holds_is_poisoned_by_its_panic,
    a_second_panic_in_a_drop_ends_in_the_task,
    a_blocking_closure_that_panics_drops_its_values_while_its_thread_unwinds,
);

/// Notes whether its thread unwinds when it is dropped.
struct Observer(Arc<Mutex<Vec<bool>>>);

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(thread::panicking());
    }
}

/// What the observers of one test have noted.
#[derive(Clone, Default)]
struct Noted(Arc<Mutex<Vec<bool>>>);

impl Noted {
    fn observer(&self) -> Observer {
        Observer(self.0.clone())
    }

    #[track_caller]
    fn expect_unwinding(&self, times: usize) {
        assert_eq!(*self.0.lock().unwrap(), vec![true; times]);
    }
}

/// Panics when it is polled, and holds its value in a field: no frame of the poll owns it.
struct PanicsWith<T>(#[allow(dead_code, reason = "it is for its drop")] T);

impl<T> Future for PanicsWith<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        panic!("poll, on purpose");
    }
}

#[track_caller]
fn expect_panic<T>(result: Result<T, JoinError>, text: &str) {
    let payload = result.err().expect("should have panicked").into_panic();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&text));
}

fn values_of_a_task_that_panics_are_dropped_while_its_thread_unwinds(new: fn() -> Rt) {
    let (rt, noted) = (new(), Noted::default());
    expect_panic(rt.block_on(rt.spawn(PanicsWith(noted.observer()))), "poll, on purpose");
    let captured = noted.observer();
    let task = rt.spawn(async move {
        let _captured = captured;
        runtime::task::yield_now().await;
        panic!("body, on purpose");
    });
    expect_panic::<()>(rt.block_on(task), "body, on purpose");
    let mut set = JoinSet::new();
    set.spawn_on(PanicsWith(noted.observer()), rt.handle());
    expect_panic(rt.block_on(set.join_next()).unwrap(), "poll, on purpose");
    noted.expect_unwinding(3);
}

fn a_lock_that_a_future_holds_is_poisoned_by_its_panic(new: fn() -> Rt) {
    /// Keeps a guard, as a future does that locks in one poll and unlocks in another.
    struct Holds(Option<std::sync::MutexGuard<'static, ()>>, &'static Mutex<()>);
    impl Future for Holds {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
            self.0 = Some(self.1.lock().unwrap());
            panic!("poll, on purpose");
        }
    }
    let lock: &'static Mutex<()> = Box::leak(Box::default());
    let rt = new();
    rt.block_on(async {
        // A guard is not `Send`, so neither is this future.
        let set = LocalSet::new();
        let task = set.spawn_local(Holds(None, lock));
        set.run_until(async { task.await.unwrap_err() }).await;
    });
    assert!(lock.is_poisoned());
}

fn a_second_panic_in_a_drop_ends_in_the_task(new: fn() -> Rt) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("drop, on purpose");
        }
    }
    let (rt, noted) = (new(), Noted::default());
    let task = rt.spawn(PanicsWith((Bomb, noted.observer())));
    expect_panic(rt.block_on(task), "poll, on purpose");
    noted.expect_unwinding(1);
    assert_eq!(rt.block_on(rt.spawn(async { 7 })).unwrap(), 7);
}

fn a_blocking_closure_that_panics_drops_its_values_while_its_thread_unwinds(new: fn() -> Rt) {
    let (rt, noted) = (new(), Noted::default());
    let captured = noted.observer();
    let job = rt.spawn_blocking(move || {
        let _captured = &captured;
        panic!("job, on purpose");
    });
    expect_panic::<()>(rt.block_on(job), "job, on purpose");
    let captured = noted.observer();
    let job = async move {
        spawn_blocking(move || {
            let _captured = captured;
            panic!("job, on purpose");
        })
        .await
    };
    expect_panic::<()>(rt.block_on(job), "job, on purpose");
    noted.expect_unwinding(2);
}

#[test]
fn values_of_a_local_task_that_panics_are_dropped_while_its_thread_unwinds() {
    let local = support::local();
    let (noted, rc) = (Noted::default(), Rc::new(()));
    let task = local.spawn_local(PanicsWith((noted.observer(), rc.clone())));
    expect_panic(local.block_on(task), "poll, on purpose");
    for rt in [support::current(), support::multi(1)] {
        let set = LocalSet::new();
        let observed = PanicsWith((noted.observer(), rc.clone()));
        expect_panic(set.block_on(&rt, async { spawn_local(observed).await }), "poll, on purpose");
    }
    noted.expect_unwinding(3);
    assert_eq!(Rc::strong_count(&rc), 1);
}
