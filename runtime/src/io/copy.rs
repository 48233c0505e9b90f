//! Copying from readers to writers.
//!
//! Next file to read: `copy_bidirectional.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::buf_reader::DEFAULT_CAPACITY;
use super::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf, attempt};
use crate::base::coop;

/// Copies all of `reader` into `writer`, flushes it, and returns how many bytes that were.
///
/// There is a buffer of 8 KiB between them. While the writer has to wait the reader is read on, until the buffer is full;
/// while the reader has nothing and the buffer is empty, the writer is flushed.
///
/// # Errors
///
/// The first of either side, at once: what was read and not yet written is lost. Reads and writes that end with
/// `Interrupted` are repeated, flushes are not. `WriteZero` if the writer takes no more.
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
    poll_fn(|cx| {
        loop {
            if let Some(copied) =
                ready!(transfer.poll_step(cx, Pin::new(&mut *reader), Pin::new(&mut *writer)))?
            {
                return Poll::Ready(Ok(copied));
            }
        }
    })
    .await
}

/// As [`copy`], through the buffer that the reader has.
///
/// The reader is not read on while the writer has to wait: it alone knows how to fill its buffer, and does so when that is
/// empty.
///
/// # Errors
///
/// The first of either side, at once. Reads and writes that end with `Interrupted` are repeated, flushes are not.
/// `WriteZero` if the writer takes no more. What was not written is still in the reader's buffer.
///
/// # Cancel safety
///
/// Nothing is lost: what was not written is still in the reader's buffer. A new call goes on from there, and counts only
/// its own bytes.
pub async fn copy_buf<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: AsyncBufRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    let (mut copied, mut is_flushed, mut reader_is_done) = (0, true, false);
    poll_fn(|cx| {
        let (mut reader, mut writer) = (Pin::new(&mut *reader), Pin::new(&mut *writer));
        while !reader_is_done {
            let unit = ready!(coop::poll_proceed(cx));
            match reader.as_mut().poll_fill_buf(cx) {
                Poll::Ready(Ok([])) => reader_is_done = true,
                Poll::Ready(Ok(available)) => {
                    let written = ready!(attempt::poll_write(writer.as_mut(), cx, available))?;
                    reader.as_mut().consume(written);
                    copied += written as u64;
                    is_flushed = false;
                }
                Poll::Ready(Err(error)) if attempt::is_interrupted(&error) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    if !is_flushed {
                        ready!(writer.poll_flush(cx))?;
                        unit.made_progress();
                        is_flushed = true;
                    }
                    return Poll::Pending;
                }
            }
            unit.made_progress();
        }
        ready!(writer.poll_flush(cx))?;
        Poll::Ready(Ok(copied))
    })
    .await
}

/// A copy under way, in one direction.
#[derive(Debug)]
pub(super) struct Transfer {
    /// What has been read and not written yet.
    buffer: Ring,
    reader_is_done: bool,
    is_flushed: bool,
    copied: u64,
}

impl Transfer {
    pub(super) fn new(capacity: usize) -> Self {
        Self { buffer: Ring::new(capacity), reader_is_done: false, is_flushed: true, copied: 0 }
    }

