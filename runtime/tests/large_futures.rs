//! Large futures and closures on small stacks, in builds without optimisations too: whatever takes one keeps no more than
//! one copy of it in its stack frames.
//!
//! A stack that overflows ends the process, so each entry point is called in a process of its own.

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use runtime::runtime::{Builder, LocalOptions, LocalRuntime, Runtime};
use runtime::task::{self, JoinSet, LocalSet, coop};
use runtime::time::{Instant, timeout, timeout_at};

const KIB: usize = 1024;
/// What a thread of Rust's has, and a worker.
const STACK: usize = 2048 * KIB;
/// There is room for two on the stack: the caller's, and the one that is on its way into a box.
const LARGE: usize = 900 * KIB;
/// Room for three: a closure and the array that it captures are two before they are passed on.
const CLOSURE: usize = 600 * KIB;
/// A future that becomes a part of another one is copied when that is made, when it is returned, and into a box: at least
/// as much goes through here as through the same functions of Tokio's.
const NESTED: usize = 320 * KIB;

/// The environment of a child names the entry point that it is to call.
const ENTRY: &str = "RUNTIME_TEST_ENTRY";

/// Evaluates to a future in its place, where a function would have returned a copy.
macro_rules! future {
    ($size:expr) => {
        async {
            let ballast = [1_u8; $size];
            task::yield_now().await;
            black_box(&ballast).len()
        }
    };
}

macro_rules! closure {
    () => {{
        let ballast = [1_u8; CLOSURE];
        move || black_box(&ballast).len()
    }};
}

fn multi() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn local() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap()
}

fn join(rt: &Runtime, mut set: JoinSet<usize>, size: usize) {
    assert_eq!(rt.block_on(set.join_next()).unwrap().unwrap(), size);
}

fn join_in(rt: &Runtime, local: &LocalSet, mut set: JoinSet<usize>) {
    assert_eq!(local.block_on(rt, set.join_next()).unwrap().unwrap(), LARGE);
}

