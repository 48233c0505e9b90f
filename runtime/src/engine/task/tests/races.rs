//! Each pair and triple of transitions that can meet, in all orders.
#![forbid(unsafe_code)]

use std::future::{Future, pending, poll_fn};
use std::sync::Arc as StdArc;
use std::task::{Poll, Waker};

use super::support::{Drops, Sched, Token, Wakes, finished, poll_join};
use crate::base::prim::atomic::{AtomicBool, Ordering::Relaxed};
use crate::base::prim::{Arc, model, thread};
use crate::engine::task::{JoinHandle, Meta, unowned};

/// A waker that travels to the test, without a lock that would order more than the task does.
type Slot = StdArc<std::sync::Mutex<Vec<Waker>>>;

/// Ends when the flag is up. The flag is Relaxed: that it is seen is the state word's doing alone.
fn until(flag: &Arc<AtomicBool>, wakers: &Slot, token: Token) -> impl Future<Output = Token> + Send + use<> {
    let (flag, wakers) = (flag.clone(), wakers.clone());
    let mut token = Some(token);
    let mut first = true;
    poll_fn(move |cx| {
        if std::mem::take(&mut first) {
            wakers.lock().unwrap().extend([cx.waker().clone(), cx.waker().clone()]);
        }
        if flag.load(Relaxed) { Poll::Ready(token.take().unwrap()) } else { Poll::Pending }
    })
}

/// A task that waits for the flag, polled once, with two of its wakers.
struct Waiting {
    sched: Sched,
    flag: Arc<AtomicBool>,
    drops: Drops,
    handle: JoinHandle<Token>,
    wakers: [Waker; 2],
}

fn waiting() -> Waiting {
    let sched = Sched::new();
    let flag = Arc::new(AtomicBool::new(false));
    let (slot, drops) = (Slot::default(), Drops::default());
    let handle = sched.spawn(until(&flag, &slot, drops.token()));
    sched.run();
    let wakers = std::mem::take(&mut *slot.lock().unwrap());
    Waiting { sched, flag, drops, handle, wakers: wakers.try_into().unwrap() }
}

#[test]
fn loom_a_wake_by_value_meets_a_poll() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        let waking = thread::spawn(move || {
            flag.store(true, Relaxed);
            one.wake();
        });
        other.wake();
        sched.run();
        waking.join().unwrap();
        sched.run();
        drop(finished(handle).unwrap());
        sched.finish();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_a_wake_by_reference_meets_a_poll() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        let waking = thread::spawn(move || {
            flag.store(true, Relaxed);
            one.wake_by_ref();
        });
        other.wake_by_ref();
        sched.run();
        waking.join().unwrap();
        sched.run();
        drop(finished(handle).unwrap());
        drop(other);
        sched.finish();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_two_wake_and_one_runs() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers } = waiting();
        let threads = wakers.map(|waker| {
            let flag = flag.clone();
            thread::spawn(move || {
                flag.store(true, Relaxed);
                waker.wake();
            })
        });
        sched.run();
        for thread in threads {
            thread.join().unwrap();
        }
        sched.run();
        drop(finished(handle).unwrap());
        sched.finish();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_two_runners_hand_a_task_over() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        one.wake();
        let running = {
            let sched = sched.clone();
            thread::spawn(move || {
                flag.store(true, Relaxed);
                other.wake();
                sched.run();
            })
        };
        sched.run();
        running.join().unwrap();
        sched.run();
        drop(finished(handle).unwrap());
        sched.finish();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_an_abort_meets_a_wake_and_a_run() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        drop(other);
        let abort = handle.abort_handle();
        let aborting = thread::spawn(move || abort.abort());
        let waking = thread::spawn(move || {
            flag.store(true, Relaxed);
            one.wake();
        });
        sched.run();
        aborting.join().unwrap();
        waking.join().unwrap();
        sched.run();
        match finished(handle) {
            Ok(token) => drop(token),
            Err(error) => assert!(error.is_cancelled()),
        }
        sched.finish();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_a_lone_abort_ends_a_task_and_drops_it_where_it_runs() {
    model(|| {
        let Waiting { sched, flag: _, drops, handle, wakers } = waiting();
        let abort = handle.abort_handle();
        let aborting = {
            let drops = drops.clone();
            thread::spawn(move || {
                abort.abort();
                drop(wakers);
                drops.count()
            })
        };
        let seen = aborting.join().unwrap();
        assert_eq!(seen, 0, "an abort from elsewhere drops nothing there");
        sched.run();
        assert!(finished(handle).unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
        sched.finish();
    });
}

#[test]
fn loom_the_join_handle_goes_while_the_task_completes() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let token = drops.token();
        let handle = sched.spawn(async move { token });
        let leaving = thread::spawn(move || drop(handle));
        sched.run();
        leaving.join().unwrap();
        assert_eq!(drops.count(), 1);
        sched.finish();
    });
}

