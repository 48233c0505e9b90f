//! From a command line to the sides of a comparison: which axis they differ in, and that they differ in nothing else.
//!
//! Next file to read: `../compare/mod.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use workloads::registry;
use workloads::wire::{EngineKind, Plan};

use super::compare_args::Compare;
use crate::compare::folder::Stored;
use crate::compare::model::{Allowed, PLAN_SCHEMA, Run, Setup, Side, VERSION};
use crate::compare::series::told;
use crate::engines;
use crate::profile::{self, CompareEntry, Overrides, Profile, Subject};
use crate::report::{self, Machine, Tool};

/// What `--quick` means: 8 blocks are the fewest in which one of four metrics alone can be significant.
const QUICK: (u64, Duration, Duration) = (8, Duration::from_millis(150), Duration::from_millis(600));

/// A side before its profile is read.
struct Asked {
    label: String,
    profile: PathBuf,
    settings: Vec<String>,
    engine: Option<EngineKind>,
    program: Option<PathBuf>,
}

/// The comparison that `args` ask for, and the folder for its folder.
///
/// # Errors
///
/// Whatever is wrong with profiles or flags, or a difference between the sides that nobody asked for.
pub(super) fn setup(args: &Compare) -> Result<(Setup, PathBuf)> {
    let asked = sides(args)?;
    let mut profiles = Vec::new();
    for side in &asked {
        let subject = Subject { engine: side.engine, plugin: None };
        profiles.push(profile::load(&side.profile, &side.settings, &subject)?);
    }
    let first = &profiles[0];
    let how = how(args, &first.compare)?;
    let overrides =
        Overrides { warmup: Some(how.warmup), duration: Some(how.duration), seed: args.seed, out: None };
    let out = args.out.clone().unwrap_or_else(|| first.report.dir.clone());
    let (name, seed) = (name(args, &profiles), args.seed.unwrap_or(first.seed));
    let workloads: Vec<String> = first.workloads.iter().map(|workload| workload.name.clone()).collect();
    let mut sides = Vec::new();
    for (asked, profile) in asked.into_iter().zip(profiles) {
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
        sides.push(Side { label: asked.label, profile: path, program: asked.program, plans });
    }
    let allowed: BTreeSet<Allowed> = args.allow.iter().copied().collect();
    for side in &sides[1..] {
        check_load(&sides[0], side, &workloads, &allowed)?;
        if args.engine.len() < 2 && !allowed.contains(&Allowed::Engine) {
            check_engine(&sides[0], side)?;
        }
    }
    let setup = Setup {
        schema: PLAN_SCHEMA.to_owned(),
        version: VERSION,
        created: report::rfc3339(SystemTime::now()),
        tool: Tool::this(),
        machine: Machine::this(),
        name,
        seed,
        quick: args.quick,
        blocks: how.blocks,
        gates: how.gates,
        noise_limit: how.noise_limit,
        inconclusive_fails: how.inconclusive_fails,
        sides,
        workloads,
        baseline: args.baseline.as_deref().map(absolute).transpose()?,
        allowed,
    };
    Ok((setup, out))
}

/// The profile's `[compare]`, and over it what the command line says.
fn how(args: &Compare, entry: &CompareEntry) -> Result<CompareEntry> {
    let mut how = entry.clone();
    if args.quick {
        (how.blocks, how.warmup, how.duration) = QUICK;
    }
    how.blocks = args.blocks.unwrap_or(how.blocks);
    how.warmup = args.warmup.unwrap_or(how.warmup);
    how.duration = args.duration.unwrap_or(how.duration);
    how.noise_limit = args.noise_limit.unwrap_or(how.noise_limit);
    how.inconclusive_fails |= args.fail_on_inconclusive;
    for (metric, margin) in &args.gate {
        profile::set_gate(&mut how.gates, metric, margin).map_err(|error| anyhow!(error))?;
    }
    if how.gates.is_empty() {
        bail!("no metric decides: every gate is off");
    }
    Ok(how)
}

