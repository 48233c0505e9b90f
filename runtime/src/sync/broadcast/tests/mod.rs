//! The channel's models, and what the documentation promises.

mod models;
#[cfg(not(rt_loom))]
mod panics;
#[cfg(not(rt_loom))]
mod promises;
#[cfg(not(rt_loom))]
mod queue;
