//! Each bundled workload end to end: every operation has one fate, and every figure its bound.

use super::*;
use crate::wire::stream;

#[test]
fn echo_answers_every_request_whoever_asks() {
    for client in ["threads", "runtime"] {
        let params = json!({
            "connections": 3, "rate": 1000, "payload": "40KiB", "max_in_flight": 8000, "client": client,
        });
        for plan in on_every_flavour(plan("echo", params)) {
            let (done, merged) = run_until(&plan, |counted| counted[count::COMPLETED] >= 100);
            let planned = done.counts[count::PLANNED];
            assert!(
                planned.abs_diff(planned_at(1000, &plan, &done)) <= 3,
                "{client}: {planned} on 3 connections"
            );
            assert_eq!(merged["latency"].len(), done.counts[count::COMPLETED]);
            assert_eq!(merged["service"].len(), done.counts[count::COMPLETED]);
            assert_eq!(done.counts[count::QUEUED], 0, "more fits in flight than is ever planned");
            assert_eq!(merged["lag"].len(), done.counts[count::STARTED]);
        }
    }
}

#[test]
fn echo_hides_nothing_when_it_cannot_start_what_was_planned() {
    for client in ["threads", "runtime"] {
        let params = json!({
            "connections": 1, "rate": 200_000, "max_in_flight": 1, "max_queue": 10, "client": client,
        });
        let plan = plan("echo", params);
        let enough = |counted: &BTreeMap<String, u64>| {
            [count::DROPPED, count::QUEUED, count::COMPLETED].iter().all(|name| counted[*name] > 0)
        };
        let (done, merged) = run_until(&plan, enough);
        assert_eq!(done.counts[count::PLANNED], planned_at(200_000, &plan, &done), "{client}");
        assert!(done.counts[count::COMPLETED_IN_WINDOW] < done.counts[count::PLANNED]);
        assert_eq!(merged["latency"].len(), done.counts[count::COMPLETED]);
    }
}

#[test]
fn a_queue_without_room_starts_what_has_a_place() {
    for client in ["threads", "runtime"] {
        // More places than come due in two minutes.
        let params = json!({
            "connections": 2, "rate": 1000, "max_in_flight": 65_536, "max_queue": 0, "client": client,
        });
        let (done, _) = run_until(&plan("echo", params), |counted| counted[count::COMPLETED] > 0);
        assert_eq!(done.counts[count::DROPPED], 0, "{client}");
    }
}

#[test]
fn timer_storm_accounts_for_each_timer() {
    let params = json!({ "rate": 5000, "min_delay": "1ms", "max_delay": "40ms", "cancelled": 0.4 });
    for plan in on_every_flavour(plan("timer_storm", params)) {
        let enough = |counted: &BTreeMap<String, u64>| counted["fired"] > 0 && counted["cancelled"] > 0;
        let (done, merged) = run_until(&plan, enough);
        let [fired, cancelled, early] = ["fired", "cancelled", "early"].map(|name| done.counts[name]);
        assert_eq!(early, 0);
        assert_eq!(fired + cancelled, done.counts[count::COMPLETED]);
        assert_eq!(merged["firing_error"].len(), fired);
        assert!(merged["lag"].len() >= fired, "of each sleep that was started");
    }
}

#[test]
fn sleeps_past_the_end_of_the_window_are_planned_and_not_started() {
    let params = json!({ "rate": 1000, "min_delay": "50s", "max_delay": "60s", "cancelled": 0.0 });
    let plan = plan("timer_storm", params);
    let (exit, frames) = run(&plan);
    assert_eq!(exit, Exit::Done);
    let (done, _) = check_whole(&frames);
    assert!(!done.interrupted);
    assert_eq!(done.measured_ns, plan.duration_ns);
    let counts = [count::PLANNED, count::NOT_STARTED, count::COMPLETED].map(|name| done.counts[name]);
    assert_eq!(counts, [200, 200, 0]);
}

/// One worker, on which a task takes 10 ms, and is asked to run ten times as many as it can: whatever the speed of the
/// machine, each figure has its bound.
#[test]
fn a_saturated_run_counts_what_was_reached_and_measures_from_the_plan() {
    const WORK: u64 = 10 * MS;
    for origin in ["worker", "block_on", "foreign"] {
        let mut params = json!({
            "rate": 1000, "work": "10ms", "worker_share": 0, "block_on_share": 0, "foreign_share": 0,
        });
        params[format!("{origin}_share")] = 1.into();
        let mut plan = plan("spawn_flood", params);
        plan.runtime.worker_threads = Some(1);
        let (exit, frames) = run(&plan);
        assert_eq!(exit, Exit::Done);
        let (done, merged) = check_whole(&frames);
        assert_eq!(done.counts[count::PLANNED], 200, "{origin}");
        let reached = done.counts[count::COMPLETED_IN_WINDOW];
        assert!(reached * WORK <= done.measured_ns + WORK, "{origin}: {reached} in {} ns", done.measured_ns);
        let account = done.account.unwrap();
        let length = (account.end_ns - account.start_ns) as u64;
        assert!(account.completed * WORK <= length + WORK, "{origin}: {account:?}");
        assert!(done.counts[count::DRAINED] <= done.counts[count::COMPLETED]);
        // Before the last one that was recorded ended, all others had to run, and it was planned in the window.
        let recorded = &merged[origin];
        assert_eq!(recorded.len(), done.counts[count::COMPLETED]);
        if let Some(others) = recorded.len().checked_sub(1) {
            assert!(recorded.max() + done.measured_ns >= others * WORK, "{origin}: {others} others");
        }
    }
}

#[test]
fn spawn_flood_sees_every_origin() {
    for mode in ["open", "closed"] {
        let multi = plan("spawn_flood", json!({ "rate": 6000, "batch": 16, "mode": mode }));
        for plan in on_every_flavour(multi) {
            let origins = ["worker", "block_on", "foreign"];
            let (done, merged) =
                run_until(&plan, |counted| origins.iter().all(|origin| counted[*origin] > 0));
            let recorded = origins.map(|name| merged[name].len());
            assert_eq!(recorded.iter().sum::<u64>(), done.counts[count::COMPLETED], "{mode}");
        }
    }
    let plan = plan("spawn_flood", json!({ "worker_share": 0, "block_on_share": 0 }));
    let (_, merged) = run_until(&plan, |counted| counted["foreign"] > 0);
    assert_eq!(merged.keys().collect::<Vec<_>>(), ["foreign", stream::LAG]);
}

#[test]
fn blocking_mix_measures_both_sides() {
    for kind in ["cpu", "sleep"] {
        let multi = plan("blocking_mix", json!({ "task_rate": 500, "job_rate": 100, "job_kind": kind }));
        for plan in on_every_flavour(multi) {
            let (done, merged) = run_until(&plan, |counted| counted["tasks"] > 0 && counted["jobs"] > 0);
            let planned = planned_at(500, &plan, &done) + planned_at(100, &plan, &done);
            assert_eq!(done.counts[count::PLANNED], planned);
            assert_eq!(merged["task"].len(), done.counts["tasks"]);
            assert_eq!(merged["blocking_total"].len(), done.counts["jobs"]);
            assert_eq!(merged["blocking_queue"].len(), done.counts["jobs"]);
        }
    }
}
