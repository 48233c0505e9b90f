//! What clap cannot know of a flag that does not exist: that a profile's key of that name does.
//!
//! Next file to read: `run.rs`.
#![forbid(unsafe_code)]

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::Value;
use workloads::rt::config::RuntimeConfig;

use crate::profile;

/// Adds to the error about an unknown flag how the key that was perhaps meant is set.
pub(super) fn hinted(mut error: clap::Error) -> clap::Error {
    let flag = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => flag.clone(),
        _ => return error,
    };
    let Some(key) = flag.strip_prefix("--").and_then(|name| key(&name.replace('-', "_"))) else {
        return error;
    };
    let tips = match error.get(ContextKind::Suggested) {
        Some(ContextValue::StyledStrs(tips)) => tips.clone(),
        _ => Vec::new(),
    };
    let tip = format!("a profile's keys are set with '--set {key}=VALUE'").into();
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips.into_iter().chain([tip]).collect()));
    error
}

/// The dotted key of a profile whose last part is `name`: the runtime's, or else of a workload's parameters.
fn key(name: &str) -> Option<String> {
    let config = serde_json::to_value(RuntimeConfig::default()).ok()?;
    if let Some(key) = leaf(&config, name) {
        return Some(format!("runtime.{key}"));
    }
    let workloads = profile::descriptions();
    let has =
        |workload: &&workloads::workload::Description| workload.params.iter().any(|param| param.name == name);
    workloads.iter().find(has).map(|workload| format!("workload.{}.{name}", workload.name))
}

fn leaf(table: &Value, name: &str) -> Option<String> {
    let entries = table.as_object()?;
    if entries.get(name).is_some_and(|value| !value.is_object()) {
        return Some(name.to_owned());
    }
    entries.iter().find_map(|(key, value)| Some(format!("{key}.{}", leaf(value, name)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_stand_in_a_profile() {
        assert_eq!(key("flavor").as_deref(), Some("runtime.flavor"));
        assert_eq!(key("stuck_poll_threshold").as_deref(), Some("runtime.metrics.stuck_poll_threshold"));
        assert_eq!(key("connections").as_deref(), Some("workload.echo.connections"));
        assert_eq!(key("drivers"), None, "a table is no key");
        assert_eq!(key("banana"), None);
    }
}
