//! What a runtime counts, and the report of polls that run for too long.

mod support;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use runtime::net::TcpListener;
use runtime::runtime::{
    Builder, HistogramConfiguration, HistogramScale, LogHistogram, RuntimeFlavor, RuntimeMetrics, StuckPoll,
};
use runtime::sync::oneshot;
use runtime::task::{self, yield_now};
use support::{Drops, Flavour, LOST, Rt, builders, panic_text};

over_flavours!(
    polls_and_tasks_are_counted,
    parks_come_in_pairs,
    tasks_from_outside_wait_in_the_global_queue,
    descriptors_are_counted,
    the_blocking_pool_is_counted,
    every_closure_waits_once,
    workers_have_threads,
    a_spent_budget_is_counted,
    the_mean_time_of_polls_is_between_the_extremes,
    a_worker_that_does_not_exist_is_named,
    without_histograms_there_are_none,
    the_depth_of_a_local_queue_is_that_of_the_moment,
    a_wake_up_for_nothing_is_counted,
    a_wake_up_from_outside_is_counted,
    the_poll_that_runs_is_timed,
    time_awake_is_counted,
);

/// Waits until something that must happen has happened.
fn until(mut happened: impl FnMut() -> bool) {
    let limit = Instant::now() + LOST;
    while !happened() {
        assert!(Instant::now() < limit, "it never happened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sum(metrics: &RuntimeMetrics, of: impl Fn(usize) -> u64) -> u64 {
    (0..metrics.num_workers()).map(of).sum()
}

fn polls_and_tasks_are_counted(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    rt.block_on(rt.spawn(async {
        let tasks: Vec<_> = (0..10).map(|_| task::spawn(async {})).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }))
    .unwrap();
    assert_eq!(metrics.spawned_tasks_count(), 11);
    assert_eq!(metrics.num_alive_tasks(), 0);
    until(|| sum(&metrics, |worker| metrics.worker_poll_count(worker)) >= 11);
    assert_eq!(metrics.global_queue_depth(), 0);
    assert!(metrics.remote_schedule_count() >= 1, "spawned from outside");
    assert!(sum(&metrics, |worker| metrics.worker_local_schedule_count(worker)) >= 10);
    assert_eq!(sum(&metrics, |worker| metrics.worker_overflow_count(worker)), 0);
    let stolen = sum(&metrics, |worker| metrics.worker_steal_count(worker));
    let from = |thief| (0..metrics.num_workers()).map(move |victim| (thief, victim));
    let by_victim: u64 = (0..metrics.num_workers())
        .flat_map(from)
        .map(|(thief, victim)| metrics.worker_steal_count_from(thief, victim))
        .sum();
    assert_eq!(by_victim, stolen);
    assert!(sum(&metrics, |worker| metrics.worker_steal_operations(worker)) <= stolen);
}

fn parks_come_in_pairs(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    rt.block_on(async { runtime::time::sleep(Duration::from_millis(2)).await });
    if metrics.num_workers() > 1 {
        // Idle workers end up asleep.
        until(|| (0..metrics.num_workers()).all(|worker| metrics.worker_park_unpark_count(worker) % 2 == 1));
    }
    for worker in 0..metrics.num_workers() {
        // A count only grows: those that are read first are no larger than those that go before them.
        let noops = metrics.worker_noop_count(worker);
        let both = metrics.worker_park_unpark_count(worker);
        let parks = metrics.worker_park_count(worker);
        let both_later = metrics.worker_park_unpark_count(worker);
        assert!(both <= 2 * parks, "{parks} parks, {both} with unparks before");
        // One may be under way.
        assert!(both_later + 1 >= parks, "{parks} parks, {both_later} with unparks after");
        assert!(noops <= parks);
    }
    // It is counted when its waker has been called.
    until(|| sum(&metrics, |worker| metrics.worker_timers_fired_count(worker)) >= 1);
}

fn tasks_from_outside_wait_in_the_global_queue(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    let (begun, begins) = mpsc::channel();
    let mut ends = Vec::new();
    // No worker comes to its queues. Where there are no worker threads, none does until `block_on` is called.
    if rt.handle().runtime_flavor() == RuntimeFlavor::MultiThread {
        for _ in 0..metrics.num_workers() {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let begun = begun.clone();
            rt.spawn(async move {
                begun.send(()).unwrap();
                let _ = ended.recv();
            });
            begins.recv_timeout(LOST).unwrap();
        }
    }
    let tasks: Vec<_> = (1..4)
        .map(|depth| {
            let task = rt.spawn(async {});
            assert_eq!(metrics.global_queue_depth(), depth);
            task
        })
        .collect();
    drop(ends);
    for task in tasks {
        rt.block_on(task).unwrap();
    }
    assert_eq!(metrics.global_queue_depth(), 0);
}

fn descriptors_are_counted(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    assert_eq!((metrics.io_driver_fd_registered_count(), metrics.io_driver_fd_deregistered_count()), (0, 0));
    let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    assert_eq!((metrics.io_driver_fd_registered_count(), metrics.io_driver_fd_deregistered_count()), (1, 0));
    let address = listener.local_addr().unwrap();
    let client = std::net::TcpStream::connect(address).unwrap();
    rt.block_on(listener.accept()).unwrap();
    until(|| metrics.io_driver_ready_count() >= 1);
    drop((client, listener));
    assert_eq!((metrics.io_driver_fd_registered_count(), metrics.io_driver_fd_deregistered_count()), (2, 2));
}

fn the_blocking_pool_is_counted(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    assert_eq!((metrics.num_blocking_threads(), metrics.num_idle_blocking_threads()), (0, 0));
    rt.block_on(rt.spawn_blocking(|| ())).unwrap();
    until(|| metrics.num_idle_blocking_threads() == 1);
    assert_eq!((metrics.num_blocking_threads(), metrics.blocking_queue_depth()), (1, 0));
}

fn every_closure_waits_once(new: fn() -> Rt) {
    let rt = new();
    for _ in 0..5 {
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
    }
    let metrics = rt.metrics();
    let buckets = metrics.blocking_latency_histogram_num_buckets();
    let total: u64 = (0..buckets).map(|bucket| metrics.blocking_latency_histogram_bucket_count(bucket)).sum();
    assert_eq!(total, 5);
    assert_eq!(metrics.blocking_latency_histogram_bucket_range(0).start, Duration::ZERO);
}

fn workers_have_threads(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    rt.block_on(rt.spawn(async {})).unwrap();
    until(|| (0..metrics.num_workers()).all(|worker| metrics.worker_thread_id(worker).is_some()));
    let threads: HashSet<_> =
        (0..metrics.num_workers()).map(|worker| metrics.worker_thread_id(worker)).collect();
    assert_eq!(threads.len(), metrics.num_workers(), "each worker has a thread of its own");
    let (worker, thread) = rt
        .block_on(rt.spawn(async { (runtime::runtime::worker_index(), std::thread::current().id()) }))
        .unwrap();
    assert_eq!(metrics.worker_thread_id(worker.unwrap()), Some(thread));
}

fn a_spent_budget_is_counted(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    rt.block_on(rt.spawn(async {
        for _ in 0..1000 {
            task::consume_budget().await;
        }
    }))
    .unwrap();
    // A worker counts before it sleeps, and nobody wakes it here.
    until(|| metrics.budget_forced_yield_count() >= 7);
    assert_eq!(metrics.budget_forced_yield_count(), 7, "1000 operations at 128 a poll");
}

fn the_mean_time_of_polls_is_between_the_extremes(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    let began = Instant::now();
    rt.block_on(rt.spawn(async {
        for _ in 0..1000 {
            yield_now().await;
        }
    }))
    .unwrap();
    let all = began.elapsed();
    let means: Vec<_> =
        (0..metrics.num_workers()).map(|worker| metrics.worker_mean_poll_time(worker)).collect();
    assert!(means.iter().any(|mean| !mean.is_zero()), "{means:?}");
    assert!(means.iter().all(|&mean| mean < all), "{means:?} in {all:?}");
}

fn a_worker_that_does_not_exist_is_named(new: fn() -> Rt) {
    let metrics = new().metrics();
    let beyond = metrics.num_workers();
    let says = format!("there is no worker {beyond}");
    for text in [
        panic_text(|| _ = metrics.worker_poll_count(beyond)),
        panic_text(|| _ = metrics.worker_thread_id(beyond)),
        panic_text(|| _ = metrics.worker_running_poll_duration(beyond)),
        panic_text(|| _ = metrics.worker_steal_count_from(0, beyond)),
    ] {
        assert!(text.contains(&says), "{text}");
    }
}

fn without_histograms_there_are_none(new: fn() -> Rt) {
    let metrics = new().metrics();
    assert!(!metrics.poll_time_histogram_enabled() && !metrics.schedule_latency_histogram_enabled());
    assert_eq!(metrics.poll_time_histogram_num_buckets(), 0);
    assert_eq!(metrics.schedule_latency_histogram_num_buckets(), 0);
    // An exporter asks without looking first.
    assert_eq!(metrics.poll_time_histogram_bucket_count(0, 0), 0);
    assert_eq!(metrics.schedule_latency_histogram_bucket_count(0, 7), 0);
    assert_eq!(metrics.poll_time_histogram_bucket_range(0), Duration::ZERO..Duration::ZERO);
    assert_eq!(metrics.schedule_latency_histogram_bucket_range(7), Duration::ZERO..Duration::ZERO);
    let beyond = metrics.num_workers();
    let text = panic_text(|| _ = metrics.poll_time_histogram_bucket_count(beyond, 0));
    assert!(text.contains(&format!("there is no worker {beyond}")), "{text}");
}

/// On its worker's thread, and after everything has ended.
fn the_depth_of_a_local_queue_is_that_of_the_moment(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    if metrics.num_workers() > 1 {
        return; // Others would steal meanwhile.
    }
    let theirs = metrics.clone();
    let seen = rt.block_on(rt.spawn(async move {
        let depth = || theirs.worker_local_queue_depth(0);
        let mut seen = vec![depth()];
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let metrics = theirs.clone();
                let task = task::spawn(async move { metrics.worker_local_queue_depth(0) });
                seen.push(depth());
                task
            })
            .collect();
        for task in tasks {
            seen.push(task.await.unwrap());
        }
        seen
    }));
    let seen = seen.unwrap();
    // Where there is a slot for the task that was woken last, that one is in no queue. It runs first.
    let slot = usize::from(
        matches!(&rt, Rt::Shared(rt) if rt.handle().runtime_flavor() == RuntimeFlavor::MultiThread),
    );
    let filling: Vec<_> = (0..=10_usize).map(|n| n.saturating_sub(slot)).collect();
    assert_eq!(seen[..=10], filling);
    let mut emptying = seen[11..].to_vec();
    // They are awaited in the order of their making, and each that ends wakes the first one at most once.
    emptying.sort_unstable();
    assert!(emptying.iter().zip(0..10).all(|(&depth, n)| depth.abs_diff(n) <= 1), "{emptying:?}");
    until(|| metrics.worker_local_queue_depth(0) == 0);
}

