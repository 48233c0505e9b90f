//! What the operating system counts for this process.
//!
//! Next file to read: `engine.rs`.
#![forbid(unsafe_code)]

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::wire::Usage;

/// `getrusage(RUSAGE_SELF)`, since the process began. All zero where the system refuses.
pub(super) fn now() -> Usage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Usage::default() };
    let positive = |n: i64| u64::try_from(n).unwrap_or(0);
    let rss_unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    Usage {
        user_us: positive(usage.user_time().num_microseconds()),
        system_us: positive(usage.system_time().num_microseconds()),
        voluntary_switches: positive(usage.voluntary_context_switches()),
        involuntary_switches: positive(usage.involuntary_context_switches()),
        max_rss_bytes: positive(usage.max_rss()) * rss_unit,
    }
}

/// What was used from `start` to `end`; the most resident memory is that of the whole life.
pub(super) fn between(start: &Usage, end: &Usage) -> Usage {
    Usage {
        user_us: end.user_us.saturating_sub(start.user_us),
        system_us: end.system_us.saturating_sub(start.system_us),
        voluntary_switches: end.voluntary_switches.saturating_sub(start.voluntary_switches),
        involuntary_switches: end.involuntary_switches.saturating_sub(start.involuntary_switches),
        max_rss_bytes: end.max_rss_bytes,
    }
}
