//! What tasks do to the runtime: one small thing each, all of which end, unless they are aborted or shut down.
//!
//! Next file to read: `exchanges.rs`.
#![forbid(unsafe_code)]

use std::future::{self, Future, poll_fn};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use runtime::net::TcpListener;
use runtime::runtime::Handle;
use runtime::sync::oneshot;
use runtime::task::{self, JoinHandle, JoinSet, spawn_blocking, yield_now};
use runtime::time::sleep;

use crate::ctx::{Clock, Ctx, Home, expect_cancelled, expect_done, must};
use crate::foreign::{Signal, dawdle};
use crate::ledger::{Ledger, Tracked};
use crate::{Planned, aside, events, exchanges, local};

pub(crate) type Act = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Spawns an act chosen at random.
pub(crate) fn spawn(ctx: &mut Ctx) -> JoinHandle<()> {
    if ctx.home != Home::None && ctx.rng.bool() {
        return local::spawn(ctx);
    }
    task::spawn(choose(ctx.child()))
}

pub(crate) fn choose(mut ctx: Ctx) -> Act {
    if ctx.home == Home::Aside {
        return choose_aside(ctx);
    }
    match ctx.rng.u32(..27) {
        0 => Box::pin(yields(ctx)),
        1 => Box::pin(ping_pong(ctx)),
        2 => Box::pin(waits_for_foreigners(ctx)),
        3 => Box::pin(is_teased(ctx)),
        4 => Box::pin(aborts(ctx)),
        5 => Box::pin(events::naps(ctx)),
        6 => Box::pin(events::times_out(ctx)),
        7 => Box::pin(blocks(ctx)),
        8 => Box::pin(events::echoes(ctx)),
        9 | 10 if ctx.depth < 4 => Box::pin(forks(ctx)),
        11 => Box::pin(panics(ctx)),
        12 | 13 => Box::pin(gathers(ctx)),
        14 => Box::pin(events::resets(ctx)),
        15 | 16 if ctx.land.has_workers && ctx.home == Home::None => Box::pin(aside::blocks_in_place(ctx)),
        17 if ctx.land.has_workers && ctx.home == Home::None => Box::pin(aside::is_woken_by_what_blocks(ctx)),
        18 if ctx.land.takes_sets && ctx.depth < 4 => Box::pin(aside::hosts_a_set(ctx)),
        19 if ctx.land.clock == Clock::Advanced => Box::pin(events::advances(ctx)),
        20 => Box::pin(dumps(ctx)),
        21 => Box::pin(exchanges::sends(ctx)),
        22 => Box::pin(exchanges::is_written_to(ctx)),
        23 => Box::pin(exchanges::broadcasts(ctx)),
        24 => Box::pin(exchanges::takes_turns(ctx)),
        25 => Box::pin(exchanges::meets(ctx)),
        _ => Box::pin(wakes_itself(ctx)),
    }
}

/// One that needs neither timers nor sockets, which the end of the runtime could take away under it.
fn choose_aside(mut ctx: Ctx) -> Act {
    match ctx.rng.u32(..13) {
        0 => Box::pin(ping_pong(ctx)),
        1 => Box::pin(waits_for_foreigners(ctx)),
        2 => Box::pin(is_teased(ctx)),
        3 => Box::pin(aborts(ctx)),
        4 if ctx.depth < 4 => Box::pin(forks(ctx)),
        5 => Box::pin(panics(ctx)),
        6 => Box::pin(gathers(ctx)),
        7 => Box::pin(wakes_itself(ctx)),
        8 => Box::pin(exchanges::sends(ctx)),
        9 => Box::pin(exchanges::is_written_to(ctx)),
        10 => Box::pin(exchanges::broadcasts(ctx)),
        11 => Box::pin(exchanges::takes_turns(ctx)),
        _ => Box::pin(yields(ctx)),
    }
}

/// Looks at all tasks, and has them tell where they wait.
async fn dumps(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("dumper");
    let handle = Handle::current();
    drop(handle.snapshot());
    // Not often: where some worker is blocked it takes a while.
    if ctx.rng.u32(..16) == 0 {
        tracked.at("waiting for a dump");
        drop(handle.dump().await);
    }
}

async fn yields(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("yielder");
    for _ in 0..ctx.rng.u32(..200) {
        yield_now().await;
    }
    tracked.at("end");
}

