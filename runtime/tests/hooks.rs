//! The callbacks about tasks and polls, and what ends a runtime when a task panics.

mod support;

use std::collections::HashSet;
use std::future::{Future, pending};
use std::panic::Location;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use runtime::runtime::dump::{Task, TaskState};
use runtime::runtime::{Builder, LocalOptions, RngSeed, Runtime, TaskMeta, UnhandledPanic, worker_index};
use runtime::task::{self, LocalSet, yield_now};
use support::{Drops, LOST, Rt, builders, panic_text};

/// A callback that counts, and how often it was called.
fn counting() -> (Arc<AtomicUsize>, impl Fn(&TaskMeta<'_>) + Send + Sync + 'static) {
    let count = Arc::new(AtomicUsize::new(0));
    let theirs = count.clone();
    (count, move |_: &TaskMeta<'_>| {
        theirs.fetch_add(1, SeqCst);
    })
}

#[test]
fn each_hook_is_called_for_each_task_and_poll() {
    for (flavour, mut builder) in builders() {
        let (spawned, on_spawn) = counting();
        let (ended, on_end) = counting();
        let (before, on_before) = counting();
        let (after, on_after) = counting();
        let rt = flavour.build(
            builder
                .on_task_spawn(on_spawn)
                .on_task_terminate(on_end)
                .on_before_task_poll(on_before)
                .on_after_task_poll(on_after),
        );
        rt.block_on(async {
            // One that ends, one that panics, one that is aborted, each with a known number of polls.
            task::spawn(yield_now()).await.unwrap();
            assert!(task::spawn(async { panic!("expected") }).await.unwrap_err().is_panic());
            let pending = task::spawn(std::future::pending::<()>());
            pending.abort();
            assert!(pending.await.unwrap_err().is_cancelled());
        });
        assert_eq!(spawned.load(SeqCst), 3, "{flavour}");
        assert_eq!(ended.load(SeqCst), 3, "{flavour}: told before the join handle is");
        // The aborted one may or may not have been polled; each call before has its call after, at the latest when
        // the worker has stopped.
        drop(rt);
        assert!((3..=5).contains(&before.load(SeqCst)), "{flavour}: {before:?}");
        assert_eq!(before.load(SeqCst), after.load(SeqCst), "{flavour}");
    }
}

#[test]
fn a_runtime_that_ends_tells_the_end_of_its_tasks() {
    for (flavour, mut builder) in builders() {
        let (ended, on_end) = counting();
        let rt = flavour.build(builder.on_task_terminate(on_end));
        for _ in 0..10 {
            rt.spawn(std::future::pending::<()>());
        }
        drop(rt);
        assert_eq!(ended.load(SeqCst), 10, "{flavour}");
    }
}

#[test]
fn a_hook_is_told_the_task_its_name_and_its_place() {
    type Told = (task::Id, Option<String>, &'static Location<'static>);
    for (flavour, mut builder) in builders() {
        let told = Arc::new(Mutex::new(Vec::<(&str, Told)>::new()));
        let teller = |which: &'static str| {
            let told = told.clone();
            move |meta: &TaskMeta<'_>| {
                assert_eq!(meta.schedule_latency(), None);
                let one = (meta.id(), meta.name().map(str::to_owned), meta.spawned_at());
                told.lock().unwrap().push((which, one));
            }
        };
        let rt = flavour.build(
            builder
                .on_task_spawn(teller("spawn"))
                .on_task_terminate(teller("terminate"))
                .on_before_task_poll(teller("before"))
                .on_after_task_poll(teller("after")),
        );
        let _entered = rt.enter();
        let line = line!() + 1;
        let named = task::Builder::new().name("sluggard").spawn(yield_now()).unwrap();
        let id = named.id();
        rt.block_on(named).unwrap();
        drop(_entered);
        drop(rt);
        let told = told.lock().unwrap();
        let which: Vec<_> = told.iter().map(|(which, _)| *which).collect();
        assert_eq!(which, ["spawn", "before", "after", "before", "terminate", "after"], "{flavour}");
        for (which, (told_id, name, place)) in told.iter() {
            assert_eq!((*told_id, name.as_deref()), (id, Some("sluggard")), "{flavour} {which}");
            assert_eq!((place.line(), place.file()), (line, file!()), "{flavour} {which}");
        }
    }
}

