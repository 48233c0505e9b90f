//! One registered resource: its readiness, and who waits for it.
//!
//! The fast path is a load of a [`Readiness`] word and takes no lock. The lock guards the waiters alone:
//!
//! - one waker a direction, for the `poll_*` methods: the last one to poll is the one that is woken;
//! - any number of waiting futures (`readable()`, `async_io`, ...), in a slab.
//!
//! No wake-up is lost, because both sides go through the lock in opposite orders: a waiter stores its waker and then
//! looks at the readiness again, all under the lock; the driver sets the readiness first and takes the wakers
//! under the lock after. Whoever comes second sees what the other did. Wakers are cloned before the lock, and woken
//! and dropped after it.
//!
//! Next file to read: `slots.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use super::readiness::{Readiness, Snapshot};
use crate::base::interest::{Interest, Ready};
use crate::base::prim::Mutex;
use crate::base::wake_list::WakeList;

/// A reading of both directions, cut down to what was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyEvent {
    /// What the resource is ready for.
    pub(crate) ready: Ready,
    /// Whether it is so because the driver is gone.
    pub(crate) is_shut_down: bool,
    read: Snapshot,
    write: Snapshot,
}

/// Which half of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        }
    }
}

/// See the module. Two slots never share a cache line: their owners are different tasks.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    read: Readiness,
    write: Readiness,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    reader: Option<Waker>,
    writer: Option<Waker>,
    futures: Slab<Waiter>,
}

/// A waiting future. The waker is gone once it was woken; the entry stays until the future sees it.
#[derive(Debug)]
struct Waiter {
    wants: Ready,
    waker: Option<Waker>,
}

/// The bits that the word of the write direction holds. The other word holds the rest, errors too.
fn write_bits() -> Ready {
    Ready::WRITABLE | Ready::WRITE_CLOSED
}

impl Slot {
    pub(super) fn new() -> Self {
        Self { read: Readiness::new(), write: Readiness::new(), waiters: Mutex::new(Waiters::default()) }
    }

    /// Which registration of the slot is the present one.
    pub(super) fn generation(&self) -> u32 {
        self.read.load().generation()
    }

    /// What is ready now, of what `interest` asks for.
    #[inline]
    pub(super) fn ready(&self, interest: Interest) -> ReadyEvent {
        let (read, write) = (self.read.load(), self.write.load());
        ReadyEvent {
            ready: ((read.ready() - write_bits()) | (write.ready() & write_bits())) & interest.mask(),
            is_shut_down: read.is_shut_down() || write.is_shut_down(),
            read,
            write,
        }
    }

    /// Takes back what turned out not to be so. Does nothing for a direction that had an event since.
    pub(super) fn clear(&self, event: ReadyEvent) {
        let read = event.ready - write_bits();
        if !read.is_empty() {
            self.read.clear(event.read, read);
        }
        let write = event.ready & write_bits();
        if !write.is_empty() {
            self.write.clear(event.write, write);
        }
    }

    /// Takes the resource for ready without an event. For one whose state is known from how it was made; a wrong
    /// guess costs one call that would have blocked.
    pub(super) fn assume(&self, ready: Ready) {
        self.read.assume(ready - write_bits());
        self.write.assume(ready & write_bits());
    }

    /// Delivers an event that the system reported for registration `generation`.
    pub(super) fn deliver(&self, generation: u32, ready: Ready) {
        let (read, write) = (ready - write_bits(), ready & write_bits());
        let mut current = false;
        if !read.is_empty() {
            current |= self.read.set(generation, read);
        }
        if !write.is_empty() {
            current |= self.write.set(generation, write);
        }
        if current {
            self.wake(ready);
        }
    }

    /// Makes every wait on this resource end, now and later.
    pub(super) fn shut_down(&self) {
        self.read.shut_down();
        self.write.shut_down();
        self.wake(Ready::ALL);
    }

