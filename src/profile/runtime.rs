//! The `[runtime]` table: exactly the fields of [`RuntimeConfig`], whose own (de)serialisation declares them.
//!
//! Each value that was written is tried alone on top of the defaults, so that every wrong one is reported, at its
//! own place, and a knob that the runtime gains needs no line here.
//!
//! Next file to read: `read.rs`.
#![forbid(unsafe_code)]

use serde_json::{Map, Value as Json};
use workloads::rt::config::RuntimeConfig;
use workloads::wire::EngineKind;

use super::catalog::Catalog;
use super::problem::{Place, Problem, nearest};
use super::section::unknown_key;
use super::tree::{Entry, Node, Table, Value};

/// Reads the table, whose header stands at `at`, for the catalog's engine.
pub(super) fn read(
    table: &Table,
    at: &Place,
    catalog: &Catalog,
    problems: &mut Vec<Problem>,
) -> RuntimeConfig {
    let defaults = to_json(&RuntimeConfig::default());
    let mut reader = Reader { written: defaults.clone(), defaults, problems };
    reader.table(table, &mut Vec::new());
    let Reader { written, defaults, problems } = reader;
    match serde_json::from_value(Json::Object(written)) {
        Ok(config) => {
            for (key, problem) in catalog.refusals(&config) {
                let title = format!("the engine {} cannot obey `runtime.{key}`", catalog.engine());
                let problem = Problem::at(place_of(&key, table, at), title, problem);
                problems.push(match catalog.plugin_id() {
                    Some(plugin) => problem.help(format!("that engine is the plug-in {}'s own", plugin.name)),
                    None => {
                        let embedded = EngineKind::Embedded;
                        problem.help(format!("or use the engine {embedded}, which has every knob"))
                    }
                });
            }
            validated(config, &defaults, table, at, problems)
        }
        Err(error) => {
            problems.push(Problem::at(at, "wrong values in [runtime]", error.to_string()));
            RuntimeConfig::default()
        }
    }
}

fn to_json(config: &RuntimeConfig) -> Map<String, Json> {
    match serde_json::to_value(config) {
        Ok(Json::Object(map)) => map,
        other => unreachable!("a struct of plain fields serialises to a map, not {other:?}"),
    }
}

struct Reader<'a> {
    defaults: Map<String, Json>,
    /// The defaults, overwritten by what was read so far.
    written: Map<String, Json>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn table(&mut self, table: &'a Table, path: &mut Vec<&'a str>) {
        for entry in table.entries() {
            let known = inner(&mut self.defaults, path);
            match known.get(&entry.key) {
                None => {
                    let problem = self.unknown(path, entry);
                    self.problems.push(problem);
                }
                Some(Json::Object(_)) => match &entry.node.value {
                    Value::Table(table) => {
                        path.push(&entry.key);
                        self.table(table, path);
                        path.pop();
                    }
                    _ => {
                        let label = format!("expected a table, found {}", entry.node.type_name());
                        let title = format!("wrong type for `{}`", entry.key);
                        self.problems.push(Problem::at(&entry.node.at, title, label));
                    }
                },
                Some(_) => {
                    if let Err(problem) = self.leaf(path, entry) {
                        self.problems.push(problem);
                    }
                }
            }
        }
    }

    /// Tries one value on top of the defaults.
    fn leaf(&mut self, path: &[&str], entry: &Entry) -> Result<(), Problem> {
        let json = entry.node.to_json()?;
        let mut alone = self.defaults.clone();
        inner(&mut alone, path).insert(entry.key.clone(), json.clone());
        match serde_json::from_value::<RuntimeConfig>(Json::Object(alone)) {
            Ok(_) => {
                inner(&mut self.written, path).insert(entry.key.clone(), json);
                Ok(())
            }
            Err(error) => {
                let default = &inner(&mut self.defaults, path)[&entry.key];
                let label = explain(&error.to_string(), default, &entry.node);
                Err(Problem::at(&entry.node.at, format!("wrong value for `{}`", entry.key), label))
            }
        }
    }

    fn unknown(&mut self, path: &[&str], entry: &Entry) -> Problem {
        let title = format!("[{}]", ["runtime"].iter().chain(path).copied().collect::<Vec<_>>().join("."));
        let known = inner(&mut self.defaults, path).clone();
        // The key may be right and only its table wrong.
        let (outer, subtables) = (&self.defaults, self.defaults.iter());
        let elsewhere = subtables
            .filter_map(|(name, value)| Some((format!("[runtime.{name}]"), value.as_object()?)))
            .chain([("[runtime]".to_owned(), outer)])
            .find(|(other, keys)| *other != title && keys.contains_key(&entry.key));
        let mut problem = unknown_key(&title, entry, known.keys().map(String::as_str));
        if let Some((table, _)) = elsewhere {
            problem.label = format!("this key belongs in {table}");
            problem.help = None;
        }
        problem
    }
}