/// The queue that a worker has emptied since it last looked at the events, as another thread sees it.
#[test]
fn a_worker_that_sleeps_has_nothing_in_its_queue() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.event_interval(61));
        let metrics = rt.metrics();
        let (stop, stopped) = oneshot::channel::<()>();
        let seen = std::thread::spawn(move || {
            let asleep = |worker| metrics.worker_park_unpark_count(worker) % 2 == 1;
            let polls = || sum(&metrics, |worker| metrics.worker_poll_count(worker));
            until(|| polls() >= 100 && (0..metrics.num_workers()).all(asleep));
            let depths: Vec<_> =
                (0..metrics.num_workers()).map(|worker| metrics.worker_local_queue_depth(worker)).collect();
            stop.send(()).unwrap();
            depths
        });
        // On one thread: 61 of them, then a look at the events, then the others.
        rt.block_on(async {
            for _ in 0..100 {
                task::spawn(async {});
            }
            stopped.await.unwrap();
        });
        assert!(seen.join().unwrap().iter().all(|&depth| depth == 0), "{flavour}");
    }
}

/// While nobody drives it.
#[test]
fn the_depth_of_a_queue_at_rest_is_that_of_the_moment() {
    for rt in [Rt::from(support::current()), Rt::from(support::local())] {
        let metrics = rt.metrics();
        rt.block_on(async {
            for _ in 0..3 {
                task::spawn(std::future::pending::<()>());
            }
        });
        assert_eq!(metrics.worker_local_queue_depth(0), 3);
        rt.block_on(yield_now());
        assert_eq!(metrics.worker_local_queue_depth(0), 0);
    }
}

