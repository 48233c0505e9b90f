//! `Notify`, `Barrier`, `OnceCell` and `SetOnce` beside their models.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use runtime::sync::{Barrier, Notify, OnceCell, SetError, SetOnce};

use super::permits::Permits;
use super::tasks::{Case, Log, Random, Tasks};

/// How far a future of `Notify` is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    New,
    Waiting,
    ByOne,
    ByLast,
    ByAll,
}

struct Notifying {
    notify: Arc<Notify>,
    tasks: Tasks<()>,
    stages: BTreeMap<usize, Stage>,
    /// Those that wait, in the order in which they came.
    queue: Vec<usize>,
    permit: bool,
}

impl Notifying {
    fn model_notify(&mut self, stage: Stage) {
        if self.queue.is_empty() {
            self.permit = true;
            return;
        }
        let at = if stage == Stage::ByLast { self.queue.len() - 1 } else { 0 };
        self.stages.insert(self.queue.remove(at), stage);
    }

    fn model_poll(&mut self, name: usize) -> Poll<()> {
        match self.stages[&name] {
            Stage::New if self.permit => self.permit = false,
            Stage::New => {
                self.stages.insert(name, Stage::Waiting);
                self.queue.push(name);
                return Poll::Pending;
            }
            Stage::Waiting => return Poll::Pending,
            _ => {}
        }
        self.stages.remove(&name);
        Poll::Ready(())
    }
}

impl Case for Notifying {
    fn new(random: &mut Random) -> Self {
        let (tasks, stages) = (Tasks::new(random), BTreeMap::new());
        Self { notify: Arc::default(), tasks, stages, queue: Vec::new(), permit: false }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..10) {
            0 | 1 if self.tasks.len() < 6 => {
                let name = self.tasks.add(self.notify.clone().notified_owned());
                self.stages.insert(name, Stage::New);
                log.add(format!("future {name}"));
            }
            2..=5 => {
                let Some(name) = self.tasks.any() else { return };
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, self.model_poll(name));
            }
            6 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                self.queue.retain(|queued| *queued != name);
                if let Some(stage @ (Stage::ByOne | Stage::ByLast)) = self.stages.remove(&name) {
                    self.model_notify(stage);
                }
            }
            7 => {
                log.add("notify_one");
                self.notify.notify_one();
                self.model_notify(Stage::ByOne);
            }
            8 => {
                log.add("notify_last");
                self.notify.notify_last();
                self.model_notify(Stage::ByLast);
            }
            _ => {
                log.add("notify_waiters");
                self.notify.notify_waiters();
                self.queue.clear();
                for stage in self.stages.values_mut() {
                    if matches!(stage, Stage::New | Stage::Waiting) {
                        *stage = Stage::ByAll;
                    }
                }
            }
        }
    }

    fn check(&mut self) {
        for (name, stage) in &self.stages {
            let waits = matches!(stage, Stage::New | Stage::Waiting);
            assert!(waits || !self.tasks.is_asleep(*name), "future {name} was not woken: {stage:?}");
            assert!(*stage == Stage::Waiting || self.tasks.wakers(*name) == 0, "a waker of {name} was kept");
        }
    }
}

struct Meeting {
    barrier: Arc<Barrier>,
    tasks: Tasks<bool>,
    size: usize,
    arrived: usize,
    generation: usize,
    /// The generation in which a future has arrived.
    arrivals: BTreeMap<usize, usize>,
}

impl Case for Meeting {
    fn new(random: &mut Random) -> Self {
        let size = random.usize(0..5);
        let (tasks, arrivals) = (Tasks::new(random), BTreeMap::new());
        Self { barrier: Arc::new(Barrier::new(size)), tasks, size, arrived: 0, generation: 0, arrivals }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..8) {
            0..=2 if self.tasks.len() < 8 => {
                let barrier = self.barrier.clone();
                let name = self.tasks.add(async move { barrier.wait().await.is_leader() });
                log.add(format!("future {name}"));
            }
            3 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                // Who has arrived stays counted.
                self.tasks.cancel(name);
                self.arrivals.remove(&name);
            }
            _ => {
                let Some(name) = self.tasks.any() else { return };
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                let expected = match self.arrivals.get(&name) {
                    Some(generation) if *generation < self.generation => Poll::Ready(false),
                    Some(_) => Poll::Pending,
                    None => {
                        self.arrived += 1;
                        if self.arrived == self.size.max(1) {
                            self.arrived = 0;
                            self.generation += 1;
                            Poll::Ready(true)
                        } else {
                            self.arrivals.insert(name, self.generation);
                            Poll::Pending
                        }
                    }
                };
                assert_eq!(polled, expected);
                if polled.is_ready() {
                    self.arrivals.remove(&name);
                }
            }
        }
    }

    fn check(&mut self) {
        for (name, generation) in &self.arrivals {
            let waits = *generation == self.generation;
            assert!(waits || !self.tasks.is_asleep(*name), "future {name} was not woken");
        }
    }
}

