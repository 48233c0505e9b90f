//! T1: what runs things.

pub(crate) mod blocking;
pub(crate) mod counters;
pub(crate) mod driver;
pub(crate) mod hooks;
pub(crate) mod sched;
pub(crate) mod services;
pub(crate) mod task;
