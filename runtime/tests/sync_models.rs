//! Every primitive of `sync` beside a sequential model, under random operations, polls and cancellations.
//!
//! Futures are polled in a random order, with wakers that count, and dropped between any two polls. After each step the
//! primitive and its model must agree on all that can be seen, and a future that waits although it could go on must
//! have been woken.

#[path = "sync_support/broadcast.rs"]
mod broadcast;
#[path = "sync_support/loan.rs"]
mod loan;
#[path = "sync_support/locks.rs"]
mod locks;
#[path = "sync_support/mpsc.rs"]
mod mpsc;
#[path = "sync_support/permits.rs"]
mod permits;
#[path = "sync_support/signals.rs"]
mod signals;
#[path = "sync_support/tasks.rs"]
mod tasks;
