//! The workload: what it takes, and how it is set up.
//!
//! Next file to read: `alone.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Instant;

use workloads::load::tcp::{self, Defaults};
use workloads::params::{Param, ParamError, Params};
use workloads::rt::net::TcpListener;
use workloads::serve::{Served, Server, accept};
use workloads::wire::{Failure, Stream, stream};
use workloads::workload::{Description, Load, Site, Workload};

use crate::command::Database;
use crate::resp::MAX_BULK;
use crate::server::{Observer, converse};
use crate::store::{Entry, OVERHEAD};
use crate::talk::{Data, KEY_LEN, Mix, key_name};

/// The workload `kv`.
#[derive(Debug, Default)]
pub(crate) struct Kv;

impl Workload for Kv {
    fn describe(&self) -> Description {
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
            max_memory_param(),
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
        if params.size("value_size") > most {
            let problem = format!("{keys} values of that size do not fit in max_memory");
            let expected = format!("at most {most} bytes, or fewer keys");
            return Err(ParamError::new("value_size", problem, expected));
        }
        tcp::validate(params)
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        let mut streams = tcp::streams();
        let planned = |name, title| Stream::nanoseconds(name, title).with_lag(stream::LAG);
        streams.push(planned("get", "latency of reads, from the planned send time"));
        streams.push(planned("set", "latency of writes, from the planned send time"));
        streams
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let database = Arc::new(Database::new(params.size("max_memory") as usize));
        let data = Data::new(params.integer("keys"), params.size("value_size") as usize, site.seed);
        fill(&database, &data)?;
        let data = Arc::new(data);
        let get_share = params.float("get_share");
        let talk = |_, i: usize| Mix::new(data.clone(), get_share, site.seed.wrapping_add(i as u64 + 1));
        Ok(Box::new(Served::start(site, |listener| serve(listener, database, None), talk)?))
    }
}

/// The parameter `max_memory`.
pub(crate) fn max_memory_param() -> Param {
    Param::size("max_memory", (1 << 20, 1 << 40), 1 << 30, "bytes of keys and values at most")
}

/// Talks to whoever connects.
pub(crate) async fn serve(listener: TcpListener, database: Arc<Database>, observer: Observer) {
    accept(listener, move |stream| converse(stream, database.clone(), observer.clone())).await;
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

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};
    use workloads::exec::exec_with;
    use workloads::rt::config::{Flavor, RuntimeConfig};
    use workloads::wire::{self, Done, Frame, PROTOCOL, Plan, count};

    use super::*;

    fn checked(params: &Value) -> Result<Params, ParamError> {
        let written: Map<String, Value> = params.as_object().unwrap().clone();
        let params = Params::check(&Kv.describe().params, &written)?;
        Kv.validate(&params).map(|()| params)
    }

    fn plan(params: &Value, flavor: Flavor, duration_ns: u64) -> Plan {
        let workers = (flavor == Flavor::MultiThread).then_some(2);
        Plan {
            protocol: PROTOCOL,
            engine: workloads::engine::KIND,
            plugin: None,
            runtime: RuntimeConfig { flavor, worker_threads: workers, ..RuntimeConfig::default() },
            workload: "kv".to_owned(),
            params: checked(params).unwrap().into_map(),
            warmup_ns: 50_000_000,
            duration_ns,
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
                // Longer and longer, for a machine that has much else to do may complete nothing at first.
                let completed = (0..6).map(|nth| 100_000_000 * 3_u64.pow(nth)).any(|duration_ns| {
                    let (stop, _open) = std::io::pipe().unwrap();
                    let mut sent = Vec::new();
                    exec_with(Arc::new(Kv), &plan(&params, flavor, duration_ns), stop, &mut sent);
                    let frames = frames(&sent);
                    let counts = &done(&frames).counts;
                    assert_eq!(counts[count::PLANNED], duration_ns / 500_000, "{client}");
                    assert_eq!(counts[count::FAILED], 0);
                    let Frame::Hello(hello) = &frames[0] else { panic!("{:?}", frames[0]) };
                    assert_eq!(hello.streams[tcp::STREAMS].name, "get");
                    counts[count::COMPLETED] > 0
                });
                assert!(completed, "{flavor}, {client}");
            }
        }
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
