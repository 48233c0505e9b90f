//! `ReadBuf`: a byte buffer that knows how much of it is filled, and how much was ever initialised.
//!
//! ```text
//! [             capacity              ]
//! [ filled |        unfilled          ]
//! [     initialized     | not so      ]
//! ```
//!
//! | invariant | kept by |
//! |---|---|
//! | `filled <= initialized <= buf.len()` | every method that moves either |
//! | `buf[..initialized]` holds initialised bytes | `assume_init`'s caller, else by writing before moving the mark |
//! | what is initialised is never made otherwise | the callers of `inner_mut` and `unfilled_mut` |
//!
//! Next file to read: `read_buf/buf_mut.rs`.

use std::fmt;
use std::mem::MaybeUninit;
use std::slice;
use std::task::{Poll, ready};

#[cfg(feature = "io-util")]
mod buf_mut;

#[cfg(feature = "io-util")]
pub(crate) use self::buf_mut::fill_chunk;

/// A wrapper around a byte buffer that is filled step by step, and need not be initialised first.
///
/// This is what [`AsyncRead::poll_read`](super::AsyncRead::poll_read) reads into. The buffer has a filled part, after
/// it a part that is initialised and not filled, and a rest that was never written.
///
/// # Examples
///
/// ```
/// use runtime::io::ReadBuf;
/// use std::mem::MaybeUninit;
///
/// let mut space = [MaybeUninit::uninit(); 16];
/// let mut buf = ReadBuf::uninit(&mut space);
/// buf.put_slice(b"hello");
/// assert_eq!(buf.filled(), b"hello");
/// assert_eq!(buf.remaining(), 11);
/// ```
pub struct ReadBuf<'a> {
    buf: &'a mut [MaybeUninit<u8>],
    filled: usize,
    initialized: usize,
}

impl<'a> ReadBuf<'a> {
    /// A buffer that is initialised as a whole, and empty.
    #[inline]
    pub fn new(buf: &'a mut [u8]) -> ReadBuf<'a> {
        let initialized = buf.len();
        let (start, len) = (buf.as_mut_ptr().cast::<MaybeUninit<u8>>(), buf.len());
        // SAFETY: the layout is the same, the borrow is handed over, and through this type nobody makes a byte
        // uninitialised without breaking the contract of an unsafe method.
        let buf = unsafe { slice::from_raw_parts_mut(start, len) };
        ReadBuf { buf, filled: 0, initialized }
    }

    /// A buffer that may be uninitialised as a whole, and is taken for it.
    ///
    /// If a start of it is known to be initialised, [`assume_init`](Self::assume_init) says so.
    #[inline]
    pub fn uninit(buf: &'a mut [MaybeUninit<u8>]) -> ReadBuf<'a> {
        ReadBuf { buf, filled: 0, initialized: 0 }
    }

    /// The size of the buffer in bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.buf.len()
    }

    /// The filled part.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: filled bytes are initialised.
        unsafe { initialized_slice(&self.buf[..self.filled]) }
    }

