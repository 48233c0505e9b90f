//! What the documentation of the operations promises, as plain blocking code over the same devices.

use std::collections::VecDeque;
use std::io::{ErrorKind, SeekFrom};

use crate::case::{
    BEFORE, Case, Device, Family, NUMBERS, Op, Outcome, Payload, Remains, Report, Stack, Step, Value,
};

type Result<T> = std::result::Result<T, ErrorKind>;

/// A stream that blocks. What a task would have to wait for is over at once here.
#[derive(Debug)]
enum Node {
    Device(Box<Device>),
    BufReader { capacity: usize, buffer: VecDeque<u8>, inner: Box<Node> },
    BufWriter { capacity: usize, buffer: Vec<u8>, inner: Box<Node> },
    Take { left: u64, inner: Box<Node> },
    Chain { first_is_over: bool, first: Box<Node>, second: Box<Node> },
    Join { reader: Box<Node>, writer: Box<Node> },
}

/// Repeats a call on a device until it does not wait.
fn block<T>(mut call: impl FnMut() -> Step<T>) -> Result<T> {
    loop {
        if let Step::Done(result) = call() {
            return result;
        }
    }
}

/// Repeats an attempt until it is not interrupted.
fn uninterrupted<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        match attempt() {
            Err(ErrorKind::Interrupted) => {}
            result => return result,
        }
    }
}

fn buf_reader(capacity: usize, inner: Node) -> Node {
    Node::BufReader { capacity, buffer: VecDeque::new(), inner: Box::new(inner) }
}

fn buf_writer(capacity: usize, inner: Node) -> Node {
    Node::BufWriter { capacity, buffer: Vec::new(), inner: Box::new(inner) }
}

fn take(left: u64, inner: Node) -> Node {
    Node::Take { left, inner: Box::new(inner) }
}

fn chain(first: Node, second: Node) -> Node {
    Node::Chain { first_is_over: false, first: Box::new(first), second: Box::new(second) }
}

impl Node {
    /// One read of `max` bytes at most.
    fn read(&mut self, max: usize) -> Result<Vec<u8>> {
        match self {
            Node::Device(device) => block(|| match device.read(max) {
                Step::Wait => Step::Wait,
                Step::Done(result) => Step::Done(result.map(<[u8]>::to_vec)),
            }),
            Node::BufReader { capacity, buffer, inner } if buffer.is_empty() && max >= *capacity => {
                inner.read(max)
            }
            Node::BufReader { .. } => {
                let mut bytes = self.fill()?;
                bytes.truncate(max);
                self.consume(bytes.len());
                Ok(bytes)
            }
            Node::BufWriter { inner, .. } => inner.read(max),
            Node::Take { left: 0, .. } => Ok(Vec::new()),
            Node::Take { left, inner } => {
                let bytes = inner.read(max.min(usize::try_from(*left).unwrap()))?;
                *left -= bytes.len() as u64;
                Ok(bytes)
            }
            Node::Chain { first_is_over, first, second } => {
                if !*first_is_over {
                    let bytes = first.read(max)?;
                    if !bytes.is_empty() || max == 0 {
                        return Ok(bytes);
                    }
                    *first_is_over = true;
                }
                second.read(max)
            }
            Node::Join { reader, .. } => reader.read(max),
        }
    }

