//! Reads a profile file: every problem that it has, or a [`Profile`].
//!
//! Next file to read: `plan.rs`.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Map;
use workloads::params::ParamError;
use workloads::rt::config::RuntimeConfig;
use workloads::wire::EngineKind;

use super::catalog::Catalog;
use super::problem::{Invalid, Place, Problem, Source, nearest};
use super::section::{Section, is_name};
use super::tree::{self, Entry, Table, Value};
use super::{DURATION, INTERVAL, Profile, ReportEntry, WARMUP, WorkloadEntry, compare, runtime};
use crate::engines;
use crate::plugin::{Blame, Inspector};

/// Larger files are no profiles.
const MAX_BYTES: u64 = 1 << 20;

/// What the command line says of the engine and of where the workloads are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// The engine. `None`: the plug-in's, else the default one.
    pub(crate) engine: Option<EngineKind>,
    /// The plug-in, instead of the profile's.
    pub(crate) plugin: Option<PathBuf>,
}

impl From<EngineKind> for Subject {
    fn from(engine: EngineKind) -> Self {
        Self { engine: Some(engine), plugin: None }
    }
}

/// Reads the profile at `path`, lays `settings` (`KEY=VALUE`) over it, and checks it against the workloads and the
/// engine of `subject`.
///
/// # Errors
///
/// [`Invalid`] for what stands in the file or the settings, [`Fault`](crate::plugin::Fault) for a plug-in that cannot
/// be used, plain errors for a file that cannot be read and for an engine that is not to be had.
pub(crate) fn load(path: &Path, settings: &[String], subject: &Subject) -> Result<Profile> {
    let shown = path.display().to_string();
    let mut sources = vec![Source { text: read_text(path)?, name: shown.clone() }];
    for setting in settings {
        sources.push(Source { name: "--set".to_owned(), text: setting.clone() });
    }
    let mut problems = Vec::new();
    let mut tree = match tree::parse(&sources[0].text, 0) {
        Ok(tree) => tree,
        Err(problem) => return Err(Invalid::new(sources, vec![problem]).into()),
    };
    for (index, source) in sources.iter().enumerate().skip(1) {
        problems.extend(tree::overlay(&mut tree, &source.text, index).err());
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plugin = plugin(&tree, path, &mut problems);
    if !problems.is_empty() {
        return Err(Invalid::new(sources, problems).into());
    }
    let catalog = match subject.plugin.clone().map(|path| (path, None)).or(plugin) {
        Some((file, at)) => match (Inspector::start(&file), at) {
            (Ok(inspector), _) => Catalog::plugin(inspector),
            (Err(fault), Some(at)) if fault.blame != Blame::Code => {
                let problem = Problem::at(at, "this plug-in cannot be used", fault.what());
                let problem = fault.hint().into_iter().fold(problem, Problem::help);
                return Err(Invalid::of_plugin(sources, problem, fault.blame).into());
            }
            (Err(fault), _) => return Err(fault.into()),
        },
        None => Catalog::bundled(engines::find(subject.engine.unwrap_or_default())?),
    };
    if let Some(engine) = subject.engine.filter(|engine| *engine != catalog.engine()) {
        let theirs = catalog.engine();
        bail!("the plug-in brings its own engine, {theirs}; leave out --engine {engine}");
    }
    let profile = profile(&tree, &catalog, stem, shown, &mut problems);
    if let Some(fault) = catalog.fault() {
        return Err(fault.into());
    }
    tracing::debug!(path = %path.display(), problems = problems.len(), "the profile is read");
    match profile {
        Some(profile) if problems.is_empty() => Ok(profile),
        _ => Err(Invalid::new(sources, problems).into()),
    }
}

fn read_text(path: &Path) -> Result<String> {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(anyhow!("there is no file {shown}{}", similar(path)));
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
    };
    if metadata.is_dir() {
        bail!("{shown} is a folder; give the path of a profile in it, a TOML file");
    }
    // A device or a pipe has no length, and may have no end.
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    read.with_context(|| format!("cannot read {shown}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("{shown} has more than {MAX_BYTES} bytes; that is no profile");
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
        anyhow!("{shown}:{line}: not UTF-8 text; save the profile as UTF-8")
    })
}

