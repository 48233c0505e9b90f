//! Tasks that are not `Send`, on a `LocalRuntime` and in a `LocalSet` on either runtime: they run, wherever they are woken
//! from, and are polled and dropped by their own thread alone.

mod support;

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use runtime::config::{Flavor, RuntimeConfig};
use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};
use runtime::runtime::{Builder, Handle, LocalRuntime, Runtime, RuntimeFlavor};
use runtime::sync::oneshot;
use runtime::task::{self, JoinHandle, JoinSet, LocalSet, spawn_local, yield_now};
use runtime::time::{sleep, timeout};

use support::{LOST, panic_text};

/// Where local tasks can live.
enum Home {
    Runtime(LocalRuntime),
    /// In the order in which they are dropped.
    Set(LocalSet, Runtime),
}

impl Home {
    fn local_runtime() -> Self {
        Self::Runtime(LocalRuntime::new().unwrap())
    }

    fn set_on_current_thread() -> Self {
        Self::Set(LocalSet::new(), support::current())
    }

    fn set_on_multi_thread() -> Self {
        Self::Set(LocalSet::new(), support::multi(2))
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Runtime(rt) => rt.block_on(future),
            Self::Set(set, rt) => set.block_on(rt, future),
        }
    }

    fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        match self {
            Self::Runtime(rt) => rt.spawn_local(future),
            Self::Set(set, _) => set.spawn_local(future),
        }
    }
}

macro_rules! over_homes {
    ($($name:ident),+ $(,)?) => {
        over_homes!(@home local_runtime, super::Home::local_runtime, $($name),+);
        over_homes!(@home set_on_current_thread, super::Home::set_on_current_thread, $($name),+);
        over_homes!(@home set_on_multi_thread, super::Home::set_on_multi_thread, $($name),+);
    };
    (@home $home:ident, $new:expr, $($name:ident),+) => {
        mod $home {
            $(
                #[test]
                fn $name() {
                    super::$name($new);
                }
            )+
        }
    };
}

over_homes!(
    futures_and_outputs_need_not_be_send,
    tasks_run_in_the_order_of_their_spawns,
    tasks_spawn_tasks,
    spawned_before_it_is_driven,
    wakes_from_other_threads_arrive,
    an_abort_from_another_thread_drops_at_home,
    the_end_drops_at_home,
    the_end_drops_at_home_while_others_wake_and_abort,
    a_task_that_is_spawned_while_all_ends_is_cancelled,
    a_panic_is_an_error_and_the_others_go_on,
    a_panic_in_a_drop_is_an_error,
    a_busy_task_starves_nobody,
    timers_sockets_and_blocking_jobs_work,
    what_is_send_can_be_spawned_beside,
    each_task_has_a_budget,
    task_locals_are_dropped_in_scope,
    blocking_in_place_is_refused,
    a_large_future_fits,
    sets_of_tasks_and_names,
    it_can_be_driven_again,
    spawning_outside_is_refused,
    ten_thousand_tasks,
);

fn futures_and_outputs_need_not_be_send(new: fn() -> Home) {
    let home = new();
    let count = Rc::new(Cell::new(0));
    let seen = count.clone();
    let output = home.run(async move {
        let task = spawn_local(async move {
            for _ in 0..10 {
                seen.set(seen.get() + 1);
                yield_now().await;
            }
            Rc::new("output")
        });
        task.await.unwrap()
    });
    assert_eq!((*output, count.get()), ("output", 10));
}

fn tasks_run_in_the_order_of_their_spawns(new: fn() -> Home) {
    let order = Rc::new(RefCell::new(Vec::new()));
    new().run(async {
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let order = order.clone();
                spawn_local(async move { order.borrow_mut().push(n) })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert!(order.borrow().iter().copied().eq(0..200), "{order:?}");
}

fn tasks_spawn_tasks(new: fn() -> Home) {
    fn tree(depth: usize) -> Pin<Box<dyn Future<Output = usize>>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let (left, right) = (spawn_local(tree(depth - 1)), spawn_local(tree(depth - 1)));
            left.await.unwrap() + right.await.unwrap()
        })
    }
    assert_eq!(new().run(tree(8)), 256);
}

fn spawned_before_it_is_driven(new: fn() -> Home) {
    let home = new();
    let began = Rc::new(Cell::new(false));
    let begins = began.clone();
    let task = home.spawn(async move {
        begins.set(true);
        yield_now().await;
        1
    });
    assert!(!began.get());
    assert_eq!(home.run(task).unwrap(), 1);
}

