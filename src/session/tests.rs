//! Sessions whose children are shell scripts, so that each can go wrong in its own way.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use workloads::rt::config::RuntimeConfig;
use workloads::wire::{
    self, Done, EngineKind, Failure, Frame, Hello, Interval, PROTOCOL, Phase, Plan, RuntimeCounters, count,
};

use super::measure::Session;
use super::record::{Outcome, RunRecord, Unheard};
use super::watch::Limits;
use crate::profile::Planned;
use crate::term::Progress;

/// No test comes near this, unless what it tests is broken.
const LONG: Duration = Duration::from_secs(60);
/// Short, and still longer than it takes this process to hear what a child has said.
const SHORT: Duration = Duration::from_secs(1);

/// A folder with the frames that scripts send, and in which they run.
struct Bench {
    dir: TempDir,
    limits: Limits,
}

impl Bench {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let phase = |phase| Frame::Phase { phase };
        let hello = |protocol| {
            let (engine, engine_version) = ("runtime".to_owned(), "0".to_owned());
            let (engine_build, asked) = (None, None);
            let (workload_version, streams) = (1, Vec::new());
            let pid = 1;
            Frame::Hello(Hello {
                protocol,
                pid,
                engine,
                engine_version,
                engine_build,
                workload_version,
                asked,
                streams,
            })
        };
        let counts = |number: u64| {
            let names = [count::PLANNED, count::STARTED, count::COMPLETED, count::COMPLETED_IN_WINDOW];
            names.map(|name| (name.to_owned(), number)).into()
        };
        let interval = |phase, start_ns| {
            let (counts, histograms, runtime) = (counts(1), Vec::new(), RuntimeCounters::default());
            let end_ns = start_ns + 10;
            Frame::Interval(Interval {
                phase,
                start_ns,
                end_ns,
                start_unix_ms: 0,
                counts,
                histograms,
                runtime,
            })
        };
        let done = |interrupted| {
            Frame::Done(Done { interrupted, measured_ns: 20, counts: counts(2), ..Done::default() })
        };
        let unbalanced = Done { measured_ns: 20, counts: counts(3), ..Done::default() };
        let idle = Interval {
            phase: Phase::Measure,
            start_ns: 0,
            end_ns: 20,
            start_unix_ms: 0,
            counts: counts(0),
            histograms: Vec::new(),
            runtime: RuntimeCounters::default(),
        };
        let idle_done = Done { measured_ns: 20, counts: counts(0), ..Done::default() };
        let failure =
            Failure { is_input: true, message: "port 1 is in use".into(), hint: Some("take 0".into()) };
        let window = [interval(Phase::Warmup, 0), phase(Phase::Measure)];
        let window = window.into_iter().chain([interval(Phase::Measure, 0), interval(Phase::Measure, 10)]);
        let frames = [
            ("hello", vec![hello(PROTOCOL), phase(Phase::Setup)]),
            ("foreign", vec![hello(PROTOCOL + 1)]),
            ("window", [phase(Phase::Warmup)].into_iter().chain(window).collect()),
            ("done", vec![phase(Phase::Drain), done(false)]),
            ("stopped", vec![done(true)]),
            ("unbalanced", vec![phase(Phase::Drain), Frame::Done(unbalanced)]),
            ("idle", vec![phase(Phase::Measure), Frame::Interval(idle), Frame::Done(idle_done)]),
            ("failed", vec![Frame::Failed(failure)]),
        ];
        for (name, frames) in frames {
            let mut file = File::create(dir.path().join(name)).unwrap();
            frames.iter().for_each(|frame| wire::send(&mut file, frame).unwrap());
        }
        Self { dir, limits: Limits { setup: LONG, slack: LONG, stop: LONG } }
    }

    fn session(&self, script: &str) -> Session {
        let (dir, script) = (self.dir.path().to_owned(), script.to_owned());
        let command = move |_: &Plan| {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(&script).current_dir(&dir);
            Ok(command)
        };
        Session::with(Box::new(command), self.limits)
    }

    /// Measures one run with a child that does as `script` says.
    fn run(&self, script: &str) -> RunRecord {
        let mut records =
            self.session(script).measure(&[planned("one")], &mut Unheard, &mut Progress::new(true));
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    /// The same, and interrupts it `times` once there is a file named `ready`.
    fn interrupt(&self, script: &str, times: u32) -> Vec<RunRecord> {
        let session = self.session(script);
        let (interrupts, ready) = (session.interrupts.clone(), self.dir.path().join("ready"));
        let interrupter = std::thread::spawn(move || {
            wait_until(|| ready.exists());
            (0..times).for_each(|_| interrupts.request());
        });
        let records =
            session.measure(&[planned("one"), planned("two")], &mut Unheard, &mut Progress::new(true));
        interrupter.join().unwrap();
        assert!(session.interrupted());
        records
    }
}

