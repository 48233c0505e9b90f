//! Whether what a run says of itself can be true: its counts must balance, and no more processor time can be used than
//! there is.
//!
//! A run that breaks one of these rules has failed, whoever wrote the workload: figures made from such counts would
//! flatter, or mean nothing. So has a run in which nothing was completed.
//!
//! Next file to read: `keep.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::thread;

use workloads::wire::{Account, Done, Failure, Interval, count};

use super::record::RunRecord;

/// A thread's processor time is brought up to date by the system's timer, up to so many nanoseconds late.
const TICK_NS: f64 = 20e6;
/// The part by which the cost of operations may differ between the window and the interval of the account.
const UNEVEN: f64 = 0.05;

/// Checks the account of a run that has ended. There are no rules for one that has not given its account.
///
/// # Errors
///
/// The rule that it breaks.
pub(super) fn check(record: &RunRecord) -> Result<(), Failure> {
    let Some(done) = &record.done else { return Ok(()) };
    if done.left_behind || done.measured_ns == 0 && done.interrupted {
        return Ok(());
    }
    let rules = [
        slices(&record.intervals, done),
        sums(&record.intervals, &done.counts),
        operations(&done.counts),
        processors().map_or(Ok(()), |processors| cost(done, processors)),
    ];
    if let Some(what) = rules.into_iter().find_map(Result::err) {
        return Err(Failure {
            is_input: false,
            message: format!("its figures contradict each other: {what}"),
            hint: Some(
                "the workload, or rtbench, counts wrongly; the figures in the report mean nothing".to_owned(),
            ),
        });
    }
    if done.interrupted { Ok(()) } else { something_was_done(&done.counts) }
}

fn counted(counts: &BTreeMap<String, u64>, name: &str) -> u64 {
    counts.get(name).copied().unwrap_or(0)
}

/// The slices cover the window without gap or overlap.
fn slices(intervals: &[Interval], done: &Done) -> Result<(), String> {
    let mut reached = 0;
    for interval in intervals {
        if interval.start_ns != reached || interval.end_ns < interval.start_ns {
            let (start, end) = (interval.start_ns, interval.end_ns);
            return Err(format!("a slice from {start} to {end} ns follows one that ended at {reached} ns"));
        }
        reached = interval.end_ns;
    }
    match done.measured_ns {
        measured if measured == reached => Ok(()),
        measured => Err(format!("{measured} ns were measured, and its slices end at {reached} ns")),
    }
}

/// The counts of the window are the sums of those of its slices.
fn sums(intervals: &[Interval], counts: &BTreeMap<String, u64>) -> Result<(), String> {
    for (name, &whole) in counts {
        let parts = intervals.iter().map(|interval| counted(&interval.counts, name));
        let sum = parts.fold(0_u64, u64::saturating_add);
        if sum != whole {
            return Err(format!("{whole} operations are counted as {name} in all, and {sum} in its slices"));
        }
    }
    Ok(())
}

/// Each operation that was planned has one fate.
fn operations(counts: &BTreeMap<String, u64>) -> Result<(), String> {
    let of = |name| counted(counts, name);
    let (planned, started) = (of(count::PLANNED), of(count::STARTED));
    let (dropped, not_started) = (of(count::DROPPED), of(count::NOT_STARTED));
    if Some(planned) != started.checked_add(dropped).and_then(|sum| sum.checked_add(not_started)) {
        return Err(format!(
            "{planned} operations were planned; {started} started, {dropped} dropped and {not_started} not started \
             are not as many"
        ));
    }
    let (completed, failed) = (of(count::COMPLETED), of(count::FAILED));
    if completed.checked_add(failed).is_none_or(|ended| ended > started) {
        return Err(format!(
            "{started} operations were started, and {completed} completed and {failed} failed are more"
        ));
    }
    for (part, whole) in [(count::DRAINED, count::COMPLETED), (count::PAST_END, count::NOT_STARTED)] {
        if of(part) > of(whole) {
            return Err(format!(
                "{} operations are counted as {part}, and {} as {whole}",
                of(part),
                of(whole)
            ));
        }
    }
    // Those that were planned and completed within the window are among those that were completed within it.
    let both = completed - of(count::DRAINED);
    match counts.get(count::COMPLETED_IN_WINDOW) {
        Some(&in_window) if in_window < both => Err(format!(
            "{both} operations of the window were completed within it, and only {in_window} were completed within it"
        )),
        _ => Ok(()),
    }
}

