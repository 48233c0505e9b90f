//! The verdicts: what the blocks say of each metric, and what the gate makes of that.
//!
//! Next file to read: `series.rs`.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use workloads::wire::Unit;

use super::blocks;
use super::folder::Stored;
use super::model::{
    ALPHA, Baseline, Block, Comparison, Judged, Moved, Outcome, Pair, SCHEMA, Setup, VERSION, Verdict,
    relative,
};
use super::series::{Both, Series, runs, told};
use crate::profile::Metric;
use crate::stats::{Estimate, multiple, power, signed_rank};

/// The share of false ones among what the exploratory figures call significant.
const FALSE_DISCOVERIES: f64 = 0.10;
/// Shorter blocks than this are not enough for a verdict on their own: see [`signed_rank::FEWEST`].
const FEWEST: usize = signed_rank::FEWEST;

/// Judges what was measured so far.
pub(crate) fn judge(
    setup: &Setup,
    measured: &[Block],
    baseline: Option<&Stored>,
    created: String,
) -> Comparison {
    let mut pairs = Vec::new();
    for workload in 0..setup.workloads.len() {
        pairs.extend(pairs_of(setup, measured, baseline, workload));
    }
    decide(setup, &mut pairs);
    explore(&mut pairs);
    let complete = pairs.iter().all(|pair| pair.blocks + pair.failed >= setup.blocks);
    let failures = failures(setup, measured);
    let mut comparison = Comparison {
        schema: SCHEMA.to_owned(),
        version: VERSION,
        created,
        complete,
        outcome: Outcome::Pass,
        setup: setup.clone(),
        baseline: baseline.map(|stored| Baseline {
            folder: stored.folder.clone(),
            created: stored.setup.created.clone(),
            tool: stored.setup.tool.clone(),
            machine: stored.setup.machine.clone(),
        }),
        pairs,
        failures,
        warnings: Vec::new(),
    };
    comparison.outcome = outcome(&comparison, measured);
    comparison.warnings = warnings(&comparison, measured);
    comparison
}

/// The sides of one workload that are compared, not judged yet.
fn pairs_of(setup: &Setup, measured: &[Block], baseline: Option<&Stored>, workload: usize) -> Vec<Pair> {
    let tally = blocks::tally(measured, workload);
    let count = |state: &str| tally.get(state).copied().unwrap_or(0);
    let engines = |blocks: &[Block], workload, side| told(blocks, workload, side, |run| run.engine.clone());
    let pair = |both: &Both<'_>, reference: (&str, BTreeSet<String>), candidate: usize| Pair {
        workload: setup.workloads[workload].clone(),
        reference: reference.0.to_owned(),
        candidate: setup.sides[candidate].label.clone(),
        reference_engines: reference.1,
        candidate_engines: engines(measured, workload, candidate),
        paired: both.paired,
        blocks: count("kept"),
        redone: count("redone"),
        failed: count("failed"),
        disturbed: count("disturbed"),
        unit: unit(both),
        metrics: Metric::ALL.map(|metric| measure(setup, both, metric)).into(),
        counters: counters(both),
    };
    if let Some(stored) = baseline {
        let (from, side) = stored.runs_of(&setup.workloads[workload], &setup.sides[0].plans[workload]);
        let both = Both {
            reference: runs(&stored.blocks, from, side),
            candidate: runs(measured, workload, 0),
            paired: false,
        };
        let label = format!("baseline {}", stored.setup.sides[side].label);
        return vec![pair(&both, (&label, engines(&stored.blocks, from, side)), 0)];
    }
    let against = |candidate: usize| {
        let [reference, other] = [0, candidate].map(|side| runs(measured, workload, side));
        let both = Both { reference, candidate: other, paired: true };
        pair(&both, (&setup.sides[0].label, engines(measured, workload, 0)), candidate)
    };
    (1..setup.sides.len()).map(against).collect()
}

fn unit(both: &Both<'_>) -> Unit {
    let mut runs = both.reference.iter().chain(&both.candidate).flatten();
    runs.find_map(|run| run.histogram.as_ref()).map_or(Unit::Nanoseconds, |histogram| histogram.unit)
}