/// What an initialisation is to answer, once that is known.
type Answer = Rc<Cell<Option<Result<u32, u32>>>>;

struct Once {
    cell: Arc<OnceCell<u32>>,
    tasks: Tasks<Result<u32, u32>>,
    answers: BTreeMap<usize, Answer>,
    /// Who may initialise.
    permits: Permits,
    /// The future that is initialising.
    initialising: Option<usize>,
    value: Option<u32>,
}

impl Once {
    fn set(&mut self, value: u32) {
        self.value = Some(value);
        self.initialising = None;
        self.permits.is_closed = true;
    }

    fn model_poll(&mut self, name: usize) -> Poll<Result<u32, u32>> {
        if self.initialising != Some(name) {
            if let Some(value) = self.value {
                return Poll::Ready(Ok(value));
            }
            if self.permits.poll(name, 1).is_pending() {
                return Poll::Pending;
            }
            self.initialising = Some(name);
        }
        match self.answers[&name].get() {
            None => Poll::Pending,
            Some(Ok(value)) => {
                self.set(value);
                Poll::Ready(Ok(value))
            }
            Some(Err(error)) => {
                self.initialising = None;
                self.permits.release(1);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl Case for Once {
    fn new(random: &mut Random) -> Self {
        let (cell, permits) = (Arc::default(), Permits::new(1));
        let (tasks, answers) = (Tasks::new(random), BTreeMap::new());
        Self { cell, tasks, answers, permits, initialising: None, value: None }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..24) {
            0..=3 if self.tasks.len() < 5 => {
                let (cell, answer) = (self.cell.clone(), Answer::default());
                let given = answer.clone();
                let initialise = move || poll_fn(move |_| given.get().map_or(Poll::Pending, Poll::Ready));
                let name = self.tasks.add(async move { cell.get_or_try_init(initialise).await.copied() });
                self.answers.insert(name, answer);
                log.add(format!("future {name}"));
            }
            4..=14 => {
                let Some(name) = self.tasks.any() else { return };
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, self.model_poll(name));
            }
            15..=17 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                if self.initialising == Some(name) {
                    self.initialising = None;
                    self.permits.release(1);
                } else {
                    self.permits.cancel(name, 1);
                }
            }
            18..=20 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("answer {name}"));
                let answer = if random.u32(0..4) == 0 { Ok(name as u32) } else { Err(name as u32) };
                self.answers[&name].set(Some(answer));
            }
            21 => {
                let result = self.cell.set(1000);
                log.add(format!("set: {result:?}"));
                let expected = if self.value.is_some() {
                    Err(SetError::AlreadyInitializedError(1000))
                } else if self.permits.try_acquire(1) {
                    self.set(1000);
                    Ok(())
                } else {
                    Err(SetError::InitializingError(1000))
                };
                assert_eq!(result, expected);
            }
            22 if random.bool() => {
                // Begins anew.
                *self = Self::new(random);
            }
            _ => {}
        }
    }

    fn check(&mut self) {
        assert_eq!(self.cell.get().copied(), self.value);
        assert_eq!(self.cell.initialized(), self.value.is_some());
        for name in self.answers.keys() {
            // One that is initialising is woken by what it waits for, and not by the cell.
            let is_ready = self.initialising != Some(*name) && self.permits.is_ready(*name);
            assert!(!(is_ready && self.tasks.is_asleep(*name)), "future {name} was not woken");
        }
    }
}

struct Setting {
    cell: Arc<SetOnce<u32>>,
    tasks: Tasks<u32>,
    names: Vec<usize>,
    value: Option<u32>,
}

impl Case for Setting {
    fn new(random: &mut Random) -> Self {
        Self { cell: Arc::default(), tasks: Tasks::new(random), names: Vec::new(), value: None }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..20) {
            0..=4 if self.tasks.len() < 5 => {
                let cell = self.cell.clone();
                self.names.push(self.tasks.add(async move { *cell.wait().await }));
            }
            5..=14 => {
                let Some(name) = self.tasks.any() else { return };
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, self.value.map_or(Poll::Pending, Poll::Ready));
            }
            15..=17 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
            }
            18 if random.bool() => {
                log.add("set");
                let value = random.u32(..);
                assert_eq!(self.cell.set(value).is_ok(), self.value.is_none());
                self.value.get_or_insert(value);
            }
            19 if random.bool() => *self = Self::new(random),
            _ => {}
        }
    }

    fn check(&mut self) {
        assert_eq!(self.cell.get().copied(), self.value);
        for name in &self.names {
            assert!(self.value.is_none() || !self.tasks.is_asleep(*name), "future {name} was not woken");
        }
    }
}

#[test]
fn notify_does_what_its_model_does() {
    super::tasks::run::<Notifying>();
}

#[test]
fn a_barrier_does_what_its_model_does() {
    super::tasks::run::<Meeting>();
}

#[test]
fn a_once_cell_does_what_its_model_does() {
    super::tasks::run::<Once>();
}

#[test]
fn a_set_once_does_what_its_model_does() {
    super::tasks::run::<Setting>();
}
