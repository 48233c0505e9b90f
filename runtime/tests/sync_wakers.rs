//! Every way of waiting in `sync` with wakers that panic, and on executors of others.

#[path = "sync_support/scenes.rs"]
mod scenes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;

use scenes::{SCENES, Scene, Waiting};

/// What panics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Panics {
    Nothing,
    Clone,
    Wake,
    Drop,
}

/// How many wakers there are.
struct Bad {
    panics: Panics,
    live: Arc<AtomicUsize>,
}

const TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: made by `bad`, and not freed before the last waker is gone.
        let bad = unsafe { &*data.cast::<Bad>() };
        assert!(bad.panics != Panics::Clone, "clone");
        bad.live.fetch_add(1, SeqCst);
        RawWaker::new(data, &TABLE)
    },
    |data| finish(data, Panics::Wake, "wake"),
    |data| {
        // SAFETY: as above.
        let bad = unsafe { &*data.cast::<Bad>() };
        assert!(bad.panics != Panics::Wake, "wake by reference");
    },
    |data| finish(data, Panics::Drop, "drop"),
);

/// A waker ends, and panics after that.
fn finish(data: *const (), panics: Panics, what: &str) {
    // SAFETY: as above.
    let bad = unsafe { &*data.cast::<Bad>() };
    bad.live.fetch_sub(1, SeqCst);
    assert!(bad.panics != panics, "{what}");
}

/// A waker that panics, on memory that is never freed.
fn bad(panics: Panics, live: &Arc<AtomicUsize>) -> Waker {
    live.fetch_add(1, SeqCst);
    let bad: &'static Bad = Box::leak(Box::new(Bad { panics, live: live.clone() }));
    // SAFETY: the table's functions read what is there for ever.
    unsafe { Waker::new(std::ptr::from_ref(bad).cast(), &TABLE) }
}

#[derive(Default)]
struct Good(AtomicUsize);

impl Wake for Good {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll(future: &mut Waiting, waker: &Waker) -> Poll<()> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Runs what may panic because of a waker.
fn may_panic<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

fn each(mut f: impl FnMut(&str, Scene, Panics)) {
    for (name, scene) in SCENES {
        for panics in [Panics::Nothing, Panics::Clone, Panics::Wake, Panics::Drop] {
            println!("{name}: {panics:?}");
            f(name, scene(), panics);
        }
    }
}

/// The first one has a waker that panics. The second one is woken all the same, once the first one has gone; and no waker
/// is left anywhere.
#[test]
fn a_waker_that_panics_costs_nobody_else_a_wake_up_and_is_not_leaked() {
    each(|name, Scene { mut waiting, release }, panics| {
        if name == "barrier" && panics == Panics::Clone {
            // One that has panicked has not arrived, and the others go on waiting for it.
            return;
        }
        let live = Arc::new(AtomicUsize::new(0));
        let waker = bad(panics, &live);
        let polled = may_panic(|| poll(&mut waiting[0], &waker));
        assert_eq!(polled, (panics != Panics::Clone).then_some(Poll::Pending), "{name}");
        let good = Arc::new(Good::default());
        if waiting.len() > 1 {
            assert!(poll(&mut waiting[1], &Waker::from(good.clone())).is_pending());
        }
        may_panic(release);
        may_panic(|| drop(waiting.remove(0)));
        if let Some(second) = waiting.first_mut() {
            assert_eq!(good.0.load(SeqCst), 1, "{name}: {panics:?}");
            assert!(poll(second, &Waker::from(good.clone())).is_ready());
        }
        may_panic(|| drop(waiting));
        may_panic(|| drop(waker));
        assert_eq!(live.load(SeqCst), 0, "{name}: {panics:?}, a waker is left");
        assert_eq!(Arc::strong_count(&good), 1, "{name}: {panics:?}, the other waker is left");
    });
}

/// Another task polls the future after one whose waker panics when it is dropped: that task is the one that is woken. A
/// future in which a clone has panicked has ended with that.
#[test]
fn a_waker_that_panics_can_be_replaced() {
    each(|name, Scene { mut waiting, release }, panics| {
        if panics == Panics::Clone || name == "barrier" {
            return;
        }
        let live = Arc::new(AtomicUsize::new(0));
        let waker = bad(panics, &live);
        assert!(poll(&mut waiting[0], &waker).is_pending());
        let good = Arc::new(Good::default());
        assert!(poll(&mut waiting[0], &Waker::from(good.clone())).is_pending(), "{name}: {panics:?}");
        may_panic(|| drop(waker));
        assert_eq!(live.load(SeqCst), 0, "{name}: {panics:?}, the former waker is left");
        release();
        assert_eq!(good.0.load(SeqCst), 1, "{name}: {panics:?}");
        assert!(poll(&mut waiting[0], Waker::noop()).is_ready());
        drop(waiting);
        assert_eq!(Arc::strong_count(&good), 1, "{name}: {panics:?}, a waker is left");
    });
}

/// A waker that uses what it was woken by, in its wake and in its drop: no lock is held.
#[test]
fn a_waker_may_poll_the_next_one() {
    struct Polls(std::sync::Mutex<Option<Waiting>>);
    impl Wake for Polls {
        fn wake(self: Arc<Self>) {
            let next = self.0.lock().unwrap().take();
            if let Some(mut next) = next {
                let _ = poll(&mut next, Waker::noop());
            }
        }
    }
    impl Drop for Polls {
        fn drop(&mut self) {
            if let Some(mut next) = self.0.get_mut().unwrap().take() {
                let _ = poll(&mut next, Waker::noop());
            }
        }
    }
    for (name, scene) in SCENES {
        let Scene { mut waiting, release } = scene();
        println!("{name}");
        let Some(mut second) = (waiting.len() > 1).then(|| waiting.remove(1)) else { continue };
        let mut first = waiting.remove(0);
        assert!(poll(&mut second, Waker::noop()).is_pending());
        let waker = Waker::from(Arc::new(Polls(std::sync::Mutex::new(Some(second)))));
        assert!(poll(&mut first, &waker).is_pending());
        release();
        drop((first, waker));
    }
}

/// Each way of waiting on threads with that executor, many times, with the release on a thread of its own.
fn on_threads(block_on: fn(Pin<Box<dyn Future<Output = ()> + Send>>)) {
    for (name, scene) in SCENES {
        println!("{name}");
        for _ in 0..50 {
            let Scene { waiting, release } = scene();
            thread::scope(|scope| {
                for future in waiting {
                    scope.spawn(move || block_on(future));
                }
                scope.spawn(release);
            });
        }
    }
}

#[test]
fn everything_works_on_the_executor_of_futures() {
    on_threads(futures::executor::block_on);
}

#[test]
fn everything_works_on_a_pool_of_one_thread_of_futures() {
    on_threads(|future| futures::executor::LocalPool::new().run_until(future));
}

#[test]
fn everything_works_within_a_runtime_of_another_kind() {
    on_threads(|future| {
        let runtime = runtime::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(runtime::task::unconstrained(future));
    });
}
