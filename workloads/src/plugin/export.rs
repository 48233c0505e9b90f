//! The plug-in's side of the border: entries that take bytes, call the workloads, and let no panic out.
//!
//! Next file to read: `../bundled/mod.rs`.

use std::io::{self, Read};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

use serde::Serialize;

use super::Plugin;
use super::abi::{ABI_MAJOR, ABI_MINOR, DONE, FAILED, Head, Host, MAGIC, PANICKED, Table, Text};
use super::talk::{About, Draft, Objections};
use crate::engine;
use crate::exec::{self, Exit, panicked, within};
use crate::params::{ParamError, Params};
use crate::wire::{Failure, Frame};

/// The table of a plug-in.
pub const fn table<P: Plugin>() -> Table {
    Table {
        head: Head {
            magic: MAGIC,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            size: mem::size_of::<Table>() as u64,
        },
        name: Text::new(P::NAME),
        version: Text::new(P::VERSION),
        sdk: Text::new(env!("CARGO_PKG_VERSION")),
        rustc: Text::new(crate::RUSTC),
        engine: Text::new(engine::KIND.as_str()),
        engine_version: Text::new(engine::VERSION),
        describe: Some(describe::<P>),
        validate: Some(validate::<P>),
        run: Some(run::<P>),
        stop: Some(stop),
    }
}

/// Says what the workloads are.
///
/// # Safety
///
/// `host` must point to a [`Host`] that is valid for the call.
unsafe extern "C" fn describe<P: Plugin>(host: *const Host) -> u32 {
    // SAFETY: the caller's promise.
    let host = unsafe { Caller::new(host) };
    host.answer(|| Ok(About { workloads: P::workloads().iter().map(|known| known.describe()).collect() }))
}

/// Checks a draft.
///
/// # Safety
///
/// As for [`describe`], and `data` must point to `len` bytes that are valid for the call.
unsafe extern "C" fn validate<P: Plugin>(host: *const Host, data: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's promise.
    let host = unsafe { Caller::new(host) };
    // SAFETY: the caller's promise.
    let draft = unsafe { bytes(data, len) };
    host.answer(|| objections::<P>(draft))
}

/// Runs a plan.
///
/// # Safety
///
/// As for [`validate`].
unsafe extern "C" fn run<P: Plugin>(host: *const Host, data: *const u8, len: usize) -> u32 {
    // SAFETY: the caller's promise.
    let host = unsafe { Caller::new(host) };
    // SAFETY: the caller's promise.
    let plan = unsafe { bytes(data, len) };
    let ran = catching(|| {
        let plan = serde_json::from_slice(plan).map_err(|error| exec::unreadable(&error));
        exec::run_message(plan, &P::workloads(), &STOP, &mut |frame| host.emit(frame))
    });
    match ran {
        Ok(Exit::Done) => DONE,
        Ok(Exit::Failed | Exit::ParentGone) => FAILED,
        Err(panic) => {
            // The last word, if anybody listens still.
            let _ = catching(|| host.emit(&Frame::Failed(panic)));
            PANICKED
        }
    }
}

/// Asks the run to end.
extern "C" fn stop() {
    *STOP.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    STOP.1.notify_all();
}

fn objections<P: Plugin>(draft: &[u8]) -> Result<Objections, Failure> {
    let draft = serde_json::from_slice(draft)
        .map_err(|error| Failure::broken(format!("the draft cannot be read: {error}")))?;
    match draft {
        Draft::Runtime { config } => {
            let refusal = |(key, problem): (String, String)| ParamError::new(&key, problem, "its default");
            Ok(engine::refusals(&config).into_iter().map(refusal).collect())
        }
        Draft::Params { workload, params } => {
            let known = P::workloads().into_iter().find(|known| known.describe().name == workload);
            let known = known.ok_or_else(|| Failure::broken(format!("there is no workload `{workload}`")))?;
            let checked = Params::check(&known.describe().params, &params);
            let checked = checked.and_then(|params| {
                within("validate", || known.validate(&params))?;
                // A workload that cannot name its histograms should say so before anything runs.
                drop(within("streams", || known.streams(&params)));
                Ok(())
            });
            Ok(checked.err().into_iter().collect())
        }
    }
}

/// The host for the length of one entry.
struct Caller<'a>(&'a Host);

impl Caller<'_> {
    /// # Safety
    ///
    /// `host` must point to a [`Host`] that stays valid for `'a`, which the caller chooses.
    unsafe fn new(host: *const Host) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { &*host })
    }

    /// Passes one message on.
    fn emit(&self, message: &impl Serialize) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        // SAFETY: the host said how it is to be called, and the bytes live until it returns.
        let heard = unsafe { (self.0.emit)(self.0.ctx, bytes.as_ptr(), bytes.len()) };
        if heard == 0 { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// Emits what `make` makes, or why it could not.
    fn answer<T: Serialize>(&self, make: impl FnOnce() -> Result<T, Failure>) -> u32 {
        let (status, emitted) = match catching(make) {
            Ok(Ok(answer)) => (DONE, catching(|| self.emit(&answer))),
            Ok(Err(failure)) => (FAILED, catching(|| self.emit(&failure))),
            Err(panic) => (PANICKED, catching(|| self.emit(&panic))),
        };
        match emitted {
            Ok(Ok(())) => status,
            Ok(Err(_)) => FAILED,
            Err(_) => PANICKED,
        }
    }
}

/// # Safety
///
/// `data` must point to `len` bytes that nobody changes for `'a`, which the caller chooses; or `len` must be 0.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, len) }
}

/// Turns a panic into a failure.
fn catching<T>(body: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| panicked("the plug-in", payload))
}

/// Set once somebody has asked the run to end.
static STOP: StopRequest = StopRequest(Mutex::new(false), Condvar::new());

struct StopRequest(Mutex<bool>, Condvar);

/// The end of this stream is the request to stop, as it is on the bundled workloads' pipe.
impl Read for &StopRequest {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let stopped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.1.wait_while(stopped, |stopped| !*stopped);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
