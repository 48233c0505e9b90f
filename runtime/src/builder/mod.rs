//! How a runtime is put together.
//!
//! The settings are Tokio's methods, in three files: here what is plain, in [`hooks`](self::hooks) the callbacks, in
//! [`measure`](self::measure) what is measured.
//!
//! Next file to read: `builder/hooks.rs`.
#![forbid(unsafe_code)]

mod hooks;
mod measure;

use std::fmt;
use std::io;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::prim::{Arc, PlainArc};
use crate::config::{Flavor, RuntimeConfig};
use crate::context;
use crate::engine::blocking::{BlockingPool, PoolConfig};
use crate::engine::driver::Driver;
use crate::engine::hooks::{TaskHooks, ThreadHooks};
use crate::engine::sched::{current, threads};
use crate::engine::services::Services;
use crate::handle::Handle;
use crate::local_runtime::{LocalOptions, LocalRuntime};
use crate::runtime::{Runtime, Scheduler};

/// Builds a [`Runtime`] with settings of its own.
///
/// Every plain setting lives in a [`RuntimeConfig`], which [`from_config`](Self::from_config) takes whole; the
/// methods here are Tokio's, and write into it.
///
/// ```
/// use runtime::runtime::Builder;
///
/// let rt = Builder::new_multi_thread().worker_threads(2).thread_name("pool").enable_all().build().unwrap();
/// assert_eq!(rt.metrics().num_workers(), 2);
/// ```
#[derive(Clone)]
pub struct Builder {
    config: RuntimeConfig,
    threads: ThreadHooks,
    tasks: TaskHooks,
    histograms: measure::Histograms,
    start_paused: bool,
}

/// Where random choices start, for [`Builder::rng_seed`].
///
/// ```
/// use runtime::runtime::RngSeed;
///
/// let seed = RngSeed::from_bytes(b"the same each time");
/// # let _ = seed;
/// ```
#[derive(Clone, Debug)]
pub struct RngSeed(u64);

impl RngSeed {
    /// A seed from bytes of any number: equal bytes give equal seeds.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        // FNV-1a, 64 bits: it is the same on every machine and in every release, which the standard library's is not.
        let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
    }
}

impl Builder {
    /// A builder of exactly this configuration.
    ///
    /// Whether the values make sense is checked by [`build`](Self::build).
    ///
    /// ```
    /// use runtime::config::{Flavor, RuntimeConfig};
    /// use runtime::runtime::Builder;
    ///
    /// let config = RuntimeConfig { flavor: Flavor::CurrentThread, ..RuntimeConfig::default() };
    /// let rt = Builder::from_config(&config).build().unwrap();
    /// rt.block_on(async { runtime::time::sleep(std::time::Duration::from_millis(1)).await });
    /// ```
    pub fn from_config(config: &RuntimeConfig) -> Self {
        Self {
            config: config.clone(),
            threads: ThreadHooks::default(),
            tasks: TaskHooks::default(),
            histograms: measure::Histograms::default(),
            start_paused: false,
        }
    }

    fn bare(flavor: Flavor) -> Self {
        let mut builder = Self::from_config(&RuntimeConfig { flavor, ..RuntimeConfig::default() });
        builder.config.drivers.io = false;
        builder.config.drivers.time = false;
        builder
    }

    /// A builder of a runtime with worker threads, its drivers still off.
    pub fn new_multi_thread() -> Self {
        Self::bare(Flavor::MultiThread)
    }

    /// A builder of a runtime on the thread that calls `block_on`, its drivers still off.
    pub fn new_current_thread() -> Self {
        Self::bare(Flavor::CurrentThread)
    }

    /// Turns all drivers on.
    pub fn enable_all(&mut self) -> &mut Self {
        self.enable_io().enable_time()
    }

    /// Turns the I/O driver on: sockets work.
    pub fn enable_io(&mut self) -> &mut Self {
        self.config.drivers.io = true;
        self
    }

    /// As [`enable_time`](Self::enable_time): what Tokio has as its alternative, timers in a shard for each worker, is
    /// what timers are here.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_multi_thread().enable_alt_timer().build().unwrap();
    /// rt.block_on(async { runtime::time::sleep(std::time::Duration::from_millis(1)).await });
    /// ```
    pub fn enable_alt_timer(&mut self) -> &mut Self {
        self.enable_time()
    }

    /// Turns the time driver on: sleeps, intervals and timeouts work.
    pub fn enable_time(&mut self) -> &mut Self {
        self.config.drivers.time = true;
        self
    }

