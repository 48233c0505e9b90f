//! Is the machine quiet? A fixed piece of work before and after each run, timed: what takes longer than it used to was
//! disturbed, whatever the runs beside it say.
//!
//! Next file to read: `judge.rs`.
#![forbid(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::report::units;
use crate::stats::robust;

/// Steps of the spin: about 5 ms of one core, in a build that is optimised and in one that is not.
const SPINS: u32 = if cfg!(debug_assertions) { 250_000 } else { 3_000_000 };
/// Times that two threads wake each other. A build that is not optimised measures nothing of worth, and need not wait for
/// them: on a busy machine that is most of the time of a short comparison.
const PINGS: u32 = if cfg!(debug_assertions) { 20 } else { 200 };
/// A block is disturbed whose slowest reading is so many times the distance between the quartiles of the blocks' slowest
/// above the upper one: the fence of J. W. Tukey's box plots (Exploratory Data Analysis, 1977).
const OFF: f64 = 1.5;
/// ... and so much above the median: what a very quiet machine calls slow disturbs nothing.
const LEAST: f64 = 1.5;
/// Times that as many readings as a block has are taken before the first block, to know what is usual.
pub(super) const FEWEST: usize = 4;
/// The share of a run's time that a hypervisor may have given to others.
const STEAL: f64 = 0.05;

/// One look at the machine. What the system does not tell is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Time of a fixed computation; also shows a clock frequency that fell.
    pub(crate) spin_ns: u64,
    /// Time of a fixed number of wake-ups between two threads.
    pub(crate) ping_pong_ns: u64,
    /// Times that this thread was put off its core during both.
    pub(crate) involuntary_switches: Option<u64>,
    /// Time that tasks waited for a core during both, from the kernel's pressure figures, in microseconds.
    pub(crate) pressure_us: Option<u64>,
    /// Share of all cores' time that a hypervisor gave to others since the reading before this one.
    pub(crate) stolen: Option<f64>,
}

/// Takes readings.
#[derive(Debug, Default)]
pub(crate) struct Sentinel {
    cores: Option<Cores>,
}

impl Sentinel {
    /// One reading: some milliseconds of work.
    pub(crate) fn read(&mut self) -> Reading {
        let before = (involuntary(), pressure());
        let spin_ns = timed(spin);
        let ping_pong_ns = timed(ping_pong);
        let after = (involuntary(), pressure());
        let cores = cores();
        let last = std::mem::replace(&mut self.cores, cores);
        let grown = |(before, after): (Option<u64>, Option<u64>)| Some(after?.saturating_sub(before?));
        Reading {
            spin_ns,
            ping_pong_ns,
            involuntary_switches: grown((before.0, after.0)),
            pressure_us: grown((before.1, after.1)),
            stolen: cores.zip(last).and_then(|(now, last)| now.stolen_since(last)),
        }
    }
}

fn timed(work: impl FnOnce()) -> u64 {
    let start = Instant::now();
    work();
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A chain of dependent steps, G. Marsaglia's xorshift (Journal of Statistical Software 8, 2003).
fn spin() {
    let mut state = black_box(88_172_645_463_325_252_u64);
    for _ in 0..SPINS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

/// Two threads that wait for each other, on the kernel's futexes.
fn ping_pong() {
    let (ping, pinged) = sync_channel::<()>(0);
    let (pong, ponged) = sync_channel::<()>(0);
    thread::scope(|scope| {
        let answer = move || {
            while pinged.recv().is_ok() && pong.send(()).is_ok() {}
        };
        if thread::Builder::new().name("sentinel".to_owned()).spawn_scoped(scope, answer).is_err() {
            return;
        }
        for _ in 0..PINGS {
            if ping.send(()).is_err() || ponged.recv().is_err() {
                break;
            }
        }
        drop(ping);
    });
}

fn involuntary() -> Option<u64> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let rest = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?;
    rest.trim().parse().ok()
}

fn pressure() -> Option<u64> {
    pressure_in(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn pressure_in(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split_whitespace().find_map(|field| field.strip_prefix("total="))?.parse().ok()
}

/// What the cores did so far, in ticks of the kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cores {
    all: u64,
    stolen: u64,
}

impl Cores {
    fn stolen_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|&all| all > 0)?;
        Some(self.stolen.saturating_sub(before.stolen) as f64 / all as f64)
    }
}

fn cores() -> Option<Cores> {
    cores_in(&fs::read_to_string("/proc/stat").ok()?)
}

fn cores_in(text: &str) -> Option<Cores> {
    let rest = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal; what follows is in user and nice already.
    let ticks: Vec<u64> = rest.split_whitespace().take(8).map_while(|field| field.parse().ok()).collect();
    (ticks.len() == 8).then(|| Cores { all: ticks.iter().sum(), stolen: ticks[7] })
}

