//! Looks out for polls that run for too long.
//!
//! A thread of its own, so that it sees a runtime whose threads are all stuck. While there is something to do it looks
//! at the workers four times in each span of the threshold: a worker that is in the same poll as last time, by the count
//! of its polls, has been in it at least since then. The task is looked up in the list of tasks only when there is
//! something to report, so workers pay two stores a poll.
//!
//! When nothing has happened for two looks the monitor *dozes*: it sleeps until a worker wakes up. See [`Doze`].
//!
//! Next file to read: `engine/sched/dump.rs`.
#![forbid(unsafe_code)]

use std::io;
use std::time::Duration;

use super::policy::Policy;
use super::shared::Shared;
use crate::base::panic::swallow;
use crate::base::park::{Parker, Unparker};
use crate::base::prim::atomic::{AtomicBool, Ordering::*, fence};
use crate::base::prim::{Arc, Condvar, Mutex, thread};
use crate::base::trace;
use crate::engine::counters::WorkerCounters;
use crate::engine::hooks::StuckPoll;

/// Looks in each span of the threshold.
const LOOKS: u32 = 4;
/// Looks without news before it dozes.
const QUIET_LOOKS: u32 = 2;

/// The runtime's side of its monitor.
#[derive(Debug)]
pub(crate) struct Monitor {
    threshold: Duration,
    doze: Doze,
    thread: Mutex<Thread>,
    /// Notified when a stopped monitor need not be waited for any more.
    gone: Condvar,
}

#[derive(Debug, Default)]
struct Thread {
    handle: Option<thread::JoinHandle<()>>,
    stopped: bool,
    ended: bool,
    /// It runs the user's code: nobody knows for how long.
    reporting: bool,
}

impl Monitor {
    /// Zero: there is none.
    pub(crate) fn new(threshold: Duration) -> Self {
        Self { threshold, doze: Doze::new(), thread: Mutex::new(Thread::default()), gone: Condvar::new() }
    }

    /// Tells it that a worker is awake, which the worker's counters say already.
    #[inline]
    pub(crate) fn worker_woke(&self) {
        if !self.threshold.is_zero() {
            self.doze.end();
        }
    }

    /// Ends it. Waits until it has, if asked to, but not for the user's code.
    pub(crate) fn stop(&self, wait: bool) {
        let mut thread = self.thread.lock();
        thread.stopped = true;
        self.doze.unparker.unpark();
        if !wait || thread.handle.is_none() {
            return;
        }
        while !thread.ended {
            if thread.reporting {
                return;
            }
            thread = self.gone.wait(thread);
        }
        let handle = thread.handle.take();
        drop(thread);
        // It has signed off, so this does not wait for anything of the user's.
        let _ = handle.map(thread::JoinHandle::join);
    }

    fn is_stopped(&self) -> bool {
        self.thread.lock().stopped
    }
}

impl<P: Policy> Shared<P> {
    /// Starts the monitor, if there is to be one.
    ///
    /// # Errors
    ///
    /// When the operating system gives no thread.
    pub(crate) fn start_monitor(this: &Arc<Self>) -> io::Result<()> {
        let monitor = &this.monitor;
        if monitor.threshold.is_zero() {
            return Ok(());
        }
        let mut thread = monitor.thread.lock();
        let Some(parker) = monitor.doze.parker.lock().take() else { return Ok(()) };
        let shared = this.clone();
        let builder = thread::Builder::new().name("runtime-monitor".to_owned());
        thread.handle = Some(builder.spawn(move || shared.watch(&parker))?);
        Ok(())
    }

    fn watch(&self, parker: &Parker) {
        /// Signs off, whatever happens.
        struct Gone<'a>(&'a Monitor);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.thread.lock().ended = true;
                self.0.gone.notify_all();
            }
        }
        let monitor = &self.monitor;
        let _gone = Gone(monitor);
        let tick = monitor.threshold / LOOKS;
        let mut eyes = vec![Eye::default(); self.beds.len()];
        let mut quiet = 0;
        while !monitor.is_stopped() {
            let mut news = false;
            for (worker, eye) in eyes.iter_mut().enumerate() {
                news |= self.look_at(worker, eye);
            }
            quiet = if news { 0 } else { quiet + 1 };
            if quiet < QUIET_LOOKS {
                parker.park_timeout(Some(tick));
            } else {
                monitor.doze.sleep(parker, || self.anybody_awake());
                quiet = 0;
            }
        }
    }

    fn anybody_awake(&self) -> bool {
        self.counters.workers.iter().any(|worker| worker.awake.load(Relaxed))
    }

    /// Looks at one worker. Returns whether there is any news of it.
    fn look_at(&self, worker: usize, eye: &mut Eye) -> bool {
        let counters = &self.counters.workers[worker];
        let poll = counters.running_poll();
        let sight = eye.look(poll, self.began.elapsed(), self.monitor.threshold);
        match sight {
            Sight::Nothing => return counters.awake.load(Relaxed),
            Sight::News => {}
            Sight::Stuck(running_for) => self.report(worker, poll, running_for),
        }
        true
    }

    fn report(&self, worker: usize, poll: (u64, u64), running_for: Duration) {
        let Some(task) = self.owned.find(|task| task.id().as_u64() == poll.0) else { return };
        let counters: &WorkerCounters = &self.counters.workers[worker];
        if counters.running_poll() != poll {
            return;
        }
        let stuck = StuckPoll::new(worker, task.meta(), running_for);
        drop(task);
        counters.stuck_polls.add(1);
        let monitor = &self.monitor;
        monitor.thread.lock().reporting = true;
        monitor.gone.notify_all();
        swallow(|| trace::stuck_poll(worker, running_for, stuck.about()));
        if let Some(hook) = &self.services.task_hooks.on_stuck_poll {
            swallow(|| hook(&stuck));
        }
        monitor.thread.lock().reporting = false;
    }

    /// The polls that the workers are in, and about how long each has run.
    pub(crate) fn running_polls(&self) -> Vec<StuckPoll> {
        let polls = self.counters.workers.iter().enumerate().filter_map(|(worker, counters)| {
            let poll = counters.running_poll();
            let task = (poll.0 != 0).then(|| self.owned.find(|task| task.id().as_u64() == poll.0))??;
            let running_for = self.began.elapsed().saturating_sub(Duration::from_nanos(task.since()));
            (counters.running_poll() == poll).then(|| StuckPoll::new(worker, task.meta(), running_for))
        });
        polls.collect()
    }

    /// For how long the poll that a worker is in has run at the most: since the worker last looked at the clock.
    pub(crate) fn running_poll(&self, worker: usize) -> Option<Duration> {
        let counters = &self.counters.workers[worker];
        let poll = counters.running_poll();
        if poll.0 == 0 {
            return None;
        }
        let running_for = self.began.elapsed().saturating_sub(Duration::from_nanos(counters.clock_ns.get()));
        Some(if counters.running_poll() == poll { running_for } else { Duration::ZERO })
    }
}

