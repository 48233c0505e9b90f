//! The measuring child: from the plan that comes in to the frames that go out.
//!
//! Three threads. The workload runs on one of its own, so that a workload that hangs or panics takes nobody with
//! it. Another one waits for the end of the plan's pipe, which is the request to stop. The calling thread is the
//! collector: it sleeps until a slice is to be cut or somebody has something to say, and it alone sends frames.
//!
//! Next file to read: `exec/session.rs`.
#![forbid(unsafe_code)]

mod collect;
mod session;
#[cfg(test)]
mod tests;
mod trial;
mod usage;

use std::any::Any;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::{self, Engine};
use crate::events::Gathered;
use crate::params::{Params, nearest};
use crate::record::{MAX_OWN_COUNTERS, Shards};
use crate::registry;
use crate::window::Window;
use crate::wire::{self, Done, Failure, Frame, Hello, PROTOCOL, Phase, Plan, Stream};
use crate::workload::{Run, Site, Workload};
use session::Session;

pub use trial::{Trial, trial, trial_until};

/// Between the end of the set-up and the first planned operation: the load's threads get ready.
const LEAD: Duration = Duration::from_millis(2);

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
pub fn exec(mut plan_from: impl Read + Send + 'static, mut frames_to: impl Write) -> Exit {
    let plan = match wire::receive(&mut plan_from) {
        Ok(Some(plan)) => Ok(plan),
        Ok(None) => return Exit::ParentGone,
        Err(error) => Err(unreadable(&error)),
    };
    run_message(plan, &registry::bundled(), plan_from, &mut |frame| wire::send(&mut frames_to, frame))
}

/// Runs one plan with a workload of the caller's; else as [`exec`].
pub fn exec_with(
    workload: Arc<dyn Workload>,
    plan: &Plan,
    stop: impl Read + Send + 'static,
    mut frames_to: impl Write,
) -> Exit {
    let mut send = |frame: &Frame| wire::send(&mut frames_to, frame);
    Frames::new(&mut send).run(workload, plan, stop).unwrap_or(Exit::ParentGone)
}

/// Runs the plan in a message, on one of `workloads`.
pub(crate) fn run_message(
    plan: Result<Value, Failure>,
    workloads: &[Arc<dyn Workload>],
    stop: impl Read + Send + 'static,
    send: &mut SendFrame<'_>,
) -> Exit {
    let mut frames = Frames::new(send);
    let found = plan.and_then(read_plan).and_then(|plan| Ok((find(workloads, &plan)?, plan)));
    let result = match found {
        Ok((workload, plan)) => frames.run(workload, &plan, stop),
        Err(failure) => frames.hello(1, Vec::new(), None).and_then(|()| frames.failed(failure)),
    };
    result.unwrap_or(Exit::ParentGone)
}

pub(crate) fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::broken(format!("the plan cannot be read: {error}"))
}

fn read_plan(message: Value) -> Result<Plan, Failure> {
    // The version first: a plan of another version need not have the rest of our fields.
    let theirs = message.get("protocol").and_then(Value::as_u64);
    if theirs != Some(u64::from(PROTOCOL)) {
        let theirs = theirs.map_or("none".to_owned(), |version| version.to_string());
        return Err(Failure::input(
            format!("the plan speaks protocol version {theirs}, this program speaks {PROTOCOL}"),
            "parent and child must be the same build of rtbench, or a plug-in built with its SDK",
        ));
    }
    serde_json::from_value(message).map_err(|error| unreadable(&error))
}

fn find(workloads: &[Arc<dyn Workload>], plan: &Plan) -> Result<Arc<dyn Workload>, Failure> {
    let names: Vec<String> = workloads.iter().map(|known| known.describe().name).collect();
    if let Some(at) = names.iter().position(|name| *name == plan.workload) {
        return Ok(workloads[at].clone());
    }
    let hint = match nearest(&plan.workload, names.iter().map(String::as_str)).first() {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("there are {}", names.join(", ")),
    };
    Err(Failure::input(format!("there is no workload `{}`", plan.workload), hint))
}

/// The checked parameters, and what they lead to.
struct Checked {
    params: Params,
    streams: Vec<Stream>,
    asked: Option<f64>,
}

/// Checks a plan as its workload says.
fn check(workload: &dyn Workload, plan: &Plan) -> Result<Checked, Failure> {
    if plan.engine != engine::KIND {
        let message =
            format!("the plan is for the engine {}, this process has {}", plan.engine, engine::KIND);
        return Err(Failure::input(message, "start the process with the plan's own engine"));
    }
    let described = within("describe", || workload.describe());
    assert!(described.counters.len() <= MAX_OWN_COUNTERS, "{} has too many counters", described.name);
    let params = Params::check(&described.params, &plan.params)
        .and_then(|params| within("validate", || workload.validate(&params)).map(|()| params))
        .map_err(|error| Failure::input(error.to_string(), "`rtbench list` shows what the workload takes"))?;
    described.check_runtime(&plan.runtime).map_err(|(key, problem)| {
        Failure::input(problem, format!("set runtime.{key} = true in the profile"))
    })?;
    let streams = within("streams", || workload.streams(&params));
    let asked = within("asked", || workload.asked(&params));
    Ok(Checked { params, streams, asked })
}

