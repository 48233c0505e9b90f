//! Open-loop load: when each operation is due, whatever became of the ones before it.
//!
//! [`Arrivals`] plans, [`OpenLoop`] holds what is due and not started, and the rest of this folder waits for the
//! next planned instant: [`pace`] on a plain thread, [`task`] on the runtime under test, an alarm inside of an
//! event loop. [`tcp`] has all of it for protocols of requests and answers.
//!
//! Next file to read: `load/pace.rs`.
#![forbid(unsafe_code)]

#[cfg_attr(target_os = "linux", path = "alarm_timerfd.rs")]
#[cfg_attr(not(target_os = "linux"), path = "alarm_poll.rs")]
mod alarm;
pub mod pace;
pub mod task;
pub mod tcp;
pub mod thread;

use std::collections::VecDeque;
use std::time::Duration;

use crate::params::{Param, Params};
use crate::record::{Counter, Pen};

pub(crate) use alarm::Alarm;

/// How long a load waits at most for what is in flight when the window is over.
pub const DRAIN: Duration = Duration::from_secs(1);
/// How long anything sleeps at most before it looks whether the window was closed early.
pub(crate) const LOOK_UP: Duration = Duration::from_millis(20);

/// How planned instants are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// At equal distances.
    Constant,
    /// Independently of each other: exponentially distributed distances.
    Poisson,
}

/// The parameter `rate`, in operations a second over all sources.
pub fn rate_param(default: f64, doc: &str) -> Param {
    Param::float("rate", (1.0, 10_000_000.0), default, doc)
}

/// The parameter `arrival`.
pub fn arrival_param() -> Param {
    let doc = "how planned instants are spread: at equal distances, or at random with that mean rate";
    Param::choice("arrival", &["constant", "poisson"], "constant", doc)
}

impl Process {
    /// Reads the parameter that [`arrival_param`] declares.
    pub fn from_params(params: &Params) -> Self {
        match params.text("arrival") {
            "poisson" => Self::Poisson,
            _ => Self::Constant,
        }
    }
}

/// The planned instants of one source of load, in nanoseconds since the load began, without end.
///
/// ```
/// use workloads::load::{Arrivals, Process};
///
/// let planned: Vec<u64> = Arrivals::new(Process::Constant, 1000.0, (0, 1), 0).take(3).collect();
/// assert_eq!(planned, [0, 1_000_000, 2_000_000]);
/// ```
#[derive(Clone, Debug)]
pub struct Arrivals {
    process: Process,
    gap_ns: f64,
    first_ns: f64,
    index: u64,
    next_ns: f64,
    random: fastrand::Rng,
}

impl Arrivals {
    /// The source number `source` of `sources` that make `rate` operations a second together.
    ///
    /// Sources of a constant load take turns; those of a Poisson load are independent, and so is their sum.
    /// `seed` says which of the possible Poisson loads it is.
    ///
    /// # Panics
    ///
    /// If `rate` is not above 0, or `source` is not below `sources`.
    pub fn new(process: Process, rate: f64, (source, sources): (usize, usize), seed: u64) -> Self {
        assert!(rate > 0.0, "a load has a rate above 0");
        assert!(source < sources, "source {source} of {sources}");
        // Neighbouring seeds must not give neighbouring sequences.
        let random = fastrand::Rng::with_seed(seed ^ (source as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let gap_ns = sources as f64 * 1e9 / rate;
        let first_ns = source as f64 * 1e9 / rate;
        let mut arrivals = Self { process, gap_ns, first_ns, index: 0, next_ns: first_ns, random };
        if process == Process::Poisson {
            arrivals.next_ns = arrivals.exponential();
        }
        arrivals
    }

    fn exponential(&mut self) -> f64 {
        // Inverse transform; 1 - u lies in (0, 1], so the logarithm is finite.
        -(1.0 - self.random.f64()).ln() * self.gap_ns
    }

    /// The next planned instant.
    pub fn peek(&self) -> u64 {
        self.next_ns as u64
    }

    /// The window ended at `end`: counts what was planned until then and is not started any more.
    pub fn end(&mut self, end: u64, pen: &mut Pen<'_>) {
        while self.peek() < end {
            let Some(planned) = self.next() else { return };
            pen.count(planned, Counter::PLANNED);
            pen.count(planned, Counter::NOT_STARTED);
        }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let planned = self.peek();
        self.index += 1;
        self.next_ns = match self.process {
            // From the index, so that rounding does not add up.
            Process::Constant => self.first_ns + self.index as f64 * self.gap_ns,
            Process::Poisson => self.next_ns + self.exponential(),
        };
        Some(planned)
    }
}

/// An operation that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it was planned.
    pub planned: u64,
    /// Whether it had to wait until fewer were in flight.
    pub queued: bool,
}

/// What is due and not started, up to a bound: a load that cannot be placed waits, and its latency shows that.
#[derive(Debug)]
pub struct OpenLoop {
    arrivals: Arrivals,
    waiting: VecDeque<u64>,
    queued: usize,
    bound: usize,
}

impl OpenLoop {
    /// At most `bound` operations wait for a place; those that come due beyond it are dropped.
    pub fn new(arrivals: Arrivals, bound: usize) -> Self {
        Self { arrivals, waiting: VecDeque::new(), queued: 0, bound }
    }

