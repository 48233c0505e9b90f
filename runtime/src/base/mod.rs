//! T0: what every other tier stands on. Nothing here knows of tasks, schedulers or drivers.

pub(crate) mod coop;
pub(crate) mod prim;
