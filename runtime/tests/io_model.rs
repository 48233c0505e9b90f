//! Every operation of `io` over devices with faults, against a blocking model of what is promised.
#![allow(clippy::duplicate_mod, reason = "the same source is compiled for each runtime")]

#[path = "io_support/case.rs"]
mod case;
#[path = "io_support/generate.rs"]
mod generate;
#[path = "io_support/model.rs"]
mod model;
#[path = "io_support/ours.rs"]
mod ours;

use case::Case;

fn check(case: &Case) {
    let (came, expected) = (ours::exec::run(case), model::run(case));
    assert!(came == expected, "{case:?}\n  came: {came:?}\n  expected: {expected:?}");
}

#[test]
fn every_operation_does_what_its_model_does_after_every_short_script() {
    generate::each_small(check);
}

#[test]
fn every_operation_does_what_its_model_does_after_scripts_at_random() {
    let seed = std::env::var("RT_IO_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("RT_IO_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..30_000 {
        check(&generate::random(&mut rng));
    }
}
