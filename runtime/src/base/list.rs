//! An intrusive, doubly linked list: what belongs to it carries its own links, so joining a list allocates nothing
//! and leaving it from the middle takes constant time.
//!
//! The list stores addresses and owns nothing. Whoever links a node keeps it alive and in its place until the node
//! has left the list, and guards the list, its nodes' links and every [`Drain`] taken from it by one lock. That duty
//! is the contract of the `unsafe` functions; all that is left to a [`List`] itself is bookkeeping.
//!
//! A linked node has a predecessor, or is the head of its list: that is how [`List::remove`] knows whether the node
//! is linked at all. A [`Drain`] is a ring through a sentinel of its own, so a node can leave it through
//! [`List::remove`] of its former list at any time, without either list's head or tail being touched.
//!
//! Next file to read: `wake_list.rs`.

use std::fmt;
use std::marker::{PhantomData, PhantomPinned};
use std::pin::Pin;
use std::ptr::NonNull;

use super::prim::UnsafeCell;

/// The field that makes a struct a node: where its neighbours are.
pub(crate) struct Links(UnsafeCell<Neighbours>);

struct Neighbours {
    prev: Option<NonNull<Links>>,
    next: Option<NonNull<Links>>,
    /// Neighbours point here: the links must stay where they are.
    _pinned: PhantomPinned,
}

// SAFETY: links are two addresses. Only a list follows them, and its caller has promised to hold the lock.
unsafe impl Send for Links {}
// SAFETY: as above; a shared reference to links gives access to nothing.
unsafe impl Sync for Links {}

impl Links {
    /// Links that are in no list.
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(Neighbours { prev: None, next: None, _pinned: PhantomPinned }))
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

/// Says where a node's links are.
///
/// # Safety
/// `OFFSET` is the offset of a field of type [`Links`] inside `Node`: `std::mem::offset_of!(Node, field)`.
pub(crate) unsafe trait Link {
    /// What is linked.
    type Node;
    /// Where its links are, in bytes from its start.
    const OFFSET: usize;
}

fn links_of<L: Link>(node: NonNull<L::Node>) -> NonNull<Links> {
    // The sum cannot wrap for the address of a real node; for any other, the pointer is never followed.
    node.map_addr(|addr| addr.saturating_add(L::OFFSET)).cast()
}

fn node_of<L: Link>(links: NonNull<Links>) -> NonNull<L::Node> {
    // SAFETY: every list pointer to links was made by `links_of`, so a node begins `OFFSET` bytes before it.
    unsafe { links.byte_sub(L::OFFSET) }.cast()
}

/// Reads a node's neighbours.
///
/// # Safety
/// The links are alive, and the caller holds the lock that guards their list.
unsafe fn neighbours(links: NonNull<Links>) -> (Option<NonNull<Links>>, Option<NonNull<Links>>) {
    // SAFETY: alive, says the caller; nobody holds a `&mut Links`, as list access is by shared reference only.
    let links = unsafe { links.as_ref() };
    links.0.with(|at| {
        // SAFETY: the lock excludes writers.
        let neighbours = unsafe { &*at };
        (neighbours.prev, neighbours.next)
    })
}

/// Writes to a node's neighbours.
///
/// # Safety
/// As [`neighbours`].
unsafe fn edit(links: NonNull<Links>, edit: impl FnOnce(&mut Neighbours)) {
    // SAFETY: as in `neighbours`.
    let links = unsafe { links.as_ref() };
    // SAFETY: the lock excludes every other access, and `edit` does not reach these links in another way.
    links.0.with_mut(|at| edit(unsafe { &mut *at }));
}

/// A list of nodes that others own.
pub(crate) struct List<L: Link> {
    head: Option<NonNull<Links>>,
    tail: Option<NonNull<Links>>,
    _nodes: PhantomData<*const L>,
}

// SAFETY: a list is two addresses; what can be done with them is up to what its nodes allow.
unsafe impl<L: Link> Send for List<L> where L::Node: Send {}

