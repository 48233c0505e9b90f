//! The server alone, for clients from outside: redis-cli, redis-benchmark, or whatever else speaks the protocol.
//!
//! Next file to read: `resp.rs`.
#![forbid(unsafe_code)]

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use workloads::engine::KeptRunning;
use workloads::params::Params;
use workloads::serve::Server;
use workloads::wire::{Failure, Stream};
use workloads::workload::{Description, Load, Run, Site, Workload};

use crate::command::Database;
use crate::workload::{max_memory_param, serve};

/// How long it sleeps before it looks again whether the window was closed early.
const LOOK_UP: Duration = Duration::from_millis(20);

/// The workload `kv_server`.
#[derive(Debug, Default)]
pub(crate) struct KvServer;

impl Workload for KvServer {
    fn describe(&self) -> Description {
        let summary =
            "the server of kv alone: the load is what clients from outside make, as redis-benchmark";
        let params = vec![Server::port_param(), max_memory_param()];
        Description { params, ..Description::new("kv_server", summary) }
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        vec![Stream::nanoseconds("turn", "from the arrival of commands to their replies sent")]
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let kept = site.engine.keep_running()?;
        let database = Arc::new(Database::new(site.params.size("max_memory") as usize));
        let clock = Arc::new(OnceLock::new());
        let observer = Some(clock.clone());
        let server = Server::of(site, |listener| serve(listener, database, observer))?;
        Ok(Box::new(Alone { clock, server, _kept: kept }))
    }
}

struct Alone {
    /// Set once the clock runs: the server records from then on.
    clock: Arc<OnceLock<Run>>,
    server: Server,
    /// Dropped after the server, which it serves.
    _kept: KeptRunning,
}

impl Load for Alone {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        // A load is run once, so nobody has set it before.
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

    use serde_json::json;
    use workloads::exec::exec_with;
    use workloads::rt::config::RuntimeConfig;
    use workloads::wire::{self, Frame, PROTOCOL, Phase, Plan, count};

    use super::*;

    #[test]
    fn a_server_alone_serves_clients_from_outside_and_records_it() {
        // Not one of those that the system gives to whoever lets it choose: they are above 32,768.
        let mut ports = 10_000..20_000;
        let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
        let params = json!({ "port": port });
        let params = Params::check(&KvServer.describe().params, params.as_object().unwrap()).unwrap();
        let plan = Plan {
            protocol: PROTOCOL,
            engine: workloads::engine::KIND,
            plugin: None,
            runtime: RuntimeConfig { worker_threads: Some(2), ..RuntimeConfig::default() },
            workload: "kv_server".to_owned(),
            params: params.into_map(),
            warmup_ns: 0,
            duration_ns: 3_600_000_000_000,
            interval_ns: 100_000_000,
            seed: 1,
        };
        let (stop, open) = std::io::pipe().unwrap();
        let (mut from, to) = std::io::pipe().unwrap();
        let child = thread::spawn(move || exec_with(Arc::new(KvServer), &plan, stop, to));
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
        let Some(Frame::Done(done)) = seen.last() else { panic!("{:?}", seen.last()) };
        let completed = done.counts[count::COMPLETED];
        assert!((1..=served).contains(&completed), "{completed} of {served}");
    }
}
