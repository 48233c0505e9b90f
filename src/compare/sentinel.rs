//! Is the machine quiet? A fixed piece of work before and after each run, timed: what takes longer than it used to was
//! disturbed, whatever the runs beside it say.
//!
//! Next file to read: `judge.rs`.
#![forbid(unsafe_code)]

use std::fs;
use std::hint::black_box;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::stats::robust;

/// Steps of the spin: about 5 ms of one core in an optimised build.
const SPINS: u32 = 3_000_000;
/// Times that two threads wake each other.
const PINGS: u32 = 200;
/// A reading so many scaled deviations above the median is off.
const OFF: f64 = 3.0;
/// ... and no reading is that is not this much above the median: a very quiet machine is not disturbed by nothing.
const LEAST: f64 = 1.15;
/// Readings that must be there before any can be off.
pub(super) const FEWEST: usize = 8;
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

/// Why the readings of a block are off, measured by all readings so far, its own included. `None`: they are not.
pub(crate) fn disturbance(so_far: &[Reading], block: &[Reading]) -> Option<String> {
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
        let usual: Vec<f64> = so_far.iter().map(|reading| of(reading) as f64).collect();
        if usual.len() < FEWEST {
            return None;
        }
        let (median, spread) = (robust::median(&usual)?, robust::spread(&usual)?);
        let worst = block.iter().map(of).max()? as f64;
        let off = worst > median + OFF * spread && worst > median * LEAST;
        let time = |ns: f64| humantime::format_duration(Duration::from_micros((ns / 1e3) as u64)).to_string();
        off.then(|| format!("{what} took {}, and usually takes {}", time(worst), time(median)))
    })
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn only_what_is_far_off_and_slower_is_a_disturbance() {
        let usual: Vec<Reading> =
            (0..20).map(|nth| reading(5_000_000 + nth * 1000, 2_000_000 + nth * 9000)).collect();
        assert_eq!(disturbance(&usual, &usual[..5]), None);
        assert_eq!(disturbance(&usual, &[reading(1, 1)]), None, "faster is no disturbance");
        assert_eq!(disturbance(&usual, &[reading(5_500_000, 2_000_000)]), None, "not by much");
        let why = disturbance(&usual, &[usual[0], reading(9_000_000, 2_000_000)]).unwrap();
        assert_eq!(why, "a fixed computation took 9ms, and usually takes 5ms 9us");
        assert!(disturbance(&usual, &[reading(5_000_000, 4_000_000)]).unwrap().contains("wake-ups"));
        assert_eq!(disturbance(&usual[..4], &[reading(9_000_000, 2_000_000)]), None, "too few to know");
        let stolen = Reading { stolen: Some(0.2), ..usual[0] };
        assert_eq!(
            disturbance(&[], &[stolen]).unwrap(),
            "the hypervisor gave 20 % of a run's time to others"
        );
    }
}
