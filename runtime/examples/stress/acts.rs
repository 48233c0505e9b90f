//! What tasks do to the runtime: one small thing each, all of which end, unless they are aborted or shut down.
//!
//! Next file to read: `foreign.rs`.
#![forbid(unsafe_code)]

use std::fmt::Debug;
use std::future::{self, Future, poll_fn};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};
use runtime::sync::oneshot;
use runtime::task::{self, JoinError, JoinHandle, JoinSet, spawn_blocking, yield_now};
use runtime::time::{self, Instant, sleep, timeout};

use crate::Planned;
use crate::foreign::{Post, Signal, dawdle};
use crate::ledger::{Ledger, Tracked};

/// What an act works with.
pub(crate) struct Ctx {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) post: Post,
    pub(crate) rng: fastrand::Rng,
    depth: u32,
}

type Act = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Ctx {
    pub(crate) fn new(ledger: Arc<Ledger>, post: Post, rng: fastrand::Rng) -> Self {
        Self { ledger, post, rng, depth: 0 }
    }

    fn child(&mut self) -> Self {
        let (ledger, post) = (self.ledger.clone(), self.post.clone());
        Self { ledger, post, rng: self.rng.fork(), depth: self.depth + 1 }
    }

    fn micros(&mut self, below: u64) -> Duration {
        Duration::from_micros(self.rng.u64(..below))
    }

    /// A signal that a foreign thread will give.
    fn signal(&mut self) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        let theirs = signal.clone();
        self.post.run(&mut self.rng, move |rng| theirs.say(rng));
        signal
    }
}

/// Spawns an act chosen at random.
pub(crate) fn spawn(ctx: &mut Ctx) -> JoinHandle<()> {
    task::spawn(choose(ctx.child()))
}