/// A hint at the file that was perhaps meant.
fn similar(path: &Path) -> String {
    let Some(stem) = path.file_stem().map(|stem| stem.to_string_lossy()) else { return String::new() };
    let beside = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = BTreeMap::new();
    for dir in [beside, Path::new("configs")] {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "toml")
                && let Some(stem) = path.file_stem()
            {
                let shown = path.strip_prefix("./").unwrap_or(&path).display().to_string();
                found.entry(stem.to_string_lossy().into_owned()).or_insert(shown);
            }
        }
    }
    match nearest(&stem, found.keys().map(String::as_str)) {
        Some(near) => format!("; did you mean {}?", found[near]),
        None => String::new(),
    }
}

/// The plug-in that the profile at `path` names, and where. A relative path starts at the profile's folder.
fn plugin<'t>(
    tree: &'t Table,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Option<(PathBuf, Option<&'t Place>)> {
    let (file, at) = Section::new("the profile", tree, problems).text("plugin")?;
    if file.is_empty() {
        problems.push(Problem::at(at, "`plugin` is empty", "expected the path of a shared library"));
        return None;
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    Some((folder.join(file), Some(at)))
}

fn profile(
    tree: &Table,
    catalog: &Catalog,
    stem: String,
    path: String,
    problems: &mut Vec<Problem>,
) -> Option<Profile> {
    let mut top = Section::new("the profile", tree, problems);
    // Read before everything else.
    top.entry("plugin");
    let name = top.name("name").map(|(name, _)| name.to_owned());
    let seed = top.whole("seed").unwrap_or(1);
    let warmup = top.duration("warmup", WARMUP).unwrap_or(Duration::from_secs(2));
    let duration = top.duration("duration", DURATION).unwrap_or(Duration::from_secs(8));
    let runtime_table = top.table("runtime");
    let workload_list = top.entry("workload");
    let report_table = top.table("report");
    let compare_table = top.table("compare");
    top.finish();

    let runtime = match runtime_table {
        Some((table, at)) => runtime::read(table, at, catalog, problems),
        None => RuntimeConfig::default(),
    };
    let report = report(report_table.map(|(table, _)| table), problems);
    let compare = compare_table.map(|(table, _)| compare::read(table, problems)).unwrap_or_default();
    let workloads = workloads(workload_list, catalog, problems);
    for (entry, at) in &workloads {
        if let Err((key, problem)) = catalog.needs(&entry.kind, &runtime) {
            let place = runtime_table.map_or(*at, |(table, at)| runtime::place_of(key, table, at));
            problems.push(Problem::at(
                place,
                format!("runtime.{key} does not suit `{}`", entry.name),
                problem,
            ));
        }
    }

    let name = name.unwrap_or(stem);
    if !is_name(&name) {
        let title = format!("the file's name `{name}` cannot name a report folder");
        problems.push(Problem::whole(title, "add a line such as: name = \"my-profile\""));
    }
    if !problems.is_empty() {
        return None;
    }
    let workloads = workloads.into_iter().map(|(entry, _)| entry).collect();
    let mut written = BTreeSet::new();
    tree.paths("", &mut written);
    let (engine, plugin) = (catalog.engine(), catalog.plugin_id());
    Some(Profile {
        name,
        path,
        seed,
        warmup,
        duration,
        engine,
        plugin,
        runtime,
        workloads,
        report,
        compare,
        written,
    })
}

fn report(table: Option<&Table>, problems: &mut Vec<Problem>) -> ReportEntry {
    let mut report = ReportEntry { dir: PathBuf::from("reports"), interval: Duration::from_millis(250) };
    let Some(table) = table else { return report };
    let mut section = Section::new("[report]", table, problems);
    match section.text("dir") {
        Some(("", at)) => section.problem(Problem::at(at, "`dir` is empty", "expected the path of a folder")),
        Some((dir, _)) => report.dir = PathBuf::from(dir),
        None => {}
    }
    if let Some(interval) = section.duration("interval", INTERVAL) {
        report.interval = interval;
    }
    section.finish();
    report
}

/// The workloads, each with the place of its table.
fn workloads<'t>(
    list: Option<&'t Entry>,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> Vec<(WorkloadEntry, &'t Place)> {
    let mut workloads = Vec::new();
    match list.map(|entry| (&entry.node.value, &entry.node.at)) {
        Some((Value::List(list), _)) if !list.is_empty() => {
            for node in list {
                match &node.value {
                    Value::Table(table) => {
                        workloads.extend(
                            workload(table, &node.at, catalog, problems).map(|entry| (entry, &node.at)),
                        );
                    }
                    _ => {
                        problems.push(Problem::at(&node.at, "wrong type for `workload`", "expected a table"));
                    }
                }
            }
        }
        None | Some((Value::List(_), _)) => {
            let help =
                format!("add a [[workload]] table with a `kind`, one of: {}", catalog.kinds().join(", "));
            problems.push(Problem::whole("the profile has no workload", help));
        }
        Some((_, at)) => {
            let problem = Problem::at(at, "`workload` is not a list of tables", "expected [[workload]]");
            problems.push(problem.help("write it with two brackets, even for a single workload"));
        }
    }
    let mut names = BTreeSet::new();
    for (entry, at) in &workloads {
        if !names.insert(&entry.name) {
            let problem =
                Problem::at(at, format!("two workloads are named `{}`", entry.name), "the second one");
            problems
                .push(problem.help("give this one a `name`; without it, a workload is named after its kind"));
        }
    }
    workloads
}

