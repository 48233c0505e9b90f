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
    assert_eq!(walked(&mut timer, &|t| t.reset_after(&registry, 0)), "Idle");
    assert_eq!(walked(&mut timer, &poll), "Fired");
    timer.reset_after(&registry, MS);
    poll(&mut timer);
    assert_eq!(walked(&mut timer, &|_| registry.shutdown()), "Shutdown");
    assert_eq!(walked(&mut timer, &|t| t.reset_after(&registry, MS)), "Idle");
}

#[test]
fn a_timer_by_itself_fires_at_its_deadline_and_a_crowd_with_its_last() {
    let registry = registry(1);
    let (_, waker) = counter();
    let mut timer = Timer::after(&registry, 300_001);
    assert!(timer.poll(&waker).is_pending());
    assert_eq!(registry.published(0), 300_001);
    assert_eq!(registry.fire_at(0, 300_000, false), 0);
    assert_eq!(registry.fire_at(0, 300_001, false), 1);
    let mut first = Timer::after(&registry, 400_000);
    let mut last = Timer::after(&registry, 500_000);
    assert!(first.poll(&waker).is_pending());
    assert!(last.poll(&waker).is_pending());
    assert_eq!(registry.published(0), 500_000);
    assert_eq!(registry.fire_at(0, 450_000, false), 0);
    assert_eq!(registry.fire_at(0, 500_000, false), 2);
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
fn beyond_584_years_all_deadlines_are_one() {
    let registry = registry(1);
    let mut timer = Timer::after(&registry, 0);
    timer.deadline += Duration::from_secs(100_000_000_000);
    assert!(timer.poll(Waker::noop()).is_pending());
    assert_eq!(registry.published(0), u64::MAX - 1);
    assert!(registry.next_deadline(0).is_some());
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
    assert_eq!(registry.fire_at(0, 50 * MS, false), 0);
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

#[test]
fn only_the_shared_shard_nudges_and_only_for_a_sooner_deadline() {
    let registry = registry(2);
    let nudges = std::sync::Arc::new(AtomicUsize::new(0));
    let count = nudges.clone();
    registry.set_nudge(Box::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    let mut timers: Vec<Timer> = [5, 7, 5, 3].iter().map(|ms| Timer::after(&registry, ms * MS)).collect();
    let mut seen = Vec::new();
    for timer in &mut timers {
        assert!(timer.poll_in(registry.shared_shard(), Waker::noop()).is_pending());
        seen.push(nudges.load(Ordering::SeqCst));
    }
    assert_eq!(seen, [1, 1, 1, 2]);
    timers[1].reset_after(&registry, MS);
    assert_eq!(nudges.load(Ordering::SeqCst), 3);
    let mut own = Timer::after(&registry, 1);
    assert!(own.poll_in(0, Waker::noop()).is_pending());
    assert_eq!(nudges.load(Ordering::SeqCst), 3);
    assert_eq!(registry.next_deadline_all(), Some(own.deadline));
    assert_eq!(registry.next_deadline(1), Some(timers[1].deadline));
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
