//! Every operation of `io`, on `runtime` and on the real Tokio, over devices with the same faults: both must answer alike, and
//! leave the devices alike.
#![allow(clippy::duplicate_mod, reason = "the same source is compiled for each runtime")]

#[path = "../runtime/tests/io_support/case.rs"]
mod case;
#[path = "../runtime/tests/io_support/generate.rs"]
mod generate;
#[path = "../runtime/tests/io_support/ours.rs"]
mod ours;
#[path = "../runtime/tests/io_support/theirs.rs"]
mod theirs;

use case::{Case, Event, Family, Stack};

/// Where ours does better on purpose, with the reason.
fn differs_on_purpose(case: &Case) -> bool {
    let seeks = case.ops.iter().any(|op| op.family() == Family::Seek);
    let stack_writes = matches!(case.stack, Stack::BufWriter(_) | Stack::BufStream(..) | Stack::Inverted(..));
    let writes_fail = case.scripts[0].write.iter().any(|event| matches!(event, Event::Fail | Event::Zero));
    // A seek that failed because the buffer could not be written comes after all with the next one in Tokio.
    seeks && stack_writes && writes_fail
}

fn check(case: &Case) {
    if differs_on_purpose(case) {
        return;
    }
    let (ours, theirs) = (ours::exec::run(case), theirs::exec::run(case));
    assert!(ours == theirs, "{case:?}\n  ours: {ours:?}\n  Tokio's: {theirs:?}");
}

#[test]
fn every_operation_does_what_tokios_does_after_every_short_script() {
    generate::each_small(check);
}

#[test]
fn every_operation_does_what_tokios_does_after_scripts_at_random() {
    let seed = std::env::var("RT_IO_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("RT_IO_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..30_000 {
        check(&generate::random(&mut rng));
    }
}
