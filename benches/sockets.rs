//! Sockets: an exchange of 64 bytes over loopback, and many bytes one way.

mod common;

on_both!({
    use criterion::{BenchmarkId, Criterion, Throughput};
    use rt::io::{AsyncReadExt, AsyncWriteExt};
    use rt::net::{TcpListener, TcpStream};
    use rt::runtime::{Builder, Runtime};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        (client, server)
    }

    pub(super) fn run(c: &mut Criterion, name: &str) {
        let multi: Runtime = Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap();
        let current: Runtime = Builder::new_current_thread().enable_io().build().unwrap();
        let mut group = c.benchmark_group("sockets");
        for (flavour, runtime) in [("multi_thread", &multi), ("current_thread", &current)] {
            let (mut client, mut server) = runtime.block_on(pair());
            let echo = runtime.spawn(async move {
                let mut bytes = [0; 64];
                while server.read_exact(&mut bytes).await.is_ok() {
                    server.write_all(&bytes).await.unwrap();
                }
            });
            group.throughput(Throughput::Elements(1));
            group.bench_function(BenchmarkId::new(format!("exchange, {flavour}"), name), |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        let mut bytes = [7; 64];
                        client.write_all(&bytes).await.unwrap();
                        client.read_exact(&mut bytes).await.unwrap();
                    });
                });
            });
            drop(client);
            runtime.block_on(echo).unwrap();

            const BULK: usize = 4 << 20;
            let (mut client, mut server) = runtime.block_on(pair());
            group.throughput(Throughput::Bytes(BULK as u64));
            group.bench_function(BenchmarkId::new(format!("bulk, {flavour}"), name), |b| {
                b.iter(|| {
                    runtime.block_on(async {
                        let bytes = vec![7; BULK];
                        let mut sink = vec![0; 64 << 10];
                        let write = async { client.write_all(&bytes).await.unwrap() };
                        let read = async {
                            let mut left = BULK;
                            while left > 0 {
                                left -= server.read(&mut sink).await.unwrap();
                            }
                        };
                        let mut write = std::pin::pin!(write);
                        let mut read = std::pin::pin!(read);
                        let (mut written, mut seen) = (false, false);
                        std::future::poll_fn(|cx| {
                            written = written || write.as_mut().poll(cx).is_ready();
                            seen = seen || read.as_mut().poll(cx).is_ready();
                            if written && seen {
                                std::task::Poll::Ready(())
                            } else {
                                std::task::Poll::Pending
                            }
                        })
                        .await;
                    });
                });
            });
        }
        group.finish();
    }
});
