//! `read`, `read_exact`, `read_to_end`, `read_to_string`.
//!
//! Next file to read: `futures/write.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::io::read_buf::SpareRoom;
use crate::io::{AsyncRead, ReadBuf, attempt};

/// The least room that is made for a read of unknown length.
const LEAST_ROOM: usize = 32;

pin_project! {
    /// The future of [`AsyncReadExt::read`](crate::io::AsyncReadExt::read).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Read<'a, R: ?Sized> {
        reader: &'a mut R,
        buf: &'a mut [u8],
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> Read<'a, R> {
    pub(crate) fn new(reader: &'a mut R, buf: &'a mut [u8]) -> Self {
        Self { reader, buf, _pin: PhantomPinned }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for Read<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        let mut buf = ReadBuf::new(me.buf);
        ready!(Pin::new(&mut **me.reader).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

pin_project! {
    /// The future of [`AsyncReadExt::read_exact`](crate::io::AsyncReadExt::read_exact).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadExact<'a, R: ?Sized> {
        reader: &'a mut R,
        buf: &'a mut [u8],
        filled: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> ReadExact<'a, R> {
    pub(crate) fn new(reader: &'a mut R, buf: &'a mut [u8]) -> Self {
        Self { reader, buf, filled: 0, _pin: PhantomPinned }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadExact<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        while *me.filled < me.buf.len() {
            let mut buf = ReadBuf::new(&mut me.buf[*me.filled..]);
            ready!(attempt::poll_read(Pin::new(&mut **me.reader), cx, &mut buf))?;
            match buf.filled().len() {
                0 => return Poll::Ready(Err(early_end())),
                read => *me.filled += read,
            }
        }
        Poll::Ready(Ok(*me.filled))
    }
}

pub(super) fn early_end() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the stream ended before the buffer was full")
}

pin_project! {
    /// The future of [`AsyncReadExt::read_to_end`](crate::io::AsyncReadExt::read_to_end).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadToEnd<'a, R: ?Sized> {
        reader: &'a mut R,
        room: SpareRoom<'a>,
        read: usize,
        first_capacity: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> ReadToEnd<'a, R> {
    pub(crate) fn new(reader: &'a mut R, vec: &'a mut Vec<u8>) -> Self {
        let first_capacity = vec.capacity();
        Self { reader, room: SpareRoom::new(vec), read: 0, first_capacity, _pin: PhantomPinned }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToEnd<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        loop {
            let read = ready!(read_some(&mut **me.reader, me.room, *me.first_capacity, cx))?;
            if read == 0 {
                return Poll::Ready(Ok(*me.read));
            }
            *me.read += read;
        }
    }
}

fn read_some<R: AsyncRead + Unpin + ?Sized>(
    reader: &mut R,
    room: &mut SpareRoom<'_>,
    first_capacity: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if room.len() < LEAST_ROOM && room.vec().capacity() == first_capacity && first_capacity >= LEAST_ROOM {
        // Whoever made the vector may have known the length exactly: see whether the rest fits before the vector doubles
        // for nothing.
        let mut probe = [0; LEAST_ROOM];
        let mut buf = ReadBuf::new(&mut probe);
        ready!(attempt::poll_read(Pin::new(reader), cx, &mut buf))?;
        room.reserve(buf.filled().len());
        return room.fill(|spare| {
            spare.put_slice(buf.filled());
            Poll::Ready(Ok(()))
        });
    }
    room.reserve(LEAST_ROOM);
    room.fill(|spare| attempt::poll_read(Pin::new(reader), cx, spare))
}

pin_project! {
    /// The future of [`AsyncReadExt::read_to_string`](crate::io::AsyncReadExt::read_to_string).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadToString<'a, R: ?Sized> {
        reader: &'a mut R,
        output: &'a mut String,
        // The string's bytes are here while the future runs: half a character is no string.
        bytes: Vec<u8>,
        read: usize,
        first_capacity: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> ReadToString<'a, R> {
    pub(crate) fn new(reader: &'a mut R, output: &'a mut String) -> Self {
        let bytes = mem::take(output).into_bytes();
        let first_capacity = bytes.capacity();
        Self { reader, output, bytes, read: 0, first_capacity, _pin: PhantomPinned }
    }
}

impl<R: AsyncRead + Unpin + ?Sized> Future for ReadToString<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        let mut room = SpareRoom::new(me.bytes);
        let result = loop {
            match ready!(read_some(&mut **me.reader, &mut room, *me.first_capacity, cx)) {
                Ok(0) => break Ok(*me.read),
                Ok(read) => *me.read += read,
                Err(error) => break Err(error),
            }
        };
        let mut bytes = mem::take(me.bytes);
        let before = bytes.len() - *me.read;
        if result.is_err() {
            // Text that has not been read to its end is not kept.
            bytes.truncate(before);
        }
        Poll::Ready(give_string_back(bytes, before, me.output, result))
    }
}

/// Puts `bytes` into `output`: as a whole if they are UTF-8, else the first `before` of them, which came from there.
pub(super) fn give_string_back(
    bytes: Vec<u8>,
    before: usize,
    output: &mut String,
    result: io::Result<usize>,
) -> io::Result<usize> {
    match String::from_utf8(bytes) {
        Ok(string) => {
            *output = string;
            result
        }
        Err(invalid) => {
            let cause = invalid.utf8_error();
            let mut bytes = invalid.into_bytes();
            bytes.truncate(before);
            *output = String::from_utf8(bytes).expect("what was there before came from a string");
            result.and(Err(io::Error::new(io::ErrorKind::InvalidData, cause)))
        }
    }
}