/// The entry points by name. Each is in a function, and so has a frame, of its own.
const ENTRIES: &[(&str, fn())] = &[
    ("Runtime::spawn", || {
        let rt = multi();
        assert_eq!(rt.block_on(rt.spawn(future!(LARGE))).unwrap(), LARGE);
    }),
    ("Handle::spawn", || {
        let rt = current();
        assert_eq!(rt.block_on(rt.handle().spawn(future!(LARGE))).unwrap(), LARGE);
    }),
    ("task::spawn", || {
        let rt = multi();
        let _entered = rt.enter();
        assert_eq!(rt.block_on(task::spawn(future!(LARGE))).unwrap(), LARGE);
    }),
    ("Builder::spawn", || {
        let rt = multi();
        let _entered = rt.enter();
        let task = task::Builder::new().name("large").spawn(future!(LARGE)).unwrap();
        assert_eq!(rt.block_on(task).unwrap(), LARGE);
    }),
    ("Builder::spawn_on", || {
        let rt = multi();
        let task = task::Builder::new().spawn_on(future!(LARGE), rt.handle()).unwrap();
        assert_eq!(rt.block_on(task).unwrap(), LARGE);
    }),
    ("Builder::spawn_local", || {
        let rt = local();
        let _entered = rt.enter();
        let task = task::Builder::new().spawn_local(future!(LARGE)).unwrap();
        assert_eq!(rt.block_on(task).unwrap(), LARGE);
    }),
    ("Builder::spawn_local_on", || {
        let (rt, set) = (current(), LocalSet::new());
        let task = task::Builder::new().spawn_local_on(future!(LARGE), &set).unwrap();
        assert_eq!(set.block_on(&rt, task).unwrap(), LARGE);
    }),
    ("LocalRuntime::spawn_local", || {
        let rt = local();
        assert_eq!(rt.block_on(rt.spawn_local(future!(LARGE))).unwrap(), LARGE);
    }),
    ("task::spawn_local on a LocalRuntime", || {
        let rt = local();
        let _entered = rt.enter();
        assert_eq!(rt.block_on(task::spawn_local(future!(LARGE))).unwrap(), LARGE);
    }),
    ("task::spawn_local in a LocalSet", || {
        let (rt, set) = (current(), LocalSet::new());
        let _entered = set.enter();
        assert_eq!(set.block_on(&rt, task::spawn_local(future!(LARGE))).unwrap(), LARGE);
    }),
    ("LocalSet::spawn_local", || {
        let (rt, set) = (current(), LocalSet::new());
        assert_eq!(set.block_on(&rt, set.spawn_local(future!(LARGE))).unwrap(), LARGE);
    }),
    ("JoinSet::spawn", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        let _entered = rt.enter();
        set.spawn(future!(LARGE));
        join(&rt, set, LARGE);
    }),
    ("JoinSet::spawn_on", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        set.spawn_on(future!(LARGE), rt.handle());
        join(&rt, set, LARGE);
    }),
    ("JoinSet::spawn_local", || {
        let (rt, local, mut set) = (current(), LocalSet::new(), JoinSet::new());
        let _entered = local.enter();
        set.spawn_local(future!(LARGE));
        join_in(&rt, &local, set);
    }),
    ("JoinSet::spawn_local_on", || {
        let (rt, local, mut set) = (current(), LocalSet::new(), JoinSet::new());
        set.spawn_local_on(future!(LARGE), &local);
        join_in(&rt, &local, set);
    }),
    ("join_set::Builder::spawn", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        let _entered = rt.enter();
        set.build_task().name("large").spawn(future!(LARGE)).unwrap();
        join(&rt, set, LARGE);
    }),
    ("join_set::Builder::spawn_on", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        set.build_task().spawn_on(future!(LARGE), rt.handle()).unwrap();
        join(&rt, set, LARGE);
    }),
    ("join_set::Builder::spawn_local", || {
        let (rt, local, mut set) = (current(), LocalSet::new(), JoinSet::new());
        let _entered = local.enter();
        set.build_task().spawn_local(future!(LARGE)).unwrap();
        join_in(&rt, &local, set);
    }),
    ("join_set::Builder::spawn_local_on", || {
        let (rt, local, mut set) = (current(), LocalSet::new(), JoinSet::new());
        set.build_task().spawn_local_on(future!(LARGE), &local).unwrap();
        join_in(&rt, &local, set);
    }),
    ("Runtime::block_on of multi_thread", || {
        assert_eq!(multi().block_on(future!(LARGE)), LARGE);
    }),
    ("Runtime::block_on of current_thread", || {
        assert_eq!(current().block_on(future!(LARGE)), LARGE);
    }),
    ("LocalRuntime::block_on", || {
        assert_eq!(local().block_on(future!(LARGE)), LARGE);
    }),
    ("Handle::block_on", || {
        assert_eq!(multi().handle().block_on(future!(LARGE)), LARGE);
    }),
    ("LocalSet::block_on", || {
        assert_eq!(LocalSet::new().block_on(&current(), future!(LARGE)), LARGE);
    }),
    ("LocalSet::run_until", || {
        let (rt, set) = (current(), LocalSet::new());
        assert_eq!(rt.block_on(set.run_until(future!(NESTED))), NESTED);
    }),
    ("Runtime::spawn_blocking", || {
        let rt = multi();
        assert_eq!(rt.block_on(rt.spawn_blocking(closure!())).unwrap(), CLOSURE);
    }),
    ("LocalRuntime::spawn_blocking", || {
        let rt = local();
        assert_eq!(rt.block_on(rt.spawn_blocking(closure!())).unwrap(), CLOSURE);
    }),
    ("Handle::spawn_blocking", || {
        let rt = multi();
        assert_eq!(rt.block_on(rt.handle().spawn_blocking(closure!())).unwrap(), CLOSURE);
    }),
    ("task::spawn_blocking", || {
        let rt = multi();
        let _entered = rt.enter();
        assert_eq!(rt.block_on(task::spawn_blocking(closure!())).unwrap(), CLOSURE);
    }),
    ("Builder::spawn_blocking", || {
        let rt = multi();
        let _entered = rt.enter();
        let job = task::Builder::new().name("large").spawn_blocking(closure!()).unwrap();
        assert_eq!(rt.block_on(job).unwrap(), CLOSURE);
    }),
    ("Builder::spawn_blocking_on", || {
        let rt = multi();
        let job = task::Builder::new().spawn_blocking_on(closure!(), rt.handle()).unwrap();
        assert_eq!(rt.block_on(job).unwrap(), CLOSURE);
    }),
    ("JoinSet::spawn_blocking", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        let _entered = rt.enter();
        set.spawn_blocking(closure!());
        join(&rt, set, CLOSURE);
    }),
    ("JoinSet::spawn_blocking_on", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        set.spawn_blocking_on(closure!(), rt.handle());
        join(&rt, set, CLOSURE);
    }),
    ("join_set::Builder::spawn_blocking", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        let _entered = rt.enter();
        set.build_task().spawn_blocking(closure!()).unwrap();
        join(&rt, set, CLOSURE);
    }),
    ("join_set::Builder::spawn_blocking_on", || {
        let (rt, mut set) = (multi(), JoinSet::new());
        set.build_task().spawn_blocking_on(closure!(), rt.handle()).unwrap();
        join(&rt, set, CLOSURE);
    }),
    ("block_in_place outside of a runtime", || {
        assert_eq!(task::block_in_place(closure!()), CLOSURE);
    }),
    ("block_in_place on a worker", || {
        fn blocks() -> usize {
            task::block_in_place(closure!())
        }
        let rt = multi();
        assert_eq!(rt.block_on(rt.spawn(async { blocks() })).unwrap(), CLOSURE);
    }),
    ("timeout", || {
        let rt = current();
        let _entered = rt.enter();
        assert_eq!(rt.block_on(timeout(Duration::from_secs(60), future!(NESTED))).unwrap(), NESTED);
    }),
    ("timeout_at", || {
        let rt = current();
        let _entered = rt.enter();
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(rt.block_on(timeout_at(deadline, future!(NESTED))).unwrap(), NESTED);
    }),
    ("coop::unconstrained", || {
        assert_eq!(current().block_on(coop::unconstrained(future!(NESTED))), NESTED);
    }),
    ("coop::cooperative", || {
        assert_eq!(current().block_on(coop::cooperative(future!(NESTED))), NESTED);
    }),
];

