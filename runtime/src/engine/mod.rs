//! T1: what runs things.

pub(crate) mod driver;
pub(crate) mod task;
