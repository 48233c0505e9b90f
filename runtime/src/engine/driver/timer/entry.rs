//! One timer: the node that lives inside a `Sleep`, linked in place into its shard's wheel.
//!
//! All the unsafe code of the timers is here; `timer/mod.rs` has the protocol that it relies on. The two sides of an
//! entry are two types: [`TimerEntry`] is its owner's, [`Linked`] is the wheel's right to it.
//!
//! Next file to read: `timer/wheel.rs`.

use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{MaybeUninit, offset_of};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::moment::{Moment, NANOS_PER_MILLI};
use super::wheel::PLACES;
use super::{Shutdown, State, TimerRegistry};
use crate::base::list::{Link, Links, List};
use crate::base::prim::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use crate::base::prim::{Arc, UnsafeCell};

/// Bits that hold the nanoseconds within a millisecond.
const NANOS_BITS: u32 = NANOS_PER_MILLI.next_power_of_two().trailing_zeros();
const NANOS_MASK: u32 = (1 << NANOS_BITS) - 1;
const _: () = assert!(PLACES as u64 <= 1 << (u32::BITS - NANOS_BITS), "a place fits above the nanoseconds");

/// What owner and wheel share.
pub(super) struct Node {
    links: Links,
    /// When it is due: the milliseconds. The shard's lock guards this and the next field; that they are atomics only
    /// spares unsafe code.
    due_millis: AtomicU64,
    /// The nanoseconds of that, and above them the list of the wheel that it is in.
    due_nanos_and_place: AtomicU32,
    /// Initialised, and the node's own, exactly in the state `Registered`.
    waker: UnsafeCell<MaybeUninit<Waker>>,
    /// The shard it was last registered in; the owner's.
    shard: AtomicU16,
    state: AtomicU8,
}

// SAFETY: the offset is that of the field.
unsafe impl Link for Node {
    type Node = Node;
    const OFFSET: usize = offset_of!(Node, links);
}

// SAFETY: only the cell of the waker is not `Sync` by itself. `timer/mod.rs` says who may touch it when: its owner
// through a unique reference, others under the lock of the shard.
unsafe impl Sync for Node {}

impl Node {
    fn state(&self) -> State {
        State::from_bits(self.state.load(Ordering::Acquire))
    }

    fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Whether it is in the wheel. Exact under the lock of its shard, else a lower bound in time: who reads `false` will
    /// read it for good.
    pub(super) fn is_registered(&self) -> bool {
        self.state() == State::Registered
    }

    pub(super) fn place(&self) -> u16 {
        (self.due_nanos_and_place.load(Ordering::Relaxed) >> NANOS_BITS) as u16
    }

    fn due(&self) -> Moment {
        let nanos = self.due_nanos_and_place.load(Ordering::Relaxed) & NANOS_MASK;
        Moment::new(self.due_millis.load(Ordering::Relaxed), nanos)
    }

    /// Makes this the deadline. It has no place until it is linked.
    fn set_due(&self, due: Moment) {
        self.due_millis.store(due.millis(), Ordering::Relaxed);
        self.due_nanos_and_place.store(due.sub_nanos(), Ordering::Relaxed);
    }

    fn set_place(&self, place: u16) {
        let nanos = self.due_nanos_and_place.load(Ordering::Relaxed) & NANOS_MASK;
        self.due_nanos_and_place.store(nanos | u32::from(place) << NANOS_BITS, Ordering::Relaxed);
    }

    /// Moves the waker out. The bytes stay: see [`TimerEntry::is_stored`].
    ///
    /// # Safety
    /// The waker is initialised, the caller has the right to it, and lets nobody read it as a `Waker` of his own again.
    unsafe fn take_waker(&self) -> Waker {
        self.waker.with(|waker| {
            // SAFETY: aligned, and initialised by this function's contract.
            let waker = unsafe { waker.read() };
            // SAFETY: as above.
            unsafe { waker.assume_init() }
        })
    }

    fn store_waker(&self, waker: Waker) {
        self.waker.with_mut(|at| {
            // SAFETY: called by the owner before registration, or by the owner under the shard's lock in the state
            // `Registered`: nobody else reads or writes. What was there has been moved out.
            unsafe { at.write(MaybeUninit::new(waker)) };
        });
    }
}