fn name(args: &Compare, profiles: &[Profile]) -> String {
    match args.profiles.len() {
        1 => profiles[0].name.clone(),
        _ => profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join("-"),
    }
}

/// The sides, along the one axis that the command line names.
fn sides(args: &Compare) -> Result<Vec<Asked>> {
    let (mut fixed, mut varied) = (Vec::new(), Vec::new());
    for setting in &args.settings {
        match values(setting) {
            (_, values) if values.len() < 2 => fixed.push(setting.clone()),
            many => varied.push(many),
        }
    }
    let axes = [
        (args.profiles.len() > 1, "several profiles"),
        (args.flavors.len() > 1, "--flavors"),
        (args.engine.len() > 1, "--engine"),
        (!varied.is_empty(), "--set with several values"),
        (args.baseline.is_some(), "--baseline"),
        (args.baseline_program.is_some(), "--baseline-program"),
    ];
    let named: Vec<_> = axes.iter().filter(|(is_there, _)| *is_there).map(|(_, name)| *name).collect();
    if named.len() > 1 || varied.len() > 1 {
        let named = if varied.len() > 1 { vec!["--set with several values, twice"] } else { named };
        bail!(
            "a comparison has one axis, and here are {}; make one comparison for each",
            named.join(" and ")
        );
    }
    if let [flavor] = args.flavors.as_slice() {
        fixed.push(format!("runtime.flavor={flavor}"));
    }
    let engine = args.engine.first().copied();
    let side = |label: String| Asked {
        label,
        profile: args.profiles[0].clone(),
        settings: fixed.clone(),
        engine,
        program: None,
    };
    let with = |label: &str, setting: String| {
        let mut side = side(label.to_owned());
        side.settings.push(setting);
        side
    };
    let sides: Vec<Asked> = match named.first() {
        Some(&"several profiles") => {
            let of_path =
                |path: &PathBuf| Asked { profile: path.clone(), ..side(path.display().to_string()) };
            args.profiles.iter().map(of_path).collect()
        }
        Some(&"--flavors") => {
            args.flavors.iter().map(|flavor| with(flavor, format!("runtime.flavor={flavor}"))).collect()
        }
        Some(&"--engine") => args
            .engine
            .iter()
            .map(|engine| Asked { engine: Some(*engine), ..side(engine.to_string()) })
            .collect(),
        Some(&"--set with several values") => {
            let (key, values) = &varied[0];
            values.iter().map(|value| with(&format!("{key}={value}"), format!("{key}={value}"))).collect()
        }
        Some(&"--baseline") => vec![side("today".to_owned())],
        Some(_) => {
            let program = args.baseline_program.as_deref().map(absolute).transpose()?;
            let label = args.baseline_program.as_deref().map(|path| path.display().to_string());
            vec![Asked { program, ..side(label.unwrap_or_default()) }, side("this program".to_owned())]
        }
        None => vec![side("first".to_owned()), side("second".to_owned())],
    };
    let labels: BTreeSet<_> = sides.iter().map(|side| &side.label).collect();
    if labels.len() < sides.len() {
        bail!(
            "the same side is named twice; to compare a profile with itself, name it once and nothing else"
        );
    }
    Ok(sides)
}

/// `key=v1,v2` in its parts. Commas in quotes and brackets belong to a value.
fn values(setting: &str) -> (String, Vec<String>) {
    let Some((key, text)) = setting.split_once('=') else { return (setting.to_owned(), Vec::new()) };
    let (mut values, mut quoted, mut depth) = (vec![String::new()], false, 0);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        values.last_mut().into_iter().for_each(|value| value.push(c));
    }
    (key.trim().to_owned(), values.into_iter().map(|value| value.trim().to_owned()).collect())
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

