//! What limits the trust in a run: measured figures in, warnings out. Next: `plot/mod.rs`.
#![forbid(unsafe_code)]

use super::decode::Measured;
use super::model::{Status, Stream, Warning, WarningKind, Workload};
use super::overload::Overload;
use super::units;
use workloads::wire::count;

/// The percentiles whose marks are worth a warning of their own.
const SHOWN: [f64; 3] = [50.0, 90.0, 99.0];
/// A rate below this share of the asked one is worth a word.
const RATE_SHARE: f64 = 0.98;
/// A window shorter than this share of the planned one was cut short.
const WINDOW_SHARE: f64 = 0.98;
/// Processors busy for this share of the window leave no room.
const BUSY_SHARE: f64 = 0.95;
/// Involuntary switches count as many from this share of all switches, and this many a second for each core.
const INVOLUNTARY: (f64, f64) = (0.1, 250.0);

/// What concerns every workload of a report.
pub(super) fn of_report(release_build: bool) -> Vec<Warning> {
    let warning = Warning {
        kind: WarningKind::UnoptimisedBuild,
        text: "rtbench was compiled without optimisation: its figures say nothing about the runtime."
            .to_owned(),
        action: Some("Build it with --release.".to_owned()),
    };
    if release_build { Vec::new() } else { vec![warning] }
}

/// What concerns one workload. `workload` is complete but for its warnings.
pub(super) fn of_workload(
    workload: &Workload,
    measured: &Measured<'_>,
    overload: Option<Overload>,
    cores: Option<u64>,
) -> Vec<Warning> {
    let busy = busy_share(workload, cores);
    let overloaded = overload.and_then(|overload| overloaded(workload, overload, busy));
    let slow = rate_not_reached(workload, busy).filter(|_| overloaded.is_none());
    let slow = overloaded.or(slow);
    let found = [
        no_account(workload),
        window_cut_short(workload),
        slow.clone(),
        errors(workload),
        dropped(workload).filter(|_| slow.is_none()),
        unfinished(workload),
        generator_limited(workload),
        stuck_polls(workload),
        cpu_saturated(busy).filter(|_| slow.is_none()),
        involuntary_switches(workload, cores),
        unreadable(measured.unreadable),
    ];
    // Where nothing was completed, that is said as the reason why the run failed.
    let failed = workload.status == Status::Failed && counted(workload, count::COMPLETED) == 0;
    let samples = workload.streams.iter().filter(|_| !failed).filter_map(samples);
    let own = measured.record.warnings.iter().map(|text| Warning {
        kind: WarningKind::Workload,
        text: text.clone(),
        action: None,
    });
    found.into_iter().flatten().chain(samples).chain(own).collect()
}

fn warning(kind: WarningKind, text: String, action: &str) -> Option<Warning> {
    Some(Warning { kind, text, action: Some(action.to_owned()) })
}

fn seconds(workload: &Workload) -> Option<f64> {
    workload.measured_ns.filter(|&ns| ns > 0).map(|ns| ns as f64 / 1e9)
}

fn counted(workload: &Workload, name: &str) -> u64 {
    workload.counts.get(name).copied().unwrap_or(0)
}

fn busy_share(workload: &Workload, cores: Option<u64>) -> Option<f64> {
    let usage = workload.usage.as_ref()?;
    let account = workload.account.as_ref().map(|account| (account.end_ns - account.start_ns) as f64 / 1e9);
    let capacity = account.or_else(|| seconds(workload))? * cores? as f64;
    Some((usage.user_us + usage.system_us) as f64 / 1e6 / capacity)
}

fn no_account(workload: &Workload) -> Option<Warning> {
    if workload.usage.is_some() || workload.engine.is_none() {
        return None;
    }
    warning(
        WarningKind::NoAccount,
        "The measuring process ended without its account: processor time is unknown.".to_owned(),
        "See the failure, and run again.",
    )
}

