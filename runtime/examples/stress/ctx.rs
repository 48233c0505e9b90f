//! What an act works with, and what it may do where it is.
//!
//! Next file to read: `acts.rs`.
#![forbid(unsafe_code)]

use std::fmt::Debug;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use runtime::task::JoinError;

use crate::foreign::{Post, Signal};
use crate::ledger::Ledger;

/// What an act works with.
pub(crate) struct Ctx {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) post: Post,
    pub(crate) rng: fastrand::Rng,
    pub(crate) land: Land,
    pub(crate) home: Home,
    pub(crate) depth: u32,
}

/// What is the same in a whole episode.
#[derive(Clone, Copy)]
pub(crate) struct Land {
    /// Whether others go on with a worker's tasks while it blocks.
    pub(crate) has_workers: bool,
    /// Whether a `LocalSet` can be driven in it: a `LocalRuntime` takes what is spawned there for its own.
    pub(crate) takes_sets: bool,
    pub(crate) clock: Clock,
}

/// What the runtime's clock does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Real,
    /// Stands, but for what everybody waits for.
    Exact,
    /// Stands, and is moved by acts as well.
    Advanced,
    /// Stands, and runs now and then.
    Resumed,
}

/// Where tasks that are not `Send` can be spawned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    None,
    /// On the runtime.
    Runtime,
    /// In the set that the episode is run in.
    Set,
    /// In a set on a thread of its own, which may outlive the runtime.
    Aside,
}

impl Ctx {
    pub(crate) fn new(ledger: Arc<Ledger>, post: Post, rng: fastrand::Rng, land: Land, home: Home) -> Self {
        Self { ledger, post, rng, land, home, depth: 0 }
    }

    /// For another part of the episode.
    pub(crate) fn fork(&self, rng: &mut fastrand::Rng) -> Self {
        Self::new(self.ledger.clone(), self.post.clone(), rng.fork(), self.land, self.home)
    }

    /// For a task that any thread of the runtime may run.
    pub(crate) fn child(&mut self) -> Self {
        let home = if self.home == Home::Runtime { Home::Runtime } else { Home::None };
        self.child_at(home)
    }

    /// For a task that stays on this thread.
    pub(crate) fn child_here(&mut self) -> Self {
        self.child_at(self.home)
    }

    pub(crate) fn child_at(&mut self, home: Home) -> Self {
        let (ledger, post) = (self.ledger.clone(), self.post.clone());
        Self { ledger, post, rng: self.rng.fork(), land: self.land, home, depth: self.depth + 1 }
    }

    pub(crate) fn micros(&mut self, below: u64) -> Duration {
        Duration::from_micros(self.rng.u64(..below))
    }

    /// A signal that a foreign thread will give.
    pub(crate) fn signal(&mut self) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        let theirs = signal.clone();
        self.post.run(&mut self.rng, move |rng| theirs.say(rng));
        signal
    }
}

/// Waits for the shutdown if that is why something has failed, and panics if it is not.
pub(crate) async fn must<T, E: Debug>(ledger: &Ledger, result: Result<T, E>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(_) if ledger.is_closing() => future::pending().await,
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// Of an act that may have been aborted. A timer that the shutdown has overtaken panics.
pub(crate) fn expect_cancelled(ledger: &Ledger, error: &JoinError) {
    assert!(error.is_cancelled() || ledger.is_closing(), "an act has panicked: {error}");
}

/// Of an act that nobody aborts.
pub(crate) async fn expect_done<T>(ledger: &Ledger, result: Result<T, JoinError>) -> T {
    must(ledger, result, "an act has failed").await
}
