//! What the borrowed and the owned halves of a stream have in common.
//!
//! Both kinds only differ in how they hold the stream, so that their methods are written once, here.
//!
//! Next file to read: `split.rs`.
#![forbid(unsafe_code)]

/// The methods and traits of a half that reads. `$me.$stream` leads to the stream.
macro_rules! read_half {
    ($half:ty, $stream:tt) => {
        impl $half {
            /// Polls for bytes without taking them. As [`TcpStream::poll_peek`].
            pub fn poll_peek(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.$stream.poll_peek(cx, buf)
            }

            /// Waits for bytes, and copies them into `buf` without taking them. Zero is the end, or `buf` is empty.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: nothing is taken.
            pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                let mut buf = ReadBuf::new(buf);
                poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
            }

            /// Waits for one of the things in `interest`, and returns which are there. As [`TcpStream::ready`].
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness stays until an operation finds that it is over.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.$stream.ready(interest).await
            }

            /// Waits until a read is worth a try.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness stays until an operation finds that it is over.
            pub async fn readable(&self) -> io::Result<()> {
                self.$stream.readable().await
            }

            /// Reads what is there. Zero is the end, or `buf` is empty.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if nothing is there.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.$stream.try_read(buf)
            }

            /// Reads what is there into several buffers in a row.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if nothing is there.
            pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.$stream.try_read_vectored(bufs)
            }

            /// Reads what is there into the first unfilled chunk of `buf`. As [`TcpStream::try_read_buf`].
            ///
            /// # Errors
            ///
            /// `WouldBlock` if nothing is there.
            #[cfg(feature = "io-util")]
            pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
                self.$stream.try_read_buf(buf)
            }

            /// The address of the other end.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.$stream.peer_addr()
            }

            /// The address of this end.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.$stream.local_addr()
            }
        }

        impl AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.$stream.poll_read_half(cx, buf)
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                &self.$stream
            }
        }
    };
}

/// The methods and traits of a half that writes. `$shutdown` closes that direction.
macro_rules! write_half {
    ($half:ty, $stream:tt) => {
        impl $half {
            /// Waits for one of the things in `interest`, and returns which are there. As [`TcpStream::ready`].
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness stays until an operation finds that it is over.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.$stream.ready(interest).await
            }

            /// Waits until a write is worth a try.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness stays until an operation finds that it is over.
            pub async fn writable(&self) -> io::Result<()> {
                self.$stream.writable().await
            }

            /// Writes what there is room for, and returns how much that was.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no room.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.$stream.try_write(buf)
            }

            /// Writes what there is room for from several buffers in a row.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no room.
            pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.$stream.try_write_vectored(bufs)
            }

            /// The address of the other end.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.$stream.peer_addr()
            }

            /// The address of this end.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.$stream.local_addr()
            }
        }

        impl AsyncWrite for $half {
            fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                self.$stream.poll_write_half(cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.$stream.poll_write_vectored_half(cx, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            /// Nothing to do: there is no buffer on this side of the system.
            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            /// Closes the direction in which this half writes. Succeeds if the connection is over already.
            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.get_mut().close())
            }
        }

        impl AsRef<TcpStream> for $half {
            fn as_ref(&self) -> &TcpStream {
                &self.$stream
            }
        }
    };
}

pub(super) use {read_half, write_half};
