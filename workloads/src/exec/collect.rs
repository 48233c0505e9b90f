//! Cutting a run into slices: the one reader of the recorder, of the runtime's counters and of the process's usage.
//!
//! Next file to read: `exec/usage.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::engine::Engine;
use crate::exec::usage;
use crate::record::Records;
use crate::window::Bank;
use crate::wire::{Account, Bucket, Done, Interval, Level, Phase, RuntimeCounters, Usage};
use crate::workload::Run;

/// What was true at one instant.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    /// Operations that had ended well.
    completed: u64,
    usage: Usage,
    counters: RuntimeCounters,
}

/// Levels by name.
type Levels = BTreeMap<String, Level>;

/// Cuts slices.
#[derive(Debug)]
pub(super) struct Collector {
    run: Run,
    engine: Arc<Engine>,
    own_counters: Vec<String>,
    interval_ns: u64,
    phase: Phase,
    /// Where the slice under way began, in nanoseconds since the load began.
    slice_start: u64,
    /// The reading at its start.
    last: Reading,
    measure_start: Reading,
    /// Set when the load has ended: what happened later is not the window's.
    end: Option<Reading>,
    /// What was seen of the runtime's levels in the slice under way, and in the window so far.
    levels: Levels,
    window_levels: Levels,
    spare: Records,
    slice: Records,
    /// The records of the window so far.
    total: Records,
}

