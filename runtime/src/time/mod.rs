//! Time: sleeping, limits on how long something may take, things that happen at regular intervals.
//!
//! - [`sleep()`] and [`sleep_until`] wait; the future is a [`Sleep`].
//! - [`timeout()`] and [`timeout_at`] give a future a limit, and drop it when that is reached.
//! - [`interval()`] and [`interval_at`] tick: each tick is due a period after the one before was, however long the
//!   work in between took.
//! - [`pause`], [`resume`] and [`advance`] are for tests: they take the clock of a `current_thread` runtime in hand.
//!
//! All of it goes by [`Instant`], which is the machine's monotonic clock unless that has been paused, and belongs to the
//! runtime that is current where it is made; it needs that runtime's time driver, so
//! [`enable_time`](crate::runtime::Builder::enable_time) or
//! [`enable_all`](crate::runtime::Builder::enable_all) on its builder.
//!
//! # Precision
//!
//! Nothing completes before its deadline. Timers are meant for milliseconds: those whose deadlines are in the same
//! millisecond may fire together, with the last of them, and the operating system may add a millisecond of its own. A
//! paused clock is exact.
//!
//! # Examples
//!
//! ```
//! use runtime::time::{self, Duration};
//!
//! async fn answer() -> u32 {
//!     time::sleep(Duration::from_millis(10)).await;
//!     42
//! }
//!
//! # let rt = runtime::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
//! # rt.block_on(async {
//! assert_eq!(time::timeout(Duration::from_secs(1), answer()).await, Ok(42));
//! assert!(time::timeout(Duration::from_millis(1), answer()).await.is_err());
//! # });
//! ```
//!
//! Next file to read: `time/sleep.rs`.

mod clock;
pub mod error;
mod instant;
mod interval;
mod send_timeout;
mod sleep;
mod timeout;

pub use clock::{advance, pause, resume};
pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
#[doc(no_inline)]
pub use std::time::Duration;
pub use timeout::{Timeout, timeout, timeout_at};

/// The longest that anything here waits when told to wait for a duration: thirty years, as with Tokio. It can
/// be added to any likely instant on any system.
const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);
