//! One connection's side of the conversation, without the socket: what to send, what must come back, what is open.
//!
//! Next file to read: `load/tcp/threads.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::Talk;
use crate::record::StreamId;
use crate::wire::Failure;

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) planned: u64,
    pub(super) sent: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Lane<T> {
    talk: T,
    flights: VecDeque<Flight>,
    max_in_flight: usize,
    /// Bytes to send, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// Answers so far.
    answered: u64,
}

impl<T: Talk> Lane<T> {
    pub(super) fn new(talk: T, max_in_flight: usize) -> Self {
        Self { talk, flights: VecDeque::new(), max_in_flight, out: Vec::new(), written: 0, answered: 0 }
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
        self.talk.ask(&mut self.out);
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

    /// Takes bytes that came back, and calls `answered` for each request that they complete, with the stream of its
    /// kind.
    ///
    /// # Errors
    ///
    /// They are not what must come back.
    pub(super) fn received(
        &mut self,
        bytes: &[u8],
        mut answered: impl FnMut(Flight, Option<StreamId>),
    ) -> Result<(), Failure> {
        let Self { talk, flights, answered: so_far, .. } = self;
        let wrong = |number: u64, what: &str| {
            Err(Failure::broken(format!("the server answered request {number} with {what}")))
        };
        if flights.is_empty() {
            return wrong(*so_far, "bytes that nobody asked for");
        }
        let mut surplus = false;
        let heard = talk.hear(bytes, |kind| match flights.pop_front() {
            Some(flight) => {
                *so_far += 1;
                answered(flight, kind);
            }
            None => surplus = true,
        });
        match heard {
            _ if surplus => wrong(*so_far, "bytes that nobody asked for"),
            Err(what) => wrong(*so_far, &what),
            Ok(()) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks with one letter after another, and is answered with the same.
    #[derive(Default)]
    struct Letters {
        asked: u8,
        heard: u8,
    }

    impl Talk for Letters {
        fn ask(&mut self, out: &mut Vec<u8>) {
            out.extend_from_slice(&[b'a' + self.asked; 4]);
            self.asked += 1;
        }

        fn hear(&mut self, bytes: &[u8], mut answered: impl FnMut(Option<StreamId>)) -> Result<(), String> {
            for byte in bytes {
                if *byte != b'a' + self.heard / 4 {
                    return Err(format!("{byte}"));
                }
                self.heard += 1;
                if self.heard.is_multiple_of(4) {
                    answered(None);
                }
            }
            Ok(())
        }
    }

    #[test]
    fn answers_in_any_slices_complete_their_requests_in_order() {
        for slice in 1..13 {
            let mut lane = Lane::new(Letters::default(), 3);
            (0..3).for_each(|i| lane.start(Flight { planned: i, sent: 10 + i }));
            assert!(!lane.has_room());
            let bytes = lane.pending().to_vec();
            lane.wrote(7);
            assert_eq!(lane.pending(), &bytes[7..]);
            lane.wrote(bytes.len() - 7);
            assert!(lane.pending().is_empty());
            let mut answered = Vec::new();
            for part in bytes.chunks(slice) {
                lane.received(part, |flight, _| answered.push(flight.planned)).unwrap();
            }
            assert_eq!(answered, [0, 1, 2]);
            assert_eq!(lane.in_flight(), 0);
        }
    }

    #[test]
    fn a_wrong_answer_and_one_too_many_are_noticed() {
        let lane = || {
            let mut lane = Lane::new(Letters::default(), 3);
            lane.start(Flight { planned: 0, sent: 0 });
            lane
        };
        let text = |result: Result<(), Failure>| result.unwrap_err().message;
        assert!(text(lane().received(b"aab", |_, _| panic!("wrong"))).contains("request 0 with 98"));
        assert!(text(lane().received(b"aaaabbbb", |_, _| ())).contains("nobody asked for"));
        let mut one = lane();
        one.received(b"aaaa", |_, _| ()).unwrap();
        assert!(text(one.received(b"b", |_, _| ())).contains("request 1 with bytes that nobody asked for"));
    }
}
