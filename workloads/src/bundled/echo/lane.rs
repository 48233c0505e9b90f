//! One connection's side of the conversation, without the socket: what to send, what must come back, what is open.
//!
//! Next file to read: `bundled/echo/threads.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::sync::Arc;

use crate::wire::Failure;

/// Requests differ from their neighbours by where in the pattern they begin. A prime, so that the beginnings do not
/// repeat in step with sizes that are powers of two.
const BEGINNINGS: u64 = 251;

/// The bytes of all requests.
#[derive(Debug)]
pub(super) struct Pattern {
    bytes: Vec<u8>,
    size: usize,
}

impl Pattern {
    pub(super) fn new(size: usize, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self { bytes: (0..size + BEGINNINGS as usize).map(|_| random.u8(..)).collect(), size }
    }

    fn request(&self, number: u64) -> &[u8] {
        &self.bytes[(number % BEGINNINGS) as usize..][..self.size]
    }
}

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) planned: u64,
    pub(super) sent: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Lane {
    pattern: Arc<Pattern>,
    flights: VecDeque<Flight>,
    max_in_flight: usize,
    /// Bytes to send, from `written` on.
    out: Vec<u8>,
    written: usize,
    next: u64,
    answered: u64,
    /// How much of the next answer is here.
    matched: usize,
}

impl Lane {
    pub(super) fn new(pattern: Arc<Pattern>, max_in_flight: usize) -> Self {
        Self {
            pattern,
            flights: VecDeque::new(),
            max_in_flight,
            out: Vec::new(),
            written: 0,
            next: 0,
            answered: 0,
            matched: 0,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.flights.len() < self.max_in_flight
    }

    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When the unanswered requests were planned.
    pub(super) fn planned(&self) -> impl Iterator<Item = u64> {
        self.flights.iter().map(|flight| flight.planned)
    }

    /// Puts a request behind the bytes to send.
    pub(super) fn start(&mut self, flight: Flight) {
        self.out.extend_from_slice(self.pattern.request(self.next));
        self.next += 1;
        self.flights.push_back(flight);
    }

    /// The bytes to send.
    pub(super) fn pending(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// So many of them are sent.
    pub(super) fn wrote(&mut self, n: usize) {
        self.written += n;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Takes bytes that came back, and calls `answered` for each request that they complete.
    ///
    /// # Errors
    ///
    /// They are not the bytes that were sent.
    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        mut answered: impl FnMut(Flight),
    ) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let expected = &self.pattern.request(self.answered)[self.matched..];
            let n = expected.len().min(bytes.len());
            let (part, rest) = bytes.split_at(n);
            let open = self.flights.front().copied();
            let Some(flight) = open.filter(|_| part == &expected[..n]) else {
                let what =
                    if open.is_some() { "other bytes than were sent" } else { "bytes that nobody asked for" };
                return Err(Failure::broken(format!(
                    "the server answered request {} with {what}",
                    self.answered
                )));
            };
            self.matched += n;
            bytes = rest;
            if n == expected.len() {
                self.flights.pop_front();
                self.answered += 1;
                self.matched = 0;
                answered(flight);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(size: usize) -> Lane {
        Lane::new(Arc::new(Pattern::new(size, 5)), 3)
    }

    #[test]
    fn answers_in_any_slices_complete_their_requests_in_order() {
        for slice in 1..40 {
            let mut lane = lane(16);
            (0..3).for_each(|i| lane.start(Flight { planned: i, sent: 10 + i }));
            assert!(!lane.has_room());
            let bytes = lane.pending().to_vec();
            lane.wrote(7);
            assert_eq!(lane.pending(), &bytes[7..]);
            lane.wrote(bytes.len() - 7);
            assert!(lane.pending().is_empty());
            let mut answered = Vec::new();
            for part in bytes.chunks(slice) {
                lane.received(part, |flight| answered.push(flight.planned)).unwrap();
            }
            assert_eq!(answered, [0, 1, 2]);
            assert_eq!(lane.in_flight(), 0);
        }
    }

    #[test]
    fn a_wrong_byte_and_an_answer_too_many_are_noticed() {
        let mut one = lane(8);
        one.start(Flight { planned: 0, sent: 0 });
        let mut bytes = one.pending().to_vec();
        bytes[7] ^= 1;
        one.received(&bytes[..7], |_| panic!("not complete")).unwrap();
        assert!(one.received(&bytes[7..], |_| panic!("wrong")).is_err());
        assert!(lane(8).received(&[1], |_| panic!("not asked for")).is_err());
    }

    #[test]
    fn neighbouring_requests_differ() {
        let pattern = Pattern::new(64, 9);
        assert!((0..1000).all(|i| pattern.request(i) != pattern.request(i + 1)));
    }
}