/// Pending until another thread has woken it.
fn woken_from_elsewhere() -> impl Future<Output = ()> {
    let woken = Arc::new(AtomicBool::new(false));
    let mut asked = false;
    poll_fn(move |cx| {
        if !std::mem::replace(&mut asked, true) {
            let (waker, woken) = (cx.waker().clone(), woken.clone());
            thread::spawn(move || {
                woken.store(true, SeqCst);
                waker.wake();
            });
        }
        if woken.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    })
}

fn wakes_from_other_threads_arrive(new: fn() -> Home) {
    let home = new();
    for _ in 0..20 {
        home.run(async {
            let tasks: Vec<_> = (0..10).map(|_| spawn_local(woken_from_elsewhere())).collect();
            for task in tasks {
                task.await.unwrap();
            }
            woken_from_elsewhere().await;
        });
    }
}

/// Notes which thread drops it. Not `Send`.
struct Homebound {
    dropped: Arc<Mutex<Vec<ThreadId>>>,
    _not_send: Rc<()>,
}

/// Where such things were dropped.
#[derive(Clone, Default)]
struct Dropped(Arc<Mutex<Vec<ThreadId>>>);

impl Dropped {
    fn track(&self) -> Homebound {
        Homebound { dropped: self.0.clone(), _not_send: Rc::new(()) }
    }

    /// So many have been, all of them on this thread.
    #[track_caller]
    fn expect_here(&self, count: usize) {
        assert_eq!(*self.0.lock().unwrap(), vec![thread::current().id(); count]);
    }
}

impl Drop for Homebound {
    fn drop(&mut self) {
        self.dropped.lock().unwrap().push(thread::current().id());
    }
}

fn an_abort_from_another_thread_drops_at_home(new: fn() -> Home) {
    let home = new();
    let dropped = Dropped::default();
    let held = dropped.track();
    let task = home.spawn(async move {
        let _held = held;
        pending::<()>().await;
    });
    home.run(yield_now());
    let abort = task.abort_handle();
    thread::spawn(move || abort.abort()).join().unwrap();
    dropped.expect_here(0);
    assert!(home.run(task).unwrap_err().is_cancelled());
    dropped.expect_here(1);
}

fn the_end_drops_at_home(new: fn() -> Home) {
    let home = new();
    let dropped = Dropped::default();
    let mut handles = Vec::new();
    for n in 0..10 {
        let held = dropped.track();
        handles.push(home.spawn(async move {
            let _held = held;
            if n % 2 == 0 {
                yield_now().await;
            }
            pending::<()>().await;
        }));
    }
    home.run(yield_now());
    // Never polled.
    let held = dropped.track();
    handles.push(home.spawn(async move {
        let _held = held;
    }));
    drop(home);
    dropped.expect_here(11);
    let other = support::current();
    for handle in handles {
        assert!(other.block_on(handle).unwrap_err().is_cancelled());
    }
}

fn the_end_drops_at_home_while_others_wake_and_abort(new: fn() -> Home) {
    for round in 0..20 {
        let home = new();
        let dropped = Dropped::default();
        let (send, receive) = mpsc::channel::<(Waker, _)>();
        for _ in 0..20 {
            let (held, send) = (dropped.track(), send.clone());
            let abort = Rc::new(RefCell::new(None::<task::AbortHandle>));
            let mine = abort.clone();
            let task = home.spawn(async move {
                let _held = held;
                poll_fn(|cx| {
                    let _ = send.send((cx.waker().clone(), mine.borrow().clone()));
                    Poll::<()>::Pending
                })
                .await;
            });
            *abort.borrow_mut() = Some(task.abort_handle());
        }
        drop(send);
        let foreign = thread::spawn(move || {
            for (n, (waker, abort)) in receive.into_iter().enumerate() {
                match n % 5 {
                    0 => abort.unwrap().abort(),
                    1 => drop((waker, abort)),
                    _ => waker.wake(),
                }
            }
        });
        home.run(async {
            for _ in 0..round {
                yield_now().await;
            }
        });
        drop(home);
        dropped.expect_here(20);
        foreign.join().unwrap();
        dropped.expect_here(20);
    }
}

