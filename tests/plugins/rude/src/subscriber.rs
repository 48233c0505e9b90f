//! A tracing subscriber of the plug-in's own, for the whole of its copy of the world.
#![forbid(unsafe_code)]

use tracing_core::span::{Attributes, Current, Id, Record};
use tracing_core::{Dispatch, Event, Metadata, Subscriber, dispatcher};

/// Hears everything and says nothing.
#[derive(Debug)]
struct Deaf;

impl Subscriber for Deaf {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn current_span(&self) -> Current {
        Current::none()
    }
}

/// Makes it the global one. Prints whether it was the first.
pub(crate) fn install() {
    let is_first = dispatcher::set_global_default(Dispatch::new(Deaf)).is_ok();
    println!("rude: the subscriber is {}", if is_first { "installed" } else { "not the first" });
}
