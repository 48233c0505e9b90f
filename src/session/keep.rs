//! What is kept of a run's slices: so many at most, whatever its length. Beyond that the shortest neighbours become one.
//!
//! A slice's histograms are kept as they came, compressed. The log has every slice; what is kept here is what reports
//! are made from, and is as whole as the log, only coarser in time.
//!
//! Next file to read: `child.rs`.
#![forbid(unsafe_code)]

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use workloads::wire::{self, Interval};

use crate::report;

/// The most slices of a run. At four a second that is the whole of eight minutes; of a week it is one for five minutes.
const MOST_SLICES: usize = 2048;
/// The most bytes of all their histograms.
const MOST_BYTES: usize = 48 << 20;

/// A histogram that does not decode; it is left out of what is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    stream: usize,
    start_ns: u64,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.start_ns as f64 / 1e9;
        write!(f, "histogram {} of the slice at {seconds:.3} s does not decode", self.stream)
    }
}

/// Adds a slice to those of its run.
///
/// # Errors
///
/// A histogram that had to be merged and does not decode.
pub(super) fn keep(kept: &mut Vec<Interval>, next: Interval) -> Result<(), Broken> {
    keep_within(kept, next, MOST_SLICES, MOST_BYTES)
}

fn keep_within(
    kept: &mut Vec<Interval>,
    next: Interval,
    most_slices: usize,
    most_bytes: usize,
) -> Result<(), Broken> {
    kept.push(next);
    let bytes = |kept: &[Interval]| -> usize {
        kept.iter().flat_map(|interval| &interval.histograms).map(String::len).sum()
    };
    let mut result = Ok(());
    while kept.len() > 2 && (kept.len() > most_slices || bytes(kept) > most_bytes) {
        let length = |pair: &[Interval]| pair[1].end_ns.saturating_sub(pair[0].start_ns);
        let shortest = kept.windows(2).enumerate().min_by_key(|(_, pair)| length(pair));
        let at = shortest.map_or(0, |(at, _)| at);
        let later = kept.remove(at + 1);
        result = merge(&mut kept[at], later).and(result);
    }
    result
}

/// Makes one slice of two neighbours.
fn merge(to: &mut Interval, from: Interval) -> Result<(), Broken> {
    let mut result = Ok(());
    to.histograms.resize(to.histograms.len().max(from.histograms.len()), String::new());
    for stream in 0..to.histograms.len() {
        let parts = [report::histogram(to, stream), report::histogram(&from, stream)];
        if let Some(part) = parts.iter().position(Option::is_none) {
            let start_ns = if part == 0 { to.start_ns } else { from.start_ns };
            result = Err(Broken { stream, start_ns });
        }
        let sum = parts.into_iter().flatten().reduce(|mut sum: Histogram<u64>, part| {
            sum.auto(true);
            // A histogram that resizes itself takes every value.
            let _ = sum.add(&part);
            sum
        });
        if let Some(sum) = sum {
            to.histograms[stream] = encode(&sum);
        }
    }
    to.end_ns = from.end_ns;
    wire::add_counts(&mut to.counts, &from.counts);
    to.runtime.add(&from.runtime);
    result
}

fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Memory takes everything.
    let _ = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use workloads::wire::{Phase, RuntimeCounters};

    use super::*;

    /// A slice with one sample and one of everything.
    fn slice(nth: u64) -> Interval {
        let mut histogram = workloads::record::histogram();
        histogram.record(1 + nth % 1000).unwrap();
        let one = || BTreeMap::from([("polls".to_owned(), 1)]);
        Interval {
            phase: Phase::Measure,
            start_ns: nth * 10,
            end_ns: (nth + 1) * 10,
            start_unix_ms: nth,
            counts: one(),
            histograms: vec![encode(&histogram)],
            runtime: RuntimeCounters {
                workers: vec![one(), one()],
                global: one(),
                ..RuntimeCounters::default()
            },
        }
    }

    fn sums(kept: &[Interval]) -> [u64; 4] {
        kept.iter().fold([0; 4], |[samples, counts, workers, global], slice| {
            let histogram = report::histogram(slice, 0).unwrap();
            let of_workers: u64 = slice.runtime.workers.iter().map(|worker| worker["polls"]).sum();
            [
                samples + histogram.len(),
                counts + slice.counts["polls"],
                workers + of_workers,
                global + slice.runtime.global["polls"],
            ]
        })
    }

    #[test]
    fn a_run_of_any_length_is_kept_in_bounds_and_loses_no_sample() {
        const MANY: u64 = 640;
        let mut kept = Vec::new();
        for nth in 0..MANY {
            keep_within(&mut kept, slice(nth), 16, usize::MAX).unwrap();
            assert!(kept.len() <= 16);
        }
        assert_eq!(sums(&kept), [MANY, MANY, 2 * MANY, MANY]);
        assert_eq!((kept[0].start_ns, kept.last().unwrap().end_ns), (0, MANY * 10));
        assert!(kept.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns), "no gap");
        let lengths = kept.iter().map(|slice| slice.end_ns - slice.start_ns);
        let longest = lengths.max().unwrap();
        assert!(longest <= 4 * MANY * 10 / 16, "the time is shared out evenly: {longest}");
    }

    #[test]
    fn many_bytes_are_merged_as_many_slices_are() {
        let of_one = slice(0).histograms[0].len();
        let mut kept = Vec::new();
        for nth in 0..100 {
            keep_within(&mut kept, slice(nth), usize::MAX, 20 * of_one).unwrap();
            let bytes: usize = kept.iter().map(|slice| slice.histograms[0].len()).sum();
            assert!(bytes <= 20 * of_one, "{bytes}");
        }
        assert_eq!(sums(&kept)[0], 100);
    }

    #[test]
    fn a_short_run_is_kept_as_it_came() {
        let mut kept = Vec::new();
        let all: Vec<_> = (0..MOST_SLICES as u64).map(slice).collect();
        all.iter().for_each(|slice| keep(&mut kept, slice.clone()).unwrap());
        assert_eq!(kept, all);
    }

    #[test]
    fn a_histogram_that_does_not_decode_is_named_and_costs_no_other() {
        let mut kept = Vec::new();
        for nth in 0..8 {
            let mut slice = slice(nth);
            if nth == 5 {
                slice.histograms[0] = "?".to_owned();
            }
            let told = keep_within(&mut kept, slice, 2, usize::MAX);
            assert_eq!(told.is_err(), nth == 5, "{nth}: {told:?}");
            if let Err(broken) = told {
                assert_eq!(broken.start_ns, 50);
            }
        }
        assert_eq!(sums(&kept)[0], 7);
    }
}
