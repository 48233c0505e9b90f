//! The clock in a test's hand: pausing it, moving it.
//!
//! Next file to read: `base/clock.rs`.

#![forbid(unsafe_code)]

use std::time::Duration;

use crate::base::clock::{Clock, ever_paused};
use crate::context;

/// The time, by the clock of the current runtime if there is one.
#[inline]
pub(super) fn now() -> std::time::Instant {
    if ever_paused() { now_here() } else { std::time::Instant::now() }
}

#[cold]
fn now_here() -> std::time::Instant {
    context::with_current(|handle| handle.services().clock.now())
        .unwrap_or_else(|_| std::time::Instant::now())
}

/// The clock of the current runtime.
#[track_caller]
fn clock() -> Clock {
    match context::with_current(|handle| handle.services().clock.clone()) {
        Ok(clock) => clock,
        Err(error) if error.is_missing_context() => panic!(
            "time cannot be frozen from outside the Tokio runtime: pause, resume and advance a runtime's clock in its \
             context"
        ),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn check(result: Result<(), &'static str>) {
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// Pauses the clock of the current runtime.
///
/// [`Instant::now`](super::Instant::now) then stands still, until [`advance`] moves it or the runtime does: **when it
/// has nothing else to do, it moves the clock to the next timer**. So a test that sleeps for hours is done at once,
/// all deadlines are met exactly, and timers fire in the order of their deadlines, ties in the order in which they
/// began to wait.
///
/// A job in [`spawn_blocking`](crate::task::spawn_blocking) is something to do: while one runs, the runtime does not move
/// the clock. Waiting for a socket is not.
///
/// To have the clock paused from the start, see
/// [`Builder::start_paused`](crate::runtime::Builder::start_paused).
///
/// # Panics
///
/// When there is no current runtime, when that is not a `current_thread` one, and when its clock is paused already.
///
/// # Examples
///
/// ```
/// use runtime::time::{self, Duration, Instant};
///
/// let rt = runtime::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// rt.block_on(async {
///     time::pause();
///     let start = Instant::now();
///     time::sleep(Duration::from_secs(3600)).await;
///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// });
/// ```
#[track_caller]
pub fn pause() {
    check(clock().pause());
    // The thread that drives the runtime may be asleep until a deadline, to which the clock now is to be moved.
    wake_driving_thread();
}

/// Lets the clock of the current runtime run on from where it stands.
///
/// # Panics
///
/// When there is no current runtime, and when its clock is not paused.
///
/// # Examples
///
/// ```
/// use runtime::time::{self, Duration, Instant};
///
/// let rt = runtime::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
/// rt.block_on(async {
///     let paused = Instant::now();
///     time::resume();
///     while Instant::now() == paused {}
/// });
/// ```
#[track_caller]
pub fn resume() {
    check(clock().resume());
    // The thread that drives the runtime may be asleep without a limit, since no timer came nearer while the clock stood.
    wake_driving_thread();
}

fn wake_driving_thread() {
    // There is one: its clock has just been found.
    let _ = context::with_current(|handle| handle.sched().wake_all());
}

/// Moves the paused clock of the current runtime forward, in one jump.
///
/// All timers whose deadlines are passed by it are fired, and then other tasks get a turn. Whether those that were woken
/// have run when this returns is not said: to let time pass and see everything happen in its order,
/// [`sleep`](super::sleep()) instead, and leave the moving of the clock to the runtime.
///
/// # Panics
///
/// When there is no current runtime, when its clock is not paused, and when the system has no instant that is that far
/// off.
///
/// # Cancel safety
///
/// The clock is moved by the first poll; dropped after it, only the turn for others is given up.
///
/// # Examples
///
/// ```
/// use runtime::time::{self, Duration, Instant};
///
/// let rt = runtime::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
/// rt.block_on(async {
///     let start = Instant::now();
///     time::advance(Duration::from_millis(10)).await;
///     assert_eq!(start.elapsed(), Duration::from_millis(10));
/// });
/// ```
pub async fn advance(duration: Duration) {
    check(clock().advance(duration));
    let timers = context::with_current(|handle| handle.services().registries.timers.clone());
    if let Ok(Some(timers)) = timers {
        for shard in 0..timers.shards() {
            timers.fire(shard);
        }
    }
    crate::task::yield_now().await;
}
