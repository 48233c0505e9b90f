//! What a `tracing` subscriber is told of the resources that tasks wait for, where the feature `tracing` is on. Else this is
//! nothing at all.
//!
//! | what | target | fields |
//! |---|---|---|
//! | span `runtime.resource`, a root | that of the resource's [`Kind`] | `concrete_type`, `kind`, `loc.*` |
//! | span `runtime.resource.async_op`, its child | the same, or `tokio::util::trace` for a method | `source` |
//! | span `runtime.resource.async_op.poll`, a child of that | the same | |
//! | event: a poll has returned | `runtime::resource::poll_op` | `op_name`, `is_ready` |
//! | event: the resource's state has changed | `runtime::resource::state_update` | the name of the state, and with it `.op`, `.unit` |
//!
//! A poll is inside of all three spans. The names are those that console-subscriber looks for, and that Tokio gives.
//!
//! Two files with the same functions stand behind it. To let another type tell: a line in [`Kind`] and in `by_kind!`, a
//! [`Resource`] in the type, and an [`Op`] or [`Resource::async_op`] around what is polled.

#[cfg(feature = "tracing")]
mod on;
#[cfg(feature = "tracing")]
pub(crate) use on::{OnDrop, Op, Resource, poll_op, state_update};

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(not(feature = "tracing"))]
pub(crate) use off::{OnDrop, Op, Resource, poll_op, state_update};

/// What a resource is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Interval,
    Oneshot,
    Sleep,
}
