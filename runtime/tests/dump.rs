//! What a runtime's tasks are at and where they wait, without stopping anybody.

mod support;

use std::collections::HashSet;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use runtime::net::TcpListener;
use runtime::runtime::Handle;
use runtime::runtime::dump::{BacktraceFrame, BacktraceSymbol, Dump, Task, TaskState};
use runtime::sync::oneshot;
use runtime::task::{self, LocalSet, yield_now};
use runtime::time::sleep;
use support::{Drops, LOST, Rt, builders};

over_flavours!(
    each_task_is_listed_with_its_place_and_name,
    a_trace_leads_from_the_task_to_where_it_waits,
    a_task_that_waits_for_several_has_a_trace_of_each,
    futures_of_any_make_are_traced,
    a_blocked_worker_keeps_no_dump,
    a_runtime_that_has_ended_has_no_tasks,
    a_task_that_ends_at_the_wake_up_needs_no_answer,
    a_task_that_ends_in_the_poll_in_which_it_is_asked_needs_no_answer,
    no_wake_up_is_lost_to_dumps,
    a_dump_that_is_dropped_leaves_nothing_behind,
    several_dumps_at_once_are_all_answered,
    a_poll_that_a_dump_watches_can_tell,
    a_dump_finds_the_task_that_makes_it,
);

/// Runs a future by nothing but a waker, far from any runtime.
fn alone<F: Future>(future: F) -> F::Output {
    struct Thread(std::thread::Thread);
    impl Wake for Thread {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        std::thread::park_timeout(LOST);
    }
}

/// Gives the tasks of a runtime some time.
async fn rested() {
    sleep(Duration::from_millis(5)).await;
}

/// Waits until a task that waits for something does so.
fn until_idle(rt: &Rt, id: task::Id) {
    until(rt, || find(&rt.handle().snapshot(), id).state() == TaskState::Idle);
}

/// Dumps until there is a dump with a trace of this task: on a busy machine an answer may come too late for one.
fn traced(id: task::Id, mut dump: impl FnMut() -> Dump) -> Dump {
    let limit = Instant::now() + LOST;
    loop {
        let dump = dump();
        if !find(&dump, id).trace().is_empty() {
            return dump;
        }
        assert!(Instant::now() < limit, "never an answer");
    }
}

/// Waits until something that must happen has happened.
fn until(rt: &Rt, mut happened: impl FnMut() -> bool) {
    let limit = Instant::now() + LOST;
    while !happened() {
        assert!(Instant::now() < limit, "it never happened");
        rt.block_on(rested());
    }
}

async fn naps() {
    sleep(Duration::from_secs(3600)).await;
}

#[track_caller]
fn find(dump: &Dump, id: task::Id) -> &Task {
    dump.tasks().iter().find(|task| task.id() == id).unwrap_or_else(|| panic!("no task {id} in:\n{dump}"))
}

fn each_task_is_listed_with_its_place_and_name(new: fn() -> Rt) {
    let rt = new();
    let (plain, line) = (rt.spawn(pending::<()>()), line!());
    let named = task::Builder::new().name("sleeper").spawn_on(pending::<()>(), rt.handle()).unwrap();
    rt.block_on(rt.spawn(async {})).unwrap();
    until_idle(&rt, plain.id());
    until_idle(&rt, named.id());
    let dump = rt.handle().snapshot();
    let ids: Vec<_> = dump.tasks().iter().map(Task::id).collect();
    let expected: HashSet<_> = [plain.id(), named.id()].into();
    assert_eq!((ids.len(), ids.into_iter().collect()), (2, expected), "{dump}");
    let task = find(&dump, plain.id());
    assert_eq!((task.name(), task.state(), task.worker()), (None, TaskState::Idle, None));
    assert_eq!((task.spawned_at().file(), task.spawned_at().line()), (file!(), line));
    assert!(task.time_in_state().is_some_and(|time| time > Duration::ZERO));
    assert!(task.trace().is_empty());
    assert_eq!(find(&dump, named.id()).name(), Some("sleeper"));
    let text = dump.to_string();
    assert!(text.contains(&format!("task {} 'sleeper', spawned at {}:", named.id(), file!())), "{text}");
}

async fn waits_in_depth(listener: TcpListener) {
    waits_deeper(&listener).await;
}

async fn waits_deeper(listener: &TcpListener) {
    drop(listener.accept().await);
}

