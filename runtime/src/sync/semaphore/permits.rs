//! A count of permits, and those who wait for some, in the order in which they came.
//!
//! # The protocol
//!
//! One word: the count of available permits, and two flags.
//!
//! | flag | set | cleared |
//! |---|---|---|
//! | `CLOSED` | under the lock, when the semaphore is closed | never |
//! | `WAITING` | under the lock, when the first waiter comes | under the lock, when the last one has gone |
//!
//! *While somebody waits, no permit is available*: a waiter takes what there is when it comes, and permits that are given
//! back go to the waiter at the head until it has all that it wants. So nobody can overtake, and only the waiter at the
//! head has some permits and not yet all. While nobody waits, to take and to give back are one compare-and-swap
//! each, without the lock.
//!
//! A transition is AcqRel, and a load is Acquire: who takes a permit sees what was written before it was given back.
//!
//! Next file to read: `../mutex/mod.rs`.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{AcquireError, TryAcquireError};
use crate::base::coop;
use crate::base::prim::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire},
};
use crate::base::prim::const_unless_model;
use crate::base::wait_queue::{Locked, LockedWaiter, WaitQueue, Waiter};
use crate::base::wake_list::WakeList;

const CLOSED: usize = 1 << 0;
const WAITING: usize = 1 << 1;
const SHIFT: u32 = 2;

type Queue = WaitQueue<(), Need>;

/// See the [module](self).
pub(in crate::sync) struct Permits {
    word: AtomicUsize,
    queue: Queue,
}

/// What a waiter wants.
#[derive(Clone, Copy)]
pub(in crate::sync) struct Need {
    wanted: usize,
    /// How many of them it has not got yet.
    missing: usize,
}

impl Need {
    fn got(&self) -> usize {
        self.wanted - self.missing
    }
}

#[derive(Clone, Copy)]
struct Word(usize);

impl Word {
    fn permits(self) -> usize {
        self.0 >> SHIFT
    }

    fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
    }

    fn with_permits(self, permits: usize) -> Self {
        Self(permits << SHIFT | self.0 & (CLOSED | WAITING))
    }
}

impl Permits {
    /// The most permits that there may be.
    pub(in crate::sync) const MAX: usize = usize::MAX >> 3;

    const_unless_model! {
        #[track_caller]
        pub(in crate::sync) fn new(permits: usize) -> Self {
            assert!(permits <= Self::MAX, "a semaphore may not have more than MAX_PERMITS permits (usize::MAX >> 3)");
            Self { word: AtomicUsize::new(permits << SHIFT), queue: WaitQueue::new(()) }
        }
    }

    const_unless_model! {
        /// Closed from the start, with nothing to give out.
        pub(in crate::sync) fn new_closed() -> Self {
            Self { word: AtomicUsize::new(CLOSED), queue: WaitQueue::new(()) }
        }
    }

    fn load(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// The one way to change the word. `Err` is what `step` says of a word that stays as it is.
    #[inline]
    fn transition<R, E>(&self, step: impl Fn(Word) -> Result<(Word, R), E>) -> Result<R, E> {
        let mut now = self.load();
        loop {
            let (next, result) = step(now)?;
            match self.word.compare_exchange_weak(now.0, next.0, AcqRel, Acquire) {
                Ok(_) => return Ok(result),
                Err(actual) => now = Word(actual),
            }
        }
    }

    pub(in crate::sync) fn available(&self) -> usize {
        self.load().permits()
    }

    pub(in crate::sync) fn is_closed(&self) -> bool {
        self.load().has(CLOSED)
    }

    /// Takes permits if there are that many now.
    #[inline]
    pub(in crate::sync) fn try_acquire(&self, wanted: usize) -> Result<(), TryAcquireError> {
        self.transition(|now| {
            if now.has(CLOSED) {
                return Err(TryAcquireError::Closed);
            }
            match now.permits().checked_sub(wanted) {
                Some(left) => Ok((now.with_permits(left), ())),
                None => Err(TryAcquireError::NoPermits),
            }
        })
    }

    /// Takes permits, and waits for them in turn.
    #[inline]
    pub(in crate::sync) async fn acquire(&self, wanted: usize) -> Result<(), AcquireError> {
        assert!(
            wanted <= Self::MAX,
            "a semaphore may not have more than MAX_PERMITS permits ({}), and {wanted} were asked for",
            Self::MAX
        );
        // Where the permits are there, as they mostly are, no waiter is made.
        match poll_fn(|cx| Poll::Ready(self.acquire_now(wanted, cx))).await {
            Some(result) => result,
            None => self.wait_for(wanted).await,
        }
    }

    /// Takes permits if there are that many now and there is budget for it. `None`: to be waited for.
    #[inline]
    fn acquire_now(&self, wanted: usize, cx: &mut Context<'_>) -> Option<Result<(), AcquireError>> {
        if !coop::has_budget_remaining() {
            return None;
        }
        match self.try_acquire(wanted) {
            Ok(()) => {
                // It is ready: there is budget.
                if let Poll::Ready(unit) = coop::poll_proceed(cx) {
                    unit.made_progress();
                }
                Some(Ok(()))
            }
            Err(TryAcquireError::Closed) => Some(Err(AcquireError(()))),
            Err(TryAcquireError::NoPermits) => None,
        }
    }

    fn wait_for(&self, wanted: usize) -> Acquiring<'_> {
        let need = Need { wanted, missing: wanted };
        Acquiring { permits: self, wanted, stage: Stage::New, waiter: Waiter::new(&self.queue, need) }
    }

