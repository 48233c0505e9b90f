//! Our runtime beside Tokio, case by case, from one source.
//!
//! Each case runs on both runtimes in turn (A B B A B A A B ...), many times; what is compared is the ratio within
//! each neighbouring pair, which a machine that grows slower or faster in between does not change. Printed are the
//! median of the ratios (Tokio's time over ours: above 1, ours is faster), its quartiles, and the median times.
//!
//! Besides time there is what else a runtime costs: processor time under light load, and memory for a task that
//! sleeps. These two are measured in fresh processes, which are this program once more.
//!
//! `cargo bench --bench versus [-- FILTER] [--pairs N]`

#[macro_use]
mod cases;
#[macro_use]
mod sync;

use std::process::Command;
use std::time::{Duration, Instant};

/// Something to measure on either runtime.
struct Case {
    name: &'static str,
    /// One sample: the time that this many operations took.
    ours: fn(u32) -> Duration,
    tokio: fn(u32) -> Duration,
    operations: u32,
}

/// Something to measure in a process of its own.
struct Cost {
    name: &'static str,
    unit: &'static str,
    ours: fn() -> f64,
    tokio: fn() -> f64,
}

/// What all threads of this process but the main one have run so far.
fn cpu_of_other_threads() -> Duration {
    let own = std::process::id().to_string();
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux");
    let nanoseconds = threads
        .map(|thread| thread.expect("a thread").path())
        .filter(|path| !path.ends_with(&own))
        .filter_map(|path| std::fs::read_to_string(path.join("schedstat")).ok())
        .filter_map(|stat| stat.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanoseconds)
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: f64 = statm.split_whitespace().nth(1).expect("resident pages").parse().expect("a number");
    pages * 4096.0
}

cases!(on_ours, runtime);
cases!(on_tokio, tokio);
sync_cases!(sync_on_ours, runtime);
sync_cases!(sync_on_tokio, tokio);

macro_rules! table {
    ($ours:ident, $tokio:ident; $($name:ident: $operations:expr),* $(,)?) => {
        &[$(Case { name: stringify!($name), ours: $ours::$name, tokio: $tokio::$name, operations: $operations }),*]
    };
}

const CASES: &[Case] = table![
    on_ours, on_tokio;
    spawn_join_in_worker: 20_000,
    spawn_many_in_worker: 20_000,
    spawn_join_block_on: 1_000,
    spawn_many_block_on: 20_000,
    spawn_join_foreign: 20_000,
    spawn_foreign: 20_000,
    chained_spawn: 20_000,
    oneshot_ping_pong: 10_000,
    message_pairs: 40_000,
    one_spawner: 4_000,
    yield_multi: 40_000,
    yield_current: 40_000,
    fork_join: 16_384,
    spawn_current: 20_000,
    spawn_join_current: 20_000,
    blocking: 1_000,
    cancelled_timeouts: 20_000,
];

const SYNC_CASES: &[Case] = table![
    sync_on_ours, sync_on_tokio;
    mpsc_current: 40_000,
    mpsc_multi: 40_000,
    mpsc_eight_to_one: 40_000,
    mpsc_unbounded_current: 40_000,
    mpsc_unbounded_multi: 40_000,
    mutex_uncontended: 100_000,
    mutex_contended: 40_000,
    mutex_held: 20_000,
    semaphore_uncontended: 100_000,
    semaphore_contended: 40_000,
    rwlock_uncontended: 100_000,
    rwlock_contended: 40_000,
    broadcast_100_current: 40_000,
    broadcast_100_multi: 20_000,
    watch_100_current: 40_000,
    watch_100_multi: 20_000,
    notify_waiters_current: 40_000,
    notify_waiters_multi: 20_000,
];

