//! The workloads that come with rtbench, by name.
//!
//! Next file to read: `bundled/mod.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;

use crate::bundled;
use crate::workload::Workload;

/// All bundled workloads, in the order in which a list shows them.
pub fn bundled() -> Vec<Arc<dyn Workload>> {
    vec![
        Arc::new(bundled::Echo),
        Arc::new(bundled::TimerStorm),
        Arc::new(bundled::SpawnFlood),
        Arc::new(bundled::BlockingMix),
    ]
}

/// The bundled workload of this name.
///
/// ```
/// assert!(workloads::registry::find("echo").is_some());
/// assert!(workloads::registry::find("ohce").is_none());
/// ```
pub fn find(name: &str) -> Option<Arc<dyn Workload>> {
    bundled().into_iter().find(|workload| workload.describe().name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Map;

    use super::*;
    use crate::params::Params;
    use crate::record::MAX_OWN_COUNTERS;
    use crate::workload::Description;

    #[test]
    fn every_workload_describes_itself_fully() {
        let mut names = HashSet::new();
        for workload in bundled() {
            let described = workload.describe();
            assert!(names.insert(described.name.clone()), "{} is there twice", described.name);
            assert!(!described.summary.is_empty());
            assert!(described.counters.len() <= MAX_OWN_COUNTERS);
            let mut keys = HashSet::new();
            for param in &described.params {
                assert!(keys.insert(&param.name), "{}.{} is declared twice", described.name, param.name);
                assert!(!param.doc.is_empty() && !param.doc.contains('\n'));
            }
            let defaults = Params::check(&described.params, &Map::new()).unwrap();
            workload.validate(&defaults).unwrap();
            let streams = workload.streams(&defaults);
            assert!(!streams.is_empty());
            let unique: HashSet<_> = streams.iter().map(|stream| &stream.name).collect();
            assert_eq!(unique.len(), streams.len());
            let bytes = serde_json::to_vec(&described).unwrap();
            assert_eq!(serde_json::from_slice::<Description>(&bytes).unwrap(), described);
        }
    }
}
