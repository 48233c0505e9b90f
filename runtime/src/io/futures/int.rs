//! Numbers of a fixed size, in either byte order.
//!
//! One future for all: the array of bytes says how much, and a function pointer what to make of it.
//!
//! Next file to read: `futures/buf_read.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read::early_end;
use crate::io::{AsyncRead, AsyncWrite, ReadBuf, attempt};

pin_project! {
    /// The future of the methods `read_u8` to `read_f64_le`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadNumber<'a, R: ?Sized, T, B> {
        reader: &'a mut R,
        bytes: B,
        filled: usize,
        convert: fn(B) -> T,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized, T, const N: usize> ReadNumber<'a, R, T, [u8; N]> {
    pub(crate) fn new(reader: &'a mut R, convert: fn([u8; N]) -> T) -> Self {
        Self { reader, bytes: [0; N], filled: 0, convert, _pin: PhantomPinned }
    }
}

impl<R: AsyncRead + Unpin + ?Sized, T, const N: usize> Future for ReadNumber<'_, R, T, [u8; N]> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let me = self.project();
        while *me.filled < N {
            let mut buf = ReadBuf::new(&mut me.bytes[*me.filled..]);
            ready!(attempt::poll_read(Pin::new(&mut **me.reader), cx, &mut buf))?;
            match buf.filled().len() {
                0 => return Poll::Ready(Err(early_end())),
                read => *me.filled += read,
            }
        }
        Poll::Ready(Ok((me.convert)(*me.bytes)))
    }
}

pin_project! {
    /// The future of the methods `write_u8` to `write_f64_le`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WriteNumber<'a, W: ?Sized, B> {
        writer: &'a mut W,
        bytes: B,
        written: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, W: ?Sized, const N: usize> WriteNumber<'a, W, [u8; N]> {
    pub(crate) fn new(writer: &'a mut W, bytes: [u8; N]) -> Self {
        Self { writer, bytes, written: 0, _pin: PhantomPinned }
    }
}

impl<W: AsyncWrite + Unpin + ?Sized, const N: usize> Future for WriteNumber<'_, W, [u8; N]> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.project();
        while *me.written < N {
            *me.written +=
                ready!(attempt::poll_write(Pin::new(&mut **me.writer), cx, &me.bytes[*me.written..]))?;
        }
        Poll::Ready(Ok(()))
    }
}
