//! Futures of this crate that are polled inside of a task with other wakers than the task's own: by executors that block
//! the thread, and by combinators.

#![forbid(unsafe_code)]

mod support;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc as std_mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures::stream::{self, FuturesUnordered, StreamExt};
use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::runtime::Runtime;
use runtime::sync::{Mutex, Notify, Semaphore, mpsc, oneshot, watch};
use runtime::task::coop::{consume_budget, cooperative};
use runtime::task::{JoinSet, LocalSet, block_in_place, yield_now};
use runtime::time::{Duration, sleep, timeout};
use support::{LOST, Rt};

over_flavours!(
    a_yield_under_a_foreign_block_on_returns,
    a_foreign_block_on_in_the_root_future_returns,
    operations_under_a_foreign_block_on_outlast_the_budget,
    operations_under_a_foreign_block_on_go_on_in_a_task_that_was_woken_already,
    operations_through_a_wrapper_outlast_the_budget,
    a_future_that_is_polled_with_a_waker_that_does_nothing_outlasts_the_budget,
    a_local_set_under_a_foreign_block_on_runs_its_tasks,
    a_local_set_between_foreign_wakers_runs_its_tasks,
    combinators_that_are_always_ready_let_other_tasks_run,
    combinators_that_yield_let_other_tasks_run,
    a_wrapped_waker_lets_other_tasks_run,
    a_waker_that_panics_costs_its_own_task_alone;
    shared: a_yield_beside_block_in_place_returns,
);

/// Runs `f` on a thread of its own, and fails if it does not end.
fn ends(f: impl FnOnce() + Send + 'static) {
    let (end, ended) = std_mpsc::channel();
    let thread = thread::spawn(move || {
        f();
        end.send(()).unwrap();
    });
    match ended.recv_timeout(LOST) {
        Err(std_mpsc::RecvTimeoutError::Timeout) => panic!("it does not end"),
        _ => thread.join().unwrap(),
    }
}

struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// An executor as small as it can be. Returns the number of polls, too.
fn counting_block_on<F: Future>(future: F) -> (F::Output, usize) {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut polls = 1;
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return (output, polls),
            Poll::Pending => thread::park(),
        }
        polls += 1;
    }
}

type BlockOn = fn(Pin<&mut dyn Future<Output = ()>>);

/// Executors that block the thread.
const EXECUTORS: [BlockOn; 2] =
    [|future| counting_block_on(future).0, |future| futures::executor::block_on(future)];

fn a_yield_under_a_foreign_block_on_returns(new: fn() -> Rt) {
    for block_on in EXECUTORS {
        ends(move || {
            let rt = new();
            let task = rt.spawn(async move {
                for _ in 0..10 {
                    block_on(pin!(yield_now()));
                }
                // The task's own yields are as they were.
                yield_now().await;
                block_on(pin!(async {
                    yield_now().await;
                    yield_now().await;
                }));
            });
            rt.block_on(task).unwrap();
        });
    }
}

fn a_foreign_block_on_in_the_root_future_returns(new: fn() -> Rt) {
    for block_on in EXECUTORS {
        ends(move || {
            let rt = new();
            rt.block_on(async {
                block_on(pin!(yield_now()));
                yield_now().await;
                block_on(pin!(operations(Leaf::Budget, 1000)));
                // Tasks go on as ever.
                runtime::spawn(yield_now()).await.unwrap();
            });
        });
    }
}

#[derive(Clone, Copy, Debug)]
enum Leaf {
    Budget,
    Mpsc,
    Semaphore,
    Mutex,
    Notify,
    Oneshot,
    Watch,
    Duplex,
    Timeout,
    Cooperative,
}

const LEAVES: [Leaf; 10] = [
    Leaf::Budget,
    Leaf::Mpsc,
    Leaf::Semaphore,
    Leaf::Mutex,
    Leaf::Notify,
    Leaf::Oneshot,
    Leaf::Watch,
    Leaf::Duplex,
    Leaf::Timeout,
    Leaf::Cooperative,
];

