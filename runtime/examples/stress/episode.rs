//! One runtime's life: built at random, loaded at random, ended at random.
//!
//! Next file to read: `ledger.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::thread;
use std::time::Duration;

use runtime::runtime::{Builder, Handle, LocalOptions, LocalRuntime, Runtime};
use runtime::sync::oneshot;
use runtime::task::{JoinHandle, LocalSet, yield_now};
use runtime::time;

use crate::acts;
use crate::ctx::{Clock, Ctx, Home, Land, expect_done};
use crate::foreign::{Foreign, dawdle, wait_for};
use crate::lateness::{self, Observer};
use crate::ledger::{self, Ledger, Totals};

#[derive(Clone, Copy)]
pub(crate) struct Flavour {
    pub(crate) name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Current,
    Multi(usize),
    Local,
    /// A `LocalSet` on one of the other flavours.
    Set,
    /// On one thread, with a clock that stands.
    Paused,
    /// Any of the others but the last one, with long polls and a record of lateness.
    Late,
}

pub(crate) const FLAVOURS: [Flavour; 8] = [
    Flavour { name: "current", kind: Kind::Current },
    Flavour { name: "multi1", kind: Kind::Multi(1) },
    Flavour { name: "multi2", kind: Kind::Multi(2) },
    Flavour { name: "multi4", kind: Kind::Multi(4) },
    Flavour { name: "local", kind: Kind::Local },
    Flavour { name: "set", kind: Kind::Set },
    Flavour { name: "paused", kind: Kind::Paused },
    Flavour { name: "late", kind: Kind::Late },
];

/// A runtime, on whatever threads.
enum Built {
    Shared(Runtime),
    Local(LocalRuntime),
}

impl Built {
    fn new(kind: Kind, clock: Clock, rng: &mut fastrand::Rng) -> Self {
        let mut builder = match kind {
            Kind::Multi(workers) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
            _ => Builder::new_current_thread(),
        };
        settle_on(&mut builder, rng);
        if clock != Clock::Real {
            builder.start_paused(true);
        }
        match kind {
            Kind::Local => {
                Self::Local(builder.build_local(LocalOptions::default()).expect("it can be built"))
            }
            _ => Self::Shared(builder.build().expect("it can be built")),
        }
    }

    fn handle(&self) -> &Handle {
        match self {
            Self::Shared(runtime) => runtime.handle(),
            Self::Local(runtime) => runtime.handle(),
        }
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        match self {
            Self::Shared(runtime) => runtime.block_on(future),
            Self::Local(runtime) => runtime.block_on(future),
        }
    }

    fn end(self, rng: &mut fastrand::Rng) {
        let (short, long) = (Duration::from_micros(rng.u64(..3000)), Duration::from_secs(3600));
        let way = rng.u32(..5);
        match self {
            Self::Local(runtime) => match way {
                0 => runtime.shutdown_background(),
                1 => runtime.shutdown_timeout(short),
                2 => assert!(runtime.shutdown_timeout_report(long).is_complete()),
                _ => drop(runtime),
            },
            Self::Shared(runtime) => match way {
                0 => runtime.shutdown_background(),
                1 => runtime.shutdown_timeout(short),
                2 => assert!(runtime.shutdown_timeout_report(long).is_complete()),
                3 => drop(runtime),
                _ => thread::spawn(move || drop(runtime)).join().expect("a runtime's drop does not panic"),
            },
        }
    }
}

fn settle_on(builder: &mut Builder, rng: &mut fastrand::Rng) {
    builder.enable_all().max_blocking_threads(1 + rng.usize(..4));
    if rng.bool() {
        builder.disable_lifo_slot();
    }
    if rng.bool() {
        builder.event_interval(1 + rng.u32(..64)).global_queue_interval(1 + rng.u32(..64));
    }
    if rng.bool() {
        builder.idle_spin(Duration::from_micros(rng.u64(..50)));
    }
    if rng.bool() {
        builder.thread_keep_alive(Duration::from_micros(rng.u64(..2000)));
    }
    if rng.bool() {
        builder.enable_eager_driver_handoff();
    }
    if rng.bool() {
        builder.enable_sharded_blocking_queue();
    }
    if rng.bool() {
        builder.max_io_events_per_tick(1 + rng.usize(..8));
    }
}

