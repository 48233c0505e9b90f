//! Runs become records, one after the other: starts each child and passes on what happens to its watch.
//!
//! Next file to read: `watch.rs`.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use workloads::events::FILTER;
use workloads::wire::Plan;

use super::child::{Event, Measuring};
use super::interrupt::Interrupts;
use super::program::{Held, this_program};
use super::record::{Outcome, RunRecord, Slices, Unheard};
use super::watch::{Limits, Watch};
use crate::events;
use crate::profile::Planned;
use crate::term::Progress;

/// A session that waits longer than this for its next event was itself stopped, by Ctrl-Z for example.
const STOPPED: Duration = Duration::from_secs(1);

/// How the child for a plan is started.
type CommandFor = dyn Fn(&Plan) -> io::Result<Command>;

/// Measures runs one after the other.
pub(crate) struct Session {
    command: Box<CommandFor>,
    limits: Limits,
    pub(super) interrupts: Interrupts,
    sender: Sender<(u32, Event)>,
    events: Receiver<(u32, Event)>,
    /// How many runs were started: the number of the next one, by which its events are known.
    started: Cell<u32>,
}

impl Session {
    /// A session whose children are this program. Ctrl-C is its own from now on.
    pub(crate) fn new() -> Result<Self> {
        let session =
            Self::with(Box::new(|plan| Ok(child_of(this_program()?, plan, None))), Limits::default());
        session.interrupts.listen().context("cannot listen for Ctrl-C")?;
        Ok(session)
    }

    /// A session whose children are this program, and which leaves signals alone.
    pub(crate) fn unattended() -> Self {
        Self::with(Box::new(|plan| Ok(child_of(this_program()?, plan, None))), Limits::default())
    }

    /// Asks, after this time, whatever runs then to stop.
    pub(crate) fn interrupt_after(&self, time: Duration) {
        let interrupts = self.interrupts.clone();
        thread::spawn(move || {
            thread::sleep(time);
            interrupts.request();
        });
    }

    /// A session with children of any kind, and deaf to signals.
    pub(super) fn with(command: Box<CommandFor>, limits: Limits) -> Self {
        let (sender, events) = channel();
        let interrupts = Interrupts::new(sender.clone());
        Self { command, limits, interrupts, sender, events, started: Cell::new(0) }
    }

    /// A session whose children are a shell with this script, which may take this long to set up and to stop.
    #[cfg(test)]
    pub(crate) fn scripted(script: &'static str, limit: Duration) -> Self {
        let command = move |_: &Plan| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            Ok(command)
        };
        Self::with(Box::new(command), Limits { setup: limit, slack: limit, stop: limit })
    }

    /// Whether the user asked to stop.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupts.count() > 0
    }

    /// Gives Ctrl-C back.
    pub(crate) fn release(&self) {
        self.interrupts.release();
    }

    /// Measures each of `runs`, also after one has failed, and tells `slices` of each slice; once the user interrupts,
    /// the rest is not started.
    pub(crate) fn measure(
        &self,
        runs: &[Planned],
        slices: &mut dyn Slices,
        progress: &mut Progress,
    ) -> Vec<RunRecord> {
        let measure = |(index, run)| self.one(Source::default(), run, (index, runs.len()), slices, progress);
        runs.iter().enumerate().map(measure).collect()
    }

    /// Measures one run of files that are held. Once the user interrupts, it is not started.
    pub(crate) fn run(&self, source: Source<'_>, run: &Planned, progress: &mut Progress) -> RunRecord {
        self.one(source, run, (0, 1), &mut Unheard, progress)
    }

    fn one(
        &self,
        source: Source<'_>,
        run: &Planned,
        (index, of): (usize, usize),
        slices: &mut dyn Slices,
        progress: &mut Progress,
    ) -> RunRecord {
        let mut record = RunRecord {
            name: run.name.clone(),
            plan: run.plan.clone(),
            started: SystemTime::now(),
            start_up: None,
            hello: None,
            intervals: Vec::new(),
            done: None,
            outcome: Outcome::Interrupted,
            warnings: Vec::new(),
            events: Default::default(),
        };
        slices.begin(&run.name);
        if !self.interrupted() {
            progress.start(&run.name, index, of, &run.plan);
            let command = source.command(&self.command, &run.plan);
            record.outcome = self.watch(command, &run.plan, &mut record, slices, progress);
            progress.end();
        }
        record
    }

    fn watch(
        &self,
        command: io::Result<Command>,
        plan: &Plan,
        record: &mut RunRecord,
        slices: &mut dyn Slices,
        progress: &mut Progress,
    ) -> Outcome {
        let run = self.started.replace(self.started.get() + 1);
        let began = Instant::now();
        let started = command.and_then(|command| Measuring::start(command, plan, run, self.sender.clone()));
        tracing::info!(run = record.name, workload = plan.workload, engine = %plan.engine, "a measuring process is started");
        let mut watch = match started {
            Ok(child) => Watch::new(child, began, plan, self.limits, record, slices),
            Err(error) => {
                let message = format!("cannot start the measuring process: {error}");
                return Outcome::Failed { message, hint: None, is_input: false };
            }
        };
        loop {
            let before = Instant::now();
            match self.events.recv_timeout(Duration::from_millis(100)) {
                Ok((of, Event::Frame(frame))) if of == run => watch.hear(*frame, progress),
                Ok((of, Event::Closed(result))) if of == run => return watch.end(result),
                // A request to stop, which is counted, or what is left of an earlier run.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => progress.tick(),
                Err(RecvTimeoutError::Disconnected) => unreachable!("the session holds a sender"),
            }
            let gap = before.elapsed();
            if gap > STOPPED {
                watch.forgive(gap);
            }
            watch.obey(self.interrupts.count(), progress);
            if watch.is_hopeless() {
                return watch.end(Ok(()));
            }
        }
    }
}

/// Where a run comes from, of what several runs share.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Source<'a> {
    /// Another build of this program. `None`: this one.
    pub(crate) program: Option<&'a Held>,
    /// The plug-in. `None`: the file that its plan names, if it names one.
    pub(crate) plugin: Option<&'a Held>,
}

impl Source<'_> {
    fn command(self, this: &CommandFor, plan: &Plan) -> io::Result<Command> {
        let plugin = self.plugin.map(Held::handle).transpose()?;
        match (self.program, &plugin) {
            (Some(program), _) => Ok(child_of(program.command()?, plan, plugin.as_deref())),
            (None, Some(_)) => Ok(child_of(this_program()?, plan, plugin.as_deref())),
            (None, None) => this(plan),
        }
    }
}

/// A program as a measuring child.
///
/// The size of the environment decides where the stack begins, and so how code and data meet in the caches. A random
/// one in each run turns that from a hidden difference between two settings into noise that can be seen.
fn child_of(mut program: Command, plan: &Plan, plugin: Option<&Path>) -> Command {
    // An empty filter asks for nothing, also where this program was asked by a variable that children inherit.
    program.env(FILTER, events::asked().unwrap_or_default());
    program.args(["__exec", plan.engine.as_str()]).env("RTBENCH_LAYOUT", "x".repeat(fastrand::usize(..4096)));
    if let Some(named) = &plan.plugin {
        program.arg("--plugin").arg(plugin.unwrap_or(Path::new(&named.path)));
    }
    program
}
