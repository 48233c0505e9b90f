//! TCP: listener, stream, socket, and the halves of a stream.
//!
//! The types that one names often are also in [`net`](super). Next file to read: `tcp/listener.rs`.

mod halves;
mod listener;
mod owned;
mod socket;
mod split;
mod stream;

pub use self::listener::TcpListener;
pub use self::owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use self::socket::TcpSocket;
pub use self::split::{ReadHalf, WriteHalf};
pub use self::stream::TcpStream;
