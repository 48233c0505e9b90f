//! `Semaphore`, `Mutex` and `RwLock` beside one model.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use runtime::sync::{
    Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock,
    Semaphore, TryAcquireError,
};

use super::permits::Permits;
use super::tasks::{Case, Log, Random, Tasks, map};

type Acquiring<G> = Pin<Box<dyn Future<Output = Option<G>>>>;

/// Something of which one takes permits.
trait Source: Clone {
    /// What holds permits.
    type Guard: 'static;
    const TOTAL: usize;

    fn new() -> Self;
    /// How many permits one may ask for.
    fn counts() -> &'static [usize];
    fn acquire(&self, count: usize) -> Acquiring<Self::Guard>;
    fn try_acquire(&self, count: usize) -> Option<Self::Guard>;

    fn available(&self) -> Option<usize> {
        None
    }

    /// Something that others cannot do.
    fn extra(&self, _model: &mut Permits, _held: &mut Vec<(Self::Guard, usize)>, _random: &mut Random) {}
}

impl Source for Arc<Semaphore> {
    type Guard = OwnedSemaphorePermit;
    const TOTAL: usize = 3;

    fn new() -> Self {
        Arc::new(Semaphore::new(Self::TOTAL))
    }

    fn counts() -> &'static [usize] {
        &[0, 1, 1, 2, 3]
    }

    fn acquire(&self, count: usize) -> Acquiring<Self::Guard> {
        Box::pin({
            let acquiring = self.clone().acquire_many_owned(count as u32);
            async { acquiring.await.ok() }
        })
    }

    fn try_acquire(&self, count: usize) -> Option<Self::Guard> {
        match self.clone().try_acquire_many_owned(count as u32) {
            Ok(permit) => Some(permit),
            Err(TryAcquireError::Closed) => {
                assert!(self.is_closed());
                None
            }
            Err(TryAcquireError::NoPermits) => {
                assert!(!self.is_closed());
                None
            }
        }
    }

    fn available(&self) -> Option<usize> {
        Some(self.available_permits())
    }

    fn extra(&self, model: &mut Permits, held: &mut Vec<(Self::Guard, usize)>, random: &mut Random) {
        match random.u32(0..12) {
            0 => {
                self.close();
                model.is_closed = true;
            }
            1..=3 => {
                let count = random.usize(0..3);
                self.add_permits(count);
                model.release(count);
            }
            4 | 5 => {
                let count = random.usize(0..3);
                let forgotten = model.available.min(count);
                model.available -= forgotten;
                assert_eq!(self.forget_permits(count), forgotten);
            }
            6 => {
                if let Some((permit, _)) = held.pop() {
                    permit.forget();
                }
            }
            7 | 8 => {
                if let Some((mut permit, count)) = held.pop() {
                    let part = random.usize(0..=count);
                    if let Some(split) = permit.split(part) {
                        held.push((split, part));
                    }
                    held.push((permit, count - part));
                }
            }
            _ => {
                if held.len() > 1
                    && let (Some((mut permit, count)), Some((other, more))) = (held.pop(), held.pop())
                {
                    permit.merge(other);
                    assert_eq!(permit.num_permits(), count + more);
                    held.push((permit, count + more));
                }
            }
        }
    }
}

impl Source for Arc<Mutex<u32>> {
    type Guard = OwnedMutexGuard<u32>;
    const TOTAL: usize = 1;

    fn new() -> Self {
        Arc::default()
    }

    fn counts() -> &'static [usize] {
        &[1]
    }

    fn acquire(&self, _count: usize) -> Acquiring<Self::Guard> {
        let locking = self.clone().lock_owned();
        Box::pin(async { Some(locking.await) })
    }

    fn try_acquire(&self, _count: usize) -> Option<Self::Guard> {
        self.clone().try_lock_owned().ok()
    }
}

/// A reader or a writer.
enum Access {
    Read(#[allow(dead_code, reason = "it is there to be held")] OwnedRwLockReadGuard<u32>),
    Write(OwnedRwLockWriteGuard<u32>),
}

const READERS: usize = 3;

impl Source for Arc<RwLock<u32>> {
    type Guard = Access;
    const TOTAL: usize = READERS;

