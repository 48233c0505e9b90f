//! Waking: two tasks that wake each other, many that yield, and one woken from a foreign thread.

mod common;

on_both!({
    use std::sync::mpsc;

    use criterion::{BenchmarkId, Criterion, Throughput};
    use rt::runtime::{Builder, Runtime};
    use rt::sync::oneshot;

    const ROUNDS: u32 = 1000;

    async fn ping_pong(rounds: u32) {
        for _ in 0..rounds {
            let (ping, pinged) = oneshot::channel();
            let (pong, ponged) = oneshot::channel();
            let other = rt::spawn(async move {
                pinged.await.unwrap();
                pong.send(()).unwrap();
            });
            ping.send(()).unwrap();
            ponged.await.unwrap();
            other.await.unwrap();
        }
    }

    async fn yields(tasks: u32, rounds: u32) {
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                rt::spawn(async move {
                    for _ in 0..rounds {
                        rt::task::yield_now().await;
                    }
                })
            })
            .collect();
        for handle in handles {
            handle.await.unwrap();
        }
    }

    pub(super) fn run(c: &mut Criterion, name: &str) {
        let multi: Runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let current: Runtime = Builder::new_current_thread().build().unwrap();
        let mut group = c.benchmark_group("wake");
        group.throughput(Throughput::Elements(u64::from(ROUNDS)));
        for (flavour, runtime) in [("multi_thread", &multi), ("current_thread", &current)] {
            group.bench_function(BenchmarkId::new(format!("oneshot ping-pong, {flavour}"), name), |b| {
                b.iter(|| runtime.block_on(async { rt::spawn(ping_pong(ROUNDS)).await.unwrap() }));
            });
            group.bench_function(BenchmarkId::new(format!("yield, {flavour}"), name), |b| {
                b.iter(|| runtime.block_on(yields(8, ROUNDS / 8)));
            });
        }
        group.throughput(Throughput::Elements(1));
        let (requests, inbox) = mpsc::channel::<oneshot::Sender<()>>();
        let foreign =
            std::thread::spawn(move || inbox.into_iter().for_each(|answer| answer.send(()).unwrap()));
        group.bench_function(BenchmarkId::new("from a foreign thread", name), |b| {
            b.iter(|| {
                multi.block_on(async {
                    let (send, receive) = oneshot::channel();
                    requests.send(send).unwrap();
                    rt::spawn(receive).await.unwrap().unwrap();
                });
            });
        });
        group.finish();
        drop(requests);
        foreign.join().unwrap();
    }
});