    /// What is buffered, after reading more if nothing is.
    fn fill(&mut self) -> Result<Vec<u8>> {
        match self {
            Node::Device(device) => block(|| match device.fill() {
                Step::Wait => Step::Wait,
                Step::Done(result) => Step::Done(result.map(<[u8]>::to_vec)),
            }),
            Node::BufReader { capacity, buffer, inner } => {
                if buffer.is_empty() {
                    buffer.extend(inner.read(*capacity)?);
                }
                Ok(buffer.iter().copied().collect())
            }
            Node::BufWriter { inner, .. } => inner.fill(),
            Node::Take { left: 0, .. } => Ok(Vec::new()),
            Node::Take { left, inner } => {
                let mut bytes = inner.fill()?;
                bytes.truncate(usize::try_from(*left).unwrap());
                Ok(bytes)
            }
            Node::Chain { first_is_over, first, second } => {
                if !*first_is_over {
                    let bytes = first.fill()?;
                    if !bytes.is_empty() {
                        return Ok(bytes);
                    }
                    *first_is_over = true;
                }
                second.fill()
            }
            Node::Join { reader, .. } => reader.fill(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match self {
            Node::Device(device) => device.consume(amount),
            Node::BufReader { buffer, .. } => drop(buffer.drain(..amount)),
            Node::BufWriter { inner, .. } => inner.consume(amount),
            Node::Take { left, inner } => {
                *left -= amount as u64;
                inner.consume(amount);
            }
            Node::Chain { first_is_over: false, first, .. } => first.consume(amount),
            Node::Chain { second, .. } => second.consume(amount),
            Node::Join { reader, .. } => reader.consume(amount),
        }
    }

    /// Whether several slices at a time reach the device.
    fn is_vectored(&self) -> bool {
        match self {
            Node::Device(device) => device.vectored,
            Node::BufWriter { .. } => true,
            Node::BufReader { inner, .. } => inner.is_vectored(),
            Node::Join { writer, .. } => writer.is_vectored(),
            Node::Take { .. } | Node::Chain { .. } => unreachable!(),
        }
    }

    /// One write. Returns how much was taken.
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self {
            Node::Device(device) => block(|| device.write(bytes)),
            Node::BufReader { inner, .. } => inner.write(bytes),
            Node::Join { writer, .. } => writer.write(bytes),
            Node::BufWriter { .. } => {
                self.make_room_for(bytes.len())?;
                let Node::BufWriter { capacity, buffer, inner } = self else { unreachable!() };
                if bytes.len() >= *capacity {
                    return inner.write(bytes);
                }
                buffer.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            Node::Take { .. } | Node::Chain { .. } => unreachable!(),
        }
    }

    fn write_vectored(&mut self, parts: &[Vec<u8>]) -> Result<usize> {
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], Vec::as_slice);
        let total = parts.concat();
        match self {
            Node::BufWriter { inner, .. } if total.is_empty() && !inner.is_vectored() => Ok(0),
            Node::Device(device) if device.vectored => block(|| device.write(&total)),
            Node::Device(device) => block(|| device.write(first)),
            Node::BufReader { inner, .. } => inner.write_vectored(parts),
            Node::Join { writer, .. } => writer.write_vectored(parts),
            Node::BufWriter { capacity, inner, .. } => {
                let (capacity, is_vectored) = (*capacity, inner.is_vectored());
                if is_vectored {
                    self.make_room_for(total.len())?;
                    let Node::BufWriter { buffer, inner, .. } = self else { unreachable!() };
                    if total.len() >= capacity {
                        return inner.write_vectored(parts);
                    }
                    buffer.extend_from_slice(&total);
                    return Ok(total.len());
                }
                // One after the other, as long as they fit as a whole.
                let taken = self.write(first)?;
                let Node::BufWriter { buffer, .. } = self else { unreachable!() };
                if first.len() >= capacity {
                    return Ok(taken);
                }
                let mut rest = parts.iter().skip_while(|part| part.is_empty()).skip(1);
                let mut sum = taken;
                while let Some(part) = rest.next().filter(|part| part.len() <= capacity - buffer.len()) {
                    buffer.extend_from_slice(part);
                    sum += part.len();
                }
                Ok(sum)
            }
            Node::Take { .. } | Node::Chain { .. } => unreachable!(),
        }
    }

