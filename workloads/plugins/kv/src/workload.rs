//! The workload: what it takes, and how it is set up.
//!
//! Next file to read: `resp.rs`.
#![forbid(unsafe_code)]

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use workloads::engine::KeptRunning;
use workloads::load::tcp::{self, Defaults, TcpLoad};
use workloads::params::{Param, ParamError, Params};
use workloads::serve::{Server, accept};
use workloads::wire::{Failure, Stream};
use workloads::workload::{Description, Load, Run, Site, Workload};

use crate::command::Database;
use crate::resp::MAX_BULK;
use crate::server::converse;
use crate::store::{Entry, OVERHEAD};
use crate::talk::{Data, KEY_LEN, Mix, key_name};

/// How long a server without a load sleeps before it looks again whether the window was closed early.
const LOOK_UP: Duration = Duration::from_millis(20);

/// The workload `kv`.
#[derive(Debug, Default)]
pub(crate) struct Kv;

impl Workload for Kv {
    fn describe(&self) -> Description {
        let serve_only =
            "no load but that of clients from outside, such as redis-benchmark: the server alone";
        let mut params = tcp::params(Defaults { connections: 16, rate: 20_000.0, max_in_flight: 16 });
        params.extend([
            Param::float(
                "get_share",
                (0.0, 1.0),
                0.9,
                "the part of the requests that read; the others write",
            ),
            Param::integer("keys", (1, 10_000_000), 10_000, "keys, all set before the load starts"),
            Param::size("value_size", (1, MAX_BULK as u64), 64, "bytes of a value"),
            Param::size("max_memory", (1 << 20, 1 << 40), 1 << 30, "bytes of keys and values at most"),
            Param::boolean("serve_only", false, serve_only),
            Server::port_param(),
        ]);
        Description {
            name: "kv".to_owned(),
            summary: "a key-value server with a subset of the Redis protocol; every reply is verified"
                .to_owned(),
            params,
            counters: tcp::counters(),
            needs_io: true,
            needs_time: true,
        }
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        let (keys, room) = (params.integer("keys"), params.size("max_memory"));
        let most = (room / keys).saturating_sub(KEY_COST);
        if !params.boolean("serve_only") && params.size("value_size") > most {
            let problem = format!("{keys} values of that size do not fit in max_memory");
            let expected = format!("at most {most} bytes, or fewer keys");
            return Err(ParamError::new("value_size", problem, expected));
        }
        tcp::validate(params)
    }

    fn streams(&self, params: &Params) -> Vec<Stream> {
        if params.boolean("serve_only") {
            return vec![Stream::nanoseconds("turn", "from the arrival of commands to their replies sent")];
        }
        let mut streams = tcp::streams();
        streams.push(Stream::nanoseconds("get", "latency of reads, from the planned send time"));
        streams.push(Stream::nanoseconds("set", "latency of writes, from the planned send time"));
        streams
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let kept = site.engine.keep_running().map_err(|error| Failure::broken(error.to_string()))?;
        let database = Arc::new(Database::new(params.size("max_memory") as usize));
        let serve_only = params.boolean("serve_only");
        let clock = Arc::new(OnceLock::new());
        let observer = serve_only.then(|| clock.clone());
        let data = Data::new(params.integer("keys"), params.size("value_size") as usize, site.seed);
        if !serve_only {
            fill(&database, &data)?;
        }
        let port = params.integer("port") as u16;
        let server = Server::start(site.engine.handle(), port, move |listener| {
            accept(listener, move |stream| converse(stream, database.clone(), observer.clone()))
        })?;
        let data = Arc::new(data);
        let get_share = params.float("get_share");
        let talk = |i: usize| Mix::new(data.clone(), get_share, site.seed.wrapping_add(i as u64 + 1));
        let load = match serve_only {
            true => None,
            false => Some(TcpLoad::connect(site, server.address(), talk)?),
        };
        Ok(Box::new(KvLoad { load, clock, server, _kept: kept }))
    }
}

/// Bytes of a key, and what it costs beside them.
const KEY_COST: u64 = (OVERHEAD + KEY_LEN) as u64;

fn fill(database: &Database, data: &Data) -> Result<(), Failure> {
    let now = Instant::now();
    for key in 0..data.keys() {
        let entry = Entry { value: data.value(key).to_vec(), expires: None };
        database.store.set(&key_name(key), entry, now).map_err(|_| {
            Failure::input(
                "the keys do not fit in max_memory",
                "ask for fewer or smaller values, or more memory",
            )
        })?;
    }
    Ok(())
}

struct KvLoad {
    /// None where the load comes from outside.
    load: Option<TcpLoad<Mix>>,
    /// Set once the clock runs.
    clock: Arc<OnceLock<Run>>,
    server: Server,
    /// Dropped after the server, which it serves.
    _kept: KeptRunning,
}

