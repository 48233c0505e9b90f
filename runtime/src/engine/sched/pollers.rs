//! The wakers of those who poll a [set](super::set): any number of futures, each with a waker of its own.
//!
//! A poller registers its waker in each poll, before it looks for work. Whoever makes work for the set takes all the wakers
//! out and wakes them, after it has queued the work. Both go through one lock: a poller that comes second finds the work,
//! and one that comes first is woken.
//!
//! All are woken and not only one of them, because nobody knows which poller will be polled: it may wait inside of
//! something that does not get round to it, or be dropped. So this always holds outside of a poll of the set: *if the set
//! has work, each of its pollers has been woken since its last poll*. A poller that ends or is dropped therefore takes
//! no wake-up with it.
//!
//! Next file to read: `engine/sched/tls.rs`.
#![forbid(unsafe_code)]

use std::task::Waker;

use slab::Slab;

use crate::base::panic::swallow;
use crate::base::prim::Mutex;
use crate::base::wake_list::WakeList;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pollers {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// One for each poller that has registered and is alive: its waker, unless it has been woken since.
    wakers: Slab<Option<Waker>>,
    /// How many of them are there.
    waiting: usize,
}

/// One that polls a set, and has registered when it has a number.
#[derive(Debug, Default)]
pub(crate) struct Poller {
    number: Option<usize>,
}

impl Pollers {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State { wakers: Slab::new(), waiting: 0 }) }
    }

    /// Has the poller woken through this waker, from now on.
    pub(super) fn register(&self, poller: &mut Poller, waker: &Waker) {
        let is_registered = poller.number.is_some_and(|number| {
            let state = self.state.lock();
            state.wakers[number].as_ref().is_some_and(|stored| stored.will_wake(waker))
        });
        if is_registered {
            return;
        }
        // Foreign code, so outside of the lock; that of the former waker, too.
        let waker = waker.clone();
        let former = self.state.lock().put(poller, waker);
        drop(former);
    }

    /// The poller is over: it is woken no more.
    pub(super) fn leave(&self, poller: &mut Poller) {
        let Some(number) = poller.number.take() else { return };
        let former = self.state.lock().remove(number);
        swallow(|| drop(former));
    }

    /// Wakes every poller that has not been woken since it registered.
    pub(super) fn wake_all(&self) {
        let mut from = 0;
        loop {
            let mut batch = WakeList::new();
            let next = self.state.lock().take(from, &mut batch);
            batch.wake_all();
            let Some(next) = next else { return };
            from = next;
        }
    }

    /// Drops all wakers.
    pub(super) fn clear(&self) {
        let mut from = 0;
        loop {
            let mut batch = WakeList::new();
            let next = self.state.lock().take(from, &mut batch);
            drop(batch);
            let Some(next) = next else { return };
            from = next;
        }
    }
}

impl State {
    /// Stores the poller's waker, and returns the one that was stored before.
    fn put(&mut self, poller: &mut Poller, waker: Waker) -> Option<Waker> {
        let former = match poller.number {
            Some(number) => self.wakers[number].replace(waker),
            None => {
                poller.number = Some(self.wakers.insert(Some(waker)));
                None
            }
        };
        self.waiting += usize::from(former.is_none());
        former
    }

    fn remove(&mut self, number: usize) -> Option<Waker> {
        let former = self.wakers.remove(number);
        self.waiting -= usize::from(former.is_some());
        former
    }

