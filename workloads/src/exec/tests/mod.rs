//! The child end to end, in this process: plan in, frames out.

use std::collections::BTreeMap;
use std::io::{Cursor, PipeReader, PipeWriter, pipe};
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use rt::config::{Flavor, RuntimeConfig};
use serde_json::json;

use super::*;
use crate::params::{Param, ParamError};
use crate::wire::{EngineKind, Interval, count};
use crate::workload::{Description, Load};

mod bundled;

const MS: u64 = 1_000_000;

fn plan(workload: &str, params: Value) -> Plan {
    let known = registry::find(workload).unwrap();
    let params = Params::check(&known.describe().params, params.as_object().unwrap()).unwrap();
    Plan {
        protocol: PROTOCOL,
        engine: engine::KIND,
        plugin: None,
        runtime: RuntimeConfig { worker_threads: Some(2), ..RuntimeConfig::default() },
        workload: workload.to_owned(),
        params: params.into_map(),
        warmup_ns: 60 * MS,
        duration_ns: 200 * MS,
        interval_ns: 50 * MS,
        seed: 1,
    }
}

/// The plan, and the same on the flavours without workers.
fn on_every_flavour(plan: Plan) -> [Plan; 3] {
    let single = |flavor| {
        let runtime = RuntimeConfig { flavor, worker_threads: None, ..plan.runtime.clone() };
        Plan { runtime, ..plan.clone() }
    };
    let (current, local) = (single(Flavor::CurrentThread), single(Flavor::Local));
    [plan, current, local]
}

/// The plan, and then an open pipe until the returned end is dropped.
fn plan_pipe(plan: &Plan) -> (impl Read + Send + 'static, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let mut message = Vec::new();
    wire::send(&mut message, plan).unwrap();
    (Cursor::new(message).chain(reader), writer)
}

fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    std::iter::from_fn(|| wire::receive(&mut bytes).unwrap()).collect()
}

fn run(plan: &Plan) -> (Exit, Vec<Frame>) {
    let (from, stop) = plan_pipe(plan);
    let mut sent = Vec::new();
    let exit = exec(from, &mut sent);
    drop(stop);
    (exit, frames(&sent))
}

fn failure(frames: &[Frame]) -> &Failure {
    assert!(matches!(frames.first(), Some(Frame::Hello(_))));
    match frames.last() {
        Some(Frame::Failed(failure)) => failure,
        other => panic!("{other:?} is no failure"),
    }
}

/// What a whole run must look like, whatever it ran. Its last frame, and the window's merged histograms by stream.
fn check_whole(frames: &[Frame]) -> (Done, BTreeMap<String, Histogram<u64>>) {
    let Some(Frame::Hello(hello)) = frames.first() else { panic!("no hello") };
    assert_eq!((hello.protocol, hello.pid), (PROTOCOL, std::process::id()));
    let Some(Frame::Done(done)) = frames.last() else { panic!("{:?}", frames.last()) };
    let phases: Vec<Phase> = frames
        .iter()
        .filter_map(|frame| if let Frame::Phase { phase } = frame { Some(*phase) } else { None })
        .collect();
    assert_eq!(phases, [Phase::Setup, Phase::Warmup, Phase::Measure, Phase::Drain]);
    let of = |phase| -> Vec<&Interval> {
        let intervals =
            frames.iter().filter_map(|frame| if let Frame::Interval(i) = frame { Some(i) } else { None });
        intervals.filter(|interval| interval.phase == phase).collect()
    };
    let (warmup, measure) = (of(Phase::Warmup), of(Phase::Measure));
    assert!(!warmup.is_empty() && !measure.is_empty());
    for slices in [&warmup, &measure] {
        assert_eq!(slices[0].start_ns, 0);
        assert!(
            slices.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns),
            "slices without gap or overlap"
        );
        assert!(slices.iter().all(|slice| slice.histograms.len() == hello.streams.len()));
    }
    assert_eq!(measure.last().unwrap().end_ns, done.measured_ns);
    for (name, total) in &done.counts {
        assert_eq!(measure.iter().map(|slice| slice.counts[name]).sum::<u64>(), *total, "{name}");
    }
    assert_eq!(done.runtime.workers.len(), measure[0].runtime.workers.len());
    let counted = |name: &str| done.counts[name];
    assert_eq!(
        counted(count::PLANNED),
        counted(count::STARTED) + counted(count::DROPPED) + counted(count::NOT_STARTED)
    );
    assert!(counted(count::STARTED) >= counted(count::COMPLETED) + counted(count::FAILED));
    assert!(counted(count::COMPLETED) - counted(count::DRAINED) <= counted(count::COMPLETED_IN_WINDOW));
    let account = done.account.unwrap();
    assert!(account.start_ns < account.end_ns && account.end_ns >= done.measured_ns as i64, "{account:?}");
    for (name, total) in &done.runtime.histograms {
        let slices = measure.iter().filter_map(|slice| slice.runtime.histograms.get(name)).flatten();
        let (slices, total) = (slices.map(|bucket| bucket.count), total.iter().map(|bucket| bucket.count));
        assert_eq!(slices.sum::<u64>(), total.sum::<u64>(), "{name}");
    }
    let mut merged = BTreeMap::new();
    for (place, stream) in hello.streams.iter().enumerate() {
        let mut sum = crate::record::histogram();
        for slice in &measure {
            sum.add(decode(&slice.histograms[place])).unwrap();
        }
        merged.insert(stream.name.clone(), sum);
    }
    (done.clone(), merged)
}

