//! Deadlines are obeyed whoever sets them, and whatever the workers do: asleep for any time, in long polls, or busy.
//!
//! No test looks at a clock. Where something would come late, the test waits for it until it calls that lost.
#![forbid(unsafe_code)]

mod support;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use runtime::runtime::{Builder, Runtime};
use runtime::sync::oneshot;
use runtime::task::{block_in_place, yield_now};
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
            // It comes to rest after a while, which is longer on a busy machine.
            let is_at_rest = || {
                let before = parks(&rt);
                thread::sleep(ms(300));
                parks(&rt) == before
            };
            assert!((0..60).any(|_| is_at_rest()), "{workers} workers wake up again and again");
            timer.abort();
        });
    }
}

/// Drives `rt` until a timer fires in `block_on`, which belongs to no worker, and one of a task.
fn both_timers_fire(rt: &Runtime) {
    rt.block_on(async {
        let of_a_task = rt.spawn(sleep(ms(20)));
        sleep(ms(20)).await;
        of_a_task.await.unwrap();
    });
}

/// Whenever a worker has nothing to do, it is given something at the last moment.
#[test]
fn timers_fire_although_a_park_hook_spawns_a_task_each_time() {
    for workers in [1, 2] {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let rt = Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            // A spin looks at the timers.
            .idle_spin(Duration::ZERO)
            .on_thread_park(move || {
                if !stopped.load(SeqCst) {
                    runtime::spawn(async {});
                }
            })
            .build()
            .unwrap();
        let (send, fired) = mpsc::channel();
        let stops = thread::spawn(move || {
            let is_in_time = fired.recv_timeout(LOST).is_ok();
            stop.store(true, SeqCst);
            is_in_time
        });
        both_timers_fire(&rt);
        let _ = send.send(());
        assert!(
            stops.join().unwrap(),
            "{workers} workers: the timers waited until the hook stopped spawning"
        );
    }
}

/// Each poll hands its worker's core on to another thread, where the next one does the same.
#[test]
fn a_timer_fires_after_a_turn_of_polls_although_each_poll_hands_its_core_on() {
    /// More than two turns of polls, at the default of `event_interval`.
    const TWO_TURNS: u64 = 128;

    #[derive(Default)]
    struct Chain {
        stop: AtomicBool,
        begun: AtomicU64,
    }

    fn link(chain: Arc<Chain>, number: u64) {
        runtime::spawn(async move {
            chain.begun.store(number, SeqCst);
            if chain.stop.load(SeqCst) {
                return;
            }
            link(chain.clone(), number + 1);
            // Until other threads have had the core for so long that it is not on offer when this one asks for it.
            block_in_place(|| {
                while chain.begun.load(SeqCst) < number + 8 && !chain.stop.load(SeqCst) {
                    thread::sleep(ms(1));
                }
            });
        });
    }

    /// Sends the number of the last poll that has begun when it is woken.
    struct SendsNumber(Sender<u64>, Arc<Chain>);

    impl Wake for SendsNumber {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(self.1.begun.load(SeqCst));
        }
    }

    let rt = support::multi(1);
    let chain = Arc::new(Chain::default());
    let first = chain.clone();
    rt.block_on(async { link(first, 1) });
    for _ in 0..3 {
        let (send, fired) = mpsc::channel();
        let waker = Waker::from(Arc::new(SendsNumber(send, chain.clone())));
        let _entered = rt.enter();
        let mut timer = Box::pin(sleep(ms(5)));
        assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        while Instant::now() < timer.deadline() {
            thread::sleep(ms(1));
        }
        let when_due = chain.begun.load(SeqCst);
        let when_fired = fired.recv_timeout(LOST);
        if when_fired.is_err() {
            chain.stop.store(true, SeqCst);
        }
        let polls = when_fired.expect("the timer fires beside the chain").saturating_sub(when_due);
        if polls > TWO_TURNS {
            chain.stop.store(true, SeqCst);
        }
        assert!(polls <= TWO_TURNS, "it fired {polls} polls late");
    }
    chain.stop.store(true, SeqCst);
}