    /// Lets everything come due that was planned before `until`, and counts it. So many operations have a place
    /// (`free`) and do not wait: the bound is for those beyond.
    pub fn advance(&mut self, until: u64, free: usize, pen: &mut Pen<'_>) {
        let room = self.bound.saturating_add(free);
        while self.arrivals.peek() < until {
            let Some(planned) = self.arrivals.next() else { return };
            pen.count(planned, Counter::PLANNED);
            if self.waiting.len() < room {
                self.waiting.push_back(planned);
            } else {
                pen.count(planned, Counter::DROPPED);
            }
        }
    }

    /// Takes the operation that has been due for longest.
    pub fn take(&mut self) -> Option<Due> {
        let planned = self.waiting.pop_front()?;
        let queued = self.queued > 0;
        self.queued -= usize::from(queued);
        Some(Due { planned, queued })
    }

    /// Says that what is due has no place, and counts what did not know that yet as `counter`.
    pub fn queue_up(&mut self, pen: &mut Pen<'_>, counter: Counter) {
        for planned in self.waiting.iter().skip(self.queued) {
            pen.count(*planned, counter);
        }
        self.queued = self.waiting.len();
    }

    /// The window ended at `end`: what waits, and what has come due since the last look, is not started any more.
    pub fn end(&mut self, end: u64, pen: &mut Pen<'_>) {
        self.waiting.drain(..).for_each(|planned| pen.count(planned, Counter::NOT_STARTED));
        self.queued = 0;
        self.arrivals.end(end, pen);
    }

