//! What buffers and pointers around a stream pass on to it, and when.
#![forbid(unsafe_code)]

use std::io::{self, IoSlice, SeekFrom};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use runtime::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncWrite, AsyncWriteExt, BufReader,
    BufStream, BufWriter, ReadBuf, join, split,
};

const DEFAULT: usize = 8 * 1024;
const ZEROS: [u8; 9] = [0; 9];

/// Has no end and takes everything. Notes how much was asked for or given at a time.
#[derive(Debug, Default)]
struct Notes {
    reads: Vec<usize>,
    writes: Vec<usize>,
    is_vectored: bool,
}

impl AsyncRead for Notes {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = buf.remaining();
        self.reads.push(len);
        buf.put_slice(&vec![7; len]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Notes {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.push(buf.len());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.writes.push(len);
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Nothing here waits.
#[track_caller]
fn now<T>(future: impl Future<Output = io::Result<T>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_reader_reads_a_whole_buffer_ahead_but_a_large_read_goes_past_an_empty_one() {
    for (capacity, mut reader) in
        [(DEFAULT, BufReader::new(Notes::default())), (5, BufReader::with_capacity(5, Notes::default()))]
    {
        assert_eq!(now(reader.read_u8()), 7);
        assert_eq!((reader.buffer().len(), &reader.get_ref().reads[..]), (capacity - 1, &[capacity][..]));
        // What is buffered comes first, and is all that this read brings.
        assert_eq!(now(reader.read(&mut vec![0; capacity])), capacity - 1);
        assert_eq!(reader.get_ref().reads, [capacity]);
        assert_eq!(now(reader.read(&mut vec![0; capacity])), capacity, "past the buffer");
        assert_eq!(now(reader.read(&mut vec![0; capacity - 1])), capacity - 1, "through it");
        assert_eq!(reader.get_ref().reads, [capacity; 3]);
        assert_eq!(reader.buffer().len(), 1);
        assert_eq!(now(reader.fill_buf()).len(), 1);
    }
}

#[test]
fn a_writer_keeps_what_fits_and_hands_all_over_for_what_does_not() {
    for (capacity, mut writer) in
        [(DEFAULT, BufWriter::new(Notes::default())), (5, BufWriter::with_capacity(5, Notes::default()))]
    {
        assert_eq!(now(writer.write(&vec![0; capacity - 1])), capacity - 1);
        assert_eq!(now(writer.write(&[0])), 1, "the last one that fits");
        assert_eq!((writer.buffer().len(), writer.get_ref().writes.len()), (capacity, 0));
        assert_eq!(now(writer.write(&[0])), 1);
        assert_eq!((writer.buffer().len(), &writer.get_ref().writes[..]), (1, &[capacity][..]));
        assert_eq!(now(writer.write(&vec![0; capacity])), capacity, "as much as the buffer: past it");
        assert_eq!((writer.buffer().len(), &writer.get_ref().writes[..]), (0, &[capacity, 1, capacity][..]));
    }
}

#[test]
fn slices_are_kept_together_if_they_fit_together() {
    for is_vectored in [false, true] {
        let mut writer = BufWriter::with_capacity(5, Notes { is_vectored, ..Notes::default() });
        let write = |writer: &mut BufWriter<Notes>, lens: &[usize]| {
            let slices: Vec<IoSlice<'_>> = lens.iter().map(|&len| IoSlice::new(&ZEROS[..len])).collect();
            now(writer.write_vectored(&slices))
        };
        assert_eq!(write(&mut writer, &[0, 2, 0, 2]), 4);
        assert_eq!(write(&mut writer, &[1]), 1, "the last one that fits");
        assert_eq!((writer.buffer().len(), writer.get_ref().writes.len()), (5, 0));
        assert_eq!(write(&mut writer, &[0, 0]), 0);
        assert_eq!(write(&mut writer, &[1]), 1);
        assert_eq!((writer.buffer().len(), &writer.get_ref().writes[..]), (1, &[5][..]));
        // A large slice by itself, and by a writer that takes several, all of them at once.
        assert_eq!(write(&mut writer, &[5, 1]), if is_vectored { 6 } else { 5 });
        let large = if is_vectored { 6 } else { 5 };
        assert_eq!((writer.buffer().len(), &writer.get_ref().writes[..]), (0, &[5, 1, large][..]));
        // Together more than the buffer: as many as fit, or all past it.
        assert_eq!(write(&mut writer, &[2, 3, 1]), large);
        let (buffered, writes) = if is_vectored { (0, 4) } else { (5, 3) };
        assert_eq!((writer.buffer().len(), writer.get_ref().writes.len()), (buffered, writes));
    }
}

#[test]
fn a_stream_has_a_buffer_for_each_direction() {
    for (capacities, mut stream) in [
        ((DEFAULT, DEFAULT), BufStream::new(Notes::default())),
        ((3, 4), BufStream::with_capacity(3, 4, Notes::default())),
    ] {
        assert_eq!(now(stream.read_u8()), 7);
        assert_eq!(now(stream.write(&vec![0; capacities.1 - 1])), capacities.1 - 1);
        assert_eq!(now(stream.write(&[0, 0])), 2);
        assert_eq!(stream.get_ref().reads, [capacities.0]);
        assert_eq!(stream.get_ref().writes, [capacities.1 - 1]);
    }
}

/// Notes each call of each trait's methods.
#[derive(Debug, Default)]
struct Noting {
    calls: Vec<String>,
    consumed: usize,
    is_vectored: bool,
}

impl AsyncRead for Noting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.calls.push(format!("read into {}", buf.remaining()));
        buf.put_slice(b"r");
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Noting {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let me = self.get_mut();
        me.calls.push("fill".to_owned());
        Poll::Ready(Ok(&b"buffered"[me.consumed..]))
    }

    fn consume(mut self: Pin<&mut Self>, amt: usize) {
        self.consumed += amt;
    }
}

impl AsyncWrite for Noting {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.calls.push(format!("write {buf:?}"));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.calls.push(format!("write vectored {bufs:?}"));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push("flush".to_owned());
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.calls.push("shutdown".to_owned());
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Noting {
    fn start_seek(mut self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        self.calls.push(format!("seek {position:?}"));
        if position == SeekFrom::End(1) { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(()) }
    }

    fn poll_complete(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.calls.push("complete".to_owned());
        Poll::Ready(Ok(7))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What a reader answers.
fn read(mut reader: impl AsyncRead + Unpin) -> String {
    let mut memory = [0; 9];
    let mut buf = ReadBuf::new(&mut memory);
    let result = Pin::new(&mut reader).poll_read(&mut context(), &mut buf);
    format!("{result:?} {:?}", buf.filled())
}

/// What a buffered reader answers.
fn read_buffered(mut reader: impl AsyncBufRead + Unpin) -> String {
    let first = format!("{:?}", Pin::new(&mut reader).poll_fill_buf(&mut context()));
    Pin::new(&mut reader).consume(3);
    format!("{first} {:?}", Pin::new(&mut reader).poll_fill_buf(&mut context()))
}

/// What a writer answers.
fn write(mut writer: impl AsyncWrite + Unpin) -> String {
    let mut writer = Pin::new(&mut writer);
    let is_vectored = writer.is_write_vectored();
    let cx = &mut context();
    let one = writer.as_mut().poll_write(cx, b"abc");
    let several = writer.as_mut().poll_write_vectored(cx, &[IoSlice::new(b"de"), IoSlice::new(b"fghi")]);
    let (flush, shutdown) = (writer.as_mut().poll_flush(cx), writer.poll_shutdown(cx));
    format!("{is_vectored} {one:?} {several:?} {flush:?} {shutdown:?}")
}

/// What something answers that can be moved in.
fn seek(mut stream: impl AsyncSeek + Unpin) -> String {
    let mut stream = Pin::new(&mut stream);
    let start =
        [SeekFrom::Start(2), SeekFrom::End(1)].map(|to| stream.as_mut().start_seek(to).map_err(|e| e.kind()));
    format!("{start:?} {:?}", stream.poll_complete(&mut context()))
}

/// Does `f` with a stream, and returns the answer and the calls that have reached it.
fn calls(is_vectored: bool, f: impl FnOnce(&mut Noting) -> String) -> (String, Vec<String>) {
    let mut stream = Noting { is_vectored, ..Noting::default() };
    (f(&mut stream), stream.calls)
}

#[test]
fn a_pointer_to_a_stream_is_that_stream() {
    fn all(stream: &mut (impl AsyncBufRead + AsyncWrite + AsyncSeek + Unpin + ?Sized)) -> String {
        // Each by a reference to it, which is a pointer, too.
        [read(&mut *stream), read_buffered(&mut *stream), write(&mut *stream), seek(stream)].join("\n")
    }
    for is_vectored in [false, true] {
        let answers = [
            "Ready(Ok(())) [114]",
            "Ready(Ok([98, 117, 102, 102, 101, 114, 101, 100])) Ready(Ok([102, 101, 114, 101, 100]))",
            &format!("{is_vectored} Ready(Ok(3)) Ready(Ok(6)) Ready(Ok(())) Ready(Ok(()))"),
            "[Ok(()), Err(InvalidInput)] Ready(Ok(7))",
        ];
        let made = [
            "read into 9",
            "fill",
            "fill",
            "write [97, 98, 99]",
            "write vectored [[100, 101], [102, 103, 104, 105]]",
            "flush",
            "shutdown",
            "seek Start(2)",
            "seek End(1)",
            "complete",
        ];
        let expected = (answers.join("\n"), made.map(str::to_owned).to_vec());
        assert_eq!(calls(is_vectored, all), expected);
        assert_eq!(calls(is_vectored, |mut stream| all(&mut stream)), expected);
        assert_eq!(calls(is_vectored, |stream| all(&mut Box::new(stream))), expected);
        assert_eq!(calls(is_vectored, |stream| all(&mut Box::pin(stream))), expected);
    }
}

#[test]
fn a_buffer_for_one_direction_leaves_the_other_to_the_stream() {
    for is_vectored in [false, true] {
        let written = calls(is_vectored, |stream| write(stream));
        assert_eq!(calls(is_vectored, |stream| write(BufReader::new(stream))), written);
        assert_eq!(calls(is_vectored, |stream| write(join(&b""[..], stream))), written);
        assert_eq!(calls(is_vectored, |stream| write(split(stream).1)), written);
    }
    let got = calls(false, |stream| read(stream));
    assert_eq!(calls(false, |stream| read(BufWriter::new(stream))), got);
    assert_eq!(calls(false, |stream| read(join(stream, Vec::new()))), got);
    assert_eq!(calls(false, |stream| read(split(stream).0)), got);
    let buffered = calls(false, |stream| read_buffered(stream));
    assert_eq!(calls(false, |stream| read_buffered(BufWriter::new(stream))), buffered);
    assert_eq!(calls(false, |stream| read_buffered(join(stream, Vec::new()))), buffered);
    // In both directions it has a buffer, and both its sides are asked.
    assert_eq!(
        read_buffered(BufStream::new(Notes::default())),
        read_buffered(BufReader::new(Notes::default()))
    );
    assert!(write(BufStream::new(Notes::default())).starts_with("true Ready(Ok(3)) Ready(Ok(6))"));
}
