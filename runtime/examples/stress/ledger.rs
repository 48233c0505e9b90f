//! Who has been made, where it is, and how often it has been dropped.
//!
//! Next file to read: `ctx.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::process;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use runtime::runtime::{Handle, RuntimeMetrics};

use crate::foreign::Signal;
use crate::lateness::Record;

/// Counts everything that moves; the watchdog barks when it stands still.
static MOVES: AtomicU64 = AtomicU64::new(0);

/// The episode that the watchdog tells of.
static CURRENT: Mutex<Option<Arc<Ledger>>> = Mutex::new(None);

/// All that was made in one episode.
pub(crate) struct Ledger {
    name: String,
    entries: Mutex<Vec<Arc<Entry>>>,
    metrics: RuntimeMetrics,
    stage: Mutex<&'static str>,
    closing: AtomicBool,
    /// Who wants to hear of the end before it begins.
    listeners: Mutex<Vec<Arc<Signal>>>,
}

struct Entry {
    kind: &'static str,
    number: usize,
    place: Mutex<&'static str>,
    drops: AtomicU32,
    /// The thread that alone may touch it.
    home: Option<ThreadId>,
}

/// Lives in a future, a job or a value, and tells the ledger when that is dropped.
pub(crate) struct Tracked(Arc<Entry>);

/// As [`Tracked`], for what is not `Send`: it must be polled and dropped where it was made.
pub(crate) struct Homebound {
    tracked: Tracked,
    not_send: PhantomData<Rc<()>>,
}

/// How many of each kind there were, and how late things came.
#[derive(Default)]
pub(crate) struct Totals {
    dropped: BTreeMap<&'static str, u64>,
    pub(crate) lateness: Record,
}

impl Ledger {
    pub(crate) fn new(name: String, handle: &Handle) -> Arc<Self> {
        let ledger = Arc::new(Self {
            name,
            entries: Mutex::default(),
            metrics: handle.metrics(),
            stage: Mutex::new("running"),
            closing: AtomicBool::new(false),
            listeners: Mutex::default(),
        });
        *CURRENT.lock().unwrap() = Some(ledger.clone());
        ledger
    }

    pub(crate) fn track(&self, kind: &'static str) -> Tracked {
        self.enter(kind, None)
    }

    /// Tracks what belongs to this thread.
    pub(crate) fn track_here(&self, kind: &'static str) -> Homebound {
        Homebound { tracked: self.enter(kind, Some(thread::current().id())), not_send: PhantomData }
    }

    fn enter(&self, kind: &'static str, home: Option<ThreadId>) -> Tracked {
        moved();
        let mut entries = self.entries.lock().unwrap();
        let number = entries.len();
        let (place, drops) = (Mutex::new("made"), AtomicU32::new(0));
        let entry = Arc::new(Entry { kind, number, place, drops, home });
        entries.push(entry.clone());
        Tracked(entry)
    }

    pub(crate) fn stage(&self, stage: &'static str) {
        moved();
        *self.stage.lock().unwrap() = stage;
    }

    /// The runtime is about to be shut down: from now on tasks may fail.
    pub(crate) fn close(&self) {
        let listeners = {
            let mut listeners = self.listeners.lock().unwrap();
            self.closing.store(true, SeqCst);
            std::mem::take(&mut *listeners)
        };
        listeners.iter().for_each(|listener| listener.say_plainly());
        self.stage("shutting down");
    }

    /// A signal that is given when the runtime is about to be shut down.
    pub(crate) fn closes(&self) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        let mut listeners = self.listeners.lock().unwrap();
        if self.is_closing() {
            signal.say_plainly();
        } else {
            listeners.push(signal.clone());
        }
        signal
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(SeqCst)
    }

    fn undropped(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries.lock().unwrap();
        entries.iter().filter(|entry| entry.drops.load(SeqCst) == 0).cloned().collect()
    }

    /// Waits until all have been dropped, and adds them up.
    pub(crate) fn settle(&self, patience: Duration, totals: &mut Totals) {
        self.stage("settling");
        let end = Instant::now() + patience;
        while !self.undropped().is_empty() {
            if Instant::now() > end {
                println!("{self}");
                violation("futures or jobs have not been dropped");
            }
            thread::sleep(Duration::from_millis(1));
        }
        for entry in self.entries.lock().unwrap().iter() {
            *totals.dropped.entry(entry.kind).or_default() += 1;
        }
    }
}

