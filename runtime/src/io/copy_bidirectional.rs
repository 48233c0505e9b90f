//! Copying in both directions at once.
//!
//! Next file to read: `duplex.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::buf_reader::DEFAULT_CAPACITY;
use super::copy::Transfer;
use super::{AsyncRead, AsyncWrite};

/// Copies in both directions at once, until both have ended. Returns how many bytes went from `a` to `b`, and from
/// `b` to `a`.
///
/// When one side ends, the writing of the other is shut down, and the other direction goes on. The directions take turns:
/// while both have something to do, neither gets ahead of the other by more than one read or write. There is a buffer of
/// 8 KiB for each; one whose writer has to wait is read on until it is full.
///
/// # Errors
///
/// The first of either side, at once. The other direction is then given up, and what was read and not yet written is lost.
/// Reads and writes that end with `Interrupted` are repeated, flushes and shutdowns are not.
///
/// # Cancel safety
///
/// Not cancel safe: bytes that were read and not yet written are lost.
pub async fn copy_bidirectional<A, B>(a: &mut A, b: &mut B) -> io::Result<(u64, u64)>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    copy_bidirectional_with_sizes(a, b, DEFAULT_CAPACITY, DEFAULT_CAPACITY).await
}

/// As [`copy_bidirectional`], with buffers of so many bytes for each direction.
///
/// # Panics
///
/// If one of the sizes is zero, in the call and not first in the poll of what it returns.
///
/// # Cancel safety
///
/// Not cancel safe, as `copy_bidirectional`.
#[track_caller]
pub fn copy_bidirectional_with_sizes<A, B>(
    a: &mut A,
    b: &mut B,
    a_to_b_buf_size: usize,
    b_to_a_buf_size: usize,
) -> impl Future<Output = io::Result<(u64, u64)>>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    for (name, size) in [("a_to_b_buf_size", a_to_b_buf_size), ("b_to_a_buf_size", b_to_a_buf_size)] {
        assert!(
            size > 0,
            "`{name}` must be greater than 0: nothing could be copied through a buffer without room for a byte; \
             give it one byte or more, or leave the sizes to `copy_bidirectional`"
        );
    }
    // Not an `async fn`: the panic is to blame the caller, and not whoever polls.
    async move {
        let mut there = Direction::Copying(Transfer::new(a_to_b_buf_size));
        let mut back = Direction::Copying(Transfer::new(b_to_a_buf_size));
        let mut back_is_next = false;
        poll_fn(|cx| {
            let (mut there_waits, mut back_waits) = (false, false);
            while !(there_waits && back_waits) {
                // Whose turn it is outlives the poll: a budget that ends after each first step would else starve the second
                // direction.
                if there_waits || (back_is_next && !back_waits) {
                    back_waits = back.poll_step(cx, Pin::new(&mut *b), Pin::new(&mut *a))?.is_pending();
                    back_is_next = false;
                } else {
                    there_waits = there.poll_step(cx, Pin::new(&mut *a), Pin::new(&mut *b))?.is_pending();
                    back_is_next = true;
                }
            }
            match (&there, &back) {
                (&Direction::Done(there), &Direction::Done(back)) => Poll::Ready(Ok((there, back))),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

/// One direction of a copy in both.
enum Direction {
    Copying(Transfer),
    ShuttingDown(u64),
    Done(u64),
}

impl Direction {
    /// Does one thing. `Pending` if there is nothing to be done now, or any more.
    fn poll_step<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut R>,
        writer: Pin<&mut W>,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + ?Sized,
        W: AsyncWrite + ?Sized,
    {
        match self {
            Direction::Copying(transfer) => {
                if let Some(copied) = ready!(transfer.poll_step(cx, reader, writer))? {
                    *self = Direction::ShuttingDown(copied);
                }
            }
            Direction::ShuttingDown(copied) => {
                ready!(writer.poll_shutdown(cx))?;
                *self = Direction::Done(*copied);
            }
            Direction::Done(_) => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}
