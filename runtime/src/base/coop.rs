//! The cooperative budget: how much a task may do in one poll before it has to let others run.
//!
//! A future that is always ready never returns `Pending` by itself, and would keep its worker for ever. So each
//! poll of a task starts with a budget of [`PER_POLL`] operations. Leaf operations (a receive, a read, a timer)
//! take one each through [`poll_proceed`]. When none is left they answer `Pending` after arranging for the task
//! to be polled again, and the task gives up its turn without knowing.
//!
//! An operation that turns out to be `Pending` for its own reasons gives its unit back: the guard that
//! [`poll_proceed`] returns restores the budget unless told that there was progress. Outside of a task
//! there is no limit.
//!
//! The public face of this module is `task::coop`. Next file to read: `base/clock.rs`.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::prim::thread_local;

/// Operations that one poll of a task may do. Tokio's figure, so that programs tuned for it behave alike.
const PER_POLL: u8 = 128;

/// What is left: a count, or one of two marks above any count. One byte, so that entering and leaving
/// a poll costs two byte stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget(u8);

impl Budget {
    /// Nothing left, and an operation has been refused: this yield has been counted.
    const REFUSED: Budget = Budget(PER_POLL + 1);
    /// No limit.
    const UNCONSTRAINED: Budget = Budget(u8::MAX);

    fn has_remaining(self) -> bool {
        self.0 != 0 && self != Self::REFUSED
    }
}

struct Local {
    budget: Cell<Budget>,
    forced_yields: Cell<u32>,
}

// Const and without a destructor: reading it is an offset from the thread pointer, and it can be used while the
// thread's other locals are being torn down.
thread_local! {
    static LOCAL: Local = const {
        Local { budget: Cell::new(Budget::UNCONSTRAINED), forced_yields: Cell::new(0) }
    };
}

/// Runs one poll of a task with a full budget.
#[inline]
pub(crate) fn budget<R>(f: impl FnOnce() -> R) -> R {
    with_budget(Budget(PER_POLL), f)
}

/// Runs `f` without a limit, and puts the caller's budget back.
#[inline]
pub(crate) fn with_unconstrained<R>(f: impl FnOnce() -> R) -> R {
    with_budget(Budget::UNCONSTRAINED, f)
}

#[inline]
fn with_budget<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    /// A guard, so that a panic in `f` does not leave its budget behind.
    struct Restore(Budget);
    impl Drop for Restore {
        #[inline]
        fn drop(&mut self) {
            set_current(self.0);
        }
    }
    let _restore = Restore(LOCAL.with(|local| local.budget.replace(budget)));
    f()
}

#[inline]
fn set_current(budget: Budget) {
    LOCAL.with(|local| local.budget.set(budget));
}

/// How often since the last call tasks on this thread were made to yield by a spent budget. At most one is
/// counted for each poll of a task.
#[inline]
pub(crate) fn take_forced_yields() -> u32 {
    LOCAL.with(|local| local.forced_yields.replace(0))
}

/// Whether the running task has budget left; `true` outside of a task.
///
/// A future that wraps another one can tell by this whether its inner future returned `Pending` because the budget
/// ran out, and then look at its own side, which would be refused too, through [`unconstrained`]. That is how
/// `time::timeout` stays a limit on a future that is always busy.
///
/// [`unconstrained`]: fn@crate::task::coop::unconstrained
///
/// # Examples
///
/// ```
/// use runtime::task::coop;
///
/// // No task is running here, so nothing is limited.
/// assert!(coop::has_budget_remaining());
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    LOCAL.with(|local| local.budget.get().has_remaining())
}

/// Takes one unit of the running task's budget.
///
/// Returns `Pending` when none is left. The task has then been scheduled to be polled again, and the caller must
/// return `Pending` too. Otherwise returns a guard that gives the unit back when it is dropped, unless
/// [`RestoreOnPending::made_progress`] was called on it.
///
/// The guard puts back the budget *as it was before this call*: other units spent while the guard was alive are
/// forgotten with it, unless there was progress.
///
/// # Examples
///
/// A future from elsewhere that takes part in cooperative scheduling:
///
/// ```
/// use runtime::task::coop;
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::task::{Context, Poll, ready};
///
/// struct Cooperating<F>(Pin<Box<F>>);
///
/// impl<F: Future> Future for Cooperating<F> {
///     type Output = F::Output;
///
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
///         let unit = ready!(coop::poll_proceed(cx));
///         let output = ready!(self.0.as_mut().poll(cx));
///         unit.made_progress();
///         Poll::Ready(output)
///     }
/// }
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    LOCAL.with(|local| {
        let before = local.budget.get();
        match before {
            Budget::UNCONSTRAINED => {}
            _ if before.has_remaining() => local.budget.set(Budget(before.0 - 1)),
            _ => {
                if before != Budget::REFUSED {
                    local.budget.set(Budget::REFUSED);
                    local.forced_yields.set(local.forced_yields.get().saturating_add(1));
                }
                poll_again(cx);
                return Poll::Pending;
            }
        }
        Poll::Ready(RestoreOnPending { before: Cell::new(before), not_send: PhantomData })
    })
}