    /// Hands a `BufWriter`'s buffer on if so much more does not fit.
    fn make_room_for(&mut self, len: usize) -> Result<()> {
        let Node::BufWriter { capacity, buffer, .. } = self else { unreachable!() };
        if buffer.len() + len > *capacity { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<()> {
        let Node::BufWriter { buffer, inner, .. } = self else { unreachable!() };
        while !buffer.is_empty() {
            match uninterrupted(|| inner.write(buffer))? {
                0 => return Err(ErrorKind::WriteZero),
                taken => drop(buffer.drain(..taken)),
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Node::Device(device) => block(|| device.flush()),
            Node::BufReader { inner, .. } => inner.flush(),
            Node::Join { writer, .. } => writer.flush(),
            Node::BufWriter { .. } => {
                self.hand_on()?;
                let Node::BufWriter { inner, .. } = self else { unreachable!() };
                inner.flush()
            }
            Node::Take { .. } | Node::Chain { .. } => unreachable!(),
        }
    }

    fn shut_down(&mut self) -> Result<()> {
        match self {
            Node::Device(device) => block(|| device.shut_down()),
            Node::BufReader { inner, .. } => inner.shut_down(),
            Node::Join { writer, .. } => writer.shut_down(),
            Node::BufWriter { .. } => {
                self.hand_on()?;
                let Node::BufWriter { inner, .. } = self else { unreachable!() };
                inner.shut_down()
            }
            Node::Take { .. } | Node::Chain { .. } => unreachable!(),
        }
    }

    /// Moves as a whole or not at all.
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        match self {
            Node::Device(device) => {
                device.start_seek(to)?;
                block(|| device.finish_seek())
            }
            Node::BufReader { buffer, inner, .. } => {
                let ahead = i64::try_from(buffer.len()).unwrap();
                let position = match to {
                    SeekFrom::Current(by) => match by.checked_sub(ahead) {
                        Some(by) => inner.seek(SeekFrom::Current(by))?,
                        None => {
                            inner.seek(SeekFrom::Current(-ahead))?;
                            buffer.clear();
                            inner.seek(SeekFrom::Current(by))?
                        }
                    },
                    _ => inner.seek(to)?,
                };
                buffer.clear();
                Ok(position)
            }
            Node::BufWriter { .. } => {
                self.hand_on()?;
                let Node::BufWriter { inner, .. } = self else { unreachable!() };
                inner.seek(to)
            }
            _ => unreachable!(),
        }
    }

    fn unwritten(&self) -> Vec<u8> {
        match self {
            Node::BufWriter { buffer, .. } => buffer.clone(),
            _ => Vec::new(),
        }
    }

    /// What remains of the devices at the bottom.
    fn remains(&self, to: &mut Vec<Remains>) {
        match self {
            Node::Device(device) => to.push(device.remains()),
            Node::BufReader { inner, .. } | Node::BufWriter { inner, .. } | Node::Take { inner, .. } => {
                inner.remains(to);
            }
            Node::Chain { first, second, .. } | Node::Join { reader: first, writer: second } => {
                first.remains(to);
                second.remains(to);
            }
        }
    }
}

fn build(stack: Stack, first: Node, second: Node) -> Node {
    match stack {
        Stack::Plain | Stack::Boxed | Stack::Split => first,
        Stack::Join => Node::Join { reader: Box::new(first), writer: Box::new(second) },
        Stack::BufReader(capacity) => buf_reader(capacity, first),
        Stack::BufWriter(capacity) => buf_writer(capacity, first),
        Stack::BufStream(reader, writer) | Stack::Inverted(reader, writer) => {
            buf_reader(reader, buf_writer(writer, first))
        }
        Stack::Take(limit) => take(limit, first),
        Stack::TakeOfBufReader(limit, capacity) => take(limit, buf_reader(capacity, first)),
        Stack::Chain => chain(first, second),
        Stack::BufReaderOfChain(capacity) => buf_reader(capacity, chain(first, second)),
        Stack::ChainOfBufReaders(one, two) => chain(buf_reader(one, first), buf_reader(two, second)),
    }
}

/// What must come of a case.
pub(crate) fn run(case: &Case) -> Report {
    let [first, second] = case.scripts.clone().map(|script| Node::Device(Box::new(Device::new(script))));
    let mut node = build(case.stack, first, second);
    let mut payload = Payload::default();
    let outcomes = case.ops.iter().map(|&op| {
        let (result, buffer) = match op.family() {
            Family::Read => read(&mut node, op),
            Family::BufRead => buf_read(&mut node, op),
            Family::Write => write(&mut node, op, &mut payload),
            Family::Seek => (seek(&mut node, op).map(Value::Count), Vec::new()),
        };
        Outcome { result, buffer, unwritten: node.unwritten() }
    });
    let outcomes = outcomes.collect();
    let mut remains = Vec::new();
    node.remains(&mut remains);
    // A device that the stack has no use for is dropped at once.
    let unused = Device::new(case.scripts[1].clone()).remains();
    let mut remains = remains.into_iter().chain([unused]);
    Report { outcomes, remains: [remains.next().unwrap(), remains.next().unwrap()] }
}

/// What an operation answered, and the caller's buffer after it.
type Answer = (Result<Value>, Vec<u8>);

fn read_exact(node: &mut Node, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        match uninterrupted(|| node.read(len - bytes.len()))? {
            more if more.is_empty() => return Err(ErrorKind::UnexpectedEof),
            more => bytes.extend(more),
        }
    }
    Ok(bytes)
}

/// Reads to the end. After an error what was read before is in `buffer`.
fn read_to_end(node: &mut Node, buffer: &mut Vec<u8>) -> Result<()> {
    loop {
        match uninterrupted(|| node.read(1 << 20))? {
            more if more.is_empty() => return Ok(()),
            more => buffer.extend(more),
        }
    }
}

/// Reads up to and with `byte`. After an error what was read before is in `buffer`.
fn read_until(node: &mut Node, byte: u8, buffer: &mut Vec<u8>) -> Result<()> {
    loop {
        let filled = uninterrupted(|| node.fill())?;
        let found = filled.iter().position(|&other| other == byte);
        let used = found.map_or(filled.len(), |at| at + 1);
        buffer.extend(&filled[..used]);
        node.consume(used);
        if found.is_some() || used == 0 {
            return Ok(());
        }
    }
}

/// The bytes that were appended, if they are text.
fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| ErrorKind::InvalidData)
}

