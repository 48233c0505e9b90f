//! Tasks and runtimes, over every flavour.

mod support;

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use runtime::runtime::{Builder, Handle, Runtime};
use runtime::sync::oneshot;
use runtime::task::{JoinHandle, yield_now};
use support::{Drops, LOST, Rt, panic_text};

over_flavours!(
    a_task_gives_its_output,
    many_tasks_all_run,
    tasks_spawn_tasks,
    spawns_from_foreign_threads_arrive,
    a_panic_is_caught_and_carried,
    an_aborted_task_is_dropped_and_reports_it,
    an_abort_after_the_end_changes_nothing,
    a_dropped_handle_leaves_the_task_running,
    a_join_handle_is_finished_when_awaited,
    yielding_lets_others_run,
    a_greedy_task_does_not_starve_timers,
    a_waker_from_another_thread_wakes,
    a_waker_that_outlives_its_runtime_is_harmless,
    blocking_closures_run_beside_tasks,
    a_blocking_panic_is_carried,
    the_current_handle_is_known_everywhere,
    several_handles_block_on_beside_the_driver,
    dropping_a_runtime_drops_each_task_once,
    tasks_that_spawn_while_being_dropped_do_not_hang,
    a_panic_in_a_drop_at_shutdown_hurts_nobody,
    what_is_spawned_after_the_end_is_cancelled,
    block_on_gives_panics_through_and_lives_on,
    block_on_inside_block_on_panics,
    a_runtime_dropped_in_async_code_panics,
    a_runtime_ends_in_the_background_in_async_code,
    large_futures_run,
    metrics_count_what_was_done,
    ping_pong_through_join_handles;
    shared: several_threads_block_on_at_once,
);

fn a_task_gives_its_output(new: fn() -> Rt) {
    let rt = new();
    let outside = rt.spawn(async { 1 });
    assert_eq!(rt.block_on(outside).unwrap(), 1);
    let inside = rt.block_on(async { runtime::spawn(async { String::from("two") }).await });
    assert_eq!(inside.unwrap(), "two");
}

fn many_tasks_all_run(new: fn() -> Rt) {
    let rt = new();
    let count = Arc::new(AtomicUsize::new(0));
    rt.block_on(async {
        let handles: Vec<JoinHandle<()>> = (0..10_000)
            .map(|_| {
                let count = count.clone();
                runtime::spawn(async move {
                    count.fetch_add(1, SeqCst);
                })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
    });
    assert_eq!(count.load(SeqCst), 10_000);
}

fn tasks_spawn_tasks(new: fn() -> Rt) {
    fn tree(depth: u32) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let left = runtime::spawn(tree(depth - 1));
            let right = runtime::spawn(tree(depth - 1));
            left.await.unwrap() + right.await.unwrap()
        })
    }
    let rt = new();
    assert_eq!(rt.block_on(tree(10)), 1024);
}

fn spawns_from_foreign_threads_arrive(new: fn() -> Rt) {
    let rt = new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handle = rt.handle().clone();
            thread::spawn(move || (0..500).map(|n| handle.spawn(async move { n })).collect::<Vec<_>>())
        })
        .collect();
    let handles: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let sum = rt.block_on(async {
        let mut sum = 0;
        for handle in handles {
            sum += handle.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, 4 * (0..500).sum::<i32>());
}

fn a_panic_is_caught_and_carried(new: fn() -> Rt) {
    let rt = new();
    let error = rt.block_on(rt.spawn(async { panic!("own words") })).unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "own words");
    assert_eq!(rt.block_on(rt.spawn(async { 2 })).unwrap(), 2, "the runtime lives on");
}

fn an_aborted_task_is_dropped_and_reports_it(new: fn() -> Rt) {
    let rt = new();
    let drops = Drops::default();
    let tracked = drops.track();
    let task = rt.spawn(async move {
        let _tracked = tracked;
        pending::<()>().await;
    });
    task.abort();
    let error = rt.block_on(task).unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(drops.count(), 1);
}

fn an_abort_after_the_end_changes_nothing(new: fn() -> Rt) {
    let rt = new();
    let task = rt.spawn(async { 7 });
    rt.block_on(async {
        while !task.is_finished() {
            yield_now().await;
        }
    });
    task.abort();
    assert_eq!(rt.block_on(task).unwrap(), 7);
}