    /// Reads once, or writes once, or flushes at the end: one unit of budget. Returns how much was copied when all is
    /// done. `Pending` if there is nothing more to be done on either side for now.
    pub(super) fn poll_step<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
        writer: Pin<&mut W>,
    ) -> Poll<io::Result<Option<u64>>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        let unit = ready!(coop::poll_proceed(cx));
        let mut all = None;
        if !self.buffer.is_empty() {
            let Poll::Ready(written) = attempt::poll_write(writer, cx, self.buffer.filled())? else {
                // Its progress may depend on that of the reader; and the next write will be larger.
                return self.poll_read_on(cx, reader, &unit);
            };
            self.buffer.take(written);
            self.copied += written as u64;
            self.is_flushed = false;
        } else if self.reader_is_done {
            ready!(writer.poll_flush(cx))?;
            all = Some(self.copied);
        } else if self.poll_read(cx, reader)?.is_pending() {
            // The other end may be waiting for what it has been sent before it sends more.
            if !self.is_flushed {
                ready!(writer.poll_flush(cx))?;
                unit.made_progress();
                self.is_flushed = true;
            }
            return Poll::Pending;
        }
        unit.made_progress();
        Poll::Ready(Ok(all))
    }

    /// Reads while the writer waits, until the reader has to wait too, or the buffer is full.
    fn poll_read_on<R, T>(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut R>,
        unit: &coop::RestoreOnPending,
    ) -> Poll<io::Result<T>>
    where
        R: AsyncRead + ?Sized,
    {
        while !self.reader_is_done && !self.buffer.is_full() {
            ready!(self.poll_read(cx, reader.as_mut()))?;
            unit.made_progress();
        }
        Poll::Pending
    }

    /// Reads once into the buffer, which is not full.
    fn poll_read<R>(&mut self, cx: &mut Context<'_>, reader: Pin<&mut R>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
    {
        let mut room = ReadBuf::new(self.buffer.room());
        let size = room.capacity();
        ready!(attempt::poll_read(reader, cx, &mut room))?;
        let read = room.filled().len();
        assert!(read <= size, "the reader exchanged the buffer");
        self.buffer.put(read);
        self.reader_is_done = read == 0;
        Poll::Ready(Ok(()))
    }
}

/// A ring of bytes: what is taken at its start makes room behind its end.
#[derive(Debug)]
struct Ring {
    bytes: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Ring {
    fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into(), start: 0, len: 0 }
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn is_full(&self) -> bool {
        self.len == self.bytes.len()
    }

    /// What is in it, up to the end of the memory.
    fn filled(&self) -> &[u8] {
        let end = self.bytes.len().min(self.start + self.len);
        &self.bytes[self.start..end]
    }

    /// The room behind what is in it, up to the end of the memory or to the start.
    fn room(&mut self) -> &mut [u8] {
        let end = self.start + self.len;
        match end.checked_sub(self.bytes.len()) {
            None => &mut self.bytes[end..],
            Some(wrapped) => &mut self.bytes[wrapped..self.start],
        }
    }

    /// Counts the first bytes of the room as filled.
    fn put(&mut self, amount: usize) {
        self.len += amount;
    }

    /// Gives up the first bytes of what is filled.
    fn take(&mut self, amount: usize) {
        self.len -= amount;
        self.start += amount;
        if self.start == self.bytes.len() || self.len == 0 {
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_order_and_uses_all_of_its_room() {
        let mut ring = Ring::new(4);
        ring.room().copy_from_slice(b"abcd");
        ring.put(4);
        assert!(ring.is_full() && ring.room().is_empty());
        ring.take(3);
        assert_eq!(ring.filled(), b"d");
        assert_eq!(ring.room().len(), 3);
        ring.room()[..2].copy_from_slice(b"ef");
        ring.put(2);
        assert_eq!((ring.filled().to_vec(), ring.room().len()), (b"d".to_vec(), 1));
        ring.take(1);
        assert_eq!((ring.filled().to_vec(), ring.room().len()), (b"ef".to_vec(), 2));
        ring.take(2);
        assert_eq!((ring.filled().to_vec(), ring.room().len()), (b"".to_vec(), 4));
    }

    #[test]
    fn a_ring_is_a_queue() {
        let mut rng = fastrand::Rng::with_seed(1);
        for capacity in 1..6 {
            let (mut ring, mut queue, mut next) =
                (Ring::new(capacity), std::collections::VecDeque::new(), 0u8);
            for _ in 0..2000 {
                let room = ring.room();
                assert_eq!(room.is_empty(), queue.len() == capacity);
                let amount = rng.usize(..=room.len());
                for byte in &mut room[..amount] {
                    *byte = next;
                    queue.push_back(next);
                    next = next.wrapping_add(1);
                }
                ring.put(amount);
                assert_eq!((ring.is_empty(), ring.is_full()), (queue.is_empty(), queue.len() == capacity));
                let filled = ring.filled();
                assert!(
                    filled.iter().eq(queue.iter().take(filled.len()))
                        && filled.is_empty() == queue.is_empty()
                );
                let amount = rng.usize(..=filled.len());
                queue.drain(..amount);
                ring.take(amount);
            }
        }
    }
}
