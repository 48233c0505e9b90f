//! One direction's readiness, in one word.
//!
//! ```text
//!  63           32 31            8 7          6   5 .. 0
//! +---------------+---------------+----------+-----------+
//! |     tick      |  generation   | shutdown |   ready   |
//! +---------------+---------------+----------+-----------+
//! ```
//!
//! | field      | written by                                       | meaning                                    |
//! |------------|--------------------------------------------------|--------------------------------------------|
//! | ready      | `set` by the driver, `clear` by whoever tried     | bits of `Ready`, of this direction only    |
//! | shutdown   | `shut_down`, once; never cleared while in use    | the driver is gone, waiting is pointless   |
//! | generation | `recycle`, when the slot is given back           | which registration of this slot it is      |
//! | tick       | `set`, plus one each time                        | how many events have been delivered        |
//!
//! Somebody who finds the descriptor not ready clears what they *saw*: `clear` takes the word that was read before
//! the system call, and does nothing if an event has been delivered since. An event that arrives between the call
//! and the clear is thus never lost. The two directions have a word each, so an event for one can never make
//! a clear of the other fail for ever. The tick would have to go round 2^32 times within one system call to be
//! mistaken, the generation 2^24 times within one batch of events.
//!
//! Orderings: `set` releases and `load` acquires, so that what the driver saw before it set a bit is seen by the
//! one who finds it. `clear` needs no more than atomicity, and has acquire-release like the others for plainness.
//!
//! Next file to read: `slot.rs`.
#![forbid(unsafe_code)]

use crate::base::interest::Ready;
use crate::base::prim::atomic::{AtomicU64, Ordering};

const READY_MASK: u64 = 0b11_1111;
const SHUTDOWN: u64 = 1 << 7;
const GENERATION_SHIFT: u32 = 8;
const TICK_SHIFT: u32 = 32;

/// Bits of a generation.
pub(super) const GENERATION_BITS: u32 = TICK_SHIFT - GENERATION_SHIFT;

/// A reading of a [`Readiness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Snapshot(u64);

impl Snapshot {
    pub(super) fn ready(self) -> Ready {
        Ready::from_bits((self.0 & READY_MASK) as u8)
    }

    pub(super) fn is_shut_down(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 as u32) >> GENERATION_SHIFT
    }

    /// Whether no event came and no reuse happened between the two readings.
    fn same_event(self, other: Snapshot) -> bool {
        self.0 >> GENERATION_SHIFT == other.0 >> GENERATION_SHIFT
    }
}

/// The word.
#[derive(Debug)]
pub(super) struct Readiness(AtomicU64);

impl Readiness {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// Delivers an event to registration `generation`. Returns whether it was for the present one.
    pub(super) fn set(&self, generation: u32, ready: Ready) -> bool {
        self.update(|seen| {
            (seen.generation() == generation)
                .then(|| (seen.0 | u64::from(ready.bits())).wrapping_add(1 << TICK_SHIFT))
        })
    }

    /// A guess instead of an event: the tick stays, so that a real event is never taken for it.
    pub(super) fn assume(&self, ready: Ready) {
        self.update(|seen| Some(seen.0 | u64::from(ready.bits())));
    }

    /// Takes `ready` away, unless there has been an event since `seen` was read. What is closed stays closed: no
    /// event will say so again.
    pub(super) fn clear(&self, seen: Snapshot, ready: Ready) {
        let gone = u64::from((ready - (Ready::READ_CLOSED | Ready::WRITE_CLOSED)).bits());
        self.update(|now| {
            (now.same_event(seen) && !now.is_shut_down() && now.0 & gone != 0).then_some(now.0 & !gone)
        });
    }

    /// Everything is ready from now on, and says why.
    pub(super) fn shut_down(&self) {
        self.update(|seen| Some(seen.0 | SHUTDOWN | READY_MASK));
    }

