//! The figures of one metric, and what keeps it from being judged.
//!
//! Next file to read: `decide.rs`.
#![forbid(unsafe_code)]

use workloads::wire::Unit;

use super::super::model::{Bounded, Judged, Setup, Verdict};
use super::super::series::{Both, Series};
use crate::profile::{Gate, Limit, Metric};
use crate::stats::{power, signed_rank};

/// Fewer blocks than this are not enough for a verdict on their own: see [`signed_rank::FEWEST`].
const FEWEST: usize = signed_rank::FEWEST;
/// A side that completes this share of the operations that were due keeps up with its load.
pub(super) const KEEPS_UP: f64 = 0.99;

/// The figures of `metric`, without verdicts but those that no test can change.
pub(super) fn measure(
    setup: &Setup,
    both: &Both<'_>,
    metric: Metric,
    gate: Option<&Gate>,
    unit: &dyn Fn(&Metric) -> Unit,
) -> Judged {
    let series = Series::of(both, &metric);
    let estimate = series.estimate();
    let (reference, candidate) = series.medians();
    let correlation = series.serial_correlation();
    let floor = series.noise_floor().and_then(|floor| series.change(floor));
    // The middle of the blocks may lie close together while a few stray far; then the interval is wider than the middle
    // promises, and it is what decides.
    let wide = estimate.and_then(|estimate| estimate.wide).map(|(low, high)| (high - low) / 2.0);
    let from_wide = wide.map_or(0.0, |half| power::spread_for(half, series.blocks()));
    let spread = series.spread().map(|spread| spread.max(from_wide));
    let independent = power::independent(series.blocks(), correlation.unwrap_or(0.0));
    let both_ends = |(low, high): (f64, f64)| Some((series.change(low)?, series.change(high)?));
    let change = gate.and_then(|gate| gate.change.as_ref());
    let mut judged = Judged {
        unit: unit(&metric),
        more_is_better: change.map_or(metric.more_is_better(), |change| change.more_is_better),
        margin: change.map(|change| change.margin),
        verdict: change.map(|_| Verdict::Inconclusive),
        reason: None,
        limit: None,
        reference,
        candidate,
        typical: estimate.and_then(|estimate| series.typical(&estimate)),
        effect: estimate.and_then(|estimate| series.change(estimate.center)),
        interval: estimate.and_then(|estimate| estimate.wide).and_then(both_ends),
        interval_90: estimate.and_then(|estimate| estimate.narrow).and_then(both_ends),
        p: estimate.map(|estimate| estimate.p),
        significant: false,
        noise_floor: floor,
        spread: spread.and_then(|spread| series.change(spread)),
        detectable: spread.and_then(|spread| series.change(power::detectable(spread, independent))),
        blocks: series.blocks() as u64,
        blocks_needed: None,
        seconds_needed: None,
        serial_correlation: correlation,
        too_noisy: false,
        by_block: series.by_block(),
        metric,
    };
    if change.is_none() && judged.blocks < FEWEST as u64 {
        // It would be marked as moved by numbers that cannot show it.
        judged.p = None;
    }
    judged.too_noisy =
        judged.margin.zip(floor).is_some_and(|(margin, floor)| floor > margin * setup.noise_limit as f64);
    if let Some(change) = change {
        match obstacle(setup, both, &judged) {
            Some(obstacle) if obstacle.both_sides && change.if_possible => {
                (judged.margin, judged.verdict, judged.too_noisy) = (None, None, false);
                judged.reason = Some(format!("does not decide: {}", obstacle.reason));
            }
            Some(obstacle) => {
                judged.reason = Some(obstacle.reason);
                // How many exactly, `decide` says, which knows how many gates there are.
                judged.blocks_needed = obstacle.blocks_help.then_some(FEWEST as u64);
            }
            None => {}
        }
    }
    judged.limit =
        gate.and_then(|gate| gate.limit.as_ref()).map(|limit| bounded(both, &judged, &series, limit));
    judged
}

