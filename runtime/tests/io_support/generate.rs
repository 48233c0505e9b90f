//! Cases: all small ones, and large ones at random.

use std::io::SeekFrom;

use fastrand::Rng;

use crate::case::{Case, Event, Family, NUMBERS, Op, Script, Stack};

const EVENTS: [Event; 6] =
    [Event::Bytes(1), Event::Bytes(2), Event::Wait, Event::Interrupt, Event::Fail, Event::Zero];

/// Text with a character of two bytes, ends of lines, and a byte that is in no text.
const DATA: &[u8] = b"a\xc3\xbc\r\nb;\n\xff";

/// Each sequence of up to `len` events.
fn scripts(len: usize) -> Vec<Vec<Event>> {
    let mut all = vec![Vec::new()];
    let mut longest = all.clone();
    for _ in 0..len {
        longest = longest
            .iter()
            .flat_map(|script| EVENTS.map(|event| [script.as_slice(), &[event]].concat()))
            .collect();
        all.extend_from_slice(&longest);
    }
    all
}

/// Calls `check` with each small case: each operation on each stack, after every prefix of each short script, with and
/// without cancellation.
pub(crate) fn each_small(mut check: impl FnMut(&Case)) {
    small_reads(&mut check);
    small_writes(&mut check);
    small_seeks(&mut check);
}

fn small_reads(check: &mut impl FnMut(&Case)) {
    let stacks = [
        Stack::BufReader(3),
        Stack::Chain,
        Stack::Plain,
        Stack::Split,
        Stack::BufReader(1),
        Stack::BufWriter(1),
        Stack::BufStream(2, 1),
        Stack::Take(3),
        Stack::TakeOfBufReader(3, 2),
        Stack::BufReaderOfChain(2),
        Stack::ChainOfBufReaders(2, 1),
    ];
    let ops = [
        Op::Read(0),
        Op::Read(2),
        Op::ReadBuf(2),
        Op::ReadExact(3),
        Op::ReadNumber(1),
        Op::ReadNumber(4),
        Op::ReadToEnd(0),
        Op::ReadToEnd(36),
        Op::ReadToString,
        Op::FillBuf(1),
        Op::ReadUntil(b';'),
        Op::ReadLine,
        Op::Lines(3),
        Op::Split(b'\n', 3),
    ];
    for read in scripts(4) {
        // The longest on two of them only: there are many.
        let most = if read.len() < 4 { stacks.len() } else { 2 };
        for &stack in &stacks[..most] {
            for op in ops.into_iter().filter(|op| stack.can(op.family())) {
                for cancel in [0, !0] {
                    let first = Script { data: DATA[..5].to_vec(), read: read.clone(), ..Script::default() };
                    let second = Script { data: DATA[5..].to_vec(), ..Script::default() };
                    // The second one shows what the first has left.
                    let ops = vec![op, Op::ReadToEnd(0)];
                    check(&Case { stack, scripts: [first, second], ops, cancel });
                }
            }
        }
    }
    for read in scripts(2) {
        for number in 0..NUMBERS.len() {
            let script = Script { data: (1..=33).collect(), read: read.clone(), ..Script::default() };
            let ops = vec![Op::ReadNumber(number), Op::ReadNumber(number), Op::ReadToEnd(0)];
            check(&Case {
                stack: Stack::BufReader(5),
                scripts: [script, Script::default()],
                ops,
                cancel: !0,
            });
        }
    }
}

fn small_writes(check: &mut impl FnMut(&Case)) {
    let stacks = [
        Stack::BufWriter(3),
        Stack::Plain,
        Stack::Split,
        Stack::BufReader(2),
        Stack::BufWriter(0),
        Stack::BufWriter(1),
        Stack::BufStream(2, 4),
    ];
    let ops = [
        Op::Write(0),
        Op::Write(2),
        Op::WriteVectored([1, 0, 2]),
        Op::WriteAll(3),
        Op::WriteNumber(4),
        Op::WriteBuf([1, 2]),
        Op::WriteAllBuf([2, 3]),
        Op::Flush,
        Op::Shutdown,
    ];
    let flushes = scripts(1);
    for write in scripts(3) {
        let most = if write.len() < 3 { stacks.len() } else { 1 };
        for &stack in &stacks[..most] {
            for first in ops {
                for second in ops.into_iter().filter(|_| first != Op::Shutdown) {
                    for (vectored, cancel) in [(false, 0), (true, !0)] {
                        let flush = flushes[(write.len() + vectored as usize) % flushes.len()].clone();
                        let script = Script { write: write.clone(), flush, vectored, ..Script::default() };
                        let ops = match second {
                            Op::Shutdown => vec![first, second],
                            _ => vec![first, second, Op::Flush, Op::Shutdown],
                        };
                        check(&Case { stack, scripts: [script, Script::default()], ops, cancel });
                    }
                }
            }
        }
    }
    for write in scripts(2) {
        for number in 0..NUMBERS.len() {
            let script = Script { write: write.clone(), ..Script::default() };
            let ops = vec![Op::WriteNumber(number), Op::WriteNumber(number), Op::Flush];
            check(&Case {
                stack: Stack::BufWriter(5),
                scripts: [script, Script::default()],
                ops,
                cancel: !0,
            });
        }
    }
}

