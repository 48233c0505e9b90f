//! Cutting a run into slices: the one reader of the recorder, of the runtime's counters and of the process's usage.
//!
//! Next file to read: `exec/quality.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use crate::engine::Engine;
use crate::exec::usage;
use crate::record::Records;
use crate::window::Bank;
use crate::wire::{Done, Interval, Phase, RuntimeCounters, Usage};
use crate::workload::Run;

/// What was true at one instant.
#[derive(Debug)]
struct Reading {
    counters: RuntimeCounters,
    usage: Usage,
}

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
    slice_counters: RuntimeCounters,
    measure_start: Reading,
    /// Set when the load has ended: what happened later is not the window's.
    end: Option<Reading>,
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
        let counters = engine.counters();
        Self {
            run,
            engine,
            own_counters: own,
            interval_ns: interval_ns.max(1),
            phase,
            slice_start: 0,
            slice_counters: counters.clone(),
            measure_start: Reading { counters, usage: usage::now() },
            end: None,
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

    /// Cuts the slice under way at `at`.
    pub(super) fn cut(&mut self, at: u64) -> Interval {
        let bank = if self.phase == Phase::Warmup { Bank::Warmup } else { Bank::Measure };
        self.slice.clear();
        self.run.recorder.collect(bank, &mut self.spare, &mut self.slice);
        if bank == Bank::Measure {
            self.total.add(&self.slice);
        }
        let counters = self.end.as_ref().map_or_else(|| self.engine.counters(), |end| end.counters.clone());
        let phase_start = self.phase_start();
        let interval = Interval {
            phase: self.phase,
            start_ns: self.slice_start.saturating_sub(phase_start),
            end_ns: at.saturating_sub(phase_start),
            start_unix_ms: self.run.window.unix_ms(self.slice_start),
            counts: self.slice.counts(&self.own_counters),
            histograms: self.slice.histograms.iter().map(encode).collect(),
            runtime: difference(&self.slice_counters, &counters),
        };
        self.slice_start = at;
        self.slice_counters = counters;
        interval
    }

    /// The warm-up is over and its last slice is cut.
    pub(super) fn begin_window(&mut self) {
        self.phase = Phase::Measure;
        // The cut may have come late; what was recorded meanwhile belongs to the window's first slice.
        self.slice_start = self.run.window.measure_start();
        self.measure_start = Reading { counters: self.slice_counters.clone(), usage: usage::now() };
    }

    /// The load has ended; what comes home from here on is still the window's, what the process uses is not.
    pub(super) fn end_window(&mut self) {
        self.end = Some(Reading { counters: self.engine.counters(), usage: usage::now() });
    }

    /// The records of the window so far.
    pub(super) fn total(&self) -> &Records {
        &self.total
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
        let (used, runtime) = match &self.end {
            Some(end) if measured_ns > 0 => (
                usage::between(&self.measure_start.usage, &end.usage),
                difference(&self.measure_start.counters, &end.counters),
            ),
            _ => Default::default(),
        };
        let counts = self.total.counts(&self.own_counters);
        Done { interrupted, measured_ns, counts, usage: used, runtime }
    }
}

fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).expect("writing to memory does not fail");
    STANDARD.encode(bytes)
}

fn difference(from: &RuntimeCounters, to: &RuntimeCounters) -> RuntimeCounters {
    let minus = |from: Option<&BTreeMap<String, u64>>, to: &BTreeMap<String, u64>| {
        let before = |name: &String| from.and_then(|from| from.get(name)).copied().unwrap_or(0);
        to.iter().map(|(name, value)| (name.clone(), value.saturating_sub(before(name)))).collect()
    };
    RuntimeCounters {
        workers: to.workers.iter().enumerate().map(|(i, to)| minus(from.workers.get(i), to)).collect(),
        global: minus(Some(&from.global), &to.global),
    }
}
