//! Misuse is named, by Tokio's sentence and then with its cure, and blamed on the caller's line.

mod support;

use std::cell::RefCell;
use std::future::pending;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use runtime::net::{TcpListener, TcpStream};
use runtime::runtime::{Builder, Handle, LocalOptions, LocalRuntime, LogHistogram, Runtime, UnhandledPanic};
use runtime::sync::oneshot;
use runtime::task::{self, LocalSet};
use runtime::time::{self, sleep};
use support::misuse::{all_are_named, all_are_named_without_a_caller, panic_of};

fn bare() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

fn multi() -> Builder {
    Builder::new_multi_thread()
}

#[test]
fn what_needs_a_runtime_says_so() {
    let sentence = "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
    let cure = "Handle::enter";
    all_are_named(vec![
        ("spawn", sentence, cure, Box::new(|| drop(runtime::spawn(async {})))),
        ("spawn_blocking", sentence, cure, Box::new(|| drop(task::spawn_blocking(|| ())))),
        ("current", sentence, cure, Box::new(|| drop(Handle::current()))),
        ("sleep", sentence, cure, Box::new(|| drop(sleep(Duration::from_secs(1))))),
        ("timeout", sentence, cure, Box::new(|| drop(time::timeout(Duration::from_secs(1), async {})))),
        ("interval", sentence, cure, Box::new(|| drop(time::interval(Duration::from_secs(1))))),
        ("Builder::spawn", sentence, cure, Box::new(|| drop(task::Builder::new().spawn(async {})))),
        ("JoinSet::spawn", sentence, cure, Box::new(|| drop(task::JoinSet::new().spawn(async {})))),
        ("from_std", sentence, cure, Box::new(|| drop(TcpListener::from_std(nonblocking_listener())))),
        (
            "spawn_local",
            "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`",
            "LocalSet::run_until",
            Box::new(|| drop(task::spawn_local(async {}))),
        ),
        (
            "spawn_local on another thread",
            "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on",
            "`spawn`",
            Box::new(|| {
                let rt = LocalRuntime::new().unwrap();
                let handle = rt.handle().clone();
                let there = thread::spawn(move || {
                    let _entered = handle.enter();
                    panic_of(|| drop(task::spawn_local(async {})))
                });
                // Blamed here, for the hook is the thread's.
                let (message, file) = there.join().unwrap();
                assert_eq!(file, file!());
                panic!("{message}");
            }),
        ),
    ]);
    let error = Handle::try_current().unwrap_err();
    assert!(error.is_missing_context());
    assert!(error.to_string().starts_with(sentence), "{error}");
}

fn nonblocking_listener() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// The thread's own storage is torn down in the order of its making, so the runtime's goes before this one's.
#[test]
fn a_thread_that_ends_has_no_runtime_any_more() {
    struct AtEnd(mpsc::Sender<(String, String)>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            self.0.send(panic_of(|| drop(Handle::current()))).unwrap();
            self.0.send(panic_of(|| drop(bare().enter()))).unwrap();
        }
    }
    thread_local!(static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) });
    let (told, tells) = mpsc::channel();
    thread::spawn(move || {
        AT_END.set(Some(AtEnd(told)));
        drop(Handle::try_current());
    });
    for _ in 0..2 {
        let (message, file) = tells.recv_timeout(support::LOST).unwrap();
        let sentence = "The Tokio context thread-local variable has been destroyed.";
        assert!(message.starts_with(sentence) && message.contains("thread is ending"), "{message}");
        assert_eq!(file, file!());
    }
}

#[test]
fn what_needs_a_driver_says_which() {
    let io = "A Tokio 1.x context was found, but IO is disabled. Call `enable_io` on the runtime builder to enable IO.";
    let timers = "A Tokio 1.x context was found, but timers are disabled. Call `enable_time` on the runtime builder to \
                  enable timers.";
    let cure = "`enable_all`";
    all_are_named(vec![
        ("sleep", timers, cure, Box::new(|| bare().block_on(async { sleep(Duration::ZERO).await }))),
        (
            "timeout",
            timers,
            cure,
            Box::new(|| bare().block_on(async { drop(time::timeout(Duration::ZERO, async {})) })),
        ),
        (
            "interval",
            timers,
            cure,
            Box::new(|| bare().block_on(async { drop(time::interval(Duration::from_secs(1))) })),
        ),
        (
            "listener",
            io,
            cure,
            Box::new(|| bare().block_on(async { drop(TcpListener::from_std(nonblocking_listener())) })),
        ),
        (
            "stream",
            io,
            cure,
            Box::new(|| {
                let listener = nonblocking_listener();
                let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                stream.set_nonblocking(true).unwrap();
                bare().block_on(async { drop(TcpStream::from_std(stream)) });
            }),
        ),
    ]);
}

