//! The current-thread flavour: one worker, on whichever thread is in `block_on`.
//!
//! Several threads may be in `block_on` at once. One holds the core and drives everything; the others poll only
//! their own future, and one of them takes the core when the holder lets go of it.
//!
//! Next file to read: `engine/sched/core_slot.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use super::core::Core;
use super::core_slot::CoreSlot;
use super::drive::TurnEnd;
use super::policy::Policy;
use super::shared::Shared;
use super::tls::{self, Here};
use super::worker::Worker;
use super::{Locality, Notified, SchedRef, defer};
use crate::base::coop;
use crate::base::home::Home;
use crate::base::park::Parker;
use crate::base::prim::atomic::{AtomicBool, Ordering::*};
use crate::base::prim::{Arc, PlainArc};
use crate::config::{Flavor, RuntimeConfig};
use crate::engine::driver::Driver;
use crate::engine::driver::timer::TimerRegistry;
use crate::engine::services::Services;

/// What the threads share besides [`Shared`].
#[derive(Debug)]
pub(crate) struct Current {
    slot: CoreSlot<Box<Core<Current>>>,
    /// Whether the future of the driving `block_on` wants to be polled.
    root_woken: AtomicBool,
    /// The thread that alone drives the runtime, if its tasks need not be `Send`.
    home: Option<Home>,
    /// Whether a task has panicked, in a runtime that ends by that.
    panicked: AtomicBool,
}

/// The owner's side of a current-thread scheduler.
#[derive(Debug)]
pub(crate) struct Driven {
    shared: Arc<Shared<Current>>,
}

/// Makes the scheduler.
///
/// # Errors
///
/// When the operating system gives no thread for the monitor, where there is to be one.
pub(crate) fn start(
    config: RuntimeConfig,
    driver: Driver,
    services: Services,
) -> io::Result<(SchedRef, Driven)> {
    let policy = Current {
        slot: CoreSlot::new(),
        root_woken: AtomicBool::new(false),
        home: (config.flavor == Flavor::Local).then(Home::here),
        panicked: AtomicBool::new(false),
    };
    let shared = Shared::new(config, driver, services, policy);
    let core = Core::new(0, VecDeque::with_capacity(64), Arc::default(), &shared.config, 0);
    shared.policy.slot.put(Some(Box::new(core)));
    Shared::start_monitor(&shared)?;
    Ok((SchedRef::Current(shared.clone()), Driven { shared }))
}

impl Current {
    pub(crate) fn locality(&self) -> Locality {
        match self.home {
            None => Locality::None,
            Some(home) if home.is_here() => Locality::Here,
            Some(_) => Locality::Elsewhere,
        }
    }
}

impl Driven {
    /// Runs the scheduler on this thread until the future is done, or waits while another thread does.
    ///
    /// # Errors
    ///
    /// When a task has panicked and the runtime ends by that.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> Result<F::Output, EndedByPanic> {
        let mut future = pin!(future);
        let parker = Parker::new();
        let waker = parker.unparker().into_waker();
        let mut waiter = self.shared.policy.slot.waiter(&parker);
        loop {
            if self.shared.policy.panicked.load(Acquire) {
                return Err(EndedByPanic);
            }
            if let Some(core) = waiter.take() {
                return self.drive(core, future);
            }
            let poll = coop::budget(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
            if let Poll::Ready(output) = poll {
                return Ok(output);
            }
            if let Some(core) = waiter.take_or_wait() {
                return self.drive(core, future);
            }
            parker.park();
        }
    }

    /// Threads that wait for the core.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shared.policy.slot.waiting()
    }

    fn drive<F: Future>(
        &self,
        core: Box<Core<Current>>,
        mut future: Pin<&mut F>,
    ) -> Result<F::Output, EndedByPanic> {
        let shared = &self.shared;
        let worker = Worker::new(shared.clone(), 0);
        let give_back = GiveBack { worker: &worker };
        let waker = Waker::from(PlainArc::new(RootWaker(shared.clone())));
        let mut cx = Context::from_waker(&waker);
        shared.policy.root_woken.store(true, Relaxed);
        let output = tls::enter_current(give_back.worker, || {
            let mut core = core;
            worker.begins(&mut core);
            loop {
                let woken = shared.policy.root_woken.swap(false, Acquire);
                if woken {
                    core.polls_at_wake = None;
                }
                let polls_left = core.polls_left;
                let (next, poll) = worker.lend(core, || {
                    if !woken {
                        return Poll::Pending;
                    }
                    defer::poll_begins(&waker);
                    coop::budget(|| future.as_mut().poll(&mut cx))
                });
                core = held(next);
                // There is a look at the events before the next poll of this future anyway. Would it end the turn before
                // that, the tasks would never be polled.
                core.polls_left = polls_left;
                if let Poll::Ready(output) = poll {
                    // Where `give_back` looks for it.
                    *worker.core.borrow_mut() = Some(core);
                    return Ok(output);
                }
                let (next, end) = held(worker.turn(core));
                if shared.policy.panicked.load(Relaxed) {
                    *worker.core.borrow_mut() = Some(worker.end_tasks(next));
                    return Err(EndedByPanic);
                }
                core = held(match end {
                    TurnEnd::Spent => worker.look(next),
                    TurnEnd::Idle => worker.rest(next),
                });
            }
        });
        drop(give_back);
        output
    }

    /// Drops every task and closes the runtime. Called when nobody drives it any more.
    pub(crate) fn close(&self) {
        let shared = &self.shared;
        if !shared.inject.close() {
            return;
        }
        let worker = Worker::new(shared.clone(), 0);
        let core = shared.policy.slot.take();
        tls::enter_current(&worker, || {
            shared.owned.close_and_shutdown_all(0);
            if let Some(mut core) = core {
                while let Some(task) = core.pop() {
                    drop(task);
                }
            }
        });
        shared.finish();
    }
}