impl<L: Link> List<L> {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        Self { head: None, tail: None, _nodes: PhantomData }
    }

    /// Whether no node is linked.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Links `node` as the first.
    ///
    /// # Safety
    /// `node` is alive and in no list. Until it has left this one it stays alive and in its place, is reached by
    /// shared references only, and its list is touched under one lock only.
    pub(crate) unsafe fn push_front(&mut self, node: NonNull<L::Node>) {
        let links = links_of::<L>(node);
        let old = self.head.replace(links);
        // SAFETY: alive, says the caller.
        unsafe {
            edit(links, |n| {
                n.prev = None;
                n.next = old;
            });
        }
        match old {
            // SAFETY: linked, so alive.
            Some(old) => unsafe { edit(old, |n| n.prev = Some(links)) },
            None => self.tail = Some(links),
        }
    }

    /// Unlinks the last node.
    pub(crate) fn pop_back(&mut self) -> Option<NonNull<L::Node>> {
        let last = self.tail?;
        // SAFETY: linked, so alive.
        let removed = unsafe { self.unlink(last) };
        debug_assert!(removed, "the tail of a list is linked");
        Some(node_of::<L>(last))
    }

    /// Unlinks the first node.
    pub(crate) fn pop_front(&mut self) -> Option<NonNull<L::Node>> {
        let first = self.head?;
        // SAFETY: linked, so alive.
        let removed = unsafe { self.unlink(first) };
        debug_assert!(removed, "the head of a list is linked");
        Some(node_of::<L>(first))
    }

    /// The last node, still linked.
    pub(crate) fn last(&self) -> Option<NonNull<L::Node>> {
        self.tail.map(node_of::<L>)
    }

    /// Unlinks `node` from this list, or from a [`Drain`] of it. Returns whether it was linked.
    ///
    /// # Safety
    /// `node` is alive, and it is in this list, in a drain of this list, or in no list.
    pub(crate) unsafe fn remove(&mut self, node: NonNull<L::Node>) -> bool {
        // SAFETY: alive, says the caller.
        unsafe { self.unlink(links_of::<L>(node)) }
    }

    /// # Safety
    /// As [`List::remove`].
    unsafe fn unlink(&mut self, links: NonNull<Links>) -> bool {
        // SAFETY: alive, says the caller.
        let (prev, next) = unsafe { neighbours(links) };
        match prev {
            // SAFETY: a neighbour is linked, so alive.
            Some(prev) => unsafe { edit(prev, |n| n.next = next) },
            None if self.head == Some(links) => self.head = next,
            None => return false,
        }
        match next {
            // SAFETY: a neighbour is linked, so alive.
            Some(next) => unsafe { edit(next, |n| n.prev = prev) },
            None => self.tail = prev,
        }
        // SAFETY: alive, says the caller.
        unsafe {
            edit(links, |n| {
                n.prev = None;
                n.next = None;
            });
        }
        true
    }

    /// Moves all nodes to a ring through `sentinel`, from which they can be popped in batches, with the lock given
    /// up in between; this list is empty and may be refilled meanwhile.
    ///
    /// # Safety
    /// The drain is used under the list's lock only, its `Drop` included, and it is dropped: forgotten, it would leave
    /// nodes that point at the sentinel when that is gone.
    pub(crate) unsafe fn drain<'a>(&mut self, sentinel: Pin<&'a mut Links>) -> Drain<'a, L> {
        // SAFETY: the links are not moved while the drain, which borrows them, lives; then they are unlinked.
        let sentinel = NonNull::from(unsafe { sentinel.get_unchecked_mut() });
        let first = self.head.take().unwrap_or(sentinel);
        let last = self.tail.take().unwrap_or(sentinel);
        // SAFETY: the sentinel is borrowed by the drain.
        unsafe {
            edit(sentinel, |n| {
                n.next = Some(first);
                n.prev = Some(last);
            });
        }
        // SAFETY: linked, so alive, or the sentinel.
        unsafe { edit(first, |n| n.prev = Some(sentinel)) };
        // SAFETY: as above.
        unsafe { edit(last, |n| n.next = Some(sentinel)) };
        Drain { sentinel, _pinned: PhantomData, _nodes: PhantomData }
    }
}

impl<L: Link> fmt::Debug for List<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("is_empty", &self.is_empty()).finish()
    }
}

/// The nodes that a list had when [`List::drain`] was called. Dropping it unlinks those that are left.
pub(crate) struct Drain<'a, L: Link> {
    sentinel: NonNull<Links>,
    _pinned: PhantomData<Pin<&'a mut Links>>,
    _nodes: PhantomData<*const L>,
}

impl<L: Link> Drain<'_, L> {
    /// Unlinks the last node.
    pub(crate) fn pop_back(&mut self) -> Option<NonNull<L::Node>> {
        // SAFETY: the sentinel is borrowed by the drain.
        let last = unsafe { neighbours(self.sentinel) }.0.filter(|last| *last != self.sentinel)?;
        // In a ring everybody has a predecessor and a successor: no list's head or tail is involved.
        // SAFETY: linked, so alive.
        let unlinked = unsafe { List::<L>::new().unlink(last) };
        debug_assert!(unlinked, "who is in a ring is linked");
        Some(node_of::<L>(last))
    }
}

