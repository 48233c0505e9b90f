//! `block_in_place`: nobody else waits for what blocks, on whichever thread it goes on afterwards.

mod support;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use runtime::net::TcpListener;
use runtime::runtime::{Builder, Handle, Runtime, worker_index};
use runtime::task::{self, block_in_place, yield_now};
use runtime::time::sleep;

use support::{Drops, LOST, panic_text, panic_text_if_any};

/// Stamps a suite of functions over multi-threaded runtimes, the only ones that can do this.
macro_rules! over_workers {
    ($($name:ident),+ $(,)?) => {
        over_flavours!(@flavour multi_thread_1, || $crate::support::multi(1), $($name),+);
        over_flavours!(@flavour multi_thread_4, || $crate::support::multi(4), $($name),+);
    };
}

over_workers!(
    the_task_in_the_slot_is_not_stranded,
    queued_tasks_are_not_stranded,
    a_task_that_yielded_is_not_stranded,
    timers_fire_meanwhile,
    it_yields_and_sleeps_afterwards,
    it_can_be_nested,
    the_closure_may_block_on,
    the_closure_may_run_another_runtime,
    a_panic_is_the_tasks,
    there_is_no_budget_inside_and_the_old_one_after,
    it_can_be_aborted_afterwards,
    more_block_than_there_are_workers,
    many_short_ones,
    in_block_on_it_needs_no_thread,
    in_spawn_blocking_it_is_a_call,
    a_drop_may_block,
    the_runtime_waits_for_it,
    the_runtime_can_be_left_without_waiting,
    it_may_wait_for_what_the_shutdown_drops,
    a_waker_may_block_where_it_is_woken_by_a_timer,
    a_waker_may_block_where_it_is_woken_by_a_socket,
);

fn the_task_in_the_slot_is_not_stranded(new: fn() -> Runtime) {
    let rt = new();
    for _ in 0..100 {
        let task = rt.spawn(async {
            let (send, receive) = mpsc::channel();
            task::spawn(async move { send.send(()).unwrap() });
            block_in_place(|| receive.recv_timeout(LOST)).unwrap();
        });
        rt.block_on(task).unwrap();
    }
}

fn queued_tasks_are_not_stranded(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        let (send, receive) = mpsc::channel();
        for _ in 0..100 {
            let send = send.clone();
            task::spawn(async move { send.send(()).unwrap() });
        }
        block_in_place(|| (0..100).for_each(|_| receive.recv_timeout(LOST).unwrap()));
    });
    rt.block_on(task).unwrap();
}

fn a_task_that_yielded_is_not_stranded(new: fn() -> Runtime) {
    let rt = new();
    let (send, receive) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let yields = rt.spawn(async move {
        while !stopped.load(SeqCst) {
            send.send(()).unwrap();
            yield_now().await;
        }
    });
    let blocks = rt.spawn(async move {
        for _ in 0..20 {
            block_in_place(|| (0..10).for_each(|_| receive.recv_timeout(LOST).unwrap()));
            yield_now().await;
        }
        stop.store(true, SeqCst);
        receive
    });
    let _receive = rt.block_on(blocks).unwrap();
    rt.block_on(yields).unwrap();
}

fn timers_fire_meanwhile(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        let (send, receive) = mpsc::channel();
        task::spawn(async move {
            sleep(Duration::from_millis(5)).await;
            send.send(()).unwrap();
        });
        // So that the timer belongs to this worker's shard.
        yield_now().await;
        block_in_place(|| receive.recv_timeout(LOST)).unwrap();
    });
    rt.block_on(task).unwrap();
}

fn it_yields_and_sleeps_afterwards(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        for _ in 0..10 {
            // Long enough for another thread to have the core, and not.
            block_in_place(|| thread::sleep(Duration::from_millis(2)));
            yield_now().await;
            block_in_place(|| ());
            sleep(Duration::from_millis(1)).await;
            block_in_place(|| thread::sleep(Duration::from_millis(2)));
            sleep(Duration::from_millis(1)).await;
            task::spawn(async {}).await.unwrap();
        }
    });
    rt.block_on(task).unwrap();
}

fn it_can_be_nested(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        block_in_place(|| {
            block_in_place(|| thread::sleep(Duration::from_millis(1)));
            block_in_place(|| Handle::current().block_on(async { block_in_place(|| 7) }))
        })
    });
    assert_eq!(rt.block_on(task).unwrap(), 7);
}