fn a_dropped_handle_leaves_the_task_running(new: fn() -> Rt) {
    let rt = new();
    let (send, receive) = mpsc::channel();
    drop(rt.spawn(async move { send.send("ran").unwrap() }));
    rt.block_on(async {
        for _ in 0..10 {
            yield_now().await;
        }
    });
    assert_eq!(receive.recv_timeout(LOST).unwrap(), "ran");
}

fn a_join_handle_is_finished_when_awaited(new: fn() -> Rt) {
    let rt = new();
    rt.block_on(async {
        let task = runtime::spawn(async {});
        let watch = task.abort_handle();
        assert_eq!(watch.id(), task.id());
        task.await.unwrap();
        assert!(watch.is_finished());
    });
}

fn yielding_lets_others_run(new: fn() -> Rt) {
    let rt = new();
    rt.block_on(async {
        let flag = Arc::new(AtomicBool::new(false));
        let theirs = flag.clone();
        let waiter = runtime::spawn(async move {
            while !theirs.load(SeqCst) {
                yield_now().await;
            }
        });
        let setter = runtime::spawn(async move { flag.store(true, SeqCst) });
        setter.await.unwrap();
        waiter.await.unwrap();
    });
}

fn a_greedy_task_does_not_starve_timers(new: fn() -> Rt) {
    let rt = new();
    rt.block_on(async {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = stop.clone();
        let greedy = runtime::spawn(async move {
            // Wakes itself for ever.
            while !theirs.load(SeqCst) {
                yield_now().await;
            }
        });
        runtime::time::sleep(std::time::Duration::from_millis(5)).await;
        stop.store(true, SeqCst);
        greedy.await.unwrap();
    });
}

fn a_waker_from_another_thread_wakes(new: fn() -> Rt) {
    let rt = new();
    for _ in 0..200 {
        let (send, receive) = mpsc::channel::<Waker>();
        let done = Arc::new(AtomicBool::new(false));
        let theirs = done.clone();
        let thread = thread::spawn(move || {
            let waker = receive.recv_timeout(LOST).unwrap();
            theirs.store(true, SeqCst);
            waker.wake();
        });
        let mut sent = false;
        let task = rt.spawn(poll_fn(move |cx| {
            if done.load(SeqCst) {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut sent, true) {
                send.send(cx.waker().clone()).unwrap();
            }
            Poll::Pending
        }));
        rt.block_on(task).unwrap();
        thread.join().unwrap();
    }
}

fn a_waker_that_outlives_its_runtime_is_harmless(new: fn() -> Rt) {
    let rt = new();
    let (send, receive) = mpsc::channel::<Waker>();
    let drops = Drops::default();
    let tracked = drops.track();
    rt.spawn(poll_fn(move |cx| {
        let _keep = &tracked;
        let _ = send.send(cx.waker().clone());
        Poll::<()>::Pending
    }));
    let waker = rt.block_on(async {
        loop {
            match receive.try_recv() {
                Ok(waker) => break waker,
                Err(_) => yield_now().await,
            }
        }
    });
    drop(rt);
    assert_eq!(drops.count(), 1);
    waker.wake_by_ref();
    let second = waker.clone();
    waker.wake();
    drop(second);
    assert_eq!(drops.count(), 1);
}

fn blocking_closures_run_beside_tasks(new: fn() -> Rt) {
    let rt = new();
    rt.block_on(async {
        let (send, receive) = mpsc::channel();
        // Blocks until a task runs: only beside tasks can it end.
        let blocked = runtime::task::spawn_blocking(move || receive.recv_timeout(LOST).unwrap());
        runtime::spawn(async move { send.send(5).unwrap() });
        assert_eq!(blocked.await.unwrap(), 5);
        let handles: Vec<_> = (0..100).map(|n| runtime::task::spawn_blocking(move || n)).collect();
        for (n, handle) in handles.into_iter().enumerate() {
            assert_eq!(handle.await.unwrap(), n);
        }
    });
}

fn a_blocking_panic_is_carried(new: fn() -> Rt) {
    let rt = new();
    let error = rt.block_on(rt.spawn_blocking(|| panic!("below"))).unwrap_err();
    assert!(error.is_panic());
}

fn the_current_handle_is_known_everywhere(new: fn() -> Rt) {
    let rt = new();
    assert!(Handle::try_current().unwrap_err().is_missing_context());
    rt.block_on(async {
        Handle::current();
        runtime::spawn(async { drop(Handle::current()) }).await.unwrap();
        let inner = runtime::task::spawn_blocking(|| Handle::current().spawn(async { 3 })).await.unwrap();
        assert_eq!(inner.await.unwrap(), 3);
    });
    assert!(Handle::try_current().is_err());
    let guard = rt.enter();
    drop(runtime::spawn(async {}));
    drop(guard);
    assert!(Handle::try_current().is_err());
}

