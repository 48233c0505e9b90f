//! A stream over a device with faults, and what drives the futures that use one.
//!
//! `rt` is the runtime whose traits are implemented: the module above says which.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice, SeekFrom};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::rt::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};
use crate::case::{Device, Remains, Script, Step};

/// A stream that follows a script. When it is dropped it leaves behind what remains of its device.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) device: Device,
    remains: Rc<RefCell<Remains>>,
}

impl Faulty {
    pub(crate) fn new(script: Script) -> Self {
        Self::leaving(script, Rc::default())
    }

    pub(crate) fn leaving(script: Script, remains: Rc<RefCell<Remains>>) -> Self {
        Self { device: Device::new(script), remains }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        *self.remains.borrow_mut() = self.device.remains();
    }
}

/// Whoever has to wait is woken at once.
fn poll<T>(cx: &mut Context<'_>, step: Step<T>) -> Poll<io::Result<T>> {
    match step {
        Step::Wait => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Step::Done(result) => Poll::Ready(result.map_err(io::Error::from)),
    }
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let step = self.device.read(buf.remaining());
        poll(cx, step).map_ok(|bytes| buf.put_slice(bytes))
    }
}

impl AsyncBufRead for Faulty {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        poll(cx, self.get_mut().device.fill())
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        self.device.consume(amount);
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        poll(cx, self.device.write(buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.device.vectored {
            let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
            return poll(cx, self.device.write(&bytes));
        }
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.device.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(cx, self.device.flush())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll(cx, self.device.shut_down())
    }
}

impl AsyncSeek for Faulty {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        Ok(self.device.start_seek(to)?)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        poll(cx, self.device.finish_seek())
    }
}

/// Polls a future to its end, and sees that each time that it waits somebody will wake it.
#[derive(Debug)]
pub(crate) struct Driver {
    wakes: Arc<Wakes>,
    waker: Waker,
    /// For each wait that may be cancelled, lowest bit first: whether it is.
    cancel: u64,
}

#[derive(Debug, Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Driver {
    pub(crate) fn new(cancel: u64) -> Self {
        let wakes = Arc::new(Wakes::default());
        Self { waker: Waker::from(wakes.clone()), wakes, cancel }
    }

    /// `None` if it is to be cancelled.
    pub(crate) fn drive<F: Future>(
        &mut self,
        mut future: Pin<&mut F>,
        may_cancel: bool,
    ) -> Option<F::Output> {
        loop {
            let before = self.wakes.0.load(Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
                return Some(output);
            }
            assert_ne!(self.wakes.0.load(Ordering::SeqCst), before, "pending, and nobody will wake it");
            if may_cancel {
                let cancelled = self.cancel & 1 == 1;
                self.cancel >>= 1;
                if cancelled {
                    return None;
                }
            }
        }
    }
}

/// Polls a future to its end.
pub(crate) fn drive<F: Future>(future: F) -> F::Output {
    Driver::new(0).drive(std::pin::pin!(future), false).expect("it is not cancelled")
}
