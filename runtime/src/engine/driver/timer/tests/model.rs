//! The wheel against a sorted list, over random changes and strides of time.

use std::collections::BTreeMap;
use std::sync::Mutex as StdMutex;

use super::*;

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

/// A timer's deadline and its name.
type Due = (u64, usize);

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
        self.model.insert((self.registry.moment_of(deadline).nanos(), self.registrations), name);
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
    fn fired(&mut self, now: u64) -> (Vec<Due>, Vec<Due>) {
        let later = self.model.split_off(&(now + 1, 0));
        let expected: Vec<Due> =
            std::mem::replace(&mut self.model, later).iter().map(|(key, name)| (key.0, *name)).collect();
        let names = std::mem::take(&mut *self.log.lock().unwrap());
        let fired = names
            .iter()
            .map(|name| (self.registry.moment_of(self.timers[name].deadline).nanos(), *name))
            .collect();
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
            let now = bench.registry.now().nanos();
            let (fired, expected) = bench.fired(now);
            assert_eq!(fired, expected, "at {now}");
            assert_eq!(count, fired.len());
            let next = bench.registry.next_deadline(0).unwrap_or_else(|| far(&bench.registry));
            let earliest = bench.model.keys().next();
            let earliest = earliest
                .map_or_else(|| far(&bench.registry), |key| bench.registry.clock().now() + ns(key.0 - now));
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
            let now = bench.registry.now().nanos();
            bench.registry.fire_at(0, at(now), false);
            let (fired, expected) = bench.fired(now);
            let buckets =
                |list: &[(u64, usize)]| -> Vec<u64> { list.iter().map(|t| (t.0 - 1) / MS).collect() };
            assert!(fired.iter().all(|timer| timer.0 <= now), "early, at {now}: {fired:?}");
            assert!(buckets(&fired).is_sorted(), "out of order, at {now}: {fired:?}");
            // Who is due and has not fired waits for a later one of the same millisecond, which is the present.
            let late: Vec<Due> = expected.iter().filter(|timer| !fired.contains(timer)).copied().collect();
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