/// The one place that makes a task whose budget is spent come back.
#[cold]
fn poll_again(cx: &mut Context<'_>) {
    cx.waker().wake_by_ref();
}

/// One unit of budget, given back on drop unless progress was reported. Made by [`poll_proceed`].
#[must_use = "dropping it at once gives the unit of budget back"]
pub struct RestoreOnPending {
    /// What to put back; the mark for 'no limit' means nothing.
    before: Cell<Budget>,
    /// It belongs to the thread whose budget it took from.
    not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// Says that the operation made progress: the unit is spent for good.
    #[inline]
    pub fn made_progress(&self) {
        self.before.set(Budget::UNCONSTRAINED);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        let before = self.before.get();
        if before != Budget::UNCONSTRAINED {
            set_current(before);
        }
    }
}

impl fmt::Debug for RestoreOnPending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreOnPending").finish_non_exhaustive()
    }
}

pin_project! {
    /// A future made to take part in cooperative scheduling. Made by [`cooperative`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Coop<F: Future> {
        #[pin]
        pub(crate) fut: F,
    }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(poll_proceed(cx));
        let output = ready!(self.project().fut.poll(cx));
        unit.made_progress();
        Poll::Ready(output)
    }
}

/// Makes a future take part in cooperative scheduling.
///
/// Each poll needs a unit of the task's budget (else it yields), and the poll that completes spends it. The
/// leaf futures of this crate do so by themselves; this is for leaf futures that come from elsewhere.
///
/// # Cancel safety
///
/// As cancel safe as the inner future: the wrapper keeps no state of its own.
///
/// # Examples
///
/// ```
/// use runtime::task::coop::cooperative;
///
/// async fn receive(foreign: impl Future<Output = u32>) -> u32 {
///     cooperative(foreign).await
/// }
/// ```
#[inline]
pub fn cooperative<F: Future>(fut: F) -> Coop<F> {
    Coop { fut }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn spend(cx: &mut Context<'_>, units: u8) {
        for _ in 0..units {
            match poll_proceed(cx) {
                Poll::Ready(unit) => unit.made_progress(),
                Poll::Pending => panic!("refused before the budget was spent"),
            }
        }
    }

    fn current() -> Budget {
        LOCAL.with(|local| local.budget.get())
    }

    #[test]
    fn a_spent_budget_refuses_wakes_and_is_counted_once() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let cx = &mut Context::from_waker(&waker);
        take_forced_yields();
        budget(|| {
            spend(cx, PER_POLL);
            assert!(!has_budget_remaining());
            assert_eq!(take_forced_yields(), 0, "spending the last unit is not yet a yield");
            for wakes in 1..=3 {
                assert!(poll_proceed(cx).is_pending());
                assert_eq!(count.0.load(Ordering::Relaxed), wakes);
            }
        });
        assert_eq!(take_forced_yields(), 1);
        assert_eq!(take_forced_yields(), 0);
        assert!(has_budget_remaining());
    }

    #[test]
    fn a_unit_without_progress_comes_back() {
        let cx = &mut Context::from_waker(Waker::noop());
        budget(|| {
            drop(poll_proceed(cx));
            assert_eq!(current(), Budget(PER_POLL));
            spend(cx, 1);
            assert_eq!(current(), Budget(PER_POLL - 1));
            // A nested poll of another task has a budget of its own.
            budget(|| {
                spend(cx, 7);
                assert_eq!(current(), Budget(PER_POLL - 7));
            });
            assert_eq!(current(), Budget(PER_POLL - 1));
        });
    }

    #[test]
    fn no_limit_outside_of_tasks_and_when_lifted() {
        let cx = &mut Context::from_waker(Waker::noop());
        spend(cx, 200);
        budget(|| {
            spend(cx, PER_POLL);
            with_unconstrained(|| spend(cx, 200));
            assert!(poll_proceed(cx).is_pending());
        });
        assert_eq!(current(), Budget::UNCONSTRAINED);
    }

    #[test]
    fn a_panic_puts_the_outer_budget_back() {
        let result = std::panic::catch_unwind(|| budget(|| panic!("boom")));
        assert!(result.is_err());
        assert_eq!(current(), Budget::UNCONSTRAINED);
    }

    #[test]
    fn a_cooperative_future_spends_on_completion_only() {
        let cx = &mut Context::from_waker(Waker::noop());
        budget(|| {
            let mut never = cooperative(std::future::pending::<()>());
            assert!(Pin::new(&mut never).poll(cx).is_pending());
            assert_eq!(current(), Budget(PER_POLL));
            let mut ready = cooperative(std::future::ready(7));
            assert_eq!(Pin::new(&mut ready).poll(cx), Poll::Ready(7));
            assert_eq!(current(), Budget(PER_POLL - 1));
        });
    }
}
