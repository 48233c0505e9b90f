//! `rtbench list`: the workloads, what each takes, and the engines.
//!
//! Next file to read: `../profile/mod.rs`.
#![forbid(unsafe_code)]

use anyhow::{Result, anyhow};
use workloads::params::Param;
use workloads::workload::Description;

use super::Exit;
use super::args::List;
use crate::plugin::Inspector;
use crate::{engines, profile, term};

/// Runs the command.
///
/// # Errors
///
/// A name that no workload has, or that standard output cannot be written.
pub(super) fn list(args: &List) -> Result<Exit> {
    let plugin = args.plugin.as_deref().map(Inspector::start).transpose()?;
    let all = plugin.as_ref().map_or_else(profile::descriptions, |plugin| plugin.workloads().to_vec());
    let Some(name) = &args.workload else {
        term::print(&match plugin {
            Some(plugin) => of_plugin(&plugin),
            None => overview(&all),
        })?;
        return Ok(Exit::Success);
    };
    let Some(workload) = all.iter().find(|workload| workload.name == *name) else {
        let names: Vec<_> = all.iter().map(|workload| workload.name.as_str()).collect();
        let near = profile::nearest(name, names.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(anyhow!("no workload is named `{name}`{near}\nworkloads: {}", names.join(", ")));
    };
    term::print(&details(workload))?;
    Ok(Exit::Success)
}

fn overview(all: &[Description]) -> String {
    let rows: Vec<_> =
        all.iter().map(|workload| vec![workload.name.clone(), workload.summary.clone()]).collect();
    let engine = |engine: &engines::Engine| vec![engine.kind.to_string(), engine.to_string()];
    let engines: Vec<_> = engines::all().iter().map(engine).collect();
    format!(
        "{}\n`rtbench list WORKLOAD` shows the parameters of one.\n\nEngines for `--engine`, the default first:\n{}",
        term::table(&rows),
        term::indented(&term::table(&engines), "  "),
    )
}

fn of_plugin(plugin: &Inspector) -> String {
    let row = |workload: &Description| vec![workload.name.clone(), workload.summary.clone()];
    let rows: Vec<_> = plugin.workloads().iter().map(row).collect();
    let identity = plugin.identity();
    format!(
        "{}\nThe plug-in {} {} brings the engine {} {}.\n",
        term::table(&rows),
        identity.name,
        identity.version,
        identity.engine,
        identity.engine_version,
    )
}

fn details(workload: &Description) -> String {
    let mut text = format!("{}: {}\n\nParameters and their defaults:\n", workload.name, workload.summary);
    let row = |param: &Param| vec![format!("{} = {}", param.name, param.default), param.kind.to_string()];
    let rows: Vec<_> = workload.params.iter().map(row).collect();
    for (line, param) in term::table(&rows).lines().zip(&workload.params) {
        text.push_str(&format!("  {line}\n      {}\n", param.doc));
    }
    if !workload.counters.is_empty() {
        let row = |counter: &workloads::workload::CounterDoc| vec![counter.name.clone(), counter.doc.clone()];
        let rows: Vec<_> = workload.counters.iter().map(row).collect();
        text.push_str("\nCounts, beside planned, started, completed, failed and dropped:\n");
        text.push_str(&term::indented(&term::table(&rows), "  "));
    }
    text.push_str(&format!("\nIn a profile:\n  [[workload]]\n  kind = \"{}\"\n  # name, seed, warmup and duration may stand here, too\n", workload.name));
    text
}
