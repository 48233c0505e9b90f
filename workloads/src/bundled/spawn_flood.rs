//! `spawn_flood`: short tasks spawned from the runtime's workers, from `block_on` and from foreign threads.
//!
//! Next file to read: `bundled/blocking_mix.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rt::runtime::Handle;
use rt::task::JoinHandle;

use super::Pending;
use crate::engine::{Engine, KeptRunning};
use crate::exec::quality::LAG;
use crate::load::thread::{join_threads, start_thread};
use crate::load::{Arrivals, Process, arrival_param, pace, rate_param, task};
use crate::params::{Param, ParamError, Params};
use crate::record::{Counter, StreamId};
use crate::wire::{Failure, Stream};
use crate::workload::{Description, Load, Run, Site, Workload};

/// Where tasks are spawned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// A task on a worker.
    Worker,
    /// The future of a `block_on`.
    BlockOn,
    /// A thread that has nothing to do with the runtime.
    Foreign,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Worker, Self::BlockOn, Self::Foreign];

    /// The stream's name; the parameter is that with `_share`.
    fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::BlockOn => "block_on",
            Self::Foreign => "foreign",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Worker => "spawn to first poll, spawned by a task on a worker",
            Self::BlockOn => "spawn to first poll, spawned inside block_on",
            Self::Foreign => "spawn to first poll, spawned by a thread outside of the runtime",
        }
    }
}

/// The origins in use, with their shares.
fn origins(params: &Params) -> Vec<(Origin, f64)> {
    let share = |origin: Origin| (origin, params.float(&format!("{}_share", origin.name())));
    Origin::ALL.into_iter().map(share).filter(|(_, share)| *share > 0.0).collect()
}

/// The workload `spawn_flood`.
#[derive(Debug)]
pub(crate) struct SpawnFlood;

impl Workload for SpawnFlood {
    fn describe(&self) -> Description {
        let share =
            |origin: Origin, doc| Param::float(&format!("{}_share", origin.name()), (0.0, 1e6), 1.0, doc);
        let mode =
            "open: spawns at planned instants; closed: batch after batch, each awaited, as fast as it goes";
        let work = (Duration::ZERO, Duration::from_secs(1));
        Description {
            name: "spawn_flood".to_owned(),
            summary: "short tasks from workers, block_on and foreign threads; spawn-to-first-poll latency"
                .to_owned(),
            params: vec![
                Param::choice("mode", &["open", "closed"], "open", mode),
                rate_param(50_000.0, "tasks a second over all origins, with mode = \"open\""),
                arrival_param(),
                Param::integer("batch", (1, 1_000_000), 64, "tasks of one batch, with mode = \"closed\""),
                share(Origin::Worker, "weight of spawns by a task on a worker; 0 leaves them out"),
                share(Origin::BlockOn, "weight of spawns inside block_on; 0 leaves them out"),
                share(
                    Origin::Foreign,
                    "weight of spawns by a thread outside of the runtime; 0 leaves them out",
                ),
                Param::duration("work", work, Duration::ZERO, "how long each task keeps its worker busy"),
                Param::integer(
                    "max_pending",
                    (1, 20_000_000),
                    1_000_000,
                    "tasks that wait for their first poll at most",
                ),
            ],
            counters: Vec::new(),
            needs_io: false,
            needs_time: true,
        }
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        if origins(params).is_empty() {
            let expected =
                "a weight above 0 for at least one of worker_share, block_on_share and foreign_share";
            return Err(ParamError::new("worker_share", "nobody would spawn anything", expected));
        }
        Ok(())
    }

    fn streams(&self, params: &Params) -> Vec<Stream> {
        let of =
            origins(params).into_iter().map(|(origin, _)| Stream::nanoseconds(origin.name(), origin.title()));
        let lag = (params.text("mode") == "open")
            .then(|| Stream::nanoseconds(LAG, "lag of the spawners: actual minus planned spawn"));
        of.chain(lag).collect()
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let origins = origins(params);
        // Where tasks need a thread inside of block_on, the spawner there is that thread.
        let kept = match origins.iter().any(|(origin, _)| *origin == Origin::BlockOn) {
            true => None,
            false => Some(site.engine.keep_running()?),
        };
        Ok(Box::new(Flood {
            engine: site.engine.clone(),
            mode: match params.text("mode") {
                "closed" => Mode::Closed { batch: params.integer("batch") as usize },
                _ => Mode::Open { rate: params.float("rate"), process: Process::from_params(params) },
            },
            origins,
            work: params.duration("work"),
            pending: Pending::new(params.integer("max_pending")),
            seed: site.seed,
            _kept: kept,
        }))
    }
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Open { rate: f64, process: Process },
    Closed { batch: usize },
}

struct Flood {
    engine: Arc<Engine>,
    mode: Mode,
    origins: Vec<(Origin, f64)>,
    work: Duration,
    pending: Pending,
    seed: u64,
    _kept: Option<KeptRunning>,
}