fn small_seeks(check: &mut impl FnMut(&Case)) {
    let stacks = [
        Stack::BufReader(3),
        Stack::BufWriter(3),
        Stack::BufStream(3, 3),
        Stack::Inverted(3, 3),
        Stack::Plain,
    ];
    let ops = [
        Op::Seek(SeekFrom::Start(2)),
        Op::Seek(SeekFrom::End(-1)),
        Op::Seek(SeekFrom::Current(1)),
        Op::Seek(SeekFrom::Current(-1)),
        Op::Seek(SeekFrom::Current(i64::MIN)),
        Op::Rewind,
        Op::StreamPosition,
    ];
    for seek in scripts(4) {
        let most = if seek.len() < 3 { stacks.len() } else { 5 - seek.len() };
        for &stack in &stacks[..most] {
            for (first, second) in ops.into_iter().flat_map(|first| ops.map(|second| (first, second))) {
                let script = Script { data: DATA.to_vec(), seek: seek.clone(), ..Script::default() };
                let ops = vec![
                    Op::Read(1),
                    Op::WriteAll(2),
                    first,
                    Op::Read(1),
                    second,
                    // Whatever failed before, this one goes where it is told to, unless it fails itself.
                    Op::Seek(SeekFrom::Start(1)),
                    Op::ReadToEnd(0),
                ];
                check(&Case { stack, scripts: [script, Script::default()], ops, cancel: 0 });
            }
        }
    }
}

/// One case at random.
pub(crate) fn random(rng: &mut Rng) -> Case {
    let stack = random_stack(rng);
    let scripts = [random_script(rng), random_script(rng)];
    let mut ops = Vec::new();
    while ops.len() < 8 {
        let op = random_op(rng);
        if stack.can(op.family()) {
            ops.push(op);
        }
    }
    if stack.can(Family::Write) && rng.bool() {
        ops.push(Op::Shutdown);
    }
    Case { stack, scripts, ops, cancel: rng.u64(..) }
}

fn random_stack(rng: &mut Rng) -> Stack {
    let (one, two) = (rng.usize(1..10), rng.usize(1..10));
    match rng.u8(..13) {
        0 => Stack::Plain,
        1 => Stack::Boxed,
        2 => Stack::Split,
        3 => Stack::Join,
        4 => Stack::BufReader(one),
        5 => Stack::BufWriter(two - 1),
        6 => Stack::BufStream(one, two),
        7 => Stack::Inverted(one, two),
        8 => Stack::Take(one as u64 * 4),
        9 => Stack::TakeOfBufReader(one as u64 * 4, two),
        10 => Stack::Chain,
        11 => Stack::BufReaderOfChain(one),
        _ => Stack::ChainOfBufReaders(one, two),
    }
}

fn random_script(rng: &mut Rng) -> Script {
    // Most are text; else bytes that are none come in.
    let text = if rng.u8(..4) == 0 { DATA } else { &DATA[..DATA.len() - 1] };
    let data = (0..rng.usize(..20))
        .flat_map(|_| if rng.bool() { &text[1..3] } else { &text[rng.usize(3..text.len())..][..1] });
    let data = data.copied().collect();
    let mut events = |max: usize| {
        let events = (0..rng.usize(..=max)).map(|_| match rng.u8(..10) {
            0..=4 => Event::Bytes(rng.usize(1..8)),
            5 | 6 => Event::Wait,
            7 => Event::Interrupt,
            8 => Event::Fail,
            _ => Event::Zero,
        });
        events.collect()
    };
    let (read, write, flush, seek) = (events(16), events(16), events(4), events(6));
    Script { data, read, write, flush, seek, vectored: rng.bool() }
}

fn random_op(rng: &mut Rng) -> Op {
    let mut len = || rng.usize(..12);
    let (one, two, three) = (len(), len(), len());
    match rng.u8(..24) {
        0 | 1 => Op::Read(one),
        2 => Op::ReadBuf(one),
        3 => Op::ReadExact(one),
        4 => Op::ReadNumber(rng.usize(..NUMBERS.len())),
        5 => Op::ReadToEnd(one * 8),
        6 => Op::ReadToString,
        7 => Op::FillBuf(one),
        8 => Op::ReadUntil(b';'),
        9 => Op::ReadLine,
        10 => Op::Lines(1 + one % 4),
        11 => Op::Split(b';', 1 + one % 4),
        12 => Op::Write(one),
        13 => Op::WriteVectored([one, two, three]),
        14 => Op::WriteAll(one * 2),
        15 => Op::WriteNumber(rng.usize(..NUMBERS.len())),
        16 => Op::WriteBuf([one, two]),
        17 => Op::WriteAllBuf([one, two]),
        18 | 19 => Op::Flush,
        20 => Op::Seek(SeekFrom::Start(one as u64 * 4)),
        21 => Op::Seek(SeekFrom::End(-(one as i64))),
        22 => Op::Seek(SeekFrom::Current(two as i64 - three as i64)),
        _ => [Op::Rewind, Op::StreamPosition][one % 2],
    }
}
