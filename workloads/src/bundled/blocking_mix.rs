//! `blocking_mix`: short asynchronous tasks beside blocking jobs, and the latency of both.
//!
//! Both loads are made by a plain thread, so that what the jobs do to the runtime is seen and not shared.
//!
//! Next file to read: `exec/tests/bundled.rs`.
#![forbid(unsafe_code)]

use std::thread;
use std::time::Duration;

use rt::runtime::Handle;
use rt::task::{spawn_blocking, yield_now};

use super::Pending;
use crate::engine::KeptRunning;
use crate::load::{Arrivals, Process, arrival_param, pace};
use crate::params::{Param, Params};
use crate::record::{Counter, StreamId};
use crate::wire::stream::LAG;
use crate::wire::{Failure, Stream};
use crate::workload::{CounterDoc, Description, Load, Run, Site, Workload};

const STREAM_TASK: StreamId = StreamId(0);
const STREAM_QUEUE: StreamId = StreamId(1);
const STREAM_TOTAL: StreamId = StreamId(2);
const STREAM_LAG: StreamId = StreamId(3);
const COUNT_TASKS: Counter = Counter::own(0);
const COUNT_JOBS: Counter = Counter::own(1);

/// The workload `blocking_mix`.
#[derive(Debug)]
pub(crate) struct BlockingMix;

impl Workload for BlockingMix {
    fn describe(&self) -> Description {
        let rates = (1.0, 10_000_000.0);
        let times = (Duration::ZERO, Duration::from_secs(1));
        let micros = Duration::from_micros;
        Description {
            name: "blocking_mix".to_owned(),
            summary: "asynchronous tasks beside spawn_blocking jobs; latency of both".to_owned(),
            params: vec![
                Param::float("task_rate", rates, 5_000.0, "asynchronous tasks a second"),
                Param::duration(
                    "task_work",
                    times,
                    micros(5),
                    "how long each poll of a task keeps its worker busy",
                ),
                Param::integer(
                    "task_yields",
                    (0, 1000),
                    2,
                    "how often a task yields, with as many polls more",
                ),
                Param::float("job_rate", rates, 500.0, "blocking jobs a second"),
                Param::duration("job_work", times, micros(500), "how long a job takes"),
                Param::choice(
                    "job_kind",
                    &["cpu", "sleep"],
                    "cpu",
                    "whether a job computes or waits meanwhile",
                ),
                arrival_param(),
                Param::integer("max_pending", (1, 20_000_000), 100_000, "tasks, and jobs, under way at most"),
            ],
            counters: vec![
                CounterDoc::new("tasks", "asynchronous tasks that ended"),
                CounterDoc::new("jobs", "blocking jobs that ended"),
            ],
            needs_io: false,
            needs_time: false,
        }
    }

    fn version(&self) -> u32 {
        // 2: jobs, too, are measured from the planned instant.
        2
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        let planned = |name, title| Stream::nanoseconds(name, title).with_lag(LAG);
        vec![
            planned("task", "latency of an asynchronous task, from the planned spawn to its end"),
            planned("blocking_queue", "wait of a blocking job, from the planned spawn to its start"),
            planned(
                "blocking_total",
                "latency of a blocking job, from the planned spawn to its awaited result",
            ),
            Stream::nanoseconds(LAG, "lag of the generator: actual minus planned spawn"),
        ]
    }

    fn asked(&self, params: &Params) -> Option<f64> {
        Some(params.float("task_rate") + params.float("job_rate"))
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let kept = site.engine.keep_running()?;
        let bound = params.integer("max_pending");
        Ok(Box::new(Mix {
            on: site.engine.handle().clone(),
            rates: (params.float("task_rate"), params.float("job_rate")),
            process: Process::from_params(params),
            task_work: params.duration("task_work"),
            task_yields: params.integer("task_yields"),
            job: Job { work: params.duration("job_work"), sleeps: params.text("job_kind") == "sleep" },
            pending: (Pending::new(bound), Pending::new(bound)),
            seed: site.seed,
            _kept: kept,
        }))
    }
}

struct Mix {
    on: Handle,
    rates: (f64, f64),
    process: Process,
    task_work: Duration,
    task_yields: u64,
    job: Job,
    pending: (Pending, Pending),
    seed: u64,
    _kept: KeptRunning,
}

#[derive(Clone, Copy)]
struct Job {
    work: Duration,
    sleeps: bool,
}

impl Job {
    fn perform(self) {
        match self.sleeps {
            true => thread::sleep(self.work),
            false => pace::burn(self.work),
        }
    }
}

impl Load for Mix {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        let (tasks, jobs) = (&self.pending.0, &self.pending.1);
        let Self { on, rates, process, task_work, task_yields, job, seed, .. } = &*self;
        let sources = vec![
            Arrivals::new(*process, rates.0, (0, 1), *seed),
            Arrivals::new(*process, rates.1, (0, 1), seed.wrapping_add(1)),
        ];
        pace::drive_all(run, sources, |source, planned| {
            if source == 0 && may_start(run, tasks, planned) {
                on.spawn(asynchronous(run.clone(), tasks.clone(), planned, *task_work, *task_yields));
            } else if source == 1 && may_start(run, jobs, planned) {
                on.spawn(blocking(run.clone(), jobs.clone(), planned, *job));
            }
        });
        tasks.settle();
        jobs.settle();
        Ok(())
    }
}

/// Counts an operation as started if there is room for it, and else as dropped.
fn may_start(run: &Run, pending: &Pending, planned: u64) -> bool {
    let fits = pending.start();
    let now = run.window.now();
    let mut pen = run.recorder.pen();
    pen.count(planned, if fits { Counter::STARTED } else { Counter::DROPPED });
    pen.record(planned, STREAM_LAG, now.saturating_sub(planned));
    fits
}

async fn asynchronous(run: Run, pending: Pending, planned: u64, work: Duration, yields: u64) {
    pace::burn(work);
    for _ in 0..yields {
        yield_now().await;
        pace::burn(work);
    }
    let now = run.window.now();
    let mut pen = run.recorder.pen();
    pen.record(planned, STREAM_TASK, now.saturating_sub(planned));
    pen.count(planned, COUNT_TASKS);
    pen.complete(planned, now);
    drop(pen);
    pending.end();
}

async fn blocking(run: Run, pending: Pending, planned: u64, job: Job) {
    let window = run.window.clone();
    let job = spawn_blocking(move || {
        let began = window.now();
        job.perform();
        began
    });
    let result = job.await;
    let now = run.window.now();
    let mut pen = run.recorder.pen();
    match result {
        Ok(began) => {
            pen.record(planned, STREAM_QUEUE, began.saturating_sub(planned));
            pen.record(planned, STREAM_TOTAL, now.saturating_sub(planned));
            pen.count(planned, COUNT_JOBS);
            pen.complete(planned, now);
        }
        Err(_) => pen.count(planned, Counter::FAILED),
    }
    drop(pen);
    pending.end();
}