/// Refuses sides that put different loads on their runtimes.
fn check_load(a: &Side, b: &Side, workloads: &[String], allowed: &BTreeSet<Allowed>) -> Result<()> {
    for ((plan_a, plan_b), workload) in a.plans.iter().zip(&b.plans).zip(workloads) {
        if let Some(difference) = origin_difference(plan_a, plan_b)
            && !allowed.contains(&Allowed::Version)
        {
            bail!(
                "`{}` and `{}` take `{workload}` from different places: {difference}; where that is what you want to \
                 compare, say --allow version",
                a.label,
                b.label
            );
        }
        if allowed.contains(&Allowed::Plan) {
            continue;
        }
        if let Some(difference) = load_difference(plan_a, plan_b) {
            bail!(
                "`{}` and `{}` put different loads on `{workload}`: {difference}; where that is what you want to \
                 compare, say --allow plan",
                a.label,
                b.label
            );
        }
    }
    Ok(())
}

/// Refuses sides whose plug-ins bring different engines, where engines are not what is compared.
fn check_engine(a: &Side, b: &Side) -> Result<()> {
    if let Some(difference) = a.plans.iter().zip(&b.plans).find_map(|(a, b)| engine_difference(a, b)) {
        bail!(
            "`{}` and `{}` are on different engines: {difference}; where that is what you want to compare, say \
             --allow engine",
            a.label,
            b.label
        );
    }
    Ok(())
}

/// In what the engines of two plans differ. Of a bundled one, the version is this program's.
fn engine_difference(a: &Plan, b: &Plan) -> Option<String> {
    let of = |plan: &Plan| {
        let version = match &plan.plugin {
            Some(plugin) => plugin.engine_version.clone(),
            None => {
                engines::find(plan.engine).map_or_else(|_| String::new(), |engine| engine.version.to_owned())
            }
        };
        format!("{} {version}", plan.engine)
    };
    let (a, b) = (of(a), of(b));
    (a != b).then(|| format!("{a} and {b}"))
}

/// The engine that a plan's runs are on, as they will say; `None` for a plug-in's, which only it knows.
pub(super) fn engine_here(plan: &Plan) -> Option<String> {
    let engine = engines::find(plan.engine).ok()?;
    plan.plugin.is_none().then(|| engine.to_string())
}

/// Whether two plans take their workload from the same version of the same plug-in, or both from rtbench.
fn origin_difference(a: &Plan, b: &Plan) -> Option<String> {
    let of = |plan: &Plan| {
        plan.plugin.as_ref().map_or("the bundled one".to_owned(), |plugin| {
            format!("the plug-in {} {} with SDK {}", plugin.name, plugin.version, plugin.sdk)
        })
    };
    let (a, b) = (of(a), of(b));
    (a != b).then(|| format!("{a} and {b}"))
}

/// In what two loads differ.
fn load_difference(a: &Plan, b: &Plan) -> Option<String> {
    if a.workload != b.workload {
        return Some(format!("{} and {}", a.workload, b.workload));
    }
    let keys: BTreeSet<_> = a.params.keys().chain(b.params.keys()).collect();
    let shown =
        |plan: &Plan, key: &str| plan.params.get(key).map_or("nothing".to_owned(), ToString::to_string);
    if let Some(key) = keys.into_iter().find(|key| a.params.get(*key) != b.params.get(*key)) {
        return Some(format!("{key} is {} and {}", shown(a, key), shown(b, key)));
    }
    let times = [
        ("seed", a.seed, b.seed),
        ("warm-up in ns", a.warmup_ns, b.warmup_ns),
        ("window in ns", a.duration_ns, b.duration_ns),
    ];
    let (what, a, b) = times.into_iter().find(|(_, a, b)| a != b)?;
    Some(format!("{what} is {a} and {b}"))
}

