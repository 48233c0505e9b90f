//! The attempts that the operations of several attempts are made of.
//!
//! A plain `read` or `write` passes `ErrorKind::Interrupted` on to its caller. An operation that makes several attempts, as
//! `read_exact` or `copy`, repeats the one that was interrupted.
//!
//! Next file to read: `futures/mod.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether the attempt that ended so is to be repeated.
pub(super) fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// Repeats `attempt` for as long as it is interrupted.
pub(super) fn poll_uninterrupted<T>(mut attempt: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match attempt() {
            Poll::Ready(Err(error)) if is_interrupted(&error) => {}
            done => return done,
        }
    }
}

/// Reads once into `buf`. Whether it has grown tells the end.
pub(super) fn poll_read<R: AsyncRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    poll_uninterrupted(|| reader.as_mut().poll_read(cx, buf))
}

/// Writes once, and returns how much of `buf`, which is not empty, was taken: at least one byte.
///
/// # Errors
///
/// `WriteZero` if the writer takes no more, else its own.
pub(super) fn poll_write<W: AsyncWrite + ?Sized>(
    mut writer: Pin<&mut W>,
    cx: &mut Context<'_>,
    buf: &[u8],
) -> Poll<io::Result<usize>> {
    let written = ready!(poll_uninterrupted(|| writer.as_mut().poll_write(cx, buf)))?;
    Poll::Ready(check_written(written, buf.len()))
}

/// Judges the answer of a writer that was given `len` bytes, and not none.
pub(super) fn check_written(written: usize, len: usize) -> io::Result<usize> {
    assert!(written <= len, "the writer has returned more bytes than it was given");
    if written == 0 {
        return Err(io::Error::new(io::ErrorKind::WriteZero, "the writer takes no more bytes"));
    }
    Ok(written)
}