fn a_task_that_is_spawned_while_all_ends_is_cancelled(new: fn() -> Home) {
    struct Spawns(Dropped, Rc<RefCell<Option<JoinHandle<()>>>>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let held = self.0.track();
            let task = spawn_local(async move {
                let _held = held;
            });
            *self.1.borrow_mut() = Some(task);
        }
    }
    let home = new();
    let (dropped, spawned) = (Dropped::default(), Rc::new(RefCell::new(None)));
    let spawns = Spawns(dropped.clone(), spawned.clone());
    home.spawn(async move {
        let _spawns = spawns;
        pending::<()>().await;
    });
    home.run(yield_now());
    drop(home);
    dropped.expect_here(1);
    let task = spawned.take().unwrap();
    assert!(support::current().block_on(task).unwrap_err().is_cancelled());
}

fn a_panic_is_an_error_and_the_others_go_on(new: fn() -> Home) {
    let dropped = Dropped::default();
    let held = dropped.track();
    new().run(async {
        let panics = spawn_local(async move {
            let _held = held;
            yield_now().await;
            panic!("on purpose");
        });
        let goes_on = spawn_local(async {
            for _ in 0..10 {
                yield_now().await;
            }
        });
        assert!(panics.await.unwrap_err().is_panic());
        goes_on.await.unwrap();
    });
    dropped.expect_here(1);
}

fn a_panic_in_a_drop_is_an_error(new: fn() -> Home) {
    struct Panics(#[allow(dead_code, reason = "it is for its drop")] Rc<()>);
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    let home = new();
    home.run(async {
        let panics = Panics(Rc::new(()));
        let task = spawn_local(async move {
            let _panics = panics;
            pending::<()>().await;
        });
        yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_panic());
    });
    let panics = Panics(Rc::new(()));
    home.spawn(async move {
        let _panics = panics;
        pending::<()>().await;
    });
    home.run(yield_now());
    // By the end of all: nobody asks.
    drop(home);
}

fn a_busy_task_starves_nobody(new: fn() -> Home) {
    let home = new();
    home.run(async {
        let stop = Rc::new(Cell::new(false));
        let stopped = stop.clone();
        let busy = spawn_local(poll_fn(move |cx| {
            cx.waker().wake_by_ref();
            if stopped.get() { Poll::Ready(()) } else { Poll::Pending }
        }));
        // The timer, another thread's wake, and the future that drives all this.
        timeout(LOST, sleep(Duration::from_millis(2))).await.unwrap();
        timeout(LOST, woken_from_elsewhere()).await.unwrap();
        timeout(LOST, spawn_local(woken_from_elsewhere())).await.unwrap().unwrap();
        stop.set(true);
        busy.await.unwrap();
    });
}

fn timers_sockets_and_blocking_jobs_work(new: fn() -> Home) {
    let text = new().run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = spawn_local(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            socket.read_to_string(&mut text).await.unwrap();
            sleep(Duration::from_millis(1)).await;
            Rc::new(text)
        });
        let mut socket = TcpStream::connect(address).await.unwrap();
        let hello = task::spawn_blocking(|| "hello").await.unwrap();
        socket.write_all(hello.as_bytes()).await.unwrap();
        drop(socket);
        server.await.unwrap()
    });
    assert_eq!(*text, "hello");
}

fn what_is_send_can_be_spawned_beside(new: fn() -> Home) {
    new().run(async {
        let beside = task::spawn(async {
            yield_now().await;
            1
        });
        let local = spawn_local(async move { beside.await.unwrap() + 1 });
        assert_eq!(local.await.unwrap(), 2);
    });
}

fn each_task_has_a_budget(new: fn() -> Home) {
    new().run(async {
        let spend = || {
            spawn_local(poll_fn(|cx| {
                let mut spent = 0;
                while let Poll::Ready(unit) = task::coop::poll_proceed(cx) {
                    unit.made_progress();
                    spent += 1;
                    assert!(spent < 10_000, "there is no budget");
                }
                Poll::Ready(spent)
            }))
        };
        let (one, other) = (spend(), spend());
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        assert!(one > 0 && one == other, "{one} and {other}");
    });
}

runtime::task_local!(static NUMBER: u32);

fn task_locals_are_dropped_in_scope(new: fn() -> Home) {
    struct Looks(Rc<Cell<u32>>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.0.set(NUMBER.get());
        }
    }
    let home = new();
    let seen = Rc::new(Cell::new(0));
    let looks = Looks(seen.clone());
    home.spawn(NUMBER.scope(3, async move {
        let _looks = looks;
        pending::<()>().await;
    }));
    home.run(yield_now());
    drop(home);
    assert_eq!(seen.get(), 3);
}

