//! `echo`: a TCP echo server on the runtime under test, driven open loop over loopback.
//!
//! Next file to read: `bundled/echo/lane.rs`.
#![forbid(unsafe_code)]

mod lane;
mod server;
mod tasks;
mod threads;

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::engine::KeptRunning;
use crate::exec::quality::{LAG, LATENCY, QUEUED};
use crate::load::{Process, arrival_param, rate_param};
use crate::params::{Param, ParamError, Params};
use crate::record::{Counter, Pen, StreamId};
use crate::wire::{Failure, Stream};
use crate::workload::{CounterDoc, Description, Load, Run, Site, Workload};
use lane::{Flight, Pattern};
use server::Server;

const STREAM_LATENCY: StreamId = StreamId(0);
const STREAM_SERVICE: StreamId = StreamId(1);
const STREAM_LAG: StreamId = StreamId(2);
const COUNT_QUEUED: Counter = Counter::own(0);

/// What all lanes together may hold back in memory.
const MAX_IN_FLIGHT_BYTES: u64 = 1 << 30;
/// How long one connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// Open files beyond the connections: pipes, readiness queues, timers, the listener.
const SPARE_DESCRIPTORS: u64 = 32;

/// The workload `echo`.
#[derive(Debug)]
pub(crate) struct Echo;

impl Workload for Echo {
    fn describe(&self) -> Description {
        let client =
            "who makes the load: plain threads beside the runtime, or tasks on the runtime under test";
        Description {
            name: "echo".to_owned(),
            summary: "a TCP echo server over loopback, driven open loop; every answer is verified".to_owned(),
            params: vec![
                Param::integer(
                    "connections",
                    (1, 25_000),
                    32,
                    "TCP connections, opened before the load starts",
                ),
                rate_param(10_000.0, "requests a second, over all connections"),
                arrival_param(),
                Param::size("payload", (1, 1 << 20), 64, "bytes of a request, and of its answer"),
                Param::integer(
                    "max_in_flight",
                    (1, 65_536),
                    32,
                    "unanswered requests on one connection at most",
                ),
                Param::integer(
                    "max_queue",
                    (0, 10_000_000),
                    1_000_000,
                    "requests that wait for a place at most",
                ),
                Param::choice("client", &["threads", "runtime"], "threads", client),
                Param::integer(
                    "client_threads",
                    (1, 64),
                    1,
                    "threads that make the load, with client = \"threads\"",
                ),
                Param::integer("port", (0, 65_535), 0, "port of the server on 127.0.0.1; 0 takes a free one"),
            ],
            counters: vec![CounterDoc::new(
                QUEUED,
                "requests that found max_in_flight reached and had to wait",
            )],
            needs_io: true,
            needs_time: true,
        }
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        let (connections, deep) = (params.integer("connections"), params.integer("max_in_flight"));
        let most = MAX_IN_FLIGHT_BYTES / (connections * deep).max(1);
        if params.size("payload") > most {
            let problem =
                format!("{connections} connections with {deep} in flight would hold more than 1 GiB");
            return Err(ParamError::new(
                "payload",
                problem,
                format!("at most {most} bytes, or fewer in flight"),
            ));
        }
        if params.text("client") == "threads" && params.integer("client_threads") > connections {
            let problem = format!("more threads than connections ({connections})");
            return Err(ParamError::new("client_threads", problem, format!("at most {connections}")));
        }
        Ok(())
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        vec![
            Stream::nanoseconds(LATENCY, "request latency, from the planned send time"),
            Stream::nanoseconds("service", "service time, from the actual send"),
            Stream::nanoseconds(
                LAG,
                "lag of the generator: actual minus planned send, of requests that did not queue",
            ),
        ]
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let connections = params.integer("connections") as usize;
        ensure_descriptors(connections)?;
        let kept = site.engine.keep_running().map_err(|error| Failure::broken(error.to_string()))?;
        let server = Server::start(site.engine.handle(), params.integer("port") as u16)?;
        let sockets = (0..connections).map(|_| connect(server.address())).collect::<Result<Vec<_>, _>>()?;
        let plan = LoadPlan {
            pattern: Arc::new(Pattern::new(params.size("payload") as usize, site.seed)),
            rate: params.float("rate"),
            process: Process::from_params(params),
            max_in_flight: params.integer("max_in_flight") as usize,
            max_queue: params.integer("max_queue") as usize,
            seed: site.seed,
        };
        let client = match params.text("client") {
            "runtime" => Client::Runtime(site.engine.handle().clone()),
            _ => Client::Threads(params.integer("client_threads") as usize),
        };
        Ok(Box::new(EchoLoad { plan, sockets, client, server, _kept: kept }))
    }
}