/// A debug build's check.
#[cfg(debug_assertions)]
#[test]
fn a_socket_that_blocks_is_refused() {
    let sentence = "Registering a blocking socket with the tokio runtime is unsupported.";
    all_are_named(vec![
        (
            "listener",
            sentence,
            "set_nonblocking",
            Box::new(|| {
                let rt = Builder::new_current_thread().enable_io().build().unwrap();
                let _entered = rt.enter();
                drop(TcpListener::from_std(std::net::TcpListener::bind("127.0.0.1:0").unwrap()));
            }),
        ),
        (
            "stream",
            sentence,
            "set_nonblocking",
            Box::new(|| {
                let rt = Builder::new_current_thread().enable_io().build().unwrap();
                let _entered = rt.enter();
                let address = nonblocking_listener().local_addr().unwrap();
                let listener = std::net::TcpListener::bind((address.ip(), 0)).unwrap();
                let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                drop(TcpStream::from_std(stream));
            }),
        ),
    ]);
}

#[test]
fn what_would_block_a_worker_says_what_to_do() {
    let nested = "Cannot start a runtime from within a runtime. This happens because a function (like `block_on`) \
                  attempted to block the current thread while the thread is being used to drive asynchronous tasks. If \
                  you are in an async function, use `.await` on the future instead of blocking on it.";
    all_are_named(vec![
        (
            "block_on inside block_on",
            nested,
            "spawn_blocking",
            Box::new(|| bare().block_on(async { bare().block_on(async {}) })),
        ),
        (
            "Handle::block_on inside block_on",
            nested,
            "spawn_blocking",
            Box::new(|| bare().block_on(async { Handle::current().block_on(async {}) })),
        ),
        (
            "LocalRuntime inside block_on",
            nested,
            "spawn_blocking",
            Box::new(|| bare().block_on(async { LocalRuntime::new().unwrap().block_on(async {}) })),
        ),
        (
            "LocalSet inside block_on",
            nested,
            "spawn_blocking",
            Box::new(|| bare().block_on(async { LocalSet::new().block_on(&bare(), async {}) })),
        ),
        (
            "blocking_recv",
            "Cannot block the current thread from within a runtime. This happens because a function attempted to block \
             the current thread while the thread is being used to drive asynchronous tasks.",
            "spawn_blocking",
            Box::new(|| bare().block_on(async { drop(oneshot::channel::<()>().1.blocking_recv()) })),
        ),
        (
            "block_in_place on one thread",
            "can call blocking only when running on the multi-threaded runtime",
            "spawn_blocking",
            Box::new(|| bare().block_on(async { task::block_in_place(|| ()) })),
        ),
        (
            "shutdown_timeout in block_on",
            IN_ASYNC_CODE,
            "shutdown_background",
            Box::new(|| {
                let rt = bare();
                bare().block_on(async { rt.shutdown_timeout(Duration::from_secs(1)) });
            }),
        ),
    ]);
    all_are_named_without_a_caller(vec![(
        "drop in block_on",
        IN_ASYNC_CODE,
        "shutdown_background",
        Box::new(|| bare().block_on(async { drop(Runtime::new().unwrap()) })),
    )]);
}

const IN_ASYNC_CODE: &str = "Cannot drop a runtime in a context where blocking is not allowed. This happens when a \
                             runtime is dropped from within an asynchronous context.";

