//! Misuse of clocks, timers, handles and buffers is named, by Tokio's sentence and then with its cure.

mod support;

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use runtime::io::ReadBuf;
use runtime::net::TcpListener;
use runtime::runtime::{Builder, Runtime, UnhandledPanic, is_rt_shutdown_err};
use runtime::sync::oneshot;
use runtime::task;
use runtime::task_local;
use runtime::time::{self, sleep};
use support::misuse::{all_are_named, all_are_named_without_a_caller};

fn bare() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

const OUTSIDE: &str = "time cannot be frozen from outside the Tokio runtime";

#[test]
fn a_clock_says_why_it_does_not_obey() {
    fn paused() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }
    all_are_named(vec![
        (
            "pause outside",
            OUTSIDE,
            "in its context",
            Box::new(|| {
                time::pause();
            }),
        ),
        (
            "resume outside",
            OUTSIDE,
            "in its context",
            Box::new(|| {
                time::resume();
            }),
        ),
        (
            "pause of several workers",
            "`time::pause()` requires the `current_thread` Tokio runtime.",
            "several workers",
            Box::new(|| {
                let rt = support::multi(1);
                let _entered = rt.enter();
                time::pause();
            }),
        ),
        (
            "pause while paused",
            "time is already frozen",
            "",
            Box::new(|| {
                let rt = paused();
                let _entered = rt.enter();
                time::pause();
            }),
        ),
        (
            "resume while running",
            "time is not frozen",
            "time::pause",
            Box::new(|| {
                let rt = bare();
                let _entered = rt.enter();
                time::resume();
            }),
        ),
        (
            "period of nothing",
            "`period` must be non-zero.",
            "yield_now",
            Box::new(|| paused().block_on(async { drop(time::interval(Duration::ZERO)) })),
        ),
        (
            "period of nothing, with a start",
            "`period` must be non-zero.",
            "yield_now",
            Box::new(|| {
                paused().block_on(async { drop(time::interval_at(time::Instant::now(), Duration::ZERO)) });
            }),
        ),
    ]);
    all_are_named_without_a_caller(vec![
        (
            "advance while running",
            "time is not frozen",
            "time::pause",
            Box::new(|| bare().block_on(time::advance(Duration::from_secs(1)))),
        ),
        (
            "advance outside",
            OUTSIDE,
            "in its context",
            Box::new(|| assert!(poll_once(pin!(time::advance(Duration::from_secs(1)))).is_ready())),
        ),
    ]);
}

#[test]
fn what_outlives_its_runtime_says_so() {
    let sentence = "A Tokio 1.x context was found, but it is being shutdown.";
    let sleeping = |register: bool| {
        let rt = Builder::new_current_thread().enable_all().build().unwrap();
        let entered = rt.enter();
        let mut late = Box::pin(sleep(Duration::from_secs(3600)));
        drop(entered);
        if register {
            assert!(poll_once(late.as_mut()).is_pending());
        }
        drop(rt);
        _ = poll_once(late.as_mut());
    };
    all_are_named_without_a_caller(vec![
        ("registered timer", sentence, "as long as", Box::new(move || sleeping(true))),
        ("timer", sentence, "as long as", Box::new(move || sleeping(false))),
    ]);
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    drop(rt);
    let error = bare().block_on(listener.accept()).unwrap_err();
    assert!(is_rt_shutdown_err(&error));
    assert_eq!(error.to_string(), sentence, "an error that people compare, and no panic");
}