fn the_closure_may_block_on(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        block_in_place(|| {
            Handle::current().block_on(async {
                for _ in 0..100 {
                    yield_now().await;
                }
                sleep(Duration::from_millis(1)).await;
                task::spawn(async {
                    yield_now().await;
                    "spawned"
                })
                .await
                .unwrap()
            })
        })
    });
    assert_eq!(rt.block_on(task).unwrap(), "spawned");
}

fn the_closure_may_run_another_runtime(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        let inner = block_in_place(|| {
            let inner = support::current();
            inner.block_on(async {
                yield_now().await;
                sleep(Duration::from_millis(1)).await;
                // The inner one has nobody to go on with it.
                assert!(panic_text(|| block_in_place(|| ())).contains("current_thread"));
                task::spawn(async { 3 }).await.unwrap()
            })
            // And is dropped here.
        });
        // This is the outer one again.
        task::spawn(async move { inner }).await.unwrap()
    });
    assert_eq!(rt.block_on(task).unwrap(), 3);
}

fn a_panic_is_the_tasks(new: fn() -> Runtime) {
    let rt = new();
    for wait in [0, 5] {
        let task = rt.spawn(async move {
            block_in_place(|| {
                thread::sleep(Duration::from_millis(wait));
                panic!("on purpose");
            });
        });
        assert!(rt.block_on(task).unwrap_err().is_panic());
        // The worker, or who took over for it, goes on, and is inside of the runtime.
        let text = rt.block_on(rt.spawn(async { panic_text(|| Handle::current().block_on(async {})) }));
        assert!(text.unwrap().contains("from within a runtime"));
    }
}

fn there_is_no_budget_inside_and_the_old_one_after(new: fn() -> Runtime) {
    let rt = new();
    let task = rt.spawn(async {
        std::future::poll_fn(|cx| {
            let spend = |cx: &mut std::task::Context<'_>| match task::coop::poll_proceed(cx) {
                std::task::Poll::Ready(unit) => {
                    unit.made_progress();
                    true
                }
                std::task::Poll::Pending => false,
            };
            while spend(cx) {}
            block_in_place(|| (0..1000).for_each(|_| assert!(spend(cx))));
            assert!(!spend(cx));
            std::task::Poll::Ready(())
        })
        .await;
    });
    rt.block_on(task).unwrap();
}

fn it_can_be_aborted_afterwards(new: fn() -> Runtime) {
    let rt = new();
    let drops = Drops::default();
    let (entered, is_in) = mpsc::channel();
    let (let_go, go) = mpsc::channel();
    let held = drops.track();
    let task = rt.spawn(async move {
        let _held = held;
        block_in_place(|| {
            entered.send(()).unwrap();
            go.recv_timeout(LOST).unwrap();
        });
        pending::<()>().await;
    });
    is_in.recv_timeout(LOST).unwrap();
    task.abort();
    assert_eq!(drops.count(), 0);
    let_go.send(()).unwrap();
    assert!(rt.block_on(task).unwrap_err().is_cancelled());
    assert_eq!(drops.count(), 1);
}

fn more_block_than_there_are_workers(new: fn() -> Runtime) {
    const TASKS: usize = 20;
    let rt = new();
    for _ in 0..3 {
        let all_here = Arc::new(Barrier::new(TASKS));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let all_here = all_here.clone();
                rt.spawn(async move {
                    block_in_place(|| all_here.wait());
                    yield_now().await;
                })
            })
            .collect();
        for task in tasks {
            rt.block_on(task).unwrap();
        }
    }
}

