//! `Take`: the start of a reader.
//!
//! Next file to read: `copy.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{AsyncBufRead, AsyncRead, ReadBuf};

pin_project! {
    /// A reader with a limit, from [`AsyncReadExt::take`](super::AsyncReadExt::take).
    #[derive(Debug)]
    #[must_use = "readers do nothing unless polled"]
    pub struct Take<R> {
        #[pin]
        reader: R,
        left: u64,
    }
}

impl<R> Take<R> {
    pub(super) fn new(reader: R, limit: u64) -> Self {
        Self { reader, left: limit }
    }

    /// How many bytes may still be read. The reader may end before.
    pub fn limit(&self) -> u64 {
        self.left
    }

    /// Sets how many bytes may still be read, whatever was read before.
    pub fn set_limit(&mut self, limit: u64) {
        self.left = limit;
    }

    /// The reader.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader. What is read from it does not count.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader, pinned. What is read from it does not count.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().reader
    }

    /// The reader back.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: AsyncRead> AsyncRead for Take<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        if *me.left == 0 {
            return Poll::Ready(Ok(()));
        }
        if let Ok(limit) = usize::try_from(*me.left)
            && limit < buf.remaining()
        {
            // Zeroes what it has to, because a buffer handed on in part cannot say what was initialised
            // through it. It reaches no further than the limit.
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
            let room = part.capacity();
            ready!(me.reader.poll_read(cx, &mut part))?;
            assert!(part.capacity() == room, "the reader exchanged the buffer");
            let read = part.filled().len();
            buf.advance(read);
            *me.left -= read as u64;
        } else {
            let before = buf.remaining();
            ready!(me.reader.poll_read(cx, buf))?;
            *me.left = me.left.saturating_sub(before.saturating_sub(buf.remaining()) as u64);
        }
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncBufRead> AsyncBufRead for Take<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if *me.left == 0 {
            return Poll::Ready(Ok(&[]));
        }
        let filled = ready!(me.reader.poll_fill_buf(cx))?;
        let usable = usize::try_from(*me.left).unwrap_or(usize::MAX).min(filled.len());
        Poll::Ready(Ok(&filled[..usable]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let me = self.project();
        let amt = amt.min(usize::try_from(*me.left).unwrap_or(usize::MAX));
        *me.left -= amt as u64;
        me.reader.consume(amt);
    }
}
