//! The operations on buffers of the crate `bytes`: the feature `io-util`.

#[macro_use]
mod support;

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice, SeekFrom};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use runtime::io::{
    AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt, BufReader, BufStream, BufWriter, duplex,
};
use runtime::net::{TcpListener, TcpStream};
use support::Rt;

over_flavours!(try_read_buf_appends_what_is_there_and_does_not_wait);

/// Polls once, and expects that to be enough.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("should not have to wait"),
    }
}

#[test]
fn read_buf_appends_one_read_and_tells_the_end() {
    let (mut near, mut far) = duplex(16);
    let mut buf = BytesMut::with_capacity(64);
    {
        let mut waiting = pin!(near.read_buf(&mut buf));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    now(far.write_all(b"hello")).unwrap();
    assert_eq!(now(near.read_buf(&mut buf)).unwrap(), 5);
    now(far.write_all(b", world")).unwrap();
    drop(far);
    // A buffer without room is not the end, nor is anything read.
    assert_eq!(now(near.read_buf(&mut (&mut [0; 0][..]))).unwrap(), 0);
    // The cursor of a slice moves on: a second read comes behind the first.
    let mut space = [0; 4];
    let mut room = &mut space[..];
    assert_eq!(now(near.read_buf(&mut room)).unwrap(), 4);
    assert!(room.is_empty());
    assert_eq!(&space, b", wo");
    // Nor has a buffer to be sized, as a trait object.
    let dynamic: &mut dyn BufMut = &mut buf;
    assert_eq!(now(near.read_buf(dynamic)).unwrap(), 3);
    assert_eq!(&buf[..], b"hellorld");
    assert_eq!(now(near.read_buf(&mut buf)).unwrap(), 0);
    // A vector makes room for itself.
    let mut vec = Vec::new();
    let long = vec![7; 100_000];
    let mut source = &long[..];
    while now(source.read_buf(&mut vec)).unwrap() > 0 {}
    assert_eq!(vec, long);
}

/// Takes five bytes, then fails once, and tells how many slices it was given.
#[derive(Default)]
struct Vectored {
    written: Vec<u8>,
    slices: Vec<usize>,
}

impl AsyncWrite for Vectored {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.slices.push(bufs.len());
        if self.slices.len() == 2 {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        let bytes = bufs.iter().flat_map(|buf| buf.iter().copied()).take(5);
        let before = self.written.len();
        self.written.extend(bytes);
        Poll::Ready(Ok(self.written.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[test]
fn write_buf_writes_once_and_write_all_buf_until_nothing_is_left() {
    let mut writer = Vectored::default();
    let mut message = Bytes::from("head, ").chain(Bytes::from("body and more"));
    assert_eq!(now(writer.write_buf(&mut message)).unwrap(), 5);
    // After an error the cursor stands before what was not written.
    let error = now(writer.write_all_buf(&mut message)).unwrap_err();
    assert_eq!((error.kind(), message.chunk()), (ErrorKind::ConnectionReset, &b" "[..]));
    now(writer.write_all_buf(&mut message)).unwrap();
    assert_eq!(writer.written, b"head, body and more");
    assert_eq!(writer.slices, [2, 2, 2, 1, 1], "all chunks at once");
    assert_eq!(now(writer.write_buf(&mut message)).unwrap(), 0);
    assert_eq!(writer.slices.len(), 5, "nothing to write is no write");

    // One that takes no slices gets a chunk at a time.
    let mut writer = Single::default();
    let mut message = Bytes::from("ab").chain(Bytes::from("cd"));
    now(writer.write_all_buf(&mut message)).unwrap();
    assert_eq!(writer.0, [&b"ab"[..], b"cd"]);

    let mut space = [0; 3];
    let mut message = &b"abcd"[..];
    let error = now(io::Cursor::new(&mut space[..]).write_all_buf(&mut message)).unwrap_err();
    assert_eq!((error.kind(), message), (ErrorKind::WriteZero, &b"d"[..]));
}

/// Remembers each write by itself.
#[derive(Default)]
struct Single(Vec<Vec<u8>>);

impl AsyncWrite for Single {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.push(buf.to_vec());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_buffered_writer_around_a_buffered_reader_becomes_a_stream_and_keeps_both_buffers() {
    let (near, mut far) = duplex(64);
    let mut outer = BufWriter::with_capacity(16, BufReader::with_capacity(16, near));
    now(far.write_all(b"0123456789")).unwrap();
    now(async {
        assert_eq!(outer.read_u8().await.unwrap(), b'0');
        outer.write_all(b"unwritten").await.unwrap();
    });
    let mut stream = BufStream::from(outer);
    drop(now(far.write_all(b"abc")));
    let mut read = [0; 12];
    now(stream.read_exact(&mut read)).unwrap();
    assert_eq!(&read, b"123456789abc");
    now(stream.write_all(b", and more")).unwrap();
    now(stream.shutdown()).unwrap();
    let mut text = String::new();
    now(far.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "unwritten, and more");
}

#[test]
fn a_seek_that_was_only_begun_is_finished_by_the_stream_and_its_buffer_thrown_away() {
    use runtime::io::AsyncSeek;
    let file = io::Cursor::new(b"0123456789".to_vec());
    let mut outer = BufWriter::new(BufReader::with_capacity(4, file));
    assert_eq!(now(outer.read_u8()).unwrap(), b'0');
    Pin::new(&mut outer).start_seek(SeekFrom::Current(4)).unwrap();
    let mut stream = BufStream::from(outer);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(Pin::new(&mut stream).poll_complete(&mut cx), Poll::Ready(Ok(5))));
    assert_eq!(now(stream.read_u8()).unwrap(), b'5');
    assert_eq!(now(stream.rewind()).unwrap(), 0);
}

fn try_read_buf_appends_what_is_there_and_does_not_wait(new: fn() -> Rt) {
    new().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut buf = BytesMut::from("> ");
        assert_eq!(near.try_read_buf(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        for round in 0..3 {
            far.write_all(b"abc").await.unwrap();
            let expected = buf.len() + 3;
            while buf.len() < expected {
                let read = match round {
                    0 => {
                        near.readable().await.unwrap();
                        near.try_read_buf(&mut buf)
                    }
                    1 => {
                        let (half, _) = near.split();
                        half.readable().await.unwrap();
                        half.try_read_buf(&mut buf)
                    }
                    _ => {
                        let (half, other) = near.into_split();
                        half.readable().await.unwrap();
                        let read = half.try_read_buf(&mut buf);
                        near = half.reunite(other).unwrap();
                        read
                    }
                };
                match read {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => assert!(read.unwrap() > 0),
                }
            }
        }
        assert_eq!(&buf[..], b"> abcabcabc");
        drop(far);
        let end = loop {
            near.readable().await.unwrap();
            match near.try_read_buf(&mut buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => break read.unwrap(),
            }
        };
        assert_eq!(end, 0);
    });
}
