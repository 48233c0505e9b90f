//! Timers: registered and cancelled, ready at once, and re-armed.

mod common;

on_both!({
    use std::pin::pin;
    use std::time::Duration;

    use criterion::{BenchmarkId, Criterion, Throughput};
    use rt::runtime::{Builder, Runtime};
    use rt::time::{Instant, sleep, timeout};

    const TIMERS: u32 = 1000;

    async fn cancelled(timers: u32) {
        for _ in 0..timers {
            timeout(Duration::from_secs(60), rt::task::yield_now()).await.unwrap();
        }
    }

    async fn ready(timers: u32) {
        for _ in 0..timers {
            timeout(Duration::from_secs(60), async {}).await.unwrap();
        }
    }

    async fn rearmed(timers: u32) {
        let mut sleep = pin!(sleep(Duration::from_secs(60)));
        for n in 0..timers {
            sleep.as_mut().reset(Instant::now() + Duration::from_secs(u64::from(n % 1000 + 1)));
            std::future::poll_fn(|cx| {
                let _ = sleep.as_mut().poll(cx);
                std::task::Poll::Ready(())
            })
            .await;
        }
    }

    pub(super) fn run(c: &mut Criterion, name: &str) {
        let runtime: Runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        let mut group = c.benchmark_group("timers");
        group.throughput(Throughput::Elements(u64::from(TIMERS)));
        group.bench_function(BenchmarkId::new("timeout, registered and cancelled", name), |b| {
            b.iter(|| runtime.block_on(async { rt::spawn(cancelled(TIMERS)).await.unwrap() }));
        });
        group.bench_function(BenchmarkId::new("timeout of a ready future", name), |b| {
            b.iter(|| runtime.block_on(async { rt::spawn(ready(TIMERS)).await.unwrap() }));
        });
        group.bench_function(BenchmarkId::new("reset", name), |b| {
            b.iter(|| runtime.block_on(async { rt::spawn(rearmed(TIMERS)).await.unwrap() }));
        });
        group.finish();
    }
});
