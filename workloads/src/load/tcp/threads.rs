//! The load from plain threads: the runtime under test has nothing to do with it but to answer.
//!
//! Each thread has an event loop over its share of the connections. It sleeps in the readiness queue until an answer
//! arrives or just before the next request is due, and then watches the clock.
//!
//! Next file to read: `load/tcp/tasks.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream as StdStream;
use std::thread;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::lane::Lane;
use super::{COUNT_QUEUED, LoadPlan, Talk, lost, record_answer, record_sent};
use crate::load::pace::{Foresight, sharpen_sleep};
use crate::load::thread::{join_threads, start_thread};
use crate::load::{Alarm, Arrivals, DRAIN, LOOK_UP, OpenLoop, part};
use crate::record::Counter;
use crate::wire::Failure;
use crate::workload::Run;

/// The most bytes that one read takes.
const BUFFER: usize = 64 << 10;
/// The most events that one look takes.
const EVENTS: usize = 256;

pub(super) fn run<T: Talk>(
    run: &Run,
    plan: &LoadPlan,
    talks: Vec<(StdStream, T)>,
    threads: usize,
) -> Result<(), Failure> {
    let mut shares: Vec<Vec<(StdStream, T)>> = (0..threads).map(|_| Vec::new()).collect();
    for (i, talk) in talks.into_iter().enumerate() {
        shares[i % threads].push(talk);
    }
    thread::scope(|scope| {
        let mut started = Vec::new();
        for (i, share) in shares.into_iter().enumerate() {
            let body = move || {
                let result =
                    Client::new(run, plan, share, (i, threads)).and_then(|mut client| client.drive());
                if result.is_err() {
                    // The others need not go on.
                    run.window.close_soon();
                }
                result
            };
            started.push(start_thread(scope, &format!("load-{i}"), body)?);
        }
        join_threads(started)
    })
}

struct Connection<T> {
    socket: TcpStream,
    lane: Lane<T>,
    /// Whether it stands in `Client::roomy`.
    offered: bool,
    /// Whether it stands in `Client::unsent`.
    unsent: bool,
}

struct Client<'a, T> {
    run: &'a Run,
    open: OpenLoop,
    connections: Vec<Connection<T>>,
    /// Connections that can take a request, in turn.
    roomy: VecDeque<usize>,
    /// Connections with requests to send, in the order in which those were started.
    unsent: Vec<usize>,
    in_flight: usize,
    /// Requests under way at most, over all connections.
    places: usize,
    poll: Poll,
    alarm: Alarm,
    foresight: Foresight,
    buffer: Box<[u8]>,
}

impl<'a, T: Talk> Client<'a, T> {
    fn new(
        run: &'a Run,
        plan: &LoadPlan,
        share: Vec<(StdStream, T)>,
        place: (usize, usize),
    ) -> Result<Self, Failure> {
        let unavailable =
            |error: io::Error| Failure::broken(format!("the load generator cannot start: {error}"));
        let poll = Poll::new().map_err(unavailable)?;
        let alarm = Alarm::new(poll.registry(), Token(usize::MAX)).map_err(unavailable)?;
        let mut connections = Vec::with_capacity(share.len());
        for (i, (socket, talk)) in share.into_iter().enumerate() {
            let mut socket = TcpStream::from_std(socket);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(i), interest).map_err(unavailable)?;
            let lane = Lane::new(talk, plan.max_in_flight);
            connections.push(Connection { socket, lane, offered: true, unsent: false });
        }
        let arrivals = Arrivals::new(plan.process, plan.rate, place, plan.seed);
        Ok(Self {
            run,
            open: OpenLoop::new(arrivals, part(plan.max_queue, place)),
            places: connections.len().saturating_mul(plan.max_in_flight),
            roomy: (0..connections.len()).collect(),
            connections,
            unsent: Vec::new(),
            in_flight: 0,
            poll,
            alarm,
            foresight: Foresight::default(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
        })
    }

