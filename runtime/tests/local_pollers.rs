//! A `LocalSet` that several futures drive at once: each of them is woken when there is something to do, also after
//! others have ended or were given up.

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use runtime::runtime::{LocalRuntime, Runtime};
use runtime::sync::oneshot;
use runtime::task::{LocalSet, yield_now};
use runtime::time::timeout;

use support::LOST;

/// A waker that counts, and passes the wake-up on if there is somebody to pass it to.
#[derive(Default)]
struct Count {
    wakes: AtomicUsize,
    next: Mutex<Option<Waker>>,
}

impl Count {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    /// How often it has been woken since the last call.
    fn take(&self) -> usize {
        self.wakes.swap(0, SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        let next = self.next.lock().unwrap().clone();
        if let Some(next) = next {
            next.wake();
        }
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, count: &Arc<Count>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(count.clone())))
}

/// Polls a future for as long as it has been woken. Its output, if it comes to that.
fn drive<F: Future>(mut future: Pin<&mut F>, count: &Arc<Count>) -> Option<F::Output> {
    while count.take() > 0 {
        if let Poll::Ready(output) = poll(future.as_mut(), count) {
            return Some(output);
        }
    }
    None
}

type Local = Pin<Box<dyn Future<Output = ()>>>;

/// Polls futures with a waker for each, and only those that were woken: what `FuturesUnordered` does. Ends with them.
#[derive(Default)]
struct Unordered {
    futures: Vec<(Local, Arc<Count>)>,
}

impl Unordered {
    fn push(&mut self, future: impl Future<Output = ()> + 'static) {
        let count = Count::new();
        count.wakes.store(1, SeqCst);
        self.futures.push((Box::pin(future), count));
    }
}

impl Future for Unordered {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.futures.retain_mut(|(future, count)| {
            *count.next.lock().unwrap() = Some(cx.waker().clone());
            count.take() == 0 || poll(future.as_mut(), count).is_pending()
        });
        if self.futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A set that lives for as long as the test does, for futures that are `'static`.
fn leaked() -> &'static LocalSet {
    Box::leak(Box::default())
}

#[test]
fn a_poller_that_ends_wakes_the_other_for_the_tasks_that_it_woke() {
    let set = LocalSet::new();
    let (send, receive) = oneshot::channel();
    let task = set.spawn_local(receive);
    let (first, second) = (Count::new(), Count::new());
    let mut waits = pin!(set.run_until(task));
    assert!(poll(waits.as_mut(), &first).is_pending());
    assert_eq!(first.take(), 0);
    let ends = pin!(set.run_until(async { send.send(7).unwrap() }));
    assert!(poll(ends, &second).is_ready());
    assert_eq!(second.take(), 0, "it is over");
    assert_eq!(drive(waits, &first).expect("lost").unwrap(), Ok(7));
}

#[test]
fn a_poller_that_ends_wakes_the_other_for_the_tasks_that_it_spawned() {
    let set = LocalSet::new();
    let count = Count::new();
    let (send, receive) = oneshot::channel();
    let mut waits = pin!(set.run_until(receive));
    assert!(poll(waits.as_mut(), &count).is_pending());
    let spawns = pin!(set.run_until(async {
        set.spawn_local(async { send.send(7).unwrap() });
    }));
    assert!(poll(spawns, &Count::new()).is_ready());
    assert_eq!(drive(waits, &count).expect("lost"), Ok(7));
}

#[test]
fn a_poller_that_panics_wakes_the_other_for_the_tasks_that_it_woke() {
    let set = LocalSet::new();
    let (send, receive) = oneshot::channel();
    let task = set.spawn_local(receive);
    let count = Count::new();
    let mut waits = pin!(set.run_until(task));
    assert!(poll(waits.as_mut(), &count).is_pending());
    let panics = set.run_until(async {
        send.send(7).unwrap();
        panic!("on purpose");
    });
    catch_unwind(AssertUnwindSafe(|| poll(pin!(panics), &Count::new()).is_ready())).unwrap_err();
    assert_eq!(drive(waits, &count).expect("lost").unwrap(), Ok(7));
}

/// What wakes the tasks is another thread, or this one outside of the set.
fn both_pollers_are_woken(wake: fn(Waker)) {
    let set = LocalSet::new();
    let waker = Rc::new(RefCell::new(None::<Waker>));
    let given = waker.clone();
    set.spawn_local(poll_fn(move |cx| {
        *given.borrow_mut() = Some(cx.waker().clone());
        Poll::<()>::Pending
    }));
    let (first, second) = (Count::new(), Count::new());
    let mut one = pin!(set.run_until(pending::<()>()));
    let mut other = Box::pin(set.run_until(pending::<()>()));
    assert!(poll(one.as_mut(), &first).is_pending());
    assert!(poll(other.as_mut(), &second).is_pending());
    let wake = || {
        let waker = waker.take().unwrap();
        wake(waker);
    };
    wake();
    assert_eq!((first.take(), second.take()), (1, 1));
    assert!(poll(other.as_mut(), &second).is_pending());
    // The first has not been polled since: it need not be woken twice.
    wake();
    assert_eq!((first.take(), second.take()), (0, 1));
    assert!(poll(one.as_mut(), &first).is_pending());
    assert!(poll(other.as_mut(), &second).is_pending());
    drop(other);
    wake();
    assert_eq!((first.take(), second.take()), (1, 0));
    assert_eq!(Arc::strong_count(&second), 1, "a poller that is gone leaves no waker behind");
    assert!(poll(one.as_mut(), &first).is_pending());
    wake();
    assert_eq!(first.take(), 1);
}