const COSTS: &[Cost] = &[
    Cost {
        name: "light_load_cpu",
        unit: "us a task",
        ours: on_ours::light_load_cpu,
        tokio: on_tokio::light_load_cpu,
    },
    Cost {
        name: "light_load_latency",
        unit: "us from spawn to poll",
        ours: on_ours::light_load_latency,
        tokio: on_tokio::light_load_latency,
    },
    Cost {
        name: "sleeping_task_bytes",
        unit: "bytes",
        ours: on_ours::sleeping_task_bytes,
        tokio: on_tokio::sleeping_task_bytes,
    },
    Cost {
        name: "mpsc_empty_bytes",
        unit: "bytes",
        ours: sync_on_ours::mpsc_empty_bytes,
        tokio: sync_on_tokio::mpsc_empty_bytes,
    },
    Cost {
        name: "mpsc_drained_bytes",
        unit: "bytes",
        ours: sync_on_ours::mpsc_drained_bytes,
        tokio: sync_on_tokio::mpsc_drained_bytes,
    },
];

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(values, 0.5)
}

/// Of sorted values, between the neighbours.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

fn run(case: &Case, pairs: usize) {
    let per_operation = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(case.operations);
    let (mut ours, mut tokio, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Which goes first changes from pair to pair, so that neither always follows the other.
        let (a, b) = if pair % 2 == 0 {
            let a = (case.ours)(case.operations);
            (a, (case.tokio)(case.operations))
        } else {
            let b = (case.tokio)(case.operations);
            ((case.ours)(case.operations), b)
        };
        ours.push(per_operation(a));
        tokio.push(per_operation(b));
        ratios.push(b.as_secs_f64() / a.as_secs_f64());
    }
    let ratio = median(&mut ratios);
    println!(
        "{:<22} {:>10.0} {:>10.0} {:>8.2}   {:.2} to {:.2}",
        case.name,
        median(&mut tokio),
        median(&mut ours),
        ratio,
        quantile(&ratios, 0.25),
        quantile(&ratios, 0.75)
    );
}

/// One sample of a cost, from a child.
fn sample(cost: &Cost, runtime: &str) -> f64 {
    let program = std::env::current_exe().expect("this program's path");
    let output = Command::new(program).args(["--child", runtime, cost.name]).output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the child prints a number")
}

/// What a child of [`sample`] does.
fn child(runtime: &str, name: &str) {
    let cost = COSTS.iter().find(|cost| cost.name == name).expect("a cost");
    println!("{}", if runtime == "ours" { (cost.ours)() } else { (cost.tokio)() });
}

fn compare_cost(cost: &Cost, pairs: usize) {
    let (mut ours, mut tokio, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..pairs {
        let (a, b) = (sample(cost, "ours"), sample(cost, "tokio"));
        ours.push(a);
        tokio.push(b);
        ratios.push(a / b);
    }
    let ratio = median(&mut ratios);
    println!(
        "{:<22} {:>10.1} {:>10.1} {:>8.2}   {:.2} to {:.2}  {}; ours over tokio: below 1, ours is cheaper",
        cost.name,
        median(&mut tokio),
        median(&mut ours),
        ratio,
        quantile(&ratios, 0.25),
        quantile(&ratios, 0.75),
        cost.unit
    );
}

fn main() {
    let all: Vec<String> = std::env::args().collect();
    if let [_, flag, runtime, name] = all.as_slice()
        && flag == "--child"
    {
        return child(runtime, name);
    }
    let mut filter = String::new();
    let mut pairs = 21;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo adds.
            "--bench" => {}
            "--pairs" => match arguments.next().and_then(|n| n.parse().ok()).filter(|&n| n > 0) {
                Some(n) => pairs = n,
                None => {
                    eprintln!("--pairs takes a positive number");
                    std::process::exit(2);
                }
            },
            other => filter = other.to_owned(),
        }
    }
    let start = Instant::now();
    println!("{:<22} {:>10} {:>10} {:>8}   quartiles", "case", "tokio ns", "ours ns", "ratio");
    for case in CASES.iter().chain(SYNC_CASES).filter(|case| case.name.contains(&filter)) {
        run(case, pairs);
    }
    for cost in COSTS.iter().filter(|cost| cost.name.contains(&filter)) {
        compare_cost(cost, pairs.min(7));
    }
    println!("{pairs} pairs a case, {:.0} s", start.elapsed().as_secs_f64());
}
