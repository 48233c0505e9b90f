//! A task that holds its worker for as long as it likes stops nobody else: not their sockets, not their timers, and
//! not the task that it woke last.

#![forbid(unsafe_code)]

mod support;

use std::future::poll_fn;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};
use runtime::runtime::Runtime;
use runtime::task::{JoinHandle, yield_now};
use runtime::time::sleep;
use support::LOST;

/// For how long everything is at rest before a long poll, in milliseconds: not at all, for less than a tick, while some
/// sleeping workers still watch, and when they do so no more.
const RESTS: [u64; 6] = [0, 7, 14, 21, 130, 300];

/// Polls of the hog end only when the others have made it: were they stopped, both would wait for ever.
fn hog_until(done: &mpsc::Receiver<()>) {
    done.recv_timeout(LOST).expect("the others were stopped by a long poll");
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Lets the workers come to rest in whatever state they come to.
fn rested(round: usize, rt: &Runtime) {
    rt.block_on(async { sleep(ms(RESTS[round % RESTS.len()])).await });
}

/// Tasks that are always ready, for all workers but one, until it is dropped.
struct Busy {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Busy {
    fn start(rt: &Runtime) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let busy = |stop: Arc<AtomicBool>| async move {
            while !stop.load(Relaxed) {
                yield_now().await;
            }
        };
        let tasks = (0..2 * rt.metrics().num_workers()).map(|_| rt.spawn(busy(stop.clone()))).collect();
        Self { stop, tasks }
    }

    fn end(self, rt: &Runtime) {
        self.stop.store(true, Relaxed);
        for task in self.tasks {
            rt.block_on(task).unwrap();
        }
    }
}

fn sockets_go_on(workers: usize) {
    let rt = support::multi(workers);
    for round in 0..20 {
        rested(round, &rt);
        let (send, done) = mpsc::channel();
        rt.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = runtime::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut bytes = [0; 3];
                for _ in 0..10 {
                    socket.read_exact(&mut bytes).await.unwrap();
                    socket.write_all(&bytes).await.unwrap();
                }
            });
            let client = runtime::spawn(async move {
                let mut socket = TcpStream::connect(address).await.unwrap();
                let mut bytes = *b"abc";
                for _ in 0..10 {
                    socket.write_all(&bytes).await.unwrap();
                    socket.read_exact(&mut bytes).await.unwrap();
                    sleep(Duration::from_millis(1)).await;
                }
                send.send(()).unwrap();
            });
            let hog = runtime::spawn(async move { hog_until(&done) });
            hog.await.unwrap();
            client.await.unwrap();
            server.await.unwrap();
        });
    }
}

#[test]
fn sockets_go_on_with_two_workers() {
    sockets_go_on(2);
}

#[test]
fn sockets_go_on_with_four_workers() {
    sockets_go_on(4);
}

/// A poll that holds its worker until the timers are through that were registered by the same worker. `late` of them are
/// registered during that poll.
fn hold_until_timers_fire(rt: &Runtime, early: &[u64], late: &[u64]) {
    let (send, done) = mpsc::channel();
    let (early, late) = (early.to_vec(), late.to_vec());
    let count = early.len() + late.len();
    let hog = rt.spawn(async move {
        // Registered by a poll on this worker, then left to others.
        let register = |after: &u64| {
            let mut timer = Box::pin(sleep(ms(*after)));
            let send = send.clone();
            async move {
                // One that is due by now, on a busy machine, needs nobody to fire it.
                poll_fn(|cx| Poll::Ready(_ = timer.as_mut().poll(cx))).await;
                runtime::spawn(async move {
                    timer.await;
                    send.send(()).unwrap();
                });
            }
        };
        for after in &early {
            register(after).await;
        }
        // One more poll in between, so that no task lies in the slot.
        yield_now().await;
        for after in &late {
            register(after).await;
        }
        for _ in 0..count {
            hog_until(&done);
        }
    });
    rt.block_on(hog).unwrap();
}

#[test]
fn timers_of_the_held_worker_go_on_while_the_others_are_idle() {
    for workers in [2, 4] {
        let rt = support::multi(workers);
        for round in 0..2 * RESTS.len() {
            rested(round, &rt);
            hold_until_timers_fire(&rt, &[2], &[]);
        }
        for round in 0..RESTS.len() {
            rested(round, &rt);
            // Later than the watchers stop when all is quiet.
            hold_until_timers_fire(&rt, &[50, 90, 400], &[]);
            rested(round, &rt);
            hold_until_timers_fire(&rt, &[], &[1, 30, 90]);
        }
    }
}

#[test]
fn timers_of_the_held_worker_go_on_while_the_others_are_busy() {
    for workers in [2, 4] {
        let rt = support::multi(workers);
        for round in 0..RESTS.len() {
            rested(round, &rt);
            let busy = Busy::start(&rt);
            hold_until_timers_fire(&rt, &[2, 50], &[20]);
            busy.end(&rt);
        }
    }
}

/// The timer belongs to no worker.
#[test]
fn timers_of_block_on_go_on_beside_a_held_worker() {
    for is_busy in [false, true] {
        let rt = support::multi(2);
        for round in 0..RESTS.len() {
            rested(round, &rt);
            let busy = is_busy.then(|| Busy::start(&rt));
            let (send, done) = mpsc::channel();
            let hog = rt.spawn(async move { hog_until(&done) });
            rt.block_on(async {
                sleep(ms(30)).await;
                send.send(()).unwrap();
                hog.await.unwrap();
            });
            if let Some(busy) = busy {
                busy.end(&rt);
            }
        }
    }
}