/// The figures of one metric, without a verdict.
fn measure(setup: &Setup, both: &Both<'_>, metric: Metric) -> Judged {
    let series = Series::of(both, |run| run.metrics.get(&metric).copied());
    let estimate = series.estimate();
    let (reference, candidate) = series.medians();
    let correlation = series.serial_correlation();
    let floor = series.noise_floor();
    // The middle of the blocks may lie close together while a few stray far; then the interval is wider than the middle
    // promises, and it is what decides.
    let wide = estimate.and_then(|estimate| estimate.wide).map(|(low, high)| (high - low) / 2.0);
    let from_wide = wide.map_or(0.0, |half| power::spread_for(half, series.blocks()));
    let spread = series.spread().map(|spread| spread.max(from_wide));
    let independent = power::independent(series.blocks(), correlation.unwrap_or(0.0));
    let both_ends = |(low, high): (f64, f64)| (relative(low), relative(high));
    let margin = setup.gates.get(&metric).copied();
    let mut judged = Judged {
        metric,
        margin,
        verdict: margin.map(|_| Verdict::Inconclusive),
        reason: None,
        reference,
        candidate,
        effect: estimate.map(|estimate| relative(estimate.center)),
        interval: estimate.and_then(|estimate| estimate.wide).map(both_ends),
        interval_90: estimate.and_then(|estimate| estimate.narrow).map(both_ends),
        p: estimate.map(|estimate| estimate.p),
        significant: false,
        noise_floor: floor.map(relative),
        spread: spread.map(relative),
        detectable: spread.map(|spread| relative(power::detectable(spread, independent))),
        blocks: series.blocks() as u64,
        blocks_needed: None,
        serial_correlation: correlation,
        too_noisy: margin
            .zip(floor)
            .is_some_and(|(margin, floor)| relative(floor) > margin * setup.noise_limit as f64),
        by_block: series.effects(),
    };
    if margin.is_some()
        && let Some((reason, blocks_help)) = obstacle(setup, both, &judged, series.missing(both))
    {
        judged.reason = Some(reason);
        // How many exactly, `decide` says, which knows how many metrics there are.
        judged.blocks_needed = blocks_help.then_some(FEWEST as u64);
    }
    judged
}

/// Why a gated metric cannot be judged as it is, and whether more blocks could change that.
fn obstacle(setup: &Setup, both: &Both<'_>, judged: &Judged, missing: usize) -> Option<(String, bool)> {
    let runs = || both.reference.iter().chain(&both.candidate).flatten();
    if judged.blocks == 0 {
        return Some(("no block has this metric".to_owned(), false));
    }
    if missing > 0 {
        let all = match both.paired {
            true => both.reference.len(),
            false => both.reference.len() + both.candidate.len(),
        };
        let what = "have a run without it, and to judge by the rest would be to choose";
        return Some((format!("{missing} of {all} blocks {what}"), false));
    }
    if runs().any(|run| run.thin.contains(&judged.metric)) {
        let why = "fewer than 100 samples lie beyond it in a window; take longer windows or a higher rate";
        return Some((why.to_owned(), false));
    }
    if judged.blocks < FEWEST as u64 {
        let blocks = judged.blocks;
        return Some((format!("{blocks} blocks; fewer than {FEWEST} cannot show anything at 5 %"), true));
    }
    if judged.too_noisy {
        let floor = 100.0 * judged.noise_floor.unwrap_or(f64::NAN);
        let limit = 100.0 * judged.margin.unwrap_or(f64::NAN) * setup.noise_limit as f64;
        let margins = setup.noise_limit;
        let why =
            format!("equal runs differ by {floor:.0} %, and the limit is {limit:.0} %, {margins} margins");
        return Some((why, true));
    }
    None
}

/// Gives the gated metrics of all pairs their verdicts.
fn decide(setup: &Setup, pairs: &mut [Pair]) {
    let decidable = |judged: &&mut Judged| {
        judged.margin.is_some()
            && judged.p.is_some()
            && (judged.reason.is_none() || judged.blocks_needed.is_some())
    };
    let mut gated: Vec<&mut Judged> =
        pairs.iter_mut().flat_map(|pair| &mut pair.metrics).filter(decidable).collect();
    let p: Vec<f64> = gated.iter().filter_map(|judged| judged.p).collect();
    let family = p.len();
    for (judged, falls) in gated.iter_mut().zip(multiple::holm(&p, ALPHA)) {
        judged.significant = falls;
        decide_one(setup, judged, family);
    }
}

