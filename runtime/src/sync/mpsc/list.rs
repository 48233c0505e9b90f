//! The queue of an mpsc channel: a list of blocks, into which any number of senders put without a lock.
//!
//! # The protocol
//!
//! A sender takes a position, finds the block with that position, and puts the value into its slot. The receiver takes
//! values out in the order of positions. There is no block before the first value; a new one is appended by whoever needs
//! it first.
//!
//! Senders find their block from `tail_block` on. Whoever passes a block with all slots ready moves `tail_block` past it,
//! then notes in the block the position that would be handed out next (`observed`). A sender of that position or a
//! later one reads `tail` after that note was made from `tail`, so it finds `tail_block` moved, and never comes to this
//! block. A sender of an earlier position may still be on its way over the block; but it is there no more when its slot
//! is ready. Therefore:
//!
//! *The receiver may free a block when it has been released, and all positions before `observed` have been received.*
//!
//! What the receiver waits for is a certain slot, so it leaves its note there: in the bits of the block, or in the link to
//! the block that is not there yet; whoever appends that one carries the note over into its bits. So the sender that makes
//! this very slot ready wakes the receiver, and nobody else does.
//!
//! | word | ordering |
//! |---|---|
//! | `tail`: a position is taken; observed | AcqRel, which makes later senders see `tail_block` moved |
//! | links and `tail_block` | AcqRel, load Acquire: the block's fields |
//! | a block's bits | see there |
//!
//! Foreign code (the values' drop) runs outside of all of this.
//!
//! Next file to read: `block.rs`, then `chan.rs`.

use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};

