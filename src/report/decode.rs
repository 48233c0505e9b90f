//! Histograms off the wire: totals, and a short account of each slice. Next: `assemble.rs`.
//!
//! A decoded histogram takes a few hundred kilobytes and a long run has thousands of slices, so slices are decoded
//! one at a time, folded into what is kept, and dropped.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use workloads::wire::{Interval, Stream};

use crate::session::record::RunRecord;

/// The most points that a plot over time draws; a longer run has neighbouring slices merged.
const MOST_POINTS: usize = 240;

/// A run with its histograms decoded.
pub(super) struct Measured<'a> {
    /// Where it comes from.
    pub(super) record: &'a RunRecord,
    /// The workload's name as it stands in file names and tags; unique among the runs.
    pub(super) slug: String,
    /// One for each stream that the child announced.
    pub(super) streams: Vec<MeasuredStream>,
    /// The slices that one point of a plot over time stands for.
    pub(super) groups: Vec<Range<usize>>,
    /// How many histograms were missing or did not decode.
    pub(super) unreadable: usize,
}

/// A stream over the whole window.
pub(super) struct MeasuredStream {
    /// What it measures.
    pub(super) info: Stream,
    /// All samples.
    pub(super) total: Histogram<u64>,
    /// For each interval.
    pub(super) slices: Vec<Slice>,
    /// For each of [`Measured::groups`].
    pub(super) grouped: Vec<Slice>,
}

/// A few figures of a slice. `None`: no sample lies beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slice {
    /// Samples in it.
    pub(super) count: u64,
    /// The median.
    pub(super) p50: Option<u64>,
    /// The 99th percentile.
    pub(super) p99: Option<u64>,
    /// The largest.
    pub(super) max: Option<u64>,
}

impl Slice {
    fn of(histogram: &Histogram<u64>) -> Self {
        let count = histogram.len();
        let ranks = [50_000, 99_000].map(|parts| rank(count, parts));
        let values = values_at_ranks(histogram, ranks.map(|(rank, _)| rank));
        let known = |nth: usize| (ranks[nth].1 > 0).then_some(values[nth]);
        Self { count, p50: known(0), p99: known(1), max: (count > 0).then(|| histogram.max()) }
    }
}

/// The rank of a percentile among `count` samples, from 1, and how many samples lie beyond it. The percentile is
/// given in parts of 100,000, so that no rounding of binary fractions moves a rank.
pub(super) fn rank(count: u64, parts: u32) -> (u64, u64) {
    let beyond = (u128::from(count) * u128::from(100_000 - parts) / 100_000) as u64;
    (count - beyond, beyond)
}

/// The values of the samples at `ranks`, from 1 and in ascending order: each the largest value that the histogram
/// cannot tell from its sample. One walk, for a histogram has tens of thousands of buckets.
pub(super) fn values_at_ranks<const N: usize>(histogram: &Histogram<u64>, ranks: [u64; N]) -> [u64; N] {
    let mut steps = histogram.iter_recorded();
    let (mut seen, mut value) = (0, 0);
    ranks.map(|rank| {
        while seen < rank {
            let Some(step) = steps.next() else { break };
            seen += step.count_at_value();
            value = histogram.highest_equivalent(step.value_iterated_to());
        }
        value
    })
}

/// Decodes `runs`.
pub(super) fn measure(runs: &[RunRecord]) -> Vec<Measured<'_>> {
    let mut taken = BTreeSet::new();
    runs.iter().map(|record| measure_one(record, unique(slug(&record.name), &mut taken))).collect()
}

fn measure_one(record: &RunRecord, slug: String) -> Measured<'_> {
    let slices = record.intervals.len();
    let step = slices.div_ceil(MOST_POINTS).max(1);
    let groups: Vec<_> = (0..slices).step_by(step).map(|at| at..(at + step).min(slices)).collect();
    let mut unreadable = 0;
    let infos = record.hello.iter().flat_map(|hello| &hello.streams).enumerate();
    let streams = infos
        .map(|(at, info)| {
            let mut stream = MeasuredStream {
                info: info.clone(),
                total: empty(),
                slices: Vec::with_capacity(slices),
                grouped: Vec::with_capacity(groups.len()),
            };
            for group in &groups {
                let mut together = empty();
                for interval in &record.intervals[group.clone()] {
                    let histogram = histogram(interval, at).unwrap_or_else(|| {
                        unreadable += 1;
                        empty()
                    });
                    stream.slices.push(Slice::of(&histogram));
                    add(&mut together, &histogram);
                }
                stream.grouped.push(Slice::of(&together));
                add(&mut stream.total, &together);
            }
            stream
        })
        .collect();
    Measured { record, slug, streams, groups, unreadable }
}

/// Decodes the histogram of stream `at`. `None`: it is missing or broken.
pub(crate) fn histogram(interval: &Interval, at: usize) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(interval.histograms.get(at)?).ok()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

fn empty() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are allowed")
}

fn add(to: &mut Histogram<u64>, from: &Histogram<u64>) {
    to.add(from).expect("a histogram that resizes itself takes every value");
}

/// `name` as it can stand in a file name, in an address and in a tag of the log.
pub(crate) fn slug(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let slug: String = name.chars().map(keep).take(80).collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "unnamed".to_owned() } else { slug.to_owned() }
}

pub(super) fn unique(slug: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{slug}-{number}"));
    let free = std::iter::once(slug.clone()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.expect("numbers do not end");
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_exact() {
        assert_eq!(rank(1000, 99_900), (999, 1));
        assert_eq!(rank(1000, 50_000), (500, 500));
        assert_eq!(rank(999, 99_900), (999, 0));
        assert_eq!(rank(0, 50_000), (0, 0));
        assert_eq!(rank(u64::MAX, 99_999).1, u64::MAX / 100_000);
        let mut histogram = empty();
        (1..=1000).for_each(|value| histogram.record(value).unwrap());
        assert_eq!(values_at_ranks(&histogram, [1, 500, 500, 999, 1000]), [1, 500, 500, 999, 1000]);
        assert_eq!(values_at_ranks(&empty(), [0, 0]), [0, 0]);
    }

    #[test]
    fn names_become_slugs_that_differ() {
        let mut taken = BTreeSet::new();
        let mut take = |name: &str| unique(slug(name), &mut taken);
        assert_eq!(take("echo"), "echo");
        assert_eq!(take("a b, c/../d"), "a-b--c----d");
        assert_eq!(take("a,b- c/../d"), "a-b--c----d-2");
        assert_eq!(take("\u{fc}"), "unnamed");
        assert_eq!(take(""), "unnamed-2");
    }
}
