//! Reading and writing bytes as a task: the traits, their extension methods, and helpers.
//!
//! This is the asynchronous counterpart of `std::io`. [`AsyncRead`] and [`AsyncWrite`] are what sockets, pipes and
//! their like implement; [`AsyncReadExt`] and [`AsyncWriteExt`] have the methods that one calls. The types here
//! wait through the waker of whoever polls them: they work on any executor.
//!
//! Next file to read: `read_buf.rs`.

mod async_buf_read;
mod async_read;
mod async_seek;
mod async_write;
mod attempt;
mod buf_read_ext;
mod buf_reader;
mod buf_writer;
mod chain;
mod copy;
mod copy_bidirectional;
mod duplex;
mod futures;
mod read_buf;
mod read_ext;
mod split;
mod take;
mod util;
mod write_ext;

pub use self::async_buf_read::AsyncBufRead;
pub use self::async_read::AsyncRead;
pub use self::async_seek::{AsyncSeek, AsyncSeekExt};
pub use self::async_write::AsyncWrite;
pub use self::buf_read_ext::AsyncBufReadExt;
pub use self::buf_reader::BufReader;
pub use self::buf_writer::{BufStream, BufWriter};
pub use self::chain::Chain;
pub use self::copy::{copy, copy_buf};
pub use self::copy_bidirectional::{copy_bidirectional, copy_bidirectional_with_sizes};
pub use self::duplex::{DuplexStream, SimplexStream, duplex, simplex};
pub use self::futures::{Lines, Split};
pub use self::read_buf::ReadBuf;
#[cfg(feature = "io-util")]
pub(crate) use self::read_buf::fill_chunk;
pub use self::read_ext::AsyncReadExt;
pub use self::split::{Join, ReadHalf, WriteHalf, join, split};
pub use self::take::Take;
pub use self::util::{Empty, Repeat, Sink, empty, repeat, sink};
pub use self::write_ext::AsyncWriteExt;
pub use crate::base::interest::{Interest, Ready};

pub use std::io::{Error, ErrorKind, Result, SeekFrom};
