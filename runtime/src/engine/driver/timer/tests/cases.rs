//! The timers, case by case.

use std::sync::Mutex as StdMutex;

use super::*;

#[test]
fn the_protocol_page_names_the_states_and_their_ways_out() {
    let page = include_str!("../mod.rs");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("//! | `"))
        .map(|line| line.trim_start_matches("//! |").split('|').map(str::trim).collect())
        .collect();
    for (bits, row) in rows.iter().enumerate() {
        let state = State::from_bits(bits as u8);
        assert_eq!(state as usize, bits);
        assert_eq!(row[0], format!("`{state:?}`"));
        assert_eq!(row[1] == "yes", state == State::Registered);
    }
    assert_eq!(rows.len(), State::Shutdown as usize + 1);

    // The ways out of `Idle`, `Registered` and `Fired`, walked.
    let registry = registry(1);
    let walked = |timer: &mut Timer, way: &dyn Fn(&mut Timer)| {
        let name = |timer: &Timer| {
            let text = format!("{:?}", timer.entry);
            rows.iter()
                .map(|row| row[0].trim_matches('`'))
                .find(|name| text.contains(*name))
                .unwrap()
                .to_owned()
        };
        let from = name(timer);
        way(timer);
        let to = name(timer);
        let row = rows.iter().find(|row| row[0].contains(&from)).unwrap();
        assert!(row[4].contains(&to), "{from} -> {to} is not on the page");
        to
    };
    let poll = |timer: &mut Timer| {
        let _ = timer.poll(Waker::noop());
    };
    let mut timer = Timer::after(&registry, MS);
    assert_eq!(walked(&mut timer, &poll), "Registered");
    assert_eq!(walked(&mut timer, &|t| t.entry.as_mut().cancel()), "Idle");
    assert_eq!(walked(&mut timer, &poll), "Registered");
    advance(&registry, MS);
    assert_eq!(walked(&mut timer, &|_| assert_eq!(registry.fire(0), 1)), "Fired");
    assert_eq!(walked(&mut timer, &|t| t.reset_after(&registry, MS)), "Idle");
    assert_eq!(walked(&mut timer, &|t| t.reset_after(&registry, 0)), "Fired");
    timer.reset_after(&registry, MS);
    poll(&mut timer);
    assert_eq!(walked(&mut timer, &|_| registry.shutdown()), "Shutdown");
    assert_eq!(walked(&mut timer, &|t| t.reset_after(&registry, MS)), "Idle");
    let mut timer = Timer::after(&registry, MS);
    poll(&mut timer);
    assert_eq!(walked(&mut timer, &|t| t.reset_after(&registry, 0)), "Fired");
    // What is due at its first poll is not registered.
    let mut timer = Timer::after(&registry, 0);
    assert_eq!(walked(&mut timer, &poll), "Fired");
}

#[test]
fn a_timer_by_itself_fires_at_its_deadline_and_a_crowd_with_its_last() {
    let registry = registry(1);
    let (_, waker) = counter();
    let mut timer = Timer::after(&registry, 300_001);
    assert!(timer.poll(&waker).is_pending());
    assert_eq!(registry.published(0), 300_001);
    assert_eq!(registry.fire_at(0, at(300_000), false), 0);
    assert_eq!(registry.fire_at(0, at(300_001), false), 1);
    let mut first = Timer::after(&registry, 400_000);
    let mut last = Timer::after(&registry, 500_000);
    assert!(first.poll(&waker).is_pending());
    assert!(last.poll(&waker).is_pending());
    assert_eq!(registry.published(0), 500_000);
    assert_eq!(registry.fire_at(0, at(450_000), false), 0);
    assert_eq!(registry.fire_at(0, at(500_000), false), 2);
}

#[test]
fn a_far_deadline_is_waited_for_without_stops_on_the_way() {
    let year = 365 * 86_400 * 1000 * MS;
    for after in [64 * MS + 1, 4096 * MS + 7, 86_400 * 1000 * MS, year, 5 * year, 580 * year] {
        let registry = registry(1);
        let (count, waker) = counter();
        let mut timer = Timer::after(&registry, after);
        assert!(timer.poll(&waker).is_pending());
        assert_eq!(registry.published(0), after);
        assert_eq!(registry.next_deadline(0), Some(timer.deadline));
        advance(&registry, after - 1);
        assert_eq!(registry.fire(0), 0);
        assert_eq!(registry.next_deadline(0), Some(timer.deadline));
        advance(&registry, 1);
        assert_eq!(registry.fire(0), 1);
        assert_eq!(count.get(), 1);
    }
}