/// What the clients need to know.
#[derive(Clone, Debug)]
struct LoadPlan {
    pattern: Arc<Pattern>,
    rate: f64,
    process: Process,
    max_in_flight: usize,
    max_queue: usize,
    seed: u64,
}

enum Client {
    Threads(usize),
    Runtime(rt::runtime::Handle),
}

struct EchoLoad {
    plan: LoadPlan,
    sockets: Vec<TcpStream>,
    client: Client,
    server: Server,
    /// Dropped after the server, which it serves.
    _kept: KeptRunning,
}

impl Load for EchoLoad {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        let sockets = std::mem::take(&mut self.sockets);
        match &self.client {
            Client::Threads(threads) => threads::run(run, &self.plan, sockets, *threads),
            Client::Runtime(handle) => tasks::run(run, &self.plan, sockets, handle),
        }
    }

    fn teardown(self: Box<Self>) {
        self.server.stop();
    }
}

/// Records an answered request.
fn record_answer(pen: &mut Pen<'_>, flight: &Flight, now: u64) {
    pen.record(flight.planned, STREAM_LATENCY, now.saturating_sub(flight.planned));
    pen.record(flight.planned, STREAM_SERVICE, now.saturating_sub(flight.sent));
    pen.count(flight.planned, Counter::COMPLETED);
}

/// Records a request that is being sent.
fn record_start(pen: &mut Pen<'_>, due: &crate::load::Due, now: u64) {
    pen.count(due.planned, Counter::STARTED);
    if !due.queued {
        pen.record(due.planned, STREAM_LAG, now.saturating_sub(due.planned));
    }
}

fn lost(error: &io::Error) -> Failure {
    Failure::broken(format!("a connection to the server was lost: {error}"))
}

fn connect(to: SocketAddr) -> Result<TcpStream, Failure> {
    let open = || {
        let socket = TcpStream::connect_timeout(&to, CONNECT)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    open().map_err(|error: io::Error| match error.kind() {
        ErrorKind::AddrNotAvailable => Failure::input(
            format!("no local port is left for another connection: {error}"),
            "ask for fewer connections, or widen the system's range of local ports",
        ),
        _ => Failure::broken(format!("cannot connect to the server on {to}: {error}")),
    })
}

/// Makes sure that this process may open both ends of so many connections, by raising its own limit if need be.
fn ensure_descriptors(connections: usize) -> Result<(), Failure> {
    let open = fs::read_dir("/proc/self/fd").map_or(SPARE_DESCRIPTORS, |entries| entries.count() as u64);
    let Ok(limits) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    let Some(raised) = descriptor_limit(connections as u64, open, limits)? else { return Ok(()) };
    setrlimit(Resource::RLIMIT_NOFILE, raised, limits.1).map_err(|error| {
        Failure::input(
            format!(
                "{connections} connections need {raised} open files, and the limit cannot be raised: {error}"
            ),
            "ask for fewer connections",
        )
    })
}

/// The soft limit that this many connections need, if it is above the present one.
fn descriptor_limit(connections: u64, open: u64, (soft, hard): (u64, u64)) -> Result<Option<u64>, Failure> {
    // The server's end and ours are in one process.
    let needed = 2 * connections + open + SPARE_DESCRIPTORS;
    if needed > hard {
        let most = hard.saturating_sub(open + SPARE_DESCRIPTORS) / 2;
        return Err(Failure::input(
            format!("{connections} connections need {needed} open files, and this process may have {hard}"),
            format!(
                "ask for at most {most} connections, or let an administrator raise the limit (`ulimit -Hn`)"
            ),
        ));
    }
    Ok((needed > soft).then_some(needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_allowed_and_no_further() {
        assert_eq!(descriptor_limit(10, 8, (1024, 4096)), Ok(None));
        assert_eq!(descriptor_limit(1000, 8, (1024, 4096)), Ok(Some(2040)));
        let failure = descriptor_limit(5000, 8, (1024, 4096)).unwrap_err();
        assert!(failure.is_input);
        assert!(failure.hint.unwrap().contains("at most 2028 "));
        assert_eq!(descriptor_limit(2028, 8, (1024, 4096)), Ok(Some(4096)), "as the hint says");
    }
}
