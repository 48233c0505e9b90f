//! A plug-in on the SDK that misbehaves as it is told: by its parameter `how`, or, where there are no parameters yet,
//! by `RUDE` in the environment.
//!
//! Next file to read: `allocator.rs`.

mod allocator;
mod subscriber;

use std::ops::Range;
use std::panic::panic_any;
use std::time::Duration;
use std::{env, hint, thread};

use allocator::Counting;
use workloads::params::{Param, ParamError, Params};
use workloads::record::{Counter, StreamId};
use workloads::wire::{Failure, Stream};
use workloads::workload::{Description, Load, Run, Site, Workload};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// What it can be told to do.
const WAYS: [&str; 16] = [
    "well",
    "panic in validate",
    "panic in streams",
    "panic in setup",
    "panic in run",
    "panic in teardown",
    "panic in a task",
    "panic with a bomb",
    "fail in setup",
    "fail in run",
    "overflow in a task",
    "never end",
    "end at once",
    "print",
    "leak threads",
    "install a subscriber",
];

/// The workload `rude`.
#[derive(Debug)]
struct Rude;

impl Workload for Rude {
    fn describe(&self) -> Description {
        match env::var("RUDE").as_deref() {
            Ok("panic in describe") => panic!("rude: as told"),
            Ok("lie about a default") => {
                let mut lie = Param::integer("n", (1, 5), 3, "a number");
                lie.default = 9.into();
                Description {
                    params: vec![lie],
                    ..Description::new("rude", "has a default that is out of range")
                }
            }
            _ => {
                let how = Param::choice("how", &WAYS, "well", "what it does wrong");
                Description { params: vec![how], ..Description::new("rude", "misbehaves as it is told") }
            }
        }
    }

    fn validate(&self, params: &Params) -> Result<(), ParamError> {
        assert!(params.text("how") != "panic in validate", "rude: as told");
        Ok(())
    }

    fn streams(&self, params: &Params) -> Vec<Stream> {
        assert!(params.text("how") != "panic in streams", "rude: as told");
        vec![Stream::nanoseconds("latency", "a microsecond each")]
    }

    fn setup(&self, site: &Site) -> Result<Box<dyn Load>, Failure> {
        match site.params.text("how") {
            "panic in setup" => panic!("rude: as told"),
            "fail in setup" => Err(Failure::broken("rude: no set-up today")),
            how => Ok(Box::new(RudeLoad { how: how.to_owned(), runtime: site.engine.handle().clone() })),
        }
    }
}

struct RudeLoad {
    how: String,
    runtime: workloads::rt::runtime::Handle,
}

impl Load for RudeLoad {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        if self.how == "end at once" {
            return Ok(());
        }
        let (start, end) = (run.window.measure_start(), run.window.end());
        record(run, start..start.midpoint(end));
        // So that slices are cut and sent before.
        sleep(run, start.midpoint(end));
        self.misbehave()?;
        record(run, start.midpoint(end)..end);
        sleep(run, end);
        Ok(())
    }

    fn teardown(self: Box<Self>) {
        assert!(self.how != "panic in teardown", "rude: as told");
    }
}

/// Records operations that complete at the instants at which they are planned, whatever the clock says.
fn record(run: &Run, planned: Range<u64>) {
    let mut pen = run.recorder.pen();
    for planned in planned.step_by(1_000_000) {
        pen.count(planned, Counter::PLANNED);
        pen.count(planned, Counter::STARTED);
        pen.complete(planned, planned);
        pen.record(planned, StreamId(0), 1_000);
    }
}

fn sleep(run: &Run, until: u64) {
    thread::sleep(Duration::from_nanos(until.saturating_sub(run.window.now())));
}

/// Its drop panics once more.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("rude: a panic in the drop of a panic");
    }
}

impl RudeLoad {
    /// Does what it is told, in the middle of the window.
    fn misbehave(&self) -> Result<(), Failure> {
        match self.how.as_str() {
            "panic in run" => panic!("rude: as told"),
            "panic with a bomb" => panic_any(Bomb),
            "panic in a task" => {
                // A task's panic is its own matter, as long as nobody waits for it.
                drop(self.runtime.spawn(async { panic!("rude: as told") }));
            }
            "fail in run" => return Err(Failure::broken("rude: enough")),
            "overflow in a task" => {
                drop(self.runtime.spawn(async { hint::black_box(overflow(0)) }));
            }
            "never end" => loop {
                thread::park();
            },
            "print" => (0..20_000).for_each(|line| println!("{{\"frame\":\"done\"}} rude: line {line}")),
            "leak threads" => {
                for _ in 0..32 {
                    thread::spawn(|| {
                        loop {
                            drop(hint::black_box(vec![0_u8; 4096]));
                            thread::sleep(Duration::from_millis(5));
                        }
                    });
                }
            }
            "install a subscriber" => {
                subscriber::install();
                println!("rude: {} allocations", ALLOCATOR.count());
            }
            _ => {}
        }
        Ok(())
    }
}

/// Calls itself more often than any stack has room for.
fn overflow(depth: u64) -> u64 {
    if depth == u64::MAX {
        return 0;
    }
    let frame = hint::black_box([depth; 512]);
    overflow(depth + 1) + frame[(depth % 512) as usize]
}

workloads::export_plugin!(Rude);
