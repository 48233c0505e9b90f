//! Panics in all foreign code that a task runs: nothing is lost, leaked or dropped twice.
#![forbid(unsafe_code)]

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use super::support::{Drops, Sched, Token, Wakes, finished, poll_join};

/// Panics when it is dropped, once it has counted.
struct Bomb {
    _token: Token,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("drop");
    }
}

fn bomb(drops: &Drops) -> Bomb {
    Bomb { _token: drops.token() }
}

/// A future that owns a bomb, and at its first poll does what it is told.
struct Armed<T> {
    _bomb: Bomb,
    _after: Token,
    poll: fn() -> Poll<T>,
}

impl<T> Future for Armed<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<T> {
        (self.poll)()
    }
}

fn armed<T>(drops: &Drops, poll: fn() -> Poll<T>) -> Armed<T> {
    Armed { _bomb: bomb(drops), _after: drops.token(), poll }
}

#[test]
fn in_a_poll() {
    let sched = Sched::new();
    let drops = Drops::default();
    let token = drops.token();
    let handle = sched.spawn(async move {
        let _token = token;
        panic!("poll");
    });
    sched.run();
    assert_eq!((drops.count(), sched.owned().len()), (1, 0));
    let error = finished::<()>(handle).unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"poll"));
    assert_eq!(sched.counts().panicked.load(SeqCst), 1);
}

#[test]
fn in_the_drop_of_a_future_that_is_ready() {
    let sched = Sched::new();
    let (drops, outputs) = (Drops::default(), Drops::default());
    let token = outputs.token();
    let mut armed = Box::pin(armed(&drops, || Poll::Ready(())));
    let mut token = Some(token);
    let handle = sched.spawn(poll_fn(move |cx| armed.as_mut().poll(cx).map(|()| token.take())));
    sched.run();
    assert_eq!(
        (drops.count(), outputs.count()),
        (2, 1),
        "the future's parts, and the output that is not wanted"
    );
    assert!(finished(handle).unwrap_err().is_panic());
}

#[test]
fn in_a_poll_and_in_the_drop_after_it() {
    let sched = Sched::new();
    let drops = Drops::default();
    let handle = sched.spawn(armed::<()>(&drops, || panic!("poll")));
    sched.run();
    assert_eq!(drops.count(), 2);
    let error = finished(handle).unwrap_err();
    assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"poll"), "the first one counts");
}

/// Notes whether the thread unwinds when it is dropped.
struct Observer(Arc<AtomicBool>);

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.store(std::thread::panicking(), SeqCst);
    }
}

/// A future that keeps its value in a field: nothing on the stack of its poll drops it.
struct Holds(#[allow(dead_code, reason = "it is for its drop")] Observer);

impl Future for Holds {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        panic!("poll");
    }
}

#[test]
fn in_a_poll_the_future_is_dropped_during_the_unwinding() {
    let sched = Sched::new();
    let panicking = Arc::new(AtomicBool::new(false));
    let handle = sched.spawn(Holds(Observer(panicking.clone())));
    sched.run();
    assert!(panicking.load(SeqCst));
    assert!(finished(handle).unwrap_err().is_panic());
    assert!(!std::thread::panicking());
}

#[test]
fn in_the_drop_of_an_aborted_future() {
    let sched = Sched::new();
    let drops = Drops::default();
    let handle = sched.spawn(armed::<()>(&drops, || Poll::Pending));
    sched.run();
    handle.abort();
    sched.run();
    assert_eq!(drops.count(), 2);
    assert!(finished(handle).unwrap_err().is_panic());
}

#[test]
fn in_the_drop_of_a_future_that_is_shut_down() {
    let sched = Sched::new();
    let (drops, others) = (Drops::default(), Drops::default());
    let handle = sched.spawn(armed::<()>(&drops, || Poll::Pending));
    let token = others.token();
    let other = sched.spawn(async move {
        let _token = token;
        pending::<()>().await;
    });
    sched.run();
    sched.finish();
    assert_eq!((drops.count(), others.count()), (2, 1));
    assert!(finished(handle).unwrap_err().is_panic());
    assert!(finished(other).unwrap_err().is_cancelled());
}

#[test]
fn in_the_drop_of_an_output_that_nobody_wants() {
    let sched = Sched::new();
    let drops = Drops::default();
    let armed = bomb(&drops);
    drop(sched.spawn(async move { armed }));
    sched.run();
    assert_eq!((drops.count(), sched.owned().len()), (1, 0));
    let armed = bomb(&drops);
    let handle = sched.spawn(async move { armed });
    sched.run();
    drop(handle);
    assert_eq!(drops.count(), 2);
}

