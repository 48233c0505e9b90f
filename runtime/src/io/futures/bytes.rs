//! `read_buf`, `write_buf`, `write_all_buf`: the operations on buffers of the crate `bytes`.
//!
//! Next file to read: `futures/int.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io::{self, IoSlice};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut};
use pin_project_lite::pin_project;

use crate::io::{AsyncRead, AsyncWrite, attempt, fill_chunk};

/// How many chunks are written at once, at most. Systems take more, but one that has more is rare.
const MOST_CHUNKS: usize = 64;

pin_project! {
    /// The future of [`AsyncReadExt::read_buf`](crate::io::AsyncReadExt::read_buf).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadIntoBuf<'a, R: ?Sized, B: ?Sized> {
        reader: &'a mut R,
        buf: &'a mut B,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized, B: ?Sized> ReadIntoBuf<'a, R, B> {
    pub(crate) fn new(reader: &'a mut R, buf: &'a mut B) -> Self {
        Self { reader, buf, _pin: PhantomPinned }
    }
}

impl<R: AsyncRead + Unpin + ?Sized, B: BufMut + ?Sized> Future for ReadIntoBuf<'_, R, B> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        fill_chunk(&mut **me.buf, |room| Pin::new(&mut **me.reader).poll_read(cx, room))
    }
}

/// One write of as many chunks of `buf` as `writer` takes at once. Moves the cursor behind what was written.
fn poll_write_chunks<W: AsyncWrite + Unpin, B: Buf>(
    writer: &mut W,
    buf: &mut B,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let written = if writer.is_write_vectored() {
        let mut chunks = [IoSlice::new(&[]); MOST_CHUNKS];
        let count = buf.chunks_vectored(&mut chunks);
        ready!(Pin::new(writer).poll_write_vectored(cx, &chunks[..count]))?
    } else {
        ready!(Pin::new(writer).poll_write(cx, buf.chunk()))?
    };
    buf.advance(written);
    Poll::Ready(Ok(written))
}

pin_project! {
    /// The future of [`AsyncWriteExt::write_buf`](crate::io::AsyncWriteExt::write_buf).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteBuf<'a, W, B> {
        writer: &'a mut W,
        buf: &'a mut B,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, W, B> WriteBuf<'a, W, B> {
    pub(crate) fn new(writer: &'a mut W, buf: &'a mut B) -> Self {
        Self { writer, buf, _pin: PhantomPinned }
    }
}

impl<W: AsyncWrite + Unpin, B: Buf> Future for WriteBuf<'_, W, B> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        if !me.buf.has_remaining() {
            return Poll::Ready(Ok(0));
        }
        poll_write_chunks(&mut **me.writer, &mut **me.buf, cx)
    }
}

pin_project! {
    /// The future of [`AsyncWriteExt::write_all_buf`](crate::io::AsyncWriteExt::write_all_buf).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteAllBuf<'a, W, B> {
        writer: &'a mut W,
        buf: &'a mut B,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, W, B> WriteAllBuf<'a, W, B> {
    pub(crate) fn new(writer: &'a mut W, buf: &'a mut B) -> Self {
        Self { writer, buf, _pin: PhantomPinned }
    }
}

impl<W: AsyncWrite + Unpin, B: Buf> Future for WriteAllBuf<'_, W, B> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        while me.buf.has_remaining() {
            let left = me.buf.remaining();
            let write = || poll_write_chunks(&mut **me.writer, &mut **me.buf, cx);
            let written = ready!(attempt::poll_uninterrupted(write))?;
            attempt::check_written(written, left)?;
        }
        Poll::Ready(Ok(()))
    }
}
