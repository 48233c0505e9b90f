//! What a comparison looks like: on the terminal, in a pull request, for a CI server, and on a page with plots.
//!
//! Each file here turns a [`Comparison`] into bytes; nobody here measures, judges or writes a file.
//!
//! Next file to read: `labels.rs`.
#![forbid(unsafe_code)]

mod forest;
mod junit;
mod labels;
mod markdown;
mod page;
mod plots;
mod rank;
mod text;
mod words;

pub(crate) use junit::junit;
pub(crate) use markdown::markdown;
pub(crate) use text::text;
pub(crate) use words::{change, figure};

use anyhow::Result;

use super::curves::{self, Curves};
use super::folder::Stored;
use super::model::{Block, Comparison};
use super::series::{Runs, runs};

/// A file of a comparison.
pub(crate) type File = (String, Vec<u8>);

/// The files of a comparison, each with its name. Those that can be made are made, and what is wrong with others is said.
pub(crate) fn files(
    comparison: &Comparison,
    blocks: &[Block],
    baseline: Option<&Stored>,
) -> (Vec<File>, Vec<anyhow::Error>) {
    let mut failures = Vec::new();
    let mut plots = Vec::new();
    let mut take = |drawn: Result<_>| match drawn {
        Ok(plot) => plots.push(plot),
        Err(error) => failures.push(error),
    };
    for workload in 0..comparison.setup.workloads.len() {
        take(forest::forest(comparison, workload));
        for (stream, curves) in curves_of(comparison, blocks, baseline, workload) {
            take(plots::quantiles(comparison, workload, &stream, &curves));
            take(plots::shift(comparison, workload, &stream, &curves));
        }
        take(plots::order(comparison, workload, blocks));
    }
    let mut files = Vec::new();
    match serde_json::to_vec_pretty(comparison) {
        Ok(mut json) => {
            json.push(b'\n');
            files.push(("compare.json".to_owned(), json));
        }
        Err(error) => failures.push(error.into()),
    }
    files.extend([
        ("summary.md".to_owned(), markdown(comparison).into_bytes()),
        ("junit.xml".to_owned(), junit(comparison).into_bytes()),
        ("index.html".to_owned(), page::page(comparison, &plots).into_bytes()),
    ]);
    files.extend(plots.into_iter().map(|drawn| (drawn.plot.file, drawn.plot.svg.into_bytes())));
    (files, failures)
}

/// The curves of each stream of a workload but the generator's own lag.
fn curves_of(
    comparison: &Comparison,
    blocks: &[Block],
    baseline: Option<&Stored>,
    workload: usize,
) -> Vec<(String, Curves)> {
    let setup = &comparison.setup;
    let mut sides: Vec<Runs<'_>> = Vec::new();
    if let Some(stored) = baseline {
        let (from, side) = stored.runs_of(&setup.workloads[workload], &setup.sides[0].plans[workload]);
        sides.push(runs(&stored.blocks, from, side));
    }
    sides.extend((0..setup.sides.len()).map(|side| runs(blocks, workload, side)));
    let mut names: Vec<&str> = Vec::new();
    for stream in sides.iter().flatten().flatten().flat_map(|run| &run.streams) {
        if !names.contains(&stream.name.as_str()) && stream.name != workloads::wire::stream::LAG {
            names.push(&stream.name);
        }
    }
    let of = |name: &str| Some((name.to_owned(), curves::of(&sides, baseline.is_none(), name, setup.seed)?));
    names.into_iter().filter_map(of).collect()
}
