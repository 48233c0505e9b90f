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

fn pool(max_threads: usize, keep_alive: Duration) -> BlockingPool {
    let config = PoolConfig { max_threads, keep_alive, idle_spin: Duration::ZERO };
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
    for keep_alive in [Duration::ZERO, LONG] {
        model(move || {
            let (pool, fate) = (pool(1, keep_alive), Fate::default());
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
#[test]
fn loom_two_jobs_meet_the_end_of_the_pool() {
    model_within(3, || {
        let (pool, fate) = (pool(1, LONG), Fate::default());
        let (spawner, theirs) = (pool.spawner().clone(), fate.clone());
        let other = thread::spawn(move || theirs.bring(&spawner));
        let mine = fate.bring(pool.spawner());
        assert!(pool.shutdown(None));
        let ran = usize::from(has_run(other.join().unwrap())) + usize::from(has_run(mine));
        assert_eq!((fate.ran(), fate.dropped()), (ran, 2));
    });
}

/// A thread that has waited for long enough ends just when a job comes for it.
#[test]
fn loom_no_job_is_left_to_a_thread_that_leaves() {
    model_within(3, || {
        let (pool, fate) = (pool(1, Duration::ZERO), Fate::default());
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
