//! Threads that belong to no runtime, and what they wake.
//!
//! Next file to read: `main.rs`.
#![forbid(unsafe_code)]

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};

type Job = Box<dyn FnOnce(&mut fastrand::Rng) + Send>;

/// A few threads that run short jobs, each after a little while or at once.
pub(crate) struct Foreign {
    senders: Vec<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// How acts reach them.
#[derive(Clone)]
pub(crate) struct Post(Vec<mpsc::Sender<Job>>);

impl Foreign {
    pub(crate) fn start(rng: &mut fastrand::Rng, count: usize) -> Self {
        let mut foreign = Self { senders: Vec::new(), threads: Vec::new() };
        for _ in 0..count {
            let (sender, jobs) = mpsc::channel::<Job>();
            let mut rng = rng.fork();
            foreign.senders.push(sender);
            foreign.threads.push(thread::spawn(move || {
                for job in jobs {
                    dawdle(&mut rng);
                    job(&mut rng);
                }
            }));
        }
        foreign
    }

    pub(crate) fn post(&self) -> Post {
        Post(self.senders.clone())
    }

    /// Runs what is left and ends the threads. The posts must be gone.
    pub(crate) fn end(self) {
        drop(self.senders);
        for thread in self.threads {
            thread.join().unwrap();
        }
    }
}

impl Post {
    pub(crate) fn run(&self, rng: &mut fastrand::Rng, job: impl FnOnce(&mut fastrand::Rng) + Send + 'static) {
        let sent = self.0[rng.usize(..self.0.len())].send(Box::new(job));
        assert!(sent.is_ok(), "the foreign threads outlive the episode");
    }
}

/// Not at all, a few spins, a yield or a nap.
pub(crate) fn dawdle(rng: &mut fastrand::Rng) {
    match rng.u32(..32) {
        0..16 => {}
        16..28 => (0..rng.u32(..2000)).for_each(|_| std::hint::spin_loop()),
        28..31 => thread::yield_now(),
        _ => thread::sleep(std::time::Duration::from_micros(rng.u64(..300))),
    }
}

/// Something that one task waits for and another thread says.
#[derive(Default)]
pub(crate) struct Signal {
    said: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Signal {
    /// Waits for it. One at a time can.
    pub(crate) fn wait(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let signal = self.clone();
        poll_fn(move |cx| {
            let waker = cx.waker().clone();
            let former = signal.waker.lock().unwrap().replace(waker);
            drop(former);
            if signal.said.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Says it, in one of the ways in which a waker can be used.
    pub(crate) fn say(&self, rng: &mut fastrand::Rng) {
        self.said.store(true, SeqCst);
        let Some(waker) = self.waker.lock().unwrap().take() else { return };
        match rng.u32(..4) {
            0 => waker.wake(),
            1 => waker.wake_by_ref(),
            2 => {
                let other = waker.clone();
                drop(waker);
                other.wake();
            }
            _ => {
                let other = waker.clone();
                waker.wake_by_ref();
                other.wake();
                waker.wake();
            }
        }
    }

    /// Says it, from wherever this is.
    pub(crate) fn say_plainly(&self) {
        self.said.store(true, SeqCst);
        let waker = self.waker.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }

    /// Wakes the task for nothing.
    pub(crate) fn tease(&self) {
        let waker = self.waker.lock().unwrap().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread, with nothing of the runtime's.
pub(crate) fn wait_for<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