    fn new() -> Self {
        Arc::new(RwLock::with_max_readers(0, READERS as u32))
    }

    fn counts() -> &'static [usize] {
        &[1, 1, READERS]
    }

    fn acquire(&self, count: usize) -> Acquiring<Self::Guard> {
        if count == 1 {
            let reading = self.clone().read_owned();
            Box::pin(async { Some(Access::Read(reading.await)) })
        } else {
            let writing = self.clone().write_owned();
            Box::pin(async { Some(Access::Write(writing.await)) })
        }
    }

    fn try_acquire(&self, count: usize) -> Option<Self::Guard> {
        if count == 1 {
            self.clone().try_read_owned().ok().map(Access::Read)
        } else {
            self.clone().try_write_owned().ok().map(Access::Write)
        }
    }

    fn extra(&self, model: &mut Permits, held: &mut Vec<(Self::Guard, usize)>, _random: &mut Random) {
        match held.pop() {
            Some((Access::Write(mut guard), _)) => {
                *guard += 1;
                held.push((Access::Read(guard.downgrade()), 1));
                model.release(READERS - 1);
            }
            other => held.extend(other),
        }
    }
}

struct Locks<S: Source> {
    source: S,
    model: Permits,
    tasks: Tasks<Option<S::Guard>>,
    /// How many permits each future wants.
    wanted: BTreeMap<usize, usize>,
    held: Vec<(S::Guard, usize)>,
}

impl<S: Source> Case for Locks<S> {
    fn new(random: &mut Random) -> Self {
        let (source, model) = (S::new(), Permits::new(S::TOTAL));
        Self { source, model, tasks: Tasks::new(random), wanted: BTreeMap::new(), held: Vec::new() }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..12) {
            0 | 1 if self.tasks.len() < 6 => {
                let count = random.choice(S::counts()).copied().unwrap();
                let name = self.tasks.add(self.source.acquire(count));
                self.wanted.insert(name, count);
                log.add(format!("future {name} wants {count}"));
            }
            2..=5 => {
                let Some(name) = self.tasks.any() else { return };
                let count = self.wanted[&name];
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {:?}", map(&polled, Option::is_some)));
                assert_eq!(map(&polled, Option::is_some), self.model.poll(name, count));
                if let Poll::Ready(Some(guard)) = polled {
                    self.held.push((guard, count));
                }
            }
            6 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                self.model.cancel(name, self.wanted[&name]);
            }
            7 => {
                let count = random.choice(S::counts()).copied().unwrap();
                let taken = self.source.try_acquire(count);
                log.add(format!("try {count}: {}", taken.is_some()));
                assert_eq!(taken.is_some(), self.model.try_acquire(count));
                self.held.extend(taken.map(|guard| (guard, count)));
            }
            8..=10 => {
                if self.held.is_empty() {
                    return;
                }
                let (guard, count) = self.held.swap_remove(random.usize(..self.held.len()));
                log.add(format!("give {count} back"));
                drop(guard);
                self.model.release(count);
            }
            _ => {
                log.add("something of its own");
                self.source.extra(&mut self.model, &mut self.held, random);
            }
        }
    }

    fn check(&mut self) {
        if let Some(available) = self.source.available() {
            assert_eq!(available, self.model.available);
        }
        for name in self.wanted.keys() {
            assert!(
                !(self.tasks.is_asleep(*name) && self.model.is_ready(*name)),
                "future {name} was not woken"
            );
        }
    }
}

#[test]
fn a_semaphore_does_what_its_model_does() {
    super::tasks::run::<Locks<Arc<Semaphore>>>();
}

#[test]
fn a_mutex_does_what_its_model_does() {
    super::tasks::run::<Locks<Arc<Mutex<u32>>>>();
}

#[test]
fn a_read_write_lock_does_what_its_model_does() {
    super::tasks::run::<Locks<Arc<RwLock<u32>>>>();
}
