//! The spans and events.
#![forbid(unsafe_code)]

use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::{Span, trace, trace_span};

use super::Kind;
use crate::base::panic::swallow;

/// Makes a span with the target of a kind. The target of a span is a part of the place that makes it, and so cannot be
/// a value.
macro_rules! by_kind {
    ($kind:expr, $span:ident) => {
        match $kind {
            Kind::Interval => $span!("tokio::time::interval", "Interval", "timer"),
            Kind::Oneshot => $span!("tokio::sync::oneshot", "Sender|Receiver", "Sync"),
            Kind::Sleep => $span!("tokio::time::sleep", "Sleep", "timer"),
        }
    };
}

/// The span of a resource.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    kind: Kind,
    span: Span,
}

// The feature shall change no auto trait of the types that have one. A subscriber that panics leaves the span as it was.
impl UnwindSafe for Resource {}
impl RefUnwindSafe for Resource {}

impl Resource {
    pub(crate) fn new(kind: Kind, location: &'static Location<'static>) -> Self {
        macro_rules! resource {
            ($target:literal, $type:literal, $kind:literal) => {
                trace_span!(
                    target: $target,
                    parent: None,
                    "runtime.resource",
                    concrete_type = $type,
                    kind = $kind,
                    loc.file = location.file(),
                    loc.line = location.line(),
                    loc.col = location.column(),
                )
            };
        }
        Self { kind, span: by_kind!(kind, resource) }
    }

    /// What is told by `f` is told of this resource.
    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        self.span.in_scope(f)
    }

    /// What is polled again and again, by the name of the function that began it.
    pub(crate) fn op(&self, source: &'static str) -> Op {
        macro_rules! op {
            ($target:literal, $type:literal, $kind:literal) => {{
                let op =
                    trace_span!(target: $target, parent: &self.span, "runtime.resource.async_op", source);
                let poll = trace_span!(target: $target, parent: &op, "runtime.resource.async_op.poll");
                Op { op, poll }
            }};
        }
        by_kind!(self.kind, op)
    }

    /// As [`op`](Self::op), but made inside of the resource's span: where Tokio does so, the same is told.
    pub(crate) fn op_in_scope(&self, source: &'static str) -> Op {
        macro_rules! op {
            ($target:literal, $type:literal, $kind:literal) => {{
                let op =
                    self.in_scope(|| trace_span!(target: $target, "runtime.resource.async_op", source));
                let poll =
                    op.in_scope(|| trace_span!(target: $target, "runtime.resource.async_op.poll"));
                Op { op, poll }
            }};
        }
        by_kind!(self.kind, op)
    }

    /// Lets a future that one call makes tell of its polls.
    pub(crate) fn async_op<F>(&self, source: &'static str, op_name: &'static str, future: F) -> Telling<F> {
        let op = self.in_scope(|| {
            trace_span!(
                target: "tokio::util::trace",
                "runtime.resource.async_op",
                source,
                inherits_child_attrs = false,
            )
        });
        let poll =
            op.in_scope(|| trace_span!(target: "tokio::util::trace", "runtime.resource.async_op.poll"));
        Telling { future, op: Op { op, poll }, resource: self.clone(), op_name }
    }

    /// A part of the resource that tells, within the resource's span, when it is dropped.
    pub(crate) fn on_drop(&self, tell: fn()) -> OnDrop {
        OnDrop { resource: self.clone(), tell: Some(tell) }
    }
}

/// The spans of an operation.
#[derive(Debug)]
pub(crate) struct Op {
    op: Span,
    poll: Span,
}

// As above.
impl UnwindSafe for Op {}
impl RefUnwindSafe for Op {}

impl Op {
    /// Runs a poll inside of the spans. The resource is that of the operation.
    pub(crate) fn in_poll<R>(&self, resource: &Resource, f: impl FnOnce() -> R) -> R {
        resource.in_scope(|| self.op.in_scope(|| self.poll.in_scope(f)))
    }
}

pin_project! {
    /// A future that tells of its polls. Made by [`Resource::async_op`].
    pub(crate) struct Telling<F> {
        #[pin]
        future: F,
        op: Op,
        resource: Resource,
        op_name: &'static str,
    }
}

impl<F: Future> Future for Telling<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.op.in_poll(this.resource, || poll_op(this.op_name, this.future.poll(cx)))
    }
}

/// Tells that it is dropped. Made by [`Resource::on_drop`].
#[derive(Debug)]
pub(crate) struct OnDrop {
    resource: Resource,
    tell: Option<fn()>,
}

impl OnDrop {
    pub(crate) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Its drop is nothing to tell any more.
    pub(crate) fn disarm(&mut self) {
        self.tell = None;
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(tell) = self.tell {
            // It may be dropped by an unwinding, which a panic of the subscriber must not leave.
            swallow(|| self.resource.in_scope(tell));
        }
    }
}

/// A poll has returned.
pub(crate) fn poll_op<T>(op_name: &'static str, poll: Poll<T>) -> Poll<T> {
    trace!(target: "runtime::resource::poll_op", op_name, is_ready = poll.is_ready());
    poll
}

/// A part of the state of the resource whose span this thread is in has changed.
macro_rules! state_update {
    ($state:ident = $value:expr $(, unit: $unit:literal)?) => {
        ::tracing::trace!(
            target: "runtime::resource::state_update",
            $state = $value,
            $($state.unit = $unit,)?
            $state.op = "override",
        )
    };
    ($state:ident = $value:expr, unit: $unit:literal, if $condition:expr) => {
        if $condition {
            state_update!($state = $value, unit: $unit);
        }
    };
}
pub(crate) use state_update;
