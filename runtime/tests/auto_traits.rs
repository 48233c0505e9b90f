//! Which public types are `Send`, `Sync` and `Unpin`: what programs come to depend on, and no signature shows.
//!
//! Tokio's, where it has the type.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;

use runtime::io::{self, AsyncBufRead, AsyncSeek, AsyncWrite};
use runtime::net::{TcpListener, TcpSocket, TcpStream, tcp};
use runtime::runtime::{
    Builder, EnterGuard, Handle, Id, LocalOptions, LocalRuntime, Runtime, RuntimeMetrics, TryCurrentError,
    dump,
};
use runtime::task::{
    self, AbortHandle, AccessError, JoinError, JoinHandle, JoinSet, LocalEnterGuard, LocalKey, LocalSet, coop,
};
use runtime::time::{self, Instant, Interval, Sleep, Timeout};

/// What is known of a type. Where a bound holds, the inherent method is taken before the trait's.
struct Probe<T: ?Sized>(PhantomData<T>);

trait Otherwise {
    fn send(&self) -> &'static str {
        "!Send"
    }
    fn sync(&self) -> &'static str {
        "!Sync"
    }
    fn unpin(&self) -> &'static str {
        "!Unpin"
    }
}

impl<T: ?Sized> Otherwise for Probe<T> {}

impl<T: ?Sized + Send> Probe<T> {
    fn send(&self) -> &'static str {
        "Send"
    }
}

impl<T: ?Sized + Sync> Probe<T> {
    fn sync(&self) -> &'static str {
        "Sync"
    }
}

impl<T: ?Sized + Unpin> Probe<T> {
    fn unpin(&self) -> &'static str {
        "Unpin"
    }
}

/// The type of what a call returns. The call is not made.
fn returned<T>(_: impl FnOnce() -> T) -> Probe<T> {
    Probe(PhantomData)
}

/// Something of any type, in a call that is not made.
fn any<T>() -> T {
    unreachable!("the call is not made")
}

macro_rules! table {
    ($test:ident, $($ty:ty: $expected:literal),+ $(,)?) => {
        #[test]
        fn $test() {
            $(
                let probe = Probe::<$ty>(PhantomData);
                let found = [probe.send(), probe.sync(), probe.unpin()].join(" ");
                assert_eq!(found, $expected, "{}", stringify!($ty));
            )+
        }
    };
}

macro_rules! futures {
    ($test:ident, $($call:expr => $expected:literal),+ $(,)?) => {
        #[test]
        fn $test() {
            $(
                let probe = returned(|| $call);
                let found = [probe.send(), probe.sync(), probe.unpin()].join(" ");
                assert_eq!(found, $expected, "{}", stringify!($call));
            )+
        }
    };
}

/// Send and Sync; Send alone; neither.
type Yy = u32;
type Yn = Cell<u32>;
type Nn = Rc<u32>;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;
type BoxedSend<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type BoxedSync<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;
type Reader = Pin<Box<dyn AsyncBufRead + Send + Sync>>;
type Writer = Pin<Box<dyn AsyncWrite + Send + Sync>>;
type Seeker = Pin<Box<dyn AsyncSeek + Send + Sync>>;

#[test]
fn the_probe_tells_types_apart() {
    let probe = Probe::<Nn>(PhantomData);
    assert_eq!([probe.send(), probe.sync(), probe.unpin()], ["!Send", "!Sync", "Unpin"]);
    let probe = Probe::<Yn>(PhantomData);
    assert_eq!([probe.send(), probe.sync(), probe.unpin()], ["Send", "!Sync", "Unpin"]);
    let probe = Probe::<std::marker::PhantomPinned>(PhantomData);
    assert_eq!([probe.send(), probe.sync(), probe.unpin()], ["Send", "Sync", "!Unpin"]);
}

table!(
    runtimes,
    Builder: "Send Sync Unpin",
    EnterGuard<'static>: "!Send Sync Unpin",
    Handle: "Send Sync Unpin",
    dump::Dump: "Send Sync Unpin",
    dump::Task: "Send Sync Unpin",
    dump::Trace: "Send Sync Unpin",
    dump::Backtrace: "Send Sync Unpin",
    Id: "Send Sync Unpin",
    LocalOptions: "!Send !Sync Unpin",
    LocalRuntime: "!Send !Sync Unpin",
    Runtime: "Send Sync Unpin",
    RuntimeMetrics: "Send Sync Unpin",
    TryCurrentError: "Send Sync Unpin",
);