/// Why the readings of a block are off, measured by those of the blocks before it. `None`: they are not.
///
/// Slowest readings are compared with slowest readings, so that blocks with more readings are not called disturbed more
/// often; and where many blocks have a slow one, that is what this machine is like, and nothing to wait for the end of.
pub(crate) fn disturbance(before: &[&[Reading]], block: &[Reading]) -> Option<String> {
    let stolen = block.iter().filter_map(|reading| reading.stolen).fold(0.0, f64::max);
    if stolen > STEAL {
        return Some(format!("the hypervisor gave {:.0} % of a run's time to others", 100.0 * stolen));
    }
    type Kind = (&'static str, fn(&Reading) -> u64);
    let kinds: [Kind; 2] = [
        ("a fixed computation", |reading| reading.spin_ns),
        ("a fixed number of wake-ups", |reading| reading.ping_pong_ns),
    ];
    kinds.iter().find_map(|(what, of)| {
        let slowest = |readings: &[Reading]| Some(readings.iter().map(of).max()? as f64);
        let usual: Vec<f64> =
            before.iter().chain([&block]).filter_map(|readings| slowest(readings)).collect();
        if usual.len() <= FEWEST {
            return None;
        }
        let [lower, median, upper] = robust::quartiles(&usual)?;
        let worst = slowest(block)?;
        let off = worst > upper + OFF * (upper - lower) && worst > median * LEAST;
        let (worst, median) = (units::duration(worst), units::duration(median));
        off.then(|| format!("{what} took {worst}, and {median} at its slowest in the other blocks"))
    })
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    fn reading(spin_ns: u64, ping_pong_ns: u64) -> Reading {
        Reading { spin_ns, ping_pong_ns, ..Reading::default() }
    }

    #[test]
    fn what_linux_says_is_understood() {
        let stat = "cpu  10 0 20 60 0 0 0 10 5 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(cores_in(stat), Some(Cores { all: 100, stolen: 10 }));
        let later = Cores { all: 300, stolen: 20 };
        assert_eq!(later.stolen_since(cores_in(stat).unwrap()), Some(0.05));
        assert_eq!(cores_in("cpu 1 2 3\n"), None);
        assert_eq!(
            pressure_in("some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0 total=0\n"),
            Some(1234)
        );
        assert_eq!(pressure_in(""), None);
    }

    #[test]
    fn a_reading_takes_time_and_this_system_answers() {
        let mut sentinel = Sentinel::default();
        let (first, second) = (sentinel.read(), sentinel.read());
        assert!(second.spin_ns > 0);
        assert!(first.spin_ns > 0 && first.ping_pong_ns > 0);
        assert_eq!(first.stolen, None, "there is nothing to compare with");
    }

    fn disturbed(before: &[Vec<Reading>], block: &[Reading]) -> Option<String> {
        disturbance(&before.iter().map(Vec::as_slice).collect::<Vec<_>>(), block)
    }

    #[test]
    fn only_what_is_far_off_and_slower_is_a_disturbance() {
        let block = |nth: u64| vec![reading(5_000_000 + nth * 1000, 2_000_000 + nth * 9000); 5];
        let usual: Vec<_> = (0..6).map(block).collect();
        assert_eq!(disturbed(&usual, &usual[3]), None);
        assert_eq!(disturbed(&usual, &[reading(1, 1)]), None, "faster is no disturbance");
        assert_eq!(disturbed(&usual, &[reading(6_000_000, 2_000_000)]), None, "not by much");
        let why = disturbed(&usual, &[usual[0][0], reading(9_000_000, 2_000_000)]).unwrap();
        assert_eq!(why, "a fixed computation took 9.00 ms, and 5.00 ms at its slowest in the other blocks");
        assert!(disturbed(&usual, &[reading(5_000_000, 4_000_000)]).unwrap().contains("wake-ups"));
        assert_eq!(disturbed(&usual[..3], &[reading(9_000_000, 2_000_000)]), None, "too few to know");
        let stolen = Reading { stolen: Some(0.2), ..usual[0][0] };
        assert_eq!(disturbed(&[], &[stolen]).unwrap(), "the hypervisor gave 20 % of a run's time to others");
    }

    /// Readings of a machine that is shared with others all the time: one in ten takes up to twice as long.
    #[test]
    fn a_machine_that_is_always_busy_is_disturbed_in_few_blocks_whatever_the_number_of_sides() {
        for sides in [2, 3, 6] {
            let mut random = Rng::with_seed(7);
            let mut block = || -> Vec<Reading> {
                let mut time = |usual: f64| {
                    let late = if random.f64() < 0.1 { random.f64() } else { 0.02 * random.f64() };
                    (usual * (1.0 + late)) as u64
                };
                (0..=2 * sides).map(|_| reading(time(5e6), time(2e6))).collect()
            };
            let (mut found, mut all) = (0, 0);
            for _ in 0..100 {
                let mut before: Vec<_> = (0..FEWEST).map(|_| block()).collect();
                for _ in 0..12 {
                    let next = block();
                    found += usize::from(disturbed(&before, &next).is_some());
                    all += 1;
                    before.push(next);
                }
            }
            assert!(found * 10 <= all, "{found} of {all} blocks of {sides} sides");
        }
    }
}
