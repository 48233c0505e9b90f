//! What comparisons find, and what they do not.
#![forbid(unsafe_code)]

use super::super::blocks::{Hands, Place};
use super::super::effort;
use super::super::judge;
use super::super::model::{Block, Comparison, Judged, Outcome, Setup, Verdict};
use super::super::output;
use super::super::simulated::{
    MadeUp, QUIET, ROUGH, World, compared, gated, judged, measured, metric, setup, verdict,
};
use crate::profile::Metric;
use crate::stats::{rank_sum, signed_rank};

/// Whether a gate of any pair was said to have changed.
fn changed(comparison: &Comparison) -> bool {
    let verdicts = comparison.pairs.iter().flat_map(|pair| &pair.metrics).flat_map(Judged::verdicts);
    verdicts.into_iter().any(|verdict| verdict.is_worse() || verdict == Verdict::Improved)
}

/// How many of 200 comparisons are so.
fn of_200(is: impl Fn(u64) -> bool) -> usize {
    (0..200).filter(|seed| is(*seed)).count()
}

#[test]
fn equal_sides_are_no_different_on_a_rough_machine_however_many_there_are() {
    for sides in [2, 3, 5] {
        let (mut wrong, mut significant) = (0, 0);
        for seed in 0..200 {
            let comparison = compared(ROUGH, seed, sides);
            wrong += usize::from(changed(&comparison));
            let mut gates =
                comparison.pairs.iter().flat_map(|pair| &pair.metrics).filter(|judged| judged.is_gate());
            significant += usize::from(gates.any(|judged| judged.significant));
        }
        assert!(
            wrong <= 10,
            "{wrong} of 200 comparisons of {sides} sides found a change where there is none"
        );
        // The tests alone, without the margins: 5 % of 200, and two standard deviations of such a count.
        assert!(significant <= 16, "{significant} of 200 with {sides} sides");
    }
}

#[test]
fn drift_fools_a_then_b_and_not_blocks() {
    let (mut fooled, mut blocks_fooled) = (0, 0);
    for seed in 0..60 {
        let mut machine = MadeUp::new(ROUGH, seed);
        // As many runs, one side after the other.
        let mut side = || -> Vec<f64> {
            let run = |machine: &mut MadeUp| {
                let place = Place { workload: 0, block: 1, attempt: 1, run: 0, left: 1 };
                machine.run(place, 0).unwrap().figures.unwrap().metrics[&Metric::P50].ln()
            };
            (0..24).map(|_| run(&mut machine)).collect()
        };
        let (a, b) = (side(), side());
        fooled += usize::from(rank_sum::unpaired(&a, &b).unwrap().p < 0.05);
        blocks_fooled += usize::from(metric(&compared(ROUGH, seed, 2), "p50").p.unwrap() < 0.05);
    }
    assert!(fooled > 24, "A then B finds a difference in {fooled} of 60");
    assert!(blocks_fooled <= 6, "blocks find one in {blocks_fooled} of 60");
}

/// What `.ci/power` injects into real runs: a tenth more in everything, in a second stream, in processor time alone.
#[test]
fn ten_per_cent_are_found_wherever_they_are() {
    let rough_enough = World { wander: 0.01, noise: 0.03, tail: 0.02, slower: 0.10, ..QUIET };
    let blocks = effort::blocks(&setup(1, 0, 2), None, effort::Asked::default()).unwrap();
    for (only, name) in [("", "p50"), ("service.p50", "service.p50"), ("cpu", "cpu")] {
        let world = World { only, ..rough_enough };
        let found = of_200(|seed| {
            let comparison = judged(&setup(seed, blocks, 2), world, seed);
            comparison.outcome == Outcome::Regression
                && verdict(&comparison, name) == Some(Verdict::Regressed)
        });
        assert!(found >= 180, "in {name}: {found} of 200");
    }
    let better = compared(World { slower: -0.10, ..QUIET }, 1, 2);
    for name in ["p50", "p99", "service.p50", "cpu"] {
        assert_eq!(verdict(&better, name), Some(Verdict::Improved), "{name}");
    }
    assert_eq!(better.outcome, Outcome::Pass);
}

