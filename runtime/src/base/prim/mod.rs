//! The one doorway to threads, locks and atomics.
//!
//! Everything in this crate that two threads may touch is built from what this module exports, so that the
//! same source runs on the standard library and, under `--cfg rt_loom`, inside loom's model checker. `model`
//! is part of the doorway: a concurrency test is written once and is exhaustive under loom, and a stress loop
//! on real threads otherwise.
//!
//! Next file to read: `base/park.rs`.

#[cfg(rt_loom)]
mod loom;
#[cfg(rt_loom)]
pub(crate) use self::loom::*;

#[cfg(not(rt_loom))]
mod std;
#[cfg(not(rt_loom))]
pub(crate) use self::std::*;

/// Pads to a cache line, so that two threads' counters do not share one.
pub(crate) use crossbeam_utils::CachePadded;

/// The standard library's counted pointer in either world, for what loom's cannot be: a callback behind a trait object
/// and a waker. Nothing is modelled through it.
pub(crate) use ::std::sync::Arc as PlainArc;