fn planned(name: &str) -> Planned {
    let plan = Plan {
        protocol: PROTOCOL,
        engine: EngineKind::Embedded,
        plugin: None,
        runtime: RuntimeConfig::default(),
        workload: "echo".to_owned(),
        params: serde_json::Map::new(),
        warmup_ns: 0,
        duration_ns: 0,
        interval_ns: 1,
        seed: 1,
    };
    Planned { name: name.to_owned(), plan }
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "what is waited for does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn failure(record: &RunRecord) -> (&str, Option<&str>, bool) {
    match &record.outcome {
        Outcome::Failed { message, hint, is_input } => (message, hint.as_deref(), *is_input),
        other => panic!("{other:?} is no failure"),
    }
}

/// Whether the process whose number stands in a file runs.
fn runs(pid_file: &Path) -> bool {
    let pid = fs::read_to_string(pid_file).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    status.is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')))
}

#[test]
fn a_run_that_goes_well_is_complete_and_leaves_the_warm_up_out() {
    let record = Bench::new().run("cat hello window done");
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.intervals.iter().map(|interval| interval.start_ns).collect::<Vec<_>>(), [0, 10]);
    assert!(record.intervals.iter().all(|interval| interval.phase == Phase::Measure));
    assert_eq!(record.hello.unwrap().engine, "runtime");
    assert_eq!(record.done.unwrap().measured_ns, 20);
    assert_eq!(record.warnings, Vec::<String>::new());
}

#[test]
fn a_run_whose_counts_contradict_each_other_has_failed_and_keeps_them() {
    let record = Bench::new().run("cat hello window unbalanced");
    let (message, hint, is_input) = failure(&record);
    assert!(
        message.contains("3 operations are counted as completed in all, and 2 in its slices"),
        "{message}"
    );
    assert!(hint.is_some() && !is_input);
    assert_eq!((record.intervals.len(), record.done.unwrap().measured_ns), (2, 20));
}

#[test]
fn a_run_in_which_nothing_was_completed_has_failed() {
    let record = Bench::new().run("cat hello idle");
    assert!(failure(&record).0.contains("no operation was counted"), "{record:?}");
}

#[test]
fn a_crash_keeps_what_was_measured_and_says_what_the_child_said() {
    let record = Bench::new().run("cat hello window; echo boom >&2; kill -SEGV $$");
    let (message, hint, is_input) = failure(&record);
    assert_eq!(
        message,
        "the measuring process was killed by signal 11 (SIGSEGV) in the measured window; what it wrote:\n  boom"
    );
    assert_eq!((hint, is_input), (None, false));
    assert_eq!(record.intervals.len(), 2);
}

#[test]
fn an_early_exit_and_an_outside_kill_are_told_apart() {
    let bench = Bench::new();
    let record = bench.run("cat hello; exit 3");
    assert_eq!(failure(&record).0, "the measuring process ended with exit code 3 in its set-up");
    let record = bench.run("cat hello; kill -KILL $$");
    assert!(failure(&record).0.contains("killed by signal 9 (SIGKILL) in its set-up"), "{record:?}");
    assert!(failure(&record).1.unwrap().contains("memory"));
    let record = bench.run("true");
    assert_eq!(failure(&record).0, "the measuring process ended with exit code 0 in its set-up");
}

#[test]
fn much_output_is_cut_to_its_end() {
    let record =
        Bench::new().run("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done >&2; exit 1");
    let message = failure(&record).0;
    assert!(message.ends_with("  line 4998\n  line 4999"), "{message}");
    assert!(message.contains("lines before)\n  line 4988\n"), "{message}");
    assert_eq!(message.lines().count(), 14);
}

#[test]
fn what_a_child_reports_is_passed_on() {
    let record = Bench::new().run("cat hello failed");
    assert_eq!(failure(&record), ("port 1 is in use", Some("take 0"), true));
}

