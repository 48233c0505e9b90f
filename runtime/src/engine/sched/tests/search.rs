//! The end of a search, and which wakers are deferred: a worker that searches and one that sleeps, on no thread. The tasks
//! are pushed by hand.
#![forbid(unsafe_code)]

use super::*;
use crate::engine::sched::core::Core;
use crate::engine::sched::multi::Multi;
use crate::engine::sched::policy::Policy;
use crate::engine::sched::queue::LocalQueue;
use crate::engine::sched::shared::Shared;
use crate::engine::sched::worker::Worker;
use crate::engine::sched::{Notified, tls};

const SEARCHER: usize = 0;
const SLEEPER: usize = 1;

struct Scene {
    shared: Arc<Shared<Multi>>,
    worker: Worker<Multi>,
    core: Box<Core<Multi>>,
    others: Box<Core<Multi>>,
}

impl Scene {
    fn new() -> Self {
        let (config, driver, services) = parts(Flavor::MultiThread, 2);
        let (shared, cores) = threads::prepare(config, driver, services, |_, run| run());
        let [mut core, others] = <[_; 2]>::try_from(cores).unwrap();
        let idle = &shared.policy.idle;
        core.searching = idle.try_search();
        assert!(core.searching);
        assert!(!idle.fall_asleep(SLEEPER, false));
        Self { worker: Worker::new(shared.clone(), SEARCHER), shared, core, others }
    }

    /// Makes a task, queued on the global queue as one is that is spawned by a thread that is no worker.
    fn inject(&self) {
        let sched = SchedRef::Multi(self.shared.clone());
        drop(sched.spawn(async {}, Meta::here()));
    }

    fn task(&self) -> Notified {
        self.inject();
        self.shared.inject.pop().unwrap()
    }

    fn is_sleeper_woken(&self) -> bool {
        !self.shared.policy.idle.is_asleep(SLEEPER)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.shared.owned.close_and_shutdown_all(SEARCHER);
        for core in [&mut self.core, &mut self.others] {
            while let Some(task) = core.pop() {
                drop(task);
            }
        }
        self.shared.inject.close();
        self.shared.finish();
    }
}

/// Both ways to end a search: with a task that was found in a queue, and with one that a look at the events brought.
fn each_end(test: impl Fn(Scene, fn(&mut Scene))) {
    test(Scene::new(), |scene| Multi::found_work(&scene.shared, &mut scene.core));
    test(Scene::new(), |scene| scene.worker.end_search_with_events(&mut scene.core));
}

#[test]
fn a_single_task_from_an_event_wakes_nobody() {
    let mut scene = Scene::new();
    let task = scene.task();
    assert!(!scene.core.push(task, false), "it lies in the slot, where nobody can steal it");
    scene.worker.end_search_with_events(&mut scene.core);
    assert!(!scene.is_sleeper_woken() && !scene.core.searching);
}

#[test]
fn a_task_in_the_global_queue_wakes_the_next_worker() {
    each_end(|mut scene, end| {
        let task = scene.task();
        scene.core.push(task, false);
        scene.inject();
        assert!(!scene.is_sleeper_woken(), "who pushed it relies on the search");
        end(&mut scene);
        assert!(scene.is_sleeper_woken() && !scene.core.searching);
    });
}

#[test]
fn a_task_in_another_workers_queue_wakes_the_next_worker() {
    each_end(|mut scene, end| {
        let task = scene.task();
        scene.core.push(task, false);
        let theirs = scene.task();
        scene.others.queue.push(theirs);
        Multi::pushed_locally(&scene.shared, &scene.others);
        assert!(!scene.is_sleeper_woken(), "who pushed it relies on the search");
        end(&mut scene);
        assert!(scene.is_sleeper_woken());
    });
}

#[test]
fn several_tasks_from_events_wake_the_next_worker() {
    let mut scene = Scene::new();
    for _ in 0..2 {
        let task = scene.task();
        scene.core.push(task, false);
    }
    scene.worker.end_search_with_events(&mut scene.core);
    assert!(scene.is_sleeper_woken());
}

#[test]
fn while_another_worker_searches_nobody_is_woken() {
    each_end(|mut scene, end| {
        // Of four workers two may search: here it is counted by hand.
        scene.shared.policy.idle.wake_up(SLEEPER);
        let (config, driver, services) = parts(Flavor::MultiThread, 4);
        let (shared, mut cores) = threads::prepare(config, driver, services, |_, run| run());
        let idle = &shared.policy.idle;
        cores[0].searching = idle.try_search();
        cores[1].searching = idle.try_search();
        assert!(cores[0].searching && cores[1].searching);
        assert!(!idle.fall_asleep(2, false));
        std::mem::swap(&mut scene.core, &mut cores[0]);
        scene.worker = Worker::new(shared.clone(), SEARCHER);
        scene.shared = shared.clone();
        scene.inject();
        end(&mut scene);
        assert!(shared.policy.idle.is_asleep(2), "the other one goes on with the search");
    });
}

/// What keeps foreign executors from hanging: only the waker that was polled last is deferred.
#[test]
fn only_the_waker_that_is_polled_is_deferred() {
    use crate::engine::sched::defer;
    let scene = Scene::new();
    let (own, other) = (Parker::new().unparker().into_waker(), Parker::new().unparker().into_waker());
    assert!(!defer::defer(&own), "on a thread without a worker");
    tls::enter_multi(&scene.worker, || {
        assert!(!defer::defer(&own));
        defer::poll_begins(&own);
        assert!(!defer::defer(&other));
        assert!(defer::defer(&own) && defer::defer(&own.clone()));
        tls::outside(|| assert!(!defer::defer(&own)));
        assert!(defer::defer(&own));
        let nested = defer::Nested::begin(&other);
        nested.poll_begins(&own);
        assert!(!defer::defer(&own), "the set was not polled with a waker that may be deferred");
        drop(nested);
        let nested = defer::Nested::begin(&own);
        nested.poll_begins(&other);
        assert!(defer::defer(&other) && !defer::defer(&own));
        drop(nested);
        assert!(defer::defer(&own));
        scene.worker.defer.wake();
    });
}