/// Runs `plan`, which must be long, until `enough` of what was counted and recorded in the window, by the names of
/// counters and streams; then asks it to stop. So no test needs a machine of a certain speed.
fn run_until(
    plan: &Plan,
    enough: impl Fn(&BTreeMap<String, u64>) -> bool,
) -> (Done, BTreeMap<String, Histogram<u64>>) {
    let plan = Plan { duration_ns: 3600 * 1000 * MS, ..plan.clone() };
    let (from, stop) = plan_pipe(&plan);
    let (mut frames, to) = pipe().unwrap();
    let child = thread::spawn(move || exec(from, to));
    let mut stop = Some(stop);
    let mut seen: Vec<Frame> = Vec::new();
    let (mut names, mut so_far) = (Vec::new(), BTreeMap::<String, u64>::new());
    while let Some(frame) = wire::receive(&mut frames).unwrap() {
        match &frame {
            Frame::Hello(hello) => names = hello.streams.iter().map(|stream| stream.name.clone()).collect(),
            Frame::Interval(interval) if interval.phase == Phase::Measure => {
                let streams = interval.histograms.iter().map(|histogram| decode(histogram).len());
                let counts = interval.counts.iter().map(|(name, count)| (name.clone(), *count));
                for (name, count) in counts.chain(names.iter().cloned().zip(streams)) {
                    *so_far.entry(name).or_default() += count;
                }
                if enough(&so_far) {
                    drop(stop.take());
                }
            }
            _ => {}
        }
        seen.push(frame);
    }
    assert_eq!(child.join().unwrap(), Exit::Done, "{:?}", seen.last());
    let (done, merged) = check_whole(&seen);
    assert!(done.interrupted && !done.left_behind);
    assert!(done.measured_ns > 0 && done.measured_ns < plan.duration_ns);
    assert_eq!(done.counts[count::FAILED], 0);
    (done, merged)
}

fn decode(histogram: &str) -> Histogram<u64> {
    let bytes = STANDARD.decode(histogram).unwrap();
    Deserializer::new().deserialize(&mut Cursor::new(bytes)).unwrap()
}

/// How many operations a constant load plans in the window, whatever the speed of the machine.
fn planned_at(rate: u64, plan: &Plan, done: &Done) -> u64 {
    let until = |ns: u64| (u128::from(ns) * u128::from(rate)).div_ceil(1_000_000_000) as u64;
    until(plan.warmup_ns + done.measured_ns) - until(plan.warmup_ns)
}

