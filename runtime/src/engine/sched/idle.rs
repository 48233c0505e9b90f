//! Who sleeps, who searches, and whom to wake for new work.
//!
//! A worker is *running*, *searching* (awake, without work, looking at the others' queues) or *asleep*. One word
//! holds how many search and how many sleep; a stack under a lock holds which ones sleep, the last one to fall
//! asleep on top, so that work gathers on few threads and warm caches.
//!
//! Waking a thread costs as much as hundreds of polls, so new work wakes nobody while somebody searches: the
//! searcher will find it. For that to lose no wake-up, both sides do two steps with a sequentially consistent
//! fence in between:
//!
//! * who brings work: pushes it, *then* reads the word, and wakes a sleeper if nobody searches.
//! * who falls asleep: writes itself into the word, *then*, if nobody searches any more, looks at all queues again.
//!
//! And a searcher that finds work hands the search on: if it was the last one it looks at the queues once more, and
//! wakes the next sleeper if there is anything left. Work that was pushed while it still counted as searching is
//! seen by that look, and the rest is the business of whoever pushes. That look may find nobody asleep yet to wake: a
//! worker that is not allowed to search is on its way to sleep, and then looks itself, since nobody searches.
//!
//! Next file to read: `engine/sched/sleep.rs`.
#![forbid(unsafe_code)]

use crate::base::prim::Mutex;
use crate::base::prim::atomic::{AtomicU64, Ordering::*, fence};

/// One searcher, in the low half of the word.
const SEARCHER: u64 = 1;
/// One sleeper, in the high half.
const SLEEPER: u64 = 1 << 32;

fn searchers(word: u64) -> u64 {
    word & (SLEEPER - 1)
}

fn sleepers(word: u64) -> u64 {
    word >> 32
}

#[derive(Debug)]
pub(crate) struct Idle {
    word: AtomicU64,
    stack: Mutex<Vec<usize>>,
    workers: u64,
}

