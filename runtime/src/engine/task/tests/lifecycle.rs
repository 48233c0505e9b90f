//! What happens to a task, step by step.
#![forbid(unsafe_code)]

use std::future::{pending, poll_fn};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::support::{self, Drops, Sched, Token, Wakes, finished, poll_join};
use crate::engine::task::{AbortHandle, Id, JoinError, JoinHandle, Meta, id, try_id, unowned};

#[test]
fn a_task_runs_and_its_output_is_joined() {
    let sched = Sched::new();
    let mut handle = sched.spawn(async { 7 });
    assert_eq!((sched.owned().len(), sched.owned().spawned_count()), (1, 1));
    let wakes = Wakes::new();
    assert!(poll_join(&mut handle, &wakes.clone().into()).is_pending());
    assert!(!handle.is_finished());
    sched.run();
    assert!(handle.is_finished());
    assert_eq!(wakes.count(), 1);
    assert_eq!((sched.owned().len(), sched.owned().spawned_count()), (0, 1));
    assert_eq!(finished(handle).unwrap(), 7);
    assert_eq!(sched.counts().released.load(SeqCst), 1);
}

#[test]
fn a_join_handle_keeps_one_waker() {
    let sched = Sched::new();
    let mut handle = sched.spawn(async {});
    let (first, second) = (Wakes::new(), Wakes::new());
    for _ in 0..2 {
        assert!(poll_join(&mut handle, &first.clone().into()).is_pending());
        assert_eq!(Arc::strong_count(&first), 2);
    }
    assert!(poll_join(&mut handle, &second.clone().into()).is_pending());
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 2));
    sched.run();
    assert_eq!((first.count(), second.count()), (0, 1));
    assert_eq!(Arc::strong_count(&second), 1);
    finished(handle).unwrap();
}

#[test]
fn a_dropped_join_handle_lets_go_of_its_waker() {
    let sched = Sched::new();
    let mut handle = sched.spawn(async {});
    let wakes = Wakes::new();
    assert!(poll_join(&mut handle, &wakes.clone().into()).is_pending());
    drop(handle);
    assert_eq!(Arc::strong_count(&wakes), 1);
    sched.run();
    assert_eq!(wakes.count(), 0);
}

#[test]
fn the_future_is_dropped_before_the_join_handle_hears_of_it() {
    /// Looks at the future's drops when it is woken.
    struct Looks(Drops, Mutex<Option<usize>>);
    impl std::task::Wake for Looks {
        fn wake(self: Arc<Self>) {
            *self.1.lock().unwrap() = Some(self.0.count());
        }
    }
    let sched = Sched::new();
    let drops = Drops::default();
    let token = drops.token();
    let mut handle = sched.spawn(poll_fn(move |_| {
        let _kept = &token;
        Poll::Ready(())
    }));
    let looks = Arc::new(Looks(drops, Mutex::new(None)));
    assert!(poll_join(&mut handle, &looks.clone().into()).is_pending());
    sched.run();
    assert_eq!(*looks.1.lock().unwrap(), Some(1));
}

#[test]
fn a_task_that_wakes_itself_yields() {
    let sched = Sched::new();
    let mut left = 3;
    let handle = sched.spawn(poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        // A second time changes nothing, in either way.
        let waker = cx.waker().clone();
        waker.wake_by_ref();
        waker.wake();
        Poll::Pending
    }));
    sched.run();
    assert_eq!((sched.counts().yielded.load(SeqCst), sched.counts().scheduled.load(SeqCst)), (3, 0));
    finished(handle).unwrap();
}

#[test]
fn a_poll_gives_a_task_back_that_woke_itself() {
    let sched = Sched::new();
    let mut first = true;
    let handle = sched.spawn(poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
    }));
    let again = sched.pop().unwrap().poll(|_| ()).expect("it woke itself");
    assert!(format!("{again:?}").contains(&format!("{:?}", handle.id())));
    assert!(again.poll(|_| ()).is_none());
    finished(handle).unwrap();
    assert_eq!(sched.counts().yielded.load(SeqCst), 0);
}

