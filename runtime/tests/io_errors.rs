//! What the operations of `io` do about errors, and what they promise of the state after one.

#[macro_use]
mod support;
#[path = "io_support/case.rs"]
mod case;
#[path = "io_support/ours.rs"]
mod ours;

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, SeekFrom};
use std::pin::pin;
use std::str::Utf8Error;
use std::string::FromUtf8Error;
use std::task::{Context, Poll, Waker};

use case::{Event, FLUSH_ERROR, READ_ERROR, SEEK_ERROR, Script, WRITE_ERROR};
use ours::stream::{Faulty, drive};
use runtime::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader, BufStream, BufWriter, copy,
    copy_bidirectional, copy_buf, duplex, empty, simplex, sink,
};
use runtime::task::coop;
use support::Rt;

over_flavours!(fill_buf_at_the_end_of_the_budget_waits_for_the_next_poll);

/// Reads and writes a byte at a time, and is interrupted before each, and also before the end.
fn interrupted(data: &str) -> Faulty {
    let events = [Event::Interrupt, Event::Bytes(1)].repeat(data.len() + 1);
    let script = Script { data: data.into(), read: events.clone(), write: events, ..Script::default() };
    Faulty::new(script)
}

#[test]
fn plain_reads_and_writes_pass_an_interruption_on() {
    let mut stream = interrupted("ab");
    assert_eq!(drive(stream.read(&mut [0; 2])).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(drive(stream.read(&mut [0; 2])).unwrap(), 1);
    assert_eq!(drive(stream.read_buf(&mut Vec::new())).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(drive(stream.write(b"xy")).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(drive(stream.write_buf(&mut &b"xy"[..])).unwrap(), 1);
    assert_eq!(drive(stream.write_vectored(&[])).unwrap_err().kind(), ErrorKind::Interrupted);
    assert_eq!(drive(interrupted("ab").fill_buf()).unwrap_err().kind(), ErrorKind::Interrupted);
}

#[test]
fn reads_of_several_attempts_go_on_after_an_interruption() {
    let mut buf = [0; 3];
    assert_eq!(drive(interrupted("abc").read_exact(&mut buf)).unwrap(), 3);
    assert_eq!(&buf, b"abc");
    assert_eq!(drive(interrupted("\x01\x02\x03\x04").read_u32()).unwrap(), 0x01020304);
    assert_eq!(drive(interrupted("\x01").read_u8()).unwrap(), 1);
    let mut all = Vec::new();
    assert_eq!(drive(interrupted("abc").read_to_end(&mut all)).unwrap(), 3);
    // With the exact room the end is found by a probe.
    let mut exact = Vec::with_capacity(40);
    assert_eq!(drive(interrupted(&"x".repeat(40)).read_to_end(&mut exact)).unwrap(), 40);
    let mut text = String::new();
    assert_eq!(drive(interrupted("abc").read_to_string(&mut text)).unwrap(), 3);
    assert_eq!(drive(interrupted("a;b").read_until(b';', &mut all)).unwrap(), 2);
    assert_eq!(drive(interrupted("a\nb").read_line(&mut text)).unwrap(), 2);
    assert_eq!((&all[..], text.as_str()), (&b"abca;"[..], "abca\n"));
    let mut lines = interrupted("a\nb").lines();
    assert_eq!(drive(lines.next_line()).unwrap().as_deref(), Some("a"));
    assert_eq!(drive(lines.next_line()).unwrap().as_deref(), Some("b"));
    assert_eq!(drive(lines.next_line()).unwrap(), None);
    let mut segments = BufReader::new(interrupted("a;")).split(b';');
    assert_eq!(drive(segments.next_segment()).unwrap().as_deref(), Some(&b"a"[..]));
    assert_eq!(drive(segments.next_segment()).unwrap(), None);
}

#[test]
fn writes_of_several_attempts_go_on_after_an_interruption() {
    let mut stream = interrupted("1234567890");
    drive(stream.write_all(b"abc")).unwrap();
    drive(stream.write_u16(0x0102)).unwrap();
    drive(stream.write_u8(3)).unwrap();
    drive(stream.write_all_buf(&mut &b"de"[..])).unwrap();
    assert_eq!(stream.device.remains().written, b"abc\x01\x02\x03de");
    let mut writer = BufWriter::new(interrupted("1234567890"));
    drive(writer.write_all(b"gathered")).unwrap();
    drive(writer.flush()).unwrap();
    assert_eq!(writer.get_ref().device.remains().written, b"gathered");
}

#[test]
fn copies_go_on_after_an_interruption() {
    let (mut reader, mut writer) = (interrupted("some bytes"), interrupted("some bytes"));
    assert_eq!(drive(copy(&mut reader, &mut writer)).unwrap(), 10);
    assert_eq!(writer.device.remains().written, b"some bytes");
    let (mut reader, mut writer) = (BufReader::new(interrupted("some bytes")), interrupted("some bytes"));
    assert_eq!(drive(copy_buf(&mut reader, &mut writer)).unwrap(), 10);
    assert_eq!(writer.device.remains().written, b"some bytes");
    let (mut near, mut far) = (interrupted("there"), interrupted("and back"));
    assert_eq!(drive(copy_bidirectional(&mut near, &mut far)).unwrap(), (5, 8));
    assert_eq!(far.device.remains().written, b"there");
    assert_eq!(near.device.remains().written, b"and back");
}

/// The n-th seek fails, at its beginning or at its end; the others succeed.
fn failing_seeks(at_the_end: bool) -> Faulty {
    let fails = if at_the_end { vec![Event::Bytes(1), Event::Fail] } else { vec![Event::Fail] };
    Faulty::new(Script { data: b"0123456789".to_vec(), seek: fails, ..Script::default() })
}

#[test]
fn a_seek_that_failed_is_forgotten_and_the_next_one_succeeds() {
    for at_the_end in [false, true] {
        let mut reader = BufReader::with_capacity(4, failing_seeks(at_the_end));
        drive(async {
            assert_eq!(reader.read_u8().await.unwrap(), b'0');
            assert_eq!(reader.seek(SeekFrom::Current(3)).await.unwrap_err().kind(), SEEK_ERROR);
            // What failed did not move, and what is buffered is still in front of it.
            assert_eq!(reader.stream_position().await.unwrap(), 1);
            assert_eq!(reader.seek(SeekFrom::Start(7)).await.unwrap(), 7);
            assert_eq!(reader.read_u8().await.unwrap(), b'7');
        });
        let mut writer = BufWriter::new(failing_seeks(at_the_end));
        drive(async {
            writer.write_all(b"ab").await.unwrap();
            assert_eq!(writer.rewind().await.unwrap_err().kind(), SEEK_ERROR);
            assert_eq!(writer.seek(SeekFrom::Start(7)).await.unwrap(), 7);
        });
        assert_eq!(writer.get_ref().device.remains().written, b"ab");
        let mut stream = BufStream::new(failing_seeks(at_the_end));
        drive(async {
            assert_eq!(stream.read_u8().await.unwrap(), b'0');
            assert_eq!(stream.rewind().await.unwrap_err().kind(), SEEK_ERROR);
            assert_eq!(stream.seek(SeekFrom::Start(7)).await.unwrap(), 7);
            assert_eq!(stream.read_u8().await.unwrap(), b'7');
        });
    }
    // A distance that needs two moves, of which the second fails: as if it had been one of zero.
    let mut reader = BufReader::with_capacity(4, failing_seeks(true));
    drive(async {
        reader.rewind().await.unwrap_err();
        reader.read_u8().await.unwrap();
        let error = reader.seek(SeekFrom::Current(i64::MIN + 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(reader.stream_position().await.unwrap(), 1);
    });
}

#[test]
fn a_seek_whose_buffer_cannot_be_written_is_forgotten_and_the_buffer_is_not() {
    let script =
        Script { data: b"0123".to_vec(), write: vec![Event::Bytes(1), Event::Fail], ..Script::default() };
    let mut writer = BufWriter::new(Faulty::new(script));
    drive(async {
        writer.write_all(b"abc").await.unwrap();
        assert_eq!(writer.seek(SeekFrom::Start(3)).await.unwrap_err().kind(), WRITE_ERROR);
        assert_eq!(writer.buffer(), b"bc");
        // It would be at 3 if the failed one came after all.
        assert_eq!(writer.seek(SeekFrom::Current(1)).await.unwrap(), 1);
    });
    let remains = writer.get_ref().device.remains();
    assert_eq!((&remains.written[..], &remains.written_before_seeks[..]), (&b"abc"[..], &[3][..]));
}

#[test]
fn a_buffered_writer_has_room_again_for_what_was_written_before_an_error() {
    let script = Script { write: vec![Event::Bytes(3), Event::Fail, Event::Fail], ..Script::default() };
    let mut writer = BufWriter::with_capacity(5, Faulty::new(script));
    drive(async {
        writer.write_all(b"abcd").await.unwrap();
        assert_eq!(writer.flush().await.unwrap_err().kind(), WRITE_ERROR);
        assert_eq!(writer.buffer(), b"d");
        // The device would fail if this were handed to it.
        writer.write_all(b"efgh").await.unwrap();
        assert_eq!(writer.buffer(), b"defgh");
        assert_eq!(writer.flush().await.unwrap_err().kind(), WRITE_ERROR);
        writer.flush().await.unwrap();
    });
    assert_eq!(writer.get_ref().device.remains().written, b"abcdefgh");
}

#[test]
fn flush_and_shutdown_are_one_attempt() {
    let events = vec![Event::Interrupt, Event::Fail, Event::Interrupt];
    let mut writer = BufWriter::new(Faulty::new(Script { flush: events, ..Script::default() }));
    drive(async {
        assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::Interrupted);
        assert_eq!(writer.flush().await.unwrap_err().kind(), FLUSH_ERROR);
        assert_eq!(writer.shutdown().await.unwrap_err().kind(), ErrorKind::Interrupted);
        writer.shutdown().await.unwrap();
    });
}

/// Some bytes, an error, and the rest.
fn broken_off(data: &[u8], at: usize) -> Faulty {
    Faulty::new(Script {
        data: data.to_vec(),
        read: vec![Event::Bytes(at), Event::Fail],
        ..Script::default()
    })
}

#[test]
fn a_string_is_as_it_was_after_an_error_while_reading_to_the_end() {
    let mut text = "before".to_owned();
    let error = drive(broken_off(b"some text", 4).read_to_string(&mut text)).unwrap_err();
    assert_eq!((error.kind(), text.as_str()), (READ_ERROR, "before"));
    let error = drive(broken_off("\u{fc}".as_bytes(), 1).read_to_string(&mut text)).unwrap_err();
    assert_eq!((error.kind(), text.as_str()), (READ_ERROR, "before"));
}

#[test]
fn a_line_that_is_broken_off_is_kept_if_it_is_text() {
    let mut text = "before".to_owned();
    let error = drive(broken_off(b", some\n", 6).read_line(&mut text)).unwrap_err();
    assert_eq!((error.kind(), text.as_str()), (READ_ERROR, "before, some"));
    let error = drive(broken_off("xy\u{fc}\n".as_bytes(), 3).read_line(&mut text)).unwrap_err();
    assert_eq!((error.kind(), text.as_str()), (READ_ERROR, "before, some"));
    let mut lines = broken_off(b"line\nrest", 2).lines();
    assert_eq!(drive(lines.next_line()).unwrap_err().kind(), READ_ERROR);
    assert_eq!(drive(lines.next_line()).unwrap().as_deref(), Some("line"));
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    fn place<E: Error + 'static>(error: std::io::Error, of: impl Fn(&E) -> Utf8Error) -> usize {
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        of(error.get_ref().unwrap().downcast_ref().expect("the error of the conversion")).valid_up_to()
    }
    let bytes = &b"ab\xff\nnext"[..];
    let error = drive(
        Faulty::new(Script { data: bytes.to_vec(), ..Script::default() }).read_to_string(&mut String::new()),
    );
    assert_eq!(place::<Utf8Error>(error.unwrap_err(), |&error| error), 2);
    let error = drive({ bytes }.read_line(&mut String::new()));
    assert_eq!(place::<Utf8Error>(error.unwrap_err(), |&error| error), 2);
    let mut lines = bytes.lines();
    let error = drive(lines.next_line()).unwrap_err();
    let inside = error.get_ref().unwrap().downcast_ref::<FromUtf8Error>().unwrap();
    assert_eq!(inside.as_bytes(), b"ab\xff", "the line is not lost");
    assert_eq!(place::<FromUtf8Error>(error, FromUtf8Error::utf8_error), 2);
    assert_eq!(drive(lines.next_line()).unwrap().as_deref(), Some("next"));
}

#[test]
fn a_vector_with_room_for_all_of_it_does_not_move() {
    for chunks in [vec![40], vec![39, 1], vec![20, 10, 10], vec![8; 5], vec![1; 40]] {
        let read = chunks.iter().map(|&len| Event::Bytes(len)).collect();
        let mut source = Faulty::new(Script { data: vec![7; 40], read, ..Script::default() });
        let mut exact = Vec::with_capacity(40);
        assert_eq!(drive(source.read_to_end(&mut exact)).unwrap(), 40);
        assert_eq!((exact.len(), exact.capacity()), (40, 40), "read in {chunks:?}");
        let mut source = Faulty::new(Script { data: vec![b'x'; 40], ..Script::default() });
        let mut exact = String::with_capacity(40);
        assert_eq!(drive(source.read_to_string(&mut exact)).unwrap(), 40);
        assert_eq!(exact.capacity(), 40);
    }
    // It grows when there is more than room, and nothing gets lost on the way.
    let mut source = Faulty::new(Script { data: (0..100).collect(), ..Script::default() });
    let mut small = Vec::with_capacity(40);
    assert_eq!(drive(source.read_to_end(&mut small)).unwrap(), 100);
    assert!(small.iter().copied().eq(0..100));
}

/// Polls once, and expects that to be enough.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("should not have to wait"),
    }
}

#[test]
fn a_read_without_room_does_not_wait_for_bytes() {
    let (mut near, mut far) = duplex(2);
    assert_eq!(now(near.read(&mut [])).unwrap(), 0);
    now(far.write_all(b"ab")).unwrap();
    assert_eq!(now(near.read(&mut [])).unwrap(), 0);
    assert_eq!(now(far.write(b"")).unwrap(), 0, "nor does a write of nothing wait for room");
    let (mut reader, mut writer) = simplex(2);
    assert_eq!(now(reader.read(&mut [])).unwrap(), 0);
    now(writer.write_all(b"ab")).unwrap();
    assert_eq!(now(writer.write(b"")).unwrap(), 0);
}

fn fill_buf_at_the_end_of_the_budget_waits_for_the_next_poll(new: fn() -> Rt) {
    let rt = new();
    // In a task: outside of one there is no budget.
    let all = rt.spawn(async {
        for left in 0..4 {
            runtime::task::yield_now().await;
            for _ in left..128 {
                poll_fn(coop::poll_proceed).await.made_progress();
            }
            assert_eq!(empty().fill_buf().await.unwrap(), b"");

            runtime::task::yield_now().await;
            let (near, far) = duplex(8);
            drop(far);
            for _ in left..128 {
                poll_fn(coop::poll_proceed).await.made_progress();
            }
            assert_eq!(BufReader::new(near).fill_buf().await.unwrap(), b"");
        }
    });
    rt.block_on(all).unwrap();
}

#[test]
fn fill_buf_asks_the_reader_once() {
    // A second call would meet the error, or wait.
    for next in [Event::Fail, Event::Wait] {
        let read = vec![Event::Zero, next];
        let mut reader =
            BufReader::new(Faulty::new(Script { data: b"ab".to_vec(), read, ..Script::default() }));
        assert_eq!(now(reader.fill_buf()).unwrap(), b"");
        assert_eq!(now(copy_buf(&mut empty(), &mut sink())).unwrap(), 0);
        assert_eq!(
            drive(reader.fill_buf()).map_err(|error| error.kind()),
            match next {
                Event::Fail => Err(READ_ERROR),
                _ => Ok(&b"ab"[..]),
            }
        );
    }
}
