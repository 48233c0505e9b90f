//! What rtbench and a plug-in say to each other beside plans and frames; all of it is JSON.
//!
//! Next file to read: `plugin/export.rs`.
#![forbid(unsafe_code)]

use rt::config::RuntimeConfig;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::params::ParamError;
use crate::workload::Description;

/// What a plug-in has to say about itself beside its table's texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Its workloads, in the order in which a list shows them.
    pub workloads: Vec<Description>,
}

/// A part of a plan that a plug-in is to check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "draft", rename_all = "snake_case")]
pub enum Draft {
    /// Can its engine be built like this?
    Runtime {
        /// The whole `[runtime]` table.
        config: Box<RuntimeConfig>,
    },
    /// Do these parameters go together?
    Params {
        /// The workload that they are for.
        workload: String,
        /// Each of them, the defaults filled in.
        params: Map<String, Value>,
    },
}

/// What is wrong with a draft; empty if nothing is. The key of a runtime's knob is dotted: `drivers.io`.
pub type Objections = Vec<ParamError>;
