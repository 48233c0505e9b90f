//! The whole of a runtime that shuts down: the scheduler as it is, without timers, sockets and hooks.
//!
//! Under the model checker crossbeam's queues are locked rings, and everything else is what runs elsewhere.
#![forbid(unsafe_code)]

#[cfg(not(rt_loom))]
mod search;

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::pollers::Poller;
use super::set::Set;
use super::threads::{self, Workers};
use super::{SchedRef, aside, current};
use crate::base::atomic_waker::AtomicWaker;
use crate::base::block_on::block_on;
use crate::base::clock::Clock;
use crate::base::park::Parker;
use crate::base::prim::atomic::{AtomicBool, Ordering::Relaxed};
use crate::base::prim::{Arc, PlainArc, model, model_within, thread};
use crate::config::{DriverConfig, Flavor, MetricsConfig, RuntimeConfig};
use crate::engine::blocking::{BlockingPool, PoolConfig};
use crate::engine::driver::Driver;
use crate::engine::hooks::{TaskHooks, ThreadHooks};
use crate::engine::services::Services;
use crate::engine::task::{JoinHandle, Meta};

/// What a runtime is made of; everything that a model need not follow is off.
fn parts(flavor: Flavor, workers: usize) -> (RuntimeConfig, Driver, Services) {
    parts_with(flavor, workers, DriverConfig { io: false, time: false, ..DriverConfig::default() })
}

fn parts_with(flavor: Flavor, workers: usize, drivers: DriverConfig) -> (RuntimeConfig, Driver, Services) {
    let config = RuntimeConfig {
        flavor,
        worker_threads: (flavor == Flavor::MultiThread).then_some(workers),
        idle_spin: Duration::ZERO,
        // Where the runtime lies would be another seed.
        rng_seed: Some(0),
        drivers,
        metrics: MetricsConfig { stuck_poll_threshold: Some(Duration::ZERO), ..MetricsConfig::default() },
        ..RuntimeConfig::default()
    };
    let clock = Clock::new(false);
    let hooks = Arc::new(ThreadHooks::default());
    let (driver, registries) = Driver::new(&config.drivers, workers + 1, clock.clone()).unwrap();
    let pool =
        PoolConfig { max_threads: 1, keep_alive: Duration::ZERO, idle_spin: Duration::ZERO, sharded: false };
    let blocking = BlockingPool::new(pool, hooks.clone()).spawner().clone();
    let services = Services { registries, blocking, clock, hooks, task_hooks: TaskHooks::default() };
    (config, driver, services)
}

fn multi_thread(workers: usize) -> (SchedRef, Workers) {
    let (config, driver, services) = parts(Flavor::MultiThread, workers);
    threads::start(config, driver, services, |_, run| run()).unwrap()
}

/// Counts drops.
#[derive(Clone, Default)]
struct Drops(PlainArc<AtomicUsize>);

struct Token(Drops);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, SeqCst);
    }
}