#[test]
fn what_is_over_says_so() {
    all_are_named(vec![
        (
            "into_panic",
            "`JoinError` reason is not a panic.",
            "is_panic",
            Box::new(|| {
                let rt = bare();
                let task = rt.spawn(pending::<()>());
                task.abort();
                drop(rt.block_on(task).unwrap_err().into_panic());
            }),
        ),
        (
            "ShutdownRuntime",
            "a spawned task panicked and the runtime is configured to shut down on unhandled panic",
            "Builder::unhandled_panic",
            Box::new(|| {
                let rt = Builder::new_current_thread()
                    .unhandled_panic(UnhandledPanic::ShutdownRuntime)
                    .build()
                    .unwrap();
                rt.spawn(async { panic!("expected") });
                rt.block_on(pending::<()>());
            }),
        ),
        ("task id", "Can't get a task id when not inside a task", "try_id", Box::new(|| _ = task::id())),
    ]);
    all_are_named_without_a_caller(vec![
        (
            "join handle",
            "JoinHandle polled after completion",
            "output",
            Box::new(|| {
                let rt = bare();
                let mut task = rt.spawn(async {});
                rt.block_on(&mut task).unwrap();
                drop(rt.block_on(&mut task));
            }),
        ),
        (
            "oneshot",
            "called after complete",
            "Receiver",
            Box::new(|| {
                let (sender, mut receiver) = oneshot::channel();
                sender.send(()).unwrap();
                bare().block_on(&mut receiver).unwrap();
                drop(bare().block_on(&mut receiver));
            }),
        ),
        (
            "TaskLocalFuture",
            "`TaskLocalFuture` polled after completion",
            "",
            Box::new(|| {
                let mut scope = pin!(KEY.scope(1, async {}));
                assert!(poll_once(scope.as_mut()).is_ready());
                _ = poll_once(scope);
            }),
        ),
        (
            "guards in the wrong order",
            "`EnterGuard` values dropped out of order. Guards returned by `tokio::runtime::Handle::enter()` must be \
             dropped in the reverse order as they were acquired.",
            "",
            Box::new(|| {
                let (one, other) = (bare(), bare());
                let first = one.enter();
                let _second = other.enter();
                drop(first);
            }),
        ),
    ]);
}

task_local! {
    static KEY: u32;
}

#[test]
fn what_has_no_value_says_so() {
    all_are_named(vec![
        (
            "with",
            "cannot access a task-local storage value without setting it first",
            "sync_scope",
            Box::new(|| KEY.with(|_| ())),
        ),
        (
            "get",
            "cannot access a task-local storage value without setting it first",
            "sync_scope",
            Box::new(|| _ = KEY.get()),
        ),
        (
            "scope in with",
            "cannot enter a task-local scope while the task-local storage is borrowed",
            "`with`",
            Box::new(|| KEY.sync_scope(1, || KEY.with(|_| KEY.sync_scope(2, || ())))),
        ),
    ]);
}

#[test]
fn a_buffer_says_what_does_not_fit() {
    all_are_named(vec![
        (
            "initialize_unfilled_to",
            "n overflows remaining",
            "2",
            Box::new(|| _ = ReadBuf::new(&mut [0; 2]).initialize_unfilled_to(3)),
        ),
        (
            "advance",
            "filled overflow",
            "",
            Box::new(|| {
                let mut space = [0; 2];
                let mut buf = ReadBuf::new(&mut space);
                buf.advance(1);
                buf.advance(usize::MAX);
            }),
        ),
        (
            "set_filled",
            "filled must not become larger than initialized",
            "2",
            Box::new(|| ReadBuf::new(&mut [0; 2]).set_filled(3)),
        ),
        (
            "put_slice",
            "buf.len() must fit in remaining(); buf.len() = 3, remaining() = 2",
            "",
            Box::new(|| ReadBuf::new(&mut [0; 2]).put_slice(b"abc")),
        ),
        (
            "unsplit",
            "Unrelated `split::Write` passed to `split::Read::unsplit`.",
            "same stream",
            Box::new(|| {
                let (one, other) = (runtime::io::duplex(8), runtime::io::duplex(8));
                let (read, _) = runtime::io::split(one.0);
                let (_, write) = runtime::io::split(other.0);
                drop(read.unsplit(write));
            }),
        ),
    ]);
}

#[test]
fn a_pool_without_a_thread_says_what_the_system_said() {
    all_are_named(vec![(
        "spawn_blocking",
        "OS can't spawn worker thread: ",
        "spawn_blocking",
        Box::new(|| {
            // More than there are addresses.
            let rt = Builder::new_current_thread().thread_stack_size(1 << 50).build().unwrap();
            drop(rt.spawn_blocking(|| ()));
        }),
    )]);
}
