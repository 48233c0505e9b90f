//! The traits' extension methods and the helpers of `io`, in memory and mostly without a runtime.

use std::future::{Future, poll_fn};
use std::io::{self, Cursor, ErrorKind, IoSlice, SeekFrom};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use runtime::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt,
    BufReader, BufStream, BufWriter, ReadBuf, copy, copy_bidirectional, copy_buf, duplex, empty, join,
    repeat, simplex, sink, split,
};

/// Polls once, and expects that to be enough.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("should not have to wait"),
    }
}

/// Hands out its pieces one read at a time. An empty piece is a read that has to wait, and wakes at once.
struct Pieces {
    pieces: Vec<io::Result<&'static [u8]>>,
    written: Vec<u8>,
    flushed: usize,
}

fn pieces(pieces: &[&'static str]) -> Pieces {
    let pieces = pieces.iter().rev().map(|piece| Ok(piece.as_bytes())).collect();
    Pieces { pieces, written: Vec::new(), flushed: 0 }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.pieces.pop() {
            Some(Ok([])) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Ok(piece)) => {
                let n = piece.len().min(buf.remaining());
                buf.put_slice(&piece[..n]);
                if n < piece.len() {
                    self.pieces.push(Ok(&piece[n..]));
                }
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// Takes three bytes at a time.
impl AsyncWrite for Pieces {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let n = buf.len().min(3);
        self.written.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = self.written.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// Polls as often as it takes; whoever is pending must have arranged for a wake.
fn drive<F: Future>(future: F) -> F::Output {
    #[derive(Default)]
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut future = pin!(future);
    loop {
        let before = wakes.0.load(Ordering::SeqCst);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert_ne!(wakes.0.load(Ordering::SeqCst), before, "pending, and nobody will wake it");
    }
}

#[test]
fn read_and_read_exact() {
    let mut source = pieces(&["ab", "", "cde", "f"]);
    let mut buf = [0; 8];
    assert_eq!(now(source.read(&mut buf)).unwrap(), 2);
    assert_eq!(drive(source.read_exact(&mut buf[..4])).unwrap(), 4);
    assert_eq!(&buf[..4], b"cdef");
    assert_eq!(now(source.read(&mut buf)).unwrap(), 0);
    assert_eq!(drive(source.read_exact(&mut buf)).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(now(source.read_exact(&mut [])).unwrap(), 0);
}

#[test]
fn numbers_go_there_and_back() {
    let mut out = Vec::new();
    now(async {
        out.write_u8(1).await.unwrap();
        out.write_i8(-2).await.unwrap();
        out.write_u16(0x0304).await.unwrap();
        out.write_u16_le(0x0304).await.unwrap();
        out.write_i32(-5).await.unwrap();
        out.write_u64_le(6).await.unwrap();
        out.write_i128(-7).await.unwrap();
        out.write_f32(1.5).await.unwrap();
        out.write_f64_le(-2.5).await.unwrap();
    });
    assert_eq!(out[..6], [1, 0xfe, 3, 4, 4, 3]);
    let mut back = &out[..];
    now(async {
        assert_eq!(back.read_u8().await.unwrap(), 1);
        assert_eq!(back.read_i8().await.unwrap(), -2);
        assert_eq!(back.read_u16().await.unwrap(), 0x0304);
        assert_eq!(back.read_u16_le().await.unwrap(), 0x0304);
        assert_eq!(back.read_i32().await.unwrap(), -5);
        assert_eq!(back.read_u64_le().await.unwrap(), 6);
        assert_eq!(back.read_i128().await.unwrap(), -7);
        assert_eq!(back.read_f32().await.unwrap(), 1.5);
        assert_eq!(back.read_f64_le().await.unwrap(), -2.5);
        assert_eq!(back.read_u8().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
    // A number in several pieces, with waits between.
    let mut source = pieces(&["\x01", "", "\x02\x03", "", "\x04"]);
    assert_eq!(drive(source.read_u32()).unwrap(), 0x01020304);
}

#[test]
fn read_to_end_appends_and_does_not_grow_an_exact_buffer() {
    let mut all = b"> ".to_vec();
    assert_eq!(drive(pieces(&["one", "", " two"]).read_to_end(&mut all)).unwrap(), 7);
    assert_eq!(all, b"> one two");

    let data = vec![7; 1000];
    let mut exact = Vec::with_capacity(1000);
    assert_eq!(now((&data[..]).read_to_end(&mut exact)).unwrap(), 1000);
    assert_eq!(exact.capacity(), 1000);
    let mut large = Vec::new();
    assert_eq!(now(repeat(1).take(100_000).read_to_end(&mut large)).unwrap(), 100_000);
    assert!(large.iter().all(|&byte| byte == 1));
}

#[test]
fn an_error_keeps_what_was_read_before() {
    let mut source = pieces(&[]);
    source.pieces = vec![Err(ErrorKind::ConnectionReset.into()), Ok(b"some")];
    let mut all = Vec::new();
    assert_eq!(now(source.read_to_end(&mut all)).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(all, b"some");
}

#[test]
fn a_string_stays_a_string() {
    let mut text = "was: ".to_owned();
    // A character that comes in two pieces.
    let mut source = pieces(&[]);
    source.pieces = vec![Ok(b"\xbc"), Ok(&[]), Ok(b"gr\xc3")];
    assert_eq!(drive(source.read_to_string(&mut text)).unwrap(), 4);
    assert_eq!(text, "was: gr\u{fc}");
    let error = now((&b"\xff\xff"[..]).read_to_string(&mut text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(text, "was: gr\u{fc}");
    let error = now((&b"ab\xff\n"[..]).read_line(&mut text)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(text, "was: gr\u{fc}");
}

#[test]
fn a_reader_that_exchanges_the_buffer_is_found_out() {
    struct Thief;
    impl AsyncRead for Thief {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            *buf = ReadBuf::new(Box::leak(vec![1; 64].into_boxed_slice()));
            buf.set_filled(64);
            Poll::Ready(Ok(()))
        }
    }
    let caught = std::panic::catch_unwind(|| now(Thief.read_to_end(&mut Vec::new())));
    caught.unwrap_err();
}

#[test]
fn write_all_writes_all_and_a_full_writer_says_so() {
    let mut writer = pieces(&[]);
    now(writer.write_all(b"longer than three")).unwrap();
    assert_eq!(writer.written, b"longer than three");
    let mut space = [0; 4];
    let mut full = Cursor::new(&mut space[..]);
    assert_eq!(now(full.write_all(b"12345")).unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(now(full.write_u8(1)).unwrap_err().kind(), ErrorKind::WriteZero);
    // The default form of a vectored write takes the first that is not empty.
    let bufs = [IoSlice::new(b""), IoSlice::new(b"xyz"), IoSlice::new(b"!")];
    assert_eq!(now(writer.write_vectored(&bufs)).unwrap(), 3);
    assert_eq!(now(Vec::new().write_vectored(&bufs)).unwrap(), 4);
}

#[test]
fn boxes_pins_and_references_read_and_write() {
    fn reader(reader: &mut (impl AsyncRead + Unpin + ?Sized)) -> u8 {
        now(reader.read_u8()).unwrap()
    }
    fn by_value(mut writer: impl AsyncWrite + Unpin) {
        now(writer.write_all(b"x")).unwrap();
    }
    let mut boxed: Box<dyn AsyncRead + Unpin + Send> = Box::new(&b"ab"[..]);
    assert_eq!((reader(&mut boxed), reader(&mut *boxed)), (b'a', b'b'));
    let mut pinned: Pin<Box<dyn AsyncBufRead>> = Box::pin(&b"c"[..]);
    assert_eq!(reader(&mut pinned), b'c');
    let mut writer: Pin<Box<dyn AsyncWrite>> = Box::pin(Vec::new());
    by_value(&mut writer);
    assert!(writer.is_write_vectored());
}

#[test]
fn a_cursor_reads_from_where_it_is_and_seeks() {
    let mut cursor = Cursor::new(b"abcdef");
    now(async {
        assert_eq!(cursor.seek(SeekFrom::Start(4)).await.unwrap(), 4);
        assert_eq!(cursor.read_u8().await.unwrap(), b'e');
        assert_eq!(cursor.stream_position().await.unwrap(), 5);
        cursor.rewind().await.unwrap();
        assert_eq!(cursor.read_u8().await.unwrap(), b'a');
        cursor.seek(SeekFrom::Current(-2)).await.unwrap_err();
    });
    cursor.set_position(u64::MAX);
    assert_eq!(now(cursor.read(&mut [0; 4])).unwrap(), 0);
}

#[test]
fn chain_goes_on_and_take_stops() {
    let mut text = String::new();
    let chained = pieces(&["one", "", ", "]).chain(&b"two"[..]);
    assert_eq!(drive(pin!(chained).read_to_string(&mut text)).unwrap(), 8);
    assert_eq!(text, "one, two");

    let mut chained = (&b"ab"[..]).chain(&b"cd"[..]);
    // A read without room is not the end of the first.
    assert_eq!(now(chained.read(&mut [])).unwrap(), 0);
    let mut line = Vec::new();
    assert_eq!(now(chained.read_until(b'c', &mut line)).unwrap(), 3);
    assert_eq!(line, b"abc");

    let mut limited = AsyncReadExt::take(&b"hello world"[..], 5);
    let mut buf = [0; 3];
    assert_eq!(now(limited.read(&mut buf)).unwrap(), 3);
    assert_eq!(limited.limit(), 2);
    assert_eq!(now(limited.fill_buf()).unwrap(), b"lo");
    AsyncBufReadExt::consume(&mut limited, 2);
    assert_eq!(now(limited.read(&mut buf)).unwrap(), 0);
    limited.set_limit(2);
    assert_eq!(now(limited.read(&mut buf)).unwrap(), 2);
    assert_eq!(limited.into_inner(), b"orld");
}

#[test]
fn lines_and_segments() {
    let mut lines = BufReader::with_capacity(4, pieces(&["one\ntw", "", "o\r\n\nlast"])).lines();
    drive(async {
        for expected in ["one", "two", "", "last"] {
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(expected));
        }
        assert_eq!(lines.next_line().await.unwrap(), None);
    });
    let mut segments = BufReader::new(&b"a;;b"[..]).split(b';');
    now(async {
        for expected in ["a", "", "b"] {
            assert_eq!(segments.next_segment().await.unwrap().as_deref(), Some(expected.as_bytes()));
        }
        assert_eq!(segments.next_segment().await.unwrap(), None);
    });
}

#[test]
fn a_cancelled_next_line_loses_nothing() {
    let mut lines = BufReader::new(pieces(&["hal", "", "f\n"])).lines();
    {
        let mut first = pin!(lines.next_line());
        assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(now(lines.next_line()).unwrap().as_deref(), Some("half"));
}

#[test]
fn a_buffered_reader_reads_ahead_and_large_reads_go_past() {
    let mut reader = BufReader::with_capacity(4, pieces(&["abcdefgh", "ijkl"]));
    let mut buf = [0; 8];
    assert_eq!(now(reader.read(&mut buf[..1])).unwrap(), 1);
    assert_eq!(reader.buffer(), b"bcd");
    assert_eq!(now(reader.read(&mut buf)).unwrap(), 3);
    assert_eq!(now(reader.read(&mut buf)).unwrap(), 4);
    assert_eq!((&buf[..4], reader.buffer()), (&b"efgh"[..], &b""[..]));
    assert_eq!(now(reader.fill_buf()).unwrap(), b"ijkl");
    AsyncBufReadExt::consume(&mut reader, 100);
    assert_eq!(now(reader.fill_buf()).unwrap(), b"");
}

#[test]
fn seeking_a_buffered_reader_counts_from_what_was_handed_out() {
    let mut reader = BufReader::with_capacity(8, Cursor::new(b"0123456789abcdef".to_vec()));
    now(async {
        reader.read_u8().await.unwrap();
        assert_eq!(reader.seek(SeekFrom::Current(2)).await.unwrap(), 3);
        assert_eq!(reader.read_u8().await.unwrap(), b'3');
        assert_eq!(reader.seek(SeekFrom::End(-1)).await.unwrap(), 15);
        assert_eq!(reader.read_u8().await.unwrap(), b'f');
        reader.rewind().await.unwrap();
        assert_eq!(reader.read_u8().await.unwrap(), b'0');
        // The distance and the buffer do not fit into one move together.
        reader.seek(SeekFrom::Current(i64::MIN)).await.unwrap_err();
    });
}

#[test]
fn a_buffered_writer_gathers_and_loses_nothing() {
    let mut writer = BufWriter::with_capacity(8, pieces(&[]));
    now(writer.write_all(b"abc")).unwrap();
    now(writer.write_all(b"def")).unwrap();
    assert_eq!((writer.buffer(), writer.get_ref().written.len()), (&b"abcdef"[..], 0));
    now(writer.write_all(b"ghi")).unwrap();
    assert_eq!((writer.buffer(), &writer.get_ref().written[..]), (&b"ghi"[..], &b"abcdef"[..]));
    now(writer.write_all(b"larger than the buffer")).unwrap();
    now(writer.flush()).unwrap();
    assert_eq!(writer.get_ref().written, b"abcdefghilarger than the buffer");
    assert_eq!(writer.get_ref().flushed, writer.get_ref().written.len());

    let data: Vec<Vec<u8>> = (0..20u8).map(|len| vec![len; len.into()]).collect();
    let mut expected = Vec::new();
    for capacity in [1, 5, 64] {
        let mut writer = BufWriter::with_capacity(capacity, pieces(&[]));
        expected = data.concat();
        let mut done = 0;
        while done < expected.len() {
            // What is left, cut into slices anew.
            let slices: Vec<_> = expected[done..].chunks(7).map(IoSlice::new).collect();
            let taken = now(writer.write_vectored(&slices)).unwrap();
            assert!(taken > 0);
            done += taken;
        }
        now(writer.shutdown()).unwrap();
        assert!(writer.into_inner().written == expected);
    }
    assert!(!expected.is_empty());
}

#[test]
fn seeking_a_buffered_writer_hands_over_first() {
    let mut writer = BufWriter::new(Cursor::new(Vec::new()));
    now(async {
        writer.write_all(b"abcdef").await.unwrap();
        assert_eq!(writer.seek(SeekFrom::Start(2)).await.unwrap(), 2);
        writer.write_all(b"XY").await.unwrap();
        writer.flush().await.unwrap();
    });
    assert_eq!(writer.into_inner().into_inner(), b"abXYef");
}

#[test]
fn copying_flushes_while_it_waits() {
    let mut target = pieces(&[]);
    let mut source = pieces(&["one", "", "two"]);
    {
        let mut copying = pin!(copy(&mut source, &mut target));
        assert!(copying.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(now(copying).unwrap(), 6);
    }
    assert_eq!(target.written, b"onetwo");
    assert_eq!(target.flushed, 6);

    let mut reader = BufReader::new(repeat(3).take(100_000));
    assert_eq!(now(copy_buf(&mut reader, &mut sink())).unwrap(), 100_000);
    let mut space = [0; 3];
    let error = now(copy(&mut &b"four"[..], &mut Cursor::new(&mut space[..]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[test]
fn a_duplex_is_bounded_and_wakes_the_other_end() {
    let (mut near, mut far) = duplex(4);
    let data: Vec<u8> = (0..100).collect();
    let mut got = vec![0; 100];
    let mut writing = pin!(near.write_all(&data));
    let mut reading = pin!(far.read_exact(&mut got));
    let (mut wrote, mut read) = (false, false);
    let mut turns = 0;
    drive(poll_fn(|cx| {
        turns += 1;
        wrote = wrote || writing.as_mut().poll(cx).is_ready();
        read = read || reading.as_mut().poll(cx).is_ready();
        if wrote && read { Poll::Ready(()) } else { Poll::Pending }
    }));
    assert_eq!(got, data);
    assert!(turns >= 25, "no more than four bytes at a time");

    now(near.write_all(b"left")).unwrap();
    drop(near);
    let mut rest = String::new();
    now(far.read_to_string(&mut rest)).unwrap();
    assert_eq!(rest, "left");
    assert_eq!(now(far.write(b"x")).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
fn a_simplex_ends_with_its_writer() {
    let (mut reader, mut writer) = simplex(8);
    now(async {
        writer.write_all(b"text").await.unwrap();
        writer.shutdown().await.unwrap();
        writer.write_all(b"more").await.unwrap_err();
    });
    let mut text = String::new();
    now(reader.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "text");
}

#[test]
fn split_halves_are_put_together_again() {
    let (near, mut far) = duplex(16);
    let (mut reader, mut writer) = split(near);
    now(writer.write_all(b"there")).unwrap();
    now(far.write_all(b"back")).unwrap();
    let mut buf = [0; 4];
    now(reader.read_exact(&mut buf)).unwrap();
    assert_eq!(&buf, b"back");
    let (other, _other_writer) = split(duplex(1).0);
    assert!(!other.is_pair_of(&writer) && reader.is_pair_of(&writer));
    let mut near = reader.unsplit(writer);
    now(near.shutdown()).unwrap();
    let mut text = String::new();
    now(far.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "there");

    let (a, _b) = split(duplex(1).0);
    let (_c, d) = split(duplex(1).0);
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || a.unsplit(d))).unwrap_err();
}

#[test]
fn both_directions_are_copied_until_both_end() {
    let (mut left, left_far) = duplex(16);
    let (mut right, right_far) = duplex(16);
    let (mut left_far, mut right_far) = (BufStream::new(left_far), BufStream::new(right_far));
    let mut copying = pin!(copy_bidirectional(&mut left, &mut right));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(copying.as_mut().poll(&mut cx).is_pending());
    now(async {
        left_far.write_all(b"to the right").await.unwrap();
        left_far.shutdown().await.unwrap();
        right_far.write_all(b"to the left").await.unwrap();
        right_far.flush().await.unwrap();
    });
    assert!(copying.as_mut().poll(&mut cx).is_pending());
    let mut text = String::new();
    now(right_far.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "to the right");
    now(right_far.shutdown()).unwrap();
    assert_eq!(now(copying).unwrap(), (12, 11));
    text.clear();
    now(left_far.read_to_string(&mut text)).unwrap();
    assert_eq!(text, "to the left");
}

#[test]
fn a_reader_and_a_writer_join_to_a_stream() {
    let mut stream = join(&b"in"[..], Vec::new());
    now(copy_buf(&mut empty(), stream.writer_mut())).unwrap();
    now(stream.write_all(b"out")).unwrap();
    let mut text = String::new();
    now(stream.read_to_string(&mut text)).unwrap();
    let (_, out) = stream.into_inner();
    assert_eq!((text.as_str(), &out[..]), ("in", &b"out"[..]));
}

#[test]
fn an_endless_copy_spends_the_budget_of_its_task() {
    let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    rt.block_on(async {
        let endless = runtime::spawn(async { copy(&mut repeat(0), &mut sink()).await });
        for _ in 0..10 {
            runtime::task::yield_now().await;
        }
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
    });
}

/// The types say what may be done with them, in generic code too.
#[test]
fn auto_traits() {
    fn send<T: Send>(_: T) {}
    fn generic<R: AsyncReadExt + AsyncWriteExt + Unpin + Send>(mut stream: R) {
        send(async move {
            let byte = stream.read_u8().await?;
            stream.write_all(&[byte]).await
        });
    }
    generic(duplex(1).0);
    send(split(duplex(1).0));
    send(BufStream::new(duplex(1).0));
}
