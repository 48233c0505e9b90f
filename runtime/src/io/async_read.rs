//! `AsyncRead`, and the readers of the standard library that never wait.
//!
//! Next file to read: `async_write.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ReadBuf;

/// Reads bytes from a source, without blocking the thread.
///
/// This is `std::io::Read` for tasks: a read that has nothing yet returns `Pending`, and the task is woken when
/// it is worth another try. The methods to call are in [`AsyncReadExt`](super::AsyncReadExt); this trait is
/// what a new kind of source implements.
pub trait AsyncRead {
    /// Tries to read into the unfilled part of `buf`.
    ///
    /// - `Ready(Ok(()))`: bytes were read, and `buf.filled()` has grown by them. If it has not grown although there was
    ///   room, the source is at its end.
    /// - `Pending`: nothing was read, and the task will be woken when that may have changed.
    /// - `Ready(Err(_))`: nothing was read. `WouldBlock` and `Interrupted` are never returned.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;
}

impl<T: ?Sized + AsyncRead + Unpin> AsyncRead for Box<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buf)
    }
}

impl<T: ?Sized + AsyncRead + Unpin> AsyncRead for &mut T {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buf)
    }
}

impl<P> AsyncRead for Pin<P>
where
    P: DerefMut,
    P::Target: AsyncRead,
{
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_read(cx, buf)
    }
}

impl AsyncRead for &[u8] {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (now, later) = self.split_at(self.len().min(buf.remaining()));
        buf.put_slice(now);
        *self = later;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<[u8]> + Unpin> AsyncRead for io::Cursor<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let position = self.position();
        let bytes = (*self).get_ref().as_ref();
        // A position past the end is at the end.
        let start = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
        let now = buf.remaining().min(bytes.len() - start);
        buf.put_slice(&bytes[start..start + now]);
        if now > 0 {
            self.set_position(position + now as u64);
        }
        Poll::Ready(Ok(()))
    }
}