/// The wheel's right to a registered entry that is in none of its lists at the moment. The owner makes one to register;
/// else it exists only while the lock of the entry's shard is held: before the lock is given up it is linked into a list
/// again, or spent.
#[must_use = "an entry must be linked again, or told what became of it"]
pub(super) struct Linked(NonNull<Node>);

impl Linked {
    fn node(&self) -> &Node {
        // SAFETY: the node is registered and the lock of its shard is held (see the type), so its owner cannot let it
        // go: for that he must take the lock and unregister it. Before that, the owner holds this himself.
        unsafe { self.0.as_ref() }
    }

    pub(super) fn due(&self) -> Moment {
        self.node().due()
    }

    pub(super) fn set_due(&self, due: Moment) {
        self.node().set_due(due);
    }

    pub(super) fn set_place(&self, place: u16) {
        self.node().set_place(place);
    }

    /// Ends the registration. The returned waker is woken, or dropped, by the caller after the lock is given up.
    pub(super) fn finish(self, outcome: State) -> Waker {
        debug_assert!(outcome != State::Registered);
        let node = self.node();
        // SAFETY: the state is `Registered`, so the waker is there; the store below gives up the right to it.
        let waker = unsafe { node.take_waker() };
        // The last access: from here on the owner may free the node without taking the lock.
        node.set_state(outcome);
        waker
    }
}

/// A list of registered entries in the order in which they were linked. Guarded by the lock of a shard.
pub(super) struct EntryList(List<Node>);

impl EntryList {
    pub(super) const fn new() -> Self {
        Self(List::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, entry: Linked) {
        // SAFETY: alive and in no list, as a `Linked` says. It stays alive and in its place until it is unregistered,
        // which takes it out of the list: the owner is pinned and shares it by reference only.
        unsafe { self.0.push_front(entry.0) };
    }

    pub(super) fn pop(&mut self) -> Option<Linked> {
        self.0.pop_back().map(Linked)
    }

    /// When the one that [`EntryList::pop`] would return is due.
    pub(super) fn first_due(&self) -> Option<Moment> {
        let first = Linked(self.0.last()?);
        Some(first.due())
    }

    /// Takes out an entry whose place is this list.
    pub(super) fn remove(&mut self, node: &Node) -> Linked {
        let node = NonNull::from(node);
        // SAFETY: alive, since borrowed; registered entries are in the list that their place names.
        let linked = unsafe { self.0.remove(node) };
        debug_assert!(linked, "a registered timer is in the list that its place names");
        Linked(node)
    }
}

/// One timer, seen from its owner. It is registered by the first poll that has to wait.
pub(crate) struct TimerEntry {
    node: Node,
    registry: Arc<TimerRegistry>,
    _pinned: PhantomPinned,
}

impl TimerEntry {
    /// A timer of that registry for as long as it lives, whatever thread it will be polled on.
    pub(crate) fn new(registry: Arc<TimerRegistry>) -> Self {
        let node = Node {
            links: Links::new(),
            due_millis: AtomicU64::new(0),
            due_nanos_and_place: AtomicU32::new(0),
            waker: UnsafeCell::new(MaybeUninit::uninit()),
            shard: AtomicU16::new(0),
            state: AtomicU8::new(State::Idle as u8),
        };
        Self { node, registry, _pinned: PhantomPinned }
    }

    /// Whether its time was seen to have come, by the registry, a poll or a reset.
    pub(crate) fn is_elapsed(&self) -> bool {
        self.node.state() == State::Fired
    }

    /// Whether the next poll looks whether its time has come, and else registers it.
    pub(crate) fn is_idle(&self) -> bool {
        self.node.state() == State::Idle
    }

