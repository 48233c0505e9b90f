//! Tasks: the unit that the runtime schedules.
//!
//! Next file to read: `task/coop.rs`.

pub mod coop;

pub use coop::{Unconstrained, consume_budget, unconstrained};
