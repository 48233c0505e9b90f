//! The state word of a task: six flags and the count of references, changed together.
//!
//! What the flags mean and who may do what in which state is told by the protocol page in [`super`]. Here each
//! change is one function, named in that page's table, and returns what the caller has to do next.
//!
//! Next file to read: `cell.rs`.
#![forbid(unsafe_code)]

use std::fmt;

use crate::base::prim::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};

const RUNNING: usize = 1 << 0;
const COMPLETE: usize = 1 << 1;
const NOTIFIED: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const JOIN_INTEREST: usize = 1 << 4;
const JOIN_WAKER: usize = 1 << 5;

const REF_SHIFT: u32 = 6;
const REF_ONE: usize = 1 << REF_SHIFT;

/// Each flag and its bit, lowest first: what the protocol page must show.
#[cfg(test)]
pub(super) const FLAGS: [(&str, usize); 6] = [
    ("RUNNING", RUNNING),
    ("COMPLETE", COMPLETE),
    ("NOTIFIED", NOTIFIED),
    ("CANCELLED", CANCELLED),
    ("JOIN_INTEREST", JOIN_INTEREST),
    ("JOIN_WAKER", JOIN_WAKER),
];
#[cfg(test)]
pub(super) const REFERENCES: u32 = REF_SHIFT;

/// A new task that an owner's list holds: that reference, the notification's and the join handle's.
const OWNED: usize = (3 * REF_ONE) | NOTIFIED | JOIN_INTEREST;
/// A new task in no list.
const UNOWNED: usize = (2 * REF_ONE) | NOTIFIED | JOIN_INTEREST;

/// The state word.
pub(super) struct State(AtomicUsize);

/// A value that the state word had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot(usize);

/// What a task is at, as far as its state word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for a wake-up.
    Idle,
    /// It has a notification, and waits to be polled.
    Queued,
    /// A thread polls or ends it.
    Running,
    /// It is complete.
    Ended,
}

/// After [`State::start_poll`], for the bearer of the notification.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The future is yours: poll it. Your reference is now that of the running task.
    Poll,
    /// The future is yours: drop it and complete the task as cancelled. Your reference as above.
    Cancel,
    /// Somebody cancels the task or has completed it. Your reference is spent.
    Gone,
    /// As `Gone`, and it was the last reference.
    Dealloc,
}

/// After [`State::finish_poll`], for the one that polled.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// The task waits for a wake-up. Your reference is spent.
    Idle,
    /// It was woken meanwhile: your reference is a notification, queue it.
    Again,
    /// It was aborted meanwhile: the future is still yours, drop it and complete the task as cancelled.
    Cancel,
    /// As `Idle`, and it was the last reference: nobody can wake the task any more.
    Dealloc,
}

/// After [`State::complete`], for the one that ran the task to its end.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Complete {
    /// Nothing was changed: the join handle is gone, so the output is yours to drop. Then ask again.
    DropOutput,
    /// The task is complete, and your references are spent.
    Done,
    /// As `Done`, and they were the last ones.
    Dealloc,
    /// The task is complete. You have one reference left: copy the join waker out, then call
    /// [`State::take_join_waker`], then wake.
    WakeJoiner,
}

/// After [`State::wake_by_ref`] and [`State::abort`], for one that keeps its reference.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notify {
    /// A notification came to be, with a reference of its own: queue it.
    Submit,
    /// The task has been told, or needs no telling.
    Nothing,
}

/// After [`State::wake_by_value`], for one that gives its reference up.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wake {
    /// Your reference has become a notification: queue it.
    Submit,
    /// The task has been told, or needs no telling. Your reference is spent.
    Nothing,
    /// As `Nothing`, and it was the last reference.
    Dealloc,
}

/// After [`State::start_shutdown`], for the bearer of any one reference.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    /// The future is yours: drop it and complete the task as cancelled. Your reference is that of the running task.
    Cancel,
    /// Who runs the task will see that it is cancelled, or it is complete. Your reference is spent.
    Gone,
    /// As `Gone`, and it was the last reference.
    Dealloc,
}

/// After [`State::leave`], for the join handle that goes away.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// The task is complete: the output is yours to drop. You still have your reference.
    DropOutput,
    /// The waker in the join slot is yours to drop. You still have your reference.
    DropWaker,
    /// Your reference is spent.
    Done,
    /// As `Done`, and it was the last one.
    Dealloc,
}

/// After [`State::offer_join_waker`] and [`State::recall_join_waker`], for the join handle.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// The change was made.
    Waiting,
    /// Nothing was changed: the task is complete, and its output is yours.
    Complete,
}

/// After a reference was given up.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// Others have references.
    Shared,
    /// It was the last one: free the task.
    Dealloc,
}