impl Load for Flood {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        let whole: f64 = self.origins.iter().map(|(_, share)| share).sum();
        let spawner = |(i, (origin, share)): (usize, &(Origin, f64))| {
            let mode = match self.mode {
                Mode::Open { rate, process } => Mode::Open { rate: rate * share / whole, process },
                closed @ Mode::Closed { .. } => closed,
            };
            let spawner = Spawner {
                run: run.clone(),
                on: self.engine.handle().clone(),
                stream: StreamId(i),
                lag: StreamId(self.origins.len()),
                work: self.work,
                pending: self.pending.clone(),
            };
            (*origin, mode, self.seed.wrapping_add(i as u64), spawner)
        };
        let spawners: Vec<_> = self.origins.iter().enumerate().map(spawner).collect();
        let engine = &self.engine;
        thread::scope(|scope| {
            let (mut started, mut in_block_on) = (Vec::new(), Vec::new());
            for (origin, mode, seed, spawner) in spawners {
                let body = move || match origin {
                    Origin::Worker => {
                        let task = engine.handle().spawn(spawner.in_task(mode, seed));
                        wait_for(task)
                    }
                    Origin::BlockOn => engine.block_on(spawner.in_task(mode, seed)),
                    Origin::Foreign => spawner.on_thread(mode, seed),
                };
                let thread = start_thread(scope, &format!("spawn-{}", origin.name()), body)?;
                if origin == Origin::BlockOn { &mut in_block_on } else { &mut started }.push(thread);
            }
            let result = join_threads(in_block_on);
            // It may have been what kept the runtime running, and others still have work there.
            let kept = engine.keep_running();
            let result = result.and(join_threads(started));
            self.pending.settle();
            kept.and(result)
        })
    }
}

/// Waits for a task from a plain thread, whoever runs it.
fn wait_for(task: JoinHandle<Result<(), Failure>>) -> Result<(), Failure> {
    block(task)
        .unwrap_or_else(|error| Err(Failure::broken(format!("a task of the load ended badly: {error}"))))
}

/// Polls a future that needs nothing of the runtime on this thread, and sleeps in between.
fn block<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(output) =
            future.as_mut().poll(&mut std::task::Context::from_waker(&waker))
        {
            return output;
        }
        thread::park();
    }
}

struct Spawner {
    run: Run,
    on: Handle,
    stream: StreamId,
    lag: StreamId,
    work: Duration,
    pending: Pending,
}

impl Spawner {
    async fn in_task(self, mode: Mode, seed: u64) -> Result<(), Failure> {
        match mode {
            Mode::Open { rate, process } => {
                let arrivals = Arrivals::new(process, rate, (0, 1), seed);
                task::drive(&self.run.window, arrivals, |planned| self.open(planned)).await;
            }
            Mode::Closed { batch } => {
                let mut tasks = Vec::with_capacity(batch);
                while !self.run.window.is_over() {
                    tasks.extend((0..batch).map(|_| self.closed()));
                    for task in tasks.drain(..) {
                        task.await.map_err(|error| {
                            Failure::broken(format!("a spawned task ended badly: {error}"))
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn on_thread(self, mode: Mode, seed: u64) -> Result<(), Failure> {
        match mode {
            Mode::Open { rate, process } => {
                let arrivals = Arrivals::new(process, rate, (0, 1), seed);
                pace::drive(&self.run.window, arrivals, |planned| self.open(planned));
            }
            Mode::Closed { batch } => {
                let mut tasks = Vec::with_capacity(batch);
                while !self.run.window.is_over() {
                    tasks.extend((0..batch).map(|_| self.closed()));
                    for task in tasks.drain(..) {
                        block(task).map_err(|error| {
                            Failure::broken(format!("a spawned task ended badly: {error}"))
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Spawns what was planned, unless too much waits already.
    fn open(&self, planned: u64) {
        let fits = self.pending.start();
        let spawned = self.run.window.now();
        let mut pen = self.run.recorder.pen();
        pen.count(planned, Counter::PLANNED);
        pen.count(planned, if fits { Counter::STARTED } else { Counter::DROPPED });
        pen.record(planned, self.lag, spawned.saturating_sub(planned));
        drop(pen);
        if fits {
            // Detached: whether it ran is counted.
            drop(self.spawn(planned));
        }
    }

    /// Spawns now.
    fn closed(&self) -> JoinHandle<()> {
        let now = self.run.window.now();
        // In a closed loop the next operation is planned when there is room for it; the bound is the batch.
        let mut pen = self.run.recorder.pen();
        pen.count(now, Counter::PLANNED);
        pen.count(now, Counter::STARTED);
        drop(pen);
        self.pending.force_start();
        self.spawn(now)
    }

    fn spawn(&self, planned: u64) -> JoinHandle<()> {
        let (run, stream, work, pending) = (self.run.clone(), self.stream, self.work, self.pending.clone());
        let spawned = run.window.now();
        self.on.spawn(async move {
            let polled = run.window.now();
            if !work.is_zero() {
                pace::burn(work);
            }
            let mut pen = run.recorder.pen();
            pen.record(planned, stream, polled.saturating_sub(spawned));
            pen.count(planned, Counter::COMPLETED);
            drop(pen);
            pending.end();
        })
    }
}
