//! `AsyncWrite`, and the writers of the standard library that never wait.
//!
//! Next file to read: `async_buf_read.rs`.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice, Write};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Writes bytes to a destination, without blocking the thread.
///
/// This is `std::io::Write` for tasks: a write that has no room yet returns `Pending`, and the task is woken when
/// it is worth another try. The methods to call are in [`AsyncWriteExt`](super::AsyncWriteExt); this trait is
/// what a new kind of destination implements.
///
/// Nothing is flushed or closed by dropping: call [`poll_shutdown`](Self::poll_shutdown) first where it matters.
pub trait AsyncWrite {
    /// Tries to write `buf`, and returns how many of its bytes were taken.
    ///
    /// - `Ready(Ok(n))`: the first `n` bytes were taken, `n <= buf.len()`. Zero means that no more can be taken, ever,
    ///   or that `buf` is empty.
    /// - `Pending`: nothing was taken, and the task will be woken when that may have changed.
    /// - `Ready(Err(_))`: nothing was taken. `WouldBlock` and `Interrupted` are never returned.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// Tries to bring everything that was written to where it is bound.
    ///
    /// `Pending` means that there is something left, and the task will be woken to go on.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Starts or continues to shut the destination down, flushing what is buffered before.
    ///
    /// Call it until it is `Ready`. After `Ready(Ok(()))` no more may be written. For a TCP stream this
    /// closes the writing half, and the peer reads the end.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As [`poll_write`](Self::poll_write), for several buffers in a row.
    ///
    /// Unless overridden it writes the first buffer that is not empty.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
        self.poll_write(cx, first)
    }

    /// Whether [`poll_write_vectored`](Self::poll_write_vectored) does better than one buffer at a time.
    ///
    /// If not, a writer of many small pieces is better off copying them together first.
    fn is_write_vectored(&self) -> bool {
        false
    }
}

macro_rules! forward {
    ($($header:tt)*) => {
        $($header)* {
            fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(&mut **self).poll_write(cx, buf)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut **self).poll_flush(cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut **self).poll_shutdown(cx)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut **self).poll_write_vectored(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                (**self).is_write_vectored()
            }
        }
    };
}

forward!(impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for Box<T>);
forward!(impl<T: ?Sized + AsyncWrite + Unpin> AsyncWrite for &mut T);

impl<P> AsyncWrite for Pin<P>
where
    P: DerefMut,
    P::Target: AsyncWrite,
{
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_deref_mut().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.as_deref_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        (**self).is_write_vectored()
    }
}

/// A writer of the standard library that writes to memory.
macro_rules! in_memory {
    ($($writer:ty),*) => {$(
        impl AsyncWrite for $writer {
            fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Poll::Ready(Write::write(&mut *self, buf))
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Poll::Ready(Write::write_vectored(&mut *self, bufs))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    )*};
}

in_memory!(
    Vec<u8>,
    io::Cursor<&mut [u8]>,
    io::Cursor<&mut Vec<u8>>,
    io::Cursor<Vec<u8>>,
    io::Cursor<Box<[u8]>>
);