    /// Takes as many as there are, and no more than `most`. Returns how many.
    pub(in crate::sync) fn forget(&self, most: usize) -> usize {
        let taken = self.transition(|now| {
            let taken = now.permits().min(most);
            if taken == 0 { Err(0) } else { Ok((now.with_permits(now.permits() - taken), taken)) }
        });
        taken.unwrap_or_else(|none| none)
    }

    /// Gives permits back, or adds new ones.
    #[inline]
    #[track_caller]
    pub(in crate::sync) fn release(&self, permits: usize) {
        if permits == 0 {
            return;
        }
        let added =
            self.transition(|now| if now.has(WAITING) { Err(()) } else { Ok((add(now, permits), ())) });
        if added.is_err() {
            self.assign(self.queue.lock(), permits);
        }
    }

    /// Gives permits to those who wait, and the rest back. Also for no permits at all, when a waiter has left the queue.
    #[cold]
    #[track_caller]
    fn assign(&self, mut queue: Locked<'_, (), Need>, mut permits: usize) {
        let mut wakers = WakeList::new();
        loop {
            while wakers.can_push() {
                let served = queue.with_oldest(|need| {
                    let given = need.missing.min(permits);
                    need.missing -= given;
                    permits -= given;
                    need.missing == 0
                });
                if served != Some(true) {
                    break;
                }
                wakers.extend(queue.release_oldest(|_| ()).flatten());
            }
            if queue.is_empty() {
                let rest = std::mem::take(&mut permits);
                let _: Result<(), ()> = self.transition(|now| Ok((Word(add(now, rest).0 & !WAITING), ())));
            }
            if permits == 0 {
                drop(queue);
                return wakers.wake_all();
            }
            // The batch is full.
            queue = queue.unlocked(|| wakers.wake_all());
        }
    }

    /// Gives out no more permits, and refuses them to those who wait.
    pub(in crate::sync) fn close(&self) {
        let queue = self.queue.lock();
        let _: Result<(), ()> = self.transition(|now| Ok((Word(now.0 & !WAITING | CLOSED), ())));
        // What the waiter at the head has got it gives back itself.
        queue.wake_all(|(), _| ());
    }

    /// Takes the permits, or what there is of them and a place in the queue.
    fn take_or_queue(&self, waiter: &mut LockedWaiter<'_, (), Need>, wanted: usize) -> Option<Turn> {
        // Under the lock, so what is given back from now on finds `WAITING`.
        let taken = self.transition(|now| {
            if now.has(CLOSED) {
                return Err(Turn::Refused(0));
            }
            let taken = now.permits().min(wanted);
            let left = now.with_permits(now.permits() - taken);
            Ok((if taken < wanted { Word(left.0 | WAITING) } else { left }, taken))
        });
        match taken {
            Ok(taken) if taken == wanted => Some(Turn::Granted),
            Ok(taken) => {
                waiter.with_data(|need| need.missing = wanted - taken);
                None
            }
            Err(refused) => Some(refused),
        }
    }
}