fn many_short_ones(new: fn() -> Runtime) {
    let rt = new();
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            rt.spawn(async move {
                for i in 0..20 {
                    if (n + i) % 7 == 0 {
                        block_in_place(|| thread::sleep(Duration::from_micros(200)));
                    } else {
                        block_in_place(thread::yield_now);
                    }
                    yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        rt.block_on(task).unwrap();
    }
    assert_eq!(rt.metrics().num_alive_tasks(), 0);
}

fn in_block_on_it_needs_no_thread(new: fn() -> Runtime) {
    let rt = new();
    let id = rt.block_on(async {
        let id = block_in_place(|| {
            Handle::current().block_on(async { yield_now().await });
            thread::current().id()
        });
        yield_now().await;
        id
    });
    assert_eq!(id, thread::current().id());
}

fn in_spawn_blocking_it_is_a_call(new: fn() -> Runtime) {
    let rt = new();
    let same = rt.spawn_blocking(|| thread::current().id() == block_in_place(|| thread::current().id()));
    assert!(rt.block_on(same).unwrap());
}

fn a_drop_may_block(new: fn() -> Runtime) {
    struct Blocks;
    impl Drop for Blocks {
        fn drop(&mut self) {
            block_in_place(|| thread::sleep(Duration::from_millis(1)));
        }
    }
    let rt = new();
    let task = rt.spawn(async {
        let _blocks = Blocks;
        pending::<()>().await;
    });
    rt.spawn(async {
        let _blocks = Blocks;
        // Dropped by the shutdown.
        pending::<()>().await;
    });
    rt.block_on(yield_now());
    task.abort();
    assert!(rt.block_on(task).unwrap_err().is_cancelled());
}

/// Begins to block, until the sender is used or dropped.
fn blocked(rt: &Runtime, drops: &Drops) -> mpsc::Sender<()> {
    let (entered, is_in) = mpsc::channel();
    let (let_go, go) = mpsc::channel::<()>();
    let held = drops.track();
    rt.spawn(async move {
        let _held = held;
        block_in_place(|| {
            entered.send(()).unwrap();
            let _ = go.recv_timeout(LOST);
        });
        pending::<()>().await;
    });
    is_in.recv_timeout(LOST).unwrap();
    let_go
}

fn the_runtime_waits_for_it(new: fn() -> Runtime) {
    let rt = new();
    let drops = Drops::default();
    let gates: Vec<_> = (0..6).map(|_| blocked(&rt, &drops)).collect();
    let opener = thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        drop(gates);
    });
    drop(rt);
    assert_eq!(drops.count(), 6);
    opener.join().unwrap();
}

fn the_runtime_can_be_left_without_waiting(new: fn() -> Runtime) {
    let rt = new();
    let drops = Drops::default();
    let gate = blocked(&rt, &drops);
    rt.shutdown_timeout(Duration::from_millis(1));
    assert_eq!(drops.count(), 0);
    drop(gate);
}

/// With the only worker's core in its hands, it would wait for ever.
fn it_may_wait_for_what_the_shutdown_drops(new: fn() -> Runtime) {
    let rt = new();
    let (alive, dropped) = mpsc::channel::<()>();
    rt.spawn(async move {
        let _alive = alive;
        pending::<()>().await;
    });
    let (entered, is_in) = mpsc::channel();
    rt.spawn(async move {
        block_in_place(|| {
            entered.send(()).unwrap();
            assert_eq!(dropped.recv_timeout(LOST), Err(mpsc::RecvTimeoutError::Disconnected));
        });
    });
    is_in.recv_timeout(LOST).unwrap();
    drop(rt);
}

const RAN: &str = "it ran";

/// Blocks when it is woken and when it is dropped, and tells what a `block_on` inside says.
struct Blocks(Mutex<mpsc::Sender<String>>);

impl Blocks {
    fn block(&self) {
        let text = block_in_place(|| {
            thread::sleep(Duration::from_millis(1));
            // What is spawned here is run all the same.
            task::spawn(yield_now());
            // In a task that may block it is no mistake: there the last waker can be dropped if the wait is over soon.
            panic_text_if_any(|| Handle::current().block_on(async {})).unwrap_or_else(|| RAN.to_owned())
        });
        self.0.lock().unwrap().send(text).unwrap();
    }
}

impl Wake for Blocks {
    fn wake(self: Arc<Self>) {
        self.block();
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.block();
    }
}

/// Polls a future once with such a waker, on a worker. Nothing, if it was ready.
fn wait_with_a_waker_that_blocks<F>(rt: &Runtime, waiting: F) -> Option<(Pin<Box<F>>, mpsc::Receiver<String>)>
where
    F: Future + Send + 'static,
{
    let (tell, told) = mpsc::channel();
    let task = rt.spawn(async move {
        let mut waiting = Box::pin(waiting);
        let waker = Waker::from(Arc::new(Blocks(Mutex::new(tell))));
        let is_pending = waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
        is_pending.then_some(waiting)
    });
    Some((rt.block_on(task).unwrap()?, told))
}

/// Expects the worker to wake and drop such a waker, and to live on.
fn the_worker_lives_on(rt: &Runtime, told: &mpsc::Receiver<String>) {
    for place in ["wake", "drop"] {
        let text = told.recv_timeout(LOST).unwrap();
        let is_dropped_by_the_task = place == "drop" && text == RAN;
        assert!(is_dropped_by_the_task || text.contains("from within a runtime"), "{place}: {text}");
    }
    rt.block_on(rt.spawn(async {
        sleep(Duration::from_millis(1)).await;
        task::spawn(async {}).await.unwrap();
        block_in_place(|| Handle::current().block_on(yield_now()));
    }))
    .unwrap();
    // Those that the waker spawned are done, too.
    let limit = Instant::now() + LOST;
    while rt.metrics().num_alive_tasks() > 0 {
        assert!(Instant::now() < limit, "a task was stranded");
        thread::yield_now();
    }
}

