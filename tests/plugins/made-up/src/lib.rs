//! A plug-in that measures nothing: its streams hold what its parameters say, however fast the machine is.
#![forbid(unsafe_code)]

use std::fs;
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
                Param::text("runs", 200, "", "a file that counts runs, for `noise`"),
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
        let (start, end) = (run.window.measure_start(), run.window.end());
        let sleep = |until: u64| thread::sleep(Duration::from_nanos(until.saturating_sub(run.window.now())));
        // All at once, when what it costs has begun to be counted, however late that is on a busy machine.
        sleep(start + (end - start) / 2);
        for nth in 0..OPERATIONS {
            // Spread over the window, and over half of the level to either side.
            let planned = start + (end - start) * nth / OPERATIONS;
            // In portions, so that the system can tell them.
            if nth % PORTION == 0 && !self.burn.is_zero() {
                sleep(planned);
                pace::burn(self.burn * PORTION as u32);
            }
            let share = 0.5 + nth as f64 / OPERATIONS as f64;
            let mut pen = run.recorder.pen();
            for counter in [Counter::PLANNED, Counter::STARTED, Counter::COMPLETED] {
                pen.count(planned, counter);
            }
            if nth % 10 < self.hashed {
                pen.count(planned, HASHED);
            }
            for (stream, level) in self.levels.iter().enumerate() {
                pen.record(planned, StreamId(stream), (level * share) as u64);
            }
        }
        sleep(end);
        Ok(())
    }
}

workloads::export_plugin!(MadeUp);