impl<L: Link> Drop for Drain<'_, L> {
    fn drop(&mut self) {
        while self.pop_back().is_some() {}
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;
    use std::pin::pin;

    struct Node {
        name: u32,
        links: Links,
    }

    // SAFETY: the offset is that of the field.
    unsafe impl Link for Node {
        type Node = Node;
        const OFFSET: usize = std::mem::offset_of!(Node, links);
    }

    fn nodes() -> Vec<Node> {
        (0..4).map(|name| Node { name, links: Links::new() }).collect()
    }

    fn full(nodes: &[Node]) -> List<Node> {
        let mut list = List::new();
        for node in nodes {
            // SAFETY: the nodes outlive the list.
            unsafe { list.push_front(NonNull::from(node)) };
        }
        list
    }

    fn name(node: NonNull<Node>) -> u32 {
        // SAFETY: the nodes live to the test's end.
        unsafe { node.as_ref() }.name
    }

    fn rest(list: &mut List<Node>) -> Vec<u32> {
        std::iter::from_fn(|| list.pop_back()).map(name).collect()
    }

    fn remove(list: &mut List<Node>, node: &Node) -> bool {
        // SAFETY: alive, and in no other list.
        unsafe { list.remove(NonNull::from(node)) }
    }

    #[test]
    fn first_in_first_out() {
        let nodes = nodes();
        let mut list = full(&nodes);
        assert_eq!(list.last().map(name), Some(0));
        assert_eq!(rest(&mut list), [0, 1, 2, 3]);
        assert!(list.is_empty());
        assert_eq!(list.last(), None);
    }

    #[test]
    fn the_first_can_be_taken_too() {
        let nodes = nodes();
        let mut list = full(&nodes);
        assert_eq!(list.pop_front().map(name), Some(3));
        assert_eq!(list.pop_back().map(name), Some(0));
        assert_eq!(list.pop_front().map(name), Some(2));
        assert_eq!(list.pop_front().map(name), Some(1));
        assert_eq!(list.pop_front(), None);
        assert!(list.is_empty());
    }

    #[test]
    fn each_place_can_be_left() {
        for gone in 0..4 {
            let nodes = nodes();
            let mut list = full(&nodes);
            assert!(remove(&mut list, &nodes[gone]));
            assert!(!remove(&mut list, &nodes[gone]), "it has left already");
            let left: Vec<u32> = (0..4).filter(|name| *name != gone as u32).collect();
            assert_eq!(rest(&mut list), left);
        }
    }

    #[test]
    fn a_lone_node_is_linked_and_can_come_back() {
        let nodes = nodes();
        let mut list = full(&nodes[..1]);
        assert!(remove(&mut list, &nodes[0]));
        assert!(list.is_empty());
        // SAFETY: in no list now.
        unsafe { list.push_front(NonNull::from(&nodes[0])) };
        assert_eq!(rest(&mut list), [0]);
    }

    #[test]
    fn a_drain_is_apart_from_its_list() {
        let nodes = nodes();
        let mut list = full(&nodes[..3]);
        {
            let sentinel = pin!(Links::new());
            // SAFETY: one thread.
            let mut drain = unsafe { list.drain(sentinel) };
            assert!(list.is_empty());
            // SAFETY: in no list yet.
            unsafe { list.push_front(NonNull::from(&nodes[3])) };
            assert_eq!(drain.pop_back().map(name), Some(0));
            assert!(remove(&mut list, &nodes[1]), "a drained node leaves through its former list");
            assert_eq!(drain.pop_back().map(name), Some(2));
            assert_eq!(drain.pop_back(), None);
        }
        assert_eq!(rest(&mut list), [3]);
    }

    #[test]
    fn a_dropped_drain_unlinks_what_is_left() {
        let nodes = nodes();
        let mut list = full(&nodes);
        {
            let sentinel = pin!(Links::new());
            // SAFETY: one thread.
            let mut drain = unsafe { list.drain(sentinel) };
            assert_eq!(drain.pop_back().map(name), Some(0));
        }
        for node in &nodes {
            assert!(!remove(&mut list, node));
        }
        {
            let sentinel = pin!(Links::new());
            // SAFETY: one thread.
            let mut drain = unsafe { list.drain(sentinel) };
            assert_eq!(drain.pop_back(), None, "an empty list drains to nothing");
        }
    }
}