fn decide_one(setup: &Setup, judged: &mut Judged, family: usize) {
    let (Some(margin), Some(effect)) = (judged.margin, judged.effect) else { return };
    let margin = margin.ln_1p();
    let needed = needed(judged, effect.ln_1p(), margin, family);
    let Some((low, high)) = judged.interval else {
        judged.blocks_needed = Some(needed);
        return;
    };
    // From here on, above 0 is worse.
    let sign = if judged.metric.more_is_better() { -1.0 } else { 1.0 };
    let cost = |change: f64| sign * change.ln_1p();
    let (center, ends) = (cost(effect), [cost(low), cost(high)]);
    let (best, worst) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
    let inside =
        judged.interval_90.is_some_and(|(low, high)| [low, high].iter().all(|end| cost(*end).abs() < margin));
    let verdict = if judged.significant && best > 0.0 && center > margin {
        Verdict::Regressed
    } else if judged.too_noisy {
        Verdict::Inconclusive
    } else if judged.significant && worst < 0.0 && center < -margin {
        Verdict::Improved
    } else if inside {
        Verdict::Equivalent
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
        (_, true) if judged.significant => "better, but perhaps by less than the margin".to_owned(),
        (true, _) | (_, true) => {
            format!("not significant among {family} metrics that decide")
        }
        _ => "the interval holds both no change and one beyond the margin".to_owned(),
    });
    if setup.quick {
        judged.reason.get_or_insert_default().push_str("; --quick sees only large changes");
    }
}

/// About how many blocks with the spread of these would decide it.
fn needed(judged: &Judged, effect: f64, margin: f64, family: usize) -> u64 {
    let (spread, effect) = (judged.spread.unwrap_or(0.0).ln_1p(), effect.abs());
    // To call it a change, the interval must leave 0; to call it none, it must stay within the margin.
    let distance = if effect > margin { effect } else { (margin - effect).max(margin / 10.0) };
    let needed = power::blocks_for(spread, distance).max(power::fewest_blocks(family, ALPHA) as f64);
    (needed as u64).max(judged.blocks + 1)
}

/// Marks what is significant among the figures that decide nothing.
fn explore(pairs: &mut [Pair]) {
    for pair in pairs {
        let shown = pair.metrics.iter_mut().filter(|judged| judged.margin.is_none());
        let shown = shown.map(|judged| (judged.p, &mut judged.significant));
        let counters = pair.counters.iter_mut().map(|moved| (moved.p, &mut moved.significant));
        let (p, marks): (Vec<_>, Vec<_>) =
            shown.chain(counters).filter_map(|(p, mark)| Some((p?, mark))).unzip();
        let falls = multiple::benjamini_hochberg(&p, FALSE_DISCOVERIES);
        marks.into_iter().zip(falls).for_each(|(mark, falls)| *mark = falls);
        let rank =
            |moved: &Moved| (moved.significant, moved.effect.map_or(0.0, |effect| effect.ln_1p().abs()));
        pair.counters.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
    }
}

fn counters(both: &Both<'_>) -> Vec<Moved> {
    let all = || both.reference.iter().chain(&both.candidate).flatten();
    let names: BTreeSet<&String> = all().flat_map(|run| run.counters.keys()).collect();
    let of = |name: &String| {
        let series = Series::of(both, |run| run.counters.get(name).copied());
        let median = |runs: &super::series::Runs<'_>| {
            let values: Vec<f64> =
                runs.iter().flatten().filter_map(|run| run.counters.get(name).copied()).collect();
            crate::stats::robust::median(&values)
        };
        let estimate: Option<Estimate> = series.estimate().filter(|_| series.blocks() >= FEWEST);
        let (reference, candidate) = (median(&both.reference)?, median(&both.candidate)?);
        Some(Moved {
            name: name.clone(),
            reference,
            candidate,
            effect: estimate.map(|estimate| relative(estimate.center)),
            p: estimate.map(|estimate| estimate.p),
            significant: false,
        })
    };
    names.into_iter().filter_map(of).collect()
}

fn failures(setup: &Setup, measured: &[Block]) -> Vec<String> {
    let of_block = |block: &Block| {
        let failed = block.runs.iter().filter_map(|run| Some((run.side, run.failure.as_ref()?)));
        let tell = |(side, failure): (usize, &super::model::Failure)| {
            let (workload, label) = (&setup.workloads[block.workload], &setup.sides[side].label);
            format!("{workload}, block {}, {label}: {}", block.number, failure.message)
        };
        failed.map(tell).collect::<Vec<_>>()
    };
    measured.iter().flat_map(of_block).collect()
}

