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
//! How a task whose budget is spent comes back is the scheduler's business: it installs a function on its threads
//! ([`set_defer`]) that takes the wakers of its own tasks and wakes them after it has looked at the driver. Any other
//! waker is woken at once, because nobody knows who waits for it: a combinator, or another executor whose `block_on`
//! was called inside of the task. The poll of the task does not end before that `block_on` does, so a budget that is
//! spent would never be renewed. Therefore [`MAX_REFUSALS`] refusals in one poll renew it.
//!
//! The public face of this module is `task::coop`. Next file to read: `base/clock.rs`.

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::prim::thread_local;

/// Operations that one poll of a task may do. Tokio's figure, so that programs tuned for it behave alike.
const PER_POLL: u8 = 128;

/// So many refusals in one poll of a task, all with wakers that are not the task's own, renew the budget. A combinator
/// that was refused returns sooner, as a rule. An executor that does not return polls in vain so many times for each
/// budget.
const MAX_REFUSALS: u8 = 32;

/// Stands for units without a limit.
const UNLIMITED: u8 = u8::MAX;

/// What one poll may still do. Both fields are read and written together: two bytes, aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(2))]
struct Budget {
    /// Operations that are left, or [`UNLIMITED`].
    units: u8,
    /// Operations that were refused. Zero: this poll has not been counted as a forced yield.
    refusals: u8,
}

impl Budget {
    const FULL: Budget = Budget { units: PER_POLL, refusals: 0 };
    const UNCONSTRAINED: Budget = Budget { units: UNLIMITED, refusals: 0 };

    fn has_remaining(self) -> bool {
        self.units != 0
    }
}

/// Takes a waker, to wake it when the running task may be polled again. `false`: the caller wakes it at once.
pub(crate) type Defer = fn(&Waker) -> bool;

struct Local {
    budget: Cell<Budget>,
    forced_yields: Cell<u32>,
    defer: Cell<Defer>,
}

/// The [`Defer`] of threads without a scheduler.
pub(crate) fn defer_nothing(_waker: &Waker) -> bool {
    false
}

// Const and without a destructor: reading it is an offset from the thread pointer, and it can be used while the
// thread's other locals are being torn down.
thread_local! {
    static LOCAL: Local = const {
        Local {
            budget: Cell::new(Budget::UNCONSTRAINED),
            forced_yields: Cell::new(0),
            defer: Cell::new(defer_nothing),
        }
    };
}

/// Runs one poll of a task with a full budget.
#[inline]
pub(crate) fn budget<R>(f: impl FnOnce() -> R) -> R {
    with_budget(Budget::FULL, f)
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
            LOCAL.with(|local| local.budget.set(self.0));
        }
    }
    let _restore = Restore(LOCAL.with(|local| local.budget.replace(budget)));
    f()
}

/// Installs what defers wakers on this thread. Returns the former one, to be put back.
pub(crate) fn set_defer(defer: Defer) -> Defer {
    LOCAL.with(|local| local.defer.replace(defer))
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
/// Returns `Pending` when none is left. The task has then been scheduled to be polled again, after its worker has looked
/// for I/O and timers, and the caller must return `Pending` too. Otherwise returns a guard that gives the unit back when it is dropped, unless
/// [`RestoreOnPending::made_progress`] was called on it.
///
/// The guard puts back the budget *as it was before this call*: other units spent while the guard was alive are
/// forgotten with it, unless there was progress.
///
/// With a waker that is not the task's own, as combinators and other executors make them, that waker is woken at once. An
/// executor that blocks the thread inside of a task polls on without returning to the runtime, and is not held up by the
/// task's budget: after 32 refusals in one poll of the task the budget is full again.
///
/// # Examples
///
/// A future from elsewhere that takes part in cooperative scheduling:
///
/// ```
/// use runtime::task::coop;
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::task::{Context, Poll, Waker, ready};
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
        match before.units {
            UNLIMITED => {}
            0 => {
                refuse(local, cx.waker());
                return Poll::Pending;
            }
            units => local.budget.set(Budget { units: units - 1, ..before }),
        }
        Poll::Ready(RestoreOnPending { before: Cell::new(before.units), not_send: PhantomData })
    })
}

/// The one place that makes a task whose budget is spent come back.
#[cold]
fn refuse(local: &Local, waker: &Waker) {
    let Budget { refusals, .. } = local.budget.get();
    if refusals == 0 {
        local.forced_yields.set(local.forced_yields.get().saturating_add(1));
    }
    let is_deferred = (local.defer.get())(waker);
    // Before the waker is woken: it is foreign code, which may poll.
    local.budget.set(if is_deferred {
        Budget { units: 0, refusals: refusals.max(1) }
    } else if refusals + 1 < MAX_REFUSALS {
        Budget { units: 0, refusals: refusals + 1 }
    } else {
        Budget { units: PER_POLL, refusals: 1 }
    });
    if !is_deferred {
        waker.wake_by_ref();
    }
}

