//! Which runtime is the current one on this thread.
//!
//! `spawn`, sockets and timers belong to the current runtime. A thread of a runtime has it as its current one for
//! life; `Runtime::block_on` and `Handle::enter` make one current for a while.
//!
//! Next file to read: `handle.rs`.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::base::coop;
use crate::base::enter::{self, CannotStepOut, Entered};
use crate::base::prim::Arc;
use crate::engine::driver::io::IoRegistry;
use crate::engine::driver::timer::TimerRegistry;
use crate::engine::sched::{self, SchedRef};
use crate::engine::task::{JoinHandle, Meta, SpawnMeta};
use crate::handle::Handle;

thread_local! {
    /// The runtimes that were made current and still are, the current one last. Counted, so that foreign code can run on
    /// one and enter another meanwhile.
    static ENTERED: RefCell<Vec<Rc<Handle>>> = const { RefCell::new(Vec::new()) };
}

// Const and without a destructor: it can be read while the thread's other locals are torn down.
thread_local! {
    /// The number of the scheduler that has started this thread, or 0.
    static STARTED_BY: Cell<u64> = const { Cell::new(0) };
}

/// Makes a runtime the current one of this thread until it is dropped.
///
/// Guards end in the reverse order of their making. See [`Handle::enter`](crate::runtime::Handle::enter).
///
/// # Panics
///
/// When it is dropped before a guard that was made after it.
#[must_use = "the runtime is the current one only while this guard lives"]
pub struct EnterGuard<'a> {
    _leave: Leave,
    of: PhantomData<&'a Handle>,
}

/// Restores the former current runtime when it is dropped.
///
/// It has no lifetime, and the guard around it no `Drop` of its own: so the end of the guard's scope is no use of what it
/// borrows, and the runtime can be shut down there.
struct Leave {
    /// How many had been entered when this was.
    depth: usize,
    /// It belongs to its thread, and can be looked at from everywhere.
    not_send: PhantomData<std::sync::MutexGuard<'static, ()>>,
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish_non_exhaustive()
    }
}

impl Drop for Leave {
    #[track_caller]
    fn drop(&mut self) {
        // A thread that is being torn down has no current runtime to restore.
        let ended = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            if entered.len() == self.depth { entered.pop() } else { None }
        });
        // Its drop may be the runtime's last reference and run foreign code: nothing is borrowed here.
        if let Ok(None) = ended
            && !std::thread::panicking()
        {
            panic!(
                "`EnterGuard` values dropped out of order. Guards returned by `tokio::runtime::Handle::enter()` must \
                 be dropped in the reverse order as they were acquired."
            );
        }
    }
}

/// Makes a runtime the current one.
#[track_caller]
pub(crate) fn set_current(handle: &Handle) -> EnterGuard<'_> {
    match try_set_current(handle) {
        Some(guard) => guard,
        None => panic!("{}", TryCurrentError { kind: Kind::ThreadLocalDestroyed }),
    }
}

/// Makes a runtime the current one, unless the thread is being torn down.
pub(crate) fn try_set_current(handle: &Handle) -> Option<EnterGuard<'_>> {
    let handle = Rc::new(handle.clone());
    ENTERED
        .try_with(|entered| {
            let mut entered = entered.borrow_mut();
            entered.push(handle);
            EnterGuard { _leave: Leave { depth: entered.len(), not_send: PhantomData }, of: PhantomData }
        })
        .ok()
}

/// Runs `f` with the current runtime.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(&Handle) -> R) -> Result<R, TryCurrentError> {
    let handle = match ENTERED.try_with(|entered| entered.borrow().last().cloned()) {
        Ok(Some(handle)) => handle,
        Ok(None) => return Err(TryCurrentError { kind: Kind::NoContext }),
        Err(_) => return Err(TryCurrentError { kind: Kind::ThreadLocalDestroyed }),
    };
    Ok(f(&handle))
}

/// Runs `f` with the current runtime, or panics with what to do about there being none.
#[inline]
#[track_caller]
pub(crate) fn expect_current<R>(f: impl FnOnce(&Handle) -> R) -> R {
    match with_current(f) {
        Ok(result) => result,
        Err(error) => panic!("{error}"),
    }
}

/// Whether what this thread drives would stand still without it, so that it may never block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alone {
    Yes,
    No,
}

/// Drives a future: makes this thread one that is inside of the runtime.
#[track_caller]
pub(crate) fn block_on<R>(handle: &Handle, alone: Alone, f: impl FnOnce() -> R) -> R {
    let _entered = enter_or_panic(alone);
    let _current = set_current(handle);
    f()
}

