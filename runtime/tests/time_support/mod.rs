//! What the tests of time share.
#![allow(dead_code, reason = "each test crate uses a part")]

#[path = "../support/mod.rs"]
pub(crate) mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use runtime::runtime::{Builder, LocalOptions};
use runtime::time::{Duration, Instant};
pub(crate) use support::{Flavour, Rt, builders};

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A `current_thread` runtime whose clock is in the test's hand.
pub(crate) fn paused_current() -> Rt {
    Rt::Shared(Builder::new_current_thread().enable_all().start_paused(true).build().unwrap())
}

/// A `LocalRuntime` whose clock is in the test's hand.
pub(crate) fn paused_local() -> Rt {
    let mut builder = Builder::new_current_thread();
    Rt::Local(builder.enable_all().start_paused(true).build_local(LocalOptions::default()).unwrap())
}

/// Stamps a suite of functions of the form `fn name(paused: fn() -> Rt)` over the flavours whose clock can be paused.
#[macro_export]
macro_rules! over_paused {
    ($($name:ident),+ $(,)?) => {
        $crate::over_paused!(@flavour current_thread, $crate::time_support::paused_current, $($name),+);
        $crate::over_paused!(@flavour local, $crate::time_support::paused_local, $($name),+);
    };
    (@flavour $flavour:ident, $paused:expr, $($name:ident),+) => {
        mod $flavour {
            $(
                #[test]
                fn $name() {
                    super::$name($paused);
                }
            )+
        }
    };
}

/// Each flavour, with one worker and with four.
pub(crate) fn flavours() -> impl Iterator<Item = (Flavour, Rt)> {
    builders().into_iter().map(|(flavour, mut builder)| (flavour, flavour.build(builder.enable_all())))
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A future polled by hand.
pub(crate) struct Spy<F: ?Sized> {
    wakes: Arc<Wakes>,
    pub future: Pin<Box<F>>,
}

impl<F: Future> Spy<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future: Box::pin(future), wakes: Arc::default() }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.wakes.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    pub(crate) fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Drives a future on a thread that belongs to no runtime. Gives up after a minute.
pub(crate) fn foreign_block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let start = std::time::Instant::now();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let left = Duration::from_secs(60).saturating_sub(start.elapsed());
        assert!(!left.is_zero(), "not woken within a minute");
        thread::park_timeout(left);
    }
}

/// xorshift64*.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// Since when a test has been running, by the runtime's clock.
pub(crate) fn since(start: Instant) -> Duration {
    Instant::now() - start
}