/// What the monitor remembers of a worker.
#[derive(Clone, Debug, Default)]
struct Eye {
    /// The number of the worker's poll at the last look.
    polls: u64,
    /// The first look at which it was in that poll, or else the last one.
    since: Duration,
    reported: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// In no poll, as last time.
    Nothing,
    /// Another poll than last time, or the same.
    News,
    /// The same for too long, for the first time.
    Stuck(Duration),
}

impl Eye {
    /// Looks at a worker: at the task that it polls, or 0, and the number of the poll.
    fn look(&mut self, (running, polls): (u64, u64), now: Duration, threshold: Duration) -> Sight {
        let same = polls == self.polls;
        if !same || running == 0 {
            *self = Self { polls, since: now, reported: false };
            return if same { Sight::Nothing } else { Sight::News };
        }
        let running_for = now.saturating_sub(self.since);
        if running_for < threshold || std::mem::replace(&mut self.reported, true) {
            return Sight::News;
        }
        Sight::Stuck(running_for)
    }
}

/// How the monitor sleeps while all workers do, and is woken by the first that wakes.
///
/// Two parties each do two things, with a sequentially consistent fence between them:
///
/// * the monitor: says that it dozes, *then* looks whether a worker is awake; if so, it does not.
/// * a worker: says that it is awake, *then* looks whether the monitor dozes; if so, wakes it.
///
/// At least one of them sees the other's first step. While the monitor is up, a worker that wakes pays the fence.
#[derive(Debug)]
struct Doze {
    dozing: AtomicBool,
    unparker: Unparker,
    /// The thread's, until it takes it.
    parker: Mutex<Option<Parker>>,
}

impl Doze {
    fn new() -> Self {
        let parker = Parker::new();
        let unparker = parker.unparker();
        Self { dozing: AtomicBool::new(false), unparker, parker: Mutex::new(Some(parker)) }
    }

    /// For the monitor: sleeps until a worker wakes or somebody unparks it, unless one is awake.
    fn sleep(&self, parker: &Parker, anybody_awake: impl FnOnce() -> bool) {
        self.dozing.store(true, Relaxed);
        fence(SeqCst);
        if !anybody_awake() {
            parker.park();
        }
        self.dozing.store(false, Relaxed);
    }

    /// For a worker that has said that it is awake.
    #[inline]
    fn end(&self) {
        fence(SeqCst);
        if self.dozing.load(Relaxed) && self.dozing.swap(false, Relaxed) {
            self.unparker.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::model;

    #[test]
    fn only_the_same_poll_is_stuck_and_only_once() {
        let ms = Duration::from_millis;
        let mut eye = Eye::default();
        let mut look = |running, polls, at| eye.look((running, polls), ms(at), ms(100));
        assert_eq!(look(0, 0, 1000), Sight::Nothing, "a rest is no poll, however long");
        assert_eq!(look(7, 1, 1025), Sight::News);
        assert_eq!(look(7, 2, 2000), Sight::News, "the same task, another poll");
        assert_eq!(look(7, 2, 2099), Sight::News);
        assert_eq!(look(7, 2, 2100), Sight::Stuck(ms(100)));
        assert_eq!(look(7, 2, 9000), Sight::News);
        assert_eq!(look(0, 2, 9100), Sight::Nothing);
        assert_eq!(look(8, 2, 9150), Sight::News, "seen before its number");
        assert_eq!(look(8, 3, 9200), Sight::News);
        assert_eq!(look(8, 3, 9300), Sight::Stuck(ms(100)));
        assert_eq!(look(9, 4, 9400), Sight::News);
    }

    /// A worker that wakes up is seen by the monitor, whichever comes first: else this never ends.
    #[test]
    fn loom_a_dozing_monitor_sees_a_worker_that_wakes() {
        model(|| {
            let doze = Arc::new(Doze::new());
            let awake = Arc::new(AtomicBool::new(false));
            let (theirs, flag) = (doze.clone(), awake.clone());
            let worker = thread::spawn(move || {
                flag.store(true, Relaxed);
                theirs.end();
            });
            let parker = doze.parker.lock().take().unwrap();
            doze.sleep(&parker, || awake.load(Relaxed));
            worker.join().unwrap();
        });
    }
}