#[test]
fn a_side_that_does_not_keep_up_is_found_by_its_throughput() {
    let comparison = compared(World { reached: [1.0, 0.8], noise: 0.01, ..QUIET }, 3, 2);
    assert_eq!(verdict(&comparison, "throughput"), Some(Verdict::Regressed));
    assert_eq!(comparison.outcome, Outcome::Regression);
}

#[test]
fn throughput_decides_only_where_it_can_differ() {
    let comparison = compared(QUIET, 3, 2);
    let throughput = metric(&comparison, "throughput");
    assert_eq!((throughput.margin, throughput.verdict), (None, None));
    assert!(throughput.reason.as_ref().unwrap().contains("keep up with the rate"), "{throughput:?}");
    // Whoever asks for it without reserve has it judged.
    let asked = judged(&gated(setup(3, 12, 2), &[("throughput", "3%")]), QUIET, 3);
    assert_eq!(verdict(&asked, "throughput"), Some(Verdict::Equivalent));
    // It spends nothing of the others' error where it does not decide: of 4 gates, the smallest p falls at 5 % / 4.
    let family = comparison.pairs[0].metrics.iter().filter(|judged| judged.is_gate()).count();
    assert_eq!(family, 4);
}

#[test]
fn three_sides_decide_with_the_blocks_that_their_gates_choose() {
    let mut setup = Setup { quick: true, ..setup(3, 0, 3) };
    setup.blocks = effort::blocks(&setup, None, effort::Asked::default()).unwrap();
    let found = of_200(|seed| {
        let world = World { only: "cpu", slower: 1.73, noise: 0.02, ..QUIET };
        verdict(&judged(&setup, world, seed), "cpu") == Some(Verdict::Regressed)
    });
    assert_eq!(found, 200, "with {} blocks", setup.blocks);
}

#[test]
fn nothing_that_was_not_shown_is_called_no_regression() {
    // What is worse by 173 % in all 8 blocks is still not significant among so many gates.
    let setup = setup(3, 8, 7);
    let comparison = judged(&setup, World { slower: 1.73, noise: 0.02, ..QUIET }, 3);
    assert_eq!(verdict(&comparison, "cpu"), Some(Verdict::Inconclusive));
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    let said = [output::text(&comparison, 80, false), output::markdown(&comparison)];
    for said in said {
        assert!(!said.to_lowercase().contains("no regression"), "{said}");
        assert!(said.contains("Inconclusive: these blocks cannot tell about"), "{said}");
    }
}

#[test]
fn alike_is_equivalent_and_a_wide_scatter_inconclusive_with_what_it_would_take() {
    let comparison = compared(World { noise: 0.005, ..QUIET }, 3, 2);
    for name in ["p50", "p99", "service.p50", "cpu"] {
        assert_eq!(verdict(&comparison, name), Some(Verdict::Equivalent), "{name}");
    }
    assert_eq!(verdict(&comparison, "switches"), None, "no gate");
    assert_eq!(comparison.outcome, Outcome::Pass);
    let setup = setup(3, 12, 2);
    let mut blocks = measured(&setup, World { noise: 0.1, ..QUIET }, 3);
    blocks.iter_mut().for_each(|block| block.took_ns = 15_000_000_000);
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let p50 = metric(&comparison, "p50");
    assert_eq!(p50.verdict, Some(Verdict::Inconclusive));
    assert!(p50.blocks_needed.unwrap() > 12 && p50.detectable.unwrap() > 0.03 && p50.reason.is_some());
    assert_eq!(p50.seconds_needed, Some(15.0 * p50.blocks_needed.unwrap() as f64));
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    let too_much = compared(World { noise: 0.5, ..QUIET }, 3, 2);
    assert_eq!(too_much.outcome, Outcome::TooNoisy);
    let p50 = metric(&too_much, "p50");
    assert!(p50.too_noisy && p50.blocks_needed.unwrap() > 12, "{p50:?}");
    assert!(output::text(&too_much, 200, false).contains("would decide it, "), "{too_much:?}");
    // A margin that no number of blocks can tell from nothing.
    let setup = gated(setup, &[("p50", "1.9%")]);
    let mut blocks = measured(&setup, World { noise: 0.05, ..QUIET }, 3);
    blocks.iter_mut().for_each(|block| block.took_ns = 15_000_000_000);
    let shown = output::text(&judge::judge(&setup, &blocks, None, String::new()), 200, false);
    assert!(shown.contains("not to be decided on this machine: it would take about"), "{shown}");
}