fn window_cut_short(workload: &Workload) -> Option<Warning> {
    let (measured, planned) = (workload.measured_ns.unwrap_or(0) as f64, workload.plan.duration_ns as f64);
    if measured >= planned * WINDOW_SHARE {
        return None;
    }
    warning(
        WarningKind::WindowCutShort,
        format!("Only {} of the planned {} were measured.", units::tick(measured), units::tick(planned)),
        "Compare it with other runs only after a full one.",
    )
}

fn rate_not_reached(workload: &Workload, busy: Option<f64>) -> Option<Warning> {
    let (asked, done) = (workload.rate.asked?, workload.rate.completed?);
    if done >= asked * RATE_SHARE {
        return None;
    }
    let full = busy.is_some_and(|share| share >= BUSY_SHARE);
    let action = if full {
        "All processors were busy, so latency shows the backlog: ask for less, or use a larger machine."
    } else {
        "The processors were not all busy: look at the load's limits (connections, requests in flight) and lag."
    };
    let share = done / asked * 100.0;
    let text = format!("{} completed of the {} asked ({share:.0} %).", units::rate(done), units::rate(asked));
    warning(WarningKind::RateNotReached, text, action)
}

/// Work came in faster than it was done: what was reached, what became of the rest, and what to ask for instead.
fn overloaded(workload: &Workload, overload: Overload, busy: Option<f64>) -> Option<Warning> {
    let Overload { reached, would_hold } = overload;
    let of =
        workload.rate.asked.map_or_else(String::new, |asked| format!(" of the {} asked", units::rate(asked)));
    let fates = [
        (count::DROPPED, "dropped"),
        (count::NOT_STARTED, "not started before the window ended"),
        (count::DRAINED, "completed after it"),
        (count::UNFINISHED, "not completed at all"),
    ];
    let fates = fates.map(|(name, fate)| (counted(workload, name), fate));
    let fates = fates.iter().filter(|(number, _)| *number > 0);
    let fates: Vec<_> = fates.map(|(number, fate)| format!("{} {fate}", units::integer(*number))).collect();
    let fates = if fates.is_empty() { String::new() } else { format!("; {}", fates.join(", ")) };
    let text = format!("Overloaded: {}{of} were completed{fates}.", units::rate(reached));
    let cause = if busy.is_some_and(|share| share >= BUSY_SHARE) {
        "All processors were busy"
    } else {
        "The processors were not all busy, so something else is the limit: workers, connections, requests in flight"
    };
    let action = format!(
        "{cause}. About {} would hold. Latencies are those of the operations that completed, so the true ones are \
         longer, and grow for as long as the run lasts.",
        units::rate(would_hold)
    );
    warning(WarningKind::Overloaded, text, &action)
}

fn unfinished(workload: &Workload) -> Option<Warning> {
    let unfinished = counted(workload, count::UNFINISHED);
    if unfinished == 0 {
        return None;
    }
    let text = format!("{} operations had not ended a second after the window.", units::integer(unfinished));
    warning(
        WarningKind::Unfinished,
        text,
        "Latencies are those of the others, so the true tail is longer: ask for less, or for less work in each.",
    )
}

/// Marks beyond the 99th percentile speak for themselves: they concern a few operations.
fn generator_limited(workload: &Workload) -> Option<Warning> {
    let mut limited = Vec::new();
    for stream in &workload.streams {
        let marked =
            stream.percentiles.iter().filter(|at| at.generator_limited && SHOWN.contains(&at.percentile));
        let marked: Vec<_> = marked.map(|at| units::percentile(at.percentile)).collect();
        if !marked.is_empty() {
            limited.push(format!("{} {}", stream.name, marked.join(", ")));
        }
    }
    if limited.is_empty() {
        return None;
    }
    let text = format!(
        "Generator-limited: more than a tenth of these figures may be the load generator's own lateness: {}.",
        limited.join("; ")
    );
    warning(
        WarningKind::GeneratorLimited,
        text,
        "They are marked, and the stream named lag has that lateness: ask for less, or keep other work off the machine.",
    )
}

