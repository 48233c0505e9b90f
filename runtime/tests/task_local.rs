//! `task_local!`: where a value can be seen, what scopes do to each other, and what a panic leaves behind.

mod support;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};

use runtime::task::{self, yield_now};

use support::{Rt, panic_text};

runtime::task_local! {
    static NUMBER: u32;
    /// With a comment and a visibility.
    pub(crate) static TEXT: String
}

/// Each module can have its own.
mod inner {
    runtime::task_local!(
        pub(super) static NUMBER: u64;
    );
}

over_flavours!(
    each_task_has_its_own,
    it_moves_with_its_task,
    a_spawned_task_inherits_nothing,
    an_aborted_future_is_dropped_in_scope,
    a_finished_future_is_dropped_in_scope,
    a_panic_leaves_the_scope,
);

fn each_task_has_its_own(new: fn() -> Rt) {
    new().block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                task::spawn(NUMBER.scope(n, async move {
                    for _ in 0..10 {
                        assert_eq!(NUMBER.get(), n);
                        yield_now().await;
                    }
                    NUMBER.get()
                }))
            })
            .collect();
        for (task, n) in tasks.into_iter().zip(0..) {
            assert_eq!(task.await.unwrap(), n);
        }
        assert!(NUMBER.try_get().is_err());
    });
}

fn it_moves_with_its_task(new: fn() -> Rt) {
    let mut future = Box::pin(NUMBER.scope(5, async {
        let before = NUMBER.get();
        yield_now().await;
        (before, NUMBER.get())
    }));
    // One poll here, the rest there.
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let rt = new();
    assert_eq!(rt.block_on(rt.spawn(future)).unwrap(), (5, 5));
}

fn a_spawned_task_inherits_nothing(new: fn() -> Rt) {
    new().block_on(NUMBER.scope(1, async {
        assert!(task::spawn(async { NUMBER.try_get() }).await.unwrap().is_err());
        assert!(task::spawn_blocking(|| NUMBER.try_get()).await.unwrap().is_err());
        assert_eq!(NUMBER.get(), 1);
    }));
}

/// Sends, when it is dropped, what the key says then.
struct Tells(mpsc::Sender<Option<u32>>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.send(NUMBER.try_get().ok()).unwrap();
    }
}

fn an_aborted_future_is_dropped_in_scope(new: fn() -> Rt) {
    let (tell, told) = mpsc::channel();
    new().block_on(async {
        let tells = Tells(tell);
        let task = task::spawn(NUMBER.scope(8, async move {
            let _tells = tells;
            pending::<()>().await;
        }));
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(told.recv().unwrap(), Some(8));
}

fn a_finished_future_is_dropped_in_scope(new: fn() -> Rt) {
    let (tell, told) = mpsc::channel();
    new().block_on(async {
        let tells = Tells(tell);
        let done = poll_fn(move |_| {
            let _held = &tells;
            Poll::Ready(())
        });
        task::spawn(NUMBER.scope(9, done)).await.unwrap();
    });
    assert_eq!(told.recv().unwrap(), Some(9));
}

fn a_panic_leaves_the_scope(new: fn() -> Rt) {
    let rt = new();
    let task = rt.spawn(NUMBER.scope(1, async {
        let inner = AssertUnwindSafe(NUMBER.scope(2, async { panic!("on purpose") }));
        let mut inner = Box::pin(inner.0);
        poll_fn(move |cx| {
            assert!(catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))).is_err());
            Poll::Ready(NUMBER.get())
        })
        .await
    }));
    assert_eq!(rt.block_on(task).unwrap(), 1);
}

#[test]
fn scopes_lie_one_in_the_other() {
    let seen = NUMBER.sync_scope(1, || {
        let inner =
            NUMBER.sync_scope(2, || inner::NUMBER.sync_scope(3, || (NUMBER.get(), inner::NUMBER.get())));
        (NUMBER.get(), inner)
    });
    assert_eq!(seen, (1, (2, 3)));
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn a_call_that_panics_leaves_its_scope() {
    NUMBER.sync_scope(1, || {
        assert!(catch_unwind(|| NUMBER.sync_scope(2, || panic!("on purpose"))).is_err());
        assert_eq!(NUMBER.get(), 1);
    });
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn a_value_is_dropped_once_and_outside_of_the_slot() {
    thread_local!(static SEEN: RefCell<Vec<Option<String>>> = const { RefCell::new(Vec::new()) });
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            SEEN.with_borrow_mut(|seen| seen.push(TEXT.try_get().ok()));
        }
    }
    runtime::task_local!(static LOOKS: Looks);
    TEXT.sync_scope("outer".to_owned(), || LOOKS.sync_scope(Looks, || ()));
    assert_eq!(SEEN.take(), [Some("outer".to_owned())]);
}

#[test]
fn there_is_no_scope_inside_of_with() {
    NUMBER.sync_scope(1, || {
        NUMBER.with(|_| {
            let text = panic_text(|| NUMBER.sync_scope(2, || ()));
            assert!(text.contains("while the task-local storage is borrowed"), "{text}");
            // Another key is another matter.
            TEXT.sync_scope(String::new(), || ());
            // And so is a future that is only dropped.
            drop(NUMBER.scope(3, async {}));
        });
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn without_a_value_it_says_so() {
    let text = panic_text(|| {
        NUMBER.get();
    });
    assert!(text.contains("`scope`"), "{text}");
    assert_eq!(NUMBER.try_with(|_| ()).unwrap_err().to_string(), "task-local value not set");
}

#[test]
fn polled_after_completion_it_panics() {
    let mut future = pin!(NUMBER.scope(1, async {}));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_ready());
    let text = panic_text(|| {
        let _ = future.as_mut().poll(&mut cx);
    });
    assert!(text.contains("polled after completion"), "{text}");
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn the_value_can_be_taken() {
    let mut future = pin!(NUMBER.scope(4, async { NUMBER.try_get() }));
    assert_eq!(format!("{future:?}"), "TaskLocalFuture { value: 4 }");
    assert_eq!(future.as_mut().take_value(), Some(4));
    assert_eq!(future.as_mut().take_value(), None);
    assert_eq!(format!("{future:?}"), "TaskLocalFuture { value: <missing> }");
    let Poll::Ready(result) = future.poll(&mut Context::from_waker(Waker::noop())) else { panic!() };
    assert!(result.is_err());
}

/// While a thread's locals are destroyed a scope cannot be entered, and a future is dropped without it.
#[test]
fn a_thread_that_ends_may_drop_a_future() {
    struct Holds(Option<Pin<Box<dyn Future<Output = ()>>>>);
    thread_local!(static HOLDS: RefCell<Holds> = const { RefCell::new(Holds(None)) });
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let tells = Tells(tell);
        HOLDS.with_borrow_mut(|holds| {
            holds.0 = Some(Box::pin(NUMBER.scope(1, async move {
                let _tells = tells;
            })));
        });
    })
    .join()
    .unwrap();
    // In scope or not, depending on which local goes first; but it does go.
    assert!(matches!(told.recv().unwrap(), None | Some(1)));
}
