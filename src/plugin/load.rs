//! Loads a library and calls its entries: the only file of rtbench that runs foreign code in its own process.
//!
//! That a file keeps the promises of [`workloads::plugin::abi`] cannot be proven, only asked for: this runs in child
//! processes, which may die of it.
//!
//! Next file to read: `verify.rs`.

use std::ffi::c_void;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use workloads::plugin::abi::{
    ABI_MAJOR, ABI_MINOR, Describe, Head, Host, MAGIC, SYMBOL, Stop, Table, Take, Text,
};
use workloads::wire::Failure;

use super::Identity;

/// Longer texts in a table are none.
const MAX_TEXT: usize = 1024;

/// A plug-in that is loaded, for the rest of the process's life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    table: &'static Table,
    describe: Describe,
    validate: Take,
    run: Take,
    stop: Stop,
}

/// Takes what an entry emits. 0: go on.
type Sink<'a> = dyn FnMut(&[u8]) -> u32 + Send + 'a;

impl Loaded {
    /// Loads the library at `path`, which is absolute, and looks at its table.
    ///
    /// # Errors
    ///
    /// Why it is no plug-in that this program can use.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        // SAFETY: the library's constructors run. What they do is out of our hands; it is done to a child process.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|error| {
            let message = format!("it cannot be loaded: {error}");
            Failure::input(
                message,
                "a plug-in is a shared library for this machine: crate-type = [\"cdylib\"]",
            )
        })?;
        // SAFETY: a symbol of this name is a table by agreement; the head is looked at before the rest.
        let symbol = unsafe { library.get::<*const Head>(SYMBOL.as_bytes()) };
        let head = match symbol {
            Ok(symbol) => *symbol,
            Err(_) => {
                let message = format!("it is a library, and no plug-in: it has no symbol `{SYMBOL}`");
                return Err(Failure::input(message, "`workloads::export_plugin!` writes that symbol"));
            }
        };
        // Never unloaded: threads and thread-locals of the plug-in may outlive everything here.
        mem::forget(library);
        // SAFETY: the symbol exists; that it has 24 bytes is its promise.
        let found = unsafe { head.read_unaligned() };
        check_head(&found)?;
        if !head.cast::<Table>().is_aligned() {
            return Err(malformed("its table is not aligned"));
        }
        // SAFETY: the head says that there is a whole table of our version, and nobody unloads or changes it.
        let table = unsafe { &*head.cast::<Table>() };
        match (table.describe, table.validate, table.run, table.stop) {
            (Some(describe), Some(validate), Some(run), Some(stop)) => {
                Ok(Self { table, describe, validate, run, stop })
            }
            _ => Err(malformed("its table lacks an entry")),
        }
    }

    /// What the table says.
    ///
    /// # Errors
    ///
    /// A text that is none.
    pub(super) fn identity(&self) -> Result<Identity, Failure> {
        let table = self.table;
        Ok(Identity {
            abi: (table.head.abi_major, table.head.abi_minor),
            table_bytes: table.head.size,
            name: text("name", table.name)?,
            version: text("version", table.version)?,
            sdk: text("sdk", table.sdk)?,
            rustc: text("rustc", table.rustc)?,
            engine: text("engine", table.engine)?,
            engine_version: text("engine_version", table.engine_version)?,
        })
    }

    /// Calls `describe`, and gives its status.
    pub(super) fn describe(&self, sink: &mut Sink<'_>) -> u32 {
        lend(sink, |host| {
            // SAFETY: the host lives until the call returns.
            unsafe { (self.describe)(host) }
        })
    }

    /// Calls `validate`, and gives its status.
    pub(super) fn validate(&self, draft: &[u8], sink: &mut Sink<'_>) -> u32 {
        take(self.validate, draft, sink)
    }

    /// Calls `run`, and gives its status.
    pub(super) fn run(&self, plan: &[u8], sink: &mut Sink<'_>) -> u32 {
        take(self.run, plan, sink)
    }

    /// Calls `stop`.
    pub(super) fn stop(&self) {
        // SAFETY: the entry may be called at any time and on any thread.
        unsafe { (self.stop)() }
    }
}

