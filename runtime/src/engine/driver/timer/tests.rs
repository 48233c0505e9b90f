//! The timers without a runtime: against a sorted list, and against each other in every interleaving.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::base::clock::Clock;
use crate::base::prim::{self, Arc, Condvar, Mutex, thread};

const MS: u64 = 1_000_000;

fn ns(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

/// A registry whose clock moves only when told.
fn registry(shards: usize) -> Arc<TimerRegistry> {
    let clock = Clock::new(true);
    clock.pause().unwrap();
    Arc::new(TimerRegistry::new(shards, clock))
}

fn advance(registry: &TimerRegistry, by: u64) {
    registry.clock().advance(ns(by)).unwrap();
}

/// A timer with its deadline, as a `Sleep` holds it.
struct Timer {
    entry: Pin<Box<TimerEntry>>,
    deadline: Instant,
}

impl Timer {
    fn after(registry: &Arc<TimerRegistry>, after: u64) -> Self {
        let deadline = registry.clock().now() + ns(after);
        Self { entry: Box::pin(TimerEntry::new(registry.clone())), deadline }
    }

    fn poll_in(&mut self, shard: usize, waker: &Waker) -> Poll<Result<(), Shutdown>> {
        self.entry.as_mut().poll(&mut Context::from_waker(waker), self.deadline, |_| shard)
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Result<(), Shutdown>> {
        self.poll_in(0, waker)
    }

    fn reset_after(&mut self, registry: &TimerRegistry, after: u64) {
        self.deadline = registry.clock().now() + ns(after);
        self.entry.as_mut().reset(self.deadline);
    }
}

/// Counts its wake-ups; its own references tell whether a waker of it is still stored.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> (std::sync::Arc<Count>, Waker) {
    let count = std::sync::Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// How many wakers of this task are about, the test's own apart.
fn stored(count: &std::sync::Arc<Count>) -> usize {
    std::sync::Arc::strong_count(count) - 2
}

/// Notes its name when it is woken.
struct Note {
    name: usize,
    log: std::sync::Arc<StdMutex<Vec<usize>>>,
}

impl Wake for Note {
    fn wake(self: std::sync::Arc<Self>) {
        self.log.lock().unwrap().push(self.name);
    }
}

/// xorshift64*, from the seed that a failing test prints.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Each order of magnitude as often as any other, up to some years, and now and then the same again.
    fn span(&mut self) -> u64 {
        let magnitude = self.below(57);
        let span = self.below(1 << magnitude) + 1;
        if self.below(3) == 0 { (span / MS + 1) * MS } else { span }
    }
}

/// Some timers and, beside them, a sorted list of what is registered.
struct Bench {
    registry: Arc<TimerRegistry>,
    timers: BTreeMap<usize, Timer>,
    /// By deadline, then by order of registration.
    model: BTreeMap<(u64, usize), usize>,
    log: std::sync::Arc<StdMutex<Vec<usize>>>,
    registrations: usize,
}

impl Bench {
    fn new() -> Self {
        Self {
            registry: registry(1),
            timers: BTreeMap::new(),
            model: BTreeMap::new(),
            log: std::sync::Arc::default(),
            registrations: 0,
        }
    }

    fn note(&mut self, name: usize, deadline: Instant) {
        self.registrations += 1;
        self.model.insert((self.registry.due_of(deadline), self.registrations), name);
    }

    fn forget(&mut self, name: usize) -> bool {
        let before = self.model.len();
        self.model.retain(|_, registered| *registered != name);
        self.model.len() < before
    }

    fn add(&mut self, after: u64) {
        let name = self.registrations;
        let mut timer = Timer::after(&self.registry, after);
        let waker = Waker::from(std::sync::Arc::new(Note { name, log: self.log.clone() }));
        assert!(timer.poll(&waker).is_pending());
        assert!(timer.poll(&waker).is_pending());
        self.note(name, timer.deadline);
        self.timers.insert(name, timer);
    }

    fn any(&self, rng: &mut Rng) -> Option<usize> {
        let at = rng.below(self.timers.len().max(1) as u64) as usize;
        self.timers.keys().nth(at).copied()
    }

    /// What has fired since the last call, and what the list says should have by `now`.
    fn fired(&mut self, now: u64) -> (Vec<(u64, usize)>, Vec<(u64, usize)>) {
        let later = self.model.split_off(&(now + 1, 0));
        let expected: Vec<(u64, usize)> =
            std::mem::replace(&mut self.model, later).iter().map(|(key, name)| (key.0, *name)).collect();
        let names = std::mem::take(&mut *self.log.lock().unwrap());
        let fired =
            names.iter().map(|name| (self.registry.due_of(self.timers[name].deadline), *name)).collect();
        (fired, expected)
    }

    /// One random change: add, cancel, move.
    fn step(&mut self, rng: &mut Rng) {
        match rng.below(5) {
            0..3 => {
                let span = rng.span();
                self.add(span);
            }
            3 => {
                if let Some(name) = self.any(rng) {
                    self.timers.remove(&name);
                    self.forget(name);
                }
            }
            _ => {
                if let Some(name) = self.any(rng) {
                    let span = rng.span();
                    let registry = self.registry.clone();
                    self.timers.get_mut(&name).unwrap().reset_after(&registry, span);
                    // One that has fired is registered again by its next poll only.
                    if self.forget(name) {
                        let deadline = self.timers[&name].deadline;
                        self.note(name, deadline);
                    }
                }
            }
        }
    }

    /// How far to move: somewhere, just before or to the next deadline, or far beyond.
    fn stride(&self, rng: &mut Rng) -> u64 {
        let next = self.registry.next_deadline(0);
        let to_next =
            next.map_or(0, |at| at.saturating_duration_since(self.registry.clock().now()).as_nanos());
        match rng.below(4) {
            0 => to_next as u64,
            1 => (to_next as u64).saturating_sub(1),
            _ => rng.span(),
        }
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    let given = std::env::var("RT_TIMER_SEED").ok().and_then(|seed| seed.parse().ok());
    given.map_or(1..40, |seed| seed..seed + 1)
}

#[cfg(not(rt_loom))]
mod alone {
    use super::*;

    #[test]
    fn the_protocol_page_names_the_states_and_their_ways_out() {
        let page = include_str!("mod.rs");
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

    fn far(registry: &TimerRegistry) -> Instant {
        registry.clock().now() + Duration::from_secs(1 << 40)
    }

    #[test]
    fn a_paused_clock_fires_exactly_what_a_sorted_list_would() {
        for seed in seeds() {
            eprintln!("RT_TIMER_SEED={seed}");
            let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let mut bench = Bench::new();
            for _ in 0..400 {
                for _ in 0..rng.below(6) {
                    bench.step(&mut rng);
                }
                let stride = bench.stride(&mut rng);
                advance(&bench.registry, stride);
                let count = bench.registry.fire(0);
                let now = bench.registry.now();
                let (fired, expected) = bench.fired(now);
                assert_eq!(fired, expected, "at {now}");
                assert_eq!(count, fired.len());
                let next = bench.registry.next_deadline(0).unwrap_or_else(|| far(&bench.registry));
                let earliest = bench.model.keys().next();
                let earliest = earliest.map_or_else(
                    || far(&bench.registry),
                    |key| bench.registry.clock().now() + ns(key.0 - now),
                );
                assert!(next <= earliest, "at {now} it would sleep too long");
                assert_eq!(bench.registry.is_empty(), bench.model.is_empty());
            }
            bench.timers.clear();
            assert!(bench.registry.is_empty());
            assert_eq!(bench.registry.next_deadline_all(), None);
        }
    }

    #[test]
    fn a_running_clock_fires_in_batches_never_early_and_under_a_bucket_late() {
        for seed in seeds() {
            eprintln!("RT_TIMER_SEED={seed}");
            let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let mut bench = Bench::new();
            for _ in 0..400 {
                for _ in 0..rng.below(6) {
                    bench.step(&mut rng);
                }
                let stride = bench.stride(&mut rng);
                advance(&bench.registry, stride);
                let now = bench.registry.now();
                bench.registry.fire_at(0, now, false);
                let (fired, expected) = bench.fired(now);
                let buckets =
                    |list: &[(u64, usize)]| -> Vec<u64> { list.iter().map(|t| (t.0 - 1) / MS).collect() };
                assert!(fired.iter().all(|timer| timer.0 <= now), "early, at {now}: {fired:?}");
                assert!(buckets(&fired).is_sorted(), "out of order, at {now}: {fired:?}");
                // Who is due and has not fired waits for a later one of the same millisecond, which is the present.
                let late: Vec<(u64, usize)> =
                    expected.iter().filter(|timer| !fired.contains(timer)).copied().collect();
                assert_eq!(fired.len() + late.len(), expected.len());
                for timer in &late {
                    assert_eq!((timer.0 - 1) / MS, now / MS, "late, at {now}: {timer:?}");
                    let name = timer.1;
                    let deadline = bench.timers[&name].deadline;
                    bench.note(name, deadline);
                }
                let published = bench.registry.published(0);
                let earliest = bench.model.keys().next().map_or(u64::MAX, |key| key.0);
                assert!(published.saturating_sub(earliest) < MS, "{published} for {earliest}");
            }
        }
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
            let mut panics = 0;
            loop {
                let run = std::panic::AssertUnwindSafe(|| match end {
                    "fire" => assert!(registry.fire(0) > 0),
                    _ => registry.shutdown(),
                });
                match std::panic::catch_unwind(run) {
                    Ok(()) => break,
                    Err(_) => panics += 1,
                }
            }
            // Each call of `fire` ends with the batch that panics; a shutdown goes through.
            assert_eq!(panics, if end == "fire" { 2 } else { 1 });
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
}

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
        assert_eq!(count.get(), if polled.is_pending() { 1 } else { 0 });
        assert_eq!(timer.poll(&waker), Poll::Ready(Err(Shutdown)));
        assert_eq!(stored(&count), 0);
        assert!(registry.is_empty());
    });
}

#[test]
fn loom_a_sleeper_hears_of_a_sooner_deadline() {
    prim::model(|| {
        let registry = registry(1);
        let token = Arc::new((Mutex::new(false), Condvar::new()));
        let given = token.clone();
        registry.set_nudge(Box::new(move || {
            *given.0.lock() = true;
            given.1.notify_one();
        }));
        let sleeper = {
            let registry = registry.clone();
            thread::spawn(move || {
                // As a driver does: look, then sleep until told.
                while registry.published(0) == u64::MAX {
                    let mut told = token.0.lock();
                    while !*told {
                        told = token.1.wait(told);
                    }
                    *told = false;
                }
            })
        };
        let mut timer = Timer::after(&registry, MS);
        assert!(timer.poll(Waker::noop()).is_pending());
        sleeper.join().unwrap();
    });
}