#[test]
fn the_task_that_the_hog_woke_last_goes_on() {
    for is_busy in [false, true] {
        let rt = support::multi(2);
        for round in 0..2 * RESTS.len() {
            rested(round, &rt);
            let busy = is_busy.then(|| Busy::start(&rt));
            let (send, done) = mpsc::channel();
            let hog = rt.spawn(async move {
                // Some time into the poll, too.
                thread::sleep(ms(round as u64 % 3 * 10));
                runtime::spawn(async move { send.send(()).unwrap() });
                hog_until(&done);
            });
            rt.block_on(hog).unwrap();
            if let Some(busy) = busy {
                busy.end(&rt);
            }
        }
    }
}

/// A stream of the runtime, and its other end.
fn connected(listener: &std::net::TcpListener) -> (TcpStream, std::net::TcpStream) {
    let far = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    far.set_nodelay(true).unwrap();
    let near = listener.accept().unwrap().0;
    near.set_nonblocking(true).unwrap();
    (TcpStream::from_std(near).unwrap(), far)
}

/// The worker that sleeps in the driver leaves it with work. Another one is to take its place, but finds the driver held
/// by looks of the first one, which then goes into a long poll.
#[test]
fn a_byte_arrives_beside_a_long_poll_that_follows_looks_at_the_driver() {
    for workers in [2, 4, 8] {
        let rt = support::multi(workers);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _entered = rt.enter();
        let (mut begins, mut begin) = connected(&listener);
        let (mut ends, mut end) = connected(&listener);
        for round in 0..40 {
            let (send, done) = mpsc::channel();
            let reader = rt.spawn(async move {
                ends.read_exact(&mut [0]).await.unwrap();
                send.send(()).unwrap();
                ends
            });
            let hog = rt.spawn(async move {
                begins.read_exact(&mut [0]).await.unwrap();
                // Each is followed by a look at the driver.
                for _ in 0..3000 {
                    yield_now().await;
                }
                hog_until(&done);
                begins
            });
            // Mostly for so long that nobody watches any more.
            thread::sleep(ms(if round % 4 == 0 { 20 } else { 130 }));
            begin.write_all(b"x").unwrap();
            thread::sleep(ms(round % 3 * 15));
            end.write_all(b"x").unwrap();
            begins = rt.block_on(hog).unwrap();
            ends = rt.block_on(reader).unwrap();
        }
    }
}

/// Sends how many polls another task has made when it is woken.
struct SendsPolls(mpsc::Sender<u64>, Arc<AtomicU64>);

impl Wake for SendsPolls {
    fn wake(self: Arc<Self>) {
        // Nobody waits any more, at the end of a test.
        let _ = self.0.send(self.1.load(Relaxed));
    }
}

/// The other worker comes to its looks seldom, for its polls take long, too; but to each of them, for it yields.
#[test]
fn timers_of_the_held_worker_fire_at_a_look_of_one_whose_polls_are_long_too() {
    let rt = support::multi(2);
    let (polls, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let yields = {
        let (polls, stop) = (polls.clone(), stop.clone());
        rt.spawn(async move {
            while !stop.load(Relaxed) {
                // Longer than from one inspection to the next.
                thread::sleep(ms(15));
                polls.fetch_add(1, Relaxed);
                yield_now().await;
            }
        })
    };
    for _ in 0..8 {
        let polls = polls.clone();
        let hog = rt.spawn(async move {
            let (send, fired) = mpsc::channel();
            let waker = Waker::from(Arc::new(SendsPolls(send, polls.clone())));
            let mut timer = Box::pin(sleep(ms(2)));
            assert!(timer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            let before = polls.load(Relaxed);
            fired.recv_timeout(LOST).expect("the timer fires during this poll") - before
        });
        let polls_until_fired = rt.block_on(hog).unwrap();
        assert!(polls_until_fired <= 4, "it fired only after {polls_until_fired} polls of the other worker");
    }
    stop.store(true, Relaxed);
    rt.block_on(yields).unwrap();
}

/// One worker takes the tasks out of the slots of two others at once, and the first of them is then in a long poll itself.
#[test]
fn a_task_in_the_queue_of_a_held_worker_goes_on_while_another_worker_is_idle() {
    for round in 0..2 * RESTS.len() {
        let rt = support::multi(4);
        rested(round, &rt);
        let (begin, begun): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let (end, ended): (Vec<_>, Vec<_>) = (0..2).map(|_| mpsc::channel()).unzip();
        let hogs: Vec<_> = begin
            .into_iter()
            .rev()
            .zip(begun)
            .zip(end.into_iter().zip(ended))
            .map(|((begin_other, begins), (end, ends))| {
                rt.spawn(async move {
                    runtime::spawn(async move {
                        // Each goes on when the other one has begun.
                        begin_other.send(()).unwrap();
                        hog_until(&begins);
                        end.send(()).unwrap();
                    });
                    hog_until(&ends);
                })
            })
            .collect();
        for hog in hogs {
            rt.block_on(hog).unwrap();
        }
    }
}
