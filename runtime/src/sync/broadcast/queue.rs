//! The values that a channel keeps, in the order in which they were sent: data only, without locks.
//!
//! A value is kept until every receiver that was subscribed when it was sent has read it, or until it is evicted because
//! the channel is full. Receivers read in order, so values are complete in order, too: what has been read by all is removed
//! at the front, and the queue is as long as the slowest receiver is behind.
//!
//! A value that is being cloned is not in the queue: the receiver that clones it has taken it out ([`Lookup::Borrowed`]),
//! and puts it back ([`Queue::put_back`]). `T` need not be `Sync`, so no two receivers may clone the same value at once.
//!
//! Next file to read: `shared.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

/// Memory that an empty queue keeps, in bytes.
const KEPT_BYTES: usize = 256;

/// See the [module](self).
pub(super) struct Queue<T> {
    entries: VecDeque<Entry<T>>,
    /// The position of the first entry.
    start: u64,
    capacity: usize,
}

struct Entry<T> {
    /// How many receivers have not read it, those that are reading it now included.
    unread: usize,
    /// A receiver has found it taken out, and may be waiting for it.
    is_contended: bool,
    /// `None`: a receiver has taken it out.
    value: Option<Box<T>>,
}

/// What a receiver finds at its position.
#[derive(Debug)]
pub(super) enum Lookup<T> {
    /// To be put back.
    Borrowed(Box<T>),
    /// All others have read it. It is not in the queue any more.
    Last(Box<T>),
    /// Another receiver has taken it out.
    Busy,
    /// So many values were evicted before they were read.
    Lagged(u64),
    /// Nothing has been sent at this position yet.
    Empty,
}

/// What has become of the place of a value that was taken out.
#[derive(Debug)]
pub(super) struct PutBack<T> {
    /// Nobody will read it any more. To be dropped without the lock.
    pub(super) unneeded: Option<Box<T>>,
    /// Others may be waiting for it.
    pub(super) is_contended: bool,
}

/// What had to go to make room.
#[derive(Debug)]
pub(super) struct Evicted<T> {
    /// To be dropped without the lock. `None`: a receiver has taken it out, and drops it.
    pub(super) value: Option<Box<T>>,
    /// Receivers may be waiting for it.
    pub(super) is_contended: bool,
}

impl<T> Queue<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), start: 0, capacity }
    }

    /// The position of the next value to be sent.
    pub(super) fn end(&self) -> u64 {
        self.start.wrapping_add(self.entries.len() as u64)
    }

    /// How many values some receiver has not read yet.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds a value for so many receivers, one at least.
    pub(super) fn push(&mut self, value: Box<T>, receivers: usize) -> Option<Evicted<T>> {
        let mut evicted = None;
        if self.entries.len() == self.capacity
            && let Some(Entry { value, is_contended, .. }) = self.entries.pop_front()
        {
            self.start = self.start.wrapping_add(1);
            evicted = Some(Evicted { value, is_contended });
        }
        self.entries.push_back(Entry { unread: receivers, is_contended: false, value: Some(value) });
        evicted
    }

    /// Looks at position `next`, and moves it past a value or to the oldest one.
    #[inline]
    pub(super) fn read(&mut self, next: &mut u64) -> Lookup<T> {
        if *next == self.end() {
            return Lookup::Empty;
        }
        let Some(entry) = self.entry(*next) else {
            let missed = self.start.wrapping_sub(*next);
            *next = self.start;
            return Lookup::Lagged(missed);
        };
        let Some(value) = entry.value.take() else {
            entry.is_contended = true;
            return Lookup::Busy;
        };
        *next = next.wrapping_add(1);
        if entry.unread > 1 {
            return Lookup::Borrowed(value);
        }
        entry.unread = 0;
        self.remove_complete();
        Lookup::Last(value)
    }

    /// Whether a receiver has taken out the value at this position. If so, whoever puts it back is told that others want it.
    pub(super) fn is_busy(&mut self, position: u64) -> bool {
        match self.entry(position) {
            Some(entry) if entry.value.is_none() => {
                entry.is_contended = true;
                true
            }
            _ => false,
        }
    }

    /// A receiver has read the value that it took out at this position.
    pub(super) fn put_back(&mut self, position: u64, value: Box<T>) -> PutBack<T> {
        let Some(entry) = self.entry(position) else {
            // It was evicted meanwhile, and those who waited for it have been told.
            return PutBack { unneeded: Some(value), is_contended: false };
        };
        let is_contended = entry.is_contended;
        entry.unread -= 1;
        if entry.unread > 0 {
            entry.value = Some(value);
            return PutBack { unneeded: None, is_contended };
        }
        self.remove_complete();
        PutBack { unneeded: Some(value), is_contended }
    }

    /// Counts the values from `next` up to `until` as read by a receiver that is gone, `most` of them at most, and moves
    /// `next` past them. Stops at a value that nobody else will read, which is to be dropped without the lock.
    pub(super) fn skip(&mut self, next: &mut u64, until: u64, most: usize) -> Option<Box<T>> {
        if self.entry(*next).is_none() {
            // What was evicted is not counted any more.
            *next = if self.is_before_start(until) { until } else { self.start };
        }
        for _ in 0..most {
            if *next == until {
                break;
            }
            let Some(entry) = self.entry(*next) else { break };
            *next = next.wrapping_add(1);
            entry.unread -= 1;
            if entry.unread == 0 {
                let value = entry.value.take();
                self.remove_complete();
                return value;
            }
        }
        None
    }

    /// Positions are compared by their distance: they may wrap around.
    fn is_before_start(&self, position: u64) -> bool {
        self.start.wrapping_sub(position) <= u64::MAX / 2
    }

    fn entry(&mut self, position: u64) -> Option<&mut Entry<T>> {
        let index = position.wrapping_sub(self.start);
        self.entries.get_mut(usize::try_from(index).ok()?)
    }

    fn remove_complete(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.unread == 0) {
            self.entries.pop_front();
            self.start = self.start.wrapping_add(1);
        }
        // Halved at a quarter, so that giving back memory costs no more than having asked for it did.
        let kept = KEPT_BYTES / size_of::<Entry<T>>();
        let capacity = self.entries.capacity();
        if capacity > kept && self.entries.len() <= capacity / 4 {
            self.entries.shrink_to(kept.max(capacity / 2));
        }
    }
}

#[cfg(all(test, not(rt_loom)))]
impl<T> Queue<T> {
    /// As [`new`](Self::new), with the first value at another position.
    pub(super) fn new_at(capacity: usize, start: u64) -> Self {
        Self { entries: VecDeque::new(), start, capacity }
    }

    /// How many entries there is memory for.
    pub(super) fn reserved(&self) -> usize {
        self.entries.capacity()
    }
}
