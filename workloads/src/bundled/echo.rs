//! `echo`: a TCP echo server on the runtime under test, driven open loop over loopback.
//!
//! Next file to read: `bundled/timer_storm.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::TcpStream;

use crate::load::tcp::{self, Defaults, Talk};
use crate::params::{Param, ParamError, Params};
use crate::record::StreamId;
use crate::serve::{Served, Server, accept};
use crate::wire::{Failure, Stream};
use crate::workload::{Description, Load, Site, Workload};

/// What all connections together may hold back in memory.
const MAX_IN_FLIGHT_BYTES: u64 = 1 << 30;
/// Requests differ from their neighbours by where in the pattern they begin. A prime, so that the beginnings do not
/// repeat in step with sizes that are powers of two.
const BEGINNINGS: u64 = 251;
/// The most bytes that one read of the server takes.
const BUFFER: usize = 16 << 10;

/// The workload `echo`.
#[derive(Debug)]
pub(crate) struct Echo;

impl Workload for Echo {
    fn describe(&self) -> Description {
        let mut params = tcp::params(Defaults { connections: 32, rate: 10_000.0, max_in_flight: 32 });
        params.push(Param::size("payload", (1, 1 << 20), 64, "bytes of a request, and of its answer"));
        params.push(Server::port_param());
        Description {
            name: "echo".to_owned(),
            summary: "a TCP echo server over loopback, driven open loop; every answer is verified".to_owned(),
            params,
            counters: tcp::counters(),
            needs_io: true,
            needs_time: true,
        }
    }

    fn version(&self) -> u32 {
        // 2: a request is sent when its bytes are given to the system, not when they are made.
        2
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        let (connections, deep) = (params.integer("connections"), params.integer("max_in_flight"));
        let most = MAX_IN_FLIGHT_BYTES / (connections * deep).max(1);
        if params.size("payload") > most {
            let problem =
                format!("{connections} connections with {deep} in flight would hold more than 1 GiB");
            let expected = format!("at most {most} bytes, or fewer in flight");
            return Err(ParamError::new("payload", problem, expected));
        }
        tcp::validate(params)
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        tcp::streams()
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let pattern = Arc::new(Pattern::new(site.params.size("payload") as usize, site.seed));
        let serve = |listener| accept(listener, echo);
        Ok(Box::new(Served::start(site, serve, |_, _| Echoed::new(pattern.clone()))?))
    }
}

/// The server's side of a connection.
async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; BUFFER];
    // The client notices a connection that ends too soon, and says so.
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// The bytes of all requests.
#[derive(Debug)]
struct Pattern {
    bytes: Vec<u8>,
    size: usize,
}

impl Pattern {
    fn new(size: usize, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self { bytes: (0..size + BEGINNINGS as usize).map(|_| random.u8(..)).collect(), size }
    }

    fn request(&self, number: u64) -> &[u8] {
        &self.bytes[(number % BEGINNINGS) as usize..][..self.size]
    }
}

/// The client's side of a connection: the bytes that were sent must come back.
struct Echoed {
    pattern: Arc<Pattern>,
    asked: u64,
    answered: u64,
    /// How much of the next answer is here.
    matched: usize,
}

impl Echoed {
    fn new(pattern: Arc<Pattern>) -> Self {
        Self { pattern, asked: 0, answered: 0, matched: 0 }
    }
}

impl Talk for Echoed {
    fn ask(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.pattern.request(self.asked));
        self.asked += 1;
    }

    fn hear(&mut self, mut bytes: &[u8], mut answered: impl FnMut(Option<StreamId>)) -> Result<(), String> {
        while !bytes.is_empty() {
            let expected = &self.pattern.request(self.answered)[self.matched..];
            let n = expected.len().min(bytes.len());
            let (part, rest) = bytes.split_at(n);
            if part != &expected[..n] {
                return Err("other bytes than were sent".to_owned());
            }
            self.matched += n;
            bytes = rest;
            if n == expected.len() {
                self.answered += 1;
                self.matched = 0;
                answered(None);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_must_be_what_was_sent() {
        let mut talk = Echoed::new(Arc::new(Pattern::new(8, 5)));
        let mut sent = Vec::new();
        (0..3).for_each(|_| talk.ask(&mut sent));
        let mut answers = 0;
        talk.hear(&sent[..13], |_| answers += 1).unwrap();
        talk.hear(&sent[13..23], |_| answers += 1).unwrap();
        assert_eq!(answers, 2);
        assert!(talk.hear(&[sent[23] ^ 1], |_| panic!("wrong")).is_err());
    }

    #[test]
    fn neighbouring_requests_differ() {
        let pattern = Pattern::new(64, 9);
        assert!((0..1000).all(|i| pattern.request(i) != pattern.request(i + 1)));
    }
}