#[test]
fn many_wakes_make_one_notification() {
    let sched = Sched::new();
    let slot = Arc::new(Mutex::new(None));
    let handle = sched.spawn(support::pending(slot.clone()));
    sched.run();
    let waker = slot.lock().unwrap().take().unwrap();
    let other = waker.clone();
    waker.wake_by_ref();
    other.wake();
    waker.wake();
    assert_eq!(sched.counts().scheduled.load(SeqCst), 1);
    assert!(sched.pop().is_some_and(|task| task.poll(|_| ()).is_none()));
    assert!(sched.pop().is_none());
    drop(slot.lock().unwrap().take());
    sched.finish();
    assert!(finished(handle).unwrap_err().is_cancelled());
}

#[test]
fn wakers_of_one_task_are_equal() {
    let sched = Sched::new();
    let handle = sched.spawn(poll_fn(|cx| {
        let waker = cx.waker().clone();
        assert!(waker.will_wake(cx.waker()) && cx.waker().will_wake(&waker));
        assert!(!waker.will_wake(Waker::noop()));
        Poll::Ready(waker)
    }));
    let other = sched.spawn(poll_fn(|cx| Poll::Ready(cx.waker().clone())));
    sched.run();
    let (one, two) = (finished(handle).unwrap(), finished(other).unwrap());
    assert!(!one.will_wake(&two));
    // Waking what is over does nothing.
    one.wake_by_ref();
    one.wake();
    two.wake();
    assert!(sched.pop().is_none());
}

#[test]
fn an_abort_is_carried_out_where_the_task_runs() {
    let sched = Sched::new();
    let drops = Drops::default();
    let token = drops.token();
    let handle = sched.spawn(async move {
        let _token = token;
        pending::<()>().await;
    });
    sched.run();
    let abort = handle.abort_handle();
    abort.abort();
    abort.clone().abort();
    handle.abort();
    assert_eq!((drops.count(), abort.is_finished()), (0, false));
    assert_eq!(sched.counts().scheduled.load(SeqCst), 1);
    sched.run();
    assert_eq!((drops.count(), abort.is_finished()), (1, true));
    let error = finished(handle).unwrap_err();
    assert!(error.is_cancelled() && error.id() == abort.id());
}

#[test]
fn an_abort_before_the_first_poll_spares_it() {
    let sched = Sched::new();
    let handle = sched.spawn(async { panic!("polled") });
    handle.abort();
    sched.run();
    assert!(finished(handle).unwrap_err().is_cancelled());
    assert_eq!(sched.counts().scheduled.load(SeqCst), 0, "it was queued already");
}

#[test]
fn an_abort_of_itself_ends_a_task_with_its_poll() {
    let sched = Sched::new();
    let own: Arc<Mutex<Option<AbortHandle>>> = Arc::default();
    let handle = {
        let own = own.clone();
        sched.spawn(poll_fn(move |_| -> Poll<()> {
            own.lock().unwrap().take().expect("polled once").abort();
            Poll::Pending
        }))
    };
    *own.lock().unwrap() = Some(handle.abort_handle());
    sched.run();
    assert!(finished(handle).unwrap_err().is_cancelled());
}

#[test]
fn an_abort_of_a_complete_task_is_too_late() {
    let sched = Sched::new();
    let handle = sched.spawn(async { 1 });
    sched.run();
    handle.abort();
    assert!(sched.pop().is_none());
    assert_eq!(finished(handle).unwrap(), 1);
}

#[test]
fn an_output_that_nobody_wants_is_dropped_before_the_task_leaves() {
    let sched = Sched::new();
    let drops = Drops::default();
    let token = drops.token();
    let handle = sched.spawn(async move { token });
    // What outlives the task must not be what drops its output.
    let abort = handle.abort_handle();
    drop(handle);
    sched.run();
    assert_eq!((drops.count(), sched.owned().len()), (1, 0));
    assert!(abort.is_finished());
}

#[test]
fn an_output_waits_for_its_join_handle() {
    let sched = Sched::new();
    let drops = Drops::default();
    let token = drops.token();
    let handle = sched.spawn(async move { token });
    sched.run();
    assert_eq!(drops.count(), 0);
    drop(handle);
    assert_eq!(drops.count(), 1);
}

#[test]
#[should_panic(expected = "JoinHandle polled after completion")]
fn a_join_handle_gives_its_output_once() {
    let sched = Sched::new();
    let mut handle = sched.spawn(async {});
    sched.run();
    assert!(poll_join(&mut handle, Waker::noop()).is_ready());
    let _ = poll_join(&mut handle, Waker::noop());
}

