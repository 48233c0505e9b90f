//! What a report says against what others count of the same run: the kernel's account of the measuring process, the
//! bytes that went through its network namespace, the runtime's own counters, and the clock on the wall.
//!
//! No rate is fixed: each workload is first asked for more and more until it cannot follow, and then for half of what it
//! reached on its one worker, for all of it, and for three times as much. What must agree does so at any speed.
#![forbid(unsafe_code)]

#[path = "plugins/build.rs"]
mod build;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No wait comes near this, unless what is tested is broken.
const LONG: Duration = Duration::from_secs(120);
/// The length of what is measured, and of a run that looks for the capacity.
const WINDOW: &str = "800ms";
const LOOK: &str = "250ms";

/// A workload whose rate is still open.
struct Subject {
    kind: &'static str,
    plugin: Option<&'static str>,
    /// The keys of its table, with the rate in place of `RATE`.
    keys: &'static str,
    /// Where to begin to look for the capacity, in operations a second.
    from: f64,
}

const ECHO: Subject = Subject {
    kind: "echo",
    plugin: None,
    keys: "rate = RATE\nconnections = 8\npayload = \"16KiB\"\nmax_in_flight = 4\nmax_queue = 100\n",
    from: 1_000.0,
};
const KV: Subject = Subject {
    kind: "kv",
    plugin: Some("kv"),
    keys: "rate = RATE\nconnections = 8\nvalue_size = \"16KiB\"\nkeys = 100\nget_share = 0.5\nmax_in_flight = 4\n\
           max_queue = 100\n",
    from: 1_000.0,
};
const SPAWN_FLOOD: Subject = Subject {
    kind: "spawn_flood",
    plugin: None,
    keys: "rate = RATE\nwork = \"200us\"\nworker_share = 0\nblock_on_share = 0\n",
    from: 1_000.0,
};
const TIMER_STORM: Subject = Subject {
    kind: "timer_storm",
    plugin: None,
    keys: "rate = RATE\nmin_delay = \"1ms\"\nmax_delay = \"20ms\"\n",
    from: 4_000.0,
};
const BLOCKING_MIX: Subject = Subject {
    kind: "blocking_mix",
    plugin: None,
    keys: "task_rate = RATE\njob_rate = 100\ntask_work = \"100us\"\ntask_yields = 1\njob_work = \"200us\"\n",
    from: 1_000.0,
};

/// What was seen from outside while a run went on.
struct Seen {
    /// The report.
    report: Value,
    folder: PathBuf,
    /// The measuring process: when it was looked at, and the processor time that the kernel had counted for it.
    cpu: Vec<(f64, f64)>,
    /// Bytes that its network namespace received, where it has one of its own.
    octets: Option<f64>,
    _dir: TempDir,
}

/// Seconds since the epoch.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The process below `parent` that measures.
fn measuring(parent: u32) -> Option<PathBuf> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().find_map(|child| {
        let process = Path::new("/proc").join(child);
        let line = fs::read(process.join("cmdline")).ok()?;
        let measures = line.split(|byte| *byte == 0).any(|argument| argument == b"__exec");
        if measures { Some(process) } else { measuring(child.parse().ok()?) }
    })
}

/// Processor time of a process, in seconds. The kernel gives it in hundredths.
fn cpu_of(process: &Path) -> Option<f64> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// The bytes received in a network namespace, from a copy of its `/proc/net/netstat`.
fn octets_in(netstat: &Path) -> Option<f64> {
    let text = fs::read_to_string(netstat).ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|name| name == "InOctets")?;
    values.split(' ').nth(at)?.parse().ok()
}