/// Ends the process without running what libraries have registered for its end: a plug-in's threads still run.
pub(super) fn leave(code: u8) -> ! {
    // SAFETY: nothing is left to be done in this process.
    unsafe { libc::_exit(code.into()) }
}

fn malformed(what: &str) -> Failure {
    Failure::input(
        format!("it is no plug-in that can be used: {what}"),
        "build it with the SDK of this rtbench",
    )
}

fn check_head(head: &Head) -> Result<(), Failure> {
    if head.magic != MAGIC {
        return Err(malformed(&format!("its symbol `{SYMBOL}` does not begin with the magic bytes")));
    }
    if head.abi_major != ABI_MAJOR {
        let age = if head.abi_major < ABI_MAJOR { "older" } else { "newer" };
        let message = format!(
            "it speaks the {age} plug-in ABI {}.{}, and this rtbench speaks {ABI_MAJOR}.{ABI_MINOR}",
            head.abi_major, head.abi_minor
        );
        return Err(Failure::input(message, "build it with the SDK of this rtbench"));
    }
    if head.size < mem::size_of::<Table>() as u64 {
        let message = format!("its table has {} bytes of at least {}", head.size, mem::size_of::<Table>());
        return Err(malformed(&message));
    }
    Ok(())
}

fn text(field: &str, text: Text) -> Result<String, Failure> {
    if text.data.is_null() || text.len > MAX_TEXT {
        return Err(malformed(&format!("the text `{field}` of its table is missing or too long")));
    }
    // SAFETY: the table promises that so many bytes live as long as the library.
    let bytes = unsafe { std::slice::from_raw_parts(text.data, text.len) };
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control));
    let text =
        text.ok_or_else(|| malformed(&format!("the text `{field}` of its table is not plain text")))?;
    Ok(text.to_owned())
}

/// What [`emit`] finds behind its context. Empty: the entry has returned.
type Context<'a> = Mutex<Option<&'a mut Sink<'a>>>;

fn take(entry: Take, message: &[u8], sink: &mut Sink<'_>) -> u32 {
    lend(sink, |host| {
        // SAFETY: the host and the message live until the call returns.
        unsafe { entry(host, message.as_ptr(), message.len()) }
    })
}

/// Lends `sink` to an entry.
fn lend(sink: &mut Sink<'_>, entry: impl FnOnce(*const Host) -> u32) -> u32 {
    let mut through = |bytes: &[u8]| sink(bytes);
    let context: Context<'_> = Mutex::new(Some(&mut through));
    let host =
        Host { size: mem::size_of::<Host>() as u64, ctx: (&raw const context).cast_mut().cast(), emit };
    entry(&host)
}

/// [`Host::emit`].
///
/// # Safety
///
/// `ctx` must be the host's own, `data` must point to `len` bytes, and the entry must not have returned.
unsafe extern "C" fn emit(ctx: *mut c_void, data: *const u8, len: usize) -> u32 {
    let deliver = || -> io::Result<u32> {
        // SAFETY: `lend` made it, and returns after the entry only.
        let context = unsafe { &*ctx.cast::<Context<'_>>() };
        let bytes = match len {
            0 => &[],
            // SAFETY: the caller's promise.
            _ => unsafe { std::slice::from_raw_parts(data, len) },
        };
        // The promise is one thread, but a lock costs nothing here, and a plug-in that breaks it breaks less.
        let mut sink = context.lock().map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(sink.as_mut().map_or(1, |sink| sink(bytes)))
    };
    match catch_unwind(AssertUnwindSafe(deliver)) {
        Ok(Ok(heard)) => heard,
        Ok(Err(_)) => 1,
        Err(payload) => {
            mem::forget(payload);
            1
        }
    }
}
