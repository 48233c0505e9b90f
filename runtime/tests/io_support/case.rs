//! Plain data: a device with a script of faults, the operations done on it, and what came of them.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::VecDeque;
use std::io::{ErrorKind, SeekFrom};

/// What the next call on a device meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// So many bytes can be moved, in one call or in several.
    Bytes(usize),
    /// The call has to wait.
    Wait,
    /// An error of the kind `Interrupted`.
    Interrupt,
    /// Another error, of a kind that tells the direction.
    Fail,
    /// A call that moves no byte: the end for a reader, a full device for a writer.
    Zero,
}

pub(crate) const READ_ERROR: ErrorKind = ErrorKind::ConnectionReset;
pub(crate) const WRITE_ERROR: ErrorKind = ErrorKind::BrokenPipe;
pub(crate) const FLUSH_ERROR: ErrorKind = ErrorKind::TimedOut;
pub(crate) const SEEK_ERROR: ErrorKind = ErrorKind::Unsupported;

/// The events for each kind of call, in their order. When a script is over, everything succeeds at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) data: Vec<u8>,
    pub(crate) read: Vec<Event>,
    pub(crate) write: Vec<Event>,
    pub(crate) flush: Vec<Event>,
    pub(crate) seek: Vec<Event>,
    pub(crate) vectored: bool,
}

/// A call on a device that does not wait.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<T> {
    Wait,
    Done(Result<T, ErrorKind>),
}

/// A source and a sink in memory that follow a script.
#[derive(Debug)]
pub(crate) struct Device {
    data: Vec<u8>,
    position: usize,
    read: VecDeque<Event>,
    write: VecDeque<Event>,
    flush: VecDeque<Event>,
    seek: VecDeque<Event>,
    seeking: Option<usize>,
    pub(crate) vectored: bool,
    after: Remains,
}

/// What is left of a device, and what it got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    pub(crate) unread: Vec<u8>,
    pub(crate) written: Vec<u8>,
    pub(crate) flushed: usize,
    pub(crate) is_shut_down: bool,
    /// How much had been written when each seek succeeded.
    pub(crate) written_before_seeks: Vec<usize>,
}

/// Takes the head of a script for a call that could move up to `max` bytes, and returns how many it moves.
fn next(script: &mut VecDeque<Event>, max: usize, error: ErrorKind) -> Step<usize> {
    match script.front_mut() {
        None => Step::Done(Ok(max)),
        Some(Event::Bytes(bytes)) => {
            let now = max.min(*bytes);
            *bytes -= now;
            if *bytes == 0 {
                script.pop_front();
            }
            Step::Done(Ok(now))
        }
        Some(&mut event) => {
            script.pop_front();
            match event {
                Event::Wait => Step::Wait,
                Event::Interrupt => Step::Done(Err(ErrorKind::Interrupted)),
                Event::Fail => Step::Done(Err(error)),
                Event::Zero | Event::Bytes(_) => Step::Done(Ok(0)),
            }
        }
    }
}

