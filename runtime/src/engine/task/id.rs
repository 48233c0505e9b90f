//! The number of a task, and which task runs on this thread.
//!
//! Next file to read: `meta.rs`.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
// Not through the doorway: a counter that hands out numbers orders nothing, and a model of it would be a static.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that no other task of this process has had or will have.
///
/// Numbers say nothing about the order of spawning, the runtime or anything else. [`id`] gives that of the running
/// task, [`JoinHandle::id`] and [`AbortHandle::id`] give that of any task.
///
/// # Examples
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// rt.block_on(async {
///     let task = runtime::spawn(async { runtime::task::id() });
///     let outside = task.id();
///     assert_eq!(task.await.unwrap(), outside);
/// });
/// ```
///
/// [`JoinHandle::id`]: crate::task::JoinHandle::id
/// [`AbortHandle::id`]: crate::task::AbortHandle::id
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

/// How many numbers a thread takes at once, so that threads that spawn seldom meet at the counter.
const BLOCK: u64 = 256;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

struct Local {
    current: Cell<Option<Id>>,
    next: Cell<u64>,
    /// The first number beyond this thread's block.
    end: Cell<u64>,
}

// Const and without a destructor: it can be used while the thread's other locals are torn down.
thread_local! {
    static LOCAL: Local = const { Local { current: Cell::new(None), next: Cell::new(0), end: Cell::new(0) } };
}

impl Id {
    /// One of the numbers below `bound`, a different one for neighbours.
    pub(crate) fn spread(self, bound: usize) -> usize {
        self.0.get() as usize % bound
    }

    /// A new number.
    #[inline]
    pub(crate) fn next() -> Self {
        LOCAL.with(|local| {
            if local.next.get() == local.end.get() {
                // 2^64 numbers last for longer than any process, even when each thread wastes most of a block.
                let start = NEXT_BLOCK.fetch_add(BLOCK, Relaxed);
                local.next.set(start);
                local.end.set(start + BLOCK);
            }
            let number = local.next.get();
            local.next.set(number + 1);
            Self(NonZeroU64::new(number).expect("the first block begins at 1"))
        })
    }
}

impl Id {
    /// The number itself, for reports.
    #[inline]
    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The [`Id`] of the running task.
///
/// # Panics
///
/// Outside of a task. The future given to `block_on` is not a task. [`try_id`] does not panic.
///
/// # Examples
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// rt.block_on(async {
///     runtime::spawn(async { println!("this is task {}", runtime::task::id()) }).await.unwrap();
/// });
/// ```
#[track_caller]
pub fn id() -> Id {
    try_id().expect("Can't get a task id when not inside a task; the future of `block_on` is none. `try_id` does not panic")
}

/// The [`Id`] of the running task, or `None` outside of a task.
///
/// # Examples
///
/// ```
/// assert!(runtime::task::try_id().is_none());
/// ```
pub fn try_id() -> Option<Id> {
    LOCAL.with(|local| local.current.get())
}

/// While it lives, `id` is the task that runs on this thread.
pub(super) struct Current(Option<Id>);

impl Current {
    #[inline]
    pub(super) fn set(id: Id) -> Self {
        Self(LOCAL.with(|local| local.current.replace(Some(id))))
    }
}

impl Drop for Current {
    #[inline]
    fn drop(&mut self) {
        LOCAL.with(|local| local.current.set(self.0));
    }
}