#[test]
fn deadlines_beyond_584_years_fire_in_order_and_at_their_time() {
    let year = Duration::from_secs(365 * 86_400);
    let registry = registry(1);
    let (count, waker) = counter();
    let start = registry.clock().now();
    let mut timers: Vec<Timer> = [700, 600, 1000].iter().map(|_| Timer::after(&registry, 0)).collect();
    for (timer, years) in timers.iter_mut().zip([700, 600, 1000]) {
        timer.deadline = start + year * years;
        assert!(timer.poll(&waker).is_pending());
    }
    for (years, fired) in [(599, 0), (1, 1), (99, 0), (1, 1), (200, 0)] {
        registry.clock().advance(year * years).unwrap();
        assert_eq!(registry.fire(0), fired);
    }
    assert_eq!(count.get(), 2);
    // The clock is past 584 years: short times are still told apart.
    let mut short = Timer::after(&registry, 10 * MS);
    assert!(short.poll(&waker).is_pending());
    assert_eq!(registry.next_deadline(0), Some(short.deadline));
    advance(&registry, 10 * MS - 1);
    assert_eq!(registry.fire(0), 0);
    advance(&registry, 1);
    assert_eq!(registry.fire(0), 1);
    assert_eq!(registry.next_deadline(0), Some(start + year * 1000));
}

#[test]
fn what_need_not_wait_is_never_registered() {
    let registry = registry(2);
    let mut due = Timer::after(&registry, 0);
    assert!(!due.entry.is_elapsed());
    assert_eq!(due.poll_in(9, Waker::noop()), Poll::Ready(Ok(())));
    assert!(due.entry.is_elapsed());
    let idle = Timer::after(&registry, MS);
    assert!(registry.is_empty());
    drop(idle);
}

#[test]
fn a_wheel_that_is_ahead_of_a_slow_thread_takes_nothing_from_the_past() {
    // Between reading the clock and taking the lock, another thread may have fired what was due later.
    let registry = registry(1);
    let (count, waker) = counter();
    let mut ahead = Timer::after(&registry, 100 * MS);
    assert!(ahead.poll(&waker).is_pending());
    assert_eq!(registry.fire_at(0, at(50 * MS), false), 0);
    let mut slow = Timer::after(&registry, 5 * MS);
    assert_eq!(slow.poll(&waker), Poll::Ready(Ok(())));
    ahead.reset_after(&registry, 7 * MS);
    assert_eq!(count.get(), 1);
    assert_eq!(ahead.poll(&waker), Poll::Ready(Ok(())));
    assert!(registry.is_empty());
    assert_eq!(stored(&count), 0);
}

#[test]
fn a_cancel_drops_the_waker_and_empties_the_wheel() {
    let registry = registry(3);
    let (count, waker) = counter();
    for round in 0..100_000 {
        let mut timer = Timer::after(&registry, (round % 5_000 + 1) * MS);
        assert!(timer.poll_in(round as usize % 3, &waker).is_pending());
        assert_eq!(stored(&count), 1);
        if round % 2 == 0 {
            timer.entry.as_mut().cancel();
            assert_eq!(stored(&count), 0);
        }
        drop(timer);
        assert_eq!(stored(&count), 0);
    }
    assert!(registry.is_empty());
    assert_eq!(registry.next_deadline_all(), None);
    assert_eq!(count.get(), 0);
}

#[test]
fn a_new_task_replaces_the_old_ones_waker() {
    let registry = registry(1);
    let ((old, old_waker), (new, new_waker)) = (counter(), counter());
    let mut timer = Timer::after(&registry, MS);
    assert!(timer.poll(&old_waker).is_pending());
    assert!(timer.poll(&new_waker).is_pending());
    assert_eq!((stored(&old), stored(&new)), (0, 1));
    advance(&registry, MS);
    assert_eq!(registry.fire(0), 1);
    assert_eq!((old.get(), new.get()), (0, 1));
    assert_eq!(stored(&new), 0);
}

