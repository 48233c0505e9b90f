//! Loads a library and calls its entries: the only file of rtbench that runs foreign code in its own process.
//!
//! That a file keeps the promises of [`workloads::plugin::abi`] cannot be proven, only asked for: this runs in child
//! processes, which may die of it.
//!
//! Next file to read: `verify.rs`.

use std::ffi::c_void;
use std::io::{self, Write};
use std::mem::{self, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use workloads::plugin::abi::{
    ABI_MAJOR, ABI_MINOR, Describe, FIRST_TABLE_SIZE, Head, Host, MAGIC, SYMBOL, Stop, Table, Take, Text,
};
use workloads::wire::Failure;

use super::Identity;

/// Longer texts in a table are none.
const MAX_TEXT: usize = 1024;

/// A plug-in that is loaded, for the rest of the process's life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loaded {
    table: Table,
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
        // SAFETY: the head says how far the table goes, and nobody unloads or changes it.
        let table = unsafe { read_table::<Table>(head, found.size) };
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
        let table = &self.table;
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
        lend("describe", sink, |host| {
            // SAFETY: the host is never freed.
            unsafe { (self.describe)(host) }
        })
    }

    /// Calls `validate`, and gives its status.
    pub(super) fn validate(&self, draft: &[u8], sink: &mut Sink<'_>) -> u32 {
        take("validate", self.validate, draft, sink)
    }

    /// Calls `run`, and gives its status.
    pub(super) fn run(&self, plan: &[u8], sink: &mut Sink<'_>) -> u32 {
        take("run", self.run, plan, sink)
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
    if head.size < FIRST_TABLE_SIZE {
        return Err(malformed(&format!("its table has {} bytes of at least {FIRST_TABLE_SIZE}", head.size)));
    }
    Ok(())
}

/// Reads a table of `size` bytes as far as both sides know it. What a smaller one lacks is null, and so is a field of
/// which it has a part only.
///
/// # Safety
///
/// So many bytes must be readable from `head` on; and `T` must be of C's layout, with zeroes for a value in each of its
/// fields.
unsafe fn read_table<T: Copy>(head: *const Head, size: u64) -> T {
    let mut table = MaybeUninit::<T>::zeroed();
    let known = usize::try_from(size).unwrap_or(usize::MAX).min(size_of::<T>());
    let whole = known - known % size_of::<*const ()>();
    // SAFETY: readable, says the caller, and they fit into `table`.
    unsafe { ptr::copy_nonoverlapping(head.cast::<u8>(), table.as_mut_ptr().cast::<u8>(), whole) };
    // SAFETY: zeroes or what the table says, which the caller answers for.
    unsafe { table.assume_init() }
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

/// What [`emit`] finds behind its context. Neither this nor the host is ever freed, for a plug-in's thread may come back to
/// them after the entry has returned.
struct Context<'a> {
    entry: &'static str,
    /// Empty: the entry has returned.
    sink: Mutex<Option<&'a mut Sink<'a>>>,
}

fn take(name: &'static str, entry: Take, message: &[u8], sink: &mut Sink<'_>) -> u32 {
    lend(name, sink, |host| {
        // SAFETY: the host is never freed, and the message lives until the call returns.
        unsafe { entry(host, message.as_ptr(), message.len()) }
    })
}

/// Lends `sink` to an entry, and takes it back.
fn lend(entry: &'static str, sink: &mut Sink<'_>, call: impl FnOnce(*const Host) -> u32) -> u32 {
    let mut through = |bytes: &[u8]| sink(bytes);
    let context: &Context<'_> = Box::leak(Box::new(Context { entry, sink: Mutex::new(Some(&mut through)) }));
    let ctx = ptr::from_ref(context).cast_mut().cast();
    let host: &Host = Box::leak(Box::new(Host { size: size_of::<Host>() as u64, ctx, emit }));
    let status = call(host);
    context.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
    status
}

/// The entry after whose return a message came, which was refused, if there was one since this was asked last.
pub(super) fn take_late() -> Option<&'static str> {
    LATE.lock().unwrap_or_else(PoisonError::into_inner).take()
}

static LATE: Mutex<Option<&'static str>> = Mutex::new(None);

/// Remembers a message that came too late, and tells it: nothing else may be asked of the plug-in any more.
fn refuse_late(entry: &'static str) -> u32 {
    let former = LATE.lock().unwrap_or_else(PoisonError::into_inner).replace(entry);
    if former != Some(entry) {
        // Somewhere else there is nobody to tell it to.
        let _ = writeln!(io::stderr(), "rtbench: {}", late_message(entry));
    }
    1
}

/// What is said of such a message.
pub(super) fn late_message(entry: &str) -> String {
    format!("a message was emitted after the entry `{entry}` had returned, and was refused")
}

