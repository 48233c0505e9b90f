//! What tells one task from another, for people: its number, where it was spawned, and its name if it has one.
//!
//! Next file to read: `error.rs`.
#![forbid(unsafe_code)]

use std::panic::Location;

use super::Id;

/// What a task is spawned with besides its future.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) id: Id,
    pub(crate) location: &'static Location<'static>,
    name: Option<Box<Name>>,
}

/// Boxed twice, so that a task without a name, as nearly all are, has one pointer for it.
#[derive(Debug)]
struct Name(Box<str>);

impl Meta {
    /// A new task, spawned by the caller of the caller.
    #[track_caller]
    #[inline]
    pub(crate) fn here() -> Self {
        Self::at(Location::caller())
    }

    #[inline]
    pub(crate) fn at(location: &'static Location<'static>) -> Self {
        Self { id: Id::next(), location, name: None }
    }

    pub(crate) fn named(mut self, name: Option<&str>) -> Self {
        self.name = name.map(|name| Box::new(Name(name.into())));
        self
    }

    #[inline]
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref().map(|name| &*name.0)
    }
}