table!(
    tasks,
    AbortHandle: "Send Sync Unpin",
    AccessError: "Send Sync Unpin",
    JoinError: "Send Sync Unpin",
    JoinHandle<Yy>: "Send Sync Unpin",
    JoinHandle<Yn>: "Send Sync Unpin",
    JoinHandle<Nn>: "!Send !Sync Unpin",
    JoinSet<Yy>: "Send Sync Unpin",
    JoinSet<Yn>: "Send Sync Unpin",
    JoinSet<Nn>: "!Send !Sync Unpin",
    LocalEnterGuard: "!Send !Sync Unpin",
    LocalKey<Yy>: "Send Sync Unpin",
    LocalKey<Nn>: "Send Sync Unpin",
    LocalSet: "!Send !Sync Unpin",
    coop::RestoreOnPending: "!Send !Sync Unpin",
    task::Builder<'static>: "Send Sync Unpin",
    task::Id: "Send Sync Unpin",
    task::join_set::Builder<'static, Yn>: "Send Sync Unpin",
    task::join_set::Builder<'static, Nn>: "!Send !Sync Unpin",
);

futures!(
    futures_of_tasks,
    any::<&mut JoinSet<Yy>>().join_next() => "Send Sync !Unpin",
    any::<&mut JoinSet<Yn>>().join_next() => "Send Sync !Unpin",
    any::<&mut JoinSet<Nn>>().join_next() => "!Send !Sync !Unpin",
    any::<&mut JoinSet<Yn>>().shutdown() => "Send Sync !Unpin",
    any::<&mut JoinSet<Nn>>().shutdown() => "!Send !Sync !Unpin",
    any::<JoinSet<Yy>>().join_all() => "Send Sync !Unpin",
    any::<&'static LocalKey<Yy>>().scope(any(), any::<BoxedSync<()>>()) => "Send Sync !Unpin",
    any::<&'static LocalKey<Yy>>().scope(any(), any::<BoxedSend<()>>()) => "Send !Sync !Unpin",
    any::<&'static LocalKey<Yy>>().scope(any(), any::<Boxed<()>>()) => "!Send !Sync !Unpin",
    any::<&'static LocalKey<Yn>>().scope(any(), any::<BoxedSync<()>>()) => "Send !Sync !Unpin",
    any::<&'static LocalKey<Nn>>().scope(any(), any::<BoxedSync<()>>()) => "!Send !Sync !Unpin",
    any::<&LocalSet>().run_until(any::<BoxedSync<()>>()) => "!Send !Sync !Unpin",
    coop::unconstrained(any::<BoxedSync<()>>()) => "Send Sync Unpin",
    coop::unconstrained(any::<BoxedSend<()>>()) => "Send !Sync Unpin",
    coop::unconstrained(any::<Boxed<()>>()) => "!Send !Sync Unpin",
    coop::consume_budget() => "Send Sync !Unpin",
    task::yield_now() => "Send Sync !Unpin",
);

table!(
    times,
    Instant: "Send Sync Unpin",
    Interval: "Send Sync Unpin",
    Sleep: "Send Sync !Unpin",
    Timeout<BoxedSync<()>>: "Send Sync !Unpin",
    Timeout<BoxedSend<()>>: "Send !Sync !Unpin",
    Timeout<Boxed<()>>: "!Send !Sync !Unpin",
    time::error::Elapsed: "Send Sync Unpin",
    time::error::Error: "Send Sync Unpin",
);

futures!(
    futures_of_times,
    any::<&mut Interval>().tick() => "Send Sync !Unpin",
    time::advance(any()) => "Send Sync !Unpin",
    time::sleep(any()) => "Send Sync !Unpin",
    time::timeout(any(), any::<BoxedSync<()>>()) => "Send Sync !Unpin",
    time::timeout_at(any(), any::<BoxedSend<()>>()) => "Send !Sync !Unpin",
);

