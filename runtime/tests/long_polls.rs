//! A task that holds its worker for as long as it likes stops nobody else: not their sockets, not their timers, and
//! not the task that it woke last.

mod support;

use std::sync::mpsc;
use std::time::Duration;

use runtime::io::{AsyncReadExt, AsyncWriteExt};
use runtime::net::{TcpListener, TcpStream};
use runtime::runtime::Runtime;
use runtime::time::sleep;
use support::LOST;

/// Polls of the hog end only when the others have made it: were they stopped, both would wait for ever.
fn hog_until(done: &mpsc::Receiver<()>) {
    done.recv_timeout(LOST).expect("the others were stopped by a long poll");
}

/// Lets the workers come to rest in whatever state they come to.
fn rested(rounds: u64, rt: &Runtime) {
    rt.block_on(async { sleep(Duration::from_millis(rounds % 4 * 7)).await });
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

/// The timers lie in the shard of the very worker that is held.
#[test]
fn timers_of_the_held_worker_go_on() {
    let rt = support::multi(2);
    for round in 0..20 {
        rested(round, &rt);
        let (send, done) = mpsc::channel();
        let hog = rt.spawn(async move {
            // Registered by a poll on this worker, then left to others.
            let mut nap = Box::pin(sleep(Duration::from_millis(2)));
            std::future::poll_fn(|cx| {
                assert!(nap.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            runtime::spawn(async move {
                nap.await;
                send.send(()).unwrap();
            });
            // One more poll in between, so that the napping task is not in the slot.
            runtime::task::yield_now().await;
            hog_until(&done);
        });
        rt.block_on(hog).unwrap();
    }
}

#[test]
fn the_task_that_the_hog_woke_last_goes_on() {
    let rt = support::multi(2);
    for round in 0..20 {
        rested(round, &rt);
        let (send, done) = mpsc::channel();
        let hog = rt.spawn(async move {
            runtime::spawn(async move { send.send(()).unwrap() });
            hog_until(&done);
        });
        rt.block_on(hog).unwrap();
    }
}
