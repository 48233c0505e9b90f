//! Acts that are not `Send`: each must be polled and dropped on its own thread, whoever wakes or aborts it.
//!
//! Next file to read: `aside.rs`.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::future::{self, Future};
use std::panic::panic_any;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use runtime::sync::oneshot;
use runtime::task::{self, AbortHandle, JoinHandle, JoinSet, spawn_local, yield_now};

use crate::Planned;
use crate::acts;
use crate::ctx::{Clock, Ctx, expect_cancelled, expect_done, must};
use crate::ledger::{Homebound, Ledger};

pub(crate) type LocalAct = Pin<Box<dyn Future<Output = ()>>>;

/// Spawns an act chosen at random on this thread.
pub(crate) fn spawn(ctx: &mut Ctx) -> JoinHandle<()> {
    spawn_local(choose(ctx.child_here()))
}

pub(crate) fn choose(mut ctx: Ctx) -> LocalAct {
    match ctx.rng.u32(..10) {
        0 => Box::pin(shares(ctx)),
        1 => Box::pin(waits_at_home(ctx)),
        2 | 3 => Box::pin(aborts_from_elsewhere(ctx)),
        4 => Box::pin(gathers_at_home(ctx)),
        5 => Box::pin(panics_at_home(ctx)),
        6 => Box::pin(passes_on(ctx)),
        7 => Box::pin(gives_its_handles_away(ctx)),
        // One that could be elsewhere.
        _ => Box::pin(async move {
            let here = ctx.ledger.track_here("local host");
            acts::choose(ctx).await;
            here.at("end");
        }),
    }
}

/// Counts together with tasks beside it, without any lock.
async fn shares(mut ctx: Ctx) {
    let here = ctx.ledger.track_here("sharer");
    let count = Rc::new(Cell::new(0));
    let (tasks, rounds) = (ctx.rng.u32(..5), ctx.rng.u32(..20));
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let (count, theirs) = (count.clone(), ctx.ledger.track_here("counter"));
            spawn_local(async move {
                for _ in 0..rounds {
                    count.set(count.get() + 1);
                    yield_now().await;
                    theirs.at("counting");
                }
                theirs
            })
        })
        .collect();
    let expected = rounds * tasks.len() as u32;
    for task in tasks {
        here.at("waiting for a counter");
        expect_done(&ctx.ledger, task.await).await.at("end");
    }
    assert_eq!(count.get(), expected);
}

async fn waits_at_home(mut ctx: Ctx) {
    let here = ctx.ledger.track_here("local waiter");
    for _ in 0..ctx.rng.u32(..10) {
        here.at("waiting for a foreign thread");
        ctx.signal().wait().await;
        here.at("woken");
    }
}

/// Has what is not `Send` aborted by those who could not touch it.
async fn aborts_from_elsewhere(mut ctx: Ctx) {
    let here = ctx.ledger.track_here("local aborter");
    let victims: Vec<_> = (0..1 + ctx.rng.u32(..4))
        .map(|_| if ctx.rng.bool() { endless(&mut ctx) } else { spawn(&mut ctx) })
        .collect();
    for _ in 0..ctx.rng.u32(..3) {
        yield_now().await;
    }
    for victim in &victims {
        let handle = victim.abort_handle();
        match ctx.rng.u32(..4) {
            0 => handle.abort(),
            1 => drop(task::spawn(async move { handle.abort() })),
            2 => ctx.post.run(&mut ctx.rng, move |_| {
                // More often than needed.
                (0..3).for_each(|_| handle.abort());
            }),
            _ => {
                ctx.post.run(&mut ctx.rng, move |rng| {
                    crate::foreign::dawdle(rng);
                    handle.abort();
                });
            }
        }
    }
    for victim in victims {
        here.at("waiting for a local victim");
        if let Err(error) = victim.await {
            expect_cancelled(&ctx.ledger, &error);
        }
    }
}

/// Never ends by itself.
pub(crate) fn endless(ctx: &mut Ctx) -> JoinHandle<()> {
    let here = ctx.ledger.track_here("local endless");
    let mut inner = ctx.child_here();
    match ctx.rng.u32(..4) {
        0 => spawn_local(async move {
            let _here = here;
            future::pending::<()>().await;
        }),
        // A clock that stands would stand for ever.
        1 if ctx.land.clock == Clock::Real => spawn_local(async move {
            loop {
                here.at("yielding");
                yield_now().await;
            }
        }),
        1 | 2 => spawn_local(async move {
            loop {
                here.at("waiting for a foreign thread");
                inner.signal().wait().await;
            }
        }),
        _ => spawn_local(async move {
            let (sender, receiver) = oneshot::channel::<Homebound>();
            let _last_words = LastWords { ledger: inner.ledger.clone(), _sender: sender };
            here.at("waiting for its own last words");
            let _ = receiver.await;
        }),
    }
}

