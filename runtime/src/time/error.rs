//! What can go wrong with time.

#![forbid(unsafe_code)]

use std::fmt;
use std::io;

/// Why a timer could not be used.
///
/// Only the first kind comes from this crate, as the message of a panic: a timer polled after the end of its runtime.
/// The others exist for code that was written for Tokio.
///
/// # Examples
///
/// ```
/// use runtime::time::error::Error;
///
/// assert!(Error::shutdown().is_shutdown());
/// assert!(!Error::shutdown().is_at_capacity());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Error(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Shutdown,
    AtCapacity,
    Invalid,
}

impl Error {
    /// The runtime of the timer has been shut down. This is for good.
    pub fn shutdown() -> Error {
        Error(Kind::Shutdown)
    }

    /// Whether the runtime of the timer has been shut down.
    pub fn is_shutdown(&self) -> bool {
        self.0 == Kind::Shutdown
    }

    /// There are as many timers as there can be. This may pass.
    pub fn at_capacity() -> Error {
        Error(Kind::AtCapacity)
    }

    /// Whether there were as many timers as there can be.
    pub fn is_at_capacity(&self) -> bool {
        self.0 == Kind::AtCapacity
    }

    /// The timer was asked for what it cannot do.
    pub fn invalid() -> Error {
        Error(Kind::Invalid)
    }

    /// Whether the timer was asked for what it cannot do.
    pub fn is_invalid(&self) -> bool {
        self.0 == Kind::Invalid
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Shutdown => "the timer is shutdown, must be called from the context of Tokio runtime",
            Kind::AtCapacity => "timer is at capacity and cannot create a new entry",
            Kind::Invalid => "timer duration exceeds maximum duration",
        })
    }
}

impl std::error::Error for Error {}

/// The time limit was reached before the future completed. Returned by a [`Timeout`](super::Timeout).
///
/// # Examples
///
/// It can be passed on with `?` where I/O errors are, as [`io::ErrorKind::TimedOut`]:
///
/// ```
/// use runtime::time::{Duration, timeout};
/// use std::io;
///
/// async fn read_soon(read: impl Future<Output = io::Result<usize>>) -> io::Result<usize> {
///     timeout(Duration::from_secs(5), read).await?
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Elapsed(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> io::Error {
        io::ErrorKind::TimedOut.into()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_error_knows_its_kind_and_says_what_is_wrong() {
        let kinds = [
            (Error::shutdown(), "the timer is shutdown, must be called from the context of Tokio runtime"),
            (Error::at_capacity(), "timer is at capacity and cannot create a new entry"),
            (Error::invalid(), "timer duration exceeds maximum duration"),
        ];
        for (nth, (error, text)) in kinds.iter().enumerate() {
            let asked = [error.is_shutdown(), error.is_at_capacity(), error.is_invalid()];
            assert_eq!(asked, std::array::from_fn(|asked| asked == nth), "{error:?}");
            assert_eq!(error.to_string(), *text);
        }
        assert_eq!(Elapsed::new().to_string(), "deadline has elapsed");
        assert_eq!(io::Error::from(Elapsed::new()).kind(), io::ErrorKind::TimedOut);
    }
}
