//! What a task costs in memory.

use std::future::Future;
use std::mem::offset_of;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::support::Sched;
use crate::base::trace::SpanId;
use crate::engine::task::cell::{Cell, Front, Header};
use crate::engine::task::{AbortHandle, JoinHandle, Notified, Schedule, Task};

/// As large as a task that awaits one sleep.
struct Sleeping([u64; 13]);

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if self.0[0] == 0 { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// Scheduler references as a runtime of three flavours has them.
#[derive(Clone)]
enum Flavours {
    One(#[allow(dead_code, reason = "only its size counts")] Arc<u8>),
    Other(#[allow(dead_code, reason = "only its size counts")] Arc<u16>),
}

impl Schedule for Flavours {
    fn schedule(&self, task: Notified<Self>) {
        task.shutdown();
    }

    fn release(&self, _task: &Task<Self>) -> Option<Task<Self>> {
        None
    }
}

/// What an allocator that deals in steps of 16 bytes, 8 of which it needs for itself, gives.
fn resident(bytes: usize) -> usize {
    (bytes + 8).next_multiple_of(16)
}

#[test]
fn the_header_is_small_and_what_a_poll_touches_comes_first() {
    let span = size_of::<SpanId>();
    assert_eq!(span, if cfg!(feature = "tracing") { 8 } else { 0 });
    assert!(size_of::<Header>() <= 72 + span, "{}", size_of::<Header>());
    assert!(offset_of!(Header, since) < 32 && offset_of!(Header, meta) < 32);
    assert_eq!(align_of::<Cell<Sleeping, Sched>>(), align_of::<u64>());
    assert!(size_of::<Front>() <= 88 + span, "{}", size_of::<Front>());
}

#[test]
fn a_sleeping_task_is_small() {
    assert!(size_of::<Sleeping>() >= 104);
    let task = resident(size_of::<Cell<Sleeping, Flavours>>());
    assert!(task <= 224 + 2 * size_of::<SpanId>(), "{task} bytes");
    // What is told apart above has to be used.
    let both = [Flavours::One(Arc::new(1)), Flavours::Other(Arc::new(2))];
    assert_eq!(size_of_val(&both), 2 * 16);
}

#[test]
fn references_are_pointers() {
    assert_eq!(size_of::<JoinHandle<[u8; 100]>>(), 8);
    assert_eq!(size_of::<Option<JoinHandle<()>>>(), 8);
    assert_eq!(size_of::<Notified<Sched>>(), 8);
    assert_eq!(size_of::<Option<Notified<Sched>>>(), 8);
    assert_eq!(size_of::<AbortHandle>(), 8);
}
