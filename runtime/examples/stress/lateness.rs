//! Episodes that keep a record of lateness: of each timer, of each byte that arrives, and of each task that is spawned
//! in the middle of a long poll.
//!
//! An *observer* thread sleeps for 10 ms at a time. It counts a tick as free if at least one worker was not in one of the
//! long polls of this program, and could have looked: ticks that are not free are excused. So are ticks in which the
//! operating system kept a thread from running that was ready to run. What is woken more than [`LIMIT`] free ticks after it
//! was due is a violation. Ticks, and not a clock, because an observer that gets no processor makes no ticks either.
//!
//! Next file to read: `threads.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use runtime::io::{AsyncRead, ReadBuf};
use runtime::net::TcpStream;
use runtime::runtime::RuntimeMetrics;
use runtime::sync::oneshot;
use runtime::task::{self, JoinHandle, yield_now};
use runtime::time::{Instant, Sleep, sleep};

use crate::ledger;
use crate::threads::Threads;

/// As long as a worker that watches sleeps.
const TICK: Duration = Duration::from_millis(10);
/// The free ticks that may pass. An inspection is due after each, a task in a slot is taken by the second one, and a
/// machine with more threads than processors adds its own.
pub(crate) const LIMIT: usize = 10;
static LIMIT_NOW: AtomicUsize = AtomicUsize::new(LIMIT);

/// Allows so many free ticks instead: for machines, and tools, under which threads get the processor in their own way.
pub(crate) fn set_limit(ticks: usize) {
    LIMIT_NOW.store(ticks, SeqCst);
}

/// What makes the ticks, and keeps the record.
pub(crate) struct Observer {
    name: String,
    workers: usize,
    /// Workers that are in a long poll.
    held: AtomicUsize,
    ticks: Mutex<Vec<Tick>>,
    record: Mutex<Record>,
    stop: AtomicBool,
}

struct Tick {
    at: Instant,
    is_free: bool,
    /// What each worker had done until then.
    workers: Vec<Progress>,
    threads: Threads,
}

struct Progress {
    polls: u64,
    /// Odd while it sleeps.
    parks_and_unparks: u64,
}

/// By kind: how many were late by how many free ticks, and how many by ticks that were excused alone.
#[derive(Default)]
pub(crate) struct Record(BTreeMap<&'static str, (BTreeMap<usize, u64>, u64)>);

impl Observer {
    /// Starts to observe a runtime of so many workers.
    pub(crate) fn start(name: String, metrics: RuntimeMetrics) -> (Arc<Self>, thread::JoinHandle<()>) {
        let workers = metrics.num_workers();
        let observer = Arc::new(Self {
            name: format!("{name}, {workers} workers"),
            workers,
            held: AtomicUsize::new(0),
            ticks: Mutex::default(),
            record: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let theirs = observer.clone();
        let thread = thread::spawn(move || {
            let mut threads = Threads::default();
            while !theirs.stop.load(SeqCst) {
                thread::sleep(TICK);
                let is_free = theirs.held.load(SeqCst) < theirs.workers;
                let (before, now) = (threads, Threads::look(workers));
                let is_free = is_free && !now.were_starved_since(&before);
                threads = now.clone();
                let progress = |worker| Progress {
                    polls: metrics.worker_poll_count(worker),
                    parks_and_unparks: metrics.worker_park_unpark_count(worker),
                };
                let workers = (0..workers).map(progress).collect();
                theirs.ticks.lock().unwrap().push(Tick {
                    at: Instant::now(),
                    is_free,
                    workers,
                    threads: now,
                });
            }
        });
        (observer, thread)
    }

    pub(crate) fn stop(&self, total: &mut Record) {
        self.stop.store(true, SeqCst);
        for (kind, (late, excused)) in std::mem::take(&mut *self.record.lock().unwrap()).0 {
            let (total_late, total_excused) = total.0.entry(kind).or_default();
            *total_excused += excused;
            for (ticks, count) in late {
                *total_late.entry(ticks).or_default() += count;
            }
        }
    }

    /// Something has happened that was due then.
    fn happened(&self, kind: &'static str, due: Instant) {
        ledger::moved();
        let ticks = self.ticks.lock().unwrap();
        let since = &ticks[ticks.partition_point(|tick| tick.at <= due)..];
        let free = since.iter().filter(|tick| tick.is_free).count();
        let excused = since.len() - free;
        if free > LIMIT_NOW.load(SeqCst) {
            println!("polls, and parks and unparks, of each worker in the meantime:");
            for tick in since {
                let workers = tick.workers.iter();
                let workers: Vec<String> =
                    workers.map(|worker| format!("{} {}", worker.polls, worker.parks_and_unparks)).collect();
                println!("  {:?} after it was due: {}", tick.at - due, workers.join(", "));
                print!("{}", tick.threads);
            }
            ledger::violation(&format!(
                "{}: a {kind} came {:?} late: {free} ticks in which a worker was free, beside {excused} others",
                self.name,
                due.elapsed()
            ));
        }
        drop(ticks);
        let mut record = self.record.lock().unwrap();
        let entry = record.0.entry(kind).or_default();
        *entry.0.entry(free).or_default() += 1;
        entry.1 += u64::from(free == 0 && excused > 0);
    }

    /// This worker is in a long poll until the returned value is dropped.
    fn hold(self: &Arc<Self>) -> Held {
        self.held.fetch_add(1, SeqCst);
        Held(self.clone())
    }
}

struct Held(Arc<Observer>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, SeqCst);
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, (late, excused)) in &self.0 {
            let late: Vec<String> = late.iter().map(|(ticks, count)| format!("{ticks}: {count}")).collect();
            writeln!(
                f,
                "{kind}s by free ticks of 10 ms that they were late: {}; {excused} late in excused ticks alone",
                late.join(", ")
            )?;
        }
        Ok(())
    }
}

