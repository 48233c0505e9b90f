//! Where `net` touches raw descriptors and uninitialised memory.
//!
//! Next file to read: `addr.rs`.

use std::io;
use std::os::fd::{FromRawFd, RawFd};

use socket2::{SockRef, Socket};

use super::TcpSocket;
use crate::io::ReadBuf;

/// Receives into the unfilled part of `buf`, without initialising it first. Returns how many bytes.
#[inline]
pub(super) fn recv(socket: SockRef<'_>, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: the system call writes bytes there, and takes none back.
    let room = unsafe { buf.unfilled_mut() };
    let received = socket.recv(room)?;
    // SAFETY: the system call has written so many bytes at the start of the room.
    unsafe { buf.assume_init(received) };
    buf.advance(received);
    Ok(received)
}

/// As [`recv`], and leaves the bytes to be received again.
pub(super) fn peek(socket: SockRef<'_>, buf: &mut ReadBuf<'_>) -> io::Result<usize> {
    // SAFETY: the system call writes bytes there, and takes none back.
    let room = unsafe { buf.unfilled_mut() };
    let received = socket.peek(room)?;
    // SAFETY: the system call has written so many bytes at the start of the room.
    unsafe { buf.assume_init(received) };
    buf.advance(received);
    Ok(received)
}

impl FromRawFd for TcpSocket {
    /// # Safety
    ///
    /// As the trait says; and the descriptor is a TCP socket in non-blocking mode.
    unsafe fn from_raw_fd(fd: RawFd) -> TcpSocket {
        // SAFETY: the caller's promise.
        TcpSocket { inner: unsafe { Socket::from_raw_fd(fd) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::mem::MaybeUninit;

    #[test]
    fn receives_behind_what_is_filled() {
        let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
        far.write_all(b"world!").unwrap();
        let mut space = [MaybeUninit::uninit(); 8];
        let mut buf = ReadBuf::uninit(&mut space);
        buf.put_slice(b"hi ");
        assert_eq!(peek(SockRef::from(&near), &mut buf).unwrap(), 5);
        buf.set_filled(3);
        assert_eq!(recv(SockRef::from(&near), &mut buf).unwrap(), 5);
        assert_eq!(buf.filled(), b"hi world");
    }
}
