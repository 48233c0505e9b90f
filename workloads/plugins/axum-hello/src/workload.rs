//! The workload: what it takes, the service, and how both are set up.
//!
//! Next file to read: `http.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use workloads::load::tcp::{self, Defaults};
use workloads::params::{Param, ParamError, Params};
use workloads::rt::net::TcpListener;
use workloads::rt::time::sleep;
use workloads::serve::{Served, Server};
use workloads::wire::{Failure, Stream};
use workloads::workload::{Description, Load, Site, Workload};

use crate::http::{Caller, Route};

/// The longest answer.
const MAX_BODY: u64 = 1 << 20;

/// The workload `axum-hello`.
#[derive(Debug, Default)]
pub(crate) struct AxumHello;

impl Workload for AxumHello {
    fn describe(&self) -> Description {
        let route = "what is asked for: a greeting by name, or a body of a fixed size";
        let work = "how long a handler sleeps before it answers, as if it asked a database";
        let mut params = tcp::params(Defaults { connections: 64, rate: 5_000.0, max_in_flight: 1 });
        params.extend([
            Param::choice("route", &["hello", "body"], "hello", route),
            Param::size("body_size", (1, MAX_BODY), 1024, "bytes of the answer, with route = \"body\""),
            Param::duration("work", (Duration::ZERO, Duration::from_secs(1)), Duration::ZERO, work),
            Server::port_param(),
        ]);
        Description {
            name: "axum-hello".to_owned(),
            summary: "an axum service over HTTP/1.1; status and body of every answer are verified".to_owned(),
            params,
            counters: tcp::counters(),
            needs_io: true,
            needs_time: true,
        }
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        tcp::validate(params)
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        tcp::streams()
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let size = params.size("body_size") as usize;
        let body: Arc<str> = "0123456789".chars().cycle().take(size).collect::<String>().into();
        let service = router(body.clone(), params.duration("work"));
        let route = match params.text("route") {
            "body" => Route::Body(body),
            _ => Route::Hello,
        };
        let caller = |address, i| Caller::new(address, route.clone(), i);
        Ok(Box::new(Served::start(site, |listener| serve(listener, service), caller)?))
    }
}

/// The service: what a user of axum writes.
fn router(body: Arc<str>, work: Duration) -> Router {
    let hello = move |Path(name): Path<String>| async move {
        pretend(work).await;
        format!("Hello, {name}!")
    };
    let fixed = move || async move {
        pretend(work).await;
        String::from(&*body)
    };
    Router::new().route("/hello/{name}", get(hello)).route("/body", get(fixed))
}

async fn pretend(work: Duration) {
    if !work.is_zero() {
        sleep(work).await;
    }
}

async fn serve(listener: TcpListener, service: Router) {
    use axum::serve::ListenerExt;
    // Without it small answers wait for the other side's acknowledgements; a connection that is gone already needs none.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    // It never returns of itself, and a connection that fails is its client's to report.
    let _ = axum::serve(listener, service).await;
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use workloads::engine;
    use workloads::exec::exec_with;
    use workloads::rt::config::{Flavor, RuntimeConfig};
    use workloads::wire::{self, EngineKind, Frame, PROTOCOL, Plan, count};

    use super::*;

    fn run(params: &Value, flavor: Flavor, duration_ns: u64) -> Vec<Frame> {
        let params = Params::check(&AxumHello.describe().params, params.as_object().unwrap()).unwrap();
        AxumHello.validate(&params).unwrap();
        let workers = (flavor == Flavor::MultiThread).then_some(2);
        let plan = Plan {
            protocol: PROTOCOL,
            engine: engine::KIND,
            plugin: None,
            runtime: RuntimeConfig { flavor, worker_threads: workers, ..RuntimeConfig::default() },
            workload: "axum-hello".to_owned(),
            params: params.into_map(),
            warmup_ns: 50_000_000,
            duration_ns,
            interval_ns: 100_000_000,
            seed: 1,
        };
        let (stop, _open) = std::io::pipe().unwrap();
        let mut sent = Vec::new();
        exec_with(Arc::new(AxumHello), &plan, stop, &mut sent);
        let mut bytes = sent.as_slice();
        std::iter::from_fn(|| wire::receive(&mut bytes).unwrap()).collect()
    }

    #[test]
    fn the_engine_is_tokio() {
        assert_eq!((engine::KIND, engine::NAME), (EngineKind::Tokio, "tokio"));
    }

    #[test]
    fn every_request_is_answered_whatever_asks_and_whatever_for() {
        for (params, flavor) in [
            (json!({ "rate": 1000.0 }), Flavor::MultiThread),
            (json!({ "rate": 1000.0, "client": "runtime", "work": "1ms" }), Flavor::CurrentThread),
            (json!({ "rate": 1000.0, "route": "body", "body_size": "100KiB" }), Flavor::CurrentThread),
            (json!({ "rate": 1000.0, "route": "body", "max_in_flight": 8 }), Flavor::MultiThread),
        ] {
            // Longer and longer, for a machine that has much else to do may complete nothing at first.
            let completed = (0..6).map(|nth| 100_000_000 * 3_u64.pow(nth)).any(|duration_ns| {
                let frames = run(&params, flavor, duration_ns);
                let Some(Frame::Done(done)) = frames.last() else { panic!("{params}: {:?}", frames.last()) };
                assert_eq!(done.counts[count::PLANNED], duration_ns / 1_000_000);
                assert_eq!(done.counts[count::FAILED], 0);
                done.counts[count::COMPLETED] > 0
            });
            assert!(completed, "{params}");
        }
    }
}
