//! `copy`, `copy_buf` and `copy_bidirectional`: what they do while one side waits, whose turn it is, and faults.

#[macro_use]
mod support;
#[path = "io_support/case.rs"]
mod case;
#[path = "io_support/ours.rs"]
mod ours;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use case::{Event, FLUSH_ERROR, READ_ERROR, Remains, Script, WRITE_ERROR};
use ours::stream::{Driver, Faulty, drive};
use runtime::io::{
    AsyncRead, AsyncWrite, BufReader, ReadBuf, copy, copy_bidirectional, copy_bidirectional_with_sizes,
    copy_buf, join,
};
use runtime::task::{coop, yield_now};
use support::Rt;

over_flavours!(
    a_copy_between_streams_that_are_always_ready_lets_others_run,
    both_directions_get_on_when_only_one_step_a_poll_is_left,
);

/// What a gate's reader has read and its writer has written, and who waits for it to open.
#[derive(Default)]
struct Gate {
    read: usize,
    written: usize,
    ended: bool,
    waiting: Option<Waker>,
}

/// A stream of `len` bytes, one at a time, whose writes wait until they are `ahead` bytes behind the reads.
struct Gated {
    gate: Rc<RefCell<Gate>>,
    len: usize,
    ahead: usize,
}

fn gated(gate: &Rc<RefCell<Gate>>, len: usize, ahead: usize) -> Gated {
    Gated { gate: gate.clone(), len, ahead }
}

