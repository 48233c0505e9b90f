//! Threads for work that blocks.
//!
//! [`pool`] keeps the threads, [`job`] makes a task of a closure.
//!
//! Next file to read: `engine/blocking/pool.rs`.
#![forbid(unsafe_code)]

mod job;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use job::{BlockingSched, Finished, unowned};
pub(crate) use pool::{BlockingPool, BlockingSpawner, PoolConfig, RunningJob};
