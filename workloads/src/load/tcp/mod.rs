//! Open-loop load over TCP, for any protocol whose answers come in the order of the requests.
//!
//! A workload says with [`Talk`] what a request is and what its answer must be; [`TcpLoad`] opens the connections,
//! starts each request when it is due, and records it from its planned instant. The clients are plain threads beside
//! the runtime under test, or tasks on it.
//!
//! Next file to read: `load/tcp/lane.rs`.
#![forbid(unsafe_code)]

mod lane;
mod tasks;
mod threads;

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rt::runtime::Handle;

use crate::load::{Process, arrival_param, rate_param};
use crate::params::{Param, ParamError, Params};
use crate::record::{Counter, Pen, StreamId};
use crate::wire::count::QUEUED;
use crate::wire::stream::{LAG, LATENCY};
use crate::wire::{Failure, Stream};
use crate::workload::{CounterDoc, Run, Site};
use lane::Flight;

const STREAM_LATENCY: StreamId = StreamId(0);
const STREAM_SERVICE: StreamId = StreamId(1);
const STREAM_LAG: StreamId = StreamId(2);
const COUNT_QUEUED: Counter = Counter::own(0);

/// How many streams are the load's: a workload's own begin with this [`StreamId`].
pub const STREAMS: usize = 3;
/// How long one connection may take to open.
const CONNECT: Duration = Duration::from_secs(10);
/// Open files beyond the connections: pipes, readiness queues, timers, the listener.
const SPARE_DESCRIPTORS: u64 = 32;

/// One connection's side of a protocol, without the socket.
pub trait Talk: Send + 'static {
    /// Puts the next request behind `out`.
    fn ask(&mut self, out: &mut Vec<u8>);

    /// Takes bytes that came back, in whatever slices the network makes, and calls `answered` once for each request
    /// that they complete, in the order of the requests; with a stream of the workload's own, if the latency of this
    /// kind of request is to be recorded there as well.
    ///
    /// # Errors
    ///
    /// What the server answered instead, such as "status 503". The run fails with it.
    fn hear(&mut self, bytes: &[u8], answered: impl FnMut(Option<StreamId>)) -> Result<(), String>;
}

/// What a workload's parameters are when its user does not say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// TCP connections.
    pub connections: u64,
    /// Requests a second, over all connections.
    pub rate: f64,
    /// Unanswered requests on one connection at most.
    pub max_in_flight: u64,
}

/// The parameters that a load reads: `connections`, `rate`, `arrival`, `max_in_flight`, `max_queue`, `client` and
/// `client_threads`.
///
/// ```
/// use workloads::load::tcp::{Defaults, params};
///
/// let declared = params(Defaults { connections: 8, rate: 1000.0, max_in_flight: 1 });
/// assert!(declared.iter().any(|param| param.name == "connections"));
/// ```
pub fn params(defaults: Defaults) -> Vec<Param> {
    let client = "who makes the load: plain threads beside the runtime, or tasks on the runtime under test";
    let threads = "threads that make the load, with client = \"threads\"";
    let deep = "unanswered requests on one connection at most";
    vec![
        Param::integer(
            "connections",
            (1, 25_000),
            defaults.connections,
            "TCP connections, opened before the load starts",
        ),
        rate_param(defaults.rate, "requests a second, over all connections"),
        arrival_param(),
        Param::integer("max_in_flight", (1, 65_536), defaults.max_in_flight, deep),
        Param::integer("max_queue", (0, 10_000_000), 1_000_000, "requests that wait for a place at most"),
        Param::choice("client", &["threads", "runtime"], "threads", client),
        Param::integer("client_threads", (1, 64), 1, threads),
    ]
}

/// Checks the parameters of [`params`] against each other.
///
/// # Errors
///
/// The parameter that must change.
pub fn validate(params: &Params) -> Result<(), ParamError> {
    let connections = params.integer("connections");
    if params.text("client") == "threads" && params.integer("client_threads") > connections {
        let problem = format!("more threads than connections ({connections})");
        return Err(ParamError::new("client_threads", problem, format!("at most {connections}")));
    }
    Ok(())
}

/// The load's streams, [`STREAMS`] of them: the first of the workload's.
pub fn streams() -> Vec<Stream> {
    let lag = "lag of the generator: actual minus planned send, of requests that did not queue";
    vec![
        Stream::nanoseconds(LATENCY, "request latency, from the planned send time").with_lag(LAG),
        Stream::nanoseconds("service", "service time, from the actual send"),
        Stream::nanoseconds(LAG, lag),
    ]
}

/// The load's counters: the first of the workload's own.
pub fn counters() -> Vec<CounterDoc> {
    vec![CounterDoc::new(QUEUED, "requests that found max_in_flight reached and had to wait")]
}

/// What the clients need to know.
#[derive(Clone, Debug)]
struct LoadPlan {
    rate: f64,
    process: Process,
    max_in_flight: usize,
    max_queue: usize,
    seed: u64,
}

/// Open connections, and what is to be said on them.
#[derive(Debug)]
pub struct TcpLoad<T> {
    plan: LoadPlan,
    talks: Vec<(TcpStream, T)>,
    /// How many threads make the load; none: tasks do.
    threads: Option<usize>,
    runtime: Handle,
}

impl<T: Talk> TcpLoad<T> {
    /// Opens the connections that the parameters ask for. `talk` makes the side of each, by its number.
    ///
    /// # Errors
    ///
    /// The system or the server did not give that many connections.
    pub fn connect(site: &Site, to: SocketAddr, mut talk: impl FnMut(usize) -> T) -> Result<Self, Failure> {
        let params = &site.params;
        let connections = params.integer("connections") as usize;
        ensure_descriptors(connections)?;
        let plan = LoadPlan {
            rate: params.float("rate"),
            process: Process::from_params(params),
            max_in_flight: params.integer("max_in_flight") as usize,
            max_queue: params.integer("max_queue") as usize,
            seed: site.seed,
        };
        let threads = (params.text("client") == "threads").then(|| params.integer("client_threads") as usize);
        let talks = (0..connections).map(|i| Ok((connect(to)?, talk(i)))).collect::<Result<_, Failure>>()?;
        Ok(Self { plan, talks, threads, runtime: site.engine.handle().clone() })
    }

    /// Makes the load until the window is over, and waits a second at most for the last answers; then the
    /// connections are closed.
    ///
    /// # Errors
    ///
    /// A connection broke, or an answer was wrong.
    pub fn run(&mut self, run: &Run) -> Result<(), Failure> {
        let talks = std::mem::take(&mut self.talks);
        match self.threads {
            Some(threads) => threads::run(run, &self.plan, talks, threads),
            None => tasks::run(run, &self.plan, talks, &self.runtime),
        }
    }
}

/// Records an answered request.
fn record_answer(pen: &mut Pen<'_>, flight: &Flight, kind: Option<StreamId>, now: u64) {
    let latency = now.saturating_sub(flight.planned);
    pen.record(flight.planned, STREAM_LATENCY, latency);
    pen.record(flight.planned, STREAM_SERVICE, now.saturating_sub(flight.sent));
    if let Some(kind) = kind {
        pen.record(flight.planned, kind, latency);
    }
    pen.complete(flight.planned, now);
}

/// Records a request that is sent. One that had to wait for a place was not late because of the generator.
fn record_sent(pen: &mut Pen<'_>, flight: &Flight) {
    pen.count(flight.planned, Counter::STARTED);
    if !flight.queued {
        pen.record(flight.planned, STREAM_LAG, flight.sent.saturating_sub(flight.planned));
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
