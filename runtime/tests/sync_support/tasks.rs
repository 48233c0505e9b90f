//! Futures that are polled in an order of the test's choice, with wakers that count.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

pub(crate) type Random = fastrand::Rng;

type Local<T> = Pin<Box<dyn Future<Output = T>>>;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct Task<T> {
    future: Local<T>,
    wakes: Arc<Wakes>,
    /// It has been polled since it was woken last, and waits.
    waits: bool,
}

/// The futures of a case, by number.
pub(crate) struct Tasks<T> {
    next: usize,
    tasks: BTreeMap<usize, Task<T>>,
    random: Random,
}

impl<T> Tasks<T> {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self { next: 0, tasks: BTreeMap::new(), random: random.fork() }
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    pub(crate) fn add(&mut self, future: impl Future<Output = T> + 'static) -> usize {
        self.next += 1;
        let task = Task { future: Box::pin(future), wakes: Arc::default(), waits: false };
        self.tasks.insert(self.next, task);
        self.next
    }

    /// One of the futures.
    pub(crate) fn any(&mut self) -> Option<usize> {
        self.random.choice(self.tasks.keys().copied().collect::<Vec<_>>())
    }

    /// Polls, sometimes with the waker of another task than last time. A future that is ready is dropped.
    pub(crate) fn poll(&mut self, name: usize) -> Poll<T> {
        let task = self.tasks.get_mut(&name).expect("a future of this case");
        if self.random.u32(0..4) == 0 {
            task.wakes = Arc::default();
        }
        task.wakes.0.store(0, SeqCst);
        let waker = Waker::from(task.wakes.clone());
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        drop(waker);
        task.waits = polled.is_pending();
        if polled.is_ready() {
            self.cancel(name);
        }
        polled
    }

    /// Drops a future, ready or not.
    pub(crate) fn cancel(&mut self, name: usize) {
        self.tasks.remove(&name).expect("a future of this case");
    }

    /// Whether it waits, and nobody has woken it since.
    pub(crate) fn is_asleep(&self, name: usize) -> bool {
        self.tasks.get(&name).is_some_and(|task| task.waits && task.wakes.0.load(SeqCst) == 0)
    }

    /// How many others have a waker of this future.
    pub(crate) fn wakers(&self, name: usize) -> usize {
        Arc::strong_count(&self.tasks[&name].wakes) - 1
    }
}

/// `Poll` has no `as_ref`.
pub(crate) fn map<T, R>(polled: &Poll<T>, f: impl FnOnce(&T) -> R) -> Poll<R> {
    match polled {
        Poll::Ready(output) => Poll::Ready(f(output)),
        Poll::Pending => Poll::Pending,
    }
}

/// What happened, shown when a case fails.
#[derive(Default)]
pub(crate) struct Log(Vec<String>);

impl Log {
    pub(crate) fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.0.join("\n"));
        }
    }
}

/// A primitive beside its model.
pub(crate) trait Case: Sized {
    fn new(random: &mut Random) -> Self;

    /// Does something to both, and compares what they answer.
    fn step(&mut self, random: &mut Random, log: &mut Log);

    /// Compares what can be seen of both, and looks for futures that could go on and were not woken.
    fn check(&mut self);
}

/// Runs many cases of many steps. `RT_SYNC_SEED` repeats a case that has failed.
pub(crate) fn run<C: Case>() {
    let given = std::env::var("RT_SYNC_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let rounds = if given.is_some() { 1 } else { 400 };
    for _ in 0..rounds {
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        let mut log = Log::default();
        log.add(format!("RT_SYNC_SEED={seed}"));
        let mut random = Random::with_seed(seed);
        let mut case = C::new(&mut random);
        for _ in 0..120 {
            case.step(&mut random, &mut log);
            case.check();
        }
    }
}
