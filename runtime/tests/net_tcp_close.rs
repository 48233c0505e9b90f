//! How TCP connections end, over real sockets on loopback, on every flavour.

#[macro_use]
mod support;

use std::io::ErrorKind;

use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};
use support::Rt;

over_flavours!(
    a_shutdown_after_a_reset_succeeds,
    a_shutdown_of_a_half_after_a_reset_succeeds,
    a_stream_can_be_shut_down_twice,
);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// A stream whose peer has reset the connection, and that has seen it.
async fn reset() -> TcpStream {
    let (mut near, far) = pair().await;
    far.set_zero_linger().unwrap();
    drop(far);
    assert_eq!(near.read(&mut [0; 8]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    near
}

fn a_shutdown_after_a_reset_succeeds(new: fn() -> Rt) {
    new().block_on(async {
        let mut stream = reset().await;
        stream.shutdown().await.unwrap();
        assert_eq!(stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

fn a_shutdown_of_a_half_after_a_reset_succeeds(new: fn() -> Rt) {
    new().block_on(async {
        let mut stream = reset().await;
        stream.split().1.shutdown().await.unwrap();
        let (read, mut write) = reset().await.into_split();
        write.shutdown().await.unwrap();
        drop(read.reunite(write).unwrap());
        // Dropping the half that writes closes its direction, too.
        let (_read, write) = reset().await.into_split();
        drop(write);
    });
}

fn a_stream_can_be_shut_down_twice(new: fn() -> Rt) {
    new().block_on(async {
        let (mut near, mut far) = pair().await;
        near.shutdown().await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
        far.shutdown().await.unwrap();
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
        near.shutdown().await.unwrap();
        far.shutdown().await.unwrap();
    });
}