fn a_trace_leads_from_the_task_to_where_it_waits(new: fn() -> Rt) {
    let rt = new();
    let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let task = rt.spawn(waits_in_depth(listener));
    until_idle(&rt, task.id());
    let dump = traced(task.id(), || rt.block_on(rt.handle().dump()));
    let found = find(&dump, task.id());
    assert_eq!(found.state(), TaskState::Idle);
    let backtraces = found.trace().resolve_backtraces();
    assert!(!backtraces.is_empty(), "{dump}");
    for backtrace in &backtraces {
        let symbols: Vec<_> = backtrace.frames().flat_map(BacktraceFrame::symbols).collect();
        let of = |name: &str| {
            let is_it =
                |symbol: &&BacktraceSymbol| symbol.name_demangled().is_some_and(|it| it.contains(name));
            symbols.iter().position(is_it).unwrap_or_else(|| panic!("no {name} in:\n{dump}"))
        };
        assert!(of("accept") < of("waits_deeper") && of("waits_deeper") < of("waits_in_depth"), "{dump}");
        let outermost = symbols.last().unwrap();
        assert_eq!(of("waits_in_depth"), symbols.len() - 1, "the machinery is left out:\n{dump}");
        assert!(outermost.filename().is_some_and(|file| file.ends_with("dump.rs")), "{outermost}");
        assert!(outermost.lineno().is_some() && outermost.colno().is_some(), "{outermost}");
    }
}

fn a_task_that_waits_for_several_has_a_trace_of_each(new: fn() -> Rt) {
    async fn one_of_them(receive: oneshot::Receiver<()>) {
        receive.await.unwrap();
    }
    async fn another(time: Duration) {
        sleep(time).await;
    }
    let rt = new();
    let (send, receive) = oneshot::channel();
    let task = rt.spawn(async move {
        let (mut one, mut other) = (pin!(one_of_them(receive)), pin!(another(Duration::from_secs(3600))));
        poll_fn(|cx| {
            assert!(other.as_mut().poll(cx).is_pending());
            one.as_mut().poll(cx)
        })
        .await;
    });
    until_idle(&rt, task.id());
    let dump = traced(task.id(), || rt.block_on(rt.handle().dump()));
    let text: Vec<_> =
        find(&dump, task.id()).trace().resolve_backtraces().iter().map(ToString::to_string).collect();
    for name in ["one_of_them", "another"] {
        assert!(text.iter().any(|trace| trace.contains(name)), "no {name} in:\n{dump}");
    }
    // The places kept what they need to be woken.
    send.send(()).unwrap();
    rt.block_on(task).unwrap();
}

fn futures_of_any_make_are_traced(new: fn() -> Rt) {
    /// Registers with something of its own, as careful futures do: a waker that would do is kept.
    struct Homemade(Arc<Mutex<Option<Waker>>>, Arc<AtomicBool>);
    impl Future for Homemade {
        type Output = ();
        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if self.1.load(SeqCst) {
                return Poll::Ready(());
            }
            let mut kept = self.0.lock().unwrap();
            match &*kept {
                Some(waker) if waker.will_wake(cx.waker()) => {}
                _ => *kept = Some(cx.waker().clone()),
            }
            Poll::Pending
        }
    }
    let rt = new();
    let (waker, ready) = (Arc::<Mutex<Option<Waker>>>::default(), Arc::<AtomicBool>::default());
    let task = rt.spawn(Homemade(waker.clone(), ready.clone()));
    until_idle(&rt, task.id());
    for _ in 0..2 {
        let dump = traced(task.id(), || rt.block_on(rt.handle().dump()));
        assert!(find(&dump, task.id()).trace().to_string().contains("Homemade"), "{dump}");
    }
    ready.store(true, SeqCst);
    waker.lock().unwrap().take().unwrap().wake();
    rt.block_on(task).unwrap();
}

fn a_blocked_worker_keeps_no_dump(new: fn() -> Rt) {
    let rt = new();
    let (begun, begins) = mpsc::channel();
    let (end, ending) = mpsc::channel::<()>();
    let waits = rt.spawn(naps());
    until_idle(&rt, waits.id());
    let handle = rt.handle().clone();
    let hog = rt.spawn(async move {
        begun.send(task::id()).unwrap();
        ending.recv().unwrap_err();
    });
    let hog_id = hog.id();
    let dumping = std::thread::spawn(move || {
        begins.recv_timeout(LOST).unwrap();
        let snapshot = handle.snapshot();
        let dump = alone(handle.dump());
        drop(end);
        (snapshot, dump)
    });
    rt.block_on(hog).unwrap();
    let (snapshot, dump) = dumping.join().unwrap();
    for dump in [&snapshot, &dump] {
        let hog = find(dump, hog_id);
        assert_eq!(hog.state(), TaskState::Running, "{dump}");
        assert!(hog.worker().is_some_and(|worker| worker < rt.metrics().num_workers()), "{dump}");
        assert!(hog.time_in_state().is_some(), "{dump}");
        assert!(hog.trace().is_empty(), "{dump}");
    }
    assert_eq!(find(&snapshot, waits.id()).state(), TaskState::Idle);
    // Others may have answered, where there are any.
    assert!(rt.metrics().num_workers() > 1 || find(&dump, waits.id()).trace().is_empty(), "{dump}");
}

