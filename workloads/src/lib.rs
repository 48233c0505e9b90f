//! The workloads that rtbench runs, and what they are made from.
#![forbid(unsafe_code)]

pub mod wire;
