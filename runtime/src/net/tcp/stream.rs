//! `TcpStream`.
//!
//! Next file to read: `halves.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, owned, split};
use crate::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::evented::{PollEvented, check_nonblocking};

/// A TCP connection.
///
/// Read and write it through [`AsyncReadExt`](crate::io::AsyncReadExt) and
/// [`AsyncWriteExt`](crate::io::AsyncWriteExt). To do both at once, [`split`](Self::split) it, or
/// [`into_split`](Self::into_split) for two tasks. The methods that take `&self` work from any number of tasks.
///
/// # Examples
///
/// ```no_run
/// use runtime::io::{AsyncReadExt, AsyncWriteExt};
/// use runtime::net::TcpStream;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut stream = TcpStream::connect("127.0.0.1:8080").await?;
/// stream.write_all(b"hello").await?;
/// stream.shutdown().await?;
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer).await?;
/// # Ok(())
/// # }
/// ```
pub struct TcpStream {
    io: PollEvented<mio::net::TcpStream>,
}

impl TcpStream {
    /// Connects to the first of the addresses that answers, one after the other.
    ///
    /// # Errors
    ///
    /// That of the last address tried, or of the lookup.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or if its I/O driver is off.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe in that an unfinished connection is closed.
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut last = None;
        for address in addr::resolve(addr).await? {
            let connected = match mio::net::TcpStream::connect(address) {
                Ok(connecting) => Self::finish_connecting(connecting).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(addr::no_address))
    }

    /// Waits for what has been begun: the socket becomes writable when it is decided, and then has the outcome.
    pub(super) async fn finish_connecting(connecting: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self::new(connecting)?;
        poll_fn(|cx| stream.io.registration().poll_write_ready(cx)).await?;
        match stream.io.take_error()? {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    #[track_caller]
    fn new(connected: mio::net::TcpStream) -> io::Result<TcpStream> {
        Ok(TcpStream { io: PollEvented::new(connected)? })
    }

    /// A stream from `accept`. It has room to write, and often the first request already: the first operations
    /// try the socket, and do not wait for the driver to say so.
    pub(super) fn accepted(connected: mio::net::TcpStream) -> io::Result<TcpStream> {
        let stream = Self::new(connected)?;
        stream.io.registration().assume_ready(Ready::READABLE | Ready::WRITABLE);
        Ok(stream)
    }

    /// Takes over a stream of the standard library. It has to be connected, and in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the system does not let it be registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or if its I/O driver is off; in a debug build also if the stream is in blocking mode.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        check_nonblocking(&stream)?;
        Self::new(mio::net::TcpStream::from_std(stream))
    }

    /// Gives the stream to the standard library, in non-blocking mode.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        self.io.into_inner().map(Into::into)
    }

