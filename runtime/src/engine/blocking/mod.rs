//! Threads for work that blocks.
//!
//! [`pool`] keeps the threads, [`thread`] is the life of one, [`shards`] a queue for many who bring jobs, and [`job`] makes a
//! task of a closure.
//!
//! Next file to read: `engine/blocking/pool.rs`.
#![forbid(unsafe_code)]

mod job;
mod pool;
mod shards;
#[cfg(test)]
mod tests;
mod thread;

pub(crate) use job::{BlockingSched, Finished, unowned};
pub(crate) use pool::{BlockingPool, BlockingSpawner, PoolConfig, RunningJob};