/// Whether processes may have a network of their own here.
fn has_namespaces() -> bool {
    let tried =
        Command::new("unshare").args(["-n", "ip", "link", "set", "lo", "up"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Starts a run of `subject` in a folder of its own, in a network of its own if `alone`.
fn start(subject: &Subject, dir: &TempDir, rate: f64, window: &str, alone: bool) -> Child {
    let keys = subject.keys.replace("RATE", &format!("{rate:.1}"));
    let plugin = subject
        .plugin
        .map_or(String::new(), |name| format!("plugin = {:?}\n", build::package(name).as_path()));
    let profile = format!(
        "name = \"outside\"\n{plugin}warmup = \"0s\"\nduration = \"{window}\"\n[runtime]\nworker_threads = 1\n\
         [[workload]]\nkind = \"{}\"\n{keys}[report]\ninterval = \"50ms\"\n",
        subject.kind
    );
    fs::write(dir.path().join("profile.toml"), profile).unwrap();
    let program = env!("CARGO_BIN_EXE_rtbench");
    let mut command = match alone {
        false => Command::new(program),
        true => {
            let script = "ip link set lo up && cat /proc/net/netstat > before && \"$@\"; code=$?; \
                          cat /proc/net/netstat > after; exit $code";
            let mut command = Command::new("unshare");
            command.args(["-n", "sh", "-c", script, "sh", program]);
            command
        }
    };
    command.args(["run", "profile.toml"]).current_dir(dir.path()).env_remove("RUST_BACKTRACE");
    let said = File::create(dir.path().join("said")).unwrap();
    command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap()
}

/// The end of a run: its report, and the folder of it. `None`: it measured nothing that could be told.
fn ended(mut child: Child, dir: &TempDir) -> Option<(Value, PathBuf)> {
    let code = child.wait().unwrap().code();
    let said = fs::read_to_string(dir.path().join("said")).unwrap();
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {said}");
    let report = build::report(dir)?;
    assert!(!said.contains("contradict"), "{said}");
    let folder = fs::read_dir(dir.path().join("reports")).unwrap().next().unwrap().unwrap().path();
    Some((report, folder))
}

/// Runs `subject` at a rate, and looks at it from outside meanwhile.
fn observed(subject: &Subject, rate: f64, alone: bool) -> Seen {
    let dir = TempDir::new().unwrap();
    let mut child = start(subject, &dir, rate, WINDOW, alone);
    let (mut process, mut cpu) = (None, Vec::new());
    let deadline = Instant::now() + LONG;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "{} does not end", subject.kind);
        process = process.or_else(|| measuring(child.id()));
        if let Some(used) = process.as_deref().and_then(cpu_of) {
            cpu.push((now(), used));
        }
        thread::sleep(Duration::from_millis(4));
    }
    let Some((report, folder)) = ended(child, &dir) else {
        panic!("{} at {rate}/s left no report", subject.kind)
    };
    let octets = octets_in(&dir.path().join("after")).zip(octets_in(&dir.path().join("before")));
    Seen { report, folder, cpu, octets: octets.map(|(after, before)| after - before), _dir: dir }
}

/// Operations a second that its one worker reaches, found by asking for more and more.
fn capacity(subject: &Subject) -> f64 {
    let mut rate = subject.from;
    loop {
        let dir = TempDir::new().unwrap();
        let ran = ended(start(subject, &dir, rate, LOOK, false), &dir);
        let reached = ran.and_then(|(report, _)| report["workloads"][0]["rate"]["completed"].as_f64());
        match reached {
            // What is reached is less than what is asked: that is it.
            Some(reached) if reached > 0.0 && reached < 0.8 * rate => return reached,
            // So much that nothing came of it.
            None | Some(0.0) => return rate / 4.0,
            Some(_) => rate *= 4.0,
        }
        assert!(rate < 1e8, "{} follows any load", subject.kind);
    }
}

impl Seen {
    fn workload(&self) -> &Value {
        &self.report["workloads"][0]
    }

    fn number(&self, pointer: &str) -> f64 {
        self.workload()
            .pointer(pointer)
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{pointer}: {}", self.report))
    }

    fn count(&self, name: &str) -> f64 {
        self.number(&format!("/counts/{name}"))
    }

    /// A counter of the runtime, over all workers.
    fn counter(&self, name: &str) -> f64 {
        let workers = self.workload()["runtime"]["workers"].as_array().unwrap();
        workers.iter().map(|worker| worker[name].as_f64().unwrap()).sum()
    }

    /// Operations that were started, and how many of them may lie beside the interval of the account: its ends are late
    /// where the machine is busy.
    fn started(&self) -> (f64, f64) {
        let (started, length) = (self.count("started"), self.number("/measured_ns"));
        let [from, to] = ["/account/start_ns", "/account/end_ns"].map(|name| self.number(name));
        (started, 2.0 * started * (from.abs() + (to - length).abs()) / length)
    }

    /// When the window began, in seconds since the epoch.
    fn began(&self) -> f64 {
        let log = fs::read(self.folder.join("latency.hlog")).unwrap();
        let mut entries = IntervalLogIterator::new(&log).map(Result::unwrap);
        let time = entries.find_map(|entry| match entry {
            LogEntry::StartTime(time) => Some(time.as_secs_f64()),
            _ => None,
        });
        time.unwrap()
    }

    /// The processor time that the kernel had counted by then, between the two nearest looks.
    fn cpu_at(&self, time: f64) -> f64 {
        let after = self.cpu.partition_point(|(at, _)| *at < time).clamp(1, self.cpu.len() - 1);
        let ((t0, c0), (t1, c1)) = (self.cpu[after - 1], self.cpu[after]);
        c0 + (c1 - c0) * ((time - t0) / (t1 - t0)).clamp(0.0, 1.0)
    }
}

/// `a` and `b` are the same but for a part of the larger one, and something in any case.
fn agree(what: &str, a: f64, b: f64, part: f64, some: f64) {
    let most = part * a.abs().max(b.abs()) + some;
    assert!((a - b).abs() <= most, "{what}: {a} and {b} differ by more than {most}");
}

/// What holds for every workload, whoever counts.
fn check(what: &str, seen: &Seen) {
    // The wall: the window is as long as it was to be, and lies within the life of its process.
    let (began, length) = (seen.began(), seen.number("/measured_ns") / 1e9);
    let (first, last) = (seen.cpu.first().unwrap().0, seen.cpu.last().unwrap().0);
    assert!(began >= first - 0.05 && began + length <= last + 0.05, "{what}: {began} in {first} to {last}");
    // Processor time: the kernel's, between the instants that the account says. It counts in ticks of 10 ms.
    let (from, to) = (seen.number("/account/start_ns") / 1e9, seen.number("/account/end_ns") / 1e9);
    let used = (seen.number("/usage/user_us") + seen.number("/usage/system_us")) / 1e6;
    let by_kernel = seen.cpu_at(began + to) - seen.cpu_at(began + from);
    agree(&format!("{what}: processor time"), used, by_kernel, 0.1, 0.06);
    // Rate and cost come from the same quantities.
    agree(
        &format!("{what}: rate"),
        seen.number("/rate/completed") * length,
        seen.count("completed_in_window"),
        1e-6,
        0.0,
    );
    agree(
        &format!("{what}: cost"),
        seen.number("/per_operation/cpu_ns") * seen.number("/account/completed") / 1e9,
        used,
        1e-6,
        0.0,
    );
    // The one worker cannot have been awake for longer than that was.
    assert!(
        seen.counter("busy_ns") / 1e9 <= (to - from) * 1.05 + 0.05,
        "{what}: awake for {}",
        seen.counter("busy_ns")
    );
    // What is said about the load must follow from the counts, whether or not it held.
    let [planned, in_window] = ["planned", "completed_in_window"].map(|name| seen.count(name));
    let past_end = seen.workload()["counts"]["past_end"].as_f64().unwrap_or(0.0);
    if in_window < 0.6 * (planned - past_end) - 20.0 {
        let warned = seen.workload()["warnings"].to_string();
        assert!(
            warned.contains("\"overloaded\"")
                || warned.contains("\"rate_not_reached\"")
                || warned.contains("\"errors\""),
            "{what}: {in_window} of {planned}: {warned}"
        );
    }
}

/// Half of the capacity, all of it, three times as much; each checked by its own rules as well.
fn at_three_rates(subject: &Subject, alone: bool, rules: &dyn Fn(&str, &Seen)) {
    let capacity = capacity(subject);
    for share in [0.5, 1.0, 3.0] {
        let what = format!("{} at {:.0} % of {capacity:.0}/s", subject.kind, 100.0 * share);
        let seen = observed(subject, share * capacity, alone);
        check(&what, &seen);
        rules(&what, &seen);
    }
}

/// Every request carries its payload there and back: the bytes that the kernel counts are those of the operations, and
/// their headers.
fn bytes_agree(what: &str, seen: &Seen, there: f64, back: f64) {
    let Some(octets) = seen.octets else { return };
    let payload = there * seen.count("started") + back * seen.count("completed");
    // Requests that were under way at the end have arrived in part.
    let open = (there + back) * seen.count("unfinished");
    agree(&format!("{what}: bytes received"), octets, payload, 0.06, 300_000.0 + open);
}

#[test]
fn echo_agrees_with_the_kernel_at_half_all_and_three_times_the_capacity() {
    let alone = has_namespaces();
    if !alone {
        build::skip("bytes of echo", "processes may have no network of their own here");
    }
    at_three_rates(&ECHO, alone, &|what, seen| {
        assert_eq!(seen.octets.is_some(), alone);
        bytes_agree(what, seen, 16384.0, 16384.0);
    });
}

#[test]
fn kv_agrees_with_the_kernel_at_half_all_and_three_times_the_capacity() {
    let alone = has_namespaces();
    if !alone {
        build::skip("bytes of kv", "processes may have no network of their own here");
    }
    at_three_rates(&KV, alone, &|what, seen| {
        // A value goes one way: there with a write, back with a read.
        let [gets, sets] = ["get", "set"].map(|name| {
            let streams = seen.workload()["streams"].as_array().unwrap();
            streams.iter().find(|stream| stream["name"] == name).unwrap()["count"].as_f64().unwrap()
        });
        agree(&format!("{what}: reads and writes"), gets + sets, seen.count("completed"), 0.0, 0.0);
        bytes_agree(what, seen, 8192.0, 8192.0);
    });
}

#[test]
fn spawn_flood_agrees_with_the_kernel_and_the_runtime_at_half_all_and_three_times_the_capacity() {
    at_three_rates(&SPAWN_FLOOD, false, &|what, seen| {
        // Each task is polled once, and there are no others but the one that keeps the runtime going.
        let completed = seen.number("/account/completed");
        agree(&format!("{what}: polls"), seen.counter("polls"), completed, 0.02, 40.0);
        let spawned = seen.number("/runtime/global/spawned_tasks");
        let (started, beside) = seen.started();
        agree(&format!("{what}: tasks"), spawned, started, 0.02, 40.0 + beside);
        // The worker is busy for 200 us with each.
        let length = (seen.number("/account/end_ns") - seen.number("/account/start_ns")) / 1e9;
        assert!(completed * 200e-6 <= length + 0.001, "{what}: {completed} tasks in {length} s");
    });
}

#[test]
fn timer_storm_agrees_with_the_kernel_and_the_runtime_at_half_all_and_three_times_the_capacity() {
    at_three_rates(&TIMER_STORM, false, &|what, seen| {
        // A timer is a task, which is polled twice, or once where it is due at its first poll.
        let spawned = seen.number("/runtime/global/spawned_tasks");
        let (started, beside) = seen.started();
        agree(&format!("{what}: tasks"), spawned, started, 0.02, 40.0 + beside);
        let (polls, completed) = (seen.counter("polls"), seen.number("/account/completed"));
        assert!(
            polls >= completed && polls <= 3.0 * spawned + 10_000.0,
            "{what}: {polls} polls of {spawned} timers"
        );
    });
}

#[test]
fn blocking_mix_agrees_with_the_kernel_and_the_runtime_at_half_all_and_three_times_the_capacity() {
    at_three_rates(&BLOCKING_MIX, false, &|what, seen| {
        let [tasks, jobs] = ["tasks", "jobs"].map(|name| seen.count(name));
        // Each task is polled twice, and one that waits for a job at least once and at most twice. Those under way at the
        // end of the window, whose polls are counted within it, end after it.
        let (polls, ended) = (seen.counter("polls"), seen.number("/account/completed"));
        let unpolled = seen.count("drained") + seen.count("unfinished");
        assert!(polls + 100.0 >= ended, "{what}: {polls} polls of {ended} operations");
        agree(
            &format!("{what}: polls"),
            polls,
            2.0 * (tasks + jobs),
            0.1,
            2.0 * unpolled + 2.0 * jobs.min(100.0) + 100.0,
        );
        // The pool's own histogram has each job.
        let waited = seen.number("/runtime/histograms/blocking_latency/count");
        agree(&format!("{what}: jobs"), waited, jobs, 0.1, unpolled + 20.0);
    });
}

/// The samples of one stream of the first workload, from the log: for each slice when it was, and what is in it.
fn slices(seen: &Seen, stream: &str) -> Vec<((f64, f64), Histogram<u64>)> {
    let streams = seen.workload()["streams"].as_array().unwrap();
    let is_first = streams[0]["name"] == stream;
    let tag = format!("{}.{stream}", seen.workload()["slug"].as_str().unwrap());
    let began = seen.began();
    let log = fs::read(seen.folder.join("latency.hlog")).unwrap();
    let slice = |entry| {
        let LogEntry::Interval(slice) = entry else { return None };
        if !slice.tag().map_or(is_first, |found| found.as_str() == tag) {
            return None;
        }
        let bytes = STANDARD.decode(slice.encoded_histogram()).unwrap();
        let from = began + slice.start_timestamp().as_secs_f64();
        let samples = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        Some(((from, from + slice.duration().as_secs_f64()), samples))
    };
    IntervalLogIterator::new(&log).map(Result::unwrap).filter_map(slice).collect()
}

/// A run of which the measuring process is stopped for a second in the middle, and from when to when that was.
fn stopped_for_a_second(subject: &Subject, rate: f64) -> (Seen, (f64, f64)) {
    let dir = TempDir::new().unwrap();
    let child = start(subject, &dir, rate, "4s", false);
    let deadline = Instant::now() + LONG;
    let measures = || fs::read_to_string(dir.path().join("said")).unwrap().contains("measuring ");
    while !measures() {
        assert!(Instant::now() < deadline, "{} does not measure", subject.kind);
        thread::sleep(Duration::from_millis(2));
    }
    thread::sleep(Duration::from_millis(500));
    let process = measuring(child.id()).unwrap();
    let id = process.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let id = Pid::from_raw(id).unwrap();
    let from = now();
    kill_process(id, Signal::STOP).unwrap();
    thread::sleep(Duration::from_secs(1));
    kill_process(id, Signal::CONT).unwrap();
    let to = now();
    let (report, folder) = ended(child, &dir).unwrap();
    (Seen { report, folder, cpu: Vec::new(), octets: None, _dir: dir }, (from, to))
}

/// At r operations a second, a process that stands still for S has r * S of them wait for between 0 and S, evenly spread:
/// r * (S - x) wait for longer than x.
#[test]
fn a_process_that_is_stopped_for_a_second_shows_the_tail_that_theory_computes() {
    const RATE: f64 = 250.0;
    // As many may wait as will.
    let [echo, kv] = [&ECHO, &KV].map(|of| Subject { keys: "rate = RATE\nconnections = 8\n", ..*of });
    let timers = "rate = RATE\nmin_delay = \"1ms\"\nmax_delay = \"2ms\"\ncancelled = 0.0\n";
    let subjects = [
        (&echo, "latency"),
        (&kv, "latency"),
        (&SPAWN_FLOOD, "foreign"),
        (&Subject { keys: timers, ..TIMER_STORM }, "firing_error"),
        (&BLOCKING_MIX, "task"),
    ];
    // They do next to nothing, so they can do it at the same time.
    thread::scope(|scope| {
        for (subject, stream) in subjects {
            scope.spawn(move || {
                let (seen, (from, to)) = stopped_for_a_second(subject, RATE);
                let (stop, slices) = (to - from, slices(&seen, stream));
                let longer = |part: f64, is: &dyn Fn(f64, f64) -> bool| -> f64 {
                    let slices = slices.iter().filter(|((from, to), _)| is(*from, *to));
                    slices.map(|(_, of)| of.count_between((part * stop * 1e9) as u64, u64::MAX) as f64).sum()
                };
                for part in [0.25, 0.5, 0.75] {
                    // What waited during the stop is recorded when it is over; what is slow before, or long after it, is
                    // the machine's.
                    let all = longer(part, &|_, _| true);
                    let elsewhere = longer(part, &|start, end| end < from || start > to + 0.1);
                    let expected = RATE * stop * (1.0 - part);
                    let what = format!("{}: {all} longer than {part} of {stop:.3} s", subject.kind);
                    assert!(all >= 0.96 * expected - 3.0, "{what}, and {expected} must be");
                    let most = expected + 0.15 * RATE * stop + 2.0 * elsewhere;
                    assert!(all <= most, "{what}, {elsewhere} of them at other times, and {most} may be");
                }
                // The percentiles of the report say the same: a tenth of all waited for longer than the 90th.
                let count: u64 = slices.iter().map(|(_, of)| of.len()).sum();
                let streams = seen.workload()["streams"].as_array().unwrap();
                let of = streams.iter().find(|of| of["name"] == stream).unwrap();
                assert_eq!(of["count"], count, "{}", subject.kind);
                let p90 =
                    of["percentiles"].as_array().unwrap().iter().find(|at| at["percentile"] == 90.0).unwrap();
                let (p90, is_marked) = (p90["value"].as_f64().unwrap() / 1e9, &p90["generator_limited"]);
                let least = stop - 0.1 * count as f64 / RATE;
                assert!(p90 >= least - 0.03, "{}: {p90}, and at least {least} must be", subject.kind);
                // The generator of the load stood still, too, and the report says so of every figure that has it.
                assert!(stream == "firing_error" || is_marked == true, "{}: {is_marked}", subject.kind);
            });
        }
    });
}
