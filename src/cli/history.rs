//! `rtbench history`: adds to a history, and shows it.
//!
//! Next file to read: `../history/mod.rs`.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};

use super::compare_args::History;
use super::{Exit, publish};
use crate::compare::folder::compared;
use crate::{history, term};

/// Runs the command.
///
/// # Errors
///
/// A file that cannot be read or written, or is damaged.
pub(super) fn history(args: &History) -> Result<Exit> {
    let mut comparisons = Vec::new();
    for folder in &args.add {
        comparisons.push(compared(&folder.join("compare.json")).context("nothing was added")?);
    }
    for comparison in &comparisons {
        publish::add(&args.file, comparison, args.label.as_deref())?;
    }
    let lines = history::read(&args.file)?;
    let groups = history::groups(&lines);
    term::print(&history::text(&groups, term::columns()))?;
    if let Some(page) = &args.page {
        publish::write(page, &history::page(&groups)?)?;
    }
    Ok(Exit::Success)
}