/// Waits for the shutdown if that is why something has failed, and panics if it is not.
async fn must<T, E: Debug>(ledger: &Ledger, result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(_) if ledger.is_closing() => future::pending().await,
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// Of an act that nobody aborts.
pub(crate) async fn expect_done(ledger: &Ledger, result: Result<(), JoinError>) {
    must(ledger, result, "an act has failed").await;
}

fn choose(mut ctx: Ctx) -> Act {
    match ctx.rng.u32(..14) {
        0 => Box::pin(yields(ctx)),
        1 => Box::pin(ping_pong(ctx)),
        2 => Box::pin(waits_for_foreigners(ctx)),
        3 => Box::pin(is_teased(ctx)),
        4 => Box::pin(aborts(ctx)),
        5 => Box::pin(naps(ctx)),
        6 => Box::pin(times_out(ctx)),
        7 => Box::pin(blocks(ctx)),
        8 => Box::pin(echoes(ctx)),
        9 if ctx.depth < 4 => Box::pin(forks(ctx)),
        10 => Box::pin(panics(ctx)),
        11 => Box::pin(gathers(ctx)),
        12 => Box::pin(resets(ctx)),
        _ => Box::pin(wakes_itself(ctx)),
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
        assert!(error.is_cancelled(), "an act has panicked: {error}");
    }
}

/// Never ends by itself: something for an abort or a shutdown.
pub(crate) fn endless(ctx: &mut Ctx) -> JoinHandle<()> {
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
        2 => task::spawn(async move {
            loop {
                tracked.at("yielding");
                yield_now().await;
            }
        }),
        3 => task::spawn(async move {
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

async fn naps(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("napper");
    for _ in 0..ctx.rng.u32(..4) {
        let nap = ctx.micros(1500);
        tracked.at("sleeping");
        let end = Instant::now() + nap;
        sleep(nap).await;
        assert!(Instant::now() >= end, "a nap has ended early");
    }
}

/// Moves a timer about while it waits, and drops some half-way.
async fn resets(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("resetter");
    let mut nap = pin!(sleep(Duration::from_secs(3600)));
    for _ in 0..ctx.rng.u32(..5) {
        let polled = poll_fn(|cx| Poll::Ready(nap.as_mut().poll(cx).is_ready())).await;
        if !polled && ctx.rng.bool() {
            yield_now().await;
        }
        let next = ctx.micros(1500);
        nap.as_mut().reset(Instant::now() + next);
        let mut dropped = pin!(sleep(ctx.micros(2000)));
        let _ = poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_ready())).await;
    }
    let next = ctx.micros(2000);
    nap.as_mut().reset(Instant::now() + next);
    tracked.at("sleeping after resets");
    nap.await;
}

async fn times_out(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("timer");
    for _ in 0..ctx.rng.u32(..8) {
        let long = Duration::from_secs(3600);
        match ctx.rng.u32(..4) {
            0 => {
                tracked.at("waiting for a time-out");
                let limit = ctx.micros(2000);
                assert!(timeout(limit, future::pending::<()>()).await.is_err());
            }
            1 => {
                tracked.at("waiting for a foreign thread before a time-out");
                let wait = ctx.signal().wait();
                assert!(timeout(long, wait).await.is_ok(), "an hour has passed");
            }
            2 => {
                tracked.at("waiting for a foreign thread or a time-out");
                let (wait, limit) = (ctx.signal().wait(), ctx.micros(500));
                let _ = timeout(limit, wait).await;
            }
            _ => {
                tracked.at("sleeping in a time-out");
                let nap = ctx.micros(1500);
                assert!(timeout(long, time::sleep(nap)).await.is_ok(), "an hour has passed");
            }
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

async fn echoes(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("client");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let theirs = ctx.ledger.track("server");
    let server = task::spawn(async move {
        theirs.at("accepting");
        let (mut socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let mut buffer = [0; 4096];
        loop {
            theirs.at("reading");
            let count = socket.read(&mut buffer).await?;
            if count == 0 {
                return Ok::<_, std::io::Error>(());
            }
            theirs.at("writing");
            socket.write_all(&buffer[..count]).await?;
        }
    });
    tracked.at("connecting");
    let mut socket = must(&ctx.ledger, TcpStream::connect(address).await, "the server listens").await;
    // Else most of an episode is spent in waiting for delayed acknowledgements.
    socket.set_nodelay(true).expect("a connection has this option");
    for _ in 0..ctx.rng.u32(..8) {
        let size = 1 + ctx.rng.usize(..20_000);
        let message: Vec<u8> = (0..size).map(|at| at as u8).collect();
        let (mut from, mut to) = socket.split();
        let mut echo = vec![0; size];
        tracked.at("writing and reading");
        let mut write = pin!(to.write_all(&message));
        let mut written = false;
        let mut read = pin!(from.read_exact(&mut echo));
        let exchange = poll_fn(|cx| {
            if !written && let Poll::Ready(result) = write.as_mut().poll(cx) {
                result?;
                written = true;
            }
            read.as_mut().poll(cx)
        });
        must(&ctx.ledger, exchange.await, "the server echoes").await;
        assert!(echo == message, "an echo differs");
    }
    drop(socket);
    tracked.at("waiting for the server");
    // The connection may have been reset, but the server must see its end.
    let _ = must(&ctx.ledger, server.await, "the server does not panic").await;
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

/// A set of tasks, some of which are waited for; the rest is aborted by the drop of the set.
async fn gathers(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("gatherer");
    let mut set = JoinSet::new();
    for _ in 0..ctx.rng.u32(..8) {
        set.spawn(choose(ctx.child()));
    }
    for _ in 0..ctx.rng.u32(..8) {
        tracked.at("waiting for one of a set");
        match set.join_next().await {
            Some(result) => expect_done(&ctx.ledger, result).await,
            None => break,
        }
    }
    if ctx.rng.bool() {
        tracked.at("shutting a set down");
        set.shutdown().await;
    }
}
