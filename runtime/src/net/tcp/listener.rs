//! `TcpListener`.
//!
//! Next file to read: `stream.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use super::TcpStream;
use crate::io::Interest;
use crate::net::addr::{self, ToSocketAddrs};
use crate::net::evented::{PollEvented, check_nonblocking};

/// A TCP socket that accepts connections.
///
/// # Examples
///
/// ```no_run
/// use runtime::net::TcpListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     println!("{peer} has connected to {}", stream.local_addr()?);
/// }
/// # }
/// ```
pub struct TcpListener {
    io: PollEvented<mio::net::TcpListener>,
}

impl TcpListener {
    /// Binds to the first of the addresses that can be bound to, and listens. Port 0 has the system choose one.
    ///
    /// `SO_REUSEADDR` is set, and the backlog is the system's largest; [`TcpSocket`](super::TcpSocket) has the choice.
    ///
    /// # Errors
    ///
    /// That of the last address tried, or of the lookup.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or if its I/O driver is off.
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let mut last = None;
        for address in addr::resolve(addr).await? {
            match mio::net::TcpListener::bind(address).and_then(TcpListener::new) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(addr::no_address))
    }

    #[track_caller]
    pub(super) fn new(listener: mio::net::TcpListener) -> io::Result<TcpListener> {
        Ok(TcpListener { io: PollEvented::new(listener)? })
    }

    /// Waits for a connection. Returns it with the address of its peer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when another branch of a `select!` is done first, no connection was accepted.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.io.registration().async_io(Interest::READABLE, || self.io.accept()).await?;
        Ok((TcpStream::accepted(stream)?, peer))
    }

    /// Polls for a connection. Of several tasks that poll, the last one is woken.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let (stream, peer) = ready!(self.io.registration().poll_read_io(cx, || self.io.accept()))?;
        Poll::Ready(TcpStream::accepted(stream).map(|stream| (stream, peer)))
    }

    /// Takes over a listener of the standard library. It has to be in non-blocking mode.
    ///
    /// # Errors
    ///
    /// If the system does not let it be registered.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or if its I/O driver is off; in a debug build also if the listener is in blocking mode.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        check_nonblocking(&listener)?;
        TcpListener::new(mio::net::TcpListener::from_std(listener))
    }

    /// Gives the listener to the standard library, in non-blocking mode.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        self.io.into_inner().map(Into::into)
    }

    /// The address that it is bound to. Tells the port that the system chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// The value of `IP_TTL`.
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.ttl()
    }

    /// Sets `IP_TTL`: how many hops the packets from this socket may take.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.io.set_ttl(ttl)
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// As [`TcpListener::from_std`].
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (*self.io).fmt(f)
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}
