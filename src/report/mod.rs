//! What a run leaves behind for people and for programs: the report folder and the summary on the terminal.
//!
//! ```text
//! RunRecord -> decode -> assemble (+ insight, overload, lag, quality, machine) -> model -> report.json, html, summary
//!                 \-> plot                                               all files -> dir
//! slices, as they come -> hlog -> dir
//! ```
//!
//! The log is written during the run. Everything else is made in memory after it, and `dir.rs` then puts the folder in
//! place in one step. Read `model.rs` next: it is the shape of everything told here.

mod assemble;
mod decode;
mod digest;
pub(crate) mod dir;
mod hlog;
pub(crate) mod html;
mod insight;
mod lag;
mod machine;
mod model;
mod overload;
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

pub(crate) use assemble::{engine, rfc3339};
pub(crate) use decode::{histogram, slug};
pub(crate) use digest::{Digest, digest, quantile};
pub(crate) use dir::{ReportDir, Trouble, Written, utc_stamp};
pub(crate) use machine::Machine;
pub(crate) use model::Tool;

/// A file of the report: its name in the folder and its content.
pub(crate) type File = (String, Vec<u8>);

/// What runs come to: made once, told on the terminal and in files.
pub(crate) struct Account<'a> {
    measured: Vec<decode::Measured<'a>>,
    report: model::Report,
}

impl<'a> Account<'a> {
    /// Makes it of what was measured on this machine, now.
    pub(crate) fn new(profile: &ProfileInfo, runs: &'a [RunRecord]) -> Self {
        Self::at(profile, runs, machine::Machine::this(), Timestamp::now())
    }

    fn at(profile: &ProfileInfo, runs: &'a [RunRecord], machine: machine::Machine, now: Timestamp) -> Self {
        let measured = decode::measure(runs);
        let report = assemble::assemble(profile, &measured, machine, now);
        Self { measured, report }
    }

    /// The short account for a terminal, with ANSI colours if `color` says so.
    ///
    /// It ends with a newline and does not name the report folder, which is known only once it is written.
    pub(crate) fn summary(&self, color: bool) -> String {
        summary::text(&self.report, color)
    }

    /// Every file of the report but the log, what is worth most first.
    ///
    /// # Errors
    ///
    /// A plot that cannot be drawn.
    pub(crate) fn files(&self) -> Result<Vec<File>> {
        let mut json = serde_json::to_vec_pretty(&self.report)?;
        json.push(b'\n');
        let plots = self.measured.iter().map(plot::of).collect::<Result<Vec<_>>>()?;
        let page = html::page(&self.report, &plots);
        let mut files = vec![("report.json".to_owned(), json), ("index.html".to_owned(), page.into_bytes())];
        files.extend(plots.into_iter().flatten().map(|plot| (plot.file, plot.svg.into_bytes())));
        Ok(files)
    }
}
