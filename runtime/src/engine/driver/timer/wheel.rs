//! A hierarchical timing wheel: timers sorted just as far as is needed to find those that are due.
//!
//! Time is cut into buckets of one millisecond. Level 0 has a slot for each bucket of the 64 around the wheel's position;
//! a slot of level *n* holds 64^*n* buckets. A timer goes to the level of the highest base-64 digit in which its
//! bucket differs from the position, and to the slot that this digit names: so all of a level comes before all of the
//! next one, and the first occupied slot of the lowest level in use holds what comes first. When time reaches a slot
//! above level 0 its timers are dealt to the levels below (they *cascade*), each at most once a level.
//!
//! Eleven levels hold every deadline that 64 bits of milliseconds can name. So no slot ever stands for two different
//! times, and there is no ring to turn and no overflow to sort out. A level is allocated when it is first used.
//!
//! Deadlines are kept exactly. A running clock fires a slot of level 0 as one batch once its *latest* deadline has
//! passed: a timer by itself fires when it is due, one in a crowd up to a millisecond later, together with the crowd.
//! A paused clock fires each at its deadline, in order.
//!
//! Source: G. Varghese, T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
//!
//! Next file to read: `timer/registry.rs`.

#![forbid(unsafe_code)]

use super::entry::{EntryList, Linked, Node};
use super::moment::Moment;

const LEVELS: usize = 11;
const SLOTS: usize = 64;
const DIGIT: u32 = SLOTS.trailing_zeros();
/// The place of entries that wait to be fired: no slot has this number.
const DUE: u16 = PLACES - 1;
/// Places are below this: so many fit beside the nanoseconds of a deadline in one word of the entry.
pub(super) const PLACES: u16 = 1 << 12;

/// The timers of one shard.
pub(super) struct Wheel {
    /// The bucket that the wheel stands at: no entry of a slot is in an earlier one.
    position: u64,
    /// A bit for each level with an entry.
    used: u16,
    levels: [Option<Box<Level>>; LEVELS],
    /// Those whose time has come, in the order in which they are to be fired.
    due: EntryList,
}

struct Level {
    /// A bit for each slot with an entry.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// Beside its entries a slot has bounds of their deadlines since it was last empty. A cancelled entry may have left them
/// wider than need be.
struct Slot {
    entries: EntryList,
    earliest_millis: u64,
    earliest_sub_nanos: u32,
    /// Of a slot of level 0, whose entries are all in one bucket: the latest, from the bucket's beginning.
    latest_offset: u32,
}

impl Slot {
    const EMPTY: Slot = Slot {
        entries: EntryList::new(),
        earliest_millis: Moment::MAX.millis(),
        earliest_sub_nanos: Moment::MAX.sub_nanos(),
        latest_offset: 0,
    };

    #[inline]
    fn push(&mut self, entry: Linked, due: Moment) {
        if due < self.earliest() {
            (self.earliest_millis, self.earliest_sub_nanos) = (due.millis(), due.sub_nanos());
        }
        self.latest_offset = self.latest_offset.max(due.bucket_offset());
        self.entries.push(entry);
    }

    #[inline]
    fn earliest(&self) -> Moment {
        Moment::new(self.earliest_millis, self.earliest_sub_nanos)
    }

    /// The latest deadline, for a slot of level 0.
    #[inline]
    fn latest(&self) -> Moment {
        Moment::in_bucket(self.earliest().bucket(), self.latest_offset)
    }
}

/// The slot for a bucket while the wheel stands at `position`.
fn place(position: u64, bucket: u64) -> (usize, usize) {
    // The last digit decides if no higher one differs, also where it is the same.
    let level = ((position ^ bucket) | (SLOTS as u64 - 1)).ilog2() / DIGIT;
    let slot = (bucket >> (level * DIGIT)) as usize % SLOTS;
    (level as usize, slot)
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { position: 0, used: 0, levels: [const { None }; LEVELS], due: EntryList::new() }
    }

