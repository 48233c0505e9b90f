//! Copying from readers to writers.
//!
//! Next file to read: `duplex.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::buf_reader::DEFAULT_CAPACITY;
use super::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use crate::base::coop;

/// Copies all of `reader` into `writer`, flushes it, and returns how many bytes that were.
///
/// Reads and writes by turns, in pieces of 8 KiB at most. While the reader has nothing, the writer is flushed.
///
/// # Errors
///
/// The first of either side. What was copied before is not known.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read and not yet written are lost.
///
/// # Examples
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// let (mut reader, mut writer) = (&b"hello"[..], Vec::new());
/// assert_eq!(runtime::io::copy(&mut reader, &mut writer).await?, 5);
/// assert_eq!(writer, b"hello");
/// # Ok(())
/// # }
/// ```
pub async fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut transfer = Transfer::new(DEFAULT_CAPACITY);
    poll_fn(|cx| transfer.poll(cx, Pin::new(&mut *reader), Pin::new(&mut *writer))).await
}

/// As [`copy`], through the buffer that the reader has.
///
/// # Cancel safety
///
/// Nothing is lost: what was not written is still in the reader's buffer.
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let mut copied = 0;
    poll_fn(|cx| {
        loop {
            let unit = ready!(coop::poll_proceed(cx));
            let Poll::Ready(available) = Pin::new(&mut *reader).poll_fill_buf(cx)? else {
                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                return Poll::Pending;
            };
            if available.is_empty() {
                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                return Poll::Ready(Ok(copied));
            }
            let written = ready!(Pin::new(&mut *writer).poll_write(cx, available))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            Pin::new(&mut *reader).consume(written);
            copied += written as u64;
            unit.made_progress();
        }
    })
    .await
}

/// Copies in both directions at once, until both have ended. Returns how many bytes went from `a` to `b`, and from
/// `b` to `a`.
///
/// When one side ends, the writing of the other is shut down, and the other direction goes on.
///
/// # Errors
///
/// The first of either side. The other direction is then given up.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read and not yet written are lost.
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, DEFAULT_CAPACITY, DEFAULT_CAPACITY).await
}

/// As [`copy_bidirectional`], with buffers of so many bytes for each direction.
pub async fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    let mut there = OneWay::Copying(Transfer::new(a_to_b_buf_size));
    let mut back = OneWay::Copying(Transfer::new(b_to_a_buf_size));
    poll_fn(|cx| {
        // Both are polled, whatever the first says.
        let there = there.poll(cx, Pin::new(&mut *a), Pin::new(&mut *b))?;
        let back = back.poll(cx, Pin::new(&mut *b), Pin::new(&mut *a))?;
        match (there, back) {
            (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
            _ => Poll::Pending,
        }
    })
    .await
}

/// One direction of a copy in both.
enum OneWay {
    Copying(Transfer),
    ShuttingDown(u64),
    Done(u64),
}

impl OneWay {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        loop {
            *self = match self {
                OneWay::Copying(transfer) => {
                    OneWay::ShuttingDown(ready!(transfer.poll(cx, reader.as_mut(), writer.as_mut()))?)
                }
                OneWay::ShuttingDown(copied) => {
                    ready!(writer.as_mut().poll_shutdown(cx))?;
                    OneWay::Done(*copied)
                }
                OneWay::Done(copied) => return Poll::Ready(Ok(*copied)),
            };
        }
    }
}

/// A copy under way.
struct Transfer {
    buf: Box<[u8]>,
    /// What has been read and not written is `buf[start..end]`.
    start: usize,
    end: usize,
    reader_is_done: bool,
    unflushed: bool,
    copied: u64,
}

impl Transfer {
    fn new(capacity: usize) -> Self {
        Self {
            buf: vec![0; capacity].into(),
            start: 0,
            end: 0,
            reader_is_done: false,
            unflushed: false,
            copied: 0,
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        mut writer: Pin<&mut W>,
    ) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        loop {
            let unit = ready!(coop::poll_proceed(cx));
            if self.start < self.end {
                let written = ready!(writer.as_mut().poll_write(cx, &self.buf[self.start..self.end]))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += written;
                self.copied += written as u64;
                self.unflushed = true;
            } else if self.reader_is_done {
                ready!(writer.poll_flush(cx))?;
                return Poll::Ready(Ok(self.copied));
            } else {
                let mut buf = ReadBuf::new(&mut self.buf);
                let Poll::Ready(()) = reader.as_mut().poll_read(cx, &mut buf)? else {
                    // The other end may be waiting for what it has been sent before it sends more.
                    if self.unflushed {
                        ready!(writer.poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                };
                (self.start, self.end) = (0, buf.filled().len());
                self.reader_is_done = self.end == 0;
            }
            unit.made_progress();
        }
    }
}