#[test]
fn each_poll_is_in_one_bucket_of_each_histogram() {
    for (flavour, mut builder) in builders() {
        let shape = HistogramConfiguration::linear(Duration::from_millis(1), 3);
        let rt = flavour.build(
            builder
                .enable_all()
                .enable_metrics_poll_time_histogram()
                .metrics_poll_time_histogram_configuration(shape.clone())
                .enable_metrics_schedule_latency_histogram()
                .metrics_schedule_latency_histogram_configuration(HistogramConfiguration::log(
                    LogHistogram::default(),
                )),
        );
        let metrics = rt.metrics();
        rt.block_on(rt.spawn(async {
            yield_now().await;
            std::thread::sleep(Duration::from_millis(3));
            // Woken through the slot.
            task::spawn(async {}).await.unwrap();
        }))
        .unwrap();
        drop(rt);
        assert_eq!(metrics.poll_time_histogram_num_buckets(), 3);
        assert_eq!(metrics.schedule_latency_histogram_num_buckets(), 119);
        let polls = sum(&metrics, |worker| metrics.worker_poll_count(worker));
        let counts =
            |bucket| sum(&metrics, |worker| metrics.poll_time_histogram_bucket_count(worker, bucket));
        assert!(polls >= 3);
        assert_eq!((0..3).map(counts).sum::<u64>(), polls);
        assert!(counts(2) >= 1, "one poll took 3 ms or more; others may have, too, on a busy machine");
        let waits: u64 = (0..119)
            .map(|bucket| {
                sum(&metrics, |worker| metrics.schedule_latency_histogram_bucket_count(worker, bucket))
            })
            .sum();
        assert_eq!(waits, polls);
    }
}

