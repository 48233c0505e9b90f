//! Tokio as the workloads' `rt`: its own public API, and `config`, which both engines are built from.
#![forbid(unsafe_code)]

pub use ::runtime::config;
pub use tokio::*;