/// Wakes itself while it is polled, some polls in a row.
async fn wakes_itself(mut ctx: Ctx) {
    let _tracked = ctx.ledger.track("self-waker");
    let mut left = ctx.rng.u32(..50);
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        match left % 3 {
            0 => cx.waker().wake_by_ref(),
            1 => {
                let other = cx.waker().clone();
                cx.waker().wake_by_ref();
                other.wake();
            }
            _ => (0..3).for_each(|_| cx.waker().wake_by_ref()),
        }
        Poll::Pending
    })
    .await;
}

async fn ping_pong(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("pinger");
    for _ in 0..ctx.rng.u32(..20) {
        let (ping, pinged) = oneshot::channel::<Tracked>();
        let (pong, ponged) = oneshot::channel::<Tracked>();
        let (ball, theirs) = (ctx.ledger.track("ball"), ctx.ledger.track("ponger"));
        let other = task::spawn(async move {
            let ball = pinged.await.expect("the pinger sends");
            theirs.at("pong");
            // It may have been dropped by an end of its task.
            let _ = pong.send(ball);
        });
        must(&ctx.ledger, ping.send(ball).map_err(drop), "the ponger waits").await;
        tracked.at("waiting for the ball");
        if ctx.rng.bool() {
            drop(must(&ctx.ledger, ponged.await, "the ponger sends").await);
        } else {
            drop(ponged);
            tracked.at("waiting for the ponger");
        }
        expect_done(&ctx.ledger, other.await).await;
    }
}

async fn waits_for_foreigners(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("waiter");
    for _ in 0..ctx.rng.u32(..10) {
        tracked.at("waiting for a foreign thread");
        ctx.signal().wait().await;
    }
}

/// Is woken for nothing while it waits.
async fn is_teased(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("teased");
    let signal = Arc::new(Signal::default());
    for _ in 0..ctx.rng.u32(..10) {
        let theirs = signal.clone();
        ctx.post.run(&mut ctx.rng, move |_| theirs.tease());
    }
    let theirs = signal.clone();
    ctx.post.run(&mut ctx.rng, move |rng| theirs.say(rng));
    // The wakers that are left are woken or dropped after the task has ended.
    let theirs = signal.clone();
    ctx.post.run(&mut ctx.rng, move |_| theirs.tease());
    tracked.at("waiting, and being teased");
    signal.wait().await;
}

/// Starts something that may never end, and aborts it from somewhere.
async fn aborts(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("aborter");
    let victim = match ctx.rng.u32(..3) {
        0 => endless(&mut ctx),
        1 => spawn(&mut ctx),
        _ => {
            let tracked = ctx.ledger.track("job to be aborted");
            spawn_blocking(move || tracked.at("running"))
        }
    };
    for _ in 0..ctx.rng.u32(..3) {
        yield_now().await;
    }
    match ctx.rng.u32(..3) {
        0 => victim.abort(),
        1 => {
            let handle = victim.abort_handle();
            ctx.post.run(&mut ctx.rng, move |_| handle.abort());
        }
        _ => {
            let handle = victim.abort_handle();
            task::spawn(async move { handle.abort() });
        }
    }
    tracked.at("waiting for the victim");
    if let Err(error) = victim.await {
        expect_cancelled(&ctx.ledger, &error);
    }
}

/// Never ends by itself: something for an abort or a shutdown.
pub(crate) fn endless(ctx: &mut Ctx) -> JoinHandle<()> {
    if ctx.home != Home::None && ctx.rng.bool() {
        return local::endless(ctx);
    }
    let tracked = ctx.ledger.track("endless");
    let mut inner = ctx.child();
    match ctx.rng.u32(..6) {
        0 => task::spawn(async move {
            let _tracked = tracked;
            future::pending::<()>().await;
        }),
        1 => task::spawn(async move {
            let _tracked = tracked;
            sleep(Duration::from_secs(100_000)).await;
        }),
        // A clock that stands would stand for ever.
        2 if ctx.land.clock == Clock::Real => task::spawn(async move {
            loop {
                tracked.at("yielding");
                yield_now().await;
            }
        }),
        2 | 3 => task::spawn(async move {
            loop {
                tracked.at("waiting for a foreign thread");
                inner.signal().wait().await;
            }
        }),
        4 => task::spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            tracked.at("accepting");
            let _ = listener.accept().await;
            // The runtime shuts down.
            future::pending::<()>().await;
        }),
        // A drop that does things: spawns, wakes itself, makes a channel end.
        _ => task::spawn(async move {
            let (sender, receiver) = oneshot::channel::<()>();
            let _last_words = LastWords { ledger: inner.ledger.clone(), _sender: sender };
            tracked.at("waiting for its own last words");
            let _ = receiver.await;
        }),
    }
}

