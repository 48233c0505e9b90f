//! Running one future on this thread, with nothing else to drive.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::park::Parker;
use super::spin::Spinner;
use super::{coop, enter};

/// Polls the future until it is done; between polls this thread sleeps, after a spin of at most `spin` if that pays.
pub(crate) fn block_on<F: Future>(future: F, spin: Duration) -> F::Output {
    let mut spinner = Spinner::new(spin);
    let parker = Parker::new();
    let waker = parker.unparker().into_waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = coop::budget(|| future.as_mut().poll(&mut cx)) {
            return output;
        }
        parker.spin_then_park(&mut spinner, None);
    }
}

/// Waits for the future by blocking this thread, for callers that are in no runtime.
///
/// # Panics
/// On a thread that drives a runtime.
#[track_caller]
pub(crate) fn blocking<F: Future>(future: F) -> F::Output {
    assert!(
        !enter::is_entered(),
        "Cannot block the current thread from within a runtime. This happens because a function attempted to block the \
         current thread while the thread is being used to drive asynchronous tasks. Use the asynchronous method and \
         `.await`, or call this inside `spawn_blocking`."
    );
    block_on(future, Duration::ZERO)
}
