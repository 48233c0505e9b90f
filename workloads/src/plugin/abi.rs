//! The border between rtbench and a plug-in: one exported symbol, and what it holds.
//!
//! The symbol [`SYMBOL`] is a static [`Table`]. Its first 24 bytes, the [`Head`], never change: whoever reads them
//! knows whether it may read on. Five rules hold for everything behind them:
//!
//! 1. **No memory changes hands.** A pointer that is passed is borrowed for the length of that call; whoever wants to
//!    keep what it points to makes a copy. The table and its texts live as long as the process.
//! 2. **Nothing unwinds across.** Each side catches its own panics.
//! 3. **Answers go through [`Host::emit`]**, on the thread that called the entry and before that returns.
//! 4. **One entry at a time**, each on any thread. [`Table::stop`] alone may be called at any time and from any
//!    thread, also while [`Table::run`] is under way, which it is for.
//! 5. **[`Table::run`] is called once in a process**, and the library is never unloaded.
//!
//! | | version 1.0 |
//! |---|---|
//! | a larger [`Head::abi_major`] | refused; so is a smaller one |
//! | a larger [`Head::abi_minor`] | served: the table has grown at its end, and [`Head::size`] says how far |
//! | a smaller [`Head::abi_minor`] | served: what its table is too small for is null, and not used |
//!
//! [`FIRST_TABLE_SIZE`] bytes are what every table has. A field that comes later lies behind them, is a pointer, and says
//! what rtbench does where it is null.
//!
//! Next file to read: `plugin/talk.rs`.

use std::ffi::c_void;

/// The name of the exported symbol, as a linker sees it.
pub const SYMBOL: &str = "rtbench_plugin_v1";
/// The first eight bytes of a table. The last one is not ASCII, so that no text is taken for a table.
pub const MAGIC: [u8; 8] = *b"rtbench\xb5";
/// What must be equal on both sides.
pub const ABI_MAJOR: u32 = 1;
/// What the table has gained since.
pub const ABI_MINOR: u32 = 0;
/// Bytes of a table of version 1.0: no table is smaller.
pub const FIRST_TABLE_SIZE: u64 = (std::mem::offset_of!(Table, stop) + size_of::<Option<Stop>>()) as u64;
/// The most bytes of one message through [`Host::emit`]. A frame has a few ten thousand.
pub const MAX_EMIT: usize = 8 << 20;

/// An entry did what was asked.
pub const DONE: u32 = 0;
/// An entry could not; what it emitted last says why.
pub const FAILED: u32 = 1;
/// An entry panicked; what it emitted last says with what words.
pub const PANICKED: u32 = 2;

/// What a table of any version begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`ABI_MAJOR`] of the plug-in's side.
    pub abi_major: u32,
    /// [`ABI_MINOR`] of the plug-in's side.
    pub abi_minor: u32,
    /// Bytes of the whole table, this head included.
    pub size: u64,
}

/// A text in UTF-8 that lives as long as the library; not terminated.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Text {
    /// Its first byte. Null: there is no text.
    pub data: *const u8,
    /// Its length in bytes.
    pub len: usize,
}

impl Text {
    /// The text as it crosses the border.
    pub const fn new(text: &'static str) -> Self {
        Self { data: text.as_ptr(), len: text.len() }
    }
}

/// [`Host::emit`]: `ctx`, then the first byte and the number of bytes of one message. 0: taken. Anything else:
/// nobody listens any more, and the entry should return.
pub type Emit = unsafe extern "C" fn(ctx: *mut c_void, data: *const u8, len: usize) -> u32;

/// What the plug-in can call, lent for the length of one entry.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Host {
    /// Bytes of this struct.
    pub size: u64,
    /// The first argument of every call.
    pub ctx: *mut c_void,
    /// Takes one message of at most [`MAX_EMIT`] bytes and copies it before it returns. Never blocks for long.
    pub emit: Emit,
}

/// [`Table::describe`].
pub type Describe = unsafe extern "C" fn(host: *const Host) -> u32;
/// [`Table::validate`] and [`Table::run`]: the host, then the first byte and the number of bytes of a message.
pub type Take = unsafe extern "C" fn(host: *const Host, data: *const u8, len: usize) -> u32;
/// [`Table::stop`].
pub type Stop = unsafe extern "C" fn();

