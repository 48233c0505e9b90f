//! What the two ends of a oneshot channel share, in one allocation, and who may touch what of it.
//!
//! # The protocol
//!
//! | flag | set by | says |
//! |---|---|---|
//! | `VALUE` | the sender, with `COMPLETE` | the value is in its place |
//! | `COMPLETE` | the sender | it has sent or was dropped |
//! | `CLOSED` | the receiver | it was closed or dropped |
//! | `RX_WAKER` | the receiver | the receiver's slot holds a waker |
//! | `TX_WAKER` | the sender | the sender's slot holds a waker |
//! | `TX_GONE` | the sender, last | it touches the memory no more |
//! | `RX_GONE` | the receiver, last | it touches the memory no more |
//!
//! The channel is *open* until `COMPLETE` or `CLOSED` is set. The transition that sets the first of the two clears both
//! waker flags: *the end that ends the channel gets both wakers*, and the other one has no more business with either
//! slot. It wakes the other's and then drops its own, once it has let go of the memory.
//!
//! | field | in which state | who |
//! |---|---|---|
//! | value | `COMPLETE` not set | the sender, to write; it takes it back when it finds `CLOSED` |
//! | value | `VALUE` set | the receiver |
//! | a slot | open, its flag not set | its end, to write |
//! | a slot | its flag was seen set | its end, to compare addresses; so nobody writes it before that end clears the flag |
//! | both slots | the flags were cleared by the end of the channel | the end that did it, to copy each one's waker out, once |
//! | all | both `GONE` | who set the second one, to free it |
//!
//! A transition is one compare-and-swap, AcqRel (Acquire when it changes nothing): it gives what its end wrote, and
//! gets what the other end wrote before its last one. A send that nobody waits for is one of them, and so is a drop;
//! to receive from a sender that is gone takes none, only a load.
//!
//! Foreign code (a waker's clone, wake and drop, and the value's drop) runs before a transition or after the last one,
//! so a panic in it leaves the channel whole.
//!
//! Next file to read: `../../engine/mod.rs`.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::task::{Poll, Waker};

use crate::base::panic::swallow;
use crate::base::prim::UnsafeCell;
use crate::base::prim::atomic::{
    AtomicU8,
    Ordering::{AcqRel, Acquire},
};

const VALUE: u8 = 1 << 0;
const COMPLETE: u8 = 1 << 1;
const CLOSED: u8 = 1 << 2;
const RX_WAKER: u8 = 1 << 3;
const TX_WAKER: u8 = 1 << 4;
const TX_GONE: u8 = 1 << 5;
const RX_GONE: u8 = 1 << 6;

struct Channel<T> {
    state: State,
    value: UnsafeCell<MaybeUninit<T>>,
    rx_waker: Slot,
    tx_waker: Slot,
}

struct State(AtomicU8);

#[derive(Clone, Copy)]
struct Snapshot(u8);

impl Snapshot {
    fn has(self, flags: u8) -> bool {
        self.0 & flags != 0
    }

    fn with(self, flags: u8) -> Self {
        Self(self.0 | flags)
    }

    fn without(self, flags: u8) -> Self {
        Self(self.0 & !flags)
    }

    fn is_open(self) -> bool {
        !self.has(COMPLETE | CLOSED)
    }
}

/// After an end did its last.
#[must_use]
enum Leave {
    /// The memory may be gone: touch it no more.
    Done,
    /// The other end is gone: free the memory.
    Free,
    /// The channel was open and there are these wakers, now yours. You have not left yet: take them out, then
    /// call [`State::leave`].
    Take(Wakers),
    /// Nothing was changed: the receiver has closed the channel, so take the value back, then end without it.
    Refused,
    /// Nothing was changed: there is a value, and it is yours. Take it out, then ask again.
    TakeValue,
}

/// Which slots hold a waker.
#[derive(Clone, Copy)]
struct Wakers {
    rx: bool,
    tx: bool,
}

