//! Running one future on this thread, with nothing else to drive.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::coop;
use super::park::Parker;
use super::spin::Spinner;

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
