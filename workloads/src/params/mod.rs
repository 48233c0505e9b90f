//! The parameters of a workload: declared once, and from that checked, listed and documented.
//!
//! Next file to read: `params/kind.rs`.
#![forbid(unsafe_code)]

mod kind;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use kind::Kind;

/// One parameter that a workload takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// The key in the profile.
    pub name: String,
    /// One line for people: what it changes.
    pub doc: String,
    /// What values it takes.
    #[serde(flatten)]
    pub kind: Kind,
    /// What it is when the profile does not say, as the profile would write it.
    pub default: Value,
}

impl Param {
    fn new(name: &str, kind: Kind, default: Value, doc: &str) -> Self {
        let param = Self { name: name.to_owned(), doc: doc.to_owned(), kind, default };
        debug_assert!(param.kind.check(&param.default).is_ok(), "{name}: the default is not a legal value");
        param
    }

    /// A whole number from `min` to `max`.
    pub fn integer(name: &str, (min, max): (u64, u64), default: u64, doc: &str) -> Self {
        Self::new(name, Kind::Integer { min, max }, default.into(), doc)
    }

    /// A number from `min` to `max`.
    pub fn float(name: &str, (min, max): (f64, f64), default: f64, doc: &str) -> Self {
        Self::new(name, Kind::Float { min, max }, default.into(), doc)
    }

    /// A duration from `min` to `max`.
    pub fn duration(name: &str, (min, max): (Duration, Duration), default: Duration, doc: &str) -> Self {
        let [min_ns, max_ns, default] = [min, max, default].map(kind::nanoseconds);
        Self::new(name, Kind::Duration { min_ns, max_ns }, kind::duration_text(default).into(), doc)
    }

    /// A number of bytes from `min` to `max`.
    pub fn size(name: &str, (min, max): (u64, u64), default: u64, doc: &str) -> Self {
        Self::new(name, Kind::Size { min, max }, kind::size_text(default).into(), doc)
    }

    /// Yes or no.
    pub fn boolean(name: &str, default: bool, doc: &str) -> Self {
        Self::new(name, Kind::Boolean, default.into(), doc)
    }

    /// One of a few words.
    pub fn choice(name: &str, of: &[&str], default: &str, doc: &str) -> Self {
        let of = of.iter().map(|word| (*word).to_owned()).collect();
        Self::new(name, Kind::Choice { of }, default.into(), doc)
    }

    /// Free text of at most `max_len` bytes.
    pub fn text(name: &str, max_len: usize, default: &str, doc: &str) -> Self {
        Self::new(name, Kind::Text { max_len }, default.into(), doc)
    }
}

/// What is wrong with one parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParamError {
    /// The key that the user wrote, or would have to write.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would be right.
    pub expected: String,
    /// Known keys or words that look like what was written, the likeliest first.
    pub nearest: Vec<String>,
}

