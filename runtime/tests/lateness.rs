//! Deadlines are obeyed whoever sets them, and whatever the workers do: asleep for any time, in long polls, or busy.
//!
//! No test looks at a clock. Where something would come late, the test waits for it until it calls that lost.
#![forbid(unsafe_code)]

mod support;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use runtime::runtime::Runtime;
use runtime::sync::oneshot;
use runtime::task::yield_now;
use runtime::time::{Instant, Interval, Sleep, interval, sleep, timeout};
use support::{LOST, Rt};

const HOUR: Duration = Duration::from_secs(3600);

/// For how long everything is at rest before something happens, in milliseconds: not at all, within a tick of the
/// watchers, while they still watch, and when they do so no more.
const RESTS: [u64; 5] = [0, 3, 40, 130, 300];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Sends when it is woken.
struct Sends(Sender<()>);

impl Wake for Sends {
    fn wake(self: Arc<Self>) {
        // Nobody waits any more, at the end of a test.
        let _ = self.0.send(());
    }
}

fn sending_waker() -> (Waker, Receiver<()>) {
    let (sender, woken) = mpsc::channel();
    (Waker::from(Arc::new(Sends(sender))), woken)
}

#[track_caller]
fn expect_wake_up(woken: &Receiver<()>) {
    woken.recv_timeout(LOST).expect("the timer fires at its new deadline");
}

/// A timer of an hour, in whose place a task of the runtime waits.
async fn registered_sleep(waker: Waker) -> Pin<Box<Sleep>> {
    let mut timer = Box::pin(sleep(HOUR));
    poll_fn(|_| {
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        Poll::Ready(())
    })
    .await;
    timer
}

async fn registered_interval(waker: Waker) -> Interval {
    let mut ticks = interval(HOUR);
    ticks.tick().await;
    poll_fn(|_| {
        assert!(ticks.poll_tick(&mut Context::from_waker(&waker)).is_pending());
        Poll::Ready(())
    })
    .await;
    ticks
}

/// Drives a runtime on a thread of its own, where a task makes something. Calls `f` with that on this thread, while the
/// other one still drives.
fn beside<T: Send + 'static>(
    new: fn() -> Rt,
    make: impl Future<Output = T> + Send + 'static,
    f: impl FnOnce(T),
) {
    let (made, receiver) = mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    let driving = thread::spawn(move || {
        let rt = new();
        let task = rt.spawn(async move { made.send(make.await).unwrap() });
        rt.block_on(async {
            task.await.unwrap();
            let _ = ended.await;
        });
    });
    f(receiver.recv_timeout(LOST).unwrap());
    drop(end);
    driving.join().unwrap();
}

fn a_reset_to_an_earlier_deadline_by_a_foreign_thread(new: fn() -> Rt) {
    for rest in RESTS {
        let (waker, woken) = sending_waker();
        beside(new, registered_sleep(waker), |mut timer| {
            thread::sleep(ms(rest));
            timer.as_mut().reset(Instant::now() + ms(2));
            expect_wake_up(&woken);
        });
    }
}

fn an_interval_that_a_foreign_thread_resets(new: fn() -> Rt) {
    let resets: [fn(&mut Interval); 3] = [
        |ticks| ticks.reset_after(ms(2)),
        |ticks| ticks.reset_at(Instant::now() + ms(2)),
        Interval::reset_immediately,
    ];
    for reset in resets {
        let (waker, woken) = sending_waker();
        beside(new, registered_interval(waker), |mut ticks| {
            thread::sleep(ms(20));
            reset(&mut ticks);
            expect_wake_up(&woken);
        });
    }
}

/// Registered by a worker, reset in `block_on`.
fn a_reset_to_an_earlier_deadline_in_block_on(new: fn() -> Rt) {
    for rest in RESTS {
        let rt = new();
        let (waker, woken) = sending_waker();
        rt.block_on(async {
            let mut timer = rt.spawn(registered_sleep(waker)).await.unwrap();
            sleep(ms(rest)).await;
            timer.as_mut().reset(Instant::now() + ms(2));
            rt.spawn_blocking(move || expect_wake_up(&woken)).await.unwrap();
        });
    }
}

/// A task registers on one worker, and resets on another: as one does that was stolen.
fn a_reset_to_an_earlier_deadline_by_a_task_that_migrated(new: fn() -> Runtime) {
    let rt = new();
    let workers = rt.metrics().num_workers();
    for round in 0..20 {
        let rest = RESTS[round % RESTS.len()];
        let (waker, woken) = sending_waker();
        rt.block_on(async {
            let mut timer = rt.spawn(registered_sleep(waker)).await.unwrap();
            sleep(ms(rest)).await;
            // All but one worker are held, whichever that is.
            let held: Vec<_> = (1..workers)
                .map(|_| {
                    let (release, until) = mpsc::channel::<()>();
                    (release, rt.spawn(async move { until.recv_timeout(LOST).unwrap() }))
                })
                .collect();
            let reset = rt.spawn(async move {
                timer.as_mut().reset(Instant::now() + ms(2));
                // Kept: dropped, it would be cancelled.
                Some(timer)
            });
            let timer = reset.await.unwrap();
            rt.spawn_blocking(move || expect_wake_up(&woken)).await.unwrap();
            drop(timer);
            for (release, task) in held {
                release.send(()).unwrap();
                task.await.unwrap();
            }
        });
    }
}

over_flavours!(
    a_reset_to_an_earlier_deadline_by_a_foreign_thread,
    an_interval_that_a_foreign_thread_resets,
    a_reset_to_an_earlier_deadline_in_block_on;
    shared: a_reset_to_an_earlier_deadline_by_a_task_that_migrated
);

fn parks(rt: &Runtime) -> u64 {
    let metrics = rt.metrics();
    (0..metrics.num_workers()).map(|worker| metrics.worker_park_count(worker)).sum()
}

/// The body of every `main`.
#[test]
fn timeouts_that_are_cancelled_in_block_on_wake_no_worker() {
    for workers in [1, 2, 4] {
        let rt = support::multi(workers);
        rt.block_on(async {
            // Until nobody watches any more.
            sleep(ms(500)).await;
            let before = parks(&rt);
            for _ in 0..5_000 {
                timeout(HOUR, yield_now()).await.unwrap();
            }
            let woken = parks(&rt) - before;
            assert!(woken < 50, "{workers} workers went to sleep {woken} times");
        });
    }
}

#[test]
fn timeouts_that_are_cancelled_on_the_thread_that_drives_wake_nobody() {
    let rt = support::current();
    rt.block_on(async {
        let before = parks(&rt);
        for _ in 0..5_000 {
            timeout(HOUR, yield_now()).await.unwrap();
        }
        assert_eq!(parks(&rt) - before, 0);
    });
}

#[test]
fn an_idle_runtime_does_not_wake_up() {
    for workers in [1, 2, 4] {
        let rt = support::multi(workers);
        rt.block_on(async {
            // Somebody has a timer, and it is not due.
            let timer = rt.spawn(sleep(HOUR));
            sleep(ms(500)).await;
            thread::sleep(ms(50));
            let before = parks(&rt);
            thread::sleep(ms(500));
            assert_eq!(parks(&rt), before, "{workers} workers");
            timer.abort();
        });
    }
}
