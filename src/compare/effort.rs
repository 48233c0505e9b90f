//! What a comparison takes: how many blocks its gates need, and how long they will run. All of it is known before the
//! first run, so a comparison that could not decide is refused and not measured.
//!
//! Next file to read: `blocks.rs`.
#![forbid(unsafe_code)]

use std::time::Duration;

use anyhow::{Result, bail};
use workloads::params::Params;
use workloads::registry;
use workloads::wire::Plan;

use super::folder::Stored;
use super::model::{ALPHA, Block, Setup, State};
use super::series;
use crate::profile::{BLOCKS, Gates, Metric, Of, gate_text, resolved};
use crate::report::units;
use crate::stats::{power, robust};

/// What a run takes besides its warm-up and its window: the start of its process, what is in flight at the end, and a
/// look at the machine.
const AROUND: Duration = Duration::from_millis(120);
/// Blocks where the gates need no more.
const USUAL: u64 = 15;
/// ... and with `--quick`.
const QUICK: u64 = 8;
/// Blocks beyond the fewest that can decide: with the fewest, a single one against the rest would undo it.
const SPARE: u64 = 2;
/// The other streams of a plug-in's workload, which are not known before it runs.
const UNKNOWN_STREAMS: usize = 2;

/// What the user says about the length of a comparison.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) blocks: Option<u64>,
    pub(crate) time: Option<Duration>,
}

/// The number of blocks for `setup`, whose own is not looked at.
///
/// # Errors
///
/// What was asked for is too little to decide anything.
pub(crate) fn blocks(setup: &Setup, baseline: Option<&Stored>, asked: Asked) -> Result<u64> {
    let gates = family(setup);
    let fewest = fewest(setup, baseline, gates)?;
    let usual = if setup.quick { QUICK } else { USUAL };
    let enough = usual.max(fewest + SPARE).min(*BLOCKS.end());
    let each = block_time(setup);
    let about = |blocks: u64| told(each * u32::try_from(blocks).unwrap_or(u32::MAX));
    let too_few = |what: String| {
        format!(
            "{what} cannot decide: {gates} gates over {} need {fewest} blocks or more, about {}, for one change alone \
             to be significant; take more, or fewer gates (--gate cpu=off), or only look (--gate all=off)",
            told_sides(setup),
            about(fewest)
        )
    };
    if let Some(blocks) = asked.blocks {
        if blocks < fewest {
            bail!(too_few(format!("{blocks} blocks")));
        }
        return Ok(blocks);
    }
    let Some(time) = asked.time else { return Ok(enough) };
    let fit = (time.as_secs_f64() / each.as_secs_f64()) as u64;
    if fit < fewest {
        bail!(too_few(format!("{fit} blocks, which fit into {},", told(time))));
    }
    Ok(fit.min(*BLOCKS.end()))
}

/// The sentences that are said before the first run.
pub(crate) fn plan(setup: &Setup, left: u64) -> Vec<String> {
    let (blocks, runs) = (setup.blocks, 2 * setup.sides.len());
    let time = block_time(setup) * u32::try_from(left).unwrap_or(u32::MAX) / workloads(setup);
    let workloads = setup.workloads.join(", ");
    let mut said = vec![format!(
        "comparing {} on {workloads}: {blocks} blocks of {runs} runs each, about {}",
        told_sides(setup),
        told(time)
    )];
    match family(setup) {
        0 => said.push("no metric decides: figures are shown and not judged".to_owned()),
        gates => {
            let on = setup.gates.iter().filter(|(_, gate)| gate.change.is_some() || gate.limit.is_some());
            let names: Vec<_> =
                on.map(|(metric, gate)| format!("{metric} {}", gate_text(metric, gate))).collect();
            let each = if gates > names.len() { format!(": {gates} tests") } else { String::new() };
            said.push(format!("gates: {}{each}", names.join(", ")));
        }
    }
    said
}

fn workloads(setup: &Setup) -> u32 {
    u32::try_from(setup.workloads.len().max(1)).unwrap_or(u32::MAX)
}

