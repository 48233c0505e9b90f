//! `BufWriter`: a writer with a buffer in front; and `BufStream`, which has one for each direction.
//!
//! Next file to read: `chain.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::buf_reader::{BufReader, DEFAULT_CAPACITY};
use super::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf, attempt};

pin_project! {
    /// Gathers small writes, and hands them to the inner writer in large pieces.
    ///
    /// [Flush](super::AsyncWriteExt::flush) it, or [shut it down](super::AsyncWriteExt::shutdown), before it is dropped:
    /// what is still buffered then is lost. A write as large as the buffer goes past it. Reads go straight through.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::{AsyncWriteExt, BufWriter};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut writer = BufWriter::new(Vec::new());
    /// for number in 0..100 {
    ///     writer.write_u16(number).await?;
    /// }
    /// writer.flush().await?;
    /// assert_eq!(writer.get_ref().len(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub struct BufWriter<W> {
        #[pin]
        inner: W,
        buf: Vec<u8>,
        // How much of the buffer the inner writer has taken.
        written: usize,
        order: Option<SeekFrom>,
    }
}

impl<W: AsyncWrite> BufWriter<W> {
    /// With a buffer of 8 KiB.
    pub fn new(inner: W) -> Self {
        Self::with_capacity(DEFAULT_CAPACITY, inner)
    }

    /// With a buffer of so many bytes. With none, each write goes past it.
    pub fn with_capacity(capacity: usize, inner: W) -> Self {
        Self { inner, buf: Vec::with_capacity(capacity), written: 0, order: None }
    }

    /// The inner writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The inner writer. What is written to it comes before what is buffered.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The inner writer, pinned. What is written to it comes before what is buffered.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut W> {
        self.project().inner
    }

    /// The inner writer back. What is buffered is lost.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// What is buffered now.
    pub fn buffer(&self) -> &[u8] {
        &self.buf[self.written..]
    }

    /// Hands what is buffered to the inner writer. After an error the rest is still buffered.
    fn poll_hand_over(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut me = self.project();
        let mut result = Ok(());
        while *me.written < me.buf.len() && result.is_ok() {
            let attempt = attempt::poll_write(me.inner.as_mut(), cx, &me.buf[*me.written..]);
            result = ready!(attempt).map(|taken| *me.written += taken);
        }
        me.buf.drain(..*me.written);
        *me.written = 0;
        Poll::Ready(result)
    }

    fn has_room_for(&self, len: usize) -> bool {
        len <= self.buf.capacity() - self.buf.len()
    }
}

impl<W: AsyncWrite> AsyncWrite for BufWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.has_room_for(buf.len()) {
            ready!(self.as_mut().poll_hand_over(cx))?;
        }
        let me = self.project();
        if buf.len() >= me.buf.capacity() {
            return me.inner.poll_write(cx, buf);
        }
        me.buf.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.inner.is_write_vectored() {
            let total = bufs.iter().fold(0usize, |sum, buf| sum.saturating_add(buf.len()));
            if !self.has_room_for(total) {
                ready!(self.as_mut().poll_hand_over(cx))?;
            }
            let me = self.project();
            if total >= me.buf.capacity() {
                return me.inner.poll_write_vectored(cx, bufs);
            }
            bufs.iter().for_each(|buf| me.buf.extend_from_slice(buf));
            return Poll::Ready(Ok(total));
        }
        // The first goes past the buffer if it is large, and then alone.
        let mut bufs = bufs.iter().skip_while(|buf| buf.is_empty());
        let Some(first) = bufs.next() else { return Poll::Ready(Ok(0)) };
        let mut taken = ready!(self.as_mut().poll_write(cx, first))?;
        let me = self.project();
        if first.len() < me.buf.capacity() {
            // With it, those that fit as a whole: the buffer never grows.
            for buf in bufs {
                if buf.len() > me.buf.capacity() - me.buf.len() {
                    break;
                }
                me.buf.extend_from_slice(buf);
                taken += buf.len();
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_hand_over(cx))?;
        self.get_pin_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_hand_over(cx))?;
        self.get_pin_mut().poll_shutdown(cx)
    }
}

impl<W: AsyncWrite + AsyncSeek> BufWriter<W> {
    /// Brings the inner writer to the point at which its seek runs.
    fn poll_begin_seek(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_hand_over(cx))?;
        let mut inner = self.get_pin_mut();
        // Whatever still runs has to be over first.
        ready!(inner.as_mut().poll_complete(cx))?;
        Poll::Ready(inner.start_seek(to))
    }
}

