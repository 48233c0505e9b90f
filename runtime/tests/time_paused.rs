//! Sleeping, timeouts and the clock itself, with the clock in the test's hand: everything is exact.

mod time_support;

use std::cell::RefCell;
use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use runtime::time::{self, Duration, Instant, Sleep, sleep, sleep_until, timeout, timeout_at};
use time_support::{Rng, Rt, Spy, ms, since};

over_paused!(
    a_clock_that_was_advanced_by_centuries_tells_short_times_apart,
    a_clock_that_a_blocking_job_resumes_lets_timers_fire,
    a_clock_that_a_foreign_thread_pauses_moves_on_by_itself,
    sleepers_wake_at_their_deadlines_and_each_time_alike,
    ties_wake_in_the_order_in_which_they_began_to_wait,
    what_is_due_completes_at_the_first_poll_and_takes_no_time,
    a_sleep_says_when_and_whether,
    a_reset_moves_a_sleep_before_and_after_it_fired,
    a_reset_into_the_past_is_seen_without_a_poll,
    a_dropped_sleep_wakes_nobody_and_keeps_nothing_waiting,
    sleeps_may_be_dropped_from_within_a_wake,
    far_deadlines_are_met,
    a_task_that_only_sleeps_for_no_time_gives_others_their_turn,
    timeouts_that_win_and_that_lose,
    a_timeout_hands_out_its_future_and_its_error_is_an_io_error,
    a_timeout_ends_a_future_that_spends_all_of_the_budget,
    a_hundred_thousand_won_timeouts_leave_nothing_behind,
    an_advance_fires_what_it_passes,
    an_advance_past_many_wakes_them_in_the_order_of_their_deadlines,
    a_paused_clock_stands_still_while_there_is_something_to_do,
    a_resumed_clock_runs_on_from_where_it_stood,
    a_paused_clock_is_its_runtimes_own,
);