    /// Forgets the present registration.
    pub(super) fn recycle(&self) {
        self.read.recycle();
        self.write.recycle();
        // Whoever leaked a waiting future left its waker here. Foreign code: dropped outside of the lock.
        let left = mem::take(&mut *self.waiters.lock());
        drop(left);
    }

    fn wake(&self, ready: Ready) {
        let mut wakers = WakeList::new();
        let mut waiters = self.waiters.lock();
        if ready.is_readable()
            && let Some(waker) = waiters.reader.take()
        {
            wakers.push(waker);
        }
        if ready.is_writable()
            && let Some(waker) = waiters.writer.take()
        {
            wakers.push(waker);
        }
        loop {
            let mut woken = waiters.futures.iter_mut().filter(|(_, waiter)| waiter.wants.intersects(ready));
            while wakers.can_push() {
                let Some((_, waiter)) = woken.next() else {
                    drop(waiters);
                    wakers.wake_all();
                    return;
                };
                if let Some(waker) = waiter.waker.take() {
                    wakers.push(waker);
                }
            }
            // The list is full. Those that come to wait meanwhile see the readiness, so one more
            // round over those without a waker is all that this costs.
            drop(waiters);
            wakers.wake_all();
            waiters = self.waiters.lock();
        }
    }

    /// What the `poll_*` methods wait with: one waker a direction.
    #[inline]
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<ReadyEvent> {
        let event = self.ready(direction.interest());
        if !event.ready.is_empty() || event.is_shut_down {
            return Poll::Ready(event);
        }
        self.wait(cx, direction)
    }

    fn wait(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<ReadyEvent> {
        let waker = cx.waker().clone();
        let mut waiters = self.waiters.lock();
        let place = match direction {
            Direction::Read => &mut waiters.reader,
            Direction::Write => &mut waiters.writer,
        };
        let previous = place.replace(waker);
        let event = self.ready(direction.interest());
        let ready = !event.ready.is_empty() || event.is_shut_down;
        let unused = if ready { place.take() } else { None };
        drop(waiters);
        drop((previous, unused));
        if ready { Poll::Ready(event) } else { Poll::Pending }
    }

    /// What async methods wait with: any number at once.
    pub(super) fn readiness(&self, interest: Interest) -> Waiting<'_> {
        Waiting { slot: self, interest, key: None }
    }
}

/// A future that waits for readiness. It may be dropped at any time; readiness is not consumed.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    slot: &'a Slot,
    interest: Interest,
    /// Where its entry is, while it has one.
    key: Option<usize>,
}

