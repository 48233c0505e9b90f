//! `ReadBuf` and the buffers of the crate `bytes`, each in the place of the other.
//!
//! Next file to read: `async_read.rs`.

use std::ptr;
use std::task::{Poll, ready};

use bytes::BufMut;
use bytes::buf::UninitSlice;

use super::ReadBuf;

/// Lets `read` fill the first unfilled chunk of `buf`, and moves the cursor of `buf` behind what it filled. Returns how
/// much that is: zero, and without a read, if `buf` has no room.
pub(crate) fn fill_chunk<B: BufMut + ?Sized, E>(
    buf: &mut B,
    read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<Result<(), E>>,
) -> Poll<Result<usize, E>> {
    if !buf.has_remaining_mut() {
        return Poll::Ready(Ok(0));
    }
    // SAFETY: nothing is made uninitialised through a `ReadBuf` but by who breaks the contract of an unsafe method.
    let chunk = unsafe { buf.chunk_mut().as_uninit_slice_mut() };
    let whole = ptr::from_ref(&*chunk);
    let mut room = ReadBuf::uninit(chunk);
    ready!(read(&mut room))?;
    // `read` is foreign and safe code: it may have put another buffer in the place of this one.
    assert!(ptr::eq(whole, &*room.buf), "the reader exchanged the buffer");
    let filled = room.filled;
    // SAFETY: the first bytes of the chunk are filled, thus initialised, and so many at most as the chunk has.
    unsafe { buf.advance_mut(filled) };
    Poll::Ready(Ok(filled))
}

// SAFETY: `chunk_mut` is the unfilled part, of a length that `remaining_mut` tells, and `advance_mut` moves its start.
unsafe impl BufMut for ReadBuf<'_> {
    fn remaining_mut(&self) -> usize {
        self.remaining()
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        assert!(count <= self.remaining(), "advanced past the end of the buffer");
        // SAFETY: the caller has initialised so many bytes of the unfilled part.
        unsafe { self.assume_init(count) };
        self.advance(count);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        UninitSlice::uninit(&mut self.buf[self.filled..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::MaybeUninit;

    #[test]
    fn bytes_that_are_put_into_a_read_buf_are_filled_and_initialised() {
        let mut space = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut space);
        buf.put_u16(0x0102);
        buf.put_bytes(7, 3);
        assert_eq!((buf.filled(), buf.initialized().len()), (&[1, 2, 7, 7, 7][..], 5));
        assert_eq!((buf.remaining_mut(), buf.chunk_mut().len()), (3, 3));
        // What lay initialised before stays so.
        buf.initialize_unfilled();
        BufMut::put_slice(&mut buf, b"a");
        assert_eq!((buf.filled().len(), buf.initialized().len()), (6, 8));
    }

    #[test]
    fn a_chunk_is_filled_and_counted() {
        let mut buf = Vec::with_capacity(4);
        let read = |room: &mut ReadBuf<'_>| {
            room.put_slice(b"abc");
            Poll::Ready(Ok::<_, ()>(()))
        };
        assert_eq!(fill_chunk(&mut buf, read), Poll::Ready(Ok(3)));
        assert_eq!(buf, b"abc");
        let nothing =
            |_: &mut ReadBuf<'_>| -> Poll<Result<(), ()>> { panic!("there is no room to read into") };
        assert_eq!(fill_chunk(&mut (&mut [0; 0][..]), nothing), Poll::Ready(Ok(0)));
        assert_eq!(fill_chunk(&mut buf, |_| Poll::<Result<(), ()>>::Pending), Poll::Pending);
        assert_eq!(fill_chunk(&mut buf, |_| Poll::Ready(Err("broken"))), Poll::Ready(Err("broken")));
        assert_eq!(buf, b"abc");
    }

    #[test]
    #[should_panic(expected = "exchanged the buffer")]
    fn a_reader_that_exchanges_the_buffer_is_found_out() {
        let _ = fill_chunk(&mut Vec::new(), |room| {
            *room = ReadBuf::new(&mut []);
            Poll::Ready(Ok::<_, ()>(()))
        });
    }
}