#[test]
fn loom_a_join_handle_with_a_waker_goes_while_the_task_completes() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let token = drops.token();
        let mut handle = sched.spawn(async move { token });
        let wakes = Wakes::new();
        assert!(poll_join(&mut handle, &wakes.clone().into()).is_pending());
        let leaving = thread::spawn(move || drop(handle));
        sched.run();
        leaving.join().unwrap();
        assert_eq!(drops.count(), 1);
        sched.finish();
        assert_eq!(StdArc::strong_count(&wakes), 1, "wakers made and dropped");
    });
}

#[test]
fn loom_a_join_waker_is_set_and_replaced_while_the_task_completes() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let token = drops.token();
        let mut handle = sched.spawn(async move { token });
        let running = {
            let sched = sched.clone();
            thread::spawn(move || sched.run())
        };
        let (old, new) = (Wakes::new(), Wakes::new());
        let mut result = poll_join(&mut handle, &old.clone().into());
        if result.is_pending() {
            result = poll_join(&mut handle, &new.clone().into());
        }
        let waited = result.is_pending();
        running.join().unwrap();
        if waited {
            assert_eq!(new.count(), 1, "the last waker that was left is woken, once");
            result = poll_join(&mut handle, Waker::noop());
        }
        let Poll::Ready(Ok(token)) = result else { panic!("the task is over") };
        drop((token, handle));
        assert_eq!(drops.count(), 1);
        sched.finish();
        assert_eq!(
            (StdArc::strong_count(&old), StdArc::strong_count(&new)),
            (1, 1),
            "wakers made and dropped"
        );
    });
}

#[test]
fn loom_a_join_waker_is_compared_while_the_task_completes() {
    model(|| {
        let sched = Sched::new();
        let mut handle = sched.spawn(async {});
        let wakes = Wakes::new();
        let waker = Waker::from(wakes.clone());
        assert!(poll_join(&mut handle, &waker).is_pending());
        let running = {
            let sched = sched.clone();
            thread::spawn(move || sched.run())
        };
        let again = poll_join(&mut handle, &waker);
        running.join().unwrap();
        assert_eq!(wakes.count(), 1);
        if again.is_pending() {
            finished(handle).unwrap();
        } else {
            drop(handle);
        }
        drop(waker);
        sched.finish();
        assert_eq!(StdArc::strong_count(&wakes), 1, "wakers made and dropped");
    });
}

#[test]
fn loom_a_shutdown_meets_a_spawn_and_a_run() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let first = drops.token();
        let first = sched.spawn(async move { first });
        let spawning = {
            let (sched, token) = (sched.clone(), drops.token());
            thread::spawn(move || sched.spawn(async move { token }))
        };
        let running = {
            let sched = sched.clone();
            thread::spawn(move || sched.run())
        };
        sched.owned().close_and_shutdown_all(1);
        let second = spawning.join().unwrap();
        running.join().unwrap();
        for handle in [first, second] {
            match finished(handle) {
                Ok(token) => drop(token),
                Err(error) => assert!(error.is_cancelled()),
            }
        }
        assert_eq!(drops.count(), 2);
        sched.finish();
    });
}