    /// Waits for `deadline`, which is always the same between two calls of [`TimerEntry::reset`]. `shard` tells where to
    /// register; it is asked only if that has to be done.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        deadline: std::time::Instant,
        shard: impl FnOnce(&TimerRegistry) -> usize,
    ) -> Poll<Result<(), Shutdown>> {
        let this = self.into_ref().get_ref();
        match this.node.state() {
            State::Fired => return Poll::Ready(Ok(())),
            State::Shutdown => return Poll::Ready(Err(Shutdown)),
            State::Registered if this.is_stored(cx.waker()) => return Poll::Pending,
            State::Registered => this.replace_waker(cx.waker().clone()),
            State::Idle => this.register(cx.waker(), deadline, shard),
        }
        match this.node.state() {
            State::Fired => Poll::Ready(Ok(())),
            State::Shutdown => Poll::Ready(Err(Shutdown)),
            State::Idle | State::Registered => Poll::Pending,
        }
    }

    /// Moves the timer to another deadline. If it was registered it stays so, with its waker: the task is woken at
    /// the new time without having to poll first. One that was not registered has fired if that has passed.
    pub(crate) fn reset(self: Pin<&mut Self>, deadline: std::time::Instant) {
        let this = self.into_ref().get_ref();
        let due = this.registry.moment_of(deadline);
        if this.node.is_registered() {
            // Only its owner changes a deadline, so the former one can be read without the lock.
            let now = (due < this.node.due()).then(|| this.registry.now());
            if let Some(waker) = this.registry.reschedule(this.shard(), &this.node, due, now) {
                waker.wake();
                return;
            }
        }
        // Not registered, or no longer: then the wake-up of the old deadline is on its way, and the poll that it causes
        // registers anew. After a shutdown, too, a poll will tell.
        if !this.node.is_registered() {
            let passed = due <= this.registry.now();
            this.node.set_state(if passed { State::Fired } else { State::Idle });
        }
    }

    /// Takes the timer out of the wheel, if it is there.
    pub(crate) fn cancel(self: Pin<&mut Self>) {
        let this = self.into_ref().get_ref();
        this.unregister();
        this.node.set_state(State::Idle);
    }

    fn unregister(&self) {
        if self.node.is_registered() {
            drop(self.registry.cancel(self.shard(), &self.node));
        }
    }

    fn shard(&self) -> usize {
        self.node.shard.load(Ordering::Relaxed) as usize
    }

    fn register(
        &self,
        waker: &Waker,
        deadline: std::time::Instant,
        shard: impl FnOnce(&TimerRegistry) -> usize,
    ) {
        let due = self.registry.moment_of(deadline);
        let now = self.registry.now();
        if due <= now {
            self.node.set_state(State::Fired);
            return;
        }
        let shard = shard(&self.registry);
        // Foreign code, so before anything else: if it panics nothing has happened.
        self.node.store_waker(waker.clone());
        self.node.shard.store(u16::try_from(shard).expect("fewer shards than 2^16"), Ordering::Relaxed);
        self.node.set_due(due);
        // Relaxed: taking the lock of the shard publishes it.
        self.node.state.store(State::Registered as u8, Ordering::Relaxed);
        // What comes back is a waker that nobody needs.
        drop(self.registry.register(shard, Linked(NonNull::from(&self.node)), now));
    }

    /// Whether a wake-up would go to that task already. Without the lock: the firing side may move the waker out
    /// meanwhile, but only ever reads the bytes, and comparing two wakers looks at nothing behind their pointers.
    /// If it was moved out, the task that is being woken is the one that is asking.
    fn is_stored(&self, waker: &Waker) -> bool {
        self.node.waker.with(|stored| {
            // SAFETY: written by this owner, who alone writes; initialised since the state was `Registered` once
            // since then. As a shared reference it is compared, never cloned, woken or dropped.
            let stored = unsafe { &*stored };
            // SAFETY: as above.
            unsafe { stored.assume_init_ref() }.will_wake(waker)
        })
    }

    fn replace_waker(&self, new: Waker) {
        let unused = self.registry.locked(self.shard(), |_| {
            if !self.node.is_registered() {
                return new;
            }
            // SAFETY: registered, under the lock: it is there, and replaced before anybody else may look.
            let old = unsafe { self.node.take_waker() };
            self.node.store_waker(new);
            old
        });
        drop(unused);
    }
}

impl Drop for TimerEntry {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl fmt::Debug for TimerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerEntry").field("state", &self.node.state()).finish_non_exhaustive()
    }
}
