//! TCP over real sockets on loopback, on every flavour.

#[macro_use]
mod support;

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd};
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;

use runtime::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf, Ready};
use runtime::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use support::Rt;

over_flavours!(
    echo_of_a_mebibyte_both_ways,
    many_connections_at_once,
    a_refused_connection_is_an_error,
    a_reset_by_the_peer_is_an_error,
    a_half_closed_stream_still_reads,
    a_pending_read_can_be_dropped,
    owned_halves_in_two_tasks,
    halves_of_different_streams_are_given_back,
    dropping_the_owned_write_half_closes_its_direction,
    borrowed_halves_work_at_once,
    peeking_takes_nothing,
    trying_does_not_wait,
    many_tasks_wait_for_one_stream,
    vectored_io,
    a_socket_is_configured_and_becomes_a_listener_and_a_stream,
    std_and_back,
    names_are_looked_up,
    options_are_what_they_were_set_to,
    the_error_of_the_last_address_counts,
    a_stream_whose_runtime_is_gone_says_so,
    a_busy_reader_lets_others_run,
);

/// Runs to the end, or ends the whole test binary with a message when something was lost.
fn run<F: Future>(rt: &Rt, future: F) -> F::Output {
    let (done, wait) = mpsc::channel::<()>();
    let test = thread::current().name().unwrap_or("?").to_owned();
    let watchdog = thread::spawn(move || {
        if wait.recv_timeout(support::LOST) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{test}: nothing has happened for {:?}", support::LOST);
            std::process::abort();
        }
    });
    let output = rt.block_on(future);
    drop(done);
    watchdog.join().unwrap();
    output
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address that refuses connections for as long as the socket lives: nobody else can have it meanwhile.
fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// A connection within this process.
async fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listen().await;
    let near = TcpStream::connect(address).await.unwrap();
    let (far, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, near.local_addr().unwrap());
    (near, far)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn echo_of_a_mebibyte_both_ways(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (listener, address) = listen().await;
        let server = runtime::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buf = vec![0; 16 * 1024];
            let mut echoed = 0;
            loop {
                match stream.read(&mut buf).await.unwrap() {
                    0 => break echoed,
                    n => stream.write_all(&buf[..n]).await.unwrap(),
                }
                echoed += 1;
            }
        });
        let data = pattern(1 << 20);
        let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
        let expected = data.clone();
        let writing = runtime::spawn(async move {
            writer.write_all(&data).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let mut back = Vec::new();
        assert_eq!(reader.read_to_end(&mut back).await.unwrap(), 1 << 20);
        assert!(back == expected);
        writing.await.unwrap();
        assert!(server.await.unwrap() > 1);
    });
}

fn many_connections_at_once(new: fn() -> Rt) {
    const CONNECTIONS: u32 = 100;
    let rt = new();
    run(&rt, async {
        let (listener, address) = listen().await;
        let server = runtime::spawn(async move {
            for _ in 0..CONNECTIONS {
                let (mut stream, _) = listener.accept().await.unwrap();
                runtime::spawn(async move {
                    while let Ok(number) = stream.read_u32().await {
                        stream.write_u32(number + 1).await.unwrap();
                    }
                });
            }
        });
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|start| {
                runtime::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut number = start;
                    for _ in 0..50 {
                        stream.write_u32(number).await.unwrap();
                        number = stream.read_u32().await.unwrap();
                    }
                    number - start
                })
            })
            .collect();
        for client in clients {
            assert_eq!(client.await.unwrap(), 50);
        }
        server.await.unwrap();
    });
}

fn a_refused_connection_is_an_error(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (_refuses, address) = refusing();
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpSocket::new_v4().unwrap().connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

fn a_reset_by_the_peer_is_an_error(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, far) = pair().await;
        let reading = runtime::spawn(async move { near.read(&mut [0; 8]).await });
        far.set_zero_linger().unwrap();
        drop(far);
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

fn a_half_closed_stream_still_reads(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, mut far) = pair().await;
        near.write_all(b"last words").await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(near.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut heard = String::new();
        far.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "last words");
        // The end is read as often as one asks.
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
        assert!(far.ready(Interest::READABLE).await.unwrap().is_read_closed());
        far.write_all(b"an answer").await.unwrap();
        drop(far);
        heard.clear();
        near.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "an answer");
    });
}