/// Stands between what is waited for and the task that waits, and notes when the wake-up comes.
struct Expected {
    observer: Arc<Observer>,
    kind: &'static str,
    due: Mutex<Option<Instant>>,
    task: Mutex<Option<Waker>>,
}

impl Expected {
    fn new(observer: &Arc<Observer>, kind: &'static str) -> Arc<Self> {
        let (due, task) = (Mutex::new(None), Mutex::new(None));
        Arc::new(Self { observer: observer.clone(), kind, due, task })
    }

    fn set_due(&self, due: Instant) {
        *self.due.lock().unwrap() = Some(due);
    }

    /// The waker to poll with, for this task.
    fn waker(self: &Arc<Self>, cx: &Context<'_>) -> Waker {
        let former = self.task.lock().unwrap().replace(cx.waker().clone());
        drop(former);
        Waker::from(self.clone())
    }
}

impl Wake for Expected {
    fn wake(self: Arc<Self>) {
        // One that comes early was on its way when the timer was reset.
        let due = self.due.lock().unwrap().take_if(|due| *due <= Instant::now());
        if let Some(due) = due {
            self.observer.happened(self.kind, due);
        }
        let task = self.task.lock().unwrap().take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// A timer that can be reset by whoever has it, registered or not.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    expected: Arc<Expected>,
}

impl Timer {
    fn new(observer: &Arc<Observer>, after: Duration) -> Self {
        let timer = Self { sleep: Box::pin(sleep(after)), expected: Expected::new(observer, "timer") };
        timer.expected.set_due(timer.sleep.deadline());
        timer
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waker = self.expected.waker(cx);
        self.sleep.as_mut().poll(&mut Context::from_waker(&waker))
    }

    async fn registered(mut self) -> Self {
        poll_fn(|cx| Poll::Ready(self.poll(cx).is_ready())).await;
        self
    }

    fn reset(&mut self, after: Duration) {
        let deadline = Instant::now() + after;
        // What fires meanwhile is not judged.
        *self.expected.due.lock().unwrap() = None;
        self.sleep.as_mut().reset(deadline);
        if !self.sleep.is_elapsed() {
            self.expected.set_due(deadline.max(Instant::now()));
        }
    }