/// A parameter that the workload refuses; `entry` is what was written for it.
fn refused(
    catalog: &Catalog,
    kind: &str,
    error: ParamError,
    entry: Option<&Entry>,
    kind_at: &Place,
) -> Problem {
    let known = catalog.find(kind);
    let known = known.is_some_and(|workload| workload.params.iter().any(|param| param.name == error.key));
    let (title, place) = match known {
        true => (format!("wrong value for `{}`", error.key), entry.map(|entry| &entry.node.at)),
        false => (
            format!("unknown key `{}` in a workload of kind {kind}", error.key),
            entry.map(|entry| &entry.key_at),
        ),
    };
    let problem = |label| Problem::at(place.unwrap_or(kind_at), title, label);
    match (known, error.nearest.first()) {
        (false, Some(near)) => problem(format!("did you mean `{near}`?")),
        (false, None) => {
            problem("nothing by this name".to_owned()).help(format!("expected {}", error.expected))
        }
        (true, Some(near)) => problem(format!("{}; did you mean `{near}`?", error.problem))
            .help(format!("expected {}", error.expected)),
        (true, None) => problem(format!("{}; expected {}", error.problem, error.expected)),
    }
}

fn workload(
    table: &Table,
    at: &Place,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> Option<WorkloadEntry> {
    let mut section = Section::new("[[workload]]", table, problems);
    let kind = section.text("kind");
    let name = section.name("name");
    let seed = section.whole("seed");
    let warmup = section.duration("warmup", WARMUP);
    let duration = section.duration("duration", DURATION);
    let mut written = Map::new();
    let rest = section.rest();
    for entry in &rest {
        match entry.node.to_json() {
            Ok(json) => drop(written.insert(entry.key.clone(), json)),
            Err(problem) => section.problem(problem),
        }
    }
    let kinds = catalog.kinds();
    let list = catalog
        .plugin_id()
        .map_or("rtbench list".to_owned(), |plugin| format!("rtbench list --plugin {}", plugin.path));
    let help = format!("kinds: {} (see `{list}`)", kinds.join(", "));
    let Some((kind, kind_at)) = kind else {
        if table.get("kind").is_none() {
            section.problem(Problem::at(at, "a workload without a `kind`", "this one").help(help));
        }
        return None;
    };
    if !kinds.iter().any(|known| known == kind) {
        let label = match nearest(kind, kinds.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "nothing by this name".to_owned(),
        };
        let title = format!("unknown workload kind `{kind}`");
        section.problem(Problem::at(kind_at, title, label).help(help));
        return None;
    }
    let params = loop {
        // One error a check: what is wrong is reported, taken out, and the rest is checked again.
        let error = match catalog.check(kind, &written) {
            Ok(params) => break params,
            Err(error) => error,
        };
        let entry = rest.iter().find(|entry| entry.key == error.key);
        section.problem(refused(catalog, kind, error.clone(), entry.copied(), kind_at));
        if written.remove(&error.key).is_none() {
            break Map::new();
        }
    };
    let name = match name {
        Some((name, _)) => name.to_owned(),
        None if table.get("name").is_some() => return None,
        None => kind.to_owned(),
    };
    let kind = kind.to_owned();
    Some(WorkloadEntry { name, kind, seed, warmup, duration, params })
}