table!(
    sockets,
    TcpListener: "Send Sync Unpin",
    TcpSocket: "Send Sync Unpin",
    TcpStream: "Send Sync Unpin",
    tcp::OwnedReadHalf: "Send Sync Unpin",
    tcp::OwnedWriteHalf: "Send Sync Unpin",
    tcp::ReadHalf<'static>: "Send Sync Unpin",
    tcp::ReuniteError: "Send Sync Unpin",
    tcp::WriteHalf<'static>: "Send Sync Unpin",
);

futures!(
    futures_of_sockets,
    TcpListener::bind(any::<std::net::SocketAddr>()) => "Send Sync !Unpin",
    TcpStream::connect(any::<std::net::SocketAddr>()) => "Send Sync !Unpin",
    any::<&TcpListener>().accept() => "Send Sync !Unpin",
    any::<&TcpStream>().peek(any()) => "Send Sync !Unpin",
    any::<&TcpStream>().readable() => "Send Sync !Unpin",
    any::<&TcpStream>().ready(any()) => "Send Sync !Unpin",
    any::<&TcpStream>().writable() => "Send Sync !Unpin",
    runtime::net::lookup_host(any::<std::net::SocketAddr>()) => "Send Sync !Unpin",
);

table!(
    streams,
    io::BufReader<TcpStream>: "Send Sync Unpin",
    io::BufStream<TcpStream>: "Send Sync Unpin",
    io::BufWriter<TcpStream>: "Send Sync Unpin",
    io::DuplexStream: "Send Sync Unpin",
    io::Empty: "Send Sync Unpin",
    io::Interest: "Send Sync Unpin",
    io::Lines<TcpStream>: "Send Sync Unpin",
    io::ReadBuf<'static>: "Send Sync Unpin",
    io::ReadHalf<TcpStream>: "Send Sync Unpin",
    io::Ready: "Send Sync Unpin",
    io::Repeat: "Send Sync Unpin",
    io::Sink: "Send Sync Unpin",
    io::Split<TcpStream>: "Send Sync Unpin",
    io::Take<TcpStream>: "Send Sync Unpin",
    io::WriteHalf<TcpStream>: "Send Sync Unpin",
);

futures!(
    futures_of_streams,
    io::copy(any::<&mut TcpStream>(), any::<&mut TcpStream>()) => "Send Sync !Unpin",
    io::copy_bidirectional(any::<&mut TcpStream>(), any::<&mut TcpStream>()) => "Send Sync !Unpin",
    io::AsyncReadExt::read(any::<&mut Reader>(), any()) => "Send Sync !Unpin",
    io::AsyncReadExt::read_exact(any::<&mut Reader>(), any()) => "Send Sync !Unpin",
    io::AsyncReadExt::read_to_end(any::<&mut Reader>(), any()) => "Send Sync !Unpin",
    io::AsyncReadExt::read_u64(any::<&mut Reader>()) => "Send Sync !Unpin",
    io::AsyncBufReadExt::read_line(any::<&mut Reader>(), any()) => "Send Sync !Unpin",
    io::AsyncBufReadExt::fill_buf(any::<&mut Reader>()) => "Send Sync !Unpin",
    io::AsyncSeekExt::seek(any::<&mut Seeker>(), any()) => "Send Sync !Unpin",
    io::AsyncWriteExt::write_all(any::<&mut Writer>(), any()) => "Send Sync !Unpin",
    io::AsyncWriteExt::write_u16(any::<&mut Writer>(), any()) => "Send Sync !Unpin",
    io::AsyncWriteExt::flush(any::<&mut Writer>()) => "Send Sync !Unpin",
    io::AsyncWriteExt::shutdown(any::<&mut Writer>()) => "Send Sync !Unpin",
);

/// As they are in Tokio: a panic that is caught leaves them in order.
#[test]
fn what_can_be_used_after_a_panic() {
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
    is_unwind_safe::<Runtime>();
    is_unwind_safe::<LocalRuntime>();
    is_unwind_safe::<Handle>();
    is_unwind_safe::<RuntimeMetrics>();
    is_unwind_safe::<JoinHandle<Yn>>();
    is_unwind_safe::<AbortHandle>();
    is_unwind_safe::<TcpListener>();
    is_unwind_safe::<TcpStream>();
}
