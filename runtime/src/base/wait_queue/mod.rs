//! The list of those who wait: one lock, a state that it guards, and the waiters in the order in which they came.
//!
//! A [`Waiter`] is a part of the future that waits. It is linked into the queue in place, so waiting allocates
//! nothing and may be given up from anywhere in the queue in constant time. Each waiter has a datum of the
//! primitive's choice: how many permits it still needs, say.
//!
//! # The protocol
//!
//! | status | who may touch the waiter's waker and datum | left by |
//! |---|---|---|
//! | `IDLE` | the future | the future, under the lock, to `QUEUED` |
//! | `QUEUED`, and in the list | who holds the queue's lock | the future, under the lock, to `IDLE`; who releases it, under the lock, to `RELEASED` |
//! | `RELEASED` | the future | the future, to `IDLE` or `QUEUED` |
//!
//! The store of `RELEASED` is the last access of the one that releases. It is a release store, and the future's load is
//! an acquire load: so a future that finds it needs no lock to go on, nor to be dropped.
//!
//! Foreign code never runs under the lock: a waker is cloned before the lock is taken, and woken or dropped after it
//! has been given up. Wake-ups of many go out in batches. A waker that panics takes no wake-up of another one with it.
//!
//! Next file to read: `../../sync/semaphore/permits.rs`.

use std::fmt;
use std::mem::offset_of;
use std::pin::{Pin, pin};
use std::ptr::NonNull;
use std::task::{Poll, Waker};

use crate::base::list::{Link, Links, List};
use crate::base::panic::swallow;
use crate::base::prim::atomic::{
    AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::base::prim::{Mutex, MutexGuard, PlainArc, UnsafeCell, const_unless_model};
use crate::base::wake_list::WakeList;

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RELEASED: u8 = 2;

/// See the [module](self).
pub(crate) struct WaitQueue<S, D> {
    inner: Mutex<Inner<S, D>>,
}

struct Inner<S, D> {
    state: S,
    list: List<Node<D>>,
}

struct Node<D> {
    links: Links,
    status: AtomicU8,
    slot: UnsafeCell<Slot<D>>,
}

struct Slot<D> {
    waker: Option<Waker>,
    data: D,
}

// SAFETY: the offset is that of the field.
unsafe impl<D> Link for Node<D> {
    type Node = Node<D>;
    const OFFSET: usize = offset_of!(Node<D>, links);
}

// SAFETY: the waker and the datum go from thread to thread, one at a time, as the table above says. A shared node gives
// access to its status alone.
unsafe impl<D: Send> Send for Node<D> {}
// SAFETY: as above.
unsafe impl<D: Send> Sync for Node<D> {}

impl<D> Node<D> {
    /// Runs `f` with the waker and the datum. `f` must not run foreign code.
    ///
    /// # Safety
    /// The caller may touch them, by the table above.
    unsafe fn with_slot<R>(&self, f: impl FnOnce(&mut Slot<D>) -> R) -> R {
        self.slot.with_mut(|slot| {
            // SAFETY: nobody else touches it now, says the caller; `f` does not get hold of it in another way.
            f(unsafe { &mut *slot })
        })
    }
}

impl<S, D> WaitQueue<S, D> {
    const_unless_model! {
        /// A queue in which nobody waits.
        pub(crate) fn new(state: S) -> Self {
            Self { inner: Mutex::new(Inner { state, list: List::new() }) }
        }
    }

    /// Takes the lock. Foreign code must not run until it is given up.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, S, D> {
        Locked { queue: self, inner: self.inner.lock() }
    }

    /// Releases all who wait now. What they wait for has been written before.
    pub(crate) fn wake_all(&self) {
        self.lock().wake_all(|_, _| ());
    }
}

impl<S, D> fmt::Debug for WaitQueue<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaitQueue")
    }
}

/// The queue while its lock is held.
pub(crate) struct Locked<'a, S, D> {
    queue: &'a WaitQueue<S, D>,
    inner: MutexGuard<'a, Inner<S, D>>,
}

impl<'a, S, D> Locked<'a, S, D> {
    /// What the lock guards besides the waiters.
    pub(crate) fn state(&mut self) -> &mut S {
        &mut self.inner.state
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.list.is_empty()
    }

    /// Runs `f` with the datum of the waiter that came first, which stays in the queue.
    pub(crate) fn with_oldest<R>(&mut self, f: impl FnOnce(&mut D) -> R) -> Option<R> {
        let node = self.inner.list.last()?;
        // SAFETY: it is linked, so alive.
        let node = unsafe { node.as_ref() };
        // SAFETY: it is queued, and the lock is held.
        Some(unsafe { node.with_slot(|slot| f(&mut slot.data)) })
    }

