//! What tasks do with each other: channels of all kinds, locks, barriers. Some of them are aborted in the middle of it.
//!
//! Next file to read: `events.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::Poll;

use runtime::sync::broadcast::{self, error::RecvError};
use runtime::sync::{Barrier, Mutex, Notify, RwLock, Semaphore, mpsc, watch};
use runtime::task::{self, JoinHandle, yield_now};

use crate::ctx::{Ctx, expect_cancelled, expect_done};
use crate::ledger::Tracked;

/// Aborts one in four from somewhere.
fn may_abort(ctx: &mut Ctx, task: &JoinHandle<()>) {
    if ctx.rng.u32(..4) == 0 {
        let handle = task.abort_handle();
        ctx.post.run(&mut ctx.rng, move |_| handle.abort());
    }
}

async fn expect_ended(ctx: &Ctx, tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        if let Err(error) = task.await {
            expect_cancelled(&ctx.ledger, &error);
        }
    }
}

/// Polls a future once, and drops it.
async fn gives_up<F: Future>(future: F) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// From several senders to this task, which may close the channel, or leave before the end.
pub(crate) async fn sends(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("receiver");
    let (sender, mut receiver) = mpsc::channel::<(usize, u32, Tracked)>(1 + ctx.rng.usize(..4));
    let senders = 1 + ctx.rng.usize(..4);
    for name in 0..senders {
        let (sender, mut theirs, count) = (sender.clone(), ctx.child(), ctx.rng.u32(..40));
        let task = task::spawn(async move {
            let tracked = theirs.ledger.track("sender");
            for i in 0..count {
                let value = (name, i, theirs.ledger.track("message"));
                tracked.at("sending");
                let is_sent = match theirs.rng.u32(..3) {
                    0 => sender.reserve().await.map(|permit| permit.send(value)).is_ok(),
                    1 => {
                        gives_up(sender.reserve()).await;
                        sender.send(value).await.is_ok()
                    }
                    _ => sender.send(value).await.is_ok(),
                };
                if !is_sent {
                    return;
                }
            }
        });
        may_abort(&mut ctx, &task);
    }
    drop(sender);
    let mut next = vec![0; senders];
    let mut left = if ctx.rng.bool() { u32::MAX } else { 1 + ctx.rng.u32(..60) };
    while let Some((name, i, _message)) = receiver.recv().await {
        assert_eq!(i, next[name], "a message was lost, or came twice");
        next[name] += 1;
        tracked.at(if next[name].is_multiple_of(2) { "receiving" } else { "receiving on" });
        if ctx.rng.u32(..8) == 0 {
            gives_up(receiver.recv_many(&mut Vec::new(), 0)).await;
        }
        left -= 1;
        match left {
            0 if ctx.rng.bool() => return,
            0 => receiver.close(),
            _ => {}
        }
        left = left.max(1);
    }
}

/// From foreign threads to this task.
pub(crate) async fn is_written_to(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("reader");
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let count = ctx.rng.u32(..10);
    for _ in 0..count {
        let (sender, letter) = (sender.clone(), ctx.ledger.track("letter"));
        ctx.post.run(&mut ctx.rng, move |_| drop(sender.send(letter)));
    }
    drop(sender);
    tracked.at("waiting for letters");
    let mut letters = Vec::new();
    while receiver.recv_many(&mut letters, 3).await > 0 {}
    assert_eq!(letters.len() as u32, count);
}

/// To several receivers, some of which leave early: all of it by `broadcast`, and how much it was by `watch`.
pub(crate) async fn broadcasts(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("broadcaster");
    let (sender, receiver) = broadcast::channel::<(u64, Arc<Tracked>)>(1 << ctx.rng.u32(..4));
    let (total, watched) = watch::channel(0);
    let count = ctx.rng.u64(..60);
    // Not if this task is aborted.
    let all_sent = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..1 + ctx.rng.u32(..4) {
        let (theirs, mut receiver) = (ctx.ledger.track("listener"), receiver.resubscribe());
        let complete = all_sent.clone();
        tasks.push(task::spawn(async move {
            let mut next = 0;
            loop {
                theirs.at(if next % 2 == 0 { "listening" } else { "listening on" });
                match receiver.recv().await {
                    Ok((i, _news)) => {
                        assert_eq!(i, next, "a value was missed, or came twice");
                        next += 1;
                    }
                    Err(RecvError::Lagged(missed)) => next += missed,
                    Err(RecvError::Closed) => break,
                }
            }
            assert!(next == count || !complete.load(SeqCst), "the end came too early");
        }));
        let (theirs, mut watched) = (ctx.ledger.track("watcher"), watched.clone());
        let complete = all_sent.clone();
        tasks.push(task::spawn(async move {
            let mut last = 0;
            while watched.changed().await.is_ok() {
                let now = *watched.borrow_and_update();
                assert!(now > last, "a change was told twice");
                last = now;
                theirs.at(if now % 2 == 0 { "watching" } else { "watching on" });
            }
            assert!(last == count || !complete.load(SeqCst), "the last change was not told");
        }));
    }
    tasks.iter().for_each(|task| may_abort(&mut ctx, task));
    for i in 0..count {
        let news = Arc::new(ctx.ledger.track("news"));
        // The first receiver keeps the channel open.
        assert!(sender.send((i, news)).is_ok());
        total.send_replace(i + 1);
        if ctx.rng.bool() {
            yield_now().await;
        }
    }
    all_sent.store(true, SeqCst);
    drop((sender, receiver, total, watched));
    tracked.at("waiting for the listeners");
    expect_ended(&ctx, tasks).await;
}

