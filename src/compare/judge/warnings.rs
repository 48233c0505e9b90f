//! What limits the trust in a comparison, each of it said once.
//!
//! Next file to read: `../series.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use super::super::model::{Block, Comparison, Judged, Pair, State};

/// The warnings of a comparison.
pub(super) fn of(comparison: &Comparison, measured: &[Block]) -> Vec<String> {
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
    if is_same_build(comparison) {
        warnings.push("both sides are the same build, byte by byte: what differs is noise".to_owned());
    }
    warnings.extend(quick(comparison));
    for (workload, name) in setup.workloads.iter().enumerate() {
        warnings.extend(disturbed(name, measured.iter().filter(|block| block.workload == workload)));
    }
    for pair in &comparison.pairs {
        warnings.extend(built_anew(pair));
    }
    warnings.extend(correlated(comparison));
    warnings.extend(said_by_runs(measured));
    warnings
}

fn is_same_build(comparison: &Comparison) -> bool {
    let setup = &comparison.setup;
    let other = setup.sides.iter().find_map(|side| side.program.as_ref());
    other.is_some_and(|other| {
        let [this, other] =
            ["rtbench".to_owned(), other.display().to_string()].map(|name| setup.files.get(&name));
        this.is_some() && this == other
    })
}

fn gated(pair: &Pair) -> impl Iterator<Item = &Judged> {
    pair.metrics.iter().filter(|judged| judged.margin.is_some())
}

/// What `--quick` is likely to miss: for each metric, of the pair where that is most.
fn quick(comparison: &Comparison) -> Option<String> {
    let mut seen: Vec<(String, f64)> = Vec::new();
    for judged in comparison.pairs.iter().flat_map(gated) {
        let (name, Some(detectable)) = (judged.metric.to_string(), judged.detectable) else { continue };
        match seen.iter_mut().find(|(of, _)| *of == name) {
            Some((_, most)) => *most = most.max(detectable),
            None => seen.push((name, detectable)),
        }
    }
    let seen: Vec<_> = seen.into_iter().map(|(name, most)| format!("{name} {:.1} %", 100.0 * most)).collect();
    (comparison.setup.quick && !seen.is_empty()).then(|| {
        format!(
            "--quick: short windows; smaller changes than these are likely to be missed: {}",
            seen.join(", ")
        )
    })
}

/// The blocks of a workload that count although the machine was disturbed.
fn disturbed<'a>(workload: &str, blocks: impl Iterator<Item = &'a Block>) -> Option<String> {
    let blocks: Vec<_> = blocks.collect();
    let count = |state| blocks.iter().filter(|block| block.state == state).count();
    let kept: Vec<_> =
        blocks.iter().filter(|block| block.state == State::Kept && block.disturbed.is_some()).collect();
    let example = kept.first()?.disturbed.as_ref()?;
    let numbers: Vec<_> = kept.iter().map(|block| block.number.to_string()).collect();
    Some(format!(
        "{workload}: the machine was disturbed during {} of {} blocks that count ({}), and {} had been measured again \
         already; for example {example}. All sides of a block share it, so it widens the intervals and does not bend \
         them",
        kept.len(),
        count(State::Kept),
        numbers.join(", "),
        count(State::Redone),
    ))
}

fn built_anew(pair: &Pair) -> Vec<String> {
    let sides = [(&pair.reference, &pair.reference_engines), (&pair.candidate, &pair.candidate_engines)];
    let several = sides.into_iter().filter(|(_, engines)| engines.len() > 1);
    let tell = |(side, engines): (&String, &std::collections::BTreeSet<String>)| {
        let engines = engines.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
        format!(
            "{}: the runs of `{side}` were on {engines}: its program was built anew in the meantime, and they cannot be \
             compared with each other",
            pair.workload
        )
    };
    several.map(tell).collect()
}

/// Gates whose effects follow each other from block to block.
fn correlated(comparison: &Comparison) -> Option<String> {
    let mut found = Vec::new();
    for pair in &comparison.pairs {
        let strong = gated(pair).filter(|judged| {
            // One gate in two hundred is above it by chance.
            let limit = 2.6 / (judged.blocks as f64).sqrt();
            judged.serial_correlation.is_some_and(|r| r > limit)
        });
        let names: Vec<_> = strong.map(|judged| judged.metric.to_string()).collect();
        if !names.is_empty() {
            found.push(format!("{} of `{}` on {}", names.join(", "), pair.candidate, pair.workload));
        }
    }
    (!found.is_empty()).then(|| {
        format!(
            "the effects of neighbouring blocks go together, so the machine changes slowly and the intervals may be too \
             narrow: {}",
            found.join("; ")
        )
    })
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