#[test]
fn a_child_that_hangs_is_killed_with_all_that_it_started() {
    // A busy machine may need longer until there is something to be killed.
    let killed = [1, 5, 25].into_iter().any(|seconds| {
        let mut bench = Bench::new();
        (bench.limits.setup, bench.limits.stop) = (Duration::from_secs(seconds), SHORT);
        let record = bench.run("sleep 1000 & echo $! >pid; cat hello; wait; wait");
        let expected = format!("the workload did not get through its set-up within {seconds}s");
        assert_eq!(failure(&record).0, expected);
        let pid = bench.dir.path().join("pid");
        let started = record.hello.is_some();
        if started {
            wait_until(|| !runs(&pid));
        }
        started
    });
    assert!(killed);
}

#[test]
fn a_child_that_lingers_after_its_end_is_killed() {
    let mut bench = Bench::new();
    bench.limits.stop = SHORT;
    let record = bench.run("cat hello window done; sleep 1000");
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.warnings, ["the measuring process did not end after the run and was killed"]);
}

#[test]
fn nonsense_on_the_pipe_fails_the_run() {
    let bench = Bench::new();
    let record = bench.run("cat hello; echo 'not a frame'; cat >/dev/null");
    assert!(failure(&record).0.contains("what it said last cannot be read"), "{record:?}");
    let record = bench.run("cat foreign; cat >/dev/null");
    let expected = format!("the measuring process speaks protocol {}, and this is {PROTOCOL}", PROTOCOL + 1);
    assert_eq!(failure(&record).0, expected);
}

#[test]
fn what_a_workload_prints_is_shown_as_a_warning() {
    let record = Bench::new().run("cat hello window done; echo careful >&2; echo now >&2");
    assert_eq!(record.outcome, Outcome::Complete);
    assert_eq!(record.warnings, ["the workload wrote to standard error: careful | now"]);
}

#[test]
fn a_program_that_cannot_start_fails_the_run() {
    let bench = Bench::new();
    let command = |_: &Plan| Ok(Command::new("/nonexistent/program"));
    let session = Session::with(Box::new(command), bench.limits);
    let records = session.measure(&[planned("one")], &mut Unheard, &mut Progress::new(true));
    assert!(failure(&records[0]).0.starts_with("cannot start the measuring process"), "{records:?}");
}

#[test]
fn one_failure_does_not_stop_the_runs_after_it() {
    let bench = Bench::new();
    let script = "if mkdir first; then exit 1; else cat hello window done; fi";
    let records = bench.session(script).measure(
        &[planned("one"), planned("two")],
        &mut Unheard,
        &mut Progress::new(true),
    );
    assert_eq!(failure(&records[0]).0, "the measuring process ended with exit code 1 in its set-up");
    assert_eq!(records[1].outcome, Outcome::Complete);
}

#[test]
fn the_first_interrupt_asks_the_child_to_stop() {
    // The second `cat` reads the plan and then waits for the end of standard input.
    let records = Bench::new().interrupt("cat hello window; touch ready; cat >/dev/null; cat stopped", 1);
    assert_eq!(records[0].outcome, Outcome::Interrupted);
    assert_eq!(records[0].intervals.len(), 2);
    assert!(records[0].done.as_ref().unwrap().interrupted);
    assert_eq!(records[1].outcome, Outcome::Interrupted, "the second run is not started");
    assert_eq!(records[1].hello, None);
}

#[test]
fn a_child_that_does_not_stop_is_killed() {
    let mut bench = Bench::new();
    bench.limits.stop = SHORT;
    let records = bench.interrupt("cat hello window; touch ready; sleep 1000", 1);
    assert_eq!(records[0].outcome, Outcome::Interrupted);
    assert_eq!(records[0].intervals.len(), 2);
    assert_eq!(
        records[0].warnings,
        ["the measuring process did not stop within 1s and was killed in the measured window"]
    );
}

#[test]
fn the_second_interrupt_kills_at_once() {
    let records = Bench::new().interrupt("cat hello window; touch ready; sleep 1000", 2);
    assert_eq!(records[0].outcome, Outcome::Interrupted);
    assert_eq!(
        records[0].warnings,
        ["the measuring process was not given the time to stop and was killed in the measured window"]
    );
}

#[test]
fn a_child_that_crashes_while_it_stops_has_failed() {
    let records = Bench::new().interrupt("cat hello window; touch ready; cat >/dev/null; exit 7", 1);
    assert!(failure(&records[0]).0.contains("ended with exit code 7 in the measured window"), "{records:?}");
}
