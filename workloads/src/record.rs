//! The recorder: histograms and counters that the measured code can afford to fill.
//!
//! Records go to one of a few shards, chosen by thread. A record takes a free shard's lock (two uncontended atomic
//! operations), adds to a preallocated histogram and gives the lock back: no allocation, no system call, no
//! waiting: 14 ns for one value, 18 ns for two values and a count, on the virtual machine that this was measured on,
//! where reading the clock costs 23. One collector swaps each shard's filled histograms for empty ones a few times a second, and merges them.
//!
//! Each shard holds two banks: operations that were planned in the warm-up are recorded apart from those that were
//! planned in the window. Completions are counted by the instant at which they happen as well, for rates and costs are
//! made from what happened within the window.
//!
//! Next file to read: `load/mod.rs`.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hint;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread;

use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;

use crate::window::{Bank, Window};
use crate::wire::count;

/// The largest value that a histogram holds; longer ones count as this. An hour in nanoseconds.
pub const MAX_VALUE: u64 = 3_600_000_000_000;
/// The significant decimal digits of a recorded value.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// Index of one of the workload's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamId(pub usize);

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(usize);

const WELL_KNOWN: [&str; 9] = [
    count::PLANNED,
    count::STARTED,
    count::COMPLETED,
    count::FAILED,
    count::DROPPED,
    count::NOT_STARTED,
    count::PAST_END,
    count::DRAINED,
    count::COMPLETED_IN_WINDOW,
];
/// The most counters that a workload may declare for itself.
pub const MAX_OWN_COUNTERS: usize = 8;
/// The most counters in an interval: the well-known ones and a workload's own.
pub const MAX_COUNTERS: usize = WELL_KNOWN.len() + MAX_OWN_COUNTERS;

impl Counter {
    /// [`count::PLANNED`]
    pub const PLANNED: Self = Self(0);
    /// [`count::STARTED`]
    pub const STARTED: Self = Self(1);
    /// [`count::COMPLETED`]
    pub const COMPLETED: Self = Self(2);
    /// [`count::FAILED`]
    pub const FAILED: Self = Self(3);
    /// [`count::DROPPED`]
    pub const DROPPED: Self = Self(4);
    /// [`count::NOT_STARTED`]
    pub const NOT_STARTED: Self = Self(5);
    /// [`count::PAST_END`]
    pub const PAST_END: Self = Self(6);
    /// [`count::DRAINED`]
    const DRAINED: Self = Self(7);
    /// [`count::COMPLETED_IN_WINDOW`]
    const COMPLETED_IN_WINDOW: Self = Self(8);

    /// The workload's own counter with this place in [`Description::counters`](crate::workload::Description::counters).
    ///
    /// # Panics
    ///
    /// If `index` is [`MAX_OWN_COUNTERS`] or more.
    pub const fn own(index: usize) -> Self {
        assert!(index < MAX_OWN_COUNTERS, "a workload has at most 8 counters of its own");
        Self(WELL_KNOWN.len() + index)
    }
}

/// An empty histogram of the shape that every stream has.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_VALUE, SIGNIFICANT_DIGITS).expect("constant bounds are legal")
}

/// The histograms and counts of one phase.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) histograms: Vec<Histogram<u64>>,
    counts: [u64; MAX_COUNTERS],
}

impl Records {
    pub(crate) fn new(streams: usize) -> Self {
        Self { histograms: (0..streams).map(|_| histogram()).collect(), counts: [0; MAX_COUNTERS] }
    }

    pub(crate) fn clear(&mut self) {
        self.histograms.iter_mut().filter(|filled| !filled.is_empty()).for_each(Histogram::reset);
        self.counts = [0; MAX_COUNTERS];
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, part) in
            self.histograms.iter_mut().zip(&other.histograms).filter(|(_, part)| !part.is_empty())
        {
            sum.add(part).expect("equal bounds");
        }
        for (sum, part) in self.counts.iter_mut().zip(other.counts) {
            *sum += part;
        }
    }

    #[cfg(test)]
    pub(crate) fn count(&self, of: Counter) -> u64 {
        self.counts[of.0]
    }

    /// The counts by name: the well-known ones, then the workload's `own`.
    pub(crate) fn counts(&self, own: &[String]) -> BTreeMap<String, u64> {
        let names = WELL_KNOWN.into_iter().chain(own.iter().map(String::as_str));
        names.zip(self.counts).map(|(name, count)| (name.to_owned(), count)).collect()
    }
}