impl Load for KvLoad {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        if let Some(load) = &mut self.load {
            return load.run(run);
        }
        // A second run is recorded where the first one was; a load is run once.
        self.clock.get_or_init(|| run.clone());
        while !run.window.is_over() {
            let left = run.window.end().saturating_sub(run.window.now());
            thread::sleep(Duration::from_nanos(left).min(LOOK_UP));
        }
        Ok(())
    }

    fn teardown(self: Box<Self>) {
        self.server.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use serde_json::{Map, Value, json};
    use workloads::exec::exec_with;
    use workloads::rt::config::{Flavor, RuntimeConfig};
    use workloads::wire::{self, Done, Frame, PROTOCOL, Phase, Plan, count};

    use super::*;

    fn checked(params: &Value) -> Result<Params, ParamError> {
        let written: Map<String, Value> = params.as_object().unwrap().clone();
        let params = Params::check(&Kv.describe().params, &written)?;
        Kv.validate(&params).map(|()| params)
    }

    fn plan(params: &Value, flavor: Flavor) -> Plan {
        let workers = (flavor == Flavor::MultiThread).then_some(2);
        Plan {
            protocol: PROTOCOL,
            engine: workloads::engine::KIND,
            plugin: None,
            runtime: RuntimeConfig { flavor, worker_threads: workers, ..RuntimeConfig::default() },
            workload: "kv".to_owned(),
            params: checked(params).unwrap().into_map(),
            warmup_ns: 50_000_000,
            duration_ns: 300_000_000,
            interval_ns: 100_000_000,
            seed: 1,
        }
    }

    fn frames(mut bytes: &[u8]) -> Vec<Frame> {
        std::iter::from_fn(|| wire::receive(&mut bytes).unwrap()).collect()
    }

    fn done(frames: &[Frame]) -> &Done {
        match frames.last() {
            Some(Frame::Done(done)) => done,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_request_is_answered_on_both_flavours_by_both_clients() {
        for flavor in [Flavor::MultiThread, Flavor::CurrentThread] {
            for client in ["threads", "runtime"] {
                let params = json!({ "rate": 2000.0, "client": client, "get_share": 0.5, "keys": 100 });
                let (stop, _open) = std::io::pipe().unwrap();
                let mut sent = Vec::new();
                exec_with(Arc::new(Kv), &plan(&params, flavor), stop, &mut sent);
                let frames = frames(&sent);
                let counts = &done(&frames).counts;
                assert_eq!(counts[count::PLANNED], 600, "{client}");
                assert_eq!(counts[count::FAILED], 0);
                assert!(counts[count::COMPLETED] > 0);
                let Frame::Hello(hello) = &frames[0] else { panic!("{:?}", frames[0]) };
                assert_eq!(hello.streams[tcp::STREAMS].name, "get");
            }
        }
    }

    #[test]
    fn a_server_alone_serves_clients_from_outside_and_records_it() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut plan = plan(&json!({ "serve_only": true, "port": port }), Flavor::MultiThread);
        (plan.warmup_ns, plan.duration_ns) = (0, 3_600_000_000_000);
        let (stop, open) = std::io::pipe().unwrap();
        let (mut from, to) = std::io::pipe().unwrap();
        let child = thread::spawn(move || exec_with(Arc::new(Kv), &plan, stop, to));
        let mut open = Some(open);
        let mut seen = Vec::new();
        let mut served = 0;
        while let Some(frame) = wire::receive::<Frame>(&mut from).unwrap() {
            // The clock may begin a little after the first frames; so talk until it is seen in a slice.
            match &frame {
                Frame::Interval(interval) if interval.counts[count::COMPLETED] > 0 => drop(open.take()),
                Frame::Interval(_) | Frame::Phase { phase: Phase::Measure } if open.is_some() => {
                    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    client.write_all(b"SET a 1\r\nINCR a\r\nQUIT\r\n").unwrap();
                    let mut said = String::new();
                    client.read_to_string(&mut said).unwrap();
                    assert_eq!(said, "+OK\r\n:2\r\n+OK\r\n");
                    served += 3;
                }
                _ => {}
            }
            seen.push(frame);
        }
        child.join().unwrap();
        let completed = done(&seen).counts[count::COMPLETED];
        assert!((1..=served).contains(&completed), "{completed} of {served}");
    }

    #[test]
    fn values_that_do_not_fit_are_refused_before_the_run() {
        let wrong = checked(&json!({ "keys": 1_000_000, "value_size": "2KiB" })).unwrap_err();
        assert_eq!(wrong.key, "value_size");
        let most: u64 = wrong.expected.split(' ').nth(2).unwrap().parse().unwrap();
        assert!(checked(&json!({ "keys": 1_000_000, "value_size": format!("{most}B") })).is_ok());
        assert_eq!(checked(&json!({ "client_threads": 17 })).unwrap_err().key, "client_threads");
    }
}
