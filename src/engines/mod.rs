//! The engines that can stand under the workloads, and which of them this build has.
//!
//! Each is one compilation of the workloads' source; what crosses the border to it is a plan, and bytes.
//!
//! Next file to read: `tokio.rs`, then `../profile/mod.rs`.
#![forbid(unsafe_code)]

#[cfg(feature = "tokio")]
#[path = "tokio.rs"]
mod second;
#[cfg(not(feature = "tokio"))]
#[path = "no_tokio.rs"]
mod second;

use std::fmt;
use std::fs::File;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use workloads::rt::config::RuntimeConfig;
use workloads::wire::EngineKind;

/// An engine that this build has.
pub(crate) struct Engine {
    /// What the command line calls it.
    pub(crate) kind: EngineKind,
    /// Its own name.
    name: &'static str,
    pub(crate) version: &'static str,
    /// Why it lacks the knob under this key of the `[runtime]` table. `None`: it has it.
    pub(crate) lacks: fn(&str) -> Option<&'static str>,
    /// The keys of the `[runtime]` table that it cannot obey, each with the reason.
    pub(crate) refusals: fn(&RuntimeConfig) -> Vec<(String, String)>,
    /// Runs the plan that comes from the first file, and sends frames to the second.
    pub(crate) exec: fn(File, File) -> ExitCode,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The engines that this build has; the first is the default.
pub(crate) fn all() -> Vec<Engine> {
    let embedded = Engine {
        kind: workloads::engine::KIND,
        name: workloads::engine::NAME,
        version: workloads::engine::VERSION,
        lacks: workloads::engine::lacks,
        refusals: workloads::engine::refusals,
        exec: |plan, frames| workloads::exec::exec(plan, frames).into(),
    };
    [Some(embedded), second::engine()].into_iter().flatten().collect()
}

/// The engine of this kind.
///
/// # Errors
///
/// This build does not have it.
pub(crate) fn find(kind: EngineKind) -> Result<Engine> {
    all().into_iter().find(|engine| engine.kind == kind).ok_or_else(|| {
        anyhow!(
            "this rtbench was built without the engine {kind}; build it with the feature of that name, \
             which is on by default: cargo build --release --features {kind}"
        )
    })
}

/// Reads the name of an engine.
///
/// # Errors
///
/// The names that there are.
pub(crate) fn parse(name: &str) -> Result<EngineKind, String> {
    let names = EngineKind::ALL.map(EngineKind::as_str);
    let found = EngineKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    found.ok_or_else(|| format!("expected one of: {}", names.join(", ")))
}