#[test]
fn every_poll_hook_learns_the_wait_when_that_is_tracked() {
    for (flavour, mut builder) in builders() {
        let waits = Arc::new(Mutex::new((Vec::new(), Vec::new())));
        let (ours, theirs) = (waits.clone(), waits.clone());
        let rt = flavour.build(
            builder
                .track_task_schedule_latency()
                .on_before_task_poll(move |meta| {
                    ours.lock().unwrap().0.push(meta.schedule_latency().unwrap());
                })
                .on_after_task_poll(move |meta| {
                    theirs.lock().unwrap().1.push(meta.schedule_latency().unwrap());
                }),
        );
        let nap = Duration::from_millis(5);
        rt.block_on(rt.spawn(async move {
            // The second task waits in the queue for as long as the first one blocks, or is stolen.
            let second = task::spawn(async {});
            std::thread::sleep(nap);
            second.await.unwrap();
        }))
        .unwrap();
        let workers = rt.metrics().num_workers();
        drop(rt);
        let (before, after) = &*waits.lock().unwrap();
        let sorted = |waits: &[Duration]| {
            let mut waits = waits.to_vec();
            waits.sort();
            waits
        };
        assert_eq!(sorted(before), sorted(after), "{flavour}: both are told the same");
        if workers == 1 {
            assert!(before.iter().any(|&wait| wait >= nap), "{flavour}: {before:?}");
        }
    }
}

#[test]
fn a_hook_that_spawns_finds_its_runtime() {
    for (flavour, mut builder) in builders() {
        let (done, ends) = mpsc::channel();
        let rt = flavour.build(builder.on_before_task_poll(move |meta| {
            if meta.name() == Some("parent") {
                let done = done.clone();
                let child = async move { done.send(()).unwrap_or(()) };
                task::Builder::new().name("child").spawn(child).unwrap();
            }
        }));
        rt.block_on(async {
            task::Builder::new().name("parent").spawn(async {}).unwrap().await.unwrap();
            while ends.try_recv().is_err() {
                yield_now().await;
            }
        });
        drop((rt, flavour));
    }
}

#[test]
fn panics_in_hooks_harm_nobody() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(
            builder
                .on_before_task_poll(|_| panic!("before"))
                .on_after_task_poll(|_| panic!("after"))
                .on_task_terminate(|_| panic!("terminate")),
        );
        let drops = Drops::default();
        rt.block_on(async {
            for _ in 0..10 {
                let tracked = drops.track();
                task::spawn(async move {
                    yield_now().await;
                    drop(tracked);
                })
                .await
                .unwrap();
            }
        });
        assert_eq!(rt.metrics().num_alive_tasks(), 0, "{flavour}");
        drop(rt);
        assert_eq!(drops.count(), 10, "{flavour}");
    }
}

#[test]
fn a_panic_in_the_hook_of_spawning_is_the_spawners() {
    for (flavour, mut builder) in builders() {
        let drops = Drops::default();
        let tracked = drops.track();
        let rt = flavour.build(builder.on_task_spawn(|_| panic!("not this one")));
        let text = panic_text(|| drop(rt.spawn(async move { drop(tracked) })));
        assert_eq!(text, "not this one", "{flavour}");
        assert_eq!((rt.metrics().spawned_tasks_count(), drops.count()), (0, 1), "{flavour}");
    }
}

fn doomed() -> Runtime {
    Builder::new_current_thread().unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap()
}

#[test]
fn a_runtime_that_should_ends_at_the_first_panic() {
    let mut builder = Builder::new_current_thread();
    builder.unhandled_panic(UnhandledPanic::ShutdownRuntime);
    let local = builder.build_local(LocalOptions::default()).unwrap();
    for rt in [doomed().into(), local.into()] {
        ends_at_the_first_panic(rt);
    }
}

fn ends_at_the_first_panic(rt: Rt) {
    let drops = Drops::default();
    let (tracked, late) = (drops.track(), Arc::new(AtomicUsize::new(0)));
    let panics = rt.spawn(async { panic!("expected") });
    let theirs = late.clone();
    let after = rt.spawn(async move {
        theirs.fetch_add(1, SeqCst);
        let _tracked = tracked;
        std::future::pending::<()>().await;
    });
    let text = panic_text(|| rt.block_on(std::future::pending()));
    assert!(text.contains("shut down on unhandled panic"), "{text}");
    assert_eq!(late.load(SeqCst), 0, "nothing runs after the panic");
    assert_eq!(drops.count(), 1, "all tasks are dropped");
    assert_eq!(rt.metrics().num_alive_tasks(), 0);
    // It stays so.
    let text = panic_text(|| rt.block_on(async {}));
    assert!(text.contains("shut down on unhandled panic"), "{text}");
    let tracked = drops.track();
    let refused = rt.spawn(async move { drop(tracked) });
    assert_eq!(drops.count(), 2);
    drop(rt);
    let other = support::current();
    assert!(other.block_on(panics).unwrap_err().is_panic(), "the first task's own result is what it was");
    assert!(other.block_on(after).unwrap_err().is_cancelled());
    assert!(other.block_on(refused).unwrap_err().is_cancelled());
}