#[test]
fn the_workers_that_are_free_answer_for_their_tasks() {
    let rt = support::multi(2);
    let (begun, begins) = mpsc::channel();
    let (end, ending) = mpsc::channel::<()>();
    let rt = Rt::from(rt);
    let waits: Vec<_> = (0..3).map(|_| rt.spawn(naps())).collect();
    for task in &waits {
        until_idle(&rt, task.id());
    }
    let hog = rt.spawn(async move {
        begun.send(()).unwrap();
        ending.recv().unwrap_err();
    });
    begins.recv_timeout(LOST).unwrap();
    for task in &waits {
        let dump = traced(task.id(), || alone(rt.handle().dump()));
        assert!(find(&dump, task.id()).trace().to_string().contains("naps"), "{dump}");
    }
    drop(end);
    rt.block_on(hog).unwrap();
}

#[test]
fn a_runtime_that_nobody_drives_is_listed() {
    let rt = support::current();
    let task = rt.spawn(naps());
    let dump = alone(rt.handle().dump());
    assert_eq!(find(&dump, task.id()).state(), TaskState::Queued);
    assert!(find(&dump, task.id()).trace().is_empty());
}

fn a_runtime_that_has_ended_has_no_tasks(new: fn() -> Rt) {
    let rt = new();
    let handle = rt.handle().clone();
    rt.spawn(pending::<()>());
    drop(rt);
    assert_eq!(alone(handle.dump()).tasks().iter().count(), 0);
}

fn a_task_that_ends_at_the_wake_up_needs_no_answer(new: fn() -> Rt) {
    let rt = new();
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    // Never woken but by the dump.
    let task = rt.spawn(poll_fn(move |_| match count.fetch_add(1, SeqCst) {
        0 => Poll::Pending,
        _ => Poll::Ready(()),
    }));
    until_idle(&rt, task.id());
    assert_eq!(polls.load(SeqCst), 1);
    let id = task.id();
    let mut dump = pin!(rt.handle().dump());
    let mut poll_dump = || dump.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let at_once = poll_dump();
    rt.block_on(task).unwrap();
    let after_the_end = if at_once.is_ready() { at_once } else { poll_dump() };
    let Poll::Ready(dump) = after_the_end else { panic!("the dump waits for a task that has ended") };
    assert_eq!(find(&dump, id).state(), TaskState::Idle, "as it was seen");
    assert_eq!(polls.load(SeqCst), 2, "one more poll, no more and no less");
}