#[test]
fn better_but_not_by_how_much_is_not_worse() {
    // Two per cent better, give or take two: no regression, and no equivalence either.
    let found = of_200(|seed| {
        let setup = gated(setup(seed, 12, 2), &[("p50", "3%")]);
        let comparison = judged(&setup, World { slower: -0.03, noise: 0.04, ..QUIET }, seed);
        verdict(&comparison, "p50") == Some(Verdict::NotWorse) && comparison.outcome == Outcome::Pass
    });
    assert!(found > 60, "{found} of 200");
    // What is worse by the margin is called so at most one time in twenty.
    let wrong = of_200(|seed| {
        let setup = gated(setup(seed, 12, 2), &[("p50", "3%")]);
        let comparison = judged(&setup, World { slower: 0.03, noise: 0.02, ..QUIET }, seed);
        comparison.outcome == Outcome::Pass
    });
    assert!(wrong <= 14, "{wrong} of 200");
}

#[test]
fn the_policy_changes_what_is_thin_to_no_verdict() {
    let setup = setup(3, 12, 2);
    let mut blocks = measured(&setup, World { noise: 0.005, ..QUIET }, 3);
    // Too few samples on both sides decide nothing, and a gate that is not asked for in any case is left out.
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs) {
        run.figures.as_mut().unwrap().thin.insert(Metric::P99);
    }
    let judged = judge::judge(&setup, &blocks, None, String::new());
    let p99 = metric(&judged, "p99");
    assert_eq!((p99.margin, p99.verdict), (None, None));
    assert!(p99.reason.as_ref().unwrap().contains("100 samples"), "{p99:?}");
    assert_eq!(judged.outcome, Outcome::Pass);
    let asked = gated(setup.clone(), &[("p99", "10%")]);
    let judged = judge::judge(&asked, &blocks, None, String::new());
    assert_eq!(verdict(&judged, "p99"), Some(Verdict::Inconclusive));
    // On one side alone it may be that side's doing.
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs).filter(|run| run.side == 0) {
        run.figures.as_mut().unwrap().thin.clear();
    }
    let judged = judge::judge(&setup, &blocks, None, String::new());
    assert_eq!(verdict(&judged, "p99"), Some(Verdict::Inconclusive));
    let few = judge::judge(&setup, &blocks[..5], None, String::new());
    assert_eq!(few.outcome, Outcome::Interrupted);
    let p50 = metric(&few, "p50");
    assert!(p50.reason.as_ref().unwrap().starts_with("5 blocks"));
    // Three gates that can be judged need 7 blocks however quiet they are.
    assert_eq!(p50.blocks_needed, Some(7), "{p50:?}");
}

#[test]
fn where_no_gate_can_be_judged_nothing_was_shown() {
    let setup = gated(setup(3, 12, 2), &[("p99", "10%?")]);
    let mut blocks = measured(&setup, QUIET, 3);
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs) {
        run.figures.as_mut().unwrap().thin.insert(Metric::P99);
    }
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    assert_eq!(comparison.outcome, Outcome::Inconclusive);
    let looking = judged(&gated(setup, &[]), QUIET, 3);
    assert_eq!(looking.outcome, Outcome::NotJudged);
    assert!(output::text(&looking, 80, false).contains("Not judged: no metric decides."));
}