    /// Whether something is due.
    pub fn has_due(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When the next operation comes due.
    pub fn next_due(&self) -> u64 {
        self.arrivals.peek()
    }
}

/// The part of `whole` that belongs to the source number `source` of `sources`, so that the parts add up to it.
pub(crate) fn part(whole: usize, (source, sources): (usize, usize)) -> usize {
    whole / sources + usize::from(source < whole % sources)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::record::{Recorder, Records};
    use crate::window::{Bank, Window};

    const SECOND: u64 = 1_000_000_000;

    fn within_a_second(arrivals: Arrivals) -> Vec<u64> {
        arrivals.take_while(|planned| *planned < SECOND).collect()
    }

    #[test]
    fn a_constant_load_keeps_its_rate_without_drift() {
        for rate in [1.0, 3.0, 1000.0, 200_000.0] {
            let planned = within_a_second(Arrivals::new(Process::Constant, rate, (0, 1), 0));
            assert_eq!(planned.len(), rate as usize);
        }
        let late = Arrivals::new(Process::Constant, 3.0, (0, 1), 0).nth(3 * 3600).unwrap();
        assert_eq!(late, 3600 * SECOND, "thirds of a second add up to an hour");
    }

    #[test]
    fn sources_of_a_constant_load_take_turns() {
        let mut all: Vec<u64> = (0..4)
            .flat_map(|source| within_a_second(Arrivals::new(Process::Constant, 1000.0, (source, 4), 0)))
            .collect();
        all.sort_unstable();
        assert_eq!(all, within_a_second(Arrivals::new(Process::Constant, 1000.0, (0, 1), 0)));
    }

    #[test]
    fn a_poisson_load_has_exponential_gaps() {
        let planned = within_a_second(Arrivals::new(Process::Poisson, 100_000.0, (0, 1), 7));
        let n = planned.len() as f64;
        assert!((n - 100_000.0).abs() < 6.0 * 100_000f64.sqrt(), "{n} in the mean second of 100,000");
        // A share of e^-k of the gaps is longer than k mean gaps; six standard deviations of room.
        for k in 1..=4 {
            let expected = (-f64::from(k)).exp();
            let longer =
                planned.windows(2).filter(|pair| pair[1] - pair[0] > k as u64 * 10_000).count() as f64 / n;
            let deviation = (expected * (1.0 - expected) / n).sqrt();
            assert!((longer - expected).abs() < 6.0 * deviation, "{longer} of the gaps exceed {k} means");
        }
    }

    #[test]
    fn a_seed_names_a_poisson_load() {
        let planned =
            |source, seed| within_a_second(Arrivals::new(Process::Poisson, 100.0, (source, 2), seed));
        assert_eq!(planned(0, 1), planned(0, 1));
        assert_ne!(planned(0, 1), planned(0, 2));
        assert_ne!(planned(0, 1), planned(1, 1));
    }

    fn counted(recorder: &Recorder, counters: &[Counter]) -> Vec<u64> {
        let (mut spare, mut all) = (Records::new(0), Records::new(0));
        recorder.collect(Bank::Measure, &mut spare, &mut all);
        counters.iter().map(|counter| all.count(*counter)).collect()
    }

    #[test]
    fn nothing_that_was_planned_gets_lost() {
        const MS: u64 = 1_000_000;
        let window = Window::new(Instant::now(), 0, SECOND);
        let recorder = Recorder::new(window, 0);
        let queued = Counter::own(0);
        let mut open = OpenLoop::new(Arrivals::new(Process::Constant, 1000.0, (0, 1), 0), 10);
        let mut pen = recorder.pen();
        open.advance(5 * MS, 1, &mut pen);
        assert_eq!(open.take(), Some(Due { planned: 0, queued: false }));
        open.queue_up(&mut pen, queued);
        open.queue_up(&mut pen, queued);
        assert_eq!(open.take(), Some(Due { planned: MS, queued: true }));
        open.advance(20 * MS, 0, &mut pen);
        let started = std::iter::from_fn(|| open.take()).collect::<Vec<_>>();
        assert_eq!(started.iter().filter(|due| due.queued).count(), 3);
        assert_eq!(started.len(), 10, "the bound");
        assert!(!open.has_due());
        open.advance(23 * MS, 0, &mut pen);
        assert_eq!(open.next_due(), 23 * MS);
        open.end(30 * MS, &mut pen);
        assert_eq!(open.next_due(), 30 * MS);
        assert!(!open.has_due());
        drop(pen);
        let counters = [Counter::PLANNED, queued, Counter::DROPPED, Counter::NOT_STARTED];
        // 12 were taken; 8 of those that came due while there was no place exceeded the bound.
        assert_eq!(counted(&recorder, &counters), [30, 4, 8, 10]);
    }

    #[test]
    fn the_bound_of_a_queue_is_for_those_without_a_place() {
        let window = Window::new(Instant::now(), 0, SECOND);
        let recorder = Recorder::new(window, 0);
        for (bound, free, dropped) in [(0, 100, 0), (0, 99, 1), (10, 1024, 0), (10, 90, 0), (10, 89, 1)] {
            let mut open = OpenLoop::new(Arrivals::new(Process::Constant, 1000.0, (0, 1), 0), bound);
            // One hundred come due at once, because the generator could not look.
            open.advance(SECOND / 10, free, &mut recorder.pen());
            let told = counted(&recorder, &[Counter::PLANNED, Counter::DROPPED]);
            assert_eq!(told, [100, dropped], "{bound} may wait, {free} have a place");
        }
    }

    #[test]
    fn the_parts_of_a_bound_add_up_to_it() {
        for (whole, sources) in [(10, 32), (0, 3), (1_000_000, 7), (64, 64)] {
            assert_eq!((0..sources).map(|source| part(whole, (source, sources))).sum::<usize>(), whole);
        }
    }
}
