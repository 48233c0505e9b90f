//! Passing values and signals between tasks.
//!
//! What is here waits through the waker of whoever polls it: it works on any executor, and between threads that are
//! in no runtime.
//!
//! Next file to read: `semaphore/mod.rs`.

mod access;
mod mutex;
pub mod oneshot;
mod rwlock;
mod semaphore;
#[cfg(test)]
mod tests;

pub use self::mutex::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use self::rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockWriteGuard,
};
pub use self::semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};
