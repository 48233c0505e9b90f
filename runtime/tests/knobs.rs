//! Each setting of a builder has its effect. Those of hooks, clocks and histograms have suites of their own.

mod support;

use std::future::poll_fn;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use runtime::net::TcpListener;
use runtime::runtime::{Builder, Handle};
use runtime::task;
use runtime::time::sleep;
use support::{LOST, builders};

/// Waits until something that must happen has happened.
fn until(mut happened: impl FnMut() -> bool) {
    let limit = Instant::now() + LOST;
    while !happened() {
        assert!(Instant::now() < limit, "it never happened");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps its thread busy, one poll after the other, until `done` says so. It is polled again at once each time.
async fn busy_until(mut done: impl FnMut() -> bool) {
    poll_fn(|cx| {
        if done() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn worker_threads() {
    for workers in [1, 3] {
        let rt = Builder::new_multi_thread().worker_threads(workers).build().unwrap();
        assert_eq!(rt.metrics().num_workers(), workers);
    }
}

/// What a process with this variable says, of its own default and of a number that is set.
fn workers_with_variable(value: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_tells_its_workers", "--nocapture"])
        .envs([("TOKIO_WORKER_THREADS", value), ("RUNTIME_TEST_CHILD", "1")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_environment_tells_the_number_of_workers_to_whom_nobody_else_does() {
    let said = workers_with_variable("3");
    assert!(said.contains("<default 3, set 2>"), "{said}");
    for wrong in ["0", "many", "-1", "1000000"] {
        let said = workers_with_variable(wrong);
        assert!(
            said.contains("TOKIO_WORKER_THREADS must be a number from 1") && said.contains(wrong),
            "{said}"
        );
        assert!(said.contains("set 2>"), "a number that is set needs no other: {said}");
    }
}

/// For the test above; in a process of its own.
#[test]
fn the_child_tells_its_workers() {
    if std::env::var_os("RUNTIME_TEST_CHILD").is_none() {
        return;
    }
    let default = match Builder::new_multi_thread().build() {
        Ok(rt) => rt.metrics().num_workers().to_string(),
        Err(error) => error.to_string(),
    };
    let set = Builder::new_multi_thread().worker_threads(2).build().unwrap().metrics().num_workers();
    Builder::new_current_thread().build().unwrap();
    println!("<default {default}, set {set}>");
}

#[test]
fn max_blocking_threads() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.max_blocking_threads(2));
        let (begun, begins) = mpsc::channel();
        let (end, ending) = mpsc::channel::<()>();
        let ending = Arc::new(Mutex::new(ending));
        let jobs: Vec<_> = (0..5)
            .map(|_| {
                let (begun, ending) = (begun.clone(), ending.clone());
                rt.spawn_blocking(move || {
                    begun.send(()).unwrap();
                    let _ = ending.lock().unwrap().recv();
                })
            })
            .collect();
        for _ in 0..2 {
            begins.recv_timeout(LOST).unwrap();
        }
        let metrics = rt.metrics();
        assert_eq!((metrics.num_blocking_threads(), metrics.blocking_queue_depth()), (2, 3), "{flavour}");
        drop(end);
        rt.block_on(async {
            for job in jobs {
                job.await.unwrap();
            }
        });
    }
}

#[test]
fn thread_keep_alive() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.thread_keep_alive(Duration::from_millis(5)).max_blocking_threads(1));
        // A thread that has ended is none of the one that there may be.
        for _ in 0..3 {
            rt.block_on(rt.spawn_blocking(|| ())).unwrap();
            until(|| rt.metrics().num_blocking_threads() == 0);
        }
    }
}

#[test]
fn thread_name() {
    let name = || thread::current().name().map(str::to_owned);
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.thread_name("thread of a test"));
        let here = rt.block_on(rt.spawn_blocking(name)).unwrap();
        assert_eq!(here.as_deref(), Some("thread of a test"), "{flavour}");
        let there = rt.block_on(rt.spawn(async move { name() })).unwrap();
        assert_eq!(there == here, !flavour.is_single(), "{flavour}: {there:?}");
    }
}

/// Uses at least so many blocks of 64 KiB, and a few times as much where nothing is optimised.
#[inline(never)]
fn use_stack(blocks: usize) -> u8 {
    let block = std::hint::black_box([1_u8; 1 << 16]);
    if blocks == 0 { block[0] } else { block[blocks].wrapping_add(use_stack(blocks - 1)) }
}

/// Were it ignored, the stack of 2 MiB that is usual would overflow.
#[test]
fn thread_stack_size() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.thread_stack_size(64 << 20));
        rt.block_on(rt.spawn_blocking(|| use_stack(100))).unwrap();
        if !flavour.is_single() {
            rt.block_on(rt.spawn(async { use_stack(100) })).unwrap();
        }
    }
}