fn a_waker_may_block_where_it_is_woken_by_a_timer(new: fn() -> Runtime) {
    let rt = new();
    for wait in [5, 6, 8, 10] {
        let nap = |wait| {
            let _entered = rt.enter();
            wait_with_a_waker_that_blocks(&rt, sleep(Duration::from_millis(wait)))
        };
        // One that is over before its first poll tells nothing.
        let mut waits = std::iter::successors(Some(wait), |wait| Some(2 * wait));
        let (_nap, told) = waits.find_map(nap).unwrap();
        the_worker_lives_on(&rt, &told);
    }
}

fn a_waker_may_block_where_it_is_woken_by_a_socket(new: fn() -> Runtime) {
    let rt = new();
    for _ in 0..4 {
        let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = async move { listener.accept().await };
        let (_accepting, told) = wait_with_a_waker_that_blocks(&rt, accepting).expect("nobody connects yet");
        let _client = std::net::TcpStream::connect(address).unwrap();
        the_worker_lives_on(&rt, &told);
    }
}

#[test]
fn on_a_current_thread_runtime_it_panics_and_names_the_cure() {
    let rt = support::current();
    let panics = || panic_text(|| block_in_place(|| ()));
    for text in [rt.block_on(async { panics() }), rt.block_on(rt.spawn(async move { panics() })).unwrap()] {
        assert!(text.contains("current_thread") && text.contains("spawn_blocking"), "{text}");
    }
    // From another thread, by its handle, it does not drive the runtime.
    let handle = rt.handle().clone();
    let other = thread::spawn(move || handle.block_on(async { block_in_place(|| 5) }));
    assert_eq!(other.join().unwrap(), 5);
}

#[test]
fn outside_of_a_runtime_it_is_a_call() {
    assert_eq!(block_in_place(|| 5), 5);
    let rt = support::multi(1);
    let _entered = rt.enter();
    assert_eq!(block_in_place(|| 5), 5);
}

/// The hooks of every thread are called, and a thread that nobody needs ends.
#[test]
fn threads_come_and_go() {
    let (stopped, stops) = mpsc::channel();
    let starts = Arc::new(AtomicUsize::new(0));
    let started = starts.clone();
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_keep_alive(Duration::from_millis(20))
        .on_thread_start(move || {
            started.fetch_add(1, SeqCst);
        })
        .on_thread_stop(move || stopped.send(()).unwrap())
        .build()
        .unwrap();
    let drops = Drops::default();
    let gates: Vec<_> = (0..5).map(|_| blocked(&rt, &drops)).collect();
    rt.block_on(rt.spawn(async {})).unwrap();
    assert_eq!(starts.load(SeqCst), 6);
    drop(gates);
    for _ in 0..5 {
        stops.recv_timeout(LOST).unwrap();
    }
    assert_eq!(rt.block_on(rt.spawn(async { 1 })).unwrap(), 1);
    drop(rt);
    stops.recv_timeout(LOST).unwrap();
    assert!(stops.recv().is_err());
    assert_eq!(starts.load(SeqCst), 6);
}

#[test]
fn a_thread_name_that_panics_is_the_callers_and_the_worker_lives() {
    let named = AtomicUsize::new(0);
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_name_fn(move || {
            assert!(named.fetch_add(1, SeqCst) != 1, "a name's, on purpose");
            "named".to_owned()
        })
        .build()
        .unwrap();
    let error = rt.block_on(rt.spawn(async { block_in_place(|| ()) })).unwrap_err();
    assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "a name's, on purpose");
    for _ in 0..3 {
        let (send, receive) = mpsc::channel();
        let task = rt.spawn(async move {
            task::spawn(async move { send.send(()).unwrap() });
            block_in_place(|| receive.recv_timeout(LOST)).unwrap();
        });
        rt.block_on(task).unwrap();
    }
}

