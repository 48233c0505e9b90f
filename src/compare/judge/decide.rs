//! Verdicts on all gates together, and marks on what decides nothing.
//!
//! Next file to read: `warnings.rs`.
#![forbid(unsafe_code)]

use super::super::effort;
use super::super::model::{ALPHA, Block, Bounded, Judged, Pair, Setup, Verdict};
use crate::profile::Bound;
use crate::stats::{multiple, power};

/// The share of false ones among what the exploratory figures call significant.
const FALSE_DISCOVERIES: f64 = 0.10;

/// Gives the gates of all pairs their verdicts: one family of tests.
pub(super) fn decide(setup: &Setup, measured: &[Block], pairs: &mut [Pair]) {
    let decidable = |judged: &Judged| {
        judged.margin.is_some() && (judged.reason.is_none() || judged.blocks_needed.is_some())
    };
    let all = || pairs.iter().flat_map(|pair| &pair.metrics);
    let p: Vec<Option<f64>> = all()
        .flat_map(|judged| {
            let change = judged.p.filter(|_| decidable(judged));
            [change, judged.limit.as_ref().and_then(|bounded| bounded.p)]
        })
        .collect();
    let known: Vec<f64> = p.iter().copied().flatten().collect();
    let family = known.len();
    let mut falls = multiple::holm(&known, ALPHA).into_iter();
    let mut fell = p.iter().map(|p| p.and_then(|_| falls.next()));
    for pair in pairs {
        let seconds = effort::block_seconds(setup, measured, &pair.workload);
        for judged in &mut pair.metrics {
            if let Some(falls) = fell.next().flatten() {
                judged.significant = falls;
                change(setup, judged, family);
                judged.seconds_needed = judged.blocks_needed.map(|blocks| blocks as f64 * seconds);
            }
            if let (Some(falls), Some(bounded)) = (fell.next().flatten(), &mut judged.limit) {
                limit(bounded, falls, family);
            }
        }
    }
}

/// A relative change as a logarithm; what is gone altogether has none that is finite.
fn log(change: f64) -> f64 {
    if change > -1.0 { change.ln_1p() } else { f64::NEG_INFINITY }
}

fn change(setup: &Setup, judged: &mut Judged, family: usize) {
    let Some(margin) = judged.margin else { return };
    if judged.appeared() {
        let worse = if judged.more_is_better { Verdict::Improved } else { Verdict::Regressed };
        judged.verdict = Some(if judged.significant { worse } else { Verdict::Inconclusive });
        judged.reason = Some("the reference has none of it, so no margin applies".to_owned());
        return;
    }
    let Some(effect) = judged.effect else { return };
    let margin = margin.ln_1p();
    let needed = needed(judged, log(effect), margin, family);
    let Some((low, high)) = judged.interval else {
        judged.blocks_needed = Some(needed);
        return;
    };
    // From here on, above 0 is worse.
    let sign = if judged.more_is_better { -1.0 } else { 1.0 };
    let cost = |change: f64| sign * log(change);
    let (center, ends) = (cost(effect), [cost(low), cost(high)]);
    let (best, worst) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    // Two one-sided tests at 5 %: of "worse by the margin or more", and of "better by it or more".
    let (not_worse, not_better) = judged.interval_90.map_or((false, false), |(low, high)| {
        let ends = [cost(low), cost(high)];
        (ends.iter().all(|end| *end < margin), ends.iter().all(|end| *end > -margin))
    });
    let verdict = if judged.significant && best > 0.0 && center > margin {
        Verdict::Regressed
    } else if judged.too_noisy {
        Verdict::Inconclusive
    } else if judged.significant && worst < 0.0 && center < -margin {
        Verdict::Improved
    } else if not_worse && not_better {
        Verdict::Equivalent
    } else if not_worse {
        Verdict::NotWorse
    } else {
        Verdict::Inconclusive
    };
    judged.verdict = Some(verdict);
    judged.blocks_needed = (verdict == Verdict::Inconclusive).then_some(needed);
    if verdict != Verdict::Inconclusive || judged.too_noisy {
        return;
    }
    judged.reason = Some(match (best > 0.0, worst < 0.0) {
        (true, _) if judged.significant => "worse, but perhaps by less than the margin".to_owned(),
        (true, _) | (_, true) => {
            format!("not significant among {family} gates")
        }
        _ => "the interval holds both no change and one beyond the margin".to_owned(),
    });
    if setup.quick {
        judged.reason.get_or_insert_default().push_str("; --quick sees only large changes");
    }
}

fn limit(bounded: &mut Bounded, significant: bool, family: usize) {
    let typical = bounded.typical.unwrap_or(f64::NAN);
    let is_kept = match bounded.limit.kind {
        Bound::Below => typical < bounded.limit.value,
        Bound::Above => typical > bounded.limit.value,
    };
    bounded.verdict = match (significant, is_kept) {
        (false, _) => Verdict::Inconclusive,
        (true, true) => Verdict::Within,
        (true, false) => Verdict::Exceeded,
    };
    if bounded.verdict == Verdict::Inconclusive {
        let holds = bounded.interval.is_none_or(|(low, high)| (low..=high).contains(&bounded.limit.value));
        bounded.reason = Some(match holds {
            true => "the interval holds the limit".to_owned(),
            false => format!("not significant among {family} gates"),
        });
    }
}

/// About how many blocks with the spread of these would decide it.
fn needed(judged: &Judged, effect: f64, margin: f64, family: usize) -> u64 {
    let (spread, effect) = (log(judged.spread.unwrap_or(0.0)), effect.abs());
    // To call it a change, the interval must leave 0; to call it none, it must stay within the margin.
    let distance = if effect > margin { effect } else { (margin - effect).max(margin / 10.0) };
    let needed = power::blocks_for(spread, distance).max(power::fewest_blocks(family, ALPHA) as f64);
    (needed as u64).max(judged.blocks + 1)
}

/// Marks what is significant among the figures that decide nothing, and puts the counters that moved first.
pub(super) fn explore(pairs: &mut [Pair]) {
    for pair in pairs {
        let shown = pair.metrics.iter_mut().filter(|judged| !judged.is_gate());
        let (p, marks): (Vec<_>, Vec<_>) = shown
            .chain(&mut pair.counters)
            .filter_map(|judged| Some((judged.p?, &mut judged.significant)))
            .unzip();
        let falls = multiple::benjamini_hochberg(&p, FALSE_DISCOVERIES);
        marks.into_iter().zip(falls).for_each(|(mark, falls)| *mark = falls);
        pair.counters.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
    }
}

/// How far a counter moved: what was nothing before, or is nothing now, farthest.
fn rank(judged: &Judged) -> (bool, f64) {
    let far = match judged.effect {
        None if judged.appeared() => f64::INFINITY,
        None => 0.0,
        Some(effect) => log(effect).abs(),
    };
    (judged.significant, far)
}
