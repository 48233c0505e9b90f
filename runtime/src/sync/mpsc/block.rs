//! A block of slots: what the queue of an mpsc channel is made of.
//!
//! How many slots a block has follows from the size of what is sent, so that a block takes about a kilobyte at most, unless
//! four values are more than that. Block and slots are one allocation.
//!
//! One word tells of all slots:
//!
//! | bit of a slot | set by | says |
//! |---|---|---|
//! | ready | its sender, last | the value is there; it is the receiver's |
//! | waited for | the receiver | whoever sets *ready* after it has to wake the receiver |
//!
//! Bits are only ever set. A slot's place is its sender's until it is ready. See `list.rs` for who may free a block.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use crate::base::prim::UnsafeCell;
use crate::base::prim::atomic::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Where something is in the queue. Twice the count of what came before, as the word from which positions are handed out
/// has a flag in its lowest bit. Positions wrap around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(pub(super) usize);

impl Position {
    pub(super) const STEP: usize = 2;

    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(Self::STEP))
    }

    /// How many positions it is past `other`.
    pub(super) fn minus(self, other: Self) -> isize {
        // A difference of positions that exist at the same time is far smaller than half of what there is.
        self.0.wrapping_sub(other.0).cast_signed() / Self::STEP.cast_signed()
    }
}

/// See the [module](self).
#[repr(C)]
pub(super) struct Block<T> {
    start: Position,
    bits: AtomicU64,
    /// The next block, or one of two marks: nothing, and [`AWAITED`].
    pub(super) next: AtomicPtr<Block<T>>,
    /// The position up to which senders may still walk over this block. Written before `released`.
    observed: AtomicUsize,
    released: AtomicBool,
    /// The slots begin here.
    slots: [Slot<T>; 0],
}

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// In the place of a block that is not there yet: the receiver waits for its first slot.
const AWAITED: usize = 1;

/// Whether there is a block, and not a mark.
pub(super) fn is_block<T>(link: *mut Block<T>) -> bool {
    link.addr() > AWAITED
}

/// The mark of a block that the receiver waits for.
pub(super) fn awaited<T>() -> *mut Block<T> {
    ptr::without_provenance_mut(AWAITED)
}

impl<T> Block<T> {
    /// How many slots there are: a power of two.
    pub(super) const CAPACITY: usize = {
        if cfg!(rt_loom) {
            2
        } else {
            match 1024 / if size_of::<T>() == 0 { 1 } else { size_of::<T>() } {
                32.. => 32,
                16.. => 16,
                8.. => 8,
                _ => 4,
            }
        }
    };

    const ALL_READY: u64 = (1 << Self::CAPACITY) - 1;

    const LAYOUT: Layout = {
        let size = size_of::<Self>() + Self::CAPACITY * size_of::<Slot<T>>();
        match Layout::from_size_align(size, align_of::<Self>()) {
            Ok(layout) => layout,
            Err(_) => panic!("a value is too large to be sent through a channel"),
        }
    };

    /// The position of the first slot of the block that `position` is in.
    pub(super) fn start_of(position: Position) -> Position {
        Position(position.0 & !(Self::CAPACITY * Position::STEP - 1))
    }

    /// Which slot of its block that is.
    pub(super) fn slot_of(position: Position) -> usize {
        (position.0 / Position::STEP) & (Self::CAPACITY - 1)
    }

    /// Makes a block whose first slot is at `start`, with no slot ready. It is freed by [`free`](Self::free) alone.
    pub(super) fn new(start: Position) -> NonNull<Self> {
        // SAFETY: a block has a size.
        let memory = unsafe { alloc(Self::LAYOUT) }.cast::<Self>();
        let Some(block) = NonNull::new(memory) else { handle_alloc_error(Self::LAYOUT) };
        let fields = Self {
            start,
            bits: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            observed: AtomicUsize::new(0),
            released: AtomicBool::new(false),
            slots: [],
        };
        // SAFETY: the memory is large enough, aligned, and nobody else's.
        unsafe { block.write(fields) };
        for slot in 0..Self::CAPACITY {
            // SAFETY: `slot` is within the block.
            let place = unsafe { Self::place(block, slot) };
            // SAFETY: as above.
            unsafe { place.write(Slot::new(MaybeUninit::uninit())) };
        }
        block
    }

