//! Which public types are `Send`, `Sync` and `Unpin`: what programs come to depend on, and no signature shows.
//!
//! Tokio's, where it has the type.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use runtime::io::{self, AsyncBufRead, AsyncSeek, AsyncWrite};
use runtime::net::{TcpListener, TcpSocket, TcpStream, tcp};
use runtime::runtime::{
    Builder, EnterGuard, Handle, Id, LocalOptions, LocalRuntime, Runtime, RuntimeMetrics, TryCurrentError,
    dump,
};
use runtime::sync;
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
            let mut wrong = Vec::new();
            $(
                let probe = Probe::<$ty>(PhantomData);
                let found = [probe.send(), probe.sync(), probe.unpin()].join(" ");
                if found != $expected {
                    wrong.push(format!("{}: {found} instead of {}", stringify!($ty), $expected));
                }
            )+
            assert!(wrong.is_empty(), "{wrong:#?}");
        }
    };
}

macro_rules! futures {
    ($test:ident, $($call:expr => $expected:literal),+ $(,)?) => {
        #[test]
        fn $test() {
            let mut wrong = Vec::new();
            $(
                let probe = returned(|| $call);
                let found = [probe.send(), probe.sync(), probe.unpin()].join(" ");
                if found != $expected {
                    wrong.push(format!("{}: {found} instead of {}", stringify!($call), $expected));
                }
            )+
            assert!(wrong.is_empty(), "{wrong:#?}");
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

table!(
    primitives,
    sync::AcquireError: "Send Sync Unpin",
    sync::Barrier: "Send Sync Unpin",
    sync::BarrierWaitResult: "Send Sync Unpin",
    sync::MappedMutexGuard<'static, Nn>: "!Send !Sync Unpin",
    sync::MappedMutexGuard<'static, Yn>: "Send !Sync Unpin",
    sync::MappedMutexGuard<'static, Yy>: "Send Sync Unpin",
    sync::Mutex<Nn>: "!Send !Sync Unpin",
    sync::Mutex<Yn>: "Send Sync Unpin",
    sync::Mutex<Yy>: "Send Sync Unpin",
    sync::MutexGuard<'static, Nn>: "!Send !Sync Unpin",
    sync::MutexGuard<'static, Yn>: "Send !Sync Unpin",
    sync::MutexGuard<'static, Yy>: "Send Sync Unpin",
    sync::Notify: "Send Sync Unpin",
    sync::OnceCell<Nn>: "!Send !Sync Unpin",
    sync::OnceCell<Yn>: "Send !Sync Unpin",
    sync::OnceCell<Yy>: "Send Sync Unpin",
    sync::SetOnce<Nn>: "!Send !Sync Unpin",
    sync::SetOnce<Yn>: "Send !Sync Unpin",
    sync::SetOnce<Yy>: "Send Sync Unpin",
    sync::OwnedMutexGuard<Nn>: "!Send !Sync Unpin",
    sync::OwnedMutexGuard<Yn>: "Send !Sync Unpin",
    sync::OwnedMutexGuard<Yy>: "Send Sync Unpin",
    sync::OwnedMappedMutexGuard<Nn,Nn>: "!Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Nn,Yn>: "!Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Nn,Yy>: "!Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Yn,Nn>: "!Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Yn,Yn>: "Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Yn,Yy>: "Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Yy,Nn>: "!Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Yy,Yn>: "Send !Sync Unpin",
    sync::OwnedMappedMutexGuard<Yy,Yy>: "Send Sync Unpin",
    sync::OwnedRwLockMappedWriteGuard<Nn>: "!Send !Sync Unpin",
    sync::OwnedRwLockMappedWriteGuard<Yn>: "!Send !Sync Unpin",
    sync::OwnedRwLockMappedWriteGuard<Yy>: "Send Sync Unpin",
    sync::OwnedRwLockReadGuard<Nn>: "!Send !Sync Unpin",
    sync::OwnedRwLockReadGuard<Yn>: "!Send !Sync Unpin",
    sync::OwnedRwLockReadGuard<Yy>: "Send Sync Unpin",
    sync::OwnedRwLockWriteGuard<Nn>: "!Send !Sync Unpin",
    sync::OwnedRwLockWriteGuard<Yn>: "!Send !Sync Unpin",
    sync::OwnedRwLockWriteGuard<Yy>: "Send Sync Unpin",
    sync::OwnedSemaphorePermit: "Send Sync Unpin",
    sync::RwLock<Nn>: "!Send !Sync Unpin",
    sync::RwLock<Yn>: "Send !Sync Unpin",
    sync::RwLock<Yy>: "Send Sync Unpin",
    sync::RwLockMappedWriteGuard<'static, Nn>: "!Send !Sync Unpin",
    sync::RwLockMappedWriteGuard<'static, Yn>: "!Send !Sync Unpin",
    sync::RwLockMappedWriteGuard<'static, Yy>: "Send Sync Unpin",
    sync::RwLockReadGuard<'static, Nn>: "!Send !Sync Unpin",
    sync::RwLockReadGuard<'static, Yn>: "!Send !Sync Unpin",
    sync::RwLockReadGuard<'static, Yy>: "Send Sync Unpin",
    sync::RwLockWriteGuard<'static, Nn>: "!Send !Sync Unpin",
    sync::RwLockWriteGuard<'static, Yn>: "!Send !Sync Unpin",
    sync::RwLockWriteGuard<'static, Yy>: "Send Sync Unpin",
    sync::Semaphore: "Send Sync Unpin",
    sync::SemaphorePermit<'static>: "Send Sync Unpin",
    sync::TryAcquireError: "Send Sync Unpin",
    sync::TryLockError: "Send Sync Unpin",
    sync::broadcast::Receiver<Nn>: "!Send !Sync Unpin",
    sync::broadcast::Receiver<Yn>: "Send Sync Unpin",
    sync::broadcast::Receiver<Yy>: "Send Sync Unpin",
    sync::broadcast::Sender<Nn>: "!Send !Sync Unpin",
    sync::broadcast::Sender<Yn>: "Send Sync Unpin",
    sync::broadcast::Sender<Yy>: "Send Sync Unpin",
    sync::broadcast::WeakSender<Nn>: "!Send !Sync Unpin",
    sync::broadcast::WeakSender<Yn>: "Send Sync Unpin",
    sync::broadcast::WeakSender<Yy>: "Send Sync Unpin",
    sync::futures::Notified<'static>: "Send Sync !Unpin",
    sync::futures::OwnedNotified: "Send Sync !Unpin",
    sync::mpsc::OwnedPermit<Nn>: "!Send !Sync Unpin",
    sync::mpsc::OwnedPermit<Yn>: "Send Sync Unpin",
    sync::mpsc::OwnedPermit<Yy>: "Send Sync Unpin",
    sync::mpsc::Permit<'static, Nn>: "!Send !Sync Unpin",
    sync::mpsc::Permit<'static, Yn>: "Send Sync Unpin",
    sync::mpsc::Permit<'static, Yy>: "Send Sync Unpin",
    sync::mpsc::Receiver<Nn>: "!Send !Sync Unpin",
    sync::mpsc::Receiver<Yn>: "Send Sync Unpin",
    sync::mpsc::Receiver<Yy>: "Send Sync Unpin",
    sync::mpsc::Sender<Nn>: "!Send !Sync Unpin",
    sync::mpsc::Sender<Yn>: "Send Sync Unpin",
    sync::mpsc::Sender<Yy>: "Send Sync Unpin",
    sync::mpsc::UnboundedReceiver<Nn>: "!Send !Sync Unpin",
    sync::mpsc::UnboundedReceiver<Yn>: "Send Sync Unpin",
    sync::mpsc::UnboundedReceiver<Yy>: "Send Sync Unpin",
    sync::mpsc::UnboundedSender<Nn>: "!Send !Sync Unpin",
    sync::mpsc::UnboundedSender<Yn>: "Send Sync Unpin",
    sync::mpsc::UnboundedSender<Yy>: "Send Sync Unpin",
    sync::mpsc::WeakSender<Nn>: "!Send !Sync Unpin",
    sync::mpsc::WeakSender<Yn>: "Send Sync Unpin",
    sync::mpsc::WeakSender<Yy>: "Send Sync Unpin",
    sync::mpsc::WeakUnboundedSender<Nn>: "!Send !Sync Unpin",
    sync::mpsc::WeakUnboundedSender<Yn>: "Send Sync Unpin",
    sync::mpsc::WeakUnboundedSender<Yy>: "Send Sync Unpin",
    sync::mpsc::error::SendError<Nn>: "!Send !Sync Unpin",
    sync::mpsc::error::SendError<Yn>: "Send !Sync Unpin",
    sync::mpsc::error::SendError<Yy>: "Send Sync Unpin",
    sync::mpsc::error::SendTimeoutError<Nn>: "!Send !Sync Unpin",
    sync::mpsc::error::SendTimeoutError<Yn>: "Send !Sync Unpin",
    sync::mpsc::error::SendTimeoutError<Yy>: "Send Sync Unpin",
    sync::mpsc::error::TrySendError<Nn>: "!Send !Sync Unpin",
    sync::mpsc::error::TrySendError<Yn>: "Send !Sync Unpin",
    sync::mpsc::error::TrySendError<Yy>: "Send Sync Unpin",
    sync::oneshot::Receiver<Nn>: "!Send !Sync Unpin",
    sync::oneshot::Receiver<Yn>: "Send Sync Unpin",
    sync::oneshot::Receiver<Yy>: "Send Sync Unpin",
    sync::oneshot::Sender<Nn>: "!Send !Sync Unpin",
    sync::oneshot::Sender<Yn>: "Send Sync Unpin",
    sync::oneshot::Sender<Yy>: "Send Sync Unpin",
    sync::watch::Receiver<Nn>: "!Send !Sync Unpin",
    sync::watch::Receiver<Yn>: "!Send !Sync Unpin",
    sync::watch::Receiver<Yy>: "Send Sync Unpin",
    sync::watch::Ref<'static, Nn>: "!Send !Sync Unpin",
    sync::watch::Ref<'static, Yn>: "!Send !Sync Unpin",
    sync::watch::Ref<'static, Yy>: "!Send Sync Unpin",
    sync::watch::Sender<Nn>: "!Send !Sync Unpin",
    sync::watch::Sender<Yn>: "!Send !Sync Unpin",
    sync::watch::Sender<Yy>: "Send Sync Unpin",
);

futures!(
    futures_of_primitives,
    sync::Barrier::wait(any()) => "Send Sync !Unpin",
    sync::Mutex::<Nn>::lock(any()) => "!Send !Sync !Unpin",
    sync::Mutex::<Nn>::lock_owned(any()) => "!Send !Sync !Unpin",
    sync::Mutex::<Yn>::lock(any()) => "Send Sync !Unpin",
    sync::Mutex::<Yn>::lock_owned(any()) => "Send Sync !Unpin",
    sync::Mutex::<Yy>::lock(any()) => "Send Sync !Unpin",
    sync::Mutex::<Yy>::lock_owned(any()) => "Send Sync !Unpin",
    sync::Notify::notified(any()) => "Send Sync !Unpin",
    sync::OnceCell::<Nn>::get_or_init(any(), any::<fn() -> BoxedSync<Nn>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Nn>::get_or_init(any(), any::<fn() -> BoxedSend<Nn>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Nn>::get_or_init(any(), any::<fn() -> Boxed<Nn>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Nn>::get_or_try_init(any(), any::<fn() -> BoxedSync<std::io::Result<Nn>>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Nn>::get_or_try_init(any(), any::<fn() -> BoxedSend<std::io::Result<Nn>>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Nn>::get_or_try_init(any(), any::<fn() -> Boxed<std::io::Result<Nn>>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yn>::get_or_init(any(), any::<fn() -> BoxedSync<Yn>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yn>::get_or_init(any(), any::<fn() -> BoxedSend<Yn>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yn>::get_or_init(any(), any::<fn() -> Boxed<Yn>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yn>::get_or_try_init(any(), any::<fn() -> BoxedSync<std::io::Result<Yn>>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yn>::get_or_try_init(any(), any::<fn() -> BoxedSend<std::io::Result<Yn>>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yn>::get_or_try_init(any(), any::<fn() -> Boxed<std::io::Result<Yn>>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yy>::get_or_init(any(), any::<fn() -> BoxedSync<Yy>>()) => "Send Sync !Unpin",
    sync::OnceCell::<Yy>::get_or_init(any(), any::<fn() -> BoxedSend<Yy>>()) => "Send !Sync !Unpin",
    sync::OnceCell::<Yy>::get_or_init(any(), any::<fn() -> Boxed<Yy>>()) => "!Send !Sync !Unpin",
    sync::OnceCell::<Yy>::get_or_try_init(any(), any::<fn() -> BoxedSync<std::io::Result<Yy>>>()) => "Send Sync !Unpin",
    sync::OnceCell::<Yy>::get_or_try_init(any(), any::<fn() -> BoxedSend<std::io::Result<Yy>>>()) => "Send !Sync !Unpin",
    sync::OnceCell::<Yy>::get_or_try_init(any(), any::<fn() -> Boxed<std::io::Result<Yy>>>()) => "!Send !Sync !Unpin",
    sync::SetOnce::<Nn>::wait(any()) => "!Send !Sync !Unpin",
    sync::SetOnce::<Yn>::wait(any()) => "!Send !Sync !Unpin",
    sync::SetOnce::<Yy>::wait(any()) => "Send Sync !Unpin",
    sync::RwLock::<Nn>::read(any()) => "!Send !Sync !Unpin",
    sync::RwLock::<Nn>::write(any()) => "!Send !Sync !Unpin",
    sync::RwLock::<Yn>::read(any()) => "!Send !Sync !Unpin",
    sync::RwLock::<Yn>::write(any()) => "!Send !Sync !Unpin",
    sync::RwLock::<Yy>::read(any()) => "Send Sync !Unpin",
    sync::RwLock::<Yy>::write(any()) => "Send Sync !Unpin",
    sync::Semaphore::acquire(any()) => "Send Sync !Unpin",
    sync::Semaphore::acquire_many(any(), any::<u32>()) => "Send Sync !Unpin",
    sync::Semaphore::acquire_many_owned(any(), any::<u32>()) => "Send Sync !Unpin",
    sync::Semaphore::acquire_owned(any()) => "Send Sync !Unpin",
    sync::broadcast::Receiver::<Nn>::recv(any()) => "!Send !Sync !Unpin",
    sync::broadcast::Receiver::<Yn>::recv(any()) => "Send Sync !Unpin",
    sync::broadcast::Receiver::<Yy>::recv(any()) => "Send Sync !Unpin",
    sync::mpsc::Receiver::<Nn>::recv(any()) => "!Send !Sync !Unpin",
    sync::mpsc::Receiver::<Yn>::recv(any()) => "Send Sync !Unpin",
    sync::mpsc::Receiver::<Yy>::recv(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Nn>::closed(any()) => "!Send !Sync !Unpin",
    sync::mpsc::Sender::<Nn>::reserve(any()) => "!Send !Sync !Unpin",
    sync::mpsc::Sender::<Nn>::reserve_owned(any()) => "!Send !Sync !Unpin",
    sync::mpsc::Sender::<Nn>::send(any(), any::<Nn>()) => "!Send !Sync !Unpin",
    sync::mpsc::Sender::<Nn>::send_timeout(any(), any::<Nn>(), any::<Duration>()) => "!Send !Sync !Unpin",
    sync::mpsc::Sender::<Yn>::closed(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yn>::reserve(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yn>::reserve_owned(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yn>::send(any(), any::<Yn>()) => "Send !Sync !Unpin",
    sync::mpsc::Sender::<Yn>::send_timeout(any(), any::<Yn>(), any::<Duration>()) => "Send !Sync !Unpin",
    sync::mpsc::Sender::<Yy>::closed(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yy>::reserve(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yy>::reserve_owned(any()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yy>::send(any(), any::<Yy>()) => "Send Sync !Unpin",
    sync::mpsc::Sender::<Yy>::send_timeout(any(), any::<Yy>(), any::<Duration>()) => "Send Sync !Unpin",
    sync::mpsc::UnboundedReceiver::<Nn>::recv(any()) => "!Send !Sync !Unpin",
    sync::mpsc::UnboundedReceiver::<Yn>::recv(any()) => "Send Sync !Unpin",
    sync::mpsc::UnboundedReceiver::<Yy>::recv(any()) => "Send Sync !Unpin",
    sync::mpsc::UnboundedSender::<Nn>::closed(any()) => "!Send !Sync !Unpin",
    sync::mpsc::UnboundedSender::<Yn>::closed(any()) => "Send Sync !Unpin",
    sync::mpsc::UnboundedSender::<Yy>::closed(any()) => "Send Sync !Unpin",
    sync::oneshot::Sender::<Nn>::closed(any()) => "!Send !Sync !Unpin",
    sync::oneshot::Sender::<Yn>::closed(any()) => "Send Sync !Unpin",
    sync::oneshot::Sender::<Yy>::closed(any()) => "Send Sync !Unpin",
    sync::watch::Receiver::<Nn>::changed(any()) => "!Send !Sync !Unpin",
    sync::watch::Receiver::<Yn>::changed(any()) => "!Send !Sync !Unpin",
    sync::watch::Receiver::<Yy>::changed(any()) => "Send Sync !Unpin",
    sync::watch::Sender::<Nn>::closed(any()) => "!Send !Sync !Unpin",
    sync::watch::Sender::<Yn>::closed(any()) => "!Send !Sync !Unpin",
    sync::watch::Sender::<Yy>::closed(any()) => "Send Sync !Unpin",
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