/// What several tasks take in turn.
#[derive(Default)]
struct Turns {
    mutex: Mutex<u32>,
    lock: RwLock<u32>,
    inside: AtomicU32,
}

/// Counts itself while it lives.
struct Inside<'a>(&'a AtomicU32);

impl<'a> Inside<'a> {
    fn enter(count: &'a AtomicU32, most: u32) -> Self {
        assert!(count.fetch_add(1, SeqCst) < most, "too many have a permit");
        Self(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

pub(crate) async fn takes_turns(mut ctx: Ctx) {
    const PERMITS: u32 = 3;
    let tracked = ctx.ledger.track("host of turns");
    let shared = Arc::new((Turns::default(), Semaphore::new(PERMITS as usize)));
    let mut tasks = Vec::new();
    for _ in 0..2 + ctx.rng.u32(..4) {
        let (shared, mut theirs) = (shared.clone(), ctx.child());
        let task = task::spawn(async move {
            let tracked = theirs.ledger.track("turn-taker");
            let (turns, semaphore) = &*shared;
            for _ in 0..theirs.rng.u32(..30) {
                tracked.at("waiting for a turn");
                match theirs.rng.u32(..6) {
                    0 => {
                        let mut value = turns.mutex.lock().await;
                        let before = *value;
                        yield_now().await;
                        assert_eq!(*value, before, "two have the mutex");
                        *value += 1;
                    }
                    1 => {
                        let value = turns.lock.read().await;
                        let before = *value;
                        yield_now().await;
                        assert_eq!(*value, before, "a writer came to a reader");
                    }
                    2 => {
                        let mut value = turns.lock.write().await;
                        let before = *value;
                        yield_now().await;
                        assert_eq!(*value, before, "two write");
                        *value += 1;
                    }
                    3 => {
                        gives_up(turns.mutex.lock()).await;
                        gives_up(turns.lock.write()).await;
                        gives_up(semaphore.acquire_many(PERMITS)).await;
                    }
                    count => {
                        let _permit = semaphore.acquire_many(count - 3).await.expect("nobody closes it");
                        let _inside = Inside::enter(&turns.inside, PERMITS);
                        yield_now().await;
                    }
                }
                tracked.at("between two turns");
            }
        });
        may_abort(&mut ctx, &task);
        tasks.push(task);
    }
    tracked.at("waiting for the turn-takers");
    expect_ended(&ctx, tasks).await;
    // Those that were aborted have given back what they had.
    assert!(shared.0.mutex.try_lock().is_ok() && shared.0.lock.try_write().is_ok());
    assert_eq!(shared.1.available_permits(), PERMITS as usize);
}

/// Some tasks that meet again and again, and tell this one.
pub(crate) async fn meets(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("host of a meeting");
    let (size, rounds) = (1 + ctx.rng.usize(..4), ctx.rng.u32(..10));
    let shared = Arc::new((Barrier::new(size), Notify::new(), AtomicU32::new(0)));
    let tasks: Vec<_> = (0..size)
        .map(|_| {
            let (shared, theirs) = (shared.clone(), ctx.ledger.track("guest"));
            task::spawn(async move {
                for round in 0..rounds {
                    theirs.at(if round % 2 == 0 { "waiting for the others" } else { "waiting again" });
                    if shared.0.wait().await.is_leader() {
                        shared.2.fetch_add(1, SeqCst);
                        shared.1.notify_one();
                    }
                }
            })
        })
        .collect();
    while shared.2.load(SeqCst) < rounds {
        tracked.at("waiting for a leader");
        shared.1.notified().await;
    }
    for task in tasks {
        expect_done(&ctx.ledger, task.await).await;
    }
    assert_eq!(shared.2.load(SeqCst), rounds, "a leader for each round");
}