/// Runs one, and ends the process if it breaks a promise.
pub(crate) fn run(
    flavour: &Flavour,
    number: u64,
    rng: &mut fastrand::Rng,
    patience: Duration,
    totals: &mut Totals,
) {
    let (kind, clock, set) = match flavour.kind {
        Kind::Late => return run_late(number, rng, totals),
        Kind::Set => {
            let kinds = [Kind::Current, Kind::Multi(1), Kind::Multi(2), Kind::Multi(4)];
            (kinds[rng.usize(..4)], Clock::Real, Some(LocalSet::new()))
        }
        Kind::Paused => {
            let clocks = [Clock::Exact, Clock::Advanced, Clock::Resumed];
            ([Kind::Current, Kind::Local][rng.usize(..2)], clocks[rng.usize(..3)], None)
        }
        kind => (kind, Clock::Real, None),
    };
    let runtime = Built::new(kind, clock, rng);
    let home = match (&set, kind) {
        (Some(_), _) => Home::Set,
        (None, Kind::Local) => Home::Runtime,
        _ => Home::None,
    };
    let ledger = Ledger::new(format!("episode {number}, {}", flavour.name), runtime.handle());
    let threads = 1 + rng.usize(..3);
    let foreign = Foreign::start(rng, threads);
    let (has_workers, takes_sets) = (matches!(kind, Kind::Multi(_)), !matches!(kind, Kind::Local));
    let land = Land { has_workers, takes_sets, clock };
    let ctx = Ctx::new(ledger.clone(), foreign.post(), rng.fork(), land, home);

    let intruders: Vec<_> =
        (0..rng.usize(..3)).map(|_| intrude(runtime.handle().clone(), ctx.fork(rng))).collect();
    // What is waited for inside, and what is left to the shutdown.
    let (awaited, left) = (rng.usize(..40), rng.usize(..20));
    let handles = drive(&runtime, set.as_ref(), ctx, (awaited, left), rng);

    dawdle(rng);
    ledger.close();
    match set {
        // Before the runtime, inside of it, or after it.
        Some(set) => match rng.u32(..3) {
            0 => {
                drop(set);
                runtime.end(rng);
            }
            1 => {
                let entered = runtime.handle().enter();
                drop(set);
                drop(entered);
                runtime.end(rng);
            }
            _ => {
                runtime.end(rng);
                drop(set);
            }
        },
        None => runtime.end(rng),
    }

    ledger.stage("waiting for the handles that were kept");
    for handle in handles {
        // A result or an error: after the shutdown each handle has one.
        let _ = wait_for(handle);
        ledger::moved();
    }
    ledger.stage("waiting for foreign threads");
    for intruder in intruders {
        intruder.join().expect("spawning from outside does not panic");
    }
    // The tasks had posts; once they are dropped, the threads end.
    ledger.settle(patience, totals);
    ledger.stage("ending the foreign threads");
    foreign.end();
}

/// Runs one that keeps a record of lateness, and ends the process if something comes late without an excuse.
fn run_late(number: u64, rng: &mut fastrand::Rng, totals: &mut Totals) {
    let kind = match rng.u32(..8) {
        0 => Kind::Current,
        1 => Kind::Local,
        _ => Kind::Multi([1, 2, 2, 3, 4, 8, 64][rng.usize(..7)]),
    };
    let runtime = Built::new(kind, Clock::Real, rng);
    let (observer, thread) =
        Observer::start(format!("episode {number}, late, {kind:?}"), runtime.handle().metrics());
    let root = lateness::root(observer.clone(), rng.fork());
    match (&runtime, rng.u32(..3)) {
        (Built::Shared(runtime), 0) => {
            runtime.block_on(runtime.spawn(root)).expect("the root does not panic");
        }
        (Built::Shared(runtime), 1) => LocalSet::new().block_on(runtime, root),
        _ => runtime.block_on(root),
    }
    observer.stop(&mut totals.lateness);
    thread.join().expect("the observer does not panic");
    runtime.end(rng);
}