fn a_pending_read_can_be_dropped(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, mut far) = pair().await;
        let mut buf = [0; 8];
        {
            let mut read = pin!(near.read(&mut buf));
            let pending = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        {
            let mut readable = pin!(near.readable());
            let pending = poll_fn(|cx| Poll::Ready(readable.as_mut().poll(cx).is_pending())).await;
            assert!(pending);
        }
        far.write_all(b"x").await.unwrap();
        assert_eq!(near.read(&mut buf).await.unwrap(), 1);

        // A whole task with a pending read is dropped, and its stream with it.
        let task = runtime::spawn(async move { near.read(&mut [0; 8]).await });
        runtime::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

fn owned_halves_in_two_tasks(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (near, far) = pair().await;
        let (mut far_read, mut far_write) = far.into_split();
        let echo = runtime::spawn(async move {
            runtime::io::copy(&mut far_read, &mut far_write).await.unwrap();
            far_read.reunite(far_write).unwrap()
        });
        let (mut read, mut write) = near.into_split();
        let reader = runtime::spawn(async move {
            let mut all = Vec::new();
            read.read_to_end(&mut all).await.unwrap();
            (read, all)
        });
        let data = pattern(300_000);
        write.write_all(&data).await.unwrap();
        write.shutdown().await.unwrap();
        let far = echo.await.unwrap();
        drop(far);
        let (read, all) = reader.await.unwrap();
        assert!(all == data);
        write.reunite(read).unwrap();
    });
}

fn halves_of_different_streams_are_given_back(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (near, far) = pair().await;
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        let error = near_read.reunite(far_write).unwrap_err();
        assert!(error.to_string().contains("same stream"));
        let runtime::net::tcp::ReuniteError(near_read, far_write) = error;
        let mut near = near_write.reunite(near_read).unwrap();
        let mut far = far_read.reunite(far_write).unwrap();
        near.write_u8(1).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 1);
    });
}

