//! The spans and events.
#![forbid(unsafe_code)]

use std::time::Duration;

use tracing::instrument::{Instrument, Instrumented};
use tracing::{Span, trace, trace_span, warn};

use super::About;

/// A future with its span, which is entered for each poll and for the drop.
pub(crate) type Traced<F> = Instrumented<F>;

/// The span of a task, if a subscriber wants it.
#[derive(Debug)]
pub(crate) struct SpanId(Option<tracing::span::Id>);

impl SpanId {
    pub(crate) const NONE: Self = Self(None);

    /// The task's waker is used.
    pub(crate) fn waker(&self, op: &'static str) {
        if let Some(id) = &self.0 {
            trace!(target: "tokio::task::waker", op, task.id = id.into_u64());
        }
    }
}

/// The size of a future as its caller gave it, before it was boxed, if it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginalSize(usize);

impl OriginalSize {
    pub(crate) fn of<F>() -> Self {
        Self(size_of::<F>())
    }
}

pub(crate) fn task<'a, F>(
    future: F,
    kind: &'static str,
    original_size: OriginalSize,
    about: impl FnOnce() -> About<'a>,
) -> (Traced<F>, SpanId) {
    let About { id, name, location } = about();
    let original = (original_size.0 != size_of::<F>()).then_some(original_size.0);
    let span = trace_span!(
        target: "tokio::task",
        parent: None,
        "runtime.spawn",
        %kind,
        task.name = %name.unwrap_or_default(),
        task.id = id,
        original_size.bytes = original,
        size.bytes = size_of::<F>(),
        loc.file = location.file(),
        loc.line = location.line(),
        loc.col = location.column(),
    );
    within(future, span)
}

/// `Function` is the closure as it was given, `size` its size, or that of the box that it was put into.
pub(crate) fn blocking<'a, Function, F>(
    future: F,
    size: usize,
    about: impl FnOnce() -> About<'a>,
) -> (Traced<F>, SpanId) {
    let About { id, name, location } = about();
    let original = (size_of::<Function>() != size).then_some(size_of::<Function>());
    let span = trace_span!(
        target: "tokio::task::blocking",
        "runtime.spawn",
        kind = %"blocking",
        task.name = %name.unwrap_or_default(),
        task.id = id,
        "fn" = %std::any::type_name::<Function>(),
        original_size.bytes = original,
        size.bytes = size,
        loc.file = location.file(),
        loc.line = location.line(),
        loc.col = location.column(),
    );
    within(future, span)
}

fn within<F>(future: F, span: Span) -> (Traced<F>, SpanId) {
    let id = SpanId(span.id());
    (future.instrument(span), id)
}

pub(crate) fn stuck_poll(worker: usize, running_for: Duration, about: About<'_>) {
    let About { id, name, location } = about;
    warn!(
        target: "runtime::stuck_poll",
        worker,
        task.id = id,
        task.name = %name.unwrap_or_default(),
        loc.file = location.file(),
        loc.line = location.line(),
        loc.col = location.column(),
        ?running_for,
        "a poll runs for too long"
    );
}
