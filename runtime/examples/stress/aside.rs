//! Acts that leave their worker or their runtime: code that blocks in place, and sets of local tasks on other threads.
//!
//! Next file to read: `foreign.rs`.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use runtime::runtime::Handle;
use runtime::sync::oneshot;
use runtime::task::{self, LocalSet, block_in_place, spawn_blocking, yield_now};
use runtime::time::sleep;

use crate::acts;
use crate::ctx::{Ctx, Home, must};
use crate::foreign::{Signal, dawdle};
use crate::ledger::Tracked;
use crate::local;

/// Blocks its thread, for what others do meanwhile.
pub(crate) async fn blocks_in_place(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("blocker in place");
    for _ in 0..ctx.rng.u32(..6) {
        if ctx.rng.bool() {
            // So that there is something to leave behind, in the slot and in the queue.
            for _ in 0..ctx.rng.u32(..4) {
                drop(acts::spawn(&mut ctx));
            }
        }
        let theirs = ctx.ledger.track("helper");
        match ctx.rng.u32(..6) {
            0 => block_in_place(|| dawdle(&mut ctx.rng)),
            1 => {
                // A task that nobody else may leave lying. The shutdown drops it.
                let (send, receive) = mpsc::channel();
                task::spawn(async move {
                    theirs.at("sending");
                    let _ = send.send(());
                });
                tracked.at("blocked, waiting for a task");
                let _ = block_in_place(|| receive.recv());
            }
            2 => {
                let signal = ctx.signal();
                tracked.at("blocked, driving");
                block_in_place(|| Handle::current().block_on(signal.wait()));
            }
            3 => {
                let (send, receive) = oneshot::channel();
                task::spawn(async move {
                    yield_now().await;
                    theirs.at("sending");
                    let _ = send.send(());
                });
                tracked.at("blocked, driving a receiver");
                let _ = block_in_place(|| {
                    block_in_place(|| dawdle(&mut ctx.rng));
                    Handle::current().block_on(receive)
                });
            }
            4 => {
                let job = spawn_blocking(move || theirs.at("running"));
                tracked.at("blocked, waiting for a job");
                // The pool may have been closed.
                let _ = block_in_place(|| Handle::current().block_on(job));
            }
            _ => {
                let _blocks = BlocksInDrop(ctx.rng.fork(), theirs);
                yield_now().await;
            }
        }
        tracked.at("blocked no more");
        if ctx.rng.bool() {
            yield_now().await;
        }
    }
}

struct BlocksInDrop(fastrand::Rng, #[allow(dead_code, reason = "dropped with it")] Tracked);

impl Drop for BlocksInDrop {
    fn drop(&mut self) {
        block_in_place(|| dawdle(&mut self.0));
    }
}

/// Blocks in place when it is woken and when it is dropped, wherever that is: in a task, in a foreign thread, or in the
/// worker that lets the event in.
struct BlocksInWake {
    inner: Waker,
    rng: Mutex<fastrand::Rng>,
    _tracked: Tracked,
}

impl BlocksInWake {
    fn block(&self) {
        block_in_place(|| dawdle(&mut self.rng.lock().unwrap()));
    }
}

impl Wake for BlocksInWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.block();
        self.inner.wake_by_ref();
    }
}

impl Drop for BlocksInWake {
    fn drop(&mut self) {
        self.block();
    }
}

pub(crate) async fn is_woken_by_what_blocks(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("woken by blockers");
    for _ in 0..ctx.rng.u32(..5) {
        let nap = ctx.micros(1500);
        let mut waiting: acts::Act = match ctx.rng.u32(..4) {
            0 => Box::pin(ctx.signal().wait()),
            1 => Box::pin(yield_now()),
            2 => {
                let theirs = ctx.ledger.track("waker");
                let task = task::spawn(async move { theirs.at("end") });
                Box::pin(async move { drop(task.await) })
            }
            _ => Box::pin(sleep(nap)),
        };
        tracked.at("waiting for a waker that blocks");
        let (ledger, mut rng) = (ctx.ledger.clone(), ctx.rng.fork());
        poll_fn(move |cx| {
            let waker = Waker::from(Arc::new(BlocksInWake {
                inner: cx.waker().clone(),
                rng: Mutex::new(rng.fork()),
                _tracked: ledger.track("waker that blocks"),
            }));
            waiting.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await;
        tracked.at("woken");
    }
}

/// Has a set of local tasks run by another thread, which leaves it when the runtime is about to end, or before.
pub(crate) async fn hosts_a_set(mut ctx: Ctx) {
    let tracked = ctx.ledger.track("host of a set");
    let (done, ended) = oneshot::channel();
    let (mut inner, theirs) = (ctx.child_at(Home::Aside), ctx.ledger.track("set on another thread"));
    let (handle, closes) = (Handle::current(), ctx.ledger.closes());
    thread::spawn(move || {
        theirs.at("running");
        let set = LocalSet::new();
        // Spawned before it is driven.
        let early = inner.rng.bool().then(|| set.spawn_local(local::choose(inner.child_here())));
        let (count, awaited) = (inner.rng.usize(..6), inner.rng.usize(..6));
        let ledger = inner.ledger.clone();
        let body = async {
            let mut tasks: Vec<_> = (0..count).map(|_| acts::spawn(&mut inner)).collect();
            tasks.extend(early);
            for task in tasks.into_iter().take(awaited) {
                let _ = must(&ledger, task.await, "a local act has failed").await;
            }
        };
        handle.block_on(set.run_until(until(&closes, body)));
        theirs.at("dropping its set");
        let _entered = inner.rng.bool().then(|| handle.enter());
        drop(set);
        let _ = done.send(());
    });
    tracked.at("waiting for a set on another thread");
    must(&ctx.ledger, ended.await, "the thread ends").await;
}

/// Polls a future until it is ready or the signal is given.
async fn until(signal: &Arc<Signal>, future: impl Future<Output = ()>) {
    let (mut said, mut future) = (pin!(signal.wait()), pin!(future));
    let mut poll = |cx: &mut Context<'_>| {
        let ended = said.as_mut().poll(cx).is_ready() || Pin::as_mut(&mut future).poll(cx).is_ready();
        if ended { Poll::Ready(()) } else { Poll::Pending }
    };
    poll_fn(|cx| poll(cx)).await;
}