/// What [`SYMBOL`] names. An entry of version 1.0 that is null is missing, and the plug-in is refused.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Table {
    /// Says what the rest is.
    pub head: Head,
    /// Name of the plug-in: its crate's.
    pub name: Text,
    /// Its version.
    pub version: Text,
    /// Version of the SDK in it.
    pub sdk: Text,
    /// The compiler that built the SDK in it, as `rustc --version` has it.
    pub rustc: Text,
    /// Which engine is in it: `embedded` or `tokio`.
    pub engine: Text,
    /// Version of that engine.
    pub engine_version: Text,
    /// Emits [`About`](super::talk::About), or a [`Failure`](crate::wire::Failure).
    pub describe: Option<Describe>,
    /// Takes a [`Draft`](super::talk::Draft) and emits [`Objections`](super::talk::Objections), or a
    /// [`Failure`](crate::wire::Failure).
    pub validate: Option<Take>,
    /// Takes a [`Plan`](crate::wire::Plan), runs it, and emits one [`Frame`](crate::wire::Frame) after the other.
    /// Returns after the last one.
    pub run: Option<Take>,
    /// Asks a run that is under way, or is yet to come, to end early.
    pub stop: Option<Stop>,
}

// SAFETY: all that the pointers lead to is constant for the life of the library.
unsafe impl Sync for Table {}
// SAFETY: as above.
unsafe impl Send for Table {}

#[cfg(test)]
mod tests {
    use std::mem::{align_of, offset_of, size_of};

    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_layout_is_the_documented_one() {
        assert_eq!((size_of::<Head>(), offset_of!(Head, abi_major), offset_of!(Head, size)), (24, 8, 16));
        assert_eq!((size_of::<Text>(), size_of::<Host>()), (16, 24));
        assert_eq!((offset_of!(Host, ctx), offset_of!(Host, emit)), (8, 16));
        let fields = [
            offset_of!(Table, name),
            offset_of!(Table, version),
            offset_of!(Table, sdk),
            offset_of!(Table, rustc),
            offset_of!(Table, engine),
            offset_of!(Table, engine_version),
            offset_of!(Table, describe),
            offset_of!(Table, validate),
            offset_of!(Table, run),
            offset_of!(Table, stop),
        ];
        assert_eq!(fields, [24, 40, 56, 72, 88, 104, 120, 128, 136, 144]);
        assert_eq!((size_of::<Table>(), align_of::<Table>()), (152, 8));
    }

    const PAGE: &str = include_str!("../../../docs/plugins.md");

    /// The rows of the page's tables of offsets: offset, field, size.
    fn rows() -> Vec<(usize, &'static str, usize)> {
        let row = |line: &'static str| {
            let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
            let offset = cells.next()?.parse().ok()?;
            let field = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            Some((offset, field, cells.next()?.parse().ok()?))
        };
        PAGE.lines().filter_map(row).collect()
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_page_has_every_field_where_it_is() {
        macro_rules! fields {
            ($base:expr, $of:ty { $($field:ident: $kind:ty),* }) => {
                [$(($base + offset_of!($of, $field), stringify!($field), size_of::<$kind>())),*]
            };
        }
        let head = offset_of!(Table, head);
        let head = fields!(head, Head { magic: [u8; 8], abi_major: u32, abi_minor: u32, size: u64 });
        let table = fields!(0, Table {
            name: Text, version: Text, sdk: Text, rustc: Text, engine: Text, engine_version: Text,
            describe: Option<Describe>, validate: Option<Take>, run: Option<Take>, stop: Option<Stop>
        });
        let host = fields!(0, Host { size: u64, ctx: *mut c_void, emit: Emit });
        assert_eq!(rows(), [&head[..], &table, &host].concat());
        // And that those are all: nothing lies between two fields, or behind the last one.
        let end = |fields: &[(usize, &str, usize)]| {
            fields.iter().fold(fields[0].0, |end, (offset, field, size)| {
                assert_eq!(*offset, end, "{field}");
                offset + size
            })
        };
        assert_eq!(end(&[&head[..], &table].concat()), size_of::<Table>());
        assert_eq!(end(&host), size_of::<Host>());
    }

    #[test]
    fn the_page_has_the_versions_sizes_and_statuses_that_hold() {
        let host = size_of::<Host>();
        for part in [
            format!("## The ABI, version {ABI_MAJOR}.{ABI_MINOR}\n"),
            format!("One exported symbol, `{SYMBOL}`"),
            format!("`rtbench` and the byte `{:#x}`", MAGIC[7]),
            format!("`abi_major` | 4 | {ABI_MAJOR};"),
            format!("`abi_minor` | 4 | {ABI_MINOR};"),
            format!("bytes of the table: {FIRST_TABLE_SIZE}, or more"),
            format!("{FIRST_TABLE_SIZE} bytes are in every table"),
            format!("bytes of this struct: {host} |"),
            format!("| {DONE} done, {FAILED} failed, {PANICKED} panicked;"),
            format!("messages of {} MiB", MAX_EMIT >> 20),
        ] {
            assert!(PAGE.contains(&part), "{part:?} is not on the page");
        }
    }
}