#[test]
fn a_request_to_stop_ends_each_workload_and_keeps_what_was_measured() {
    for name in ["echo", "timer_storm", "spawn_flood", "blocking_mix"] {
        let (done, _) = run_until(&plan(name, json!({})), |counted| counted[count::COMPLETED] > 0);
        assert!(done.counts[count::COMPLETED] > 0, "{name}");
    }
}

#[test]
fn a_request_to_stop_during_the_warmup_measures_nothing() {
    let plan = Plan { warmup_ns: 3600 * 1000 * MS, ..plan("blocking_mix", json!({})) };
    let (from, stop) = plan_pipe(&plan);
    let (mut frames, to) = pipe().unwrap();
    let child = thread::spawn(move || exec(from, to));
    let mut stop = Some(stop);
    let mut last = None;
    while let Some(frame) = wire::receive::<Frame>(&mut frames).unwrap() {
        if matches!(&frame, Frame::Interval(_)) {
            drop(stop.take());
        }
        assert_ne!(frame, Frame::Phase { phase: Phase::Measure });
        last = Some(frame);
    }
    assert_eq!(child.join().unwrap(), Exit::Done);
    let Some(Frame::Done(done)) = last else { panic!("{last:?}") };
    assert!(done.interrupted);
    assert_eq!((done.measured_ns, done.counts[count::COMPLETED]), (0, 0));
}

#[test]
fn a_parent_that_is_gone_ends_the_run() {
    let plan = Plan { duration_ns: 3600 * 1000 * MS, ..plan("blocking_mix", json!({})) };
    let (from, _stop) = plan_pipe(&plan);
    let (mut frames, to): (PipeReader, PipeWriter) = pipe().unwrap();
    let child = thread::spawn(move || exec(from, to));
    assert!(matches!(wire::receive::<Frame>(&mut frames).unwrap(), Some(Frame::Hello(_))));
    drop(frames);
    assert_eq!(child.join().unwrap(), Exit::ParentGone);
    assert_eq!(exec(Cursor::new(Vec::new()), Vec::new()), Exit::ParentGone);
}

#[test]
fn another_protocol_version_is_refused_even_if_the_rest_is_foreign() {
    let mut message = Vec::new();
    wire::send(&mut message, &json!({ "protocol": 77, "unheard": "of" })).unwrap();
    let mut sent = Vec::new();
    assert_eq!(exec(Cursor::new(message), &mut sent), Exit::Failed);
    let frames = frames(&sent);
    assert!(failure(&frames).is_input);
    assert!(failure(&frames).message.contains("77"));
}

#[test]
fn a_plan_for_another_engine_is_refused_by_both_names() {
    let [one, other] = EngineKind::ALL;
    let other = if engine::KIND == one { other } else { one };
    let (exit, frames) = run(&Plan { engine: other, ..plan("echo", json!({})) });
    assert_eq!(exit, Exit::Failed);
    let Some(Frame::Hello(hello)) = frames.first() else { panic!("no hello") };
    assert_eq!((&*hello.engine, &*hello.engine_version), (engine::NAME, engine::VERSION));
    let failure = failure(&frames);
    assert!(failure.is_input);
    assert!([one, other].iter().all(|kind| failure.message.contains(kind.as_str())), "{failure}");
}

#[test]
fn a_plan_without_an_engine_is_for_the_embedded_one() {
    let mut old = serde_json::to_value(plan("echo", json!({}))).unwrap();
    old.as_object_mut().unwrap().remove("engine").unwrap();
    assert_eq!(serde_json::from_value::<Plan>(old).unwrap().engine, EngineKind::Embedded);
}

