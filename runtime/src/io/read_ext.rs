//! `AsyncReadExt`: the methods of every reader.
//!
//! Next file to read: `write_ext.rs`.
#![forbid(unsafe_code)]

#[cfg(feature = "io-util")]
use super::futures::ReadIntoBuf;
use super::futures::{Read, ReadExact, ReadNumber, ReadToEnd, ReadToString};
use super::{AsyncRead, Chain, Take};

/// One method a type of number.
macro_rules! read_numbers {
    ($($name:ident: $ty:ty, $size:literal, $convert:ident, $order:literal;)*) => {$(
        #[doc = concat!("Reads a `", stringify!($ty), "` of ", stringify!($size), " bytes, ", $order, ".")]
        ///
        /// # Errors
        ///
        /// Those of [`read_exact`](Self::read_exact).
        ///
        /// # Cancel safety
        ///
        /// Not cancel safe: bytes that were read already are lost.
        fn $name(&mut self) -> ReadNumber<'_, Self, $ty, [u8; $size]>
        where
            Self: Unpin,
        {
            ReadNumber::new(self, <$ty>::$convert)
        }
    )*};
}

/// Methods for every [`AsyncRead`].
///
/// # Examples
///
/// ```
/// use runtime::io::AsyncReadExt;
///
/// # async fn example() -> std::io::Result<()> {
/// let mut source = &b"\x00\x03abc, and the rest"[..];
/// let length = source.read_u16().await?;
/// let mut name = vec![0; length.into()];
/// source.read_exact(&mut name).await?;
/// assert_eq!(name, b"abc");
/// # Ok(())
/// # }
/// ```
pub trait AsyncReadExt: AsyncRead {
    /// A reader that reads this one to its end, and then goes on with `next`.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncReadExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut all = String::new();
    /// (&b"one, "[..]).chain(&b"two"[..]).read_to_string(&mut all).await?;
    /// assert_eq!(all, "one, two");
    /// # Ok(())
    /// # }
    /// ```
    fn chain<R>(self, next: R) -> Chain<Self, R>
    where
        Self: Sized,
        R: AsyncRead,
    {
        Chain::new(self, next)
    }

    /// Reads some bytes into `buf`, and returns how many.
    ///
    /// Zero means that the source is at its end (it may have more later, as a file that grows), or that `buf` is empty.
    /// Fewer bytes than fit are no sign of the end.
    ///
    /// # Errors
    ///
    /// Those of the source. Nothing was read then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when another branch of a `select!` is done first, nothing was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncReadExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut source = &b"hello"[..];
    /// let mut buf = [0; 3];
    /// assert_eq!(source.read(&mut buf).await?, 3);
    /// assert_eq!(&buf, b"hel");
    /// # Ok(())
    /// # }
    /// ```
    fn read<'a>(&'a mut self, buf: &'a mut [u8]) -> Read<'a, Self>
    where
        Self: Unpin,
    {
        Read::new(self, buf)
    }

    /// Reads some bytes into the unfilled part of `buf`, moves its cursor by them, and returns how many.
    ///
    /// One read at most, into the first chunk of `buf`; its contents need not be initialised. Zero means that the source
    /// is at its end, or that `buf` has no room. A `Vec` grows by itself, so that it always has some.
    ///
    /// # Errors
    ///
    /// Those of the source. Nothing was read then.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: when another branch of a `select!` is done first, nothing was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncReadExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut source = &b"hello"[..];
    /// let mut buf = bytes::BytesMut::with_capacity(64);
    /// while source.read_buf(&mut buf).await? > 0 {}
    /// assert_eq!(&buf[..], b"hello");
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "io-util")]
    fn read_buf<'a, B>(&'a mut self, buf: &'a mut B) -> ReadIntoBuf<'a, Self, B>
    where
        Self: Unpin,
        B: bytes::BufMut + ?Sized,
    {
        ReadIntoBuf::new(self, buf)
    }

    /// Fills the whole of `buf`, and returns its length.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the source ends before; what `buf` then holds is not specified. Else those of the source.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: bytes that were read already are in `buf`, and how many is not known.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncReadExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut source = &b"hello"[..];
    /// let mut buf = [0; 4];
    /// source.read_exact(&mut buf).await?;
    /// let error = source.read_exact(&mut buf).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    /// # Ok(())
    /// # }
    /// ```
    fn read_exact<'a>(&'a mut self, buf: &'a mut [u8]) -> ReadExact<'a, Self>
    where
        Self: Unpin,
    {
        ReadExact::new(self, buf)
    }

    read_numbers! {
        read_u8: u8, 1, from_be_bytes, "big-endian";
        read_i8: i8, 1, from_be_bytes, "big-endian";
        read_u16: u16, 2, from_be_bytes, "big-endian";
        read_i16: i16, 2, from_be_bytes, "big-endian";
        read_u32: u32, 4, from_be_bytes, "big-endian";
        read_i32: i32, 4, from_be_bytes, "big-endian";
        read_u64: u64, 8, from_be_bytes, "big-endian";
        read_i64: i64, 8, from_be_bytes, "big-endian";
        read_u128: u128, 16, from_be_bytes, "big-endian";
        read_i128: i128, 16, from_be_bytes, "big-endian";
        read_f32: f32, 4, from_be_bytes, "big-endian";
        read_f64: f64, 8, from_be_bytes, "big-endian";
        read_u16_le: u16, 2, from_le_bytes, "little-endian";
        read_i16_le: i16, 2, from_le_bytes, "little-endian";
        read_u32_le: u32, 4, from_le_bytes, "little-endian";
        read_i32_le: i32, 4, from_le_bytes, "little-endian";
        read_u64_le: u64, 8, from_le_bytes, "little-endian";
        read_i64_le: i64, 8, from_le_bytes, "little-endian";
        read_u128_le: u128, 16, from_le_bytes, "little-endian";
        read_i128_le: i128, 16, from_le_bytes, "little-endian";
        read_f32_le: f32, 4, from_le_bytes, "little-endian";
        read_f64_le: f64, 8, from_le_bytes, "little-endian";
    }

    /// Reads to the end of the source, appends it all to `buf`, and returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// Those of the source. What was read before it is in `buf`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost, what was read is in `buf`; a new call goes on from there, and counts only its own bytes.
    fn read_to_end<'a>(&'a mut self, buf: &'a mut Vec<u8>) -> ReadToEnd<'a, Self>
    where
        Self: Unpin,
    {
        ReadToEnd::new(self, buf)
    }

    /// Reads to the end of the source, appends it all to `dst`, and returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// Those of the source, and `InvalidData` if the bytes are not UTF-8; `dst` is then as it was.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: what was read is lost, and `dst` may be left empty.
    fn read_to_string<'a>(&'a mut self, dst: &'a mut String) -> ReadToString<'a, Self>
    where
        Self: Unpin,
    {
        ReadToString::new(self, dst)
    }

    /// A reader that ends after `limit` bytes of this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use runtime::io::AsyncReadExt;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut start = Vec::new();
    /// (&b"hello"[..]).take(2).read_to_end(&mut start).await?;
    /// assert_eq!(start, b"he");
    /// # Ok(())
    /// # }
    /// ```
    fn take(self, limit: u64) -> Take<Self>
    where
        Self: Sized,
    {
        Take::new(self, limit)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}