impl State {
    fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Acquire))
    }

    /// The one way to change the state; see the page above for the orderings.
    fn transition<A>(&self, step: impl Fn(Snapshot) -> (A, Option<Snapshot>)) -> A {
        let mut current = self.load();
        loop {
            let (action, next) = step(current);
            let Some(next) = next else { return action };
            match self.0.compare_exchange_weak(current.0, next.0, AcqRel, Acquire) {
                Ok(_) => return action,
                Err(actual) => current = Snapshot(actual),
            }
        }
    }

    /// The sender has put a value in its place, or is dropped without.
    fn complete(&self, value: bool) -> Leave {
        self.transition(|now| {
            let ended = now.with(if value { COMPLETE | VALUE } else { COMPLETE });
            if now.has(CLOSED) {
                if value {
                    return (Leave::Refused, None);
                }
                let leave = if now.has(RX_GONE) { Leave::Free } else { Leave::Done };
                return (leave, Some(ended.with(TX_GONE)));
            }
            end_open(now, ended, TX_GONE)
        })
    }

    /// The receiver is done. `taken`: it has the value.
    fn finish(&self, taken: bool) -> Leave {
        self.transition(|now| {
            if now.has(VALUE) && !taken {
                return (Leave::TakeValue, None);
            }
            if now.has(TX_GONE) {
                // Alone, so nobody has to be told.
                return (Leave::Free, None);
            }
            let ended = now.with(CLOSED);
            if !now.is_open() {
                return (Leave::Done, Some(ended.with(RX_GONE)));
            }
            end_open(now, ended, RX_GONE)
        })
    }

    /// The receiver lets nothing more in, and stays. Returns the wakers that are now its own.
    fn close(&self) -> Option<Wakers> {
        self.transition(|now| {
            if !now.is_open() {
                return (None, None);
            }
            (Some(now.wakers()), Some(now.with(CLOSED).without(RX_WAKER | TX_WAKER)))
        })
    }

    /// An end has put a waker in its slot. Returns whether the channel is open; else nothing was changed.
    #[must_use]
    fn offer_waker(&self, flag: u8) -> bool {
        self.transition(|now| if now.is_open() { (true, Some(now.with(flag))) } else { (false, None) })
    }

    /// An end wants its slot back. Returns whether the channel is open; else nothing was changed.
    #[must_use]
    fn recall_waker(&self, flag: u8) -> bool {
        self.transition(|now| if now.is_open() { (true, Some(now.without(flag))) } else { (false, None) })
    }

    /// An end lets go of the memory. Returns whether the other one did so before.
    #[must_use]
    fn leave(&self, mine: u8) -> bool {
        let before = Snapshot(self.0.fetch_or(mine, AcqRel));
        before.has(if mine == TX_GONE { RX_GONE } else { TX_GONE })
    }
}

impl Snapshot {
    fn wakers(self) -> Wakers {
        Wakers { rx: self.has(RX_WAKER), tx: self.has(TX_WAKER) }
    }
}

/// The end of an open channel: at once if there are no wakers to take care of.
fn end_open(now: Snapshot, ended: Snapshot, gone: u8) -> (Leave, Option<Snapshot>) {
    if now.has(RX_WAKER | TX_WAKER) {
        (Leave::Take(now.wakers()), Some(ended.without(RX_WAKER | TX_WAKER)))
    } else {
        (Leave::Done, Some(ended.with(gone)))
    }
}

/// A place for one waker. Its flag in the state says whether there is one.
struct Slot(UnsafeCell<MaybeUninit<Waker>>);

impl Slot {
    fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// # Safety
    /// The slot is the caller's to write.
    unsafe fn put(&self, waker: Waker) {
        self.0.with_mut(|slot| {
            // SAFETY: the caller's, so nobody else looks at it.
            let slot = unsafe { &mut *slot };
            slot.write(waker);
        });
    }

    /// # Safety
    /// The slot holds a waker, it is the caller's to copy out, and nobody uses the slot's content after this.
    unsafe fn take(&self) -> Waker {
        // The owner may be comparing at this very moment: this reads, and writes nothing.
        self.0.with(|slot| {
            // SAFETY: nobody writes the slot now.
            let slot = unsafe { &*slot };
            // SAFETY: it holds a waker, and this is the only copy that is used.
            unsafe { slot.assume_init_read() }
        })
    }

    /// # Safety
    /// The caller is the slot's end, and saw its flag set when it was last looked at: a waker was put there, and only
    /// the caller writes the slot.
    unsafe fn will_wake(&self, waker: &Waker) -> bool {
        self.0.with(|slot| {
            // SAFETY: nobody writes the slot now.
            let slot = unsafe { &*slot };
            // SAFETY: it was initialised. The waker may have been copied out and used up meanwhile, so this must
            // not run foreign code: `will_wake` compares two addresses with two.
            let stored = unsafe { slot.assume_init_ref() };
            stored.will_wake(waker)
        })
    }
}

impl<T> Channel<T> {
    /// The wakers that the end of the channel gave to the caller.
    ///
    /// # Safety
    /// The caller made the transition that returned `wakers`, and does this once.
    unsafe fn take_wakers(&self, wakers: Wakers) -> (Option<Waker>, Option<Waker>) {
        // SAFETY: the flag was set, so the slot holds a waker, and was cleared by the caller, so it is the caller's.
        let rx = wakers.rx.then(|| unsafe { self.rx_waker.take() });
        // SAFETY: as above.
        let tx = wakers.tx.then(|| unsafe { self.tx_waker.take() });
        (rx, tx)
    }

