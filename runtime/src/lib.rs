#![doc = "An asynchronous runtime with Tokio's API and its own engine."]

mod base;
pub mod config;
mod engine;
pub mod io;
pub mod task;