fn read(node: &mut Node, op: Op) -> Answer {
    match op {
        Op::Read(len) => (node.read(len).map(Value::Bytes), Vec::new()),
        Op::ReadBuf(0) => (Ok(Value::Count(0)), Vec::new()),
        Op::ReadBuf(len) => match node.read(len) {
            Ok(bytes) => (Ok(Value::Count(bytes.len() as u64)), bytes),
            Err(error) => (Err(error), Vec::new()),
        },
        Op::ReadExact(len) => (read_exact(node, len).map(Value::Bytes), Vec::new()),
        Op::ReadNumber(index) => {
            let (size, is_little_endian) = NUMBERS[index];
            let bytes = read_exact(node, size).map(|mut bytes| {
                if is_little_endian {
                    bytes.reverse();
                }
                bytes
            });
            (bytes.map(Value::Bytes), Vec::new())
        }
        Op::ReadToEnd(_) => {
            let mut buffer = Vec::new();
            let result = read_to_end(node, &mut buffer);
            appended(result, buffer)
        }
        Op::ReadToString => {
            // Only text that has been read to its end is kept.
            let mut buffer = Vec::new();
            let result = read_to_end(node, &mut buffer).and_then(|()| text(buffer));
            match result {
                Ok(text) => appended(Ok(()), text.into_bytes()),
                Err(error) => appended(Err(error), Vec::new()),
            }
        }
        _ => unreachable!(),
    }
}

fn appended(result: Result<()>, read: Vec<u8>) -> Answer {
    let count = Value::Count(read.len() as u64);
    (result.map(|()| count), [BEFORE.as_bytes(), &read].concat())
}