#[derive(Debug)]
struct Shard {
    /// By the phase in which operations were planned.
    banks: [Records; 2],
    /// All operations that have ended well, whenever they were planned. Only grows.
    completed: u64,
}

#[derive(Debug)]
struct Shared {
    window: Window,
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

/// The memory of a recorder. To make it takes milliseconds, which no window should wait for.
pub(crate) struct Shards(Box<[CachePadded<Mutex<Shard>>]>);

impl Shards {
    pub(crate) fn new(streams: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let banks = || [Records::new(streams), Records::new(streams)];
        let shard = || CachePadded::new(Mutex::new(Shard { banks: banks(), completed: 0 }));
        Self((0..(2 * threads + 2).next_power_of_two()).map(|_| shard()).collect())
    }

    /// The recorder that has this memory.
    pub(crate) fn record(self, window: Window) -> Recorder {
        Recorder(Arc::new(Shared { window, shards: self.0 }))
    }
}

/// Where measurements go. Clones are the same recorder.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Shared>);

impl Recorder {
    /// A recorder for so many streams, which sorts its records by `window`.
    pub fn new(window: Window, streams: usize) -> Self {
        Shards::new(streams).record(window)
    }

    /// Opens the calling thread's shard for a record or a batch of them. Hold it for as long as that takes, and
    /// never across an `await`.
    ///
    /// ```
    /// use std::time::Instant;
    /// use workloads::record::{Counter, Recorder, StreamId};
    /// use workloads::window::Window;
    ///
    /// let window = Window::new(Instant::now(), 0, 1_000_000_000);
    /// let recorder = Recorder::new(window.clone(), 1);
    /// let planned = window.now();
    /// let mut pen = recorder.pen();
    /// let now = window.now();
    /// pen.record(planned, StreamId(0), now - planned);
    /// pen.complete(planned, now);
    /// ```
    pub fn pen(&self) -> Pen<'_> {
        let shards = &self.0.shards;
        let own = thread_number();
        // Another thread may hold our shard, or the collector swaps it: then the neighbour's will do.
        let mut tries = 0;
        loop {
            match shards[(own + tries) % shards.len()].try_lock() {
                Ok(shard) => return Pen { window: &self.0.window, shard },
                Err(TryLockError::Poisoned(poisoned)) => {
                    return Pen { window: &self.0.window, shard: poisoned.into_inner() };
                }
                Err(TryLockError::WouldBlock) => tries += 1,
            }
            if tries % shards.len() == 0 {
                hint::spin_loop();
            }
        }
    }

    /// Records one value of an operation that was planned at `planned`.
    ///
    /// # Panics
    ///
    /// If the recorder was not made for that many streams.
    pub fn record(&self, planned: u64, stream: StreamId, value: u64) {
        self.pen().record(planned, stream, value);
    }

    /// Counts one thing about an operation that was planned at `planned`.
    pub fn count(&self, planned: u64, what: Counter) {
        self.pen().count(planned, what);
    }

    /// Adds what `bank` holds to `to` and leaves it empty. `spare` must be empty, and is so afterwards.
    pub(crate) fn collect(&self, bank: Bank, spare: &mut Records, to: &mut Records) {
        for shard in &self.0.shards {
            mem::swap(&mut lock(shard).banks[bank as usize], spare);
            to.add(spare);
            spare.clear();
        }
    }

    /// How many operations have ended well so far, whenever they were planned.
    pub(crate) fn completed(&self) -> u64 {
        self.0.shards.iter().map(|shard| lock(shard).completed).sum()
    }
}