fn told_sides(setup: &Setup) -> String {
    match setup.sides.len() {
        1 => "1 side and a baseline".to_owned(),
        sides => format!("{sides} sides"),
    }
}

/// How many tests the gates make at most.
pub(crate) fn family(setup: &Setup) -> usize {
    let pairs = setup.sides.len().saturating_sub(1).max(1);
    let tests = |gates: &Gates| -> usize {
        gates
            .values()
            .map(|gate| usize::from(gate.change.is_some()) + usize::from(gate.limit.is_some()))
            .sum()
    };
    let of = |workload: usize| {
        let known = setup.sides.first().and_then(|side| streams(side.plans.get(workload)?));
        match known {
            Some(names) => {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let mut gates = resolved(&setup.gates, &names);
                gates.retain(|metric, _| match metric {
                    Metric::Percentile(Of::Stream(name), _) => names.contains(&name.as_str()),
                    _ => true,
                });
                tests(&gates)
            }
            None => {
                let others =
                    setup.gates.keys().filter(|metric| matches!(metric, Metric::Percentile(Of::Others, _)));
                tests(&setup.gates) + others.count() * UNKNOWN_STREAMS.saturating_sub(1)
            }
        }
    };
    pairs * (0..setup.workloads.len()).map(of).sum::<usize>()
}

/// The names of the streams that a plan's workload has. `None`: only the plug-in knows.
pub(crate) fn streams(plan: &Plan) -> Option<Vec<String>> {
    let workload = registry::find(&plan.workload).filter(|_| plan.plugin.is_none())?;
    let params = Params::check(&workload.describe().params, &plan.params).ok()?;
    Some(workload.streams(&params).into_iter().map(|stream| stream.name).collect())
}

/// How many blocks at least, for any gate to be able to fall.
fn fewest(setup: &Setup, baseline: Option<&Stored>, gates: usize) -> Result<u64> {
    if gates == 0 {
        return Ok(*BLOCKS.start());
    }
    let Some(stored) = baseline else { return Ok(power::fewest_blocks(gates, ALPHA) as u64) };
    let mut most = 0;
    for (name, plan) in setup.workloads.iter().zip(&setup.sides[0].plans) {
        let (at, side) = stored.runs_of(name, plan);
        let there = series::runs(&stored.blocks, at, side).len();
        let Some(needed) = power::fewest_unpaired(there, gates, ALPHA, *BLOCKS.end() as usize) else {
            bail!(
                "the baseline {} has {there} blocks of `{name}`: too few for {gates} gates, however many are measured \
                 now; make one with more blocks, or compare with fewer gates",
                stored.folder.display()
            );
        };
        most = most.max(needed as u64);
    }
    Ok(most)
}

/// The time of one block of every workload, by the plan.
fn block_time(setup: &Setup) -> Duration {
    setup.workloads.iter().enumerate().map(|(at, _)| planned(setup, at)).sum()
}

/// The time of one block of a workload, by the plan.
pub(crate) fn planned(setup: &Setup, workload: usize) -> Duration {
    let run = |plan: &Plan| Duration::from_nanos(plan.warmup_ns.saturating_add(plan.duration_ns)) + AROUND;
    2 * setup.sides.iter().filter_map(|side| side.plans.get(workload)).map(run).sum::<Duration>()
}

/// How long a block of a workload takes: by those that are there, or by the plan.
pub(crate) fn block_seconds(setup: &Setup, measured: &[Block], workload: &str) -> f64 {
    let at = setup.workloads.iter().position(|name| name == workload).unwrap_or(0);
    let whole = measured.iter().filter(|block| block.workload == at && block.state != State::Failed);
    let took: Vec<_> =
        whole.filter(|block| block.took_ns > 0).map(|block| block.took_ns as f64 / 1e9).collect();
    robust::median(&took).unwrap_or_else(|| planned(setup, at).as_secs_f64())
}