fn dropping_the_owned_write_half_closes_its_direction(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (near, mut far) = pair().await;
        let (mut read, write) = near.into_split();
        drop(write);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
        far.write_u8(3).await.unwrap();
        assert_eq!(read.read_u8().await.unwrap(), 3);

        let (near, far) = pair().await;
        let (mut read, write) = near.into_split();
        write.forget();
        // Still open: there is nothing to read, and no end.
        let mut far = far;
        far.write_u8(4).await.unwrap();
        assert_eq!(read.read_u8().await.unwrap(), 4);
        assert_eq!(far.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(read);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

fn borrowed_halves_work_at_once(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, far) = pair().await;
        let echo = runtime::spawn(async move {
            let mut far = far;
            let (mut read, mut write) = far.split();
            runtime::io::copy(&mut read, &mut write).await.unwrap()
        });
        let data = pattern(2_000_000);
        let mut all = Vec::new();
        {
            let (mut read, mut write) = near.split();
            assert_eq!(read.local_addr().unwrap(), write.local_addr().unwrap());
            let mut writing = pin!(async {
                write.write_all(&data).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut reading = pin!(read.read_to_end(&mut all));
            let (mut wrote, mut read) = (false, false);
            poll_fn(|cx| {
                wrote = wrote || writing.as_mut().poll(cx).is_ready();
                read = read || reading.as_mut().poll(cx).is_ready();
                if wrote && read { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        assert!(all == data);
        assert_eq!(echo.await.unwrap(), 2_000_000);
    });
}

fn peeking_takes_nothing(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, mut far) = pair().await;
        far.write_all(b"hello").await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(near.peek(&mut buf).await.unwrap(), 5);
        let mut read_buf = ReadBuf::new(&mut buf[..2]);
        assert_eq!(poll_fn(|cx| near.poll_peek(cx, &mut read_buf)).await.unwrap(), 2);
        assert_eq!(read_buf.filled(), b"he");
        let (mut read, _) = near.split();
        assert_eq!(read.peek(&mut buf).await.unwrap(), 5);
        assert_eq!(near.read(&mut buf).await.unwrap(), 5);
        assert_eq!(&buf[..5], b"hello");
        drop(far);
        assert_eq!(near.peek(&mut buf).await.unwrap(), 0);
    });
}

fn trying_does_not_wait(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (near, mut far) = pair().await;
        let mut buf = [0; 64];
        assert_eq!(near.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        far.write_all(b"abc").await.unwrap();
        loop {
            near.readable().await.unwrap();
            match near.try_read(&mut buf) {
                Ok(n) => break assert_eq!(&buf[..n], b"abc"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        // Fills the connection until it takes no more, and then again after the other side has read.
        let mut sent = 0;
        loop {
            near.writable().await.unwrap();
            match near.try_write(&[7; 64 * 1024]) {
                Ok(n) => sent += n,
                Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        let draining = runtime::spawn(async move {
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        near.writable().await.unwrap();
        sent += near.async_io(Interest::WRITABLE, || near.try_write(b"end")).await.unwrap();
        let skipped = near.try_io(Interest::WRITABLE, || Ok(17)).unwrap_or(17);
        assert_eq!(skipped, 17);
        drop(near);
        assert_eq!(draining.await.unwrap(), sent);
    });
}

fn many_tasks_wait_for_one_stream(new: fn() -> Rt) {
    const TASKS: usize = 50;
    let rt = new();
    run(&rt, async {
        let (near, mut far) = pair().await;
        let near = std::sync::Arc::new(near);
        let (report, reports) = mpsc::channel();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (near, report) = (near.clone(), report.clone());
                runtime::spawn(async move {
                    let mut byte = [0];
                    let n = near.async_io(Interest::READABLE, || near.try_read(&mut byte)).await.unwrap();
                    assert_eq!(n, 1);
                    report.send(byte[0]).unwrap();
                })
            })
            .collect();
        runtime::task::yield_now().await;
        far.write_all(&pattern(TASKS)).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        let mut got: Vec<u8> = reports.try_iter().collect();
        let mut expected = pattern(TASKS);
        got.sort_unstable();
        expected.sort_unstable();
        assert_eq!(got, expected);
    });
}

fn vectored_io(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, far) = pair().await;
        assert!(near.is_write_vectored());
        let bufs = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
        assert_eq!(near.write_vectored(&bufs).await.unwrap(), 7);
        let (mut first, mut second) = ([0; 4], [0; 8]);
        let mut into = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let n = loop {
            far.readable().await.unwrap();
            match far.try_read_vectored(&mut into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => break result.unwrap(),
            }
        };
        assert_eq!(n, 7);
        assert_eq!((&first, &second[..3]), (b"one ", &b"two"[..]));
        // More buffers than one call to the system takes.
        let many = vec![IoSlice::new(b"x"); 3000];
        let mut left = 3000;
        while left > 0 {
            left -= near.write_vectored(&many[3000 - left..]).await.unwrap();
        }
        let mut back = vec![0; 3000];
        let mut far = far;
        far.read_exact(&mut back).await.unwrap();
        assert!(back.iter().all(|&byte| byte == b'x'));
    });
}

fn a_socket_is_configured_and_becomes_a_listener_and_a_stream(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        assert!(socket.reuseaddr().unwrap());
        socket.set_keepalive(true).unwrap();
        assert!(socket.keepalive().unwrap());
        socket.set_nodelay(true).unwrap();
        assert!(socket.nodelay().unwrap());
        socket.set_recv_buffer_size(65_536).unwrap();
        assert!(socket.recv_buffer_size().unwrap() >= 65_536);
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);

        let socket = TcpSocket::new_v4().unwrap();
        // SAFETY: the descriptor was just given up.
        let socket = unsafe { TcpSocket::from_raw_fd(socket.into_raw_fd()) };
        let mut near = socket.connect(address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        near.write_u8(9).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 9);
    });
}

