//! The server: the side of the echo that runs on the runtime under test.
//!
//! Next file to read: `bundled/echo/threads.rs`.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::channel;

use rt::io::{AsyncReadExt, AsyncWriteExt};
use rt::net::{TcpListener, TcpStream};
use rt::runtime::Handle;
use rt::task::JoinHandle;

use crate::wire::Failure;

/// The most bytes that one read takes.
const BUFFER: usize = 16 << 10;

/// A listening server.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on loopback; returns when connections are accepted.
    pub(super) fn start(on: &Handle, port: u16) -> Result<Self, Failure> {
        let (bound, answer) = channel();
        let accepting = on.spawn(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            let address = listener.as_ref().map_err(|error| (error.kind(), error.to_string()));
            let address = address.and_then(|listener| {
                listener.local_addr().map_err(|error| (error.kind(), error.to_string()))
            });
            // The setup waits for this answer; if it is gone, so is the run.
            let _ = bound.send(address);
            if let Ok(listener) = listener {
                accept(listener).await;
            }
        });
        match answer.recv() {
            Ok(Ok(address)) => Ok(Self { address, accepting }),
            Ok(Err((ErrorKind::AddrInUse, _))) => Err(Failure::input(
                format!("port {port} on 127.0.0.1 is in use"),
                "choose another port, or leave `port` out to take a free one",
            )),
            Ok(Err((ErrorKind::PermissionDenied, _))) => Err(Failure::input(
                format!("this user may not listen on port {port}"),
                "choose a port from 1024 up, or leave `port` out to take a free one",
            )),
            Ok(Err((_, error))) => Err(Failure::broken(format!("the server cannot listen: {error}"))),
            Err(_) => Err(Failure::broken("the server's task was dropped before it listened")),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more. Open connections end with their clients.
    pub(super) fn stop(&self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener) {
    loop {
        // A connection that broke before it was accepted is the client's to report.
        if let Ok((stream, _)) = listener.accept().await {
            rt::spawn(echo(stream));
        }
    }
}

async fn echo(mut stream: TcpStream) {
    // Without it small answers wait for the other side's acknowledgements.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut buffer = vec![0; BUFFER];
    // The client notices a connection that ends too soon, and says so.
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