/// A task has panicked, and its runtime ends by that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedByPanic;

impl fmt::Display for EndedByPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a spawned task panicked and the runtime is configured to shut down on unhandled panic: see \
             `Builder::unhandled_panic`",
        )
    }
}

impl Shared<Current> {
    /// Tasks in the queue. Only the thread that drives can look into it: while another one does, what that one told when
    /// it last looked at the events.
    pub(crate) fn queue_len(&self, worker: usize) -> usize {
        let driving = tls::with(|here| {
            let worker = Current::here(here).filter(|worker| std::ptr::eq(&*worker.shared, self))?;
            worker.core.borrow().as_ref().map(|core| core.queue.len())
        });
        let at_rest = || self.policy.slot.look(|core| core.queue.len());
        driving.or_else(at_rest).unwrap_or_else(|| self.counters.workers[worker].queue_depth.get() as usize)
    }

    /// A task of a runtime that ends by that has panicked, on the thread that drives it.
    pub(crate) fn task_panicked(&self) {
        self.policy.panicked.store(true, Release);
        tls::with(|here| {
            if let Some(worker) = Current::here(here)
                && let Some(core) = worker.core.borrow_mut().as_mut()
            {
                core.polls_left = 0;
            }
        });
    }
}

/// The core of this flavour never changes hands during a poll.
fn held<T>(core: Option<T>) -> T {
    core.expect("the core of a current_thread runtime stays with the thread that drives it")
}

impl Worker<Current> {
    /// Drops every task, and lets no more in.
    fn end_tasks(&self, core: Box<Core<Current>>) -> Box<Core<Current>> {
        let (core, ()) = self.lend(core, || self.shared.owned.close_and_shutdown_all(0));
        let mut core = held(core);
        while let Some(task) = core.pop() {
            // Its future has been dropped, so this runs nobody's code.
            drop(task);
        }
        core
    }

    fn rest(&self, core: Box<Core<Current>>) -> Option<Box<Core<Current>>> {
        if !self.defer.is_empty() || Current::has_other_work(&self.shared) {
            return self.look(core);
        }
        let hooks = &self.shared.services.hooks;
        let (core, ()) = self.lend(core, || hooks.parking());
        let core = core?;
        let core = if core.has_tasks() || Current::has_other_work(&self.shared) {
            self.look(core)?
        } else {
            self.sleep(core, false)?
        };
        self.lend(core, || hooks.unparked()).0
    }
}

/// Gives the core back when `block_on` ends, by a panic too, and lets another thread drive.
struct GiveBack<'a> {
    worker: &'a Worker<Current>,
}

impl Drop for GiveBack<'_> {
    fn drop(&mut self) {
        let policy = &self.worker.shared.policy;
        self.worker.counters().awake.store(false, Relaxed);
        // Wakers that were put off belong to tasks that the next driver will run.
        self.worker.defer.wake();
        let mut core = self.worker.core.borrow_mut().take();
        if let Some(core) = &mut core {
            self.worker.awake_until(core, Instant::now());
            self.worker.count_turn(core);
        }
        policy.slot.put(core);
    }
}

/// Wakes the future of the driving `block_on`.
struct RootWaker(Arc<Shared<Current>>);

impl Wake for RootWaker {
    fn wake(self: PlainArc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &PlainArc<Self>) {
        // Release: what was written before this is seen by the poll that it asks for.
        if !self.0.policy.root_woken.swap(true, Release) {
            self.0.wake(0, None);
        }
    }
}

impl Policy for Current {
    type Queue = VecDeque<Notified>;

    #[inline]
    fn here(here: Here<'_>) -> Option<&Worker<Self>> {
        match here {
            Here::Current(worker) => Some(worker),
            _ => None,
        }
    }

    fn take_global(shared: &Shared<Self>, _core: &mut Core<Self>) -> Option<Notified> {
        shared.inject.pop()
    }

    fn search(_shared: &Shared<Self>, _core: &mut Core<Self>) -> Option<Notified> {
        None
    }

    fn found_work(_shared: &Shared<Self>, _core: &mut Core<Self>) {}

    fn pushed_locally(_shared: &Shared<Self>, _core: &Core<Self>) {}

    fn pushed_globally(shared: &Shared<Self>) {
        shared.wake(0, None);
    }

    fn has_other_work(shared: &Shared<Self>) -> bool {
        !shared.inject.is_empty() || shared.policy.root_woken.load(Acquire)
    }

    fn overdue_soon(_shared: &Shared<Self>, _timers: &TimerRegistry) -> Option<Instant> {
        None
    }
}