    /// The address of this end.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The error that waits on the socket, if any; it waits no longer then.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.io.take_error()
    }

    /// The address of the other end.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
    }

    /// Polls for bytes without taking them: the next read gets them again. Returns how many were put into `buf`;
    /// zero is the end. Of several tasks that poll to read, the last one is woken.
    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.io.poll_peek(cx, buf)
    }

    /// Waits for one of the things in `interest`, and returns which are there.
    ///
    /// The answer may be wrong: a `try_` method can still return `WouldBlock`, and one waits again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness stays until an operation finds that it is over.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        Ok(self.io.registration().readiness(interest).await?.ready)
    }

    /// Waits until a read is worth a try. As `ready(Interest::READABLE)`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness stays until an operation finds that it is over.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::ErrorKind;
    ///
    /// # async fn example(stream: runtime::net::TcpStream) -> std::io::Result<()> {
    /// let mut buf = [0; 1024];
    /// let read = loop {
    ///     stream.readable().await?;
    ///     match stream.try_read(&mut buf) {
    ///         // The readiness was a mistake.
    ///         Err(error) if error.kind() == ErrorKind::WouldBlock => {}
    ///         result => break result?,
    ///     }
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Polls for readability. Of several tasks that poll to read, the last one is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_read_ready(cx).map_ok(drop)
    }

    /// Reads what is there. Zero is the end, or `buf` is empty.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration().try_io(Interest::READABLE, || (&*self.io).read(buf))
    }

    /// Reads what is there into several buffers in a row. Zero is the end, or they are empty.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there.
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.io.registration().try_io(Interest::READABLE, || (&*self.io).read_vectored(bufs))
    }

    /// Reads what is there into the first unfilled chunk of `buf`, and moves its cursor. Zero is the end, or `buf` has no
    /// room; a `Vec` grows by itself.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::ErrorKind;
    ///
    /// # async fn example(stream: runtime::net::TcpStream) -> std::io::Result<()> {
    /// let mut request = bytes::BytesMut::with_capacity(4096);
    /// loop {
    ///     stream.readable().await?;
    ///     match stream.try_read_buf(&mut request) {
    ///         Ok(0) => break,
    ///         Ok(read) => println!("{read} bytes more"),
    ///         Err(error) if error.kind() == ErrorKind::WouldBlock => {}
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "io-util")]
    pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        self.io.try_read_buf(buf)
    }

    /// Waits until a write is worth a try. As `ready(Interest::WRITABLE)`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness stays until an operation finds that it is over.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Polls for writability. Of several tasks that poll to write, the last one is woken.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.registration().poll_write_ready(cx).map_ok(drop)
    }

    /// Writes what there is room for, and returns how much that was.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.io.registration().try_io(Interest::WRITABLE, || (&*self.io).write(buf))
    }

    /// Writes what there is room for from several buffers in a row, and returns how much that was.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room.
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.io.registration().try_io(Interest::WRITABLE, || (&*self.io).write_vectored(bufs))
    }

    /// Runs an operation of one's own on the socket, if it is ready for `interest`.
    ///
    /// `f` must be one non-blocking operation on this very socket that returns `WouldBlock` when, and only when, the
    /// socket is not ready: the readiness is then taken to be over.
    ///
    /// # Errors
    ///
    /// `WouldBlock` without calling `f` if the socket is not ready, else those of `f`.
    pub fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().try_io(interest, f)
    }

    /// As [`try_io`](Self::try_io), and waits until it goes through. `f` may be called many times.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: once `f` has succeeded there is nothing more to wait for.
    pub async fn async_io<R>(&self, interest: Interest, f: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        self.io.registration().async_io(interest, f).await
    }

    /// Waits for bytes, and copies them into `buf` without taking them. Zero is the end, or `buf` is empty.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken.
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.io.registration().async_io(Interest::READABLE, || self.io.peek(buf)).await
    }

    /// Closes one direction, or both. At once: nothing is waited for.
    ///
    /// A connection that is no longer is closed: the peer may end it, or reset it, at any moment before this call, and whether
    /// the system then calls the socket unconnected is its own affair.
    pub(super) fn shutdown_std(&self, how: Shutdown) -> io::Result<()> {
        match self.io.shutdown(how) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }

    /// Whether `TCP_NODELAY` is set.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.io.nodelay()
    }

    /// Sets `TCP_NODELAY`: small writes are sent at once, and not gathered.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.io.set_nodelay(nodelay)
    }

    /// Whether `TCP_QUICKACK` is set.
    #[cfg(any(target_os = "linux", target_os = "fuchsia", target_os = "cygwin"))]
    pub fn quickack(&self) -> io::Result<bool> {
        self.socket().tcp_quickack()
    }

    /// Sets `TCP_QUICKACK`: what is received is acknowledged at once. The system may fall back at any time.
    #[cfg(any(target_os = "linux", target_os = "fuchsia", target_os = "cygwin"))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.socket().set_tcp_quickack(quickack)
    }

    /// The value of `SO_LINGER`.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket().linger()
    }

    /// Sets `SO_LINGER`: how long closing waits for unsent bytes. It waits in the thread.
    #[deprecated = "closing a socket with `SO_LINGER` set blocks the thread"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.socket().set_linger(dur)
    }

    /// Sets `SO_LINGER` to zero: closing throws unsent bytes away and resets the connection.
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.socket().set_linger(Some(Duration::ZERO))
    }

    /// The value of `IP_TTL`.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets `IP_TTL`: how many hops the packets from this socket may take.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&*self.io)
    }

    /// Two halves that borrow the stream, one to read and one to write. Costs nothing.
    pub fn split<'a>(&'a mut self) -> (ReadHalf<'a>, WriteHalf<'a>) {
        split::split(self)
    }

    /// Two halves that own the stream together, for two tasks.
    ///
    /// Dropping the half that writes closes that direction, unless it is [forgotten](OwnedWriteHalf::forget).
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        owned::split(self)
    }

    // The halves need no exclusive access: each is the only one of its direction.

    pub(super) fn poll_read_half(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }

    pub(super) fn poll_write_half(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, buf)
    }

    pub(super) fn poll_write_vectored_half(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, bufs)
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// As [`TcpStream::from_std`].
    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsyncRead for TcpStream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io.poll_read(cx, buf)
    }
}

impl AsyncWrite for TcpStream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing to do: there is no buffer on this side of the system.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the direction in which this end writes. Succeeds if the connection is over already, as after a reset.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.shutdown_std(Shutdown::Write))
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.io).fmt(f)
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