impl Collector {
    pub(super) fn new(
        run: Run,
        engine: Arc<Engine>,
        streams: usize,
        own: Vec<String>,
        interval_ns: u64,
    ) -> Self {
        let phase = if run.window.measure_start() > 0 { Phase::Warmup } else { Phase::Measure };
        let first = Reading::take(&run, &engine);
        Self {
            run,
            engine,
            own_counters: own,
            interval_ns: interval_ns.max(1),
            phase,
            slice_start: 0,
            last: first.clone(),
            measure_start: first,
            end: None,
            levels: Levels::new(),
            window_levels: Levels::new(),
            spare: Records::new(streams),
            slice: Records::new(streams),
            total: Records::new(streams),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// When the slice under way is to be cut, in nanoseconds since the load began.
    pub(super) fn next_cut(&self) -> u64 {
        let phase_end = self.phase_end();
        let slices = (self.slice_start - self.phase_start()) / self.interval_ns + 1;
        let cut = self.phase_start().saturating_add(slices.saturating_mul(self.interval_ns));
        // No sliver at the end of a phase.
        if cut.saturating_add(self.interval_ns / 4) >= phase_end { phase_end } else { cut }
    }

    fn phase_start(&self) -> u64 {
        if self.phase == Phase::Warmup { 0 } else { self.run.window.measure_start() }
    }

    pub(super) fn phase_end(&self) -> u64 {
        let end = self.run.window.end();
        if self.phase == Phase::Warmup { end.min(self.run.window.measure_start()) } else { end }
    }

    /// Looks at the runtime's levels. To be called between two cuts as well, for a level is known by many looks.
    pub(super) fn look(&mut self) {
        if self.end.is_none() {
            for (name, value) in self.engine.levels() {
                self.levels.entry(name.to_owned()).or_default().see(value);
            }
        }
    }

    /// Cuts the slice under way at `at`.
    pub(super) fn cut(&mut self, at: u64) -> Interval {
        self.look();
        let reading = match &self.end {
            Some(end) => end.clone(),
            None => Reading::take(&self.run, &self.engine),
        };
        let bank = if self.phase == Phase::Warmup { Bank::Warmup } else { Bank::Measure };
        self.slice.clear();
        self.run.recorder.collect(bank, &mut self.spare, &mut self.slice);
        let levels = std::mem::take(&mut self.levels);
        if bank == Bank::Measure {
            self.total.add(&self.slice);
            for (name, level) in &levels {
                self.window_levels.entry(name.clone()).or_default().add(level);
            }
        }
        let phase_start = self.phase_start();
        let interval = Interval {
            phase: self.phase,
            start_ns: self.slice_start.saturating_sub(phase_start),
            end_ns: at.saturating_sub(phase_start),
            start_unix_ms: self.run.window.unix_ms(self.slice_start),
            counts: self.slice.counts(&self.own_counters),
            histograms: self.slice.histograms.iter().map(encode).collect(),
            runtime: difference(&self.last.counters, &reading.counters, levels),
        };
        self.slice_start = at;
        self.last = reading;
        interval
    }

    /// The warm-up is over and its last slice is cut: the reading of that cut is the window's first.
    pub(super) fn begin_window(&mut self) {
        self.phase = Phase::Measure;
        // The cut may have come late; what was recorded meanwhile belongs to the window's first slice.
        self.slice_start = self.run.window.measure_start();
        self.measure_start = self.last.clone();
    }

    /// The load has ended: what ends from here on is recorded as the window's, what the process uses is not.
    pub(super) fn end_window(&mut self) {
        self.look();
        self.end = Some(Reading::take(&self.run, &self.engine));
    }

    /// The length of the window, in nanoseconds.
    pub(super) fn measured_ns(&self) -> u64 {
        match self.phase {
            Phase::Measure => self.run.window.end().saturating_sub(self.run.window.measure_start()),
            _ => 0,
        }
    }

    /// The account of the window. Call after [`end_window`](Self::end_window).
    pub(super) fn done(&self, interrupted: bool) -> Done {
        let measured_ns = self.measured_ns();
        let counts = self.total.counts(&self.own_counters);
        let empty = Done { interrupted, measured_ns, counts, ..Done::default() };
        let Some(end) = self.end.as_ref().filter(|_| measured_ns > 0) else { return empty };
        let start = &self.measure_start;
        let levels = self.window_levels.clone();
        Done {
            usage: usage::between(&start.usage, &end.usage),
            runtime: difference(&start.counters, &end.counters, levels),
            account: Some(Account {
                start_ns: self.since_window_began(start.at),
                end_ns: self.since_window_began(end.at),
                completed: end.completed - start.completed,
            }),
            ..empty
        }
    }

    fn since_window_began(&self, at: Instant) -> i64 {
        let began = self.run.window.instant(self.run.window.measure_start());
        let ns = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        at.checked_duration_since(began).map_or_else(|| -ns(began - at), ns)
    }
}

impl Reading {
    fn take(run: &Run, engine: &Engine) -> Self {
        Self {
            at: Instant::now(),
            completed: run.recorder.completed(),
            usage: usage::now(),
            counters: engine.counters(),
        }
    }
}

fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("writing to memory does not fail");
    STANDARD.encode(bytes)
}

fn difference(from: &RuntimeCounters, to: &RuntimeCounters, levels: Levels) -> RuntimeCounters {
    let minus = |from: Option<&BTreeMap<String, u64>>, to: &BTreeMap<String, u64>| {
        let before = |name: &String| from.and_then(|from| from.get(name)).copied().unwrap_or(0);
        to.iter().map(|(name, value)| (name.clone(), value.saturating_sub(before(name)))).collect()
    };
    let steals = to.steals.iter().enumerate().map(|(thief, to)| {
        let before = |victim| from.steals.get(thief).and_then(|row| row.get(victim)).copied().unwrap_or(0);
        to.iter().enumerate().map(|(victim, count)| count.saturating_sub(before(victim))).collect()
    });
    let histograms = to.histograms.iter().map(|(name, to)| {
        let before = from.histograms.get(name).map_or(&[][..], Vec::as_slice);
        (name.clone(), increments(before, to))
    });
    RuntimeCounters {
        workers: to.workers.iter().enumerate().map(|(i, to)| minus(from.workers.get(i), to)).collect(),
        global: minus(Some(&from.global), &to.global),
        steals: steals.collect(),
        histograms: histograms.collect(),
        levels,
    }
}

/// What the buckets took since `from`, which has no bucket that `to` lacks; those that took nothing are left out.
fn increments(from: &[Bucket], to: &[Bucket]) -> Vec<Bucket> {
    let before = |bucket: &Bucket| {
        let found = from.binary_search_by_key(&bucket.from_ns, |bucket| bucket.from_ns);
        found.map_or(0, |at| from[at].count)
    };
    let taken =
        to.iter().map(|bucket| Bucket { count: bucket.count.saturating_sub(before(bucket)), ..*bucket });
    taken.filter(|bucket| bucket.count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(counts: &[(u64, u64)]) -> Vec<Bucket> {
        counts.iter().map(|&(from_ns, count)| Bucket { from_ns, to_ns: from_ns + 10, count }).collect()
    }

    #[test]
    fn a_slice_has_the_increments_of_everything_that_is_counted() {
        let map = |polls| BTreeMap::from([("polls".to_owned(), polls)]);
        let counters = |n: u64, histogram: &[(u64, u64)]| RuntimeCounters {
            workers: vec![map(n), map(2 * n)],
            global: map(3 * n),
            steals: vec![vec![0, n], vec![2 * n, 0]],
            histograms: [("poll_time".to_owned(), buckets(histogram))].into(),
            levels: BTreeMap::new(),
        };
        let levels = Levels::from([("queue".to_owned(), Level { samples: 1, sum: 7, max: 7 })]);
        let to = counters(5, &[(0, 4), (10, 3), (20, 1)]);
        let slice = difference(&counters(2, &[(0, 4), (10, 1)]), &to, levels.clone());
        assert_eq!(slice, RuntimeCounters { levels, ..counters(3, &[(10, 2), (20, 1)]) });
        let all = difference(&RuntimeCounters::default(), &to, Levels::new());
        assert_eq!(all, to, "from the beginning");
    }
}