    /// Sets how many readiness events one look at the operating system takes at most. Default: 1024.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn max_io_events_per_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(capacity > 0, "max_io_events_per_tick must be non-zero; unless it is set, it is 1024");
        self.config.drivers.max_io_events_per_tick = capacity;
        self
    }

    /// Sets how many readiness events a look at the operating system takes at most when it does not wait, because the
    /// worker has tasks to run. Default: as many as any.
    ///
    /// Events past this stay with the operating system until the next look, so that under overload the queue of woken
    /// tasks does not grow without bound.
    ///
    /// # Panics
    ///
    /// If it is zero.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread()
    ///     .enable_io()
    ///     .max_io_events_per_tick(128)
    ///     .max_io_events_per_busy_tick(8)
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    #[track_caller]
    pub fn max_io_events_per_busy_tick(&mut self, capacity: usize) -> &mut Self {
        assert!(
            capacity > 0,
            "max_io_events_per_busy_tick must be non-zero; unless it is set, it is as `max_io_events_per_tick`"
        );
        self.config.drivers.max_io_events_per_busy_tick = Some(capacity);
        self
    }

    /// Sets the number of worker threads. A `current_thread` runtime has none, and ignores this as Tokio does.
    ///
    /// Default: as the environment variable `TOKIO_WORKER_THREADS` says, or else one for each core that the process may
    /// use.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn worker_threads(&mut self, val: usize) -> &mut Self {
        assert!(
            val > 0,
            "Worker threads cannot be set to 0; unless they are set, there is one for each core"
        );
        if self.config.flavor == Flavor::MultiThread {
            self.config.worker_threads = Some(val);
        }
        self
    }

    /// Sets how many threads `spawn_blocking` may have at once. Default: 512.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, val: usize) -> &mut Self {
        assert!(val > 0, "Max blocking threads cannot be set to 0; unless they are set, there are up to 512");
        self.config.max_blocking_threads = val;
        self
    }

    /// Sets how long a thread of the blocking pool waits for work before it ends. Default: 10 seconds.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.config.thread_keep_alive = duration;
        self
    }

    /// Calls the runtime something: [`Handle::name`](crate::runtime::Handle::name) tells it, and reports do.
    ///
    /// ```
    /// let rt = runtime::runtime::Builder::new_current_thread().name("front").build().unwrap();
    /// assert_eq!(rt.handle().name(), Some("front"));
    /// ```
    ///
    /// # Panics
    ///
    /// If it is empty, or nothing but white space.
    #[track_caller]
    pub fn name(&mut self, val: impl Into<String>) -> &mut Self {
        let name = val.into();
        assert!(
            !name.trim().is_empty(),
            "runtime name shouldn't be empty: leave it out for a runtime without one"
        );
        self.config.name = Some(name);
        self
    }

    /// Names the threads that the runtime starts.
    pub fn thread_name(&mut self, val: impl Into<String>) -> &mut Self {
        self.config.thread_name = val.into();
        self.threads.name = None;
        self
    }

    /// Names each thread that the runtime starts by a function.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use runtime::runtime::Builder;
    ///
    /// static NEXT: AtomicUsize = AtomicUsize::new(0);
    /// let rt = Builder::new_multi_thread()
    ///     .thread_name_fn(|| format!("pool-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    ///     .build()
    ///     .unwrap();
    /// # drop(rt);
    /// ```
    pub fn thread_name_fn<F>(&mut self, f: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.threads.name = Some(PlainArc::new(f));
        self
    }

    /// Sets the stack size of the threads that the runtime starts, in bytes. Default: the standard library's.
    pub fn thread_stack_size(&mut self, val: usize) -> &mut Self {
        self.config.thread_stack_size = Some(val);
        self
    }

    /// Sets after how many polls a worker takes from the global queue first. Default: 61, on `current_thread` 31.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn global_queue_interval(&mut self, val: u32) -> &mut Self {
        assert!(
            val > 0,
            "global_queue_interval must be greater than 0; unless it is set, it is 61, or 31 on one thread"
        );
        self.config.global_queue_interval = Some(val);
        self
    }

    /// Sets after how many polls a busy worker looks for I/O and timers. Default: 61.
    ///
    /// # Panics
    ///
    /// If it is zero.
    #[track_caller]
    pub fn event_interval(&mut self, val: u32) -> &mut Self {
        assert!(val > 0, "event_interval must be greater than 0; unless it is set, it is 61");
        self.config.event_interval = val;
        self
    }

    /// Turns the slot off from which a worker runs the task that was woken last before its queue.
    pub fn disable_lifo_slot(&mut self) -> &mut Self {
        self.config.lifo_slot = false;
        self
    }

    /// Has closures of [`spawn_blocking`](crate::task::spawn_blocking) that find all threads busy wait in several queues,
    /// each with a lock of its own: threads that bring many of them at once then seldom wait for each other. Those of
    /// different threads are begun in no order. Unstable in Tokio, stable here. Default: one queue, first in, first out.
    ///
    /// ```
    /// use runtime::runtime::Builder;
    ///
    /// let rt = Builder::new_multi_thread().max_blocking_threads(2).enable_sharded_blocking_queue().build().unwrap();
    /// let jobs: Vec<_> = (0..100).map(|n| rt.spawn_blocking(move || n)).collect();
    /// let sum: u32 = rt.block_on(async {
    ///     let mut sum = 0;
    ///     for job in jobs {
    ///         sum += job.await.unwrap();
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum, 4950);
    /// ```
    pub fn enable_sharded_blocking_queue(&mut self) -> &mut Self {
        self.config.sharded_blocking_queue = true;
        self
    }

    /// Sets how long a worker without work, or a thread in `block_on`, looks around before it sleeps, when that has
    /// been worth it lately. Default: 20 microseconds; zero turns it off; 1 millisecond is the most. An extension.
    pub fn idle_spin(&mut self, duration: Duration) -> &mut Self {
        self.config.idle_spin = duration;
        self
    }

    /// Wakes another worker to wait for events each time that one goes from that wait to work. An extension.
    ///
    /// Without this, a poll of more than 10 milliseconds delays other tasks' events by no more than that, because an
    /// idle worker looks after them; with it they are hardly delayed at all, at the price of many more wake-ups.
    pub fn enable_eager_driver_handoff(&mut self) -> &mut Self {
        self.config.eager_driver_handoff = true;
        self
    }

    /// Sets where the scheduler's random choices start: from whom a worker tries to steal first. Default: somewhere else
    /// each time.
    ///
    /// A runtime of one thread makes no such choices: its tasks run in the order in which they became ready. Several
    /// worker threads still race each other.
    ///
    /// ```
    /// use runtime::runtime::{Builder, RngSeed};
    ///
    /// let rt = Builder::new_multi_thread().rng_seed(RngSeed::from_bytes(b"place your seed here")).build().unwrap();
    /// # drop(rt);
    /// ```
    pub fn rng_seed(&mut self, seed: RngSeed) -> &mut Self {
        self.config.rng_seed = Some(seed.0);
        self
    }

    /// Starts the runtime's clock paused, for tests. Only a `current_thread` runtime can. See
    /// [`time::pause`](crate::time::pause).
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// Builds the runtime and starts its threads.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a configuration that [`RuntimeConfig::validate`] refuses, or of the flavour `local`, which is
    /// for [`build_local`](Self::build_local); otherwise what the operating system says when it gives no thread or no
    /// event queue. Threads that were started have ended again by then.
    ///
    /// # Panics
    ///
    /// When the clock should start paused on a runtime that is no `current_thread` runtime.
    #[track_caller]
    pub fn build(&mut self) -> io::Result<Runtime> {
        if self.config.flavor == Flavor::Local {
            return Err(invalid(
                &"a runtime of the flavor `local` is made by `Builder::build_local`, for it is not `Send`",
            ));
        }
        self.assemble(self.resolved_config())
    }

    /// Builds a runtime that stays on this thread, whose tasks need not be `Send`.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// When this is the builder of a `multi_thread` runtime.
    ///
    /// ```
    /// use runtime::runtime::{Builder, LocalOptions};
    ///
    /// let rt = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    /// let text = std::rc::Rc::new("not Send");
    /// let task = rt.spawn_local(async move { text.len() });
    /// assert_eq!(rt.block_on(task).unwrap(), 8);
    /// ```
    #[track_caller]
    pub fn build_local(&mut self, _options: LocalOptions) -> io::Result<LocalRuntime> {
        assert!(
            self.config.flavor != Flavor::MultiThread,
            "multi_thread is not supported for LocalRuntime: begin with `Builder::new_current_thread`"
        );
        let config = RuntimeConfig { flavor: Flavor::Local, ..self.resolved_config() };
        self.assemble(config).map(LocalRuntime::new_in)
    }

    #[track_caller]
    fn assemble(&self, mut config: RuntimeConfig) -> io::Result<Runtime> {
        config.validate().map_err(|error| invalid(&error))?;
        let single = config.flavor != Flavor::MultiThread;
        if !single {
            // Asked for once: the answer may be another one the next time.
            config.worker_threads = Some(config.resolved_workers());
        }
        let clock = Clock::new(single);
        if self.start_paused
            && let Err(problem) = clock.pause()
        {
            panic!("{problem} (`start_paused`)");
        }
        let hooks = Arc::new(self.thread_hooks());
        let (driver, registries) =
            Driver::new(&config.drivers, config.resolved_workers() + 1, clock.clone())?;
        let pool = PoolConfig {
            max_threads: config.max_blocking_threads,
            keep_alive: config.thread_keep_alive,
            idle_spin: config.idle_spin,
            sharded: config.sharded_blocking_queue,
        };
        let blocking = BlockingPool::new(pool, hooks.clone());
        let services = Services {
            registries,
            blocking: blocking.spawner().clone(),
            clock,
            hooks,
            task_hooks: self.tasks.clone(),
        };
        let (sched, scheduler) = if single {
            let (sched, driven) = current::start(config, driver, services)?;
            (sched, Scheduler::Current(driven))
        } else {
            let (sched, workers) = threads::start(config, driver, services, context::around_worker)?;
            (sched, Scheduler::Multi(workers))
        };
        Ok(Runtime::from_parts(Handle::new(sched), scheduler, blocking))
    }

    fn thread_hooks(&self) -> ThreadHooks {
        let mut hooks = self.threads.clone();
        let name = self.config.thread_name.clone();
        hooks.name.get_or_insert_with(|| PlainArc::new(move || name.clone()));
        hooks.stack_size = self.config.thread_stack_size;
        hooks
    }
}

fn invalid(problem: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem.to_string())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("start_paused", &self.start_paused)
            .finish_non_exhaustive()
    }
}