/// Whether a child has come through, and what it said if not.
fn call_in_child(entry: &str) -> Result<(), String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_calls_one_entry_point", "--nocapture"])
        .env(ENTRY, entry)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).contains("<came through>");
    if output.status.success() && said {
        return Ok(());
    }
    Err(format!("{entry}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

#[test]
fn large_futures_and_closures_fit_a_stack_of_two_mebibytes() {
    let failed: Vec<_> = ENTRIES.iter().filter_map(|(entry, _)| call_in_child(entry).err()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Without this, the test above could not fail.
#[test]
fn a_stack_that_overflows_is_seen() {
    let said = call_in_child("overflow").unwrap_err();
    assert!(said.contains("overflowed its stack"), "{said}");
}

/// For the tests above; in a process of its own.
#[test]
fn the_child_calls_one_entry_point() {
    let Ok(name) = std::env::var(ENTRY) else { return };
    let overflow: fn() = || {
        fn deep(calls: usize) -> usize {
            let ballast = [1_u8; LARGE];
            let below = if calls == 0 { 0 } else { deep(calls - 1) };
            below + black_box(&ballast).len()
        }
        black_box(deep(3));
    };
    let entry = ENTRIES.iter().find(|(entry, _)| *entry == name).map_or(overflow, |(_, call)| *call);
    std::thread::Builder::new().stack_size(STACK).spawn(entry).unwrap().join().unwrap();
    println!("<came through>");
}
