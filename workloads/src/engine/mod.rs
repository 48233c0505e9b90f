//! The runtime under test: the one module that knows more of it than Tokio's public stable API.
//!
//! This source is compiled once for each engine. The package decides what `rt` is, and so which of two files with
//! equal signatures is built: `embedded.rs` or `tokio.rs`.
//!
//! Next file to read: `embedded.rs`, then `tokio.rs`, and `home.rs`.
#![forbid(unsafe_code)]

#[cfg(not(engine_tokio))]
#[path = "embedded.rs"]
mod bound;
#[cfg(engine_tokio)]
#[path = "tokio.rs"]
mod bound;
mod home;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rt::config::{Flavor, RuntimeConfig};
use rt::runtime::{Handle, Runtime};

use self::home::Home;
pub use bound::{BUILD, KIND, NAME, VERSION, lacks, refusals};

use crate::wire::{Bucket, Failure, RuntimeCounters};

/// A runtime built from a profile.
#[derive(Debug)]
pub struct Engine {
    runtime: Built,
    flavor: Flavor,
}

#[derive(Debug)]
enum Built {
    Anywhere(Runtime),
    AtHome(Home),
}

impl Engine {
    /// Builds the runtime.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a configuration that cannot be obeyed, else what the operating system refused.
    pub fn build(config: &RuntimeConfig) -> io::Result<Self> {
        if let Some((key, problem)) = refusals(config).into_iter().next() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{key}: {problem}")));
        }
        let runtime = match config.flavor {
            Flavor::Local => {
                let config = config.clone();
                Built::AtHome(Home::start(move || bound::build_local(&config))?)
            }
            _ => Built::Anywhere(bound::build(config)?),
        };
        Ok(Self { runtime, flavor: config.flavor })
    }

    /// For spawning from any thread.
    pub fn handle(&self) -> &Handle {
        match &self.runtime {
            Built::Anywhere(runtime) => runtime.handle(),
            Built::AtHome(home) => home.handle(),
        }
    }

    /// Runs a future inside of the runtime's `block_on`, and waits for it. That is on the calling thread, which must not
    /// belong to the runtime; a runtime of the flavour `local` has the future on its own thread.
    ///
    /// # Panics
    ///
    /// Whatever the future panics with.
    pub fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match &self.runtime {
            Built::Anywhere(runtime) => runtime.block_on(future),
            Built::AtHome(home) => home.block_on(future),
        }
    }

    /// Whether tasks run only while some thread is inside of [`block_on`](Self::block_on).
    pub fn needs_a_thread(&self) -> bool {
        self.flavor == Flavor::CurrentThread
    }

    /// Keeps tasks running until the answer is dropped: a thread of its own where the flavour needs one.
    ///
    /// # Errors
    ///
    /// The thread could not be started.
    pub fn keep_running(self: &Arc<Self>) -> Result<KeptRunning, Failure> {
        if !self.needs_a_thread() {
            return Ok(KeptRunning(None));
        }
        let (gate, engine) = (Arc::new(Gate::default()), self.clone());
        let closed = gate.clone();
        let body = move || {
            engine.block_on(async move { closed.wait().await });
        };
        let thread = thread::Builder::new().name("rtbench-runtime".to_owned()).spawn(body);
        let thread = thread.map_err(|error| Failure::broken(error.to_string()))?;
        Ok(KeptRunning(Some((gate, thread))))
    }

    /// The counters since the runtime was built; there are no levels among them.
    pub fn counters(&self) -> RuntimeCounters {
        bound::counters(self.handle())
    }

    /// What rises and falls, such as the depth of a queue, as it is now. The name of a time ends in `_ns`.
    pub fn levels(&self) -> Vec<(&'static str, u64)> {
        bound::levels(self.handle())
    }

    /// Ends the runtime; blocking jobs that do not end in time are left behind.
    pub fn shutdown(self, timeout: Duration) {
        match self.runtime {
            Built::Anywhere(runtime) => bound::shut_down(runtime, timeout),
            Built::AtHome(home) => home.shutdown(timeout),
        }
    }
}

fn by_name<T>(pairs: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, T> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The buckets that took something, of a histogram with so many.
#[cfg_attr(
    all(engine_tokio, not(tokio_unstable)),
    allow(dead_code, reason = "this engine has no histograms")
)]
fn buckets(
    number: usize,
    range: impl Fn(usize) -> Range<Duration>,
    count: impl Fn(usize) -> u64,
) -> Vec<Bucket> {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let bucket = |i| {
        let Range { start, end } = range(i);
        Bucket { from_ns: nanos(start), to_ns: nanos(end), count: count(i) }
    };
    (0..number).map(bucket).filter(|bucket| bucket.count > 0).collect()
}

/// Keeps an [`Engine`]'s tasks running until it is dropped.
#[derive(Debug)]
pub struct KeptRunning(Option<(Arc<Gate>, JoinHandle<()>)>);

impl Drop for KeptRunning {
    fn drop(&mut self) {
        if let Some((gate, thread)) = self.0.take() {
            gate.close();
            // A panic of the runtime has been printed by its thread; there is nobody to tell it to here.
            let _ = thread.join();
        }
    }
}

/// Ends one future from another thread.
#[derive(Debug, Default)]
struct Gate(Mutex<(bool, Option<Waker>)>);

impl Gate {
    fn close(&self) {
        let waker = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            let mine = cx.waker().clone();
            let (closed, old) = {
                let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                (state.0, state.1.replace(mine))
            };
            drop(old);
            if closed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
