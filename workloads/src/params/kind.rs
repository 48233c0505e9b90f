//! What values a parameter takes, and how people write them.
//!
//! Next file to read: `workload.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// The kind of a parameter, with its range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A whole number.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number.
    Float {
        /// The least.
        min: f64,
        /// The most.
        max: f64,
    },
    /// A duration in human form: `"250ms"`, `"1m 30s"`.
    Duration {
        /// The least, in nanoseconds.
        min_ns: u64,
        /// The most, in nanoseconds.
        max_ns: u64,
    },
    /// A number of bytes in human form: `"512B"`, `"2MiB"`.
    Size {
        /// The least, in bytes.
        min: u64,
        /// The most, in bytes.
        max: u64,
    },
    /// `true` or `false`.
    Boolean,
    /// One of a few words.
    Choice {
        /// The words.
        of: Vec<String>,
    },
    /// Free text.
    Text {
        /// The most bytes.
        max_len: usize,
    },
}

impl Kind {
    /// The one word that a table shows: `integer`, `duration`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "integer",
            Self::Float { .. } => "float",
            Self::Duration { .. } => "duration",
            Self::Size { .. } => "size",
            Self::Boolean => "boolean",
            Self::Choice { .. } => "choice",
            Self::Text { .. } => "string",
        }
    }

    /// The range as a table shows it: `1 to 100`, `constant | poisson`.
    pub fn range(&self) -> String {
        match self {
            Self::Integer { min, max } => format!("{min} to {max}"),
            Self::Float { min, max } => format!("{min} to {max}"),
            Self::Duration { min_ns, max_ns } => {
                format!("{} to {}", duration_text(*min_ns), duration_text(*max_ns))
            }
            Self::Size { min, max } => format!("{} to {}", size_text(*min), size_text(*max)),
            Self::Boolean => "true | false".to_owned(),
            Self::Choice { of } => of.join(" | "),
            Self::Text { max_len } => format!("up to {max_len} bytes"),
        }
    }

    /// The value in normal form, or what is wrong with it.
    pub(super) fn check(&self, value: &Value) -> Result<Value, String> {
        let out_of_range = |shown: String| Err(format!("{shown} is out of range"));
        match (self, value) {
            (Self::Integer { min, max }, Value::Number(number)) => match number.as_u64() {
                Some(n) if (*min..=*max).contains(&n) => Ok(n.into()),
                Some(n) => out_of_range(n.to_string()),
                None => Err(format!("{number} is not a whole number from 0 up")),
            },
            (Self::Float { min, max }, Value::Number(number)) => {
                let n = number.as_f64().unwrap_or(f64::NAN);
                match Number::from_f64(n) {
                    Some(normal) if (*min..=*max).contains(&n) => Ok(normal.into()),
                    _ => out_of_range(number.to_string()),
                }
            }
            (Self::Duration { min_ns, max_ns }, Value::String(text)) => match parse_duration(text) {
                Ok(ns) if (*min_ns..=*max_ns).contains(&ns) => Ok(duration_text(ns).into()),
                Ok(_) => out_of_range(format!("{text:?}")),
                Err(error) => Err(format!("{text:?} is not a duration ({error})")),
            },
            (Self::Size { min, max }, Value::String(text)) => match parse_size(text) {
                Ok(bytes) if (*min..=*max).contains(&bytes) => Ok(size_text(bytes).into()),
                Ok(_) => out_of_range(format!("{text:?}")),
                Err(error) => Err(format!("{text:?} is not a size ({error})")),
            },
            (Self::Boolean, Value::Bool(_)) => Ok(value.clone()),
            (Self::Choice { of }, Value::String(word)) => match of.contains(word) {
                true => Ok(value.clone()),
                false => Err(format!("{word:?} is not one of its words")),
            },
            (Self::Text { max_len }, Value::String(text)) => match text.len() <= *max_len {
                true => Ok(value.clone()),
                false => Err(format!("the text has {} bytes", text.len())),
            },
            _ => Err(format!("this is {}", type_of(value))),
        }
    }
}

impl fmt::Display for Kind {
    /// What a message says after "expected".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.range();
        match self {
            Self::Integer { .. } => write!(f, "a whole number, {range}"),
            Self::Float { .. } => write!(f, "a number, {range}"),
            Self::Duration { .. } => write!(f, "a duration such as \"250ms\" or \"10s\", {range}"),
            Self::Size { .. } => write!(f, "a size such as \"512B\" or \"2MiB\", {range}"),
            Self::Boolean => f.write_str("true or false"),
            Self::Choice { of } => {
                let quoted: Vec<String> = of.iter().map(|word| format!("{word:?}")).collect();
                f.write_str(&quoted.join(" or "))
            }
            Self::Text { .. } => write!(f, "a string, {range}"),
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "a table",
    }
}

/// A duration in nanoseconds; 584 years where it is longer.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn parse_duration(text: &str) -> Result<u64, String> {
    humantime::parse_duration(text).map(nanoseconds).map_err(|error| error.to_string())
}

pub(super) fn duration_text(ns: u64) -> String {
    humantime::format_duration(Duration::from_nanos(ns)).to_string()
}

pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    text.parse::<ByteSize>().map(|size| size.as_u64()).map_err(|error| error.to_string())
}

/// The size in the largest binary unit that keeps it exact.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}