#[test]
fn loom_two_shutdowns_meet_a_wake() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        drop(other);
        let closing = {
            let sched = sched.clone();
            thread::spawn(move || sched.owned().close_and_shutdown_all(1))
        };
        let waking = thread::spawn(move || {
            flag.store(true, Relaxed);
            one.wake();
        });
        sched.owned().close_and_shutdown_all(0);
        closing.join().unwrap();
        waking.join().unwrap();
        assert!(finished(handle).unwrap_err().is_cancelled(), "nobody ran it");
        assert_eq!(drops.count(), 1);
        sched.finish();
    });
}

#[test]
fn loom_the_last_references_go_at_once() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        let abort = handle.abort_handle();
        flag.store(true, Relaxed);
        one.wake();
        let threads = [thread::spawn(move || drop(other)), thread::spawn(move || drop((handle, abort)))];
        sched.run();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(drops.count(), 1);
        sched.finish();
    });
}

#[test]
fn loom_a_task_is_run_and_freed_while_it_is_being_scheduled() {
    model(|| {
        let Waiting { sched, flag, drops, handle, wakers: [one, other] } = waiting();
        drop((handle, other));
        flag.store(true, Relaxed);
        let waking = thread::spawn(move || one.wake());
        sched.run();
        waking.join().unwrap();
        sched.run();
        assert_eq!(drops.count(), 1);
        sched.finish();
    });
}

#[test]
fn loom_a_task_that_yields_is_run_and_freed_elsewhere() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let token = drops.token();
        let mut first = true;
        drop(sched.spawn(poll_fn(move |cx| {
            let _kept = &token;
            cx.waker().wake_by_ref();
            if std::mem::take(&mut first) { Poll::Pending } else { Poll::Ready(()) }
        })));
        let running = {
            let sched = sched.clone();
            thread::spawn(move || sched.run())
        };
        sched.run();
        running.join().unwrap();
        assert_eq!(drops.count(), 1);
        sched.finish();
    });
}

#[test]
fn loom_an_unowned_task_is_freed_by_the_last_reference() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let token = drops.token();
        let future = async move {
            pending::<()>().await;
            drop(token);
        };
        let (task, handle) = unowned(future, sched, Meta::here());
        let leaving = thread::spawn(move || drop(handle));
        drop(task);
        leaving.join().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_an_unowned_task_is_aborted_while_it_runs() {
    model(|| {
        let drops = Drops::default();
        let token = drops.token();
        let (task, handle) = unowned(async move { token }, Sched::new(), Meta::here());
        let abort = handle.abort_handle();
        let aborting = thread::spawn(move || abort.abort());
        task.run();
        aborting.join().unwrap();
        match finished(handle) {
            Ok(token) => drop(token),
            Err(error) => assert!(error.is_cancelled()),
        }
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_a_slot_gives_each_task_out_once() {
    model(|| {
        let sched = Sched::new();
        let drops = Drops::default();
        let slot = Arc::new(crate::engine::task::Slot::default());
        let spawn = || {
            let token = drops.token();
            let (task, handle) = unowned(async move { drop(token) }, sched.clone(), Meta::here());
            drop(handle);
            task
        };
        assert!(slot.replace(spawn()).is_none());
        let theirs = slot.clone();
        let thief = thread::spawn(move || theirs.take().map(crate::engine::task::Notified::run).is_some());
        let mut mine = 0;
        if let Some(former) = slot.replace(spawn()) {
            former.run();
            mine += 1;
        }
        let rest = slot.take().map(crate::engine::task::Notified::run).is_some();
        let stolen = thief.join().unwrap();
        assert_eq!(mine + usize::from(rest) + usize::from(stolen), 2, "one was lost");
        assert_eq!(drops.count(), 2);
    });
}
