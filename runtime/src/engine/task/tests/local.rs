//! Futures that are not `Send`: nothing that other threads do polls or drops them there.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

use super::support::{Sched, finished};
use crate::engine::task::JoinHandle;

/// Notes the thread that drops it. Not `Send`.
struct Homebound {
    dropped: Arc<Mutex<Vec<ThreadId>>>,
    _here: Rc<()>,
}

impl Drop for Homebound {
    fn drop(&mut self) {
        self.dropped.lock().unwrap().push(thread::current().id());
    }
}

/// A local task that is pending, a waker of it, and where it was dropped.
fn waiting(sched: &Sched) -> (JoinHandle<()>, Waker, Arc<Mutex<Vec<ThreadId>>>) {
    let dropped = Arc::<Mutex<Vec<ThreadId>>>::default();
    let (home, waker) =
        (Homebound { dropped: dropped.clone(), _here: Rc::new(()) }, Rc::new(Mutex::new(None)));
    let given = waker.clone();
    let handle = sched.spawn_local(poll_fn(move |cx| {
        let _home = &home;
        *given.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    }));
    sched.run();
    let waker = waker.lock().unwrap().take().unwrap();
    (handle, waker, dropped)
}

#[test]
fn a_foreign_abort_drops_it_at_home() {
    let sched = Sched::new();
    let (handle, waker, dropped) = waiting(&sched);
    let abort = handle.abort_handle();
    thread::spawn(move || {
        abort.abort();
        waker.wake();
    })
    .join()
    .unwrap();
    assert!(dropped.lock().unwrap().is_empty());
    sched.run();
    assert_eq!(*dropped.lock().unwrap(), [thread::current().id()]);
    assert!(finished(handle).unwrap_err().is_cancelled());
}

/// What a scheduler must not do: the future is leaked rather than touched.
#[test]
fn run_elsewhere_it_panics_and_is_not_dropped() {
    let sched = Sched::new();
    let (handle, waker, dropped) = waiting(&sched);
    waker.wake();
    let task = sched.pop().unwrap();
    thread::spawn(move || task.run()).join().unwrap();
    assert!(finished(handle).unwrap_err().is_panic());
    assert!(dropped.lock().unwrap().is_empty());
    sched.finish();
}

#[test]
fn a_shutdown_drops_it_at_home_and_a_foreign_waker_frees_the_rest() {
    let sched = Sched::new();
    let (handle, waker, dropped) = waiting(&sched);
    sched.finish();
    assert_eq!(*dropped.lock().unwrap(), [thread::current().id()]);
    // The handle's output is `Send`, so the handle and the last waker may go anywhere.
    thread::spawn(move || drop((handle, waker))).join().unwrap();
    assert_eq!(dropped.lock().unwrap().len(), 1);
}
