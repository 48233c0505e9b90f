//! The load from tasks of the runtime under test: its timers and both ends of its sockets are measured together.
//!
//! One task a connection, which writes, reads and sleeps in one poll.
//!
//! Next file to read: `serve.rs`.
#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::TcpStream as StdStream;
use std::pin::{Pin, pin};
use std::sync::mpsc::channel;
use std::task::{Context, Poll, ready};

use rt::io::{AsyncRead, AsyncWrite, ReadBuf};
use rt::net::TcpStream;
use rt::runtime::Handle;
use rt::time::{Instant, Sleep, sleep};

use super::lane::Lane;
use super::{COUNT_QUEUED, LoadPlan, Talk, lost, record_answer, record_sent};
use crate::load::{Arrivals, DRAIN, LOOK_UP, OpenLoop, part};
use crate::record::Counter;
use crate::wire::Failure;
use crate::workload::Run;

/// The most bytes that one read takes.
const BUFFER: usize = 16 << 10;

pub(super) fn run<T: Talk>(
    run: &Run,
    plan: &LoadPlan,
    talks: Vec<(StdStream, T)>,
    on: &Handle,
) -> Result<(), Failure> {
    let (ended, inbox) = channel();
    let sources = talks.len();
    for (i, (socket, talk)) in talks.into_iter().enumerate() {
        let arrivals = Arrivals::new(plan.process, plan.rate, (i, sources), plan.seed);
        let mut client = Client {
            run: run.clone(),
            open: OpenLoop::new(arrivals, part(plan.max_queue, (i, sources))),
            lane: Lane::new(talk, plan.max_in_flight),
            buffer: vec![0; BUFFER],
        };
        let ended = ended.clone();
        on.spawn(async move {
            let result = client.drive(socket).await;
            if result.is_err() {
                client.count_unanswered();
                // The others need not go on.
                client.run.window.close_soon();
            }
            // Nobody waits any more after another one's failure.
            let _ = ended.send(result);
        });
    }
    drop(ended);
    let mut homecoming = 0;
    while let Ok(result) = inbox.recv() {
        result?;
        homecoming += 1;
    }
    match homecoming == sources {
        true => Ok(()),
        false => {
            Err(Failure::broken(format!("{} client tasks panicked or were dropped", sources - homecoming)))
        }
    }
}

struct Client<T> {
    run: Run,
    open: OpenLoop,
    lane: Lane<T>,
    buffer: Vec<u8>,
}

impl<T: Talk> Client<T> {
    async fn drive(&mut self, socket: StdStream) -> Result<(), Failure> {
        let mut socket = TcpStream::from_std(socket).map_err(|error| lost(&error))?;
        let mut alarm = pin!(sleep(LOOK_UP));
        poll_fn(|cx| self.turn(cx, &mut socket, alarm.as_mut())).await
    }

    /// Does what can be done now; ready when the load has ended.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut TcpStream,
        mut alarm: Pin<&mut Sleep>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            let (now, end) = (self.run.window.now(), self.run.window.end());
            if now < end {
                self.start_due(now);
            } else {
                self.open.end(end, &mut self.run.recorder.pen());
            }
            if let Poll::Ready(Err(error)) = self.write(cx, socket) {
                return Poll::Ready(Err(lost(&error)));
            }
            if let Poll::Ready(Err(failure)) = self.read(cx, socket) {
                return Poll::Ready(Err(failure));
            }
            let drained = self.lane.in_flight() == 0 || now >= end.saturating_add(DRAIN.as_nanos() as u64);
            if now >= end && drained {
                return Poll::Ready(Ok(()));
            }
            if self.open.has_due() && self.lane.has_room() {
                continue;
            }
            let due = if now < end { self.open.next_due().min(end) } else { u64::MAX };
            let wake = due.min(now + LOOK_UP.as_nanos() as u64);
            alarm.as_mut().reset(Instant::from_std(self.run.window.instant(wake)));
            ready!(alarm.as_mut().poll(cx));
        }
    }

    fn start_due(&mut self, until: u64) {
        let mut pen = self.run.recorder.pen();
        self.open.advance(until, self.lane.room(), &mut pen);
        while self.lane.has_room() {
            let Some(due) = self.open.take() else { return };
            self.lane.start(due);
        }
        self.open.queue_up(&mut pen, COUNT_QUEUED);
    }

    fn write(&mut self, cx: &mut Context<'_>, socket: &mut TcpStream) -> Poll<io::Result<()>> {
        if self.lane.has_unsent() {
            let now = self.run.window.now();
            let mut pen = self.run.recorder.pen();
            self.lane.send(now, |flight| record_sent(&mut pen, &flight));
        }
        while !self.lane.pending().is_empty() {
            let n = ready!(Pin::new(&mut *socket).poll_write(cx, self.lane.pending()))?;
            self.lane.wrote(n);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until there is no more; is ready only with a failure.
    fn read(&mut self, cx: &mut Context<'_>, socket: &mut TcpStream) -> Poll<Result<(), Failure>> {
        loop {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut buffer)).map_err(|error| lost(&error))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(lost(&ErrorKind::UnexpectedEof.into())));
            }
            let now = self.run.window.now();
            let mut pen = self.run.recorder.pen();
            self.lane
                .received(buffer.filled(), |flight, kind| record_answer(&mut pen, &flight, kind, now))?;
        }
    }

    /// Counts what was sent and will get no answer.
    fn count_unanswered(&self) {
        let mut pen = self.run.recorder.pen();
        self.lane.planned().for_each(|planned| pen.count(planned, Counter::FAILED));
    }
}
