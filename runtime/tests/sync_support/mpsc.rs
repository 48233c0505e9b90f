//! Bounded and unbounded mpsc channels beside their models.

use std::collections::{BTreeMap, VecDeque};
use std::task::Poll;

use runtime::sync::mpsc::error::{TryRecvError, TrySendError};
use runtime::sync::mpsc::{self, OwnedPermit, Receiver, Sender, UnboundedReceiver, UnboundedSender};

use super::loan::Slot;
use super::permits::Permits;
use super::tasks::{Case, Log, Random, Tasks, map};

/// What a future is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Send(u32),
    Reserve,
    Receive,
    Closed,
}

#[derive(Debug)]
enum Output {
    Sent(bool),
    Reserved(Option<OwnedPermit<u32>>),
    Received(Option<u32>),
    Closed,
}

struct Bounded {
    capacity: usize,
    senders: Vec<Sender<u32>>,
    receiver: Slot<Receiver<u32>>,
    tasks: Tasks<Output>,
    kinds: BTreeMap<usize, Kind>,
    held: Vec<OwnedPermit<u32>>,
    permits: Permits,
    values: VecDeque<u32>,
    receiver_is_gone: bool,
    sent: u32,
}

impl Bounded {
    /// Senders, futures that have one, and permits, which are senders, too.
    fn senders(&self) -> usize {
        let with_one = self.kinds.values().filter(|kind| **kind != Kind::Receive).count();
        self.senders.len() + self.held.len() + with_one
    }

    fn push(&mut self, value: u32) {
        if !self.receiver_is_gone {
            self.values.push_back(value);
        }
    }

    /// What a receiver finds now. `None`: nothing yet.
    fn front(&self) -> Option<Option<u32>> {
        let is_idle = self.permits.available == self.capacity;
        match self.values.front() {
            Some(value) => Some(Some(*value)),
            None => (self.senders() == 0 || (self.permits.is_closed && is_idle)).then_some(None),
        }
    }

    fn pop(&mut self) {
        if self.values.pop_front().is_some() {
            self.permits.release(1);
        }
    }

    fn close(&mut self) {
        self.permits.is_closed = true;
    }

    fn poll(&mut self, name: usize, log: &mut Log) {
        let kind = self.kinds[&name];
        let polled = self.tasks.poll(name);
        log.add(format!("poll {name} {kind:?}: {polled:?}"));
        match kind {
            Kind::Send(value) => {
                let expected = self.permits.poll(name, 1);
                assert_eq!(expected, map(&polled, |output| matches!(output, Output::Sent(true))));
                if expected == Poll::Ready(true) {
                    self.push(value);
                }
            }
            Kind::Reserve => {
                let expected = self.permits.poll(name, 1);
                assert_eq!(expected, map(&polled, |output| matches!(output, Output::Reserved(Some(_)))));
            }
            Kind::Receive => {
                let expected = self.front().map_or(Poll::Pending, Poll::Ready);
                let received = map(&polled, |output| match output {
                    Output::Received(value) => *value,
                    other => panic!("{other:?}"),
                });
                assert_eq!(received, expected);
                if polled.is_ready() {
                    self.pop();
                }
            }
            Kind::Closed => assert_eq!(polled.is_ready(), self.permits.is_closed),
        }
        if let Poll::Ready(output) = polled {
            self.kinds.remove(&name);
            if let Output::Reserved(Some(permit)) = output {
                self.held.push(permit);
            }
        }
    }

    fn start(&mut self, random: &mut Random, log: &mut Log) {
        let kind = match random.u32(0..8) {
            0..=2 => Kind::Send(self.sent),
            3 => Kind::Reserve,
            4 => Kind::Closed,
            _ if self.receiver.is_there() => Kind::Receive,
            _ => return,
        };
        let sender = random.choice(&self.senders).cloned();
        let name = match (kind, sender) {
            (Kind::Receive, _) => {
                let receiving = self.receiver.lend(async |receiver| receiver.recv().await);
                self.tasks.add(async { Output::Received(receiving.await) })
            }
            (Kind::Send(value), Some(sender)) => {
                self.sent += 1;
                self.tasks.add(async move { Output::Sent(sender.send(value).await.is_ok()) })
            }
            (Kind::Reserve, Some(sender)) => {
                self.tasks.add(async { Output::Reserved(sender.reserve_owned().await.ok()) })
            }
            (Kind::Closed, Some(sender)) => self.tasks.add(async move {
                sender.closed().await;
                Output::Closed
            }),
            (_, None) => return,
        };
        log.add(format!("future {name}: {kind:?}"));
        self.kinds.insert(name, kind);
    }

    fn try_send(&mut self, log: &mut Log) {
        let Some(sender) = self.senders.last() else { return };
        let result = sender.try_send(self.sent);
        log.add(format!("try_send: {result:?}"));
        let expected = if self.permits.is_closed {
            Err(TrySendError::Closed(self.sent))
        } else if self.permits.try_acquire(1) {
            self.push(self.sent);
            Ok(())
        } else {
            Err(TrySendError::Full(self.sent))
        };
        assert_eq!(result, expected);
        self.sent += 1;
    }

    fn try_recv(&mut self, log: &mut Log) {
        let Some(result) = self.receiver.with(Receiver::try_recv) else { return };
        log.add(format!("try_recv: {result:?}"));
        let expected = match self.front() {
            Some(Some(value)) => Ok(value),
            Some(None) => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        };
        assert_eq!(result, expected);
        self.pop();
    }

