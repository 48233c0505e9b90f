//! The wire format: what of RESP 2 a server must read, and the replies that it writes.
//!
//! Source: the Redis serialization protocol specification, version 2, with its inline commands.
//!
//! Next file to read: `store.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::io::Write;
use std::ops::Range;

/// The most arguments of one command.
pub(crate) const MAX_ARGS: usize = 1024;
/// The most bytes of one argument.
pub(crate) const MAX_BULK: usize = 1 << 20;
/// The most bytes of one command.
pub(crate) const MAX_COMMAND: usize = 4 << 20;
/// The most bytes of an inline command, or of the number in a header.
const MAX_LINE: usize = 64 << 10;

/// Bytes that are no command. The connection cannot find its way back from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    ArgumentCount,
    ArgumentLength,
    NoBulk,
    NoLineEnd,
    LongLine,
    LongCommand,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArgumentCount => "invalid multibulk length",
            Self::ArgumentLength => "invalid bulk length",
            Self::NoBulk => "expected '$'",
            Self::NoLineEnd => "expected CR LF after an argument",
            Self::LongLine => "too big inline request",
            Self::LongCommand => "too big request",
        })
    }
}

/// Finds the first command in `bytes`: where its arguments are, and how many bytes it takes. `None`: it is not here
/// as a whole. A command without arguments means nothing and is to be skipped.
pub(crate) fn command(bytes: &[u8], args: &mut Vec<Range<usize>>) -> Result<Option<usize>, Malformed> {
    args.clear();
    let found = match bytes.first() {
        None => Ok(None),
        Some(b'*') => array(bytes, args),
        Some(_) => inline(bytes, args),
    };
    match found {
        Ok(None) if bytes.len() >= MAX_COMMAND => Err(Malformed::LongCommand),
        found => found,
    }
}

fn array(bytes: &[u8], args: &mut Vec<Range<usize>>) -> Result<Option<usize>, Malformed> {
    let Some((count, mut at)) = number(bytes, 1, Malformed::ArgumentCount)? else { return Ok(None) };
    // None at all, or the null array: both mean nothing.
    let count = usize::try_from(count).unwrap_or(0);
    if count > MAX_ARGS {
        return Err(Malformed::ArgumentCount);
    }
    for _ in 0..count {
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(_) => return Err(Malformed::NoBulk),
        }
        let Some((length, start)) = number(bytes, at + 1, Malformed::ArgumentLength)? else {
            return Ok(None);
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BULK);
        let end = start + length.ok_or(Malformed::ArgumentLength)?;
        let Some(line_end) = bytes.get(end..end + 2) else { return Ok(None) };
        if line_end != b"\r\n" {
            return Err(Malformed::NoLineEnd);
        }
        args.push(start..end);
        at = end + 2;
    }
    Ok(Some(at))
}

/// The number in the line from `at` on, and where the next line begins.
fn number(bytes: &[u8], at: usize, malformed: Malformed) -> Result<Option<(i64, usize)>, Malformed> {
    /// `-9223372036854775808`
    const LONGEST: usize = 20;
    let line = &bytes[at..];
    match line.iter().take(LONGEST + 1).position(|byte| *byte == b'\r') {
        Some(end) => match line.get(end + 1) {
            None => Ok(None),
            Some(b'\n') => integer(&line[..end]).map(|n| Some((n, at + end + 2))).ok_or(malformed),
            Some(_) => Err(malformed),
        },
        None if line.len() <= LONGEST => Ok(None),
        None => Err(malformed),
    }
}

/// Words in a line, for people with nothing but a terminal. Quotes mean nothing.
fn inline(bytes: &[u8], args: &mut Vec<Range<usize>>) -> Result<Option<usize>, Malformed> {
    let Some(end) = bytes.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() >= MAX_LINE { Err(Malformed::LongLine) } else { Ok(None) };
    };
    let mut word = None;
    for (i, byte) in bytes[..=end].iter().enumerate() {
        match word {
            None if !byte.is_ascii_whitespace() => word = Some(i),
            Some(start) if byte.is_ascii_whitespace() => {
                args.push(start..i);
                word = None;
            }
            _ => {}
        }
    }
    if args.len() > MAX_ARGS { Err(Malformed::ArgumentCount) } else { Ok(Some(end + 1)) }
}

/// A number as the protocol writes it: decimal, signed, and nothing beside it.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let is_plain = text.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
    std::str::from_utf8(text).ok().filter(|_| is_plain)?.parse().ok()
}

/// Replies, put behind one another.
pub(crate) trait Reply {
    /// `+OK`
    fn ok(&mut self);
    /// A short text without line ends.
    fn simple(&mut self, text: &str);
    /// An error; the first word is its kind.
    fn error(&mut self, text: impl fmt::Display);
    /// A number.
    fn number(&mut self, n: i64);
    /// Bytes.
    fn bulk(&mut self, bytes: &[u8]);
    /// Nothing, where bytes would be.
    fn null(&mut self);
    /// So many replies follow and are one.
    fn array(&mut self, length: usize);
}

impl Reply for Vec<u8> {
    fn ok(&mut self) {
        self.extend_from_slice(b"+OK\r\n");
    }

    fn simple(&mut self, text: &str) {
        line(self, format_args!("+{text}"));
    }

    fn error(&mut self, text: impl fmt::Display) {
        line(self, format_args!("-{text}"));
    }

