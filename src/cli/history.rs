//! `rtbench history`: adds to a history, and shows it.
//!
//! Next file to read: `../history/mod.rs`.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};

use super::Exit;
use super::compare_args::History;
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
        history::append(&args.file, comparison, args.label.as_deref())?;
    }
    let lines = history::read(&args.file)?;
    let series = history::series(&lines);
    if let Some(page) = &args.page {
        let html = history::page(&series)?;
        std::fs::write(page, html).with_context(|| format!("cannot write {}", page.display()))?;
    }
    term::print(&history::text(&series))?;
    Ok(Exit::Success)
}