impl State {
    /// A task that is queued for its first poll, held by an owner's list if `owned`.
    pub(super) fn new(owned: bool) -> Self {
        Self(AtomicUsize::new(if owned { OWNED } else { UNOWNED }))
    }

    /// Acquire: who sees `COMPLETE` sees the output.
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Acquire))
    }

    /// The one way to change more than the count of references: `step` says what follows from a value, and whether
    /// the word changes.
    ///
    /// AcqRel on success, Acquire on failure, for every transition: a notification hands over what the waker wrote,
    /// an end of a poll what the poll wrote, a completion the output, and each is read by a later transition.
    #[inline(always)]
    fn transition<A>(&self, step: impl Fn(Snapshot) -> (A, Option<Snapshot>)) -> A {
        let mut current = self.load();
        loop {
            let (action, next) = step(current);
            let Some(next) = next else { return action };
            match self.0.compare_exchange_weak(current.0, next.0, AcqRel, Acquire) {
                Ok(_) => return action,
                Err(actual) => current = Snapshot(actual),
            }
        }
    }

    /// A notification is about to run the task.
    pub(super) fn start_poll(&self) -> Start {
        self.transition(|now| {
            debug_assert!(now.is_notified());
            if now.is_idle() {
                let next = now.without(NOTIFIED).with(RUNNING);
                (if now.is_cancelled() { Start::Cancel } else { Start::Poll }, Some(next))
            } else {
                let next = now.minus(1);
                (if next.refs() == 0 { Start::Dealloc } else { Start::Gone }, Some(next))
            }
        })
    }

    /// The poll returned `Pending`.
    pub(super) fn finish_poll(&self) -> Finish {
        self.transition(|now| {
            debug_assert!(now.is_running());
            if now.is_cancelled() {
                return (Finish::Cancel, None);
            }
            let idle = now.without(RUNNING);
            if now.is_notified() {
                return (Finish::Again, Some(idle));
            }
            let next = idle.minus(1);
            (if next.refs() == 0 { Finish::Dealloc } else { Finish::Idle }, Some(next))
        })
    }

    /// The future is gone. Gives up `refs` references with the same store. `output` says whether there is one in the
    /// future's place: a task that nobody can join must not complete with one.
    pub(super) fn complete(&self, refs: usize, output: bool) -> Complete {
        self.transition(|now| {
            debug_assert!(now.is_running());
            if output && !now.has_join_interest() {
                return (Complete::DropOutput, None);
            }
            let next = now.without(RUNNING).with(COMPLETE);
            if now.has_join_waker() {
                return (Complete::WakeJoiner, Some(next.minus(refs - 1)));
            }
            let next = next.minus(refs);
            (if next.refs() == 0 { Complete::Dealloc } else { Complete::Done }, Some(next))
        })
    }

    /// The copied join waker now belongs to the one that completed the task, whose last reference goes with it.
    pub(super) fn take_join_waker(&self) -> Release {
        self.give_up(REF_ONE | JOIN_WAKER)
    }

    /// A waker is used up. Its reference becomes the notification's.
    ///
    /// A task that is notified already is written to nevertheless: the poll to come has to see what the one that
    /// wakes wrote before, and a mere load would not make it visible.
    pub(super) fn wake_by_value(&self) -> Wake {
        self.transition(|now| {
            if now.is_idle() && !now.is_notified() {
                return (Wake::Submit, Some(now.with(NOTIFIED)));
            }
            let next = if now.is_complete() { now } else { now.with(NOTIFIED) }.minus(1);
            (if next.refs() == 0 { Wake::Dealloc } else { Wake::Nothing }, Some(next))
        })
    }

    /// A waker is used and kept.
    pub(super) fn wake_by_ref(&self) -> Notify {
        self.transition(|now| {
            if now.is_complete() {
                return (Notify::Nothing, None);
            }
            let next = now.with(NOTIFIED);
            if now.is_idle() && !now.is_notified() {
                (Notify::Submit, Some(next.plus_one()))
            } else {
                (Notify::Nothing, Some(next))
            }
        })
    }

    /// Somebody asks for the task to be cancelled, from any thread: whoever may touch the future will see it.
    pub(super) fn abort(&self) -> Notify {
        self.transition(|now| {
            if now.is_complete() || now.is_cancelled() {
                return (Notify::Nothing, None);
            }
            let next = now.with(CANCELLED | NOTIFIED);
            if now.is_idle() && !now.is_notified() {
                (Notify::Submit, Some(next.plus_one()))
            } else {
                (Notify::Nothing, Some(next))
            }
        })
    }

    /// The task's owner ends it here and now, on the thread where the future may be dropped.
    pub(super) fn start_shutdown(&self) -> Shutdown {
        self.transition(|now| {
            if now.is_idle() {
                return (Shutdown::Cancel, Some(now.with(RUNNING | CANCELLED)));
            }
            let next = if now.is_complete() { now } else { now.with(CANCELLED) }.minus(1);
            (if next.refs() == 0 { Shutdown::Dealloc } else { Shutdown::Gone }, Some(next))
        })
    }

    /// The join handle put a waker into its empty slot.
    pub(super) fn offer_join_waker(&self) -> Join {
        self.transition(|now| {
            debug_assert!(now.has_join_interest() && !now.has_join_waker());
            if now.is_complete() {
                return (Join::Complete, None);
            }
            (Join::Waiting, Some(now.with(JOIN_WAKER)))
        })
    }

    /// The join handle wants its slot back.
    pub(super) fn recall_join_waker(&self) -> Join {
        self.transition(|now| {
            debug_assert!(now.has_join_interest());
            if now.is_complete() {
                return (Join::Complete, None);
            }
            debug_assert!(now.has_join_waker());
            (Join::Waiting, Some(now.without(JOIN_WAKER)))
        })
    }

    /// The join handle goes away.
    pub(super) fn leave(&self) -> Leave {
        self.transition(|now| {
            debug_assert!(now.has_join_interest());
            if now.is_complete() {
                return (Leave::DropOutput, None);
            }
            let next = now.without(JOIN_INTEREST | JOIN_WAKER);
            if now.has_join_waker() {
                return (Leave::DropWaker, Some(next));
            }
            let next = next.minus(1);
            (if next.refs() == 0 { Leave::Dealloc } else { Leave::Done }, Some(next))
        })
    }

    /// One more reference, made from one that the caller has.
    pub(super) fn add_ref(&self) {
        // Relaxed: the caller's own reference keeps the task alive, nothing is handed over.
        check_overflow(self.0.fetch_add(REF_ONE, Relaxed));
    }

    /// One reference less.
    pub(super) fn drop_ref(&self) -> Release {
        self.give_up(REF_ONE)
    }

    fn give_up(&self, amount: usize) -> Release {
        // Whoever has the only reference is alone with the task: nobody else can make one, nor see the word.
        if self.load().refs() == 1 {
            return Release::Dealloc;
        }
        // AcqRel: all uses come before the end, and the end sees them all.
        let before = Snapshot(self.0.fetch_sub(amount, AcqRel));
        debug_assert!(before.refs() >= 1);
        if before.refs() == 1 { Release::Dealloc } else { Release::Shared }
    }
}