/// How many polls of a busy task a task from outside waits for its first.
fn waits_in_the_global_queue(interval: u32) -> Vec<usize> {
    let rt = Builder::new_current_thread().global_queue_interval(interval).build().unwrap();
    let busy = async {
        let mut waits = Vec::new();
        for _ in 0..5 {
            let ran = Arc::new(AtomicUsize::new(0));
            let (theirs, handle) = (ran.clone(), Handle::current());
            let outside = thread::spawn(move || {
                handle.spawn(async move { theirs.store(1, SeqCst) });
            });
            outside.join().unwrap();
            let mut polls = 0;
            busy_until(|| {
                polls += 1;
                ran.load(SeqCst) == 1
            })
            .await;
            waits.push(polls);
        }
        waits
    };
    rt.block_on(rt.spawn(busy)).unwrap()
}

#[test]
fn global_queue_interval() {
    let often = waits_in_the_global_queue(1);
    assert!(often.iter().all(|&polls| polls <= 3), "{often:?}");
    // The first one comes at any time; each of the others just after the last look.
    let seldom = waits_in_the_global_queue(500);
    assert!(seldom[1..].iter().all(|polls| (490..=501).contains(polls)), "{seldom:?}");
}

/// A listener of the runtime, and the system's, through which to look at it.
fn listen() -> (TcpListener, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    (TcpListener::from_std(listener.try_clone().unwrap()).unwrap(), listener)
}

/// Connects, and waits until the system has a connection to be accepted: it may leave that for later on a busy machine.
fn connect(listener: &std::net::TcpListener) -> std::net::TcpStream {
    const THIS: mio::Token = mio::Token(0);
    let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut poll = mio::Poll::new().unwrap();
    let mut source = mio::net::TcpListener::from_std(listener.try_clone().unwrap());
    poll.registry().register(&mut source, THIS, mio::Interest::READABLE).unwrap();
    let mut events = mio::Events::with_capacity(1);
    poll.poll(&mut events, Some(LOST)).unwrap();
    assert!(!events.is_empty(), "no connection has come");
    connected
}

/// How many polls of a busy task go by until a connection is noticed.
fn waits_for_events(interval: u32) -> Vec<usize> {
    let rt = Builder::new_current_thread().enable_io().event_interval(interval).build().unwrap();
    let busy = async {
        let (listener, far) = listen();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        task::spawn(async move {
            loop {
                listener.accept().await.unwrap();
                count.fetch_add(1, SeqCst);
            }
        });
        let mut first = true;
        // Until the listener waits.
        busy_until(|| !std::mem::take(&mut first)).await;
        let mut waits = Vec::new();
        for connection in 0..5 {
            let _connected = connect(&far);
            let mut polls = 0;
            busy_until(|| {
                polls += 1;
                accepted.load(SeqCst) > connection
            })
            .await;
            waits.push(polls);
        }
        waits
    };
    rt.block_on(rt.spawn(busy)).unwrap()
}

#[test]
fn event_interval() {
    let often = waits_for_events(1);
    assert!(often.iter().all(|&polls| polls <= 4), "{often:?}");
    let seldom = waits_for_events(500);
    assert!(seldom[1..].iter().all(|polls| (480..=505).contains(polls)), "{seldom:?}");
}

/// The order in which a task's two children run.
fn order_of_children(builder: &mut Builder) -> Vec<&'static str> {
    let rt = builder.build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (one, other) = (order.clone(), order.clone());
    rt.block_on(rt.spawn(async move {
        let first = task::spawn(async move { one.lock().unwrap().push("first") });
        let second = task::spawn(async move { other.lock().unwrap().push("second") });
        first.await.unwrap();
        second.await.unwrap();
    }))
    .unwrap();
    drop(rt);
    Arc::into_inner(order).unwrap().into_inner().unwrap()
}

#[test]
fn disable_lifo_slot() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1);
    assert_eq!(order_of_children(&mut builder), ["second", "first"]);
    assert_eq!(order_of_children(builder.disable_lifo_slot()), ["first", "second"]);
    let mut builder = Builder::new_current_thread();
    assert_eq!(order_of_children(&mut builder), ["first", "second"], "there is none");
}

/// How many events at once a busy worker has taken at the most, of many that are there.
fn most_events_at_once(builder: &mut Builder) -> u64 {
    const LISTENERS: u64 = 16;
    let rt = builder.enable_io().event_interval(1).build().unwrap();
    let busy = async {
        let metrics = Handle::current().metrics();
        let listeners: Vec<_> = (0..LISTENERS).map(|_| listen()).collect();
        let connected: Vec<_> = listeners.iter().map(|(_, far)| connect(far)).collect();
        let (mut before, mut most) = (metrics.io_driver_ready_count(), 0);
        let end = before + LISTENERS;
        busy_until(|| {
            let now = metrics.io_driver_ready_count();
            most = most.max(now - before);
            before = now;
            now >= end
        })
        .await;
        drop(connected);
        most
    };
    rt.block_on(rt.spawn(busy)).unwrap()
}

