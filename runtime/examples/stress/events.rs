//! Acts that wait for timers and sockets, and those that move the clock.
//!
//! Next file to read: `local.rs`.
#![forbid(unsafe_code)]

use std::future::{self, Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};
use runtime::task::{self, yield_now};
use runtime::time::{self, Instant, sleep, timeout};

use crate::ctx::{Clock, Ctx, must};

pub(crate) async fn naps(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("napper");
    for _ in 0..ctx.rng.u32(..4) {
        let nap = ctx.micros(1500);
        tracked.at("sleeping");
        let end = Instant::now() + nap;
        sleep(nap).await;
        let now = Instant::now();
        assert!(now >= end, "a nap has ended early");
        assert!(now == end || ctx.land.clock != Clock::Exact, "a nap has ended {:?} late", now - end);
    }
}

/// Moves a timer about while it waits, and drops some half-way.
pub(crate) async fn resets(mut ctx: Ctx) {
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

pub(crate) async fn times_out(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("timer");
    for _ in 0..ctx.rng.u32(..8) {
        let long = Duration::from_secs(3600);
        match ctx.rng.u32(..4) {
            // A clock that stands goes on to the end of the hour when everybody waits.
            1 if ctx.land.clock != Clock::Real => {}
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

/// Moves the clock.
pub(crate) async fn advances(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("advancer");
    for _ in 0..ctx.rng.u32(..5) {
        let step = match ctx.rng.u32(..8) {
            0 => Duration::ZERO,
            1 => Duration::from_secs(ctx.rng.u64(..10_000)),
            _ => ctx.micros(3000),
        };
        let end = Instant::now() + step;
        tracked.at("advancing");
        time::advance(step).await;
        assert!(Instant::now() >= end, "the clock was not advanced");
    }
}

pub(crate) async fn echoes(mut ctx: Ctx) {
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