/// No more processor time is used than so many processors have, neither in fact nor by what the report will say:
/// completed operations a second, times the processor time of each.
fn cost(done: &Done, processors: usize) -> Result<(), String> {
    let Some(Account { start_ns, end_ns, completed }) = done.account else { return Ok(()) };
    let length = end_ns as f64 - start_ns as f64;
    let processors = processors as f64;
    let used = (done.usage.user_us as f64 + done.usage.system_us as f64) * 1e3;
    if length <= 0.0 {
        return Err(format!("its account of processor time goes from {start_ns} to {end_ns} ns"));
    }
    let most = processors * (length + TICK_NS);
    if used > most {
        return Err(format!(
            "{:.3} s of processor time in {:.3} s on {processors} processors",
            used / 1e9,
            length / 1e9
        ));
    }
    let in_window = counted(&done.counts, count::COMPLETED_IN_WINDOW) as f64;
    // On a busy machine the first reading may come long after the window has begun: what was completed before that, and what
    // it cost, is unknown then, and cannot be judged by what the rest cost.
    let came_late = start_ns as f64 > UNEVEN * done.measured_ns as f64;
    if completed == 0 || in_window == 0.0 || came_late {
        return Ok(());
    }
    let each = used / completed as f64;
    // The readings may lie wide of the window, where the machine is busy: what was used is then spread over more time.
    let window = length.max(done.measured_ns as f64);
    let most = processors * (window * (1.0 + UNEVEN) + TICK_NS) + 16.0 * each;
    if in_window * each > most {
        let busy = in_window * each / done.measured_ns as f64;
        return Err(format!(
            "{in_window} operations within the window, at {each:.0} ns of processor time each, would keep {busy:.2} \
             processors busy, and there are {processors}"
        ));
    }
    Ok(())
}

/// The processors that this process, and so the measuring one, may run on.
fn processors() -> Option<usize> {
    let allowed = rustix::thread::sched_getaffinity(None).ok().map(|set| set.count() as usize);
    // That of a container may be less than what it may use for a while.
    allowed.or_else(|| thread::available_parallelism().ok().map(std::num::NonZero::get))
}

/// Whether a run ended by itself, and nothing was completed in its window.
pub(crate) fn completed_nothing(record: &RunRecord) -> bool {
    record.done.as_ref().is_some_and(|done| !done.interrupted && something_was_done(&done.counts).is_err())
}

