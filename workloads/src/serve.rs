//! A TCP server on the runtime under test.
//!
//! Next file to read: `bundled/mod.rs`.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::channel;
use std::time::Duration;

use rt::net::{TcpListener, TcpStream};
use rt::runtime::Handle;
use rt::task::JoinHandle;

use crate::engine::KeptRunning;
use crate::load::tcp::{Talk, TcpLoad};
use crate::params::Param;
use crate::wire::Failure;
use crate::workload::{Load, Run, Site};

/// How long a server that may open no more files waits before it looks again.
const OUT_OF_FILES: Duration = Duration::from_millis(10);

/// A listening server.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    /// The parameter `port`.
    pub fn port_param() -> Param {
        Param::integer("port", (0, 65_535), 0, "port of the server on 127.0.0.1; 0 takes a free one")
    }

    /// As [`start`](Self::start), on the runtime under test and the port that the parameters name.
    ///
    /// # Errors
    ///
    /// The port is taken or not for this user.
    pub fn of<F>(site: &Site, serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Result<Self, Failure>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start(site.engine.handle(), site.params.integer("port") as u16, serve)
    }

    /// Listens on a port of loopback and gives the listener to `serve`; returns when it listens.
    ///
    /// # Errors
    ///
    /// The port is taken or not for this user.
    pub fn start<F>(
        on: &Handle,
        port: u16,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
    ) -> Result<Self, Failure>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (bound, answer) = channel();
        let serving = on.spawn(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
            let address = listener.as_ref().map_err(|error| (error.kind(), error.to_string()));
            let address = address.and_then(|listener| {
                listener.local_addr().map_err(|error| (error.kind(), error.to_string()))
            });
            // The setup waits for this answer; if it is gone, so is the run.
            let _ = bound.send(address);
            if let Ok(listener) = listener {
                serve(listener).await;
            }
        });
        match answer.recv() {
            Ok(Ok(address)) => Ok(Self { address, serving }),
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens no more. Connections that were accepted end with their clients.
    pub fn stop(&self) {
        self.serving.abort();
    }
}

/// A server, and the clients that make its load: all that a workload of requests and answers runs.
#[derive(Debug)]
pub struct Served<T> {
    load: TcpLoad<T>,
    server: Server,
    /// Dropped after the server, which it serves.
    _kept: KeptRunning,
}

impl<T: Talk> Served<T> {
    /// Starts a [`Server::of`] this site, and connects to it. `talk` makes the client's side of each connection, from the
    /// server's address and the number of the connection.
    ///
    /// # Errors
    ///
    /// Those of the server and of [`TcpLoad::connect`].
    pub fn start<F>(
        site: &Site,
        serve: impl FnOnce(TcpListener) -> F + Send + 'static,
        mut talk: impl FnMut(SocketAddr, usize) -> T,
    ) -> Result<Self, Failure>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let kept = site.engine.keep_running()?;
        let server = Server::of(site, serve)?;
        let address = server.address();
        let load = TcpLoad::connect(site, address, |i| talk(address, i))?;
        Ok(Self { load, server, _kept: kept })
    }
}

impl<T: Talk> Load for Served<T> {
    fn run(&mut self, run: &Run) -> Result<(), Failure> {
        self.load.run(run)
    }

    fn teardown(self: Box<Self>) {
        self.server.stop();
    }
}

/// Accepts connections without end, each for a task of its own. Needs the time driver.
pub async fn accept<F>(listener: TcpListener, converse: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        match listener.accept().await {
            // Without it small answers wait for the other side's acknowledgements.
            Ok((stream, _)) if stream.set_nodelay(true).is_ok() => drop(rt::spawn(converse(stream))),
            // A connection that broke at once is the client's to report.
            Ok(_) => {}
            Err(error) if is_about_one(error.kind()) => {}
            // Looking again at once would find the same.
            Err(_) => rt::time::sleep(OUT_OF_FILES).await,
        }
    }
}

/// Whether it is one connection that could not be accepted, and the next one may be.
fn is_about_one(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}
