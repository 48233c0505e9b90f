//! Streams in memory: `duplex` goes both ways, `simplex` one way.
//!
//! A pipe is a bounded queue of bytes with room for one waiting reader and one waiting writer. The wakers it hands
//! back are woken by the caller, when it holds no lock any more; those that it keeps are cloned before the lock.
//!
//! Next file to read: `split.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use super::split::{ReadHalf, WriteHalf, split};
use super::{AsyncRead, AsyncWrite, ReadBuf};
use crate::base::coop;
use crate::base::prim::{Arc, Mutex};

/// Two streams, each of which reads what was written to the other. For tests, and to join code that wants streams.
///
/// Each direction holds at most `max_buf_size` bytes; a writer waits when it is full. When one stream is dropped, the
/// other reads what is left and then the end, and its writes fail with `BrokenPipe`.
///
/// # Panics
///
/// If `max_buf_size` is zero.
///
/// # Examples
///
/// ```
/// use runtime::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example() -> std::io::Result<()> {
/// let (mut client, mut server) = runtime::io::duplex(64);
/// client.write_all(b"ping").await?;
/// let mut buf = [0; 4];
/// server.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"ping");
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn duplex(max_buf_size: usize) -> (DuplexStream, DuplexStream) {
    let there = Arc::new(Mutex::new(Pipe::new(max_buf_size)));
    let back = Arc::new(Mutex::new(Pipe::new(max_buf_size)));
    (DuplexStream { read: there.clone(), write: back.clone() }, DuplexStream { read: back, write: there })
}

/// One end of a [`duplex`].
#[derive(Debug)]
pub struct DuplexStream {
    read: Arc<Mutex<Pipe>>,
    write: Arc<Mutex<Pipe>>,
}

/// A reader and a writer of one bounded pipe in memory.
///
/// The reader sees the end when the writer has been shut down.
///
/// # Panics
///
/// If `max_buf_size` is zero.
///
/// # Examples
///
/// ```
/// use runtime::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example() -> std::io::Result<()> {
/// let (mut reader, mut writer) = runtime::io::simplex(64);
/// writer.write_all(b"hello").await?;
/// writer.shutdown().await?;
/// let mut text = String::new();
/// reader.read_to_string(&mut text).await?;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn simplex(max_buf_size: usize) -> (ReadHalf<SimplexStream>, WriteHalf<SimplexStream>) {
    split(SimplexStream::new_unsplit(max_buf_size))
}

/// A bounded pipe in memory: what is written to it is read from it.
#[derive(Debug)]
pub struct SimplexStream {
    pipe: Pipe,
}

impl SimplexStream {
    /// A pipe that is not split. [`simplex`] makes one that is.
    ///
    /// # Panics
    ///
    /// If `max_buf_size` is zero.
    #[track_caller]
    pub fn new_unsplit(max_buf_size: usize) -> SimplexStream {
        SimplexStream { pipe: Pipe::new(max_buf_size) }
    }
}

#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// One side is gone: reads drain what is left, writes fail.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What came of an operation on a pipe, and whom to wake because of it.
enum Attempt<T> {
    Done(io::Result<T>, Option<Waker>),
    Wait,
}

#[derive(Clone, Copy)]
enum Side {
    Reader,
    Writer,
}

impl Pipe {
    #[track_caller]
    fn new(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "`max_buf_size` must be greater than 0: a pipe without room for a byte would never let a write through; \
             give it as many bytes as a writer may be ahead of its reader"
        );
        Self { bytes: VecDeque::new(), capacity, closed: false, reader: None, writer: None }
    }

    fn read(&mut self, buf: &mut ReadBuf<'_>) -> Attempt<()> {
        if self.bytes.is_empty() {
            // A read without room has nothing to wait for.
            return if self.closed || buf.remaining() == 0 {
                Attempt::Done(Ok(()), None)
            } else {
                Attempt::Wait
            };
        }
        let now = self.bytes.len().min(buf.remaining());
        let (front, back) = self.bytes.as_slices();
        let from_front = now.min(front.len());
        buf.put_slice(&front[..from_front]);
        buf.put_slice(&back[..now - from_front]);
        self.bytes.drain(..now);
        Attempt::Done(Ok(()), if now > 0 { self.writer.take() } else { None })
    }

    fn write(&mut self, bufs: &[IoSlice<'_>]) -> Attempt<usize> {
        if self.closed {
            return Attempt::Done(Err(io::ErrorKind::BrokenPipe.into()), None);
        }
        let mut room = self.capacity - self.bytes.len();
        if room == 0 && bufs.iter().any(|buf| !buf.is_empty()) {
            return Attempt::Wait;
        }
        let mut taken = 0;
        for buf in bufs {
            let part = &buf[..buf.len().min(room)];
            self.bytes.extend(part);
            room -= part.len();
            taken += part.len();
        }
        Attempt::Done(Ok(taken), if taken > 0 { self.reader.take() } else { None })
    }

    /// Returns whom to wake.
    fn close(&mut self) -> [Option<Waker>; 2] {
        self.closed = true;
        [self.reader.take(), self.writer.take()]
    }

    fn waiting(&mut self, side: Side) -> &mut Option<Waker> {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }
}

/// Tries `attempt` on the pipe that `access` gives access to, and waits at `side` if it cannot be done yet.
fn poll_pipe<T>(
    cx: &mut Context<'_>,
    side: Side,
    mut access: impl FnMut(&mut dyn FnMut(&mut Pipe)),
    mut attempt: impl FnMut(&mut Pipe) -> Attempt<T>,
) -> Poll<io::Result<T>> {
    let unit = ready!(coop::poll_proceed(cx));
    let mut result = Attempt::Wait;
    access(&mut |pipe| result = attempt(pipe));
    if matches!(result, Attempt::Wait) {
        let mut waker = Some(cx.waker().clone());
        access(&mut |pipe| {
            result = attempt(pipe);
            if matches!(result, Attempt::Wait) {
                std::mem::swap(pipe.waiting(side), &mut waker);
            }
        });
    }
    match result {
        Attempt::Wait => Poll::Pending,
        Attempt::Done(result, waker) => {
            unit.made_progress();
            if let Some(waker) = waker {
                waker.wake();
            }
            Poll::Ready(result)
        }
    }
}

fn close(access: impl FnOnce() -> [Option<Waker>; 2]) {
    access().into_iter().flatten().for_each(Waker::wake);
}

impl DuplexStream {
    fn poll_put(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        poll_pipe(cx, Side::Writer, |with| with(&mut self.write.lock()), |pipe| pipe.write(bufs))
    }
}

impl AsyncRead for DuplexStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_pipe(cx, Side::Reader, |with| with(&mut self.read.lock()), |pipe| pipe.read(buf))
    }
}

impl AsyncWrite for DuplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_put(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_put(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(|| self.write.lock().close());
        Poll::Ready(Ok(()))
    }
}

impl Drop for DuplexStream {
    fn drop(&mut self) {
        close(|| self.write.lock().close());
        close(|| self.read.lock().close());
    }
}

impl AsyncRead for SimplexStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_pipe(cx, Side::Reader, |with| with(&mut self.pipe), |pipe| pipe.read(buf))
    }
}

impl AsyncWrite for SimplexStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_pipe(cx, Side::Writer, |with| with(&mut self.pipe), |pipe| pipe.write(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        close(|| self.pipe.close());
        Poll::Ready(Ok(()))
    }
}
