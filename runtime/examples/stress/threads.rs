//! Whether the threads of this process get the processor, as Linux tells it. On other systems nothing is known.
//!
//! Next file to read: `ledger.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// With more workers than these a look would take long itself.
const MAX_WORKERS: usize = 8;

/// What each thread was doing at one moment, by the number that the system gives it.
#[derive(Clone, Default)]
pub(crate) struct Threads(BTreeMap<String, Thread>);

#[derive(Clone)]
struct Thread {
    name: String,
    is_runnable: bool,
    /// Nanoseconds on a processor.
    ran: u64,
    /// Nanoseconds of waiting for one, until it got it.
    waited: u64,
}

impl Threads {
    /// Looks at the threads of a process with a runtime of so many workers.
    pub(crate) fn look(workers: usize) -> Self {
        let mut threads = BTreeMap::new();
        if workers <= MAX_WORKERS
            && let Ok(folders) = fs::read_dir("/proc/self/task")
        {
            for folder in folders.flatten() {
                // One that ends meanwhile has no files.
                if let Some(thread) = Thread::read(&folder.path()) {
                    threads.insert(folder.file_name().to_string_lossy().into_owned(), thread);
                }
            }
        }
        Self(threads)
    }

    /// Whether a thread was ready to run at both moments, and did not run between them.
    pub(crate) fn were_starved_since(&self, before: &Self) -> bool {
        self.0.iter().any(|(id, now)| {
            before
                .0
                .get(id)
                .is_some_and(|before| before.is_runnable && now.is_runnable && before.ran == now.ran)
        })
    }
}

impl Thread {
    fn read(folder: &Path) -> Option<Self> {
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let times = fs::read_to_string(folder.join("schedstat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let mut times = times.split_whitespace().map(str::parse);
        let (ran, waited) = (times.next()?.ok()?, times.next()?.ok()?);
        Some(Self { name: name.to_owned(), is_runnable: rest.trim_start().starts_with('R'), ran, waited })
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, Thread { name, is_runnable, ran, waited }) in &self.0 {
            let state = if *is_runnable { "runnable" } else { "not runnable" };
            writeln!(
                f,
                "      {id} {name}: {state}, ran for {ran} ns, waited for a processor for {waited} ns"
            )?;
        }
        Ok(())
    }
}