/// So many operations that are ready at once.
async fn operations(leaf: Leaf, count: usize) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (semaphore, mutex, notify) = (Semaphore::new(1), Mutex::new(()), Notify::new());
    let (watched, mut watcher) = watch::channel(0);
    let (mut near, mut far) = runtime::io::duplex(1);
    for round in 0..count {
        match leaf {
            Leaf::Budget => consume_budget().await,
            Leaf::Mpsc => {
                sender.send(round).unwrap();
                assert_eq!(receiver.recv().await, Some(round));
            }
            Leaf::Semaphore => drop(semaphore.acquire().await.unwrap()),
            Leaf::Mutex => drop(mutex.lock().await),
            Leaf::Notify => {
                notify.notify_one();
                notify.notified().await;
            }
            Leaf::Oneshot => {
                let (sender, receiver) = oneshot::channel();
                sender.send(round).unwrap();
                assert_eq!(receiver.await, Ok(round));
            }
            Leaf::Watch => {
                watched.send(round).unwrap();
                watcher.changed().await.unwrap();
            }
            Leaf::Duplex => {
                near.write_u8(7).await.unwrap();
                assert_eq!(far.read_u8().await.unwrap(), 7);
            }
            Leaf::Timeout => timeout(LOST, consume_budget()).await.unwrap(),
            // Takes a unit of its own, and those of the operations inside at the same time.
            Leaf::Cooperative => {
                let inside = async {
                    consume_budget().await;
                    consume_budget().await;
                };
                cooperative(pin!(inside)).await;
            }
        }
    }
}

fn operations_under_a_foreign_block_on_outlast_the_budget(new: fn() -> Rt) {
    ends(move || {
        let rt = new();
        for leaf in LEAVES {
            for block_on in EXECUTORS {
                let task = rt.spawn(async move { block_on(pin!(operations(leaf, 1000))) });
                rt.block_on(task).unwrap();
            }
            let task = rt.spawn(async move { counting_block_on(operations(leaf, 1000)).1 });
            let polls = rt.block_on(task).unwrap();
            // At most two units each; 128 units for each 32 polls in vain, of which a wrapper may lose one.
            assert!(polls < 1000, "{leaf:?}: {polls} polls");
        }
    });
}

/// That the task has been woken does not say that it is about to return.
fn operations_under_a_foreign_block_on_go_on_in_a_task_that_was_woken_already(new: fn() -> Rt) {
    ends(move || {
        let rt = new();
        let task = rt.spawn(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            counting_block_on(operations(Leaf::Budget, 1000));
            counting_block_on(yield_now());
            Poll::Ready(())
        }));
        rt.block_on(task).unwrap();
    });
}

fn operations_through_a_wrapper_outlast_the_budget(new: fn() -> Rt) {
    ends(move || {
        let rt = new();
        let task = rt.spawn(async {
            for first in 0..3 {
                counting_block_on(async {
                    operations(Leaf::Budget, first).await;
                    operations(Leaf::Cooperative, 500).await;
                });
                yield_now().await;
            }
        });
        rt.block_on(task).unwrap();
    });
}

fn a_future_that_is_polled_with_a_waker_that_does_nothing_outlasts_the_budget(new: fn() -> Rt) {
    ends(move || {
        let rt = new();
        let task = rt.spawn(async {
            let mut work = pin!(operations(Leaf::Mpsc, 1000));
            while work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
        });
        rt.block_on(task).unwrap();
    });
}

