//! Tasks with settings of their own.
//!
//! Next file to read: `task/local.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;

use super::local::{self, LocalSet};
use crate::base::boxing::box_if_large;
use crate::context;
use crate::engine::task::{JoinHandle, Meta, SpawnMeta};
use crate::handle::Handle;

/// Spawns a task with settings of its own: today, a name.
///
/// The name is for people. It stands in the task's debug output and in what reports say about tasks.
///
/// ```
/// # runtime::runtime::Runtime::new().unwrap().block_on(async {
/// let task = runtime::task::Builder::new().name("adder").spawn(async { 1 + 1 }).unwrap();
/// assert_eq!(task.await.unwrap(), 2);
/// # });
/// ```
#[derive(Debug, Default)]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// A builder of a task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the task.
    #[must_use]
    pub fn name(&self, name: &'a str) -> Self {
        Self { name: Some(name) }
    }

    /// As [`spawn`](crate::task::spawn).
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// When this thread has no current runtime.
    #[track_caller]
    pub fn spawn<Fut>(self, future: Fut) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        Ok(box_if_large!(future future: Fut => context::spawn(future, self.meta::<Fut>())))
    }

    /// As [`Handle::spawn`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_on<Fut>(self, future: Fut, handle: &Handle) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        Ok(box_if_large!(future future: Fut => handle.spawn_as(future, self.meta::<Fut>())))
    }

    /// As [`spawn_blocking`](crate::task::spawn_blocking), with an error where that panics.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    ///
    /// # Panics
    ///
    /// When this thread has no current runtime.
    #[track_caller]
    pub fn spawn_blocking<Function, Output>(self, function: Function) -> io::Result<JoinHandle<Output>>
    where
        Function: FnOnce() -> Output + Send + 'static,
        Output: Send + 'static,
    {
        let meta = self.blocking_meta();
        box_if_large!(
            closure function: Function => context::spawn_blocking::<Function, _, _>(function, meta)
        )
    }

    /// As [`Handle::spawn_blocking`], with an error where that panics.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    #[track_caller]
    pub fn spawn_blocking_on<Function, Output>(
        self,
        function: Function,
        handle: &Handle,
    ) -> io::Result<JoinHandle<Output>>
    where
        Function: FnOnce() -> Output + Send + 'static,
        Output: Send + 'static,
    {
        let meta = self.blocking_meta();
        box_if_large!(
            closure function: Function => handle.spawn_blocking_as::<Function, _, _>(function, meta)
        )
    }

    /// As [`spawn_local`](crate::task::spawn_local).
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// Outside of a `LocalRuntime` and a [`LocalSet`].
    #[track_caller]
    pub fn spawn_local<Fut>(self, future: Fut) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(box_if_large!(future future: Fut => local::spawn_local_as(future, self.meta::<Fut>())))
    }

    /// As [`LocalSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_local_on<Fut>(self, future: Fut, local_set: &LocalSet) -> io::Result<JoinHandle<Fut::Output>>
    where
        Fut: Future + 'static,
        Fut::Output: 'static,
    {
        Ok(box_if_large!(future future: Fut => local_set.spawn_as(future, self.meta::<Fut>())))
    }

    #[track_caller]
    pub(super) fn meta<Fut>(&self) -> SpawnMeta {
        SpawnMeta::of::<Fut>().named(self.name)
    }

    #[track_caller]
    pub(super) fn blocking_meta(&self) -> Meta {
        Meta::here().named(self.name)
    }
}