    /// Releases the waiter that came first: `f` writes its datum, and its waker, if it has left one, is the caller's to
    /// wake after the lock has been given up. `None`: nobody waits.
    pub(crate) fn release_oldest(&mut self, f: impl FnOnce(&mut D)) -> Option<Option<Waker>> {
        let node = self.inner.list.pop_back()?;
        Some(self.release(node, |_, data| f(data)))
    }

    /// As [`release_oldest`](Self::release_oldest), for the waiter that came last.
    pub(crate) fn release_newest(&mut self, f: impl FnOnce(&mut D)) -> Option<Option<Waker>> {
        let node = self.inner.list.pop_front()?;
        Some(self.release(node, |_, data| f(data)))
    }

    /// Releases all who wait now, and wakes them in batches with the lock given up in between. Who comes
    /// meanwhile is not touched. `f` writes each one's datum.
    pub(crate) fn wake_all(mut self, mut f: impl FnMut(&mut S, &mut D)) {
        let mut wakers = WakeList::new();
        while wakers.can_push() {
            let Some(node) = self.inner.list.pop_back() else {
                drop(self);
                return wakers.wake_all();
            };
            let waker = self.release(node, &mut f);
            wakers.extend(waker);
        }
        if self.is_empty() {
            drop(self);
            return wakers.wake_all();
        }
        // More than one batch. The others are set apart, so that nobody who comes meanwhile is among them.
        let sentinel = pin!(Links::new());
        // SAFETY: the drain is used under the lock only. It is dropped below, under the lock: nothing in between panics,
        // as a batch keeps its wakers' panics to itself.
        let mut drain = unsafe { self.inner.list.drain(sentinel) };
        loop {
            self = self.unlocked(|| wakers.wake_all());
            while wakers.can_push() {
                let Some(node) = drain.pop_back() else {
                    drop(drain);
                    drop(self);
                    return wakers.wake_all();
                };
                let waker = self.release(node, &mut f);
                wakers.extend(waker);
            }
        }
    }

    /// Releases a node that has just been unlinked, under this lock, and was queued until then.
    fn release(&mut self, node: NonNull<Node<D>>, f: impl FnOnce(&mut S, &mut D)) -> Option<Waker> {
        // SAFETY: a future does not end while its node is queued without taking the lock, which is held.
        let node = unsafe { node.as_ref() };
        let state = &mut self.inner.state;
        let take = |slot: &mut Slot<D>| {
            f(state, &mut slot.data);
            slot.waker.take()
        };
        // SAFETY: it is queued, and the lock is held.
        let waker = unsafe { node.with_slot(take) };
        // The last access: the future may end at once.
        node.status.store(RELEASED, Release);
        waker
    }

    /// Gives up the lock for the time of `f`, which may run foreign code.
    pub(crate) fn unlocked(self, f: impl FnOnce()) -> Self {
        let queue = self.queue;
        drop(self);
        f();
        queue.lock()
    }
}

/// What keeps a queue alive and in its place, and always leads to the same one.
///
/// # Safety
/// As long as the value exists, even if it is moved, the queue that it leads to is alive, is not moved, and is the same.
pub(crate) unsafe trait QueueRef {
    /// See [`WaitQueue`].
    type State;
    /// See [`WaitQueue`].
    type Data;

    /// The queue.
    fn queue(&self) -> &WaitQueue<Self::State, Self::Data>;
}

// SAFETY: what is borrowed is neither dropped nor moved.
unsafe impl<S, D> QueueRef for &WaitQueue<S, D> {
    type State = S;
    type Data = D;

    fn queue(&self) -> &WaitQueue<S, D> {
        self
    }
}

/// A queue that is a part of something counted.
pub(crate) struct PartOf<T, S, D> {
    owner: PlainArc<T>,
    queue: NonNull<WaitQueue<S, D>>,
}

// SAFETY: it is a counted pointer, and another pointer to a part of the same thing.
unsafe impl<T: Send + Sync, S: Send, D: Send> Send for PartOf<T, S, D> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync, S: Send, D: Send> Sync for PartOf<T, S, D> {}

impl<T, S, D> PartOf<T, S, D> {
    /// The queue that `part` finds in the owner.
    pub(crate) fn new(owner: PlainArc<T>, part: fn(&T) -> &WaitQueue<S, D>) -> Self {
        let queue = NonNull::from(part(&owner));
        Self { owner, queue }
    }

