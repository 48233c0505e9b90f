//! What tests of real processes share.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// No wait comes near this, unless what is tested is broken.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Waits until a process, by its folder in `/proc`, has ended; one that nobody has asked for its end yet has, too.
/// `left` says what it means if it does not.
pub(crate) fn wait_until_gone(process: &Path, left: &str) {
    let deadline = Instant::now() + LONG;
    let is_gone = || match fs::read_to_string(process.join("stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')),
        Err(_) => true,
    };
    while !is_gone() {
        assert!(Instant::now() < deadline, "{left}");
        thread::sleep(Duration::from_millis(10));
    }
}