enum Event {
    Started(Run),
    Finished(Result<(), Failure>),
    Stop,
}

/// Takes one frame; an error means that nobody reads them.
pub(crate) type SendFrame<'a> = dyn FnMut(&Frame) -> io::Result<()> + 'a;

struct Frames<'a> {
    send: &'a mut SendFrame<'a>,
    gathered: Gathered,
}

impl<'a> Frames<'a> {
    fn new(send: &'a mut SendFrame<'a>) -> Self {
        Self { send, gathered: Gathered::begin() }
    }

    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        (self.send)(frame)
    }

    /// Sends the diagnostic events that have come since the last time.
    fn events(&mut self) -> io::Result<()> {
        match self.gathered.take() {
            Some(events) => self.send(&Frame::Events(events)),
            None => Ok(()),
        }
    }

    fn failed(&mut self, failure: Failure) -> io::Result<Exit> {
        self.events()?;
        self.send(&Frame::Failed(failure))?;
        Ok(Exit::Failed)
    }

    fn done(&mut self, done: Done) -> io::Result<Exit> {
        self.events()?;
        self.send(&Frame::Done(done))?;
        Ok(Exit::Done)
    }

    fn hello(&mut self, workload_version: u32, streams: Vec<Stream>, asked: Option<f64>) -> io::Result<()> {
        self.send(&Frame::Hello(Hello {
            protocol: PROTOCOL,
            pid: std::process::id(),
            engine: engine::NAME.to_owned(),
            engine_version: engine::VERSION.to_owned(),
            engine_build: engine::BUILD.map(str::to_owned),
            workload_version,
            asked,
            streams,
        }))
    }

    fn run(
        &mut self,
        workload: Arc<dyn Workload>,
        plan: &Plan,
        stop: impl Read + Send + 'static,
    ) -> io::Result<Exit> {
        let Checked { params, streams, asked } = match check(&*workload, plan) {
            Ok(checked) => checked,
            Err(failure) => {
                self.hello(workload.version(), Vec::new(), None)?;
                return self.failed(failure);
            }
        };
        let number_of_streams = streams.len();
        self.hello(workload.version(), streams, asked)?;
        self.send(&Frame::Phase { phase: Phase::Setup })?;
        let engine = match Engine::build(&plan.runtime) {
            Ok(engine) => Arc::new(engine),
            Err(error) => return self.failed(build_failure(&error)),
        };
        tracing::debug!(engine = engine::NAME, version = engine::VERSION, config = ?plan.runtime, "runtime built");
        let own = workload.describe().counters.into_iter().map(|counter| counter.name).collect();
        let (events, inbox) = channel();
        let site = Site { engine: engine.clone(), params, seed: plan.seed };
        let times = (plan.warmup_ns, plan.duration_ns);
        let spawned = start_watcher(stop, events.clone())
            .and_then(|()| start_workload(workload, site, times, number_of_streams, events));
        let thread = match spawned {
            Ok(thread) => thread,
            Err(error) => {
                return self.failed(Failure::broken(format!("a thread could not be started: {error}")));
            }
        };
        Session::new(inbox, thread, engine.clone()).serve(
            self,
            engine,
            number_of_streams,
            own,
            plan.interval_ns,
        )
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
        let result = within("setup", || workload.setup(&site)).and_then(|mut load| {
            // Before the clock runs, for it takes longer than the lead.
            let shards = Shards::new(streams);
            let window = Window::new(Instant::now() + LEAD, warmup_ns, duration_ns);
            let run = Run { recorder: shards.record(window.clone()), window };
            // The collector is gone only when the child is on its way out.
            let _ = events.send(Event::Started(run.clone()));
            let result = within("run", || load.run(&run));
            within("teardown", || load.teardown());
            result
        });
        // The runtime is given back before the end is told, so that the collector is its last owner.
        drop(site);
        let _ = events.send(Event::Finished(result));
    };
    thread::Builder::new().name("rtbench-workload".to_owned()).spawn(body)
}

/// A panic whose step is known.
struct Placed {
    step: &'static str,
    words: String,
}

/// Runs a step of a workload, named as its method is. A panic goes on, with that name.
pub(crate) fn within<T>(step: &'static str, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        let words = panic_text(&*payload).to_owned();
        // Its drop might panic, too.
        mem::forget(payload);
        resume_unwind(Box::new(Placed { step, words }))
    })
}

/// What a panic of `who` comes to.
pub(crate) fn panicked(who: &str, payload: Box<dyn Any + Send>) -> Failure {
    let failure = Failure::broken(match payload.downcast_ref::<Placed>() {
        Some(Placed { step, words }) => format!("{who} panicked in `{step}`: {words}"),
        None => format!("{who} panicked: {}", panic_text(&*payload)),
    });
    // As above.
    mem::forget(payload);
    failure
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a value that is no text")
}
