//! The blocking pool: jobs one at a time, and many at once.

mod common;

on_both!({
    use criterion::{BenchmarkId, Criterion, Throughput};
    use rt::runtime::{Builder, Runtime};

    const JOBS: u32 = 200;

    async fn one_at_a_time(jobs: u32) {
        for n in 0..jobs {
            rt::task::spawn_blocking(move || n).await.unwrap();
        }
    }

    async fn at_once(jobs: u32) {
        let handles: Vec<_> = (0..jobs).map(|n| rt::task::spawn_blocking(move || n)).collect();
        for handle in handles {
            handle.await.unwrap();
        }
    }

    pub(super) fn run(c: &mut Criterion, name: &str) {
        let runtime: Runtime =
            Builder::new_multi_thread().worker_threads(2).max_blocking_threads(8).build().unwrap();
        let mut group = c.benchmark_group("blocking");
        group.throughput(Throughput::Elements(u64::from(JOBS)));
        group.bench_function(BenchmarkId::new("one at a time", name), |b| {
            b.iter(|| runtime.block_on(one_at_a_time(JOBS)));
        });
        group.bench_function(BenchmarkId::new("at once, 8 threads", name), |b| {
            b.iter(|| runtime.block_on(at_once(JOBS)));
        });
        group.finish();
    }
});
