//! Many sides in one order: the best first.
//!
//! Next file to read: `text.rs`.
#![forbid(unsafe_code)]

use super::super::model::{Comparison, Judged, Pair, Verdict};
use crate::profile::Metric;

/// How the order is made, in words.
pub(super) const BY: &str =
    "ranked by gates that got better minus those that got worse, then by the change of p50";

/// A place in the order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ranked<'a> {
    Reference,
    Candidate(&'a Pair),
}

/// The sides of a workload, the best first.
pub(super) fn ranked<'a>(comparison: &'a Comparison, workload: &str) -> Vec<Ranked<'a>> {
    let pairs = comparison.pairs.iter().filter(|pair| pair.workload == workload);
    let mut all: Vec<((i64, f64), Ranked<'a>)> = vec![((0, 0.0), Ranked::Reference)];
    all.extend(pairs.map(|pair| (score(pair), Ranked::Candidate(pair))));
    // The reference is first among equals: what is no better is no reason to change anything.
    all.sort_by(|(a, _), (b, _)| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
    all.into_iter().map(|(_, ranked)| ranked).collect()
}

/// More is better, then less.
fn score(pair: &Pair) -> (i64, f64) {
    let count = |is: fn(Verdict) -> bool| {
        let verdicts = pair.metrics.iter().flat_map(Judged::verdicts);
        i64::try_from(verdicts.filter(|verdict| is(*verdict)).count()).unwrap_or(i64::MAX)
    };
    let better = count(|verdict| verdict == Verdict::Improved);
    let p50 = pair.metrics.iter().find(|judged| judged.metric == Metric::P50);
    (better - count(Verdict::is_worse), p50.and_then(|judged| judged.effect).unwrap_or(0.0))
}

/// One character for a verdict, where there is no room for the word.
pub(super) fn mark(judged: &Judged) -> char {
    match judged.verdict {
        Some(Verdict::Regressed | Verdict::Exceeded) => '!',
        Some(Verdict::Improved | Verdict::Within) => '+',
        Some(Verdict::Equivalent) => '=',
        Some(Verdict::NotWorse) => '~',
        Some(Verdict::Inconclusive) => '?',
        None => ' ',
    }
}

/// What the marks mean.
pub(super) const MARKS: &str = "! regressed, + improved, = equivalent, ~ not worse, ? inconclusive";