impl Device {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            data: script.data,
            position: 0,
            read: script.read.into(),
            write: script.write.into(),
            flush: script.flush.into(),
            seek: script.seek.into(),
            seeking: None,
            vectored: script.vectored,
            after: Remains::default(),
        }
    }

    fn left(&self) -> &[u8] {
        &self.data[self.position.min(self.data.len())..]
    }

    /// Reads `max` bytes at most.
    pub(crate) fn read(&mut self, max: usize) -> Step<&[u8]> {
        let max = max.min(self.left().len());
        match next(&mut self.read, max, READ_ERROR) {
            Step::Wait => Step::Wait,
            Step::Done(Err(error)) => Step::Done(Err(error)),
            Step::Done(Ok(now)) => {
                let start = self.position.min(self.data.len());
                self.position += now;
                Step::Done(Ok(&self.data[start..start + now]))
            }
        }
    }

    /// The bytes that a read would get, without taking them.
    pub(crate) fn fill(&mut self) -> Step<&[u8]> {
        let max = self.left().len();
        match self.read.front() {
            None => Step::Done(Ok(self.left())),
            Some(&Event::Bytes(bytes)) => Step::Done(Ok(&self.left()[..max.min(bytes)])),
            Some(_) => match next(&mut self.read, 0, READ_ERROR) {
                Step::Wait => Step::Wait,
                Step::Done(result) => Step::Done(result.map(|_| &[][..])),
            },
        }
    }

    /// Takes bytes that [`Device::fill`] has returned.
    pub(crate) fn consume(&mut self, amount: usize) {
        if amount > 0 {
            assert!(matches!(self.read(amount), Step::Done(Ok(bytes)) if bytes.len() == amount));
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Step<usize> {
        assert!(!self.after.is_shut_down, "written to after the shutdown");
        let step = next(&mut self.write, bytes.len(), WRITE_ERROR);
        if let Step::Done(Ok(now)) = step {
            self.after.written.extend_from_slice(&bytes[..now]);
        }
        step
    }

    pub(crate) fn flush(&mut self) -> Step<()> {
        match next(&mut self.flush, 1, FLUSH_ERROR) {
            Step::Wait => Step::Wait,
            Step::Done(Err(error)) => Step::Done(Err(error)),
            Step::Done(Ok(_)) => {
                self.after.flushed = self.after.written.len();
                Step::Done(Ok(()))
            }
        }
    }

    pub(crate) fn shut_down(&mut self) -> Step<()> {
        let step = self.flush();
        if step == Step::Done(Ok(())) {
            self.after.is_shut_down = true;
        }
        step
    }

    /// Begins a seek. One that fails, here or later, leaves the position as it was.
    pub(crate) fn start_seek(&mut self, to: SeekFrom) -> Result<(), ErrorKind> {
        let (base, by) = match to {
            SeekFrom::Start(at) => (0, i64::try_from(at).unwrap()),
            SeekFrom::End(by) => (self.data.len(), by),
            SeekFrom::Current(by) => (self.position, by),
        };
        let target = (base as i64).checked_add(by).and_then(|target| usize::try_from(target).ok());
        let target = target.ok_or(ErrorKind::InvalidInput)?;
        if let Step::Done(Err(error)) = next(&mut self.seek, 1, SEEK_ERROR) {
            return Err(error);
        }
        self.seeking = Some(target);
        Ok(())
    }

    pub(crate) fn finish_seek(&mut self) -> Step<u64> {
        let Some(target) = self.seeking else { return Step::Done(Ok(self.position as u64)) };
        match next(&mut self.seek, 1, SEEK_ERROR) {
            Step::Wait => Step::Wait,
            Step::Done(result) => {
                self.seeking = None;
                Step::Done(result.map(|_| {
                    self.after.written_before_seeks.push(self.after.written.len());
                    self.position = target;
                    target as u64
                }))
            }
        }
    }

    pub(crate) fn remains(&self) -> Remains {
        Remains { unread: self.left().to_vec(), ..self.after.clone() }
    }
}

/// What stands between the operations and the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Plain,
    /// Behind `Pin<Box<dyn ..>>`.
    Boxed,
    /// The two halves of `split`.
    Split,
    /// `join` of two devices: one reads, one writes.
    Join,
    BufReader(usize),
    BufWriter(usize),
    BufStream(usize, usize),
    /// A `BufStream` made of a `BufWriter` around a `BufReader`.
    Inverted(usize, usize),
    Take(u64),
    /// A `Take` of a `BufReader`.
    TakeOfBufReader(u64, usize),
    /// Two devices in a row.
    Chain,
    BufReaderOfChain(usize),
    ChainOfBufReaders(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Read(usize),
    ReadBuf(usize),
    ReadExact(usize),
    /// The number of this index in [`NUMBERS`].
    ReadNumber(usize),
    /// With so much room in the vector.
    ReadToEnd(usize),
    ReadToString,
    /// Consumes up to so many bytes.
    FillBuf(usize),
    ReadUntil(u8),
    ReadLine,
    /// Asks so many times for a line.
    Lines(usize),
    Split(u8, usize),
    Write(usize),
    WriteVectored([usize; 3]),
    WriteAll(usize),
    WriteNumber(usize),
    WriteBuf([usize; 2]),
    WriteAllBuf([usize; 2]),
    Flush,
    Shutdown,
    Seek(SeekFrom),
    Rewind,
    StreamPosition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Read,
    BufRead,
    Write,
    Seek,
}

impl Op {
    pub(crate) fn family(self) -> Family {
        match self {
            Op::Read(_) | Op::ReadBuf(_) | Op::ReadExact(_) | Op::ReadNumber(_) => Family::Read,
            Op::ReadToEnd(_) | Op::ReadToString => Family::Read,
            Op::FillBuf(_) | Op::ReadUntil(_) | Op::ReadLine | Op::Lines(_) | Op::Split(..) => {
                Family::BufRead
            }
            Op::Seek(_) | Op::Rewind | Op::StreamPosition => Family::Seek,
            _ => Family::Write,
        }
    }
}

impl Stack {
    pub(crate) fn can(self, family: Family) -> bool {
        use Stack::*;
        match family {
            Family::Read => true,
            Family::BufRead => self != Split,
            Family::Write => !matches!(
                self,
                Take(_) | TakeOfBufReader(..) | Chain | BufReaderOfChain(_) | ChainOfBufReaders(..)
            ),
            Family::Seek => {
                matches!(self, Plain | BufReader(_) | BufWriter(_) | BufStream(..) | Inverted(..))
            }
        }
    }
}

/// Size and byte order (whether little-endian) of the numbers, in the order in which both tables of functions have them.
pub(crate) const NUMBERS: [(usize, bool); 22] = [
    (1, false),
    (1, false),
    (2, false),
    (2, false),
    (4, false),
    (4, false),
    (8, false),
    (8, false),
    (16, false),
    (16, false),
    (4, false),
    (8, false),
    (2, true),
    (2, true),
    (4, true),
    (4, true),
    (8, true),
    (8, true),
    (16, true),
    (16, true),
    (4, true),
    (8, true),
];

/// What is in the caller's buffer before an operation that appends.
pub(crate) const BEFORE: &str = "\u{fc}: ";

/// What an operation answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Done,
    Count(u64),
    Bytes(Vec<u8>),
    Items(Vec<Result<Option<Vec<u8>>, ErrorKind>>),
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Value, ErrorKind>,
    /// The caller's buffer after it, where the operation says what is in there.
    pub(crate) buffer: Vec<u8>,
    /// What a `BufWriter` has not handed on yet.
    pub(crate) unwritten: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) stack: Stack,
    pub(crate) scripts: [Script; 2],
    pub(crate) ops: Vec<Op>,
    /// For each wait in an operation that is cancel safe, lowest bit first: whether it is cancelled there, and begun
    /// anew.
    pub(crate) cancel: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) remains: [Remains; 2],
}

/// Bytes to write, each unlike its neighbours, so that one that is lost or doubled is seen.
#[derive(Debug, Default)]
pub(crate) struct Payload(u8);

impl Payload {
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| {
                self.0 = self.0.wrapping_add(1);
                self.0
            })
            .collect()
    }
}