async fn a_set_of_tasks_that_yield(tasks: usize) {
    let set = LocalSet::new();
    let work = async {
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                // Not the function of that name, which prefers a `LocalRuntime`.
                set.spawn_local(async {
                    for _ in 0..200 {
                        yield_now().await;
                        consume_budget().await;
                    }
                    operations(Leaf::Mpsc, 300).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    set.run_until(work).await;
}

fn a_local_set_under_a_foreign_block_on_runs_its_tasks(new: fn() -> Rt) {
    for block_on in EXECUTORS {
        ends(move || {
            let rt = new();
            rt.block_on(async { block_on(pin!(a_set_of_tasks_that_yield(3))) });
            let task = rt.spawn(async move { block_on(pin!(a_set_of_tasks_that_yield(3))) });
            rt.block_on(task).unwrap();
        });
    }
}

fn a_local_set_between_foreign_wakers_runs_its_tasks(new: fn() -> Rt) {
    ends(move || {
        let rt = new();
        rt.block_on(async {
            let mut sets: FuturesUnordered<_> = (0..3).map(|_| a_set_of_tasks_that_yield(3)).collect();
            while sets.next().await.is_some() {}
        });
        // A set whose tasks are executors themselves, with sets in them.
        rt.block_on(async {
            let set = LocalSet::new();
            let nested = set.spawn_local(async {
                counting_block_on(a_set_of_tasks_that_yield(2));
                yield_now().await;
                a_set_of_tasks_that_yield(2).await;
            });
            set.run_until(nested).await.unwrap();
        });
    });
}

type Hot = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends when it is told to, and makes so many steps before it looks.
fn step_until<F: Future<Output = ()> + Send>(
    stop: &Arc<AtomicBool>,
    step: impl Fn() -> F + Send + 'static,
) -> Hot {
    let stop = stop.clone();
    Box::pin(async move {
        while !stop.load(SeqCst) {
            step().await;
        }
    })
}

/// Combinators of futures that end when `stop` is set, and never wait for anything. They give them wakers of their own.
fn combined<F: Future<Output = ()> + Send + 'static>(
    stop: &Arc<AtomicBool>,
    step: fn() -> F,
) -> Vec<(&'static str, Hot)> {
    let several = |count: usize| (0..count).map(|_| step_until(stop, step)).collect::<Vec<_>>();
    let (one, three, many) = (several(1), several(3), several(100));
    let joined = futures::future::join_all(several(100));
    let (left, right) = (several(1).pop().unwrap(), several(3));
    let buffered = stream::iter(several(10)).buffer_unordered(4);
    let streams = several(3).into_iter().map(|hot| Box::pin(stream::once(hot)));
    let flattened = stream::iter(streams).flatten_unordered(None);
    let drain = |futures: Vec<Hot>| async move {
        let mut futures: FuturesUnordered<_> = futures.into_iter().collect();
        while futures.next().await.is_some() {}
    };
    vec![
        ("FuturesUnordered, 1", Box::pin(drain(one))),
        ("FuturesUnordered, 3", Box::pin(drain(three))),
        ("FuturesUnordered, 100", Box::pin(drain(many))),
        ("join_all", Box::pin(async move { drop(joined.await) })),
        (
            "select",
            Box::pin(async move { drop(futures::future::select(left, Box::pin(drain(right))).await) }),
        ),
        ("buffer_unordered", Box::pin(buffered.for_each(|()| async {}))),
        ("flatten_unordered", Box::pin(flattened.for_each(|()| async {}))),
    ]
}

const COMBINATORS: usize = 7;

/// Runs hot futures, each in a task or in the root future: they end only when another task had its turns.
fn let_others_run(new: fn() -> Rt, step: fn() -> Hot, may_force: bool) {
    for in_root in [false, true] {
        for index in 0..COMBINATORS {
            ends(move || {
                let rt = new();
                let stop = Arc::new(AtomicBool::new(false));
                let (name, hot) = combined(&stop, step).swap_remove(index);
                let rounds = Arc::new(AtomicUsize::new(0));
                let other = {
                    let (stop, rounds) = (stop.clone(), rounds.clone());
                    async move {
                        // A timer and a message from elsewhere come through the driver, and are not starved either.
                        sleep(Duration::from_millis(1)).await;
                        while rounds.fetch_add(1, SeqCst) < 20 {
                            yield_now().await;
                        }
                        stop.store(true, SeqCst);
                    }
                };
                if in_root {
                    let other = rt.spawn(other);
                    rt.block_on(async move {
                        hot.await;
                        other.await.unwrap();
                    });
                } else {
                    let hot = rt.spawn(hot);
                    let other = rt.spawn(other);
                    rt.block_on(async move {
                        hot.await.unwrap();
                        other.await.unwrap();
                    });
                    let metrics = rt.metrics();
                    assert!(
                        !may_force || metrics.budget_forced_yield_count() > 0,
                        "{name}: a forced yield is counted with whatever waker"
                    );
                }
            });
        }
    }
}

fn combinators_that_are_always_ready_let_other_tasks_run(new: fn() -> Rt) {
    let_others_run(new, || Box::pin(consume_budget()), true);
}

fn combinators_that_yield_let_other_tasks_run(new: fn() -> Rt) {
    let_others_run(new, || Box::pin(yield_now()), false);
}

/// Passes wake-ups on.
struct Wraps(Waker);

impl Wake for Wraps {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Polls a future with a waker around the task's own.
async fn wrapped(mut hot: Hot) {
    poll_fn(|cx| {
        let waker = Waker::from(Arc::new(Wraps(cx.waker().clone())));
        hot.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await;
}

fn a_wrapped_waker_lets_other_tasks_run(new: fn() -> Rt) {
    for step in [|| -> Hot { Box::pin(consume_budget()) }, || -> Hot { Box::pin(yield_now()) }] {
        ends(move || {
            let rt = new();
            let stop = Arc::new(AtomicBool::new(false));
            let hot = rt.spawn(wrapped(step_until(&stop, step)));
            let other = rt.spawn(async move {
                sleep(Duration::from_millis(1)).await;
                stop.store(true, SeqCst);
            });
            rt.block_on(async {
                hot.await.unwrap();
                other.await.unwrap();
            });
        });
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("on purpose");
    }
}

fn a_waker_that_panics_costs_its_own_task_alone(new: fn() -> Rt) {
    ends(move || {
        let rt = new();
        let polls_with_it = |mut hot: Hot| async move {
            let waker = Waker::from(Arc::new(Panics));
            poll_fn(|_| hot.as_mut().poll(&mut Context::from_waker(&waker))).await;
        };
        let yields = rt.spawn(polls_with_it(Box::pin(yield_now())));
        let spends = rt.spawn(polls_with_it(Box::pin(operations(Leaf::Budget, 1000))));
        let bystander = rt.spawn(async {
            operations(Leaf::Budget, 1000).await;
            yield_now().await;
        });
        rt.block_on(async {
            assert!(yields.await.unwrap_err().is_panic());
            assert!(spends.await.unwrap_err().is_panic());
            bystander.await.unwrap();
        });
        let text = catch_unwind(AssertUnwindSafe(|| rt.block_on(polls_with_it(Box::pin(yield_now())))));
        assert_eq!(text.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
        rt.block_on(rt.spawn(yield_now())).unwrap();
    });
}

/// A task whose worker has gone on without it yields, with its own waker and with others.
fn a_yield_beside_block_in_place_returns(new: fn() -> Runtime) {
    // `current_thread` has no threads that could go on.
    if new().metrics().num_workers() == 1
        && new().handle().runtime_flavor() != runtime::runtime::RuntimeFlavor::MultiThread
    {
        return;
    }
    ends(move || {
        let rt = new();
        for _ in 0..20 {
            let task = rt.spawn(async {
                let handle = runtime::runtime::Handle::current();
                block_in_place(|| {
                    counting_block_on(yield_now());
                    counting_block_on(operations(Leaf::Budget, 1000));
                    handle.block_on(async {
                        yield_now().await;
                        counting_block_on(yield_now());
                    });
                });
                counting_block_on(yield_now());
                counting_block_on(operations(Leaf::Budget, 1000));
                yield_now().await;
                counting_block_on(yield_now());
                let mut set = JoinSet::new();
                set.spawn(yield_now());
                counting_block_on(async { yield_now().await });
                set.join_next().await.unwrap().unwrap();
            });
            rt.block_on(task).unwrap();
        }
    });
}
