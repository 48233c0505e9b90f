//! `broadcast` and `watch` channels, and `oneshot`, beside their models.

use std::collections::BTreeMap;
use std::task::Poll;

use runtime::sync::broadcast::error::{RecvError, TryRecvError};
use runtime::sync::{broadcast, oneshot, watch};

use super::loan::Slot;
use super::tasks::{Case, Log, Random, Tasks};

/// A future that receives with that receiver, or one that waits for there to be no receiver.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Receive(usize),
    /// Of `watch`: waits for a value of at least so much.
    AtLeast(usize, u32),
    Closed,
}

struct Broadcast {
    capacity: usize,
    senders: Vec<broadcast::Sender<u32>>,
    receivers: BTreeMap<usize, Slot<broadcast::Receiver<u32>>>,
    tasks: Tasks<Result<u32, RecvError>>,
    kinds: BTreeMap<usize, Kind>,
    /// All that was sent, and the next value of each receiver.
    sent: Vec<u32>,
    next: BTreeMap<usize, usize>,
    made: usize,
}

impl Broadcast {
    fn senders(&self) -> usize {
        self.senders.len() + self.kinds.values().filter(|kind| matches!(kind, Kind::Closed)).count()
    }

    fn oldest(&self) -> usize {
        self.sent.len().saturating_sub(self.capacity)
    }

    /// What a receiver finds, and where it is after that.
    fn look(&self, receiver: usize) -> (Result<u32, TryRecvError>, usize) {
        let next = self.next[&receiver];
        if next == self.sent.len() {
            let is_closed = self.senders() == 0;
            return (Err(if is_closed { TryRecvError::Closed } else { TryRecvError::Empty }), next);
        }
        if next < self.oldest() {
            return (Err(TryRecvError::Lagged((self.oldest() - next) as u64)), self.oldest());
        }
        (Ok(self.sent[next]), next + 1)
    }

    fn add(&mut self, receiver: broadcast::Receiver<u32>) {
        self.made += 1;
        self.receivers.insert(self.made, Slot::new(receiver));
        self.next.insert(self.made, self.sent.len());
    }

    /// A receiver that no future has.
    fn free(&self, random: &mut Random) -> Option<usize> {
        random.choice(
            self.receivers
                .iter()
                .filter(|(_, slot)| slot.is_there())
                .map(|(name, _)| *name)
                .collect::<Vec<_>>(),
        )
    }

    fn ready(&self, kind: Kind) -> Poll<Result<u32, RecvError>> {
        match kind {
            Kind::Receive(receiver) | Kind::AtLeast(receiver, _) => match self.look(receiver).0 {
                Ok(value) => Poll::Ready(Ok(value)),
                Err(TryRecvError::Lagged(missed)) => Poll::Ready(Err(RecvError::Lagged(missed))),
                Err(TryRecvError::Closed) => Poll::Ready(Err(RecvError::Closed)),
                Err(TryRecvError::Empty) => Poll::Pending,
            },
            Kind::Closed if self.next.is_empty() => Poll::Ready(Ok(0)),
            Kind::Closed => Poll::Pending,
        }
    }
}

