//! Nothing is told.
#![forbid(unsafe_code)]

use std::panic::Location;
use std::task::Poll;

use super::Kind;

/// The span of a resource: none.
#[derive(Clone, Debug)]
pub(crate) struct Resource;

impl Resource {
    #[inline(always)]
    pub(crate) fn new(_kind: Kind, _location: &'static Location<'static>) -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    pub(crate) fn op(&self, _source: &'static str) -> Op {
        Op
    }

    #[inline(always)]
    pub(crate) fn op_in_scope(&self, _source: &'static str) -> Op {
        Op
    }

    #[inline(always)]
    pub(crate) fn async_op<F>(&self, _source: &'static str, _op_name: &'static str, future: F) -> F {
        future
    }

    #[inline(always)]
    pub(crate) fn on_drop(&self, _tell: fn()) -> OnDrop {
        OnDrop
    }
}

/// The spans of an operation: none.
#[derive(Debug)]
pub(crate) struct Op;

impl Op {
    #[inline(always)]
    pub(crate) fn in_poll<R>(&self, _resource: &Resource, f: impl FnOnce() -> R) -> R {
        f()
    }
}

/// Would tell that it is dropped.
#[derive(Debug)]
pub(crate) struct OnDrop;

impl OnDrop {
    #[inline(always)]
    pub(crate) fn resource(&self) -> &Resource {
        &Resource
    }

    #[inline(always)]
    pub(crate) fn disarm(&mut self) {}
}

#[inline(always)]
pub(crate) fn poll_op<T>(_op_name: &'static str, poll: Poll<T>) -> Poll<T> {
    poll
}

/// The value is not even computed.
macro_rules! state_update {
    ($state:ident = $value:expr $(, unit: $unit:literal)? $(, if $condition:expr)?) => {
        if false $(&& $condition)? {
            let _ = $value;
        }
    };
}
pub(crate) use state_update;
