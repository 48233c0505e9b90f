//! The entries as a host calls them, in this process.

use std::cell::Cell;
use std::sync::Arc;

use rt::config::RuntimeConfig;
use serde_json::{Value, json};

use super::*;
use crate::params::Param;
use crate::registry;
use crate::wire::{Phase, Plan};
use crate::workload::{Description, Load, Site, Workload};

/// All bundled workloads, and one that panics wherever it is told to.
enum Exported {}

thread_local!(static PANICS: Cell<bool> = const { Cell::new(false) });

impl Plugin for Exported {
    const NAME: &'static str = "exported";
    const VERSION: &'static str = "1.2.3";

    fn workloads() -> Vec<Arc<dyn Workload>> {
        let mut all = registry::bundled();
        all.push(Arc::new(Panicking));
        all
    }
}

struct Panicking;

impl Workload for Panicking {
    fn describe(&self) -> Description {
        assert!(!PANICS.get(), "no description");
        let choice = Param::choice("in", &["streams", "setup"], "setup", "where it panics");
        Description { params: vec![choice], ..Description::new("panicking", "panics") }
    }

    fn streams(&self, params: &Params) -> Vec<crate::wire::Stream> {
        assert!(params.text("in") != "streams", "no streams");
        Vec::new()
    }

    fn setup(&self, _: &Site) -> Result<Box<dyn Load>, Failure> {
        panic!("no set-up")
    }
}

static TABLE: Table = table::<Exported>();

unsafe extern "C" fn keep(ctx: *mut std::ffi::c_void, data: *const u8, len: usize) -> u32 {
    // SAFETY: `call` passes a vector.
    let kept = unsafe { &mut *ctx.cast::<Vec<Value>>() };
    // SAFETY: the entry's promise.
    kept.push(serde_json::from_slice(unsafe { bytes(data, len) }).unwrap());
    0
}

fn call(entry: impl FnOnce(*const Host) -> u32) -> (u32, Vec<Value>) {
    let mut kept: Vec<Value> = Vec::new();
    let host = Host { size: mem::size_of::<Host>() as u64, ctx: (&raw mut kept).cast(), emit: keep };
    (entry(&host), kept)
}

fn take(entry: super::super::abi::Take, message: &[u8]) -> (u32, Vec<Value>) {
    // SAFETY: all three arguments live until the call returns.
    call(|host| unsafe { entry(host, message.as_ptr(), message.len()) })
}

fn validate(draft: &Draft) -> (u32, Vec<Value>) {
    take(TABLE.validate.unwrap(), &serde_json::to_vec(draft).unwrap())
}

#[test]
fn the_table_says_who_it_is() {
    assert_eq!(TABLE.head.magic, MAGIC);
    assert_eq!(TABLE.head.size, mem::size_of::<Table>() as u64);
    // SAFETY: the texts are static.
    let read = |text: Text| unsafe { bytes(text.data, text.len) };
    assert_eq!(read(TABLE.name), b"exported");
    assert_eq!(read(TABLE.version), b"1.2.3");
    assert_eq!(read(TABLE.engine), engine::KIND.as_str().as_bytes());
    assert!(crate::RUSTC.starts_with("rustc 1."), "{}", crate::RUSTC);
}

#[test]
fn describe_lists_every_workload_and_survives_a_panic() {
    // SAFETY: the host lives until the call returns.
    let describe = || call(|host| unsafe { TABLE.describe.unwrap()(host) });
    let (status, said) = describe();
    assert_eq!(status, DONE);
    let about: About = serde_json::from_value(said[0].clone()).unwrap();
    assert_eq!(about.workloads.len(), registry::bundled().len() + 1);
    PANICS.set(true);
    let (status, said) = describe();
    PANICS.set(false);
    assert_eq!(status, PANICKED);
    assert_eq!(said[0]["message"], "the plug-in panicked: no description");
}

#[test]
fn validate_names_the_parameter_or_the_knob() {
    let params = |workload: &str, params: Value| Draft::Params {
        workload: workload.to_owned(),
        params: params.as_object().unwrap().clone(),
    };
    assert_eq!(validate(&params("echo", json!({}))), (DONE, vec![json!([])]));
    let (status, said) = validate(&params("echo", json!({ "client_threads": 2, "connections": 1 })));
    assert_eq!((status, &said[0][0]["key"]), (DONE, &json!("client_threads")));
    let (status, said) = validate(&params("nobody", json!({})));
    assert_eq!((status, &said[0]["message"]), (FAILED, &json!("there is no workload `nobody`")));
    let (status, _) = validate(&params("panicking", json!({ "in": "streams" })));
    assert_eq!(status, PANICKED);
    let odd = RuntimeConfig { lifo_slot: false, ..RuntimeConfig::default() };
    let (status, said) = validate(&Draft::Runtime { config: Box::new(odd.clone()) });
    let refused = engine::refusals(&odd);
    assert_eq!((status, said[0].as_array().unwrap().len()), (DONE, refused.len()));
    assert_eq!(take(TABLE.validate.unwrap(), b"garbage").0, FAILED);
    assert_eq!(take(TABLE.validate.unwrap(), b"").0, FAILED);
}

/// One test, because a request to stop is for the life of the process.
#[test]
fn run_sends_frames_until_it_is_stopped() {
    let plan = |workload: &str, params: Value| Plan {
        protocol: crate::wire::PROTOCOL,
        engine: engine::KIND,
        plugin: None,
        runtime: RuntimeConfig { worker_threads: Some(1), ..RuntimeConfig::default() },
        workload: workload.to_owned(),
        params: params.as_object().unwrap().clone(),
        warmup_ns: 0,
        duration_ns: 3_600_000_000_000,
        interval_ns: 50_000_000,
        seed: 1,
    };
    let run = |plan: &Plan| {
        let (status, said) = take(TABLE.run.unwrap(), &serde_json::to_vec(plan).unwrap());
        let frames = said.into_iter().map(|frame| serde_json::from_value::<Frame>(frame).unwrap());
        (status, frames.collect::<Vec<_>>())
    };
    let failure = |frames: &[Frame]| match frames.last() {
        Some(Frame::Failed(failure)) => failure.message.clone(),
        other => panic!("{other:?} is no failure"),
    };
    let (status, frames) = run(&plan("panicking", json!({})));
    assert_eq!(
        (status, failure(&frames)),
        (FAILED, "the workload panicked in `setup`: no set-up".to_owned())
    );
    let (status, frames) = run(&plan("panicking", json!({ "in": "streams" })));
    assert_eq!(
        (status, failure(&frames)),
        (PANICKED, "the plug-in panicked in `streams`: no streams".to_owned())
    );
    let (status, said) = take(TABLE.run.unwrap(), b"{}");
    assert_eq!((status, said.len()), (FAILED, 2));
    // An hour of load, unless the request to stop is heard.
    // SAFETY: the entry may be called at any time.
    unsafe { TABLE.stop.unwrap()() };
    let (status, frames) = run(&plan("timer_storm", json!({ "rate": 100 })));
    assert_eq!(status, DONE);
    assert!(matches!(frames[0], Frame::Hello(_)) && frames.contains(&Frame::Phase { phase: Phase::Setup }));
    assert!(matches!(frames.last(), Some(Frame::Done(done)) if done.interrupted), "{:?}", frames.last());
}