    /// # Safety
    /// The value is in its place, it is the caller's, and nobody uses it after this.
    unsafe fn take_value(&self) -> T {
        self.value.with(|value| {
            // SAFETY: the caller's: nobody writes it now.
            let value = unsafe { &*value };
            // SAFETY: it is there, and read once.
            unsafe { value.assume_init_read() }
        })
    }

    /// Waits for the end of the channel: `Ready` when it has ended; else the waker is in the slot.
    ///
    /// # Safety
    /// The caller is the end that `slot` and `flag` belong to, and is not waiting elsewhere at the same time.
    unsafe fn poll_ended(&self, slot: &Slot, flag: u8, waker: &Waker) -> Poll<()> {
        let now = self.state.load();
        if !now.is_open() {
            return Poll::Ready(());
        }
        // SAFETY: the caller is the slot's end, and the flag was set.
        if now.has(flag) && unsafe { slot.will_wake(waker) } {
            return Poll::Pending;
        }
        // Foreign code, so before anything changes.
        let new = waker.clone();
        let mut former = None;
        if now.has(flag) {
            if !self.state.recall_waker(flag) {
                return Poll::Ready(());
            }
            // SAFETY: the channel is open and the flag is clear, so the slot, with the waker in it, is the caller's.
            former = Some(unsafe { slot.take() });
        }
        // SAFETY: the channel was open and the flag is clear, which only the caller changes: the slot is the caller's.
        unsafe { slot.put(new) };
        let open = self.state.offer_waker(flag);
        if !open {
            // SAFETY: the flag was not set when the channel ended, so the slot is still the caller's, and full.
            let late = unsafe { slot.take() };
            swallow(|| drop(late));
        }
        // The former waker is another task's: its panic must not end this one.
        swallow(|| drop(former));
        if open { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// What a channel allocates.
#[cfg(all(test, not(rt_loom)))]
pub(super) fn size<T>() -> usize {
    size_of::<Channel<T>>()
}

/// Makes the ends of a new channel.
pub(super) fn new<T>() -> (SenderEnd<T>, ReceiverEnd<T>) {
    let channel = Box::new(Channel {
        state: State(AtomicU8::new(0)),
        value: UnsafeCell::new(MaybeUninit::uninit()),
        rx_waker: Slot::new(),
        tx_waker: Slot::new(),
    });
    let channel = NonNull::from(Box::leak(channel));
    (SenderEnd(channel), ReceiverEnd(channel))
}

/// Frees a channel whose ends are both gone.
///
/// # Safety
/// The caller set the second `GONE`, or saw the other's and has not set its own, and calls this once.
unsafe fn free<T>(channel: NonNull<Channel<T>>) {
    // SAFETY: it was a box, and nobody else has a pointer to it that is used again. Wakers and value have been taken.
    let channel = unsafe { Box::from_raw(channel.as_ptr()) };
    // Nothing happens here; but a model sees it, and checks that every other access came before.
    channel.value.with_mut(|_| ());
    channel.rx_waker.0.with_mut(|_| ());
    channel.tx_waker.0.with_mut(|_| ());
}

/// The sender's half of the protocol. Its pointer is valid as long as it exists: `TX_GONE` is set by its end alone.
pub(super) struct SenderEnd<T>(NonNull<Channel<T>>);

/// The receiver's half of the protocol. Its pointer is valid as long as it exists: `RX_GONE` is set by its end alone.
pub(super) struct ReceiverEnd<T>(NonNull<Channel<T>>);

// SAFETY: an end gives away values and wakers, and touches what it shares only as the protocol allows. A shared end
// only reads the state.
unsafe impl<T: Send> Send for SenderEnd<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SenderEnd<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for ReceiverEnd<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for ReceiverEnd<T> {}

impl<T> SenderEnd<T> {
    fn channel(&self) -> &Channel<T> {
        // SAFETY: valid as long as this end exists, and never borrowed mutably.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.channel().state.load().has(CLOSED)
    }

    pub(super) fn poll_closed(&mut self, waker: &Waker) -> Poll<()> {
        let channel = self.channel();
        // SAFETY: the sender's slot and flag, and `self` is borrowed mutably. Not complete, so ended means closed.
        unsafe { channel.poll_ended(&channel.tx_waker, TX_WAKER, waker) }
    }

    pub(super) fn send(self, value: T) -> Result<(), T> {
        let channel = self.channel();
        channel.value.with_mut(|place| {
            // SAFETY: not complete, so the value's place is the sender's.
            let place = unsafe { &mut *place };
            place.write(value);
        });
        let end = ManuallyDrop::new(self);
        let leave = end.channel().state.complete(true);
        if let Leave::Refused = leave {
            // SAFETY: it was put there above, and without `VALUE` the receiver does not touch it.
            let value = unsafe { end.channel().take_value() };
            drop(ManuallyDrop::into_inner(end));
            return Err(value);
        }
        // SAFETY: the channel was completed by this end, which is not used again and will not be dropped.
        unsafe { after_complete(end.0, leave) };
        Ok(())
    }
}

impl<T> Drop for SenderEnd<T> {
    fn drop(&mut self) {
        let leave = self.channel().state.complete(false);
        // SAFETY: the channel was completed by this end, which is over.
        unsafe { after_complete(self.0, leave) };
    }
}

/// What follows when the sender has completed the channel.
///
/// # Safety
/// The sender did so, with this result; it does not use the channel after this.
unsafe fn after_complete<T>(channel: NonNull<Channel<T>>, leave: Leave) {
    match leave {
        Leave::Take(wakers) => {
            // SAFETY: the sender made that transition, and has not set `TX_GONE`.
            let (rx, tx) = unsafe { end_with_wakers(channel, wakers, TX_GONE) };
            wake_other(rx, tx);
        }
        // SAFETY: the receiver is gone, and so is the sender now.
        Leave::Free => unsafe { free(channel) },
        Leave::Done | Leave::Refused | Leave::TakeValue => {}
    }
}

/// Takes the wakers out, and lets go of the memory.
///
/// # Safety
/// The caller made the transition that gave it the wakers, has not set `gone`, its own flag, and does not use the
/// channel after this.
unsafe fn end_with_wakers<T>(
    channel: NonNull<Channel<T>>,
    wakers: Wakers,
    gone: u8,
) -> (Option<Waker>, Option<Waker>) {
    // SAFETY: `gone` is not set, so the memory is there.
    let shared = unsafe { channel.as_ref() };
    // SAFETY: the caller made that transition, and this is the only time.
    let taken = unsafe { shared.take_wakers(wakers) };
    if shared.state.leave(gone) {
        // SAFETY: this was the second one.
        unsafe { free(channel) };
    }
    taken
}

impl<T> ReceiverEnd<T> {
    fn channel(&self) -> &Channel<T> {
        // SAFETY: valid as long as this end exists, and never borrowed mutably.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn has_value(&self) -> bool {
        self.channel().state.load().has(VALUE)
    }

    /// Whether there will be no change any more.
    pub(super) fn is_over(&self) -> bool {
        !self.channel().state.load().is_open()
    }

    pub(super) fn poll_over(&mut self, waker: &Waker) -> Poll<()> {
        let channel = self.channel();
        // SAFETY: the receiver's slot and flag, and `self` is borrowed mutably.
        unsafe { channel.poll_ended(&channel.rx_waker, RX_WAKER, waker) }
    }

    pub(super) fn close(&mut self) {
        let channel = self.channel();
        let Some(wakers) = channel.state.close() else { return };
        // SAFETY: this end made that transition, and this is the only time.
        let (rx, tx) = unsafe { channel.take_wakers(wakers) };
        wake_other(tx, rx);
    }

    /// Ends the channel. Returns the value if there is one.
    pub(super) fn finish(self) -> Option<T> {
        // SAFETY: `self` is not used or dropped after this.
        unsafe { finish(ManuallyDrop::new(self).0) }
    }
}

impl<T> Drop for ReceiverEnd<T> {
    fn drop(&mut self) {
        // SAFETY: `self` is over.
        drop(unsafe { finish(self.0) });
    }
}

/// # Safety
/// Called by the receiver, which does not use the channel after this.
unsafe fn finish<T>(channel: NonNull<Channel<T>>) -> Option<T> {
    let mut value = None;
    loop {
        // SAFETY: `RX_GONE` is not set, so the memory is there.
        let shared = unsafe { channel.as_ref() };
        match shared.state.finish(value.is_some()) {
            // SAFETY: `VALUE` is set, and this is the only time.
            Leave::TakeValue => value = Some(unsafe { shared.take_value() }),
            Leave::Take(wakers) => {
                // SAFETY: the receiver made that transition, and has not set `RX_GONE`.
                let (rx, tx) = unsafe { end_with_wakers(channel, wakers, RX_GONE) };
                wake_other(tx, rx);
                return value;
            }
            Leave::Free => {
                // SAFETY: the sender is gone, and so is the receiver now.
                unsafe { free(channel) };
                return value;
            }
            Leave::Done | Leave::Refused => return value,
        }
    }
}

/// Wakes the other end, then drops this end's own waker. A panic of either is the caller's: a wake-up that panics does
/// not keep the other waker from being dropped, and a drop that panics comes too late to cost the wake-up.
fn wake_other(other: Option<Waker>, own: Option<Waker>) {
    /// Dropped by an unwinding, which a second panic must not leave.
    struct Own(Option<Waker>);
    impl Drop for Own {
        fn drop(&mut self) {
            swallow(|| drop(self.0.take()));
        }
    }
    let mut own = Own(own);
    if let Some(other) = other {
        other.wake();
    }
    drop(own.0.take());
}
