//! `AsyncWriteExt`: the methods of every writer.
//!
//! Next file to read: `buf_read_ext.rs`.
#![forbid(unsafe_code)]

use std::io::IoSlice;

use super::AsyncWrite;
use super::futures::{Flush, Shutdown, Write, WriteAll, WriteNumber, WriteVectored};
#[cfg(feature = "io-util")]
use super::futures::{WriteAllBuf, WriteBuf};

/// One method a type of number.
macro_rules! write_numbers {
    ($($name:ident: $ty:ty, $size:literal, $convert:ident, $order:literal;)*) => {$(
        #[doc = concat!("Writes a `", stringify!($ty), "` as ", stringify!($size), " bytes, ", $order, ".")]
        ///
        /// # Errors
        ///
        /// Those of [`write_all`](Self::write_all).
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: some of the bytes may have been written.
        fn $name(&mut self, n: $ty) -> WriteNumber<'_, Self, [u8; $size]>
        where
            Self: Unpin,
        {
            WriteNumber::new(self, n.$convert())
        }
    )*};
}

/// Methods for every [`AsyncWrite`].
///
/// # Examples
///
/// ```
/// use runtime::io::AsyncWriteExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut sink = Vec::new();
/// sink.write_u16(3).await?;
/// sink.write_all(b"abc").await?;
/// assert_eq!(sink, b"\x00\x03abc");
/// # Ok(())
/// # }
/// ```
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes some bytes of `src`, from its start, and returns how many.
    ///
    /// # Errors
    ///
    /// Those of the destination. Nothing was written then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when another branch of a `select!` is done first, nothing was written.
    fn write<'a>(&'a mut self, src: &'a [u8]) -> Write<'a, Self>
    where
        Self: Unpin,
    {
        Write::new(self, src)
    }

    /// As [`write`](Self::write), from several buffers in a row.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `write`.
    fn write_vectored<'a, 'b>(&'a mut self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b, Self>
    where
        Self: Unpin,
    {
        WriteVectored::new(self, bufs)
    }

    /// Writes the whole of `src`.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the destination takes no more, else those of the destination. How much was written before is not
    /// known.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: a part of `src` may have been written, and how much is not known.
    fn write_all<'a>(&'a mut self, src: &'a [u8]) -> WriteAll<'a, Self>
    where
        Self: Unpin,
    {
        WriteAll::new(self, src)
    }

    /// Writes some bytes of `src`, moves its cursor behind them, and returns how many.
    ///
    /// One write at most, of as many chunks of `src` as the destination takes at once. Zero means that the destination
    /// takes no more, or that `src` has nothing left.
    ///
    /// # Errors
    ///
    /// Those of the destination. Nothing was written then, and the cursor stays.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when another branch of a `select!` is done first, nothing was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Buf;
    /// use runtime::io::AsyncWriteExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut sink = Vec::new();
    /// let mut message = (&b"head, "[..]).chain(&b"body"[..]);
    /// while message.has_remaining() {
    ///     sink.write_buf(&mut message).await?;
    /// }
    /// assert_eq!(sink, b"head, body");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "io-util")]
    fn write_buf<'a, B>(&'a mut self, src: &'a mut B) -> WriteBuf<'a, Self, B>
    where
        Self: Sized + Unpin,
        B: bytes::Buf,
    {
        WriteBuf::new(self, src)
    }

    /// Writes all that is left in `src`, and moves its cursor behind what has been written.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the destination takes no more, else those of the destination. The cursor of `src` then stands before
    /// the first byte that was not written.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the cursor of `src` stands before the first byte that was not written. A new call goes on there.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncWriteExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut sink = Vec::new();
    /// sink.write_all_buf(&mut &b"hello"[..]).await?;
    /// assert_eq!(sink, b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "io-util")]
    fn write_all_buf<'a, B>(&'a mut self, src: &'a mut B) -> WriteAllBuf<'a, Self, B>
    where
        Self: Sized + Unpin,
        B: bytes::Buf,
    {
        WriteAllBuf::new(self, src)
    }

    write_numbers! {
        write_u8: u8, 1, to_be_bytes, "big-endian";
        write_i8: i8, 1, to_be_bytes, "big-endian";
        write_u16: u16, 2, to_be_bytes, "big-endian";
        write_i16: i16, 2, to_be_bytes, "big-endian";
        write_u32: u32, 4, to_be_bytes, "big-endian";
        write_i32: i32, 4, to_be_bytes, "big-endian";
        write_u64: u64, 8, to_be_bytes, "big-endian";
        write_i64: i64, 8, to_be_bytes, "big-endian";
        write_u128: u128, 16, to_be_bytes, "big-endian";
        write_i128: i128, 16, to_be_bytes, "big-endian";
        write_f32: f32, 4, to_be_bytes, "big-endian";
        write_f64: f64, 8, to_be_bytes, "big-endian";
        write_u16_le: u16, 2, to_le_bytes, "little-endian";
        write_i16_le: i16, 2, to_le_bytes, "little-endian";
        write_u32_le: u32, 4, to_le_bytes, "little-endian";
        write_i32_le: i32, 4, to_le_bytes, "little-endian";
        write_u64_le: u64, 8, to_le_bytes, "little-endian";
        write_i64_le: i64, 8, to_le_bytes, "little-endian";
        write_u128_le: u128, 16, to_le_bytes, "little-endian";
        write_i128_le: i128, 16, to_le_bytes, "little-endian";
        write_f32_le: f32, 4, to_le_bytes, "little-endian";
        write_f64_le: f64, 8, to_le_bytes, "little-endian";
    }

    /// Waits until everything that was written has reached its destination.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe in that a new call goes on where this one was.
    fn flush(&mut self) -> Flush<'_, Self>
    where
        Self: Unpin,
    {
        Flush::new(self)
    }

    /// Flushes, and shuts the destination down. For a TCP stream this closes the writing half.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe in that a new call goes on where this one was.
    fn shutdown(&mut self) -> Shutdown<'_, Self>
    where
        Self: Unpin,
    {
        Shutdown::new(self)
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}
