//! Why a task has no output.
//!
//! Next file to read: `abort.rs`.
#![forbid(unsafe_code)]

use std::any::Any;
use std::fmt;
use std::io;

use super::Id;
use super::join::Payload;

/// A task ended without an output: it panicked, or it was cancelled.
///
/// # Examples
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// let error = rt.block_on(async {
///     let task = runtime::spawn(std::future::pending::<()>());
///     task.abort();
///     task.await.unwrap_err()
/// });
/// assert!(error.is_cancelled());
/// ```
pub struct JoinError {
    reason: Reason,
    id: Id,
}

enum Reason {
    Cancelled,
    Panic(Payload),
}

impl JoinError {
    pub(super) fn cancelled(id: Id) -> Self {
        Self { reason: Reason::Cancelled, id }
    }

    pub(super) fn panic(id: Id, payload: Box<dyn Any + Send + 'static>) -> Self {
        Self { reason: Reason::Panic(Payload::new(payload)), id }
    }

    /// Whether the task was cancelled: by an abort, or because its runtime shut down.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.reason, Reason::Cancelled)
    }

    /// Whether the task panicked.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// let error = rt.block_on(async { runtime::spawn(async { panic!("boom") }).await.unwrap_err() });
    /// assert!(error.is_panic());
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panic(_))
    }

    /// What the task panicked with, as [`std::thread::JoinHandle::join`] would return it.
    ///
    /// # Panics
    ///
    /// When the task did not panic. [`try_into_panic`](Self::try_into_panic) does not.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// let error = rt.block_on(async { runtime::spawn(async { panic!("boom") }).await.unwrap_err() });
    /// if error.is_panic() {
    ///     // Let the panic go on where the task was waited for.
    ///     std::panic::resume_unwind(error.into_panic());
    /// }
    /// ```
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("`JoinError` reason is not a panic. Ask `is_panic` first")
    }

    /// What the task panicked with.
    ///
    /// # Errors
    ///
    /// The error itself, when the task did not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// let error = rt.block_on(async { runtime::spawn(async { panic!("boom") }).await.unwrap_err() });
    /// let payload = error.try_into_panic().unwrap();
    /// assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.reason {
            Reason::Panic(payload) => Ok(payload.into_inner()),
            Reason::Cancelled => Err(self),
        }
    }

    /// The [`Id`] of the task.
    pub fn id(&self) -> Id {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id;
        match &self.reason {
            Reason::Cancelled => write!(f, "task {id} was cancelled"),
            Reason::Panic(payload) => match payload.message() {
                Some(message) => write!(f, "task {id} panicked with message {message:?}"),
                None => write!(f, "task {id} panicked"),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id;
        match &self.reason {
            Reason::Cancelled => write!(f, "JoinError::Cancelled({id:?})"),
            Reason::Panic(payload) => match payload.message() {
                Some(message) => write!(f, "JoinError::Panic({id:?}, {message:?}, ...)"),
                None => write!(f, "JoinError::Panic({id:?}, ...)"),
            },
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        io::Error::other(match error.reason {
            Reason::Cancelled => "task was cancelled",
            Reason::Panic(_) => "task panicked",
        })
    }
}