impl Case for Broadcast {
    fn new(random: &mut Random) -> Self {
        let capacity = random.usize(1..6);
        let (sender, receiver) = broadcast::channel(capacity);
        let mut case = Self {
            capacity: capacity.next_power_of_two(),
            senders: vec![sender],
            receivers: BTreeMap::new(),
            tasks: Tasks::new(random),
            kinds: BTreeMap::new(),
            sent: Vec::new(),
            next: BTreeMap::new(),
            made: 0,
        };
        case.add(receiver);
        case
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..20) {
            0..=2 if self.tasks.len() < 6 => {
                let Some(receiver) = self.free(random) else { return };
                let receiving = self.receivers[&receiver].lend(async |receiver| receiver.recv().await);
                let name = self.tasks.add(receiving);
                log.add(format!("future {name} receives with {receiver}"));
                self.kinds.insert(name, Kind::Receive(receiver));
            }
            3 if self.tasks.len() < 6 => {
                let Some(sender) = self.senders.last().cloned() else { return };
                let name = self.tasks.add(async move {
                    sender.closed().await;
                    Ok(0)
                });
                log.add(format!("future {name} waits for the receivers to go"));
                self.kinds.insert(name, Kind::Closed);
            }
            4..=8 => {
                let Some(name) = self.tasks.any() else { return };
                let expected = self.ready(self.kinds[&name]);
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, expected);
                if polled.is_ready()
                    && let Some(Kind::Receive(receiver)) = self.kinds.remove(&name)
                {
                    let next = self.look(receiver).1;
                    self.next.insert(receiver, next);
                }
            }
            9 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                self.kinds.remove(&name);
            }
            10..=13 => {
                let Some(sender) = self.senders.last() else { return };
                let value = self.sent.len() as u32;
                let result = sender.send(value).ok();
                log.add(format!("send {value}: {result:?}"));
                assert_eq!(result, (!self.next.is_empty()).then_some(self.next.len()));
                if result.is_some() {
                    self.sent.push(value);
                }
            }
            14 => {
                let Some(receiver) = self.free(random) else { return };
                let result = self.receivers[&receiver].with(broadcast::Receiver::try_recv);
                log.add(format!("try_recv with {receiver}: {result:?}"));
                let (expected, next) = self.look(receiver);
                assert_eq!(result, Some(expected));
                self.next.insert(receiver, next);
            }
            15 if self.made < 6 => {
                let Some(sender) = self.senders.last() else { return };
                self.add(sender.subscribe());
            }
            16 => {
                let Some(receiver) = self.free(random) else { return };
                let copy = self.receivers[&receiver].with(|receiver| receiver.resubscribe());
                self.add(copy.unwrap());
            }
            17 => {
                let Some(receiver) = self.free(random) else { return };
                log.add(format!("drop receiver {receiver}"));
                self.receivers.remove(&receiver);
                self.next.remove(&receiver);
            }
            18 if random.bool() => drop(self.senders.pop()),
            _ => self.senders.extend(self.senders.last().cloned()),
        }
    }

    fn check(&mut self) {
        if let Some(sender) = self.senders.first() {
            let slowest = self.next.values().min().copied().unwrap_or(self.sent.len());
            assert_eq!(sender.len(), self.sent.len() - slowest.max(self.oldest()));
            assert_eq!(sender.receiver_count(), self.next.len());
            assert_eq!(sender.strong_count(), self.senders());
        }
        for (name, slot) in &self.receivers {
            slot.with(|receiver| assert_eq!(receiver.len(), self.sent.len() - self.next[name]));
        }
        for (name, kind) in &self.kinds {
            let is_ready = self.ready(*kind).is_ready();
            assert!(!(is_ready && self.tasks.is_asleep(*name)), "future {name} was not woken: {kind:?}");
            assert!(!is_ready || self.tasks.wakers(*name) == 0, "a waker of {name} was kept");
        }
    }
}

struct Watch {
    sender: Option<watch::Sender<u32>>,
    receivers: BTreeMap<usize, Slot<watch::Receiver<u32>>>,
    tasks: Tasks<Option<u32>>,
    kinds: BTreeMap<usize, Kind>,
    value: u32,
    version: u32,
    /// The version that each receiver has seen.
    seen: BTreeMap<usize, u32>,
    made: usize,
}

impl Watch {
    fn add(&mut self, receiver: watch::Receiver<u32>, seen: u32) {
        self.made += 1;
        self.receivers.insert(self.made, Slot::new(receiver));
        self.seen.insert(self.made, seen);
    }

    fn free(&self, random: &mut Random) -> Option<usize> {
        random.choice(
            self.receivers
                .iter()
                .filter(|(_, slot)| slot.is_there())
                .map(|(name, _)| *name)
                .collect::<Vec<_>>(),
        )
    }

    fn ready(&self, kind: Kind) -> Poll<Option<u32>> {
        let is_closed = self.sender.is_none();
        let end = if is_closed { Poll::Ready(None) } else { Poll::Pending };
        match kind {
            Kind::Receive(receiver) if self.seen[&receiver] != self.version => Poll::Ready(Some(0)),
            Kind::AtLeast(_, least) if self.value >= least => Poll::Ready(Some(self.value)),
            Kind::Closed if self.seen.is_empty() => Poll::Ready(Some(0)),
            Kind::Closed => Poll::Pending,
            _ => end,
        }
    }
}

