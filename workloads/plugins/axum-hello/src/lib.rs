//! `axum-hello`: an axum service over loopback, driven open loop.
//!
//! axum needs Tokio, so this plug-in's engine is the real Tokio: its `workloads` is the package `workloads-tokio`.
//!
//! Next file to read: `workload.rs`.

mod http;
mod workload;

workloads::export_plugin!(workload::AxumHello);