impl Drops {
    fn token(&self) -> Token {
        Token(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Whether a task that has ended has run to its end.
#[track_caller]
fn has_run<T>(mut handle: JoinHandle<T>) -> bool {
    match pin!(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(_)) => true,
        Poll::Ready(Err(error)) => {
            assert!(error.is_cancelled());
            false
        }
        Poll::Pending => panic!("a task was left behind"),
    }
}

async fn waits(token: Token) {
    pending::<()>().await;
    drop(token);
}

/// Wakes the task that waits for it.
#[derive(Clone)]
struct Bell(Arc<(AtomicWaker, AtomicBool)>);

impl Bell {
    fn new() -> Self {
        Self(Arc::new((AtomicWaker::new(), AtomicBool::new(false))))
    }

    fn ring(&self) {
        self.0.1.store(true, Relaxed);
        self.0.0.wake();
    }

    async fn rings(self, token: Token) {
        poll_fn(|cx| {
            self.0.0.register(cx.waker());
            if self.0.1.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        drop(token);
    }
}

fn shut_down(workers: &Workers) {
    workers.close();
    assert!(workers.wait(None));
}

/// A task that waits is dropped, and one that is spawned meanwhile is run or dropped.
#[test]
fn loom_a_shutdown_meets_a_spawn_from_elsewhere() {
    model_within(3, || {
        let (sched, workers) = multi_thread(1);
        let drops = Drops::default();
        let waiting = sched.spawn(waits(drops.token()), Meta::here());
        let (theirs, token) = (sched.clone(), drops.token());
        let spawner = thread::spawn(move || theirs.spawn(async move { drop(token) }, Meta::here()));
        shut_down(&workers);
        let spawned = spawner.join().unwrap();
        assert!(!has_run(waiting));
        has_run(spawned);
        assert_eq!(drops.count(), 2);
    });
}

/// A wake-up that comes too late changes nothing.
#[test]
fn loom_a_shutdown_meets_a_wake_up() {
    model_within(3, || {
        let (sched, workers) = multi_thread(1);
        let drops = Drops::default();
        let bell = Bell::new();
        let woken = sched.spawn(bell.clone().rings(drops.token()), Meta::here());
        let other = thread::spawn(move || bell.ring());
        shut_down(&workers);
        other.join().unwrap();
        has_run(woken);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_a_shutdown_meets_an_abort() {
    model_within(3, || {
        let (sched, workers) = multi_thread(1);
        let drops = Drops::default();
        let aborted = sched.spawn(waits(drops.token()), Meta::here());
        let abort = aborted.abort_handle();
        let other = thread::spawn(move || abort.abort());
        shut_down(&workers);
        other.join().unwrap();
        assert!(!has_run(aborted));
        assert_eq!(drops.count(), 1);
    });
}

/// Tasks spawn tasks, in their polls and in their drops, while two workers steal from each other and stop.
#[test]
fn loom_a_shutdown_meets_tasks_that_spawn_tasks() {
    struct Spawns(SchedRef, Option<Token>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let token = self.1.take();
            drop(self.0.spawn(async move { drop(token) }, Meta::here()));
        }
    }
    model_within(2, || {
        let (sched, workers) = multi_thread(2);
        let drops = Drops::default();
        let (theirs, token) = (sched.clone(), drops.token());
        let spawns = Spawns(sched.clone(), Some(drops.token()));
        let task = async move {
            drop(theirs.spawn(waits(token), Meta::here()));
            drop(spawns);
        };
        let task = sched.spawn(task, Meta::here());
        shut_down(&workers);
        has_run(task);
        assert_eq!(drops.count(), 2);
    });
}

/// A worker hands its core on, blocks, and comes back into a runtime that stops.
#[test]
fn loom_a_shutdown_meets_a_worker_that_blocks() {
    model_within(3, || {
        let (sched, workers) = multi_thread(1);
        let drops = Drops::default();
        let token = drops.token();
        let blocks = async move {
            aside(|| ());
            drop(token);
        };
        let blocks = sched.spawn(blocks, Meta::here());
        let waiting = sched.spawn(waits(drops.token()), Meta::here());
        shut_down(&workers);
        has_run(blocks);
        assert!(!has_run(waiting));
        assert_eq!(drops.count(), 2);
    });
}

/// What a worker blocks for is run by another thread: else this never ends.
#[test]
fn loom_a_core_that_was_handed_on_runs_what_its_worker_waits_for() {
    model_within(3, || {
        let (sched, workers) = multi_thread(1);
        let (theirs, parker) = (sched.clone(), Parker::new());
        let task = async move {
            let unparker = parker.unparker();
            drop(theirs.spawn(async move { unparker.unpark() }, Meta::here()));
            aside(|| parker.park());
        };
        block_on(sched.spawn(task, Meta::here()), Duration::ZERO).unwrap();
        shut_down(&workers);
    });
}

/// The thread that drives a runtime of one thread stops and closes it, while another one spawns.
#[test]
fn loom_the_end_of_a_runtime_of_one_thread_meets_a_spawn() {
    model_within(3, || {
        let (config, driver, services) = parts(Flavor::CurrentThread, 1);
        let (sched, driven) = current::start(config, driver, services).unwrap();
        let drops = Drops::default();
        let waiting = sched.spawn(waits(drops.token()), Meta::here());
        let (theirs, token) = (sched.clone(), drops.token());
        let spawner = thread::spawn(move || theirs.spawn(async move { drop(token) }, Meta::here()));
        let first = sched.spawn(async {}, Meta::here());
        driven.block_on(first).unwrap().unwrap();
        driven.close();
        let spawned = spawner.join().unwrap();
        assert!(!has_run(waiting));
        has_run(spawned);
        assert_eq!(drops.count(), 2);
    });
}

/// Whoever polls a set hears of what other threads wake in it: else this never ends.
#[test]
fn loom_a_set_hears_of_a_wake_up_from_elsewhere() {
    model(|| {
        let (set, drops, bell) = (Set::new(), Drops::default(), Bell::new());
        let task = set.spawn(bell.clone().rings(drops.token()), Meta::here());
        let other = thread::spawn(move || bell.ring());
        let (mut poller, parker) = (Poller::default(), Parker::new());
        while poll_set(&set, &mut poller, &parker, &task).is_pending() {
            parker.park();
        }
        other.join().unwrap();
        assert!(has_run(task));
        set.close();
        assert_eq!(drops.count(), 1);
    });
}

/// Polls a set, for somebody who is through with it when a task of it has ended.
fn poll_set<T>(set: &Set, poller: &mut Poller, parker: &Parker, task: &JoinHandle<T>) -> Poll<()> {
    let waker = parker.unparker().into_waker();
    set.take_turn(poller, &waker, || {
        set.run(&waker);
        if task.is_finished() { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// Of two who poll a set, the one that polled it last goes while another thread wakes a task: the other one polls it to its
/// end, or this never ends.
#[test]
fn loom_who_is_left_of_two_that_poll_a_set_hears_of_a_wake_up() {
    model(|| {
        let (set, drops, bell) = (Set::new(), Drops::default(), Bell::new());
        let task = set.spawn(bell.clone().rings(drops.token()), Meta::here());
        let (mut stays, mut goes) = (Poller::default(), Poller::default());
        let parkers = [Parker::new(), Parker::new()];
        let other = thread::spawn(move || bell.ring());
        let mut over = poll_set(&set, &mut stays, &parkers[0], &task).is_ready();
        over |= poll_set(&set, &mut goes, &parkers[1], &task).is_ready();
        set.leave(&mut goes);
        while !over && poll_set(&set, &mut stays, &parkers[0], &task).is_pending() {
            parkers[0].park();
        }
        other.join().unwrap();
        assert!(has_run(task));
        set.close();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn loom_the_end_of_a_set_meets_a_wake_up_and_an_abort() {
    model(|| {
        let (set, drops, bell) = (Set::new(), Drops::default(), Bell::new());
        let woken = set.spawn(bell.clone().rings(drops.token()), Meta::here());
        let aborted = set.spawn(waits(drops.token()), Meta::here());
        let _ = set.take_turn(&mut Poller::default(), Waker::noop(), || {
            set.run(Waker::noop());
            Poll::<()>::Pending
        });
        let abort = aborted.abort_handle();
        let other = thread::spawn(move || {
            bell.ring();
            abort.abort();
        });
        set.close();
        assert_eq!(drops.count(), 2);
        other.join().unwrap();
        assert!(!has_run(woken) && !has_run(aborted));
    });
}

/// One of them drives for both, and whoever is left drives on.
#[test]
fn loom_two_threads_in_block_on_are_both_served() {
    model_within(3, || {
        let (config, driver, services) = parts(Flavor::CurrentThread, 1);
        let (sched, driven) = current::start(config, driver, services).unwrap();
        let driven = Arc::new(driven);
        let (theirs, task) = (driven.clone(), sched.spawn(async {}, Meta::here()));
        let other = thread::spawn(move || theirs.block_on(task).unwrap().unwrap());
        driven.block_on(sched.spawn(async {}, Meta::here())).unwrap().unwrap();
        other.join().unwrap();
        driven.close();
    });
}

/// A thread that waits for another one to drive, and leaves before it has to drive itself, is waited for no more.
#[cfg(not(rt_loom))]
#[test]
fn a_thread_that_leaves_block_on_is_forgotten() {
    let (config, driver, services) = parts(Flavor::CurrentThread, 1);
    let (_sched, driven) = current::start(config, driver, services).unwrap();
    let driven = Arc::new(driven);
    let (theirs, bell, drops) = (driven.clone(), Bell::new(), Drops::default());
    let (drives, is_driving) = std::sync::mpsc::channel();
    let rings = bell.clone().rings(drops.token());
    let other = thread::spawn(move || {
        let rings = async {
            drives.send(()).unwrap();
            rings.await;
        };
        theirs.block_on(rings).unwrap();
    });
    is_driving.recv().unwrap();
    for _ in 0..100 {
        driven.block_on(async {}).unwrap();
        let pending_once = async {
            let mut polled = false;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        driven.block_on(pending_once).unwrap();
        let panics = std::panic::AssertUnwindSafe(|| driven.block_on(async { panic!("on purpose") }));
        std::panic::catch_unwind(panics).unwrap_err();
    }
    assert_eq!(driven.waiting(), 0);
    bell.ring();
    other.join().unwrap();
    driven.close();
}

#[test]
#[cfg(not(rt_loom))]
fn a_watcher_knows_the_first_deadline_of_the_workers_in_long_polls() {
    use super::multi::Multi;
    use super::policy::Policy;
    use crate::engine::driver::timer::TimerEntry;

    let time_alone = DriverConfig { io: false, time: true, ..DriverConfig::default() };
    // One worker: there is nobody else to inspect it.
    let (config, driver, services) = parts_with(Flavor::MultiThread, 1, time_alone);
    let (sched, workers) = threads::start(config, driver, services, |_, run| run()).unwrap();
    let SchedRef::Multi(shared) = &sched else { panic!("another flavour") };
    let timers = shared.services.registries.timers.clone().unwrap();
    let deadlines = [2, 1].map(|hours| timers.clock().now() + Duration::from_secs(hours * 3600));
    let mut entries = deadlines.map(|_| Box::pin(TimerEntry::new(timers.clone())));
    for (entry, deadline) in entries.iter_mut().zip(deadlines) {
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(entry.as_mut().poll(cx, deadline, |_| 0).is_pending());
    }
    let inspect = |polls| _ = shared.policy.watchdog.inspect(0, polls, true);
    let of_others = || Multi::overdue_soon(shared, &timers);
    inspect(5);
    assert_eq!(of_others(), None, "it comes to its timers by itself");
    inspect(5);
    assert_eq!(of_others(), Some(deadlines[1]), "still in the same poll");
    inspect(6);
    assert_eq!(of_others(), None);
    shut_down(&workers);
}
