//! Nothing is told.
#![forbid(unsafe_code)]

use std::time::Duration;

use super::About;

/// A future with its span: without one.
pub(crate) type Traced<F> = F;

/// The span of a task: none.
#[derive(Debug)]
pub(crate) struct SpanId;

impl SpanId {
    pub(crate) const NONE: Self = Self;

    #[inline(always)]
    pub(crate) fn waker(&self, _op: &'static str) {}
}

/// The size of a future as its caller gave it: of no interest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OriginalSize;

impl OriginalSize {
    #[inline(always)]
    #[allow(clippy::extra_unused_type_parameters, reason = "the other file asks for its size")]
    pub(crate) fn of<F>() -> Self {
        Self
    }
}

#[inline(always)]
pub(crate) fn task<'a, F>(
    future: F,
    _kind: &'static str,
    _original_size: OriginalSize,
    _about: impl FnOnce() -> About<'a>,
) -> (Traced<F>, SpanId) {
    (future, SpanId)
}

#[inline(always)]
#[allow(clippy::extra_unused_type_parameters, reason = "the other file tells its name")]
pub(crate) fn blocking<'a, Function, F>(
    future: F,
    _size: usize,
    _about: impl FnOnce() -> About<'a>,
) -> (Traced<F>, SpanId) {
    (future, SpanId)
}

#[inline(always)]
pub(crate) fn stuck_poll(_worker: usize, _running_for: Duration, _about: About<'_>) {}
