//! The threads of a multi-threaded runtime: how they start, what their lives are, and how their end is waited for.
//!
//! Next file to read: `engine/sched/multi.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::time::{Duration, Instant};

use super::SchedRef;
use super::core::Core;
use super::multi::Multi;
use super::queue::StealQueue;
use super::shared::Shared;
use super::tls;
use super::worker::Worker;
use crate::base::prim::{Arc, Condvar, Mutex, thread};
use crate::config::RuntimeConfig;
use crate::engine::driver::Driver;
use crate::engine::services::Services;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Threads {
    around: AroundThread,
    handles: Mutex<Vec<thread::JoinHandle<()>>>,
    /// Those that have been started and have not signed off.
    live: Mutex<usize>,
    all_gone: Condvar,
}

/// The owner's side of a runtime's threads.
#[derive(Debug)]
pub(crate) struct Workers {
    shared: Arc<Shared<Multi>>,
}

/// How the front makes a runtime the current one for a thread's whole life.
pub(crate) type AroundThread = fn(&SchedRef, &mut dyn FnMut());

/// What the workers share, and a core for each of them, before there are any threads.
#[expect(clippy::vec_box, reason = "a core lives in its box; a move out of it would copy its queues' ends")]
pub(super) fn prepare(
    config: RuntimeConfig,
    driver: Driver,
    services: Services,
    around: AroundThread,
) -> (Arc<Shared<Multi>>, Vec<Box<Core<Multi>>>) {
    let count = config.resolved_workers();
    let queues: Vec<_> = (0..count).map(|_| StealQueue::new()).collect();
    let threads = Threads {
        around,
        handles: Mutex::new(Vec::with_capacity(count)),
        live: Mutex::new(0),
        all_gone: Condvar::new(),
    };
    let policy = Multi::new(&queues, threads);
    let shared = Shared::new(config, driver, services, policy);
    let seed = |index| seed(shared.config.rng_seed, Arc::as_ptr(&shared) as usize, index);
    let cores = queues.into_iter().enumerate().map(|(index, queue)| {
        Box::new(Core::new(index, queue, shared.policy.slot(index), &shared.config, seed(index)))
    });
    let cores = cores.collect();
    (shared, cores)
}

/// Starts a runtime's workers.
///
/// # Errors
///
/// When the operating system gives no thread. The ones that it gave have ended again by then.
pub(crate) fn start(
    config: RuntimeConfig,
    driver: Driver,
    services: Services,
    around: AroundThread,
) -> io::Result<(SchedRef, Workers)> {
    let (shared, cores) = prepare(config, driver, services, around);
    Shared::start_monitor(&shared)?;
    let workers = Workers { shared: shared.clone() };
    let sched = SchedRef::Multi(shared.clone());
    for core in cores {
        if let Err(error) = start_thread(&shared, Some(core)) {
            workers.close();
            workers.wait(None);
            shared.monitor.stop(true);
            return Err(error);
        }
    }
    Ok((sched, workers))
}

/// Where the random choices of one worker start. Where the runtime lies in memory differs from one to the next.
fn seed(given: Option<u64>, address: usize, index: usize) -> u64 {
    given.unwrap_or(address as u64).wrapping_add(index as u64)
}

/// Starts a thread for a core, or for one that was offered.
pub(super) fn start_thread(shared: &Arc<Shared<Multi>>, core: Option<Box<Core<Multi>>>) -> io::Result<()> {
    let threads = &shared.policy.threads;
    let around = threads.around;
    let thread = shared.clone();
    let builder = shared.services.hooks.thread_builder();
    *threads.live.lock() += 1;
    // So that a thread that soon ends finds its handle there.
    let mut handles = threads.handles.lock();
    let started = builder.spawn(move || {
        let gone = Gone(thread.clone());
        let mut core = core;
        around(&SchedRef::Multi(thread.clone()), &mut || run_worker(&thread, core.take()));
        // Only when everything of this thread is over: whoever waits may free what it used.
        drop((thread, gone));
    });
    match started {
        Ok(handle) => handles.push(handle),
        Err(error) => {
            drop(handles);
            *threads.live.lock() -= 1;
            return Err(error);
        }
    }
    Ok(())
}

/// The life of a thread: it runs its core, and then those that others hand on.
fn run_worker(shared: &Arc<Shared<Multi>>, mut core: Option<Box<Core<Multi>>>) {
    let handoff = &shared.policy.handoff;
    let mut seat = core.is_none().then(|| handoff.seat_of_started());
    let hooks = shared.services.hooks.clone();
    hooks.started();
    loop {
        let next = core.take().or_else(|| {
            let seat = seat.take().unwrap_or_else(|| handoff.sit_down());
            seat.claim(shared.config.thread_keep_alive)
        });
        let Some(core) = next else { break };
        let worker = Worker::new(shared.clone(), core.index);
        tls::enter_multi(&worker, || {
            worker.run_until_closed(core);
            // Put off by a task that ended without a core.
            worker.defer.wake();
        });
    }
    hooks.stopping();
    if !shared.inject.is_closed() {
        // Nobody will join a thread that nobody needed any more.
        let me = thread::current().id();
        shared.policy.threads.handles.lock().retain(|handle| handle.thread().id() != me);
    }
}

impl Workers {
    /// Asks the workers to stop.
    pub(crate) fn close(&self) {
        if self.shared.inject.close() {
            self.shared.wake_all();
            self.shared.policy.handoff.close();
        }
    }

    /// Worker threads that have not ended.
    pub(crate) fn live(&self) -> usize {
        *self.shared.policy.threads.live.lock()
    }

    /// Waits until they have, for `limit` at most. Returns whether they have.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> bool {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let threads = &self.shared.policy.threads;
        let mut live = threads.live.lock();
        while *live > 0 {
            live = match deadline {
                None => threads.all_gone.wait(live),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    threads.all_gone.wait_timeout(live, left).0
                }
            };
        }
        drop(live);
        let handles = std::mem::take(&mut *threads.handles.lock());
        for handle in handles {
            // A panic in a thread hook ends a worker early; the process has heard of it by the panic hook.
            let _ = handle.join();
        }
        // For the case that a worker's hook panicked, and the last worker never came.
        self.shared.owned.close_and_shutdown_all(0);
        self.shared.clean_up();
        true
    }
}

impl Drop for Workers {
    /// Also when the naming of a thread panicked, and the runtime never came to be.
    fn drop(&mut self) {
        self.close();
        self.shared.monitor.stop(false);
    }
}

/// Signs a worker's thread off.
struct Gone(Arc<Shared<Multi>>);

impl Drop for Gone {
    fn drop(&mut self) {
        let threads = &self.0.policy.threads;
        *threads.live.lock() -= 1;
        threads.all_gone.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_is_given_is_obeyed_and_each_worker_has_its_own() {
        assert_eq!(seed(Some(7), 0x1000, 0), seed(Some(7), 0x2000, 0));
        assert_ne!(seed(None, 0x1000, 0), seed(None, 0x2000, 0));
        assert_ne!(seed(Some(7), 0x1000, 0), seed(Some(7), 0x1000, 1));
        assert_eq!(seed(Some(u64::MAX), 0, 1), 0);
    }
}