    pub(crate) fn owner(&self) -> &PlainArc<T> {
        &self.owner
    }
}

// SAFETY: the owner is counted, and is neither dropped nor moved nor borrowed mutably while this count exists.
unsafe impl<T, S, D> QueueRef for PartOf<T, S, D> {
    type State = S;
    type Data = D;

    fn queue(&self) -> &WaitQueue<S, D> {
        // SAFETY: alive as long as its owner, which is only shared.
        unsafe { self.queue.as_ref() }
    }
}

/// One that waits, as a part of a future.
pub(crate) struct Waiter<Q: QueueRef> {
    queue: Q,
    node: Node<Q::Data>,
}

impl<Q: QueueRef> Waiter<Q> {
    /// One that is in no queue yet, and can come into this one only.
    pub(crate) fn new(queue: Q, data: Q::Data) -> Self {
        let slot = Slot { waker: None, data };
        let node = Node { links: Links::new(), status: AtomicU8::new(IDLE), slot: UnsafeCell::new(slot) };
        Self { queue, node }
    }

    /// What leads to the queue.
    pub(crate) fn queue(&self) -> &Q {
        &self.queue
    }

    /// Whether it may be in the queue. What is not, stays so.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.node.status.load(Acquire) == QUEUED
    }

    /// What leads to the queue, and what one can do with the waiter.
    pub(crate) fn split(self: Pin<&mut Self>) -> (&Q, WaiterMut<'_, Q::State, Q::Data>) {
        let this = self.into_ref().get_ref();
        (&this.queue, WaiterMut { queue: this.queue.queue(), node: &this.node })
    }

    /// Takes the queue's lock.
    pub(crate) fn lock(self: Pin<&mut Self>) -> LockedWaiter<'_, Q::State, Q::Data> {
        let (_, waiter) = self.split();
        LockedWaiter { locked: waiter.queue.lock(), node: waiter.node }
    }

    /// See [`WaiterMut::take_release`].
    #[inline]
    pub(crate) fn take_release(self: Pin<&mut Self>) -> Option<Q::Data>
    where
        Q::Data: Copy,
    {
        self.split().1.take_release()
    }

    /// See [`WaiterMut::poll_wait`].
    pub(crate) fn poll_wait<R>(
        self: Pin<&mut Self>,
        waker: &Waker,
        check: impl FnMut(&mut LockedWaiter<'_, Q::State, Q::Data>) -> Option<R>,
    ) -> Poll<R> {
        self.split().1.poll_wait(Some(waker), check)
    }
}

/// A waiter that is pinned and borrowed mutably, apart from what leads to its queue.
pub(crate) struct WaiterMut<'a, S, D> {
    queue: &'a WaitQueue<S, D>,
    /// Of this queue, and pinned.
    node: &'a Node<D>,
}

impl<S, D> WaiterMut<'_, S, D> {
    /// Takes the queue's lock.
    pub(crate) fn lock(&mut self) -> LockedWaiter<'_, S, D> {
        LockedWaiter { locked: self.queue.lock(), node: self.node }
    }

    /// Its datum if it was released. It is idle after that.
    #[inline]
    pub(crate) fn take_release(&mut self) -> Option<D>
    where
        D: Copy,
    {
        // Acquire: see what was written to the datum.
        if self.node.status.load(Acquire) != RELEASED {
            return None;
        }
        self.node.status.store(IDLE, Relaxed);
        // SAFETY: released, so it is the future's.
        Some(unsafe { self.node.with_slot(|slot| slot.data) })
    }

    /// Waits for what `check` looks for. It is called under the lock; while it finds nothing, the waiter is queued with
    /// `waker`, or with none if there is none. It is not queued any more when there is a result.
    ///
    /// A waiter that was released is not queued, but may be queued again.
    pub(crate) fn poll_wait<R>(
        &mut self,
        waker: Option<&Waker>,
        mut check: impl FnMut(&mut LockedWaiter<'_, S, D>) -> Option<R>,
    ) -> Poll<R> {
        let was_queued = self.node.status.load(Acquire) == QUEUED;
        let mut clone = if was_queued { None } else { waker.cloned() };
        loop {
            let mut locked = self.lock();
            let mut old = None;
            if let Some(result) = check(&mut locked) {
                if locked.is_queued() {
                    old = locked.leave();
                }
                drop(locked);
                swallow(|| drop(old));
                return Poll::Ready(result);
            }
            if !locked.is_queued() && (clone.is_some() || waker.is_none()) {
                locked.enqueue(clone);
                return Poll::Pending;
            }
            let Some(waker) = waker else { return Poll::Pending };
            if locked.is_queued() {
                if locked.is_woken_by(waker) {
                    return Poll::Pending;
                }
                if let Some(clone) = clone.take() {
                    old = locked.replace_waker(clone);
                    drop(locked);
                    swallow(|| drop(old));
                    return Poll::Pending;
                }
            }
            drop(locked);
            clone = Some(waker.clone());
        }
    }
}