/// The object at `path`.
fn inner<'m>(map: &'m mut Map<String, Json>, path: &[&str]) -> &'m mut Map<String, Json> {
    path.iter().fold(map, |map, part| match map.get_mut(*part) {
        Some(Json::Object(inner)) => inner,
        other => unreachable!("paths are made from the defaults' own objects, not {other:?}"),
    })
}

/// Reports every field that no runtime can be made from, and puts its default there.
fn validated(
    mut config: RuntimeConfig,
    defaults: &Map<String, Json>,
    table: &Table,
    at: &Place,
    problems: &mut Vec<Problem>,
) -> RuntimeConfig {
    let mut map = to_json(&config);
    while let Err(error) = config.validate() {
        let title = format!("wrong value for `{}`", error.key());
        problems.push(Problem::at(place_of(error.key(), table, at), title, error.problem()));
        let (path, key) = split(error.key());
        let default = inner(&mut defaults.clone(), &path).get(key).cloned().unwrap_or_default();
        let changed = inner(&mut map, &path).insert(key.to_owned(), default.clone()) != Some(default);
        match serde_json::from_value(Json::Object(map.clone())) {
            Ok(next) if changed => config = next,
            _ => break,
        }
    }
    config
}

fn split(dotted: &str) -> (Vec<&str>, &str) {
    let mut path: Vec<_> = dotted.split('.').collect();
    let key = path.pop().unwrap_or_default();
    (path, key)
}

/// Where the value of a dotted key was written, or the nearest table around it.
pub(super) fn place_of<'a>(dotted: &str, table: &'a Table, at: &'a Place) -> &'a Place {
    let (mut table, mut at) = (table, at);
    for part in dotted.split('.') {
        let Some(entry) = table.get(part) else { break };
        at = &entry.node.at;
        match &entry.node.value {
            Value::Table(inner) => table = inner,
            _ => break,
        }
    }
    at
}

/// Says in a profile's words what a deserialiser says in Rust's. `default` shows how the value is written.
fn explain(error: &str, default: &Json, found: &Node) -> String {
    if let Some(rest) = error.strip_prefix("unknown variant `")
        && let Some((found, expected)) = rest.split_once("`, expected ")
    {
        let names: Vec<_> = expected.split('`').skip(1).step_by(2).collect();
        let list = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        return match nearest(found, names) {
            Some(near) => format!("did you mean \"{near}\"? Expected one of {list}"),
            None => format!("expected one of {list}"),
        };
    }
    let wrong_value = error.strip_prefix("invalid value: ").map(|rest| (rest, true));
    let parts = wrong_value.or_else(|| Some((error.strip_prefix("invalid type: ")?, false)));
    let Some(((found_value, expected), is_value)) =
        parts.and_then(|(rest, is_value)| Some((rest.split_once(", expected ")?, is_value)))
    else {
        return error.to_owned();
    };
    let is_duration = default.as_str().is_some_and(|text| humantime::parse_duration(text).is_ok());
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number of 0 or more",
        "a boolean" => "true or false",
        "a string" if is_duration => "a duration in quotes, such as \"10s\" or \"250ms\"",
        "a string" if default.is_null() => "a text in quotes, such as \"2MiB\"",
        "a string" => "a text in quotes",
        other => other,
    };
    let found = if is_value { found_value } else { found.type_name() };
    format!("expected {expected}, found {found}")
}