impl Case for Watch {
    fn new(random: &mut Random) -> Self {
        let (sender, receiver) = watch::channel(0);
        let mut case = Self {
            sender: Some(sender),
            receivers: BTreeMap::new(),
            tasks: Tasks::new(random),
            kinds: BTreeMap::new(),
            value: 0,
            version: 0,
            seen: BTreeMap::new(),
            made: 0,
        };
        case.add(receiver, 0);
        case
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..20) {
            0..=2 if self.tasks.len() < 6 => {
                let Some(receiver) = self.free(random) else { return };
                let least = self.value + random.u32(0..3);
                let slot = &self.receivers[&receiver];
                let (kind, name) = if random.bool() {
                    let changing = slot.lend(async |receiver| receiver.changed().await.ok().map(|()| 0));
                    (Kind::Receive(receiver), self.tasks.add(changing))
                } else {
                    let waiting = slot.lend(async move |receiver| {
                        receiver.wait_for(|value| *value >= least).await.ok().map(|value| *value)
                    });
                    (Kind::AtLeast(receiver, least), self.tasks.add(waiting))
                };
                log.add(format!("future {name}: {kind:?}"));
                self.kinds.insert(name, kind);
            }
            3..=8 => {
                let Some(name) = self.tasks.any() else { return };
                let kind = self.kinds[&name];
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, self.ready(kind));
                // One that waits for a value has been shown the present one.
                let marks = polled == Poll::Ready(Some(0)) || matches!(kind, Kind::AtLeast(..));
                if let Kind::Receive(receiver) | Kind::AtLeast(receiver, _) = kind
                    && marks
                {
                    self.seen.insert(receiver, self.version);
                }
                if polled.is_ready() {
                    self.kinds.remove(&name);
                }
            }
            9 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                self.kinds.remove(&name);
            }
            10..=13 => {
                let Some(sender) = &self.sender else { return };
                let changes = random.bool();
                let value = self.value + 1;
                let sent = if random.bool() {
                    sender.send(value).is_ok()
                } else {
                    sender.send_if_modified(|old| {
                        if changes {
                            *old = value;
                        }
                        changes
                    })
                };
                log.add(format!("send {value}: {sent}"));
                if sent {
                    self.value = value;
                    self.version += 1;
                }
            }
            14 | 15 => {
                let Some(receiver) = self.free(random) else { return };
                let unseen = self.seen[&receiver] != self.version;
                let (value, has_changed) = self.receivers[&receiver]
                    .with(|receiver| {
                        let value = receiver.borrow_and_update();
                        (*value, value.has_changed())
                    })
                    .unwrap();
                assert_eq!((value, has_changed), (self.value, unseen));
                self.seen.insert(receiver, self.version);
            }
            16 if self.made < 6 => {
                let Some(receiver) = self.free(random) else { return };
                let copy = self.receivers[&receiver].with(|receiver| receiver.clone()).unwrap();
                self.add(copy, self.seen[&receiver]);
            }
            17 => {
                let Some(receiver) = self.free(random) else { return };
                self.receivers.remove(&receiver);
                self.seen.remove(&receiver);
            }
            18 if random.u32(0..6) == 0 => {
                log.add("drop the sender");
                self.sender = None;
            }
            _ => {}
        }
    }

    fn check(&mut self) {
        if let Some(sender) = &self.sender {
            assert_eq!((*sender.borrow(), sender.receiver_count()), (self.value, self.seen.len()));
        }
        for (name, kind) in &self.kinds {
            let is_ready = self.ready(*kind).is_ready();
            assert!(!(is_ready && self.tasks.is_asleep(*name)), "future {name} was not woken: {kind:?}");
        }
    }
}

/// Ends of a oneshot, and what has become of them.
struct Oneshot {
    sender: Slot<oneshot::Sender<u32>>,
    receiver: Slot<oneshot::Receiver<u32>>,
    tasks: Tasks<Option<u32>>,
    kinds: BTreeMap<usize, Kind>,
    value: Option<u32>,
    sender_is_gone: bool,
    is_closed: bool,
    /// The value was received, or its absence was.
    is_over: bool,
}