fn buf_read(node: &mut Node, op: Op) -> Answer {
    match op {
        Op::FillBuf(amount) => {
            let filled = node.fill();
            if let Ok(filled) = &filled {
                node.consume(amount.min(filled.len()));
            }
            (filled.map(Value::Bytes), Vec::new())
        }
        Op::ReadUntil(byte) => {
            let mut buffer = Vec::new();
            let result = read_until(node, byte, &mut buffer);
            appended(result, buffer)
        }
        Op::ReadLine => {
            // After an error of the reader, what was read before is kept if it is text.
            let mut buffer = Vec::new();
            let result = read_until(node, b'\n', &mut buffer);
            match text(buffer) {
                Ok(text) => appended(result, text.into_bytes()),
                Err(invalid) => appended(result.and(Err(invalid)), Vec::new()),
            }
        }
        Op::Lines(times) => {
            let items = pieces(node, b'\n', times).map(|line| {
                let line = line?.map(|mut line| {
                    if line.pop_if(|&mut last| last == b'\n').is_some() {
                        line.pop_if(|&mut last| last == b'\r');
                    }
                    text(line).map(String::into_bytes)
                });
                line.transpose()
            });
            (Ok(Value::Items(items.collect())), Vec::new())
        }
        Op::Split(byte, times) => {
            let items = pieces(node, byte, times).map(|segment| {
                Ok(segment?.map(|mut segment| {
                    segment.pop_if(|&mut last| last == byte);
                    segment
                }))
            });
            (Ok(Value::Items(items.collect())), Vec::new())
        }
        _ => unreachable!(),
    }
}

/// What comes up to and with each `byte`. A piece that an error interrupts is gone on with after it.
fn pieces(node: &mut Node, byte: u8, times: usize) -> impl Iterator<Item = Result<Option<Vec<u8>>>> {
    let mut piece = Vec::new();
    (0..times).map(move |_| {
        read_until(node, byte, &mut piece)?;
        Ok(if piece.is_empty() { None } else { Some(std::mem::take(&mut piece)) })
    })
}

fn write_all(node: &mut Node, bytes: &[u8]) -> Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match uninterrupted(|| node.write(&bytes[written..]))? {
            0 => return Err(ErrorKind::WriteZero),
            more => written += more,
        }
    }
    Ok(())
}

/// One write of bytes that come in two parts, which are drained of what is taken.
fn write_parts(node: &mut Node, parts: &mut [Vec<u8>; 2]) -> Result<usize> {
    let taken = if node.is_vectored() {
        let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).cloned().collect();
        node.write_vectored(&parts)?
    } else {
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], Vec::as_slice);
        node.write(first)?
    };
    let from_first = taken.min(parts[0].len());
    parts[0].drain(..from_first);
    parts[1].drain(..taken - from_first);
    Ok(taken)
}

fn write(node: &mut Node, op: Op, payload: &mut Payload) -> Answer {
    let mut buffer = Vec::new();
    let result = match op {
        Op::Write(len) => node.write(&payload.take(len)).map(|taken| Value::Count(taken as u64)),
        Op::WriteVectored(lens) => {
            let parts = lens.map(|len| payload.take(len));
            node.write_vectored(&parts).map(|taken| Value::Count(taken as u64))
        }
        Op::WriteAll(len) => write_all(node, &payload.take(len)).map(|()| Value::Done),
        Op::WriteNumber(index) => {
            let (size, is_little_endian) = NUMBERS[index];
            let mut bytes = payload.take(size);
            if is_little_endian {
                bytes.reverse();
            }
            write_all(node, &bytes).map(|()| Value::Done)
        }
        Op::WriteBuf(lens) => {
            let mut parts = lens.map(|len| payload.take(len));
            let result = if parts.concat().is_empty() { Ok(0) } else { write_parts(node, &mut parts) };
            buffer = parts.concat();
            result.map(|taken| Value::Count(taken as u64))
        }
        Op::WriteAllBuf(lens) => {
            let mut parts = lens.map(|len| payload.take(len));
            let result = loop {
                if parts.concat().is_empty() {
                    break Ok(Value::Done);
                }
                match uninterrupted(|| write_parts(node, &mut parts)) {
                    Ok(0) => break Err(ErrorKind::WriteZero),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            };
            buffer = parts.concat();
            result
        }
        Op::Flush => node.flush().map(|()| Value::Done),
        Op::Shutdown => node.shut_down().map(|()| Value::Done),
        _ => unreachable!(),
    };
    (result, buffer)
}

fn seek(node: &mut Node, op: Op) -> Result<u64> {
    node.seek(match op {
        Op::Seek(to) => to,
        Op::Rewind => SeekFrom::Start(0),
        Op::StreamPosition => SeekFrom::Current(0),
        _ => unreachable!(),
    })
}
