//! The futures behind the extension methods.
//!
//! Each has a name of its own, so that it is `Send` wherever its reader or writer is, in generic code too. None is
//! `Unpin`: they may come to borrow from themselves one day, and nobody should rely on the contrary.
//!
//! Next file to read: `futures/read.rs`.

mod buf_read;
#[cfg(feature = "io-util")]
mod bytes;
mod fill_buf;
mod int;
mod read;
mod write;

pub use buf_read::{Lines, Split};
pub(super) use buf_read::{ReadLine, ReadUntil};
#[cfg(feature = "io-util")]
pub(super) use bytes::{ReadIntoBuf, WriteAllBuf, WriteBuf};
pub(super) use fill_buf::FillBuf;
pub(super) use int::{ReadNumber, WriteNumber};
pub(super) use read::{Read, ReadExact, ReadToEnd, ReadToString};
pub(super) use write::{Flush, Shutdown, Write, WriteAll, WriteVectored};
