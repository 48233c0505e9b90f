//! For each way of waiting in `sync`: two futures that wait, and what releases both of them, or the first one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use runtime::sync::{
    Barrier, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce, broadcast, mpsc, oneshot, watch,
};

pub(crate) type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Scene {
    /// In the order in which they are to be polled first.
    pub(crate) waiting: Vec<Waiting>,
    /// Lets all of them go on, or each one after the one before it has ended.
    pub(crate) release: Box<dyn FnOnce() + Send>,
}

fn scene<F, O>(waiting: impl IntoIterator<Item = F>, release: impl FnOnce() -> O + Send + 'static) -> Scene
where
    F: Future<Output = ()> + Send + 'static,
{
    let waiting = waiting.into_iter().map(|future| Box::pin(future) as Waiting).collect();
    Scene { waiting, release: Box::new(|| drop(release())) }
}

fn semaphore() -> Scene {
    let semaphore = Arc::new(Semaphore::new(0));
    let acquire = |semaphore: Arc<Semaphore>| async move { drop(semaphore.acquire().await.unwrap()) };
    scene([semaphore.clone(), semaphore.clone()].map(acquire), move || semaphore.add_permits(1))
}

fn semaphore_that_closes() -> Scene {
    let semaphore = Arc::new(Semaphore::new(0));
    let acquire = |semaphore: Arc<Semaphore>| async move { assert!(semaphore.acquire().await.is_err()) };
    scene([semaphore.clone(), semaphore.clone()].map(acquire), move || semaphore.close())
}

fn mutex() -> Scene {
    let mutex = Arc::new(Mutex::new(0));
    let guard = mutex.clone().try_lock_owned().unwrap();
    let lock = |mutex: Arc<Mutex<u32>>| async move { *mutex.lock().await += 1 };
    scene([mutex.clone(), mutex].map(lock), move || drop(guard))
}

fn readers() -> Scene {
    let lock = Arc::new(RwLock::new(0));
    let guard = lock.clone().try_write_owned().unwrap();
    let read = |lock: Arc<RwLock<u32>>| async move { assert_eq!(*lock.read().await, 0) };
    scene([lock.clone(), lock].map(read), move || drop(guard))
}

fn writers() -> Scene {
    let lock = Arc::new(RwLock::new(0));
    let guard = lock.clone().try_read_owned().unwrap();
    let write = |lock: Arc<RwLock<u32>>| async move { *lock.write().await += 1 };
    scene([lock.clone(), lock].map(write), move || drop(guard))
}

fn notify_waiters() -> Scene {
    let notify = Arc::new(Notify::new());
    scene([notify.clone().notified_owned(), notify.clone().notified_owned()], move || notify.notify_waiters())
}

fn notify_one() -> Scene {
    let notify = Arc::new(Notify::new());
    let notified = |notify: Arc<Notify>| async move {
        notify.notified().await;
        notify.notify_one();
    };
    scene([notify.clone(), notify.clone()].map(notified), move || notify.notify_one())
}

fn barrier() -> Scene {
    let barrier = Arc::new(Barrier::new(3));
    let wait = |barrier: Arc<Barrier>| async move {
        barrier.wait().await;
    };
    scene([barrier.clone(), barrier.clone()].map(wait), move || futures::executor::block_on(barrier.wait()))
}

fn once_cell() -> Scene {
    let cell = Arc::new(OnceCell::new());
    let (sender, receiver) = oneshot::channel::<u32>();
    // The third one initialises, and is given up.
    let initialising = cell.clone();
    let mut third =
        Box::pin(async move { assert!(initialising.get_or_try_init(|| receiver).await.is_err()) });
    assert!(third.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    let get = |cell: Arc<OnceCell<u32>>| async move { assert_eq!(*cell.get_or_init(async || 1).await, 1) };
    scene([cell.clone(), cell].map(get), move || drop((third, sender)))
}

fn set_once() -> Scene {
    let cell = Arc::new(SetOnce::new());
    let wait = |cell: Arc<SetOnce<u32>>| async move { assert_eq!(*cell.wait().await, 1) };
    scene([cell.clone(), cell.clone()].map(wait), move || cell.set(1))
}

fn mpsc_receiver() -> Scene {
    let (sender, mut receiver) = mpsc::channel(1);
    scene([async move { assert_eq!(receiver.recv().await, Some(1)) }], move || sender.try_send(1))
}

fn unbounded_receiver() -> Scene {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    scene([async move { assert_eq!(receiver.recv().await, Some(1)) }], move || sender.send(1))
}

fn mpsc_receiver_without_senders() -> Scene {
    let (sender, mut receiver) = mpsc::channel::<u32>(1);
    scene([async move { assert_eq!(receiver.recv().await, None) }], move || drop(sender))
}

fn mpsc_senders() -> Scene {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    // Each makes room for the next one by giving its permit back.
    let send = |sender: mpsc::Sender<u32>| async move { drop(sender.reserve().await.unwrap()) };
    let waiting = [sender.clone(), sender].map(send);
    scene(waiting, move || {
        assert!(receiver.try_recv().is_ok());
        // Keeps the channel open.
        std::mem::forget(receiver);
    })
}

fn mpsc_senders_without_receiver() -> Scene {
    let (sender, receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let send = |sender: mpsc::Sender<u32>| async move { assert!(sender.send(1).await.is_err()) };
    scene([sender.clone(), sender].map(send), move || drop(receiver))
}

fn mpsc_closed() -> Scene {
    let (sender, receiver) = mpsc::channel::<u32>(1);
    let closed = |sender: mpsc::Sender<u32>| async move { sender.closed().await };
    scene([sender.clone(), sender].map(closed), move || drop(receiver))
}

fn watch_receivers() -> Scene {
    let (sender, receiver) = watch::channel(0);
    let changed = |mut receiver: watch::Receiver<u32>| async move { receiver.changed().await.unwrap() };
    let waiting = [receiver.clone(), receiver].map(changed);
    scene(waiting, move || {
        sender.send(1).unwrap();
        std::mem::forget(sender);
    })
}

fn watch_receivers_without_sender() -> Scene {
    let (sender, receiver) = watch::channel(0);
    let wait = |mut receiver: watch::Receiver<u32>| async move {
        assert!(receiver.wait_for(|_| false).await.is_err());
    };
    scene([receiver.clone(), receiver].map(wait), move || drop(sender))
}

fn watch_closed() -> Scene {
    let (sender, receiver) = watch::channel(0);
    let closed = |sender: watch::Sender<u32>| async move { sender.closed().await };
    scene([sender.clone(), sender].map(closed), move || drop(receiver))
}

fn broadcast_receivers() -> Scene {
    let (sender, receiver) = broadcast::channel(1);
    let receive =
        |mut receiver: broadcast::Receiver<u32>| async move { assert_eq!(receiver.recv().await, Ok(1)) };
    scene([receiver.resubscribe(), receiver].map(receive), move || sender.send(1))
}

fn broadcast_receivers_without_sender() -> Scene {
    let (sender, receiver) = broadcast::channel::<u32>(1);
    let receive =
        |mut receiver: broadcast::Receiver<u32>| async move { assert!(receiver.recv().await.is_err()) };
    scene([receiver.resubscribe(), receiver].map(receive), move || drop(sender))
}

fn broadcast_closed() -> Scene {
    let (sender, receiver) = broadcast::channel::<u32>(1);
    let closed = |sender: broadcast::Sender<u32>| async move { sender.closed().await };
    scene([sender.clone(), sender].map(closed), move || drop(receiver))
}

fn oneshot_receiver() -> Scene {
    let (sender, receiver) = oneshot::channel();
    scene([async move { assert_eq!(receiver.await, Ok(1)) }], move || sender.send(1))
}

fn oneshot_receiver_without_sender() -> Scene {
    let (sender, receiver) = oneshot::channel::<u32>();
    scene([async move { assert!(receiver.await.is_err()) }], move || drop(sender))
}

fn oneshot_closed() -> Scene {
    let (mut sender, receiver) = oneshot::channel::<u32>();
    scene([async move { sender.closed().await }], move || drop(receiver))
}

pub(crate) type Entry = (&'static str, fn() -> Scene);

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        /// All ways of waiting.
        pub(crate) const SCENES: &[Entry] = &[$((stringify!($name), $name)),*];
    };
}

table![
    semaphore,
    semaphore_that_closes,
    mutex,
    readers,
    writers,
    notify_waiters,
    notify_one,
    barrier,
    once_cell,
    set_once,
    mpsc_receiver,
    unbounded_receiver,
    mpsc_receiver_without_senders,
    mpsc_senders,
    mpsc_senders_without_receiver,
    mpsc_closed,
    watch_receivers,
    watch_receivers_without_sender,
    watch_closed,
    broadcast_receivers,
    broadcast_receivers_without_sender,
    broadcast_closed,
    oneshot_receiver,
    oneshot_receiver_without_sender,
    oneshot_closed,
];