    /// Whether there is no entry.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.used == 0 && self.due.is_empty()
    }

    /// Links an entry, or gives it back if its bucket has passed. `now` is a recent time, not later than this instant;
    /// the more recent, the fewer levels an entry goes through.
    pub(super) fn insert(&mut self, entry: Linked, now: Moment) -> Result<(), Linked> {
        if self.used == 0 {
            // Nothing to cascade: stand where time is, so that near deadlines are at low levels.
            self.position = self.position.max(now.millis());
        }
        if entry.due().bucket() < self.position {
            return Err(entry);
        }
        self.link(entry);
        Ok(())
    }

    fn link(&mut self, entry: Linked) {
        let due = entry.due();
        let (level, slot) = place(self.position, due.bucket());
        entry.set_place((level * SLOTS + slot) as u16);
        self.used |= 1 << level;
        let level = self.levels[level]
            .get_or_insert_with(|| Box::new(Level { occupied: 0, slots: [Slot::EMPTY; SLOTS] }));
        level.occupied |= 1 << slot;
        level.slots[slot].push(entry, due);
    }

    /// Unlinks an entry of this wheel.
    pub(super) fn remove(&mut self, node: &Node) -> Linked {
        let place = node.place();
        if place == DUE {
            return self.due.remove(node);
        }
        let (level, slot) = (usize::from(place) / SLOTS, usize::from(place) % SLOTS);
        let entries = &mut self.level(level).slots[slot].entries;
        let entry = entries.remove(node);
        if entries.is_empty() {
            self.take(level, slot);
        }
        entry
    }

    fn level(&mut self, level: usize) -> &mut Level {
        self.levels[level].as_mut().expect("a level in use has been allocated")
    }

    /// Empties a slot.
    fn take(&mut self, level: usize, slot: usize) -> EntryList {
        let at = self.level(level);
        at.occupied &= !(1 << slot);
        let emptied = at.occupied == 0;
        let taken = std::mem::replace(&mut at.slots[slot], Slot::EMPTY);
        if emptied {
            self.used &= !(1 << level);
        }
        taken.entries
    }

    /// The slot that comes first: its level, its number, and itself.
    fn first(&self) -> Option<(usize, usize, &Slot)> {
        let level = self.used.trailing_zeros() as usize;
        let at = self.levels.get(level)?.as_ref()?;
        let slot = at.occupied.trailing_zeros() as usize;
        Some((level, slot, at.slots.get(slot)?))
    }

    /// When [`Wheel::advance`] is to be called next. May be early, after a cancel; never late. `None`: there is no timer.
    pub(super) fn next(&self, exact: bool) -> Option<Moment> {
        if let Some(due) = self.due.first_due() {
            return Some(due);
        }
        self.first()
            .map(|(level, _, slot)| if level == 0 && !exact { slot.latest() } else { slot.earliest() })
    }

    /// Moves the wheel to `now`: what is due then waits for [`Wheel::pop_due`]. `exact` is for a clock that stands
    /// still: nothing fires before or after its own deadline, and all in the order of their deadlines.
    pub(super) fn advance(&mut self, now: Moment, exact: bool) {
        let bucket_now = now.millis();
        while let Some((level, number, slot)) = self.first() {
            if level == 0 {
                let complete = if exact { slot.earliest() } else { slot.latest() };
                if complete > now {
                    break;
                }
                let mut entries = self.take(level, number);
                if exact {
                    self.split(entries, now);
                } else {
                    while let Some(entry) = entries.pop() {
                        self.push_due(entry);
                    }
                }
            } else {
                let shift = level as u32 * DIGIT;
                let start = ((self.position >> shift) - (self.position >> shift) % SLOTS as u64
                    + number as u64)
                    << shift;
                if start > bucket_now {
                    break;
                }
                self.position = start;
                let mut entries = self.take(level, number);
                while let Some(entry) = entries.pop() {
                    self.link(entry);
                }
            }
        }
        // Never back: a clock that is said to be monotonic may still jump on a virtual machine.
        self.position = self.position.max(bucket_now);
    }

    /// Takes those of one slot that are due by `now`, by deadline, ties in the order of registration; the others
    /// go back. Allocates, which only a paused clock has to pay for.
    fn split(&mut self, mut entries: EntryList, now: Moment) {
        let mut sorted: Vec<Linked> = std::iter::from_fn(|| entries.pop()).collect();
        sorted.sort_by_key(Linked::due);
        for entry in sorted {
            if entry.due() <= now {
                self.push_due(entry);
            } else {
                self.link(entry);
            }
        }
    }

    fn push_due(&mut self, entry: Linked) {
        entry.set_place(DUE);
        self.due.push(entry);
    }

    /// The next one to fire.
    pub(super) fn pop_due(&mut self) -> Option<Linked> {
        self.due.pop()
    }

    /// Any entry, due or not.
    pub(super) fn pop_any(&mut self) -> Option<Linked> {
        if let Some(entry) = self.due.pop() {
            return Some(entry);
        }
        let (level, number, _) = self.first()?;
        let entries = &mut self.level(level).slots[number].entries;
        let entry = entries.pop();
        if entries.is_empty() {
            self.take(level, number);
        }
        entry
    }
}