#[test]
fn each_poller_is_woken_by_another_thread() {
    both_pollers_are_woken(|waker| thread::spawn(move || waker.wake()).join().unwrap());
}

#[test]
fn each_poller_is_woken_by_this_thread() {
    both_pollers_are_woken(Waker::wake);
}

/// One poll of a set polls its tasks so often at most; what is left must not depend on the poller that left it.
#[test]
fn what_a_poller_leaves_for_its_next_poll_is_not_lost_when_it_is_dropped() {
    let set = LocalSet::new();
    let ran = Rc::new(Cell::new(0));
    let (first, second) = (Count::new(), Count::new());
    let mut one = pin!(set.run_until(pending::<()>()));
    assert!(poll(one.as_mut(), &first).is_pending());
    let mut other = Box::pin(set.run_until(pending::<()>()));
    assert!(poll(other.as_mut(), &second).is_pending());
    for _ in 0..500 {
        let ran = ran.clone();
        set.spawn_local(async move { ran.set(ran.get() + 1) });
    }
    assert!(poll(other.as_mut(), &second).is_pending());
    assert!((1..500).contains(&ran.get()), "{ran:?}");
    drop(other);
    assert!(drive(one, &first).is_none());
    assert_eq!(ran.get(), 500);
}

/// The set as a future, and one that runs until something else.
#[test]
fn the_set_itself_is_a_poller_like_others() {
    let mut set = LocalSet::new();
    let (send, receive) = oneshot::channel::<()>();
    set.spawn_local(async { receive.await.unwrap() });
    let (first, second) = (Count::new(), Count::new());
    assert!(poll(Pin::new(&mut set), &first).is_pending());
    let mut other = Box::pin(set.run_until(pending::<()>()));
    assert!(poll(other.as_mut(), &second).is_pending());
    drop(other);
    send.send(()).unwrap();
    assert_eq!((first.take(), second.take()), (1, 0));
    assert!(poll(Pin::new(&mut set), &first).is_ready());
    drop(set);
    assert_eq!(Arc::strong_count(&first), 1);
}

#[test]
fn a_waker_that_panics_does_not_keep_the_other_poller_asleep() {
    struct Panics(AtomicBool);
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
            panic!("on purpose");
        }
    }
    let set = LocalSet::new();
    let (count, panics) = (Count::new(), Arc::new(Panics(AtomicBool::new(false))));
    let mut one = pin!(set.run_until(pending::<()>()));
    assert!(one.as_mut().poll(&mut Context::from_waker(&Waker::from(panics.clone()))).is_pending());
    let mut other = pin!(set.run_until(pending::<()>()));
    assert!(poll(other.as_mut(), &count).is_pending());
    set.spawn_local(async {});
    assert!(panics.0.load(SeqCst));
    assert_eq!(count.take(), 1);
}

/// Futures that drive one set, in one task with one waker, in one task with a waker for each, and in two tasks.
fn two_drive_until(how: impl FnOnce(Local, Local)) {
    let set = leaked();
    let (send, receive) = oneshot::channel::<u32>();
    let (answer, answered) = oneshot::channel::<u32>();
    set.spawn_local(async move {
        let number = receive.await.unwrap();
        yield_now().await;
        answer.send(number + 1).unwrap();
    });
    let waits = set.run_until(async { assert_eq!(answered.await.unwrap(), 8) });
    let sends = set.run_until(async move {
        yield_now().await;
        send.send(7).unwrap();
    });
    how(Box::pin(waits), Box::pin(sends));
}

#[test]
fn two_may_drive_in_one_task() {
    for rt in [support::current, || support::multi(1)] {
        fn run(rt: &Runtime, mut one: Local, mut other: Local) {
            let (mut first, mut second) = (false, false);
            let both = poll_fn(|cx| {
                first = first || one.as_mut().poll(cx).is_ready();
                second = second || other.as_mut().poll(cx).is_ready();
                if first && second { Poll::Ready(()) } else { Poll::Pending }
            });
            rt.block_on(async { timeout(LOST, both).await.expect("lost") });
        }
        two_drive_until(|one, other| run(&rt(), one, other));
        two_drive_until(|one, other| run(&rt(), other, one));
    }
}

#[test]
fn two_may_drive_in_one_task_with_a_waker_each() {
    fn run(one: Local, other: Local) {
        let mut both = Unordered::default();
        both.push(one);
        both.push(other);
        support::current().block_on(async { timeout(LOST, both).await.expect("lost") });
    }
    two_drive_until(run);
    two_drive_until(|one, other| run(other, one));
}

#[test]
fn two_may_drive_in_two_tasks() {
    two_drive_until(|one, other| {
        let rt = LocalRuntime::new().unwrap();
        let tasks = [rt.spawn_local(one), rt.spawn_local(other)];
        rt.block_on(async {
            for task in tasks {
                timeout(LOST, task).await.expect("lost").unwrap();
            }
        });
    });
}

/// A future that drives the set is driven inside of a turn of that set first, and by itself later.
#[test]
fn a_poller_that_was_polled_inside_of_anothers_turn_is_woken() {
    let set = LocalSet::new();
    let (send, receive) = oneshot::channel();
    let task = set.spawn_local(receive);
    let count = Count::new();
    let mut inner = pin!(set.run_until(task));
    let outer = set.run_until(poll_fn(|cx| {
        assert!(inner.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    }));
    assert!(poll(pin!(outer), &count).is_ready());
    send.send(7).unwrap();
    assert_eq!(drive(inner, &count).expect("lost").unwrap(), Ok(7));
}
