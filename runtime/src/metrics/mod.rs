//! What a runtime counts, read without stopping anything.
//!
//! Next file to read: `metrics/histograms.rs`.
#![forbid(unsafe_code)]

mod deprecated;
mod histograms;

use std::thread::ThreadId;
use std::time::Duration;

use crate::engine::counters::WorkerCounters;
use crate::engine::sched::SchedRef;

/// The counters of a runtime, from [`Handle::metrics`](crate::runtime::Handle::metrics).
///
/// Counts begin with the runtime and only grow; depths and numbers of threads are those of the moment. Each value
/// is read by itself: two of them may be from slightly different moments.
///
/// ```
/// let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
/// rt.block_on(async { runtime::spawn(async {}).await.unwrap() });
/// assert_eq!(rt.metrics().spawned_tasks_count(), 1);
/// assert!(rt.metrics().worker_poll_count(0) >= 1);
/// ```
///
/// # Panics
///
/// Methods that take a worker's number panic when there is no such worker.
#[derive(Clone, Debug)]
pub struct RuntimeMetrics {
    sched: SchedRef,
}

impl RuntimeMetrics {
    pub(crate) fn new(sched: SchedRef) -> Self {
        Self { sched }
    }

    #[track_caller]
    fn worker(&self, worker: usize) -> &WorkerCounters {
        let workers = &self.sched.counters().workers;
        match workers.get(worker) {
            Some(counters) => counters,
            None => panic!("there is no worker {worker}: this runtime has {}", workers.len()),
        }
    }

    /// For what all workers have alike. There is always at least one.
    fn any_worker(&self) -> &WorkerCounters {
        &self.sched.counters().workers[0]
    }

    /// Worker threads; 1 for a `current_thread` runtime.
    pub fn num_workers(&self) -> usize {
        self.sched.counters().workers.len()
    }

    /// Tasks that were spawned and have not ended.
    pub fn num_alive_tasks(&self) -> usize {
        self.sched.alive_tasks()
    }

    /// Tasks spawned since the runtime began; closures of `spawn_blocking` do not count.
    pub fn spawned_tasks_count(&self) -> u64 {
        self.sched.spawned_tasks()
    }

    /// Threads of the blocking pool.
    pub fn num_blocking_threads(&self) -> usize {
        self.sched.services().blocking.num_threads()
    }

    /// Threads of the blocking pool that wait for a closure.
    pub fn num_idle_blocking_threads(&self) -> usize {
        self.sched.services().blocking.num_idle_threads()
    }

    /// Closures that wait for a thread of the blocking pool.
    pub fn blocking_queue_depth(&self) -> usize {
        self.sched.services().blocking.queue_depth()
    }

    /// Tasks in the global queue.
    pub fn global_queue_depth(&self) -> usize {
        self.sched.global_queue_len()
    }

    /// Tasks in one worker's queue. The one that runs is not among them, nor the one that was woken last, where that has
    /// [a slot of its own](crate::runtime::Builder::disable_lifo_slot).
    ///
    /// On a runtime of one thread it is exact for code that runs on it, and while nobody drives the runtime. Other threads
    /// are told what it was when the runtime last looked for events.
    #[track_caller]
    pub fn worker_local_queue_depth(&self, worker: usize) -> usize {
        self.worker(worker);
        self.sched.local_queue_len(worker)
    }

    /// Tasks that were made ready from outside of the workers.
    pub fn remote_schedule_count(&self) -> u64 {
        self.sched.counters().remote_schedules.get()
    }

    /// Times that a task had to yield because its budget was spent.
    pub fn budget_forced_yield_count(&self) -> u64 {
        self.sched.counters().workers.iter().map(|worker| worker.budget_yields.get()).sum()
    }

    /// Readiness events taken from the operating system.
    pub fn io_driver_ready_count(&self) -> u64 {
        self.sched.counters().workers.iter().map(|worker| worker.io_events.get()).sum()
    }

    /// Descriptors that were registered with the I/O driver since the runtime began.
    pub fn io_driver_fd_registered_count(&self) -> u64 {
        self.sched.services().registries.io.as_ref().map_or(0, |io| io.registered_count())
    }

    /// Descriptors that have been deregistered from the I/O driver since the runtime began.
    pub fn io_driver_fd_deregistered_count(&self) -> u64 {
        self.sched.services().registries.io.as_ref().map_or(0, |io| io.deregistered_count())
    }

    /// The thread that is one worker: on a `current_thread` runtime the one that drove it last. `None` before it has
    /// begun.
    #[track_caller]
    pub fn worker_thread_id(&self, worker: usize) -> Option<ThreadId> {
        *self.worker(worker).thread.lock()
    }

