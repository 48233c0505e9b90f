//! The workloads that a profile can name, and the engine under them: bundled ones, or those of a plug-in.
//!
//! Next file to read: `read.rs`.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use serde_json::{Map, Value};
use workloads::params::{ParamError, Params};
use workloads::plugin::talk::{Draft, Objections};
use workloads::registry;
use workloads::rt::config::RuntimeConfig;
use workloads::wire::{EngineKind, PluginId};
use workloads::workload::Description;

use crate::engines::Engine;
use crate::plugin::{Fault, Inspector};

/// What each bundled workload says about itself.
pub(crate) fn descriptions() -> Vec<Description> {
    registry::bundled().iter().map(|workload| workload.describe()).collect()
}

/// What a profile is checked against.
pub(super) struct Catalog {
    workloads: Vec<Description>,
    source: Source,
}

enum Source {
    Bundled(Engine),
    Plugin(Box<RefCell<Asked>>),
}

struct Asked {
    inspector: Inspector,
    /// The first question that was not answered. The rest of the profile is read as if nothing were wrong with it,
    /// and whoever reads it looks here at the end.
    fault: Option<Fault>,
}

impl Asked {
    fn validate(&mut self, draft: Draft) -> Objections {
        if self.fault.is_some() {
            return Vec::new();
        }
        self.inspector.validate(draft).unwrap_or_else(|fault| {
            self.fault = Some(fault);
            Vec::new()
        })
    }
}

impl Catalog {
    pub(super) fn bundled(engine: Engine) -> Self {
        Self { workloads: descriptions(), source: Source::Bundled(engine) }
    }

    pub(super) fn plugin(inspector: Inspector) -> Self {
        let workloads = inspector.workloads().to_vec();
        Self { workloads, source: Source::Plugin(Box::new(RefCell::new(Asked { inspector, fault: None }))) }
    }

    /// The engine that everything will run on.
    pub(super) fn engine(&self) -> EngineKind {
        match &self.source {
            Source::Bundled(engine) => engine.kind,
            Source::Plugin(asked) => asked.borrow().inspector.engine(),
        }
    }

    /// The plug-in, where there is one.
    pub(super) fn plugin_id(&self) -> Option<PluginId> {
        match &self.source {
            Source::Bundled(_) => None,
            Source::Plugin(asked) => Some(asked.borrow().inspector.id()),
        }
    }

    /// The workload of this kind.
    pub(super) fn find(&self, kind: &str) -> Option<&Description> {
        self.workloads.iter().find(|workload| workload.name == kind)
    }

    /// The kinds that there are.
    pub(super) fn kinds(&self) -> Vec<String> {
        self.workloads.iter().map(|workload| workload.name.clone()).collect()
    }

    /// Checks the parameters of a workload of this kind, which exists, and fills in the defaults.
    pub(super) fn check(
        &self,
        kind: &str,
        written: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ParamError> {
        let Some(workload) = self.find(kind) else { return Ok(Map::new()) };
        let params = Params::check(&workload.params, written)?;
        match &self.source {
            Source::Bundled(_) => {
                registry::find(kind).map_or(Ok(()), |workload| workload.validate(&params))?;
                Ok(params.into_map())
            }
            Source::Plugin(asked) => {
                let params = params.into_map();
                let draft = Draft::Params { workload: kind.to_owned(), params: params.clone() };
                asked.borrow_mut().validate(draft).into_iter().next().map_or(Ok(params), Err)
            }
        }
    }

    /// The keys of the `[runtime]` table that the engine cannot obey, each with the reason.
    pub(super) fn refusals(&self, config: &RuntimeConfig) -> Vec<(String, String)> {
        match &self.source {
            Source::Bundled(engine) => (engine.refusals)(config),
            Source::Plugin(asked) => {
                let objections =
                    asked.borrow_mut().validate(Draft::Runtime { config: Box::new(config.clone()) });
                objections.into_iter().map(|objection| (objection.key, objection.problem)).collect()
            }
        }
    }

    /// Whether a workload gets from this runtime what it needs. The error names the key that must change.
    pub(super) fn needs(&self, kind: &str, runtime: &RuntimeConfig) -> Result<(), (&'static str, String)> {
        self.find(kind).map_or(Ok(()), |workload| workload.check_runtime(runtime))
    }

    /// The first question that the plug-in did not answer.
    pub(super) fn fault(self) -> Option<Fault> {
        match self.source {
            Source::Bundled(_) => None,
            Source::Plugin(asked) => asked.into_inner().fault,
        }
    }
}