fn a_task_that_ends_in_the_poll_in_which_it_is_asked_needs_no_answer(new: fn() -> Rt) {
    let rt = new();
    let handle = rt.handle().clone();
    let (send, sent) = mpsc::channel();
    let task = rt.spawn(async move {
        let mut dump = Box::pin(async move { handle.dump().await });
        // It names this task, whose poll has begun before, and is its last.
        assert!(dump.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        send.send(dump).ok().unwrap();
    });
    rt.block_on(task).unwrap();
    let mut dump = sent.recv().unwrap();
    let after_the_end = dump.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(after_the_end.is_ready(), "the dump waits for a task that has ended");
}

fn no_wake_up_is_lost_to_dumps(new: fn() -> Rt) {
    const PAIRS: usize = 8;
    const ROUNDS: usize = 300;
    let rt = new();
    let stop = Arc::new(AtomicBool::new(false));
    let (handle, stopped) = (rt.handle().clone(), stop.clone());
    let dumping = std::thread::spawn(move || {
        let mut dumps = 0;
        while !stopped.load(SeqCst) {
            drop(alone(handle.dump()));
            dumps += 1;
        }
        dumps
    });
    let drops = Drops::default();
    rt.block_on(async {
        let tasks: Vec<_> = (0..PAIRS)
            .map(|_| {
                let tracked = drops.track();
                task::spawn(async move {
                    for _ in 0..ROUNDS {
                        let (send, receive) = oneshot::channel();
                        let other = task::spawn(async move {
                            yield_now().await;
                            send.send(()).unwrap();
                        });
                        receive.await.unwrap();
                        other.await.unwrap();
                    }
                    drop(tracked);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    stop.store(true, SeqCst);
    rt.block_on(rested());
    assert!(dumping.join().unwrap() > 0);
    assert_eq!((drops.count(), rt.metrics().num_alive_tasks()), (PAIRS, 0));
}

fn a_dump_that_is_dropped_leaves_nothing_behind(new: fn() -> Rt) {
    let rt = new();
    let polls = Arc::new(AtomicUsize::new(0));
    let count = polls.clone();
    rt.spawn(poll_fn(move |_| {
        count.fetch_add(1, SeqCst);
        Poll::<()>::Pending
    }));
    until(&rt, || polls.load(SeqCst) == 1);
    let mut cx = Context::from_waker(Waker::noop());
    {
        let handle = rt.handle().clone();
        let mut dump = Box::pin(handle.dump());
        let _ = dump.as_mut().poll(&mut cx);
    }
    until(&rt, || polls.load(SeqCst) >= 2);
    rt.block_on(rested());
    assert_eq!(polls.load(SeqCst), 2, "it was woken once");
    drop(rt);
}

fn several_dumps_at_once_are_all_answered(new: fn() -> Rt) {
    let rt = new();
    let task = rt.spawn(naps());
    until_idle(&rt, task.id());
    let dumping: Vec<_> = (0..4)
        .map(|_| {
            let handle = rt.handle().clone();
            let id = task.id();
            std::thread::spawn(move || traced(id, || alone(handle.dump())))
        })
        .collect();
    while !dumping.iter().all(JoinHandle::is_finished) {
        rt.block_on(rested());
    }
    for dump in dumping {
        let dump = dump.join().unwrap();
        assert!(find(&dump, task.id()).trace().to_string().contains("naps"), "{dump}");
    }
}

fn a_poll_that_a_dump_watches_can_tell(new: fn() -> Rt) {
    let rt = new();
    let tracing = Arc::new(std::sync::Mutex::new(Vec::new()));
    let polls = tracing.clone();
    let task = rt.spawn(poll_fn(move |cx| {
        polls.lock().unwrap().push(Handle::is_tracing());
        std::hint::black_box(cx.waker().clone());
        Poll::<()>::Pending
    }));
    until_idle(&rt, task.id());
    assert_eq!(*tracing.lock().unwrap(), [false]);
    traced(task.id(), || rt.block_on(rt.handle().dump()));
    assert_eq!(tracing.lock().unwrap()[..2], [false, true]);
    assert!(!Handle::is_tracing());
}

fn a_dump_finds_the_task_that_makes_it(new: fn() -> Rt) {
    async fn dumps() -> (task::Id, Dump) {
        loop {
            let dump = Handle::current().dump().await;
            if !find(&dump, task::id()).trace().is_empty() {
                return (task::id(), dump);
            }
        }
    }
    let rt = new();
    let (id, dump) = rt.block_on(rt.spawn(dumps())).unwrap();
    let task = find(&dump, id);
    assert_eq!(task.state(), TaskState::Running);
    assert!(task.trace().to_string().contains("dumps"), "{dump}");
}

#[test]
fn tasks_of_a_local_set_belong_to_no_runtime() {
    let rt = support::current();
    let set = LocalSet::new();
    rt.block_on(set.run_until(async {
        let local = task::spawn_local(pending::<()>());
        yield_now().await;
        let dump = Handle::current().dump().await;
        assert!(dump.tasks().iter().all(|task| task.id() != local.id()), "{dump}");
    }));
}

#[test]
fn hooks_and_histograms_are_served_as_ever() {
    for (flavour, mut builder) in builders() {
        let polls = Arc::new(AtomicUsize::new(0));
        let count = polls.clone();
        let rt = flavour.build(
            builder
                .enable_all()
                .on_after_task_poll(move |_| _ = count.fetch_add(1, SeqCst))
                .enable_metrics_poll_time_histogram(),
        );
        rt.spawn(naps());
        until(&rt, || polls.load(SeqCst) == 1);
        rt.block_on(rt.handle().dump());
        until(&rt, || polls.load(SeqCst) == 2);
        let metrics = rt.metrics();
        let counted: u64 = (0..metrics.num_workers())
            .flat_map(|worker| (0..10).map(move |bucket| (worker, bucket)))
            .map(|(worker, bucket)| metrics.poll_time_histogram_bucket_count(worker, bucket))
            .sum();
        assert_eq!(counted, 2, "{flavour}");
    }
}