#[test]
fn in_the_drop_of_what_was_thrown() {
    let sched = Sched::new();
    let drops = Drops::default();
    let payload = bomb(&drops);
    drop(sched.spawn(async move { panic_any(payload) }));
    sched.run();
    assert_eq!((drops.count(), sched.owned().len()), (1, 0));
}

/// Panics in what it is told to.
struct Faulty {
    wake: AtomicBool,
    drop: AtomicBool,
    woken: AtomicBool,
    _token: Token,
}

impl Faulty {
    fn new(drops: &Drops) -> Arc<Self> {
        let (wake, drop, woken) = Default::default();
        Arc::new(Self { wake, drop, woken, _token: drops.token() })
    }
}

impl Wake for Faulty {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, SeqCst);
        assert!(!self.wake.load(SeqCst), "wake");
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        assert!(!self.drop.load(SeqCst), "drop");
    }
}

#[test]
fn in_the_wake_of_a_join_waker() {
    let sched = Sched::new();
    let drops = Drops::default();
    let faulty = Faulty::new(&drops);
    faulty.wake.store(true, SeqCst);
    let mut handle = sched.spawn(async { 1 });
    assert!(poll_join(&mut handle, &faulty.clone().into()).is_pending());
    sched.run();
    assert!(faulty.woken.load(SeqCst));
    assert_eq!(Arc::strong_count(&faulty), 1);
    assert_eq!(finished(handle).unwrap(), 1);
}

#[test]
fn in_the_drop_of_a_join_waker() {
    let sched = Sched::new();
    let drops = Drops::default();
    // Replaced by another one.
    let faulty = Faulty::new(&drops);
    faulty.drop.store(true, SeqCst);
    let mut handle = sched.spawn(async { 1 });
    assert!(poll_join(&mut handle, &faulty.into()).is_pending());
    let wakes = Wakes::new();
    let waker = Waker::from(wakes.clone());
    catch_unwind(AssertUnwindSafe(|| poll_join(&mut handle, &waker).is_pending())).unwrap_err();
    assert_eq!(drops.count(), 1);
    sched.run();
    assert_eq!(wakes.count(), 1, "the new one had taken its place");
    assert_eq!(finished(handle).unwrap(), 1);
    // Dropped with its handle.
    let faulty = Faulty::new(&drops);
    faulty.drop.store(true, SeqCst);
    let mut handle = sched.spawn(async { 1 });
    assert!(poll_join(&mut handle, &faulty.into()).is_pending());
    drop(handle);
    assert_eq!(drops.count(), 2);
    sched.run();
    assert_eq!(sched.owned().len(), 0);
}

#[test]
fn in_the_clone_of_a_join_waker() {
    let sched = Sched::new();
    let mut handle = sched.spawn(async { 1 });
    let old = Wakes::new();
    assert!(poll_join(&mut handle, &old.clone().into()).is_pending());
    let unclonable = super::unclonable::waker();
    catch_unwind(AssertUnwindSafe(|| poll_join(&mut handle, &unclonable).is_pending())).unwrap_err();
    assert_eq!(Arc::strong_count(&old), 2);
    sched.run();
    assert_eq!((old.count(), Arc::strong_count(&old)), (1, 1), "the old one is still the one");
    assert_eq!(finished(handle).unwrap(), 1);
}

#[test]
fn in_the_hooks_of_the_scheduler() {
    let sched = Sched::new();
    let drops = Drops::default();
    let token = drops.token();
    let handle = sched.spawn(async move {
        let _token = token;
        panic!("poll")
    });
    sched.counts().hooks_panic.store(1, SeqCst);
    sched.run();
    assert_eq!(drops.count(), 1);
    assert!(finished::<()>(handle).unwrap_err().is_panic());
    assert_eq!((sched.counts().panicked.load(SeqCst), sched.counts().released.load(SeqCst)), (1, 1));
    // The hook failed before it had given the list's reference up; the end of the runtime finds it.
    assert_eq!(sched.owned().len(), 1);
    sched.counts().hooks_panic.store(0, SeqCst);
    sched.finish();
}

#[test]
fn in_the_drop_of_an_unowned_task() {
    let drops = Drops::default();
    let future = armed::<()>(&drops, || Poll::Pending);
    let (task, handle) =
        crate::engine::task::unowned(future, Sched::new(), crate::engine::task::Meta::here());
    drop(handle);
    drop(task);
    assert_eq!(drops.count(), 2);
}