/// What keeps a metric from being judged as it is.
struct Obstacle {
    reason: String,
    blocks_help: bool,
    /// Whether it is none of the two sides' own: then leaving the metric out is no choice between them.
    both_sides: bool,
}

fn obstacle(setup: &Setup, both: &Both<'_>, judged: &Judged) -> Option<Obstacle> {
    let found = |reason: String, blocks_help, both_sides| Some(Obstacle { reason, blocks_help, both_sides });
    let metric = &judged.metric;
    let (on_reference, on_candidate) = Series::missing(both, metric);
    let all = both.reference.len().max(both.candidate.len());
    if on_reference + on_candidate > 0 {
        let both_sides = on_reference > 0 && on_candidate > 0;
        if judged.blocks == 0 && both_sides {
            return found("no block has this metric".to_owned(), false, true);
        }
        let missing = on_reference.max(on_candidate);
        let what = "have a run without it, and to judge by the rest would be to choose";
        return found(format!("{missing} of {all} blocks {what}"), false, both_sides);
    }
    if judged.blocks == 0 {
        return found("no block has this metric".to_owned(), false, true);
    }
    let thin = |runs: &[[&super::super::model::Figures; 2]]| {
        runs.iter().flatten().any(|run| run.thin.contains(metric))
    };
    let (on_reference, on_candidate) = (thin(&both.reference), thin(&both.candidate));
    if on_reference || on_candidate {
        let why = "fewer than 100 samples lie beyond it in a window; take longer windows or a higher rate";
        return found(why.to_owned(), false, on_reference && on_candidate);
    }
    let keeps_up = |share: f64| share >= KEEPS_UP;
    if *metric == Metric::Throughput && both.all().all(|run| run.reached.is_some_and(keeps_up)) {
        let why = "all runs keep up with the rate that they are given, so it cannot differ";
        // Whoever asks for it has it judged.
        return judged_if_possible(setup).then(|| Obstacle {
            reason: why.to_owned(),
            blocks_help: true,
            both_sides: true,
        });
    }
    if judged.blocks < FEWEST as u64 {
        let blocks = judged.blocks;
        return found(
            format!("{blocks} blocks; fewer than {FEWEST} cannot show anything at 5 %"),
            true,
            false,
        );
    }
    if judged.too_noisy {
        let floor = 100.0 * judged.noise_floor.unwrap_or(f64::NAN);
        let limit = 100.0 * judged.margin.unwrap_or(f64::NAN) * setup.noise_limit as f64;
        let margins = setup.noise_limit;
        let why =
            format!("equal runs differ by {floor:.0} %, and the limit is {limit:.0} %, {margins} margins");
        return found(why, true, false);
    }
    None
}

/// Whether throughput decides only where it can differ.
fn judged_if_possible(setup: &Setup) -> bool {
    let gate = setup.gates.get(&Metric::Throughput);
    gate.and_then(|gate| gate.change.as_ref()).is_some_and(|change| change.if_possible)
}

/// A limit with the candidate's distance from it, not judged yet.
fn bounded(both: &Both<'_>, judged: &Judged, series: &Series, limit: &Limit) -> Bounded {
    let (estimate, figure) = series.against(limit.value);
    let ends = estimate.and_then(|estimate| estimate.wide).map(|(low, high)| (figure(low), figure(high)));
    let (_, missing) = Series::missing(both, &judged.metric);
    let thin = both.candidate.iter().flatten().any(|run| run.thin.contains(&judged.metric));
    let blocks = both.candidate.len();
    let reason = match () {
        () if missing > 0 => Some(format!("{missing} of {blocks} blocks have a run without it")),
        () if thin => Some("fewer than 100 samples lie beyond it in a window".to_owned()),
        () if blocks < FEWEST => {
            Some(format!("{blocks} blocks; fewer than {FEWEST} cannot show anything at 5 %"))
        }
        () => None,
    };
    Bounded {
        limit: limit.clone(),
        verdict: Verdict::Inconclusive,
        p: estimate.map(|estimate| estimate.p).filter(|_| reason.is_none()),
        reason,
        typical: estimate.map(|estimate| figure(estimate.center)),
        interval: ends,
    }
}