#[track_caller]
fn add(now: Word, permits: usize) -> Word {
    let sum = now.permits().checked_add(permits).filter(|sum| *sum <= Permits::MAX);
    let sum = sum.unwrap_or_else(|| {
        panic!("number of added permits ({permits}) would overflow MAX_PERMITS ({})", Permits::MAX)
    });
    now.with_permits(sum)
}

/// How waiting ended.
enum Turn {
    Granted,
    /// With as many permits to be given back.
    Refused(usize),
    /// The waiter was released, with all permits or because the semaphore was closed.
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Queued,
    /// The permits are there, and the future still has to say so.
    Granted,
    Done,
}

pin_project! {
    /// Permits that are being waited for. What it has got of them is given back when it is dropped before it is done.
    struct Acquiring<'a> {
        permits: &'a Permits,
        wanted: usize,
        stage: Stage,
        #[pin]
        waiter: Waiter<&'a Queue>,
    }

    impl PinnedDrop for Acquiring<'_> {
        fn drop(this: Pin<&mut Self>) {
            match this.stage {
                Stage::New | Stage::Done => {}
                Stage::Granted => this.permits.release(this.wanted),
                Stage::Queued => this.cancel(),
            }
        }
    }
}

impl Acquiring<'_> {
    /// Takes the permits, or waits in the queue.
    fn poll_queue(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), AcquireError>> {
        let mut this = self.project();
        let (permits, wanted) = (*this.permits, *this.wanted);
        let is_new = *this.stage == Stage::New;
        let mut turn = Turn::Released;
        let mut release = this.waiter.as_mut().take_release();
        if release.is_none() {
            turn = ready!(this.waiter.as_mut().poll_wait(cx.waker(), |waiter| {
                if waiter.is_released() {
                    return Some(Turn::Released);
                }
                if is_new && !waiter.is_queued() {
                    let turn = permits.take_or_queue(waiter, wanted);
                    if turn.is_none() {
                        *this.stage = Stage::Queued;
                    }
                    return turn;
                }
                // Queued, but perhaps apart from the queue, as one of many that are being refused.
                permits.is_closed().then(|| Turn::Refused(waiter.with_data(|need| need.got())))
            }));
            release = this.waiter.take_release();
        }
        let refused = match turn {
            Turn::Granted => None,
            Turn::Refused(got) => Some(got),
            // What was granted is given back, too, if the semaphore has been closed since.
            Turn::Released => release.filter(|_| permits.is_closed()).map(|need| need.got()),
        };
        let Some(got) = refused else {
            *this.stage = Stage::Granted;
            return Poll::Ready(Ok(()));
        };
        *this.stage = Stage::Done;
        permits.release(got);
        Poll::Ready(Err(AcquireError(())))
    }

    /// Leaves the queue, and gives back what it has got.
    fn cancel(self: Pin<&mut Self>) {
        let mut this = self.project();
        let permits = *this.permits;
        *this.stage = Stage::Done;
        if let Some(need) = this.waiter.as_mut().take_release() {
            return permits.release(need.got());
        }
        let mut waiter = this.waiter.as_mut().lock();
        if !waiter.is_queued() {
            drop(waiter);
            let need = this.waiter.take_release();
            return permits.release(need.map_or(0, |need| need.got()));
        }
        let waker = waiter.leave();
        let got = waiter.with_data(|need| need.got());
        permits.assign(waiter.into_queue(), got);
        crate::base::panic::swallow(|| drop(waker));
    }
}

impl Future for Acquiring<'_> {
    type Output = Result<(), AcquireError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.stage {
            Stage::New | Stage::Queued => ready!(self.as_mut().poll_queue(cx)),
            Stage::Granted if !self.permits.is_closed() => Ok(()),
            Stage::Granted => {
                let this = self.as_mut().project();
                *this.stage = Stage::Done;
                this.permits.release(*this.wanted);
                Err(AcquireError(()))
            }
            Stage::Done => panic!("polled after it had given its result"),
        };
        result?;
        // Only now, with its turn taken: a spent budget must not cost it its place.
        let unit = ready!(coop::poll_proceed(cx));
        unit.made_progress();
        *self.project().stage = Stage::Done;
        Poll::Ready(Ok(()))
    }
}
