//! Spawning: from a worker, from `block_on`, on either flavour, and a future too large for the stack's comfort.

mod common;

on_both!({
    use std::hint::black_box;

    use criterion::{BenchmarkId, Criterion, Throughput};
    use rt::runtime::{Builder, Runtime};

    const TASKS: u32 = 1000;

    async fn spawn_then_join(tasks: u32) {
        let handles: Vec<_> = (0..tasks).map(|n| rt::spawn(async move { black_box(n) })).collect();
        for handle in handles {
            handle.await.unwrap();
        }
    }

    async fn spawn_large(tasks: u32) {
        for n in 0..tasks {
            let large = async move {
                let block = [n as u8; 32 * 1024];
                rt::task::yield_now().await;
                black_box(&block);
            };
            rt::spawn(large).await.unwrap();
        }
    }

    pub(super) fn run(c: &mut Criterion, name: &str) {
        let multi: Runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let current: Runtime = Builder::new_current_thread().build().unwrap();
        let mut group = c.benchmark_group("spawn");
        group.throughput(Throughput::Elements(u64::from(TASKS)));
        group.bench_function(BenchmarkId::new("from a worker", name), |b| {
            b.iter(|| multi.block_on(async { rt::spawn(spawn_then_join(TASKS)).await.unwrap() }));
        });
        group.bench_function(BenchmarkId::new("from block_on", name), |b| {
            b.iter(|| multi.block_on(spawn_then_join(TASKS)));
        });
        group.bench_function(BenchmarkId::new("on current_thread", name), |b| {
            b.iter(|| current.block_on(spawn_then_join(TASKS)));
        });
        group.bench_function(BenchmarkId::new("32 KiB futures", name), |b| {
            b.iter(|| current.block_on(spawn_large(TASKS)));
        });
        group.finish();
    }
});
