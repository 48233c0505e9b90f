//! Descriptors: a binary of its own, so that nobody else opens any while they are counted.
#![cfg(target_os = "linux")]

#[macro_use]
mod support;

use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};

fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn every_descriptor_is_closed_in_the_end() {
    // What the test harness and the first resolver use stays open.
    for round in 0..4 {
        let before = open_fds();
        for new in [support::current, || support::multi(2)] {
            let rt = new();
            rt.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let accept = runtime::spawn(async move {
                    for _ in 0..20 {
                        let (mut stream, _) = listener.accept().await.unwrap();
                        // Half of them are dropped by their task, half by the runtime's end.
                        runtime::spawn(async move {
                            while let Ok(byte) = stream.read_u8().await {
                                stream.write_u8(byte).await.unwrap();
                            }
                        });
                    }
                });
                let mut streams = Vec::new();
                for i in 0..20 {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_u8(i).await.unwrap();
                    assert_eq!(stream.read_u8().await.unwrap(), i);
                    streams.push(stream);
                }
                accept.await.unwrap();
                streams.truncate(10);
                runtime::spawn(async move {
                    let _streams = streams;
                    std::future::pending::<()>().await;
                });
                // A connection that is refused leaves nothing either.
                TcpStream::connect("127.0.0.1:1").await.unwrap_err();
            });
        }
        if round > 0 {
            assert_eq!(open_fds(), before);
        }
    }
}