impl Tracked {
    /// Says where its owner is now. Who goes round in circles does not move.
    pub(crate) fn at(&self, place: &'static str) {
        let former = std::mem::replace(&mut *self.0.place.lock().unwrap(), place);
        if former != place {
            moved();
        }
    }
}

impl Homebound {
    /// As [`Tracked::at`].
    pub(crate) fn at(&self, place: &'static str) {
        self.tracked.0.must_be_home("polled");
        self.tracked.at(place);
    }
}

impl Entry {
    fn must_be_home(&self, what: &str) {
        let here = thread::current().id();
        if self.home.is_some_and(|home| home != here) {
            violation(&format!(
                "{} {} was {what} on {here:?}, not on {:?}",
                self.kind, self.number, self.home
            ));
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        moved();
        self.0.must_be_home("dropped");
        let before = self.0.drops.fetch_add(1, SeqCst);
        if before > 0 {
            violation(&format!("{} {} was dropped {} times", self.0.kind, self.0.number, before + 1));
        }
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, *self.stage.lock().unwrap())?;
        let mut by_place = BTreeMap::<_, Vec<usize>>::new();
        for entry in self.undropped() {
            by_place.entry((entry.kind, *entry.place.lock().unwrap())).or_default().push(entry.number);
        }
        for ((kind, place), numbers) in by_place {
            writeln!(f, "  {} of {kind} are at: {place} (the first is {})", numbers.len(), numbers[0])?;
        }
        let metrics = &self.metrics;
        writeln!(
            f,
            "  {} tasks alive, {} in the global queue; blocking: {} threads, {} of them idle, {} jobs queued",
            metrics.num_alive_tasks(),
            metrics.global_queue_depth(),
            metrics.num_blocking_threads(),
            metrics.num_idle_blocking_threads(),
            metrics.blocking_queue_depth(),
        )?;
        for worker in 0..metrics.num_workers() {
            // Odd while it sleeps.
            let parks = metrics.worker_park_unpark_count(worker);
            writeln!(
                f,
                "  worker {worker}: {} polls, {parks} falls asleep and wake-ups ({}), {} in its queue",
                metrics.worker_poll_count(worker),
                if parks % 2 == 1 { "asleep" } else { "awake" },
                metrics.worker_local_queue_depth(worker),
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.dropped.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        f.write_str(&kinds.join(", "))
    }
}

/// Whether the episode's runtime is shut down now.
pub(crate) fn is_closing() -> bool {
    CURRENT.lock().unwrap().as_ref().is_some_and(|ledger| ledger.is_closing())
}

/// Something happened.
pub(crate) fn moved() {
    MOVES.fetch_add(1, SeqCst);
}

/// How many threads this process has, where the operating system tells.
pub(crate) fn threads() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// Waits until there are only so many threads. Those of a runtime that was left in the background end a little later.
pub(crate) fn wait_for_threads(count: Option<usize>, patience: Duration) {
    let end = Instant::now() + patience;
    while threads() > count {
        // The watchdog has nothing to see here.
        moved();
        if Instant::now() > end {
            violation(&format!(
                "{:?} threads are left, and there were {count:?} in the beginning",
                threads()
            ));
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the process.
pub(crate) fn violation(what: &str) -> ! {
    println!("VIOLATION: {what}");
    process::exit(1);
}

/// Starts the watchdog.
pub(crate) fn watch(patience: Duration) {
    thread::spawn(move || {
        let mut last = (MOVES.load(SeqCst), Instant::now());
        loop {
            thread::sleep(Duration::from_millis(500));
            let moves = MOVES.load(SeqCst);
            if moves != last.0 {
                last = (moves, Instant::now());
            } else if last.1.elapsed() > patience {
                if let Some(ledger) = &*CURRENT.lock().unwrap() {
                    println!("{ledger}");
                }
                violation("nothing has moved for too long: a wake-up was lost");
            }
        }
    });
}