impl Future for Waiting<'_> {
    type Output = ReadyEvent;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<ReadyEvent> {
        let event = self.slot.ready(self.interest);
        if !event.ready.is_empty() || event.is_shut_down {
            return Poll::Ready(event);
        }
        let waker = Some(cx.waker().clone());
        let mut waiters = self.slot.waiters.lock();
        let event = self.slot.ready(self.interest);
        if !event.ready.is_empty() || event.is_shut_down {
            drop(waiters);
            return Poll::Ready(event);
        }
        let previous = match self.key {
            Some(key) => mem::replace(&mut waiters.futures[key].waker, waker),
            None => {
                self.key = Some(waiters.futures.insert(Waiter { wants: self.interest.mask(), waker }));
                None
            }
        };
        drop(waiters);
        drop(previous);
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waiter = self.slot.waiters.lock().futures.remove(key);
            drop(waiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{self, Arc, atomic::AtomicUsize, atomic::Ordering, thread};

    /// Counts wakes, on the standard library's atomics: it is the test's, not the model's.
    #[derive(Default)]
    struct Count(std::sync::atomic::AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }

    impl Count {
        fn get(&self) -> usize {
            self.0.load(std::sync::atomic::Ordering::SeqCst)
        }
    }

    fn counter() -> (std::sync::Arc<Count>, Waker) {
        let count = std::sync::Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn a_slot_is_two_cache_lines() {
        assert_eq!(size_of::<Slot>(), 128);
    }

    #[test]
    fn the_last_to_poll_is_woken() {
        let slot = Slot::new();
        let ((first, first_waker), (last, last_waker)) = (counter(), counter());
        assert!(slot.poll_ready(&mut Context::from_waker(&first_waker), Direction::Read).is_pending());
        assert!(slot.poll_ready(&mut Context::from_waker(&last_waker), Direction::Read).is_pending());
        slot.deliver(0, Ready::WRITABLE);
        assert_eq!((first.get(), last.get()), (0, 0), "the other direction");
        slot.deliver(0, Ready::READABLE);
        assert_eq!((first.get(), last.get()), (0, 1));
        assert!(slot.poll_ready(&mut Context::from_waker(&last_waker), Direction::Read).is_ready());
    }

    #[test]
    fn any_number_of_futures_are_woken() {
        let slot = Slot::new();
        let mut waiting: Vec<_> = (0..100).map(|_| (slot.readiness(Interest::READABLE), counter())).collect();
        for (future, (_, waker)) in &mut waiting {
            assert!(Pin::new(future).poll(&mut Context::from_waker(waker)).is_pending());
        }
        // A third goes away first; its entry goes with it.
        for _ in 0..33 {
            waiting.pop();
        }
        assert_eq!(slot.waiters.lock().futures.len(), 67);
        slot.deliver(0, Ready::READABLE);
        for (future, (count, waker)) in &mut waiting {
            assert_eq!(count.get(), 1);
            assert!(Pin::new(future).poll(&mut Context::from_waker(waker)).is_ready());
        }
        drop(waiting);
        assert!(slot.waiters.lock().futures.is_empty());
    }

    #[test]
    fn a_future_whose_readiness_somebody_else_took_waits_on() {
        let slot = Slot::new();
        let (count, waker) = counter();
        let mut cx = Context::from_waker(&waker);
        let mut future = slot.readiness(Interest::READABLE);
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
        slot.deliver(0, Ready::READABLE);
        slot.clear(slot.ready(Interest::READABLE));
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
        slot.deliver(0, Ready::READABLE);
        assert_eq!(count.get(), 2);
        assert!(Pin::new(&mut future).poll(&mut cx).is_ready());
    }

    #[test]
    fn a_recycled_slot_ignores_old_events_and_drops_old_wakers() {
        let slot = Slot::new();
        let (count, waker) = counter();
        assert!(slot.poll_ready(&mut Context::from_waker(&waker), Direction::Write).is_pending());
        drop(waker);
        slot.recycle();
        assert_eq!(std::sync::Arc::strong_count(&count), 1);
        slot.deliver(0, Ready::ALL);
        assert_eq!(slot.ready(Interest::READABLE | Interest::WRITABLE).ready, Ready::EMPTY);
        assert_eq!(slot.generation(), 1);
    }

    /// The one lost wake-up that must not be: a waiter that goes to sleep while the event arrives.
    #[test]
    fn loom_a_waiter_that_sees_nothing_is_woken() {
        prim::model(|| {
            let slot = Arc::new(Slot::new());
            let driver = {
                let slot = slot.clone();
                thread::spawn(move || slot.deliver(0, Ready::READABLE))
            };
            let (count, waker) = counter();
            let pending = slot.poll_ready(&mut Context::from_waker(&waker), Direction::Read).is_pending();
            driver.join().unwrap();
            assert_eq!(count.get(), usize::from(pending));
        });
    }

    #[test]
    fn loom_a_dropped_future_leaves_nothing_behind() {
        prim::model(|| {
            let slot = Arc::new(Slot::new());
            let seen = Arc::new(AtomicUsize::new(0));
            let other = {
                let (slot, seen) = (slot.clone(), seen.clone());
                thread::spawn(move || {
                    let (_, waker) = counter();
                    let mut future = slot.readiness(Interest::READABLE);
                    if Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending() {
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                })
            };
            slot.deliver(0, Ready::READABLE);
            other.join().unwrap();
            assert!(slot.waiters.lock().futures.is_empty());
        });
    }
}
