//! What the behaviour suites share.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub(crate) mod misuse;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime::runtime::{
    Builder, EnterGuard, Handle, LocalOptions, LocalRuntime, Runtime, RuntimeMetrics, ShutdownReport,
};
use runtime::task::JoinHandle;

/// How long a test waits for something before it calls that lost. Nothing waits this long on the good path.
pub(crate) const LOST: Duration = Duration::from_secs(60);

/// Stamps a suite of functions of the form `fn name(new: fn() -> Rt)` over the flavours. Those after `shared:` are of the
/// form `fn name(new: fn() -> Runtime)`: their runtime goes to other threads, which a `LocalRuntime` cannot.
#[macro_export]
macro_rules! over_flavours {
    ($($name:ident),+ $(; shared: $($shared:ident),+)? $(,)?) => {
        $crate::over_flavours!(
            @flavour current_thread, || $crate::support::current().into(), $($name),+
            $(; || $crate::support::current(), $($shared),+)?
        );
        $crate::over_flavours!(
            @flavour multi_thread_1, || $crate::support::multi(1).into(), $($name),+
            $(; || $crate::support::multi(1), $($shared),+)?
        );
        $crate::over_flavours!(
            @flavour multi_thread_4, || $crate::support::multi(4).into(), $($name),+
            $(; || $crate::support::multi(4), $($shared),+)?
        );
        $crate::over_flavours!(@flavour local, || $crate::support::local().into(), $($name),+);
    };
    (@flavour $flavour:ident, $new:expr, $($name:ident),+ $(; $new_shared:expr, $($shared:ident),+)?) => {
        mod $flavour {
            $(
                #[test]
                fn $name() {
                    super::$name($new);
                }
            )+
            $($(
                #[test]
                fn $shared() {
                    super::$shared($new_shared);
                }
            )+)?
        }
    };
}

pub(crate) fn current() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn multi(workers: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

pub(crate) fn local() -> LocalRuntime {
    LocalRuntime::new().unwrap()
}

/// A runtime of any flavour.
#[derive(Debug)]
pub(crate) enum Rt {
    Shared(Runtime),
    Local(LocalRuntime),
}

impl From<Runtime> for Rt {
    fn from(runtime: Runtime) -> Self {
        Self::Shared(runtime)
    }
}

impl From<LocalRuntime> for Rt {
    fn from(runtime: LocalRuntime) -> Self {
        Self::Local(runtime)
    }
}

/// Does the same for each flavour.
macro_rules! each {
    ($rt:expr, $runtime:ident => $body:expr) => {
        match $rt {
            Rt::Shared($runtime) => $body,
            Rt::Local($runtime) => $body,
        }
    };
}

impl Rt {
    #[track_caller]
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        each!(self, runtime => runtime.block_on(future))
    }

    /// With what the runtime itself has for it: a `LocalRuntime` takes it as one that need not be `Send`.
    #[track_caller]
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self {
            Self::Shared(runtime) => runtime.spawn(future),
            Self::Local(runtime) => runtime.spawn_local(future),
        }
    }

    #[track_caller]
    pub(crate) fn spawn_blocking<R: Send + 'static>(
        &self,
        f: impl FnOnce() -> R + Send + 'static,
    ) -> JoinHandle<R> {
        each!(self, runtime => runtime.spawn_blocking(f))
    }

    pub(crate) fn handle(&self) -> &Handle {
        each!(self, runtime => runtime.handle())
    }

    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        each!(self, runtime => runtime.enter())
    }

    pub(crate) fn metrics(&self) -> RuntimeMetrics {
        each!(self, runtime => runtime.metrics())
    }

    pub(crate) fn shutdown_timeout_report(self, duration: Duration) -> ShutdownReport {
        each!(self, runtime => runtime.shutdown_timeout_report(duration))
    }

    pub(crate) fn shutdown_background(self) {
        each!(self, runtime => runtime.shutdown_background());
    }
}

/// The name of a flavour, and how a builder makes a runtime of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavour(&'static str);

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Flavour {
    /// Whether one thread does it all, the one in `block_on`.
    pub(crate) fn is_single(self) -> bool {
        matches!(self.0, "current_thread" | "local")
    }

    pub(crate) fn build(self, builder: &mut Builder) -> Rt {
        match self.0 {
            "local" => Rt::Local(builder.build_local(LocalOptions::default()).unwrap()),
            _ => Rt::Shared(builder.build().unwrap()),
        }
    }
}

/// Each flavour, with one worker and with four, and the builder that begins it.
pub(crate) fn builders() -> [(Flavour, Builder); 4] {
    let multi = |workers| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(workers);
        builder
    };
    [
        (Flavour("current_thread"), Builder::new_current_thread()),
        (Flavour("multi_thread, 1 worker"), multi(1)),
        (Flavour("multi_thread, 4 workers"), multi(4)),
        (Flavour("local"), Builder::new_current_thread()),
    ]
}

/// Counts how often its clones' drops happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

/// Adds one to its [`Drops`] when it goes.
#[derive(Debug)]
pub(crate) struct Tracked(Drops);

impl Drops {
    pub(crate) fn track(&self) -> Tracked {
        Tracked(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The text of a panic.
pub(crate) fn panic_text(f: impl FnOnce()) -> String {
    panic_text_if_any(f).expect("should have panicked")
}

/// The text of a panic. Nothing: it returned.
pub(crate) fn panic_text_if_any(f: impl FnOnce()) -> Option<String> {
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).err()?;
    Some(match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().map_or_else(String::new, |&text| text.to_owned()),
    })
}

/// Calls a closure when it goes.
pub(crate) struct OnDrop<F: FnOnce()>(pub(crate) Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}
