//! A source of events together with its registration.
//!
//! Everything in `net` that waits is one of these. On a queue that is edge-triggered, a read that got less than it had
//! room for has emptied the socket: the readiness is cleared at once, and the next read waits for an event instead
//! of asking the system only to hear that it would block. That saves one system call of three in an exchange of
//! small messages. What arrives in between is an event of its own, and keeps the readiness.
//!
//! Next file to read: `fd.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, Write};
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Context, Poll, ready};

use mio::event::Source;
use socket2::SockRef;

use super::fd;
use crate::context;
use crate::engine::driver::io::Registration;
use crate::io::{Interest, ReadBuf};

/// Whether mio waits on epoll or kqueue, edge-triggered, on this system.
const EDGE_TRIGGERED: bool = cfg!(any(
    target_os = "android",
    target_os = "linux",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "ios",
    target_os = "macos",
    target_os = "netbsd",
    target_os = "openbsd",
));

/// Registered for as long as it lives.
pub(crate) struct PollEvented<E: Source> {
    /// `None` only in `into_inner` and on the way out. Above the registration: closed before the slot is free.
    source: Option<E>,
    registration: Registration,
}

impl<E: Source> PollEvented<E> {
    /// Registers with the current runtime, for reading and writing.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or if its I/O driver is off.
    #[track_caller]
    pub(crate) fn new(mut source: E) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let registration = Registration::new(&mut source, both, context::io_registry())?;
        Ok(Self { source: Some(source), registration })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Gives the source back, deregistered.
    pub(crate) fn into_inner(mut self) -> io::Result<E> {
        let mut source = self.source.take().expect("taken here only, and by value");
        self.registration.deregister(&mut source)?;
        Ok(source)
    }
}

/// The operations of a socket.
impl<E: Source> PollEvented<E>
where
    for<'s> SockRef<'s>: From<&'s E>,
    // The standard library's writes raise no SIGPIPE, and know how many buffers the system takes at once.
    for<'s> &'s E: Write,
{
    #[inline]
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let event = ready!(self.registration.poll_read_ready(cx))?;
            let room = buf.remaining();
            match fd::recv(SockRef::from(&**self), buf) {
                Ok(received) => {
                    if EDGE_TRIGGERED && 0 < received && received < room {
                        self.registration.clear_readiness(event);
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_readiness(event);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    #[cfg(feature = "io-util")]
    pub(crate) fn try_read_buf(&self, buf: &mut impl bytes::BufMut) -> io::Result<usize> {
        self.registration.try_io(Interest::READABLE, || {
            let receive = |room: &mut ReadBuf<'_>| fd::recv(SockRef::from(&**self), room).map(drop);
            match crate::io::fill_chunk(buf, |room| Poll::Ready(receive(room))) {
                Poll::Ready(received) => received,
                Poll::Pending => unreachable!("a system call does not wait"),
            }
        })
    }

    /// Returns how many bytes were peeked at.
    pub(crate) fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        self.registration.poll_read_io(cx, || fd::peek(SockRef::from(&**self), buf))
    }

    #[inline]
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, buf.len(), |mut socket| socket.write(buf))
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // The system may take fewer buffers than there are, which says nothing about its room: no length to compare.
        self.poll_send(cx, 0, |mut socket| socket.write_vectored(bufs))
    }

    #[inline]
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        len: usize,
        send: impl Fn(&E) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let event = ready!(self.registration.poll_write_ready(cx))?;
            match send(self) {
                Ok(sent) => {
                    if EDGE_TRIGGERED && 0 < sent && sent < len {
                        self.registration.clear_readiness(event);
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.registration.clear_readiness(event);
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Panics, in a debug build, on a socket that would block the thread of whoever reads it.
#[track_caller]
pub(crate) fn check_nonblocking<'s, S>(socket: &'s S) -> io::Result<()>
where
    SockRef<'s>: From<&'s S>,
{
    if cfg!(debug_assertions) {
        assert!(
            SockRef::from(socket).nonblocking()?,
            "Registering a blocking socket with the tokio runtime is unsupported. It would block the runtime's threads: \
             call `set_nonblocking(true)` first"
        );
    }
    Ok(())
}

impl<E: Source> Deref for PollEvented<E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        self.source.as_ref().expect("taken only by value")
    }
}

impl<E: Source> Drop for PollEvented<E> {
    fn drop(&mut self) {
        if let Some(source) = &mut self.source {
            // A descriptor that the system does not know any more needs no deregistration.
            let _ = self.registration.deregister(source);
        }
    }
}

impl<E: Source + fmt::Debug> fmt::Debug for PollEvented<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollEvented").field("io", &self.source).finish()
    }
}

// What a panic may interrupt here is a system call or a change of an atomic word.
impl<E: Source> UnwindSafe for PollEvented<E> {}
impl<E: Source> RefUnwindSafe for PollEvented<E> {}
