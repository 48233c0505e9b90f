//! Plug-ins on rtbench's side: foreign code is loaded in child processes only, so that none can hurt the parent.
//!
//! ```text
//! rtbench --(questions)--> rtbench __plugin FILE --(table)--> describe, validate
//!         --(plan)-------> rtbench __exec ENGINE --plugin FILE --(table)--> run, stop
//! ```
//!
//! The parent (`ask`) questions one child about what the plug-in is and what it thinks of a profile; each run is a
//! child of its own, as for bundled workloads, and `session` watches it alike. The children (`serve`) share the one
//! file that loads and calls foreign code, `load`. `verify` holds what a run sent against what it may send.
//!
//! Next file to read: `ask.rs`.

mod ask;
mod conform;
mod load;
mod new;
mod serve;
mod verify;

pub(crate) use ask::{Blame, Fault, Inspector};
pub(crate) use conform::conform;
pub(crate) use new::new;
pub(crate) use serve::{answer, exec};
pub(crate) use verify::{Border, verify};

use serde::{Deserialize, Serialize};
use workloads::plugin::talk::Draft;

/// What the parent asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
enum Question {
    /// Load it; who is it?
    Identify,
    /// What workloads has it?
    Describe,
    /// What does it think of this?
    Validate {
        /// This.
        draft: Draft,
    },
}

/// What a plug-in's table says, besides its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) abi: (u32, u32),
    pub(crate) table_bytes: u64,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) sdk: String,
    pub(crate) rustc: String,
    pub(crate) engine: String,
    pub(crate) engine_version: String,
}