/// A window in which nothing was completed tells nothing.
fn something_was_done(counts: &BTreeMap<String, u64>) -> Result<(), Failure> {
    let of = |name| counted(counts, name);
    let in_window = counts.get(count::COMPLETED_IN_WINDOW).copied();
    if of(count::COMPLETED) > 0 && in_window != Some(0) {
        return Ok(());
    }
    let planned = of(count::PLANNED);
    if planned == 0 {
        return Err(Failure {
            is_input: false,
            message: "no operation was counted in the window".to_owned(),
            hint: Some(
                "measure for longer or at a higher rate; a workload must count what it plans, starts and completes"
                    .to_owned(),
            ),
        });
    }
    let past_end = of(count::PAST_END);
    let hint = if past_end > planned / 2 {
        "most would have ended after the window: measure for longer than one operation takes"
    } else {
        "ask for a lower rate or for less work in each operation, or measure for longer than one operation takes"
    };
    Err(Failure {
        is_input: false,
        message: format!(
            "no operation that was planned in the window {}: {planned} were planned, {} started, {} dropped, {} not \
             started",
            if of(count::COMPLETED) > 0 { "completed before its end" } else { "completed" },
            of(count::STARTED),
            of(count::DROPPED),
            of(count::NOT_STARTED),
        ),
        hint: Some(hint.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use workloads::wire::{Phase, RuntimeCounters, Usage};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A run of a second that balances: 60 operations a second, of which 40 were planned in the window and completed in
    /// it, and the others before.
    fn balanced() -> (Vec<Interval>, Done) {
        let half = [
            (count::PLANNED, 50),
            (count::STARTED, 40),
            (count::COMPLETED, 30),
            (count::FAILED, 5),
            (count::DROPPED, 3),
            (count::NOT_STARTED, 7),
            (count::PAST_END, 2),
            (count::DRAINED, 10),
            (count::COMPLETED_IN_WINDOW, 30),
        ];
        let counts = |times: u64| half.map(|(name, number)| (name.to_owned(), times * number)).into();
        let slice = |nth: u64| Interval {
            phase: Phase::Measure,
            start_ns: nth * SECOND / 2,
            end_ns: (nth + 1) * SECOND / 2,
            start_unix_ms: 0,
            counts: counts(1),
            histograms: Vec::new(),
            runtime: RuntimeCounters::default(),
        };
        let usage = Usage { user_us: 900_000, system_us: 900_000, ..Usage::default() };
        let account = Some(Account { start_ns: -1000, end_ns: 1_000_001_000, completed: 60 });
        let done = Done { measured_ns: SECOND, counts: counts(2), usage, account, ..Done::default() };
        (vec![slice(0), slice(1)], done)
    }

    fn broken(change: impl FnOnce(&mut Vec<Interval>, &mut Done)) -> Option<String> {
        let (mut intervals, mut done) = balanced();
        change(&mut intervals, &mut done);
        let rules = [
            slices(&intervals, &done),
            sums(&intervals, &done.counts),
            operations(&done.counts),
            cost(&done, 2),
        ];
        rules.into_iter().find_map(Result::err)
    }

    /// Adds to a count of the first slice, and so to the sum.
    fn more(name: &'static str, by: i64) -> impl FnOnce(&mut Vec<Interval>, &mut Done) {
        move |intervals, done| {
            for counts in [&mut intervals[0].counts, &mut done.counts] {
                let count = counts.get_mut(name).unwrap();
                *count = count.checked_add_signed(by).unwrap();
            }
        }
    }

    #[test]
    fn a_run_that_balances_breaks_no_rule() {
        assert_eq!(broken(|_, _| ()), None);
        assert_eq!(broken(|_, done| done.account = None), None, "as of an older plug-in");
        let (_, done) = balanced();
        assert_eq!(something_was_done(&done.counts), Ok(()));
    }

    #[test]
    fn each_rule_is_found_broken_by_a_count_that_is_off_by_one() {
        for (name, by, part) in [
            (count::PLANNED, 1, "101 operations were planned"),
            (count::STARTED, -1, "79 started"),
            (count::DROPPED, 1, "7 dropped"),
            (count::NOT_STARTED, -1, "13 not started"),
        ] {
            let what = broken(more(name, by)).unwrap();
            assert!(what.contains(part), "{name}: {what}");
        }
        for (name, by, part) in [
            (count::COMPLETED, 11, "71 completed and 10 failed are more"),
            (count::FAILED, 11, "60 completed and 21 failed are more"),
            (count::DRAINED, 41, "61 operations are counted as drained"),
            (count::PAST_END, 11, "15 operations are counted as past_end"),
            (count::COMPLETED_IN_WINDOW, -21, "40 operations of the window"),
        ] {
            let what = broken(more(name, by)).unwrap();
            assert!(what.contains(part), "{name}: {what}");
        }
        let what = broken(|_, done| *done.counts.get_mut(count::FAILED).unwrap() += 1).unwrap();
        assert_eq!(what, "11 operations are counted as failed in all, and 10 in its slices");
    }

    #[test]
    fn slices_that_do_not_cover_the_window_are_found() {
        let what = broken(|intervals, _| intervals[1].start_ns += 1).unwrap();
        assert!(what.contains("follows one that ended at 500000000 ns"), "{what}");
        let what = broken(|_, done| done.measured_ns += 1).unwrap();
        assert!(what.contains("1000000001 ns were measured"), "{what}");
    }

    #[test]
    fn more_processor_time_than_there_is_is_found() {
        let what = broken(|_, done| done.usage.user_us = 1_200_000).unwrap();
        assert!(what.contains("2.100 s of processor time in 1.000 s on 2 processors"), "{what}");
        // The way in which completions of the drain once made a rate: twice as many as the account has.
        let what = broken(more(count::COMPLETED_IN_WINDOW, 60)).unwrap();
        assert!(what.contains("120 operations within the window"), "{what}");
        let what = broken(|_, done| done.account.as_mut().unwrap().end_ns = -1000).unwrap();
        assert!(what.contains("from -1000 to -1000 ns"), "{what}");
    }

    #[test]
    fn operations_before_an_account_that_begins_late_are_not_judged_by_the_cost_of_those_in_it() {
        let account = |start_ns| Some(Account { start_ns, end_ns: 1_000_001_000, completed: 1 });
        let what = broken(|_, done| done.account = account(0)).unwrap();
        assert!(what.contains("60 operations within the window"), "{what}");
        assert_eq!(broken(|_, done| done.account = account(90_000_000)), None);
    }

    #[test]
    fn a_window_without_a_completed_operation_is_told_with_what_became_of_them() {
        let none = |counts: &[(&str, u64)]| {
            let counts = counts.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
            something_was_done(&counts).unwrap_err()
        };
        let failure = none(&[(count::PLANNED, 9), (count::STARTED, 4), (count::NOT_STARTED, 5)]);
        assert!(failure.message.contains("9 were planned, 4 started, 0 dropped, 5 not started"), "{failure}");
        assert!(failure.hint.unwrap().contains("lower rate"));
        let failure = none(&[(count::PLANNED, 9), (count::NOT_STARTED, 9), (count::PAST_END, 9)]);
        assert!(failure.hint.unwrap().contains("measure for longer"));
        assert!(none(&[]).message.contains("no operation was counted"));
        // All of it after the end: a rate of zero.
        let drained = [(count::PLANNED, 1), (count::STARTED, 1), (count::COMPLETED, 1), (count::DRAINED, 1)];
        let failure = none(&[&drained[..], &[(count::COMPLETED_IN_WINDOW, 0)]].concat());
        assert!(failure.message.contains("completed before its end: 1 were planned"), "{failure}");
    }
}
