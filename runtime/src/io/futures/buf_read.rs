//! `read_until`, `read_line`, and the streams of lines and segments.
//!
//! Next file to read: `futures/fill_buf.rs`.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::io;
use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::read::give_string_back;
use crate::io::{AsyncBufRead, attempt};

/// Moves what comes up to and with `delimiter` into `buf`, adding to `read`. Returns the sum, for which it starts
/// anew.
fn poll_until<R: AsyncBufRead + ?Sized>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    delimiter: u8,
    buf: &mut Vec<u8>,
    read: &mut usize,
) -> Poll<io::Result<usize>> {
    loop {
        let available = match ready!(reader.as_mut().poll_fill_buf(cx)) {
            Ok(available) => available,
            Err(error) if attempt::is_interrupted(&error) => continue,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let found = available.iter().position(|&byte| byte == delimiter);
        let used = found.map_or(available.len(), |at| at + 1);
        buf.extend_from_slice(&available[..used]);
        reader.as_mut().consume(used);
        *read += used;
        if found.is_some() || used == 0 {
            return Poll::Ready(Ok(mem::take(read)));
        }
    }
}

pin_project! {
    /// The future of [`AsyncBufReadExt::read_until`](crate::io::AsyncBufReadExt::read_until).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadUntil<'a, R: ?Sized> {
        reader: &'a mut R,
        delimiter: u8,
        buf: &'a mut Vec<u8>,
        read: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> ReadUntil<'a, R> {
    pub(crate) fn new(reader: &'a mut R, delimiter: u8, buf: &'a mut Vec<u8>) -> Self {
        Self { reader, delimiter, buf, read: 0, _pin: PhantomPinned }
    }
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadUntil<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        poll_until(Pin::new(&mut **me.reader), cx, *me.delimiter, me.buf, me.read)
    }
}

pin_project! {
    /// The future of [`AsyncBufReadExt::read_line`](crate::io::AsyncBufReadExt::read_line).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct ReadLine<'a, R: ?Sized> {
        reader: &'a mut R,
        output: &'a mut String,
        // The string's bytes are here while the future runs: half a character is no string.
        bytes: Vec<u8>,
        // How many of them were there before.
        before: usize,
        read: usize,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> ReadLine<'a, R> {
    pub(crate) fn new(reader: &'a mut R, output: &'a mut String) -> Self {
        let bytes = mem::take(output).into_bytes();
        Self { reader, output, before: bytes.len(), bytes, read: 0, _pin: PhantomPinned }
    }
}

impl<R: AsyncBufRead + Unpin + ?Sized> Future for ReadLine<'_, R> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let me = self.project();
        let result = ready!(poll_until(Pin::new(&mut **me.reader), cx, b'\n', me.bytes, me.read));
        Poll::Ready(give_string_back(mem::take(me.bytes), *me.before, me.output, result))
    }
}

pin_project! {
    /// The lines of a reader, from [`AsyncBufReadExt::lines`](crate::io::AsyncBufReadExt::lines).
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Lines<R> {
        #[pin]
        reader: R,
        bytes: Vec<u8>,
        read: usize,
    }
}

impl<R> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new(), read: 0 }
    }

    /// The reader.
    pub fn get_ref(&self) -> &R {
        &self.reader
    }

    /// The reader. What is read from it is missing from the lines.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.reader
    }

    /// The reader, pinned. What is read from it is missing from the lines.
    pub fn get_pin_mut(self: Pin<&mut Self>) -> Pin<&mut R> {
        self.project().reader
    }

    /// The reader back. A line that has been read in part is lost.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: AsyncBufRead> Lines<R> {
    /// The next line without its ending (`\n` or `\r\n`); `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the reader: what was read of the line stays here for the next call. `InvalidData` for a line that is not
    /// UTF-8: inside the error is the [`FromUtf8Error`](std::string::FromUtf8Error), which has the line, and the next call
    /// reads the one behind it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read of a line stays here for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncBufReadExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut lines = (&b"one\ntwo\r\nthree"[..]).lines();
    /// while let Some(line) = lines.next_line().await? {
    ///     println!("{line}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_line(&mut self) -> io::Result<Option<String>>
    where
        R: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_line(cx)).await
    }

    /// Polls for the next line. Of several tasks that poll, the last one is woken.
    pub fn poll_next_line(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Option<String>>> {
        let me = self.project();
        let read = ready!(poll_until(me.reader, cx, b'\n', me.bytes, me.read))?;
        let mut line = mem::take(me.bytes);
        if read == 0 && line.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        let line =
            String::from_utf8(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Poll::Ready(Ok(Some(line)))
    }
}

pin_project! {
    /// The segments of a reader, from [`AsyncBufReadExt::split`](crate::io::AsyncBufReadExt::split).
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct Split<R> {
        #[pin]
        reader: R,
        bytes: Vec<u8>,
        delimiter: u8,
        read: usize,
    }
}

impl<R> Split<R> {
    pub(crate) fn new(reader: R, delimiter: u8) -> Self {
        Self { reader, bytes: Vec::new(), delimiter, read: 0 }
    }
}

impl<R: AsyncBufRead> Split<R> {
    /// The next segment without its delimiter; `None` at the end.
    ///
    /// # Errors
    ///
    /// Those of the reader: what was read of the segment stays here for the next call.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read of a segment stays here for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::{AsyncBufReadExt, BufReader};
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut fields = BufReader::new(&b"a,b"[..]).split(b',');
    /// assert_eq!(fields.next_segment().await?, Some(b"a".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_segment(&mut self) -> io::Result<Option<Vec<u8>>>
    where
        R: Unpin,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next_segment(cx)).await
    }

    /// Polls for the next segment. Of several tasks that poll, the last one is woken.
    pub fn poll_next_segment(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        let me = self.project();
        let read = ready!(poll_until(me.reader, cx, *me.delimiter, me.bytes, me.read))?;
        let mut segment = mem::take(me.bytes);
        if read == 0 && segment.is_empty() {
            return Poll::Ready(Ok(None));
        }
        if segment.last() == Some(me.delimiter) {
            segment.pop();
        }
        Poll::Ready(Ok(Some(segment)))
    }
}