fn outcome(comparison: &Comparison, measured: &[Block]) -> Outcome {
    let failures = || measured.iter().flat_map(|block| &block.runs).filter_map(|run| run.failure.as_ref());
    let gated =
        || comparison.pairs.iter().flat_map(|pair| &pair.metrics).filter(|judged| judged.margin.is_some());
    let any = |verdict| gated().any(|judged| judged.verdict == Some(verdict));
    match () {
        () if failures().any(|failure| failure.is_input) => Outcome::BadInput,
        () if failures().next().is_some() => Outcome::RunFailed,
        () if !comparison.complete => Outcome::Interrupted,
        () if any(Verdict::Regressed) => Outcome::Regression,
        () if gated().any(|judged| judged.too_noisy) => Outcome::TooNoisy,
        () if any(Verdict::Inconclusive) && comparison.setup.inconclusive_fails => Outcome::Inconclusive,
        () => Outcome::Pass,
    }
}

fn warnings(comparison: &Comparison, measured: &[Block]) -> Vec<String> {
    let setup = &comparison.setup;
    let mut warnings = Vec::new();
    if !setup.tool.release_build {
        warnings.push(
            "rtbench was compiled without optimisation; build it with `cargo build --release`".to_owned(),
        );
    }
    if comparison.baseline.is_some() {
        warnings.push(
            "the reference was measured at another time, so whatever changed on the machine since counts as an effect; \
             where the old program is at hand, --baseline-program compares without that"
                .to_owned(),
        );
    }
    if setup.quick {
        let seen =
            comparison.pairs.iter().flat_map(|pair| &pair.metrics).filter(|judged| judged.margin.is_some());
        let seen: Vec<_> = seen
            .filter_map(|judged| Some(format!("{} {:.1} %", judged.metric, 100.0 * judged.detectable?)))
            .collect();
        warnings.push(format!(
            "--quick: short windows; smaller changes than these are likely to be missed: {}",
            seen.join(", ")
        ));
    }
    let gates = setup.gates.len() * comparison.pairs.len();
    let fewest = power::fewest_blocks(gates, ALPHA) as u64;
    if setup.blocks < fewest {
        let blocks = setup.blocks;
        warnings.push(format!(
            "{gates} gated metrics need {fewest} blocks or more, for one alone to be significant; there are {blocks}"
        ));
    }
    for pair in &comparison.pairs {
        for (side, engines) in
            [(&pair.reference, &pair.reference_engines), (&pair.candidate, &pair.candidate_engines)]
        {
            if engines.len() > 1 {
                let engines = engines.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
                warnings.push(format!(
                    "{}: the runs of `{side}` were on {engines}: its program was built anew in the meantime, and \
                     they cannot be compared with each other",
                    pair.workload
                ));
            }
        }
        let disturbed = pair.disturbed;
        if disturbed > 0 {
            warnings.push(format!(
                "{}: {disturbed} disturbed blocks count, because as many as may be had been measured again",
                pair.workload
            ));
        }
        for judged in pair.metrics.iter().filter(|judged| judged.margin.is_some()) {
            if let Some(r) =
                judged.serial_correlation.filter(|r| r.abs() > 2.0 / (judged.blocks as f64).sqrt())
            {
                warnings.push(format!(
                    "{} {}: the effects of neighbouring blocks go together (r = {r:.2}), so the machine changes \
                     slowly and the interval may be too narrow",
                    pair.workload, judged.metric
                ));
            }
        }
    }
    warnings.extend(said_by_runs(measured));
    warnings
}

/// What runs warned of, one example of each kind: they differ in numbers, and begin alike.
fn said_by_runs(measured: &[Block]) -> Vec<String> {
    let runs: Vec<_> = measured.iter().flat_map(|block| &block.runs).collect();
    let mut kinds: BTreeMap<&str, (usize, &String)> = BTreeMap::new();
    for run in &runs {
        for text in &run.warnings {
            let kind = text.split(':').next().unwrap_or(text);
            kinds.entry(kind).or_insert((0, text)).0 += 1;
        }
    }
    let tell = |(count, text): &(usize, &String)| {
        format!("{count} of {} runs warned, one of them: {text}", runs.len())
    };
    kinds.values().map(tell).collect()
}
