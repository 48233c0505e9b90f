//! A task that yields is polled again only after its worker has looked at the driver: in `yield_now`, and where its budget
//! is spent; with its own waker and with others.
//!
//! The tests count polls of the task until something has arrived that was there before the first of them. A worker that
//! would look only after so many polls as it is configured to do would need a million.

#![forbid(unsafe_code)]

mod support;

use std::future::{Future, poll_fn};
use std::io::Write;
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use runtime::io::AsyncReadExt;
use runtime::net::TcpStream;
use runtime::task::coop::consume_budget;
use runtime::task::{LocalSet, yield_now};
use runtime::time::sleep;
use support::{Flavour, Rt};

/// Polls until the worker looks by itself.
const INTERVAL: u32 = 1_000_000;

/// Polls that may pass until something has arrived: the first one, one while the look is due, and those of other tasks'
/// turns.
const FEW: usize = 8;

type Step = fn() -> Pin<Box<dyn Future<Output = ()> + Send>>;

const STEPS: [(&str, Step); 2] = [
    ("a spent budget", || {
        Box::pin(async {
            for _ in 0..129 {
                consume_budget().await;
            }
        })
    }),
    ("yield_now", || Box::pin(yield_now())),
];

/// Each runtime on which one thread does everything: where another one waits in the driver, nobody needs to look.
fn single(test: impl Fn(&Rt, Flavour)) {
    for (flavour, mut builder) in support::builders() {
        if flavour.is_single() || flavour.to_string().contains("1 worker") {
            test(&flavour.build(builder.enable_all().event_interval(INTERVAL)), flavour);
        }
    }
}

/// Makes steps until it is told to stop. Returns how often it was polled.
async fn hot(stop: Arc<AtomicBool>, step: Step) -> usize {
    let polls = AtomicUsize::new(0);
    let mut work = pin!(async {
        while !stop.load(SeqCst) {
            assert!(polls.load(SeqCst) < 1000, "the worker does not look");
            step().await;
        }
    });
    poll_fn(|cx| {
        polls.fetch_add(1, SeqCst);
        work.as_mut().poll(cx)
    })
    .await;
    polls.load(SeqCst)
}

/// As [`hot`], with a waker that is not the task's own.
async fn hot_with_another_waker(stop: Arc<AtomicBool>, step: Step) -> usize {
    let mut futures = FuturesUnordered::new();
    futures.push(hot(stop, step));
    futures.next().await.unwrap()
}

/// A pair of connected sockets, the second of which has a byte to read. The byte has arrived.
fn arrived() -> (StdStream, StdStream) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let mut near = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.write_all(&[7]).unwrap();
    assert_eq!(far.peek(&mut [0]).unwrap(), 1);
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// Something that the driver brings, and that is there already. The task that waits for it is made ready by nothing but a
/// look.
#[derive(Clone, Copy, Debug)]
enum Event {
    Timer,
    Readiness,
}

/// Runs `hot` beside a task that waits for the event. Returns how often `hot` was polled until that task ran.
async fn polls_until<F: Future<Output = usize>>(
    event: Event,
    hot: impl FnOnce(Arc<AtomicBool>) -> F,
) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let waits = stop.clone();
    let (waiting, waits_now) = runtime::sync::oneshot::channel();
    let task = runtime::spawn(async move {
        let mut sockets = (matches!(event, Event::Readiness)).then(arrived);
        let mut reader = sockets.take().map(|(near, far)| (near, TcpStream::from_std(far).unwrap()));
        let mut timer = pin!(sleep(Duration::from_millis(2)));
        let mut waiting = Some(waiting);
        let mut byte = [0];
        let mut wait = pin!(async {
            match &mut reader {
                Some((_, reader)) => assert_eq!(reader.read(&mut byte).await.unwrap(), 1),
                None => timer.as_mut().await,
            }
        });
        poll_fn(|cx| {
            let poll = wait.as_mut().poll(cx);
            if let Some(waiting) = waiting.take() {
                assert!(poll.is_pending() || matches!(event, Event::Timer));
                waiting.send(()).unwrap();
            }
            poll
        })
        .await;
        waits.store(true, SeqCst);
    });
    waits_now.await.unwrap();
    // The timer is due when the first poll of what is hot begins.
    thread::sleep(Duration::from_millis(5));
    let polls = hot(stop).await;
    task.await.unwrap();
    polls
}

