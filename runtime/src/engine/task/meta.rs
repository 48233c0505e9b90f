//! What tells one task from another, for people: its number, where it was spawned, and its name if it has one.
//!
//! Next file to read: `error.rs`.
#![forbid(unsafe_code)]

use std::panic::Location;

use super::Id;
use crate::base::trace::{self, About, OriginalSize, SpanId, Traced};

/// What a task is spawned with besides its future.
#[derive(Debug)]
pub(crate) struct Meta {
    pub(crate) id: Id,
    pub(crate) location: &'static Location<'static>,
    name: Option<Box<Name>>,
    /// For whoever uses its wakers.
    pub(super) span: SpanId,
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
        Self { id: Id::next(), location, name: None, span: SpanId::NONE }
    }

    pub(crate) fn named(mut self, name: Option<&str>) -> Self {
        self.name = name.map(|name| Box::new(Name(name.into())));
        self
    }

    /// Puts a job of the blocking pool into its span. The closure was given as a `Function`; `size` is that of the closure,
    /// or of its box.
    #[inline(always)]
    pub(crate) fn trace_blocking<Function, F>(mut self, future: F, size: usize) -> (Traced<F>, Self) {
        let (future, span) = trace::blocking::<Function, F>(future, size, || self.about());
        self.span = span;
        (future, self)
    }

    /// What is told of it.
    fn about(&self) -> About<'_> {
        About { id: self.id.as_u64(), name: self.name(), location: self.location }
    }

    #[inline]
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref().map(|name| &*name.0)
    }
}

/// What a task is spawned with, for the way from the function that a caller calls to where the task is made.
#[derive(Debug)]
pub(crate) struct SpawnMeta {
    meta: Meta,
    original_size: OriginalSize,
}

impl SpawnMeta {
    /// Of a future of type `F`, which may be boxed on the way, spawned by the caller of the caller.
    #[track_caller]
    #[inline]
    pub(crate) fn of<F>() -> Self {
        Self { meta: Meta::here(), original_size: OriginalSize::of::<F>() }
    }

    pub(crate) fn named(self, name: Option<&str>) -> Self {
        Self { meta: self.meta.named(name), ..self }
    }

    /// Puts the future into the task's span. `kind` is as in [`trace`].
    #[inline(always)]
    pub(crate) fn trace<F>(self, future: F, kind: &'static str) -> (Traced<F>, Meta) {
        let Self { mut meta, original_size } = self;
        let (future, span) = trace::task(future, kind, original_size, || meta.about());
        meta.span = span;
        (future, meta)
    }
}