    /// Takes the wakers from this number on. Returns where to go on if there may be more than the batch has room for. One
    /// that registers meanwhile in a place that has been passed needs none: it looks for work afterwards.
    fn take(&mut self, from: usize, batch: &mut WakeList) -> Option<usize> {
        if self.waiting == 0 {
            return None;
        }
        for (number, waker) in self.wakers.iter_mut().filter(|(number, _)| *number >= from) {
            if !batch.can_push() {
                return Some(number);
            }
            if let Some(waker) = waker.take() {
                self.waiting -= 1;
                batch.push(waker);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::park::Parker;
    use crate::base::prim::atomic::{AtomicBool, Ordering::Relaxed};
    use crate::base::prim::{Arc, model, thread};

    struct Shared {
        pollers: Pollers,
        work: AtomicBool,
    }

    impl Shared {
        fn new() -> Arc<Self> {
            Arc::new(Self { pollers: Pollers::new(), work: AtomicBool::new(false) })
        }

        fn make_work(&self) {
            self.work.store(true, Relaxed);
            self.pollers.wake_all();
        }

        /// Polls as a poller does until it has found the work: else this never ends.
        fn find_work(&self, poller: &mut Poller, parker: &Parker) {
            let waker = parker.unparker().into_waker();
            loop {
                self.pollers.register(poller, &waker);
                if self.work.load(Relaxed) {
                    return;
                }
                parker.park();
            }
        }
    }

    #[test]
    fn loom_each_poller_finds_the_work_or_is_woken() {
        model(|| {
            let shared = Shared::new();
            let theirs = shared.clone();
            let other = thread::spawn(move || theirs.make_work());
            let (mut first, mut second) = (Poller::default(), Poller::default());
            let (one, two) = (Parker::new(), Parker::new());
            shared.pollers.register(&mut first, &one.unparker().into_waker());
            shared.find_work(&mut second, &two);
            shared.find_work(&mut first, &one);
            other.join().unwrap();
        });
    }

    #[test]
    fn loom_a_poller_that_leaves_takes_no_wake_up_with_it() {
        model(|| {
            let shared = Shared::new();
            let theirs = shared.clone();
            let (mut leaves, mut stays) = (Poller::default(), Poller::default());
            let (one, two) = (Parker::new(), Parker::new());
            shared.pollers.register(&mut stays, &one.unparker().into_waker());
            shared.pollers.register(&mut leaves, &two.unparker().into_waker());
            let other = thread::spawn(move || theirs.make_work());
            shared.pollers.leave(&mut leaves);
            shared.find_work(&mut stays, &one);
            other.join().unwrap();
            assert_eq!(shared.pollers.state.lock().wakers.len(), 1);
        });
    }

    /// Two threads that make work at once: the second one may find no waker only if the first one wakes it.
    #[test]
    fn loom_two_that_make_work_wake_the_poller() {
        model(|| {
            let shared = Shared::new();
            let others = [(); 2].map(|()| {
                let theirs = shared.clone();
                thread::spawn(move || theirs.make_work())
            });
            shared.find_work(&mut Poller::default(), &Parker::new());
            for other in others {
                other.join().unwrap();
            }
        });
    }

    #[cfg(not(rt_loom))]
    #[test]
    fn more_pollers_than_fit_a_batch_are_all_woken_and_leave_nothing() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        #[derive(Default)]
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, SeqCst);
            }
        }
        let pollers = Pollers::new();
        let counts: Vec<Arc<Count>> = (0..100).map(|_| Arc::default()).collect();
        let mut registered: Vec<Poller> = Vec::new();
        for count in &counts {
            let mut poller = Poller::default();
            pollers.register(&mut poller, &count.clone().into());
            registered.push(poller);
        }
        let woken = || counts.iter().map(|count| count.0.load(SeqCst)).collect::<Vec<_>>();
        pollers.wake_all();
        assert_eq!(woken(), [1; 100]);
        pollers.wake_all();
        assert_eq!(woken(), [1; 100], "once until they register again");
        for (poller, count) in registered.iter_mut().zip(&counts) {
            pollers.register(poller, &count.clone().into());
        }
        pollers.clear();
        pollers.wake_all();
        assert_eq!(woken(), [1; 100]);
        assert!(counts.iter().all(|count| Arc::strong_count(count) == 1));
        registered.iter_mut().for_each(|poller| pollers.leave(poller));
        let state = pollers.state.lock();
        assert_eq!((state.wakers.len(), state.waiting), (0, 0));
    }
}
