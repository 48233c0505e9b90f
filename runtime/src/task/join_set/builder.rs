//! Tasks of a set, with settings of their own.
//!
//! Next file to read: `task/builder.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::io;

use super::JoinSet;
use crate::base::boxing::box_if_large;
use crate::context;
use crate::engine::task::AbortHandle;
use crate::handle::Handle;
use crate::task::{self, LocalSet, local};

/// As [`task::Builder`], for a task of a set. Made by [`JoinSet::build_task`].
#[must_use = "it does nothing until a task is spawned with it"]
pub struct Builder<'a, T> {
    set: &'a mut JoinSet<T>,
    builder: task::Builder<'a>,
}

impl<'a, T: 'static> Builder<'a, T> {
    pub(super) fn new(set: &'a mut JoinSet<T>) -> Self {
        Self { set, builder: task::Builder::new() }
    }

    /// Names the task.
    pub fn name(self, name: &'a str) -> Self {
        Self { builder: self.builder.name(name), ..self }
    }

    /// As [`JoinSet::spawn`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// When this thread has no current runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let meta = self.builder.meta::<F>();
        let task = box_if_large!(future future: F => context::spawn(future, meta));
        Ok(self.set.insert(task))
    }

    /// As [`JoinSet::spawn_on`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let meta = self.builder.meta::<F>();
        let task = box_if_large!(future future: F => handle.spawn_as(future, meta));
        Ok(self.set.insert(task))
    }

    /// As [`JoinSet::spawn_blocking`], with an error where that panics.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    ///
    /// # Panics
    ///
    /// When this thread has no current runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let meta = self.builder.blocking_meta();
        let spawned = box_if_large!(closure f: F => context::spawn_blocking::<F, _, _>(f, meta));
        Ok(self.set.insert(spawned?))
    }

    /// As [`JoinSet::spawn_blocking_on`], with an error where that panics.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let meta = self.builder.blocking_meta();
        let spawned = box_if_large!(closure f: F => handle.spawn_blocking_as::<F, _, _>(f, meta));
        Ok(self.set.insert(spawned?))
    }
}

impl<T: 'static> Builder<'_, T> {
    /// As [`JoinSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalRuntime` and a [`LocalSet`].
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let meta = self.builder.meta::<F>();
        let task = box_if_large!(future future: F => local::spawn_local_as(future, meta));
        Ok(self.set.insert(task))
    }

    /// As [`JoinSet::spawn_local_on`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let meta = self.builder.meta::<F>();
        let task = box_if_large!(future future: F => local_set.spawn_as(future, meta));
        Ok(self.set.insert(task))
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("join_set::Builder").field("set", &self.set).field("builder", &self.builder).finish()
    }
}
