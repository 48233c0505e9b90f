//! The loop over blocks: order, failures, disturbances, interruptions.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::super::blocks::{End, measure, order, redos};
use super::super::judge;
use super::super::model::{Outcome, State};
use super::super::simulated::{Event, MadeUp, QUIET, setup};

#[test]
fn the_order_mirrors_and_the_coin_is_fair() {
    let firsts = (1..=1000).filter(|&block| order(9, 0, block, 2)[0] == 0).count();
    assert!((430..570).contains(&firsts), "{firsts} of 1000 begin with the first side");
    for block in 1..50 {
        let order = order(9, 1, block, 3);
        assert_eq!(order.iter().rev().collect::<Vec<_>>(), order.iter().collect::<Vec<_>>());
        assert_eq!(order[..3].iter().collect::<BTreeSet<_>>().len(), 3);
    }
    assert_eq!(order(9, 0, 5, 2), order(9, 0, 5, 2));
    let many = |seed| (1..=20).map(|block| order(seed, 0, block, 2)).collect::<Vec<_>>();
    assert_ne!(many(1), many(2));
}

#[test]
fn a_failed_run_fails_its_block_and_is_told() {
    let setup = setup(1, 8, 2);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event = Box::new(|place, _| match (place.block, place.run) {
        (3, 2) => Event::Fail { is_input: false },
        _ => Event::None,
    });
    let mut blocks = Vec::new();
    assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::Complete);
    assert_eq!(blocks.len(), 8);
    assert_eq!((blocks[2].state, blocks[2].runs.len()), (State::Failed, 3));
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    assert_eq!((comparison.pairs[0].blocks, comparison.pairs[0].failed), (7, 1));
    assert_eq!(comparison.outcome, Outcome::RunFailed);
    assert!(comparison.failures[0].contains("block 3") && comparison.failures[0].contains("it crashed"));

    // Going on measures it again, and nothing else; the failed attempt is kept and does not count.
    let before = blocks.clone();
    assert_eq!(measure(&setup, &mut blocks, &mut MadeUp::new(QUIET, 2)).unwrap(), End::Complete);
    assert_eq!(blocks[..8], before[..]);
    let again = &blocks[8];
    assert_eq!((blocks.len(), again.number, again.attempt, again.state), (9, 3, 2, State::Kept));
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    assert_eq!((comparison.pairs[0].blocks, comparison.pairs[0].failed), (8, 0));
    assert!(comparison.failures.is_empty());
    assert_ne!(comparison.outcome, Outcome::RunFailed);
}

#[test]
fn what_always_fails_is_given_up_and_bad_input_at_once() {
    for (is_input, expected, outcome) in [(false, 3, Outcome::RunFailed), (true, 1, Outcome::BadInput)] {
        let setup = setup(1, 8, 2);
        let mut machine = MadeUp::new(QUIET, 1);
        machine.event = Box::new(move |_, _| Event::Fail { is_input });
        let mut blocks = Vec::new();
        assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::GaveUp);
        assert_eq!(blocks.len(), expected);
        assert_eq!(judge::judge(&setup, &blocks, None, String::new()).outcome, outcome);
        // The failures of an earlier session do not count against a later one.
        assert_eq!(measure(&setup, &mut blocks, &mut MadeUp::new(QUIET, 1)).unwrap(), End::Complete);
    }
}

#[test]
fn disturbed_blocks_are_measured_again_but_not_for_ever() {
    let setup = setup(1, 15, 2);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event = Box::new(|place, _| match (place.block, place.attempt, place.run) {
        (6 | 9 | 12 | 15, 1, 1) => Event::Disturb,
        _ => Event::None,
    });
    let mut blocks = Vec::new();
    assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::Complete);
    let redone = blocks.iter().filter(|block| block.state == State::Redone).count();
    assert_eq!((redone, blocks.len()), (3, 18), "a fifth of fifteen");
    assert_eq!(blocks, machine.blocks, "all of them are kept, also those that do not count");
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let pair = &comparison.pairs[0];
    assert_eq!((pair.blocks, pair.redone, pair.disturbed), (15, 3, 1));
}

#[test]
fn disturbed_blocks_are_warned_of_once_and_named_whatever_the_number_of_pairs() {
    let setup = setup(1, 12, 4);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event = Box::new(|place, _| match (place.block, place.attempt, place.run) {
        (5 | 7 | 9 | 11 | 12, 1, 1) => Event::Disturb,
        _ => Event::None,
    });
    let mut blocks = Vec::new();
    measure(&setup, &mut blocks, &mut machine).unwrap();
    let kept: Vec<_> = blocks
        .iter()
        .filter(|block| block.state == State::Kept && block.disturbed.is_some())
        .map(|block| block.number.to_string())
        .collect();
    assert!(!kept.is_empty());
    let comparison = judge::judge(&setup, &blocks, None, String::new());
    let warned: Vec<_> = comparison.warnings.iter().filter(|text| text.contains("disturbed")).collect();
    let [warning] = warned.as_slice() else { panic!("{warned:?}") };
    assert!(
        warning.starts_with("echo: ") && warning.contains(&format!("({})", kept.join(", "))),
        "{warning}"
    );
}

#[test]
fn the_first_block_can_be_measured_again_and_no_more_than_a_fifth_of_all() {
    for (blocks, most) in [(2, 1), (8, 2), (12, 3), (15, 3)] {
        assert_eq!(redos(blocks), most, "of {blocks}");
        let mut machine = MadeUp::new(QUIET, 1);
        machine.event = Box::new(|place, _| match (place.block, place.attempt, place.run) {
            (1, 1, 1) => Event::Disturb,
            _ => Event::None,
        });
        let mut measured = Vec::new();
        measure(&setup(1, blocks, 2), &mut measured, &mut machine).unwrap();
        assert_eq!((measured[0].number, measured[0].state), (1, State::Redone));
        assert_eq!(measured.len() as u64, blocks + 1);
    }
}

#[test]
fn an_interrupted_comparison_goes_on_where_it_was() {
    let setup = setup(4, 8, 2);
    let mut machine = MadeUp::new(QUIET, 1);
    machine.event =
        Box::new(|place, _| if (place.block, place.run) == (5, 3) { Event::Stop } else { Event::None });
    let mut blocks = Vec::new();
    assert_eq!(measure(&setup, &mut blocks, &mut machine).unwrap(), End::Interrupted);
    assert_eq!((blocks.len(), machine.blocks.len()), (4, 4), "the block that was cut is not there");
    let before = blocks.clone();
    assert_eq!(measure(&setup, &mut blocks, &mut MadeUp::new(QUIET, 2)).unwrap(), End::Complete);
    assert_eq!(blocks[..4], before[..]);
    assert_eq!(blocks.iter().map(|block| block.number).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    for block in &blocks {
        let sides: Vec<_> = block.runs.iter().map(|run| run.side).collect();
        assert_eq!(sides, order(4, 0, block.number, 2));
    }
}

#[test]
fn a_block_that_cannot_be_kept_ends_it() {
    let mut machine = MadeUp { fails_to_keep: true, ..MadeUp::new(QUIET, 1) };
    let error = measure(&setup(1, 8, 2), &mut Vec::new(), &mut machine).unwrap_err();
    assert_eq!(error.to_string(), "no space is left");
}