fn several_handles_block_on_beside_the_driver(new: fn() -> Rt) {
    let rt = new();
    let threads = (0..4).map(|_| {
        let (handle, (done, ended)) = (rt.handle().clone(), oneshot::channel());
        thread::spawn(move || {
            for n in 0..50 {
                let output = handle.block_on(async move {
                    let task = runtime::spawn(async move {
                        yield_now().await;
                        n
                    });
                    task.await.unwrap()
                });
                assert_eq!(output, n);
            }
            done.send(()).unwrap();
        });
        ended
    });
    let ended: Vec<_> = threads.collect();
    rt.block_on(async {
        for ended in ended {
            ended.await.expect("a thread has panicked");
        }
    });
}

fn several_threads_block_on_at_once(new: fn() -> Runtime) {
    let rt = new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..50 {
                    let output = rt.block_on(async move {
                        let task = runtime::spawn(async move {
                            yield_now().await;
                            n
                        });
                        task.await.unwrap()
                    });
                    assert_eq!(output, n);
                }
            });
        }
    });
}

fn dropping_a_runtime_drops_each_task_once(new: fn() -> Rt) {
    for tasks in [0, 1, 1000] {
        let rt = new();
        let drops = Drops::default();
        for n in 0..tasks {
            let tracked = drops.track();
            rt.spawn(async move {
                let _tracked = tracked;
                match n % 3 {
                    0 => pending::<()>().await,
                    1 => loop {
                        yield_now().await;
                    },
                    _ => runtime::time::sleep(std::time::Duration::from_secs(3600)).await,
                }
            });
        }
        rt.block_on(yield_now());
        drop(rt);
        assert_eq!(drops.count(), tasks);
    }
}

fn tasks_that_spawn_while_being_dropped_do_not_hang(new: fn() -> Rt) {
    struct SpawnOnDrop(Drops);
    impl Drop for SpawnOnDrop {
        fn drop(&mut self) {
            let tracked = self.0.track();
            // The runtime may be past its end: then the new task is dropped at once.
            if let Ok(handle) = Handle::try_current() {
                handle.spawn(async move {
                    let _tracked = tracked;
                    pending::<()>().await;
                });
            }
        }
    }
    let rt = new();
    let drops = Drops::default();
    for _ in 0..100 {
        let bomb = SpawnOnDrop(drops.clone());
        rt.spawn(async move {
            let _bomb = bomb;
            pending::<()>().await;
        });
    }
    rt.block_on(yield_now());
    drop(rt);
    assert_eq!(drops.count(), 100);
}

fn a_panic_in_a_drop_at_shutdown_hurts_nobody(new: fn() -> Rt) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    let rt = new();
    let drops = Drops::default();
    for n in 0..20 {
        let tracked = drops.track();
        rt.spawn(async move {
            let _tracked = tracked;
            let _bomb = (n == 10).then_some(Bomb);
            pending::<()>().await;
        });
    }
    rt.block_on(yield_now());
    drop(rt);
    assert_eq!(drops.count(), 20);
}

fn what_is_spawned_after_the_end_is_cancelled(new: fn() -> Rt) {
    let rt = new();
    let handle = rt.handle().clone();
    drop(rt);
    let drops = Drops::default();
    let tracked = drops.track();
    let task = handle.spawn(async move { drop(tracked) });
    assert_eq!(drops.count(), 1);
    let blocking = handle.spawn_blocking(|| ());
    let other = new();
    assert!(other.block_on(task).unwrap_err().is_cancelled());
    assert!(other.block_on(blocking).unwrap_err().is_cancelled());
}

fn block_on_gives_panics_through_and_lives_on(new: fn() -> Rt) {
    let rt = new();
    let text = panic_text(|| rt.block_on(async { panic!("root") }));
    assert_eq!(text, "root");
    assert_eq!(rt.block_on(async { runtime::spawn(async { 1 }).await.unwrap() }), 1);
}

fn block_on_inside_block_on_panics(new: fn() -> Rt) {
    let rt = new();
    let text = panic_text(|| rt.block_on(async { rt.block_on(async {}) }));
    assert!(text.contains("Cannot start a runtime from within a runtime"), "{text}");
    assert!(text.contains("spawn_blocking"), "names the cure: {text}");
}

