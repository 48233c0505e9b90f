//! `kv`: an in-memory key-value server that speaks a subset of the Redis protocol, driven open loop over loopback.
//!
//! | module | what it is |
//! |---|---|
//! | `workload` | the workload `kv` |
//! | `alone` | the workload `kv_server` |
//! | `resp` | the wire format |
//! | `store` | the data |
//! | `command` | what the commands do |
//! | `server` | the server's side of a connection |
//! | `talk` | the client's side of a connection |
//!
//! Next file to read: `workload.rs`.

mod alone;
mod command;
mod resp;
mod server;
mod store;
mod talk;
mod workload;

workloads::export_plugin!(workload::Kv, alone::KvServer);