#[test]
fn a_second_thread_in_block_on_hears_of_the_end() {
    let rt = Arc::new(doomed());
    let (theirs, (waits, waiting)) = (rt.clone(), mpsc::channel());
    let other = std::thread::spawn(move || {
        panic_text(|| {
            theirs.block_on(async {
                // This thread drives, or will when the other one has panicked.
                waits.send(()).unwrap();
                std::future::pending::<()>().await;
            });
        })
    });
    waiting.recv_timeout(LOST).unwrap();
    rt.spawn(async { panic!("expected") });
    let text = panic_text(|| rt.block_on(std::future::pending()));
    assert!(text.contains("shut down on unhandled panic"), "{text}");
    let text = other.join().unwrap();
    assert!(text.contains("shut down on unhandled panic"), "{text}");
}

#[test]
fn an_aborted_task_is_no_panic() {
    let rt = doomed();
    rt.block_on(async {
        let task = task::spawn(std::future::pending::<()>());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn several_threads_cannot_end_by_a_panic() {
    let text = panic_text(|| {
        Builder::new_multi_thread().unhandled_panic(UnhandledPanic::ShutdownRuntime);
    });
    assert!(text.contains("new_current_thread"), "{text}");
    Builder::new_multi_thread().unhandled_panic(UnhandledPanic::Ignore).build().unwrap();
}

#[test]
fn workers_have_numbers_and_others_have_none() {
    assert_eq!(worker_index(), None);
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(&mut builder);
        let inside = rt.block_on(rt.spawn(async { worker_index() })).unwrap();
        assert!(inside.is_some_and(|index| index < rt.metrics().num_workers()), "{flavour}: {inside:?}");
        let root = rt.block_on(async { worker_index() });
        assert_eq!(root, flavour.is_single().then_some(0), "{flavour}");
        let blocking = rt.block_on(rt.spawn_blocking(worker_index)).unwrap();
        assert_eq!(blocking, None, "{flavour}");
    }
    assert_eq!(worker_index(), None);
}

#[test]
fn seeds_of_equal_bytes_are_equal_and_runtimes_take_them() {
    let text = |bytes: &[u8]| format!("{:?}", RngSeed::from_bytes(bytes));
    let distinct: HashSet<_> = [&b""[..], b"a", b"b", b"ab", b"ba"].map(text).into();
    assert_eq!(distinct.len(), 5);
    assert_eq!(text(b"ab"), text(b"ab"));
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.rng_seed(RngSeed::from_bytes(b"seed")).name("seeded"));
        assert_eq!(rt.handle().name(), Some("seeded"));
        assert_eq!(rt.block_on(rt.spawn(async { 1 })).unwrap(), 1);
    }
}

#[test]
fn a_shutdown_that_runs_out_of_time_says_what_runs() {
    for (flavour, mut builder) in builders() {
        let (begun, begins) = mpsc::channel();
        let (end, ending) = mpsc::channel::<()>();
        let ending = Arc::new(Mutex::new(ending));
        let rt = flavour.build(&mut builder);
        let entered = rt.enter();
        let pending = rt.spawn(std::future::pending::<()>());
        // It is in the report only while it is polled: that is over by then. On one thread it has not begun.
        let limit = Instant::now() + LOST;
        let state = || {
            let snapshot = rt.handle().snapshot();
            snapshot.tasks().iter().find(|task| task.id() == pending.id()).map(Task::state)
        };
        while !flavour.is_single() && state() != Some(TaskState::Idle) {
            assert!(Instant::now() < limit, "{flavour}: it was never polled");
            std::thread::yield_now();
        }
        let mut running = Vec::new();
        let mut started = 1;
        let blocks = |begun: mpsc::Sender<()>| {
            let ending = ending.clone();
            move || {
                begun.send(()).unwrap();
                ending.lock().unwrap_or_else(PoisonError::into_inner).recv().unwrap_err();
            }
        };
        let block = blocks(begun.clone());
        let closure = task::Builder::new().name("closure").spawn_blocking(block).unwrap();
        if !flavour.is_single() {
            // On one thread nothing can be polled while the runtime is shut down.
            let block = blocks(begun.clone());
            running.push(task::Builder::new().name("task").spawn(async move { block() }).unwrap());
            started += 1;
        }
        for _ in 0..started {
            begins.recv_timeout(LOST).unwrap();
        }
        drop(entered);
        let report = rt.shutdown_timeout_report(Duration::from_millis(1));
        assert!(!report.is_complete(), "{flavour}");
        let closures: Vec<_> = report.blocking().iter().map(|left| (left.id(), left.name())).collect();
        assert_eq!(closures, [(closure.id(), Some("closure"))], "{flavour}");
        assert_eq!(report.blocking()[0].spawned_at().file(), file!(), "{flavour}");
        let polls: Vec<_> = report.polls().iter().map(|poll| (poll.id(), poll.name())).collect();
        let expected: Vec<_> = running.iter().map(|task| (task.id(), Some("task"))).collect();
        assert_eq!(polls, expected, "{flavour}");
        assert!(report.worker_threads() >= running.len() && report.blocking_threads() == 1, "{flavour}");
        for name in closures.iter().chain(&polls).map(|(_, name)| name.unwrap()) {
            assert!(report.to_string().contains(&format!("'{name}'")), "{flavour}: {report}");
        }
        drop(end);
    }
}

