//! Passing values and signals between tasks.
//!
//! What is here waits through the waker of whoever polls it: it works on any executor, and between threads that are
//! in no runtime.
//!
//! Next file to read: `oneshot/mod.rs`.

pub mod oneshot;