#[test]
fn a_shape_alone_turns_nothing_on() {
    let rt = Builder::new_current_thread()
        .metrics_poll_time_histogram_configuration(HistogramConfiguration::default())
        .build()
        .unwrap();
    assert!(!rt.metrics().poll_time_histogram_enabled());
}

#[test]
fn an_impossible_shape_is_refused_when_the_runtime_is_built() {
    let error = Builder::new_current_thread()
        .enable_metrics_poll_time_histogram()
        .metrics_poll_time_histogram_configuration(HistogramConfiguration::linear(Duration::ZERO, 3))
        .build()
        .unwrap_err();
    assert!(error.to_string().contains("metrics.poll_time_histogram"), "{error}");
    let error =
        Builder::new_current_thread().stuck_poll_threshold(Duration::from_nanos(1)).build().unwrap_err();
    assert!(error.to_string().contains("metrics.stuck_poll_threshold"), "{error}");
}

#[test]
#[allow(deprecated, reason = "they are what is tested")]
fn the_former_names_do_what_they_did() {
    let mut builder = Builder::new_current_thread();
    builder.enable_metrics_poll_count_histogram().metrics_poll_count_histogram_scale(HistogramScale::Log);
    let rt = builder
        .metrics_poll_count_histogram_resolution(Duration::from_nanos(50))
        .metrics_poll_count_histogram_buckets(12)
        .build()
        .unwrap();
    let metrics = rt.metrics();
    assert!(metrics.poll_count_histogram_enabled());
    assert_eq!(metrics.poll_count_histogram_num_buckets(), 12);
    let nanos = Duration::from_nanos;
    assert_eq!(metrics.poll_count_histogram_bucket_range(0), nanos(0)..nanos(64));
    assert_eq!(metrics.poll_count_histogram_bucket_range(2), nanos(128)..nanos(256));
    assert_eq!(metrics.poll_count_histogram_bucket_range(11), nanos(64 << 10)..nanos(u64::MAX));
    assert_eq!(metrics.poll_count_histogram_bucket_count(0, 3), 0);
    assert_eq!((metrics.active_tasks_count(), metrics.injection_queue_depth()), (0, 0));
    assert!(!panic_text(|| _ = metrics.poll_count_histogram_bucket_range(12)).is_empty());
}

