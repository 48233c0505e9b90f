//! What can happen to a timer at the same time.

use super::*;
use crate::base::prim::{self, Condvar, Mutex, thread};

#[test]
fn loom_fire_against_drop() {
    prim::model(|| {
        let registry = registry(1);
        let (count, waker) = counter();
        let mut timer = Timer::after(&registry, MS);
        assert!(timer.poll(&waker).is_pending());
        advance(&registry, MS);
        let firing = {
            let registry = registry.clone();
            thread::spawn(move || registry.fire(0))
        };
        drop(timer);
        let fired = firing.join().unwrap();
        assert_eq!(count.get(), fired);
        assert_eq!(stored(&count), 0);
        assert!(registry.is_empty());
    });
}

#[test]
fn loom_fire_against_reset() {
    prim::model(|| {
        let registry = registry(1);
        let (count, waker) = counter();
        let mut timer = Timer::after(&registry, MS);
        assert!(timer.poll(&waker).is_pending());
        advance(&registry, MS);
        let firing = {
            let registry = registry.clone();
            thread::spawn(move || registry.fire(0))
        };
        timer.reset_after(&registry, MS);
        let woken = firing.join().unwrap();
        assert_eq!(count.get(), woken);
        if woken == 1 {
            // The wake-up of the old deadline, which makes the task poll.
            assert!(timer.poll(&waker).is_pending());
        }
        advance(&registry, MS);
        assert_eq!(registry.fire(0), 1);
        assert_eq!(count.get(), woken + 1);
        assert_eq!(timer.poll(&waker), Poll::Ready(Ok(())));
        assert_eq!(stored(&count), 0);
    });
}

#[test]
fn loom_fire_against_a_poll() {
    for same_task in [true, false] {
        prim::model(move || {
            let registry = registry(1);
            let (old, old_waker) = counter();
            let (new, new_waker) = if same_task { (old.clone(), old_waker.clone()) } else { counter() };
            let mut timer = Timer::after(&registry, MS);
            assert!(timer.poll(&old_waker).is_pending());
            advance(&registry, MS);
            let firing = {
                let registry = registry.clone();
                thread::spawn(move || registry.fire(0))
            };
            let polled = timer.poll(&new_waker);
            assert_eq!(firing.join().unwrap(), 1);
            if polled.is_pending() {
                assert_eq!(new.get(), 1, "who was told to wait is woken");
            }
            assert_eq!(timer.poll(&new_waker), Poll::Ready(Ok(())));
            drop((old_waker, new_waker));
            assert_eq!(std::sync::Arc::strong_count(&new), if same_task { 2 } else { 1 });
        });
    }
}

#[test]
fn loom_two_fire_the_same_shard() {
    prim::model(|| {
        let registry = registry(1);
        let (count, waker) = counter();
        let mut timers = [Timer::after(&registry, MS), Timer::after(&registry, 2 * MS)];
        for timer in &mut timers {
            assert!(timer.poll(&waker).is_pending());
        }
        advance(&registry, 2 * MS);
        let firing = {
            let registry = registry.clone();
            thread::spawn(move || registry.fire(0))
        };
        let mine = registry.fire(0);
        assert_eq!(firing.join().unwrap() + mine, 2);
        assert_eq!(count.get(), 2);
        assert!(registry.is_empty());
    });
}

#[test]
fn loom_shutdown_against_register() {
    prim::model(|| {
        let registry = registry(1);
        let (count, waker) = counter();
        let mut timer = Timer::after(&registry, MS);
        let ending = {
            let registry = registry.clone();
            thread::spawn(move || registry.shutdown())
        };
        let polled = timer.poll(&waker);
        ending.join().unwrap();
        if polled.is_pending() {
            assert_eq!(count.get(), 1, "who was told to wait is woken");
        }
        assert_eq!(timer.poll(&waker), Poll::Ready(Err(Shutdown)));
        assert_eq!(stored(&count), 0);
        assert!(registry.is_empty());
    });
}

/// A thread that looks after one shard, and what wakes it.
struct Sleeper {
    registry: Arc<TimerRegistry>,
    token: Arc<(Mutex<bool>, Condvar)>,
}

impl Sleeper {
    fn new(registry: &Arc<TimerRegistry>) -> Self {
        let token = Arc::new((Mutex::new(false), Condvar::new()));
        let given = token.clone();
        registry.set_unpark(Box::new(move |_| {
            *given.0.lock() = true;
            given.1.notify_one();
        }));
        Self { registry: registry.clone(), token }
    }

    /// Sleeps until somebody says so, or the shard's next deadline is no later than `limit`. Each sleep with a later
    /// deadline ends only by being unparked: the model has no clock.
    fn sleep_until_armed_by(&self, limit: Instant) {
        while self.registry.arm(0).is_none_or(|deadline| deadline > limit) {
            let mut told = self.token.0.lock();
            while !*told {
                told = self.token.1.wait(told);
            }
            *told = false;
            drop(told);
            self.registry.disarm(0);
        }
    }
}

#[test]
fn loom_a_sleeper_hears_of_the_first_deadline() {
    prim::model(|| {
        let registry = registry(1);
        let sleeper = Sleeper::new(&registry);
        let mut timer = Timer::after(&registry, MS);
        let limit = timer.deadline;
        let sleeper = thread::spawn(move || sleeper.sleep_until_armed_by(limit));
        assert!(timer.poll(Waker::noop()).is_pending());
        sleeper.join().unwrap();
    });
}

#[test]
fn loom_a_sleeper_hears_of_a_reset_to_an_earlier_deadline() {
    prim::model(|| {
        let registry = registry(1);
        let sleeper = Sleeper::new(&registry);
        let mut timer = Timer::after(&registry, 1000 * MS);
        assert!(timer.poll(Waker::noop()).is_pending());
        let limit = registry.clock().now() + ns(MS);
        let sleeper = thread::spawn(move || sleeper.sleep_until_armed_by(limit));
        timer.reset_after(&registry, MS);
        sleeper.join().unwrap();
    });
}

/// What one thread's unpark leaves behind must not keep another's from getting through.
#[test]
fn loom_a_sleeper_hears_of_the_earlier_one_of_two_deadlines() {
    prim::model(|| {
        let registry = registry(1);
        let sleeper = Sleeper::new(&registry);
        let mut later = Timer::after(&registry, 2 * MS);
        let mut earlier = Timer::after(&registry, MS);
        let limit = earlier.deadline;
        let sleeper = thread::spawn(move || sleeper.sleep_until_armed_by(limit));
        let other = thread::spawn(move || {
            assert!(later.poll(Waker::noop()).is_pending());
            // Before a deadline is armed that is due no more.
            drop(later);
        });
        assert!(earlier.poll(Waker::noop()).is_pending());
        sleeper.join().unwrap();
        other.join().unwrap();
    });
}
