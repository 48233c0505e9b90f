//! Jobs meet the end of the pool, and of its threads.
#![forbid(unsafe_code)]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{BlockingPool, BlockingSpawner, PoolConfig, unowned};
use crate::base::prim::{Arc, PlainArc, model, model_within, thread};
use crate::engine::hooks::ThreadHooks;
use crate::engine::task::{JoinHandle, Meta};

/// Longer than any test. In a model there is no time, and such a wait has no end of its own.
const LONG: Duration = Duration::from_secs(3600);

fn pool(max_threads: usize, keep_alive: Duration, sharded: bool) -> BlockingPool {
    let config = PoolConfig { max_threads, keep_alive, idle_spin: Duration::ZERO, sharded };
    BlockingPool::new(config, Arc::new(ThreadHooks::default()))
}

/// What became of the closures.
#[derive(Clone, Default)]
struct Fate(PlainArc<(AtomicUsize, AtomicUsize)>);

struct Token(Fate);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.1.fetch_add(1, SeqCst);
    }
}

impl Fate {
    /// Brings a closure that notes that it runs, and that it has been dropped.
    fn bring(&self, pool: &BlockingSpawner) -> JoinHandle<()> {
        let token = Token(self.clone());
        let run = move || {
            token.0.0.0.fetch_add(1, SeqCst);
        };
        let (job, handle) = unowned::<(), _, _>(run, Meta::here(), None);
        pool.spawn(job, || Box::new(|run| run())).unwrap();
        handle
    }

    fn ran(&self) -> usize {
        self.0.0.load(SeqCst)
    }

    fn dropped(&self) -> usize {
        self.0.1.load(SeqCst)
    }
}

/// Whether a job that is over has run.
#[track_caller]
fn has_run(mut handle: JoinHandle<()>) -> bool {
    match pin!(&mut handle).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => true,
        Poll::Ready(Err(error)) => {
            assert!(error.is_cancelled());
            false
        }
        Poll::Pending => panic!("a job was left behind"),
    }
}

#[test]
fn loom_a_job_meets_the_end_of_the_pool() {
    for (keep_alive, sharded) in [(Duration::ZERO, false), (LONG, false), (LONG, true)] {
        model(move || {
            let (pool, fate) = (pool(1, keep_alive, sharded), Fate::default());
            let (spawner, theirs) = (pool.spawner().clone(), fate.clone());
            let other = thread::spawn(move || theirs.bring(&spawner));
            assert!(pool.shutdown(None));
            let ran = usize::from(has_run(other.join().unwrap()));
            assert_eq!((fate.ran(), fate.dropped()), (ran, 1));
            assert_eq!(pool.spawner().num_threads(), 0);
        });
    }
}

/// One job is under way or waits on its seat, another one in the queue.
fn two_jobs_meet_the_end_of_the_pool(sharded: bool) {
    model_within(3, move || {
        let (pool, fate) = (pool(1, LONG, sharded), Fate::default());
        let (spawner, theirs) = (pool.spawner().clone(), fate.clone());
        let other = thread::spawn(move || theirs.bring(&spawner));
        let mine = fate.bring(pool.spawner());
        assert!(pool.shutdown(None));
        let ran = usize::from(has_run(other.join().unwrap())) + usize::from(has_run(mine));
        assert_eq!((fate.ran(), fate.dropped()), (ran, 2));
    });
}

#[test]
fn loom_two_jobs_meet_the_end_of_the_pool() {
    two_jobs_meet_the_end_of_the_pool(false);
}

#[test]
fn loom_two_sharded_jobs_meet_the_end_of_the_pool() {
    two_jobs_meet_the_end_of_the_pool(true);
}

#[test]
#[cfg(not(rt_loom))]
fn a_pool_that_is_dropped_takes_no_more_jobs_and_ends_its_threads() {
    for sharded in [false, true] {
        let (pool, fate) = (pool(1, LONG, sharded), Fate::default());
        let spawner = pool.spawner().clone();
        let before = fate.bring(&spawner);
        drop(pool);
        assert!(!has_run(fate.bring(&spawner)), "it is refused");
        // They would else wait for an hour.
        while spawner.num_threads() > 0 {
            thread::yield_now();
        }
        assert_eq!((fate.ran(), fate.dropped()), (usize::from(has_run(before)), 2));
    }
}

