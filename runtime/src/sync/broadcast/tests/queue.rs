//! The queue of values beside a plain model, under random operations.

use std::collections::{BTreeMap, BTreeSet};

use crate::sync::broadcast::queue::{Lookup, Queue};

/// All values that were ever sent, with the receivers that have not read them.
#[derive(Default)]
struct Model {
    sent: Vec<BTreeSet<usize>>,
    /// Where each receiver is.
    next: BTreeMap<usize, usize>,
    /// The position that each receiver is cloning.
    cloning: BTreeMap<usize, usize>,
}

impl Model {
    /// The first position that is kept: the oldest that somebody has not read, if it is not too old.
    fn start(&self, capacity: usize) -> usize {
        let evicted = self.sent.len().saturating_sub(capacity);
        (evicted..self.sent.len()).find(|at| !self.sent[*at].is_empty()).unwrap_or(self.sent.len())
    }
}

struct Case {
    capacity: usize,
    origin: u64,
    queue: Queue<u64>,
    model: Model,
    taken: BTreeMap<usize, Box<u64>>,
    receivers: usize,
}

impl Case {
    fn new(random: &mut fastrand::Rng) -> Self {
        let capacity = 1 << random.usize(0..5);
        let origin = if random.bool() { 0 } else { u64::MAX - random.u64(0..40) };
        let (model, taken) = Default::default();
        Self { capacity, origin, queue: Queue::new_at(capacity, origin), model, taken, receivers: 0 }
    }

    fn position(&self, at: usize) -> u64 {
        self.origin.wrapping_add(at as u64)
    }

    fn step(&mut self, random: &mut fastrand::Rng) {
        let receivers: Vec<usize> = self.model.next.keys().copied().collect();
        match random.u32(0..10) {
            0 if receivers.len() < 5 => {
                self.receivers += 1;
                self.model.next.insert(self.receivers, self.model.sent.len());
            }
            1 | 2 if !receivers.is_empty() => self.send(receivers),
            3 => {
                if let Some(receiver) = random.choice(&receivers)
                    && !self.taken.contains_key(receiver)
                {
                    self.leave(*receiver);
                }
            }
            4..=6 => {
                if let Some(receiver) = random.choice(self.taken.keys().copied().collect::<Vec<_>>()) {
                    self.put_back(receiver);
                }
            }
            _ => {
                if let Some(receiver) = random.choice(&receivers)
                    && !self.taken.contains_key(receiver)
                {
                    self.read(*receiver);
                }
            }
        }
        assert_eq!(self.queue.len(), self.model.sent.len() - self.model.start(self.capacity));
        assert_eq!(self.queue.end(), self.position(self.model.sent.len()));
        let kept = self.queue.len().max(256 / 24);
        assert!(self.queue.reserved() <= 4 * kept, "{} for {}", self.queue.reserved(), kept);
    }

    fn send(&mut self, receivers: Vec<usize>) {
        let at = self.model.sent.len();
        let is_full = at - self.model.start(self.capacity) == self.capacity;
        let evicted = self.queue.push(Box::new(at as u64), receivers.len());
        assert_eq!(evicted.is_some(), is_full);
        let first = at.wrapping_sub(self.capacity);
        let is_out = self.model.cloning.values().any(|cloned| *cloned == first);
        if let Some(evicted) = evicted {
            assert_eq!(evicted.value, (!is_out).then(|| Box::new(first as u64)));
        }
        self.model.sent.push(receivers.into_iter().collect());
    }

    fn read(&mut self, receiver: usize) {
        let at = self.model.next[&receiver];
        let oldest = self.model.sent.len().saturating_sub(self.capacity);
        let mut next = self.position(at);
        let found = self.queue.read(&mut next);
        let expected_next = match found {
            Lookup::Empty => {
                assert_eq!(at, self.model.sent.len());
                at
            }
            Lookup::Lagged(missed) => {
                assert_eq!(at + missed as usize, oldest);
                oldest
            }
            Lookup::Busy => {
                assert!(self.model.cloning.values().any(|cloned| *cloned == at));
                at
            }
            Lookup::Last(value) => {
                assert_eq!(*value, at as u64);
                assert_eq!(self.model.sent[at], BTreeSet::from([receiver]));
                self.model.sent[at].clear();
                at + 1
            }
            Lookup::Borrowed(value) => {
                assert!(at >= oldest && *value == at as u64);
                assert!(self.model.sent[at].len() > 1);
                self.model.cloning.insert(receiver, at);
                self.taken.insert(receiver, value);
                at + 1
            }
        };
        assert_eq!(next, self.position(expected_next));
        self.model.next.insert(receiver, expected_next);
    }

    fn put_back(&mut self, receiver: usize) {
        let at = self.model.cloning.remove(&receiver).unwrap();
        let value = self.taken.remove(&receiver).unwrap();
        let is_evicted = at < self.model.sent.len().saturating_sub(self.capacity);
        self.model.sent[at].remove(&receiver);
        let is_last = self.model.sent[at].is_empty();
        let result = self.queue.put_back(self.position(at), value);
        assert_eq!(result.unneeded.is_some(), is_evicted || is_last);
    }

    /// A receiver goes.
    fn leave(&mut self, receiver: usize) {
        let at = self.model.next.remove(&receiver).unwrap();
        let end = self.queue.end();
        let oldest = self.model.sent.len().saturating_sub(self.capacity);
        let mut unneeded = Vec::new();
        let mut next = self.position(at);
        while next != end {
            unneeded.extend(self.queue.skip(&mut next, end, 3));
        }
        let mut expected = Vec::new();
        for at in at.max(oldest)..self.model.sent.len() {
            self.model.sent[at].remove(&receiver);
            if self.model.sent[at].is_empty() {
                expected.push(Box::new(at as u64));
            }
        }
        assert_eq!(unneeded, expected);
    }
}

#[test]
fn the_queue_does_what_a_plain_model_does() {
    for _ in 0..200 {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let mut case = Case::new(&mut random);
        for _ in 0..300 {
            case.step(&mut random);
        }
    }
}