/// What a mesh of sleeping tasks does: who woke when.
fn run_sleepers(paused: fn() -> Rt, seed: u64) -> Vec<(Duration, usize)> {
    paused().block_on(async {
        let mut rng = Rng(seed);
        let start = Instant::now();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut expected = Vec::new();
        let mut tasks = Vec::new();
        for name in 0..500 {
            // From nanoseconds to hours, and many ties.
            let bound = [1_000, 5_000_000, 10_000_000_000, 10_000_000_000_000][name % 4];
            let naps =
                [rng.below(bound), rng.below(7) * 1_000_000, rng.below(bound)].map(Duration::from_nanos);
            let log = log.clone();
            let mut at = Duration::ZERO;
            for nap in naps {
                at += nap;
                expected.push((at, name));
            }
            tasks.push(runtime::spawn(async move {
                for nap in naps {
                    sleep(nap).await;
                    log.lock().unwrap().push((since(start), name));
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        let log = std::mem::take(&mut *log.lock().unwrap());
        assert!(log.is_sorted_by_key(|(at, _)| *at), "time ran backwards, or not in order");
        let mut sorted = log.clone();
        sorted.sort();
        expected.sort();
        assert_eq!(sorted, expected, "each wakes at its deadline to the nanosecond");
        log
    })
}

fn sleepers_wake_at_their_deadlines_and_each_time_alike(paused: fn() -> Rt) {
    for seed in 1..5 {
        assert_eq!(run_sleepers(paused, seed), run_sleepers(paused, seed), "seed {seed}");
    }
}

fn ties_wake_in_the_order_in_which_they_began_to_wait(paused: fn() -> Rt) {
    paused().block_on(async {
        let deadline = Instant::now() + Duration::from_micros(123_456);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for name in 0..100 {
            let order = order.clone();
            tasks.push(runtime::spawn(async move {
                sleep_until(deadline).await;
                order.lock().unwrap().push(name);
            }));
            if name % 10 == 0 {
                // Some begin when the deadline is near, and so elsewhere in the wheel.
                sleep(ms(12)).await;
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert!(order.lock().unwrap().is_sorted());
        assert_eq!(Instant::now(), deadline);
    });
}

fn what_is_due_completes_at_the_first_poll_and_takes_no_time(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let mut nap = pin!(sleep_until(start));
        assert!(!nap.is_elapsed());
        nap.as_mut().await;
        assert!(nap.is_elapsed());
        for _ in 0..1000 {
            sleep(Duration::ZERO).await;
        }
        let past = start.checked_sub(ms(5)).unwrap_or(start);
        sleep_until(past).await;
        assert_eq!(Instant::now(), start);
        sleep(Duration::from_nanos(1)).await;
        assert_eq!(since(start), Duration::from_nanos(1));
    });
}

fn a_sleep_says_when_and_whether(paused: fn() -> Rt) {
    paused().block_on(async {
        let deadline = Instant::now() + ms(10);
        let mut nap = Spy::new(sleep_until(deadline));
        assert_eq!(nap.future.deadline(), deadline);
        assert!(nap.poll().is_pending());
        assert!(!nap.future.is_elapsed());
        time::advance(ms(10)).await;
        assert_eq!(nap.wakes(), 1);
        assert!(nap.future.is_elapsed(), "fired, though not yet polled");
        assert!(nap.poll().is_ready());
        assert!(nap.poll().is_ready(), "a sleep that is over stays over");
    });
}

fn a_reset_moves_a_sleep_before_and_after_it_fired(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let mut nap = pin!(sleep(ms(100)));
        nap.as_mut().reset(start + ms(50));
        nap.as_mut().await;
        assert_eq!(since(start), ms(50));
        nap.as_mut().reset(start + ms(170));
        assert!(!nap.is_elapsed());
        nap.as_mut().await;
        assert_eq!(since(start), ms(170));

        let mut waiting = Spy::new(sleep(ms(100)));
        assert!(waiting.poll().is_pending());
        waiting.future.as_mut().reset(Instant::now() + ms(200));
        sleep(ms(199)).await;
        assert_eq!(waiting.wakes(), 0);
        sleep(ms(1)).await;
        assert_eq!(waiting.wakes(), 1, "it is woken at the new time without another poll");

        let mut to_past = Spy::new(sleep(ms(100)));
        assert!(to_past.poll().is_pending());
        to_past.future.as_mut().reset(start);
        assert_eq!(to_past.wakes(), 1);
        assert!(to_past.poll().is_ready());
    });
}

fn a_reset_into_the_past_is_seen_without_a_poll(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        time::advance(ms(10)).await;
        let mut unpolled = Spy::new(sleep(ms(100)));
        unpolled.future.as_mut().reset(start);
        assert!(unpolled.future.is_elapsed());
        assert!(unpolled.poll().is_ready());

        let mut fired = pin!(sleep(ms(5)));
        fired.as_mut().await;
        fired.as_mut().reset(Instant::now());
        assert!(fired.is_elapsed());
        fired.as_mut().reset(Instant::now() + ms(1));
        assert!(!fired.is_elapsed());
        fired.as_mut().reset(start);
        assert!(fired.is_elapsed());

        let mut waiting = Spy::new(sleep(ms(100)));
        assert!(waiting.poll().is_pending());
        waiting.future.as_mut().reset(start);
        assert!(waiting.future.is_elapsed());
        assert_eq!(waiting.wakes(), 1);
        // One that has been made for a time that is over, and neither been polled nor reset, is not: a branch that asks for
        // that before it polls would never run.
        assert!(!sleep_until(start).is_elapsed());
    });
}

fn a_dropped_sleep_wakes_nobody_and_keeps_nothing_waiting(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let spies: Vec<_> = (1..1000u64)
            .map(|n| {
                let mut spy = Spy::new(sleep(ms(n)));
                assert!(spy.poll().is_pending());
                spy
            })
            .collect();
        let kept: Vec<_> = spies.into_iter().enumerate().filter(|(n, _)| n % 3 == 0).collect();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(since(start), Duration::from_secs(5));
        for (_, spy) in &kept {
            assert_eq!(spy.wakes(), 1);
        }
    });
}

fn sleeps_may_be_dropped_from_within_a_wake(paused: fn() -> Rt) {
    struct Clear(Mutex<Vec<Pin<Box<Sleep>>>>);
    impl Wake for Clear {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().clear();
        }
    }
    paused().block_on(async {
        let clear = Arc::new(Clear(Mutex::default()));
        let waker = Waker::from(clear.clone());
        for _ in 0..100 {
            let mut nap = Box::pin(sleep(ms(10)));
            assert!(nap.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            clear.0.lock().unwrap().push(nap);
        }
        sleep(ms(11)).await;
        assert!(clear.0.lock().unwrap().is_empty());
    });
}

