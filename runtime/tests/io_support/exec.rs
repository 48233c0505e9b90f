//! Runs a case on a runtime's own operations.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::cell::RefCell;
use std::io::{ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;

use bytes::{Buf, BufMut, Bytes};

use super::rt::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWrite,
    AsyncWriteExt, BufReader, BufStream, BufWriter, join, split,
};
use super::stream::{Driver, Faulty};
use crate::case::{BEFORE, Case, Family, NUMBERS, Op, Outcome, Payload, Remains, Report, Stack, Value};

/// What an operation answered, and the caller's buffer after it.
type Answer = (Result<Value, ErrorKind>, Vec<u8>);

trait Stream: AsyncBufRead + AsyncWrite {}
impl<S: AsyncBufRead + AsyncWrite> Stream for S {}

/// Runs a case and says what came of it.
pub(crate) fn run(case: &Case) -> Report {
    let remains: [Rc<RefCell<Remains>>; 2] = Default::default();
    let [first, second] =
        [0, 1].map(|device| Faulty::leaving(case.scripts[device].clone(), remains[device].clone()));
    let mut exec = Exec { driver: Driver::new(case.cancel), restarted: false, payload: Payload::default() };
    let outcomes = exec.run(case, first, second);
    let [first, second] = remains.map(|remains| remains.borrow().clone());
    Report { outcomes, remains: [first, second] }
}

struct Exec {
    driver: Driver,
    /// Whether the present operation was cancelled and begun anew.
    restarted: bool,
    payload: Payload,
}

/// Drives an operation to its end. One that is cancel safe may be cancelled on the way, and is begun anew then.
macro_rules! finish {
    ($exec:ident, cancel safe, $future:expr) => {{
        $exec.restarted = false;
        loop {
            let future = pin!($future);
            if let Some(output) = $exec.driver.drive(future, true) {
                break output;
            }
            $exec.restarted = true;
        }
    }};
    ($exec:ident, $future:expr) => {
        $exec.driver.drive(pin!($future), false).expect("it is not cancelled")
    };
}

/// Does each operation on a stack that can do those families.
macro_rules! each {
    ($exec:ident, $case:ident, $stack:expr, [$($family:ident => $method:ident),+] $(, $unwritten:expr)?) => {{
        let mut stack = $stack;
        $case
            .ops
            .iter()
            .map(|&op| {
                let (result, buffer) = match op.family() {
                    $(Family::$family => $exec.$method(&mut stack, op),)+
                    #[allow(unreachable_patterns, reason = "some stacks can do everything")]
                    family => unreachable!("{:?} cannot {family:?}", $case.stack),
                };
                let unwritten = each!(@unwritten stack $(, $unwritten)?);
                Outcome { result, buffer, unwritten }
            })
            .collect()
    }};
    (@unwritten $stack:ident) => { Vec::new() };
    (@unwritten $stack:ident, $unwritten:expr) => { $unwritten(&$stack).to_vec() };
}

impl Exec {
    fn run(&mut self, case: &Case, first: Faulty, second: Faulty) -> Vec<Outcome> {
        match case.stack {
            Stack::Plain => {
                each!(self, case, first, [Read => read, BufRead => buf_read, Write => write, Seek => seek])
            }
            Stack::Boxed => {
                let boxed: Pin<Box<dyn Stream>> = Box::pin(first);
                each!(self, case, boxed, [Read => read, BufRead => buf_read, Write => write])
            }
            Stack::Split => {
                let (mut reader, mut writer) = split(first);
                let outcomes = case.ops.iter().map(|&op| {
                    let (result, buffer) = match op.family() {
                        Family::Read => self.read(&mut reader, op),
                        _ => self.write(&mut writer, op),
                    };
                    Outcome { result, buffer, unwritten: Vec::new() }
                });
                let outcomes = outcomes.collect();
                drop(reader.unsplit(writer));
                outcomes
            }
            Stack::Join => {
                each!(self, case, join(first, second), [Read => read, BufRead => buf_read, Write => write])
            }
            Stack::BufReader(capacity) => each!(
                self, case, BufReader::with_capacity(capacity, first),
                [Read => read, BufRead => buf_read, Write => write, Seek => seek]
            ),
            Stack::BufWriter(capacity) => each!(
                self, case, BufWriter::with_capacity(capacity, first),
                [Read => read, BufRead => buf_read, Write => write, Seek => seek],
                BufWriter::buffer
            ),
            Stack::BufStream(reader, writer) => each!(
                self, case, BufStream::with_capacity(reader, writer, first),
                [Read => read, BufRead => buf_read, Write => write, Seek => seek]
            ),
            Stack::Inverted(reader, writer) => each!(
                self, case,
                BufStream::from(BufWriter::with_capacity(writer, BufReader::with_capacity(reader, first))),
                [Read => read, BufRead => buf_read, Write => write, Seek => seek]
            ),
            Stack::Take(limit) => {
                each!(self, case, AsyncReadExt::take(first, limit), [Read => read, BufRead => buf_read])
            }
            Stack::TakeOfBufReader(limit, capacity) => each!(
                self, case, AsyncReadExt::take(BufReader::with_capacity(capacity, first), limit),
                [Read => read, BufRead => buf_read]
            ),
            Stack::Chain => {
                each!(self, case, AsyncReadExt::chain(first, second), [Read => read, BufRead => buf_read])
            }
            Stack::BufReaderOfChain(capacity) => each!(
                self, case, BufReader::with_capacity(capacity, AsyncReadExt::chain(first, second)),
                [Read => read, BufRead => buf_read]
            ),
            Stack::ChainOfBufReaders(one, two) => {
                let (one, two) =
                    (BufReader::with_capacity(one, first), BufReader::with_capacity(two, second));
                each!(self, case, AsyncReadExt::chain(one, two), [Read => read, BufRead => buf_read])
            }
        }
    }