#[test]
fn a_builder_names_what_it_refuses() {
    all_are_named(vec![
        (
            "worker_threads",
            "Worker threads cannot be set to 0",
            "each core",
            Box::new(|| _ = multi().worker_threads(0)),
        ),
        (
            "max_blocking_threads",
            "Max blocking threads cannot be set to 0",
            "512",
            Box::new(|| _ = multi().max_blocking_threads(0)),
        ),
        (
            "global_queue_interval",
            "global_queue_interval must be greater than 0",
            "61",
            Box::new(|| _ = multi().global_queue_interval(0)),
        ),
        (
            "event_interval",
            "event_interval must be greater than 0",
            "61",
            Box::new(|| _ = multi().event_interval(0)),
        ),
        (
            "max_io_events_per_tick",
            "max_io_events_per_tick must be non-zero",
            "1024",
            Box::new(|| _ = multi().max_io_events_per_tick(0)),
        ),
        (
            "max_io_events_per_busy_tick",
            "max_io_events_per_busy_tick must be non-zero",
            "max_io_events_per_tick",
            Box::new(|| _ = multi().max_io_events_per_busy_tick(0)),
        ),
        ("name", "runtime name shouldn't be empty", "leave it out", Box::new(|| _ = multi().name(" \t"))),
        (
            "unhandled_panic",
            "UnhandledPanic::ShutdownRuntime is only supported in current thread runtime",
            "Builder::new_current_thread",
            Box::new(|| _ = multi().unhandled_panic(UnhandledPanic::ShutdownRuntime)),
        ),
        (
            "build_local",
            "multi_thread is not supported for LocalRuntime",
            "Builder::new_current_thread",
            Box::new(|| drop(multi().build_local(LocalOptions::default()))),
        ),
        (
            "start_paused",
            "`time::pause()` requires the `current_thread` Tokio runtime.",
            "start_paused",
            Box::new(|| drop(multi().start_paused(true).build())),
        ),
        (
            "resolution of nothing",
            "",
            "more than zero",
            Box::new(|| {
                #[allow(deprecated, reason = "misuse of it is to be named, too")]
                let _ = multi().metrics_poll_count_histogram_resolution(Duration::ZERO);
            }),
        ),
        (
            "max_error",
            "max_error must be greater than 0",
            "0.25",
            Box::new(|| _ = LogHistogram::builder().max_error(0.0)),
        ),
        (
            "max_error",
            "max_error must be less than 1",
            "0.25",
            Box::new(|| _ = LogHistogram::builder().max_error(1.0)),
        ),
        (
            "precision_exact",
            "precision must be <= 10",
            "2^-10",
            Box::new(|| _ = LogHistogram::builder().precision_exact(11)),
        ),
        (
            "max_value",
            "max value must be greater than 0",
            "60 seconds",
            Box::new(|| _ = LogHistogram::builder().max_value(Duration::ZERO)),
        ),
    ]);
}

#[test]
fn a_buffer_without_room_is_refused() {
    use runtime::io::*;
    let capacity = "capacity must be greater than zero";
    let pipe = "`max_buf_size` must be greater than 0";
    let cure = "give it";
    all_are_named(vec![
        ("BufReader", capacity, cure, Box::new(|| drop(BufReader::with_capacity(0, empty())))),
        ("BufStream", capacity, cure, Box::new(|| drop(BufStream::with_capacity(0, 1, empty())))),
        ("duplex", pipe, cure, Box::new(|| drop(duplex(0)))),
        ("simplex", pipe, cure, Box::new(|| drop(simplex(0)))),
        ("new_unsplit", pipe, cure, Box::new(|| drop(SimplexStream::new_unsplit(0)))),
        (
            "a to b",
            "`a_to_b_buf_size` must be greater than 0",
            cure,
            Box::new(|| drop(copy_bidirectional_with_sizes(&mut empty(), &mut empty(), 0, 1))),
        ),
        (
            "b to a, in a task",
            "`b_to_a_buf_size` must be greater than 0",
            cure,
            Box::new(|| {
                let copy = async { copy_bidirectional_with_sizes(&mut empty(), &mut empty(), 1, 0).await };
                bare().block_on(copy).unwrap();
            }),
        ),
    ]);
    // Without a buffer for writing, each write goes past it.
    let mut writer = BufWriter::with_capacity(0, Vec::new());
    bare().block_on(writer.write_all(b"all of it")).unwrap();
    assert_eq!(writer.get_ref(), b"all of it");
    drop(BufStream::with_capacity(1, 0, empty()));
}

/// Where not all of its threads fit, a runtime is an error that leaves nothing, and not an abort.
#[test]
fn workers_of_which_some_cannot_be_started_end_again() {
    const STACK: usize = 1 << 30;
    if std::env::var_os("MISUSE_FEW_THREADS").is_none() {
        let me = std::env::current_exe().unwrap();
        let child = Command::new("sh")
            // 6 GiB of addresses: room for some stacks of one, and not for 32.
            .args(["-c", "ulimit -v 6291456 && exec \"$0\" \"$@\""])
            .arg(me)
            .args(["--exact", "workers_of_which_some_cannot_be_started_end_again", "--nocapture"])
            .env("MISUSE_FEW_THREADS", "1")
            .output()
            .unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        assert!(child.status.success(), "{said}");
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let files = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let build = |workers| {
        Builder::new_multi_thread().worker_threads(workers).thread_stack_size(STACK).enable_all().build()
    };
    let two = build(2).expect("two fit");
    drop(two);
    let (threads_before, files_before) = (threads(), files());
    for _ in 0..20 {
        let error = build(32).expect_err("32 do not fit");
        assert!(error.raw_os_error().is_some(), "what the system said: {error}");
    }
    // Nothing else runs in this process.
    assert_eq!((threads(), files()), (threads_before, files_before));
    // And what was given back can be had again.
    let task = build(2).expect("two fit still").spawn(pending::<()>());
    drop(task);
}