#[test]
fn a_limit_is_kept_or_exceeded_or_too_near_to_tell() {
    // The candidate's median is 50 us, give or take 2 %.
    let of = |gate: &str, world: World| {
        let comparison = judged(&gated(setup(4, 12, 2), &[("p50", gate)]), world, 4);
        let bounded = metric(&comparison, "p50").limit.clone().unwrap();
        (bounded.verdict, comparison.outcome)
    };
    assert_eq!(of("<60us", QUIET), (Verdict::Within, Outcome::Pass));
    assert_eq!(of("<40us", QUIET), (Verdict::Exceeded, Outcome::Regression));
    assert_eq!(of("<50us", QUIET), (Verdict::Inconclusive, Outcome::Inconclusive));
    // Whatever the reference is.
    let slower = World { slower: 0.5, ..QUIET };
    assert_eq!(of("<60us", slower), (Verdict::Exceeded, Outcome::Regression));
    // A floor, and beside a margin.
    let both = gated(setup(3, 12, 2), &[("throughput", ">15000"), ("cpu", "5%, <13us")]);
    let comparison = judged(&both, QUIET, 3);
    assert_eq!(metric(&comparison, "throughput").limit.as_ref().unwrap().verdict, Verdict::Within);
    let cpu = metric(&comparison, "cpu");
    assert_eq!(cpu.verdict, Some(Verdict::Equivalent));
    assert_eq!(cpu.limit.as_ref().unwrap().verdict, Verdict::Within);
    assert_eq!(effort::family(&both), 3);
}

#[test]
fn limits_at_the_true_figure_are_decided_wrongly_one_time_in_twenty() {
    let setup = gated(setup(1, 12, 2), &[("p50", "<50us")]);
    let wrong = of_200(|seed| judged(&setup, QUIET, seed).outcome != Outcome::Inconclusive);
    assert!(wrong <= 18, "{wrong} of 200");
}

#[test]
fn streams_counters_and_the_better_direction_can_be_gated() {
    let slower = World { slower: 0.2, noise: 0.01, ..QUIET };
    let with = |gates: &[(&str, &str)]| judged(&gated(setup(3, 12, 2), gates), slower, 3);
    for name in ["service.p99", "polls", "lag.p50", "switches"] {
        let comparison = with(&[(name, "5%")]);
        assert_eq!(verdict(&comparison, name), Some(Verdict::Regressed), "{name}");
    }
    // More of it is better where the gate says so.
    let comparison = with(&[("polls", "-5%")]);
    assert_eq!(verdict(&comparison, "polls"), Some(Verdict::Improved));
    assert_eq!(comparison.outcome, Outcome::Pass);
    // The name of the first stream means the first stream.
    let comparison = with(&[("latency.p99", "5%")]);
    assert_eq!(verdict(&comparison, "p99"), Some(Verdict::Regressed));
}

#[test]
fn a_counter_that_appears_or_goes_has_a_verdict() {
    let appears = World { steals: [0.0, 0.3], ..QUIET };
    let goes = World { steals: [0.3, 0.0], ..QUIET };
    for (world, shown) in [(appears, "steals 0 \u{2192} 0.3"), (goes, "\u{2192} 0 (gone)")] {
        let comparison = compared(world, 3, 2);
        let steals = &comparison.pairs[0].counters[0];
        assert_eq!((steals.metric.to_string().as_str(), steals.significant), ("steals", true));
        let text = output::text(&comparison, 200, false);
        assert!(text.contains("moved, for each operation") && text.contains(shown), "{text}");
    }
    let as_gate = |world| judged(&gated(setup(3, 12, 2), &[("steals", "5%")]), world, 3);
    assert_eq!(verdict(&as_gate(appears), "steals"), Some(Verdict::Regressed));
    assert_eq!(verdict(&as_gate(goes), "steals"), Some(Verdict::Improved));
    assert_eq!(verdict(&as_gate(QUIET), "steals"), Some(Verdict::Equivalent), "nothing on both sides");
    // Some of it now and then, on both sides alike.
    let mut blocks = measured(&setup(3, 12, 2), World { steals: [0.3, 0.3], ..QUIET }, 3);
    for run in blocks.iter_mut().filter(|block| block.number % 2 == 0).flat_map(|block| &mut block.runs) {
        run.figures.as_mut().unwrap().counters.insert("steals".to_owned(), 0.0);
    }
    let setup = gated(setup(3, 12, 2), &[("steals", "20%")]);
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    assert_eq!(
        verdict(&comparison, "steals"),
        Some(Verdict::Equivalent),
        "{:?}",
        metric(&comparison, "steals")
    );
}