    /// The filled part, to change.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: filled bytes are initialised.
        unsafe { initialized_slice_mut(&mut self.buf[..self.filled]) }
    }

    /// A new buffer over the first `n` unfilled bytes, or over all of them if there are fewer.
    ///
    /// What is filled through it does not count as filled here: [`advance`](Self::advance) this one after.
    #[inline]
    pub fn take(&mut self, n: usize) -> ReadBuf<'_> {
        let n = n.min(self.remaining());
        let initialized = (self.initialized - self.filled).min(n);
        ReadBuf { buf: &mut self.buf[self.filled..self.filled + n], filled: 0, initialized }
    }

    /// The initialised part, the filled part included.
    #[inline]
    pub fn initialized(&self) -> &[u8] {
        // SAFETY: the mark says so.
        unsafe { initialized_slice(&self.buf[..self.initialized]) }
    }

    /// The initialised part, the filled part included, to change.
    #[inline]
    pub fn initialized_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mark says so.
        unsafe { initialized_slice_mut(&mut self.buf[..self.initialized]) }
    }

    /// The whole buffer, as it is.
    ///
    /// # Safety
    ///
    /// The caller must not make bytes of the [initialised](Self::initialized) part uninitialised.
    #[inline]
    pub unsafe fn inner_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.buf
    }

    /// The unfilled part, as it is.
    ///
    /// # Safety
    ///
    /// The caller must not make bytes of the [initialised](Self::initialized) part uninitialised.
    #[inline]
    pub unsafe fn unfilled_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        &mut self.buf[self.filled..]
    }

    /// The unfilled part, with zeros written to what was never initialised.
    ///
    /// The zeros are written once: calling this again between reads costs nothing.
    #[inline]
    pub fn initialize_unfilled(&mut self) -> &mut [u8] {
        self.initialize_unfilled_to(self.remaining())
    }

    /// The first `n` unfilled bytes, with zeros written to what was never initialised.
    ///
    /// # Panics
    ///
    /// If fewer than `n` bytes [remain](Self::remaining).
    #[inline]
    #[track_caller]
    pub fn initialize_unfilled_to(&mut self, n: usize) -> &mut [u8] {
        assert!(n <= self.remaining(), "n overflows remaining: {n} of {}", self.remaining());
        let end = self.filled + n;
        if self.initialized < end {
            self.buf[self.initialized..end].fill(MaybeUninit::new(0));
            self.initialized = end;
        }
        // SAFETY: everything below `initialized` is.
        unsafe { initialized_slice_mut(&mut self.buf[self.filled..end]) }
    }

    /// How many unfilled bytes there are.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.buf.len() - self.filled
    }

    /// Makes the filled part empty. What is initialised stays so.
    #[inline]
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Counts `n` more bytes as filled.
    ///
    /// # Panics
    ///
    /// If they are not all initialised.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        self.set_filled(self.filled.checked_add(n).expect("filled overflow"));
    }

    /// Sets how many bytes count as filled. It may shrink.
    ///
    /// # Panics
    ///
    /// If they are not all initialised.
    #[inline]
    #[track_caller]
    pub fn set_filled(&mut self, n: usize) {
        assert!(
            n <= self.initialized,
            "filled must not become larger than initialized: {n} of {}",
            self.initialized
        );
        self.filled = n;
    }

    /// Counts the first `n` unfilled bytes as initialised. Never shrinks the initialised part.
    ///
    /// # Safety
    ///
    /// The caller has initialised them.
    #[inline]
    pub unsafe fn assume_init(&mut self, n: usize) {
        self.initialized = self.initialized.max(self.filled + n);
    }

    /// Appends `buf`.
    ///
    /// # Panics
    ///
    /// If fewer bytes than that [remain](Self::remaining).
    #[inline]
    #[track_caller]
    pub fn put_slice(&mut self, buf: &[u8]) {
        assert!(
            buf.len() <= self.remaining(),
            "buf.len() must fit in remaining(); buf.len() = {}, remaining() = {}",
            buf.len(),
            self.remaining()
        );
        let end = self.filled + buf.len();
        // SAFETY: the layout is the same, and initialised bytes are valid as bytes that may not be.
        let bytes = unsafe { slice::from_raw_parts(buf.as_ptr().cast::<MaybeUninit<u8>>(), buf.len()) };
        self.buf[self.filled..end].copy_from_slice(bytes);
        self.initialized = self.initialized.max(end);
        self.filled = end;
    }
}

