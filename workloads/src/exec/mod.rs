//! The measuring child: from the plan that comes in to the frames that go out.
//!
//! Three threads. The workload runs on one of its own, so that a workload that hangs or panics takes nobody with
//! it. Another one waits for the end of the plan's pipe, which is the request to stop. The calling thread is the
//! collector: it sleeps until a slice is to be cut or somebody has something to say, and it alone sends frames.
//!
//! Next file to read: `exec/collect.rs`.
#![forbid(unsafe_code)]

mod collect;
pub(crate) mod quality;
#[cfg(test)]
mod tests;
mod usage;

use std::any::Any;
use std::io::{self, ErrorKind, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::{self, Engine};
use crate::params::{Params, nearest};
use crate::record::{MAX_OWN_COUNTERS, Recorder};
use crate::registry;
use crate::window::Window;
use crate::wire::{self, Done, Failure, Frame, Hello, PROTOCOL, Phase, Plan, Stream};
use crate::workload::{Run, Site, Workload};
use collect::Collector;

/// Between the end of the set-up and the first planned operation: the load's threads get ready.
const LEAD: Duration = Duration::from_millis(2);
/// How long a workload may take to come home after its window, beyond its own drain.
const HOMECOMING: Duration = Duration::from_secs(8);
/// The same after a request to stop.
const HURRIED_HOMECOMING: Duration = Duration::from_secs(3);
/// How long the runtime may take to end.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// How a child's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The last frame was [`Frame::Done`].
    Done,
    /// The last frame was [`Frame::Failed`].
    Failed,
    /// Nobody reads the frames.
    ParentGone,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed | Exit::ParentGone => Self::FAILURE,
        }
    }
}

/// Runs one plan: reads it from `plan_from`, runs one of the bundled workloads, sends frames to `frames_to`.
///
/// The end of `plan_from` after the plan is the request to stop. Returns when the last frame is sent; a workload
/// that does not come home is left behind on its thread, so the process should end then.
///
/// ```
/// use std::io::Cursor;
/// use workloads::exec::{Exit, exec};
///
/// // A parent that dies before it has sent a plan.
/// assert_eq!(exec(Cursor::new(Vec::new()), Vec::new()), Exit::ParentGone);
/// ```
pub fn exec(mut plan_from: impl Read + Send + 'static, frames_to: impl Write) -> Exit {
    let mut frames = Frames(frames_to);
    let result = match read_plan(&mut plan_from) {
        Ok(Some(plan)) => {
            let workload = find(&plan);
            frames.run(workload, &plan, plan_from)
        }
        Ok(None) => return Exit::ParentGone,
        Err(failure) => frames.hello(Vec::new()).and_then(|()| frames.failed(failure)),
    };
    result.unwrap_or(Exit::ParentGone)
}

/// Runs one plan with a workload of the caller's; else as [`exec`].
pub fn exec_with(
    workload: Arc<dyn Workload>,
    plan: &Plan,
    stop: impl Read + Send + 'static,
    frames_to: impl Write,
) -> Exit {
    Frames(frames_to).run(Ok(workload), plan, stop).unwrap_or(Exit::ParentGone)
}

fn read_plan(from: &mut impl Read) -> Result<Option<Plan>, Failure> {
    let unreadable =
        |error: &dyn std::fmt::Display| Failure::broken(format!("the plan cannot be read: {error}"));
    let Some(message) = wire::receive::<Value>(from).map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    // The version first: a plan of another version need not have the rest of our fields.
    let theirs = message.get("protocol").and_then(Value::as_u64);
    if theirs != Some(u64::from(PROTOCOL)) {
        let theirs = theirs.map_or("none".to_owned(), |version| version.to_string());
        return Err(Failure::input(
            format!("the plan speaks protocol version {theirs}, this program speaks {PROTOCOL}"),
            "parent and child must be the same build of rtbench",
        ));
    }
    serde_json::from_value(message).map(Some).map_err(|error| unreadable(&error))
}

