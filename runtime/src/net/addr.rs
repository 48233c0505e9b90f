//! Names and addresses: `ToSocketAddrs` and `lookup_host`.
//!
//! What is an address already resolves at once. A host name is looked up by the system's resolver, which blocks,
//! on a thread of the blocking pool.
//!
//! Next file to read: `tcp/mod.rs`.
#![forbid(unsafe_code)]

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{option, vec};

use self::sealed::{Internal, ToSocketAddrsPriv};
use crate::context;
use crate::engine::task::JoinHandle;

/// What can be turned into socket addresses, perhaps by looking a name up.
///
/// For the argument of `bind` and `connect`. Addresses, pairs of host and port, and strings `"host:port"` are.
/// The trait has no methods of its own to call: use [`lookup_host`].
pub trait ToSocketAddrs: ToSocketAddrsPriv {}

/// Looks a host up.
///
/// The order of the addresses is the resolver's. A name without an address is an error.
///
/// # Errors
///
/// Those of the system's resolver.
///
/// # Panics
///
/// Outside of a runtime, when there is a name to look up.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// for address in runtime::net::lookup_host("localhost:3000").await? {
///     println!("{address}");
/// }
/// # Ok(())
/// # }
/// ```
pub async fn lookup_host<T: ToSocketAddrs>(host: T) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

pub(super) async fn resolve<T: ToSocketAddrs>(host: T) -> io::Result<Addresses> {
    host.to_socket_addrs(Internal).await
}

/// What `bind` and `connect` say when there was no address to try.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the name resolves to no address")
}

pub(super) mod sealed {
    /// Keeps the trait to the types in this file.
    pub trait ToSocketAddrsPriv {
        #[doc(hidden)]
        fn to_socket_addrs(&self, _: Internal) -> super::Resolving;
    }

    /// Not to be had outside.
    #[derive(Debug)]
    pub struct Internal;
}

/// A lookup: over, or under way on another thread.
#[derive(Debug)]
pub struct Resolving(State);

#[derive(Debug)]
enum State {
    Known(Option<Addresses>),
    Looking(JoinHandle<io::Result<vec::IntoIter<SocketAddr>>>),
}

/// The addresses that were found.
#[derive(Debug)]
pub enum Addresses {
    /// Without an allocation.
    One(option::IntoIter<SocketAddr>),
    /// As many as there are.
    More(vec::IntoIter<SocketAddr>),
}

impl Resolving {
    fn one(address: SocketAddr) -> Self {
        Self(State::Known(Some(Addresses::One(Some(address).into_iter()))))
    }

    /// Looks up on a blocking thread.
    fn look_up<N>(name: N) -> Self
    where
        N: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
    {
        let look_up = move || name.to_socket_addrs();
        Self(State::Looking(context::expect_current(|handle| handle.spawn_blocking(look_up))))
    }
}

impl Future for Resolving {
    type Output = io::Result<Addresses>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Addresses>> {
        match &mut self.0 {
            State::Known(addresses) => {
                Poll::Ready(Ok(addresses.take().expect("polled again after it was done")))
            }
            State::Looking(lookup) => {
                let found = ready!(Pin::new(lookup).poll(cx)).map_err(io::Error::from)?;
                Poll::Ready(found.map(Addresses::More))
            }
        }
    }
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Addresses::One(one) => one.next(),
            Addresses::More(more) => more.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Addresses::One(one) => one.size_hint(),
            Addresses::More(more) => more.size_hint(),
        }
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrsPriv for &T {
    fn to_socket_addrs(&self, _: Internal) -> Resolving {
        (**self).to_socket_addrs(Internal)
    }
}

/// The types that are an address.
macro_rules! addresses {
    ($($address:ty),*) => {$(
        impl ToSocketAddrs for $address {}

        impl ToSocketAddrsPriv for $address {
            fn to_socket_addrs(&self, _: Internal) -> Resolving {
                Resolving::one(SocketAddr::from(*self))
            }
        }
    )*};
}

addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for &[SocketAddr] {}

impl ToSocketAddrsPriv for &[SocketAddr] {
    fn to_socket_addrs(&self, _: Internal) -> Resolving {
        let all = self.to_vec();
        Resolving(State::Known(Some(Addresses::More(all.into_iter()))))
    }
}

impl ToSocketAddrs for str {}

impl ToSocketAddrsPriv for str {
    fn to_socket_addrs(&self, _: Internal) -> Resolving {
        match self.parse() {
            Ok(address) => Resolving::one(address),
            Err(_) => Resolving::look_up(self.to_owned()),
        }
    }
}

impl ToSocketAddrs for String {}

impl ToSocketAddrsPriv for String {
    fn to_socket_addrs(&self, _: Internal) -> Resolving {
        self.as_str().to_socket_addrs(Internal)
    }
}

impl ToSocketAddrs for (&str, u16) {}

impl ToSocketAddrsPriv for (&str, u16) {
    fn to_socket_addrs(&self, _: Internal) -> Resolving {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Resolving::one(SocketAddr::new(ip, port)),
            Err(_) => Resolving::look_up((host.to_owned(), port)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}

impl ToSocketAddrsPriv for (String, u16) {
    fn to_socket_addrs(&self, _: Internal) -> Resolving {
        (self.0.as_str(), self.1).to_socket_addrs(Internal)
    }
}