    /// Ends the present registration: events that are still under way to it find another generation.
    pub(super) fn recycle(&self) {
        self.update(|seen| {
            let next = seen.generation().wrapping_add(1) << GENERATION_SHIFT;
            Some(u64::from(next))
        });
    }

    /// The one compare-and-swap loop. `next` says what the word becomes, or `None` to leave it.
    fn update(&self, mut next: impl FnMut(Snapshot) -> Option<u64>) -> bool {
        let mut seen = self.load();
        while let Some(new) = next(seen) {
            match self.0.compare_exchange_weak(seen.0, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(now) => seen = Snapshot(now),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{self, Arc, thread};

    #[test]
    fn clear_takes_only_what_was_seen() {
        let word = Readiness::new();
        assert!(word.set(0, Ready::READABLE | Ready::READ_CLOSED));
        let seen = word.load();
        word.clear(seen, seen.ready());
        assert_eq!(word.load().ready(), Ready::READ_CLOSED);

        assert!(word.set(0, Ready::READABLE));
        word.clear(seen, Ready::READABLE);
        assert!(word.load().ready().intersects(Ready::READABLE), "an event since then keeps its readiness");
    }

    #[test]
    fn the_tick_goes_round_without_touching_anything_else() {
        let word = Readiness::new();
        word.recycle();
        word.update(|seen| Some(seen.0 | (u64::from(u32::MAX) << TICK_SHIFT)));
        let seen = word.load();
        assert!(word.set(1, Ready::WRITABLE));
        assert_eq!(word.load().generation(), 1);
        word.clear(seen, Ready::WRITABLE);
        assert_eq!(word.load().ready(), Ready::WRITABLE);
    }

    #[test]
    fn a_stale_event_finds_another_generation() {
        let word = Readiness::new();
        assert!(word.set(0, Ready::READABLE));
        word.recycle();
        assert!(!word.set(0, Ready::READ_CLOSED));
        assert_eq!(word.load().ready(), Ready::EMPTY);
    }

    #[test]
    fn the_generation_goes_round() {
        let word = Readiness::new();
        word.update(|_| Some(u64::from(u32::MAX << GENERATION_SHIFT)));
        assert_eq!(word.load().generation(), (1 << GENERATION_BITS) - 1);
        word.recycle();
        assert_eq!(word.load(), Snapshot(0));
    }

    #[test]
    fn shutdown_survives_a_clear() {
        let word = Readiness::new();
        let before = word.load();
        word.shut_down();
        word.clear(before, Ready::ALL);
        word.clear(word.load(), Ready::ALL);
        assert!(word.load().is_shut_down());
        assert_eq!(word.load().ready(), Ready::ALL);
    }

    /// The reader drains, an event comes, the reader clears: in whatever order, data that is there leaves the
    /// word ready.
    #[test]
    fn loom_an_event_during_a_clear_is_kept() {
        use crate::base::prim::atomic::AtomicBool;

        prim::model(|| {
            let shared = Arc::new((Readiness::new(), AtomicBool::new(false)));
            shared.0.set(0, Ready::READABLE);
            let driver = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.store(true, Ordering::Release);
                    shared.0.set(0, Ready::READABLE);
                })
            };
            let (word, data) = &*shared;
            let seen = word.load();
            let got = data.swap(false, Ordering::AcqRel);
            if !got {
                word.clear(seen, Ready::READABLE);
            }
            driver.join().unwrap();
            assert!(got || word.load().ready().intersects(Ready::READABLE));
        });
    }

    #[test]
    fn loom_shutdown_against_clear_and_set() {
        prim::model(|| {
            let word = Arc::new(Readiness::new());
            word.set(0, Ready::READABLE);
            let seen = word.load();
            let other = {
                let word = word.clone();
                thread::spawn(move || word.shut_down())
            };
            word.clear(seen, Ready::READABLE);
            word.set(0, Ready::READABLE);
            other.join().unwrap();
            assert!(word.load().is_shut_down());
            assert_eq!(word.load().ready(), Ready::ALL);
        });
    }
}
