//! The watch over one child: what it may do when, and what becomes of it when it does not.
//!
//! Each phase has a time limit. A child that misses it is asked to stop, and killed when it does not; so is one that
//! the user interrupts. What it measured until then is kept in every case.
//!
//! Next file to read: `balance.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use humantime::format_duration;
use rustix::process::Signal;
use workloads::wire::{Failure, Frame, Interval, PROTOCOL, Phase, Plan};

use super::balance;
use super::child::{Measuring, ending};
use super::keep::keep;
use super::record::{Outcome, RunRecord, Slices};
use crate::events;
use crate::plugin::{self, Border};
use crate::term::Progress;

/// How long a child may take for what has no planned length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// For the set-up, and for the drain at the end.
    pub(super) setup: Duration,
    /// Beyond the length of the warm-up and of the window.
    pub(super) slack: Duration,
    /// To end, once it was asked to.
    pub(super) stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { setup: seconds(30), slack: seconds(15), stop: seconds(6) }
    }
}

/// The watch over one child.
pub(super) struct Watch<'a> {
    child: Measuring,
    /// When the child was started.
    began: Instant,
    plan: &'a Plan,
    limits: Limits,
    record: &'a mut RunRecord,
    /// Who is told of each slice.
    slices: &'a mut dyn Slices,
    /// Where the run stands. `None`: the child has said its last word.
    phase: Option<Phase>,
    deadline: Instant,
    /// How often the user asked to stop.
    interrupts: u32,
    killed: bool,
    /// Why the run failed, once it has.
    failure: Option<Failure>,
    /// What a plug-in may send.
    border: Option<Border>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        child: Measuring,
        began: Instant,
        plan: &'a Plan,
        limits: Limits,
        record: &'a mut RunRecord,
        slices: &'a mut dyn Slices,
    ) -> Self {
        let deadline = Instant::now() + limits.setup;
        let phase = Some(Phase::Setup);
        let border = plan.plugin.is_some().then(|| Border::new(plan));
        Self {
            child,
            began,
            plan,
            limits,
            record,
            slices,
            phase,
            deadline,
            interrupts: 0,
            killed: false,
            failure: None,
            border,
        }
    }

    fn limit(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Setup | Phase::Drain => self.limits.setup,
            Phase::Warmup => Duration::from_nanos(self.plan.warmup_ns) + self.limits.slack,
            Phase::Measure => Duration::from_nanos(self.plan.duration_ns) + self.limits.slack,
        }
    }

    pub(super) fn hear(&mut self, frame: Frame, progress: &mut Progress) {
        if let Some(border) = &mut self.border
            && let Err(what) = border.pass(&frame)
        {
            // What comes after the first breach is not believed, either.
            if self.failure.is_none() {
                self.fail(what);
            }
            return;
        }
        match frame {
            Frame::Hello(hello) if hello.protocol != PROTOCOL => {
                let theirs = hello.protocol;
                self.fail(format!("the measuring process speaks protocol {theirs}, and this is {PROTOCOL}"));
            }
            Frame::Hello(hello) => {
                tracing::info!(
                    run = self.record.name,
                    pid = hello.pid,
                    engine = hello.engine,
                    version = hello.engine_version,
                    "the measuring process is ready"
                );
                progress.stream(hello.streams.first());
                self.slices.hello(&hello);
                self.record.start_up = Some(self.began.elapsed());
                self.record.hello = Some(hello);
            }
            Frame::Phase { phase } => {
                tracing::info!(run = self.record.name, phase = phase_word(phase), "a phase begins");
                progress.phase(phase);
                self.phase = Some(phase);
                if self.interrupts == 0 && self.failure.is_none() {
                    self.deadline = Instant::now() + self.limit(phase);
                }
            }
            Frame::Interval(interval) => {
                tracing::debug!(
                    run = self.record.name,
                    phase = phase_word(interval.phase),
                    end_ns = interval.end_ns,
                    counts = ?interval.counts,
                    "a slice"
                );
                progress.interval(&interval);
                if interval.phase == Phase::Measure {
                    self.keep(interval);
                }
            }
            Frame::Events(heard) => {
                let number = heard.events.len() as u64 + heard.lost;
                self.record.events.number += number;
                self.record.events.cost_ns = heard.cost_ns;
                events::heard(&self.record.name, &heard);
            }
            // The summary tells it.
            Frame::Warning { text } => {
                tracing::warn!(run = self.record.name, "{text}");
                self.record.warnings.push(text);
            }
            Frame::Failed(failure) => {
                tracing::error!(run = self.record.name, hint = failure.hint, "{}", failure.message);
                self.failure.get_or_insert(failure);
                self.last_word();
            }
            Frame::Done(done) => {
                tracing::info!(run = self.record.name, measured_ns = done.measured_ns, counts = ?done.counts, "done");
                self.record.done = Some(done);
                self.last_word();
            }
        }
    }

    fn keep(&mut self, interval: Interval) {
        if let Err(error) = self.slices.slice(&interval) {
            let at = Duration::from_nanos(interval.start_ns).as_secs_f64();
            self.record.warnings.push(format!(
                "the log ends {at:.0} s into the window: {error}; the other figures hold the whole window"
            ));
        }
        if let Err(broken) = keep(&mut self.record.intervals, interval)
            && self.border.is_some()
            && self.failure.is_none()
        {
            self.fail(broken.to_string());
        }
    }

    /// Nothing is to be expected any more but the end.
    fn last_word(&mut self) {
        self.phase = None;
        self.deadline = Instant::now() + self.limits.stop;
    }

    /// The run has failed: has the child stopped, gently at first.
    fn fail(&mut self, message: String) {
        tracing::error!(run = self.record.name, "{message}");
        self.failure.get_or_insert(Failure { is_input: false, message, hint: None });
        self.child.ask_to_stop();
        self.deadline = Instant::now() + self.limits.stop;
    }

    /// Does what the user asked for: the first time to stop, the second time to stop at once.
    pub(super) fn obey(&mut self, interrupts: u32, progress: &mut Progress) {
        if interrupts > self.interrupts {
            tracing::info!(run = self.record.name, requests = interrupts, "asked to stop");
            if self.interrupts == 0 {
                progress.stopping();
                self.child.ask_to_stop();
                self.deadline = Instant::now() + self.limits.stop;
            }
            if interrupts > 1 {
                self.kill();
            }
            self.interrupts = interrupts;
        }
    }

    /// Does not count this time against the child.
    pub(super) fn forgive(&mut self, time: Duration) {
        self.deadline += time;
    }

    fn kill(&mut self) {
        tracing::warn!(run = self.record.name, "the measuring process is killed");
        self.child.kill();
        self.killed = true;
        // Its pipes close now, unless a process that left the group holds them.
        self.deadline = Instant::now() + self.limits.stop;
    }

    /// Enforces the time limits. True if even killing did not bring the end.
    pub(super) fn is_hopeless(&mut self) -> bool {
        if Instant::now() < self.deadline {
            return false;
        }
        match self.phase {
            _ if self.killed => return true,
            Some(phase) if self.interrupts == 0 && self.failure.is_none() => {
                let limit = format_duration(self.limit(phase));
                self.fail(format!("the workload did not get through {} within {limit}", phase_name(phase)));
            }
            _ => self.kill(),
        }
        false
    }

    /// The child's pipe has ended: what became of the run.
    pub(super) fn end(self, closed: io::Result<()>) -> Outcome {
        let Self { child, record, phase, interrupts, killed, mut failure, limits, border, plan, .. } = self;
        let (status, said) = child.finish(if killed { Duration::ZERO } else { limits.stop });
        tracing::debug!(run = record.name, "the measuring process {}", ending(&status));
        let said = last_lines(&said);
        if border.is_some() {
            let found = plugin::verify(record).err();
            failure = failure.or(found.map(Failure::broken));
        }
        let who =
            plan.plugin.as_ref().map_or(String::new(), |plugin| format!("the plug-in {}: ", plugin.path));
        if let Some(Failure { is_input, message, hint }) = failure {
            return Outcome::Failed { message: who + &with_said(message, &said), hint, is_input };
        }
        let Some(done) = &record.done else {
            let during = phase.map_or("its end", phase_name);
            if killed && interrupts > 0 {
                let why = match interrupts {
                    1 => format!("did not stop within {}", format_duration(limits.stop)),
                    _ => "was not given the time to stop".to_owned(),
                };
                record.warnings.push(format!("the measuring process {why} and was killed in {during}"));
                return Outcome::Interrupted;
            }
            let mut message = format!("{who}the measuring process {} in {during}", ending(&status));
            if let Err(error) = closed {
                message.push_str(&format!("; what it said last cannot be read: {error}"));
            }
            return Outcome::Failed {
                message: with_said(message, &said),
                hint: hint(&status),
                is_input: false,
            };
        };
        if !killed && !status.as_ref().is_ok_and(ExitStatus::success) {
            record.warnings.push(format!("the measuring process {} after the run", ending(&status)));
        }
        if killed {
            record.warnings.push("the measuring process did not end after the run and was killed".to_owned());
        }
        if !said.is_empty() {
            let lines: Vec<_> = said.lines().map(str::trim).collect();
            record.warnings.push(format!("the workload wrote to standard error: {}", lines.join(" | ")));
        }
        let interrupted = done.interrupted;
        match balance::check(record) {
            Err(Failure { is_input, message, hint }) => {
                Outcome::Failed { message: who + &message, hint, is_input }
            }
            Ok(()) if interrupted => Outcome::Interrupted,
            Ok(()) => Outcome::Complete,
        }
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Setup => "its set-up",
        Phase::Warmup => "the warm-up",
        Phase::Measure => "the measured window",
        Phase::Drain => "the drain after the window",
    }
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Setup => "setup",
        Phase::Warmup => "warmup",
        Phase::Measure => "measure",
        Phase::Drain => "drain",
    }
}

/// The end of what a child wrote, short enough for a message.
pub(crate) fn last_lines(text: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(LINES);
    let head = if skipped > 0 { format!("  ({skipped} lines before)\n") } else { String::new() };
    head + &lines[skipped..].iter().map(|line| format!("  {line}\n")).collect::<String>()
}

fn with_said(message: String, said: &str) -> String {
    match said.trim_end() {
        "" => message,
        said => format!("{message}; what it wrote:\n{said}"),
    }
}

fn hint(status: &io::Result<ExitStatus>) -> Option<String> {
    let signal = status.as_ref().ok().and_then(ExitStatusExt::signal)?;
    (signal == Signal::KILL.as_raw()).then(|| {
        "if nobody killed it by hand, the kernel may have, for want of memory: see `dmesg`".to_owned()
    })
}