fn std_and_back(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let client = thread::spawn(move || {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(b"from std").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buf = [0; 8];
        stream.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"from std");
        let mut std_stream = stream.into_std().unwrap();
        std_stream.set_nonblocking(false).unwrap();
        std::io::Write::write_all(&mut std_stream, b"to std").unwrap();
        drop(std_stream);
        assert_eq!(client.join().unwrap(), "to std");

        // Registered again, with the same runtime, after it had been given up.
        let listener = TcpListener::try_from(listener.into_std().unwrap()).unwrap();
        let near = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut near = TcpStream::from_std(near.into_std().unwrap()).unwrap();
        near.write_u8(5).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 5);
        assert!(format!("{near:?} {listener:?}").contains("127.0.0.1"));
    });
}

fn names_are_looked_up(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let found: Vec<_> = lookup_host("localhost:80").await.unwrap().collect();
        assert!(found.iter().any(|address| address.ip().is_loopback() && address.port() == 80), "{found:?}");
        let found: Vec<_> = lookup_host(("127.0.0.1", 81)).await.unwrap().collect();
        assert_eq!(found, ["127.0.0.1:81".parse().unwrap()]);
        lookup_host("no port here").await.map(Iterator::count).unwrap_err();
        let listener = TcpListener::bind(("localhost".to_owned(), 0)).await.unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    });
}

fn options_are_what_they_were_set_to(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (near, far) = pair().await;
        for nodelay in [true, false] {
            near.set_nodelay(nodelay).unwrap();
            assert_eq!(near.nodelay().unwrap(), nodelay);
        }
        near.set_ttl(42).unwrap();
        assert_eq!(near.ttl().unwrap(), 42);
        assert_eq!(near.linger().unwrap(), None);
        near.set_zero_linger().unwrap();
        assert_eq!(near.linger().unwrap(), Some(std::time::Duration::ZERO));
        assert_eq!(near.peer_addr().unwrap(), far.local_addr().unwrap());
        assert!(near.take_error().unwrap().is_none());
        #[cfg(target_os = "linux")]
        {
            near.set_quickack(false).unwrap();
            assert!(!near.quickack().unwrap());
        }
        let (listener, _) = listen().await;
        listener.set_ttl(43).unwrap();
        assert_eq!(listener.ttl().unwrap(), 43);
    });
}

