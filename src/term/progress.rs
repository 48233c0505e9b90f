//! What the user sees while a run goes on: a bar on a terminal, a line a second elsewhere, nothing when asked.
//!
//! All of it goes to standard error; standard output is the summary's.
//!
//! Next file to read: `screen.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use workloads::wire::{Interval, Phase, Plan, Stream, count};

use super::{complain, obeys, screen};
use crate::report::{self, units};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// How much of the recent past the live rate and percentile are made from.
const WINDOW_NS: u64 = 1_000_000_000;

/// The bar that is on the terminal.
fn drawn() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);
    DRAWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does something to the terminal while no bar is drawn there.
pub(super) fn above(write: impl FnOnce()) {
    match &*drawn() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// The display of a session.
pub(crate) struct Progress {
    display: Display,
    run: Option<Shown>,
}

enum Display {
    Bar(ProgressBar),
    Lines { last: Option<Instant>, only_notes: bool },
    Quiet,
}

/// The run that is shown.
struct Shown {
    label: String,
    warmup: Duration,
    duration: Duration,
    stream: Option<Stream>,
    phase: Phase,
    /// Time in that phase, by the child's clock, and when that was heard.
    reached: Duration,
    heard: Instant,
    recent: VecDeque<Slice>,
    stopping: bool,
}

/// What one interval said of the first stream.
struct Slice {
    length_ns: u64,
    completed: u64,
    histogram: Option<Histogram<u64>>,
}

/// Operations that ended well in a slice.
fn completed(interval: &Interval) -> u64 {
    let of = |name| interval.counts.get(name).copied();
    of(count::COMPLETED_IN_WINDOW).or_else(|| of(count::COMPLETED)).unwrap_or(0)
}

impl Progress {
    /// A bar if standard error is a terminal, else lines; nothing if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        let display = match quiet {
            true => Display::Quiet,
            false if obeys(&io::stderr()) => {
                let bar = ProgressBar::with_draw_target(Some(1), screen::target());
                // The template is a constant of this program.
                let style = ProgressStyle::with_template("{prefix} {bar:20.cyan/dim} {msg}");
                bar.set_style(style.expect("the template is well-formed").progress_chars("━╸─"));
                *drawn() = Some(bar.clone());
                Display::Bar(bar)
            }
            false => Display::Lines { last: None, only_notes: false },
        };
        Self { display, run: None }
    }

    /// As [`new`](Self::new), but without the lines of each run: for many short ones.
    pub(crate) fn of_many(quiet: bool) -> Self {
        let mut progress = Self::new(quiet);
        if let Display::Lines { last, .. } = progress.display {
            progress.display = Display::Lines { last, only_notes: true };
        }
        progress
    }

    /// A run starts: number `index` of `total`, from 0.
    pub(crate) fn start(&mut self, name: &str, index: usize, total: usize, plan: &Plan) {
        let label = if total > 1 { format!("[{}/{total}] {name}", index + 1) } else { name.to_owned() };
        let (warmup, duration) =
            (Duration::from_nanos(plan.warmup_ns), Duration::from_nanos(plan.duration_ns));
        match &mut self.display {
            Display::Bar(bar) => {
                bar.reset();
                bar.set_prefix(label.clone());
                bar.set_length((warmup + duration).as_millis() as u64);
            }
            Display::Lines { last, .. } => *last = None,
            Display::Quiet => {}
        }
        let (phase, reached, heard) = (Phase::Setup, Duration::ZERO, Instant::now());
        let (stream, recent) = (None, VecDeque::new());
        self.run =
            Some(Shown { label, warmup, duration, stream, phase, reached, heard, recent, stopping: false });
        self.draw(true);
    }

    /// The child has said what it will send.
    pub(crate) fn stream(&mut self, first: Option<&Stream>) {
        if let Some(run) = &mut self.run {
            run.stream = first.cloned();
        }
    }

    /// The run enters a phase.
    pub(crate) fn phase(&mut self, phase: Phase) {
        if let Some(run) = &mut self.run {
            (run.phase, run.reached, run.heard) = (phase, Duration::ZERO, Instant::now());
            if phase != Phase::Drain {
                run.recent.clear();
            }
        }
        self.draw(matches!(phase, Phase::Warmup | Phase::Measure));
    }

    /// A slice was recorded.
    pub(crate) fn interval(&mut self, interval: &Interval) {
        let Some(run) = &mut self.run else { return };
        if matches!(self.display, Display::Quiet) {
            return;
        }
        (run.reached, run.heard) = (Duration::from_nanos(interval.end_ns), Instant::now());
        run.recent.push_back(Slice {
            length_ns: interval.end_ns.saturating_sub(interval.start_ns),
            completed: completed(interval),
            histogram: report::histogram(interval, 0),
        });
        let mut length: u64 = run.recent.iter().map(|slice| slice.length_ns).sum();
        while run.recent.len() > 1 && length - run.recent[0].length_ns >= WINDOW_NS {
            length -= run.recent.pop_front().map_or(0, |slice| slice.length_ns);
        }
        self.draw(false);
    }

    /// The run has been asked to end.
    pub(crate) fn stopping(&mut self) {
        if let Some(run) = &mut self.run {
            run.stopping = true;
        }
        self.note("stopping; what was measured is kept (Ctrl-C again stops at once)");
        self.draw(false);
    }

    /// Time passes.
    pub(crate) fn tick(&mut self) {
        if let Display::Bar(_) = self.display {
            self.draw(false);
        }
    }

    /// A line that stays.
    pub(crate) fn note(&self, text: &str) {
        match &self.display {
            Display::Bar(_) | Display::Lines { .. } => complain(text),
            Display::Quiet => {}
        }
    }

    /// The run is over; its bar goes away.
    pub(crate) fn end(&mut self) {
        self.run = None;
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    fn draw(&mut self, now: bool) {
        let Some(run) = &self.run else { return };
        match &mut self.display {
            Display::Quiet => {}
            Display::Bar(bar) => {
                bar.set_position(run.position().as_millis() as u64);
                bar.set_message(run.message());
                bar.tick();
            }
            Display::Lines { only_notes: true, .. } => {}
            Display::Lines { last, .. } => {
                let due = last.is_none_or(|last| last.elapsed() >= LINE_EVERY);
                if now || due {
                    *last = Some(Instant::now());
                    complain(&format!("{}: {}", run.label, run.message()));
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(_) = self.display {
            *drawn() = None;
        }
    }
}

impl Shown {
    /// How far the phase has come, with the time since the child last spoke.
    fn elapsed(&self) -> Duration {
        let length = match self.phase {
            Phase::Warmup => self.warmup,
            Phase::Measure => self.duration,
            Phase::Setup | Phase::Drain => return Duration::ZERO,
        };
        (self.reached + self.heard.elapsed()).min(length)
    }

    /// How far the run has come.
    fn position(&self) -> Duration {
        match self.phase {
            Phase::Setup => Duration::ZERO,
            Phase::Warmup => self.elapsed(),
            Phase::Measure => self.warmup + self.elapsed(),
            Phase::Drain => self.warmup + self.duration,
        }
    }

    fn message(&self) -> String {
        let of =
            |length: Duration| format!("{:.1}/{:.1} s", self.elapsed().as_secs_f64(), length.as_secs_f64());
        let mut text = match self.phase {
            _ if self.stopping => "stopping".to_owned(),
            Phase::Setup => return "setting up".to_owned(),
            Phase::Warmup => format!("warm-up {}", of(self.warmup)),
            Phase::Measure => format!("measuring {}", of(self.duration)),
            Phase::Drain => "finishing".to_owned(),
        };
        let length: u64 = self.recent.iter().map(|slice| slice.length_ns).sum();
        if length > 0 {
            let completed: u64 = self.recent.iter().map(|slice| slice.completed).sum();
            text.push_str(&format!("  {}", units::rate(completed as f64 * 1e9 / length as f64)));
        }
        if let Some((stream, p99)) = self.stream.as_ref().zip(self.p99()) {
            text.push_str(&format!("  p99 {}", units::value(stream.unit, p99 as f64)));
        }
        if matches!(self.phase, Phase::Warmup | Phase::Measure) && !self.stopping {
            let left = (self.warmup + self.duration).saturating_sub(self.position());
            text.push_str(&format!("  {:.0} s left", left.as_secs_f64().ceil()));
        }
        text
    }

    fn p99(&self) -> Option<u64> {
        let mut recorded = self.recent.iter().filter_map(|slice| slice.histogram.as_ref());
        let mut sum = recorded.next()?.clone();
        for histogram in recorded {
            sum.add(histogram).ok()?;
        }
        (!sum.is_empty()).then(|| sum.value_at_quantile(0.99))
    }
}
