//! Where jobs wait for a pool that is full, in several queues with a lock each.
//!
//! Who brings a job to a full pool, and a thread that has just run one, need not meet at the pool's own lock then. A job
//! may be left here only if some thread will look before it sits down. For that both sides do two things, with a
//! sequentially consistent fence in between:
//!
//! * who brings a job: puts it in, *then* looks whether the pool is still full; if not, it gives what is here to the pool.
//! * a thread without a job: says that the pool is not full, *then* looks here; if it finds a job, the pool is full again.
//!
//! At least one of them sees the other's first step. The pool is full only where all the threads that there may be have
//! something to do, and each looks here before it sits down.
//!
//! Next file to read: `engine/sched/mod.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
// Not through the doorway: it hands out numbers, and a model has one shard.
use std::sync::atomic::AtomicUsize as Numbers;

use crate::base::prim::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use crate::base::prim::{CachePadded, Mutex};

/// How many queues: threads that bring jobs at once should seldom meet, and a thread that looks for one looks at all.
const SHARDS: usize = if cfg!(rt_loom) { 1 } else { 16 };

#[derive(Debug)]
pub(super) struct Shards<T> {
    /// Written under the pool's lock.
    full: AtomicBool,
    queues: Box<[CachePadded<Shard<T>>]>,
}

#[derive(Debug)]
struct Shard<T> {
    items: Mutex<VecDeque<T>>,
    /// Written under the lock, read without it.
    len: AtomicUsize,
}

/// What became of an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed<T> {
    /// Some thread will come for it.
    Left,
    /// The pool is not full: place it there.
    Refused(T),
    /// It is here, and the pool is not full any more: place what is here.
    Stranded,
}

impl<T> Shards<T> {
    pub(super) fn new() -> Self {
        let shard =
            || CachePadded::new(Shard { items: Mutex::new(VecDeque::new()), len: AtomicUsize::new(0) });
        Self { full: AtomicBool::new(false), queues: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Leaves an item, if the pool is full.
    pub(super) fn push(&self, item: T) -> Pushed<T> {
        if !self.full.load(Acquire) {
            return Pushed::Refused(item);
        }
        self.put(item);
        fence(SeqCst);
        if self.full.load(Relaxed) { Pushed::Left } else { Pushed::Stranded }
    }

    /// Says whether the pool is full. The pool's lock is held.
    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Release);
        // Between this and the caller's last look.
        fence(SeqCst);
    }

    /// An item, from one of the queues. Threads begin with different ones.
    pub(super) fn pop(&self, thread: usize) -> Option<T> {
        let count = self.queues.len();
        (0..count).find_map(|at| {
            let shard = &self.queues[(thread + at) % count];
            // After the fence of `set_full`, too, this sees what was put in by whoever still reads that it is full.
            if shard.len.load(Relaxed) == 0 {
                return None;
            }
            let mut items = shard.items.lock();
            let item = items.pop_front();
            shard.len.store(items.len(), Relaxed);
            item
        })
    }

    /// All items.
    pub(super) fn take_all(&self) -> VecDeque<T> {
        let mut all = VecDeque::new();
        for shard in &self.queues {
            let mut items = shard.items.lock();
            all.append(&mut items);
            shard.len.store(0, Relaxed);
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.queues.iter().map(|shard| shard.len.load(Relaxed)).sum()
    }

    /// Leaves an item, whether or not the pool is full. The pool's lock is held, and no thread sits.
    pub(super) fn put(&self, item: T) {
        let shard = &self.queues[number_of_thread() % self.queues.len()];
        let mut items = shard.items.lock();
        items.push_back(item);
        shard.len.store(items.len(), Relaxed);
    }
}

/// Neighbouring numbers for threads that begin one after the other.
fn number_of_thread() -> usize {
    static NEXT: Numbers = Numbers::new(0);
    thread_local!(static NUMBER: usize = NEXT.fetch_add(1, Relaxed));
    // A thread that is being torn down may bring jobs, too.
    NUMBER.try_with(|&number| number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::prim::{Arc, model, thread};

    /// The skeleton of a full pool with one thread, which has run its job and looks for another before it sits down.
    #[test]
    fn loom_what_is_left_is_found_before_the_last_thread_sits() {
        model(|| {
            let shards = Arc::new(Shards::new());
            // The pool's lock guards who sits.
            let sits = Arc::new(Mutex::new(false));
            shards.put(0);
            shards.set_full(true);
            let bringers: Vec<_> = (1..3)
                .map(|item| {
                    let (shards, sits) = (shards.clone(), sits.clone());
                    thread::spawn(move || match shards.push(item) {
                        Pushed::Left => 0,
                        Pushed::Refused(_) => 1,
                        Pushed::Stranded => {
                            let _sits = sits.lock();
                            std::iter::from_fn(|| shards.pop(0)).count()
                        }
                    })
                })
                .collect();
            let mut ran = 0;
            loop {
                if shards.pop(0).is_some() {
                    ran += 1;
                    continue;
                }
                let mut sits = sits.lock();
                shards.set_full(false);
                if shards.pop(0).is_none() {
                    *sits = true;
                    break;
                }
                shards.set_full(true);
                ran += 1;
            }
            let placed: usize = bringers.into_iter().map(|bringer| bringer.join().unwrap()).sum();
            assert_eq!((ran + placed, shards.len()), (3, 0), "an item was left behind");
        });
    }
}
