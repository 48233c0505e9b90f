//! A plug-in that measures nothing: its streams hold what its parameters say, however fast the machine is.
#![forbid(unsafe_code)]

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread;
use std::time::Duration;

use workloads::load::pace;
use workloads::params::{Param, Params};
use workloads::record::{Counter, StreamId};
use workloads::wire::{Failure, Stream};
use workloads::workload::{CounterDoc, Description, Load, Run, Site, Workload};

/// Operations of a window: enough for a 99th percentile.
const OPERATIONS: u64 = 12_000;
/// Operations whose processor time is taken at once.
const PORTION: u64 = 100;
/// What it counts for each ten operations.
const HASHED: Counter = Counter::own(0);

/// The workload `made_up`.
#[derive(Debug)]
struct MadeUp;

impl Workload for MadeUp {
    fn describe(&self) -> Description {
        let times = (Duration::from_nanos(1), Duration::from_secs(1));
        let us = Duration::from_micros;
        Description {
            params: vec![
                Param::duration("level", times, us(100), "median of the first stream"),
                Param::duration("other", times, us(200), "median of the second stream"),
                Param::float("noise", (0.0, 10.0), 0.0, "how far runs differ, as a log ratio"),
                Param::choice("differ", &["within", "between"], "within", "equal runs, or sides in turn"),
                Param::text("runs", 200, "", "a file that counts runs, for `noise` and `free`"),
                Param::text("hold", 200, "", "a file while which is there runs wait in their set-up"),
                Param::integer("free", (0, 1000), 0, "as many runs wait for no `hold`"),
                Param::integer("hashed", (0, 10), 5, "for each ten operations"),
                Param::duration(
                    "burn",
                    (Duration::ZERO, times.1),
                    Duration::ZERO,
                    "processor time of an operation",
                ),
                Param::text("fails", 200, "", "a file while which is there every run fails"),
            ],
            counters: vec![CounterDoc::new("kib_hashed", "what it counts")],
            ..Description::new("made_up", "figures that are made up")
        }
    }

    fn streams(&self, _: &Params) -> Vec<Stream> {
        vec![
            Stream::nanoseconds("latency", "what `level` says"),
            Stream::nanoseconds("other", "what `other` says"),
        ]
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        let params = &site.params;
        let file = params.text("fails");
        if !file.is_empty() && Path::new(file).exists() {
            return Err(Failure::broken("made_up: it was told to fail"));
        }
        let run = counted(params.text("runs"));
        let hold = params.text("hold");
        while !hold.is_empty() && run >= params.integer("free") && Path::new(hold).exists() {
            thread::sleep(Duration::from_millis(5));
        }
        // Of the four runs of a block the first and the last are of one side.
        let is_high = match params.text("differ") {
            "within" => run.is_multiple_of(2),
            _ => [0, 3].contains(&(run % 4)),
        };
        let factor = (params.float("noise") * if is_high { 1.0 } else { -1.0 }).exp();
        let levels = ["level", "other"].map(|name| params.duration(name).as_nanos() as f64 * factor);
        Ok(Box::new(Made { levels, hashed: params.integer("hashed"), burn: params.duration("burn") }))
    }
}

/// How many runs there were before this one, by the file that counts them.
fn counted(file: &str) -> u64 {
    if file.is_empty() {
        return 0;
    }
    let before = fs::read_to_string(file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    // Read back by the next run.
    let _ = fs::write(file, (before + 1).to_string());
    before
}

struct Made {
    levels: [f64; 2],
    hashed: u64,
    burn: Duration,
}

impl Load for Made {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        // The account of what it costs has begun by then, unless the machine is very busy.
        sleep(run, Self::planned(run, OPERATIONS / 2));
        match self.burn.is_zero() {
            // In one go: the account then has all of it, or nothing.
            true => self.record(run, 0..OPERATIONS),
            false => self.record_and_burn(run),
        }
        sleep(run, run.window.end());
        Ok(())
    }
}

fn sleep(run: &Run, until: u64) {
    thread::sleep(Duration::from_nanos(until.saturating_sub(run.window.now())));
}

impl Made {
    /// When an operation is planned: spread over the window.
    fn planned(run: &Run, nth: u64) -> u64 {
        let (start, end) = (run.window.measure_start(), run.window.end());
        start + (end - start) * nth / OPERATIONS
    }

    /// Records operations that complete at the instants at which they are planned, whatever the clock says.
    fn record(&self, run: &Run, operations: Range<u64>) {
        let mut pen = run.recorder.pen();
        for nth in operations {
            let planned = Self::planned(run, nth);
            pen.count(planned, Counter::PLANNED);
            pen.count(planned, Counter::STARTED);
            pen.complete(planned, planned);
            if nth % 10 < self.hashed {
                pen.count(planned, HASHED);
            }
            // Spread over half of the level to either side.
            let share = 0.5 + nth as f64 / OPERATIONS as f64;
            for (stream, level) in self.levels.iter().enumerate() {
                pen.record(planned, StreamId(stream), (level * share) as u64);
            }
        }
    }

    /// The same with processor time for each, in portions, so that the system can tell them.
    fn record_and_burn(&self, run: &Run) {
        for first in (0..OPERATIONS).step_by(PORTION as usize) {
            sleep(run, Self::planned(run, first));
            pace::burn(self.burn * PORTION as u32);
            self.record(run, first..(first + PORTION).min(OPERATIONS));
        }
    }
}

workloads::export_plugin!(MadeUp);
