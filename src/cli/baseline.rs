//! Whether a stored baseline can be compared with what is measured now.
//!
//! Next file to read: `../compare/mod.rs`.
#![forbid(unsafe_code)]

use anyhow::{Result, bail};
use workloads::registry;
use workloads::wire::Plan;

use super::differences::{engine_here, load_difference, machine_difference, origin_difference};
use crate::compare::folder::Stored;
use crate::compare::model::{Allowed, Run, Setup};
use crate::compare::series::told;
use crate::report::Tool;

/// Refuses a baseline of another machine, load or version, and one that is too small.
pub(super) fn check(setup: &Setup, stored: &Stored) -> Result<()> {
    let (shown, allows) = (stored.folder.display(), |what| setup.allowed.contains(&what));
    if let Some(difference) = machine_difference(&stored.setup.machine, &setup.machine)
        && !allows(Allowed::Machine)
    {
        bail!(
            "the baseline {shown} is from another machine: {difference}; say --allow machine to compare in spite of it"
        );
    }
    let named = |tool: &Tool| (tool.version.clone(), tool.release_build);
    let (then, now) = (named(&stored.setup.tool), named(&setup.tool));
    if then != now && !allows(Allowed::Version) {
        let tell = |(version, release): &(String, bool)| {
            format!("version {version}{}", if *release { "" } else { ", not optimised" })
        };
        bail!(
            "the baseline {shown} is from another rtbench: {} there, {} here; say --allow version to compare in spite of it",
            tell(&then),
            tell(&now)
        );
    }
    for (name, plan) in setup.workloads.iter().zip(&setup.sides[0].plans) {
        if !stored.setup.workloads.contains(name) {
            bail!(
                "the baseline {shown} has no workload `{name}`; it has {}",
                stored.setup.workloads.join(", ")
            );
        }
        let (at, side) = stored.runs_of(name, plan);
        let theirs = &stored.setup.sides[side].plans[at];
        check_origin(setup, stored, name, (at, side), plan)?;
        if let Some(difference) = load_difference(theirs, plan)
            && !allows(Allowed::Plan)
        {
            bail!(
                "the baseline {shown} had another load on `{name}`: {difference} (there and here); say --allow plan to \
                 compare in spite of it"
            );
        }
        if crate::compare::series::runs(&stored.blocks, at, side).is_empty() {
            bail!("the baseline {shown} has no complete block of `{name}`");
        }
    }
    Ok(())
}

/// Refuses a baseline whose runs were on another engine, or of another version of the workload or its plug-in.
fn check_origin(
    setup: &Setup,
    stored: &Stored,
    name: &str,
    (at, side): (usize, usize),
    plan: &Plan,
) -> Result<()> {
    let (shown, allows) = (stored.folder.display(), |what| setup.allowed.contains(&what));
    let theirs = &stored.setup.sides[side].plans[at];
    let said = |of: fn(&Run) -> Option<String>| told(&stored.blocks, at, side, of).pop_first();
    let engine = |plan: &Plan| match (&plan.plugin, engine_here(plan)) {
        (Some(plugin), _) => format!("{} {}", plan.engine, plugin.engine_version),
        (None, here) => here.unwrap_or_else(|| plan.engine.to_string()),
    };
    let now = engine(plan);
    let then = match theirs.plugin {
        Some(_) => engine(theirs),
        None => said(|run| run.engine.clone()).unwrap_or_else(|| engine(theirs)),
    };
    let same_kind = theirs.engine == plan.engine;
    if then != now && !allows(Allowed::Engine) && !(same_kind && allows(Allowed::Version)) {
        bail!(
            "the baseline {shown} had `{name}` on another engine: {then} there, {now} here; say --allow engine to \
             compare in spite of it"
        );
    }
    if allows(Allowed::Version) {
        return Ok(());
    }
    if let Some(difference) = origin_difference(theirs, plan) {
        bail!(
            "the baseline {shown} had `{name}` from another place: {difference} (there and here); say --allow version \
             to compare in spite of it"
        );
    }
    let here = registry::find(&plan.workload).filter(|_| plan.plugin.is_none());
    let then = told(&stored.blocks, at, side, |run| run.workload_version).pop_first();
    if let (Some(then), Some(now)) = (then, here.map(|workload| workload.version()))
        && then != now
    {
        bail!(
            "the baseline {shown} had another version of `{name}`: version {then} there, version {now} here; say \
             --allow version to compare in spite of it"
        );
    }
    Ok(())
}