/// Jobs that find the pool full go past its lock, and each runs.
#[test]
#[cfg(not(rt_loom))]
fn jobs_for_a_full_sharded_pool_wait_in_shards_and_all_run() {
    use std::sync::mpsc;
    for sharded in [false, true] {
        let (pool, fate) = (pool(2, LONG, sharded), Fate::default());
        let (release, held) = mpsc::channel::<()>();
        let held = PlainArc::new(std::sync::Mutex::new(held));
        let blockers: Vec<_> = (0..2)
            .map(|_| {
                let held = held.clone();
                let wait = move || _ = held.lock().unwrap().recv();
                let (job, handle) = unowned::<(), _, _>(wait, Meta::here(), None);
                pool.spawner().spawn(job, || Box::new(|run| run())).unwrap();
                handle
            })
            .collect();
        let bringers: Vec<_> = (0..4)
            .map(|_| {
                let (spawner, fate) = (pool.spawner().clone(), fate.clone());
                thread::spawn(move || (0..250).map(|_| fate.bring(&spawner)).collect::<Vec<_>>())
            })
            .collect();
        let handles: Vec<_> = bringers.into_iter().flat_map(|bringer| bringer.join().unwrap()).collect();
        assert_eq!((pool.spawner().queue_depth(), fate.ran()), (1000, 0));
        assert_eq!(pool.spawner().num_in_shards(), if sharded { 1000 } else { 0 });
        drop(release);
        let limit = std::time::Instant::now() + Duration::from_secs(60);
        let until = |done: &dyn Fn() -> bool| {
            while !done() {
                assert!(std::time::Instant::now() < limit, "a job was left behind");
                thread::yield_now();
            }
        };
        until(&|| fate.dropped() == 1000 && pool.spawner().num_idle_threads() == 2);
        // A pool whose threads sit is not full any more.
        let last = fate.bring(pool.spawner());
        until(&|| fate.dropped() == 1001);
        assert!(pool.shutdown(None));
        assert!(handles.into_iter().chain(blockers).chain([last]).all(has_run));
        assert_eq!((fate.ran(), pool.spawner().queue_depth()), (1001, 0));
    }
}

/// A thread may have signed off before whoever started it has put its handle down, and be held up by a thread-local
/// destructor: whoever brought the job does not wait for that.
#[test]
#[cfg(not(rt_loom))]
fn the_handle_of_a_thread_that_has_left_is_put_down_without_a_wait() {
    use std::sync::mpsc;
    let pool = pool(1, LONG, false);
    let (let_go, held) = mpsc::channel::<()>();
    let held_up = thread::spawn(move || _ = held.recv());
    let (through, is_through) = mpsc::channel();
    let inner = pool.spawner().inner.clone();
    inner.state.lock().left.insert(0);
    let bringer = thread::spawn(move || {
        inner.keep_handle(0, held_up);
        through.send(()).unwrap();
    });
    is_through.recv_timeout(Duration::from_secs(60)).expect("it waits for the thread");
    bringer.join().unwrap();
    // The end of the pool does wait.
    assert!(pool.spawner().inner.state.lock().left.is_empty());
    drop(let_go);
    assert!(pool.shutdown(None));
    assert!(pool.spawner().inner.state.lock().ended.is_empty());
}

/// A thread that has waited for long enough ends just when a job comes for it.
#[test]
fn loom_no_job_is_left_to_a_thread_that_leaves() {
    no_job_is_left_to_a_thread_that_leaves(false);
}

#[test]
fn loom_no_sharded_job_is_left_to_a_thread_that_leaves() {
    no_job_is_left_to_a_thread_that_leaves(true);
}

fn no_job_is_left_to_a_thread_that_leaves(sharded: bool) {
    model_within(3, move || {
        let (pool, fate) = (pool(1, Duration::ZERO, sharded), Fate::default());
        let handles = [fate.bring(pool.spawner()), fate.bring(pool.spawner())];
        let spawner = pool.spawner().clone();
        // In a model this ends only when both have run.
        while fate.dropped() < 2 {
            thread::yield_now();
        }
        assert!(pool.shutdown(None));
        assert!(handles.into_iter().all(has_run));
        assert_eq!((fate.ran(), spawner.num_threads(), spawner.num_idle_threads()), (2, 0, 0));
    });
}
