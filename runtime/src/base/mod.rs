//! T0: what every other tier stands on. Nothing here knows of tasks, schedulers or drivers.

#[allow(dead_code, reason = "a slot for one waiter, for channels to come")]
pub(crate) mod atomic_waker;
pub(crate) mod block_on;
pub(crate) mod boxing;
pub(crate) mod clock;
pub(crate) mod coop;
pub(crate) mod enter;
pub(crate) mod home;
pub(crate) mod interest;
pub(crate) mod list;
pub(crate) mod panic;
pub(crate) mod park;
pub(crate) mod prim;
pub(crate) mod rand;
pub(crate) mod short_lock;
pub(crate) mod spin;
pub(crate) mod trace;
pub(crate) mod wait_queue;
pub(crate) mod wake_list;

/// What timers and sockets say whose runtime has ended: Tokio's sentence, which programs compare.
pub(crate) const SHUT_DOWN: &str = "A Tokio 1.x context was found, but it is being shutdown.";
