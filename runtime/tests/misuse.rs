//! Misuse is named, with its cure, and blamed on the caller's line.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::Command;
use std::sync::Once;
use std::time::Duration;

use runtime::net::{TcpListener, TcpStream};
use runtime::runtime::{Builder, Handle, LocalRuntime, Runtime};
use runtime::task;
use runtime::time::sleep;

thread_local!(static BLAMED: RefCell<String> = const { RefCell::new(String::new()) });

/// The message of the panic that `f` ends with, and the file that it blames.
fn panic_of(f: impl FnOnce()) -> (String, String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let file = info.location().map(Location::file).unwrap_or_default().to_owned();
            BLAMED.with(|blamed| *blamed.borrow_mut() = file);
            previous(info);
        }));
    });
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it is misuse");
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    (message.expect("a text"), BLAMED.with(RefCell::take))
}

/// What is done, what its message names, and the cure that it names.
type Case = (&'static str, &'static str, &'static str, Box<dyn FnOnce()>);

fn all_are_named(cases: Vec<Case>) {
    for (case, mistake, cure, f) in cases {
        let (message, file) = panic_of(f);
        assert!(message.contains(mistake), "{case}: {message}");
        assert!(message.contains(cure), "{case}: {message}");
        assert_eq!(file, file!(), "{case}: {message}");
    }
}

fn bare() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

#[test]
fn what_needs_a_runtime_says_so() {
    let (mistake, cure) = ("the context of a runtime", "Handle::enter");
    all_are_named(vec![
        ("spawn", mistake, cure, Box::new(|| drop(runtime::spawn(async {})))),
        ("spawn_blocking", mistake, cure, Box::new(|| drop(task::spawn_blocking(|| ())))),
        ("current", mistake, cure, Box::new(|| drop(Handle::current()))),
        ("sleep", mistake, cure, Box::new(|| drop(sleep(Duration::from_secs(1))))),
        ("Builder::spawn", mistake, cure, Box::new(|| drop(task::Builder::new().spawn(async {})))),
        ("JoinSet::spawn", mistake, cure, Box::new(|| drop(task::JoinSet::new().spawn(async {})))),
        ("spawn_local", "spawn_local", "LocalSet", Box::new(|| drop(task::spawn_local(async {})))),
    ]);
    assert!(Handle::try_current().unwrap_err().is_missing_context());
}

#[test]
fn what_needs_a_driver_says_which() {
    all_are_named(vec![
        (
            "sleep",
            "time driver",
            "enable_time",
            Box::new(|| bare().block_on(async { sleep(Duration::ZERO).await })),
        ),
        (
            "listener",
            "I/O driver",
            "enable_io",
            Box::new(|| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                listener.set_nonblocking(true).unwrap();
                bare().block_on(async { drop(TcpListener::from_std(listener)) });
            }),
        ),
        (
            "stream",
            "I/O driver",
            "enable_io",
            Box::new(|| {
                let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
                let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                stream.set_nonblocking(true).unwrap();
                bare().block_on(async { drop(TcpStream::from_std(stream)) });
            }),
        ),
    ]);
}

#[test]
fn what_would_block_a_worker_says_what_to_do() {
    all_are_named(vec![
        (
            "block_on inside block_on",
            "from within a runtime",
            "spawn_blocking",
            Box::new(|| bare().block_on(async { bare().block_on(async {}) })),
        ),
        (
            "Handle::block_on inside block_on",
            "from within a runtime",
            "spawn_blocking",
            Box::new(|| bare().block_on(async { Handle::current().block_on(async {}) })),
        ),
        (
            "LocalRuntime inside block_on",
            "from within a runtime",
            "spawn_blocking",
            Box::new(|| bare().block_on(async { LocalRuntime::new().unwrap().block_on(async {}) })),
        ),
        (
            "block_in_place on one thread",
            "current_thread runtime",
            "spawn_blocking",
            Box::new(|| bare().block_on(async { task::block_in_place(|| ()) })),
        ),
    ]);
    // A drop has no caller to blame.
    let (message, _) = panic_of(|| bare().block_on(async { drop(Runtime::new().unwrap()) }));
    assert!(message.contains("drop") && message.contains("shutdown_background"), "{message}");
}

#[test]
fn a_knob_at_zero_is_named() {
    fn builder() -> Builder {
        Builder::new_multi_thread()
    }
    type Knob = (&'static str, fn());
    let knobs: [Knob; 6] = [
        ("worker_threads", || _ = builder().worker_threads(0)),
        ("max_blocking_threads", || _ = builder().max_blocking_threads(0)),
        ("global_queue_interval", || _ = builder().global_queue_interval(0)),
        ("event_interval", || _ = builder().event_interval(0)),
        ("max_io_events_per_tick", || _ = builder().max_io_events_per_tick(0)),
        ("metrics_poll_count_histogram_resolution", || {
            #[allow(deprecated, reason = "misuse of it is to be named, too")]
            builder().metrics_poll_count_histogram_resolution(Duration::ZERO);
        }),
    ];
    for (name, set) in knobs {
        let (message, file) = panic_of(set);
        let said = message.contains(name) || name.ends_with("resolution") && message.contains("resolution");
        assert!(said, "{name}: {message}");
        assert!(message.contains("at least 1") || message.contains("more than zero"), "{name}: {message}");
        assert_eq!(file, file!(), "{name}");
    }
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
