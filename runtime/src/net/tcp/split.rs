//! The halves that borrow a stream.
//!
//! Next file to read: `owned.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TcpStream;
use super::halves::{read_half, write_half};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

/// The half of a stream that reads, from [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The half of a stream that writes, from [`TcpStream::split`].
///
/// Dropping it leaves the direction open: shut it down for that, through
/// [`AsyncWriteExt::shutdown`](crate::io::AsyncWriteExt::shutdown).
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// Takes the stream exclusively, so that each direction has one half only.
pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    let stream = &*stream;
    (ReadHalf(stream), WriteHalf(stream))
}

impl WriteHalf<'_> {
    fn close(&mut self) -> io::Result<()> {
        self.0.shutdown_std(Shutdown::Write)
    }
}

read_half!(ReadHalf<'_>, 0);
write_half!(WriteHalf<'_>, 0);
