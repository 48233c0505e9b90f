//! What sides may not differ in unless it is wanted: loads, engines, versions, machines. And that they differ at all.
//!
//! Next file to read: `baseline.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use workloads::wire::Plan;

use crate::compare::model::{Allowed, Side};
use crate::engines;
use crate::report::Machine;

/// Refuses sides that put different loads on their runtimes.
pub(super) fn check_load(
    a: &Side,
    b: &Side,
    workloads: &[String],
    allowed: &BTreeSet<Allowed>,
) -> Result<()> {
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
pub(super) fn check_engine(a: &Side, b: &Side) -> Result<()> {
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
pub(super) fn origin_difference(a: &Plan, b: &Plan) -> Option<String> {
    let of = |plan: &Plan| {
        plan.plugin.as_ref().map_or("the bundled one".to_owned(), |plugin| {
            format!("the plug-in {} {} with SDK {}", plugin.name, plugin.version, plugin.sdk)
        })
    };
    let (a, b) = (of(a), of(b));
    (a != b).then(|| format!("{a} and {b}"))
}

/// In what two loads differ.
pub(super) fn load_difference(a: &Plan, b: &Plan) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use workloads::wire::EngineKind;

    use super::*;

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
