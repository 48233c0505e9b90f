//! `AsyncBufReadExt`: the methods of every reader with a buffer.
//!
//! Next file to read: `attempt.rs`.
#![forbid(unsafe_code)]

use std::pin::Pin;

use super::AsyncBufRead;
use super::futures::{FillBuf, Lines, ReadLine, ReadUntil, Split};

/// Methods for every [`AsyncBufRead`].
///
/// # Examples
///
/// ```
/// use runtime::io::AsyncBufReadExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut source = &b"one\ntwo\n"[..];
/// let mut line = String::new();
/// source.read_line(&mut line).await?;
/// assert_eq!(line, "one\n");
/// # Ok(())
/// # }
/// ```
pub trait AsyncBufReadExt: AsyncBufRead {
    /// Appends to `buf` what comes up to and with the first `byte`, or up to the end. Returns how many bytes
    /// that were; zero at the end.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what was read is in `buf`. A new call goes on from there, and counts only its own bytes.
    fn read_until<'a>(&'a mut self, byte: u8, buf: &'a mut Vec<u8>) -> ReadUntil<'a, Self>
    where
        Self: Unpin,
    {
        ReadUntil::new(self, byte, buf)
    }

    /// Appends the next line to `buf`, its ending included. Returns how many bytes that were; zero at the end.
    ///
    /// # Errors
    ///
    /// Those of the reader, and `InvalidData` if the line is not UTF-8; `buf` is then as it was, and the line is lost.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: what was read of the line is lost, and `buf` may be left empty. Use [`lines`](Self::lines).
    fn read_line<'a>(&'a mut self, buf: &'a mut String) -> ReadLine<'a, Self>
    where
        Self: Unpin,
    {
        ReadLine::new(self, buf)
    }

    /// The segments between the occurrences of `byte`, one by one.
    fn split(self, byte: u8) -> Split<Self>
    where
        Self: Sized + Unpin,
    {
        Split::new(self, byte)
    }

    /// What is buffered, after reading more if nothing is. Empty at the end.
    ///
    /// [`consume`](Self::consume) what was used of it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read stays in the buffer.
    fn fill_buf(&mut self) -> FillBuf<'_, Self>
    where
        Self: Unpin,
    {
        FillBuf::new(self)
    }

    /// Drops the first `amt` bytes of what [`fill_buf`](Self::fill_buf) returned.
    fn consume(&mut self, amt: usize)
    where
        Self: Unpin,
    {
        AsyncBufRead::consume(Pin::new(self), amt);
    }

    /// The lines, one by one, without their endings.
    fn lines(self) -> Lines<Self>
    where
        Self: Sized,
    {
        Lines::new(self)
    }
}

impl<R: AsyncBufRead + ?Sized> AsyncBufReadExt for R {}