#[test]
fn a_shutdown_in_time_reports_nothing() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(&mut builder);
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        rt.spawn(std::future::pending::<()>());
        let report = rt.shutdown_timeout_report(LOST);
        assert!(report.is_complete() && report.polls().is_empty(), "{flavour}: {report}");
        assert_eq!(report.to_string(), "everything has stopped", "{flavour}");
    }
}

/// What the hook of parking brings is work, and the worker parks another time. It is told of the end of this one, too.
#[test]
fn each_park_has_its_unpark() {
    for (flavour, mut builder) in builders() {
        let parked = Arc::new(AtomicUsize::new(0));
        let (down, up) = (parked.clone(), parked.clone());
        let spawned = AtomicUsize::new(0);
        let builder = builder
            .on_thread_park(move || {
                down.fetch_add(1, SeqCst);
                if spawned.fetch_add(1, SeqCst) < 10 {
                    task::spawn(async {});
                }
            })
            .on_thread_unpark(move || {
                up.fetch_sub(1, SeqCst);
            });
        let rt = flavour.build(builder);
        while rt.metrics().spawned_tasks_count() < 10 {
            rt.block_on(rt.spawn(yield_now())).unwrap();
        }
        drop(rt);
        assert_eq!(parked.load(SeqCst), 0, "{flavour}");
    }
}

/// Of a set that ends by the first panic: on either runtime, which goes on.
#[test]
fn a_local_set_that_should_ends_at_the_first_panic() {
    for rt in [support::current(), support::multi(1)] {
        let (mut set, drops) = (LocalSet::new(), Drops::default());
        set.unhandled_panic(UnhandledPanic::ShutdownRuntime);
        let tracked = drops.track();
        let panics = set.spawn_local(async { panic!("expected") });
        let after = set.spawn_local(async move {
            let _tracked = tracked;
            std::future::pending::<()>().await;
        });
        let ends = |text: String| assert!(text.contains("LocalSet is configured to shutdown"), "{text}");
        ends(panic_text(|| set.block_on(&rt, std::future::pending())));
        assert_eq!(drops.count(), 1, "all tasks are dropped");
        assert!(rt.block_on(panics).unwrap_err().is_panic());
        assert!(rt.block_on(after).unwrap_err().is_cancelled());
        // It stays so.
        ends(panic_text(|| set.block_on(&rt, async {})));
        ends(panic_text(|| rt.block_on(&mut set)));
        let tracked = drops.track();
        let refused = set.spawn_local(async move { drop(tracked) });
        assert_eq!(drops.count(), 2);
        assert!(rt.block_on(refused).unwrap_err().is_cancelled());
        assert_eq!(rt.block_on(rt.spawn(async { 5 })).unwrap(), 5);
    }
}

#[test]
fn each_future_that_drives_a_local_set_hears_of_its_end() {
    let ends = |f: &mut dyn FnMut()| {
        let text = panic_text(f);
        assert!(text.contains("LocalSet is configured to shutdown"), "{text}");
    };
    let (rt, mut set, wakes) = (support::current(), LocalSet::new(), Arc::new(Wakes::default()));
    set.unhandled_panic(UnhandledPanic::ShutdownRuntime);
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let mut waits = pin!(set.run_until(pending::<()>()));
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    ends(&mut || {
        rt.block_on(set.run_until(async {
            task::spawn_local(async { panic!("expected") });
            pending::<()>().await;
        }));
    });
    assert_eq!(wakes.0.load(SeqCst), 1);
    ends(&mut || _ = waits.as_mut().poll(&mut cx).is_pending());
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_panic_does_not_end_a_local_set_that_should_not() {
    let (rt, set) = (support::current(), LocalSet::new());
    let panics = set.spawn_local(async { panic!("expected") });
    assert!(set.block_on(&rt, panics).unwrap_err().is_panic());
    assert_eq!(set.block_on(&rt, set.spawn_local(async { 3 })).unwrap(), 3);
}
