//! From a command line to a comparison: its sides, along one axis, equal in all else, and how they are compared.
//!
//! Next file to read: `axis.rs`.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow, bail};

use super::axis::{self, Axis};
use super::compare_args::{Compare, Inconclusive};
use super::differences::{check_engine, check_load};
use crate::compare::effort;
use crate::compare::model::{Allowed, PLAN_SCHEMA, Setup, Side, VERSION};
use crate::profile::{self, CompareEntry, Overrides, Profile, Subject};
use crate::report::{self, Machine, Tool};

/// Warm-up and window with `--quick`.
const QUICK: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(600));

/// A comparison that was asked for.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Without its number of blocks, which depends on a baseline, too.
    pub(super) setup: Setup,
    /// The folder for its folder.
    pub(super) out: PathBuf,
    /// What was said of its length.
    pub(super) asked: effort::Asked,
    /// What the user should know before it begins.
    pub(super) notes: Vec<String>,
}

/// The comparison that `args` ask for.
///
/// # Errors
///
/// Whatever is wrong with profiles or flags, or a difference between the sides that nobody asked for, or none at all.
pub(super) fn prepare(args: &Compare) -> Result<Prepared> {
    let axis = axis::of(args)?;
    let mut profiles = Vec::new();
    for side in &axis.sides {
        let subject = Subject { engine: side.engine, plugin: None };
        profiles.push(profile::load(&side.profile, &side.settings, &subject)?);
    }
    let first = &profiles[0];
    let how = how(args, &first.compare)?;
    let overrides =
        Overrides { warmup: Some(how.warmup), duration: Some(how.duration), seed: args.seed, out: None };
    let out = args.out.clone().unwrap_or_else(|| first.report.dir.clone());
    let (name, seed) = (name(args, &profiles), args.seed.unwrap_or(first.seed));
    let mut workloads: Vec<String> = first.workloads.iter().map(|workload| workload.name.clone()).collect();
    let mut sides = Vec::new();
    for (asked, profile) in axis.sides.iter().zip(profiles) {
        let path = profile.path.clone();
        let planned = profile::plan(&profile::overridden(profile, &overrides));
        let names: Vec<_> = planned.iter().map(|run| run.name.clone()).collect();
        if names != workloads {
            bail!(
                "{} has the workloads {}, and {path} has {}; a comparison needs the same ones",
                args.profiles[0].display(),
                workloads.join(", "),
                names.join(", ")
            );
        }
        let plans = planned.into_iter().map(|run| run.plan).collect();
        sides.push(Side { label: asked.label.clone(), profile: path, program: asked.program.clone(), plans });
    }
    let allowed: BTreeSet<Allowed> = args.allow.iter().copied().collect();
    for side in &sides[1..] {
        check_load(&sides[0], side, &workloads, &allowed)?;
        if args.engine.len() < 2 && !allowed.contains(&Allowed::Engine) {
            check_engine(&sides[0], side)?;
        }
    }
    let mut notes = Vec::new();
    if axis.is_in_plans {
        check_that_they_differ(&axis, &sides)?;
        notes.extend(drop_equal_workloads(&mut sides, &mut workloads));
    }
    let asked = effort::Asked { blocks: how.blocks, time: args.time };
    let setup = Setup {
        schema: PLAN_SCHEMA.to_owned(),
        version: VERSION,
        created: report::rfc3339(SystemTime::now()),
        tool: Tool::this(),
        machine: Machine::this(),
        name,
        seed,
        quick: args.quick,
        blocks: 0,
        gates: how.gates,
        noise_limit: how.noise_limit,
        inconclusive_fails: how.inconclusive_fails,
        sides,
        workloads,
        baseline: args.baseline.as_deref().map(axis::absolute).transpose()?,
        allowed,
        files: BTreeMap::new(),
    };
    Ok(Prepared { setup, out, asked, notes })
}

/// Refuses sides that would run the same: what differs between them in the profile is nothing that runs.
fn check_that_they_differ(axis: &Axis, sides: &[Side]) -> Result<()> {
    for (nth, a) in sides.iter().enumerate() {
        let Some(b) = sides[nth + 1..].iter().find(|b| a.plans == b.plans && a.program == b.program) else {
            continue;
        };
        let why = match axis.key.as_deref() {
            Some(key) if key.starts_with("compare.") => {
                ": [compare] says how sides are compared, and there is one for all of them"
            }
            Some(key) if key.starts_with("report.") => ": [report] says where reports go, and not what runs",
            Some(key) if key.ends_with("duration") || key.ends_with("warmup") => {
                ": the runs of a comparison are as long as [compare] or --warmup and --duration say, on all sides"
            }
            _ => "",
        };
        bail!(
            "`{}` and `{}` run the same plan, so there is nothing to compare{why}; to see how much equal sides differ \
             here, name one profile and nothing else",
            a.label,
            b.label
        );
    }
    Ok(())
}

/// Leaves out the workloads that run the same on all sides: they would only cost time, and gates.
fn drop_equal_workloads(sides: &mut [Side], workloads: &mut Vec<String>) -> Option<String> {
    let differs: Vec<bool> = (0..workloads.len())
        .map(|at| sides.iter().any(|side| side.plans[at] != sides[0].plans[at]))
        .collect();
    let mut dropped = Vec::new();
    for at in (0..workloads.len()).rev().filter(|at| !differs[*at]) {
        dropped.push(workloads.remove(at));
        sides.iter_mut().for_each(|side| drop(side.plans.remove(at)));
    }
    dropped.reverse();
    (!dropped.is_empty())
        .then(|| format!("{} is the same on all sides, and is not measured", dropped.join(", ")))
}

/// The profile's `[compare]`, and over it what the command line says.
fn how(args: &Compare, entry: &CompareEntry) -> Result<CompareEntry> {
    let mut how = entry.clone();
    if args.quick {
        how.blocks = None;
        (how.warmup, how.duration) = QUICK;
    }
    if args.time.is_some() {
        how.blocks = None;
    }
    how.blocks = args.blocks.or(how.blocks);
    how.warmup = args.warmup.unwrap_or(how.warmup);
    how.duration = args.duration.unwrap_or(how.duration);
    how.noise_limit = args.noise_limit.unwrap_or(how.noise_limit);
    how.inconclusive_fails = args.inconclusive.map_or(how.inconclusive_fails, Inconclusive::fails);
    for (metric, gate) in &args.gate {
        profile::set_gate(&mut how.gates, metric, gate).map_err(|error| anyhow!(error))?;
    }
    Ok(how)
}

fn name(args: &Compare, profiles: &[Profile]) -> String {
    match args.profiles.len() {
        1 => profiles[0].name.clone(),
        _ => profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join("-"),
    }
}
