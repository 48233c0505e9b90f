//! `JoinSet`: whose result comes when, what an abort and a drop do, and what a set does to its tasks' panics.

mod support;

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

use runtime::task::{self, JoinSet};

use support::{Drops, Rt};

over_flavours!(
    results_come_as_tasks_end,
    an_empty_set_gives_nothing,
    an_aborted_task_stays_until_it_is_taken,
    a_dropped_set_aborts_its_tasks,
    detached_tasks_go_on,
    a_detached_set_can_be_used_again,
    shutdown_waits_for_every_task,
    join_all_hands_a_panic_on_and_aborts_the_rest,
    join_all_panics_for_a_cancelled_task,
    blocking_closures_are_joined,
    a_panic_is_an_error_with_the_id,
    ids_are_those_of_the_tasks,
    spawn_on_needs_no_current_runtime,
    ten_thousand_tasks,
    a_lost_wait_loses_no_result,
    a_spent_budget_makes_it_yield,
);

fn results_come_as_tasks_end(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::new();
        let gates: Vec<_> = (0..3)
            .map(|n| {
                let (open, gate) = mpsc::channel::<()>();
                set.spawn(async move {
                    while gate.try_recv().is_err() {
                        task::yield_now().await;
                    }
                    n
                });
                open
            })
            .collect();
        for n in [1, 2, 0] {
            gates[n].send(()).unwrap();
            assert_eq!(set.join_next().await.unwrap().unwrap(), n);
        }
        assert!(set.join_next().await.is_none());
    });
}

fn an_empty_set_gives_nothing(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::<()>::default();
        assert!(set.is_empty());
        assert!(set.try_join_next().is_none());
        assert!(set.try_join_next_with_id().is_none());
        assert!(set.join_next().await.is_none());
        assert!(set.join_next_with_id().await.is_none());
        set.shutdown().await;
        assert!(set.join_all().await.is_empty());
    });
}

fn an_aborted_task_stays_until_it_is_taken(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::new();
        let abort = set.spawn(pending::<()>());
        set.spawn(pending());
        abort.abort();
        assert_eq!(set.len(), 2);
        let error = set.join_next().await.unwrap().unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.id(), abort.id());
        set.abort_all();
        assert_eq!(set.len(), 1);
        assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
        assert!(set.is_empty());
    });
}

fn a_dropped_set_aborts_its_tasks(new: fn() -> Rt) {
    let drops = Drops::default();
    let (gone, all_gone) = mpsc::channel::<()>();
    let rt = new();
    rt.block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..10 {
            let (held, gone) = (drops.track(), gone.clone());
            set.spawn(async move {
                let _held = (held, gone);
                pending::<()>().await;
            });
        }
        drop((set, gone));
        while all_gone.try_recv() != Err(mpsc::TryRecvError::Disconnected) {
            task::yield_now().await;
        }
    });
    assert_eq!(drops.count(), 10);
}

fn detached_tasks_go_on(new: fn() -> Rt) {
    new().block_on(async {
        let (done, ends) = mpsc::channel();
        let mut set = JoinSet::new();
        for n in 0..4 {
            let done = done.clone();
            set.spawn(async move {
                task::yield_now().await;
                done.send(n).unwrap();
            });
        }
        set.detach_all();
        assert!(set.is_empty());
        drop((set, done));
        let mut seen = Vec::new();
        loop {
            match ends.try_recv() {
                Ok(n) => seen.push(n),
                Err(mpsc::TryRecvError::Empty) => task::yield_now().await,
                Err(mpsc::TryRecvError::Disconnected) => break,
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

/// Tasks that were detached end while others have their places.
fn a_detached_set_can_be_used_again(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..100 {
            for _ in 0..3 {
                set.spawn(async {
                    task::yield_now().await;
                    "old"
                });
            }
            set.detach_all();
            set.spawn(async { "new" });
            assert_eq!(set.join_next().await.unwrap().unwrap(), "new");
            assert!(set.is_empty());
        }
    });
}

fn shutdown_waits_for_every_task(new: fn() -> Rt) {
    let drops = Drops::default();
    new().block_on(async {
        let mut set = JoinSet::new();
        for n in 0..10 {
            let held = drops.track();
            set.spawn(async move {
                let _held = held;
                if n % 2 == 0 {
                    pending::<()>().await;
                }
            });
        }
        set.shutdown().await;
        assert!(set.is_empty());
        assert_eq!(drops.count(), 10);
    });
}

fn join_all_hands_a_panic_on_and_aborts_the_rest(new: fn() -> Rt) {
    let drops = Drops::default();
    let held = drops.track();
    let rt = new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            set.spawn(async move {
                let _held = held;
                pending::<()>().await;
            });
            set.spawn(async { panic!("on purpose") });
            set.join_all().await
        })
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    drop(rt);
    assert_eq!(drops.count(), 1);
}

fn join_all_panics_for_a_cancelled_task(new: fn() -> Rt) {
    let rt = new();
    let text = support::panic_text(|| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            set.spawn(pending::<()>()).abort();
            set.join_all().await;
        });
    });
    assert!(text.contains("was cancelled"), "{text}");
}

