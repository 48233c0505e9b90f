//! Tests of tasks on a scheduler made for it: a queue, and whoever takes from it.
//!
//! `races` is for the model checker and, as stress loops, for real threads. The others need one thread.

mod races;
mod support;

#[cfg(not(rt_loom))]
mod lifecycle;
#[cfg(not(rt_loom))]
mod local;
#[cfg(not(rt_loom))]
mod page;
#[cfg(not(rt_loom))]
mod panics;
#[cfg(not(rt_loom))]
mod sizes;
#[cfg(not(rt_loom))]
mod unclonable;
