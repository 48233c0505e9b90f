//! Imports point down only: each file's `crate::` and `super::` paths are ranked by the table of the tiers.

#[path = "support/sources.rs"]
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sources::sources;

/// For each module, what it may import besides itself and what lies inside of it. The longest matching name counts.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("base::prim", &[]),
    ("base", &["base"]),
    ("config", &[]),
    ("engine::task", &["base"]),
    ("engine::driver", &["base", "config"]),
    ("engine::hooks", &["engine::task", "base"]),
    ("engine::counters", &["engine::task", "base", "config"]),
    ("engine::blocking", &["engine::task", "engine::hooks", "engine::counters", "base", "config"]),
    ("engine::services", &["engine", "base", "config"]),
    ("engine::sched", &["engine", "base", "config"]),
    ("engine", &["base", "config"]),
    // `Handle` hands out metrics and names its flavour: front and metrics are one step of the stairs.
    ("handle", &["context", "metrics", "runtime", "engine", "base", "config"]),
    ("context", &["handle", "engine", "base", "config"]),
    ("local_runtime", &["builder", "runtime", "handle", "context", "metrics", "engine", "base", "config"]),
    ("builder", &["local_runtime", "runtime", "handle", "context", "engine", "base", "config"]),
    (
        "runtime",
        &["builder", "local_runtime", "handle", "context", "metrics", "shutdown", "engine", "base", "config"],
    ),
    ("shutdown", &["engine", "base"]),
    ("metrics", &["engine", "base", "config"]),
    ("sync", &["base"]),
    ("io", &["base"]),
    ("task", &["runtime", "context", "handle", "engine", "base"]),
    ("time", &["context", "handle", "engine", "sync", "io", "base", "task"]),
    ("net", &["context", "handle", "engine", "sync", "io", "base"]),
];

/// `src/engine/task/mod.rs` is `engine::task`.
fn module_of(src: &Path, file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
        parts.pop();
    }
    parts
}

/// The absolute paths that a source names, with comments and strings taken out.
fn imports(module: &[String], source: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in source.lines() {
        let code = line.split("//").next().unwrap();
        for (at, _) in code.match_indices("crate::").chain(code.match_indices("super::")) {
            // `$crate::` in a macro, or the second `super` of `super::super`.
            if code[..at].ends_with(['$', ':'])
                || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            {
                continue;
            }
            let path: String =
                code[at..].chars().take_while(|&c| c.is_alphanumeric() || c == '_' || c == ':').collect();
            let mut base: Vec<String> = Vec::new();
            let mut ups = 0;
            for part in path.split("::").filter(|part| !part.is_empty()) {
                match part {
                    "crate" => {}
                    "super" => ups += 1,
                    part => base.push(part.to_owned()),
                }
            }
            if ups > 0 {
                // A unit test's module lies one deeper than its file, so one `super` too many stays in the family.
                let kept = module.len().saturating_sub(ups);
                base = module[..kept].iter().cloned().chain(base).collect();
            }
            found.push(base);
        }
    }
    found
}

fn is_within(path: &[String], module: &str) -> bool {
    let module: Vec<&str> = module.split("::").collect();
    path.len() >= module.len() && path.iter().zip(&module).all(|(part, name)| part == name)
}

fn tier(path: &[String]) -> Option<(&'static str, &'static [&'static str])> {
    MAY_IMPORT.iter().filter(|(name, _)| is_within(path, name)).max_by_key(|(name, _)| name.len()).copied()
}

/// What is wrong with one file's imports.
fn upward_imports(module: &[String], source: &str) -> Vec<String> {
    let Some((own, allowed)) = tier(module) else {
        return vec![format!("`{}` is in no tier: add it to the table", module.join("::"))];
    };
    let mut wrong = Vec::new();
    for path in imports(module, source) {
        let Some((target, _)) = tier(&path) else { continue };
        let fine =
            target == own || is_within(&path, own) || allowed.iter().any(|name| is_within(&path, name));
        if !fine {
            wrong.push(format!("`{}` (in `{own}`) imports `{}`", module.join("::"), path.join("::")));
        }
    }
    wrong
}

#[test]
fn no_import_points_up() {
    let (src, files) = sources(20);
    let mut wrong = BTreeMap::new();
    for file in files {
        let module = module_of(&src, &file);
        // The root names what it re-exports.
        if module.is_empty() {
            continue;
        }
        let source = fs::read_to_string(&file).unwrap();
        let found = upward_imports(&module, &source);
        if !found.is_empty() {
            wrong.insert(file, found);
        }
    }
    assert!(wrong.is_empty(), "imports that point up:\n{wrong:#?}");
}

#[test]
fn an_upward_import_is_found() {
    let module = |name: &str| name.split("::").map(str::to_owned).collect::<Vec<_>>();
    let up = upward_imports(&module("engine::driver::io"), "use crate::engine::sched::SchedRef;");
    assert_eq!(up.len(), 1, "{up:?}");
    let sideways = upward_imports(&module("engine::task::state"), "use super::super::sched;");
    assert_eq!(sideways.len(), 1, "{sideways:?}");
    let down = upward_imports(&module("engine::sched::idle"), "use crate::base::prim::Mutex; // crate::net");
    assert_eq!(down, [""; 0]);
    assert_eq!(upward_imports(&module("attic"), "").len(), 1);
}