fn blocking_closures_are_joined(new: fn() -> Rt) {
    let rt = new();
    let handle = rt.handle().clone();
    rt.block_on(async {
        let mut set = JoinSet::new();
        for n in 0..5 {
            set.spawn_blocking(move || n);
            set.spawn_blocking_on(move || n, &handle);
        }
        assert_eq!(set.join_all().await.into_iter().sum::<i32>(), 20);
    });
}

fn a_panic_is_an_error_with_the_id(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::<()>::new();
        let id = set.spawn(async { panic!("on purpose") }).id();
        let error = set.join_next_with_id().await.unwrap().unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.id(), id);
    });
}

fn ids_are_those_of_the_tasks(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::new();
        let ids: Vec<_> = (0..20).map(|_| set.spawn(async { task::id() }).id()).collect();
        let mut seen = Vec::new();
        while let Some(result) = set.join_next_with_id().await {
            let (id, said) = result.unwrap();
            assert_eq!(id, said);
            seen.push(id);
        }
        seen.sort_unstable();
        assert_eq!(seen, ids);
    });
}

fn spawn_on_needs_no_current_runtime(new: fn() -> Rt) {
    let rt = new();
    let mut set = JoinSet::new();
    set.spawn_on(async { 1 }, rt.handle());
    set.build_task().name("second").spawn_on(async { 2 }, rt.handle()).unwrap();
    set.build_task().spawn_blocking_on(|| 3, rt.handle()).unwrap();
    assert_eq!(rt.block_on(set.join_all()).into_iter().sum::<i32>(), 6);
}

fn ten_thousand_tasks(new: fn() -> Rt) {
    new().block_on(async {
        let mut set: JoinSet<u64> = (0..10_000).map(|n| async move { n }).collect();
        set.extend((0..100).map(|_| async { 0 }));
        assert_eq!(set.len(), 10_100);
        let mut sum = 0;
        while let Some(result) = set.join_next().await {
            sum += result.unwrap();
        }
        assert_eq!(sum, (0..10_000).sum::<u64>());
    });
}

/// What `select!` does to a branch that loses: it polls it, and drops it.
fn a_lost_wait_loses_no_result(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::new();
        for n in 0..50 {
            set.spawn(async move {
                task::yield_now().await;
                n
            });
        }
        let mut sum = 0;
        while !set.is_empty() {
            let poll = std::future::poll_fn(|cx| Poll::Ready(std::pin::pin!(set.join_next()).poll(cx))).await;
            match poll {
                Poll::Ready(result) => sum += result.unwrap().unwrap(),
                Poll::Pending => task::yield_now().await,
            }
        }
        assert_eq!(sum, (0..50).sum::<i32>());
    });
}

fn a_spent_budget_makes_it_yield(new: fn() -> Rt) {
    new().block_on(async {
        let mut set = JoinSet::new();
        let tasks: Vec<_> = (0..1000).map(|_| set.spawn(async {})).collect();
        while !tasks.iter().all(task::AbortHandle::is_finished) {
            task::yield_now().await;
        }
        let taken = std::future::poll_fn(|cx| {
            let mut taken = 0;
            while set.poll_join_next(cx).is_ready() {
                taken += 1;
            }
            Poll::Ready(taken)
        });
        let taken = taken.await;
        assert!((1..1000).contains(&taken), "one poll took {taken} of 1000 results");
        // Without waiting there is nobody to yield to.
        assert_eq!(std::iter::from_fn(|| set.try_join_next()).count(), 1000 - taken);
    });
}

#[test]
fn outside_of_a_runtime_it_cannot_spawn() {
    let text = support::panic_text(|| {
        JoinSet::new().spawn(async {});
    });
    assert!(text.contains("runtime"), "{text}");
}

#[test]
fn a_runtime_that_ends_cancels_the_set() {
    let rt = support::current();
    let mut set = JoinSet::new();
    set.spawn_on(pending::<()>(), rt.handle());
    drop(rt);
    assert!(support::current().block_on(set.join_next()).unwrap().unwrap_err().is_cancelled());
}

/// Only the last of the wakers that have waited is woken.
#[test]
fn the_last_waker_is_woken() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let rt = support::current();
    let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
    let mut set = JoinSet::new();
    set.spawn_on(async {}, rt.handle());
    for count in &counts {
        let waker = Waker::from(count.clone());
        assert!(set.poll_join_next(&mut Context::from_waker(&waker)).is_pending());
    }
    rt.block_on(task::yield_now());
    assert_eq!(counts.map(|count| count.0.load(SeqCst)), [0, 1]);
}

#[test]
fn a_set_and_its_builder_show_themselves() {
    let rt = support::current();
    let mut set = JoinSet::new();
    set.spawn_on(async {}, rt.handle());
    assert_eq!(format!("{set:?}"), "JoinSet { len: 1 }");
    assert!(format!("{:?}", set.build_task().name("adder")).contains("adder"));
}
