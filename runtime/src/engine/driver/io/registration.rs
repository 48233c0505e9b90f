//! A resource's hold on the driver: what the types in `net` wait with.
//!
//! Every operation has the same form: wait until the readiness is there, try the system call, and if it would block
//! after all, clear what was seen and wait again. Each success costs one unit of the task's budget.
//!
//! Next file to read: `net/evented.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use mio::event::Source;

use super::slot::{Direction, ReadyEvent};
use super::{IoRegistry, shut_down_error};
use crate::base::coop;
use crate::base::interest::{Interest, Ready};
use crate::base::prim::Arc;

/// One source, registered. Dropping it gives the slot back; the source must have been
/// [deregistered](Self::deregister) or closed before.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<IoRegistry>,
    pub(super) index: u32,
}

impl Registration {
    /// Registers `source` for `interest`.
    ///
    /// # Errors
    ///
    /// What the operating system says, or that the driver has been shut down. Nothing is left behind then.
    pub(crate) fn new(
        source: &mut impl Source,
        interest: Interest,
        registry: Arc<IoRegistry>,
    ) -> io::Result<Self> {
        let index = registry.register(source, interest)?;
        Ok(Self { registry, index })
    }

    /// Ends the operating system's interest in `source`.
    pub(crate) fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        self.registry.os.deregister(source)
    }

    #[inline]
    pub(super) fn slot(&self) -> &super::Slot {
        self.registry.slot(self.index)
    }

    /// Takes back readiness that turned out not to be so.
    #[inline]
    pub(crate) fn clear_readiness(&self, event: ReadyEvent) {
        self.slot().clear(event);
    }

    /// Takes the resource for ready before the first event has come.
    pub(crate) fn assume_ready(&self, ready: Ready) {
        self.slot().assume(ready);
    }

    /// Waits for readability. Of several tasks that poll, the last one is woken.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Read)
    }

    /// Waits for writability. Of several tasks that poll, the last one is woken.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyEvent>> {
        self.poll_ready(cx, Direction::Write)
    }

    #[inline]
    fn poll_ready(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<io::Result<ReadyEvent>> {
        let unit = ready!(coop::poll_proceed(cx));
        let event = ready!(self.slot().poll_ready(cx, direction));
        if event.is_shut_down {
            return Poll::Ready(Err(shut_down_error()));
        }
        unit.made_progress();
        Poll::Ready(Ok(event))
    }

    /// Runs `f` as soon as it can read, and again for as long as it would block.
    pub(crate) fn poll_read_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let event = ready!(self.poll_read_ready(cx))?;
            match f() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear_readiness(event),
                result => return Poll::Ready(result),
            }
        }
    }

    /// Runs `f` once if the readiness is known to be there.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it is not, or if `f` says so.
    pub(crate) fn try_io<R>(&self, interest: Interest, f: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        let event = self.slot().ready(interest);
        if event.ready.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = f();
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
            self.clear_readiness(event);
        }
        result
    }

    /// Waits for readiness. Any number of tasks may wait at once. Cancel safe: nothing is consumed.
    pub(crate) async fn readiness(&self, interest: Interest) -> io::Result<ReadyEvent> {
        let event = self.slot().readiness(interest).await;
        if event.is_shut_down { Err(shut_down_error()) } else { Ok(event) }
    }

    /// Waits for readiness, runs `f`, and waits again for as long as `f` would block. Any number of tasks may do
    /// so at once. Cancel safe: once `f` has succeeded there is nothing more to wait for.
    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let event = self.readiness(interest).await?;
            let unit = poll_fn(coop::poll_proceed).await;
            match f() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.clear_readiness(event),
                result => {
                    unit.made_progress();
                    return result;
                }
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.release(self.index);
    }
}