/// The collector's way to a shard.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    loop {
        match shard.try_lock() {
            Ok(shard) => return shard,
            Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            // Not `lock`: a waiter would make the measured thread pay for a wake-up.
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
}

/// A shard that is open for records.
#[derive(Debug)]
pub struct Pen<'a> {
    window: &'a Window,
    shard: MutexGuard<'a, Shard>,
}

impl Pen<'_> {
    /// Records one value of an operation that was planned at `planned`.
    pub fn record(&mut self, planned: u64, stream: StreamId, value: u64) {
        if let Some(bank) = self.window.bank(planned) {
            self.shard.banks[bank as usize].histograms[stream.0].saturating_record(value);
        }
    }

    /// Counts one thing about an operation that was planned at `planned`.
    pub fn count(&mut self, planned: u64, what: Counter) {
        self.count_n(planned, what, 1);
    }

    /// Counts `n` things about operations that were planned at `planned`. Completions are counted as of now; where the
    /// instant is known already, [`complete`](Self::complete) saves a look at the clock.
    pub fn count_n(&mut self, planned: u64, what: Counter, n: u64) {
        if what == Counter::COMPLETED {
            self.complete_n(planned, self.window.now(), n);
        } else {
            self.add(self.window.bank(planned), what, n);
        }
    }

    /// Counts an operation that was planned at `planned` and ended well at `now`.
    pub fn complete(&mut self, planned: u64, now: u64) {
        self.complete_n(planned, now, 1);
    }

    fn complete_n(&mut self, planned: u64, now: u64, n: u64) {
        let (of_plan, at_end) = (self.window.bank(planned), self.window.bank(now));
        self.shard.completed += n;
        self.add(of_plan, Counter::COMPLETED, n);
        self.add(at_end, Counter::COMPLETED_IN_WINDOW, n);
        if at_end.is_none() {
            self.add(of_plan, Counter::DRAINED, n);
        }
    }

    fn add(&mut self, bank: Option<Bank>, what: Counter, n: u64) {
        if let Some(bank) = bank {
            self.shard.banks[bank as usize].counts[what.0] += n;
        }
    }
}

fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) });
    NUMBER.with(|number| {
        if number.get() == usize::MAX {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % usize::from(u16::MAX));
        }
        number.get()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use super::*;

    const STREAM: StreamId = StreamId(0);

    fn drain(recorder: &Recorder, bank: Bank) -> Records {
        let (mut spare, mut all) = (Records::new(1), Records::new(1));
        recorder.collect(bank, &mut spare, &mut all);
        assert!(spare.histograms[0].is_empty());
        all
    }

    #[test]
    fn each_phase_has_its_own_records() {
        let recorder = Recorder::new(Window::new(Instant::now(), 100, 100), 1);
        recorder.record(99, STREAM, 7);
        recorder.record(100, STREAM, 8);
        recorder.record(100, STREAM, 9);
        recorder.record(200, STREAM, 10);
        recorder.count(99, Counter::COMPLETED);
        recorder.count(200, Counter::COMPLETED);
        let (warmup, measure) = (drain(&recorder, Bank::Warmup), drain(&recorder, Bank::Measure));
        assert_eq!((warmup.histograms[0].len(), warmup.histograms[0].max()), (1, 7));
        assert_eq!((measure.histograms[0].len(), measure.histograms[0].max()), (2, 9));
        assert_eq!(warmup.count(Counter::COMPLETED), 1);
        assert_eq!(measure.count(Counter::COMPLETED), 0, "planned past the end");
        assert!(drain(&recorder, Bank::Measure).histograms[0].is_empty(), "collected once");
    }

    #[test]
    fn a_completion_counts_where_it_was_planned_and_when_it_happened() {
        // Warm-up until 100, window until 200.
        let recorder = Recorder::new(Window::new(Instant::now(), 100, 100), 1);
        for (planned, now) in [(50, 99), (50, 100), (50, 200), (100, 199), (199, 200), (199, 300)] {
            recorder.pen().complete(planned, now);
        }
        assert_eq!(recorder.completed(), 6);
        let counts = |bank| {
            let records = drain(&recorder, bank);
            [Counter::COMPLETED, Counter::COMPLETED_IN_WINDOW, Counter::DRAINED]
                .map(|what| records.count(what))
        };
        assert_eq!(counts(Bank::Measure), [3, 2, 2]);
        assert_eq!(counts(Bank::Warmup), [3, 1, 1]);
        assert_eq!(recorder.completed(), 6, "collecting takes nothing from the sum");
    }

    #[test]
    fn a_completion_without_an_instant_happens_now() {
        let window = Window::new(Instant::now(), 0, u64::MAX / 4);
        let recorder = Recorder::new(window.clone(), 1);
        recorder.count(0, Counter::COMPLETED);
        window.close(1);
        recorder.count(0, Counter::COMPLETED);
        let all = drain(&recorder, Bank::Measure);
        let counts = [Counter::COMPLETED, Counter::COMPLETED_IN_WINDOW, Counter::DRAINED];
        assert_eq!(counts.map(|what| all.count(what)), [2, 1, 1]);
    }

    #[test]
    fn any_value_fits_and_three_digits_are_kept() {
        let recorder = Recorder::new(Window::new(Instant::now(), 0, 1), 1);
        for value in [0, 1, 999, 1_234_000, MAX_VALUE, u64::MAX] {
            recorder.record(0, STREAM, value);
        }
        let all = drain(&recorder, Bank::Measure);
        let histogram = &all.histograms[0];
        assert_eq!(histogram.len(), 6);
        for kept in [1, 999, 1_234_000, MAX_VALUE] {
            assert!(histogram.count_at(kept) > 0, "{kept}");
            assert!(histogram.highest_equivalent(kept) - histogram.lowest_equivalent(kept) <= kept / 1000);
        }
    }

    #[test]
    fn a_record_never_grows_a_histogram() {
        let recorder = Recorder::new(Window::new(Instant::now(), 0, 1), 1);
        let size = drain(&recorder, Bank::Measure).histograms[0].distinct_values();
        (0..64).for_each(|bit| recorder.record(0, STREAM, 1 << bit));
        let all = drain(&recorder, Bank::Measure);
        assert!(!all.histograms[0].is_auto_resize());
        assert_eq!(all.histograms[0].distinct_values(), size);
    }

    #[test]
    fn nothing_is_lost_or_doubled_between_writers_and_the_collector() {
        const WRITERS: u64 = 4;
        const EACH: u64 = 50_000;
        let recorder = Recorder::new(Window::new(Instant::now(), 0, 1), 1);
        let running = AtomicBool::new(true);
        let total = thread::scope(|scope| {
            let collector = scope.spawn(|| {
                let (mut spare, mut all) = (Records::new(1), Records::new(1));
                while running.load(Ordering::Relaxed) {
                    recorder.collect(Bank::Measure, &mut spare, &mut all);
                }
                recorder.collect(Bank::Measure, &mut spare, &mut all);
                all
            });
            let write = || {
                for value in 0..EACH {
                    let mut pen = recorder.pen();
                    pen.record(0, STREAM, value);
                    pen.count(0, Counter::COMPLETED);
                }
            };
            let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            running.store(false, Ordering::Relaxed);
            collector.join().unwrap()
        });
        assert_eq!(total.histograms[0].len(), WRITERS * EACH);
        assert_eq!(total.count(Counter::COMPLETED), WRITERS * EACH);
        assert_eq!(total.histograms[0].min(), 0);
    }

    #[test]
    fn a_record_waits_for_no_shard() {
        let recorder = Recorder::new(Window::new(Instant::now(), 0, 1), 1);
        let first = recorder.pen();
        // The same thread's second pen finds its shard taken, and goes to a neighbour.
        recorder.pen().count(0, Counter::STARTED);
        drop(first);
        assert_eq!(drain(&recorder, Bank::Measure).count(Counter::STARTED), 1);
    }
}
