//! Reads one table: typed values, ranges, and the keys that nobody asked for.
//!
//! Next file to read: `runtime.rs`.
#![forbid(unsafe_code)]

use std::ops::RangeInclusive;
use std::time::Duration;

use humantime::format_duration;
use serde_json::Value as Json;

use super::problem::{Place, Problem, nearest};
use super::tree::{Entry, Node, Table, Value};

/// A table that is being read. What is wrong with it goes to `problems`, and reading goes on.
pub(super) struct Section<'t, 'p> {
    title: &'static str,
    table: &'t Table,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'t, 'p> Section<'t, 'p> {
    /// `title` is what messages call the table.
    pub(super) fn new(title: &'static str, table: &'t Table, problems: &'p mut Vec<Problem>) -> Self {
        Self { title, table, known: Vec::new(), problems }
    }

    /// The entry under `key`, which is a known key from now on.
    pub(super) fn entry(&mut self, key: &'static str) -> Option<&'t Entry> {
        self.known.push(key);
        self.table.get(key)
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn wrong_type(&mut self, key: &str, expected: &str, node: &Node) {
        let label = format!("expected {expected}, found {}", node.type_name());
        self.problem(Problem::at(&node.at, format!("wrong type for `{key}`"), label));
    }

    /// A text and where it stands.
    pub(super) fn text(&mut self, key: &'static str) -> Option<(&'t str, &'t Place)> {
        let entry = self.entry(key)?;
        match &entry.node.value {
            Value::Plain(Json::String(text)) => Some((text, &entry.node.at)),
            _ => {
                self.wrong_type(key, "a text in quotes", &entry.node);
                None
            }
        }
    }

    /// A name: letters, digits, `-` and `_`, because it becomes a part of file names and of tags.
    pub(super) fn name(&mut self, key: &'static str) -> Option<(&'t str, &'t Place)> {
        let (text, at) = self.text(key)?;
        if is_name(text) {
            return Some((text, at));
        }
        let label = "expected letters, digits, `-` and `_`, at most 64";
        self.problem(Problem::at(at, format!("`{key}` cannot be a part of a file name"), label));
        None
    }

    /// A duration in human form, within a range.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let entry = self.entry(key)?;
        let Value::Plain(Json::String(text)) = &entry.node.value else {
            self.wrong_type(key, "a duration in quotes, such as \"10s\" or \"250ms\"", &entry.node);
            return None;
        };
        match parse_duration(text, &range) {
            Ok(duration) => Some(duration),
            Err(label) => {
                self.problem(Problem::at(&entry.node.at, format!("wrong value for `{key}`"), label));
                None
            }
        }
    }

    /// A whole number of 0 or more.
    pub(super) fn whole(&mut self, key: &'static str) -> Option<u64> {
        let entry = self.entry(key)?;
        match &entry.node.value {
            Value::Plain(Json::Number(number)) if number.is_u64() => number.as_u64(),
            Value::Plain(Json::Number(number)) => {
                let label = format!("expected a whole number of 0 or more, found {number}");
                self.problem(Problem::at(&entry.node.at, format!("wrong value for `{key}`"), label));
                None
            }
            _ => {
                self.wrong_type(key, "a whole number", &entry.node);
                None
            }
        }
    }

    /// A value of the right type that is not a possible one.
    pub(super) fn wrong_value(&mut self, key: &'static str, label: impl Into<String>) {
        if let Some(entry) = self.table.get(key) {
            self.problem(Problem::at(&entry.node.at, format!("wrong value for `{key}`"), label));
        }
    }

    /// A table.
    pub(super) fn table(&mut self, key: &'static str) -> Option<(&'t Table, &'t Place)> {
        let entry = self.entry(key)?;
        match &entry.node.value {
            Value::Table(table) => Some((table, &entry.node.at)),
            _ => {
                self.wrong_type(key, &format!("a table, written [{key}]"), &entry.node);
                None
            }
        }
    }

    /// The entries under keys that nobody asked for.
    pub(super) fn rest(&self) -> Vec<&'t Entry> {
        self.table.entries().iter().filter(|entry| !self.known.contains(&entry.key.as_str())).collect()
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(mut self) {
        for entry in self.rest() {
            let problem = unknown_key(self.title, entry, self.known.iter().copied());
            self.problem(problem);
        }
    }
}

/// The problem of a key that is not among `known`.
pub(super) fn unknown_key<'k>(
    title: &str,
    entry: &Entry,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    let list: Vec<_> = known.into_iter().collect();
    let near = nearest(&entry.key, list.iter().copied());
    let label = near.map_or("nothing by this name".to_owned(), |near| format!("did you mean `{near}`?"));
    let problem = Problem::at(&entry.key_at, format!("unknown key `{}` in {title}", entry.key), label);
    match near {
        Some(_) => problem,
        None => problem.help(format!("known keys: {}", list.join(", "))),
    }
}

/// Whether a text can be a part of a file name and a tag everywhere.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

/// Reads a duration in human form. The error says what was expected.
pub(crate) fn parse_duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let example = |_| "expected a duration such as 10s or 250ms".to_owned();
    let duration = humantime::parse_duration(text).map_err(example)?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (low, high) = (format_duration(*range.start()), format_duration(*range.end()));
    Err(format!("expected between {low} and {high}"))
}
