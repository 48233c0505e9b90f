//! `timer_storm`: many sleeps that fire, among timeouts that are cancelled.
//!
//! Next file to read: `bundled/spawn_flood.rs`.
#![forbid(unsafe_code)]

use std::sync::mpsc::channel;
use std::time::Duration;

use rt::runtime::Handle;
use rt::task::yield_now;
use rt::time::{sleep_until, timeout};

use super::Pending;
use crate::engine::KeptRunning;
use crate::load::{Arrivals, DRAIN, Process, arrival_param, rate_param, task};
use crate::params::{Param, ParamError, Params};
use crate::record::{Counter, StreamId};
use crate::wire::stream::LAG;
use crate::wire::{Failure, Stream};
use crate::workload::{CounterDoc, Description, Load, Run, Site, Workload};

const STREAM_ERROR: StreamId = StreamId(0);
const STREAM_LAG: StreamId = StreamId(1);
const COUNT_FIRED: Counter = Counter::own(0);
const COUNT_CANCELLED: Counter = Counter::own(1);
const COUNT_EARLY: Counter = Counter::own(2);

/// The workload `timer_storm`.
#[derive(Debug)]
pub(crate) struct TimerStorm;

impl Workload for TimerStorm {
    fn describe(&self) -> Description {
        let delays = (Duration::from_millis(1), Duration::from_secs(60));
        let range = (Duration::from_millis(10), Duration::from_secs(3600));
        Description {
            name: "timer_storm".to_owned(),
            summary: "many sleeps and cancelled timeouts; the error of the firing time".to_owned(),
            params: vec![
                rate_param(50_000.0, "timers a second, those that fire and those that are cancelled"),
                arrival_param(),
                Param::duration("min_delay", delays, Duration::from_millis(5), "shortest sleep"),
                Param::duration(
                    "max_delay",
                    delays,
                    Duration::from_millis(500),
                    "longest sleep; lengths are spread evenly",
                ),
                Param::float(
                    "cancelled",
                    (0.0, 1.0),
                    0.5,
                    "share of the timers that are timeouts cancelled at once",
                ),
                Param::duration(
                    "timeout",
                    range,
                    Duration::from_secs(30),
                    "length of the timeouts that are cancelled",
                ),
                Param::integer("spawners", (1, 1024), 2, "tasks that start timers"),
                Param::integer("max_pending", (1, 20_000_000), 1_000_000, "timers that wait at once at most"),
            ],
            counters: vec![
                CounterDoc::new("fired", "sleeps that ended"),
                CounterDoc::new("cancelled", "timeouts that were cancelled"),
                CounterDoc::new("early", "sleeps that ended before their time: always 0 on a sound runtime"),
            ],
            needs_io: false,
            needs_time: true,
        }
    }

    fn version(&self) -> u32 {
        // 2: deadlines count from the planned start, and sleeps past the end of the window are counted.
        2
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        if params.duration("min_delay") > params.duration("max_delay") {
            let expected = "at most max_delay";
            return Err(ParamError::new(
                "min_delay",
                "the shortest sleep is longer than the longest",
                expected,
            ));
        }
        Ok(())
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        vec![
            Stream::nanoseconds(
                "firing_error",
                "lateness of timers: when the sleeping task ran, minus planned start and length",
            )
            .with_lag(LAG),
            Stream::nanoseconds(
                LAG,
                "how long after its deadline a sleep began; 0 for one that began before",
            ),
        ]
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let kept = site.engine.keep_running()?;
        Ok(Box::new(Storm {
            on: site.engine.handle().clone(),
            rate: params.float("rate"),
            process: Process::from_params(params),
            delays: (params.duration("min_delay"), params.duration("max_delay")),
            cancelled: params.float("cancelled"),
            timeout: params.duration("timeout"),
            spawners: params.integer("spawners") as usize,
            pending: Pending::new(params.integer("max_pending")),
            seed: site.seed,
            _kept: kept,
        }))
    }
}

struct Storm {
    on: Handle,
    rate: f64,
    process: Process,
    delays: (Duration, Duration),
    cancelled: f64,
    timeout: Duration,
    spawners: usize,
    pending: Pending,
    seed: u64,
    _kept: KeptRunning,
}

impl Load for Storm {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        let (ended, inbox) = channel();
        for i in 0..self.spawners {
            let arrivals = Arrivals::new(self.process, self.rate, (i, self.spawners), self.seed);
            let mut spawner = Spawner {
                run: run.clone(),
                random: fastrand::Rng::with_seed(self.seed.wrapping_add(i as u64 + 1)),
                delays: self.delays,
                cancelled: self.cancelled,
                timeout: self.timeout,
                pending: self.pending.clone(),
            };
            let (run, pending, ended) = (run.clone(), self.pending.clone(), ended.clone());
            self.on.spawn(async move {
                task::drive(&run, arrivals, |planned| spawner.start(planned)).await;
                // No sleep has a deadline past the end. What has not ended by then counts as unfinished.
                task::settle(DRAIN, || pending.is_empty()).await;
                // The receiver waits for all of us.
                let _ = ended.send(());
            });
        }
        drop(ended);
        match inbox.iter().count() == self.spawners {
            true => Ok(()),
            false => Err(Failure::broken("a task that starts timers panicked or was dropped")),
        }
    }
}

struct Spawner {
    run: Run,
    random: fastrand::Rng,
    delays: (Duration, Duration),
    cancelled: f64,
    timeout: Duration,
    pending: Pending,
}

impl Spawner {
    fn start(&mut self, planned: u64) {
        let cancels = self.random.f64() < self.cancelled;
        let (least, most) = self.delays;
        let delay = least + (most - least).mul_f64(self.random.f64());
        // From the plan, so that a late start takes nothing from the sleep's lateness.
        let due = planned.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
        let window = &self.run.window;
        if !cancels && due >= window.end() {
            let mut pen = self.run.recorder.pen();
            pen.count(planned, Counter::NOT_STARTED);
            pen.count(planned, Counter::PAST_END);
            return;
        }
        let fits = self.pending.start();
        let now = window.now();
        let mut pen = self.run.recorder.pen();
        pen.count(planned, if fits { Counter::STARTED } else { Counter::DROPPED });
        if fits && !cancels {
            pen.record(planned, STREAM_LAG, now.saturating_sub(due));
        }
        drop(pen);
        if fits && cancels {
            rt::spawn(cancel(self.run.clone(), self.pending.clone(), planned, self.timeout));
        } else if fits {
            rt::spawn(fire(self.run.clone(), self.pending.clone(), planned, due));
        }
    }
}

/// A timeout around an operation that is ready at its second poll: registered, and cancelled unfired.
async fn cancel(run: Run, pending: Pending, planned: u64, length: Duration) {
    let intime = timeout(length, yield_now()).await.is_ok();
    let now = run.window.now();
    let mut pen = run.recorder.pen();
    if intime {
        pen.count(planned, COUNT_CANCELLED);
        pen.complete(planned, now);
    } else {
        pen.count(planned, Counter::FAILED);
    }
    drop(pen);
    pending.end();
}

async fn fire(run: Run, pending: Pending, planned: u64, due: u64) {
    sleep_until(run.window.instant(due).into()).await;
    let now = run.window.now();
    let mut pen = run.recorder.pen();
    match now.checked_sub(due) {
        Some(late) => pen.record(planned, STREAM_ERROR, late),
        None => pen.count(planned, COUNT_EARLY),
    }
    pen.count(planned, COUNT_FIRED);
    pen.complete(planned, now);
    drop(pen);
    pending.end();
}
