//! What a runtime offers to the code that runs on it, besides running it.
#![forbid(unsafe_code)]

use super::blocking::BlockingSpawner;
use super::driver::Registries;
use super::hooks::{TaskHooks, ThreadHooks};
use crate::base::clock::Clock;
use crate::base::prim::Arc;

/// The registries and the pool of one runtime.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) registries: Registries,
    pub(crate) blocking: BlockingSpawner,
    pub(crate) clock: Clock,
    pub(crate) hooks: Arc<ThreadHooks>,
    pub(crate) task_hooks: TaskHooks,
}