#[test]
fn a_reset_keeps_the_waker_and_one_to_the_past_wakes_at_once() {
    let registry = registry(1);
    let (count, waker) = counter();
    let mut timer = Timer::after(&registry, MS);
    assert!(timer.poll(&waker).is_pending());
    timer.reset_after(&registry, 7 * MS);
    advance(&registry, 6 * MS);
    assert_eq!(registry.fire(0), 0);
    advance(&registry, MS);
    assert_eq!(registry.fire(0), 1);
    assert_eq!(count.get(), 1);
    timer.reset_after(&registry, 100 * MS);
    assert!(!timer.entry.is_elapsed());
    assert!(timer.poll(&waker).is_pending());
    timer.reset_after(&registry, 0);
    assert_eq!(count.get(), 2);
    assert_eq!(timer.poll(&waker), Poll::Ready(Ok(())));
    assert!(registry.is_empty());
}

/// Fires a shard in the place of the thread that wakes it, and notes how many it has found there.
struct FiresTheRest {
    registry: Arc<TimerRegistry>,
    fired: AtomicUsize,
}

impl Wake for FiresTheRest {
    fn wake(self: std::sync::Arc<Self>) {
        self.fired.fetch_add(self.registry.fire(0), Ordering::SeqCst);
    }
}

#[test]
fn what_is_due_beyond_one_batch_can_be_fired_by_others_while_the_batch_is_woken() {
    let registry = registry(1);
    let fires = std::sync::Arc::new(FiresTheRest { registry: registry.clone(), fired: AtomicUsize::new(0) });
    let mut first = Timer::after(&registry, MS);
    assert!(first.poll(&fires.clone().into()).is_pending());
    let (count, waker) = counter();
    let mut others: Vec<Timer> = (0..1000).map(|_| Timer::after(&registry, MS)).collect();
    for timer in &mut others {
        assert!(timer.poll(&waker).is_pending());
    }
    advance(&registry, MS);
    let by_caller = registry.fire(0);
    let by_waker = fires.fired.load(Ordering::SeqCst);
    assert_eq!(by_caller + by_waker, 1001);
    assert!(by_waker > 900, "the others were left to a thread that may be busy for long: {by_waker}");
    assert_eq!(count.get(), 1000);
    assert!(registry.is_empty());
}

/// A registry of two shards that notes which of them were unparked.
fn noting_unparks() -> (Arc<TimerRegistry>, impl Fn() -> Vec<usize>) {
    let registry = registry(2);
    let unparked = std::sync::Arc::new(StdMutex::new(Vec::new()));
    let noted = unparked.clone();
    registry.set_unpark(Box::new(move |shard| noted.lock().unwrap().push(shard)));
    (registry, move || std::mem::take(&mut *unparked.lock().unwrap()))
}

#[test]
fn a_sleeper_is_unparked_for_a_deadline_before_the_one_it_has_armed() {
    for shard in 0..2 {
        let (registry, unparked) = noting_unparks();
        let mut timers: Vec<Timer> = [5, 7, 5, 3].iter().map(|ms| Timer::after(&registry, ms * MS)).collect();
        assert_eq!(registry.arm(shard), None);
        let mut seen = Vec::new();
        for timer in &mut timers {
            assert!(timer.poll_in(shard, Waker::noop()).is_pending());
            seen.push(unparked());
        }
        assert_eq!(seen, [vec![shard], vec![], vec![], vec![shard]]);
        timers[1].reset_after(&registry, 2 * MS);
        assert_eq!(unparked(), [shard], "a reset to an earlier deadline");
        timers[0].reset_after(&registry, 4 * MS);
        timers[2].reset_after(&registry, 40 * MS);
        assert_eq!(unparked(), [], "the first deadline is the same");
        assert_eq!(registry.arm(shard), Some(timers[1].deadline));
        timers[0].reset_after(&registry, 3 * MS);
        assert_eq!(unparked(), []);
        timers[0].reset_after(&registry, MS);
        assert_eq!(unparked(), [shard]);
        assert_eq!(registry.next_deadline_all(), Some(timers[0].deadline));
    }
}

#[test]
fn a_thread_that_is_awake_is_not_unparked() {
    let (registry, unparked) = noting_unparks();
    let mut timer = Timer::after(&registry, 5 * MS);
    assert!(timer.poll(Waker::noop()).is_pending());
    timer.reset_after(&registry, 3 * MS);
    assert_eq!(registry.arm(0), Some(timer.deadline));
    registry.disarm(0);
    timer.reset_after(&registry, MS);
    assert_eq!(unparked(), []);
}

