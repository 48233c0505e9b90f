//! The workloads that rtbench runs, and what they are made from.
//!
//! | module | what it is |
//! |---|---|
//! | [`wire`] | what the parent and the measuring child say to each other |
//! | [`params`] | declared parameters, checked and listed from one place |
//! | [`workload`] | what a workload is |
//! | [`window`], [`record`] | the clock of a run, and where its measurements go |
//! | [`load`] | open-loop load: planned instants, waiting for them, and a client for protocols over TCP |
//! | [`serve`] | a server on the runtime under test |
//! | [`registry`] | the bundled workloads |
//! | [`engine`] | the runtime under test |
//! | [`exec`](mod@exec) | the measuring child |
//! | [`events`] | what it tells while it measures, if it is asked |
//! | [`plugin`] | all of this from a dynamic library that somebody else has written |
//!
//! Next file to read: `wire.rs`.

mod bundled;
pub mod engine;
pub mod events;
pub mod exec;
pub mod load;
pub mod params;
pub mod plugin;
pub mod record;
pub mod registry;
pub mod serve;
pub mod window;
pub mod wire;
pub mod workload;

pub use rt;
/// A JSON value; the parameters of a [`trial`](exec::trial) are one.
pub use serde_json::json;

/// The compiler that built this crate, as `rustc --version` has it.
pub const RUSTC: &str = env!("RUSTC_VERSION");