fn far_deadlines_are_met(paused: fn() -> Rt) {
    let year = Duration::from_secs(365 * 86_400);
    paused().block_on(async move {
        for far in [year, 2 * year, 5 * year, 29 * year] {
            let start = Instant::now();
            sleep(far + Duration::from_nanos(1)).await;
            assert_eq!(since(start), far + Duration::from_nanos(1));
        }
        let start = Instant::now();
        sleep(Duration::MAX).await;
        assert_eq!(since(start), 30 * year);
        // A far timer is in no nearer one's way.
        let mut far = Spy::new(sleep(20 * year));
        assert!(far.poll().is_pending());
        time::advance(ms((1 << 30) - 1)).await;
        let start = Instant::now();
        sleep(ms(10)).await;
        assert_eq!(since(start), ms(10));
        assert_eq!(far.wakes(), 0);
        time::advance(ms(1 << 36)).await;
        assert_eq!(far.wakes(), 0);
        time::advance(20 * year).await;
        assert_eq!(far.wakes(), 1);
    });
}

fn a_task_that_only_sleeps_for_no_time_gives_others_their_turn(paused: fn() -> Rt) {
    paused().block_on(async {
        let done = Arc::new(AtomicBool::new(false));
        let seen = done.clone();
        let spinner = runtime::spawn(async move {
            while !seen.load(Ordering::SeqCst) {
                sleep(Duration::ZERO).await;
            }
        });
        let setter = runtime::spawn(async move { done.store(true, Ordering::SeqCst) });
        spinner.await.unwrap();
        setter.await.unwrap();
    });
}

fn timeouts_that_win_and_that_lose(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        assert_eq!(timeout(ms(10), async { 1 }).await, Ok(1));
        assert_eq!(timeout(Duration::ZERO, ready(2)).await, Ok(2));
        assert_eq!(timeout_at(start, ready(3)).await, Ok(3));
        assert_eq!(since(start), Duration::ZERO);
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        assert_eq!(since(start), Duration::ZERO);
        assert!(timeout(ms(10), sleep(ms(11))).await.is_err());
        assert_eq!(since(start), ms(10));
        assert!(timeout(ms(10), sleep(ms(9))).await.is_ok());
        assert_eq!(since(start), ms(19));
        assert!(timeout(ms(10), sleep(ms(10))).await.is_ok(), "the future is looked at first");
        assert!(timeout_at(start + ms(30), pending::<()>()).await.is_err());
        assert_eq!(since(start), ms(30));
        assert!(timeout(Duration::MAX, sleep(ms(5))).await.is_ok());
    });
}

fn a_timeout_hands_out_its_future_and_its_error_is_an_io_error(paused: fn() -> Rt) {
    paused().block_on(async {
        let mut limited = timeout(ms(1), ready(7));
        assert_eq!(limited.get_ref().clone().into_inner(), 7);
        *limited.get_mut() = ready(8);
        assert_eq!(limited.into_inner().await, 8);
        let elapsed = timeout(ms(1), pending::<()>()).await.unwrap_err();
        assert_eq!(elapsed.to_string(), "deadline has elapsed");
        assert_eq!(std::io::Error::from(elapsed).kind(), std::io::ErrorKind::TimedOut);
    });
}

fn a_timeout_ends_a_future_that_spends_all_of_the_budget(paused: fn() -> Rt) {
    paused().block_on(async {
        let busy = runtime::spawn(timeout(ms(1), async {
            loop {
                runtime::task::consume_budget().await;
            }
        }));
        // The clock does not move by itself while there is something to run.
        runtime::task::yield_now().await;
        time::advance(ms(1)).await;
        assert!(busy.await.unwrap().is_err());
    });
}

/// Pending once, then ready: makes a timeout register and then win.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn a_hundred_thousand_won_timeouts_leave_nothing_behind(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                runtime::spawn(async {
                    for n in 0..1000 {
                        timeout(ms(n + 1), Once(false)).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(since(start), Duration::ZERO, "the clock was never moved to one of them");
        sleep(ms(3_600_000)).await;
        assert_eq!(since(start), ms(3_600_000));
    });
}

fn an_advance_fires_what_it_passes(paused: fn() -> Rt) {
    paused().block_on(async {
        let mut nap = Spy::new(sleep(ms(1)));
        assert!(nap.poll().is_pending());
        for _ in 0..3 {
            time::advance(Duration::from_micros(250)).await;
            assert_eq!(nap.wakes(), 0);
            assert!(nap.poll().is_pending());
        }
        time::advance(Duration::from_micros(250)).await;
        assert_eq!(nap.wakes(), 1);
        assert!(nap.poll().is_ready());
    });
}

