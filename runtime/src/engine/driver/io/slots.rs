//! The table of slots: index to slot without a lock, and without a pointer that could dangle.
//!
//! Slots live in pages. Page `p` holds `FIRST << p` of them, is made when it is first needed, and stays until
//! the table goes: an index that the operating system hands back long after its registration ended still names
//! a slot, whose generation then says that the event is stale. Indexes are recycled, last given back first.
//!
//! Next file to read: `registration.rs`.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use super::slot::Slot;
use crate::base::prim::Mutex;

/// Slots in the first page.
const FIRST: usize = 32;
const PAGES: usize = 22;
/// How many resources one driver can hold: 2^27 less 32, more than a process may open.
const CAPACITY: usize = FIRST * ((1 << PAGES) - 1);

#[derive(Debug)]
pub(super) struct Slots {
    pages: [OnceLock<Box<[Slot]>>; PAGES],
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    /// Given back, to be used again.
    recycled: Vec<u32>,
    /// Every index below has been handed out at least once.
    fresh: u32,
    closed: bool,
}

/// Why there is no slot to be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unavailable {
    Closed,
    Full,
}

/// The page and the place in it.
fn locate(index: u32) -> (usize, usize) {
    let shifted = index as usize / FIRST + 1;
    let page = shifted.ilog2() as usize;
    (page, index as usize - FIRST * ((1 << page) - 1))
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { pages: [const { OnceLock::new() }; PAGES], free: Mutex::new(Free::default()) }
    }

    /// The slot of an index that [`acquire`](Self::acquire) has ever returned, `None` for any other.
    #[inline]
    pub(super) fn get(&self, index: u32) -> Option<&Slot> {
        let (page, place) = locate(index);
        self.pages.get(page)?.get()?.get(place)
    }

    pub(super) fn acquire(&self) -> Result<u32, Unavailable> {
        let mut free = self.free.lock();
        if free.closed {
            return Err(Unavailable::Closed);
        }
        if let Some(index) = free.recycled.pop() {
            return Ok(index);
        }
        let index = free.fresh;
        if index as usize == CAPACITY {
            return Err(Unavailable::Full);
        }
        let (page, _) = locate(index);
        self.pages[page].get_or_init(|| (0..FIRST << page).map(|_| Slot::new()).collect());
        free.fresh += 1;
        Ok(index)
    }

    /// Gives a slot back. The caller has ended the registration with the operating system before.
    pub(super) fn release(&self, index: u32) {
        if let Some(slot) = self.get(index) {
            slot.recycle();
            self.free.lock().recycled.push(index);
        }
    }

    /// Hands out no more, and ends every wait. Returns whether this call was the first.
    pub(super) fn close(&self) -> bool {
        let handed_out = {
            let mut free = self.free.lock();
            if free.closed {
                return false;
            }
            free.closed = true;
            free.fresh
        };
        for slot in (0..handed_out).filter_map(|index| self.get(index)) {
            slot.shut_down();
        }
        true
    }

    /// How many are in use.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let free = self.free.lock();
        free.fresh as usize - free.recycled.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::interest::{Interest, Ready};

    #[test]
    fn locate_is_dense_and_exact() {
        let mut expected = (0, 0);
        for index in 0..(FIRST * 31) as u32 {
            assert_eq!(locate(index), expected);
            expected.1 += 1;
            if expected.1 == FIRST << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(locate(CAPACITY as u32 - 1), (PAGES - 1, (FIRST << (PAGES - 1)) - 1));
    }

    #[test]
    fn indexes_are_recycled() {
        let slots = Slots::new();
        let all: Vec<u32> = (0..1000).map(|_| slots.acquire().unwrap()).collect();
        assert_eq!(slots.len(), 1000);
        assert!(all.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        slots.release(17);
        slots.release(900);
        assert_eq!((slots.acquire(), slots.acquire(), slots.acquire()), (Ok(900), Ok(17), Ok(1000)));
        assert_eq!(slots.get(17).unwrap().generation(), 1);
        assert!(slots.get(u32::MAX).is_none());
        assert!(slots.get(5000).is_none());
    }

    #[test]
    fn a_closed_table_hands_out_nothing_and_every_slot_says_so() {
        let slots = Slots::new();
        let index = slots.acquire().unwrap();
        assert!(slots.close());
        assert!(!slots.close());
        assert_eq!(slots.acquire(), Err(Unavailable::Closed));
        let event = slots.get(index).unwrap().ready(Interest::READABLE);
        assert!(event.is_shut_down);
        assert!(event.ready.intersects(Ready::READABLE));
        slots.release(index);
        assert_eq!(slots.len(), 0);
    }
}
