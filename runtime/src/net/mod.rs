//! TCP for tasks.
//!
//! The types here are those of `std::net` with operations that wait in the task instead of the thread. Each
//! registers with the I/O driver of the runtime in whose context it is made, and belongs to that runtime from then
//! on: once the runtime has been shut down, every operation that would wait returns an error.
//!
//! | type | what it is |
//! |---|---|
//! | [`TcpListener`] | accepts connections |
//! | [`TcpStream`] | a connection |
//! | [`TcpSocket`] | a socket to configure before it becomes one of the two |
//! | [`ToSocketAddrs`], [`lookup_host`] | names to addresses |
//!
//! Next file to read: `evented.rs`.

mod addr;
mod evented;
mod fd;
pub mod tcp;

pub use self::addr::{ToSocketAddrs, lookup_host};
pub use self::tcp::{TcpListener, TcpSocket, TcpStream};
