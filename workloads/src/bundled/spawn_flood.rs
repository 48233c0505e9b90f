//! `spawn_flood`: short tasks spawned from the runtime's workers, from `block_on` and from foreign threads.
//!
//! With `mode = "open"` one plain thread waits for the planned instants of all three: a runtime's own timers are too
//! coarse to do that at high rates. It spawns the foreign tasks itself, and hands the others over to a spawner, which is
//! a task or the future of a `block_on` and is woken for it.
//!
//! Next file to read: `bundled/feed.rs`.
#![forbid(unsafe_code)]

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rt::runtime::Handle;
use rt::task::{JoinHandle, yield_now};

use super::Pending;
use super::feed::{Feed, Feeds};
use crate::engine::{Engine, KeptRunning};
use crate::load::thread::{join_threads, start_thread};
use crate::load::{Arrivals, Process, arrival_param, pace, rate_param};
use crate::params::{Param, ParamError, Params};
use crate::record::{Counter, StreamId};
use crate::wire::stream::LAG;
use crate::wire::{Failure, Stream};
use crate::workload::{Description, Load, Run, Site, Workload};

/// The most tasks that one poll of a spawner spawns; then other tasks have their turn.
const BURST: usize = 64;

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
            Self::Worker => "planned spawn to first poll, spawned by a task on a worker",
            Self::BlockOn => "planned spawn to first poll, spawned inside block_on",
            Self::Foreign => "planned spawn to first poll, spawned by a thread outside of the runtime",
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
            needs_time: false,
        }
    }

    fn version(&self) -> u32 {
        // 2: latency counts from the planned instant, and spawners inside of the runtime are woken and do not sleep.
        2
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
        let open = params.text("mode") == "open";
        let of = |origin: Origin| {
            let stream = Stream::nanoseconds(origin.name(), origin.title());
            if open { stream.with_lag(LAG) } else { stream }
        };
        let title = "lag of the generator: planned spawn to spawn, or to handing it over to a spawner";
        let lag = open.then(|| Stream::nanoseconds(LAG, title));
        origins(params).into_iter().map(|(origin, _)| of(origin)).chain(lag).collect()
    }

    fn asked(&self, params: &Params) -> Option<f64> {
        (params.text("mode") == "open").then(|| params.float("rate"))
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
        let spawner = |stream| Spawner {
            run: run.clone(),
            on: self.engine.handle().clone(),
            stream: StreamId(stream),
            work: self.work,
            pending: self.pending.clone(),
        };
        let spawners: Vec<_> =
            self.origins.iter().enumerate().map(|(i, (origin, _))| (*origin, spawner(i))).collect();
        match self.mode {
            Mode::Open { rate, process } => self.open(run, (rate, process), spawners),
            Mode::Closed { batch } => self.closed(batch, spawners),
        }
    }
}

impl Flood {
    fn open(
        &self,
        run: &Run,
        (rate, process): (f64, Process),
        spawners: Vec<(Origin, Spawner)>,
    ) -> Result<(), Failure> {
        let whole: f64 = self.origins.iter().map(|(_, share)| share).sum();
        let arrivals = |(i, (_, share)): (usize, &(Origin, f64))| {
            Arrivals::new(process, rate * share / whole, (0, 1), self.seed.wrapping_add(i as u64))
        };
        let sources = self.origins.iter().enumerate().map(arrivals).collect();
        let feeds = Feeds::new(spawners.len());
        let lag = StreamId(spawners.len());
        thread::scope(|scope| {
            // Whatever becomes of this thread: the spawners end.
            let closed = feeds.close_on_drop();
            let (mut on_worker, mut in_block_on) = (None, Vec::new());
            let mut foreign = None;
            for (i, (origin, spawner)) in spawners.into_iter().enumerate() {
                let feed = feeds.of(i);
                match origin {
                    Origin::Worker => on_worker = Some(self.engine.handle().spawn(spawner.fed(feed))),
                    Origin::BlockOn => {
                        let engine = &self.engine;
                        let body = move || {
                            engine.block_on(spawner.fed(feed));
                            Ok(())
                        };
                        in_block_on.push(start_thread(scope, "spawn-block_on", body)?);
                    }
                    Origin::Foreign => foreign = Some((i, spawner)),
                }
            }
            pace::drive_all(run, sources, |source, planned| {
                let fits = self.pending.start();
                let now = run.window.now();
                let mut pen = run.recorder.pen();
                pen.record(planned, lag, now.saturating_sub(planned));
                if !fits {
                    return pen.count(planned, Counter::DROPPED);
                }
                drop(pen);
                match &foreign {
                    // Detached: whether it ran is counted.
                    Some((i, spawner)) if *i == source => drop(spawner.spawn(planned)),
                    _ => feeds.of(source).push(planned),
                }
            });
            drop(closed);
            let result = join_threads(in_block_on);
            // It may have been what kept the runtime running, and others still have work there.
            let kept = self.engine.keep_running();
            let result = result.and(on_worker.map_or(Ok(()), wait_for));
            self.pending.settle();
            kept.and(result)
        })
    }

