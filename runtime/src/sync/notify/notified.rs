//! The futures that wait for a notification.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::{EMPTY, Kind, NOTIFIED, Notify, Queue, WAITING};
use crate::base::coop;
use crate::base::panic::swallow;
use crate::base::prim::PlainArc as Arc;
use crate::base::wait_queue::{PartOf, Waiter, WaiterMut};

/// How far a future is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Queued,
    /// It was notified, and still has to say so.
    Notified(Kind),
    Done,
}

/// What a future is about, besides its waiter.
#[derive(Debug)]
struct Progress {
    stage: Stage,
    /// The count of calls of `notify_waiters` when the future was made.
    calls: usize,
}

impl Progress {
    fn new(notify: &Notify) -> Self {
        Self { stage: Stage::New, calls: notify.load().calls() }
    }

    fn poll(&mut self, notify: &Notify, waiter: WaiterMut<'_, (), Kind>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_notified(notify, waiter, Some(cx.waker())));
        // Only now, with its turn taken: a spent budget must not cost it its place.
        let unit = ready!(coop::poll_proceed(cx));
        unit.made_progress();
        self.stage = Stage::Done;
        Poll::Ready(())
    }

    /// Waits until the stage is past waiting.
    fn poll_notified(
        &mut self,
        notify: &Notify,
        mut waiter: WaiterMut<'_, (), Kind>,
        waker: Option<&Waker>,
    ) -> Poll<()> {
        match self.stage {
            Stage::New => {
                if let Some(kind) = self.look(notify, false) {
                    self.stage = Stage::Notified(kind);
                    return Poll::Ready(());
                }
            }
            Stage::Queued => {
                if let Some(kind) = waiter.take_release() {
                    self.stage = Stage::Notified(kind);
                    return Poll::Ready(());
                }
            }
            Stage::Notified(_) | Stage::Done => return Poll::Ready(()),
        }
        let mut released = false;
        let found = waiter.poll_wait(waker, |waiter| {
            if waiter.is_released() {
                released = true;
                return Some(Kind::None);
            }
            if self.stage == Stage::Queued || waiter.is_queued() {
                // Perhaps apart from the queue, in a batch that has not come yet.
                return (notify.load().calls() != self.calls).then_some(Kind::All);
            }
            let kind = self.look(notify, true);
            if kind.is_none() {
                self.stage = Stage::Queued;
            }
            kind
        });
        let kind = ready!(found);
        let kind = if released { waiter.take_release().unwrap_or(Kind::All) } else { kind };
        self.stage = Stage::Notified(kind);
        Poll::Ready(())
    }

    /// Whether `notify_waiters` was called, or a permit is stored; which is taken. If neither, `joins` announces, under the
    /// lock, that somebody waits.
    fn look(&self, notify: &Notify, joins: bool) -> Option<Kind> {
        let taken = notify.transition(|now| {
            if now.calls() != self.calls {
                // The permit is left to somebody else.
                return Err(Some(Kind::All));
            }
            match now.state() {
                NOTIFIED => Ok((now.with(EMPTY), Some(Kind::First))),
                EMPTY if joins => Ok((now.with(WAITING), None)),
                _ => Err(None),
            }
        });
        taken.unwrap_or_else(|kind| kind)
    }

    /// The future is dropped: what it was given goes on to somebody else.
    fn cancel(&mut self, notify: &Notify, mut waiter: WaiterMut<'_, (), Kind>) {
        let kind = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::New | Stage::Done => return,
            Stage::Notified(kind) => kind,
            Stage::Queued => {
                let mut locked = waiter.lock();
                if locked.is_queued() {
                    let waker = locked.leave();
                    notify.settle(locked.queue().is_empty());
                    drop(locked);
                    return swallow(|| drop(waker));
                }
                drop(locked);
                waiter.take_release().unwrap_or(Kind::All)
            }
        };
        match kind {
            Kind::First | Kind::Last => notify.notify(kind),
            Kind::None | Kind::All => {}
        }
    }
}

pin_project! {
    /// Waits for a notification of a [`Notify`](crate::sync::Notify). Made by
    /// [`Notify::notified`](crate::sync::Notify::notified).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Notified<'a> {
        notify: &'a Notify,
        progress: Progress,
        #[pin]
        waiter: Waiter<&'a Queue>,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.progress.cancel(this.notify, this.waiter.split().1);
        }
    }
}

pin_project! {
    /// Waits for a notification of a [`Notify`](crate::sync::Notify) that it keeps alive. Made by
    /// [`Notify::notified_owned`](crate::sync::Notify::notified_owned).
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OwnedNotified {
        progress: Progress,
        #[pin]
        waiter: Waiter<PartOf<Notify, (), Kind>>,
    }

    impl PinnedDrop for OwnedNotified {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let (part, waiter) = this.waiter.split();
            this.progress.cancel(part.owner(), waiter);
        }
    }
}

impl<'a> Notified<'a> {
    pub(super) fn new(notify: &'a Notify) -> Self {
        Self { notify, progress: Progress::new(notify), waiter: Waiter::new(&notify.queue, Kind::None) }
    }

    /// Joins those who wait, as the first poll does, without a waker yet. Returns whether it has been notified.
    ///
    /// For those who look at something else before they wait: between `enable` and the first poll no
    /// [`notify_one`](crate::sync::Notify::notify_one) is missed. If it returns `true`, the future is ready.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::sync::Notify;
    /// use std::pin::pin;
    ///
    /// # let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    /// # rt.block_on(async {
    /// let notify = Notify::new();
    /// let mut notified = pin!(notify.notified());
    /// assert!(!notified.as_mut().enable());
    /// // It is the one that waits now, so this wakes it and stores nothing.
    /// notify.notify_one();
    /// assert!(notified.as_mut().enable());
    /// notified.await;
    /// # });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.progress.poll_notified(this.notify, this.waiter.split().1, None).is_ready()
    }
}

impl OwnedNotified {
    pub(super) fn new(notify: Arc<Notify>) -> Self {
        let progress = Progress::new(&notify);
        Self { progress, waiter: Waiter::new(PartOf::new(notify, |notify| &notify.queue), Kind::None) }
    }

    /// Joins those who wait, as the first poll does, without a waker yet. See [`Notified::enable`].
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let (part, waiter) = this.waiter.split();
        this.progress.poll_notified(part.owner(), waiter, None).is_ready()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.progress.poll(this.notify, this.waiter.split().1, cx)
    }
}

impl Future for OwnedNotified {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (part, waiter) = this.waiter.split();
        this.progress.poll(part.owner(), waiter, cx)
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = &self.progress.stage;
        f.debug_struct("Notified").field("notify", self.notify).field("stage", stage).finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedNotified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (notify, stage) = (self.waiter.queue().owner(), &self.progress.stage);
        f.debug_struct("OwnedNotified").field("notify", notify).field("stage", stage).finish_non_exhaustive()
    }
}
