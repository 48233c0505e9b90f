//! The channels' models, and what the documentation promises.

#[cfg(not(rt_loom))]
mod counts;
#[cfg(not(rt_loom))]
mod memory;
mod models;
#[cfg(not(rt_loom))]
mod promises;
