//! Giving up one's turn.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::engine::sched;

/// Lets other tasks run before this one goes on.
///
/// The task is polled again after its worker has looked for I/O and timers. In which order tasks run meanwhile is
/// not promised.
///
/// Where another executor polls this with a waker of its own, as its `block_on` does inside of a task, that waker is woken
/// at once: nothing else of the runtime can run on the thread before that executor returns. A combinator that gives its
/// futures wakers of their own passes the wake-up on to the task, and then the promise above holds.
///
/// # Cancel safety
///
/// Cancel safe: there is nothing to lose.
///
/// ```
/// # runtime::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let other = runtime::spawn(async {});
/// runtime::task::yield_now().await;
/// assert!(other.is_finished());
/// # });
/// ```
pub async fn yield_now() {
    YieldNow { yielded: false }.await;
}

struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        sched::wake_after_look(cx.waker());
        Poll::Pending
    }
}