fn stuck_polls(workload: &Workload) -> Option<Warning> {
    let counters = workload.runtime.workers.iter().filter_map(|worker| worker.get("stuck_polls"));
    let stuck: u64 = counters.sum();
    if stuck == 0 {
        return None;
    }
    let text = format!("{} polls ran for longer than the stuck-poll threshold.", units::integer(stuck));
    warning(
        WarningKind::StuckPolls,
        text,
        "Something blocks in asynchronous code; what shares its worker waits meanwhile.",
    )
}

fn errors(workload: &Workload) -> Option<Warning> {
    let failed = counted(workload, count::FAILED);
    if failed == 0 {
        return None;
    }
    let all = failed + counted(workload, count::COMPLETED);
    let text = format!("{} of {} operations failed.", units::integer(failed), units::integer(all));
    warning(WarningKind::Errors, text, "Find the cause first: the latency of failures is not in the figures.")
}

fn dropped(workload: &Workload) -> Option<Warning> {
    let dropped = counted(workload, count::DROPPED);
    if dropped == 0 {
        return None;
    }
    let text = format!("{} planned operations were never started.", units::integer(dropped));
    warning(WarningKind::Dropped, text, "Their latency is missing: ask for less, or allow more in flight.")
}

fn cpu_saturated(busy: Option<f64>) -> Option<Warning> {
    let busy = busy.filter(|&share| share >= BUSY_SHARE)?;
    warning(
        WarningKind::CpuSaturated,
        format!("All processors were busy for {:.0} % of the window.", (busy * 100.0).min(100.0)),
        "Load generator and runtime compete: latency holds both. Ask for less to see the runtime alone.",
    )
}

fn involuntary_switches(workload: &Workload, cores: Option<u64>) -> Option<Warning> {
    let usage = workload.usage.as_ref()?;
    let involuntary = usage.involuntary_switches as f64;
    let share = involuntary / (involuntary + usage.voluntary_switches as f64);
    let per_second = involuntary / seconds(workload)?;
    if !(share >= INVOLUNTARY.0 && per_second >= INVOLUNTARY.1 * cores.unwrap_or(1) as f64) {
        return None;
    }
    warning(
        WarningKind::InvoluntarySwitches,
        format!(
            "Threads were made to give up a processor {} times.",
            units::integer(usage.involuntary_switches)
        ),
        "More threads than processors wanted to run: stop other programs, or use fewer workers.",
    )
}

fn unreadable(histograms: usize) -> Option<Warning> {
    if histograms == 0 {
        return None;
    }
    let text = format!("{histograms} histograms were missing or broken and are left out.");
    warning(WarningKind::UnreadableSlices, text, "Run again; if it stays, report it as a defect.")
}

fn samples(stream: &Stream) -> Option<Warning> {
    let name = &stream.name;
    if stream.count == 0 {
        let text = format!("{name}: no samples.");
        return warning(
            WarningKind::NoSamples,
            text,
            "Measure for longer, or look for the failure before it.",
        );
    }
    let withheld = stream.percentiles.iter().any(|at| at.percentile == 99.0 && at.value.is_none());
    if !withheld {
        return None;
    }
    let text = format!("{name}: too few samples ({}) for a 99th percentile.", units::integer(stream.count));
    warning(WarningKind::FewSamples, text, "Measure for longer or at a higher rate; 1,000 are the least.")
}

/// The worst of `statuses`. No run at all: the user stopped it before the first.
pub(super) fn overall(statuses: impl Iterator<Item = Status>) -> Status {
    let badness = |status: &Status| match status {
        Status::Complete => 0,
        Status::Interrupted => 1,
        Status::Failed => 2,
    };
    statuses.max_by_key(badness).unwrap_or(Status::Interrupted)
}
