//! The plain threads of a load.
//!
//! Next file to read: `load/tcp/mod.rs`.
#![forbid(unsafe_code)]

use std::thread;

use crate::exec::panic_text;
use crate::wire::Failure;

/// Starts a thread of a load.
///
/// # Errors
///
/// The system has no thread to give.
pub fn start_thread<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    body: impl FnOnce() -> Result<(), Failure> + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, Result<(), Failure>>, Failure> {
    let started = thread::Builder::new().name(format!("rtbench-{name}")).spawn_scoped(scope, body);
    started.map_err(|error| Failure::broken(format!("a thread of the load could not be started: {error}")))
}

/// Waits for a load's threads. Their first failure, or a panic as one.
///
/// # Errors
///
/// What the first of them returned or panicked with.
pub fn join_threads<'scope>(
    threads: impl IntoIterator<Item = thread::ScopedJoinHandle<'scope, Result<(), Failure>>>,
) -> Result<(), Failure> {
    let mut result = Ok(());
    for thread in threads {
        let ended = thread.join().unwrap_or_else(|payload| {
            Err(Failure::broken(format!("a thread of the load panicked: {}", panic_text(&*payload))))
        });
        result = result.and(ended);
    }
    result
}
