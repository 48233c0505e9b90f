//! The driver on real descriptors, turned by hand.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::*;
use crate::base::clock::Clock;
use crate::base::prim::thread;
use crate::config::DriverConfig;
use crate::engine::driver::{Driver, Registries};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn driver() -> (Driver, Registries, Arc<IoRegistry>) {
    let (driver, registries) = Driver::new(&DriverConfig::default(), 1, Clock::new(false)).unwrap();
    let io = registries.io.clone().unwrap();
    (driver, registries, io)
}

/// A connected pair: one side for mio, the other blocking.
fn pair() -> (mio::net::TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    (mio::net::TcpStream::from_std(near), far)
}

/// Turns until there was an event, for some generous time.
fn turn_until_event(driver: &mut Driver) {
    for _ in 0..60 {
        if driver.turn(Some(Duration::from_secs(1))).io_events > 0 {
            return;
        }
    }
    panic!("no event came");
}

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

#[test]
fn an_event_wakes_and_the_read_goes_through() {
    let (mut driver, _, io) = driver();
    let (mut near, mut far) = pair();
    let registration = Registration::new(&mut near, BOTH, io.clone()).unwrap();
    turn_until_event(&mut driver);

    let count = std::sync::Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 16];
    assert!(registration.poll_read_io(&mut cx, || (&near).read(&mut buf)).is_pending());
    far.write_all(b"hello").unwrap();
    turn_until_event(&mut driver);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    let Poll::Ready(Ok(5)) = registration.poll_read_io(&mut cx, || (&near).read(&mut buf)) else {
        panic!("the data is there")
    };
    assert_eq!(&buf[..5], b"hello");
    registration.deregister(&mut near).unwrap();
    drop(registration);
    assert_eq!(io.registered(), 0);
}

#[test]
fn an_unpark_before_during_and_after() {
    let (mut driver, registries, _) = driver();
    registries.unpark();
    registries.unpark();
    assert!(driver.turn(None).unparked);
    assert_eq!(driver.turn(Some(Duration::ZERO)), Turn::default(), "two unparks count as one");
    let other = thread::spawn(move || registries.unpark());
    while !driver.turn(None).unparked {}
    other.join().unwrap();
}

/// The driver's owner sleeps without a bound whenever it sees no work: one lost unpark and this never ends.
#[test]
fn no_unpark_is_lost() {
    const THREADS: usize = 4;
    const EACH: usize = 3000;
    for config in [DriverConfig::default(), DriverConfig { io: false, ..DriverConfig::default() }] {
        let (mut driver, registries) = Driver::new(&config, 1, Clock::new(false)).unwrap();
        let work = std::sync::Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (work, registries) = (work.clone(), registries.clone());
                thread::spawn(move || {
                    for _ in 0..EACH {
                        // Relaxed: it is the unpark that has to carry it over.
                        work.fetch_add(1, Ordering::Relaxed);
                        registries.unpark();
                    }
                })
            })
            .collect();
        let mut seen = 0;
        while seen < THREADS * EACH {
            driver.turn(None);
            seen += work.swap(0, Ordering::Relaxed);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

#[test]
fn a_driver_without_io_parks_and_unparks() {
    let config = DriverConfig { io: false, ..DriverConfig::default() };
    let (mut driver, registries) = Driver::new(&config, 1, Clock::new(false)).unwrap();
    assert!(registries.io.is_none());
    assert!(!driver.turn(Some(Duration::ZERO)).unparked);
    let other = thread::spawn(move || registries.unpark());
    while !driver.turn(None).unparked {}
    other.join().unwrap();
}

#[test]
fn a_failed_registration_leaks_nothing() {
    let (_driver, _, io) = driver();
    // A regular file is nothing that epoll can wait for.
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    for _ in 0..100 {
        Registration::new(&mut mio::unix::SourceFd(&fd), Interest::READABLE, io.clone()).unwrap_err();
    }
    assert_eq!(io.registered(), 0);
}

#[test]
fn events_of_an_earlier_registration_reach_nobody() {
    let (mut driver, _, io) = driver();
    let (mut near, far) = pair();
    // Dropped without deregistering: the system goes on to report to the old token.
    drop(Registration::new(&mut near, BOTH, io.clone()).unwrap());
    let (mut fresh, _fresh_far) = pair();
    let registration = Registration::new(&mut fresh, Interest::READABLE, io.clone()).unwrap();
    assert_eq!(registration.index, 0, "the slot is used again");
    drop(far);
    turn_until_event(&mut driver);
    assert!(registration.slot().ready(BOTH).ready.is_empty());
    drop(near);
}

#[test]
fn shutdown_wakes_everybody_and_refuses_newcomers() {
    let (mut driver, _, io) = driver();
    let (mut near, _far) = pair();
    let registration = Registration::new(&mut near, Interest::READABLE, io.clone()).unwrap();
    let count = std::sync::Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(registration.poll_read_ready(&mut cx).is_pending());
    {
        let mut waiting = pin!(registration.readiness(Interest::READABLE));
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        driver.shutdown();
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert!(matches!(waiting.poll(&mut cx), Poll::Ready(Err(_))));
    }
    assert!(matches!(registration.poll_write_ready(&mut cx), Poll::Ready(Err(_))));
    // Even one that was cleared by somebody who saw it earlier.
    registration.clear_readiness(registration.slot().ready(BOTH));
    assert!(matches!(registration.poll_read_ready(&mut cx), Poll::Ready(Err(_))));
    let (mut late, _late_far) = pair();
    Registration::new(&mut late, BOTH, io).unwrap_err();
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_asleep() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: std::sync::Arc<Self>) {
            panic!("a waker's panic, on purpose");
        }
    }

    let (mut driver, _, io) = driver();
    let (mut near, mut far) = pair();
    let registration = Registration::new(&mut near, Interest::READABLE, io).unwrap();
    let panics = Waker::from(std::sync::Arc::new(Panics));
    let count = std::sync::Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut first = pin!(registration.readiness(Interest::READABLE));
    let mut second = pin!(registration.readiness(Interest::READABLE));
    assert!(first.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    far.write_all(b"x").unwrap();
    turn_until_event(&mut driver);
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
}