impl<Q: QueueRef> Drop for Waiter<Q> {
    fn drop(&mut self) {
        if self.is_queued() {
            // It was pinned, as it is queued, and stays where it is until this is over.
            let mut locked = LockedWaiter { locked: self.queue.queue().lock(), node: &self.node };
            let waker = if locked.is_queued() { locked.leave() } else { None };
            drop(locked);
            swallow(|| drop(waker));
        }
    }
}

impl<Q: QueueRef> fmt::Debug for Waiter<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("is_queued", &self.is_queued()).finish_non_exhaustive()
    }
}

/// A waiter, and its queue while the lock is held.
pub(crate) struct LockedWaiter<'a, S, D> {
    locked: Locked<'a, S, D>,
    /// Of this queue, and pinned.
    node: &'a Node<D>,
}

impl<'a, S, D> LockedWaiter<'a, S, D> {
    /// The queue.
    pub(crate) fn queue(&mut self) -> &mut Locked<'a, S, D> {
        &mut self.locked
    }

    /// Done with the waiter, and not yet with the queue.
    pub(crate) fn into_queue(self) -> Locked<'a, S, D> {
        self.locked
    }

    /// Whether the waiter is in the queue.
    pub(crate) fn is_queued(&self) -> bool {
        // It changes under the lock only.
        self.node.status.load(Relaxed) == QUEUED
    }

    /// Whether it was released.
    pub(crate) fn is_released(&self) -> bool {
        self.node.status.load(Relaxed) == RELEASED
    }

    /// Runs `f` with its datum.
    pub(crate) fn with_data<R>(&mut self, f: impl FnOnce(&mut D) -> R) -> R {
        // SAFETY: if it is queued, the lock is held; else it is the future's, and this borrows the future.
        unsafe { self.node.with_slot(|slot| f(&mut slot.data)) }
    }

    /// Whether the waker that it was queued with wakes the same task.
    pub(crate) fn is_woken_by(&self, waker: &Waker) -> bool {
        // It compares addresses, and runs no foreign code.
        let same = |slot: &mut Slot<D>| slot.waker.as_ref().is_some_and(|stored| stored.will_wake(waker));
        // SAFETY: as in `with_data`.
        unsafe { self.node.with_slot(same) }
    }

    /// Puts another waker in the place of its own one, which is to be dropped after the lock has been given up.
    #[must_use = "it is to be dropped after the lock has been given up"]
    pub(crate) fn replace_waker(&mut self, waker: Waker) -> Option<Waker> {
        // SAFETY: as in `with_data`.
        unsafe { self.node.with_slot(|slot| slot.waker.replace(waker)) }
    }

    /// Puts the waiter at the end of the queue, in which it is not yet.
    pub(crate) fn enqueue(&mut self, waker: Option<Waker>) {
        assert!(!self.is_queued(), "a waiter is queued once");
        // SAFETY: as in `with_data`.
        let old = unsafe { self.node.with_slot(|slot| std::mem::replace(&mut slot.waker, waker)) };
        debug_assert!(old.is_none(), "who is not queued has no waker here");
        self.node.status.store(QUEUED, Relaxed);
        // SAFETY: it is pinned, in no list, and is not dropped before it has left this one, which is touched under the
        // lock only.
        unsafe { self.locked.inner.list.push_front(NonNull::from(self.node)) };
    }

    /// Takes the waiter out of the queue, in which it is. Its waker is to be dropped after the lock has been given up.
    #[must_use = "it is to be dropped after the lock has been given up"]
    pub(crate) fn leave(&mut self) -> Option<Waker> {
        assert!(self.is_queued(), "only a queued waiter can leave");
        // SAFETY: it is in this list, or in a drain of it.
        unsafe { self.locked.inner.list.remove(NonNull::from(self.node)) };
        self.node.status.store(IDLE, Relaxed);
        // SAFETY: as in `with_data`.
        unsafe { self.node.with_slot(|slot| slot.waker.take()) }
    }
}

#[cfg(test)]
mod tests;