/// Moving hands over what is buffered first. A seek that fails is forgotten; what could not be handed over stays buffered.
impl<W: AsyncWrite + AsyncSeek> AsyncSeek for BufWriter<W> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        *self.project().order = Some(position);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Some(order) = self.order {
            let begun = ready!(self.as_mut().poll_begin_seek(cx, order));
            *self.as_mut().project().order = None;
            begun?;
        }
        self.get_pin_mut().poll_complete(cx)
    }
}

impl<W: AsyncWrite + AsyncRead> AsyncRead for BufWriter<W> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_pin_mut().poll_read(cx, buf)
    }
}

impl<W: AsyncWrite + AsyncBufRead> AsyncBufRead for BufWriter<W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_pin_mut().poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_pin_mut().consume(amt);
    }
}

impl<W: fmt::Debug> fmt::Debug for BufWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufWriter")
            .field("writer", &self.inner)
            .field("buffer", &format_args!("{}/{}", self.buf.len(), self.buf.capacity()))
            .field("written", &self.written)
            .finish()
    }
}

pin_project! {
    /// A stream with a buffer for each direction: a [`BufReader`] around a [`BufWriter`].
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::{AsyncBufReadExt, AsyncWriteExt, BufStream, duplex};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let (near, far) = duplex(64);
    /// let (mut near, mut far) = (BufStream::new(near), BufStream::new(far));
    /// near.write_all(b"a line\n").await?;
    /// near.flush().await?;
    /// let mut line = String::new();
    /// far.read_line(&mut line).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[derive(Debug)]
    pub struct BufStream<RW> {
        #[pin]
        inner: BufReader<BufWriter<RW>>,
    }
}

impl<RW: AsyncRead + AsyncWrite> BufStream<RW> {
    /// With two buffers of 8 KiB.
    pub fn new(stream: RW) -> BufStream<RW> {
        Self::with_capacity(DEFAULT_CAPACITY, DEFAULT_CAPACITY, stream)
    }

    /// With buffers of so many bytes. With none to write, each write goes past it.
    ///
    /// # Panics
    ///
    /// If `reader_capacity` is zero.
    #[track_caller]
    pub fn with_capacity(reader_capacity: usize, writer_capacity: usize, stream: RW) -> BufStream<RW> {
        BufReader::with_capacity(reader_capacity, BufWriter::with_capacity(writer_capacity, stream)).into()
    }

    /// The inner stream.
    pub fn get_ref(&self) -> &RW {
        self.inner.get_ref().get_ref()
    }

    /// The inner stream. To read or write it goes past the buffers.
    pub fn get_mut(&mut self) -> &mut RW {
        self.inner.get_mut().get_mut()
    }

    /// The inner stream, pinned. To read or write it goes past the buffers.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut RW> {
        self.project().inner.get_pin_mut().get_pin_mut()
    }

    /// The inner stream back. What is buffered in either direction is lost.
    pub fn into_inner(self) -> RW {
        self.inner.into_inner().into_inner()
    }
}

impl<RW> From<BufReader<BufWriter<RW>>> for BufStream<RW> {
    fn from(inner: BufReader<BufWriter<RW>>) -> Self {
        BufStream { inner }
    }
}

/// The buffers change places, and keep what is in them.
impl<RW> From<BufWriter<BufReader<RW>>> for BufStream<RW> {
    fn from(outer: BufWriter<BufReader<RW>>) -> Self {
        let BufWriter { inner: reader, buf, written, order } = outer;
        // An order that the reader has not been given yet comes to it now: else its buffer would outlive the seek.
        BufStream { inner: reader.map(order, |inner| BufWriter { inner, buf, written, order: None }) }
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncRead for BufStream<RW> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buf)
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncBufRead for BufStream<RW> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.project().inner.poll_fill_buf(cx)
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.project().inner.consume(amt);
    }
}

impl<RW: AsyncRead + AsyncWrite> AsyncWrite for BufStream<RW> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }
}

impl<RW: AsyncRead + AsyncWrite + AsyncSeek> AsyncSeek for BufStream<RW> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        self.project().inner.start_seek(position)
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.project().inner.poll_complete(cx)
    }
}