use super::block::{Block, Position, awaited, is_block};
use crate::base::panic::Panics;
use crate::base::prim::atomic::{
    AtomicPtr, AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use crate::base::prim::{Arc, UnsafeCell, hint};

/// In `tail`: no more values are let in by [`Shared::try_push`].
const CLOSED: usize = 1;

/// How often a sender looks for a block that another one should be appending right now, before it does so itself.
const LOOKS: u32 = if cfg!(rt_loom) { 0 } else { 32 };

/// The senders' side of the queue, with what else belongs to the channel.
pub(super) struct Shared<T, X> {
    /// The next position to be handed out, and `CLOSED`.
    tail: AtomicUsize,
    /// Where senders begin to look for their block. Nothing before there is the first one.
    tail_block: AtomicPtr<Block<T>>,
    first: AtomicPtr<Block<T>>,
    /// What is left of the queue when the receiver has gone. The receiver's to write, then the last owner's.
    rest: UnsafeCell<Rest<T>>,
    #[cfg(test)]
    origin: Position,
    pub(super) extra: X,
}

/// A place in the queue.
struct Rest<T> {
    at: Position,
    /// The oldest block that has not been freed; nothing if there has been none yet.
    oldest: *mut Block<T>,
}

// SAFETY: values go from the threads of senders to the one of the receiver, or of whoever drops the last of it.
unsafe impl<T: Send, X: Send> Send for Shared<T, X> {}
// SAFETY: as above; blocks are shared as the protocol allows. References to values are not given out.
unsafe impl<T: Send, X: Sync> Sync for Shared<T, X> {}
// A panic leaves the queue whole: no value is looked at in it.
impl<T, X> UnwindSafe for Shared<T, X> {}
impl<T, X> RefUnwindSafe for Shared<T, X> {}

/// The receiver's side of the queue. There is one for each [`Shared`].
pub(super) struct Head<T, X> {
    shared: Arc<Shared<T, X>>,
    /// The position of what is received next.
    at: Position,
    /// The block in which the last value was, or the next one is. Nothing if there has been none yet.
    block: Option<NonNull<Block<T>>>,
    /// The oldest block that has not been freed: from here on, links lead to `block`.
    oldest: Option<NonNull<Block<T>>>,
}

// SAFETY: as the values that it gives out, and as what it shares.
unsafe impl<T: Send, X: Send + Sync> Send for Head<T, X> {}
// SAFETY: a shared one only looks at positions and bits.
unsafe impl<T: Send, X: Send + Sync> Sync for Head<T, X> {}
impl<T, X> UnwindSafe for Head<T, X> {}
impl<T, X> RefUnwindSafe for Head<T, X> {}

/// Makes an empty queue.
pub(super) fn new<T, X>(extra: X) -> (Arc<Shared<T, X>>, Head<T, X>) {
    new_at(extra, Position(0))
}

/// Makes an empty queue whose first position is `origin`, the first one of a block.
pub(super) fn new_at<T, X>(extra: X, origin: Position) -> (Arc<Shared<T, X>>, Head<T, X>) {
    let shared = Arc::new(Shared {
        tail: AtomicUsize::new(origin.0),
        tail_block: AtomicPtr::new(ptr::null_mut()),
        first: AtomicPtr::new(ptr::null_mut()),
        rest: UnsafeCell::new(Rest { at: origin, oldest: ptr::null_mut() }),
        #[cfg(test)]
        origin,
        extra,
    });
    let head = Head { shared: shared.clone(), at: origin, block: None, oldest: None };
    (shared, head)
}

impl<T, X> Shared<T, X> {
    #[cfg(test)]
    fn origin(&self) -> Position {
        self.origin
    }

    #[cfg(not(test))]
    fn origin(&self) -> Position {
        Position(0)
    }

    /// Puts a value in. Returns whether the receiver is to be woken.
    #[must_use]
    pub(super) fn push(&self, value: T) -> bool {
        let position = Position(self.tail.fetch_add(Position::STEP, AcqRel) & !CLOSED);
        self.put(position, value)
    }

    /// Puts a value in, unless the queue has been closed. Returns whether the receiver is to be woken.
    pub(super) fn try_push(&self, value: T) -> Result<bool, T> {
        if self.is_closed() {
            return Err(value);
        }
        let tail = self.tail.fetch_add(Position::STEP, AcqRel);
        if tail & CLOSED != 0 {
            // The position is past the end: nobody ever looks for it.
            return Err(value);
        }
        Ok(self.put(Position(tail), value))
    }

    fn put(&self, position: Position, value: T) -> bool {
        let block = self.find(position);
        // SAFETY: the position is this sender's, so the slot is, and the block is not freed before it is ready.
        unsafe { Block::write(block, Block::<T>::slot_of(position), value) }
    }

    /// Lets no more in by [`try_push`](Self::try_push), and returns the position after the last one.
    pub(super) fn close(&self) -> Position {
        Position(self.tail.fetch_or(CLOSED, AcqRel) & !CLOSED)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.tail.load(Acquire) & CLOSED != 0
    }

    /// The position after the last one that was handed out.
    pub(super) fn end(&self) -> Position {
        Position(self.tail.load(Acquire) & !CLOSED)
    }

    /// Finds the block of a position that is the caller's, who has not made its slot ready.
    #[inline]
    fn find(&self, position: Position) -> NonNull<Block<T>> {
        let start = Block::<T>::start_of(position);
        if let Some(block) = NonNull::new(self.tail_block.load(Acquire)) {
            // SAFETY: not freed, as `position` has not been received: see the module.
            if unsafe { block.as_ref() }.start() == start {
                return block;
            }
            return self.walk(block, start, Block::<T>::slot_of(position));
        }
        let first = append(&self.first, self.origin(), Block::<T>::slot_of(position));
        // If that fails another sender was faster.
        let _ = self.tail_block.compare_exchange(ptr::null_mut(), first.as_ptr(), AcqRel, Relaxed);
        self.walk(first, start, Block::<T>::slot_of(position))
    }

    /// Walks on to the block that begins at `start`, and moves `tail_block` past those that are complete.
    #[cold]
    fn walk(&self, mut at: NonNull<Block<T>>, start: Position, slot: usize) -> NonNull<Block<T>> {
        let mut may_move = true;
        loop {
            // SAFETY: not freed, as the caller's position has not been received: see the module.
            let block = unsafe { at.as_ref() };
            if block.start() == start {
                return at;
            }
            let next = append(&block.next, block.end(), slot);
            may_move = may_move
                && block.is_complete()
                && self.tail_block.compare_exchange(at.as_ptr(), next.as_ptr(), AcqRel, Relaxed).is_ok();
            if may_move {
                let observed = self.tail.fetch_add(0, AcqRel) & !CLOSED;
                block.release(Position(observed));
            }
            at = next;
        }
    }
}

/// The block behind a link, which is appended if there is none yet. `slot` is the one that the caller wants in some block.
fn append<T>(link: &AtomicPtr<Block<T>>, start: Position, slot: usize) -> NonNull<Block<T>> {
    let mut found = link.load(Acquire);
    if slot != 0 {
        // The sender of its first slot is about to append it.
        for _ in 0..LOOKS {
            if is_block(found) {
                break;
            }
            hint::spin_loop();
            found = link.load(Acquire);
        }
    }
    let mut own = None;
    loop {
        if let Some(block) = NonNull::new(found).filter(|block| is_block(block.as_ptr())) {
            if let Some(own) = own {
                // SAFETY: made below, and not appended.
                unsafe { Block::free(own) };
            }
            return block;
        }
        let new = *own.get_or_insert_with(|| Block::new(start));
        // SAFETY: nobody else's yet.
        unsafe { new.as_ref() }.set_awaited(!found.is_null());
        match link.compare_exchange(found, new.as_ptr(), AcqRel, Acquire) {
            Ok(_) => return new,
            Err(actual) => found = actual,
        }
    }
}

impl<T, X> Head<T, X> {
    pub(super) fn shared(&self) -> &Arc<Shared<T, X>> {
        &self.shared
    }

    /// The position of what is received next.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    /// The block of the next position, if there is one.
    fn find(&self) -> Option<NonNull<Block<T>>> {
        let link = match &self.block {
            None => &self.shared.first,
            Some(block) => {
                // SAFETY: only the receiver frees blocks, and not this one before it has gone on to the next.
                let reference = unsafe { block.as_ref() };
                if reference.start() == Block::<T>::start_of(self.at) {
                    return Some(*block);
                }
                &reference.next
            }
        };
        NonNull::new(link.load(Acquire)).filter(|block| is_block(block.as_ptr()))
    }

    /// As [`find`](Self::find), and goes on to it.
    #[inline]
    fn advance(&mut self) -> Option<NonNull<Block<T>>> {
        let block = self.find()?;
        if self.block != Some(block) {
            self.block = Some(block);
            self.oldest.get_or_insert(block);
            self.reclaim();
        }
        Some(block)
    }

    /// Frees the blocks that nobody comes to any more.
    pub(super) fn reclaim(&mut self) {
        while let (Some(oldest), Some(block)) = (self.oldest, self.block)
            && oldest != block
        {
            // SAFETY: not freed yet.
            let reference = unsafe { oldest.as_ref() };
            if reference.observed().is_none_or(|observed| self.at.minus(observed) < 0) {
                return;
            }
            self.oldest = NonNull::new(reference.next.load(Acquire));
            // SAFETY: no sender comes to it (see the module), and the receiver has just left it behind.
            unsafe { Block::free(oldest) };
        }
    }

    /// Whether the next value is there.
    pub(super) fn is_ready(&self) -> bool {
        // SAFETY: as in `find`.
        self.find().is_some_and(|block| unsafe { block.as_ref() }.is_ready(Block::<T>::slot_of(self.at)))
    }

    /// Takes the next value out, if it is there.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<T> {
        let block = self.advance()?;
        let slot = Block::<T>::slot_of(self.at);
        // SAFETY: as in `find`.
        if !unsafe { block.as_ref() }.is_ready(slot) {
            return None;
        }
        self.at = self.at.next();
        // SAFETY: alive; ready; and the position has just been left behind.
        Some(unsafe { Block::read(block, slot) })
    }

    /// Asks the sender of the next value to wake the receiver. Returns whether the value is there already.
    pub(super) fn wait_for_next(&mut self) -> bool {
        loop {
            if let Some(block) = self.advance() {
                // SAFETY: as in `find`.
                return unsafe { block.as_ref() }.wait_for(Block::<T>::slot_of(self.at));
            }
            let link = match &self.block {
                None => &self.shared.first,
                // SAFETY: as in `find`.
                Some(block) => unsafe { &block.as_ref().next },
            };
            match link.compare_exchange(ptr::null_mut(), awaited(), AcqRel, Acquire) {
                Ok(_) => return false,
                // Noted before.
                Err(found) if !is_block(found) => return false,
                Err(_) => {}
            }
        }
    }
}