#[test]
fn max_io_events_per_tick() {
    assert!(most_events_at_once(&mut Builder::new_current_thread()) > 3);
    assert!(most_events_at_once(Builder::new_current_thread().max_io_events_per_tick(3)) <= 3);
}

#[test]
fn max_io_events_per_busy_tick() {
    let mut builder = Builder::new_current_thread();
    assert_eq!(most_events_at_once(builder.max_io_events_per_busy_tick(1)), 1);
}

/// The order in which the one blocking thread runs what two threads brought in turn while it was busy.
fn order_of_jobs(sharded: bool) -> Vec<u32> {
    let mut builder = Builder::new_current_thread();
    builder.max_blocking_threads(1);
    if sharded {
        builder.enable_sharded_blocking_queue();
    }
    let rt = builder.build().unwrap();
    let (release, held) = mpsc::channel::<()>();
    let (ran, order) = mpsc::channel();
    let blocker = rt.spawn_blocking(move || held.recv());
    let bring = |n| {
        let ran = ran.clone();
        drop(rt.handle().spawn_blocking(move || ran.send(n).unwrap()));
    };
    bring(0);
    thread::scope(|scope| scope.spawn(|| (1..5).for_each(bring)).join().unwrap());
    bring(5);
    assert_eq!(rt.metrics().blocking_queue_depth(), 6);
    drop(release);
    rt.block_on(blocker).unwrap().unwrap_err();
    (0..6).map(|_| order.recv_timeout(LOST).unwrap()).collect()
}

#[test]
fn enable_sharded_blocking_queue() {
    let in_turn = vec![0, 1, 2, 3, 4, 5];
    assert_eq!(order_of_jobs(false), in_turn);
    // Two threads may share a queue by chance; not again and again.
    let another = (0..100).map(|_| order_of_jobs(true)).find(|order| *order != in_turn);
    let mut jobs = another.expect("two queues, one after the other");
    jobs.sort_unstable();
    assert_eq!(jobs, in_turn);
}

/// Sleeps of workers ended by other workers, while one task naps again and again.
fn wakeups_of_a_napping_task(eager: bool) -> u64 {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_time().idle_spin(Duration::ZERO);
    if eager {
        builder.enable_eager_driver_handoff();
    }
    let rt = builder.build().unwrap();
    rt.block_on(rt.spawn(async {
        for _ in 0..100 {
            sleep(Duration::from_millis(1)).await;
        }
    }))
    .unwrap();
    (0..2).map(|worker| rt.metrics().worker_wakeups_sent_count(worker)).sum()
}

#[test]
fn enable_eager_driver_handoff() {
    let limit = Instant::now() + LOST;
    loop {
        let (eager, lazy) = (wakeups_of_a_napping_task(true), wakeups_of_a_napping_task(false));
        // Nearly each time, and hardly ever; a busy machine blurs it.
        if eager >= 50 && lazy <= 20 {
            break;
        }
        assert!(Instant::now() < limit, "{eager} wake-ups when eager, {lazy} when not");
    }
}

#[test]
fn enable_alt_timer() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.enable_alt_timer());
        rt.block_on(async { sleep(Duration::from_millis(1)).await });
    }
}

#[test]
fn name() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.name("front"));
        assert_eq!(rt.handle().name(), Some("front"), "{flavour}");
    }
}

#[test]
fn hooks_of_threads() {
    for (flavour, mut builder) in builders() {
        let calls = Arc::new([(); 4].map(|()| AtomicUsize::new(0)));
        let hook = |which: usize| {
            let calls = calls.clone();
            move || _ = calls[which].fetch_add(1, SeqCst)
        };
        let rt = flavour.build(
            builder
                .enable_time()
                .on_thread_start(hook(0))
                .on_thread_stop(hook(1))
                .on_thread_park(hook(2))
                .on_thread_unpark(hook(3)),
        );
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        rt.block_on(rt.spawn(async { sleep(Duration::from_millis(2)).await })).unwrap();
        let workers = rt.metrics().num_workers();
        drop(rt);
        let [started, stopped, parked, unparked] = &*calls;
        let threads = if flavour.is_single() { 1 } else { workers + 1 };
        assert_eq!((started.load(SeqCst), stopped.load(SeqCst)), (threads, threads), "{flavour}");
        assert!(parked.load(SeqCst) >= 1, "{flavour}");
        assert_eq!(parked.load(SeqCst), unparked.load(SeqCst), "{flavour}");
    }
}