/// Spawns beside it when it is dropped, also while everything here ends.
struct LastWords {
    ledger: Arc<Ledger>,
    _sender: oneshot::Sender<Homebound>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let here = self.ledger.track_here("local last words");
        spawn_local(async move {
            yield_now().await;
            here.at("end");
        });
    }
}

/// A set of local tasks with outputs that are not `Send` either.
async fn gathers_at_home(mut ctx: Ctx) {
    let here = ctx.ledger.track_here("local gatherer");
    let mut set = JoinSet::new();
    for _ in 0..ctx.rng.u32(..8) {
        let (mut inner, theirs) = (ctx.child_here(), ctx.ledger.track_here("local output"));
        set.spawn_local(async move {
            match inner.rng.u32(..4) {
                0 => yield_now().await,
                1 => inner.signal().wait().await,
                2 if inner.depth < 4 => choose(inner).await,
                _ => {}
            }
            theirs
        });
    }
    for _ in 0..ctx.rng.u32(..8) {
        here.at("waiting for one of a local set");
        match set.join_next().await {
            Some(output) => expect_done(&ctx.ledger, output).await.at("taken"),
            None => break,
        }
    }
    match ctx.rng.u32(..4) {
        0 => {
            here.at("shutting a local set down");
            set.shutdown().await;
        }
        1 => set.detach_all(),
        2 => set.abort_all(),
        _ => drop(set),
    }
}

async fn panics_at_home(mut ctx: Ctx) {
    struct Bomb(#[allow(dead_code, reason = "dropped with it")] Homebound);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic_any(Planned);
            }
        }
    }
    let here = ctx.ledger.track_here("local panicker");
    let (theirs, bomb) = (ctx.ledger.track_here("local victim"), Bomb(ctx.ledger.track_here("local bomb")));
    let panics = ctx.rng.bool();
    let victim = spawn_local(async move {
        let _bomb = bomb;
        yield_now().await;
        theirs.at("awake");
        if panics {
            panic_any(Planned);
        }
        future::pending::<()>().await;
    });
    for _ in 0..ctx.rng.u32(..3) {
        yield_now().await;
    }
    let handle = victim.abort_handle();
    ctx.post.run(&mut ctx.rng, move |_| handle.abort());
    here.at("waiting for a local panic");
    assert!(victim.await.is_err(), "neither aborted nor panicked");
}

/// Values that are not `Send`, through a channel from task to task.
async fn passes_on(mut ctx: Ctx) {
    let here = ctx.ledger.track_here("local sender");
    for _ in 0..ctx.rng.u32(..10) {
        let (send, receive) = oneshot::channel::<Rc<Homebound>>();
        let theirs = ctx.ledger.track_here("local receiver");
        let other = spawn_local(async move {
            let value = receive.await.ok();
            theirs.at("received");
            value
        });
        let value = Rc::new(ctx.ledger.track_here("local value"));
        if ctx.rng.bool() {
            yield_now().await;
        }
        if ctx.rng.u32(..4) > 0 {
            here.at("waiting for the receiver");
            must(&ctx.ledger, send.send(value.clone()).map_err(drop), "the receiver waits").await;
            let same = expect_done(&ctx.ledger, other.await).await;
            assert!(same.is_none_or(|same| Rc::ptr_eq(&same, &value)));
        } else {
            other.abort();
        }
    }
}

/// Lets foreign threads drop the handles of local tasks, while those end.
async fn gives_its_handles_away(mut ctx: Ctx) {
    let here = ctx.ledger.track_here("local giver");
    for _ in 0..ctx.rng.u32(..6) {
        let task = spawn(&mut ctx);
        let watch: AbortHandle = task.abort_handle();
        ctx.post.run(&mut ctx.rng, move |rng| {
            let _ = task.is_finished();
            if rng.bool() {
                task.abort();
            }
            drop(task);
        });
        if ctx.rng.bool() {
            while !watch.is_finished() && !ctx.ledger.is_closing() {
                here.at("waiting until a task that was given away has ended");
                ctx.signal().wait().await;
            }
        }
    }
}
