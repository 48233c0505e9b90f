//! `BufReader`: a reader with a buffer in front.
//!
//! Next file to read: `buf_writer.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// The size of a buffer in bytes, unless one is asked for. The standard library's figure.
pub(super) const DEFAULT_CAPACITY: usize = 8 * 1024;

pin_project! {
    /// Reads from the inner reader in large pieces, and hands them out in small ones.
    ///
    /// Worth it for many small reads, or for [`lines`](super::AsyncBufReadExt::lines); a read as large as the buffer
    /// goes past it. What is buffered is lost when the `BufReader` is dropped or taken apart. Writes go straight
    /// through.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::{AsyncBufReadExt, BufReader};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut lines = BufReader::new(&b"one\ntwo\n"[..]).lines();
    /// assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
    /// # Ok(())
    /// # }
    /// ```
    pub struct BufReader<R> {
        #[pin]
        inner: R,
        buf: Box<[u8]>,
        // What is buffered is `buf[start..end]`.
        start: usize,
        end: usize,
        seeking: Seeking,
    }
}

/// Where an ordered seek is.
#[derive(Clone, Copy, Debug)]
enum Seeking {
    No,
    Ordered(SeekFrom),
    /// Back over the buffer first, then so far on: together they do not fit into one move.
    Back {
        then: i64,
    },
    Last,
}

impl<R: AsyncRead> BufReader<R> {
    /// With a buffer of 8 KiB.
    pub fn new(inner: R) -> Self {
        Self::with_capacity(DEFAULT_CAPACITY, inner)
    }

    /// With a buffer of so many bytes.
    ///
    /// # Panics
    ///
    /// If `capacity` is zero.
    #[track_caller]
    pub fn with_capacity(capacity: usize, inner: R) -> Self {
        assert!(
            capacity > 0,
            "capacity must be greater than zero: a `BufReader` without room for a byte would report the end of the stream; \
             give it one byte or more, or leave the size to `BufReader::new`"
        );
        Self { inner, buf: vec![0; capacity].into(), start: 0, end: 0, seeking: Seeking::No }
    }

    /// The inner reader.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The inner reader. What is read from it comes behind what is buffered.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The inner reader, pinned. What is read from it comes behind what is buffered.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().inner
    }

    /// The inner reader back. What is buffered is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// What is buffered now, without reading more.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    fn discard(self: Pin<&mut Self>) {
        let me = self.project();
        *me.start = 0;
        *me.end = 0;
    }
}

impl<R> BufReader<R> {
    /// Puts another reader in the place of the inner one, of which what is buffered has come. Takes the order of a seek
    /// in the place of its own, if there is one.
    pub(super) fn map<S>(self, order: Option<SeekFrom>, f: impl FnOnce(R) -> S) -> BufReader<S> {
        let Self { inner, buf, start, end, seeking } = self;
        let seeking = order.map_or(seeking, Seeking::Ordered);
        BufReader { inner: f(inner), buf, start, end, seeking }
    }
}

impl<R: AsyncRead> AsyncRead for BufReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start == self.end && buf.remaining() >= self.buf.len() {
            return self.get_pin_mut().poll_read(cx, buf);
        }
        let available = ready!(self.as_mut().poll_fill_buf(cx))?;
        let now = available.len().min(buf.remaining());
        buf.put_slice(&available[..now]);
        self.consume(now);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead> AsyncBufRead for BufReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.project();
        if *me.start == *me.end {
            let mut buf = ReadBuf::new(me.buf);
            ready!(me.inner.poll_read(cx, &mut buf))?;
            *me.end = buf.filled().len();
            *me.start = 0;
        }
        Poll::Ready(Ok(&me.buf[*me.start..*me.end]))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        let me = self.project();
        *me.start = me.start.saturating_add(amt).min(*me.end);
    }
}

impl<R: AsyncRead + AsyncSeek> BufReader<R> {
    fn poll_seek(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        loop {
            let me = self.as_mut().project();
            match *me.seeking {
                Seeking::No => return me.inner.poll_complete(cx),
                Seeking::Ordered(position) => {
                    let ahead = (*me.end - *me.start) as i64;
                    // The inner reader is ahead of what has been handed out by what is buffered.
                    let (first, next) = match position {
                        SeekFrom::Current(by) => match by.checked_sub(ahead) {
                            Some(by) => (SeekFrom::Current(by), Seeking::Last),
                            None => (SeekFrom::Current(-ahead), Seeking::Back { then: by }),
                        },
                        other => (other, Seeking::Last),
                    };
                    me.inner.start_seek(first)?;
                    *me.seeking = next;
                }
                Seeking::Back { then } => {
                    ready!(me.inner.poll_complete(cx))?;
                    self.as_mut().discard();
                    let me = self.as_mut().project();
                    me.inner.start_seek(SeekFrom::Current(then))?;
                    *me.seeking = Seeking::Last;
                }
                Seeking::Last => {
                    let position = ready!(me.inner.poll_complete(cx))?;
                    self.discard();
                    return Poll::Ready(Ok(position));
                }
            }
        }
    }
}

/// Moving throws the buffer away, even if the new position lies within it.
///
/// A seek that fails is forgotten, and the buffer stays: the stream is where it was, if the inner reader is. Only where
/// [`SeekFrom::Current`] takes two moves of the inner reader (the distance and the buffer do not fit into one), and the
/// second one fails, the buffer is gone, and the inner reader stands at the position of the stream.
impl<R: AsyncRead + AsyncSeek> AsyncSeek for BufReader<R> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        *self.project().seeking = Seeking::Ordered(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let result = ready!(self.as_mut().poll_seek(cx));
        *self.project().seeking = Seeking::No;
        Poll::Ready(result)
    }
}

impl<R: AsyncRead + AsyncWrite> AsyncWrite for BufReader<R> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_pin_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_pin_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_shutdown(cx)
    }
}

impl<R: fmt::Debug> fmt::Debug for BufReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufReader")
            .field("reader", &self.inner)
            .field("buffer", &format_args!("{}/{}", self.end - self.start, self.buf.len()))
            .finish()
    }
}
