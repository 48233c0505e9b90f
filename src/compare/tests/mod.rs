//! Whole comparisons on a machine that is made up.
#![forbid(unsafe_code)]

mod documents;
mod order;
mod outputs;
mod verdicts;
