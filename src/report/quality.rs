//! What limits the trust in a run: measured figures in, warnings out. Next: `plot/mod.rs`.
#![forbid(unsafe_code)]

use super::decode::Measured;
use super::model::{Status, Stream, Warning, WarningKind, Workload};
use super::units;
use workloads::wire::count;

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
pub(super) fn of_workload(workload: &Workload, measured: &Measured<'_>, cores: Option<u64>) -> Vec<Warning> {
    let busy = busy_share(workload, cores);
    let slow = rate_not_reached(workload, busy).filter(|_| !explained(workload, measured));
    let found = [
        no_account(workload),
        window_cut_short(workload),
        slow.clone(),
        errors(workload),
        dropped(workload),
        cpu_saturated(busy).filter(|_| slow.is_none()),
        involuntary_switches(workload, cores),
        unreadable(measured.unreadable),
    ];
    let samples = workload.streams.iter().filter_map(samples);
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
    let capacity = seconds(workload)? * cores? as f64;
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

/// Whether the workload has said itself why so few operations were started.
fn explained(workload: &Workload, measured: &Measured<'_>) -> bool {
    let [planned, started] = [count::PLANNED, count::STARTED].map(|name| counted(workload, name) as f64);
    started < planned * RATE_SHARE && !measured.record.warnings.is_empty()
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