impl ParamError {
    /// An error of the parameter `key`.
    pub fn new(key: &str, problem: impl Into<String>, expected: impl Into<String>) -> Self {
        let (problem, expected) = (problem.into(), expected.into());
        Self { key: key.to_owned(), problem, expected, nearest: Vec::new() }
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected {}", self.key, self.problem, self.expected)?;
        match self.nearest.first() {
            Some(name) => write!(f, " (did you mean `{name}`?)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParamError {}

/// A workload's parameters, all there and each within its range.
///
/// The getters panic when the name was not declared, or not with that kind: the workload contradicts itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Params(Map<String, Value>);

impl Params {
    /// Checks what the user wrote against the declarations and fills in the defaults.
    ///
    /// Durations and sizes come out in one normal form, so that equal settings compare equal.
    ///
    /// # Errors
    ///
    /// The first key that is unknown or holds what it must not.
    ///
    /// ```
    /// use workloads::params::{Param, Params};
    ///
    /// let declared = [Param::integer("connections", (1, 100), 8, "TCP connections")];
    /// let written = serde_json::json!({ "conections": 4 });
    /// let error = Params::check(&declared, written.as_object().unwrap()).unwrap_err();
    /// assert_eq!(error.nearest, ["connections"]);
    /// ```
    pub fn check(declared: &[Param], written: &Map<String, Value>) -> Result<Self, ParamError> {
        if let Some(key) = written.keys().find(|key| declared.iter().all(|param| param.name != **key)) {
            let names: Vec<&str> = declared.iter().map(|param| param.name.as_str()).collect();
            return Err(ParamError {
                nearest: nearest(key, names.iter().copied()),
                ..ParamError::new(key, "no such parameter", format!("one of {}", names.join(", ")))
            });
        }
        let mut filled = Map::new();
        for param in declared {
            let value = written.get(&param.name).unwrap_or(&param.default);
            let value = param.kind.check(value).map_err(|problem| ParamError {
                nearest: match (&param.kind, value) {
                    (Kind::Choice { of }, Value::String(word)) => {
                        nearest(word, of.iter().map(String::as_str))
                    }
                    _ => Vec::new(),
                },
                ..ParamError::new(&param.name, problem, param.kind.to_string())
            })?;
            filled.insert(param.name.clone(), value);
        }
        Ok(Self(filled))
    }

    /// The filled map: what a [`Plan`](crate::wire::Plan) carries.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same, by value.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    fn get<'a, T>(&'a self, name: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> T {
        match self.0.get(name).and_then(read) {
            Some(value) => value,
            None => panic!("the workload reads `{name}`, which it has not declared with this kind"),
        }
    }

    /// An integer parameter.
    pub fn integer(&self, name: &str) -> u64 {
        self.get(name, Value::as_u64)
    }

    /// A float parameter.
    pub fn float(&self, name: &str) -> f64 {
        self.get(name, Value::as_f64)
    }

    /// A duration parameter.
    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_nanos(self.get(name, |value| kind::parse_duration(value.as_str()?).ok()))
    }

    /// A size parameter, in bytes.
    pub fn size(&self, name: &str) -> u64 {
        self.get(name, |value| kind::parse_size(value.as_str()?).ok())
    }

    /// A boolean parameter.
    pub fn boolean(&self, name: &str) -> bool {
        self.get(name, Value::as_bool)
    }

    /// A choice or text parameter.
    pub fn text(&self, name: &str) -> &str {
        self.get(name, Value::as_str)
    }
}

/// The names among `known` that look like `written`, the likeliest first, three at most.
pub fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    const ALIKE: f64 = 0.8;
    let mut scored: Vec<(f64, &str)> = known
        .map(|name| (strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn declared() -> Vec<Param> {
        vec![
            Param::integer("connections", (1, 100), 8, "how many"),
            Param::float("rate", (0.5, 1e6), 1000.0, "how often"),
            Param::duration(
                "delay",
                (Duration::ZERO, Duration::from_secs(60)),
                Duration::from_millis(5),
                "wait",
            ),
            Param::size("payload", (1, 1 << 20), 64, "bytes"),
            Param::boolean("verify", true, "look"),
            Param::choice("arrival", &["constant", "poisson"], "constant", "when"),
            Param::text("label", 8, "", "any"),
        ]
    }

    fn check(written: Value) -> Result<Params, ParamError> {
        Params::check(&declared(), written.as_object().unwrap())
    }

    #[test]
    fn defaults_fill_what_is_not_written() {
        let params = check(json!({ "rate": 20, "delay": "1s 500ms", "payload": "2KiB" })).unwrap();
        assert_eq!(params.integer("connections"), 8);
        assert_eq!(params.float("rate"), 20.0);
        assert_eq!(params.duration("delay"), Duration::from_millis(1500));
        assert_eq!(params.size("payload"), 2048);
        assert!(params.boolean("verify"));
        assert_eq!(params.text("arrival"), "constant");
        assert_eq!(params.as_map().len(), declared().len());
        assert_eq!(Params::check(&declared(), params.as_map()).unwrap(), params, "checking is idempotent");
    }

    #[test]
    fn equal_settings_written_differently_compare_equal() {
        assert_eq!(
            check(json!({ "delay": "1500ms", "payload": "2048B" })),
            check(json!({ "delay": "1s 500ms", "payload": "2KiB" }))
        );
    }

    #[test]
    fn each_kind_refuses_what_it_must_not_hold() {
        for (written, key, part) in [
            (json!({ "connections": 0 }), "connections", "0 is out of range"),
            (json!({ "connections": -1 }), "connections", "-1 is not"),
            (json!({ "connections": 1.5 }), "connections", "1.5 is not"),
            (json!({ "connections": "8" }), "connections", "a string"),
            (json!({ "rate": 0.1 }), "rate", "0.1 is out of range"),
            (json!({ "rate": true }), "rate", "a boolean"),
            (json!({ "delay": "2m" }), "delay", "out of range"),
            (json!({ "delay": "fast" }), "delay", "\"fast\""),
            (json!({ "delay": 5 }), "delay", "a number"),
            (json!({ "payload": "2MiB" }), "payload", "out of range"),
            (json!({ "payload": "0B" }), "payload", "out of range"),
            (json!({ "payload": "big" }), "payload", "\"big\""),
            (json!({ "verify": "yes" }), "verify", "a string"),
            (json!({ "label": "much too long" }), "label", "13 bytes"),
            (json!({ "arrival": ["constant"] }), "arrival", "an array"),
        ] {
            let error = check(written).unwrap_err();
            assert_eq!(error.key, key);
            assert!(error.problem.contains(part), "{error}");
            assert!(!error.expected.is_empty());
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_answered_with_the_nearest_name() {
        assert_eq!(check(json!({ "conections": 1 })).unwrap_err().nearest, ["connections"]);
        assert_eq!(check(json!({ "arrival": "poison" })).unwrap_err().nearest, ["poisson"]);
        assert_eq!(check(json!({ "zzz": 1 })).unwrap_err().nearest, Vec::<String>::new());
    }

    #[test]
    fn declarations_cross_a_byte_border() {
        let bytes = serde_json::to_vec(&declared()).unwrap();
        assert_eq!(serde_json::from_slice::<Vec<Param>>(&bytes).unwrap(), declared());
    }
}
