//! What the benchmarks share.

/// Stamps a module out over both runtimes: inside, `rt` is the one being measured. Each gives
/// `run(&mut criterion::Criterion, runtime_name)`.
#[macro_export]
macro_rules! on_both {
    ({ $($body:tt)* }) => {
        mod on_ours {
            use runtime as rt;
            $($body)*
        }
        mod on_tokio {
            use tokio as rt;
            $($body)*
        }

        fn benches(c: &mut criterion::Criterion) {
            on_ours::run(c, "runtime");
            on_tokio::run(c, "tokio");
        }

        criterion::criterion_group!(group, benches);
        criterion::criterion_main!(group);
    };
}
