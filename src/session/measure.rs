//! Runs become records, one after the other: starts each child and passes on what happens to its watch.
//!
//! Next file to read: `watch.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use workloads::wire::Plan;

use super::child::{Event, Measuring};
use super::interrupt::Interrupts;
use super::record::{Outcome, RunRecord};
use super::watch::{Limits, Watch};
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
}

impl Session {
    /// A session whose children are this program. Ctrl-C is its own from now on.
    pub(crate) fn new() -> Result<Self> {
        let command = |plan: &Plan| {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["__exec", plan.engine.as_str()]);
            Ok(command)
        };
        let session = Self::with(Box::new(command), Limits::default());
        session.interrupts.listen().context("cannot listen for Ctrl-C")?;
        Ok(session)
    }

    /// A session with children of any kind, and deaf to signals.
    pub(super) fn with(command: Box<CommandFor>, limits: Limits) -> Self {
        let (sender, events) = channel();
        Self { command, limits, interrupts: Interrupts::new(sender.clone()), sender, events }
    }

    /// Whether the user asked to stop.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupts.count() > 0
    }

    /// Gives Ctrl-C back.
    pub(crate) fn release(&self) {
        self.interrupts.release();
    }

    /// Measures each of `runs`, also after one has failed; once the user interrupts, the rest is not started.
    pub(crate) fn measure(&self, runs: &[Planned], progress: &mut Progress) -> Vec<RunRecord> {
        let mut records = Vec::new();
        for (index, run) in runs.iter().enumerate() {
            let mut record = RunRecord {
                name: run.name.clone(),
                plan: run.plan.clone(),
                started: SystemTime::now(),
                hello: None,
                intervals: Vec::new(),
                done: None,
                outcome: Outcome::Interrupted,
                warnings: Vec::new(),
            };
            if !self.interrupted() {
                progress.start(&run.name, index, runs.len(), &run.plan);
                record.outcome = self.measure_one(index as u32, &run.plan, &mut record, progress);
                progress.end();
            }
            records.push(record);
        }
        records
    }

    fn measure_one(&self, run: u32, plan: &Plan, record: &mut RunRecord, progress: &mut Progress) -> Outcome {
        let started = (self.command)(plan)
            .and_then(|command| Measuring::start(command, plan, run, self.sender.clone()));
        let mut watch = match started {
            Ok(child) => Watch::new(child, plan, self.limits, record),
            Err(error) => {
                let message = format!("cannot start the measuring process: {error}");
                return Outcome::Failed { message, hint: None, is_input: false };
            }
        };
        loop {
            let before = Instant::now();
            match self.events.recv_timeout(Duration::from_millis(100)) {
                Ok((of, Event::Frame(frame))) if of == run => watch.hear(frame, progress),
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
