//! What tests of real processes share.
#![forbid(unsafe_code)]
#![allow(dead_code, reason = "each test program uses a part of this")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No wait comes near this, unless what is tested is broken.
pub(crate) const LONG: Duration = Duration::from_secs(120);
/// The first window that is tried: long enough on a machine that has nothing else to do.
pub(crate) const SHORT: Duration = Duration::from_millis(200);
/// No window is longer.
const LONGEST_WINDOW: Duration = Duration::from_secs(60);
/// What the program says of a run whose window was over before anything was completed in it.
const TOO_SHORT: [&str; 3] = [
    "no operation that was planned in the window completed",
    "no operation was counted in the window",
    "recorded nothing in the measured window",
];

/// Waits until a process, by its folder in `/proc`, has ended; one that nobody has asked for its end yet has, too.
/// `left` says what it means if it does not.
pub(crate) fn wait_until_gone(process: &Path, left: &str) {
    wait_until(left, || match fs::read_to_string(process.join("stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')),
        Err(_) => true,
    });
}

/// Waits for a condition; `otherwise` says what it means if it does not come true.
pub(crate) fn wait_until(otherwise: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "{otherwise}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A port that is free now, and that the system gives to nobody who lets it choose: those are above 32,768.
pub(crate) fn free_port() -> u16 {
    let first = std::process::id() as u16 % 10_000;
    let ports = (0..10_000).map(|nth| 20_000 + (first + nth) % 10_000);
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("10,000 ports are taken")
}

/// Whether the program says that its window was too short for anything to be completed in it.
///
/// That depends on what else the machine has to do, so it is no result: the test measures again, for longer.
pub(crate) fn is_too_short(output: &Output) -> bool {
    says_too_short(&String::from_utf8_lossy(&output.stderr))
        || says_too_short(&String::from_utf8_lossy(&output.stdout))
}

/// The same of what it printed.
pub(crate) fn says_too_short(printed: &str) -> bool {
    // Lines are wrapped at the width of the terminal.
    let text = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    TOO_SHORT.iter().any(|said| text.contains(said))
}

/// Makes attempts with longer and longer windows, the first of this length, until one is of use.
///
/// # Panics
///
/// If none is.
pub(crate) fn with_a_window<T>(first: Duration, mut attempt: impl FnMut(&str) -> Option<T>) -> T {
    let windows = std::iter::successors(Some(first), |window| Some(*window * 3));
    let windows = windows.take_while(|window| *window < LONGEST_WINDOW);
    let made = windows.map(|window| format!("{}ms", window.as_millis())).find_map(|window| attempt(&window));
    made.expect("not even the longest window had what this test needs")
}

/// Runs a command, which is made for an empty folder and the length of a window, until something was completed in the
/// window. What it left, and its output.
pub(crate) fn measured(command: impl Fn(&TempDir, &str) -> Command) -> (TempDir, Output) {
    with_a_window(SHORT, |window| {
        let dir = TempDir::new().unwrap();
        let output = command(&dir, window).output().unwrap();
        (!is_too_short(&output)).then_some((dir, output))
    })
}