fn a_runtime_dropped_in_async_code_panics(new: fn() -> Rt) {
    let outer = new();
    let inner = new();
    let text = panic_text(|| outer.block_on(async move { drop(inner) }));
    assert!(text.contains("shutdown_background"), "{text}");
    let inner = new();
    let text = panic_text(|| outer.block_on(async move { drop(inner.shutdown_timeout_report(LOST)) }));
    assert!(text.contains("shutdown_background"), "{text}");
    // Nothing is waited for.
    let inner = new();
    outer.block_on(async move { drop(inner.shutdown_timeout_report(Duration::ZERO)) });
}

fn a_runtime_ends_in_the_background_in_async_code(new: fn() -> Rt) {
    let outer = new();
    let inner = new();
    let drops = Drops::default();
    let tracked = drops.track();
    inner.spawn(async move {
        let _tracked = tracked;
        pending::<()>().await;
    });
    outer.block_on(async move {
        inner.shutdown_background();
        while drops.count() == 0 {
            yield_now().await;
        }
    });
}

fn large_futures_run(new: fn() -> Rt) {
    let rt = new();
    let large = |fill: u8| async move {
        let block = [fill; 64 * 1024];
        yield_now().await;
        block.iter().map(|&b| u32::from(b)).sum::<u32>()
    };
    let spawned = rt.spawn(large(1));
    assert_eq!(rt.block_on(large(2)), 2 * 64 * 1024);
    assert_eq!(rt.block_on(spawned).unwrap(), 64 * 1024);
}

fn metrics_count_what_was_done(new: fn() -> Rt) {
    let rt = new();
    rt.block_on(async {
        for _ in 0..100 {
            runtime::spawn(yield_now()).await.unwrap();
        }
        runtime::task::spawn_blocking(|| ()).await.unwrap();
    });
    let metrics = rt.metrics();
    let polls: u64 = (0..metrics.num_workers()).map(|worker| metrics.worker_poll_count(worker)).sum();
    assert!(polls >= 200, "{polls}");
    assert_eq!(metrics.spawned_tasks_count(), 100);
    assert_eq!(metrics.num_blocking_threads(), 1);
    assert!(panic_text(|| _ = metrics.worker_poll_count(99)).contains("no worker 99"));
    assert_eq!(metrics.num_alive_tasks(), 0);
}

fn ping_pong_through_join_handles(new: fn() -> Rt) {
    struct Flag(Mutex<Option<Waker>>, AtomicUsize);
    let rt = new();
    let flag = Arc::new(Flag(Mutex::new(None), AtomicUsize::new(0)));
    let side = |parity: usize, flag: Arc<Flag>| {
        poll_fn(move |cx| {
            loop {
                let turn = flag.1.load(SeqCst);
                if turn >= 2000 {
                    let other = flag.0.lock().unwrap().take();
                    if let Some(other) = other {
                        other.wake();
                    }
                    return Poll::Ready(());
                }
                if turn % 2 == parity {
                    flag.1.store(turn + 1, SeqCst);
                }
                let other = flag.0.lock().unwrap().replace(cx.waker().clone());
                if let Some(other) = other {
                    other.wake();
                }
                if flag.1.load(SeqCst) % 2 != parity && flag.1.load(SeqCst) < 2000 {
                    return Poll::Pending;
                }
            }
        })
    };
    let ping = rt.spawn(side(0, flag.clone()));
    let pong = rt.spawn(side(1, flag));
    rt.block_on(async {
        ping.await.unwrap();
        pong.await.unwrap();
    });
}

#[test]
fn guards_end_in_reverse_order_or_panic() {
    let (a, b) = (support::current(), support::current());
    let text = panic_text(|| {
        let first = a.enter();
        let second = b.enter();
        drop(first);
        drop(second);
    });
    assert!(text.contains("reverse order"), "{text}");
}

#[test]
fn without_a_runtime_or_a_driver_the_panic_names_the_cure() {
    let text = panic_text(|| drop(runtime::spawn(async {})));
    assert!(text.contains("there is no reactor running"), "{text}");
    let bare = runtime::runtime::Builder::new_current_thread().build().unwrap();
    let text = panic_text(|| {
        bare.block_on(async { runtime::time::sleep(std::time::Duration::from_millis(1)).await });
    });
    assert!(text.contains("enable_time"), "{text}");
}

