//! One connection's side of the conversation, without the socket: what to send, what must come back, what is open.
//!
//! Next file to read: `load/tcp/threads.rs`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::Talk;
use crate::load::Due;
use crate::record::StreamId;
use crate::wire::Failure;

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) planned: u64,
    /// Whether it had to wait for a place.
    pub(super) queued: bool,
    /// When its bytes were given to the system, or would have been, had there been room.
    pub(super) sent: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Lane<T> {
    talk: T,
    flights: VecDeque<Flight>,
    /// How many of them, the last ones, are not sent yet.
    unsent: usize,
    max_in_flight: usize,
    /// Bytes to send, from `written` on.
    out: Vec<u8>,
    written: usize,
    /// Answers so far.
    answered: u64,
}

impl<T: Talk> Lane<T> {
    pub(super) fn new(talk: T, max_in_flight: usize) -> Self {
        let (flights, out) = (VecDeque::new(), Vec::new());
        Self { talk, flights, unsent: 0, max_in_flight, out, written: 0, answered: 0 }
    }

    pub(super) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many more requests may be under way.
    pub(super) fn room(&self) -> usize {
        self.max_in_flight.saturating_sub(self.flights.len())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// When the unanswered requests that were sent had been planned.
    pub(super) fn planned(&self) -> impl Iterator<Item = u64> {
        self.flights.iter().take(self.flights.len() - self.unsent).map(|flight| flight.planned)
    }

    /// Puts the request of an operation that is due behind the bytes to send.
    pub(super) fn start(&mut self, due: Due) {
        self.talk.ask(&mut self.out);
        self.flights.push_back(Flight { planned: due.planned, queued: due.queued, sent: 0 });
        self.unsent += 1;
    }

    /// Whether requests were started and not sent yet.
    pub(super) fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// All bytes are given to the system at `now`: calls `sent` for each request that had not been sent before.
    pub(super) fn send(&mut self, now: u64, mut sent: impl FnMut(Flight)) {
        let first = self.flights.len() - self.unsent;
        for flight in self.flights.range_mut(first..) {
            flight.sent = now;
            sent(*flight);
        }
        self.unsent = 0;
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
            (0..3).for_each(|planned| lane.start(Due { planned, queued: false }));
            lane.send(10, |_| ());
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
    fn a_request_is_sent_when_its_bytes_are_given_to_the_system_and_once() {
        let mut lane = Lane::new(Letters::default(), 9);
        let due = |planned| Due { planned, queued: planned == 1 };
        lane.start(due(0));
        lane.start(due(1));
        assert_eq!(lane.planned().count(), 0);
        let mut sent = Vec::new();
        lane.send(70, |flight| sent.push(flight));
        lane.start(due(2));
        assert_eq!(lane.planned().collect::<Vec<_>>(), [0, 1], "the third one is not sent yet");
        lane.send(80, |flight| sent.push(flight));
        lane.send(90, |flight| sent.push(flight));
        let flight = |planned, sent| Flight { planned, queued: planned == 1, sent };
        assert_eq!(sent, [flight(0, 70), flight(1, 70), flight(2, 80)]);
        let mut answered = Vec::new();
        lane.received(b"aaaabbbbcccc", |flight, _| answered.push(flight.sent)).unwrap();
        assert_eq!(answered, [70, 70, 80]);
    }

    #[test]
    fn a_wrong_answer_and_one_too_many_are_noticed() {
        let lane = || {
            let mut lane = Lane::new(Letters::default(), 3);
            lane.start(Due { planned: 0, queued: false });
            lane.send(0, |_| ());
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