#[test]
fn a_shutdown_ends_every_task_in_every_state() {
    let sched = Sched::new();
    let drops = Drops::default();
    let spawn = || {
        let token = drops.token();
        sched.spawn(async move {
            let _token = token;
            pending::<()>().await;
        })
    };
    let idle = spawn();
    sched.run();
    let aborted = spawn();
    sched.run();
    aborted.abort();
    let queued = spawn();
    assert!(!sched.owned().is_closed());
    sched.owned().close_and_shutdown_all(0);
    assert!(sched.owned().is_closed());
    assert_eq!((drops.count(), sched.owned().len()), (3, 0));
    let late = spawn();
    assert_eq!(drops.count(), 4);
    for handle in [idle, aborted, queued, late] {
        assert!(finished(handle).unwrap_err().is_cancelled());
    }
    // The two notifications that were queued find nothing to do.
    sched.run();
    assert_eq!((sched.owned().spawned_count(), sched.counts().released.load(SeqCst)), (3, 4));
}

/// A report may look through the list in the middle of a shutdown, while a task runs that the shutdown has to pass over.
#[test]
fn a_look_at_the_list_hides_no_task_from_a_shutdown() {
    struct Looks(Sched, #[expect(dead_code, reason = "it counts its drop")] Token);
    impl Drop for Looks {
        fn drop(&mut self) {
            drop(self.0.owned().find(|_| true));
        }
    }
    let (sched, drops) = (Sched::new(), Drops::default());
    let closes = sched.clone();
    let running = sched.spawn(async move { closes.owned().close_and_shutdown_all(0) });
    // Several times as many as are shown at once, in each of the shards.
    for _ in 0..10_000 {
        let looks = Looks(sched.clone(), drops.token());
        drop(sched.spawn(async move {
            let _looks = looks;
            pending::<()>().await;
        }));
    }
    sched.pop().unwrap().run();
    assert_eq!((drops.count(), sched.owned().len()), (10_000, 0));
    finished(running).unwrap();
    sched.finish();
}

#[test]
fn a_task_that_spawns_while_it_is_shut_down_gets_a_cancelled_one() {
    let sched = Sched::new();
    let late: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
    struct SpawnsOnDrop(Sched, Arc<Mutex<Option<JoinHandle<()>>>>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            *self.1.lock().unwrap() = Some(self.0.spawn(async {}));
        }
    }
    let spawns = SpawnsOnDrop(sched.clone(), late.clone());
    drop(sched.spawn(async move {
        let _spawns = spawns;
        pending::<()>().await;
    }));
    sched.run();
    sched.finish();
    let late = late.lock().unwrap().take().unwrap();
    assert!(finished(late).unwrap_err().is_cancelled());
}

#[test]
fn an_unowned_task_is_run_or_shut_down() {
    let sched = Sched::new();
    let (task, handle) = unowned(async { 1 }, sched.clone(), Meta::here());
    task.run();
    assert_eq!(finished(handle).unwrap(), 1);
    let (task, handle) = unowned(async { 1 }, sched.clone(), Meta::here());
    task.shutdown();
    assert!(finished(handle).unwrap_err().is_cancelled());
    let (task, handle) = unowned(async { 1 }, sched, Meta::here());
    handle.abort();
    task.run();
    assert!(finished(handle).unwrap_err().is_cancelled());
}

#[test]
fn a_notification_says_whose_it_is() {
    let sched = Sched::new();
    let handle = sched.spawn(async { 1 });
    let task = sched.pop().unwrap();
    let shown = format!("{task:?}");
    assert!(shown.contains(&format!("{:?}", handle.id())) && shown.contains("notified: true"), "{shown}");
    assert!(shown.contains(file!()), "where it was spawned: {shown}");
    task.run();
    assert_eq!(finished(handle).unwrap(), 1);
}