#[test]
fn waking_the_root_future_from_inside_keeps_it_going() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let rt = support::current();
    let mut left = 1000;
    rt.block_on(poll_fn(|cx| {
        left -= 1;
        if left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    // A future that is polled by another executor inside of the runtime finds its own waker.
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    rt.block_on(async {
        let mut yielding = pin!(yield_now());
        assert!(yielding.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for _ in 0..10 {
            yield_now().await;
        }
    });
    assert_eq!(count.0.load(SeqCst), 1);
}

#[test]
fn jobs_one_at_a_time_need_few_threads() {
    let rt = support::multi(2);
    rt.block_on(async {
        for _ in 0..500 {
            runtime::task::spawn_blocking(|| ()).await.unwrap();
        }
    });
    // One, and perhaps a few that were started while a thread sat down.
    assert!(rt.metrics().num_blocking_threads() < 10, "{}", rt.metrics().num_blocking_threads());
}

/// A thread of the pool whose time is up, but that has not ended yet, does no more jobs: the next one needs another.
#[test]
fn a_job_does_not_wait_for_a_blocking_thread_that_ends() {
    let (leaving, left) = mpsc::channel::<mpsc::Sender<()>>();
    let leaving = Mutex::new(leaving);
    let rt = Builder::new_current_thread()
        .max_blocking_threads(1)
        .thread_keep_alive(Duration::ZERO)
        .on_thread_stop(move || {
            let (go, may_go) = mpsc::channel();
            if leaving.lock().unwrap().send(go).is_ok() {
                // Until the test is through with it, or over.
                let _ = may_go.recv();
            }
        })
        .enable_time()
        .build()
        .unwrap();
    rt.block_on(async {
        runtime::task::spawn_blocking(|| ()).await.unwrap();
        let held = left.recv_timeout(LOST).expect("the thread ends");
        let second = runtime::task::spawn_blocking(|| "done");
        assert_eq!(runtime::time::timeout(LOST, second).await.expect("lost").unwrap(), "done");
        drop(held);
    });
    drop(left);
}

/// Threads of the pool that have done their job and are over but for a thread-local destructor hold up nobody who brings
/// another.
#[test]
fn spawn_blocking_waits_for_no_thread_local_destructor() {
    struct Waits(mpsc::Receiver<()>);
    impl Drop for Waits {
        fn drop(&mut self) {
            // Until the test is through with it, or over.
            let _ = self.0.recv();
        }
    }
    thread_local! {
        static WAITS: std::cell::RefCell<Option<Waits>> = const { std::cell::RefCell::new(None) };
    }
    let rt = Builder::new_current_thread().thread_keep_alive(Duration::ZERO).build().unwrap();
    let handle = rt.handle().clone();
    let (through, is_through) = mpsc::channel();
    let bringer = thread::spawn(move || {
        let mut held = Vec::new();
        for _ in 0..100 {
            let (let_go, waits) = mpsc::channel();
            held.push(let_go);
            drop(handle.spawn_blocking(move || WAITS.set(Some(Waits(waits)))));
        }
        through.send(held).unwrap();
    });
    let held = is_through.recv_timeout(LOST).expect("a spawn waits for a destructor");
    bringer.join().unwrap();
    drop(held);
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error_and_leaves_nothing() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    // More than any address space has.
    let build = || {
        runtime::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .thread_stack_size(1 << 60)
            .enable_all()
            .build()
    };
    assert!(build().is_err());
    // Other tests' threads come and go in this process: only a leak that repeats itself stands out.
    let before = threads();
    for _ in 0..200 {
        assert!(build().is_err());
    }
    assert!(threads() < before + 200, "{before} threads before, {} after", threads());
}

#[test]
fn a_panic_while_the_threads_are_started_leaves_none_behind() {
    let named = AtomicUsize::new(0);
    let held = Arc::new(());
    let hold = held.clone();
    let (ends, ended) = mpsc::channel();
    let text = panic_text(|| {
        let built = runtime::runtime::Builder::new_multi_thread()
            .worker_threads(3)
            .thread_name_fn(move || match named.fetch_add(1, SeqCst) {
                0 => "first\0".to_owned(),
                _ => panic!("no name"),
            })
            .on_thread_stop(move || ends.send(thread::current().name().map(str::to_owned)).unwrap())
            .on_stuck_poll(move |_| _ = &hold)
            .build();
        drop(built);
    });
    assert_eq!(text, "no name");
    assert_eq!(ended.recv_timeout(LOST).unwrap().as_deref(), Some("first"));
    // Each thread of the runtime keeps its callbacks.
    let tries =
        (0..600).take_while(|_| Arc::strong_count(&held) > 1).map(|_| thread::sleep(LOST / 600)).count();
    assert!(tries < 600, "a thread was left behind");
}

/// However seldom or often the worker looks at the events, one that yields for ever lets the others run.
#[test]
fn two_tasks_that_wake_each_other_for_ever_starve_nobody() {
    let rt = support::multi(1);
    let stop = Arc::new(AtomicBool::new(false));
    let wakers = Arc::new(Mutex::new([None::<Waker>, None]));
    let pair = [0, 1].map(|me| {
        let (stop, wakers) = (stop.clone(), wakers.clone());
        // Each is woken by the other's poll, and so comes into the slot.
        rt.spawn(poll_fn(move |cx| {
            let other = {
                let mut wakers = wakers.lock().unwrap();
                wakers[me] = Some(cx.waker().clone());
                wakers[1 - me].take()
            };
            if let Some(other) = other {
                other.wake();
            }
            if stop.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        }))
    });
    let (send, ran) = mpsc::channel();
    rt.spawn(async move { send.send(()).unwrap() });
    let has_run = ran.recv_timeout(LOST);
    stop.store(true, SeqCst);
    has_run.expect("the third task is starved");
    for task in pair {
        rt.block_on(task).unwrap();
    }
}

#[test]
fn a_task_that_yields_for_ever_starves_nobody() {
    for (interval, lifo) in [(1, true), (1, false), (2, true), (61, true)] {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().event_interval(interval);
        if !lifo {
            builder.disable_lifo_slot();
        }
        let rt = builder.build().unwrap();
        rt.spawn(async {
            loop {
                yield_now().await;
            }
        });
        let others = rt.spawn(async {
            let tasks: Vec<_> = (0..20).map(|_| runtime::spawn(yield_now())).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let ended = rt.block_on(async { runtime::time::timeout(LOST, others).await });
        ended.unwrap_or_else(|_| panic!("starved, with an event interval of {interval}")).unwrap();
    }
}

#[test]
fn a_hook_that_panics_costs_no_task() {
    for threads in [None, Some(2)] {
        let mut builder = match threads {
            None => Builder::new_current_thread(),
            Some(threads) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(threads);
                builder
            }
        };
        let calls = Arc::new(AtomicUsize::new(0));
        let hook = || {
            let calls = calls.clone();
            move || {
                calls.fetch_add(1, SeqCst);
                panic!("a hook's, on purpose");
            }
        };
        let rt = builder
            .enable_all()
            .on_thread_start(hook())
            .on_thread_stop(hook())
            .on_thread_park(hook())
            .on_thread_unpark(hook())
            .build()
            .unwrap();
        rt.block_on(async {
            for _ in 0..10 {
                runtime::spawn(runtime::time::sleep(Duration::from_millis(1))).await.unwrap();
                runtime::task::spawn_blocking(|| ()).await.unwrap();
            }
        });
        drop(rt);
        assert!(calls.load(SeqCst) > 0);
    }
}

#[test]
fn a_thread_name_that_panics_leaves_nothing_behind() {
    let named = Arc::new(AtomicUsize::new(0));
    let counted = named.clone();
    let rt = Builder::new_current_thread()
        .max_blocking_threads(1)
        .thread_name_fn(move || {
            assert!(counted.fetch_add(1, SeqCst) > 0, "a name's, on purpose");
            "named".to_owned()
        })
        .build()
        .unwrap();
    let text = panic_text(|| drop(rt.spawn_blocking(|| ())));
    assert!(text.contains("on purpose"), "{text}");
    // The limit of one thread has not been used up.
    assert_eq!(rt.block_on(rt.spawn_blocking(|| 7)).unwrap(), 7);
}

/// The output of a job that nobody joins is dropped on the pool's thread, and may wait for another job.
#[test]
fn an_output_whose_drop_waits_for_another_job_holds_up_nobody() {
    struct WaitsForAJob(Handle);
    impl Drop for WaitsForAJob {
        fn drop(&mut self) {
            let (send, receive) = mpsc::channel();
            self.0.spawn_blocking(move || send.send(()).unwrap());
            receive.recv_timeout(LOST).expect("the job was left to the very thread that waits for it");
        }
    }
    let rt = support::multi(1);
    let (send, receive) = mpsc::channel();
    for _ in 0..50 {
        let (handle, send) = (rt.handle().clone(), send.clone());
        drop(rt.spawn_blocking(move || {
            (WaitsForAJob(handle), support::OnDrop(Some(move || send.send(()).unwrap())))
        }));
    }
    for _ in 0..50 {
        receive.recv_timeout(LOST).unwrap();
    }
}
