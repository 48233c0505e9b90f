//! Ends of the line: `empty`, `repeat`, `sink`.
//!
//! They are always ready, so that each operation spends budget: a loop over one of them would otherwise never
//! yield.
//!
//! Next file to read: `net/mod.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use crate::base::coop;

fn spend(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}

/// A stream that is at its end, and takes all that is written to it. From [`empty`].
pub struct Empty(());

/// Makes a stream that is at its end, and takes all that is written to it.
///
/// # Examples
///
/// ```
/// use runtime::io::AsyncReadExt;
///
/// # async fn example() -> std::io::Result<()> {
/// assert_eq!(runtime::io::empty().read(&mut [0; 8]).await?, 0);
/// # Ok(())
/// # }
/// ```
pub fn empty() -> Empty {
    Empty(())
}

/// A reader of one byte without end. From [`repeat`].
#[derive(Debug)]
pub struct Repeat(u8);

/// Makes a reader of one byte without end.
///
/// # Examples
///
/// ```
/// use runtime::io::AsyncReadExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut buf = [0; 3];
/// runtime::io::repeat(7).read_exact(&mut buf).await?;
/// assert_eq!(buf, [7, 7, 7]);
/// # Ok(())
/// # }
/// ```
pub fn repeat(byte: u8) -> Repeat {
    Repeat(byte)
}

/// A writer that takes everything and keeps nothing. From [`sink`].
pub struct Sink(());

/// Makes a writer that takes everything and keeps nothing.
///
/// # Examples
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// let mut source = &b"to be counted"[..];
/// assert_eq!(runtime::io::copy(&mut source, &mut runtime::io::sink()).await?, 13);
/// # Ok(())
/// # }
/// ```
pub fn sink() -> Sink {
    Sink(())
}

impl AsyncRead for Empty {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        spend(cx).map(Ok)
    }
}

impl AsyncBufRead for Empty {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        spend(cx).map(|()| Ok(&[][..]))
    }

    fn consume(self: Pin<&mut Self>, _: usize) {}
}

impl AsyncSeek for Empty {
    fn start_seek(self: Pin<&mut Self>, _: SeekFrom) -> io::Result<()> {
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        spend(cx).map(|()| Ok(0))
    }
}

impl AsyncRead for Repeat {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(spend(cx));
        let n = buf.remaining();
        buf.initialize_unfilled().fill(self.0);
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

macro_rules! swallow {
    ($($writer:ty),*) => {$(
        impl AsyncWrite for $writer {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                spend(cx).map(|()| Ok(buf.len()))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                spend(cx).map(|()| Ok(bufs.iter().map(|buf| buf.len()).sum()))
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                spend(cx).map(Ok)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                spend(cx).map(Ok)
            }
        }

        impl fmt::Debug for $writer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(concat!(stringify!($writer), " { .. }"))
            }
        }
    )*};
}

swallow!(Empty, Sink);