fn a_wake_up_for_nothing_is_counted(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    let noops = || sum(&metrics, |worker| metrics.worker_noop_count(worker));
    // Nobody waits for its connections, so events of this socket wake a worker and no task.
    let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let before = noops();
    let limit = Instant::now() + LOST;
    while noops() < before + 3 {
        assert!(Instant::now() < limit, "{} of 3", noops() - before);
        let connected = std::net::TcpStream::connect(address).unwrap();
        rt.block_on(async { runtime::time::sleep(Duration::from_millis(5)).await });
        drop(connected);
    }
}

fn a_wake_up_from_outside_is_counted(new: fn() -> Rt) {
    let rt = new();
    let metrics = rt.metrics();
    let limit = Instant::now() + LOST;
    while metrics.remote_wakeups_sent_count() < 3 {
        assert!(Instant::now() < limit, "{} of 3", metrics.remote_wakeups_sent_count());
        let (handle, (done, ends)) = (rt.handle().clone(), mpsc::channel());
        let outside = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(2));
            handle.spawn(async {});
            done.send(()).unwrap();
        });
        rt.block_on(async { runtime::time::sleep(Duration::from_millis(5)).await });
        ends.recv_timeout(LOST).unwrap();
        outside.join().unwrap();
    }
}

#[test]
fn a_wake_up_by_another_worker_is_counted() {
    let rt = support::multi(2);
    let metrics = rt.metrics();
    let limit = Instant::now() + LOST;
    let by = |worker| metrics.worker_wakeups_sent_count(worker);
    while sum(&metrics, by) == 0 {
        assert!(Instant::now() < limit, "never");
        // The other one sleeps by now.
        std::thread::sleep(Duration::from_millis(5));
        rt.block_on(rt.spawn(async {
            let tasks: Vec<_> = (0..10).map(|_| task::spawn(yield_now())).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }))
        .unwrap();
    }
}

#[test]
fn who_stole_from_whom_is_counted() {
    let rt = support::multi(2);
    let metrics = rt.metrics();
    // Its own tasks lie in its queue until the other worker takes them.
    let (victim, thieves) = rt
        .block_on(rt.spawn(async {
            let (send, receive) = mpsc::channel();
            for _ in 0..4 {
                let send = send.clone();
                task::spawn(async move { send.send(runtime::runtime::worker_index().unwrap()).unwrap() });
            }
            let thieves: Vec<_> = (0..4).map(|_| receive.recv_timeout(LOST).unwrap()).collect();
            (runtime::runtime::worker_index().unwrap(), thieves)
        }))
        .unwrap();
    let thief = 1 - victim;
    assert_eq!(thieves, [thief; 4]);
    assert!(metrics.worker_steal_count_from(thief, victim) >= 4);
    assert!(metrics.worker_steal_count(thief) >= metrics.worker_steal_count_from(thief, victim));
    assert!((1..=4).contains(&metrics.worker_steal_operations(thief)));
    assert_eq!(metrics.worker_steal_count_from(victim, victim), 0);
}