    /// Polls of tasks by one worker.
    #[track_caller]
    pub fn worker_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).polls.get()
    }

    /// Times that one worker went to sleep.
    #[track_caller]
    pub fn worker_park_count(&self, worker: usize) -> u64 {
        self.worker(worker).parks.get()
    }

    /// Times that one worker went to sleep or woke up: odd while it sleeps.
    #[track_caller]
    pub fn worker_park_unpark_count(&self, worker: usize) -> u64 {
        self.worker(worker).park_unparks.get()
    }

    /// Times that one worker was woken and went to sleep again without a poll in between.
    #[track_caller]
    pub fn worker_noop_count(&self, worker: usize) -> u64 {
        self.worker(worker).noop_parks.get()
    }

    /// Tasks that one worker has stolen.
    #[track_caller]
    pub fn worker_steal_count(&self, worker: usize) -> u64 {
        self.worker(worker).steals.get()
    }

    /// Times that one worker has stolen something.
    #[track_caller]
    pub fn worker_steal_operations(&self, worker: usize) -> u64 {
        self.worker(worker).steal_operations.get()
    }

    /// Tasks that one worker has stolen from a certain other. An extension.
    #[track_caller]
    pub fn worker_steal_count_from(&self, thief: usize, victim: usize) -> u64 {
        self.worker(victim);
        self.worker(thief).steals_from[victim].get()
    }

    /// Tasks that were made ready on one worker and put on its own queue.
    #[track_caller]
    pub fn worker_local_schedule_count(&self, worker: usize) -> u64 {
        self.worker(worker).local_schedules.get()
    }

    /// Tasks that one worker has moved to the global queue because its own was full. That is none: a worker's queue
    /// grows with what is in it.
    #[track_caller]
    pub fn worker_overflow_count(&self, worker: usize) -> u64 {
        self.worker(worker);
        0
    }

    /// The mean time of one worker's polls. The latest ones count most. It is taken from turns of many polls, so that
    /// it costs next to nothing, and is zero until there was such a turn.
    #[track_caller]
    pub fn worker_mean_poll_time(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.worker(worker).mean_poll_ns.get())
    }

    /// Polls by one worker that have run for longer than
    /// [`stuck_poll_threshold`](crate::runtime::Builder::stuck_poll_threshold). One that still runs is among them. An
    /// extension.
    #[track_caller]
    pub fn worker_stuck_poll_count(&self, worker: usize) -> u64 {
        self.worker(worker).stuck_polls.get()
    }

    /// For how long the poll that one worker is in now has run, at the most. `None` while it is in no poll. An extension.
    ///
    /// Polls are not timed one by one. This is the time since the worker last looked at the clock, which it does when it
    /// wakes and after turns of some dozens of polls. So the figure is never too small, and too large by what the polls
    /// before this one took: for a poll that is long among short ones it is as good as exact.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let rt = runtime::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    /// let metrics = rt.metrics();
    /// let (begun, begins) = std::sync::mpsc::channel();
    /// let (end, ending) = std::sync::mpsc::channel::<()>();
    /// let hog = rt.spawn(async move {
    ///     begun.send(()).unwrap();
    ///     ending.recv().unwrap_err(); // Blocks its worker: a mistake.
    /// });
    /// begins.recv().unwrap();
    /// std::thread::sleep(Duration::from_millis(5));
    /// assert!(metrics.worker_running_poll_duration(0).unwrap() >= Duration::from_millis(5));
    /// # drop(end);
    /// ```
    #[track_caller]
    pub fn worker_running_poll_duration(&self, worker: usize) -> Option<Duration> {
        self.worker(worker);
        self.sched.running_poll(worker)
    }

    /// Times that one worker has ended the sleep of another. An extension.
    ///
    /// On a `current_thread` runtime there is no other.
    #[track_caller]
    pub fn worker_wakeups_sent_count(&self, worker: usize) -> u64 {
        self.worker(worker).wakeups_sent.get()
    }

    /// Times that a thread which is no worker has ended the sleep of one. An extension.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    /// while rt.metrics().worker_park_unpark_count(0) % 2 == 0 {
    ///     std::thread::yield_now(); // Until the worker sleeps.
    /// }
    /// rt.block_on(rt.spawn(async {})).unwrap();
    /// # while rt.metrics().remote_wakeups_sent_count() == 0 {
    /// #     rt.block_on(rt.spawn(async {})).unwrap();
    /// # }
    /// assert!(rt.metrics().remote_wakeups_sent_count() >= 1);
    /// ```
    pub fn remote_wakeups_sent_count(&self) -> u64 {
        self.sched.counters().remote_wakeups.get()
    }

    /// Timers that one worker has fired. An extension.
    #[track_caller]
    pub fn worker_timers_fired_count(&self, worker: usize) -> u64 {
        self.worker(worker).timers_fired.get()
    }

    /// Time that one worker was awake, up to its last look at the clock: before it went to sleep, or after some dozens of
    /// polls. With [`worker_running_poll_duration`](Self::worker_running_poll_duration) added it is the time until now.
    #[track_caller]
    pub fn worker_total_busy_duration(&self, worker: usize) -> Duration {
        Duration::from_nanos(self.worker(worker).busy_ns.get())
    }
}