#[test]
fn a_task_that_yields_is_polled_after_a_look() {
    single(|rt, flavour| {
        for (name, step) in STEPS {
            for event in [Event::Timer, Event::Readiness] {
                let own = rt.spawn(polls_until(event, move |stop| hot(stop, step)));
                let polls = rt.block_on(own).unwrap();
                assert!(polls <= FEW, "{flavour}, {name}, {event:?}: {polls} polls");
                let other = rt.spawn(polls_until(event, move |stop| hot_with_another_waker(stop, step)));
                let polls = rt.block_on(other).unwrap();
                assert!(polls <= FEW, "{flavour}, {name} with another waker, {event:?}: {polls} polls");
            }
        }
    });
}

#[test]
fn a_root_future_that_yields_is_polled_after_a_look() {
    single(|rt, flavour| {
        if !flavour.is_single() {
            return;
        }
        for (name, step) in STEPS {
            for event in [Event::Timer, Event::Readiness] {
                let polls = rt.block_on(polls_until(event, |stop| hot(stop, step)));
                assert!(polls <= FEW, "{flavour}, {name}, {event:?}: {polls} polls");
                let polls = rt.block_on(polls_until(event, |stop| hot_with_another_waker(stop, step)));
                assert!(polls <= FEW, "{flavour}, {name} with another waker, {event:?}: {polls} polls");
            }
        }
    });
}

/// A task of a set is polled inside of another poll.
#[test]
fn a_task_of_a_local_set_that_yields_is_polled_after_a_look() {
    single(|rt, flavour| {
        if !flavour.is_single() {
            return;
        }
        for (name, step) in STEPS {
            for event in [Event::Timer, Event::Readiness] {
                for with_another in [false, true] {
                    let in_set = |stop| async move {
                        let set = LocalSet::new();
                        let task = set.spawn_local(async move {
                            if with_another {
                                hot_with_another_waker(stop, step).await
                            } else {
                                hot(stop, step).await
                            }
                        });
                        set.run_until(task).await.unwrap()
                    };
                    let polls = rt.block_on(polls_until(event, in_set));
                    assert!(polls <= FEW, "{flavour}, {name}, {event:?}, {with_another}: {polls} polls");
                    // Nested once more, with a waker in between that cannot be deferred.
                    let polls = rt.block_on(polls_until(event, |stop| async move {
                        let mut sets = FuturesUnordered::new();
                        sets.push(in_set(stop));
                        sets.next().await.unwrap()
                    }));
                    assert!(polls <= FEW, "{flavour}, {name}, {event:?}, {with_another}: {polls} polls");
                }
            }
        }
    });
}

/// Many tasks that all spend their budgets: between two polls of each there is a look.
#[test]
fn many_tasks_that_yield_are_each_polled_after_a_look() {
    single(|rt, flavour| {
        for (name, step) in STEPS {
            let many = move |stop: Arc<AtomicBool>| async move {
                let tasks: Vec<_> = (0..20).map(|_| runtime::spawn(hot(stop.clone(), step))).collect();
                let mut most = 0;
                for task in tasks {
                    most = most.max(task.await.unwrap());
                }
                most
            };
            let task = rt.spawn(polls_until(Event::Timer, many));
            let polls = rt.block_on(task).unwrap();
            assert!(polls <= FEW, "{flavour}, {name}: {polls} polls");
        }
    });
}

/// With wakers that cannot be deferred the turn ends early; all that are ready have their turns nevertheless.
#[test]
fn looks_that_are_asked_for_starve_no_task() {
    single(|rt, flavour| {
        for (_, step) in STEPS {
            let stop = Arc::new(AtomicBool::new(false));
            let yields: Vec<_> = (0..5).map(|_| hot_unbounded(stop.clone(), step)).collect();
            let tasks: Vec<_> = yields.into_iter().map(|hot| rt.spawn(hot)).collect();
            let others: Vec<_> = (0..100)
                .map(|_| {
                    rt.spawn(async {
                        for _ in 0..10 {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            let ends = stop.clone();
            let controls = rt.spawn(async move {
                for other in others {
                    other.await.unwrap();
                }
                ends.store(true, SeqCst);
                for task in tasks {
                    task.await.unwrap();
                }
            });
            // The root future yields with such a waker, too.
            rt.block_on(hot_unbounded(stop.clone(), step));
            rt.block_on(controls).unwrap();
            assert!(stop.load(SeqCst), "{flavour}");
        }
    });
}

async fn hot_unbounded(stop: Arc<AtomicBool>, step: Step) {
    let mut futures = FuturesUnordered::new();
    futures.push(async {
        while !stop.load(SeqCst) {
            step().await;
        }
    });
    futures.next().await.unwrap();
}
