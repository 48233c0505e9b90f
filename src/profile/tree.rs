//! A profile as it was written: values with the place where each one stands.
//!
//! The file and each `--set` are sources of one tree, so that every later check can point at the text that is to
//! blame, wherever it came from.
//!
//! Next file to read: `section.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value as Json;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: Place,
}

/// What TOML can say.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Anything but the two below. JSON holds it without loss, except for the values that [`Value::Unusable`] has.
    Plain(Json),
    /// A list; `[[name]]` tables are one, too.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// A date, a number that is not finite or one out of all ranges: nothing here takes those. Holds what it is.
    Unusable(&'static str),
}

/// The entries of a table, in the order of their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<Entry>);

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_at: Place,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.key == key)
    }

    /// The table under `key`, made if nothing is there. `None` if something else is.
    fn subtable(&mut self, key: &str, at: &Place) -> Option<&mut Table> {
        let index = self.0.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            let node = Node { value: Value::Table(Self::default()), at: at.clone() };
            self.0.push(Entry { key: key.to_owned(), key_at: at.clone(), node });
            self.0.len() - 1
        });
        match &mut self.0[index].node.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// Adds the dotted paths of all keys; the tables of a list are numbered.
    pub(super) fn paths(&self, prefix: &str, paths: &mut BTreeSet<String>) {
        for entry in &self.0 {
            let path = format!("{prefix}{}", entry.key);
            match &entry.node.value {
                Value::Table(table) => table.paths(&format!("{path}."), paths),
                Value::List(nodes) => {
                    for (index, node) in nodes.iter().enumerate() {
                        if let Value::Table(table) = &node.value {
                            table.paths(&format!("{path}.{index}."), paths);
                        }
                    }
                }
                _ => {}
            }
            paths.insert(path);
        }
    }

    fn set(&mut self, entry: Entry) {
        match self.0.iter_mut().find(|old| old.key == entry.key) {
            Some(old) => *old = entry,
            None => self.0.push(entry),
        }
    }
}

impl Node {
    /// What a message calls a value of this type.
    pub(super) fn type_name(&self) -> &'static str {
        match &self.value {
            Value::Plain(Json::Bool(_)) => "a boolean",
            Value::Plain(Json::Number(number)) if number.is_f64() => "a fraction",
            Value::Plain(Json::Number(_)) => "a whole number",
            Value::Plain(_) => "a text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Unusable(what) => what,
        }
    }

    /// Whether it is this text.
    pub(super) fn is_text(&self, text: &str) -> bool {
        matches!(&self.value, Value::Plain(Json::String(written)) if written == text)
    }

    /// The value as JSON.
    pub(super) fn to_json(&self) -> Result<Json, Problem> {
        match &self.value {
            Value::Plain(json) => Ok(json.clone()),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Table(table) => {
                table.0.iter().map(|entry| Ok((entry.key.clone(), entry.node.to_json()?))).collect()
            }
            Value::Unusable(what) => {
                Err(Problem::at(&self.at, "a value that nothing here can use", format!("this is {what}")))
            }
        }
    }

    fn convert(value: &DeValue<'_>, span: Range<usize>, source: usize) -> Self {
        let at = Place { source, span };
        let value = match value {
            DeValue::String(text) => Value::Plain(Json::from(text.as_ref())),
            DeValue::Boolean(flag) => Value::Plain(Json::from(*flag)),
            DeValue::Integer(number) => {
                let (digits, radix) = (number.as_str(), number.radix());
                let signed = i64::from_str_radix(digits, radix).map(Json::from);
                match signed.or_else(|_| u64::from_str_radix(digits, radix).map(Json::from)) {
                    Ok(json) => Value::Plain(json),
                    Err(_) => Value::Unusable("a whole number beyond 64 bits"),
                }
            }
            DeValue::Float(number) => {
                match number.as_str().parse().ok().and_then(serde_json::Number::from_f64) {
                    Some(number) => Value::Plain(Json::from(number)),
                    None => Value::Unusable("a number that is not finite"),
                }
            }
            DeValue::Datetime(_) => Value::Unusable("a date or time of day"),
            DeValue::Array(array) => {
                let node =
                    |item: &toml::Spanned<DeValue<'_>>| Self::convert(item.get_ref(), item.span(), source);
                Value::List(array.iter().map(node).collect())
            }
            DeValue::Table(table) => Value::Table(convert_table(table, source)),
        };
        Self { value, at }
    }
}

fn convert_table(table: &DeTable<'_>, source: usize) -> Table {
    let entry =
        |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| Entry {
            key: key.get_ref().clone().into_owned(),
            key_at: Place { source, span: key.span() },
            node: Node::convert(value.get_ref(), value.span(), source),
        };
    Table(table.iter().map(entry).collect())
}

