//! Comparing: the same load on two or more sides, in an order that cancels drift, and a verdict on each metric.
//!
//! ```text
//! command line -> Setup (model), effort -> blocks, order -> folder (a file for each block) -> judge -> outputs
//!                                    \-> session (one run), sentinel (is the machine quiet?)
//! ```
//!
//! The unit of observation is a fresh process. A block runs every side and then every side again in the reverse order,
//! A B B A, so that a drift that is a straight line within the block cancels; a seeded coin decides who is first, which
//! is what the exact test rests on. Nothing looks at a result before all blocks are there.
//!
//! Next file to read: `model.rs`.
#![forbid(unsafe_code)]

pub(crate) mod blocks;
pub(crate) mod curves;
pub(crate) mod effort;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod judge;
pub(crate) mod known;
pub(crate) mod model;
pub(crate) mod output;
pub(crate) mod run;
pub(crate) mod sentinel;
pub(crate) mod series;
#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod tests;