/// One unit of budget, given back on drop unless progress was reported. Made by [`poll_proceed`].
#[must_use = "dropping it at once gives the unit of budget back"]
pub struct RestoreOnPending {
    /// The units to put back; the mark for 'no limit' means nothing.
    before: Cell<u8>,
    /// It belongs to the thread whose budget it took from.
    not_send: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// Says that the operation made progress: the unit is spent for good.
    #[inline]
    pub fn made_progress(&self) {
        self.before.set(UNLIMITED);
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        let units = self.before.get();
        if units != UNLIMITED {
            LOCAL.with(|local| {
                let now = local.budget.get();
                // Larger if it was renewed meanwhile. What was refused stays counted: else a future that needs several
                // units at once could be refused for ever.
                local.budget.set(Budget { units: now.units.max(units), ..now });
            });
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
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

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

    fn units() -> u8 {
        LOCAL.with(|local| local.budget.get().units)
    }

    /// Installs a function that defers wakers, until it is dropped.
    struct Deferring(Defer);

    impl Deferring {
        fn with(defer: Defer) -> Self {
            Self(set_defer(defer))
        }
    }

    impl Drop for Deferring {
        fn drop(&mut self) {
            set_defer(self.0);
        }
    }

    /// Polls `future` in one poll of a task, as an executor does that does not return. Returns the number of polls.
    fn poll_to_the_end(future: impl Future, waker: &Waker) -> usize {
        let mut future = pin!(future);
        let mut polls = 1;
        budget(|| {
            while future.as_mut().poll(&mut Context::from_waker(waker)).is_pending() {
                polls += 1;
                assert!(polls < 1_000_000, "refused for ever");
            }
        });
        polls
    }

    async fn operations(count: usize) {
        for _ in 0..count {
            poll_fn(|cx| poll_proceed(cx).map(|unit| unit.made_progress())).await;
        }
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
    fn a_deferred_waker_is_not_woken_and_never_renews_the_budget() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let cx = &mut Context::from_waker(&waker);
        let _deferring = Deferring::with(|_| true);
        take_forced_yields();
        budget(|| {
            spend(cx, PER_POLL);
            for _ in 0..10 * usize::from(MAX_REFUSALS) {
                assert!(poll_proceed(cx).is_pending());
            }
        });
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert_eq!(take_forced_yields(), 1);
    }

    #[test]
    fn who_polls_on_without_returning_is_refused_so_often_and_then_has_a_full_budget() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        take_forced_yields();
        let per_budget = usize::from(PER_POLL);
        let refusals = |operations: usize| (operations - 1) / per_budget * usize::from(MAX_REFUSALS);
        for operations_done in [1, per_budget, per_budget + 1, 2 * per_budget, 1000] {
            count.0.store(0, Ordering::Relaxed);
            let expected = refusals(operations_done);
            // The second budget needs one refusal less: the poll is marked as counted by one.
            let saved = ((operations_done - 1) / per_budget).saturating_sub(1);
            let polls = poll_to_the_end(operations(operations_done), &waker);
            assert_eq!(polls - 1, expected - saved, "{operations_done} operations");
            assert_eq!(count.0.load(Ordering::Relaxed), polls - 1, "each refusal wakes");
            assert_eq!(take_forced_yields(), u32::from(expected > 0), "one for each poll of a task");
        }
    }

    #[test]
    fn a_waker_that_polls_in_place_does_not_recurse_for_ever() {
        struct PollsInPlace(AtomicUsize);
        impl Wake for PollsInPlace {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
                let waker = Waker::from(self);
                if let Poll::Ready(unit) = poll_proceed(&mut Context::from_waker(&waker)) {
                    unit.made_progress();
                }
            }
        }
        let polls = Arc::new(PollsInPlace(AtomicUsize::new(0)));
        let waker = Waker::from(polls.clone());
        let cx = &mut Context::from_waker(&waker);
        budget(|| {
            spend(cx, PER_POLL);
            assert!(poll_proceed(cx).is_pending());
        });
        assert_eq!(polls.0.load(Ordering::Relaxed), usize::from(MAX_REFUSALS));
    }

    /// A wrapper takes the last unit and gives it back each time, because the future inside of it is refused.
    #[test]
    fn a_future_that_needs_several_units_at_once_is_not_refused_for_ever() {
        for first in [0, 1] {
            let work = async {
                operations(first).await;
                for _ in 0..1000 {
                    cooperative(pin!(operations(2))).await;
                }
            };
            poll_to_the_end(work, Waker::noop());
        }
    }

    #[test]
    fn a_unit_without_progress_comes_back() {
        let cx = &mut Context::from_waker(Waker::noop());
        budget(|| {
            drop(poll_proceed(cx));
            assert_eq!(units(), PER_POLL);
            spend(cx, 1);
            assert_eq!(units(), PER_POLL - 1);
            // A nested poll of another task has a budget of its own.
            budget(|| {
                spend(cx, 7);
                assert_eq!(units(), PER_POLL - 7);
            });
            assert_eq!(units(), PER_POLL - 1);
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
        assert_eq!(units(), UNLIMITED);
    }

    #[test]
    fn a_panic_puts_the_outer_budget_back() {
        let result = std::panic::catch_unwind(|| budget(|| panic!("boom")));
        assert!(result.is_err());
        assert_eq!(units(), UNLIMITED);
    }

    #[test]
    fn a_cooperative_future_spends_on_completion_only() {
        let cx = &mut Context::from_waker(Waker::noop());
        budget(|| {
            let mut never = cooperative(std::future::pending::<()>());
            assert!(Pin::new(&mut never).poll(cx).is_pending());
            assert_eq!(units(), PER_POLL);
            let mut ready = cooperative(std::future::ready(7));
            assert_eq!(Pin::new(&mut ready).poll(cx), Poll::Ready(7));
            assert_eq!(units(), PER_POLL - 1);
        });
    }
}