    async fn wait(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

/// What the acts of an episode work with.
struct Act {
    observer: Arc<Observer>,
    rng: fastrand::Rng,
    /// Timers for the thread in `block_on`, to be reset there.
    to_root: mpsc::Sender<(Timer, oneshot::Sender<Timer>)>,
}

impl Act {
    fn fork(&mut self) -> Self {
        Self { observer: self.observer.clone(), rng: self.rng.fork(), to_root: self.to_root.clone() }
    }

    fn ms(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.rng.u64(..below))
    }

    fn spawn(&mut self, sockets: &mut Option<Sockets>) -> JoinHandle<()> {
        let act = self.fork();
        match self.rng.u32(..8) {
            0..3 => task::spawn(act.resets_a_timer()),
            3 => match sockets.take() {
                Some(sockets) => {
                    let back = sockets.back.clone();
                    task::spawn(async move {
                        let sockets = act.reads_a_byte(sockets).await;
                        // The episode may have ended its steps.
                        let _ = back.send(sockets);
                    })
                }
                None => task::spawn(act.yields_for_a_while()),
            },
            4 => task::spawn(act.yields_for_a_while()),
            _ => task::spawn(act.holds_its_worker()),
        }
    }

    /// Registers a timer here, and has it reset from anywhere.
    async fn resets_a_timer(mut self) {
        let after = self.ms(200);
        let mut timer = Timer::new(&self.observer, after).registered().await;
        for _ in 0..self.rng.u32(..3) {
            let after = self.ms(150);
            let delay = self.ms(20);
            timer = match self.rng.u32(..4) {
                0 => {
                    timer.reset(after);
                    timer
                }
                // By another task, perhaps on another worker.
                1 => {
                    let reset = async move {
                        timer.reset(after);
                        (timer,)
                    };
                    task::spawn(reset).await.expect("a reset does not panic").0
                }
                2 => {
                    let (back, reset) = oneshot::channel();
                    thread::spawn(move || {
                        thread::sleep(delay);
                        timer.reset(after);
                        let _ = back.send(timer);
                    });
                    reset.await.expect("the thread sends it back")
                }
                _ => {
                    let (back, reset) = oneshot::channel();
                    self.to_root.send((timer, back)).expect("the root outlives the acts");
                    reset.await.expect("the root sends it back")
                }
            };
        }
        timer.wait().await;
    }

    /// Waits for what another thread writes.
    async fn reads_a_byte(mut self, mut sockets: Sockets) -> Sockets {
        let expected = Expected::new(&self.observer, "byte");
        let (theirs, delay) = (expected.clone(), self.ms(100));
        let mut far = sockets.far;
        let writing = thread::spawn(move || {
            thread::sleep(delay);
            theirs.set_due(Instant::now());
            std::io::Write::write_all(&mut far, b"x").expect("the other end is open");
            far
        });
        let mut byte = [0];
        poll_fn(|cx| {
            let waker = expected.waker(cx);
            let mut buffer = ReadBuf::new(&mut byte);
            Pin::new(&mut sockets.near).poll_read(&mut Context::from_waker(&waker), &mut buffer)
        })
        .await
        .expect("the other end is open");
        let far = task::spawn_blocking(move || writing.join().expect("writing does not panic"));
        Sockets { far: far.await.expect("joining does not panic"), ..sockets }
    }

    /// Has nothing but short polls for a while.
    async fn yields_for_a_while(mut self) {
        let end = Instant::now() + self.ms(200);
        while Instant::now() < end {
            yield_now().await;
        }
    }

    /// One long poll, in which timers and tasks may be left behind.
    async fn holds_its_worker(mut self) {
        if self.rng.bool() {
            yield_now().await;
        }
        let mut left = Vec::new();
        {
            let _held = self.observer.hold();
            let parts = 1 + self.rng.u32(..3);
            for _ in 0..parts {
                match self.rng.u32(..4) {
                    0 => {
                        let after = self.ms(150);
                        let mut timer = Timer::new(&self.observer, after);
                        let registered = poll_fn(|cx| Poll::Ready(timer.poll(cx)));
                        if registered.await.is_pending() {
                            left.push(task::spawn(timer.wait()));
                        }
                    }
                    1 => {
                        let (observer, spawned) = (self.observer.clone(), Instant::now());
                        left.push(task::spawn(async move { observer.happened("task", spawned) }));
                    }
                    _ => {}
                }
                thread::sleep(self.ms(300));
            }
        }
        for task in left {
            task.await.expect("a task that waits does not panic");
        }
    }
}

/// A connection, which goes from act to act.
struct Sockets {
    near: TcpStream,
    far: std::net::TcpStream,
    back: mpsc::Sender<Sockets>,
}

impl Sockets {
    /// On the current runtime.
    fn new(back: mpsc::Sender<Sockets>) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let far = std::net::TcpStream::connect(listener.local_addr()?)?;
        far.set_nodelay(true)?;
        let near = listener.accept()?.0;
        near.set_nonblocking(true)?;
        Ok(Self { near: TcpStream::from_std(near)?, far, back })
    }
}

/// What is waited for in `block_on`: steps of acts at once, and rests between them.
pub(crate) async fn root(observer: Arc<Observer>, mut rng: fastrand::Rng) {
    let (to_root, to_be_reset) = mpsc::channel();
    let mut act = Act { observer, rng: rng.fork(), to_root };
    let (back, returned) = mpsc::channel();
    for _ in 0..2 {
        back.send(Sockets::new(back.clone()).expect("there are sockets")).expect("it is held here");
    }
    for _ in 0..1 + rng.u32(..4) {
        let rest = match rng.u32(..4) {
            0 => Duration::ZERO,
            1 => act.ms(30),
            _ => act.ms(500),
        };
        Timer::new(&act.observer, rest).wait().await;
        let mut acts = Vec::new();
        for _ in 0..1 + rng.u32(..8) {
            let mut sockets = returned.try_recv().ok();
            acts.push(act.spawn(&mut sockets));
            if let Some(unused) = sockets {
                back.send(unused).expect("it is held here");
            }
        }
        for mut running in acts {
            while !running.is_finished() {
                for (mut timer, back) in to_be_reset.try_iter() {
                    timer.reset(act.ms(100));
                    let _ = back.send(timer);
                }
                let pause = Timer::new(&act.observer, Duration::from_millis(1 + rng.u64(..20)));
                pause.wait().await;
            }
            poll_fn(|cx| Pin::new(&mut running).poll(cx)).await.expect("an act does not panic");
        }
    }
}
