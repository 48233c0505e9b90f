//! The doorway under loom's model checker.

pub(crate) use loom::sync::{Arc, MutexGuard, RwLockReadGuard};
pub(crate) use loom::{hint, thread};

/// The threads of a model are all on one of the system's, so that its locals would be everybody's.
macro_rules! model_local {
    ($(#[$attr:meta])* static $name:ident: $type:ty = const $init:block; $($rest:tt)*) => {
        ::loom::thread_local! { $(#[$attr])* static $name: $type = $init }
        $crate::base::prim::thread_local! { $($rest)* }
    };
    () => {};
}
pub(crate) use model_local as thread_local;

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::*;
}

use std::sync::PoisonError;
use std::time::Duration;

/// See the standard-library half.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[allow(dead_code, reason = "a facade offers both halves, std's and loom's, in full")]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// loom's own waits for the holder, and so does this one: a caller that finds the lock taken is not modelled.
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        Some(self.lock())
    }
}

/// See the standard-library half.
#[derive(Debug)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the standard-library half. loom's own `try_lock` waits for the holder, so a flag says first whether there is one.
#[derive(Debug)]
pub(crate) struct TryLock<T> {
    held: atomic::AtomicBool,
    value: Mutex<T>,
}

/// Holds a [`TryLock`].
pub(crate) struct TryLockGuard<'a, T> {
    value: Option<MutexGuard<'a, T>>,
    held: &'a atomic::AtomicBool,
}

impl<T> TryLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { held: atomic::AtomicBool::new(false), value: Mutex::new(value) }
    }

    pub(crate) fn try_lock(&self) -> Option<TryLockGuard<'_, T>> {
        self.held.compare_exchange(false, true, atomic::Ordering::Acquire, atomic::Ordering::Relaxed).ok()?;
        Some(TryLockGuard { value: Some(self.value.lock()), held: &self.held })
    }
}

impl<T> std::ops::Deref for TryLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("held until it is dropped")
    }
}

impl<T> std::ops::DerefMut for TryLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("held until it is dropped")
    }
}

impl<T> Drop for TryLockGuard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        self.held.store(false, atomic::Ordering::Release);
    }
}

/// See the standard-library half.
#[derive(Debug, Default)]
pub(crate) struct Condvar(loom::sync::Condvar);

#[allow(dead_code, reason = "a facade offers both halves, std's and loom's, in full")]
impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// loom has no clock: a timed wait is a wait that only a notification ends.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _limit: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        (self.wait(guard), false)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// See the standard-library half.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

/// Runs a concurrency test: here, once for each interleaving.
#[cfg(test)]
pub(crate) fn model(f: impl Fn() + Sync + Send + 'static) {
    model_within(usize::MAX, f);
}

/// As [`model`], for a test so large that more preemptions than these would take too long.
#[cfg(test)]
pub(crate) fn model_within(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(3).min(preemptions));
    // The default is for tests of a few dozen steps.
    builder.max_branches = builder.max_branches.max(10_000);
    builder.check(f);
}
