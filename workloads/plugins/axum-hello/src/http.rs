//! The client's side of one connection: as much of HTTP/1.1 as asks one service and verifies its answers.
//!
//! Source: RFC 9112, sections 3 to 6. Connections are kept, and answers have a `Content-Length`.
#![forbid(unsafe_code)]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use workloads::load::tcp::Talk;
use workloads::record::StreamId;

/// The most bytes of a status line and headers.
const MAX_HEAD: usize = 16 << 10;
/// How much of a wrong answer a message shows.
const SHOWN: usize = 80;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// A greeting by a name that differs from request to request.
    Hello,
    /// These bytes.
    Body(Arc<str>),
}

/// Asks and verifies.
#[derive(Debug)]
pub(crate) struct Caller {
    host: SocketAddr,
    route: Route,
    connection: usize,
    asked: u64,
    answered: u64,
    /// What is here of the next answer's head.
    head: Vec<u8>,
    /// How much of the next answer's body is here, once its head is.
    matched: Option<usize>,
    /// The greeting that the next answer must have.
    greeting: Vec<u8>,
}

impl Caller {
    /// A connection to `host`, with a number that makes its requests its own.
    pub(crate) fn new(host: SocketAddr, route: Route, connection: usize) -> Self {
        let (head, greeting) = (Vec::new(), Vec::new());
        Self { host, route, connection, asked: 0, answered: 0, head, matched: None, greeting }
    }

    /// Takes bytes of a head; how many, and whether it is here as a whole then.
    fn take_head(&mut self, bytes: &[u8]) -> Result<(usize, bool), String> {
        // The end of a head may lie across two slices.
        let before = self.head.len();
        let from = before.saturating_sub(3);
        self.head.extend_from_slice(bytes);
        match find(&self.head[from..], b"\r\n\r\n") {
            Some(place) => {
                let end = from + place + 4;
                self.head.truncate(end);
                Ok((end - before, true))
            }
            None if self.head.len() > MAX_HEAD => Err(format!("a head of more than {MAX_HEAD} bytes")),
            None => Ok((bytes.len(), false)),
        }
    }
}

impl Talk for Caller {
    fn ask(&mut self, out: &mut Vec<u8>) {
        let Self { host, connection, asked, .. } = self;
        match self.route {
            Route::Hello => put(out, format_args!("GET /hello/{connection}-{asked} HTTP/1.1\r\n")),
            Route::Body(_) => put(out, format_args!("GET /body HTTP/1.1\r\n")),
        }
        put(out, format_args!("Host: {host}\r\n\r\n"));
        self.asked += 1;
    }

    fn hear(&mut self, mut bytes: &[u8], mut answered: impl FnMut(Option<StreamId>)) -> Result<(), String> {
        while !bytes.is_empty() {
            let Some(matched) = &mut self.matched else {
                if self.answered == self.asked {
                    return Err("more than was asked for".to_owned());
                }
                let (taken, is_whole) = self.take_head(bytes)?;
                bytes = &bytes[taken..];
                if is_whole {
                    self.greeting.clear();
                    put(&mut self.greeting, format_args!("Hello, {}-{}!", self.connection, self.answered));
                    check_head(&self.head, body(&self.route, &self.greeting).len())?;
                    self.head.clear();
                    self.matched = Some(0);
                }
                continue;
            };
            let left = &body(&self.route, &self.greeting)[*matched..];
            let n = left.len().min(bytes.len());
            if bytes[..n] != left[..n] {
                return Err(format!("the body {}, at byte {}", shown(bytes), *matched));
            }
            *matched += n;
            bytes = &bytes[n..];
            if n == left.len() {
                self.matched = None;
                self.answered += 1;
                answered(None);
            }
        }
        Ok(())
    }
}

/// What the body of an answer must be.
fn body<'a>(route: &'a Route, greeting: &'a [u8]) -> &'a [u8] {
    match route {
        Route::Hello => greeting,
        Route::Body(text) => text.as_bytes(),
    }
}

/// The status must be 200, and the length that of the body to come.
fn check_head(head: &[u8], length: usize) -> Result<(), String> {
    let text = str::from_utf8(head).map_err(|_| format!("a head that is no text: {}", shown(head)))?;
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.strip_prefix("HTTP/1.1 200").is_none_or(|rest| !rest.is_empty() && !rest.starts_with(' ')) {
        return Err(format!("status {}", shown(status.as_bytes())));
    }
    let mut lengths = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    match (lengths.next(), lengths.next()) {
        (Some(value), None) if value.parse() == Ok(length) => Ok(()),
        (Some(value), None) => Err(format!("a length of {}, not {length}", shown(value.as_bytes()))),
        _ => Err("no Content-Length, or several".to_owned()),
    }
}

fn shown(bytes: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn put(to: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    to.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(route: Route) -> Caller {
        Caller::new(([127, 0, 0, 1], 80).into(), route, 7)
    }

    fn answer(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn answers_in_any_slices_are_verified_in_order() {
        let greetings: String = (0..3).map(|i| answer(&format!("Hello, 7-{i}!"))).collect();
        for slice in 1..=greetings.len() {
            let mut caller = caller(Route::Hello);
            let mut asked = Vec::new();
            (0..3).for_each(|_| caller.ask(&mut asked));
            assert!(
                asked.starts_with(b"GET /hello/7-0 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\nGET /hello/7-1")
            );
            let mut heard = 0;
            for part in greetings.as_bytes().chunks(slice) {
                caller.hear(part, |_| heard += 1).unwrap();
            }
            assert_eq!(heard, 3, "slices of {slice}");
            assert!(caller.hear(b"H", |_| panic!("nothing was asked")).is_err());
        }
    }

    #[test]
    fn a_wrong_status_length_or_body_is_told() {
        let other_length = answer("Hello, 7-0!").replace(": 11", ": 12");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_HEAD));
        for (answer, part) in [
            (answer("Hello, 7-1!"), "at byte 9"),
            (answer("Hello, 7-0!").replace("200 OK", "503 Service Unavailable"), "503 Service Unavailable"),
            (answer("Hello, 7-0!").replace("200", "2000"), "2000"),
            (answer("Hello, 7-0!").replace("1.1", "1.0"), "HTTP/1.0"),
            (other_length, "12"),
            (chunked.to_owned(), "no Content-Length"),
            (endless, "more than 16384 bytes"),
        ] {
            // By the byte: a wrong byte is told at its place, not at its slice's.
            let mut caller = caller(Route::Hello);
            caller.ask(&mut Vec::new());
            let heard = answer.as_bytes().chunks(1).try_for_each(|byte| caller.hear(byte, |_| ()));
            let problem = heard.expect_err(part);
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn a_fixed_body_is_verified_to_its_last_byte() {
        let text: Arc<str> = "0123456789".into();
        let mut caller = caller(Route::Body(text));
        let mut asked = Vec::new();
        caller.ask(&mut asked);
        assert!(asked.starts_with(b"GET /body HTTP/1.1\r\n"));
        assert!(caller.hear(answer("012345678x").as_bytes(), |_| panic!("wrong")).is_err());
    }
}
