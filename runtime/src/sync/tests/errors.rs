//! What errors say of themselves: the sentences of Tokio, which programs compare.

use std::error::Error;

use crate::sync::{AcquireError, Mutex, Semaphore, SetError, SetOnceError, TryAcquireError};
use crate::sync::{mpsc, oneshot, watch};

/// Through `dyn Error`: each is one.
#[track_caller]
fn says(error: impl Error + 'static, text: &str) {
    let error: Box<dyn Error> = Box::new(error);
    assert_eq!(error.to_string(), text);
    assert!(error.source().is_none());
}

#[test]
fn each_error_of_a_channel_says_what_is_wrong() {
    says(mpsc::error::SendError(()), "channel closed");
    says(mpsc::error::TrySendError::Full(()), "no available capacity");
    says(mpsc::error::TrySendError::Closed(()), "channel closed");
    says(mpsc::error::SendTimeoutError::Timeout(()), "timed out waiting on send operation");
    says(mpsc::error::SendTimeoutError::Closed(()), "channel closed");
    says(mpsc::error::TryRecvError::Empty, "receiving on an empty channel");
    says(mpsc::error::TryRecvError::Disconnected, "receiving on a closed channel");

    let (sender, receiver) = oneshot::channel::<()>();
    drop(sender);
    says(receiver.blocking_recv().unwrap_err(), "channel closed");
    says(oneshot::error::TryRecvError::Empty, "channel empty");
    says(oneshot::error::TryRecvError::Closed, "channel closed");

    says(watch::error::SendError(()), "channel closed");
    let (sender, receiver) = watch::channel(());
    drop(sender);
    says(receiver.has_changed().unwrap_err(), "channel closed");
}

#[test]
fn each_error_of_a_lock_or_a_cell_says_what_is_wrong() {
    let mutex = Mutex::new(());
    let guard = mutex.try_lock().unwrap();
    says(mutex.try_lock().unwrap_err(), "operation would block");
    drop(guard);
    let semaphore = Semaphore::new(1);
    semaphore.close();
    let error: AcquireError = super::wait(semaphore.acquire()).unwrap_err();
    says(error, "semaphore closed");
    says(TryAcquireError::Closed, "semaphore closed");
    says(TryAcquireError::NoPermits, "no permits available");
    says(SetError::AlreadyInitializedError(()), "AlreadyInitializedError");
    says(SetError::InitializingError(()), "InitializingError");
    says(SetOnceError(()), "SetOnceError");
}

#[test]
fn an_error_gives_back_what_was_not_sent_and_is_asked_for_its_kind() {
    use mpsc::error::{SendError, SendTimeoutError, TrySendError};
    assert_eq!(TrySendError::Full(1).into_inner(), 1);
    assert_eq!(TrySendError::Closed(2).into_inner(), 2);
    assert_eq!(TrySendError::from(SendError(3)), TrySendError::Closed(3));
    assert_eq!(SendTimeoutError::Timeout(4).into_inner(), 4);
    assert_eq!(SendTimeoutError::Closed(5).into_inner(), 5);
    let (already, initializing) = (SetError::AlreadyInitializedError(()), SetError::InitializingError(()));
    assert_eq!((already.is_already_init_err(), already.is_initializing_err()), (true, false));
    assert_eq!((initializing.is_already_init_err(), initializing.is_initializing_err()), (false, true));
}