fn blocking_in_place_is_refused(new: fn() -> Home) {
    new().run(async {
        let panics = || panic_text(|| task::block_in_place(|| ()));
        for text in [panics(), spawn_local(async move { panics() }).await.unwrap()] {
            assert!(text.contains("LocalSet") && text.contains("spawn_blocking"), "{text}");
        }
    });
}

/// As if it were an `async` function.
#[test]
fn run_until_drops_its_future_when_that_is_ready() {
    let (rt, set, drops) = (support::current(), LocalSet::new(), support::Drops::default());
    let tracked = drops.track();
    let mut driving = pin!(set.run_until(poll_fn(move |_| Poll::Ready(std::mem::size_of_val(&tracked)))));
    rt.block_on(driving.as_mut());
    assert_eq!(drops.count(), 1);
    let text = panic_text(|| assert_eq!(rt.block_on(driving.as_mut()), 0));
    assert!(text.contains("polled after completion"), "{text}");
}

fn a_large_future_fits(new: fn() -> Home) {
    let length = new().run(async {
        let large = [1_u8; 100_000];
        spawn_local(async move {
            yield_now().await;
            large.iter().map(|&byte| usize::from(byte)).sum::<usize>()
        })
        .await
        .unwrap()
    });
    assert_eq!(length, 100_000);
}

fn sets_of_tasks_and_names(new: fn() -> Home) {
    new().run(async {
        let mut set = JoinSet::new();
        for n in 0..10 {
            set.spawn_local(async move { Rc::new(n) });
        }
        set.build_task().name("eleventh").spawn_local(async { Rc::new(10) }).unwrap();
        let mut sum = 0;
        while let Some(output) = set.join_next().await {
            sum += *output.unwrap();
        }
        assert_eq!(sum, 55);
        let task = task::Builder::new().name("named").spawn_local(async { Rc::new(1) }).unwrap();
        assert_eq!(*task.await.unwrap(), 1);
        set.spawn_local(pending());
        set.shutdown().await;
    });
}

fn it_can_be_driven_again(new: fn() -> Home) {
    let home = new();
    let ticks = Rc::new(Cell::new(0));
    let ticking = ticks.clone();
    home.spawn(async move {
        loop {
            ticking.set(ticking.get() + 1);
            yield_now().await;
        }
    });
    for _ in 0..5 {
        let before = ticks.get();
        home.run(async {
            while ticks.get() == before {
                yield_now().await;
            }
        });
    }
    // A future that panics leaves it in order.
    assert!(catch_unwind(AssertUnwindSafe(|| home.run(async { panic!("on purpose") }))).is_err());
    assert_eq!(home.run(async { spawn_local(async { 1 }).await }).unwrap(), 1);
}

fn spawning_outside_is_refused(new: fn() -> Home) {
    let home = new();
    home.run(yield_now());
    let text = panic_text(|| drop(spawn_local(async {})));
    assert!(text.contains("build_local") && text.contains("run_until"), "{text}");
}

