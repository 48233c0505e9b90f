//! Intervals, with the clock in the test's hand.

mod time_support;

use std::future::poll_fn;
use std::pin::pin;

use runtime::time::{self, Duration, Instant, Interval, MissedTickBehavior, interval, interval_at, sleep};
use time_support::{Rt, Spy, ms, since};

over_paused!(
    a_burst_makes_up_for_missed_ticks,
    a_delay_counts_from_the_late_tick,
    a_skip_leaves_missed_ticks_out,
    five_milliseconds_late_is_not_missed,
    a_reset_forgets_what_was_due,
    a_reset_wakes_the_task_that_waits_at_the_new_time,
    a_tick_that_is_given_up_is_not_lost,
    long_periods_do_not_overflow,
);

/// Takes each tick after some work; returns when each was due and when it was taken, in milliseconds.
async fn ticks(behavior: MissedTickBehavior, work: &[u64]) -> Vec<(u64, u64)> {
    let start = Instant::now();
    let mut interval = interval_at(start, ms(100));
    interval.set_missed_tick_behavior(behavior);
    assert_eq!(interval.missed_tick_behavior(), behavior);
    let mut taken = Vec::new();
    for work in work {
        let due = interval.tick().await;
        taken.push(((due - start).as_millis() as u64, since(start).as_millis() as u64));
        sleep(ms(*work)).await;
    }
    taken
}

fn a_burst_makes_up_for_missed_ticks(paused: fn() -> Rt) {
    let taken = paused().block_on(ticks(MissedTickBehavior::Burst, &[30, 330, 10, 10, 10, 0, 0]));
    assert_eq!(taken, [(0, 0), (100, 100), (200, 430), (300, 440), (400, 450), (500, 500), (600, 600)]);
}

fn a_delay_counts_from_the_late_tick(paused: fn() -> Rt) {
    let taken = paused().block_on(ticks(MissedTickBehavior::Delay, &[30, 330, 10, 0, 0]));
    assert_eq!(taken, [(0, 0), (100, 100), (200, 430), (530, 530), (630, 630)]);
}

fn a_skip_leaves_missed_ticks_out(paused: fn() -> Rt) {
    let taken = paused().block_on(ticks(MissedTickBehavior::Skip, &[30, 330, 10, 0, 0]));
    assert_eq!(taken, [(0, 0), (100, 100), (200, 430), (500, 500), (600, 600)]);
}

fn five_milliseconds_late_is_not_missed(paused: fn() -> Rt) {
    for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
        let taken = paused().block_on(ticks(behavior, &[105, 0]));
        assert_eq!(taken, [(0, 0), (100, 105)]);
        let taken = paused().block_on(ticks(behavior, &[105, 0, 0]));
        assert_eq!(taken[2], (200, 200), "{behavior:?}");
    }
}

fn a_reset_forgets_what_was_due(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let reset = |reset: fn(&mut Interval)| async move {
            let start = Instant::now();
            let mut interval = interval(ms(100));
            interval.tick().await;
            sleep(ms(250)).await;
            reset(&mut interval);
            [interval.tick().await - start, interval.tick().await - start]
        };
        assert_eq!(reset(Interval::reset).await, [ms(350), ms(450)]);
        assert_eq!(reset(Interval::reset_immediately).await, [ms(250), ms(350)]);
        assert_eq!(reset(|i| i.reset_after(ms(20))).await, [ms(270), ms(370)]);
        assert_eq!(reset(|i| i.reset_at(Instant::now() + ms(1000))).await, [ms(1250), ms(1350)]);
        assert!(since(start) > ms(1000));
    });
}

fn a_reset_wakes_the_task_that_waits_at_the_new_time(paused: fn() -> Rt) {
    paused().block_on(async {
        let mut interval = interval(ms(1000));
        interval.tick().await;
        let mut tick = Spy::new(poll_fn(move |cx| {
            let polled = interval.poll_tick(cx);
            if polled.is_pending() {
                interval.reset_after(ms(10));
            }
            polled
        }));
        assert!(tick.poll().is_pending());
        sleep(ms(9)).await;
        assert_eq!(tick.wakes(), 0);
        sleep(ms(1)).await;
        assert_eq!(tick.wakes(), 1);
        assert!(tick.poll().is_ready());
    });
}

fn a_tick_that_is_given_up_is_not_lost(paused: fn() -> Rt) {
    paused().block_on(async {
        let start = Instant::now();
        let mut interval = interval(ms(100));
        interval.tick().await;
        {
            let mut tick = pin!(interval.tick());
            assert!(time::timeout(ms(50), tick.as_mut()).await.is_err());
        }
        assert_eq!(interval.tick().await, start + ms(100));
    });
}

fn long_periods_do_not_overflow(paused: fn() -> Rt) {
    let years = Duration::from_secs(30 * 365 * 86_400);
    paused().block_on(async move {
        let mut longest = interval(Duration::MAX);
        assert_eq!(longest.period(), years);
        longest.tick().await;
        longest.reset();
        longest.reset_after(Duration::MAX);
        for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
            let start = Instant::now();
            let mut interval = interval(years);
            interval.set_missed_tick_behavior(behavior);
            interval.tick().await;
            assert_eq!(interval.tick().await, start + years);
        }
    });
}