/// Spawns when it is dropped.
struct LastWords {
    ledger: Arc<Ledger>,
    _sender: oneshot::Sender<()>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let tracked = self.ledger.track("last words");
        if let Ok(handle) = runtime::runtime::Handle::try_current() {
            handle.spawn(async move {
                yield_now().await;
                drop(tracked);
            });
        }
    }
}

async fn blocks(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("blocker");
    for _ in 0..ctx.rng.u32(..4) {
        let (theirs, mut rng) = (ctx.ledger.track("job"), ctx.rng.fork());
        let signal = ctx.signal();
        let drives = ctx.rng.u32(..4) == 0;
        let job = spawn_blocking(move || {
            theirs.at("running");
            dawdle(&mut rng);
            if drives {
                theirs.at("driving");
                runtime::runtime::Handle::current().block_on(signal.wait());
            }
        });
        tracked.at("waiting for a job");
        if ctx.rng.u32(..4) > 0 {
            // A pool that was closed meanwhile has dropped it.
            let _ = job.await;
        }
    }
}

async fn forks(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("forker");
    let children: Vec<_> = (0..1 + ctx.rng.u32(..3)).map(|_| spawn(&mut ctx)).collect();
    tracked.at("waiting for children");
    for child in children {
        expect_done(&ctx.ledger, child.await).await;
    }
}

/// Panics in a poll, in a future's drop, or both of these one after the other.
async fn panics(mut ctx: Ctx) {
    struct Bomb(#[allow(dead_code, reason = "dropped with it")] Tracked);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic_any(Planned);
            }
        }
    }
    let tracked = ctx.ledger.track("panicker");
    let (theirs, bomb) = (ctx.ledger.track("victim of a panic"), Bomb(ctx.ledger.track("bomb")));
    let yields = ctx.rng.u32(..3);
    let victim = match ctx.rng.u32(..3) {
        0 => task::spawn(async move {
            let (_theirs, _bomb) = (theirs, bomb);
            for _ in 0..yields {
                yield_now().await;
            }
            panic_any(Planned);
        }),
        1 => task::spawn(async move {
            let _bomb = bomb;
            theirs.at("pending");
            future::pending::<()>().await;
        }),
        _ => spawn_blocking(move || {
            let (_theirs, _bomb) = (theirs, bomb);
            panic_any(Planned);
        }),
    };
    if ctx.rng.bool() {
        yield_now().await;
    }
    victim.abort();
    tracked.at("waiting for a panic");
    assert!(victim.await.is_err(), "neither aborted nor panicked");
}

/// A set of tasks, some of which are waited for; what becomes of the others varies.
async fn gathers(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("gatherer");
    let mut set = JoinSet::new();
    for _ in 0..ctx.rng.u32(..8) {
        match ctx.rng.u32(..5) {
            0 => {
                let (theirs, mut rng) = (ctx.ledger.track("job of a set"), ctx.rng.fork());
                set.spawn_blocking(move || {
                    theirs.at("running");
                    dawdle(&mut rng);
                });
            }
            1 if ctx.home != Home::None => {
                set.spawn_local(local::choose(ctx.child_here()));
            }
            _ => {
                set.spawn(choose(ctx.child()));
            }
        }
    }
    for _ in 0..ctx.rng.u32(..8) {
        tracked.at("waiting for one of a set");
        let result = if ctx.rng.bool() { set.join_next().await } else { set.try_join_next() };
        match result {
            Some(result) => expect_done(&ctx.ledger, result).await,
            None if set.is_empty() => break,
            None => yield_now().await,
        }
    }
    match ctx.rng.u32(..5) {
        0 => {
            tracked.at("shutting a set down");
            set.shutdown().await;
        }
        1 => {
            set.abort_all();
            tracked.at("waiting for an aborted set");
            while let Some(result) = set.join_next().await {
                if let Err(error) = result {
                    expect_cancelled(&ctx.ledger, &error);
                }
            }
        }
        2 => set.detach_all(),
        // Aborts from a thread that none of them belongs to.
        3 => ctx.post.run(&mut ctx.rng, move |_| drop(set)),
        _ => drop(set),
    }
}
