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

/// A function that is `const`, but in a model, where locks and atomics are made at run time.
macro_rules! const_unless_model {
    ($(#[$attr:meta])* $visibility:vis fn $($rest:tt)*) => {
        #[cfg(not(rt_loom))]
        $(#[$attr])*
        $visibility const fn $($rest)*

        #[cfg(rt_loom)]
        $(#[$attr])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_unless_model;

/// Pads to a cache line, so that two threads' counters do not share one.
pub(crate) use crossbeam_utils::CachePadded;

/// The standard library's cell in either world, for a value of a user's whose references outlive a closure. A model that is
/// to see who touches the value when puts a cell of its own inside.
pub(crate) use ::std::cell::UnsafeCell as PlainUnsafeCell;

/// The standard library's counted pointer in either world, for what loom's cannot be: a callback behind a trait object
/// and a waker. Nothing is modelled through it.
pub(crate) use ::std::sync::Arc as PlainArc;