/// Reads TOML text, which is source number `source`.
pub(super) fn parse(text: &str, source: usize) -> Result<Table, Problem> {
    match DeTable::parse(text) {
        Ok(table) => Ok(convert_table(table.get_ref(), source)),
        Err(error) => {
            let end = text.len();
            let mut span = error.span().unwrap_or(end..end);
            // A caret under a line break shows nothing; put it on the last character of the line.
            if text[span.clone()].starts_with(['\n', '\r']) || (span.start == end && text.ends_with('\n')) {
                let start = text[..span.start].trim_end_matches(['\n', '\r']).char_indices().next_back();
                span = start.map_or(0..0, |(at, c)| at..at + c.len_utf8());
            }
            Err(Problem::at(&Place { source, span }, "not valid TOML", error.message().to_owned()))
        }
    }
}

/// Lays one `--set KEY=VALUE` over the profile. `text` is source number `source`.
///
/// The value is read as TOML, and what is not TOML is taken as a text: `--set warmup=2s` needs no quotes.
pub(super) fn overlay(profile: &mut Table, text: &str, source: usize) -> Result<(), Problem> {
    let place = |span: Range<usize>| Place { source, span };
    let Some((path, value)) = text.split_once('=') else {
        let message = "--set needs a key and a value";
        return Err(Problem::at(&place(0..text.len()), message, "expected KEY=VALUE".to_owned()));
    };
    let value_start = text.len() - value.trim_start().len();
    let value = value.trim();
    let value_at = value_start..value_start + value.len();
    let node = match DeValue::parse(value) {
        Ok(parsed) => Node::convert(parsed.get_ref(), value_at.clone(), source).placed(&place(value_at)),
        Err(_) => Node { value: Value::Plain(Json::from(value)), at: place(value_at) },
    };
    let key_at = place(0..path.len());
    let mut parts: Vec<&str> = path.split('.').map(str::trim).collect();
    let key = parts.pop().filter(|key| !key.is_empty());
    let Some(key) = key.filter(|_| parts.iter().all(|part| !part.is_empty())) else {
        let label = "expected names with dots between them, such as runtime.event_interval".to_owned();
        return Err(Problem::at(&key_at, "--set names no key", label));
    };
    let mut table = profile;
    let mut parts = parts.into_iter();
    if let Some(first) = parts.next() {
        table = match first {
            "workload" => workload(table, parts.next(), &key_at)?,
            _ => descend(table, first, &key_at)?,
        };
    }
    for part in parts {
        table = descend(table, part, &key_at)?;
    }
    table.set(Entry { key: key.to_owned(), key_at, node });
    Ok(())
}

fn descend<'a>(table: &'a mut Table, part: &str, at: &Place) -> Result<&'a mut Table, Problem> {
    let problem = || Problem::at(at, "--set goes through a value", format!("`{part}` is not a table"));
    table.subtable(part, at).ok_or_else(problem)
}

/// The workload that `--set workload.NAME.key=...` means.
fn workload<'a>(profile: &'a mut Table, name: Option<&str>, at: &Place) -> Result<&'a mut Table, Problem> {
    let mut names = Vec::new();
    let entry = profile.0.iter_mut().find(|entry| entry.key == "workload");
    if let Some(Entry { node: Node { value: Value::List(list), .. }, .. }) = entry {
        for node in list {
            let Value::Table(table) = &mut node.value else { continue };
            let written = ["name", "kind"].iter().find_map(|key| table.get(key));
            let written = written.and_then(|entry| match &entry.node.value {
                Value::Plain(Json::String(text)) => Some(text.clone()),
                _ => None,
            });
            if written.is_some() && written.as_deref() == name {
                return Ok(table);
            }
            names.extend(written);
        }
    }
    let label = match name {
        Some(name) => format!("no workload is named `{name}`"),
        None => "expected workload.NAME.KEY".to_owned(),
    };
    let mut problem = Problem::at(at, "--set means a workload that is not there", label);
    if !names.is_empty() {
        problem.help = Some(format!("the profile's workloads: {}", names.join(", ")));
    }
    Err(problem)
}

impl Node {
    /// This node, with itself and all within it placed at `at`.
    fn placed(mut self, at: &Place) -> Self {
        self.at = at.clone();
        self.value = match self.value {
            Value::List(nodes) => Value::List(nodes.into_iter().map(|node| node.placed(at)).collect()),
            Value::Table(Table(entries)) => {
                let place =
                    |entry: Entry| Entry { key: entry.key, key_at: at.clone(), node: entry.node.placed(at) };
                Value::Table(Table(entries.into_iter().map(place).collect()))
            }
            plain => plain,
        };
        self
    }
}
