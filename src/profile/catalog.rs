//! The workloads that a profile can name.
//!
//! Next file to read: `read.rs`.
#![forbid(unsafe_code)]

use serde_json::{Map, Value};
use workloads::params::{ParamError, Params};
use workloads::registry;
use workloads::rt::config::RuntimeConfig;
use workloads::workload::Description;

/// What each workload says about itself.
pub(crate) fn descriptions() -> Vec<Description> {
    registry::bundled().iter().map(|workload| workload.describe()).collect()
}

/// Checks the parameters of a workload of this kind, which exists, and fills in the defaults.
pub(super) fn check(kind: &str, written: &Map<String, Value>) -> Result<Map<String, Value>, ParamError> {
    let Some(workload) = registry::find(kind) else { return Ok(Map::new()) };
    let params = Params::check(&workload.describe().params, written)?;
    workload.validate(&params)?;
    Ok(params.into_map())
}

/// Whether a workload gets from this runtime what it needs. The error names the key that must change.
pub(super) fn needs(kind: &str, runtime: &RuntimeConfig) -> Result<(), (&'static str, String)> {
    registry::find(kind).map_or(Ok(()), |workload| workload.describe().check_runtime(runtime))
}
