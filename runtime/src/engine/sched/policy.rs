//! The four things in which the flavours differ: the worker's own queue, where more work is found, whom to wake
//! for new work, and how many workers there are.
//!
//! Everything else (the turn, the poll, the sleep, spawning, shutting down) is written once, over this trait. It is
//! a type parameter and never a trait object: the hot path has no dynamic call.
//!
//! Next file to read: `engine/sched/shared.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::time::Instant;

use super::Notified;
use super::core::Core;
use super::queue::LocalQueue;
use super::shared::Shared;
use super::tls::Here;
use super::worker::Worker;
use crate::engine::driver::timer::TimerRegistry;

pub(crate) trait Policy: fmt::Debug + Send + Sync + Sized + 'static {
    /// A worker's own queue.
    type Queue: LocalQueue<Notified> + fmt::Debug;

    /// The worker of this flavour that this thread is, if it is one.
    fn here(here: Here<'_>) -> Option<&Worker<Self>>;

    /// Takes from the global queue.
    fn take_global(shared: &Shared<Self>, core: &mut Core<Self>) -> Option<Notified>;

    /// Looks for work with the other workers. The worker may count as searching afterwards.
    fn search(shared: &Shared<Self>, core: &mut Core<Self>) -> Option<Notified>;

    /// The worker has work, and searches no longer.
    fn found_work(shared: &Shared<Self>, core: &mut Core<Self>);

    /// A worker has put work on its own queue that another could take.
    fn pushed_locally(shared: &Shared<Self>, core: &Core<Self>);

    /// Somebody has put work into the global queue.
    fn pushed_globally(shared: &Shared<Self>);

    /// Whether something is ready that is in no worker's queue.
    fn has_other_work(shared: &Shared<Self>) -> bool;

    /// When the timers are due of workers that are in a long poll, and cannot fire them themselves.
    fn overdue_soon(shared: &Shared<Self>, timers: &TimerRegistry) -> Option<Instant>;
}