    fn end_something(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..12) {
            0 if self.receiver.is_there() => {
                log.add("drop the receiver");
                self.receiver.take();
                self.receiver_is_gone = true;
                self.close();
                self.permits.release(self.values.len());
                self.values.clear();
            }
            1 => {
                let Some(()) = self.receiver.with(Receiver::close) else { return };
                log.add("close");
                self.close();
            }
            2..=6 => {
                log.add("drop a sender");
                self.senders.pop();
            }
            _ => self.senders.extend(self.senders.last().cloned()),
        }
    }
}

impl Case for Bounded {
    fn new(random: &mut Random) -> Self {
        let capacity = random.usize(1..4);
        let (sender, receiver) = mpsc::channel(capacity);
        Self {
            capacity,
            senders: vec![sender],
            receiver: Slot::new(receiver),
            tasks: Tasks::new(random),
            kinds: BTreeMap::new(),
            held: Vec::new(),
            permits: Permits::new(capacity),
            values: VecDeque::new(),
            receiver_is_gone: false,
            sent: 0,
        }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..16) {
            0..=3 if self.tasks.len() < 7 => self.start(random, log),
            4..=8 => {
                if let Some(name) = self.tasks.any() {
                    self.poll(name, log);
                }
            }
            9 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                if let Some(Kind::Send(_) | Kind::Reserve) = self.kinds.remove(&name) {
                    self.permits.cancel(name, 1);
                }
            }
            10 => self.try_send(log),
            11 | 12 => self.try_recv(log),
            13 => {
                if let Some(permit) = self.held.pop() {
                    log.add("send with a permit");
                    drop(permit.send(self.sent));
                    self.push(self.sent);
                    self.sent += 1;
                }
            }
            14 => {
                if self.held.pop().is_some() {
                    log.add("give a permit back");
                    self.permits.release(1);
                }
            }
            _ => self.end_something(random, log),
        }
    }

    fn check(&mut self) {
        if let Some(sender) = self.senders.first() {
            assert_eq!(sender.capacity(), self.permits.available);
            assert_eq!(sender.is_closed(), self.permits.is_closed);
            assert_eq!(sender.strong_count(), self.senders());
        }
        self.receiver.with(|receiver| assert_eq!(receiver.len(), self.values.len()));
        for (name, kind) in &self.kinds {
            let is_ready = match kind {
                Kind::Send(_) | Kind::Reserve => self.permits.is_ready(*name),
                Kind::Receive => self.front().is_some(),
                Kind::Closed => self.permits.is_closed,
            };
            assert!(!(is_ready && self.tasks.is_asleep(*name)), "future {name} was not woken: {kind:?}");
        }
    }
}

struct Unbounded {
    senders: Vec<UnboundedSender<u32>>,
    receiver: Slot<UnboundedReceiver<u32>>,
    /// Futures that receive up to so many values.
    tasks: Tasks<Vec<u32>>,
    limits: BTreeMap<usize, usize>,
    values: VecDeque<u32>,
    is_closed: bool,
    sent: u32,
}

impl Unbounded {
    /// What a receiver of so many gets now.
    fn front(&self, limit: usize) -> Poll<Vec<u32>> {
        let taken: Vec<u32> = self.values.iter().take(limit).copied().collect();
        if taken.is_empty() && limit > 0 && !self.is_closed && !self.senders.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(taken)
    }
}

impl Case for Unbounded {
    fn new(random: &mut Random) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        Self {
            senders: vec![sender],
            receiver: Slot::new(receiver),
            tasks: Tasks::new(random),
            limits: BTreeMap::new(),
            values: VecDeque::new(),
            is_closed: false,
            sent: 0,
        }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..64) {
            0..=9 if self.receiver.is_there() => {
                let limit = random.usize(0..6);
                let receiving = self.receiver.lend(async move |receiver| {
                    let mut values = Vec::new();
                    let count = receiver.recv_many(&mut values, limit).await;
                    assert_eq!(count, values.len());
                    values
                });
                let name = self.tasks.add(receiving);
                log.add(format!("future {name} receives {limit}"));
                self.limits.insert(name, limit);
            }
            10..=29 => {
                let Some(name) = self.tasks.any() else { return };
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, self.front(self.limits[&name]));
                if let Poll::Ready(taken) = polled {
                    self.values.drain(..taken.len());
                    self.limits.remove(&name);
                }
            }
            30..=34 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                self.limits.remove(&name);
            }
            35..=54 => {
                let Some(sender) = random.choice(&self.senders) else { return };
                let result = sender.send(self.sent);
                log.add(format!("send {}: {}", self.sent, result.is_ok()));
                assert_eq!(result.is_ok(), !self.is_closed);
                if result.is_ok() {
                    self.values.push_back(self.sent);
                }
                self.sent += 1;
            }
            55 => {
                let Some(()) = self.receiver.with(UnboundedReceiver::close) else { return };
                log.add("close");
                self.is_closed = true;
            }
            56..=58 => {
                log.add("drop a sender");
                self.senders.pop();
            }
            59..=61 => self.senders.extend(self.senders.last().cloned()),
            _ => *self = Self::new(random),
        }
    }

    fn check(&mut self) {
        self.receiver.with(|receiver| assert_eq!(receiver.len(), self.values.len()));
        for (name, limit) in &self.limits {
            let is_ready = self.front(*limit).is_ready();
            assert!(!(is_ready && self.tasks.is_asleep(*name)), "future {name} was not woken");
        }
    }
}

#[test]
fn a_bounded_channel_does_what_its_model_does() {
    super::tasks::run::<Bounded>();
}

#[test]
fn an_unbounded_channel_does_what_its_model_does() {
    super::tasks::run::<Unbounded>();
}