impl Case for Oneshot {
    fn new(random: &mut Random) -> Self {
        let (sender, receiver) = oneshot::channel();
        Self {
            sender: Slot::new(sender),
            receiver: Slot::new(receiver),
            tasks: Tasks::new(random),
            kinds: BTreeMap::new(),
            value: None,
            sender_is_gone: false,
            is_closed: false,
            is_over: false,
        }
    }

    fn step(&mut self, random: &mut Random, log: &mut Log) {
        match random.u32(0..16) {
            0 | 1 if self.receiver.is_there() && !self.is_over => {
                let name = self.tasks.add(self.receiver.lend(async |receiver| receiver.await.ok()));
                log.add(format!("future {name} receives"));
                self.kinds.insert(name, Kind::Receive(0));
            }
            2 | 3 if self.sender.is_there() => {
                let name = self.tasks.add(self.sender.lend(async |sender| {
                    sender.closed().await;
                    Some(0)
                }));
                log.add(format!("future {name} waits for the receiver to go"));
                self.kinds.insert(name, Kind::Closed);
            }
            4..=9 => {
                let Some(name) = self.tasks.any() else { return };
                let polled = self.tasks.poll(name);
                log.add(format!("poll {name}: {polled:?}"));
                assert_eq!(polled, self.ready(self.kinds[&name]));
                if polled.is_ready()
                    && let Some(Kind::Receive(_)) = self.kinds.remove(&name)
                {
                    self.is_over = true;
                    self.value = None;
                }
            }
            10 => {
                let Some(name) = self.tasks.any() else { return };
                log.add(format!("cancel {name}"));
                self.tasks.cancel(name);
                self.kinds.remove(&name);
            }
            11 => {
                let Some(sender) = self.sender.take() else { return };
                self.sender_is_gone = true;
                if random.bool() {
                    let sent = sender.send(7).is_ok();
                    log.add(format!("send: {sent}"));
                    assert_eq!(sent, !self.is_closed);
                    self.value = sent.then_some(7);
                }
            }
            12 => {
                let Some(()) = self.receiver.with(oneshot::Receiver::close) else { return };
                log.add("close");
                self.is_closed = true;
            }
            13 if random.bool() => {
                let Some(receiver) = self.receiver.take() else { return };
                log.add("drop the receiver");
                drop(receiver);
                self.is_closed = true;
            }
            14 => {
                let Some(result) = self.receiver.with(oneshot::Receiver::try_recv) else { return };
                log.add(format!("try_recv: {result:?}"));
                let is_closed = self.is_over || self.sender_is_gone || self.is_closed;
                let nothing = if is_closed {
                    oneshot::error::TryRecvError::Closed
                } else {
                    oneshot::error::TryRecvError::Empty
                };
                assert_eq!(result, self.value.take().ok_or(nothing));
                self.is_over |= is_closed;
            }
            _ if random.u32(0..4) == 0 => {
                log.add("anew");
                *self = Self::new(random);
            }
            _ => {}
        }
    }

    fn check(&mut self) {
        self.sender.with(|sender| assert_eq!(sender.is_closed(), self.is_closed));
        for (name, kind) in &self.kinds {
            let is_ready = self.ready(*kind).is_ready();
            assert!(!(is_ready && self.tasks.is_asleep(*name)), "future {name} was not woken: {kind:?}");
        }
    }
}

impl Oneshot {
    fn ready(&self, kind: Kind) -> Poll<Option<u32>> {
        match kind {
            Kind::Closed if self.is_closed => Poll::Ready(Some(0)),
            Kind::Closed => Poll::Pending,
            _ if self.value.is_some() || self.sender_is_gone || self.is_closed => Poll::Ready(self.value),
            _ => Poll::Pending,
        }
    }
}

#[test]
fn a_broadcast_channel_does_what_its_model_does() {
    super::tasks::run::<Broadcast>();
}

#[test]
fn a_watch_channel_does_what_its_model_does() {
    super::tasks::run::<Watch>();
}

#[test]
fn a_oneshot_does_what_its_model_does() {
    super::tasks::run::<Oneshot>();
}