    fn drive(&mut self) -> Result<(), Failure> {
        sharpen_sleep();
        let mut events = Events::with_capacity(EVENTS);
        let drain = DRAIN.as_nanos() as u64;
        loop {
            let (now, end) = (self.run.window.now(), self.run.window.end());
            if now < end {
                self.start_due(now);
                self.send_due()?;
            } else {
                self.open.end(end, &mut self.run.recorder.pen());
                if self.in_flight == 0 || now >= end.saturating_add(drain) {
                    return Ok(());
                }
            }
            let asleep = self.run.window.now();
            let sleep = self.time_to_sleep(asleep, end);
            let wait = self.alarm.arm(Duration::from_nanos(sleep)).map_err(|error| lost(&error))?;
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(lost(&error)),
                _ => {}
            }
            let awake = self.run.window.now();
            if sleep == 0 {
                self.foresight.spun(awake - asleep);
            } else if awake >= asleep + sleep {
                self.foresight.woke(asleep + sleep, awake);
            }
            for event in &events {
                let Token(i) = event.token();
                if i < self.connections.len() {
                    if event.is_writable() {
                        self.write(i)?;
                    }
                    if event.is_readable() || event.is_error() || event.is_read_closed() {
                        self.read(i)?;
                    }
                }
            }
        }
    }

    /// Gives requests that are due to connections with room, as many as both last.
    fn start_due(&mut self, until: u64) {
        if self.open.next_due() >= until && !self.open.has_due() {
            return;
        }
        let mut pen = self.run.recorder.pen();
        self.open.advance(until, self.places - self.in_flight, &mut pen);
        while self.open.has_due() {
            let Some(i) = self.roomy.pop_front() else {
                self.open.queue_up(&mut pen, COUNT_QUEUED);
                return;
            };
            let connection = &mut self.connections[i];
            connection.offered = false;
            let Some(due) = self.open.take() else { return };
            connection.lane.start(due);
            self.in_flight += 1;
            if connection.lane.has_room() {
                connection.offered = true;
                self.roomy.push_back(i);
            }
            if !connection.unsent {
                connection.unsent = true;
                self.unsent.push(i);
            }
        }
    }

    /// Sends what [`start_due`](Self::start_due) started, in that order.
    fn send_due(&mut self) -> Result<(), Failure> {
        for at in 0..self.unsent.len() {
            let i = self.unsent[at];
            let Connection { lane, unsent, .. } = &mut self.connections[i];
            *unsent = false;
            let now = self.run.window.now();
            let mut pen = self.run.recorder.pen();
            lane.send(now, |flight| record_sent(&mut pen, &flight));
            drop(pen);
            self.write(i)?;
        }
        self.unsent.clear();
        Ok(())
    }

    /// How long nothing is to be done unless an answer comes, in nanoseconds.
    fn time_to_sleep(&self, now: u64, end: u64) -> u64 {
        let look_up = LOOK_UP.as_nanos() as u64;
        if self.roomy.is_empty() || now >= end {
            return look_up;
        }
        let due = self.open.next_due().min(end);
        due.saturating_sub(now).saturating_sub(self.foresight.margin(now)).min(look_up)
    }

    fn write(&mut self, i: usize) -> Result<(), Failure> {
        let Connection { socket, lane, .. } = &mut self.connections[i];
        while !lane.pending().is_empty() {
            match socket.write(lane.pending()) {
                Ok(n) => lane.wrote(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
        Ok(())
    }

    fn read(&mut self, i: usize) -> Result<(), Failure> {
        loop {
            let Connection { socket, lane, offered, .. } = &mut self.connections[i];
            let n = match socket.read(&mut self.buffer) {
                Ok(0) => return Err(self.broken(&ErrorKind::UnexpectedEof.into())),
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(&error)),
            };
            let now = self.run.window.now();
            let mut pen = self.run.recorder.pen();
            let mut answers = 0;
            let verified = lane.received(&self.buffer[..n], |flight, kind| {
                record_answer(&mut pen, &flight, kind, now);
                answers += 1;
            });
            drop(pen);
            self.in_flight -= answers;
            if !*offered && lane.has_room() {
                *offered = true;
                self.roomy.push_back(i);
            }
            if verified.is_err() {
                self.count_unanswered();
                return verified;
            }
            // Less than there was room for: the socket is empty, and its next byte is a new event.
            if n < self.buffer.len() {
                return Ok(());
            }
        }
    }

    fn broken(&mut self, error: &io::Error) -> Failure {
        self.count_unanswered();
        lost(error)
    }

    /// Counts what was sent and will get no answer.
    fn count_unanswered(&mut self) {
        let mut pen = self.run.recorder.pen();
        for connection in &self.connections {
            connection.lane.planned().for_each(|planned| pen.count(planned, Counter::FAILED));
        }
    }
}