fn an_advance_past_many_wakes_them_in_the_order_of_their_deadlines(paused: fn() -> Rt) {
    paused().block_on(async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let log = Arc::new(Mutex::new(Vec::new()));
        for delay in [900u64, 100, 500, 2_000, 300, 70_000, 1_500] {
            let log = log.clone();
            runtime::spawn(async move {
                sleep(Duration::from_micros(delay)).await;
                log.lock().unwrap().push(delay);
            });
        }
        runtime::task::yield_now().await;
        time::advance(ms(100)).await;
        sleep(ms(1)).await;
        order.borrow_mut().extend(log.lock().unwrap().iter().copied());
        assert_eq!(*order.borrow(), [100, 300, 500, 900, 1_500, 2_000, 70_000]);
    });
}

fn a_paused_clock_stands_still_while_there_is_something_to_do(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let mut nap = Spy::new(sleep(ms(1)));
        assert!(nap.poll().is_pending());
        for _ in 0..1000 {
            runtime::task::yield_now().await;
        }
        let job = runtime::task::spawn_blocking(|| std::thread::sleep(ms(20)));
        job.await.unwrap();
        assert_eq!(since(start), Duration::ZERO);
        assert_eq!(nap.wakes(), 0);
    });
}

fn a_resumed_clock_runs_on_from_where_it_stood(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        time::advance(ms(3_600_000)).await;
        time::resume();
        assert!(since(start) >= ms(3_600_000));
        let deadline = Instant::now() + ms(5);
        sleep_until(deadline).await;
        assert!(Instant::now() >= deadline);
        time::pause();
        let stopped = Instant::now();
        std::thread::sleep(ms(2));
        assert_eq!(Instant::now(), stopped);
    });
}

fn a_paused_clock_is_its_runtimes_own(paused: fn() -> Rt) {
    let (one, other) = (paused(), paused());
    let start = one.block_on(async { Instant::now() });
    one.block_on(sleep_for(ms(1000)));
    assert_eq!(one.block_on(async { since(start) }), ms(1000));
    other.block_on(async {
        let start = Instant::now();
        sleep(ms(1)).await;
        assert_eq!(since(start), ms(1));
    });
    assert_eq!(one.block_on(async { since(start) }), ms(1000));
}

async fn sleep_for(duration: Duration) {
    sleep(duration).await;
}

fn a_clock_that_was_advanced_by_centuries_tells_short_times_apart(paused: fn() -> Rt) {
    let year = Duration::from_secs(365 * 86_400);
    paused().block_on(async {
        let start = Instant::now();
        let mut far = Spy::new(sleep_until(start + year * 700));
        assert!(far.poll().is_pending());
        time::advance(year * 600).await;
        assert!(far.poll().is_pending());
        sleep(ms(10)).await;
        assert_eq!(since(start), year * 600 + ms(10));
        time::advance(year * 100 - ms(11)).await;
        assert!(far.poll().is_pending());
        time::advance(ms(1)).await;
        assert!(far.poll().is_ready());
    });
}

/// The thread that drives the runtime sleeps until the timer is due when the clock is paused.
fn a_clock_that_a_foreign_thread_pauses_moves_on_by_itself(paused: fn() -> Rt) {
    paused().block_on(async {
        time::resume();
        let timer = sleep(2 * time_support::support::LOST);
        let handle = runtime::runtime::Handle::current();
        let pausing = std::thread::spawn(move || {
            let _entered = handle.enter();
            std::thread::sleep(ms(20));
            time::pause();
        });
        let lost = std::time::Instant::now() + time_support::support::LOST;
        timer.await;
        assert!(std::time::Instant::now() < lost, "the clock stood still with nothing else to do");
        pausing.join().unwrap();
    });
}

/// The thread that drives the runtime sleeps without a limit meanwhile: the clock stood when it fell asleep.
fn a_clock_that_a_blocking_job_resumes_lets_timers_fire(paused: fn() -> Rt) {
    paused().block_on(async {
        let (fired, wait) = std::sync::mpsc::channel();
        let timer = runtime::spawn(async move {
            sleep(ms(5)).await;
            fired.send(()).unwrap();
        });
        let job = runtime::task::spawn_blocking(move || {
            std::thread::sleep(ms(20));
            time::resume();
            wait.recv_timeout(time_support::support::LOST).expect("the timer fires");
        });
        job.await.unwrap();
        timer.await.unwrap();
    });
}