/// The operating system gives no more threads: here because there is no room for their stacks.
#[test]
fn without_another_thread_it_blocks_its_worker_for_a_while() {
    const STACK: usize = 1 << 30;
    let me = "without_another_thread_it_blocks_its_worker_for_a_while";
    if std::env::var_os("LITTLE_ROOM").is_none() {
        let limited = std::process::Command::new("/bin/sh")
            .args(["-c", "ulimit -v 3500000; exec \"$0\" --exact \"$1\" --nocapture"])
            .arg(std::env::current_exe().unwrap())
            .arg(me)
            .env("LITTLE_ROOM", "1")
            .output()
            .unwrap();
        assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
        return;
    }
    assert!(thread::Builder::new().stack_size(4 * STACK).spawn(|| ()).is_err(), "there is room enough");
    // A runtime that has lost its worker cannot be dropped either.
    let watchdog = thread::spawn(|| {
        thread::sleep(LOST);
        eprintln!("the worker was lost");
        std::process::exit(1);
    });
    let mut builder = Builder::new_multi_thread();
    let rt = builder.worker_threads(1).thread_stack_size(STACK).build().unwrap();
    for _ in 0..3 {
        let (entered, is_in) = mpsc::channel();
        let (let_go, go) = mpsc::channel::<()>();
        let go = Arc::new(Mutex::new(go));
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let (entered, go) = (entered.clone(), go.clone());
                rt.spawn(async move {
                    block_in_place(|| {
                        let _ = entered.send(());
                        let _ = go.lock().map(|go| go.recv());
                    });
                    yield_now().await;
                })
            })
            .collect();
        is_in.recv_timeout(LOST).unwrap();
        // Were there a thread for each of them, all would come; what is tested is that not all can.
        while is_in.recv_timeout(Duration::from_millis(50)).is_ok() {}
        drop(let_go);
        for task in tasks {
            rt.block_on(task).unwrap();
        }
    }
    assert_eq!(rt.block_on(rt.spawn(async { 7 })).unwrap(), 7);
    drop(rt);
    drop(watchdog);
}

/// One thread more than workers is enough for calls one after the other, unless one is still on its way out of its
/// task when the next call comes.
#[test]
fn a_thread_that_lost_its_core_serves_a_later_call() {
    let starts = Arc::new(AtomicUsize::new(0));
    let started = starts.clone();
    let rt = Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(move || {
            started.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    for _ in 0..200 {
        let task = rt.spawn(async {
            let (send, receive) = mpsc::channel();
            task::spawn(async move { send.send(()).unwrap() });
            block_in_place(|| receive.recv_timeout(LOST)).unwrap();
            thread::current().id()
        });
        rt.block_on(task).unwrap();
    }
    assert!((2..50).contains(&starts.load(SeqCst)), "{starts:?} threads");
}

#[test]
fn a_thread_without_its_core_is_no_worker() {
    let rt = support::multi(1);
    let task = rt.spawn(async {
        let (send, receive) = mpsc::channel();
        task::spawn(async move { send.send(worker_index()).unwrap() });
        assert_eq!(worker_index(), Some(0));
        let other = block_in_place(|| receive.recv_timeout(LOST)).unwrap();
        (other, worker_index())
    });
    assert_eq!(rt.block_on(task).unwrap(), (Some(0), None));
}

/// The runtime's last owner is on a thread of its own: to wait for that one would never end.
fn its_own_thread_may_drop_the_runtime(new: fn() -> Runtime, run: fn(&Handle, Box<dyn FnOnce() + Send>)) {
    let rt = Arc::new(new());
    let (handle, drops) = (rt.handle().clone(), Drops::default());
    let tracked = drops.track();
    handle.spawn(async move {
        let _tracked = tracked;
        pending::<()>().await;
    });
    let (last, (go, goes), (send, receive)) = (rt.clone(), mpsc::channel::<()>(), mpsc::channel());
    let drops_it = move || {
        goes.recv().unwrap_err();
        drop(last);
        send.send(()).unwrap();
    };
    run(&handle, Box::new(drops_it));
    drop(rt);
    drop(go);
    receive.recv_timeout(LOST).expect("it waits for itself");
    let ended = (0..600).any(|_| {
        thread::sleep(LOST / 600 * u32::from(drops.count() == 0));
        drops.count() == 1
    });
    assert!(ended, "a task was not dropped");
}

#[test]
fn a_runtime_may_be_dropped_in_place() {
    for new in [|| support::multi(1), || support::multi(4)] {
        its_own_thread_may_drop_the_runtime(new, |handle, f| drop(handle.spawn(async { block_in_place(f) })));
    }
}

#[test]
fn a_runtime_may_be_dropped_on_its_pool() {
    for new in [support::current as fn() -> Runtime, || support::multi(1), || support::multi(4)] {
        its_own_thread_may_drop_the_runtime(new, |handle, f| drop(handle.spawn_blocking(f)));
    }
}