    /// What an operation that appends answered: by how much the buffer has grown, which is what it counted unless it
    /// was begun anew.
    fn grown(&self, counted: std::io::Result<usize>, buffer: Vec<u8>) -> Answer {
        let grown = buffer.len() - BEFORE.len();
        assert_eq!(&buffer[..BEFORE.len()], BEFORE.as_bytes());
        let result = counted.map(|counted| {
            assert!(if self.restarted { counted <= grown } else { counted == grown });
            Value::Count(grown as u64)
        });
        (result.map_err(|error| error.kind()), buffer)
    }

    fn read<R: AsyncRead + Unpin>(&mut self, reader: &mut R, op: Op) -> Answer {
        match op {
            Op::Read(len) => {
                let mut buf = vec![0; len];
                let result = finish!(self, cancel safe, reader.read(&mut buf));
                (
                    result.map(|read| Value::Bytes(buf[..read].to_vec())).map_err(|error| error.kind()),
                    Vec::new(),
                )
            }
            Op::ReadBuf(len) => {
                let mut buf = Vec::new().limit(len);
                let result = finish!(self, cancel safe, reader.read_buf(&mut buf));
                let buffer = buf.into_inner();
                let result = result.inspect(|&read| assert_eq!(read, buffer.len()));
                (result.map(|read| Value::Count(read as u64)).map_err(|error| error.kind()), buffer)
            }
            Op::ReadExact(len) => {
                let mut buf = vec![0; len];
                let result = finish!(self, reader.read_exact(&mut buf));
                let result = result.inspect(|&read| assert_eq!(read, len));
                (result.map(|_| Value::Bytes(buf)).map_err(|error| error.kind()), Vec::new())
            }
            Op::ReadNumber(index) => {
                let result = self.read_number(reader, index);
                (result.map(Value::Bytes).map_err(|error| error.kind()), Vec::new())
            }
            Op::ReadToEnd(room) => {
                let mut buf = Vec::with_capacity(BEFORE.len() + room);
                buf.extend_from_slice(BEFORE.as_bytes());
                let result = finish!(self, cancel safe, reader.read_to_end(&mut buf));
                self.grown(result, buf)
            }
            Op::ReadToString => {
                let mut text = BEFORE.to_owned();
                self.restarted = false;
                let result = finish!(self, reader.read_to_string(&mut text));
                self.grown(result, text.into_bytes())
            }
            _ => unreachable!(),
        }
    }

    fn buf_read<R: AsyncBufRead + Unpin>(&mut self, reader: &mut R, op: Op) -> Answer {
        match op {
            Op::FillBuf(amount) => {
                // The bytes are copied: what is borrowed could not be returned out of the loop.
                let result =
                    finish!(self, cancel safe, async { reader.fill_buf().await.map(<[u8]>::to_vec) });
                if let Ok(filled) = &result {
                    AsyncBufReadExt::consume(reader, amount.min(filled.len()));
                }
                (result.map(Value::Bytes).map_err(|error| error.kind()), Vec::new())
            }
            Op::ReadUntil(byte) => {
                let mut buf = BEFORE.as_bytes().to_vec();
                let result = finish!(self, cancel safe, reader.read_until(byte, &mut buf));
                self.grown(result, buf)
            }
            Op::ReadLine => {
                let mut text = BEFORE.to_owned();
                self.restarted = false;
                let result = finish!(self, reader.read_line(&mut text));
                self.grown(result, text.into_bytes())
            }
            Op::Lines(times) => {
                let mut lines = AsyncBufReadExt::lines(&mut *reader);
                let items = (0..times).map(|_| {
                    let line = finish!(self, cancel safe, lines.next_line());
                    line.map(|line| line.map(String::into_bytes)).map_err(|error| error.kind())
                });
                (Ok(Value::Items(items.collect())), Vec::new())
            }
            Op::Split(byte, times) => {
                let mut segments = AsyncBufReadExt::split(&mut *reader, byte);
                let items = (0..times).map(|_| {
                    let segment = finish!(self, cancel safe, segments.next_segment());
                    segment.map_err(|error| error.kind())
                });
                (Ok(Value::Items(items.collect())), Vec::new())
            }
            _ => unreachable!(),
        }
    }

