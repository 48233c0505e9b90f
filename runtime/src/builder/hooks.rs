//! The builder's callbacks.
//!
//! Next file to read: `builder/measure.rs`.
#![forbid(unsafe_code)]

use super::Builder;
use crate::base::prim::PlainArc;
use crate::config::{Flavor, UnhandledPanic};
use crate::engine::hooks::{StuckPoll, TaskMeta};

/// Setting one of these a second time replaces the first.
impl Builder {
    /// Calls `f` on each thread of the runtime when it starts.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let started = Arc::new(AtomicUsize::new(0));
    /// let count = started.clone();
    /// let rt = runtime::runtime::Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_thread_start(move || drop(count.fetch_add(1, Ordering::Relaxed)))
    ///     .build()
    ///     .unwrap();
    /// drop(rt);
    /// assert_eq!(started.load(Ordering::Relaxed), 2);
    /// ```
    pub fn on_thread_start<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_start = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` on each thread of the runtime before it ends.
    pub fn on_thread_stop<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_stop = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` before a worker goes to sleep. What it wakes or spawns is run first.
    pub fn on_thread_park<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_park = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` after a worker has slept.
    pub fn on_thread_unpark<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.threads.on_unpark = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` for each task, on the thread that spawns it, just before it is spawned. A panic of `f` is the
    /// spawner's, and there is no task.
    ///
    /// Closures for the blocking pool are no tasks.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let spawned = Arc::new(AtomicUsize::new(0));
    /// let count = spawned.clone();
    /// let rt = runtime::runtime::Builder::new_current_thread()
    ///     .on_task_spawn(move |meta| {
    ///         assert!(meta.spawned_at().file().ends_with(".rs"));
    ///         count.fetch_add(1, Ordering::Relaxed);
    ///     })
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(async { runtime::spawn(async {}).await.unwrap() });
    /// assert_eq!(spawned.load(Ordering::Relaxed), 1);
    /// ```
    pub fn on_task_spawn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.tasks.on_spawn = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` before each poll of a task, on the worker. A panic of `f` is reported as any is, and then ignored.
    ///
    /// With [`track_task_schedule_latency`](Self::track_task_schedule_latency) it can learn how long the task has waited.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_multi_thread()
    ///     .worker_threads(1)
    ///     .on_before_task_poll(|meta| println!("task {} is about to be polled", meta.id()))
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(rt.spawn(async {})).unwrap();
    /// ```
    pub fn on_before_task_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.tasks.before_poll = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` after each poll of a task, on the worker, also when the poll has panicked. A panic of `f` is reported
    /// as any is, and then ignored.
    pub fn on_after_task_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.tasks.after_poll = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` for each task that has ended, however it did, after its future was dropped and before its join
    /// handle knows. A panic of `f` is reported as any is, and then ignored.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// let ended = Arc::new(AtomicUsize::new(0));
    /// let count = ended.clone();
    /// let rt = runtime::runtime::Builder::new_current_thread()
    ///     .on_task_terminate(move |_| drop(count.fetch_add(1, Ordering::Relaxed)))
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(async { runtime::spawn(async {}).await.unwrap() });
    /// assert_eq!(ended.load(Ordering::Relaxed), 1);
    /// ```
    pub fn on_task_terminate<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&TaskMeta<'_>) + Send + Sync + 'static,
    {
        self.tasks.on_terminate = Some(PlainArc::new(f));
        self
    }

    /// Calls `f` for each poll that runs for longer than [`stuck_poll_threshold`](Self::stuck_poll_threshold), once,
    /// while it still runs. An extension.
    ///
    /// It is called on a thread of its own, outside of the runtime's context, and may block; meanwhile no other stuck
    /// poll of this runtime is noticed. A panic of `f` is reported as any is, and then ignored.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (report, reports) = std::sync::mpsc::channel();
    /// let rt = runtime::runtime::Builder::new_current_thread()
    ///     .stuck_poll_threshold(Duration::from_millis(5))
    ///     .on_stuck_poll(move |poll| drop(report.send(poll.spawned_at().line())))
    ///     .build()
    ///     .unwrap();
    /// let line = line!() + 1;
    /// let task = rt.spawn(async move { reports.recv().unwrap() }); // Blocks its thread: a mistake.
    /// assert_eq!(rt.block_on(task).unwrap(), line);
    /// ```
    pub fn on_stuck_poll<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn(&StuckPoll) + Send + Sync + 'static,
    {
        self.tasks.on_stuck_poll = Some(PlainArc::new(f));
        self
    }

    /// Sets what becomes of the runtime when one of its tasks panics. Default: nothing.
    ///
    /// # Panics
    ///
    /// If it should shut down and has several threads: that is for `current_thread` runtimes and local ones.
    ///
    /// ```should_panic
    /// use runtime::runtime::{Builder, UnhandledPanic};
    ///
    /// let rt = Builder::new_current_thread().unhandled_panic(UnhandledPanic::ShutdownRuntime).build().unwrap();
    /// rt.spawn(async { panic!("boom") });
    /// rt.block_on(std::future::pending::<()>());
    /// ```
    #[track_caller]
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        assert!(
            behavior == UnhandledPanic::Ignore || self.config.flavor != Flavor::MultiThread,
            "UnhandledPanic::ShutdownRuntime is only supported in current thread runtime: use \
             `Builder::new_current_thread`"
        );
        self.config.unhandled_panic = behavior;
        self
    }
}