impl Idle {
    /// All workers are running.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            word: AtomicU64::new(0),
            stack: Mutex::new(Vec::with_capacity(workers)),
            workers: workers as u64,
        }
    }

    /// There is new work. Returns the worker to wake for it, which counts as searching from now on.
    #[must_use = "the returned worker sleeps and has to be woken"]
    pub(crate) fn worker_to_wake(&self) -> Option<usize> {
        // Between the push and the read; see the page above.
        fence(SeqCst);
        if !Self::wants_waking(self.word.load(Relaxed)) {
            return None;
        }
        let mut stack = self.stack.lock();
        // Somebody may have been quicker.
        if !Self::wants_waking(self.word.load(Relaxed)) {
            return None;
        }
        let worker = stack.pop()?;
        self.word.fetch_add(SEARCHER.wrapping_sub(SLEEPER), SeqCst);
        Some(worker)
    }

    fn wants_waking(word: u64) -> bool {
        searchers(word) == 0 && sleepers(word) > 0
    }

    /// A worker without work asks to search. At most half of the workers may, for they meet on the same queues.
    pub(crate) fn try_search(&self) -> bool {
        if 2 * searchers(self.word.load(Relaxed)) >= self.workers {
            return false;
        }
        self.word.fetch_add(SEARCHER, SeqCst);
        true
    }

    /// A searcher has found work. Returns whether it was the last one, and must look whether to wake another.
    #[must_use = "the last searcher hands the search on"]
    pub(crate) fn found_work(&self) -> bool {
        let before = self.word.fetch_sub(SEARCHER, SeqCst);
        // Between the write and the look at the queues.
        fence(SeqCst);
        searchers(before) == 1
    }

    /// A worker falls asleep. Returns whether nobody searches now, so that it must look at all queues once more.
    #[must_use = "somebody has to look once more"]
    pub(crate) fn fall_asleep(&self, worker: usize, searching: bool) -> bool {
        let mut stack = self.stack.lock();
        stack.push(worker);
        let change = if searching { SLEEPER.wrapping_sub(SEARCHER) } else { SLEEPER };
        let before = self.word.fetch_add(change, SeqCst);
        drop(stack);
        // Between the write and the look at the queues.
        fence(SeqCst);
        searchers(before) == u64::from(searching)
    }

    /// Whether any worker is awake. A sleeper that asks is not counted.
    pub(crate) fn is_any_awake(&self) -> bool {
        sleepers(self.word.load(SeqCst)) < self.workers
    }

    /// As far as a worker that is awake can tell, whether another one is.
    pub(crate) fn is_another_awake(&self) -> bool {
        sleepers(self.word.load(Relaxed)) + 1 < self.workers
    }

    /// A worker was woken by something else than [`worker_to_wake`](Self::worker_to_wake). Returns false if it has
    /// been chosen by that in the meantime, and thus counts as searching.
    pub(crate) fn wake_up(&self, worker: usize) -> bool {
        let mut stack = self.stack.lock();
        let Some(place) = stack.iter().rposition(|&w| w == worker) else { return false };
        stack.remove(place);
        self.word.fetch_sub(SLEEPER, SeqCst);
        true
    }

    /// The worker that has slept for the shortest time, left asleep.
    pub(crate) fn some_sleeper(&self) -> Option<usize> {
        self.stack.lock().last().copied()
    }

    pub(crate) fn is_asleep(&self, worker: usize) -> bool {
        self.stack.lock().contains(&worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::park::{Parker, Unparker};
    use crate::base::prim::atomic::AtomicUsize;
    use crate::base::prim::{Arc, model, thread};
    use crate::engine::sched::inject::Inject;

    #[test]
    fn a_worker_is_woken_for_work_only_if_one_sleeps_and_none_searches() {
        let idle = Idle::new(3);
        assert_eq!(idle.worker_to_wake(), None, "all are awake");
        assert!(idle.try_search());
        assert!(!idle.fall_asleep(1, false), "another one searches");
        assert_eq!(idle.worker_to_wake(), None, "who searches finds it");
        assert!(idle.found_work(), "it was the only one");
        assert!(idle.fall_asleep(2, false), "nobody searches");
        assert_eq!(idle.some_sleeper(), Some(2));
        assert_eq!(idle.worker_to_wake(), Some(2), "the one that has slept for the shortest time");
        assert!(idle.is_asleep(1) && !idle.is_asleep(2));
        assert_eq!(idle.worker_to_wake(), None, "the one that was woken searches");
        assert!(!idle.wake_up(2), "it was chosen already");
        assert!(idle.fall_asleep(2, true), "the only one that searched falls asleep");
        assert!(idle.wake_up(1) && !idle.is_asleep(1));
        assert_eq!(idle.worker_to_wake(), Some(2));
    }

    #[test]
    fn half_of_the_workers_may_search_and_the_last_one_that_finds_work_is_told() {
        let idle = Idle::new(4);
        assert!(idle.try_search() && idle.try_search());
        assert!(!idle.try_search(), "two of four search");
        assert!(!idle.found_work());
        assert!(idle.try_search());
        assert!(!idle.found_work() && idle.found_work());
    }

    #[test]
    fn it_is_known_whether_any_or_another_worker_is_awake() {
        let idle = Idle::new(3);
        let is_awake = |idle: &Idle| (idle.is_any_awake(), idle.is_another_awake());
        assert_eq!(is_awake(&idle), (true, true));
        let _ = idle.fall_asleep(0, false);
        assert_eq!(is_awake(&idle), (true, true));
        let _ = idle.fall_asleep(1, false);
        assert_eq!(is_awake(&idle), (true, false), "the one that asks is no other");
        let _ = idle.fall_asleep(2, false);
        assert_eq!(is_awake(&idle), (false, false));
    }

    /// The skeleton of a scheduler: queue, accounting, parkers, and nothing to run but a count.
    struct Skeleton {
        idle: Idle,
        inject: Inject<()>,
        beds: Vec<Unparker>,
        done: AtomicUsize,
        expected: usize,
    }

    impl Skeleton {
        fn new(workers: usize, expected: usize) -> (Arc<Self>, Vec<Parker>) {
            let parkers: Vec<Parker> = (0..workers).map(|_| Parker::new()).collect();
            let beds = parkers.iter().map(Parker::unparker).collect();
            let idle = Idle::new(workers);
            let skeleton = Self { idle, inject: Inject::new(), beds, done: AtomicUsize::new(0), expected };
            (Arc::new(skeleton), parkers)
        }

        fn push(&self) {
            self.inject.push(());
            self.wake_one();
        }

        fn wake_one(&self) {
            if let Some(sleeper) = self.idle.worker_to_wake() {
                self.beds[sleeper].unpark();
            }
        }

        fn run(&self) {
            if self.done.fetch_add(1, SeqCst) + 1 == self.expected {
                self.inject.close();
                for bed in &self.beds {
                    bed.unpark();
                }
            }
        }

        /// What `Worker<Multi>` does, with the polls left out. A wake-up that is lost leaves all workers asleep,
        /// and that is a deadlock: loom says so, and so does a test that never ends.
        fn work(&self, index: usize, parker: &Parker) {
            let mut searching = false;
            loop {
                if self.inject.pop().is_some() {
                    if std::mem::take(&mut searching) && self.idle.found_work() && !self.inject.is_empty() {
                        self.wake_one();
                    }
                    self.run();
                    continue;
                }
                if self.inject.is_closed() {
                    return;
                }
                if !searching {
                    searching = self.idle.try_search();
                    if searching {
                        continue;
                    }
                }
                if self.idle.fall_asleep(index, std::mem::take(&mut searching)) && !self.inject.is_empty() {
                    self.wake_one();
                }
                loop {
                    parker.park();
                    if self.inject.is_closed() {
                        return;
                    }
                    if !self.idle.is_asleep(index) {
                        searching = true;
                        break;
                    }
                }
            }
        }
    }

    fn all_work_is_done(workers: usize, pushers: usize, each: usize) {
        model(move || {
            let (skeleton, parkers) = Skeleton::new(workers, pushers * each);
            let mut threads: Vec<_> = parkers
                .into_iter()
                .enumerate()
                .map(|(index, parker)| {
                    let skeleton = skeleton.clone();
                    thread::spawn(move || skeleton.work(index, &parker))
                })
                .collect();
            threads.extend((1..pushers).map(|_| {
                let skeleton = skeleton.clone();
                thread::spawn(move || (0..each).for_each(|_| skeleton.push()))
            }));
            (0..each).for_each(|_| skeleton.push());
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(skeleton.done.load(SeqCst), pushers * each);
        });
    }

    #[test]
    fn loom_one_worker_misses_no_push() {
        all_work_is_done(1, 1, 2);
    }

    #[test]
    fn loom_two_workers_miss_no_push() {
        all_work_is_done(2, 1, 2);
    }

    #[test]
    fn loom_two_pushers_are_both_heard() {
        all_work_is_done(1, 2, 1);
    }

    /// A searcher has work in its hand while more is pushed and another worker, which may not search, falls asleep. The
    /// first one's work takes as long as the other work is not done: if nobody wakes for that, both wait for ever.
    #[test]
    fn loom_a_worker_that_may_not_search_misses_no_push_either() {
        model(|| {
            let (skeleton, mut parkers) = Skeleton::new(2, 1);
            assert!(skeleton.idle.try_search());
            let denied = {
                let (skeleton, parker) = (skeleton.clone(), parkers.pop().unwrap());
                thread::spawn(move || skeleton.work(1, &parker))
            };
            let pusher = {
                let skeleton = skeleton.clone();
                thread::spawn(move || skeleton.push())
            };
            if skeleton.idle.found_work() && !skeleton.inject.is_empty() {
                skeleton.wake_one();
            }
            while skeleton.done.load(SeqCst) == 0 {
                parkers[0].park();
            }
            denied.join().unwrap();
            pusher.join().unwrap();
        });
    }
}