#[test]
fn ids_are_current_in_polls_and_drops() {
    struct Notes(Arc<Mutex<Vec<Option<Id>>>>);
    impl Drop for Notes {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(try_id());
        }
    }
    let seen: Arc<Mutex<Vec<Option<Id>>>> = Arc::default();
    let sched = Sched::new();
    let (in_future, in_output) = (Notes(seen.clone()), Notes(seen.clone()));
    let mut output = Some(in_output);
    let joined = sched.spawn(poll_fn(move |_| {
        let _kept = &in_future;
        in_future.0.lock().unwrap().push(Some(id()));
        Poll::Ready(output.take())
    }));
    let own = joined.id();
    sched.run();
    drop(joined);
    let kept = Notes(seen.clone());
    let stopped = sched.spawn(async move {
        let _kept = kept;
        pending::<()>().await;
    });
    sched.run();
    sched.finish();
    let other = stopped.id();
    assert_ne!(own, other);
    assert_eq!(*seen.lock().unwrap(), [Some(own), Some(own), Some(own), Some(other)]);
    assert_eq!(try_id(), None);
}

#[test]
fn ids_of_threads_do_not_meet() {
    let threads: Vec<_> =
        (0..4).map(|_| std::thread::spawn(|| (0..1000).map(|_| Id::next()).collect::<Vec<_>>())).collect();
    let mut all: Vec<Id> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4000);
}

#[test]
#[should_panic(expected = "when not inside a task")]
fn there_is_no_id_outside() {
    id();
}

#[test]
fn the_public_types_go_where_tokios_go() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    use std::rc::Rc;

    /// Whether a type has a trait, by the preference of an inherent constant over a trait's.
    macro_rules! has {
        ($type:ty: $bound:path) => {{
            #[allow(dead_code, reason = "which of the two is used is the answer")]
            trait Fallback {
                const HAS: bool = false;
            }
            impl<T: ?Sized> Fallback for T {}
            struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
            #[allow(dead_code, reason = "which of the two is used is the answer")]
            impl<T: ?Sized + $bound> Probe<T> {
                const HAS: bool = true;
            }
            <Probe<$type>>::HAS
        }};
    }
    type Local = JoinHandle<Rc<()>>;
    type Sent = JoinHandle<std::cell::Cell<u8>>;
    assert!(has!(Sent: Send) && has!(Sent: Sync) && has!(Sent: Unpin));
    assert!(!has!(Local: Send) && !has!(Local: Sync) && has!(Local: Unpin));
    assert!(has!(Local: UnwindSafe) && has!(Local: RefUnwindSafe));
    assert!(has!(AbortHandle: Send) && has!(AbortHandle: Sync) && has!(AbortHandle: Clone));
    assert!(has!(AbortHandle: UnwindSafe) && has!(AbortHandle: RefUnwindSafe));
    assert!(has!(JoinError: Send) && has!(JoinError: Sync) && has!(JoinError: std::error::Error));
    assert!(has!(Id: Copy) && has!(Id: Send) && has!(Id: Sync) && has!(Id: Ord) && has!(Id: std::hash::Hash));
}

#[test]
fn what_is_shown_to_people() {
    let sched = Sched::new();
    let handle = sched.spawn(async { panic!("boom {}", 1) });
    let (id, abort) = (handle.id(), handle.abort_handle());
    let number = id.to_string();
    assert_eq!(format!("{handle:?}"), format!("JoinHandle {{ id: {id:?} }}"));
    assert_eq!(format!("{abort:?}"), format!("AbortHandle {{ id: {id:?} }}"));
    sched.run();
    let error = finished(handle).unwrap_err() as JoinError;
    assert_eq!(error.to_string(), format!("task {number} panicked with message \"boom 1\""));
    assert_eq!(format!("{error:?}"), format!("JoinError::Panic({id:?}, \"boom 1\", ...)"));
    assert_eq!(std::io::Error::from(error).to_string(), "task panicked");
    let handle = sched.spawn(async { std::panic::panic_any(7) });
    let id = handle.id();
    sched.run();
    let error: JoinError = finished::<()>(handle).unwrap_err();
    assert_eq!(error.to_string(), format!("task {id} panicked"));
    assert_eq!(format!("{error:?}"), format!("JoinError::Panic({id:?}, ...)"));
    assert_eq!(*error.into_panic().downcast::<i32>().unwrap(), 7);
    let handle = sched.spawn(pending::<()>());
    handle.abort();
    sched.run();
    let error = finished(handle).unwrap_err();
    assert_eq!(error.to_string(), format!("task {} was cancelled", error.id()));
    assert_eq!(format!("{error:?}"), format!("JoinError::Cancelled({:?})", error.id()));
    let error = error.try_into_panic().unwrap_err();
    assert_eq!(std::io::Error::from(error).to_string(), "task was cancelled");
}