/// Runs the root of the acts in one of the ways there are. Returns the handles of what was left running.
fn drive(
    runtime: &Built,
    set: Option<&LocalSet>,
    ctx: Ctx,
    (awaited, left): (usize, usize),
    rng: &mut fastrand::Rng,
) -> Vec<JoinHandle<()>> {
    if let Some(set) = set {
        let early = rng.bool().then(|| set.spawn_local(crate::local::choose(ctx.fork(rng))));
        let root = root(ctx.fork(rng), awaited, left);
        let mut handles = match (runtime, rng.u32(..3)) {
            (Built::Shared(runtime), 0) => set.block_on(runtime, root),
            (_, 1) => {
                let root = set.spawn_local(root);
                runtime.block_on(set.run_until(root)).expect("the root does not panic")
            }
            _ => runtime.block_on(set.run_until(root)),
        };
        for _ in 0..rng.u32(..3) {
            // Driven once more, for what is left.
            runtime.block_on(set.run_until(yield_now()));
        }
        handles.extend(early);
        return handles;
    }
    match rng.u32(..3) {
        0 => runtime.block_on(root(ctx, awaited, left)),
        // From another thread's `Handle::block_on`, while this one drives.
        1 => {
            let ctx = Ctx { home: Home::None, ..ctx };
            let (handle, (done, ended)) = (runtime.handle().clone(), oneshot::channel());
            let root = root(ctx, awaited, left);
            let other = thread::spawn(move || {
                let handles = handle.block_on(root);
                let _ = done.send(handles);
            });
            let handles = runtime.block_on(ended).expect("the root does not panic");
            other.join().expect("the root does not panic");
            handles
        }
        // As a task.
        _ => {
            let root = root(ctx, awaited, left);
            let root = match runtime {
                Built::Shared(runtime) => runtime.spawn(root),
                Built::Local(runtime) => runtime.spawn_local(root),
            };
            runtime.block_on(root).expect("the root does not panic")
        }
    }
}

/// Starts acts, waits for some of them, and returns the handles of the others.
async fn root(mut ctx: Ctx, awaited: usize, left: usize) -> Vec<JoinHandle<()>> {
    let mut spawned: Vec<_> = (0..awaited + left).map(|_| acts::spawn(&mut ctx)).collect();
    for _ in 0..awaited {
        let handle = spawned.swap_remove(ctx.rng.usize(..spawned.len()));
        expect_done(&ctx.ledger, handle.await).await;
        if ctx.land.clock == Clock::Resumed && ctx.rng.u32(..8) == 0 {
            time::resume();
            for _ in 0..ctx.rng.u32(..20) {
                yield_now().await;
            }
            time::pause();
        }
    }
    for _ in 0..ctx.rng.usize(..6) {
        spawned.push(acts::endless(&mut ctx));
    }
    // Some are detached.
    spawned.retain(|_| ctx.rng.bool());
    spawned
}

/// A foreign thread that spawns, also while the runtime shuts down and after that.
fn intrude(handle: Handle, mut ctx: Ctx) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..ctx.rng.usize(..30) {
            let tracked = ctx.ledger.track("intruder");
            match ctx.rng.u32(..200) {
                0 => drop(wait_for(handle.dump())),
                1..10 => drop(handle.snapshot()),
                _ => {}
            }
            let yields = ctx.rng.usize(..4);
            let task = handle.spawn(async move {
                for _ in 0..yields {
                    yield_now().await;
                }
                tracked.at("end");
            });
            match ctx.rng.u32(..4) {
                0 => drop(task),
                1 => {
                    task.abort();
                    let _ = wait_for(task);
                }
                _ => {
                    let _ = wait_for(task);
                }
            }
            dawdle(&mut ctx.rng);
        }
    })
}
