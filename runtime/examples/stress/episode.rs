//! One runtime's life: built at random, loaded at random, ended at random.
//!
//! Next file to read: `ledger.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use runtime::runtime::{Builder, Handle, Runtime};
use runtime::task::JoinHandle;

use crate::acts::{self, Ctx};
use crate::foreign::{Foreign, dawdle, wait_for};
use crate::ledger::{self, Ledger, Totals};

#[derive(Clone, Copy)]
pub(crate) struct Flavour {
    pub(crate) name: &'static str,
    /// None: the flavour without worker threads.
    workers: Option<usize>,
}

pub(crate) const FLAVOURS: [Flavour; 4] = [
    Flavour { name: "current", workers: None },
    Flavour { name: "multi1", workers: Some(1) },
    Flavour { name: "multi2", workers: Some(2) },
    Flavour { name: "multi4", workers: Some(4) },
];

fn build(flavour: &Flavour, rng: &mut fastrand::Rng) -> Runtime {
    let mut builder = match flavour.workers {
        None => Builder::new_current_thread(),
        Some(workers) => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
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
        builder.max_io_events_per_tick(1 + rng.usize(..8));
    }
    builder.build().expect("a runtime can be built")
}

/// Runs one, and ends the process if it breaks a promise.
pub(crate) fn run(
    flavour: &Flavour,
    number: u64,
    rng: &mut fastrand::Rng,
    patience: Duration,
    totals: &mut Totals,
) {
    let runtime = build(flavour, rng);
    let ledger = Ledger::new(format!("episode {number}, {}", flavour.name), runtime.handle());
    let threads = 1 + rng.usize(..3);
    let foreign = Foreign::start(rng, threads);
    let ctx = Ctx::new(ledger.clone(), foreign.post(), rng.fork());

    let intruders: Vec<_> =
        (0..rng.usize(..3)).map(|_| intrude(runtime.handle().clone(), ctx.fork(rng))).collect();
    // What is waited for inside, and what is left to the shutdown.
    let (awaited, left) = (rng.usize(..40), rng.usize(..20));
    let root = root(ctx.fork(rng), awaited, left);
    let handles = match rng.u32(..3) {
        // From here, from another thread's `Handle::block_on`, or as a task that this thread waits for.
        0 => runtime.block_on(root),
        1 if flavour.workers.is_some() => {
            let handle = runtime.handle().clone();
            thread::spawn(move || handle.block_on(root)).join().expect("the root does not panic")
        }
        _ => {
            let root = runtime.spawn(root);
            runtime.block_on(root).expect("the root does not panic")
        }
    };
    drop(ctx);

    dawdle(rng);
    ledger.close();
    end(runtime, rng);

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

/// Starts acts, waits for some of them, and returns the handles of the others.
async fn root(mut ctx: Ctx, awaited: usize, left: usize) -> Vec<JoinHandle<()>> {
    let mut spawned: Vec<_> = (0..awaited + left).map(|_| acts::spawn(&mut ctx)).collect();
    for _ in 0..awaited {
        let handle = spawned.swap_remove(ctx.rng.usize(..spawned.len()));
        acts::expect_done(&ctx.ledger, handle.await).await;
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
            let yields = ctx.rng.usize(..4);
            let task = handle.spawn(async move {
                for _ in 0..yields {
                    runtime::task::yield_now().await;
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

fn end(runtime: Runtime, rng: &mut fastrand::Rng) {
    match rng.u32(..5) {
        0 => drop(runtime),
        1 => runtime.shutdown_background(),
        2 => runtime.shutdown_timeout(Duration::from_micros(rng.u64(..3000))),
        3 => runtime.shutdown_timeout(Duration::from_secs(3600)),
        _ => thread::spawn(move || drop(runtime)).join().expect("a runtime's drop does not panic"),
    }
}

/// What an episode's parts share.
impl Ctx {
    pub(crate) fn fork(&self, rng: &mut fastrand::Rng) -> Self {
        Ctx::new(Arc::clone(&self.ledger), self.post.clone(), rng.fork())
    }
}