#[track_caller]
fn enter_or_panic(alone: Alone) -> Entered {
    // A closure would be the caller that the panic names.
    match enter::try_enter(alone == Alone::No) {
        Some(entered) => entered,
        None => panic!(
            "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) attempted \
             to block the current thread while the thread is being used to drive asynchronous tasks. If you are in an \
             async function, use `.await` on the future instead of blocking on it. Elsewhere `spawn` the future, or \
             call `block_on` inside `spawn_blocking`."
        ),
    }
}

/// Runs code that blocks, for which this thread leaves what it drives to others.
#[track_caller]
pub(crate) fn block_in_place<R>(f: impl FnOnce() -> R) -> R {
    if sched::is_attending() {
        // A worker cannot be left in the middle of that. It stays inside, so that a `block_on` in there, which might
        // wait for the events that this worker holds, is refused instead.
        return sched::aside(|| coop::with_unconstrained(f));
    }
    let _out = match enter::step_out() {
        Ok(out) => out,
        Err(CannotStepOut::IsOutside) => return f(),
        Err(CannotStepOut::Forbidden) => panic!(
            "can call blocking only when running on the multi-threaded runtime: a current_thread runtime, a \
             LocalRuntime and a LocalSet have no other thread that could go on with their tasks. Use `spawn_blocking`, \
             or a multi_thread runtime"
        ),
    };
    sched::aside(|| coop::with_unconstrained(f))
}

/// Whether this thread belongs to a runtime, which ends only after it.
pub(crate) fn is_thread_of(sched: &SchedRef) -> bool {
    STARTED_BY.get() == sched.number()
}

/// What a worker's thread does around its whole life.
pub(crate) fn around_worker(sched: &SchedRef, f: &mut dyn FnMut()) {
    STARTED_BY.set(sched.number());
    block_on(&Handle::new(sched.clone()), Alone::No, f);
}

/// What a thread of the blocking pool does around its whole life: it may block, and so is not inside.
pub(crate) fn around_blocking(sched: &SchedRef, f: &mut dyn FnMut()) {
    STARTED_BY.set(sched.number());
    let handle = Handle::new(sched.clone());
    let _current = set_current(&handle);
    f();
}

/// The I/O registry of the current runtime.
///
/// # Panics
///
/// When there is no runtime, or its I/O driver is off.
#[track_caller]
pub(crate) fn io_registry() -> Arc<IoRegistry> {
    // A closure would be the caller that the panic names.
    match expect_current(|handle| handle.services().registries.io.clone()) {
        Some(io) => io,
        None => panic!(
            "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime builder to enable IO. \
             `enable_all` enables timers as well."
        ),
    }
}

/// The timer registry of the current runtime.
///
/// # Panics
///
/// When there is no runtime, or its time driver is off.
#[track_caller]
pub(crate) fn timer_registry() -> Arc<TimerRegistry> {
    // A closure would be the caller that the panic names.
    match expect_current(|handle| handle.services().registries.timers.clone()) {
        Some(timers) => timers,
        None => panic!(
            "A Tokio 1.x context was found, but timers are disabled. Call `enable_time` on the runtime builder to \
             enable timers. `enable_all` enables IO as well."
        ),
    }
}

/// Runs a closure, which was given as a `Function`, on the blocking pool of the current runtime.
#[track_caller]
pub(crate) fn spawn_blocking<Function, F, T>(f: F, meta: Meta) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    expect_current(|handle| handle.spawn_blocking_as::<Function, F, T>(f, meta))
}

/// Spawns a task on the current runtime.
#[track_caller]
pub(crate) fn spawn<F>(future: F, meta: SpawnMeta) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    expect_current(|handle| handle.spawn_as(future, meta))
}

/// There is no current runtime on this thread. Returned by [`Handle::try_current`](crate::runtime::Handle::try_current).
#[derive(Debug)]
pub struct TryCurrentError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    NoContext,
    ThreadLocalDestroyed,
}

impl TryCurrentError {
    /// Whether the thread has not entered a runtime.
    pub fn is_missing_context(&self) -> bool {
        matches!(self.kind, Kind::NoContext)
    }

    /// Whether the thread is ending, and its thread-local storage has been destroyed.
    pub fn is_thread_local_destroyed(&self) -> bool {
        matches!(self.kind, Kind::ThreadLocalDestroyed)
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::NoContext => {
                "there is no reactor running, must be called from the context of a Tokio 1.x runtime: inside of \
                 `block_on` or a task, or under a guard of `Handle::enter`"
            }
            Kind::ThreadLocalDestroyed => {
                "The Tokio context thread-local variable has been destroyed. This thread is ending."
            }
        })
    }
}

impl Error for TryCurrentError {}