fn ten_thousand_tasks(new: fn() -> Home) {
    let sum = new().run(async {
        let tasks: Vec<_> = (0..10_000_u64)
            .map(|n| {
                spawn_local(async move {
                    yield_now().await;
                    n
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, (0..10_000).sum::<u64>());
}

#[test]
fn a_local_runtimes_handle_works_from_other_threads() {
    let rt = LocalRuntime::new().unwrap();
    assert_eq!(rt.handle().runtime_flavor(), RuntimeFlavor::CurrentThread);
    let handle = rt.handle().clone();
    let (send, receive) = mpsc::channel();
    let other = thread::spawn(move || {
        let ran_on = handle.spawn(async move {
            receive.recv_timeout(LOST).unwrap();
            thread::current().id()
        });
        let _entered = handle.enter();
        let text = panic_text(|| drop(spawn_local(async {})));
        assert!(text.contains("the thread the runtime was created on"), "{text}");
        send.send(()).unwrap();
        handle.block_on(ran_on).unwrap()
    });
    rt.block_on(async {
        while !other.is_finished() {
            yield_now().await;
        }
    });
    assert_eq!(other.join().unwrap(), thread::current().id());
}

#[test]
fn a_local_runtime_has_all_that_a_runtime_has() {
    let rt = LocalRuntime::new().unwrap();
    assert_eq!(rt.block_on(rt.spawn_blocking(|| 5)).unwrap(), 5);
    assert_eq!(rt.metrics().num_workers(), 1);
    rt.block_on(rt.spawn_local(async {})).unwrap();
    assert_eq!(rt.metrics().spawned_tasks_count(), 1);
    assert!(format!("{rt:?}").contains("LocalRuntime"));
    rt.spawn_blocking(|| thread::sleep(Duration::from_millis(20)));
    rt.shutdown_timeout(Duration::from_millis(1));
    let outer = support::current();
    outer.block_on(async { LocalRuntime::new().unwrap().shutdown_background() });
    let text = panic_text(|| outer.block_on(async { drop(LocalRuntime::new().unwrap()) }));
    assert!(text.contains("Cannot drop a runtime"), "{text}");
}

#[test]
fn a_local_runtime_is_made_by_its_own_function() {
    let local = RuntimeConfig { flavor: Flavor::Local, ..RuntimeConfig::default() };
    let error = Builder::from_config(&local).build().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("build_local"), "{error}");
    let rt = Builder::from_config(&local).build_local(Default::default()).unwrap();
    rt.block_on(async { spawn_local(sleep(Duration::from_millis(1))).await.unwrap() });
    let text = panic_text(|| drop(Builder::new_multi_thread().build_local(Default::default())));
    assert!(text.contains("new_current_thread"), "{text}");
}

#[test]
fn a_local_runtime_can_be_paused() {
    let rt = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(Default::default())
        .unwrap();
    rt.block_on(async {
        let start = runtime::time::Instant::now();
        spawn_local(sleep(Duration::from_secs(3600))).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(3600));
    });
}

#[test]
fn runtimes_and_sets_have_ids_of_their_own() {
    let (rt, local) = (support::multi(1), LocalRuntime::new().unwrap());
    let (one, other) = (LocalSet::new(), LocalSet::new());
    let mut ids = vec![rt.handle().id(), local.handle().id(), one.id(), other.id()];
    assert_eq!(rt.block_on(async { Handle::current().id() }), ids[0]);
    ids.sort_unstable_by_key(ToString::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_set_ends_with_its_last_task() {
    let rt = support::current();
    let set = LocalSet::new();
    rt.block_on(LocalSet::new());
    let done = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let done = done.clone();
        set.spawn_local(async move {
            yield_now().await;
            let inner = done.clone();
            spawn_local(async move {
                sleep(Duration::from_millis(1)).await;
                inner.set(inner.get() + 1);
            });
            done.set(done.get() + 1);
        });
    }
    rt.block_on(set);
    assert_eq!(done.get(), 200);
}

#[test]
fn a_set_can_be_polled_by_hand() {
    let mut set = LocalSet::new();
    let task = set.spawn_local(yield_now());
    let mut cx = Context::from_waker(Waker::noop());
    let mut set = Pin::new(&mut set);
    let polls = (0..10).take_while(|_| set.as_mut().poll(&mut cx).is_pending()).count();
    assert!(polls < 10 && task.is_finished(), "{polls}");
}

/// Each has the waker of the last poll; both futures are in one task.
#[test]
fn two_futures_may_run_until_at_once() {
    let rt = support::multi(1);
    let set = LocalSet::new();
    rt.block_on(async {
        let mut one = pin!(set.run_until(async { spawn_local(woken_from_elsewhere()).await.unwrap() }));
        let mut other = pin!(set.run_until(async { spawn_local(woken_from_elsewhere()).await.unwrap() }));
        let (mut one_done, mut other_done) = (false, false);
        poll_fn(|cx| {
            one_done = one_done || one.as_mut().poll(cx).is_ready();
            other_done = other_done || other.as_mut().poll(cx).is_ready();
            if one_done && other_done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
}

#[test]
fn a_future_that_is_given_up_leaves_the_set_in_order() {
    let rt = support::current();
    let set = LocalSet::new();
    let dropped = Dropped::default();
    let held = dropped.track();
    rt.block_on(async {
        let gives_up = set.run_until(async move {
            let _held = held;
            spawn_local(async {});
            pending::<()>().await;
        });
        assert!(timeout(Duration::from_millis(5), gives_up).await.is_err());
        dropped.expect_here(1);
        let text = panic_text(|| drop(spawn_local(async {})));
        assert!(text.contains("outside"), "{text}");
        assert_eq!(set.run_until(async { spawn_local(async { 1 }).await }).await.unwrap(), 1);
    });
}

#[test]
fn guards_lie_one_in_the_other() {
    let rt = support::current();
    let (one, other) = (LocalSet::new(), LocalSet::new());
    let ran = Rc::new(RefCell::new(Vec::new()));
    let spawn = |name: &'static str| {
        let ran = ran.clone();
        spawn_local(async move { ran.borrow_mut().push(name) })
    };
    let in_one = one.enter();
    spawn("one");
    let in_other = other.enter();
    spawn("other");
    drop(in_other);
    spawn("one again");
    drop(in_one);
    assert!(panic_text(|| drop(spawn("nowhere"))).contains("outside"));
    rt.block_on(other);
    assert_eq!(ran.take(), ["other"]);
    rt.block_on(one);
    assert_eq!(ran.take(), ["one", "one again"]);
}

#[test]
fn a_set_that_is_gone_cancels_what_comes_under_its_guard() {
    let set = LocalSet::new();
    let guard = set.enter();
    drop(set);
    let dropped = Dropped::default();
    let held = dropped.track();
    let task = spawn_local(async move {
        let _held = held;
    });
    dropped.expect_here(1);
    drop(guard);
    assert!(support::current().block_on(task).unwrap_err().is_cancelled());
}

/// The guard of a set that was made inside of its turn, and goes when the turn is long over: a task that is woken then
/// has to wake whoever polls the set.
#[test]
fn a_guard_that_outlives_its_turn_loses_no_wake_up() {
    let rt = support::current();
    let set = LocalSet::new();
    let (send, receive) = oneshot::channel();
    let waits = set.spawn_local(receive);
    let guard = RefCell::new(None);
    rt.block_on(set.run_until(async {
        *guard.borrow_mut() = Some(set.enter());
        yield_now().await;
    }));
    drop(guard);
    rt.spawn(async move {
        for _ in 0..10 {
            yield_now().await;
        }
        send.send(7).unwrap();
    });
    let got = rt.block_on(async { timeout(LOST, set.run_until(waits)).await.expect("a lost wake-up") });
    assert_eq!(got.unwrap(), Ok(7));
}

/// A set that is driven by one of its own tasks, too: whoever drives it from outside still hears of each wake-up.
#[test]
fn a_set_driven_inside_of_its_own_turn_loses_no_wake_up() {
    for new in [support::current as fn() -> Runtime, || support::multi(2)] {
        let rt = new();
        let set = Rc::new(LocalSet::new());
        let inner = set.clone();
        let nested = async move { inner.run_until(woken_from_elsewhere()).await };
        rt.block_on(async {
            let outer = set.run_until(async move { spawn_local(nested).await.unwrap() });
            timeout(LOST, outer).await.expect("a lost wake-up");
        });
    }
}

/// A set inside of a task of another one.
#[test]
fn sets_lie_one_in_the_other() {
    let rt = support::current();
    let outer = LocalSet::new();
    let names = outer.block_on(&rt, async {
        spawn_local(async {
            let inner = LocalSet::new();
            let inside = inner.run_until(async { spawn_local(async { "inner" }).await.unwrap() }).await;
            [inside, spawn_local(async { "outer" }).await.unwrap()]
        })
        .await
        .unwrap()
    });
    assert_eq!(names, ["inner", "outer"]);
}

/// What a thread leaves behind is dropped with its locals, in whatever order.
#[test]
fn a_thread_may_leave_them_behind() {
    thread_local! {
        static SET: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
        static RUNTIME: RefCell<Option<LocalRuntime>> = const { RefCell::new(None) };
    }
    for runtime_first in [true, false] {
        let dropped = Dropped::default();
        let theirs = dropped.clone();
        let id = thread::spawn(move || {
            if runtime_first {
                RUNTIME.with_borrow(|_| ());
            }
            let (set, rt) = (LocalSet::new(), LocalRuntime::new().unwrap());
            for held in [theirs.track(), theirs.track()] {
                rt.spawn_local(async move {
                    let _held = held;
                    pending::<()>().await;
                });
            }
            let held = theirs.track();
            set.spawn_local(async move {
                let _held = held;
                pending::<()>().await;
            });
            rt.block_on(set.run_until(yield_now()));
            SET.set(Some(set));
            RUNTIME.set(Some(rt));
            thread::current().id()
        })
        .join()
        .unwrap();
        assert_eq!(*dropped.0.lock().unwrap(), [id; 3]);
    }
}