impl<T, X> Drop for Head<T, X> {
    fn drop(&mut self) {
        let oldest = self.oldest.map_or(ptr::null_mut(), NonNull::as_ptr);
        self.shared.rest.with_mut(|rest| {
            // SAFETY: the receiver's to write, and it ends here.
            unsafe { *rest = Rest { at: self.at, oldest } };
        });
    }
}

impl<T, X> Drop for Shared<T, X> {
    fn drop(&mut self) {
        let nothing = Rest { at: self.origin(), oldest: ptr::null_mut() };
        let rest = self.rest.with_mut(|rest| {
            // SAFETY: nobody else is left. The receiver, if there was one, has put there what it left behind.
            mem::replace(unsafe { &mut *rest }, nothing)
        });
        let oldest = if rest.oldest.is_null() { self.first.load(Acquire) } else { rest.oldest };
        drop(Remains { at: rest.at, block: oldest });
    }
}

/// Blocks with values that are nobody else's any more. Dropping it drops all of them, even if one panics.
struct Remains<T> {
    at: Position,
    block: *mut Block<T>,
}

impl<T> Drop for Remains<T> {
    fn drop(&mut self) {
        let mut panics = Panics::new();
        while let Some(at) = NonNull::new(self.block).filter(|block| is_block(block.as_ptr())) {
            // SAFETY: alive, and this one's own.
            let block = unsafe { at.as_ref() };
            while self.at.minus(block.end()) < 0 {
                let slot = Block::<T>::slot_of(self.at);
                self.at = self.at.next();
                if block.is_ready(slot) {
                    // SAFETY: alive; ready; and the position has just been left behind.
                    let value = unsafe { Block::read(at, slot) };
                    panics.run(|| drop(value));
                }
            }
            self.block = block.next.load(Acquire);
            // SAFETY: it has been left behind, with all that was in it.
            unsafe { Block::free(at) };
        }
        panics.resume();
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_kept_for_those_who_had_a_position_when_it_was_left_behind() {
        let (shared, mut head) = new::<usize, ()>(());
        let capacity = Block::<usize>::CAPACITY;
        for value in 0..capacity {
            let _ = shared.push(value);
        }
        // A sender that has its position, and perhaps stands on the first block on its way to the second.
        let slow = Position(shared.tail.fetch_add(Position::STEP, AcqRel));
        let _ = shared.push(capacity + 1);
        for value in 0..capacity {
            assert_eq!(head.pop(), Some(value));
        }
        assert_eq!(head.pop(), None);
        assert!(head.block.is_some() && head.oldest != head.block, "the first block has been freed");
        let _ = shared.put(slow, capacity);
        assert_eq!((head.pop(), head.pop()), (Some(capacity), Some(capacity + 1)));
        head.reclaim();
        assert_eq!(head.oldest, head.block, "nobody comes to the first block any more");
    }
}