fn find(plan: &Plan) -> Result<Arc<dyn Workload>, Failure> {
    registry::find(&plan.workload).ok_or_else(|| {
        let names: Vec<String> = registry::bundled().iter().map(|known| known.describe().name).collect();
        let hint = match nearest(&plan.workload, names.iter().map(String::as_str)).first() {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Failure::input(format!("there is no workload `{}`", plan.workload), hint)
    })
}

/// The checked parameters and the streams that they lead to.
fn check(workload: &dyn Workload, plan: &Plan) -> Result<(Params, Vec<Stream>), Failure> {
    let described = workload.describe();
    assert!(described.counters.len() <= MAX_OWN_COUNTERS, "{} has too many counters", described.name);
    let params = Params::check(&described.params, &plan.params)
        .and_then(|params| workload.validate(&params).map(|()| params))
        .map_err(|error| Failure::input(error.to_string(), "`rtbench list` shows what the workload takes"))?;
    described.check_runtime(&plan.runtime).map_err(|(key, problem)| {
        Failure::input(problem, format!("set runtime.{key} = true in the profile"))
    })?;
    let streams = workload.streams(&params);
    Ok((params, streams))
}

enum Event {
    Started(Run),
    Finished(Result<(), Failure>),
    Stop,
}

struct Frames<W>(W);

impl<W: Write> Frames<W> {
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        wire::send(&mut self.0, frame)
    }

    fn failed(&mut self, failure: Failure) -> io::Result<Exit> {
        self.send(&Frame::Failed(failure))?;
        Ok(Exit::Failed)
    }

    fn done(&mut self, done: Done) -> io::Result<Exit> {
        self.send(&Frame::Done(done))?;
        Ok(Exit::Done)
    }

    fn hello(&mut self, streams: Vec<Stream>) -> io::Result<()> {
        self.send(&Frame::Hello(Hello {
            protocol: PROTOCOL,
            pid: std::process::id(),
            engine: engine::NAME.to_owned(),
            engine_version: engine::VERSION.to_owned(),
            streams,
        }))
    }

    fn run(
        &mut self,
        workload: Result<Arc<dyn Workload>, Failure>,
        plan: &Plan,
        stop: impl Read + Send + 'static,
    ) -> io::Result<Exit> {
        let checked = workload.and_then(|known| check(&*known, plan).map(|checked| (known, checked)));
        let (workload, (params, streams)) = match checked {
            Ok(checked) => checked,
            Err(failure) => {
                self.hello(Vec::new())?;
                return self.failed(failure);
            }
        };
        self.hello(streams.clone())?;
        self.send(&Frame::Phase { phase: Phase::Setup })?;
        let engine = match Engine::build(&plan.runtime) {
            Ok(engine) => Arc::new(engine),
            Err(error) => return self.failed(build_failure(&error)),
        };
        let own = workload.describe().counters.into_iter().map(|counter| counter.name).collect();
        let (events, inbox) = channel();
        let site = Site { engine: engine.clone(), params, seed: plan.seed };
        let times = (plan.warmup_ns, plan.duration_ns);
        let spawned = start_watcher(stop, events.clone())
            .and_then(|()| start_workload(workload, site, times, streams.len(), events));
        let thread = match spawned {
            Ok(thread) => thread,
            Err(error) => {
                return self.failed(Failure::broken(format!("a thread could not be started: {error}")));
            }
        };
        let collected = engine.clone();
        let session =
            Session { plan, streams, inbox, thread: Some(thread), engine: Some(engine), interrupted: false };
        session.serve(self, collected, own)
    }
}

fn build_failure(error: &io::Error) -> Failure {
    let message = format!("the runtime cannot be built: {error}");
    let is_input = matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported);
    let hint = if is_input {
        "change the [runtime] table of the profile"
    } else {
        "ask for fewer threads, or raise the limits on threads and open files"
    };
    Failure { is_input, message, hint: Some(hint.to_owned()) }
}