#[test]
fn a_plan_that_cannot_be_obeyed_is_refused_with_a_hint() {
    let echo = plan("echo", json!({}));
    let with = |key: &str, value: Value| {
        let mut changed = echo.clone();
        changed.params.insert(key.to_owned(), value);
        changed
    };
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut unknown = echo.clone();
    unknown.workload = "eccho".to_owned();
    let mut deep = with("payload", "1MiB".into());
    deep.params.insert("connections".to_owned(), 1000.into());
    let mut no_io = echo.clone();
    no_io.runtime.drivers.io = false;
    let mut no_time = plan("timer_storm", json!({}));
    no_time.runtime.drivers.time = false;
    let mut no_workers = echo.clone();
    no_workers.runtime.worker_threads = Some(0);
    for (plan, part) in [
        (with("port", taken.local_addr().unwrap().port().into()), "in use"),
        (with("conections", 1.into()), "conections"),
        (with("client_threads", 64.into()), "more threads than connections"),
        (deep, "1 GiB"),
        (unknown, "eccho"),
        (no_io, "I/O driver"),
        (no_time, "time driver"),
        (no_workers, "worker_threads"),
    ] {
        let (exit, frames) = run(&plan);
        assert_eq!(exit, Exit::Failed, "{part}");
        let failure = failure(&frames);
        assert!(failure.is_input, "{failure}");
        assert!(failure.message.contains(part), "{failure}");
        assert!(failure.hint.is_some());
    }
}

/// A workload that does as its parameter says.
struct Odd;

impl Workload for Odd {
    fn describe(&self) -> Description {
        Description {
            name: "odd".to_owned(),
            summary: "for tests".to_owned(),
            params: vec![Param::choice(
                "how",
                &["panic", "fail", "return", "panic_in_setup", "hang"],
                "panic",
                "what it does",
            )],
            counters: Vec::new(),
            needs_io: false,
            needs_time: false,
        }
    }

    fn validate(&self, _: &Params) -> Result<(), ParamError> {
        Ok(())
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        Vec::new()
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        assert_ne!(site.params.text("how"), "panic_in_setup");
        Ok(Box::new(OddLoad(site.params.text("how").to_owned())))
    }
}

struct OddLoad(String);

impl Load for OddLoad {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        run.recorder.count(run.window.measure_start(), crate::record::Counter::COMPLETED);
        match self.0.as_str() {
            "panic" => panic!("as asked"),
            "fail" => Err(Failure::broken("as asked")),
            "hang" => loop {
                thread::park();
            },
            _ => Ok(()),
        }
    }
}

#[test]
fn a_workload_that_hangs_does_not_keep_the_child_from_ending() {
    let mut plan = Plan { duration_ns: 3600 * 1000 * MS, ..plan("echo", json!({})) };
    plan.params = json!({ "how": "hang" }).as_object().unwrap().clone();
    let (reader, stop) = pipe().unwrap();
    let (mut frames, to) = pipe().unwrap();
    let child = thread::spawn(move || exec_with(Arc::new(Odd), &plan, reader, to));
    let mut stop = Some(stop);
    let mut seen: Vec<Frame> = Vec::new();
    while let Some(frame) = wire::receive(&mut frames).unwrap() {
        if frame == (Frame::Phase { phase: Phase::Warmup }) {
            drop(stop.take());
        }
        seen.push(frame);
    }
    assert_eq!(child.join().unwrap(), Exit::Done);
    assert!(
        seen.iter().any(|frame| matches!(frame, Frame::Warning { text } if text.contains("left behind")))
    );
    assert!(matches!(seen.last(), Some(Frame::Done(done)) if done.interrupted));
}

#[test]
fn a_workload_that_panics_or_fails_or_leaves_early_is_told() {
    for (how, exit, part) in [
        ("panic", Exit::Failed, "the workload panicked in `run`: as asked"),
        ("panic_in_setup", Exit::Failed, "the workload panicked in `setup`: "),
        ("fail", Exit::Failed, "as asked"),
        ("return", Exit::Done, ""),
    ] {
        let mut plan = plan("echo", json!({}));
        plan.params = json!({ "how": how }).as_object().unwrap().clone();
        let (reader, _open) = pipe().unwrap();
        let mut sent = Vec::new();
        assert_eq!(exec_with(Arc::new(Odd), &plan, reader, &mut sent), exit, "{how}");
        let frames = frames(&sent);
        match exit {
            Exit::Done => assert!(matches!(frames.last(), Some(Frame::Done(done)) if done.measured_ns == 0)),
            _ => assert!(failure(&frames).message.contains(part), "{how}"),
        }
    }
}