    fn closed(&self, batch: usize, spawners: Vec<(Origin, Spawner)>) -> Result<(), Failure> {
        thread::scope(|scope| {
            let (mut started, mut in_block_on) = (Vec::new(), Vec::new());
            for (origin, spawner) in spawners {
                let engine = &self.engine;
                let body = move || match origin {
                    Origin::Worker => {
                        let task = engine.handle().spawn(spawner.in_batches(batch));
                        wait_for(task).and_then(|result| result)
                    }
                    Origin::BlockOn => engine.block_on(spawner.in_batches(batch)),
                    Origin::Foreign => block(spawner.in_batches(batch)),
                };
                let thread = start_thread(scope, &format!("spawn-{}", origin.name()), body)?;
                if origin == Origin::BlockOn { &mut in_block_on } else { &mut started }.push(thread);
            }
            let result = join_threads(in_block_on);
            // As above.
            let kept = self.engine.keep_running();
            let result = result.and(join_threads(started));
            self.pending.settle();
            kept.and(result)
        })
    }
}

/// Waits for a task from a plain thread, whoever runs it.
fn wait_for<T>(task: JoinHandle<T>) -> Result<T, Failure> {
    block(task).map_err(|error| Failure::broken(format!("a task of the load ended badly: {error}")))
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
    work: Duration,
    pending: Pending,
}

impl Spawner {
    /// Spawns what it is handed, until the window is over.
    async fn fed(self, feed: Arc<Feed>) {
        let mut burst = 0;
        while let Some(planned) = feed.next().await {
            if self.run.window.is_over() {
                self.run.recorder.count(planned, Counter::NOT_STARTED);
                self.pending.end();
                continue;
            }
            drop(self.spawn(planned));
            burst += 1;
            if burst % BURST == 0 {
                yield_now().await;
            }
        }
    }

    /// Spawns batch after batch, and waits for each.
    async fn in_batches(self, batch: usize) -> Result<(), Failure> {
        let mut tasks = Vec::with_capacity(batch);
        while !self.run.window.is_over() {
            tasks.extend((0..batch).map(|_| self.spawn_now()));
            for task in tasks.drain(..) {
                let failed = |error| Failure::broken(format!("a spawned task ended badly: {error}"));
                task.await.map_err(failed)?;
            }
        }
        Ok(())
    }

    fn spawn_now(&self) -> JoinHandle<()> {
        let now = self.run.window.now();
        // In a closed loop the next operation is planned when there is room for it; the bound is the batch.
        self.run.recorder.count(now, Counter::PLANNED);
        self.pending.force_start();
        self.spawn(now)
    }

    /// Spawns a task that was counted as pending.
    fn spawn(&self, planned: u64) -> JoinHandle<()> {
        self.run.recorder.count(planned, Counter::STARTED);
        let (run, stream, work, pending) = (self.run.clone(), self.stream, self.work, self.pending.clone());
        self.on.spawn(async move {
            let polled = run.window.now();
            let ended = if work.is_zero() {
                polled
            } else {
                pace::burn(work);
                run.window.now()
            };
            let mut pen = run.recorder.pen();
            pen.record(planned, stream, polled.saturating_sub(planned));
            pen.complete(planned, ended);
            drop(pen);
            pending.end();
        })
    }
}