fn the_error_of_the_last_address_counts(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (listener, address) = listen().await;
        let (_refuses, refused) = refusing();
        let both = [refused, address];
        let stream = TcpStream::connect(&both[..]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let error = TcpStream::connect(&[][..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = TcpListener::bind(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(listener);
    });
}

fn a_stream_whose_runtime_is_gone_says_so(new: fn() -> Rt) {
    let (first, second) = (new(), new());
    let (mut near, mut far) = run(&first, pair());
    // Its readiness is known, and must not hide that the driver is gone.
    run(&first, async {
        far.write_all(b"unread").await.unwrap();
        near.readable().await.unwrap();
    });
    drop(first);
    run(&second, async {
        near.read(&mut [0; 8]).await.unwrap_err();
        near.write(b"x").await.unwrap_err();
        far.readable().await.unwrap_err();
        near.async_io(Interest::READABLE, || Ok(())).await.unwrap_err();
    });
    // What does not wait goes to the system, and still works.
    assert_eq!(near.try_read(&mut [0; 8]).unwrap(), 6);
    assert!(near.peer_addr().is_ok());
    let near = near.into_std().unwrap();
    let _entered = second.enter();
    TcpStream::from_std(near).unwrap();
}

fn a_busy_reader_lets_others_run(new: fn() -> Rt) {
    let rt = new();
    run(&rt, async {
        let (mut near, far) = pair().await;
        // A writer that never stops, so that the reader is never told to wait.
        let feed = thread::spawn(move || {
            let mut far = far.into_std().unwrap();
            far.set_nonblocking(false).unwrap();
            while std::io::Write::write_all(&mut far, &[0; 64 * 1024]).is_ok() {}
        });
        let reader = runtime::spawn(async move { while near.read(&mut [0; 16]).await.is_ok() {} });
        for _ in 0..100 {
            runtime::task::yield_now().await;
        }
        reader.abort();
        assert!(reader.await.unwrap_err().is_cancelled());
        feed.join().unwrap();
    });
}

#[test]
fn a_runtime_dropped_under_a_pending_read_drops_the_stream() {
    for rt in [support::current().into(), support::multi(2).into(), support::local().into()] {
        let (mut near, far) = run(&rt, pair());
        rt.spawn(async move { near.read(&mut [0; 8]).await });
        run(&rt, runtime::task::yield_now());
        drop(rt);
        // The other end sees the close, whatever became of its own runtime.
        let mut far = far.into_std().unwrap();
        far.set_nonblocking(false).unwrap();
        assert_eq!(std::io::Read::read(&mut far, &mut [0; 8]).unwrap(), 0);
    }
}

#[test]
fn a_read_that_waits_on_another_runtime_ends_when_that_one_is_dropped() {
    let owner = support::multi(1).into();
    let (mut near, _far) = run(&owner, pair());
    let (report, reports) = mpsc::channel();
    let reading = thread::spawn(move || {
        run(&support::local().into(), async move {
            let mut buf = [0; 8];
            let mut read = pin!(near.read(&mut buf));
            poll_fn(|cx| {
                let polled = read.as_mut().poll(cx);
                let _ = report.send(());
                polled
            })
            .await
        })
    });
    reports.recv_timeout(support::LOST).unwrap();
    drop(owner);
    reading.join().unwrap().unwrap_err();
}

#[test]
fn no_runtime_and_no_io_driver_are_told_apart() {
    let std_listener = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    };
    let text = support::panic_text(|| drop(TcpListener::from_std(std_listener())));
    assert!(text.contains("runtime"), "{text}");
    let rt = runtime::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = rt.enter();
    let text = support::panic_text(|| drop(TcpListener::from_std(std_listener())));
    assert!(text.contains("enable_io"), "{text}");
}

#[test]
#[cfg(debug_assertions)]
fn a_blocking_socket_is_refused() {
    let rt = support::current();
    let _entered = rt.enter();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = support::panic_text(|| drop(TcpListener::from_std(listener)));
    assert!(text.contains("set_nonblocking"), "{text}");
}

#[test]
fn ready_tells_both_directions() {
    run(&support::current().into(), async {
        let (near, mut far) = pair().await;
        far.write_all(b"x").await.unwrap();
        near.readable().await.unwrap();
        let ready = near.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert!(ready.is_readable() && ready.is_writable());
        assert!(!ready.is_error() && ready != Ready::EMPTY);
        assert!(near.as_raw_fd() >= 0);
    });
}

/// The types say what may be done with them.
#[test]
fn auto_traits() {
    fn check<T: Send + Sync + Unpin + std::fmt::Debug>() {}
    fn send_sync<T: Send + Sync>(_: T) {}
    fn io<T: AsyncRead + AsyncWrite>() {}
    check::<TcpListener>();
    check::<TcpStream>();
    check::<TcpSocket>();
    check::<runtime::net::tcp::OwnedReadHalf>();
    check::<runtime::net::tcp::OwnedWriteHalf>();
    check::<runtime::net::tcp::ReadHalf<'_>>();
    check::<runtime::net::tcp::WriteHalf<'_>>();
    check::<runtime::net::tcp::ReuniteError>();
    io::<TcpStream>();
    send_sync(TcpListener::bind("127.0.0.1:0"));
    send_sync(TcpStream::connect("127.0.0.1:0"));
    send_sync(lookup_host("127.0.0.1:0"));
}