    /// Frees a block. Values that are in it are not dropped.
    ///
    /// # Safety
    /// It was made by [`new`](Self::new), and nobody uses it after this.
    pub(super) unsafe fn free(block: NonNull<Self>) {
        for slot in 0..Self::CAPACITY {
            // SAFETY: `slot` is within the block.
            let place = unsafe { Self::place(block, slot) };
            // SAFETY: written by `new`, and dropped once.
            unsafe { place.drop_in_place() };
        }
        // SAFETY: written by `new`, and dropped once.
        unsafe { block.drop_in_place() };
        // SAFETY: allocated by `new`, with this layout.
        unsafe { dealloc(block.as_ptr().cast(), Self::LAYOUT) };
    }

    /// Where a slot is.
    ///
    /// # Safety
    /// `block` points to the memory of a block, and `slot` is less than its capacity.
    unsafe fn place(block: NonNull<Self>, slot: usize) -> NonNull<Slot<T>> {
        // SAFETY: the slots come after the fields, which are as aligned as a slot and end where `slots` is at the latest.
        let first = unsafe { block.byte_add(size_of::<Self>()) }.cast::<Slot<T>>();
        // SAFETY: within the allocation.
        unsafe { first.add(slot) }
    }

    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// The position after its last slot.
    pub(super) fn end(&self) -> Position {
        Position(self.start.0.wrapping_add(Self::CAPACITY * Position::STEP))
    }

    /// Whether the slot is ready.
    pub(super) fn is_ready(&self, slot: usize) -> bool {
        self.bits.load(Acquire) & ready(slot) != 0
    }

    /// Whether all slots are ready: their senders touch the block no more.
    pub(super) fn is_complete(&self) -> bool {
        self.bits.load(Acquire) & Self::ALL_READY == Self::ALL_READY
    }

    /// Notes that the receiver waits for the slot. Returns whether it was ready already.
    pub(super) fn wait_for(&self, slot: usize) -> bool {
        let mut bits = self.bits.load(Acquire);
        if bits & waited_for(slot) == 0 {
            bits = self.bits.fetch_or(waited_for(slot), AcqRel);
        }
        bits & ready(slot) != 0
    }

    /// As [`wait_for`](Self::wait_for) the first slot, of a block that is nobody else's yet.
    pub(super) fn set_awaited(&self, awaited: bool) {
        self.bits.store(if awaited { waited_for(0) } else { 0 }, Relaxed);
    }

    /// Puts the value into the slot. Returns whether the receiver is to be woken.
    ///
    /// # Safety
    /// `block` is alive until this has made the slot ready, and the slot is the caller's, who does this once.
    pub(super) unsafe fn write(block: NonNull<Self>, slot: usize, value: T) -> bool {
        // SAFETY: the slot is within the block, which is alive.
        let place = unsafe { Self::place(block, slot) };
        // SAFETY: as above.
        let cell = unsafe { place.as_ref() };
        cell.with_mut(|place| {
            // SAFETY: it is not ready, so it is the caller's.
            let place = unsafe { &mut *place };
            place.write(value);
        });
        // SAFETY: alive.
        let bits = unsafe { &block.as_ref().bits };
        // Release: the value. Acquire: what the receiver did before it waited. The block may be gone after this.
        bits.fetch_or(ready(slot), AcqRel) & waited_for(slot) != 0
    }

    /// Takes the value out of the slot.
    ///
    /// # Safety
    /// `block` is alive, the caller is the receiver, has seen the slot ready, and does this once.
    pub(super) unsafe fn read(block: NonNull<Self>, slot: usize) -> T {
        // SAFETY: the slot is within the block, which is alive.
        let place = unsafe { Self::place(block, slot) };
        // SAFETY: as above.
        let cell = unsafe { place.as_ref() };
        cell.with_mut(|place| {
            // SAFETY: it is ready, so it is the receiver's.
            let place = unsafe { &*place };
            // SAFETY: it is ready, so the value is there; it is read once.
            unsafe { place.assume_init_read() }
        })
    }

    /// Says that senders of positions from `observed` on do not come here. The block may be gone after this.
    pub(super) fn release(&self, observed: Position) {
        self.observed.store(observed.0, Relaxed);
        self.released.store(true, Release);
    }

    /// The position from which on no sender comes here, if it has been released.
    pub(super) fn observed(&self) -> Option<Position> {
        self.released.load(Acquire).then(|| Position(self.observed.load(Relaxed)))
    }
}

fn ready(slot: usize) -> u64 {
    1 << slot
}

fn waited_for(slot: usize) -> u64 {
    1 << (32 + slot)
}