/// Waits for the end of `stop` on a thread of its own; the thread ends with the pipe, or with the process.
fn start_watcher(mut stop: impl Read + Send + 'static, events: Sender<Event>) -> io::Result<()> {
    let body = move || {
        let mut ignored = [0; 64];
        loop {
            match stop.read(&mut ignored) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        // Nobody listens when the run is over.
        let _ = events.send(Event::Stop);
    };
    thread::Builder::new().name("rtbench-stop".to_owned()).spawn(body).map(drop)
}

fn start_workload(
    workload: Arc<dyn Workload>,
    site: Site,
    (warmup_ns, duration_ns): (u64, u64),
    streams: usize,
    events: Sender<Event>,
) -> io::Result<JoinHandle<()>> {
    let body = move || {
        let result = workload.setup(&site).and_then(|mut load| {
            let window = Window::new(Instant::now() + LEAD, warmup_ns, duration_ns);
            let run = Run { recorder: Recorder::new(window.clone(), streams), window };
            // The collector is gone only when the child is on its way out.
            let _ = events.send(Event::Started(run.clone()));
            let result = load.run(&run);
            load.teardown();
            result
        });
        // The runtime is given back before the end is told, so that the collector is its last owner.
        drop(site);
        let _ = events.send(Event::Finished(result));
    };
    thread::Builder::new().name("rtbench-workload".to_owned()).spawn(body)
}

/// A run under way, as the collecting thread sees it.
struct Session<'a> {
    plan: &'a Plan,
    streams: Vec<Stream>,
    inbox: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
    engine: Option<Arc<Engine>>,
    interrupted: bool,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Session<'_> {
    /// Ends the runtime, unless a workload that was left behind still holds it.
    fn shut_down(&mut self) {
        if let Some(engine) = self.engine.take().and_then(Arc::into_inner) {
            engine.shutdown(SHUTDOWN);
        }
    }

    fn serve<W: Write>(
        mut self,
        frames: &mut Frames<W>,
        engine: Arc<Engine>,
        own: Vec<String>,
    ) -> io::Result<Exit> {
        let run = match self.wait(None) {
            Some(Event::Started(run)) => run,
            Some(Event::Stop) => {
                let counts = crate::record::Records::new(0).counts(&own);
                return frames.done(Done {
                    interrupted: true,
                    measured_ns: 0,
                    counts,
                    usage: wire::Usage::default(),
                    runtime: wire::RuntimeCounters::default(),
                });
            }
            Some(Event::Finished(Err(failure))) => return frames.failed(failure),
            Some(Event::Finished(Ok(()))) | None => {
                return frames.failed(Failure::broken("the workload ended before it began"));
            }
        };
        let interval_ns = self.plan.interval_ns;
        let mut collector = Collector::new(run.clone(), engine, self.streams.len(), own, interval_ns);
        frames.send(&Frame::Phase { phase: collector.phase() })?;
        let finished = self.collect(frames, &run, &mut collector)?;
        collector.end_window();
        frames.send(&Frame::Phase { phase: Phase::Drain })?;
        let finished = finished.or_else(|| self.come_home());
        // The last slice holds what came home after the end, too: it was planned within the window.
        frames.send(&Frame::Interval(collector.cut(collector.phase_end())))?;
        match finished {
            Some(Ok(())) => {}
            Some(Err(failure)) => return frames.failed(failure),
            None if self.interrupted => {
                let text = "the workload did not end in time after the request to stop; it was left behind";
                frames.send(&Frame::Warning { text: text.to_owned() })?;
            }
            None => return frames.failed(Failure::broken("the workload did not end after its window")),
        }
        let measured_ns = collector.measured_ns();
        for text in quality::warnings(collector.total(), &self.streams, measured_ns) {
            frames.send(&Frame::Warning { text })?;
        }
        let done = collector.done(self.interrupted);
        drop(collector);
        self.shut_down();
        frames.done(done)
    }

    /// Cuts slices until the load has ended. The workload's result, if it has ended as well.
    fn collect<W: Write>(
        &mut self,
        frames: &mut Frames<W>,
        run: &Run,
        collector: &mut Collector,
    ) -> io::Result<Option<Result<(), Failure>>> {
        let mut finished = None;
        loop {
            let cut = collector.next_cut();
            let event = match finished {
                None => self.wait(Some(run.window.instant(cut))),
                Some(_) => None,
            };
            match event {
                Some(Event::Finished(result)) => {
                    run.window.close(run.window.now());
                    finished = Some(result);
                }
                Some(Event::Stop) => run.window.close(run.window.now()),
                Some(Event::Started(_)) => {}
                None if cut < collector.phase_end() => {
                    let at = run.window.now().clamp(cut, collector.phase_end());
                    frames.send(&Frame::Interval(collector.cut(at)))?;
                }
                None if collector.phase() == Phase::Warmup && cut < run.window.end() => {
                    frames.send(&Frame::Interval(collector.cut(cut)))?;
                    collector.begin_window();
                    frames.send(&Frame::Phase { phase: Phase::Measure })?;
                }
                None => return Ok(finished),
            }
        }
    }

    /// Waits for the workload's end after the window's. `None`: it did not end.
    fn come_home(&mut self) -> Option<Result<(), Failure>> {
        let start = Instant::now();
        loop {
            let grace = if self.interrupted { HURRIED_HOMECOMING } else { HOMECOMING };
            match self.wait(Some(start + grace))? {
                Event::Finished(result) => return Some(result),
                Event::Stop | Event::Started(_) => {}
            }
        }
    }

    /// The next event, or `None` at `until`. A workload that panics counts as finished.
    fn wait(&mut self, until: Option<Instant>) -> Option<Event> {
        // A disconnected inbox is not enough to see a panic: the watcher keeps it open. So look, now and then.
        const LOOK: Duration = Duration::from_millis(100);
        loop {
            let left = until.map_or(LOOK, |until| until.saturating_duration_since(Instant::now()));
            match self.inbox.recv_timeout(left.min(LOOK)) {
                Ok(Event::Stop) => {
                    self.interrupted = true;
                    return Some(Event::Stop);
                }
                Ok(event) => return Some(event),
                Err(RecvTimeoutError::Timeout)
                    if self.thread.as_ref().is_some_and(JoinHandle::is_finished) =>
                {
                    // It may have spoken between our look at the inbox and our look at the thread.
                    let last = self.inbox.try_recv().ok();
                    self.interrupted |= matches!(last, Some(Event::Stop));
                    return Some(last.unwrap_or_else(|| Event::Finished(Err(self.panic_of_the_workload()))));
                }
                Err(RecvTimeoutError::Timeout) if until.is_none_or(|until| Instant::now() < until) => {}
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    return Some(Event::Finished(Err(self.panic_of_the_workload())));
                }
            }
        }
    }

    fn panic_of_the_workload(&mut self) -> Failure {
        let payload = self.thread.take().and_then(|thread| thread.join().err());
        let text = payload.as_deref().map_or("no reason given", panic_text);
        Failure::broken(format!("the workload panicked: {text}"))
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a value that is no text")
}