/// A time as people plan with it: `35 s`, `2 min 40 s`, `3 h`, `4 days`.
pub(crate) fn told(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0 => "0 s".to_owned(),
        ..1.0 => units::duration(seconds * 1e9),
        ..99.5 => format!("{seconds:.0} s"),
        ..600.0 => {
            let tens = (seconds / 10.0).round() as u64 * 10;
            match (tens / 60, tens % 60) {
                (minutes, 0) => format!("{minutes} min"),
                (minutes, seconds) => format!("{minutes} min {seconds} s"),
            }
        }
        ..5_400.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated;
    use super::*;
    use crate::profile::set_gate;

    fn with(gates: &[&str], sides: usize) -> Setup {
        let mut setup = simulated::setup(1, 0, sides);
        setup.gates.clear();
        gates.iter().for_each(|name| set_gate(&mut setup.gates, name, "5%").unwrap());
        setup
    }

    const FOUR: [&str; 4] = ["p50", "p99", "cpu", "switches"];

    #[test]
    fn gates_and_sides_choose_the_blocks() {
        let of = |sides: usize, quick: bool| {
            let setup = Setup { quick, ..with(&FOUR, sides) };
            blocks(&setup, None, Asked::default()).unwrap()
        };
        // 4 tests need 8, 8 need 9, 12 need 9, 28 need 11.
        assert_eq!([2, 3, 4, 8].map(|sides| of(sides, true)), [10, 11, 11, 13]);
        assert_eq!([2, 3, 4, 8].map(|sides| of(sides, false)), [15, 15, 15, 15]);
        assert_eq!(blocks(&Setup { quick: true, ..with(&["p50"], 2) }, None, Asked::default()).unwrap(), 8);
    }

    #[test]
    fn too_few_blocks_are_refused_with_what_it_would_take() {
        let asked = |blocks| Asked { blocks: Some(blocks), time: None };
        let setup = with(&FOUR, 3);
        let said = blocks(&setup, None, asked(8)).unwrap_err().to_string();
        assert!(said.contains("8 gates over 3 sides need 9 blocks or more, about 6"), "{said}");
        assert_eq!(blocks(&setup, None, asked(9)).unwrap(), 9);
        let looking = with(&[], 3);
        assert_eq!(blocks(&looking, None, asked(2)).unwrap(), 2);
        assert!(plan(&looking, 2)[1].contains("not judged"));
    }

    #[test]
    fn a_time_is_filled_with_blocks_or_refused() {
        let asked = |seconds| Asked { blocks: None, time: Some(Duration::from_secs(seconds)) };
        // A block takes 4 times 120 ms and the plan's two nanoseconds.
        let setup = with(&FOUR, 2);
        assert_eq!(blocks(&setup, None, asked(10)).unwrap(), 20);
        assert_eq!(blocks(&setup, None, asked(100_000)).unwrap(), 200);
        let said = blocks(&setup, None, asked(3)).unwrap_err().to_string();
        assert!(said.contains("6 blocks, which fit into 3 s, cannot decide"), "{said}");
    }

    #[test]
    fn the_gates_of_all_streams_and_pairs_are_counted() {
        let mut setup = simulated::setup(1, 0, 3);
        // Of echo: p50, p99, service.p50, throughput, cpu.
        assert_eq!(family(&setup), 10);
        set_gate(&mut setup.gates, "p99", "<2ms").unwrap();
        set_gate(&mut setup.gates, "foreign.p99", "5%").unwrap();
        assert_eq!(family(&setup), 12, "a limit is a test of its own, and echo has no stream foreign");
    }

    #[test]
    fn times_are_told_as_people_plan() {
        let told = [0.0, 0.25, 34.6, 160.0, 300.0, 800.0, 9_000.0, 800_000.0]
            .map(|seconds| told(Duration::from_secs_f64(seconds)));
        assert_eq!(told, ["0 s", "250 ms", "35 s", "2 min 40 s", "5 min", "13 min", "2 h", "9 days"]);
    }
}
