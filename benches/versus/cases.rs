//! What is measured, once: a macro that makes it over a runtime crate of any name.

/// The cases, over a runtime crate named `rt`.
macro_rules! cases {
    ($module:ident, $rt:ident) => {
        mod $module {
            use std::hint::black_box;
            use std::sync::mpsc;
            use std::time::{Duration, Instant};

            use rt::runtime::{Builder, Runtime};
            use $rt as rt;

            fn multi() -> Runtime {
                Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
            }

            fn current() -> Runtime {
                Builder::new_current_thread().enable_all().build().unwrap()
            }

            /// Runs `f` once to warm up, then once to measure.
            fn timed(mut f: impl FnMut()) -> Duration {
                f();
                let start = Instant::now();
                f();
                start.elapsed()
            }

            async fn spawn_and_join(n: u32) {
                for i in 0..n {
                    black_box(rt::spawn(async move { i }).await.unwrap());
                }
            }

            async fn spawn_all_then_join(n: u32) {
                let tasks: Vec<_> = (0..n).map(|i| rt::spawn(async move { i })).collect();
                for task in tasks {
                    black_box(task.await.unwrap());
                }
            }

            pub(super) fn spawn_join_in_worker(n: u32) -> Duration {
                let runtime = multi();
                timed(|| runtime.block_on(async { rt::spawn(spawn_and_join(n)).await.unwrap() }))
            }

            pub(super) fn spawn_many_in_worker(n: u32) -> Duration {
                let runtime = multi();
                timed(|| runtime.block_on(async { rt::spawn(spawn_all_then_join(n)).await.unwrap() }))
            }

            pub(super) fn spawn_join_block_on(n: u32) -> Duration {
                let runtime = multi();
                timed(|| runtime.block_on(spawn_and_join(n)))
            }

            pub(super) fn spawn_many_block_on(n: u32) -> Duration {
                let runtime = multi();
                timed(|| runtime.block_on(spawn_all_then_join(n)))
            }

            pub(super) fn spawn_join_foreign(n: u32) -> Duration {
                let runtime = multi();
                timed(|| {
                    std::thread::scope(|scope| {
                        for _ in 0..2 {
                            let handle = runtime.handle().clone();
                            scope.spawn(move || handle.block_on(spawn_all_then_join(n / 2)));
                        }
                    });
                })
            }

            pub(super) fn spawn_foreign(n: u32) -> Duration {
                let runtime = multi();
                timed(|| {
                    let (send, receive) = mpsc::channel();
                    std::thread::scope(|scope| {
                        for _ in 0..2 {
                            let (handle, send) = (runtime.handle().clone(), send.clone());
                            scope.spawn(move || {
                                for _ in 0..n / 2 {
                                    let send = send.clone();
                                    handle.spawn(async move { send.send(()).unwrap() });
                                }
                            });
                        }
                    });
                    drop(send);
                    assert_eq!(receive.iter().count() as u32, n / 2 * 2);
                })
            }

            pub(super) fn chained_spawn(n: u32) -> Duration {
                fn chain(left: u32, done: mpsc::Sender<()>) {
                    if left == 0 {
                        done.send(()).unwrap();
                    } else {
                        rt::spawn(async move { chain(left - 1, done) });
                    }
                }
                let runtime = multi();
                timed(|| {
                    let (send, receive) = mpsc::channel();
                    runtime.block_on(async { rt::spawn(async move { chain(n, send) }).await.unwrap() });
                    receive.recv().unwrap();
                })
            }

            /// Each round is two channels and a task that answers on one what came on the other.
            pub(super) fn oneshot_ping_pong(n: u32) -> Duration {
                let runtime = multi();
                timed(|| {
                    runtime.block_on(async {
                        rt::spawn(async move {
                            for _ in 0..n {
                                let (ping, pinged) = rt::sync::oneshot::channel();
                                let (pong, ponged) = rt::sync::oneshot::channel();
                                rt::spawn(async move {
                                    pinged.await.unwrap();
                                    pong.send(()).unwrap();
                                });
                                ping.send(()).unwrap();
                                ponged.await.unwrap();
                            }
                        })
                        .await
                        .unwrap();
                    });
                })
            }

            /// What a message brings is where the answer goes.
            struct Message(rt::sync::oneshot::Sender<Message>);

            async fn answer(mut inbox: rt::sync::oneshot::Receiver<Message>, n: u32) {
                for _ in 0..n {
                    let Ok(Message(reply)) = inbox.await else { return };
                    let (sender, next) = rt::sync::oneshot::channel();
                    inbox = next;
                    if reply.send(Message(sender)).is_err() {
                        return;
                    }
                }
            }

            /// Eight pairs of tasks that send messages to and fro: of each pair one at a time has something to do.
            pub(super) fn message_pairs(n: u32) -> Duration {
                const PAIRS: u32 = 8;
                let runtime = multi();
                timed(|| {
                    runtime.block_on(async {
                        let tasks: Vec<_> = (0..PAIRS)
                            .flat_map(|_| {
                                let (first, inbox) = rt::sync::oneshot::channel();
                                let (reply, answers) = rt::sync::oneshot::channel();
                                assert!(first.send(Message(reply)).is_ok(), "its receiver is here");
                                let each = n / PAIRS / 2;
                                [rt::spawn(answer(inbox, each)), rt::spawn(answer(answers, each))]
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    })
                })
            }

            /// One task spawns all the work of two workers, a microsecond or so apiece.
            pub(super) fn one_spawner(n: u32) -> Duration {
                let runtime = multi();
                timed(|| {
                    runtime.block_on(async {
                        rt::spawn(async move {
                            let work = |i| async move { (0..2000_u32).fold(i, |sum, n| sum ^ black_box(n)) };
                            let tasks: Vec<_> = (0..n).map(|i| rt::spawn(work(i))).collect();
                            for task in tasks {
                                black_box(task.await.unwrap());
                            }
                        })
                        .await
                        .unwrap();
                    })
                })
            }

            fn yields(runtime: &Runtime, n: u32) -> Duration {
                timed(|| {
                    runtime.block_on(async {
                        let tasks: Vec<_> = (0..8)
                            .map(|_| {
                                rt::spawn(async move {
                                    for _ in 0..n / 8 {
                                        rt::task::yield_now().await;
                                    }
                                })
                            })
                            .collect();
                        for task in tasks {
                            task.await.unwrap();
                        }
                    })
                })
            }

            pub(super) fn yield_multi(n: u32) -> Duration {
                yields(&multi(), n)
            }

            pub(super) fn yield_current(n: u32) -> Duration {
                yields(&current(), n)
            }

            pub(super) fn fork_join(n: u32) -> Duration {
                fn tree(depth: u32) -> std::pin::Pin<Box<dyn Future<Output = u32> + Send>> {
                    Box::pin(async move {
                        if depth == 0 {
                            return 1;
                        }
                        let left = rt::spawn(tree(depth - 1));
                        let right = rt::spawn(tree(depth - 1));
                        left.await.unwrap() + right.await.unwrap()
                    })
                }
                let runtime = multi();
                timed(|| {
                    let leaves = runtime.block_on(async { rt::spawn(tree(n.ilog2())).await.unwrap() });
                    assert_eq!(leaves, 1 << n.ilog2());
                })
            }

            pub(super) fn spawn_current(n: u32) -> Duration {
                let runtime = current();
                timed(|| runtime.block_on(spawn_all_then_join(n)))
            }

            pub(super) fn spawn_join_current(n: u32) -> Duration {
                let runtime = current();
                timed(|| runtime.block_on(spawn_and_join(n)))
            }

            pub(super) fn blocking(n: u32) -> Duration {
                let runtime = multi();
                timed(|| {
                    runtime.block_on(async {
                        for _ in 0..n {
                            rt::task::spawn_blocking(|| ()).await.unwrap();
                        }
                    })
                })
            }

            pub(super) fn cancelled_timeouts(n: u32) -> Duration {
                let runtime = multi();
                timed(|| {
                    runtime.block_on(async {
                        rt::spawn(async move {
                            for _ in 0..n {
                                let limit = Duration::from_secs(60);
                                let mut first = true;
                                let twice = std::future::poll_fn(|cx| {
                                    if std::mem::take(&mut first) {
                                        cx.waker().wake_by_ref();
                                        std::task::Poll::Pending
                                    } else {
                                        std::task::Poll::Ready(())
                                    }
                                });
                                rt::time::timeout(limit, twice).await.unwrap();
                            }
                        })
                        .await
                        .unwrap();
                    })
                })
            }

            /// Processor time of the runtime's threads, in microseconds for each of a thousand short tasks that come a
            /// millisecond apart.
            pub(super) fn light_load_cpu() -> f64 {
                let runtime = multi();
                let handle = runtime.handle().clone();
                let spawn_one = |at: Instant| {
                    std::thread::sleep(at.saturating_duration_since(Instant::now()));
                    handle.spawn(async { black_box((0..1000_u32).fold(0, |sum, n| sum ^ black_box(n))) });
                };
                let start = Instant::now();
                (0..100).for_each(|n| spawn_one(start + n * Duration::from_millis(1)));
                let before = super::cpu_of_other_threads();
                let start = Instant::now();
                (0..1000).for_each(|n| spawn_one(start + n * Duration::from_millis(1)));
                let used = super::cpu_of_other_threads() - before;
                used.as_secs_f64() * 1e6 / 1000.0
            }

            /// Median time, in microseconds, from the spawn of a short task on an idle runtime until it runs; they come a
            /// millisecond apart.
            pub(super) fn light_load_latency() -> f64 {
                let runtime = multi();
                let (send, receive) = mpsc::channel();
                let start = Instant::now();
                for n in 0..1100 {
                    let at = start + n * Duration::from_millis(1);
                    std::thread::sleep(at.saturating_duration_since(Instant::now()));
                    let (send, spawned) = (send.clone(), Instant::now());
                    runtime.spawn(async move { send.send(spawned.elapsed()).unwrap() });
                }
                drop(send);
                let mut late: Vec<_> =
                    receive.iter().skip(100).map(|late| late.as_secs_f64() * 1e6).collect();
                super::median(&mut late)
            }

            /// Resident bytes for each of many tasks that sleep.
            pub(super) fn sleeping_task_bytes() -> f64 {
                const TASKS: usize = 200_000;
                let runtime = multi();
                runtime.block_on(async {
                    let spawn = |n: usize| {
                        for _ in 0..n {
                            drop(rt::spawn(rt::time::sleep(Duration::from_secs(3600))));
                        }
                    };
                    rt::spawn(async move { spawn(1000) }).await.unwrap();
                    let before = super::resident_bytes();
                    rt::spawn(async move { spawn(TASKS) }).await.unwrap();
                    // Until each has been polled, and so lies in the wheel.
                    while (0..2).any(|_| runtime.metrics().global_queue_depth() > 0) {
                        rt::task::yield_now().await;
                    }
                    rt::time::sleep(Duration::from_millis(300)).await;
                    (super::resident_bytes() - before) / TASKS as f64
                })
            }
        }
    };
}
