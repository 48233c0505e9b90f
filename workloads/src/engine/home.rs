//! A runtime that cannot leave its thread, on a thread of its own.
//!
//! Next file to read: `../exec/mod.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rt::runtime::{Handle, LocalRuntime};

use super::Gate;

/// The thread, and the way to its runtime.
#[derive(Debug)]
pub(super) struct Home {
    handle: Handle,
    gate: Arc<Gate>,
    patience: mpsc::Sender<Duration>,
    thread: Option<JoinHandle<()>>,
}

impl Home {
    /// Builds a runtime on a new thread, which drives it from now on.
    pub(super) fn start(
        build: impl FnOnce() -> io::Result<LocalRuntime> + Send + 'static,
    ) -> io::Result<Self> {
        let gate = Arc::new(Gate::default());
        let (answer, built) = mpsc::sync_channel(1);
        let (patience, asked) = mpsc::channel();
        let closed = gate.clone();
        let body = move || match build() {
            Ok(runtime) => {
                let _ = answer.send(Ok(runtime.handle().clone()));
                runtime.block_on(closed.wait());
                runtime.shutdown_timeout(asked.recv().unwrap_or(Duration::ZERO));
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("rtbench-runtime".to_owned()).spawn(body)?;
        let handle = built.recv().map_err(|_| io::Error::other("the thread of the runtime panicked"))??;
        Ok(Self { handle, gate, patience, thread: Some(thread) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the runtime, and waits no longer than this for its blocking jobs.
    pub(super) fn shutdown(mut self, timeout: Duration) {
        // The thread is gone only if it panicked, and has said so.
        let _ = self.patience.send(timeout);
        self.end();
    }

    fn end(&mut self) {
        self.gate.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nobody waits for it any more: not for its blocking jobs either.
        let _ = self.patience.send(Duration::ZERO);
        self.end();
    }
}
