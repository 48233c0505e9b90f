//! Clones and drops that panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::sync::broadcast::channel;
use crate::sync::broadcast::error::{RecvError, TryRecvError};
use crate::sync::tests::{Task, try_once};

/// A value that counts how many of its kind there are, and may panic.
struct Value {
    name: u32,
    clone_panics: bool,
    drop_panics: bool,
    live: Arc<AtomicUsize>,
}

impl Value {
    fn new(name: u32, live: &Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, SeqCst);
        Self { name, clone_panics: false, drop_panics: false, live: live.clone() }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        assert!(!self.clone_panics, "clone of {}", self.name);
        Self::new(self.name, &self.live)
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.live.fetch_sub(1, SeqCst);
        assert!(!self.drop_panics, "drop of {}", self.name);
    }
}

#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(|| drop(f()))) {
        Ok(()) => panic!("it did not panic"),
        Err(payload) => payload.downcast_ref::<String>().unwrap().clone(),
    }
}

fn with_panicking_clone(name: u32, live: &Arc<AtomicUsize>) -> Value {
    let mut value = Value::new(name, live);
    value.clone_panics = true;
    value
}

/// Its clones do not panic.
fn with_panicking_drop(name: u32, live: &Arc<AtomicUsize>) -> Value {
    let mut value = Value::new(name, live);
    value.drop_panics = true;
    value
}

#[test]
fn a_value_whose_clone_panics_counts_as_received_and_the_others_go_on() {
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, mut first) = channel(4);
    let mut second = sender.subscribe();
    sender.send(with_panicking_clone(1, &live)).ok().unwrap();
    sender.send(Value::new(2, &live)).ok().unwrap();
    assert_eq!(panic_of(|| first.try_recv()), "clone of 1");
    assert_eq!(first.try_recv().ok().unwrap().name, 2);
    assert_eq!(live.load(SeqCst), 2);
    assert_eq!(panic_of(|| try_once(second.recv())), "clone of 1");
    assert_eq!(live.load(SeqCst), 1);
    assert_eq!(second.try_recv().ok().unwrap().name, 2);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn a_drop_that_panics_in_send_costs_no_wake_up() {
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, slow) = channel(1);
    let mut receiver = sender.subscribe();
    sender.send(with_panicking_drop(1, &live)).ok().unwrap();
    assert_eq!(receiver.try_recv().ok().unwrap().name, 1);
    let mut task = Task::pending(receiver.recv());
    assert_eq!(panic_of(|| sender.send(Value::new(2, &live))), "drop of 1");
    assert_eq!(task.wakes(), 1);
    assert_eq!(task.ready().ok().unwrap().name, 2);
    drop(slow);
    assert_eq!(live.load(SeqCst), 0);
}

#[test]
fn a_drop_that_panics_in_the_last_read_costs_that_value_only() {
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = channel(2);
    sender.send(with_panicking_drop(1, &live)).ok().unwrap();
    sender.send(Value::new(2, &live)).ok().unwrap();
    assert_eq!(panic_of(|| receiver.try_recv()), "drop of 1");
    assert_eq!(live.load(SeqCst), 1);
    assert_eq!(receiver.try_recv().ok().unwrap().name, 2);
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
}

/// Two drops panic: the first one is reported, and neither costs the other values' drops or the wake-up of the sender.
#[test]
fn drops_that_panic_with_the_last_receiver_cost_nobody_else_anything() {
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = channel(8);
    for name in 0..6 {
        let panics = name == 2 || name == 4;
        let value = if panics { with_panicking_drop(name, &live) } else { Value::new(name, &live) };
        sender.send(value).ok().unwrap();
    }
    let mut closed = Task::pending(sender.closed());
    assert_eq!(panic_of(|| drop(receiver)), "drop of 2");
    assert_eq!(live.load(SeqCst), 0);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    assert!(sender.is_empty());
}

/// A receiver that goes because of a panic, and has values whose drops panic: the process lives.
#[test]
fn a_receiver_that_is_dropped_by_a_panic_does_not_panic_again() {
    let live = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = channel(2);
    sender.send(with_panicking_drop(1, &live)).ok().unwrap();
    let panics = move || {
        let _receiver = receiver;
        panic!("{}", "first");
    };
    assert_eq!(panic_of(panics), "first");
    assert_eq!(live.load(SeqCst), 0);
}

/// The clone panics, and so does the drop of the value, which is the receiver's as it was evicted meanwhile.
#[test]
fn a_clone_that_panics_after_an_eviction_does_not_end_the_process() {
    struct Evicts(crate::sync::broadcast::Sender<Option<Evicts>>);
    impl Clone for Evicts {
        fn clone(&self) -> Self {
            self.0.send(None).ok().unwrap();
            panic!("{}", "clone");
        }
    }
    impl Drop for Evicts {
        fn drop(&mut self) {
            panic!("{}", "drop");
        }
    }
    let (sender, mut first) = channel(1);
    let mut second = sender.subscribe();
    sender.send(Some(Evicts(sender.clone()))).ok().unwrap();
    assert_eq!(panic_of(|| first.try_recv()), "clone");
    assert!(matches!(try_once(second.recv()), Some(Err(RecvError::Lagged(1)))));
    assert!(matches!(second.try_recv(), Ok(None)));
}
