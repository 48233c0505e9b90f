//! The halves that own a stream together.
//!
//! Next file to read: `socket.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{error, fmt};

use super::TcpStream;
use super::halves::{read_half, write_half};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

/// The half of a stream that reads, from [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The half of a stream that writes, from [`TcpStream::into_split`].
///
/// Dropping it closes that direction, unless it has been shut down before or is [forgotten](Self::forget).
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    close_on_drop: bool,
}

/// Two halves that are not of the same stream. They are inside.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves do not belong to the same stream")
    }
}

impl error::Error for ReuniteError {}

pub(super) fn split(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, close_on_drop: true })
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.stream, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    // Each stream has one half of each kind, and they cannot be cloned.
    Ok(Arc::into_inner(read.stream).expect("the last of the two halves"))
}

impl OwnedReadHalf {
    /// The stream back, from both of its halves.
    ///
    /// # Errors
    ///
    /// If they are not of the same stream.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }
}

impl OwnedWriteHalf {
    /// The stream back, from both of its halves.
    ///
    /// # Errors
    ///
    /// If they are not of the same stream.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without closing its direction. It closes with the stream, when the other half goes too.
    pub fn forget(mut self) {
        self.close_on_drop = false;
    }

    fn close(&mut self) -> io::Result<()> {
        let closed = self.stream.shutdown_std(Shutdown::Write);
        if closed.is_ok() {
            self.close_on_drop = false;
        }
        closed
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.close_on_drop {
            // Nobody is left to tell of an error.
            let _ = self.stream.shutdown_std(Shutdown::Write);
        }
    }
}

read_half!(OwnedReadHalf, stream);
write_half!(OwnedWriteHalf, stream);