/// In what two machines differ, as far as figures depend on it.
pub(super) fn machine_difference(a: &Machine, b: &Machine) -> Option<String> {
    let of = |machine: &Machine| {
        let unknown = || "unknown".to_owned();
        [
            ("architecture", machine.architecture.clone()),
            ("processor", machine.cpu_model.clone().unwrap_or_else(unknown)),
            ("cores", machine.logical_cores.map_or_else(unknown, |cores| cores.to_string())),
            ("memory", machine.memory_bytes.map_or_else(unknown, |bytes| bytes.to_string())),
            ("kernel", machine.kernel.clone().unwrap_or_else(unknown)),
        ]
    };
    let differs = |((what, a), (_, b)): ((&str, String), (&str, String))| {
        (a != b).then(|| format!("{what}: {a} there, {b} here"))
    };
    of(a).into_iter().zip(of(b)).find_map(differs)
}

/// Refuses a baseline of another machine, load or version, and one that is too small.
pub(super) fn check_baseline(setup: &Setup, stored: &Stored) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_cut_at_the_commas_between_its_values() {
        let split = |text: &str| values(text).1;
        assert_eq!(split("runtime.lifo_slot=true,false"), ["true", "false"]);
        assert_eq!(split("a.b=1"), ["1"]);
        assert_eq!(split("a.b=\"x,y\", z"), ["\"x,y\"", "z"]);
        assert_eq!(split("a.b=[1,2],[3]"), ["[1,2]", "[3]"]);
        assert_eq!(values(" a.b =1,2").0, "a.b");
        assert_eq!(split("nonsense"), Vec::<String>::new());
    }

    fn of_plugin(label: &str, name: &str, version: &str, engine: EngineKind, engine_version: &str) -> Side {
        let plan = serde_json::json!({
            "protocol": 1, "engine": engine, "runtime": {}, "workload": "kv", "params": {},
            "plugin": {
                "path": label, "name": name, "version": version, "sdk": "1", "rustc": "", "engine_version": engine_version,
            },
            "warmup_ns": 1, "duration_ns": 1, "interval_ns": 1, "seed": 1,
        });
        let plans = vec![serde_json::from_value(plan).unwrap()];
        Side { label: label.to_owned(), profile: String::new(), program: None, plans }
    }

    #[test]
    fn sides_on_different_engines_are_refused_and_both_named() {
        let a = of_plugin("a", "kv", "1", EngineKind::Embedded, "1");
        assert!(check_engine(&a, &a).is_ok());
        let b = of_plugin("b", "kv", "1", EngineKind::Tokio, "1");
        let said = check_engine(&a, &b).unwrap_err().to_string();
        assert!(said.contains("`a` and `b`") && said.contains("embedded 1 and tokio 1"), "{said}");
        assert!(said.contains("--allow engine"), "{said}");
        let newer = of_plugin("b", "kv", "1", EngineKind::Embedded, "2");
        assert!(check_engine(&a, &newer).unwrap_err().to_string().contains("embedded 1 and embedded 2"));
    }

    #[test]
    fn two_versions_of_a_plug_in_are_refused_and_both_named() {
        let check = |a: &Side, b: &Side, allowed: &[Allowed]| {
            let allowed = allowed.iter().copied().collect();
            check_load(a, b, &["kv".to_owned()], &allowed).map_err(|error| error.to_string())
        };
        let a = of_plugin("a", "kv", "1", EngineKind::Embedded, "1");
        assert_eq!(check(&a, &a, &[]), Ok(()));
        let others =
            [("kv", "2", "the plug-in kv 2 with SDK 1"), ("other", "1", "the plug-in other 1 with SDK 1")];
        for (name, version, named) in others {
            let b = of_plugin("b", name, version, EngineKind::Embedded, "1");
            let said = check(&a, &b, &[Allowed::Plan]).unwrap_err();
            assert!(said.contains("the plug-in kv 1 with SDK 1 and ") && said.contains(named), "{said}");
            assert!(said.contains("--allow version"), "{said}");
            assert_eq!(check(&a, &b, &[Allowed::Version]), Ok(()));
        }
        let mut bundled = a.clone();
        bundled.plans[0].plugin = None;
        assert!(check(&a, &bundled, &[]).unwrap_err().contains("the bundled one"));
    }
}
