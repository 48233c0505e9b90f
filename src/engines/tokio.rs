//! The workloads over the real Tokio.
//!
//! Next file to read: `no_tokio.rs`, its twin for builds without the feature `tokio`.
#![forbid(unsafe_code)]

use workloads::wire::EngineKind;
use workloads_tokio::{engine, exec};

use super::Engine;

pub(super) fn engine() -> Option<Engine> {
    Some(Engine {
        kind: EngineKind::Tokio,
        name: engine::NAME,
        version: engine::VERSION,
        lacks: engine::lacks,
        refusals: engine::refusals,
        exec: |plan, frames| exec::exec(plan, frames).into(),
    })
}