    fn number(&mut self, n: i64) {
        line(self, format_args!(":{n}"));
    }

    fn bulk(&mut self, bytes: &[u8]) {
        line(self, format_args!("${}", bytes.len()));
        self.extend_from_slice(bytes);
        self.extend_from_slice(b"\r\n");
    }

    fn null(&mut self) {
        self.extend_from_slice(b"$-1\r\n");
    }

    fn array(&mut self, length: usize) {
        line(self, format_args!("*{length}"));
    }
}

fn line(to: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    write!(to, "{text}\r\n").expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed<'a> = Result<Option<(Vec<&'a [u8]>, usize)>, Malformed>;

    fn parse(bytes: &[u8]) -> Parsed<'_> {
        let mut args = Vec::new();
        let found = command(bytes, &mut args)?;
        Ok(found.map(|used| (args.iter().map(|arg| &bytes[arg.clone()]).collect(), used)))
    }

    #[test]
    fn a_command_is_found_once_it_is_here_as_a_whole() {
        let whole: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\nv\r\n \r\nPING";
        let length = whole.len() - 4;
        for cut in 0..length {
            assert_eq!(parse(&whole[..cut]), Ok(None), "cut at {cut}");
        }
        let expected: Vec<&[u8]> = vec![b"SET", b"k", b"v\r\n "];
        for end in length..=whole.len() {
            assert_eq!(parse(&whole[..end]), Ok(Some((expected.clone(), length))));
        }
    }

    #[test]
    fn an_inline_command_is_a_line_of_words() {
        let expected: Vec<&[u8]> = vec![b"SET", b"k", b"\"v\""];
        assert_eq!(parse(b" SET\tk  \"v\"\r\nGET"), Ok(Some((expected.clone(), 13))));
        assert_eq!(parse(b"SET k \"v\"\n"), Ok(Some((expected, 10))));
        assert_eq!(parse(b"SET k"), Ok(None));
        assert_eq!(parse(b"\r\n"), Ok(Some((vec![], 2))));
    }

    #[test]
    fn an_array_of_nothing_is_skipped() {
        assert_eq!(parse(b"*0\r\nPING"), Ok(Some((vec![], 4))));
        assert_eq!(parse(b"*-1\r\n"), Ok(Some((vec![], 5))));
        assert_eq!(parse(b"*1\r\n$0\r\n\r\n"), Ok(Some((vec![&b""[..]], 10))));
    }

    #[test]
    fn what_is_no_command_is_refused_by_what_is_wrong_with_it() {
        for (bytes, malformed) in [
            (&b"*x\r\n"[..], Malformed::ArgumentCount),
            (b"*\r\n", Malformed::ArgumentCount),
            (b"*+1\r\n", Malformed::ArgumentCount),
            (b"*1\rx", Malformed::ArgumentCount),
            (b"*1025\r\n", Malformed::ArgumentCount),
            (b"*99999999999999999999\r\n", Malformed::ArgumentCount),
            (b"*0000000000000000000001", Malformed::ArgumentCount),
            (b"*1\r\n:1\r\n", Malformed::NoBulk),
            (b"*1\r\n$-1\r\n", Malformed::ArgumentLength),
            (b"*1\r\n$1048577\r\n", Malformed::ArgumentLength),
            (b"*1\r\n$x\r\n", Malformed::ArgumentLength),
            (b"*1\r\n$1\r\nab\r\n", Malformed::NoLineEnd),
        ] {
            assert_eq!(parse(bytes), Err(malformed), "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(parse(&[b'a'; MAX_LINE]), Err(Malformed::LongLine));
        assert_eq!(parse(&[b'a'; MAX_LINE - 1]), Ok(None));
        assert_eq!(parse(&b"a ".repeat(MAX_ARGS)), Ok(None));
        let mut words = b"a ".repeat(MAX_ARGS + 1);
        words.push(b'\n');
        assert_eq!(parse(&words), Err(Malformed::ArgumentCount));
    }

    #[test]
    fn a_command_beyond_the_limit_is_refused_before_it_is_here() {
        let mut bytes = b"*8\r\n".to_vec();
        for _ in 0..5 {
            bytes.bulk(&vec![0; MAX_BULK]);
        }
        assert_eq!(parse(&bytes[..MAX_COMMAND - 1]), Ok(None));
        assert_eq!(parse(&bytes), Err(Malformed::LongCommand));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let mut random = fastrand::Rng::with_seed(7);
        let alphabet = b"*$:0123456789-\r\n\r\n\r\nPING x\xff";
        for _ in 0..50_000 {
            let bytes: Vec<u8> =
                (0..random.usize(..40)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            if let Ok(Some((args, used))) = parse(&bytes) {
                assert!(used <= bytes.len() && args.iter().map(|arg| arg.len()).sum::<usize>() < used);
            }
        }
    }

    #[test]
    fn replies_are_as_the_protocol_writes_them() {
        let mut out = Vec::new();
        out.array(2);
        out.bulk(b"a\r\n");
        out.null();
        out.number(-5);
        out.simple("PONG");
        out.error("ERR no");
        out.ok();
        assert_eq!(out, b"*2\r\n$3\r\na\r\n\r\n$-1\r\n:-5\r\n+PONG\r\n-ERR no\r\n+OK\r\n");
    }
}
