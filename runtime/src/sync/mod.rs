//! Passing values and signals between tasks.
//!
//! What is here waits through the waker of whoever polls it: it works on any executor, and between threads that are
//! in no runtime.
//!
//! Next file to read: `semaphore/mod.rs`.

mod access;
mod barrier;
pub mod broadcast;
mod event;
pub mod mpsc;
mod mutex;
mod notify;
mod once_cell;
pub mod oneshot;
mod rwlock;
mod semaphore;
mod set_once;
#[cfg(test)]
mod tests;
pub mod watch;
mod write_once;

pub use self::barrier::{Barrier, BarrierWaitResult};
pub use self::mutex::{
    MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard, TryLockError,
};
pub use self::notify::Notify;
pub use self::once_cell::{OnceCell, SetError};
pub use self::rwlock::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockWriteGuard,
};
pub use self::semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};
pub use self::set_once::{SetOnce, SetOnceError};

pub mod futures {
    //! Futures with names of their own, for those who have to store one.

    pub use super::notify::{Notified, OwnedNotified};
}