/// So many references can only come from a loop that forgets wakers; counting on would end in a use after free.
fn check_overflow(word: usize) {
    if word > isize::MAX as usize {
        std::process::abort();
    }
}

impl Snapshot {
    fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
    }

    pub(super) fn phase(self) -> Phase {
        match self {
            _ if self.is_complete() => Phase::Ended,
            _ if self.is_running() => Phase::Running,
            _ if self.is_notified() => Phase::Queued,
            _ => Phase::Idle,
        }
    }

    pub(super) fn is_running(self) -> bool {
        self.has(RUNNING)
    }

    pub(super) fn is_complete(self) -> bool {
        self.has(COMPLETE)
    }

    /// Nobody has the future, and nobody has finished with it.
    pub(super) fn is_idle(self) -> bool {
        !self.has(RUNNING | COMPLETE)
    }

    pub(super) fn is_notified(self) -> bool {
        self.has(NOTIFIED)
    }

    pub(super) fn is_cancelled(self) -> bool {
        self.has(CANCELLED)
    }

    pub(super) fn has_join_interest(self) -> bool {
        self.has(JOIN_INTEREST)
    }

    pub(super) fn has_join_waker(self) -> bool {
        self.has(JOIN_WAKER)
    }

    pub(super) fn refs(self) -> usize {
        self.0 >> REF_SHIFT
    }

    fn with(self, flags: usize) -> Self {
        Self(self.0 | flags)
    }

    fn without(self, flags: usize) -> Self {
        Self(self.0 & !flags)
    }

    fn plus_one(self) -> Self {
        check_overflow(self.0);
        Self(self.0 + REF_ONE)
    }

    fn minus(self, refs: usize) -> Self {
        debug_assert!(self.refs() >= refs);
        Self(self.0 - refs * REF_ONE)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("running", &self.is_running())
            .field("complete", &self.is_complete())
            .field("notified", &self.is_notified())
            .field("cancelled", &self.is_cancelled())
            .field("join_interest", &self.has_join_interest())
            .field("join_waker", &self.has_join_waker())
            .field("refs", &self.refs())
            .finish()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}