    fn write<W: AsyncWrite + Unpin>(&mut self, writer: &mut W, op: Op) -> Answer {
        let mut buffer = Vec::new();
        let result = match op {
            Op::Write(len) => {
                let bytes = self.payload.take(len);
                finish!(self, cancel safe, writer.write(&bytes)).map(|taken| Value::Count(taken as u64))
            }
            Op::WriteVectored(lens) => {
                let parts = lens.map(|len| self.payload.take(len));
                let slices = parts.each_ref().map(|part| IoSlice::new(part));
                let result = finish!(self, cancel safe, writer.write_vectored(&slices));
                result.map(|taken| Value::Count(taken as u64))
            }
            Op::WriteAll(len) => {
                let bytes = self.payload.take(len);
                finish!(self, writer.write_all(&bytes)).map(|()| Value::Done)
            }
            Op::WriteNumber(index) => self.write_number(writer, index).map(|()| Value::Done),
            Op::WriteBuf(lens) => {
                let [one, two] = lens.map(|len| Bytes::from(self.payload.take(len)));
                let mut bytes = one.chain(two);
                let result = finish!(self, cancel safe, writer.write_buf(&mut bytes));
                buffer = bytes.copy_to_bytes(bytes.remaining()).to_vec();
                result.map(|taken| Value::Count(taken as u64))
            }
            Op::WriteAllBuf(lens) => {
                let [one, two] = lens.map(|len| Bytes::from(self.payload.take(len)));
                let mut bytes = one.chain(two);
                let result = finish!(self, cancel safe, writer.write_all_buf(&mut bytes));
                buffer = bytes.copy_to_bytes(bytes.remaining()).to_vec();
                result.map(|()| Value::Done)
            }
            Op::Flush => finish!(self, cancel safe, writer.flush()).map(|()| Value::Done),
            Op::Shutdown => finish!(self, cancel safe, writer.shutdown()).map(|()| Value::Done),
            _ => unreachable!(),
        };
        (result.map_err(|error| error.kind()), buffer)
    }

    fn seek<S: AsyncSeek + Unpin>(&mut self, stream: &mut S, op: Op) -> Answer {
        let result = match op {
            Op::Seek(to) => finish!(self, stream.seek(to)),
            Op::Rewind => finish!(self, stream.rewind()),
            Op::StreamPosition => finish!(self, stream.stream_position()),
            _ => unreachable!(),
        };
        (result.map(Value::Count).map_err(|error| error.kind()), Vec::new())
    }
}

/// The functions in the order of [`NUMBERS`].
macro_rules! numbers {
    ($($index:literal $read:ident $write:ident $ty:ty),+ $(,)?) => {
        impl Exec {
            /// A number, as big-endian bytes.
            fn read_number<R: AsyncRead + Unpin>(
                &mut self,
                reader: &mut R,
                index: usize,
            ) -> std::io::Result<Vec<u8>> {
                match index {
                    // One byte is read or it is not: it can be cancelled.
                    0 => finish!(self, cancel safe, reader.read_u8()).map(|n| vec![n]),
                    1 => finish!(self, cancel safe, reader.read_i8()).map(|n| n.to_be_bytes().to_vec()),
                    $($index => finish!(self, reader.$read()).map(|n: $ty| n.to_be_bytes().to_vec()),)+
                    _ => unreachable!(),
                }
            }

            fn write_number<W: AsyncWrite + Unpin>(&mut self, writer: &mut W, index: usize) -> std::io::Result<()> {
                let bytes = self.payload.take(NUMBERS[index].0);
                match index {
                    0 => finish!(self, writer.write_u8(bytes[0])),
                    1 => finish!(self, writer.write_i8(bytes[0].cast_signed())),
                    $($index => {
                        let number = <$ty>::from_be_bytes(bytes.try_into().expect("so many bytes"));
                        finish!(self, writer.$write(number))
                    })+
                    _ => unreachable!(),
                }
            }
        }
    };
}

numbers! {
    2 read_u16 write_u16 u16,
    3 read_i16 write_i16 i16,
    4 read_u32 write_u32 u32,
    5 read_i32 write_i32 i32,
    6 read_u64 write_u64 u64,
    7 read_i64 write_i64 i64,
    8 read_u128 write_u128 u128,
    9 read_i128 write_i128 i128,
    10 read_f32 write_f32 f32,
    11 read_f64 write_f64 f64,
    12 read_u16_le write_u16_le u16,
    13 read_i16_le write_i16_le i16,
    14 read_u32_le write_u32_le u32,
    15 read_i32_le write_i32_le i32,
    16 read_u64_le write_u64_le u64,
    17 read_i64_le write_i64_le i64,
    18 read_u128_le write_u128_le u128,
    19 read_i128_le write_i128_le i128,
    20 read_f32_le write_f32_le f32,
    21 read_f64_le write_f64_le f64,
}
