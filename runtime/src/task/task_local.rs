//! Values that belong to a task, wherever it is polled.
//!
//! A value lives in its [`TaskLocalFuture`]; for the time of each poll it changes places with what the thread has. So
//! it moves with the future from thread to thread, and scopes lie one in the other.
//!
//! Next file to read: `task/join_set/mod.rs`.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// Declares keys of values that belong to a task.
///
/// Each is a [`LocalKey`]. It has a value only inside of one of its scopes.
///
/// ```
/// runtime::task_local! {
///     /// Whose request this is.
///     static USER: String;
///     pub static DEPTH: u32;
/// }
///
/// # runtime::runtime::Runtime::new().unwrap().block_on(async {
/// let greeting = USER.scope("Ann".to_owned(), async { USER.with(|user| format!("Hello, {user}")) }).await;
/// assert_eq!(greeting, "Hello, Ann");
/// assert!(USER.try_with(String::len).is_err());
/// # });
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};

    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty $(; $($rest:tt)*)?) => {
        $(#[$attr])*
        $vis static $name: $crate::task::LocalKey<$t> = {
            ::std::thread_local! {
                static SLOT: ::std::cell::RefCell<::std::option::Option<$t>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey::__new(SLOT)
        };
        $($crate::task_local!($($rest)*);)?
    };
}

/// A key of a value that belongs to a task. Made by [`task_local!`](crate::task_local).
///
/// The value is set by [`scope`](Self::scope) for a future, or by [`sync_scope`](Self::sync_scope) for a call, and
/// cannot be changed but by another scope inside. Tasks that are spawned inside of a scope do not inherit it.
///
/// ```
/// runtime::task_local! { static REQUEST: u32; }
///
/// # runtime::runtime::Runtime::new().unwrap().block_on(async {
/// let tasks = [1, 2].map(|n| {
///     runtime::spawn(REQUEST.scope(n, async {
///         runtime::task::yield_now().await;
///         REQUEST.get()
///     }))
/// });
/// for (task, n) in tasks.into_iter().zip([1, 2]) {
///     assert_eq!(task.await.unwrap(), n);
/// }
/// # });
/// ```
pub struct LocalKey<T: 'static> {
    /// The value of the innermost scope that runs on this thread.
    slot: thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// For the macro alone.
    #[doc(hidden)]
    pub const fn __new(slot: thread::LocalKey<RefCell<Option<T>>>) -> Self {
        Self { slot }
    }

    /// Gives the key a value whenever `f` is polled, and while it is dropped.
    ///
    /// When the future is done, the value stays in it until it is dropped or taken with
    /// [`TaskLocalFuture::take_value`].
    ///
    /// # Panics
    ///
    /// The future panics when it is polled inside of a [`with`](Self::with) of the same key.
    pub fn scope<F: Future>(&'static self, value: T, f: F) -> TaskLocalFuture<T, F> {
        TaskLocalFuture { key: self, value: Some(value), future: Some(f), _pinned: PhantomPinned }
    }

    /// Gives the key a value for the time of a call.
    ///
    /// ```
    /// runtime::task_local! { static NUMBER: u32; }
    ///
    /// let twice = NUMBER.sync_scope(21, || 2 * NUMBER.get());
    /// assert_eq!(twice, 42);
    /// ```
    ///
    /// # Panics
    ///
    /// Inside of a [`with`](Self::with) of the same key, and on a thread whose thread-local storage has been
    /// destroyed.
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut value = Some(value);
        match Scope::enter(self, &mut value) {
            Ok(_scope) => f(),
            Err(closed) => panic!("{closed}"),
        }
    }

    /// Runs `f` with the value.
    ///
    /// # Panics
    ///
    /// Outside of the key's scopes.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(AccessError { .. }) => panic!(
                "cannot access a task-local storage value without setting it first: with `scope` around the future, \
                 or `sync_scope` around the call"
            ),
        }
    }

    /// Runs `f` with the value.
    ///
    /// # Errors
    ///
    /// Outside of the key's scopes; `f` is not called then.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        // No scope runs on a thread whose locals are destroyed. Nothing runs while the slot is borrowed mutably.
        let result = self.slot.try_with(|slot| slot.borrow().as_ref().map(f));
        result.ok().flatten().ok_or(AccessError { _private: () })
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the value.
    ///
    /// # Panics
    ///
    /// Outside of the key's scopes.
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the value.
    ///
    /// # Errors
    ///
    /// Outside of the key's scopes.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("LocalKey { .. }")
    }
}

/// While it lives, the value is in the thread's slot, and what was there is where the value was.
struct Scope<'a, T: 'static> {
    key: &'static LocalKey<T>,
    value: &'a mut Option<T>,
}

impl<'a, T: 'static> Scope<'a, T> {
    fn enter(key: &'static LocalKey<T>, value: &'a mut Option<T>) -> Result<Self, Closed> {
        swap(key, value)?;
        Ok(Self { key, value })
    }
}

impl<T: 'static> Drop for Scope<'_, T> {
    fn drop(&mut self) {
        // It could be entered, so the slot is there; and whoever borrowed it meanwhile did so within a call of ours.
        let _ = swap(self.key, self.value);
    }
}

fn swap<T: 'static>(key: &'static LocalKey<T>, value: &mut Option<T>) -> Result<(), Closed> {
    key.slot
        .try_with(|slot| match slot.try_borrow_mut() {
            Ok(mut slot) => {
                mem::swap(&mut *slot, value);
                Ok(())
            }
            Err(_) => Err(Closed::Borrowed),
        })
        .unwrap_or(Err(Closed::Destroyed))
}

/// Why a scope cannot be entered.
enum Closed {
    Borrowed,
    Destroyed,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Borrowed => {
                "cannot enter a task-local scope while the task-local storage is borrowed: leave the `with` of the \
                 same key first"
            }
            Self::Destroyed => {
                "cannot enter a task-local scope during or after destruction of the underlying thread-local"
            }
        })
    }
}

pin_project! {
    /// A future in a scope of a [`LocalKey`]. Made by [`LocalKey::scope`].
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        value: Option<T>,
        #[pin]
        future: Option<F>,
        // As in Tokio, so that no code comes to depend on its being `Unpin`.
        #[pin]
        _pinned: PhantomPinned,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some()
                && let Ok(_scope) = Scope::enter(this.key, this.value)
            {
                this.future.set(None);
            }
            // Where the scope cannot be entered, the future is dropped without it.
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out. From then on the future runs without it.
    ///
    /// ```
    /// runtime::task_local! { static NUMBER: u32; }
    ///
    /// # runtime::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut future = std::pin::pin!(NUMBER.scope(7, async { NUMBER.get() }));
    /// assert_eq!(future.as_mut().await, 7);
    /// assert_eq!(future.take_value(), Some(7));
    /// # });
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _scope = match Scope::enter(this.key, this.value) {
            Ok(scope) => scope,
            Err(closed) => panic!("{closed}"),
        };
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("`TaskLocalFuture` polled after completion");
        };
        let poll = future.poll(cx);
        if poll.is_ready() {
            // Dropped while the value is set.
            this.future.set(None);
        }
        poll
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value: &dyn fmt::Debug = match &self.value {
            Some(value) => value,
            None => &format_args!("<missing>"),
        };
        f.debug_struct("TaskLocalFuture").field("value", value).finish()
    }
}

/// A key had no value: this was outside of its scopes. Returned by [`LocalKey::try_with`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError {
    _private: (),
}

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("task-local value not set")
    }
}

impl Error for AccessError {}
