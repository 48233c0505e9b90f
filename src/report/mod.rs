//! What a run leaves behind for people and for programs: the report folder and the summary on the terminal.
//!
//! ```text
//! RunRecord -> decode -> assemble (+ quality, machine) -> model -> report.json, html, summary
//!                 \-> hlog, plot                                        all files -> dir
//! ```
//!
//! Everything is made in memory first, and `dir.rs` then puts it in place in one step. Read `model.rs` next: it is the
//! shape of everything told here.

mod assemble;
mod decode;
mod digest;
pub(crate) mod dir;
mod hlog;
pub(crate) mod html;
mod machine;
mod model;
pub(crate) mod plot;
mod quality;
mod summary;
pub(crate) mod units;

#[cfg(test)]
mod synthetic;
#[cfg(test)]
mod tests;

use anyhow::Result;
use jiff::Timestamp;

use crate::session::record::{ProfileInfo, RunRecord};

pub(crate) use assemble::rfc3339;
pub(crate) use decode::{histogram, slug};
pub(crate) use digest::{Digest, digest};
pub(crate) use dir::{ReportDir, utc_stamp};
pub(crate) use machine::Machine;
pub(crate) use model::Tool;

/// A file of the report: its name in the folder and its content.
type File = (String, Vec<u8>);

/// The short account of `runs` for a terminal, with ANSI colours if `color` says so.
///
/// It ends with a newline and does not name the report folder, which is known only once it is written.
pub(crate) fn summary(profile: &ProfileInfo, runs: &[RunRecord], color: bool) -> String {
    let report =
        assemble::assemble(profile, &decode::measure(runs), machine::Machine::this(), Timestamp::now());
    summary::text(&report, color)
}

/// Makes every file of a report.
fn files(
    profile: &ProfileInfo,
    runs: &[RunRecord],
    machine: machine::Machine,
    now: Timestamp,
) -> Result<Vec<File>> {
    let measured = decode::measure(runs);
    let report = assemble::assemble(profile, &measured, machine, now);
    let mut json = serde_json::to_vec_pretty(&report)?;
    json.push(b'\n');
    let plots = measured.iter().map(plot::of).collect::<Result<Vec<_>>>()?;
    let page = html::page(&report, &plots);
    let mut files = vec![
        ("report.json".to_owned(), json),
        ("latency.hlog".to_owned(), hlog::write(&measured)?),
        ("index.html".to_owned(), page.into_bytes()),
    ];
    files.extend(plots.into_iter().flatten().map(|plot| (plot.file, plot.svg.into_bytes())));
    Ok(files)
}