/// [`Host::emit`].
///
/// # Safety
///
/// `ctx` must be the host's own, and `data` must point to `len` bytes.
unsafe extern "C" fn emit(ctx: *mut c_void, data: *const u8, len: usize) -> u32 {
    let deliver = || -> io::Result<u32> {
        // SAFETY: `lend` made it, and it is never freed.
        let context = unsafe { &*ctx.cast::<Context<'_>>() };
        let bytes = match len {
            0 => &[],
            // SAFETY: the caller's promise.
            _ => unsafe { std::slice::from_raw_parts(data, len) },
        };
        // The promise is one thread, but a lock costs nothing here, and a plug-in that breaks it breaks less.
        let mut sink = context.sink.lock().map_err(|_| io::ErrorKind::BrokenPipe)?;
        match sink.as_mut() {
            Some(sink) => Ok(sink(bytes)),
            None => Ok(refuse_late(context.entry)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn describe(_: *const Host) -> u32 {
        7
    }

    unsafe extern "C" fn take_nothing(_: *const Host, _: *const u8, _: usize) -> u32 {
        8
    }

    extern "C" fn stop() {}

    fn table(size: usize) -> Table {
        let text = Text::new("text");
        Table {
            head: Head { magic: MAGIC, abi_major: ABI_MAJOR, abi_minor: ABI_MINOR, size: size as u64 },
            name: text,
            version: text,
            sdk: text,
            rustc: text,
            engine: text,
            engine_version: Text::new("the last text"),
            describe: Some(describe),
            validate: Some(take_nothing),
            run: Some(take_nothing),
            stop: Some(stop),
        }
    }

    /// A table as a later minor version has it.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Later {
        table: Table,
        one: Option<Stop>,
        other: Option<Stop>,
    }

    fn later(size: usize) -> Later {
        Later { table: table(size), one: Some(stop), other: Some(stop) }
    }

    fn read<T: Copy>(from: &Later) -> T {
        assert_eq!(check_head(&from.table.head), Ok(()));
        // SAFETY: no more bytes are read than `from` has, and both types allow zeroes.
        unsafe { read_table(ptr::from_ref(from).cast(), from.table.head.size.min(size_of::<Later>() as u64)) }
    }

    #[test]
    fn a_table_is_read_as_far_as_both_sides_know_it() {
        let first = FIRST_TABLE_SIZE as usize;
        let entry = size_of::<Option<Stop>>();
        // An older plug-in in a newer host; one that has a part of a field; an equal one; a newer one.
        for (size, one, other) in [
            (first, false, false),
            (first + entry / 2, false, false),
            (first + entry, true, false),
            (first + 2 * entry - 1, true, false),
            (first + 2 * entry, true, true),
            (first + 100 * entry, true, true),
        ] {
            let read: Later = read(&later(size));
            assert_eq!((read.one.is_some(), read.other.is_some()), (one, other), "{size} bytes");
            assert_eq!(text("last", read.table.engine_version).unwrap(), "the last text");
            assert!(read.table.stop.is_some());
        }
        // A newer plug-in in this host.
        let newer: Table = read(&later(size_of::<Later>()));
        assert_eq!((newer.head.size, newer.stop.is_some()), (size_of::<Later>() as u64, true));
    }

    #[test]
    fn a_table_smaller_than_the_first_and_another_major_version_are_refused() {
        let refused = |head: Head| check_head(&head).unwrap_err().message;
        let good = table(size_of::<Table>()).head;
        assert!(refused(Head { size: FIRST_TABLE_SIZE - 1, ..good }).contains("bytes of at least"));
        assert!(refused(Head { abi_major: ABI_MAJOR + 1, ..good }).contains("newer"));
        assert!(refused(Head { abi_major: ABI_MAJOR - 1, ..good }).contains("older"));
        for abi_minor in [0, ABI_MINOR, ABI_MINOR + 1, u32::MAX] {
            assert_eq!(check_head(&Head { abi_minor, ..good }), Ok(()));
        }
    }

    #[test]
    fn a_message_after_the_entry_has_returned_is_refused_and_told() {
        let mut heard = Vec::new();
        let mut kept = ptr::null();
        let send = |host: *const Host, text: &str| {
            // SAFETY: a host is never freed.
            let Host { ctx, emit, .. } = unsafe { *host };
            // SAFETY: its own context, and bytes that live.
            unsafe { emit(ctx, text.as_ptr(), text.len()) }
        };
        let status = lend(
            "describe",
            &mut |bytes: &[u8]| {
                heard.push(bytes.to_owned());
                0
            },
            |host| {
                kept = host;
                send(host, "in time")
            },
        );
        assert_eq!((status, take_late()), (0, None));
        let late = kept as usize;
        let refused = std::thread::spawn(move || send(late as *const Host, "late")).join().unwrap();
        assert_ne!(refused, 0);
        assert_eq!((take_late(), take_late()), (Some("describe"), None));
        assert_eq!(heard, [b"in time"]);
    }
}