/// # Safety
///
/// Every byte is initialised.
unsafe fn initialized_slice(bytes: &[MaybeUninit<u8>]) -> &[u8] {
    // SAFETY: the layout is the same, and the caller answers for the contents.
    unsafe { slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// # Safety
///
/// Every byte is initialised.
unsafe fn initialized_slice_mut(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: the layout is the same, the caller answers for the contents, and the borrow is handed over.
    unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// The spare room of a vector, to read into. Remembers how much of it a reader initialised, so that one that
/// starts with zeros everywhere does not write them again for each read.
#[derive(Debug)]
pub(super) struct SpareRoom<'a> {
    vec: &'a mut Vec<u8>,
    /// How many bytes of the allocation are initialised, from its start.
    initialized: usize,
}

impl<'a> SpareRoom<'a> {
    pub(super) fn new(vec: &'a mut Vec<u8>) -> Self {
        Self { initialized: vec.len(), vec }
    }

    pub(super) fn vec(&mut self) -> &mut Vec<u8> {
        self.vec
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.vec.capacity() - self.vec.len()
    }

    /// Makes room for `more` bytes at least.
    pub(super) fn reserve(&mut self, more: usize) {
        if self.len() < more {
            self.vec.reserve(more);
            // The old contents are moved up to the length, what lies past it need not be.
            self.initialized = self.vec.len();
        }
    }

    /// Lets `read` fill the spare room, and appends what it filled. Returns how much that is.
    pub(super) fn fill<E>(
        &mut self,
        read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<usize, E>> {
        let len = self.vec.len();
        let initialized = self.initialized.max(len) - len;
        let mut buf = ReadBuf::uninit(self.vec.spare_capacity_mut());
        // SAFETY: they were initialised through a buffer like this one, in this very allocation.
        unsafe { buf.assume_init(initialized) };
        let start = buf.buf.as_ptr();
        ready!(read(&mut buf))?;
        // `read` is foreign and safe code: it may have put another buffer in the place of this one.
        assert!(std::ptr::eq(start, buf.buf.as_ptr()), "the reader exchanged the buffer");
        let filled = buf.filled;
        self.initialized = len + buf.initialized;
        // SAFETY: the buffer is the vector's spare room, and so many bytes of it are filled, thus initialised.
        unsafe { self.vec.set_len(len + filled) };
        Poll::Ready(Ok(filled))
    }
}

impl fmt::Debug for ReadBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBuf")
            .field("filled", &self.filled)
            .field("initialized", &self.initialized)
            .field("capacity", &self.capacity())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_move_together() {
        let mut space = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut space);
        assert_eq!((buf.capacity(), buf.remaining(), buf.initialized().len()), (8, 8, 0));
        buf.initialize_unfilled_to(3).copy_from_slice(b"abc");
        buf.advance(2);
        assert_eq!(buf.filled(), b"ab");
        assert_eq!(buf.initialized(), b"abc");
        buf.put_slice(b"xyz");
        assert_eq!(buf.filled(), b"abxyz");
        assert_eq!(buf.initialize_unfilled(), [0; 3]);
        buf.clear();
        assert_eq!(buf.initialized(), b"abxyz\0\0\0");
        buf.set_filled(4);
        buf.filled_mut()[0] = b'A';
        assert_eq!(buf.filled(), b"Abxy");
    }

    #[test]
    fn take_sees_what_is_initialised_and_fills_apart() {
        let mut space = *b"abcdef";
        let mut buf = ReadBuf::new(&mut space);
        buf.set_filled(2);
        let mut part = buf.take(3);
        assert_eq!(part.initialized(), b"cde");
        part.put_slice(b"C");
        assert_eq!(buf.filled(), b"ab");
        assert_eq!(buf.take(100).capacity(), 4);
    }

    #[test]
    #[should_panic(expected = "larger than initialized")]
    fn what_is_not_initialised_cannot_be_filled() {
        let mut space = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut space);
        buf.advance(1);
    }

    #[test]
    #[should_panic(expected = "must fit in remaining()")]
    fn too_much_is_refused() {
        ReadBuf::new(&mut [0; 2]).put_slice(b"abc");
    }
}