/// As runtimes are by default: on one thread nobody looks out for stuck polls.
fn the_poll_that_runs_is_timed(new: fn() -> Rt) {
    let rt = new();
    let nap = Duration::from_millis(30);
    let (worker, running) = rt
        .block_on(rt.spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            std::thread::sleep(nap);
            let worker = runtime::runtime::worker_index().unwrap();
            let metrics = runtime::runtime::Handle::current().metrics();
            (worker, metrics.worker_running_poll_duration(worker))
        }))
        .unwrap();
    let running = running.expect("this poll");
    assert!(running >= nap, "{running:?}");
    let metrics = rt.metrics();
    until(|| metrics.worker_running_poll_duration(worker).is_none());
}

fn time_awake_is_counted(new: fn() -> Rt) {
    let rt = new();
    let nap = Duration::from_millis(20);
    rt.block_on(rt.spawn(async move { std::thread::sleep(nap) })).unwrap();
    let metrics = rt.metrics();
    let busy = || (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum();
    until(|| nap <= busy());
    // Asleep, it is not: neither on one thread, where nobody drives it, nor with workers, which come to rest.
    let parks = || sum(&metrics, |worker| metrics.worker_park_unpark_count(worker));
    until(|| {
        let (parked, all) = (parks(), busy());
        std::thread::sleep(nap);
        let is_at_rest = parks() == parked;
        assert!(!is_at_rest || busy() == all, "{:?} more", busy() - all);
        is_at_rest
    });
    // A worker that always has a task does not sleep, and its time is counted meanwhile.
    let counted = rt.spawn(async move {
        let busy =
            || (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum();
        let before: Duration = busy();
        std::thread::sleep(nap);
        for _ in 0..1_000_000 {
            yield_now().await;
            if busy() >= before + nap {
                return true;
            }
        }
        false
    });
    assert!(rt.block_on(counted).unwrap());
}

#[test]
fn how_long_a_closure_waits_is_counted_where_it_belongs() {
    for (flavour, mut builder) in builders() {
        let rt = flavour.build(builder.max_blocking_threads(1));
        let nap = Duration::from_millis(20);
        let (end, ending) = mpsc::channel::<()>();
        let first = rt.spawn_blocking(move || _ = ending.recv());
        let second = rt.spawn_blocking(|| ());
        std::thread::sleep(nap);
        drop(end);
        rt.block_on(async {
            first.await.unwrap();
            second.await.unwrap();
        });
        let metrics = rt.metrics();
        // The first one waits only for its thread to start.
        let long = (0..metrics.blocking_latency_histogram_num_buckets())
            .filter(|&bucket| metrics.blocking_latency_histogram_bucket_range(bucket).end > nap)
            .map(|bucket| metrics.blocking_latency_histogram_bucket_count(bucket));
        assert!(long.sum::<u64>() >= 1, "{flavour}: the second one");
    }
}

/// A builder whose runtime reports polls of more than a few milliseconds, and where the reports come out.
fn watched(flavour: Flavour, builder: &mut Builder) -> (Rt, mpsc::Receiver<StuckPoll>) {
    let (report, reports) = mpsc::channel();
    let settings = builder
        .enable_all()
        .stuck_poll_threshold(Duration::from_millis(20))
        .on_stuck_poll(move |poll| report.send(poll.clone()).unwrap());
    let rt = flavour.build(settings);
    (rt, reports)
}

#[test]
fn a_stuck_poll_is_reported_once_while_it_runs() {
    for (flavour, mut builder) in builders() {
        let (rt, reports) = watched(flavour, &mut builder);
        let metrics = rt.metrics();
        let first = line!();
        let (id, stuck, running) = rt
            .block_on(rt.spawn(async move {
                let metrics = runtime::runtime::Handle::current().metrics();
                let stuck = reports.recv_timeout(LOST).unwrap();
                // It is still the same poll, and is not reported again: there are four looks in each span.
                let running = metrics.worker_running_poll_duration(stuck.worker()).unwrap();
                assert!(reports.recv_timeout(Duration::from_millis(200)).is_err());
                assert_eq!(metrics.worker_stuck_poll_count(stuck.worker()), 1);
                (task::id(), stuck, running)
            }))
            .unwrap();
        let place = stuck.spawned_at();
        assert!(place.file() == file!() && (first..line!()).contains(&place.line()), "{place}");
        assert_eq!((stuck.id(), stuck.name()), (id, None));
        assert!(stuck.running_for() >= Duration::from_millis(20), "{stuck}");
        assert!(running >= stuck.running_for());
        assert!(stuck.to_string().contains("stuck in a poll of task"), "{stuck}");
        assert_eq!(sum(&metrics, |worker| metrics.worker_stuck_poll_count(worker)), 1);
    }
}

#[test]
fn a_report_names_the_worker_that_is_stuck() {
    let [_, _, (flavour, mut builder), _] = builders();
    let (rt, reports) = watched(flavour, &mut builder);
    let ends: Vec<_> = (0..4)
        .map(|_| {
            let (end, ended) = mpsc::channel::<()>();
            rt.spawn(async move { _ = ended.recv() });
            end
        })
        .collect();
    let named: HashSet<usize> = ends.iter().map(|_| reports.recv_timeout(LOST).unwrap().worker()).collect();
    assert_eq!(named, (0..4).collect());
    drop(ends);
}

#[test]
fn a_stuck_poll_that_follows_a_long_rest_is_seen() {
    for (flavour, mut builder) in builders() {
        let (rt, reports) = watched(flavour, &mut builder);
        let reports = Arc::new(std::sync::Mutex::new(reports));
        for round in 0..3 {
            // Long enough for whoever looks out to have gone to sleep.
            rt.block_on(async { runtime::time::sleep(Duration::from_millis(100)).await });
            let reports = reports.clone();
            let blocks = async move { reports.lock().unwrap().recv_timeout(LOST).unwrap() };
            let name = format!("round {round}");
            let _entered = rt.enter();
            let task = task::Builder::new().name(&name).spawn(blocks).unwrap();
            assert_eq!(rt.block_on(task).unwrap().name(), Some(&*name));
        }
    }
}

#[test]
fn nothing_is_left_of_the_monitor_when_a_runtime_has_been_dropped() {
    for (flavour, mut builder) in builders() {
        let drops = Drops::default();
        for round in 1..=10 {
            let held = drops.track();
            // The builder would keep the closure, too.
            let rt = flavour.build(
                builder.stuck_poll_threshold(Duration::from_secs(1)).on_stuck_poll(move |_| _ = &held),
            );
            builder.on_stuck_poll(|_| ());
            rt.block_on(async {});
            drop(rt);
            assert_eq!(drops.count(), round, "{flavour}");
        }
    }
}

#[test]
fn switched_off_nothing_is_reported() {
    for (flavour, mut builder) in builders() {
        let reported = Arc::new(AtomicBool::new(false));
        let theirs = reported.clone();
        let rt = flavour.build(
            builder
                .enable_all()
                .stuck_poll_threshold(Duration::ZERO)
                .on_stuck_poll(move |_| theirs.store(true, SeqCst)),
        );
        rt.block_on(rt.spawn(async { std::thread::sleep(Duration::from_millis(60)) })).unwrap();
        let metrics = rt.metrics();
        drop(rt);
        assert_eq!(sum(&metrics, |worker| metrics.worker_stuck_poll_count(worker)), 0);
        assert!(!reported.load(SeqCst));
    }
}

#[test]
fn a_report_that_panics_or_blocks_does_not_keep_a_runtime() {
    for (flavour, mut builder) in builders() {
        let (called, calls) = mpsc::channel();
        let (end, ending) = mpsc::channel::<()>();
        let ending = std::sync::Mutex::new(ending);
        let settings = builder.stuck_poll_threshold(Duration::from_millis(5)).on_stuck_poll(move |_| {
            called.send(()).unwrap();
            let _ = ending.lock().unwrap().recv_timeout(LOST);
            panic!("expected");
        });
        let rt = flavour.build(settings);
        rt.block_on(rt.spawn(async move { calls.recv_timeout(LOST).unwrap() })).unwrap();
        // The report still runs.
        drop(rt);
        drop(end);
    }
}