#[test]
fn timeouts_that_are_cancelled_unpark_once_and_not_again_until_the_sleeper_has_looked() {
    let (registry, unparked) = noting_unparks();
    registry.arm(1);
    for round in 0..100 {
        let mut timer = Timer::after(&registry, 1000 * MS + round);
        assert!(timer.poll_in(1, Waker::noop()).is_pending());
        drop(timer);
        assert_eq!(unparked().len(), usize::from(round == 0));
    }
    assert_eq!(registry.arm(1), None, "there is nothing to wait for");
}

#[test]
fn a_sleeper_hears_of_a_sooner_deadline_beyond_584_years_too() {
    let (registry, unparked) = noting_unparks();
    registry.clock().advance(Duration::from_secs(600 * 365 * 86_400)).unwrap();
    let mut later = Timer::after(&registry, 3_600_000 * MS);
    assert!(later.poll(Waker::noop()).is_pending());
    assert_eq!(registry.arm(0), Some(later.deadline));
    let mut sooner = Timer::after(&registry, MS);
    assert!(sooner.poll(Waker::noop()).is_pending());
    assert_eq!(unparked(), [0]);
    assert_eq!(registry.arm(0), Some(sooner.deadline));
}

#[test]
fn a_shutdown_wakes_who_waits_and_refuses_who_comes_later() {
    let registry = registry(2);
    let (count, waker) = counter();
    let year = 365 * 86_400 * 1000 * MS;
    let mut timers: Vec<Timer> =
        (0..100).map(|n| Timer::after(&registry, if n % 2 == 0 { MS } else { n * year })).collect();
    for (n, timer) in timers.iter_mut().enumerate() {
        assert!(timer.poll_in(n / 50, &waker).is_pending());
    }
    registry.shutdown();
    assert!(registry.is_empty());
    assert_eq!((count.get(), stored(&count)), (100, 0));
    for timer in &mut timers {
        assert_eq!(timer.poll(&waker), Poll::Ready(Err(Shutdown)));
    }
    assert_eq!(Timer::after(&registry, MS).poll(&waker), Poll::Ready(Err(Shutdown)));
    registry.shutdown();
}

struct Panics;
impl Wake for Panics {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("a waker's own");
    }
}

#[test]
fn a_panicking_waker_costs_no_other_timer_its_wakeup() {
    for end in ["fire", "shutdown"] {
        let registry = registry(1);
        let (count, waker) = counter();
        let panics = Waker::from(std::sync::Arc::new(Panics));
        let mut timers: Vec<Timer> = (0..100).map(|_| Timer::after(&registry, MS)).collect();
        for (n, timer) in timers.iter_mut().enumerate() {
            assert!(timer.poll(if n == 3 || n == 40 { &panics } else { &waker }).is_pending());
        }
        advance(&registry, MS);
        match end {
            "fire" => assert_eq!(registry.fire(0), 100),
            _ => registry.shutdown(),
        }
        assert_eq!(count.get(), 98);
        assert!(registry.is_empty());
    }
}

/// A waker whose drop, or wake, drops other timers of the same shard: foreign code that needs the lock.
struct Owner(StdMutex<Vec<Timer>>);
impl Wake for Owner {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.lock().unwrap().clear();
    }
}

#[test]
fn wakers_may_drop_timers_when_woken_and_when_dropped() {
    for fire in [true, false] {
        let registry = registry(1);
        let others = (0..50).map(|_| {
            let mut other = Timer::after(&registry, MS);
            assert!(other.poll(Waker::noop()).is_pending());
            other
        });
        let owner = std::sync::Arc::new(Owner(StdMutex::new(others.collect())));
        let mut timer = Timer::after(&registry, MS - 1);
        assert!(timer.poll(&Waker::from(owner.clone())).is_pending());
        drop(owner);
        if fire {
            advance(&registry, MS - 1);
            assert_eq!(registry.fire(0), 1);
        } else {
            drop(timer);
        }
        assert!(registry.is_empty());
    }
}

#[test]
fn a_timer_is_small() {
    assert_eq!(size_of::<TimerEntry>(), 56);
}
