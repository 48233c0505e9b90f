//! The cases of `sync`, made over a runtime crate of any name as those in `cases.rs` are.

/// The cases, over a runtime crate named `rt`.
macro_rules! sync_cases {
    ($module:ident, $rt:ident) => {
        mod $module {
            use std::hint::black_box;
            use std::sync::Arc;
            use std::sync::atomic::{AtomicU32, Ordering::AcqRel};
            use std::time::{Duration, Instant};

            use rt::runtime::{Builder, Runtime};
            use rt::sync::{Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, watch};
            use $rt as rt;

            const CAPACITY: usize = 128;
            const RECEIVERS: u32 = 100;
            const TASKS: u32 = 8;

            fn multi() -> Runtime {
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
            }

            fn current() -> Runtime {
                Builder::new_current_thread().enable_all().build().unwrap()
            }

            /// Runs a future in a task once to warm up, then once to measure.
            fn timed<F>(runtime: Runtime, make: impl Fn() -> F) -> Duration
            where
                F: Future<Output = ()> + Send + 'static,
            {
                let run = || runtime.block_on(async { rt::spawn(make()).await.unwrap() });
                run();
                let start = Instant::now();
                run();
                start.elapsed()
            }

            /// So many tasks that do the same, and are waited for.
            async fn together<F>(tasks: u32, make: impl Fn() -> F)
            where
                F: Future<Output = ()> + Send + 'static,
            {
                let tasks: Vec<_> = (0..tasks).map(|_| rt::spawn(make())).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            }

            async fn bounded(senders: u32, n: u32) {
                let (sender, mut receiver) = mpsc::channel(CAPACITY);
                for _ in 0..senders {
                    let sender = sender.clone();
                    rt::spawn(async move {
                        for i in 0..n / senders {
                            sender.send(u64::from(i)).await.unwrap();
                        }
                    });
                }
                drop(sender);
                while let Some(value) = receiver.recv().await {
                    black_box(value);
                }
            }

            async fn unbounded(n: u32) {
                let (sender, mut receiver) = mpsc::unbounded_channel();
                rt::spawn(async move {
                    for i in 0..n {
                        sender.send(u64::from(i)).unwrap();
                        if i % CAPACITY as u32 == 0 {
                            rt::task::yield_now().await;
                        }
                    }
                });
                while let Some(value) = receiver.recv().await {
                    black_box(value);
                }
            }

            pub(super) fn mpsc_current(n: u32) -> Duration {
                timed(current(), || bounded(1, n))
            }

            pub(super) fn mpsc_multi(n: u32) -> Duration {
                timed(multi(), || bounded(1, n))
            }

            pub(super) fn mpsc_eight_to_one(n: u32) -> Duration {
                timed(multi(), || bounded(8, n))
            }

            pub(super) fn mpsc_unbounded_current(n: u32) -> Duration {
                timed(current(), || unbounded(n))
            }

            pub(super) fn mpsc_unbounded_multi(n: u32) -> Duration {
                timed(multi(), || unbounded(n))
            }

            async fn lock(mutex: Arc<Mutex<u32>>, n: u32) {
                for _ in 0..n {
                    *mutex.lock().await += 1;
                }
            }

            /// Holds the lock while others run, so that each of them comes to wait for it.
            async fn lock_and_yield(mutex: Arc<Mutex<u32>>, n: u32) {
                for _ in 0..n {
                    let mut guard = mutex.lock().await;
                    *guard += 1;
                    rt::task::yield_now().await;
                }
            }

            pub(super) fn mutex_uncontended(n: u32) -> Duration {
                let mutex = Arc::new(Mutex::new(0));
                timed(current(), || lock(mutex.clone(), n))
            }

            pub(super) fn mutex_contended(n: u32) -> Duration {
                let mutex = Arc::new(Mutex::new(0));
                timed(multi(), || {
                    let mutex = mutex.clone();
                    together(TASKS, move || lock(mutex.clone(), n / TASKS))
                })
            }

            pub(super) fn mutex_held(n: u32) -> Duration {
                let mutex = Arc::new(Mutex::new(0));
                timed(current(), || {
                    let mutex = mutex.clone();
                    together(TASKS, move || lock_and_yield(mutex.clone(), n / TASKS))
                })
            }

            async fn acquire(semaphore: Arc<Semaphore>, permits: u32, n: u32) {
                for _ in 0..n {
                    drop(black_box(semaphore.acquire_many(permits).await.unwrap()));
                }
            }

            pub(super) fn semaphore_uncontended(n: u32) -> Duration {
                let semaphore = Arc::new(Semaphore::new(10));
                timed(current(), || acquire(semaphore.clone(), 1, n))
            }

            pub(super) fn semaphore_contended(n: u32) -> Duration {
                let semaphore = Arc::new(Semaphore::new(3));
                timed(multi(), || {
                    let semaphore = semaphore.clone();
                    together(TASKS, move || acquire(semaphore.clone(), 2, n / TASKS))
                })
            }

            async fn read(lock: Arc<RwLock<u32>>, n: u32) {
                for _ in 0..n {
                    black_box(*lock.read().await);
                }
            }

            async fn read_and_write(lock: Arc<RwLock<u32>>, n: u32) {
                for i in 0..n {
                    if i % 8 == 0 {
                        *lock.write().await += 1;
                    } else {
                        black_box(*lock.read().await);
                    }
                }
            }

            pub(super) fn rwlock_uncontended(n: u32) -> Duration {
                let lock = Arc::new(RwLock::new(0));
                timed(current(), || read(lock.clone(), n))
            }

            pub(super) fn rwlock_contended(n: u32) -> Duration {
                let lock = Arc::new(RwLock::new(0));
                timed(multi(), || {
                    let lock = lock.clone();
                    together(TASKS, move || read_and_write(lock.clone(), n / TASKS))
                })
            }

            /// Tells one task when all others have come so far.
            #[derive(Default)]
            struct Round {
                arrived: AtomicU32,
                all: Notify,
            }

            impl Round {
                fn arrive(&self) {
                    if self.arrived.fetch_add(1, AcqRel) + 1 == RECEIVERS {
                        self.arrived.store(0, std::sync::atomic::Ordering::Release);
                        self.all.notify_one();
                    }
                }
            }

            async fn broadcast(n: u32) {
                let round = Arc::new(Round::default());
                let (sender, receiver) = broadcast::channel(16);
                for _ in 0..RECEIVERS {
                    let (mut receiver, round) = (receiver.resubscribe(), round.clone());
                    rt::spawn(async move {
                        while let Ok(value) = receiver.recv().await {
                            black_box::<u32>(value);
                            round.arrive();
                        }
                    });
                }
                drop(receiver);
                for i in 0..n / RECEIVERS {
                    sender.send(i).unwrap();
                    round.all.notified().await;
                }
            }

            pub(super) fn broadcast_100_current(n: u32) -> Duration {
                timed(current(), || broadcast(n))
            }

            pub(super) fn broadcast_100_multi(n: u32) -> Duration {
                timed(multi(), || broadcast(n))
            }

            async fn watch(n: u32) {
                let round = Arc::new(Round::default());
                let (sender, receiver) = watch::channel(0);
                for _ in 0..RECEIVERS {
                    let (mut receiver, round) = (receiver.clone(), round.clone());
                    rt::spawn(async move {
                        while receiver.changed().await.is_ok() {
                            black_box::<u32>(*receiver.borrow_and_update());
                            round.arrive();
                        }
                    });
                }
                drop(receiver);
                for i in 0..n / RECEIVERS {
                    sender.send(i).unwrap();
                    round.all.notified().await;
                }
            }

            pub(super) fn watch_100_current(n: u32) -> Duration {
                timed(current(), || watch(n))
            }

            pub(super) fn watch_100_multi(n: u32) -> Duration {
                timed(multi(), || watch(n))
            }

            async fn notify(n: u32) {
                let round = Arc::new(Round::default());
                let notify = Arc::new(Notify::new());
                let rounds = n / RECEIVERS;
                for _ in 0..RECEIVERS {
                    let (notify, round) = (notify.clone(), round.clone());
                    rt::spawn(async move {
                        for _ in 0..rounds {
                            let notified = notify.notified();
                            round.arrive();
                            notified.await;
                        }
                        round.arrive();
                    });
                }
                for _ in 0..rounds {
                    round.all.notified().await;
                    notify.notify_waiters();
                }
                round.all.notified().await;
            }

            pub(super) fn notify_waiters_current(n: u32) -> Duration {
                timed(current(), || notify(n))
            }

            pub(super) fn notify_waiters_multi(n: u32) -> Duration {
                timed(multi(), || notify(n))
            }

            /// Bytes of a channel in which nothing has been sent.
            pub(super) fn mpsc_empty_bytes() -> f64 {
                const N: u32 = 50_000;
                let mut channels = Vec::with_capacity(N as usize);
                let before = crate::resident_bytes();
                channels.extend((0..N).map(|_| mpsc::channel::<u64>(CAPACITY)));
                (crate::resident_bytes() - before) / f64::from(N)
            }

            /// Bytes of a channel of values of 256 bytes that has carried 100 of them.
            pub(super) fn mpsc_drained_bytes() -> f64 {
                const N: u32 = 10_000;
                let mut channels = Vec::with_capacity(N as usize);
                let before = crate::resident_bytes();
                for _ in 0..N {
                    let (sender, mut receiver) = mpsc::channel::<[u8; 256]>(CAPACITY);
                    for _ in 0..100 {
                        sender.try_send([0; 256]).unwrap();
                    }
                    while receiver.try_recv().is_ok() {}
                    channels.push((sender, receiver));
                }
                (crate::resident_bytes() - before) / f64::from(N)
            }
        }
    };
}