impl AsyncRead for Gated {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut gate = self.gate.borrow_mut();
        if gate.read < self.len {
            buf.put_slice(&[gate.read as u8]);
            gate.read += 1;
        } else {
            gate.ended = true;
        }
        if let Some(waker) = gate.waiting.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gated {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut gate = self.gate.borrow_mut();
        if !gate.ended && gate.read < gate.written + self.ahead {
            gate.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        assert_eq!(buf[0], gate.written as u8);
        gate.written += 1;
        Poll::Ready(Ok(1))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_copy_reads_on_while_its_writer_waits_for_more_to_be_read() {
    for ahead in [1, 2, 100, 200] {
        let gate = Rc::default();
        assert_eq!(drive(copy(&mut gated(&gate, 200, ahead), &mut gated(&gate, 200, ahead))).unwrap(), 200);
    }
}

#[test]
fn both_directions_read_on_while_their_writers_wait_and_use_the_whole_buffer() {
    // The writes wait until the buffer is full: that it has been written from its start on must leave no gap.
    for size in 1..6 {
        let (there, back) = (Rc::default(), Rc::default());
        let mut a = join(gated(&there, 50, size), gated(&back, 30, size + 1));
        let mut b = join(gated(&back, 30, size + 1), gated(&there, 50, size));
        assert_eq!(drive(copy_bidirectional_with_sizes(&mut a, &mut b, size, size + 1)).unwrap(), (50, 30));
    }
}

/// A stream that is always ready, without end, and counts what is read from it.
#[derive(Clone, Default)]
struct Endless {
    reads: Arc<AtomicUsize>,
    turns: Option<Arc<Mutex<Vec<char>>>>,
    name: char,
    left: Option<usize>,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(left) = &mut self.left {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return Poll::Ready(Ok(())),
            }
        }
        buf.put_slice(b"x");
        self.reads.fetch_add(1, Ordering::SeqCst);
        if let Some(turns) = &self.turns {
            turns.lock().unwrap().push(self.name);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
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
fn directions_that_are_always_ready_take_turns() {
    let turns = Arc::default();
    let stream =
        |name, len| Endless { turns: Some(Arc::clone(&turns)), name, left: Some(len), ..Endless::default() };
    let copied = drive(copy_bidirectional(&mut stream('a', 1000), &mut stream('b', 500)));
    assert_eq!(copied.unwrap(), (1000, 500));
    let turns = turns.lock().unwrap();
    assert!(turns[..1000].chunks(2).all(|pair| pair == ['a', 'b']), "{turns:?}");
}

fn a_copy_between_streams_that_are_always_ready_lets_others_run(new: fn() -> Rt) {
    let rt = new();
    let [one, a, b, c] = [(); 4].map(|()| Endless::default());
    let reads = [&one, &a, &b, &c].map(|stream| stream.reads.clone());
    let copies = [
        rt.spawn(async move { copy(&mut { one }, &mut Endless::default()).await.map(drop) }),
        rt.spawn(async move { copy_bidirectional(&mut { a }, &mut { b }).await.map(drop) }),
        rt.spawn(async move { copy_buf(&mut BufReader::new(c), &mut Endless::default()).await.map(drop) }),
    ];
    let others = rt.spawn(async move {
        while reads.iter().any(|reads| reads.load(Ordering::SeqCst) < 1000) {
            yield_now().await;
        }
    });
    rt.block_on(others).unwrap();
    for copy in &copies {
        copy.abort();
    }
    for copy in copies {
        assert!(rt.block_on(copy).unwrap_err().is_cancelled());
    }
}

fn both_directions_get_on_when_only_one_step_a_poll_is_left(new: fn() -> Rt) {
    let rt = new();
    let [a, b] = [(); 2].map(|()| Endless::default());
    let reads = [&a, &b].map(|stream| stream.reads.clone());
    let polls = rt.spawn(async move {
        let (mut a, mut b) = (a, b);
        let mut copying = pin!(copy_bidirectional(&mut a, &mut b));
        for _ in 0..1000 {
            yield_now().await;
            for _ in 1..128 {
                poll_fn(coop::poll_proceed).await.made_progress();
            }
            assert!(poll_fn(|cx| Poll::Ready(copying.as_mut().poll(cx))).await.is_pending());
        }
    });
    rt.block_on(polls).unwrap();
    let [a, b] = reads.map(|reads| reads.load(Ordering::SeqCst));
    assert_eq!((a, b), (250, 250), "a read and a write by turns");
}

/// What a script lets through before it ends, and how it ends.
fn until_the_end(
    events: &[Event],
    error: ErrorKind,
    zero: Option<ErrorKind>,
) -> (usize, Result<(), ErrorKind>) {
    let mut bytes = 0;
    for event in events {
        match event {
            Event::Bytes(more) => bytes += more,
            Event::Wait | Event::Interrupt => {}
            Event::Fail => return (bytes, Err(error)),
            Event::Zero => return (bytes, zero.map_or(Ok(()), Err)),
        }
    }
    (usize::MAX, Ok(()))
}

/// Holds what came of one direction to what its scripts let through.
fn check(result: Result<u64, ErrorKind>, source: &Script, sink: &Script, read: &Remains, written: &Remains) {
    let (readable, reader_ends) = until_the_end(&source.read, READ_ERROR, None);
    // The data may end before the script does.
    let (readable, reader_ends) =
        if readable > source.data.len() { (source.data.len(), Ok(())) } else { (readable, reader_ends) };
    let (writable, writer_ends) = until_the_end(&sink.write, WRITE_ERROR, Some(ErrorKind::WriteZero));
    let flush_fails = sink.flush.iter().any(|event| matches!(event, Event::Fail | Event::Interrupt));
    let context = format!("{result:?} {source:?} {sink:?} {read:?} {written:?}");

    assert!(source.data.starts_with(&written.written), "{context}");
    match result {
        Ok(copied) => {
            assert_eq!((copied as usize, reader_ends), (readable, Ok(())), "{context}");
            assert_eq!(written.written.len(), readable, "{context}");
            assert_eq!(written.flushed, readable, "{context}");
            assert_eq!(read.unread, source.data[readable..], "{context}");
        }
        Err(error) if writer_ends == Err(error) && written.written.len() == writable => {}
        Err(error) if reader_ends == Err(error) => {
            assert_eq!(read.unread, source.data[readable..], "{context}");
            // Nothing is lost if the writer did not make the bytes wait.
            if !sink.write.contains(&Event::Wait) {
                assert_eq!(written.written.len(), readable, "{context}");
            }
        }
        Err(error) => {
            assert!(flush_fails && [FLUSH_ERROR, ErrorKind::Interrupted].contains(&error), "{context}");
        }
    }
    if !flush_fails && reader_ends.is_ok() {
        let expected = if writable < readable { writer_ends } else { Ok(()) };
        assert_eq!(result.map(drop), expected, "{context}");
    }
}

fn events(rng: &mut fastrand::Rng) -> Vec<Event> {
    let faults = if rng.bool() { 8 } else { 10 };
    let events = (0..rng.usize(..12)).map(|_| match rng.u8(..faults) {
        0..=4 => Event::Bytes(rng.usize(1..8)),
        5 | 6 => Event::Wait,
        7 => Event::Interrupt,
        8 => Event::Fail,
        _ => Event::Zero,
    });
    events.collect()
}

fn script(rng: &mut fastrand::Rng) -> Script {
    let data = (0..rng.u8(..50)).collect();
    let (read, write) = (events(rng), events(rng));
    let flush = if rng.u8(..4) == 0 { events(rng) } else { vec![Event::Wait; rng.usize(..3)] };
    Script { data, read, write, flush, ..Script::default() }
}

#[test]
fn a_copy_ends_with_the_first_error_or_with_everything_written_and_flushed() {
    let seed = std::env::var("RT_IO_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("RT_IO_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..30_000 {
        let (source, sink) = (script(&mut rng), script(&mut rng));
        let (mut reader, mut writer) = (Faulty::new(source.clone()), Faulty::new(sink.clone()));
        let result = drive(copy(&mut reader, &mut writer)).map_err(|error| error.kind());
        check(result, &source, &sink, &reader.device.remains(), &writer.device.remains());

        // Cancelled and begun anew: nothing is lost, and each call counts its own bytes. (A new call may read on behind an
        // end that an earlier one has seen.)
        let mut source = source;
        source.read.retain(|&event| event != Event::Zero);
        let (mut reader, mut writer) = (Faulty::new(source.clone()), Faulty::new(sink.clone()));
        let mut driver = Driver::new(rng.u64(..));
        let result = loop {
            let copying = pin!(copy_buf(&mut reader, &mut writer));
            if let Some(result) = driver.drive(copying, true) {
                break result;
            }
        };
        let (read, written) = (reader.device.remains(), writer.device.remains());
        let all = written.written.len() as u64;
        let result = result.map(|copied| {
            assert!(copied <= all);
            all
        });
        check(result.map_err(|error| error.kind()), &source, &sink, &read, &written);
        // Whatever happened, what was not written can still be read.
        assert_eq!([&written.written[..], &read.unread].concat(), source.data);
    }
}

#[test]
fn copies_in_both_directions_end_as_each_of_them_would() {
    let seed = std::env::var("RT_IO_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().unwrap());
    println!("RT_IO_SEED={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..30_000 {
        let (a, b) = (script(&mut rng), script(&mut rng));
        let (mut near, mut far) = (Faulty::new(a.clone()), Faulty::new(b.clone()));
        let sizes = (rng.usize(1..20), rng.usize(1..20));
        let result = drive(copy_bidirectional_with_sizes(&mut near, &mut far, sizes.0, sizes.1));
        let (near, far) = (near.device.remains(), far.device.remains());
        match result {
            Ok((there, back)) => {
                check(Ok(there), &a, &b, &near, &far);
                check(Ok(back), &b, &a, &far, &near);
                assert!(near.is_shut_down && far.is_shut_down);
            }
            Err(error) => {
                // One of the directions has failed so; what the other has written is a part of what it was to write.
                let kinds =
                    [READ_ERROR, WRITE_ERROR, FLUSH_ERROR, ErrorKind::WriteZero, ErrorKind::Interrupted];
                assert!(kinds.contains(&error.kind()));
                assert!(a.data.starts_with(&far.written) && b.data.starts_with(&near.written));
                let faults = |script: &Script| {
                    let all = [&script.read[..], &script.write, &script.flush].concat();
                    all.iter().any(|event| matches!(event, Event::Fail | Event::Zero))
                        || script.flush.contains(&Event::Interrupt)
                };
                assert!(faults(&a) || faults(&b), "{error:?} {a:?} {b:?}");
            }
        }
    }
}