#[test]
fn the_two_figures_of_a_row_are_as_far_apart_as_the_change_says() {
    // Blocks differ a hundredfold, and the sides not at all; then medians of each side may be anywhere.
    let comparison = compared(World { wander: 0.8, noise: 0.01, ..QUIET }, 5, 2);
    for judged in &comparison.pairs[0].metrics {
        let (Some((reference, candidate)), Some(effect)) = (judged.typical, judged.effect) else { continue };
        assert!((candidate / reference - 1.0 - effect).abs() < 1e-9, "{judged:?}");
    }
}

#[test]
fn three_sides_are_compared_with_the_first() {
    let comparison = compared(World { noise: 0.005, slower: 0.2, ..QUIET }, 3, 3);
    let pairs: Vec<_> =
        comparison.pairs.iter().map(|pair| (pair.reference.as_str(), pair.candidate.as_str())).collect();
    assert_eq!(pairs, [("side <0>", "side <1>"), ("side <0>", "side <2>")]);
    let p50 = |nth: usize| comparison.pairs[nth].metrics[0].verdict;
    assert_eq!((p50(0), p50(1)), (Some(Verdict::Regressed), Some(Verdict::Equivalent)));
}

#[test]
fn the_counter_that_moved_stands_first_and_one_that_never_counted_last() {
    let comparison = compared(World { noise: 0.01, slower: 0.1, ..QUIET }, 3, 2);
    let counters: Vec<_> = comparison.pairs[0]
        .counters
        .iter()
        .map(|moved| (moved.metric.to_string(), moved.significant))
        .collect();
    assert_eq!(counters[0], ("polls".to_owned(), true));
    assert!(counters[1..].iter().all(|(_, significant)| !significant), "{counters:?}");
    assert_eq!(signed_rank::FEWEST, 6);
}

/// A side that collapses must not be judged by the blocks in which it did not.
#[test]
fn a_figure_that_some_runs_lack_decides_nothing() {
    let setup = setup(3, 12, 2);
    let mut blocks = measured(&setup, World { noise: 0.005, ..QUIET }, 3);
    let judged = |blocks: &[Block]| judge::judge(&setup, blocks, None, String::new());
    for block in &mut blocks[..4] {
        let run = block.runs.iter_mut().find(|run| run.side == 1).unwrap();
        run.figures.as_mut().unwrap().metrics.remove(&Metric::P99);
    }
    let some = judged(&blocks);
    let p99 = metric(&some, "p99");
    assert_eq!((p99.verdict, p99.blocks, p99.blocks_needed), (Some(Verdict::Inconclusive), 8, None));
    assert!(p99.reason.as_ref().unwrap().starts_with("4 of 12 blocks have a run without it"), "{p99:?}");
    assert_eq!(verdict(&some, "p50"), Some(Verdict::Equivalent), "the others are judged");
    for run in blocks.iter_mut().flat_map(|block| &mut block.runs) {
        run.figures.as_mut().unwrap().metrics.insert(Metric::P50, 0.0);
    }
    let none = judged(&blocks);
    assert_eq!(verdict(&none, "p50"), Some(Verdict::Inconclusive));
    for told in [output::text(&none, 80, false), output::markdown(&none)] {
        assert!(told.lines().any(|line| line.contains("p50") && line.contains("INCONCLUSIVE")), "{told}");
        assert!(told.contains("no block has this metric"), "{told}");
    }
}
