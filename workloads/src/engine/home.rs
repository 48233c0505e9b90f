//! A runtime that cannot leave its thread, on a thread of its own.
//!
//! Next file to read: `../exec/mod.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rt::runtime::{Handle, LocalRuntime};

use super::bound;

/// The thread, and the way to its runtime.
#[derive(Debug)]
pub(super) struct Home {
    handle: Handle,
    door: Arc<Door>,
    thread: Option<JoinHandle<()>>,
}

impl Home {
    /// Builds a runtime on a new thread, which drives it from now on.
    pub(super) fn start(
        build: impl FnOnce() -> io::Result<LocalRuntime> + Send + 'static,
    ) -> io::Result<Self> {
        let door = Arc::new(Door::default());
        let (answer, built) = sync_channel(1);
        let inside = door.clone();
        let body = move || {
            let door = Shut(inside);
            let runtime = match build() {
                Ok(runtime) => runtime,
                Err(error) => return answer.send(Err(error)).unwrap_or(()),
            };
            let _ = answer.send(Ok(runtime.handle().clone()));
            let patience = runtime.block_on(door.0.serve());
            bound::shut_down_local(runtime, patience);
        };
        let thread = thread::Builder::new().name("rtbench-runtime".to_owned()).spawn(body)?;
        let handle = built.recv().map_err(|_| io::Error::other("the thread of the runtime panicked"))??;
        Ok(Self { handle, door, thread: Some(thread) })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future inside of the runtime's `block_on`, on the runtime's thread, and waits for it here.
    pub(super) fn block_on<F>(&self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (answer, answered) = sync_channel(1);
        let mut future = Box::pin(future);
        let guest = poll_fn(move |cx| {
            // A panic is the caller's, as it would be if the future ran there.
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(output)) => answer.send(Ok(output)),
                Err(panic) => answer.send(Err(panic)),
            }
            .unwrap_or(());
            Poll::Ready(())
        });
        self.door.let_in(Box::pin(guest));
        match answered.recv() {
            Ok(Ok(output)) => output,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!("the runtime has ended before the future inside of its block_on"),
        }
    }

    /// Ends the runtime, and waits no longer than this for its blocking jobs.
    pub(super) fn shutdown(mut self, timeout: Duration) {
        self.end(timeout);
    }

    fn end(&mut self, patience: Duration) {
        self.door.close(patience);
        if let Some(thread) = self.thread.take() {
            // A panic of the runtime has been printed by its thread; there is nobody to tell it to here.
            let _ = thread.join();
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nobody waits for it any more: not for its blocking jobs either.
        self.end(Duration::ZERO);
    }
}

type Guest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How futures get onto the thread, and how its end is asked for.
#[derive(Default)]
struct Door(Mutex<Hall>);

#[derive(Default)]
struct Hall {
    guests: Vec<Guest>,
    /// Set once it is closed: how long blocking jobs may take.
    patience: Option<Duration>,
    waker: Option<Waker>,
}

impl Door {
    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn let_in(&self, guest: Guest) {
        let (late, waker) = {
            let mut hall = self.hall();
            if hall.patience.is_some() {
                (Some(guest), None)
            } else {
                hall.guests.push(guest);
                (None, hall.waker.take())
            }
        };
        drop(late);
        waker.into_iter().for_each(Waker::wake);
    }

    fn close(&self, patience: Duration) {
        let waker = {
            let mut hall = self.hall();
            hall.patience.get_or_insert(patience);
            hall.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Runs whoever comes in, until the door is closed.
    async fn serve(&self) -> Duration {
        let mut guests = Vec::new();
        poll_fn(move |cx| {
            let mine = cx.waker().clone();
            let (patience, old) = {
                let mut hall = self.hall();
                guests.append(&mut hall.guests);
                (hall.patience, hall.waker.replace(mine))
            };
            drop(old);
            guests.retain_mut(|guest| guest.as_mut().poll(cx).is_pending());
            patience.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("closed", &self.hall().patience.is_some()).finish_non_exhaustive()
    }
}

/// Turns away whoever comes after the end of the thread, also if that is a panic.
struct Shut(Arc<Door>);

impl Drop for Shut {
    fn drop(&mut self) {
        let left = {
            let mut hall = self.0.hall();
            hall.patience.get_or_insert(Duration::ZERO);
            std::mem::take(&mut hall.guests)
        };
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

    use rt::config::{Flavor, RuntimeConfig};

    use super::*;

    fn home() -> Home {
        let config = RuntimeConfig { flavor: Flavor::Local, ..RuntimeConfig::default() };
        Home::start(move || bound::build_local(&config)).unwrap()
    }

    fn here() -> ThreadId {
        thread::current().id()
    }

    #[test]
    fn everything_runs_on_its_thread() {
        let home = home();
        let inside = home.block_on(async { here() });
        let task = home.handle().spawn(async { here() });
        assert_eq!(home.block_on(task).unwrap(), inside);
        assert_ne!(inside, here());
    }

    #[test]
    fn futures_inside_run_beside_each_other() {
        let home = home();
        let (send, wait) = rt::sync::oneshot::channel();
        let got = thread::scope(|scope| {
            let waiting = scope.spawn(|| home.block_on(async { wait.await.unwrap() }));
            home.block_on(async { send.send(7).unwrap() });
            waiting.join().unwrap()
        });
        assert_eq!(got, 7);
    }

    #[test]
    fn a_panic_is_the_callers_and_the_runtime_lives() {
        let home = home();
        let panic = catch_unwind(AssertUnwindSafe(|| home.block_on(async { panic!("planned") })));
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"planned"));
        assert_eq!(home.block_on(async { 7 }), 7);
    }

    #[test]
    fn whoever_comes_after_its_end_is_turned_away() {
        let mut home = home();
        home.end(Duration::ZERO);
        let panic = catch_unwind(AssertUnwindSafe(|| home.block_on(async {})));
        assert!(panic.unwrap_err().downcast_ref::<&str>().unwrap().contains("has ended"));
    }

    #[test]
    fn an_error_of_the_build_is_handed_on() {
        let error = Home::start(|| Err(io::Error::other("planned"))).unwrap_err();
        assert_eq!(error.to_string(), "planned");
    }
}
